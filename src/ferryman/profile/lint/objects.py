"""Data objects with variables among them (ISO/IEC 8825-1; GlobalPlatform Card Specification 11.1.8 for groupings).

A value of a subscription is data. Where a card reads data objects, their tags and lengths are the template's: a
variable lies whole in the value of one object, or is declared to hold whole objects and stands where objects may
begin. Looked at once with the shortest and once with the longest values: when the same tags of the template are
read both times and no value is read as one, this holds for every value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ferryman.codec import tlv
from ferryman.codec.saip.types import Slot
from ferryman.errors import PeerError

type Form = Literal["objects", "groupings", "command"]
"""BER-TLV, data groupings, or one command whose data are either (TS 102 221 and GlobalPlatform: STORE DATA)."""

CONSTRUCTED = 0x20
FILLER = 0xFF
"""What stands between and behind objects of a file (TS 102 221 11.3): unused bytes."""

COMMAND_HEADER = 5
ENCODING = 0x18
ENCODED: dict[int, Form] = {0x08: "groupings", 0x10: "objects"}
"""Bits 5 and 4 of P1 of STORE DATA (GlobalPlatform Card Specification 11.11.2.1): how its data are coded."""


class _Misplaced(Exception):
    """A variable's values would be read as structure, or would shift it."""

    def __init__(self, slot: Slot, sentence: str) -> None:
        self.slot, self.sentence = slot, sentence
        super().__init__(slot.name)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a place is read: in records of so many bytes (0 = none); `plain`: constructed tags without objects."""

    form: Form = "objects"
    record: int = 0
    plain: frozenset[int] = frozenset()


def misplaced(parts: Sequence[bytes | Slot], layout: Layout) -> tuple[str, str] | None:
    """Name of the first variable that does not stand right, and why; None when all do."""
    if not any(isinstance(part, Slot) for part in parts):
        return None
    try:
        shortest, longest = (_Reading(parts, layout, longest=each).objects() for each in (False, True))
    except _Misplaced as found:
        return found.slot.name, found.sentence
    if shortest != longest:
        moving = next(part for part in parts if isinstance(part, Slot) and part.minimum != part.maximum)
        return moving.name, "has a length that decides which data objects are read behind it"
    return None


@dataclass(frozen=True, slots=True)
class _Span:
    """Where a part stands; its number tells constants apart whatever stands before them."""

    start: int
    end: int
    number: int
    part: bytes | Slot


class _Reading:
    """One look at a place, with all values as short or as long as they may be."""

    def __init__(self, parts: Sequence[bytes | Slot], layout: Layout, *, longest: bool) -> None:
        self._layout = layout
        self._spans: list[_Span] = []
        content = bytearray()
        for number, part in enumerate(parts):
            size = len(part) if isinstance(part, bytes) else part.maximum if longest else part.minimum
            self._spans.append(_Span(len(content), len(content) + size, number, part))
            content += part if isinstance(part, bytes) else bytes(size)
        self._content = bytes(content)
        self._first = next(part for part in parts if isinstance(part, Slot))
        self._found: set[tuple[int, int]] = set()

    def objects(self) -> set[tuple[int, int]]:
        """Where objects of the template itself begin: number of the constant, and offset in it."""
        size = len(self._content)
        if self._layout.form == "command":
            self._command(size)
            return self._found
        step = self._layout.record or size or 1
        for start in range(0, size, step):
            self._run(start, min(start + step, size), self._layout.form)
        return self._found

    def _command(self, size: int) -> None:
        for slot, _ in self._variables(0, COMMAND_HEADER):
            raise _Misplaced(slot, "stands in the header of a command")
        if size < COMMAND_HEADER or size - COMMAND_HEADER - self._content[4] not in (0, 1):
            raise _Misplaced(self._first, "does not fill the length of its command")
        form = ENCODED.get(self._content[2] & ENCODING)
        if form is not None:
            self._run(COMMAND_HEADER, COMMAND_HEADER + self._content[4], form)

    def _run(self, at: int, end: int, form: Form) -> None:
        """Objects from one offset to another."""
        while at < end:
            span = self._span(at)
            if isinstance(span.part, Slot):
                at = self._held(span.part, span, end, form)
            elif form == "objects" and self._content[at] == FILLER:
                at += 1
            else:
                self._found.add((span.number, at - span.start))
                at = self._object(at, end, form)

    def _held(self, slot: Slot, span: _Span, end: int, form: Form) -> int:
        """A variable where an object may begin; the offset behind it."""
        if not slot.tlv or form != "objects":
            raise _Misplaced(slot, "is read as the tag of a data object, and not declared to hold any (type tlv)")
        if span.end > end:
            raise _Misplaced(slot, "goes beyond the end of what it stands in")
        return span.end

    def _object(self, at: int, end: int, form: Form) -> int:
        """One object of the template; the offset behind it."""
        tag, begin, stop = self._header(at, end, form)
        for slot, span in self._variables(at, stop):
            if span.start < begin:
                raise _Misplaced(slot, "is read as the length of a data object")
            if span.end > stop:
                size = stop - begin
                raise _Misplaced(slot, f"goes beyond the data object round it, whose value has {size} bytes")
        if stop > end:
            raise _Misplaced(self._near(begin, end), "does not fill the data object round it")
        constructed = form == "objects" and self._content[at] & CONSTRUCTED and tag not in self._layout.plain
        if constructed and self._variables(begin, stop):
            self._run(begin, stop, form)
        return stop

    def _header(self, at: int, end: int, form: Form) -> tuple[int, int, int]:
        """Tag of the object, and from where to where its value goes."""
        head = self._content[at:end]
        try:
            if form == "groupings":
                tag, begin, size = _grouping(head)
            else:
                tag, behind = tlv.read_tag(head, 0)
                size, begin = tlv.read_length(head, behind)
        except PeerError:
            sentence = "stands among bytes that are no data objects"
            raise _Misplaced(self._near(at, end), sentence) from None
        return tag, at + begin, at + begin + size

    def _variables(self, at: int, end: int) -> list[tuple[Slot, _Span]]:
        """Variables between two offsets, wholly or in part."""
        return [
            (span.part, span)
            for span in self._spans
            if isinstance(span.part, Slot) and span.start < end and span.end > at
        ]

    def _near(self, at: int, end: int) -> Slot:
        """The variable to name for what is wrong between two offsets."""
        return next((slot for slot, _ in self._variables(at, end)), self._first)

    def _span(self, at: int) -> _Span:
        return next(span for span in self._spans if span.start <= at < span.end)


def _grouping(head: bytes) -> tuple[int, int, int]:
    """Tag of a data grouping, where its value begins, and how long it is. Raises PeerError."""
    if len(head) < 3:
        raise PeerError("data grouping cut off")
    tag, size = int.from_bytes(head[:2]), head[2]
    if size < 0xFF:
        return tag, 3, size
    if len(head) < 5:
        raise PeerError("data grouping cut off")
    return tag, 5, int.from_bytes(head[3:5])
