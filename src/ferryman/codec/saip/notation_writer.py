"""Writes profile packages in ASN.1 value notation as the published packages have it (X.680).

Components that equal their DEFAULT are written out, unlike in DER; lines end with a line feed. A slot is written
as a value reference, bytes with slots between them as an hstring with `{name}`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ferryman.codec.saip.decoder import EXTENSION
from ferryman.codec.saip.der import Place, misfit
from ferryman.codec.saip.elements import PE_HEADER
from ferryman.codec.saip.notation_reader import OPAQUE
from ferryman.codec.saip.package import Package, ProfileElement
from ferryman.codec.saip.placeholders import write_hex
from ferryman.codec.saip.schema import Schema, schema_for
from ferryman.codec.saip.types import (
    Choice,
    Integer,
    Mixed,
    Null,
    Octets,
    Oid,
    Sequence,
    SequenceOf,
    Slot,
    Text,
    Type,
    Value,
)

STEP = "  "


def write_notation(package: Package) -> str:
    """The package as text. Raises InputError naming the place of a value that does not fit the schema."""
    schema = schema_for(package.version, package.edition)
    if schema is None:
        raise misfit("has a version that is not supported", Place("package"))
    pieces: list[str] = []
    for index, element in enumerate(package.elements):
        place = Place(f"PE {index} {element.name}")
        body = _element(schema, element, place)
        pieces.append(f"value{index + 1} ProfileElement ::= {element.name} : {body}\n")
    return "".join(pieces)


def _element(schema: Schema, element: ProfileElement, place: Place) -> str:
    if element.opaque is not None:
        head = element.fields.get("pe-header")
        items = [] if head is None else [f"pe-header {_write(PE_HEADER, head, place, STEP)}"]
        return _braces([*items, f"{OPAQUE} {_hex(element.opaque)}"], "")
    kind = schema.elements.get(element.name)
    if kind is None:
        raise misfit("is not an element of this version", place)
    return _write(kind, element.fields, place, "")


def _write(kind: Type, value: Value, place: Place, indent: str) -> str:
    """The value at this indentation; its first line follows what stands before it."""
    match kind, value:
        case (Octets() | Text(), Slot()):
            return value.name
        case Octets(), bytes() | Mixed():
            return _hex(value)
        case Integer(), int():
            return kind.name_of(value) or str(value)
        case Null(), None:
            return "NULL"
        case Oid(), str():
            return f"{{ {value.replace('.', ' ')} }}"
        case Text(), str():
            return '"' + value.replace('"', '""') + '"'
        case Sequence(), dict():
            return _braces(list(_components(kind, value, place, indent + STEP)), indent)
        case SequenceOf(), list():
            below = [
                _write(kind.item, item, place.child(f"[{number}]"), indent + STEP)
                for number, item in enumerate(value)
            ]
            return _braces(below, indent)
        case Choice(), (str() as name, item) if (each := kind.named(name)) is not None:
            return f"{name} : {_write(each.type, item, place.child(name), indent)}"
        case _:
            raise misfit("does not fit its type", place)


def _components(kind: Sequence, value: dict[str, Value], place: Place, indent: str) -> Iterator[str]:
    for each in kind.fields:
        if each.name in value:
            yield f"{each.name} {_write(each.type, value[each.name], place.child(each.name), indent)}"
        elif each.default is not None:
            yield f"{each.name} {_write(each.type, each.default, place, indent)}"
        elif not each.may_be_absent:
            raise misfit(f"{each.name} is missing", place)
    if EXTENSION in value:
        yield f"{EXTENSION} {_write(Octets(), value[EXTENSION], place, indent)}"


def _braces(items: list[str], indent: str) -> str:
    if not items:
        return "{\n" + indent + "}"
    inner = indent + STEP
    return "{\n" + ",\n".join(inner + item for item in items) + "\n" + indent + "}"


def _hex(value: bytes | Mixed) -> str:
    return f"'{write_hex(value)}'H"
