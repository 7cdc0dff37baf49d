"""User data of short messages: header, security element, concatenation (3GPP TS 23.040 9.2.3.24, TS 31.115 4, 5).

A secured packet is cut after it is secured. Only the first part carries the element 70 (command) or 71 (response).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ferryman.errors import PeerError

MAX_UD = 140  # bytes of TP-UD, header included, for 8-bit data
MAX_PARTS = 255  # one byte counts the parts

IEI_COMMAND, IEI_RESPONSE = 0x70, 0x71
_IEI_CONCAT_8, _IEI_CONCAT_16 = 0x00, 0x08
_CLAUSE = "3GPP TS 23.040 9.2.3.24"

type Kind = Literal[0x70, 0x71]


@dataclass(frozen=True, slots=True)
class Concat:
    """Concatenation element: reference, its size in bits (8 or 16), number of parts, number of this part."""

    reference: int
    bits: int
    total: int
    sequence: int


@dataclass(frozen=True, slots=True)
class UserData:
    """What a TP-UD carries: 70 or 71 if there, the concatenation element if there, the bytes behind the header."""

    kind: Kind | None
    concat: Concat | None
    payload: bytes


def _concat_element(concat: Concat) -> bytes:
    if concat.bits == 8:
        return bytes((_IEI_CONCAT_8, 3, concat.reference, concat.total, concat.sequence))
    return bytes((_IEI_CONCAT_16, 4)) + concat.reference.to_bytes(2) + bytes((concat.total, concat.sequence))


def _with_header(elements: bytes, payload: bytes) -> bytes:
    return bytes((len(elements),)) + elements + payload


def segment(
    packet: bytes,
    *,
    response: bool = False,
    reference: int,
    reference_bits: int = 8,
    max_ud: int = MAX_UD,
    security_first: bool = False,
) -> list[bytes]:
    """The TP-UD values (header included) of one secured packet, in order.

    `reference` is used when more than one message is needed; it must differ from those of other packets under way
    to the same number. `max_ud` is the room in bytes (some cards take 130). `security_first` puts 70/71 before
    the concatenation element. ValueError when the reference does not fit or more than 255 parts were needed.
    """
    if reference_bits not in (8, 16) or not 0 <= reference < 1 << reference_bits:
        raise ValueError(f"reference {reference} of {reference_bits} bits")
    kind = bytes((IEI_RESPONSE if response else IEI_COMMAND, 0))
    if 1 + len(kind) + len(packet) <= max_ud:
        return [_with_header(kind, packet)]
    following = max_ud - 1 - (5 if reference_bits == 8 else 6)
    first = following - len(kind)
    if first < 1:
        raise ValueError(f"{max_ud} bytes of user data leave no room")
    chunks = [packet[:first]]
    chunks += [packet[at : at + following] for at in range(first, len(packet), following)]
    if len(chunks) > MAX_PARTS:
        raise ValueError(f"{len(chunks)} parts, {MAX_PARTS} at most")
    messages: list[bytes] = []
    for number, chunk in enumerate(chunks, 1):
        elements = _concat_element(Concat(reference, reference_bits, len(chunks), number))
        if number == 1:
            elements = kind + elements if security_first else elements + kind
        messages.append(_with_header(elements, chunk))
    return messages


def _read_concat(iei: int, value: bytes) -> Concat:
    size = 3 if iei == _IEI_CONCAT_8 else 4
    if len(value) != size:
        raise PeerError(f"concatenation element of {len(value)} bytes", field="UDH", clause=_CLAUSE)
    return Concat(int.from_bytes(value[:-2]), 8 * (size - 2), value[-2], value[-1])


def parse_user_data(ud: bytes) -> UserData:
    """A TP-UD with header (TP-UDHI set). Unknown elements are skipped, of repeated ones the last counts."""
    if not ud or 1 + ud[0] > len(ud):
        raise PeerError("header longer than the user data", field="UDH", clause=_CLAUSE)
    end, offset = 1 + ud[0], 1
    kind: Kind | None = None
    concat: Concat | None = None
    while offset < end:
        if offset + 2 > end or offset + 2 + ud[offset + 1] > end:
            raise PeerError("element cut off", field=f"UDH offset {offset}", clause=_CLAUSE)
        iei, value = ud[offset], ud[offset + 2 : offset + 2 + ud[offset + 1]]
        offset += 2 + len(value)
        if iei == IEI_COMMAND:
            kind = 0x70
        elif iei == IEI_RESPONSE:
            kind = 0x71
        elif iei in (_IEI_CONCAT_8, _IEI_CONCAT_16):
            concat = _read_concat(iei, value)
    return UserData(kind, concat, ud[end:])
