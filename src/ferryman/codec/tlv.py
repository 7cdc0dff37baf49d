"""BER-TLV (ISO/IEC 8825-1, definite form only) and DGI (GlobalPlatform Card Specification 11.1.8) coding.

Writing is strict (shortest length form); reading takes longer length forms, because cards send them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ferryman.errors import PeerError

# Tags of this domain have at most two bytes (7F21, 9F44); one more is read to skip an unknown object.
MAX_TAG_BYTES = 3
# `83 xx xx xx` (16 MiB) is beyond every object of SGP.02; longer forms are only met in hostile input.
MAX_LENGTH_BYTES = 3
# A package of 4 MiB cut into SCP03t segments has 4162 objects; anything far above is an attack on memory.
MAX_OBJECTS = 16384

_DGI_LONG = 0xFF


@dataclass(frozen=True, slots=True)
class TLV:
    """One data object: `tag` as the integer of its tag bytes, `value`, and `raw` = the object as read."""

    tag: int
    value: bytes
    raw: bytes


def encode_length(n: int) -> bytes:
    """BER length of `n` bytes in the shortest definite form; ValueError above 3 length bytes."""
    if n < 0 or n >= 1 << (8 * MAX_LENGTH_BYTES):
        raise ValueError(f"length {n} cannot be coded")
    if n < 0x80:
        return bytes((n,))
    size = (n.bit_length() + 7) // 8
    return bytes((0x80 | size,)) + n.to_bytes(size)


def encode(tag: int, value: bytes) -> bytes:
    """One BER-TLV; `tag` is the integer of the tag bytes (0xE1, 0x7F21)."""
    return tag.to_bytes(max(1, (tag.bit_length() + 7) // 8)) + encode_length(len(value)) + value


def encode_dgi(tag: int, value: bytes) -> bytes:
    """One data grouping: 2 tag bytes, length 00-FE in one byte or `FF` and two bytes, value."""
    size = len(value)
    if size > 0xFFFF:
        raise ValueError(f"length {size} cannot be coded")
    length = bytes((size,)) if size < _DGI_LONG else b"\xff" + size.to_bytes(2)
    return tag.to_bytes(2) + length + value


def read_length(data: bytes, offset: int, *, clause: str = "") -> tuple[int, int]:
    """BER length at `offset`: (length, offset behind it); the indefinite form is refused."""
    if offset >= len(data):
        raise PeerError("length missing", field=f"offset {offset}", clause=clause)
    first = data[offset]
    if first < 0x80:
        return first, offset + 1
    size = first & 0x7F
    if size == 0:
        raise PeerError("indefinite length not allowed", field=f"offset {offset}", clause=clause)
    if size > MAX_LENGTH_BYTES:
        raise PeerError(f"length of {size} bytes not allowed", field=f"offset {offset}", clause=clause)
    end = offset + 1 + size
    if end > len(data):
        raise PeerError("length cut off", field=f"offset {offset}", clause=clause)
    return int.from_bytes(data[offset + 1 : end]), end


def read_tag(data: bytes, offset: int, *, clause: str = "") -> tuple[int, int]:
    """BER tag at `offset`: (tag integer, offset behind it)."""
    if offset >= len(data):
        raise PeerError("tag missing", field=f"offset {offset}", clause=clause)
    end = offset + 1
    if data[offset] & 0x1F == 0x1F:
        while True:
            if end >= len(data):
                raise PeerError("tag cut off", field=f"offset {offset}", clause=clause)
            end += 1
            if end - offset > MAX_TAG_BYTES:
                raise PeerError("tag too long", field=f"offset {offset}", clause=clause)
            if data[end - 1] & 0x80 == 0:
                break
    tag = int.from_bytes(data[offset:end])
    if tag == 0:
        raise PeerError("tag 00 not allowed here", field=f"offset {offset}", clause=clause)
    return tag, end


def read(data: bytes, offset: int, *, clause: str = "") -> tuple[TLV, int]:
    """The data object at `offset` and the offset behind it; PeerError names the offending offset."""
    tag, position = read_tag(data, offset, clause=clause)
    length, position = read_length(data, position, clause=clause)
    end = position + length
    if end > len(data):
        raise PeerError(
            f"tag {tag:02X} says {length} bytes, {len(data) - position} are there",
            field=f"offset {offset}",
            clause=clause,
        )
    return TLV(tag, data[position:end], data[offset:end]), end


def parse(data: bytes, *, clause: str = "") -> list[TLV]:
    """All data objects of `data`, one level deep; PeerError (naming the offset) otherwise."""
    objects: list[TLV] = []
    offset = 0
    while offset < len(data):
        if len(objects) == MAX_OBJECTS:
            raise PeerError(f"more than {MAX_OBJECTS} objects", field=f"offset {offset}", clause=clause)
        tlv, offset = read(data, offset, clause=clause)
        objects.append(tlv)
    return objects


def parse_one(data: bytes, tag: int, *, clause: str = "") -> TLV:
    """The single data object that `data` must be, with tag `tag`."""
    tlv, end = read(data, 0, clause=clause)
    if tlv.tag != tag:
        raise PeerError(f"tag {tlv.tag:02X} where {tag:02X} is expected", field="offset 0", clause=clause)
    if end != len(data):
        raise PeerError(f"{len(data) - end} bytes behind the object", field=f"offset {end}", clause=clause)
    return tlv


def parse_dgi(data: bytes, *, clause: str = "") -> list[TLV]:
    """All data groupings of `data` (lengths as in `encode_dgi`)."""
    groups: list[TLV] = []
    offset = 0
    while offset < len(data):
        if len(groups) == MAX_OBJECTS:
            raise PeerError(f"more than {MAX_OBJECTS} groups", field=f"offset {offset}", clause=clause)
        if offset + 3 > len(data):
            raise PeerError("data grouping cut off", field=f"offset {offset}", clause=clause)
        tag = int.from_bytes(data[offset : offset + 2])
        length, position = data[offset + 2], offset + 3
        if length == _DGI_LONG:
            if position + 2 > len(data):
                raise PeerError("length cut off", field=f"offset {offset + 2}", clause=clause)
            length, position = int.from_bytes(data[position : position + 2]), position + 2
        end = position + length
        if end > len(data):
            raise PeerError(
                f"group {tag:04X} says {length} bytes, {len(data) - position} are there",
                field=f"offset {offset}",
                clause=clause,
            )
        groups.append(TLV(tag, data[position:end], data[offset:end]))
        offset = end
    return groups


def find(tlvs: Iterable[TLV], *tags: int) -> TLV | None:
    """The first object whose tag is one of `tags`, or None."""
    return next((tlv for tlv in tlvs if tlv.tag in tags), None)
