"""Schema-driven DER encoding of profile package values, with holes (X.690 clause 10).

One encoder serves both uses: a tree without slots becomes bytes, a tree with slots becomes parts in which
everything constant is already bytes. A part is live (`Node`) only where a value of variable length below
it changes its length octets; where all slots below have a fixed length, the header is constant too.
"""

from __future__ import annotations

from dataclasses import dataclass

from ferryman.codec.saip.decoder import EXTENSION
from ferryman.codec.saip.der import Place, encode_integer, encode_length, encode_oid, misfit
from ferryman.codec.saip.types import (
    Choice,
    Field,
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
    Whole,
    universal_tag,
)

type Part = bytes | Slot | Node


@dataclass(frozen=True, slots=True)
class Node:
    """A TLV whose length is known only when its slots are filled."""

    tag: bytes
    parts: tuple[Part, ...]


def encode_content(kind: Type, value: Value, place: Place) -> list[Part]:
    """Content (without tag and length) of `value` as parts. Raises InputError naming place and rule."""
    match kind:
        case Octets():
            return _octets(kind, value, place)
        case Integer():
            if not isinstance(value, int) or not kind.minimum <= value <= kind.maximum:
                raise misfit(f"must be a number in {kind.minimum}..{kind.maximum}", place)
            return [encode_integer(value)]
        case Null():
            if value is not None:
                raise misfit("must be NULL", place)
            return []
        case Oid():
            if not isinstance(value, str):
                raise misfit("must be an object identifier in dotted form", place)
            return [encode_oid(value, place)]
        case Text():
            if isinstance(value, Slot):
                # UTF-8: as many characters as bytes at most, so bytes within the bounds are text within them.
                return _octets(Octets(kind.minimum, kind.maximum), value, place)
            if not isinstance(value, str) or not kind.minimum <= len(value) <= kind.maximum:
                raise misfit(f"must be text of {kind.minimum}..{kind.maximum} characters", place)
            return [value.encode("utf-8")]
        case Sequence():
            return _sequence(kind, value, place)
        case SequenceOf():
            return _sequence_of(kind, value, place)
        case Choice():
            return _choice(kind, value, place)


def wrap(tag: bytes, parts: list[Part]) -> list[Part]:
    """The TLV with `tag` around `parts`; constant neighbours are joined."""
    size = fixed_size(parts)
    if size is None:
        return [Node(tag, tuple(join_constants(parts)))]
    return join_constants([tag + encode_length(size), *parts])


def fixed_size(parts: list[Part]) -> int | None:
    """Number of bytes the parts take, or None when that depends on a slot."""
    total = 0
    for part in parts:
        if isinstance(part, bytes):
            total += len(part)
        elif isinstance(part, Slot) and part.minimum == part.maximum:
            total += part.minimum
        else:
            return None
    return total


def join_constants(parts: list[Part]) -> list[Part]:
    """The same parts with neighbouring bytes joined and empty ones dropped."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, bytes) and isinstance(last, bytes):
            joined[-1] = last + part
        elif part != b"":
            joined.append(part)
    return joined


def _octets(kind: Octets, value: Value, place: Place) -> list[Part]:
    if isinstance(value, bytes):
        shortest = longest = len(value)
        parts: list[Part] = [value]
    elif isinstance(value, Slot | Mixed):
        parts = [value] if isinstance(value, Slot) else list(value.parts)
        shortest = sum(len(part) if isinstance(part, bytes) else _bounds(part)[0] for part in parts)
        longest = sum(len(part) if isinstance(part, bytes) else _bounds(part)[1] for part in parts)
    else:
        raise misfit("must be bytes", place)
    if shortest < kind.minimum or longest > kind.maximum:
        raise misfit(f"must have {kind.minimum}..{kind.maximum} bytes", place)
    return parts


def _bounds(part: Part) -> tuple[int, int]:
    return (part.minimum, part.maximum) if isinstance(part, Slot) else (0, 0)


def _sequence(kind: Sequence, value: Value, place: Place) -> list[Part]:
    if not isinstance(value, dict):
        raise misfit("must be a record of named components", place)
    parts: list[Part] = []
    for each in kind.fields:
        if each.name in value:
            parts += _component(each, value[each.name], place.child(each.name))
        elif not each.may_be_absent:
            raise misfit(f"{each.name} is missing", place)
    unknown = value.keys() - {each.name for each in kind.fields} - {EXTENSION}
    if unknown:
        raise misfit(f"{min(unknown)} is not a component here", place)
    extension = value.get(EXTENSION, b"")
    if not isinstance(extension, bytes):
        raise misfit(f"{EXTENSION} must be bytes", place)
    return join_constants([*parts, extension])


def _component(each: Field, value: Value, place: Place) -> list[Part]:
    if isinstance(value, Whole):
        if not each.optional:
            raise misfit("is mandatory and cannot be left out", place)
        return [value.slot]
    if each.default is not None and value == each.default:
        return []
    return wrap(each.tag, encode_content(each.type, value, place))


def _sequence_of(kind: SequenceOf, value: Value, place: Place) -> list[Part]:
    if not isinstance(value, list) or not kind.minimum <= len(value) <= kind.maximum:
        raise misfit(f"must be a list of {kind.minimum}..{kind.maximum} items", place)
    tag = universal_tag(kind.item)
    parts: list[Part] = []
    for index, item in enumerate(value):
        content = encode_content(kind.item, item, place.child(f"[{index}]"))
        parts += wrap(tag, content) if tag else content
    return join_constants(parts)


def _choice(kind: Choice, value: Value, place: Place) -> list[Part]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise misfit("must be a pair of alternative and value", place)
    each = kind.named(value[0])
    if each is None:
        raise misfit(f"{value[0]} is none of the alternatives", place)
    return wrap(each.tag, encode_content(each.type, value[1], place.child(each.name)))
