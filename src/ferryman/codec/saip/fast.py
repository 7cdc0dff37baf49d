"""Decoding of profile package values that are in order, by functions made once for each type (X.690).

Reads only what `decoder` reads, to the same values, and says nothing about what it does not read: whoever gets a
`Doubtful` asks `decoder`, which names place and rule, or reads what is rare here (extensions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from ferryman.codec.saip.der import MAX_OID_ARC_BYTES
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

KEPT_OIDS = 256
"""Object identifiers kept as text; the format has about 40 templates."""

type Read = Callable[[bytes, int, int], Any]


class Doubtful(Exception):
    """Something that the slow decoder has to look at."""


def read_fast(kind: Type, data: bytes, start: int, end: int) -> Value:
    """The content `data[start:end]` of a TLV of type `kind`. Raises Doubtful."""
    try:
        value: Value = _reader(kind)(data, start, end)
    except IndexError:
        raise Doubtful from None
    return value


_readers: dict[int, tuple[Type, Read]] = {}
"""By identity of the type, with the type so that it stays alive; schemas are made once."""


def _reader(kind: Type) -> Read:
    known = _readers.get(id(kind))
    if known is None:
        known = _readers[id(kind)] = (kind, _made(kind))
    return known[1]


def _made(kind: Type) -> Read:
    match kind:
        case Octets():
            return _octets(kind)
        case Integer():
            return _integer(kind)
        case Null():
            return _null
        case Oid():
            return _oid
        case Text():
            return _text(kind)
        case Sequence():
            return _sequence(kind)
        case SequenceOf():
            return _sequence_of(kind)
        case Choice():
            return _explicit_choice(kind)


def _octets(kind: Octets) -> Read:
    least, most = kind.minimum, kind.maximum

    def read(data: bytes, start: int, end: int) -> bytes:
        if least <= end - start <= most:
            return data[start:end]
        raise Doubtful

    return read


def _integer(kind: Integer) -> Read:
    least, most = kind.minimum, kind.maximum

    def read(data: bytes, start: int, end: int) -> int:
        number = data[start]
        if end - start == 2 and (0 < number < 0x80 or (number == 0 and data[start + 1] >= 0x80)):
            number = number << 8 | data[start + 1]
        elif end - start != 1 or number >= 0x80:
            raise Doubtful
        if least <= number <= most:
            return number
        raise Doubtful

    return read


def _null(_data: bytes, start: int, end: int) -> None:
    if start != end:
        raise Doubtful


def _oid(data: bytes, start: int, end: int) -> str:
    return _dotted(data[start:end])


@lru_cache(KEPT_OIDS)
def _dotted(body: bytes) -> str:
    """Templates repeat: their few identifiers are read once. Only short ones are kept."""
    if not body or len(body) > MAX_OID_ARC_BYTES or body[-1] & 0x80:
        raise Doubtful
    arcs: list[int] = []
    arc = octets = 0
    for byte in body:
        if octets == 0 and byte == 0x80:
            raise Doubtful
        arc, octets = arc << 7 | (byte & 0x7F), octets + 1
        if not byte & 0x80:
            arcs.append(arc)
            arc = octets = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(number) for number in (first, arcs[0] - 40 * first, *arcs[1:]))


def _text(kind: Text) -> Read:
    least, most = kind.minimum, kind.maximum

    def read(data: bytes, start: int, end: int) -> str:
        try:
            text = data[start:end].decode("utf-8")
        except UnicodeDecodeError:
            raise Doubtful from None
        if least <= len(text) <= most:
            return text
        raise Doubtful

    return read


def _header(data: bytes, at: int) -> tuple[int, int, int]:
    """Tag as a number, begin and end of the content of a TLV with a long tag or a long length."""
    tag = data[at]
    at += 1
    if tag & 0x1F == 0x1F:
        second = data[at]
        if second < 0x1F or second & 0x80:
            raise Doubtful
        tag, at = tag << 8 | second, at + 1
    size = data[at]
    at += 1
    if size < 0x80:
        return tag, at, at + size
    count = size & 0x7F
    if not 1 <= count <= 3:
        raise Doubtful
    size = int.from_bytes(data[at : at + count])
    if data[at] == 0 or size < 0x80:
        raise Doubtful
    at += count
    return tag, at, at + size


def _sequence(kind: Sequence) -> Read:
    fields = kind.fields
    readers = [_reader(each.type) for each in fields]
    # At each position the components that may come next: those up to the first one that must be there.
    following: list[dict[int, tuple[str, Read, Value, int]]] = []
    complete: list[bool] = []
    for position in range(len(fields) + 1):
        reachable: dict[int, tuple[str, Read, Value, int]] = {}
        for index in range(position, len(fields)):
            each = fields[index]
            entry = (each.name, readers[index], each.default, index + 1)
            reachable.setdefault(int.from_bytes(each.tag), entry)
            if not each.may_be_absent:
                break
        following.append(reachable)
        complete.append(all(each.may_be_absent for each in fields[position:]))

    def read(data: bytes, start: int, end: int) -> dict[str, Value]:
        value: dict[str, Value] = {}
        position, at = 0, start
        while at < end:
            tag, size = data[at], data[at + 1]
            if size < 0x80 and tag & 0x1F != 0x1F:
                begin = at + 2
                stop = begin + size
            else:
                tag, begin, stop = _header(data, at)
            found = following[position].get(tag)
            if found is None or stop > end:
                raise Doubtful
            name, below, default, position = found
            item = below(data, begin, stop)
            if default is not None and item == default:
                raise Doubtful
            value[name] = item
            at = stop
        if not complete[position]:
            raise Doubtful
        return value

    return read


def _sequence_of(kind: SequenceOf) -> Read:
    least, most = kind.minimum, kind.maximum
    if isinstance(kind.item, Choice):
        table = _alternatives(kind.item.alternatives.values())
        return _list_of(table, least, most)
    below, wanted = _reader(kind.item), int.from_bytes(universal_tag(kind.item))

    def read(data: bytes, start: int, end: int) -> list[Value]:
        items: list[Value] = []
        at = start
        while at < end:
            tag, begin, stop = _header(data, at)
            if tag != wanted or stop > end:
                raise Doubtful
            items.append(below(data, begin, stop))
            at = stop
        if least <= len(items) <= most:
            return items
        raise Doubtful

    return read


def _alternatives(fields: Iterable[Field]) -> dict[int, tuple[str, Read]]:
    return {int.from_bytes(each.tag): (each.name, _reader(each.type)) for each in fields}


def _list_of(table: dict[int, tuple[str, Read]], least: int, most: int) -> Read:
    def read(data: bytes, start: int, end: int) -> list[Value]:
        items: list[Value] = []
        at = start
        while at < end:
            tag, size = data[at], data[at + 1]
            if size < 0x80 and tag & 0x1F != 0x1F:
                begin = at + 2
                stop = begin + size
            else:
                tag, begin, stop = _header(data, at)
            found = table.get(tag)
            if found is None or stop > end:
                raise Doubtful
            items.append((found[0], found[1](data, begin, stop)))
            at = stop
        if least <= len(items) <= most:
            return items
        raise Doubtful

    return read


def _explicit_choice(kind: Choice) -> Read:
    table = _alternatives(kind.alternatives.values())

    def read(data: bytes, start: int, end: int) -> tuple[str, Value]:
        tag, begin, stop = _header(data, start)
        found = table.get(tag)
        if found is None or stop != end:
            raise Doubtful
        return found[0], found[1](data, begin, stop)

    return read
