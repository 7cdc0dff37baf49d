"""Messages of the simulated world: one JSON object a line, over TCP or between two objects of one process.

The protocol between the simulators and with their controllers is the project's own; no specification has it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

# Longest line in bytes. A status answer about ten thousand cards takes some megabytes; more is a broken peer.
LINE_LIMIT = 16 * 1024 * 1024

type Message = dict[str, Any]


class LineError(Exception):
    """The peer sent something that is no JSON object on a line of its own."""


class Channel(Protocol):
    """Two ends, messages in order, `receive` gives None once the other end has closed."""

    async def send(self, message: Message) -> None:
        """Send one message. Raises ConnectionError when the channel is closed."""

    async def receive(self) -> Message | None:
        """The next message, None at the end. Raises LineError."""

    def close(self) -> None:
        """Close both directions; harmless when closed already."""


def encode(message: Message) -> bytes:
    """One line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of one line. Raises LineError."""
    try:
        message = json.loads(line)
    except ValueError as error:
        raise LineError("not JSON") from error
    if not isinstance(message, dict):
        raise LineError("not a JSON object")
    return message


class StreamChannel:
    """A channel over a TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, message: Message) -> None:
        """Send one message. Raises ConnectionError."""
        if self._writer.is_closing():
            raise ConnectionResetError("channel closed")
        self._writer.write(encode(message))
        await self._writer.drain()

    async def receive(self) -> Message | None:
        """The next message, None at the end. Raises LineError."""
        try:
            line = await self._reader.readline()
        except ValueError as error:
            raise LineError("line too long") from error
        except ConnectionError:
            return None
        return decode(line) if line.endswith(b"\n") else None

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


class MemoryChannel:
    """One end of a channel inside a process; make both with `memory_pair`."""

    def __init__(self) -> None:
        self._inbox: asyncio.Queue[Message | None] = asyncio.Queue()
        self._peer: MemoryChannel = self
        self._closed = False

    async def send(self, message: Message) -> None:
        """Put one message into the other end's inbox; a copy, as a wire would make it."""
        if self._closed or self._peer._closed:
            raise ConnectionResetError("channel closed")
        self._peer._inbox.put_nowait(decode(encode(message)))

    async def receive(self) -> Message | None:
        """The next message, None at the end."""
        if self._closed and self._inbox.empty():
            return None
        return await self._inbox.get()

    def close(self) -> None:
        """Close; both ends see the end after what is still in their inboxes."""
        if not self._closed:
            self._closed = True
            self._inbox.put_nowait(None)
            if not self._peer._closed:
                self._peer.close()


def memory_pair() -> tuple[MemoryChannel, MemoryChannel]:
    """Two connected ends."""
    near, far = MemoryChannel(), MemoryChannel()
    near._peer, far._peer = far, near
    return near, far


async def connect(host: str, port: int) -> StreamChannel:
    """A channel to a TCP port. Raises OSError."""
    return StreamChannel(*await asyncio.open_connection(host, port, limit=LINE_LIMIT))


class LineServer:
    """A TCP port whose connections are each served by `serve` as a channel."""

    def __init__(self, serve: Callable[[Channel], Awaitable[None]]) -> None:
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port (useful with 0)."""
        self._server = await asyncio.start_server(self._accepted, host, port, limit=LINE_LIMIT)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the port and all connections."""
        if self._server is None:
            return
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # asyncio.start_server makes this coroutine's task itself; it is kept so that stop() can end it.
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        channel = StreamChannel(reader, writer)
        try:
            await self._serve(channel)
        except (LineError, ConnectionError, asyncio.CancelledError):
            # The end of one connection, by the peer or by stop(): nothing else depends on it.
            return
        finally:
            channel.close()


async def answer_requests(channel: Channel, handle: Callable[[Message], Awaitable[Message]]) -> None:
    """Answer request after request until the peer closes; an `id` in a request comes back in its answer."""
    while (request := await channel.receive()) is not None:
        answer = await handle(request)
        if "id" in request:
            answer = answer | {"id": request["id"]}
        await channel.send(answer)


class Requester(Protocol):
    """Somebody who answers requests."""

    async def ask(self, request: Message) -> Message:
        """The answer. Raises ConnectionError or OSError when nobody answers."""


class TcpRequester:
    """Asks a line server, one request at a time, connecting anew after a broken connection."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._channel: StreamChannel | None = None
        self._one_at_a_time = asyncio.Lock()

    async def ask(self, request: Message) -> Message:
        """The answer. Raises OSError (ConnectionError included) when there is none."""
        async with self._one_at_a_time:
            fresh = self._channel is None
            try:
                return await self._once(request)
            except ConnectionError:
                if fresh:
                    raise
            # The kept connection had died while idle (the other process was started again).
            return await self._once(request)

    async def _once(self, request: Message) -> Message:
        if self._channel is None:
            self._channel = await connect(*self._address)
        channel, self._channel = self._channel, None
        try:
            await channel.send(request)
            answer = await channel.receive()
        except LineError as error:
            channel.close()
            raise ConnectionResetError(str(error)) from error
        except (ConnectionError, asyncio.CancelledError):
            channel.close()
            raise
        if answer is None:
            channel.close()
            raise ConnectionResetError("connection closed before the answer")
        self._channel = channel
        return answer

    def close(self) -> None:
        """Close the kept connection."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
