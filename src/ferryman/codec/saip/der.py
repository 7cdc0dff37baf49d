"""Strict DER tags, lengths and primitive values for profile packages (X.690 8.1 and 10.1).

Profile packages are DER, and a card that is picky about it aborts the installation: so nothing that BER
would also allow (indefinite or long-winded lengths, padded integers) is read here. Positions in errors
are byte offsets from the start of the package.
"""

from __future__ import annotations

from dataclasses import dataclass

from ferryman.errors import InputError, PeerError

CLAUSE = "TCA profile package, DER"

MAX_TAG_BYTES = 3
"""Identifier octets of one tag; the format's longest are two (BF57), one more leaves room for its growth."""

MAX_LENGTH_BYTES = 4
"""Octets after the first length octet; four already say 4 GiB, more is an attack or noise."""

MAX_OID_BYTES = 64
"""Content of one OBJECT IDENTIFIER; those of the format take 6 to 8."""

MAX_OID_ARC_BYTES = 9
"""Base-128 octets of one arc (63 bits): keeps arithmetic on hostile arcs cheap."""

MAX_INTEGER_BYTES = 5
"""Content of one INTEGER; the largest range of the format is 31 bits."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the tree, as a chain up to the profile element; turned into text only when needed."""

    label: str
    parent: Place | None = None

    def child(self, label: str) -> Place:
        """The place called `label` below this one."""
        return Place(label, self)

    def __str__(self) -> str:
        if self.parent is None:
            return self.label
        joint = "" if self.label.startswith("[") else "."
        return f"{self.parent}{joint}{self.label}"


def fault(reason: str, place: Place, offset: int) -> PeerError:
    """The error for broken bytes at `place`, `offset` bytes into the package."""
    return PeerError(reason, field=f"{place} at byte {offset}", clause=CLAUSE)


def misfit(rule: str, place: Place) -> InputError:
    """The error for a value that cannot be encoded at `place`."""
    return InputError(str(place), rule)


@dataclass(frozen=True, slots=True)
class Tlv:
    """One TLV found in a package: identifier octets and offsets of its start, content and end."""

    tag: bytes
    start: int
    body: int
    end: int


def read_tlv(data: bytes, at: int, end: int, place: Place) -> Tlv:
    """The TLV at `at`, which must end at or before `end`. Raises PeerError with place and offset."""
    after_tag = _end_of_tag(data, at, end, place)
    length, body = _read_length(data, after_tag, end, place)
    if length > end - body:
        raise fault(f"length says {length} bytes, {end - body} are left", place, after_tag)
    return Tlv(data[at:after_tag], at, body, body + length)


def _end_of_tag(data: bytes, at: int, end: int, place: Place) -> int:
    if at >= end:
        raise fault("ends where a tag is expected", place, at)
    if data[at] & 0x1F != 0x1F:
        return at + 1
    position = at + 1
    while position < end and position - at < MAX_TAG_BYTES:
        byte = data[position]
        if position == at + 1 and (byte == 0x80 or byte < 0x1F):
            raise fault("tag is not in its shortest form", place, at)
        position += 1
        if not byte & 0x80:
            return position
    raise fault("tag is cut off or longer than any tag of the format", place, at)


def _read_length(data: bytes, at: int, end: int, place: Place) -> tuple[int, int]:
    if at >= end:
        raise fault("ends where a length is expected", place, at)
    first = data[at]
    if first < 0x80:
        return first, at + 1
    if first == 0x80:
        raise fault("indefinite length", place, at)
    count = first & 0x7F
    if count > MAX_LENGTH_BYTES:
        raise fault(f"length of {count} bytes", place, at)
    body = at + 1 + count
    if body > end:
        raise fault("length is cut off", place, at)
    length = int.from_bytes(data[at + 1 : body], "big")
    if length < 0x80 or data[at + 1] == 0:
        raise fault("length is not in its shortest form", place, at)
    return length, body


def encode_length(length: int) -> bytes:
    """The length octets of a content of `length` bytes."""
    if length < 0x80:
        return bytes((length,))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


def encode_tlv(tag: bytes, body: bytes) -> bytes:
    """Identifier octets, length and content."""
    return tag + encode_length(len(body)) + body


def context_tag(number: int, *, constructed: bool) -> bytes:
    """Identifier octets of the context-specific tag `number`."""
    lead = 0xA0 if constructed else 0x80
    if number < 0x1F:
        return bytes((lead | number,))
    octets = [number & 0x7F]
    while number := number >> 7:
        octets.insert(0, 0x80 | (number & 0x7F))
    return bytes((lead | 0x1F, *octets))


def read_integer(body: bytes, place: Place, offset: int) -> int:
    """Value of an INTEGER's content; it must be minimal and of at most MAX_INTEGER_BYTES."""
    if not body:
        raise fault("empty INTEGER", place, offset)
    if len(body) > MAX_INTEGER_BYTES:
        raise fault(f"INTEGER of {len(body)} bytes", place, offset)
    padded_positive = len(body) > 1 and body[0] == 0x00 and body[1] < 0x80
    padded_negative = len(body) > 1 and body[0] == 0xFF and body[1] >= 0x80
    if padded_positive or padded_negative:
        raise fault("INTEGER is not in its shortest form", place, offset)
    return int.from_bytes(body, "big", signed=True)


def encode_integer(value: int) -> bytes:
    """Shortest content of an INTEGER."""
    bits = (value if value >= 0 else ~value).bit_length()
    return value.to_bytes(bits // 8 + 1, "big", signed=True)


def read_oid(body: bytes, place: Place, offset: int) -> str:
    """Dotted text of an OBJECT IDENTIFIER's content, e.g. `2.23.143.1.2.1`."""
    if not body or len(body) > MAX_OID_BYTES:
        raise fault(f"OBJECT IDENTIFIER of {len(body)} bytes", place, offset)
    if body[-1] & 0x80:
        raise fault("OBJECT IDENTIFIER ends inside an arc", place, offset)
    arcs: list[int] = []
    arc = octets = 0
    for byte in body:
        if octets == 0 and byte == 0x80:
            raise fault("arc of an OBJECT IDENTIFIER is not in its shortest form", place, offset)
        arc, octets = arc << 7 | (byte & 0x7F), octets + 1
        if octets > MAX_OID_ARC_BYTES:
            raise fault("arc of an OBJECT IDENTIFIER is too large", place, offset)
        if not byte & 0x80:
            arcs.append(arc)
            arc = octets = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(number) for number in (first, arcs[0] - 40 * first, *arcs[1:]))


def encode_oid(text: str, place: Place) -> bytes:
    """Content of the OBJECT IDENTIFIER written as dotted `text`. Raises InputError for anything else."""
    parts = text.split(".")
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise misfit("not an object identifier in dotted form", place)
    root, second, *rest = (int(part) for part in parts)
    if root > 2 or (root < 2 and second > 39):
        raise misfit("not an object identifier: its first two arcs are out of range", place)
    return b"".join(_base128(arc) for arc in (40 * root + second, *rest))


def _base128(number: int) -> bytes:
    octets = [number & 0x7F]
    while number := number >> 7:
        octets.insert(0, 0x80 | (number & 0x7F))
    return bytes(octets)
