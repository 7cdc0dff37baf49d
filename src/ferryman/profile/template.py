"""Compiled profile templates (TCA profile package format; design of the profile-package reference, 8.4).

A package is compiled once: everything a subscription does not change is already DER, slots are holes in
it, and only a TLV with a value of variable length below it computes its length when rendered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ferryman.codec.saip import decode
from ferryman.codec.saip.der import encode_length
from ferryman.codec.saip.encoder import Node, Part
from ferryman.codec.saip.package import Package, build
from ferryman.codec.saip.types import Slot
from ferryman.errors import InputError
from ferryman.profile.places import Algorithm, place_slots
from ferryman.profile.slots import SECRET_SLOTS

FORMAT = 1
"""Number of the stored form; a form with another number is refused and the template compiled again."""

MAX_NODE_DEPTH = 16
"""Nesting of live TLVs in the stored form; the schema's own depth is below 8."""


@dataclass(frozen=True, slots=True)
class TemplateSlot:
    """A value the template needs: its name, whether it is secret, and its size in bytes."""

    name: str
    secret: bool
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class CompiledTemplate:
    """A template ready for rendering.

    `slots` are in order of first appearance. `profile_type` is the header's (empty when absent), `version`
    that of the package format. `mnc_length` is what EF AD says (2 or 3 digits). `notes` tell an operator
    what personalisation leaves as it was. `parts` hold the package and are not shown.
    """

    parts: tuple[Part, ...] = field(repr=False)
    slots: tuple[TemplateSlot, ...]
    profile_type: str
    version: tuple[int, int]
    mnc_length: int
    notes: tuple[str, ...]

    def render(self, values: Mapping[str, bytes]) -> bytes:
        """The personalised package as DER; values of other slots are ignored.

        Raises InputError naming a slot without a value or with one of the wrong size.
        """
        for slot in self.slots:
            value = values.get(slot.name)
            if value is None:
                raise InputError(slot.name, "the template needs it, the subscription does not have it")
            if not slot.minimum <= len(value) <= slot.maximum:
                raise InputError(slot.name, f"{len(value)} bytes, the template takes {_size(slot)}")
        return _render(self.parts, values)

    def missing(self, names: Iterable[str]) -> tuple[str, ...]:
        """Slots for which `names` has no value."""
        given = frozenset(names)
        return tuple(slot.name for slot in self.slots if slot.name not in given)

    @property
    def secret_names(self) -> frozenset[str]:
        """Names of the secret slots."""
        return frozenset(slot.name for slot in self.slots if slot.secret)

    @property
    def public_names(self) -> frozenset[str]:
        """Names of the slots that are not secret."""
        return frozenset(slot.name for slot in self.slots if not slot.secret)

    def to_bytes(self) -> bytes:
        """The stored form (MessagePack). It holds the package's own fixed keys, if it has any."""
        stored = _Stored(
            form=FORMAT,
            parts=[_stored_part(part) for part in self.parts],
            slots=[(slot.name, slot.minimum, slot.maximum) for slot in self.slots],
            profile_type=self.profile_type,
            version=self.version,
            mnc_length=self.mnc_length,
            notes=self.notes,
        )
        return msgspec.msgpack.encode(stored)

    @classmethod
    def from_bytes(cls, stored: bytes) -> CompiledTemplate:
        """Reads the stored form. Raises InputError when it is damaged or of another form."""
        try:
            read = msgspec.msgpack.decode(stored, type=_Stored)
        except msgspec.DecodeError:
            raise InputError("compiled template", "is not readable") from None
        if read.form != FORMAT:
            raise InputError("compiled template", f"has form {read.form}, this program reads {FORMAT}")
        slots = {name: Slot(name, minimum, maximum) for name, minimum, maximum in read.slots}
        parts = tuple(_loaded_part(part, slots, 0) for part in read.parts)
        described = tuple(_described(slot) for slot in slots.values())
        return cls(parts, described, read.profile_type, read.version, read.mnc_length, read.notes)


class _Stored(msgspec.Struct, array_like=True):
    form: int
    parts: list[Any]
    slots: list[tuple[str, int, int]]
    profile_type: str
    version: tuple[int, int]
    mnc_length: int
    notes: tuple[str, ...]


def compile_template(der: bytes, *, algorithm: Algorithm = "milenage") -> CompiledTemplate:
    """Compiles a profile package as template: finds the subscription's places and leaves slots there.

    `milenage` makes every akaParameter use Milenage (and the header ask for it); `as-is` keeps algorithms.
    The operator's OTA keys become AES-128 in either case. Raises PeerError for a package that is not valid
    DER of a known version and InputError for one that lacks a place, naming it.
    """
    package = decode(der)
    mapping = place_slots(package, algorithm)
    profile_type = package.header.get("profileType", "")
    return CompiledTemplate(
        parts=tuple(build(package)),
        slots=tuple(_described(slot) for slot in mapping.slots.values()),
        profile_type=profile_type if isinstance(profile_type, str) else "",
        version=package.version,
        mnc_length=mapping.mnc_length,
        notes=tuple(mapping.notes),
    )


def with_slots(der: bytes, *, algorithm: Algorithm = "milenage") -> Package:
    """The decoded package with slots in place of the subscription's values, as `compile_template` sees it."""
    package = decode(der)
    place_slots(package, algorithm)
    return package


def _described(slot: Slot) -> TemplateSlot:
    return TemplateSlot(slot.name, slot.name in SECRET_SLOTS, slot.minimum, slot.maximum)


def _size(slot: TemplateSlot) -> str:
    return str(slot.minimum) if slot.minimum == slot.maximum else f"{slot.minimum} to {slot.maximum}"


def _render(parts: tuple[Part, ...], values: Mapping[str, bytes]) -> bytes:
    chunks: list[bytes] = []
    for part in parts:
        if isinstance(part, bytes):
            chunks.append(part)
        elif isinstance(part, Slot):
            chunks.append(values[part.name])
        else:
            body = _render(part.parts, values)
            chunks += (part.tag, encode_length(len(body)), body)
    return b"".join(chunks)


def _stored_part(part: Part) -> Any:
    if isinstance(part, Slot):
        return part.name
    return [part.tag, [_stored_part(each) for each in part.parts]] if isinstance(part, Node) else part


def _loaded_part(part: Any, slots: dict[str, Slot], depth: int) -> Part:
    match part:
        case bytes():
            return part
        case str() if part in slots:
            return slots[part]
        case [bytes() as tag, list() as below] if depth < MAX_NODE_DEPTH:
            return Node(tag, tuple(_loaded_part(each, slots, depth + 1) for each in below))
        case _:
            raise InputError("compiled template", "is damaged")
