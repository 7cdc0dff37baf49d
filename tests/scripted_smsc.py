"""An SMSC for tests that says exactly what a test tells it to; see tests/interop for real ones.

It reads and writes PDUs with the codec under test, so it proves behaviour, not bytes.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Self

from ferryman.codec.smpp import messages as m
from ferryman.codec.smpp.framer import Framer
from ferryman.codec.smpp.pdu import decode, encode


class Caller:
    """One accepted connection: `expect` reads the next PDU, `send` writes some, `raw` octets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._framer = Framer()
        self._read: list[m.PDU] = []

    async def next(self) -> m.PDU | None:
        """The next PDU, None at the end of the stream."""
        while not self._read:
            try:
                data = await self.reader.read(65_536)
            except ConnectionResetError:  # closed while octets of ours were still on their way
                return None
            if not data:
                return None
            self._read += [decode(octets) for octets in self._framer.feed(data)]
        return self._read.pop(0)

    async def expect[T: m.PDU](self, kind: type[T]) -> T:
        """The next PDU, which has to be of this kind."""
        pdu = await self.next()
        assert isinstance(pdu, kind), f"expected {kind.__name__}, got {pdu!r}"
        return pdu

    def send(self, *pdus: m.PDU) -> None:
        self.raw(b"".join(encode(pdu) for pdu in pdus))

    def raw(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def accept_bind(self) -> m.PDU:
        request = await self.next()
        answers: dict[type, type[m.PDU]] = {
            m.BindTransceiver: m.BindTransceiverResp,
            m.BindTransmitter: m.BindTransmitterResp,
            m.BindReceiver: m.BindReceiverResp,
        }
        assert request is not None
        self.send(answers[type(request)](sequence=request.sequence))
        return request

    async def closed(self) -> bool:
        """Whether the other side closes without another PDU."""
        return await self.next() is None


class ScriptedSMSC:
    """Listens on a free port; `connections` are the scripts of the first, second, ... connection."""

    def __init__(
        self, *connections: Callable[[Caller], Awaitable[None]], tls: ssl.SSLContext | None = None
    ) -> None:
        self._scripts = list(connections)
        self._tls = tls
        self._tasks: list[asyncio.Task[None]] = []
        self.arrivals: list[float] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._arrived, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._server.close()
        if kind is None:
            await asyncio.gather(*self._tasks)
            assert not self._scripts, "connections that never came"
        for task in self._tasks:
            task.cancel()

    async def _arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.arrivals.append(asyncio.get_running_loop().time())
        if not self._scripts:
            writer.close()
            return
        script = self._scripts.pop(0)
        task = asyncio.create_task(self._play(script, Caller(reader, writer)))
        self._tasks.append(task)

    async def _play(self, script: Callable[[Caller], Awaitable[None]], caller: Caller) -> None:
        try:
            await script(caller)
        finally:
            caller.writer.close()
