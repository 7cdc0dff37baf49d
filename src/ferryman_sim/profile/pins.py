"""PIN and PUK elements and the rules of their contexts (profile-package.md 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .der import Fields, MalformedDer, Tlv, UnknownField
from .filesystem import split_path
from .outcome import Abort, Status

GLOBAL_REFERENCES = frozenset((*range(1, 9), *range(10, 15)))
"""Application PINs 1..8 and ADM1..ADM5."""

LOCAL_REFERENCES = frozenset((*range(129, 137), *range(138, 143)))
"""Second application PINs and ADM6..ADM10."""

PUK_REFERENCES = frozenset((*range(1, 9), *range(129, 137)))

MAX_PINS = 26
MAX_PUKS = 16
DEFAULT_ATTRIBUTES = 7
DEFAULT_PIN_TRIES = 0x33
DEFAULT_PUK_TRIES = 0xAA
PIN_MEMORY = 16
"""Bytes charged for one PIN or PUK: value, counters, attributes."""


@dataclass(frozen=True, slots=True, repr=False)
class Pin:
    """A PIN; value 8 bytes padded with FF; maximum and left: tries."""

    reference: int
    value: bytes
    puk: int | None
    attributes: int
    maximum: int
    left: int


@dataclass(frozen=True, slots=True, repr=False)
class Puk:
    """An unblocking PIN; value 8 bytes; maximum and left: tries."""

    reference: int
    value: bytes
    maximum: int
    left: int


@dataclass(frozen=True, slots=True)
class PinSet:
    """PINs of one context, or the path of the context whose PINs it shares."""

    pins: dict[int, Pin]
    shared: tuple[int, ...] | None = None

    def dump(self) -> dict[str, Any]:
        """JSON form."""
        pins = [
            [pin.reference, pin.value.hex(), pin.puk, pin.attributes, pin.maximum, pin.left]
            for pin in self.pins.values()
        ]
        return {"pins": pins, "shared": None if self.shared is None else list(self.shared)}

    @classmethod
    def load(cls, image: dict[str, Any]) -> PinSet:
        """From `dump`."""
        pins = {row[0]: Pin(row[0], bytes.fromhex(row[1]), *row[2:]) for row in image["pins"]}
        return cls(pins, None if image["shared"] is None else tuple(image["shared"]))


def parse_pin_codes(body: Fields, *, master: bool) -> tuple[PinSet, int]:
    """pinCodes after its header: the set and its offset. Raises MalformedDer, UnknownField, Abort.

    master: the context is the MF, where only global references may be defined; elsewhere only local ones.
    """
    choice = body.required(0xA1)
    body.finish()
    inner = Fields(choice)
    path = inner.optional(0x81)
    if path is not None:
        inner.finish()
        target = split_path(path.octets(0, 8))
        if target is None:
            raise Abort(Status.BAD_VALUES, "path of shared PINs", path.body_offset)
        return PinSet({}, target), choice.offset
    listed = inner.required(0xA0)
    inner.finish()
    allowed = GLOBAL_REFERENCES if master else LOCAL_REFERENCES
    pins: dict[int, Pin] = {}
    for item in _items(listed, MAX_PINS):
        pin = _parse_pin(item)
        if pin.reference not in allowed or pin.reference in pins:
            raise Abort(Status.BAD_VALUES, f"PIN reference {pin.reference}", item.offset)
        pins[pin.reference] = pin
    return PinSet(pins), choice.offset


def parse_puk_codes(body: Fields) -> dict[int, Puk]:
    """pukCodes after its header. Raises MalformedDer, UnknownField, Abort."""
    listed = body.required(0xA1)
    body.finish()
    puks: dict[int, Puk] = {}
    for item in _items(listed, MAX_PUKS):
        fields = Fields(item)
        reference = fields.required(0x80).integer()
        value = fields.required(0x81).octets(8)
        tries = fields.optional(0x82)
        fields.finish()
        if reference not in PUK_REFERENCES or reference in puks:
            raise Abort(Status.BAD_VALUES, f"PUK reference {reference}", item.offset)
        puks[reference] = Puk(reference, value, *_tries(tries, DEFAULT_PUK_TRIES))
    return puks


def _items(listed: Tlv, most: int) -> list[Tlv]:
    items = listed.children()
    if not 1 <= len(items) <= most:
        raise MalformedDer("number of entries", listed.body_offset)
    for item in items:
        if item.tag != 0x30:
            raise UnknownField(item.offset)
    return items


def _parse_pin(item: Tlv) -> Pin:
    fields = Fields(item)
    reference = fields.required(0x80).integer()
    value = fields.required(0x81).octets(8)
    puk = fields.optional(0x82)
    attributes = fields.optional(0x83)
    tries = fields.optional(0x84)
    fields.finish()
    return Pin(
        reference,
        value,
        puk.integer() if puk else None,
        attributes.integer() & 0xFF if attributes else DEFAULT_ATTRIBUTES,
        *_tries(tries, DEFAULT_PIN_TRIES),
    )


def _tries(item: Tlv | None, default: int) -> tuple[int, int]:
    """(maximum, left): high and low nibble."""
    value = default if item is None else item.integer()
    if value > 0xFF or value & 0x0F > value >> 4:
        raise Abort(Status.BAD_VALUES, "retry counter", item.offset if item else 0)
    return value >> 4, value & 0x0F
