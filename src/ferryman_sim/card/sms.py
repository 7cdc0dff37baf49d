"""Short message user data of the card: header elements, reassembly and segmentation (TS 23.040 9.2.3.24, TS
31.115).

`ud` is always TP-User-Data with its header (UDHI set): one length byte, the header elements, the content.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ferryman_sim.card.tlv import BadTLV

COMMAND_ELEMENT = 0x70
RESPONSE_ELEMENT = 0x71
CONCAT_8 = 0x00
CONCAT_16 = 0x08

USER_DATA_BYTES = 140
"""TP-User-Data of one message, bytes (TS 23.040); some networks take less, so it is a card limit too."""

MAX_PENDING = 4
"""Messages being put together at the same time: more would let a flood of first parts eat the card's RAM."""

MAX_PARTS = 32
"""Parts of one message: 32 x 134 bytes is more than any script the card buffers."""


@dataclass(frozen=True, slots=True)
class Part:
    """One received message: its place in a longer one (`total` 1 when alone) and whether element 70 is there."""

    reference: tuple[int, int]
    total: int
    number: int
    is_command: bool
    content: bytes


def read_part(ud: bytes) -> Part:
    """Read one TP-User-Data. Raises BadTLV."""
    if not ud or 1 + ud[0] > len(ud):
        raise BadTLV("user data header cut off")
    header, content = ud[1 : 1 + ud[0]], ud[1 + ud[0] :]
    reference, total, number, is_command = (0, 0), 1, 1, False
    at = 0
    while at < len(header):
        if at + 2 > len(header) or at + 2 + header[at + 1] > len(header):
            raise BadTLV("header element cut off")
        kind, value = header[at], header[at + 2 : at + 2 + header[at + 1]]
        at += 2 + len(value)
        if kind == CONCAT_8 and len(value) == 3:
            reference, total, number = (8, value[0]), value[1], value[2]
        elif kind == CONCAT_16 and len(value) == 4:
            reference, total, number = (16, int.from_bytes(value[:2])), value[2], value[3]
        elif kind == COMMAND_ELEMENT:
            is_command = True
    return Part(reference, total, number, is_command, content)


@dataclass(slots=True)
class Reassembler:
    """Puts concatenated messages together; held in RAM, so a reset of the card forgets it."""

    pending: dict[tuple[str, int, int, int], dict[int, Part]] = field(default_factory=dict)

    def add(self, oa: str, part: Part) -> bytes | None:
        """Take one part from `oa`; returns the whole command packet once it is complete, else None.

        Parts numbered 0 or above the total, repeated parts and messages without element 70 come to nothing.
        """
        if part.total <= 1:
            return part.content if part.is_command else None
        if not 1 <= part.number <= part.total or part.total > MAX_PARTS:
            return None
        key = (oa, *part.reference, part.total)
        if key not in self.pending and len(self.pending) >= MAX_PENDING:
            self.pending.pop(next(iter(self.pending)))
        parts = self.pending.setdefault(key, {})
        parts.setdefault(part.number, part)
        if len(parts) < part.total:
            return None
        del self.pending[key]
        if not parts[1].is_command:
            return None
        return b"".join(parts[number].content for number in range(1, part.total + 1))


def segment(packet: bytes, element: int, reference: int, size: int = USER_DATA_BYTES) -> tuple[bytes, ...]:
    """Cut a packet into TP-User-Data of at most `size` bytes; `element` (70 or 71) only in the first one."""
    single = bytes([2, element, 0]) + packet
    if len(single) <= size:
        return (single,)
    first, following = size - 8, size - 6
    total = 1 + -(-(len(packet) - first) // following)
    concat = bytes([CONCAT_8, 3, reference, total])
    cut = [bytes([7]) + concat + bytes([1, element, 0]) + packet[:first]]
    for number in range(2, total + 1):
        at = first + (number - 2) * following
        cut.append(bytes([5]) + concat + bytes([number]) + packet[at : at + following])
    return tuple(cut)
