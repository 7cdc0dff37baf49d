"""Import of a template: compiled, then checked with two sample subscriptions by every rule of the validator."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ferryman.codec.ids import luhn_digit
from ferryman.codec.saip import decode
from ferryman.codec.saip.encoder import Node, Part
from ferryman.errors import InputError
from ferryman.profile.derivations import Datum
from ferryman.profile.lint import ERROR, Finding, check, check_variables
from ferryman.profile.places import Algorithm
from ferryman.profile.template import CompiledTemplate, compile_tree, with_slots
from ferryman.profile.variables import BYTES, SHORTEST_OBJECT, Variable, read

DIGITS = "1234567890"
"""Samples of bytes are these in ASCII too: as a PIN, a PUK, a key or a name they break no rule."""

TEST_NETWORK = "00101"
ICCID_START = "8999"
ICCIDS_FROM = frozenset(("iccid_header", "iccid_ef"))
IMSIS_FROM = frozenset(("imsi_ef", "acc", "impi", "impu", "domain"))
_REALM = re.compile(rb"mnc([0-9]{3})\.mcc([0-9]{3})")


@dataclass(frozen=True, slots=True)
class Imported:
    """A template that is fit for use, and what is doubtful in it."""

    template: CompiledTemplate
    warnings: tuple[Finding, ...]


def import_template(source: bytes, algorithm: Algorithm = "milenage") -> Imported:
    """Compiles a template and checks it: its variables for all their values, the package with two samples.

    Raises like `compile_template`, and InputError for errors found.
    """
    tree = with_slots(source, algorithm=algorithm)
    found = dict.fromkeys(check_variables(tree.package))
    template = compile_tree(tree)
    for shortest in (True, False):
        package = template.personalise(sample(template, shortest=shortest))
        found |= dict.fromkeys(check(decode(package)))
    errors = [finding for finding in found if finding.severity == ERROR]
    if errors:
        more = f", and {len(errors) - 1} more errors" if errors[1:] else ""
        raise InputError("template", f"{errors[0]}{more} (see `ferryman profile lint`)")
    return Imported(template, tuple(found))


def sample(template: CompiledTemplate, *, shortest: bool) -> dict[str, Datum]:
    """Values of every field, as short or as long as they may be; its sample or default where it has one."""
    network = _network(template)
    return {field.name: _value(template, field, network, shortest=shortest) for field in template.fields}


def _value(template: CompiledTemplate, field: Variable, network: str, *, shortest: bool) -> Datum:
    text = field.sample if field.sample is not None else field.default
    if text is not None:
        return read(field, text)
    size = field.minimum if shortest else field.maximum
    uses = {
        one.derived.function for one in template.variables if one.derived and field.name in one.derived.variables
    }
    if uses & ICCIDS_FROM:
        digits = (ICCID_START + DIGITS * 2)[: size - 1]
        return digits + str(luhn_digit(digits)) if size > 18 else digits + "0"
    filled = (DIGITS * (size // len(DIGITS) + 1))[:size]
    if uses & IMSIS_FROM:
        return (network + filled)[:size]
    if field.kind == "tlv":
        return _object(size)
    return filled.encode("ascii") if field.kind in BYTES else filled


def _object(size: int) -> bytes:
    """One data object of so many bytes; its length is coded as short as that can be, or one byte longer."""
    if size == 0:
        return b""
    for octets in (0, 1, 2):
        value = size - SHORTEST_OBJECT - octets
        if value < 1 << (8 * octets or 7):
            break
    length = bytes((0x80 | octets,)) + value.to_bytes(octets) if octets else bytes((value,))
    return b"\x80" + length + bytes(value)


def _network(template: CompiledTemplate) -> str:
    """MCC and MNC that the identities of the template's own ISIM name, else those of the test network."""
    found = _REALM.search(_constant(template.parts))
    if found is None:
        return TEST_NETWORK
    return (found[2] + found[1][3 - template.mnc_length :]).decode("ascii")


def _constant(parts: tuple[Part, ...]) -> bytes:
    return b"".join(
        part if isinstance(part, bytes) else _constant(part.parts) if isinstance(part, Node) else b""
        for part in parts
    )
