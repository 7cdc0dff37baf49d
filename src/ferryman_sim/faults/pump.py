"""One direction of one connection through the proxy: read, cut into messages, let the rules strike, write."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from contextlib import suppress
from typing import Protocol

from ferryman_sim.faults.framing import Cutter
from ferryman_sim.faults.rules import Rules

READ_OCTETS = 65_536  # octets of one read; with a held message, all that a direction keeps in memory


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection at once and so that the other side hears of a reset, not of an end."""
    transport = writer.transport
    if not transport.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Journal(Protocol):
    """What a pump needs of the proxy."""

    seed: str
    framing: str

    def rules_of(self, connection: int, direction: str) -> Rules: ...

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
    ) -> None: ...


class Pump:
    """Moves octets from `source` to `sink` until the source ends, a side breaks, or a rule ends it."""

    def __init__(
        self,
        proxy: Journal,
        connection: int,
        direction: str,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
    ) -> None:
        self.other: Pump | None = None
        self._proxy = proxy
        self._connection = connection
        self._direction = direction
        self._source = source
        self._sink = sink
        self._rng = random.Random(f"{proxy.seed} {connection} {direction}")
        self._cutter = Cutter(proxy.framing)
        self._read = 0  # octets that came from the source
        self._passed = 0  # octets of the messages that were judged
        self._number = 0
        self._held: bytes | None = None
        self._held_until = 0.0
        self._gone = False  # the sink was reset by a rule, and its end is not to be told

    async def run(self) -> None:
        """Until the direction is over; raises nothing on account of either side."""
        try:
            await self._run()
        except OSError:
            # A side is gone. The other learns of it, unless it is to believe in the connection.
            if self.other is not None and not self.other._gone:
                self._reset_both()

    async def _run(self) -> None:
        while (data := await self._next()) is not None:
            end = self._rules().end()
            if end is not None and self._read + len(data) >= end[0]:
                await self._finish(data[: max(0, end[0] - self._read)], end[1])
                return
            self._read += len(data)
            for message in self._cutter.feed(data):
                await self._judge(message)
        for message in filter(None, (self._cutter.rest(), self._release())):
            await self._write(message)
        if self.other is None or not self.other._gone:
            with suppress(OSError):  # closed on the other side already
                self._sink.write_eof()

    async def _next(self) -> bytes | None:
        """What the source brings next, None at its end; meanwhile a held message may run out of time."""
        while True:
            wait = self._held_until if self._held is not None else None
            timer = asyncio.timeout_at(wait)
            try:
                async with timer:
                    return await self._source.read(READ_OCTETS) or None
            except TimeoutError:
                if not timer.expired():
                    raise  # the kernel's: the side is gone
                await self._write(self._release() or b"")

    async def _judge(self, message: bytes) -> None:
        rules = self._rules()
        self._number += 1
        verdict = rules.draw(self._rng)
        offset, self._passed = self._passed, self._passed + len(message)
        if verdict.dropped:
            self._strike("drop", message, offset)
            return
        if verdict.delay:
            self._strike("delay", message, offset, verdict.delay)
            await asyncio.sleep(verdict.delay)
        if verdict.overtaken and self._held is None:
            self._held = message
            self._held_until = asyncio.get_running_loop().time() + rules.reorder_seconds
            return
        await self._write(message)
        if verdict.repeated:
            self._strike("duplicate", message, offset)
            await self._write(message)
        if (held := self._release()) is not None:
            self._strike("reorder", held, offset - len(held))
            await self._write(held)

    async def _finish(self, last: bytes, fault: str) -> None:
        """The rule that ends this direction: everything up to its offset passes, then it strikes."""
        self._read += len(last)
        for message in self._cutter.feed(last):
            await self._judge(message)
        for message in filter(None, (self._release(), self._cutter.rest())):
            await self._write(message)
        self._proxy.struck(self._connection, self._direction, fault, offset=self._read)
        if fault == "cut":
            await self._emptied()
            self._reset_both()
            return
        if fault == "half_open":
            self._gone = True
            await self._emptied()
            reset(self._sink)
        while await self._source.read(READ_OCTETS):
            pass  # into the black hole
        if fault == "half_open":
            self._reset_both()

    async def _emptied(self) -> None:
        """Wait until the kernel has what was written: a reset throws away what has not left."""
        transport = self._sink.transport
        transport.set_write_buffer_limits(0)
        await self._sink.drain()
        await asyncio.sleep(0)

    def _reset_both(self) -> None:
        reset(self._sink)
        if self.other is not None:
            reset(self.other._sink)

    async def _write(self, message: bytes) -> None:
        rules = self._rules()
        size = rules.piece or len(message) or 1
        for at in range(0, len(message), size):
            if at and rules.pause:
                await asyncio.sleep(rules.pause)
            if self._sink.transport.is_closing():
                raise ConnectionResetError("the sink is closed")
            self._sink.write(message[at : at + size])
            await self._sink.drain()

    def _rules(self) -> Rules:
        return self._proxy.rules_of(self._connection, self._direction)

    def _release(self) -> bytes | None:
        held, self._held = self._held, None
        return held

    def _strike(self, fault: str, message: bytes, offset: int, seconds: float = 0.0) -> None:
        self._proxy.struck(
            self._connection,
            self._direction,
            fault,
            message=self._number,
            offset=offset,
            size=len(message),
            seconds=seconds,
        )
