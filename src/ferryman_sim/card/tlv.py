"""BER-TLV (ITU-T X.690, 8.1), GlobalPlatform DGI and length-value fields, as an eUICC reads and writes
them.

Every reader is strict: a length that runs past the buffer, a length of more than three bytes or a cut tag
raises `BadTLV`. The caller turns that into the status word or error TLV of its own protocol.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_TAG_BYTES = 3
"""Bytes of a tag, largest form read: SGP.02 uses two; a third so that an unknown tag is still skipped."""

MAX_LENGTH_BYTES = 3
"""Length bytes after the first, largest form read: 16 MB is far above any card memory."""

DGI_LONG_LENGTH = 0xFF
"""First length byte of a DGI that announces a two-byte length (GlobalPlatform Systems Scripting, DGI coding)."""


class BadTLV(ValueError):
    """The bytes are no well-formed TLV, DGI or LV structure."""


class MissingLength(BadTLV):
    """The bytes end after a tag: there is no length at all (TS 102 226 tells this apart from a wrong one)."""


@dataclass(frozen=True, slots=True)
class TLV:
    """One data object: `tag` as a number (7F21 = 0x7F21), `value`, and `raw`, the bytes as they were received."""

    tag: int
    value: bytes
    raw: bytes


def read_tag(data: bytes, at: int) -> tuple[int, int]:
    """Read one tag at offset `at`; returns (tag, next offset). Raises BadTLV."""
    if at >= len(data):
        raise BadTLV("no tag")
    tag = data[at]
    at += 1
    if tag & 0x1F != 0x1F:
        return tag, at
    for _ in range(MAX_TAG_BYTES - 1):
        if at >= len(data):
            raise BadTLV("tag cut off")
        tag = tag << 8 | data[at]
        at += 1
        if not tag & 0x80:
            return tag, at
    raise BadTLV("tag too long")


def read_length(data: bytes, at: int) -> tuple[int, int]:
    """Read one definite BER length at `at`; returns (length, next offset). Raises MissingLength or BadTLV."""
    if at >= len(data):
        raise MissingLength("no length")
    first = data[at]
    at += 1
    if first < 0x80:
        return first, at
    count = first & 0x7F
    if not 1 <= count <= MAX_LENGTH_BYTES or at + count > len(data):
        raise BadTLV("length field not usable")
    return int.from_bytes(data[at : at + count]), at + count


def read_tlv(data: bytes, at: int = 0) -> tuple[TLV, int]:
    """Read one TLV at `at`; returns (TLV, next offset). Raises BadTLV."""
    start = at
    tag, at = read_tag(data, at)
    length, at = read_length(data, at)
    end = at + length
    if end > len(data):
        raise BadTLV("value cut off")
    return TLV(tag, data[at:end], data[start:end]), end


def read_all(data: bytes) -> list[TLV]:
    """Split `data` into consecutive TLVs with nothing left over. Raises BadTLV."""
    found: list[TLV] = []
    at = 0
    while at < len(data):
        tlv, at = read_tlv(data, at)
        found.append(tlv)
    return found


def as_map(data: bytes) -> dict[int, bytes]:
    """`read_all` as tag -> value; a tag that comes twice raises BadTLV."""
    found: dict[int, bytes] = {}
    for tlv in read_all(data):
        if tlv.tag in found:
            raise BadTLV("tag repeated")
        found[tlv.tag] = tlv.value
    return found


def ber_length(length: int) -> bytes:
    """The shortest definite BER length of `length`."""
    if length < 0x80:
        return bytes([length])
    body = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([0x80 | len(body)]) + body


def tlv(tag: int, value: bytes) -> bytes:
    """Encode one TLV with a BER length."""
    return tag.to_bytes((tag.bit_length() + 7) // 8 or 1) + ber_length(len(value)) + value


def read_dgi(data: bytes, *, ber_lengths: bool = False) -> tuple[int, bytes, bytes, bytes]:
    """Read the first DGI of a STORE DATA body; returns (tag, value, raw DGI, rest of the body).

    A DGI has a two-byte tag and a length of one byte 00..FE or FF and two bytes; `ber_lengths` reads a BER
    length instead (a deviation that some servers show; off by default). Raises BadTLV.
    """
    if len(data) < 3:
        raise BadTLV("no DGI")
    dgi_tag = int.from_bytes(data[:2])
    if ber_lengths:
        length, at = read_length(data, 2)
    elif data[2] == DGI_LONG_LENGTH:
        if len(data) < 5:
            raise BadTLV("DGI length cut off")
        length, at = int.from_bytes(data[3:5]), 5
    else:
        length, at = data[2], 3
    if at + length > len(data):
        raise BadTLV("DGI value cut off")
    return dgi_tag, data[at : at + length], data[: at + length], data[at + length :]


def read_only_dgi(data: bytes, *, ber_lengths: bool = False) -> tuple[int, bytes]:
    """Read a STORE DATA body that holds exactly one DGI. Raises BadTLV."""
    dgi_tag, value, _, rest = read_dgi(data, ber_lengths=ber_lengths)
    if rest:
        raise BadTLV("bytes after the DGI")
    return dgi_tag, value


def lv(value: bytes) -> bytes:
    """One length byte and the value."""
    if len(value) > 0xFF:
        raise BadTLV("value too long for LV")
    return bytes([len(value)]) + value


def read_lvs(data: bytes, count: int) -> list[bytes]:
    """Split `data` into exactly `count` length-value fields. Raises BadTLV."""
    fields: list[bytes] = []
    at = 0
    for _ in range(count):
        if at >= len(data) or at + 1 + data[at] > len(data):
            raise BadTLV("LV field cut off")
        fields.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    if at != len(data):
        raise BadTLV("bytes after the last LV field")
    return fields
