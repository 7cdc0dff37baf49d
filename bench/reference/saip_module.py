"""The profile package format as an ASN.1 module, written from our schema tables, for tools that compile one."""

from __future__ import annotations

import re

from ferryman.codec.saip.schema import ELEMENT_TAGS, SCHEMAS
from ferryman.codec.saip.types import (
    Choice,
    Field,
    Integer,
    Null,
    Octets,
    Oid,
    Sequence,
    SequenceOf,
    Text,
    Type,
    Value,
)

CLASSES = {0x40: "APPLICATION ", 0x80: "", 0xC0: "PRIVATE "}


def module(version: tuple[int, int]) -> str:
    """A module with the type ProfileElement. Every tag is written, so that no tool has to number anything."""
    elements = SCHEMAS[version].elements
    lines = [
        f"  {name} [{_number(ELEMENT_TAGS[name])}] IMPLICIT {_type(kind)}"
        for name, kind in sorted(elements.items(), key=lambda item: _number(ELEMENT_TAGS[item[0]]))
    ]
    body = ",\n".join(lines)
    return f"Packages DEFINITIONS EXPLICIT TAGS ::= BEGIN\nProfileElement ::= CHOICE {{\n{body}\n}}\nEND\n"


def _number(tag: bytes) -> int:
    if len(tag) == 1:
        return tag[0] & 0x1F
    number = 0
    for byte in tag[1:]:
        number = number << 7 | (byte & 0x7F)
    return number


def _type(kind: Type) -> str:
    match kind:
        case Octets():
            return "OCTET STRING"
        case Integer():
            return "INTEGER"
        case Null():
            return "NULL"
        case Oid():
            return "OBJECT IDENTIFIER"
        case Text():
            return "UTF8String"
        case Sequence():
            return "SEQUENCE { " + ", ".join(_field(each) for each in kind.fields) + " }"
        case SequenceOf():
            return f"SEQUENCE OF {_type(kind.item)}"
        case Choice():
            return "CHOICE { " + ", ".join(_field(each) for each in kind.alternatives.values()) + " }"


def _field(each: Field) -> str:
    name = re.sub(r"^([A-Z])", lambda found: found[1].lower(), each.name)
    tag = each.tag
    written = ""
    if tag[0] & 0xC0:
        how = "EXPLICIT" if isinstance(each.type, Choice) else "IMPLICIT"
        written = f"[{CLASSES[tag[0] & 0xC0]}{_number(tag)}] {how} "
    # A list as DEFAULT (sqnInit) is more than asn1tools parses; OPTIONAL reads and writes the same bytes.
    if each.optional or isinstance(each.default, list):
        ending = " OPTIONAL"
    else:
        ending = "" if each.default is None else f" DEFAULT {_default(each.default)}"
    return f"{name} {written}{_type(each.type)}{ending}"


def _default(value: Value) -> str:
    if isinstance(value, bytes):
        return f"'{value.hex().upper()}'H"
    return str(value)
