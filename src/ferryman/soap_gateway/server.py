"""The HTTPS server for other parties: TLS with client certificates, strict HTTP, and a limit on everything.

Knows nothing of SOAP: a request of somebody known goes to `handler`, whose answer goes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from ferryman.errors import Unavailable
from ferryman.soap_gateway import http_message
from ferryman.soap_gateway.http_message import END_OF_HEAD, MAX_CHUNK_LINE, MAX_HEAD, BadMessage, Head
from ferryman.soap_gateway.settings import SOAPSettings

READ_AT_ONCE = 64 * 1024  # octets
CLOSE_GRACE = 5.0  # seconds for answers under way when the server stops

log = structlog.get_logger("ferryman.soap_gateway")


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request; `certificate` is the DER of the client's, empty without one."""

    head: Head
    body: bytes
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back; `close` ends the connection behind it."""

    status: int
    body: bytes = b""
    content_type: str = "application/soap+xml; charset=utf-8"
    close: bool = False


type Handler = Callable[[Request], Awaitable[Answer]]
type Admission = Callable[[bytes], bool]  # whether anybody can be behind this certificate (empty: none)


class SOAPServer:
    """Listens for peers."""

    def __init__(self, settings: SOAPSettings, *, handler: Handler, admit: Admission) -> None:
        self._settings = settings
        self._handler = handler
        self._admit = admit
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, context: ssl.SSLContext) -> None:
        """Opens the listening socket; raises Unavailable when the address cannot be used."""
        settings = self._settings
        try:
            self._listener = await asyncio.start_server(
                self._connected,
                settings.host,
                settings.port,
                ssl=context,
                limit=MAX_HEAD,
                ssl_handshake_timeout=settings.handshake_timeout,
                ssl_shutdown_timeout=CLOSE_GRACE,
            )
        except OSError as problem:
            raise Unavailable(f"address {settings.host}:{settings.port} ({problem.strerror})") from problem

    @property
    def port(self) -> int:
        """The port listened on."""
        if self._listener is None or not self._listener.sockets:
            raise RuntimeError("not started")
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Stop listening, let answers under way go out, drop the rest."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await listener.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= self._settings.max_connections:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError, ssl.SSLError):
            pass
        except asyncio.CancelledError:
            if self._listener is not None:
                raise
        finally:
            self._connections.discard(task)
            writer.transport.abort() if self._listener is None else writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tls = writer.get_extra_info("ssl_object")
        certificate = (tls.getpeercert(True) or b"") if tls is not None else b""
        while True:
            try:
                answer = await self._one(reader, writer, certificate)
            except BadMessage as problem:
                log.info("request refused", reason=problem.reason, status=problem.status)
                answer = Answer(problem.status, close=True)
            except TimeoutError:
                answer = Answer(408, close=True)
            if answer is None:
                return
            writer.write(
                http_message.response(
                    answer.status, answer.body, content_type=answer.content_type, close=answer.close
                )
            )
            async with asyncio.timeout(self._settings.body_timeout):
                await writer.drain()
            if answer.close:
                return

    async def _one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, certificate: bytes
    ) -> Answer | None:
        settings = self._settings
        try:
            async with asyncio.timeout(settings.idle_timeout):
                first = await reader.read(1)
        except TimeoutError:
            return None
        if not first:
            return None
        async with asyncio.timeout(settings.head_timeout):
            head = http_message.request_head(await _head(reader, first), settings.max_body)
        if not self._admit(certificate):
            return Answer(403, close=True)  # before a body of a stranger is read
        if expected := head.fields.get("expect"):
            if expected.lower() != "100-continue":
                return Answer(417, close=True)
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        async with asyncio.timeout(settings.body_timeout):
            body = await read_body(reader, head, settings.max_body)
        answer = await self._handler(Request(head, body, certificate))
        return Answer(answer.status, answer.body, answer.content_type, answer.close or head.close)


async def _head(reader: asyncio.StreamReader, first: bytes) -> bytes:
    try:
        data = first + await reader.readuntil(END_OF_HEAD)
    except asyncio.LimitOverrunError:
        raise BadMessage(f"head of more than {MAX_HEAD} octets", status=431) from None
    if len(data) > MAX_HEAD:
        raise BadMessage(f"head of more than {MAX_HEAD} octets", status=431)
    return data[: -len(END_OF_HEAD)]


async def read_body(reader: asyncio.StreamReader, head: Head, max_body: int) -> bytes:
    """The body that a head announces; raises BadMessage."""
    if head.open_ended:
        return await _to_the_end(reader, max_body)
    if not head.chunked:
        return await reader.readexactly(head.length) if head.length else b""
    body = bytearray()
    while True:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            raise BadMessage("no plain chunk size") from None
        if len(line) > MAX_CHUNK_LINE:
            raise BadMessage("no plain chunk size")
        size = http_message.chunk_size(line)
        if len(body) + size > max_body:
            raise BadMessage(f"body of more than {max_body} octets", status=413)
        body += await reader.readexactly(size)
        if await reader.readexactly(2) != b"\r\n":
            raise BadMessage("a chunk longer than its size, or a trailer")
        if size == 0:
            return bytes(body)


async def _to_the_end(reader: asyncio.StreamReader, max_body: int) -> bytes:
    body = bytearray()
    while piece := await reader.read(READ_AT_ONCE):
        body += piece
        if len(body) > max_body:
            raise BadMessage(f"body of more than {max_body} octets", status=413)
    return bytes(body)
