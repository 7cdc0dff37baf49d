"""The small language in which the profile package schema is written (ASN.1 types of X.680, those that occur).

A decoded value is plain Python, by type: SEQUENCE `dict` (absent OPTIONAL and DEFAULT components have no
key), SEQUENCE OF `list`, CHOICE `(name, value)`, OCTET STRING `bytes`, INTEGER `int`, UTF8String `str`,
OBJECT IDENTIFIER dotted `str`, NULL `None`. Where bytes are expected a `Slot` or a `Mixed` may stand when
encoding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ferryman.codec.saip.der import context_tag

MAX_ELEMENT_BYTES = 1 << 20
"""Bytes of one package and so of any value in it; packages with applets stay below 300 KiB in practice."""

type Value = bytes | int | str | Slot | Mixed | Whole | list[Value] | dict[str, Value] | tuple[str, Value] | None
type Type = Octets | Integer | Null | Oid | Text | Sequence | SequenceOf | Choice


@dataclass(frozen=True, slots=True)
class Slot:
    """A hole for an OCTET STRING value of `minimum` to `maximum` bytes, filled when a template is rendered.

    `tlv`: what fills it are whole data objects.
    """

    name: str
    minimum: int
    maximum: int
    tlv: bool = False


@dataclass(frozen=True, slots=True)
class Mixed:
    """OCTET STRING value made of fixed bytes and slots, in order."""

    parts: tuple[bytes | Slot, ...]


@dataclass(frozen=True, slots=True)
class Whole:
    """An OPTIONAL component as a whole: the slot holds its complete TLV, or nothing where it is left out."""

    slot: Slot


@dataclass(frozen=True, slots=True)
class Octets:
    """OCTET STRING of `minimum` to `maximum` bytes."""

    minimum: int = 0
    maximum: int = MAX_ELEMENT_BYTES


@dataclass(frozen=True, slots=True)
class Integer:
    """INTEGER from `minimum` to `maximum`; `names` are the named numbers that value notation writes."""

    minimum: int = 0
    maximum: int = 255
    names: Mapping[str, int] = MappingProxyType({})

    def name_of(self, number: int) -> str | None:
        """The first name of a number, or None."""
        return next((name for name, value in self.names.items() if value == number), None)


@dataclass(frozen=True, slots=True)
class Text:
    """UTF8String of `minimum` to `maximum` characters."""

    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Null:
    """NULL."""


@dataclass(frozen=True, slots=True)
class Oid:
    """OBJECT IDENTIFIER."""


@dataclass(frozen=True, slots=True)
class Field:
    """A component or alternative: name, type, identifier octets on the wire, and whether it may be absent."""

    name: str
    type: Type
    tag: bytes = b""
    optional: bool = False
    default: Value = None

    @property
    def may_be_absent(self) -> bool:
        """True for OPTIONAL and DEFAULT components."""
        return self.optional or self.default is not None


@dataclass(frozen=True, slots=True)
class Sequence:
    """SEQUENCE; `tags` is derived: every identifier that has a place in it."""

    fields: tuple[Field, ...]
    tags: frozenset[bytes] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", frozenset(each.tag for each in self.fields))


@dataclass(frozen=True, slots=True)
class SequenceOf:
    """SEQUENCE OF with `minimum` to `maximum` items, each a CHOICE or a type with its universal tag."""

    item: Type
    minimum: int = 0
    maximum: int = 65535


@dataclass(frozen=True, slots=True)
class Choice:
    """CHOICE; under a context tag it is explicit, as a CHOICE has no tag of its own."""

    alternatives: Mapping[bytes, Field]

    def named(self, name: str) -> Field | None:
        """The alternative called `name`, or None."""
        return next((each for each in self.alternatives.values() if each.name == name), None)


def req(name: str, kind: Type, tag: int | None = None) -> Field:
    """A mandatory component; `tag` are its identifier octets as a number where the schema writes a tag."""
    return Field(name, kind, _octets(tag))


def opt(name: str, kind: Type, tag: int | None = None) -> Field:
    """An OPTIONAL component."""
    return Field(name, kind, _octets(tag), optional=True)


def dfl(name: str, kind: Type, default: Value, tag: int | None = None) -> Field:
    """A component with a DEFAULT, which DER leaves out when equal."""
    return Field(name, kind, _octets(tag), default=default)


def auto(*fields: Field) -> Sequence:
    """A SEQUENCE whose components have no written tag: context tags 0, 1, 2 ... (AUTOMATIC TAGS)."""
    return Sequence(tuple(_numbered(each, number) for number, each in enumerate(fields)))


def tagged(*fields: Field) -> Sequence:
    """A SEQUENCE with written tags, where AUTOMATIC TAGS is off: an untagged component keeps its universal tag."""
    return Sequence(tuple(_universal(each) for each in fields))


def auto_choice(*fields: Field) -> Choice:
    """A CHOICE with context tags 0, 1, 2 ..."""
    return Choice({each.tag: each for each in (_numbered(one, number) for number, one in enumerate(fields))})


def tagged_choice(*fields: Field) -> Choice:
    """A CHOICE with written tags; an untagged alternative keeps its universal tag."""
    return Choice({each.tag: each for each in (_universal(one) for one in fields)})


def universal_tag(kind: Type) -> bytes:
    """Identifier octets a type has by itself; a CHOICE has none (empty)."""
    match kind:
        case Octets():
            return b"\x04"
        case Integer():
            return b"\x02"
        case Null():
            return b"\x05"
        case Oid():
            return b"\x06"
        case Text():
            return b"\x0c"
        case Sequence() | SequenceOf():
            return b"\x30"
        case Choice():
            return b""


def _octets(tag: int | None) -> bytes:
    return b"" if tag is None else tag.to_bytes((tag.bit_length() + 7) // 8, "big")


def _numbered(each: Field, number: int) -> Field:
    constructed = isinstance(each.type, Sequence | SequenceOf | Choice)
    tag = context_tag(number, constructed=constructed)
    return Field(each.name, each.type, tag, each.optional, each.default)


def _universal(each: Field) -> Field:
    tag = each.tag or universal_tag(each.type)
    return Field(each.name, each.type, tag, each.optional, each.default)
