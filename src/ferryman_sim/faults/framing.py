"""Where one message of a protocol ends, so that faults strike whole messages and leave the stream readable.

SMPP v3.4 3.2 (length in four octets), TLS records (RFC 5246 6.2.1; of PostgreSQL too, after its SSLRequest),
lines (the simulators' JSON), the text protocol of NATS. What does not look like its protocol passes through as it
comes: the proxy has to carry broken messages too.
"""

from __future__ import annotations

from collections.abc import Callable

MAX_MESSAGE = 16 * 1024 * 1024  # octets held while a message is not whole: the longest JSON line
MAX_PDU = 1 << 20  # octets of an SMPP PDU: a longer one is no length but noise
MAX_COMMAND = 8_192  # octets of a command line of NATS: its own limit is 4,096

# From what is there: octets of the first message, 0 when that cannot be told yet, -1 when it never can.
type Measure = Callable[[bytearray], int]


def _smpp(data: bytearray) -> int:
    if len(data) < 4:
        return 0
    size = int.from_bytes(data[:4])
    return size if 16 <= size <= MAX_PDU else -1


def _tls(data: bytearray) -> int:
    if data and data[0] not in range(20, 25):
        return -1
    return 5 + int.from_bytes(data[3:5]) if len(data) >= 5 else 0


def _lines(data: bytearray) -> int:
    return data.find(b"\n") + 1


def _nats(data: bytearray) -> int:
    end = data.find(b"\r\n") + 2
    if end < 2:
        return 0 if len(data) <= MAX_COMMAND else -1
    words = bytes(data[:end]).split()
    if not words or words[0].upper() not in (b"PUB", b"HPUB", b"MSG", b"HMSG"):
        return end
    return end + int(words[-1]) + 2 if words[-1].isdigit() and len(words[-1]) < 10 else -1


def _tls_after_word(data: bytearray) -> int:
    """TLS that both sides agree on first, as PostgreSQL has it: a request of eight octets, an answer of one."""
    if data and data[0] == 0:
        return 8
    return 1 if data and data[0] in b"SN" else _tls(data)


FRAMINGS: dict[str, Measure | None] = {
    "bytes": None,
    "smpp": _smpp,
    "tls": _tls,
    "postgres-tls": _tls_after_word,
    "lines": _lines,
    "nats": _nats,
}


class Cutter:
    """Cuts a stream into messages; with the framing `bytes` a message is whatever one read has brought."""

    def __init__(self, framing: str) -> None:
        if framing not in FRAMINGS:
            raise ValueError(f"no such framing: {framing} (known: {', '.join(FRAMINGS)})")
        self._measure = FRAMINGS[framing]
        self._held = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole now."""
        if self._measure is None:
            return [data] if data else []
        self._held += data
        messages: list[bytes] = []
        while self._held and self._measure is not None:
            size = self._measure(self._held)
            if size < 0 or max(size, len(self._held)) > MAX_MESSAGE:
                # The place of the next message is lost, and so are the borders of all others.
                self._measure = None
                return [*messages, self.rest()]
            if size == 0 or size > len(self._held):
                break
            messages.append(bytes(self._held[:size]))
            del self._held[:size]
        return messages

    def rest(self) -> bytes:
        """What is held of an incomplete message; it is given out once."""
        rest = bytes(self._held)
        self._held.clear()
        return rest
