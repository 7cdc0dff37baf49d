"""PDUs out of a byte stream, SMPP v3.4 clauses 2.7 and 5.1.1.

Holds at most one incomplete PDU (70,000 octets) beside what was just fed, and refuses a wrong
command_length as soon as its four octets are there. Fed whole or byte by byte, the PDUs are the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from ferryman.codec.smpp.errors import FramingError
from ferryman.codec.smpp.pdu import MAX_PDU, MIN_PDU

_LENGTH_OCTETS = 4


class Framer:
    """Cuts a stream into PDUs. After a FramingError the stream is lost and every further `feed` raises."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = _LENGTH_OCTETS
        self._lost = False

    @property
    def held(self) -> int:
        """Octets of an incomplete PDU that are kept."""
        return len(self._rest)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Each complete PDU in order, header included. Exhaust it before feeding again.

        Raises FramingError (after the PDUs before it) on a command_length below 16 or above 70,000.
        """
        if self._lost:
            raise _lost()
        if self._rest:
            # A PDU that comes in many small pieces is copied once, when it is complete.
            self._rest += data
            if len(self._rest) < self._needed:
                return
            data = bytes(self._rest)
            self._rest.clear()
        offset, size = 0, len(data)
        self._needed = _LENGTH_OCTETS
        while size - offset >= _LENGTH_OCTETS:
            length = int.from_bytes(data[offset : offset + _LENGTH_OCTETS])
            if not MIN_PDU <= length <= MAX_PDU:
                self._lost = True
                raise _lost()
            end = offset + length
            if end > size:
                self._needed = length
                break
            yield data[offset:end]
            offset = end
        self._rest += data[offset:]


def _lost() -> FramingError:
    return FramingError(
        f"is not {MIN_PDU} to {MAX_PDU}; the stream is lost", field="command_length", clause="5.1.1"
    )
