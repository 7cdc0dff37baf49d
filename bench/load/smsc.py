"""An SMSC that does as little as an SMSC can: binds anybody, accepts every message, counts, sums up the bodies.

`python -m bench.load.smsc` prints its port, and for each connection that ends the number of its messages and the
sum of the checksums of their bodies: the same for everybody who sends the same messages in whatever order. With a
number as argument the sums are of user data alone, and every bind and the moment when so many have come are
printed at once.
"""

from __future__ import annotations

import asyncio
import struct
import sys
import time
import zlib
from typing import Final, cast

from ferryman.platform import loop

HEADER: Final = struct.Struct(">IIII")
SUBMIT, ENQUIRE, UNBIND = 0x04, 0x15, 0x06
BINDS: Final = frozenset((0x01, 0x02, 0x09))
RESPONSE: Final = 0x80000000
EXPECTED: Final = int(sys.argv[1]) if len(sys.argv) > 1 else 0
USER_DATA: Final = 113  # octets of each message of the gateway row: header and packet


class SMSC(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._rest = b""
        self._count = 0
        self._sum = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        octets = self._rest + data
        at, size = 0, len(octets)
        answers: list[bytes] = []
        while size - at >= HEADER.size:
            length, command, _, sequence = HEADER.unpack_from(octets, at)
            if at + length > size:
                break
            if command == SUBMIT:
                self._count += 1
                start = at + length - USER_DATA if EXPECTED else at + HEADER.size
                self._sum += zlib.crc32(octets[start : at + length])
                if self._count == EXPECTED:
                    _say(f"{time.perf_counter()} {self._sum}")
                message_id = b"%d\0" % self._count
                answers.append(HEADER.pack(16 + len(message_id), SUBMIT | RESPONSE, 0, sequence) + message_id)
            elif command in BINDS:
                if EXPECTED:
                    _say("bound")
                answers.append(HEADER.pack(21, command | RESPONSE, 0, sequence) + b"smsc\0")
            elif command in (ENQUIRE, UNBIND):
                answers.append(HEADER.pack(16, command | RESPONSE, 0, sequence))
            at += length
        self._rest = octets[at:]
        if answers and self._transport is not None:
            self._transport.write(b"".join(answers))

    def connection_lost(self, exc: Exception | None) -> None:
        _say(f"{self._count} {self._sum}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Listen, print the port, serve until killed."""
    server = await asyncio.get_running_loop().create_server(SMSC, "127.0.0.1", 0)
    _say(str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()


if __name__ == "__main__":
    loop.run(main())
