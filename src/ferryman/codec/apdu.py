"""Command and response APDUs in the short form (ISO/IEC 7816-3 12.1, 7816-4 5.1)."""

from __future__ import annotations

from dataclasses import dataclass

from ferryman.errors import PeerError

MAX_DATA = 255  # one Lc byte
MAX_LE = 256  # Le 00
SW_OK = 0x9000
# Normal endings: 9000; 91xx, a proactive command waits, such as the REFRESH of a profile change; 92xx, written
# after retries (ETSI TS 102 221 10.2.1.1); 61xx, more data could be fetched (ISO/IEC 7816-4 5.1.3).
_CARRIED_OUT = frozenset((0x90, 0x91, 0x92, 0x61))
_WARNINGS = frozenset((0x62, 0x63))

_CLAUSE = "ISO/IEC 7816-4 5.1"


@dataclass(frozen=True, slots=True)
class CommandAPDU:
    """A command; `le` is the number of bytes asked for (1 to 256) or None when the Le byte is absent."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    le: int | None = None

    def encode(self) -> bytes:
        """The bytes of the short form; ValueError when the data or Le do not fit."""
        if len(self.data) > MAX_DATA:
            raise ValueError(f"{len(self.data)} bytes of data do not fit a short APDU")
        encoded = bytes((self.cla, self.ins, self.p1, self.p2))
        if self.data:
            encoded += bytes((len(self.data),)) + self.data
        if self.le is not None:
            if not 1 <= self.le <= MAX_LE:
                raise ValueError(f"Le {self.le} is not in 1..{MAX_LE}")
            encoded += bytes((self.le % MAX_LE,))
        return encoded

    @classmethod
    def parse(cls, data: bytes) -> CommandAPDU:
        """From bytes; PeerError when header, Lc and length do not fit together."""
        if len(data) < 4:
            raise PeerError("shorter than a header", field="C-APDU", clause=_CLAUSE)
        header = data[0], data[1], data[2], data[3]
        if len(data) == 4:
            return cls(*header)
        if len(data) == 5:
            return cls(*header, le=data[4] or MAX_LE)
        lc = data[4]
        extra = len(data) - 5 - lc
        if lc == 0 or extra not in (0, 1):
            raise PeerError(f"Lc {lc} with {len(data) - 5} bytes behind it", field="C-APDU", clause=_CLAUSE)
        return cls(*header, data=data[5 : 5 + lc], le=(data[-1] or MAX_LE) if extra else None)


def carried_out(sw: int) -> bool:
    """Whether a status word is a normal ending: 9000 or one that says something beside."""
    return sw >> 8 in _CARRIED_OUT


def warned(sw: int) -> bool:
    """Whether a status word is a warning: the card did something, not necessarily all."""
    return sw >> 8 in _WARNINGS


@dataclass(frozen=True, slots=True)
class ResponseAPDU:
    """An answer: response data and status word."""

    data: bytes
    sw: int

    @classmethod
    def parse(cls, value: bytes) -> ResponseAPDU:
        """From data and status word, e.g. the value of a `23` object; PeerError below 2 bytes."""
        if len(value) < 2:
            raise PeerError("shorter than a status word", field="R-APDU", clause=_CLAUSE)
        return cls(value[:-2], int.from_bytes(value[-2:]))

    @property
    def ok(self) -> bool:
        """A normal ending, 9000 or one like it."""
        return carried_out(self.sw)

    def encode(self) -> bytes:
        """Data followed by the status word."""
        return self.data + self.sw.to_bytes(2)
