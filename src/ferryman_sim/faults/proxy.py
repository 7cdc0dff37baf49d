"""The proxy: takes connections, makes one to the real place for each, and lets the rules strike what passes.

What happens is drawn from the seed, the number of the connection and the direction, message by message, so that
it does not depend on how connections mix. Offsets (`cut_after` ...) are exact to the octet with any framing;
messages are the protocol's own with every framing but `bytes`, where TCP decides what one is. Each fault that
struck is kept in `strikes` and told to `on_strike`. All time is the running loop's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from ferryman_sim.faults.framing import Cutter
from ferryman_sim.faults.pump import Pump, reset
from ferryman_sim.faults.rules import DIRECTIONS, Rules

STRIKES_KEPT = 100_000  # strikes kept in memory; `on_strike` hears of all
CONNECT_SECONDS = 10.0  # to the real place: longer than any retry on loopback or a LAN


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault that struck: `at` in seconds since the start, `connection` and `message` counted from 1.

    `message` is 0 for a fault of the connection; `offset` are the octets of the direction before it, `size`
    those of the message; `seconds` only with a delay.
    """

    at: float
    connection: int
    direction: str
    fault: str
    message: int
    offset: int
    size: int
    seconds: float = 0.0

    def shown(self) -> dict[str, Any]:
        """For a log line."""
        return asdict(self)


def _ignore(_: Strike) -> None:
    """Nobody listens."""


class FaultProxy:
    """Stands before `to`; `rules` (both directions) may be replaced at any time, for messages still to come."""

    def __init__(
        self,
        to: tuple[str, int],
        *,
        seed: str,
        rules: dict[str, Rules] | None = None,
        framing: str = "bytes",
        host: str = "127.0.0.1",
        port: int = 0,
        on_strike: Callable[[Strike], None] = _ignore,
    ) -> None:
        Cutter(framing)  # refuses an unknown one now
        self.rules = dict.fromkeys(DIRECTIONS, Rules()) | (rules or {})
        self.strikes: deque[Strike] = deque(maxlen=STRIKES_KEPT)
        self.connections = 0
        self.seed = seed
        self.framing = framing
        self._to = to
        self._listen = (host, port)
        self._on_strike = on_strike
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._started = 0.0

    async def start(self) -> dict[str, Any]:
        """Listen; returns the facts of a ready line."""
        self._started = asyncio.get_running_loop().time()
        self._server = await asyncio.start_server(self._accepted, *self._listen)
        return {"ready": "fault-proxy", "port": self.port, "seed": self.seed, "framing": self.framing}

    async def stop(self) -> None:
        """Stop listening and reset every connection."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.wait_closed()

    @property
    def port(self) -> int:
        """The port listened on."""
        if self._server is None:
            raise RuntimeError("not started")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def open(self) -> int:
        """How many connections there are now."""
        return len(self._tasks)

    def cut(self) -> int:
        """Reset every connection there is, as a machine that loses power would; how many."""
        for writer in tuple(self._writers):
            reset(writer)
        return len(self._tasks)

    # --- for the pumps ---

    def rules_of(self, connection: int, direction: str) -> Rules:
        """The rules for the next message."""
        rules = self.rules[direction]
        return rules if not rules.connections or connection <= rules.connections else Rules()

    def struck(
        self,
        connection: int,
        direction: str,
        fault: str,
        *,
        message: int = 0,
        offset: int = 0,
        size: int = 0,
        seconds: float = 0.0,
    ) -> None:
        """Note a fault."""
        at = asyncio.get_running_loop().time() - self._started
        strike = Strike(round(at, 6), connection, direction, fault, message, offset, size, round(seconds, 6))
        self.strikes.append(strike)
        self._on_strike(strike)

    # --- inside ---

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.connections += 1
        self._writers.add(writer)
        try:
            await self._relay(self.connections, reader, writer)
        except asyncio.CancelledError:
            # stop() ends connections this way; asyncio would log the cancellation of its own task otherwise.
            return
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _relay(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                far_reader, far_writer = await asyncio.open_connection(*self._to)
        except OSError:
            # Nobody listens there (a timeout is an OSError too): whoever called sees a closed connection.
            return
        self._writers.add(far_writer)
        up = Pump(self, number, "up", reader, far_writer)
        down = Pump(self, number, "down", far_reader, writer)
        up.other, down.other = down, up
        try:
            await asyncio.gather(up.run(), down.run())
            for each in (writer, far_writer):
                await _closed(each)
        finally:
            self._writers.discard(far_writer)
            far_writer.transport.abort()


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Close in order, so that what was written last arrives."""
    writer.close()
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(CONNECT_SECONDS):
            await writer.wait_closed()
