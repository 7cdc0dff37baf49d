"""Profile packages as plain lists and maps, for YAML and JSON: the same tree as value notation.

Bytes are hexadecimal text with `{name}` for a variable, NULL is null, a CHOICE is a map of one entry, an object
identifier is dotted text, an INTEGER its name where it has one. Text that begins with a brace is written as
`{text: ...}`, because `{name}` alone is a variable there too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ferryman.codec.saip.decoder import EXTENSION
from ferryman.codec.saip.der import Place, encode_oid, misfit
from ferryman.codec.saip.elements import PE_HEADER
from ferryman.codec.saip.notation_reader import OPAQUE, element_tag
from ferryman.codec.saip.package import MAX_ELEMENTS, Package, ProfileElement
from ferryman.codec.saip.placeholders import NotHex, read_hex, variable, write_hex
from ferryman.codec.saip.schema import HEADER, schema_for
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
from ferryman.errors import InputError

_BRACED = re.compile(r"\{([^{}]*)\}")


def to_plain(package: Package) -> list[dict[str, Any]]:
    """One map of one entry for each profile element. Raises InputError for a value that does not fit."""
    schema = schema_for(package.version, package.edition)
    if schema is None:
        raise misfit("has a version that is not supported", Place("package"))
    found: list[dict[str, Any]] = []
    for index, element in enumerate(package.elements):
        place = Place(f"PE {index} {element.name}")
        if element.opaque is None:
            found.append({element.name: _plain(schema.elements[element.name], element.fields, place)})
            continue
        head = element.fields.get("pe-header")
        lead = {} if head is None else {"pe-header": _plain(PE_HEADER, head, place)}
        found.append({element.name: lead | {OPAQUE: write_hex(element.opaque)}})
    return found


def _plain(kind: Type, value: Value, place: Place) -> Any:
    match kind, value:
        case Octets(), bytes() | Slot() | Mixed():
            return write_hex(value)
        case Integer(), int():
            return kind.name_of(value) or value
        case Text(), Slot():
            return write_hex(value)
        case Text(), str():
            return {"text": value} if value.startswith("{") else value
        case (Oid(), str()) | (Null(), None):
            return value
        case Sequence(), dict():
            fields = {each.name: each.type for each in kind.fields} | {EXTENSION: Octets()}
            return {name: _plain(fields[name], item, place.child(name)) for name, item in value.items()}
        case SequenceOf(), list():
            return [_plain(kind.item, item, place.child(f"[{at}]")) for at, item in enumerate(value)]
        case Choice(), (str() as name, item) if (each := kind.named(name)) is not None:
            return {name: _plain(each.type, item, place.child(name))}
        case _:
            raise misfit("does not fit its type", place)


def from_plain(document: Any, *, variables: Mapping[str, Slot] | None = None, edition: str = "") -> Package:
    """The package of such a list. Raises InputError naming the element and component that does not fit."""
    if not isinstance(document, list) or not 0 < len(document) <= MAX_ELEMENTS:
        raise InputError("package", f"must be a list of 1 to {MAX_ELEMENTS} profile elements")
    schema = schema_for(_version(document[0]), edition)
    if schema is None:
        raise InputError("header", "has a format version that is not supported")
    reader = _Reader(variables or {})
    elements: list[ProfileElement] = []
    for index, item in enumerate(document):
        name, content = _single(item, Place(f"PE {index}"))
        place = Place(f"PE {index} {name}")
        tag = element_tag(name)
        if not tag:
            raise misfit("is not a profile element", place)
        kind = schema.elements.get(name)
        if kind is None:
            elements.append(reader.raw_element(name, tag, content, place))
        else:
            elements.append(ProfileElement(name, reader.sequence(kind, content, place), None, tag))
    return Package(schema.version, tuple(elements), edition)


def _version(first: Any) -> tuple[int, int]:
    """Header version of the first element; (0, 0), which no schema has, when it is no profile header."""
    header = first.get(HEADER) if isinstance(first, dict) else None
    if not isinstance(header, dict):
        raise InputError("package", "must begin with the profile header")
    major, minor = header.get("major-version"), header.get("minor-version")
    return (major, minor) if isinstance(major, int) and isinstance(minor, int) else (0, 0)


def _single(item: Any, place: Place) -> tuple[str, Any]:
    if not isinstance(item, dict) or len(item) != 1 or not all(isinstance(name, str) for name in item):
        raise misfit("must be a map of one entry", place)
    return next(iter(item.items()))


class _Reader:
    """Reads plain values by their types."""

    def __init__(self, variables: Mapping[str, Slot]) -> None:
        self._variables = variables

    def raw_element(self, name: str, tag: bytes, content: Any, place: Place) -> ProfileElement:
        """An element that the version has no type for."""
        if not isinstance(content, dict) or content.keys() - {"pe-header", OPAQUE} or OPAQUE not in content:
            raise misfit(f"this version does not know it: must have pe-header and {OPAQUE} only", place)
        head = content.get("pe-header")
        fields: dict[str, Value] = {}
        if head is not None:
            fields["pe-header"] = self.sequence(PE_HEADER, head, place.child("pe-header"))
        opaque = self._octets(Octets(), content[OPAQUE], place)
        if not isinstance(opaque, bytes):
            raise misfit("a variable cannot stand in an element without a type", place)
        return ProfileElement(name, fields, opaque, tag)

    def sequence(self, kind: Sequence, value: Any, place: Place) -> dict[str, Value]:
        """The components in the order of the schema, those equal to their DEFAULT left out."""
        if not isinstance(value, dict):
            raise misfit("must be a map of components", place)
        known = {each.name for each in kind.fields} | {EXTENSION}
        for name in value:
            if name not in known:
                raise misfit(f"{str(name)[:40]!r} is not a component here", place)
        found: dict[str, Value] = {}
        for each in kind.fields:
            if each.name in value:
                item = self._value(each.type, value[each.name], place.child(each.name))
                if each.default is None or item != each.default:
                    found[each.name] = item
            elif not each.may_be_absent:
                raise misfit(f"{each.name} is missing", place)
        if EXTENSION in value:
            found[EXTENSION] = self._octets(Octets(), value[EXTENSION], place.child(EXTENSION))
        return found

    def _value(self, kind: Type, value: Any, place: Place) -> Value:
        match kind:
            case Octets():
                return self._octets(kind, value, place)
            case Integer():
                number = kind.names.get(value) if isinstance(value, str) else value
                if not isinstance(number, int) or isinstance(number, bool):
                    raise misfit("must be a number or the name of one", place)
                if not kind.minimum <= number <= kind.maximum:
                    raise misfit(f"must be a number in {kind.minimum}..{kind.maximum}", place)
                return number
            case Null():
                if value is not None:
                    raise misfit("must be null", place)
                return None
            case Oid():
                return self._oid(value, place)
            case Text():
                return self._text(kind, value, place)
            case Sequence():
                return self.sequence(kind, value, place)
            case SequenceOf():
                return self._sequence_of(kind, value, place)
            case Choice():
                name, item = _single(value, place)
                each = kind.named(name)
                if each is None:
                    raise misfit(f"{name[:40]!r} is none of the alternatives", place)
                return name, self._value(each.type, item, place.child(name))

    def _sequence_of(self, kind: SequenceOf, value: Any, place: Place) -> list[Value]:
        if not isinstance(value, list) or not kind.minimum <= len(value) <= kind.maximum:
            raise misfit(f"must be a list of {kind.minimum}..{kind.maximum} items", place)
        return [self._value(kind.item, item, place.child(f"[{at}]")) for at, item in enumerate(value)]

    def _octets(self, kind: Octets, value: Any, place: Place) -> Value:
        if not isinstance(value, str):
            raise misfit("must be hexadecimal text (in quotes where it is digits only)", place)
        try:
            read = read_hex(value, self._variables)
        except NotHex as problem:
            raise misfit(str(problem), place) from None
        if isinstance(read, bytes) and not kind.minimum <= len(read) <= kind.maximum:
            raise misfit(f"must have {kind.minimum}..{kind.maximum} bytes", place)
        return read

    def _oid(self, value: Any, place: Place) -> str:
        if not isinstance(value, str):
            raise misfit("must be an object identifier in dotted form, in quotes", place)
        encode_oid(value, place)
        return value

    def _text(self, kind: Text, value: Any, place: Place) -> Value:
        literal = value.get("text") if isinstance(value, dict) and len(value) == 1 else value
        if not isinstance(literal, str):
            raise misfit("must be text", place)
        braced = _BRACED.fullmatch(value) if isinstance(value, str) else None
        if braced is not None:
            try:
                return variable(braced[1], self._variables)
            except NotHex as problem:
                raise misfit(str(problem), place) from None
        if not kind.minimum <= len(literal) <= kind.maximum:
            raise misfit(f"must be text of {kind.minimum}..{kind.maximum} characters", place)
        return literal
