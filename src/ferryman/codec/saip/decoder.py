"""Schema-driven strict DER decoding of profile package values (X.690 clauses 8, 10 and 11).

Components are matched by position, because inside a SEQUENCE with written tags several components share
one tag (PE-RFM has two A0, ApplicationInstance up to four 4F). The format implies extensibility: unknown
components after the known ones are kept as they are under EXTENSION, and are written back.
"""

from __future__ import annotations

from ferryman.codec.saip.der import MAX_INTEGER_BYTES, Place, Tlv, fault, read_integer, read_oid, read_tlv
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
    universal_tag,
)

EXTENSION = "extension"
"""Key of a decoded SEQUENCE under which the TLVs behind the last known component are kept, as bytes."""


def decode_value(kind: Type, data: bytes, start: int, end: int, place: Place) -> Value:
    """Decodes the content `data[start:end]` of a TLV of type `kind`. Raises PeerError with place and offset.

    The depth of recursion is bounded by the schema, which has no recursive type.
    """
    match kind:
        case Octets():
            return _octets(kind, data, start, end, place)
        case Integer():
            number = read_integer(data[start : min(end, start + MAX_INTEGER_BYTES + 1)], place, start)
            if not kind.minimum <= number <= kind.maximum:
                raise fault(f"number is not in {kind.minimum}..{kind.maximum}", place, start)
            return number
        case Null():
            if start != end:
                raise fault("NULL with content", place, start)
            return None
        case Oid():
            return read_oid(data[start:end], place, start)
        case Text():
            return _text(kind, data, start, end, place)
        case Sequence():
            return _sequence(kind, data, start, end, place)
        case SequenceOf():
            return _sequence_of(kind, data, start, end, place)
        case Choice():
            tlv = read_tlv(data, start, end, place)
            if tlv.end != end:
                raise fault("more than one value in an explicitly tagged CHOICE", place, tlv.end)
            return _choice(kind, data, tlv, place)


def _octets(kind: Octets, data: bytes, start: int, end: int, place: Place) -> bytes:
    size = end - start
    if not kind.minimum <= size <= kind.maximum:
        raise fault(f"{size} bytes where {kind.minimum}..{kind.maximum} are allowed", place, start)
    return data[start:end]


def _text(kind: Text, data: bytes, start: int, end: int, place: Place) -> str:
    try:
        text = data[start:end].decode("utf-8")
    except UnicodeDecodeError:
        raise fault("not UTF-8", place, start) from None
    if not kind.minimum <= len(text) <= kind.maximum:
        raise fault(f"{len(text)} characters where {kind.minimum}..{kind.maximum} are allowed", place, start)
    return text


def _sequence(kind: Sequence, data: bytes, start: int, end: int, place: Place) -> dict[str, Value]:
    value: dict[str, Value] = {}
    fields, index, at = kind.fields, 0, start
    while at < end:
        tlv = read_tlv(data, at, end, place)
        index = _next_field(kind, index, tlv, place)
        if index == len(fields):
            value[EXTENSION] = _extension(kind, data, at, end, place)
            return value
        each = fields[index]
        value[each.name] = _component(each, data, tlv, place)
        index, at = index + 1, tlv.end
    for each in fields[index:]:
        if not each.may_be_absent:
            raise fault(f"mandatory {each.name} is missing", place, end)
    return value


def _next_field(kind: Sequence, index: int, tlv: Tlv, place: Place) -> int:
    """Position of the component that `tlv` is, at or after `index`; the number of fields when it is unknown."""
    while index < len(kind.fields) and kind.fields[index].tag != tlv.tag:
        if not kind.fields[index].may_be_absent:
            name = kind.fields[index].name
            raise fault(f"mandatory {name} is missing before tag {tlv.tag.hex().upper()}", place, tlv.start)
        index += 1
    return index


def _component(each: Field, data: bytes, tlv: Tlv, place: Place) -> Value:
    below = place.child(each.name)
    value = decode_value(each.type, data, tlv.body, tlv.end, below)
    if each.default is not None and value == each.default:
        raise fault("equals its DEFAULT, which DER leaves out", below, tlv.start)
    return value


def _extension(kind: Sequence, data: bytes, start: int, end: int, place: Place) -> bytes:
    at = start
    while at < end:
        tlv = read_tlv(data, at, end, place)
        if tlv.tag in kind.tags:
            raise fault(f"tag {tlv.tag.hex().upper()} is out of order or there twice", place, tlv.start)
        at = tlv.end
    return data[start:end]


def _sequence_of(kind: SequenceOf, data: bytes, start: int, end: int, place: Place) -> list[Value]:
    items: list[Value] = []
    tag, at = universal_tag(kind.item), start
    while at < end:
        below = place.child(f"[{len(items)}]")
        if len(items) == kind.maximum:
            raise fault(f"more than {kind.maximum} items", place, at)
        tlv = read_tlv(data, at, end, below)
        if isinstance(kind.item, Choice):
            items.append(_choice(kind.item, data, tlv, below))
        elif tlv.tag != tag:
            raise fault(f"tag {tlv.tag.hex().upper()} where {tag.hex().upper()} is due", below, tlv.start)
        else:
            items.append(decode_value(kind.item, data, tlv.body, tlv.end, below))
        at = tlv.end
    if len(items) < kind.minimum:
        raise fault(f"{len(items)} items where at least {kind.minimum} are due", place, start)
    return items


def _choice(kind: Choice, data: bytes, tlv: Tlv, place: Place) -> tuple[str, Value]:
    each = kind.alternatives.get(tlv.tag)
    if each is None:
        raise fault(f"tag {tlv.tag.hex().upper()} is none of the alternatives", place, tlv.start)
    return each.name, decode_value(each.type, data, tlv.body, tlv.end, place.child(each.name))
