"""ITU-T X.690: a DER writer for the few types that certificates and profile packages use.

Pure functions; every one returns a complete TLV unless its name ends in `_content`.
"""

from __future__ import annotations

from datetime import UTC, datetime

GENERALIZED_TIME_FROM = 2050  # RFC 5280 4.1.2.5: dates through 2049 are UTCTime, later ones GeneralizedTime
_LONG_FORM_FROM = 0x80  # X.690 8.1.3: shorter lengths fit one octet


def length(size: int) -> bytes:
    """The shortest definite length octets of `size` bytes."""
    if size < 0:
        raise ValueError("a length is not negative")
    if size < _LONG_FORM_FROM:
        return bytes([size])
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def tlv(tag: int, *parts: bytes) -> bytes:
    """One TLV; `tag` holds the tag octets as a number (`0x30`, `0x7F49`, `0xA0`), the parts are concatenated."""
    value = b"".join(parts)
    return tag.to_bytes(max(1, (tag.bit_length() + 7) // 8), "big") + length(len(value)) + value


def sequence(*parts: bytes) -> bytes:
    """A SEQUENCE of ready TLVs."""
    return tlv(0x30, *parts)


def set_of(*parts: bytes) -> bytes:
    """A SET OF in the ascending order that DER asks for (X.690 11.6)."""
    return tlv(0x31, *sorted(parts))


def integer_content(number: int) -> bytes:
    """Two's complement content octets, as few as possible."""
    size = (number + (number < 0)).bit_length() // 8 + 1
    return number.to_bytes(size, "big", signed=True)


def integer(number: int) -> bytes:
    """An INTEGER."""
    return tlv(0x02, integer_content(number))


def boolean(value: bool) -> bytes:
    """A BOOLEAN; true is FF (X.690 11.1)."""
    return tlv(0x01, b"\xff" if value else b"\x00")


def octet_string(value: bytes) -> bytes:
    """An OCTET STRING."""
    return tlv(0x04, value)


def bit_string(value: bytes, unused: int = 0) -> bytes:
    """A BIT STRING whose last octet has `unused` free bits (already zero)."""
    return tlv(0x03, bytes([unused]), value)


def named_bits(*positions: int) -> bytes:
    """A BIT STRING with named bits: trailing zero bits are dropped (X.690 11.2.2); bit 0 is the leftmost."""
    last = max(positions)
    value = sum(1 << (last - position) for position in set(positions))
    unused = 7 - last % 8
    return bit_string((value << unused).to_bytes(last // 8 + 1, "big"), unused)


def oid_content(dotted: str) -> bytes:
    """Content octets of an OBJECT IDENTIFIER. Raises ValueError for text that is none."""
    arcs = [int(part) for part in dotted.split(".")]
    if len(arcs) < 2 or arcs[0] > 2 or min(arcs) < 0 or (arcs[0] < 2 and arcs[1] > 39):
        raise ValueError(f"not an object identifier: {dotted}")
    return b"".join(_base128(number) for number in [arcs[0] * 40 + arcs[1], *arcs[2:]])


def _base128(number: int) -> bytes:
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(0x80 | (number & 0x7F))
    return bytes(reversed(groups))


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER."""
    return tlv(0x06, oid_content(dotted))


def utf8(text: str) -> bytes:
    """A UTF8String."""
    return tlv(0x0C, text.encode())


def printable(text: str) -> bytes:
    """A PrintableString; the caller keeps to its alphabet."""
    return tlv(0x13, text.encode("ascii"))


def time(moment: datetime) -> bytes:
    """UTCTime or GeneralizedTime to the second, as RFC 5280 4.1.2.5 chooses."""
    utc = moment.astimezone(UTC)
    if utc.year < GENERALIZED_TIME_FROM:
        return tlv(0x17, utc.strftime("%y%m%d%H%M%SZ").encode("ascii"))
    return tlv(0x18, utc.strftime("%Y%m%d%H%M%SZ").encode("ascii"))
