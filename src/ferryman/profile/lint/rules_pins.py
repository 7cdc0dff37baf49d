"""PINs and PUKs: values, references and contexts (reference 3.1)."""

from __future__ import annotations

from collections.abc import Iterator

from ferryman.codec.saip.elements import PIN_NAMES, PUK_NAMES
from ferryman.codec.saip.tree import as_choice
from ferryman.codec.saip.types import Value
from ferryman.profile.lint.findings import WARNING, Spot, rule
from ferryman.profile.lint.view import View, codes, octets

LOCAL = 0x80
"""Bit of a key reference that is local to an ADF or DF; without it the code is global and at the MF."""

ADMINISTRATIVE = frozenset((*range(10, 15), *range(138, 143)))
ATTRIBUTE_BITS = 0x07
CODE_BYTES = 8
MIN_PIN_DIGITS = 4


def _reference(code: dict[str, Value]) -> int:
    number = code.get("keyReference")
    return number if isinstance(number, int) else 0


def _digits(value: bytes, least: int) -> bool:
    """True for digits in ASCII, filled up with FF."""
    digits = value.rstrip(b"\xff")
    return digits.isdigit() and len(digits) >= least


@rule("pin-reference", "3.1")
def _(view: View) -> Iterator[Spot]:
    """A PIN has one of the key references of PINs and ADM codes."""
    for index, element in view.elements("pinCodes"):
        for code in codes(element):
            if _reference(code) not in PIN_NAMES.values():
                yield Spot(index, "keyReference", f"{_reference(code)} is none of a PIN")


@rule("puk-reference", "3.1")
def _(view: View) -> Iterator[Spot]:
    """A PUK has one of the key references of PUKs."""
    for index, element in view.elements("pukCodes"):
        for code in codes(element):
            if _reference(code) not in PUK_NAMES.values():
                yield Spot(index, "keyReference", f"{_reference(code)} is none of a PUK")


@rule("pin-value", "3.1")
def _(view: View) -> Iterator[Spot]:
    """A PIN is 4 to 8 digits in ASCII, filled up with FF."""
    for index, element in view.elements("pinCodes"):
        for code in codes(element):
            value = octets(code.get("pinValue"))
            if _reference(code) not in ADMINISTRATIVE and not _digits(value, MIN_PIN_DIGITS):
                yield Spot(index, "pinValue", f"of key reference {_reference(code)} is not 4 to 8 digits")


@rule("puk-value", "3.1")
def _(view: View) -> Iterator[Spot]:
    """A PUK is 8 digits in ASCII."""
    for index, element in view.elements("pukCodes"):
        for code in codes(element):
            if not _digits(octets(code.get("pukValue")), CODE_BYTES):
                yield Spot(index, "pukValue", f"of key reference {_reference(code)} is not 8 digits")


def _tries(code: dict[str, Value], default: int) -> int:
    number = code.get("maxNumOfAttemps-retryNumLeft", default)
    return number if isinstance(number, int) else default


@rule("pin-tries", "3.1")
def _(view: View) -> Iterator[Spot]:
    """A PIN has at least one try, and not more left than its maximum."""
    for index, element in view.elements("pinCodes"):
        for code in codes(element):
            tries = _tries(code, 0x33)
            if tries >> 4 == 0 or tries & 0x0F > tries >> 4:
                yield Spot(
                    index, "maxNumOfAttemps-retryNumLeft", f"of key reference {_reference(code)} is {tries:02X}"
                )


@rule("puk-tries", "3.1")
def _(view: View) -> Iterator[Spot]:
    """A PUK has at least one try, and not more left than its maximum."""
    for index, element in view.elements("pukCodes"):
        for code in codes(element):
            tries = _tries(code, 0xAA)
            if tries >> 4 == 0 or tries & 0x0F > tries >> 4:
                yield Spot(
                    index, "maxNumOfAttemps-retryNumLeft", f"of key reference {_reference(code)} is {tries:02X}"
                )


@rule("pin-attributes", "3.1", WARNING)
def _(view: View) -> Iterator[Spot]:
    """pinAttributes has no other bits than 3 to 1."""
    for index, element in view.elements("pinCodes"):
        for code in codes(element):
            attributes = code.get("pinAttributes", ATTRIBUTE_BITS)
            if isinstance(attributes, int) and attributes & ~ATTRIBUTE_BITS:
                yield Spot(index, "pinAttributes", f"of key reference {_reference(code)} is {attributes:02X}")


@rule("pin-context", "3.1")
def _(view: View) -> Iterator[Spot]:
    """PE-PINCodes follows an element that creates or selects the DF or ADF of its PINs."""
    for index, _ in view.elements("pinCodes"):
        if view.contexts.get(index) is None:
            yield Spot(index, "", "no DF or ADF is created before it")


@rule("pin-context-once", "3.1")
def _(view: View) -> Iterator[Spot]:
    """A context has one PE-PINCodes."""
    seen: set[tuple[bytes, ...]] = set()
    for index, _ in view.elements("pinCodes"):
        context = view.contexts.get(index)
        if context is not None and context in seen:
            yield Spot(index, "", "is a second one for the same context")
        seen |= {context} if context is not None else set()


@rule("pin-global-at-mf", "3.1")
def _(view: View) -> Iterator[Spot]:
    """Global key references are defined in the context of the MF."""
    for index, element in view.elements("pinCodes"):
        if view.contexts.get(index):
            for code in codes(element):
                if not _reference(code) & LOCAL:
                    yield Spot(index, "keyReference", f"{_reference(code)} is global, the context is not the MF")


@rule("pin-local-in-df", "3.1")
def _(view: View) -> Iterator[Spot]:
    """Local key references are defined in the context of an ADF or DF."""
    for index, element in view.elements("pinCodes"):
        if view.contexts.get(index) == ():
            for code in codes(element):
                if _reference(code) & LOCAL:
                    yield Spot(index, "keyReference", f"{_reference(code)} is local, the context is the MF")


@rule("pin-once", "3.1")
def _(view: View) -> Iterator[Spot]:
    """A key reference is there once in one PE-PINCodes."""
    for index, element in view.elements("pinCodes"):
        references = [_reference(code) for code in codes(element)]
        for number in sorted({one for one in references if references.count(one) > 1}):
            yield Spot(index, "keyReference", f"{number} is there more than once")


@rule("puk-reference-once", "3.1")
def _(view: View) -> Iterator[Spot]:
    """A key reference is there once in PE-PUKCodes."""
    for index, element in view.elements("pukCodes"):
        references = [_reference(code) for code in codes(element)]
        for number in sorted({one for one in references if references.count(one) > 1}):
            yield Spot(index, "keyReference", f"{number} is there more than once")


@rule("pin-puk-defined", "3.1")
def _(view: View) -> Iterator[Spot]:
    """The PUK that a PIN names is defined."""
    defined = {_reference(code) for _, element in view.elements("pukCodes") for code in codes(element)}
    for index, element in view.elements("pinCodes"):
        for code in codes(element):
            named = code.get("unblockingPINReference")
            if named is not None and named not in defined:
                yield Spot(
                    index,
                    "unblockingPINReference",
                    f"of key reference {_reference(code)} names no PUK that is defined",
                )


@rule("pin-status-defined", "3.1")
def _(view: View) -> Iterator[Spot]:
    """Global PINs that a pinStatusTemplateDO names are defined at the MF."""
    defined: set[int] = set()
    for index, element in view.elements("pinCodes"):
        if view.contexts.get(index) == ():
            defined |= {_reference(code) for code in codes(element)}
    told: set[int] = set()
    for file in view.files:
        listed = octets(file.fcp.get("pinStatusTemplateDO"))
        for number in listed:
            if number in PIN_NAMES.values() and not number & LOCAL and number not in defined | told:
                told.add(number)
                yield Spot(file.index, file.name, f"names PIN {number:02X}, which is not defined at the MF")


@rule("pin-shared-context", "3.1")
def _(view: View) -> Iterator[Spot]:
    """A filePath in PE-PINCodes names a context with PINs of its own."""
    owners = {
        view.contexts.get(index) for index, element in view.elements("pinCodes") if _shared(element.fields) is None
    }
    for index, element in view.elements("pinCodes"):
        path = _shared(element.fields)
        if path is not None and tuple(path[at : at + 2] for at in range(0, len(path), 2)) not in owners:
            yield Spot(index, "filePath", f"{path.hex().upper() or 'the MF'} has no PE-PINCodes of its own")


def _shared(fields: dict[str, Value]) -> bytes | None:
    kind, value = as_choice(fields["pinCodes"])
    return octets(value) if kind == "filePath" else None
