"""DER as profile packages use it (ITU-T X.690): a strict, positional reader and a small writer.

Automatic tagging is off in several types of the package module, so components of one SEQUENCE can share a tag
(four `4F` in a row, two `A0` in an RFM element). Only the position tells them apart; hence `Fields`.
Tags are whole-byte integers as on the wire: 0x30, 0xA0, 0xBF1F.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_TAG_BYTES = 3
"""Highest tag of the module is two bytes; three leave room for later versions."""

MAX_LENGTH_BYTES = 4
"""Length bytes after 8x; more than 4 GB can only be rubbish."""


class MalformedDer(Exception):
    """The bytes are no DER or lack a component; `offset` counts bytes from the start of the profile element."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} at offset {offset}")
        self.offset = offset


class UnknownField(Exception):
    """A component that the type does not have; `offset` as in MalformedDer."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"unknown component at offset {offset}")
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Tlv:
    """One data object: wire tag, content bytes, offset of the tag and size of tag plus length (bytes)."""

    tag: int
    value: bytes
    offset: int
    header: int

    @property
    def body_offset(self) -> int:
        """Offset of the first content byte."""
        return self.offset + self.header

    def children(self) -> list[Tlv]:
        """The data objects inside. Raises MalformedDer."""
        return split(self.value, self.body_offset)

    def integer(self) -> int:
        """Content as a non-negative INTEGER. Raises MalformedDer."""
        value = self.value
        # Leading zeros break DER, but the packages that a real card installed have some: only the sign counts.
        if not value or value[0] >= 0x80:
            raise MalformedDer("not a non-negative INTEGER", self.body_offset)
        return int.from_bytes(value)

    def octets(self, low: int, high: int | None = None) -> bytes:
        """Content when its length is in low..high (high defaults to low). Raises MalformedDer."""
        if not low <= len(self.value) <= (low if high is None else high):
            raise MalformedDer("length out of range", self.body_offset)
        return self.value


def header_length(data: bytes | bytearray, at: int) -> tuple[int, int, int] | None:
    """(tag, bytes of tag and length, content length) of the object at `at`; None when more bytes are needed.

    Raises MalformedDer (offset relative to the start of `data`).
    """
    if at >= len(data):
        return None
    tag = data[at]
    end = at + 1
    if tag & 0x1F == 0x1F:
        while True:
            if end - at > MAX_TAG_BYTES:
                raise MalformedDer("tag too long", at)
            if end >= len(data):
                return None
            tag = tag << 8 | data[end]
            end += 1
            if data[end - 1] < 0x80:
                break
    if end >= len(data):
        return None
    first = data[end]
    end += 1
    if first < 0x80:
        return tag, end - at, first
    count = first & 0x7F
    if not 1 <= count <= MAX_LENGTH_BYTES:
        raise MalformedDer("length form", end - 1)
    if end + count > len(data):
        return None
    length = int.from_bytes(data[end : end + count])
    if length < 0x80 or length >> 8 * (count - 1) == 0:
        raise MalformedDer("length not minimal", end - 1)
    return tag, end + count - at, length


def read(data: bytes, at: int, base: int = 0) -> Tlv:
    """The object at position `at`; offsets in the result and in errors start at `base`. Raises MalformedDer."""
    try:
        head = header_length(data, at)
    except MalformedDer as error:
        raise MalformedDer("bad header", base + error.offset) from None
    if head is None:
        raise MalformedDer("truncated header", base + at)
    tag, size, length = head
    if at + size + length > len(data):
        raise MalformedDer("content longer than its parent", base + at)
    return Tlv(tag, bytes(data[at + size : at + size + length]), base + at, size)


def split(data: bytes, base: int = 0) -> list[Tlv]:
    """All objects of `data`, which they must fill exactly. Raises MalformedDer."""
    found: list[Tlv] = []
    at = 0
    while at < len(data):
        item = read(data, at, base)
        found.append(item)
        at += item.header + len(item.value)
    return found


class Fields:
    """Components of one SEQUENCE, taken strictly from left to right."""

    def __init__(self, parent: Tlv) -> None:
        self._items = parent.children()
        self._next = 0
        self._end = parent.body_offset + len(parent.value)

    def optional(self, tag: int) -> Tlv | None:
        """The next component when it has this tag."""
        if self._next < len(self._items) and self._items[self._next].tag == tag:
            self._next += 1
            return self._items[self._next - 1]
        return None

    def required(self, tag: int) -> Tlv:
        """The next component, which must have this tag. Raises MalformedDer."""
        found = self.optional(tag)
        if found is None:
            at = self._items[self._next].offset if self._next < len(self._items) else self._end
            raise MalformedDer(f"component {tag:02X} missing", at)
        return found

    def any(self) -> Tlv | None:
        """The next component, whatever it is."""
        if self._next < len(self._items):
            self._next += 1
            return self._items[self._next - 1]
        return None

    def finish(self) -> None:
        """Raises UnknownField when components are left."""
        if self._next < len(self._items):
            raise UnknownField(self._items[self._next].offset)


def encode(tag: int, value: bytes) -> bytes:
    """One data object."""
    length = len(value)
    head = tag.to_bytes((tag.bit_length() + 7) // 8)
    if length < 0x80:
        return head + bytes([length]) + value
    size = (length.bit_length() + 7) // 8
    return head + bytes([0x80 | size]) + length.to_bytes(size) + value


def encode_integer(value: int) -> bytes:
    """Content bytes of a non-negative INTEGER."""
    return value.to_bytes(value.bit_length() // 8 + 1)


def decode_oid(item: Tlv) -> tuple[int, ...]:
    """Arcs of an OBJECT IDENTIFIER. Raises MalformedDer."""
    if not item.value or item.value[-1] >= 0x80:
        raise MalformedDer("object identifier", item.body_offset)
    numbers: list[int] = []
    number = 0
    fresh = True
    for byte in item.value:
        if fresh and byte == 0x80:
            raise MalformedDer("object identifier not minimal", item.body_offset)
        number = number << 7 | byte & 0x7F
        fresh = byte < 0x80
        if fresh:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return (first, numbers[0] - 40 * first, *numbers[1:])
