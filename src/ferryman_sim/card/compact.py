"""Command and response strings in compact format (ETSI TS 102 226 5.1), for cards that take them over SMS."""

from __future__ import annotations

from collections.abc import Iterator

from ferryman_sim.card.apdu import INS_GET_DATA, SW_WRONG_LENGTH, CommandError

HEADER = 5
"""CLA INS P1 P2 P3, bytes. Commands follow each other without tags, so P3 is always there."""

ANSWERING = frozenset({INS_GET_DATA})
"""Commands without data: their P3 says how much is wanted, not how much follows."""

MAX_COUNT = 0xFF
"""The count of executed commands has one byte."""


def commands(body: bytes) -> Iterator[bytes]:
    """The C-APDUs of a command string, one by one. Raises CommandError(6700) where it cannot be read on."""
    at = 0
    while at < len(body):
        if len(body) - at < HEADER:
            raise CommandError(SW_WRONG_LENGTH)
        end = at + HEADER + (0 if body[at + 1] in ANSWERING else body[at + 4])
        if end > len(body):
            raise CommandError(SW_WRONG_LENGTH)
        if len(body) - end == 1:
            # One byte is no command: it says how much the last one may answer.
            end += 1
        yield body[at:end]
        at = end


def answer(executed: int, sw: int, data: bytes) -> bytes:
    """The response string: how many commands ran, status word and data of the last of them."""
    return bytes([min(executed, MAX_COUNT)]) + sw.to_bytes(2) + data
