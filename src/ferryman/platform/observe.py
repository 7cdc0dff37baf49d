"""A small HTTP endpoint for those who watch a process: /metrics, /healthz, /readyz. HTTP/1.1 (RFC 9112), GET only.

It listens on loopback unless told otherwise, holds nothing secret, and reads nothing of a request but its first
line. /healthz says that the process answers, /readyz that everything it depends on is there; a metric whose
database does not answer makes the scrape fail rather than lie.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import msgspec
import structlog

from ferryman.errors import InputError, Unavailable
from ferryman.platform.metrics import CONTENT_TYPE, Sample, exposition

MAX_HEAD: Final = 8_192  # octets of a request
DEADLINE: Final = 5.0  # seconds for a request and its answer
MAX_CONNECTIONS: Final = 16  # at once; those who watch are few
PLAIN: Final = "text/plain; charset=utf-8"
_REASONS: Final = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}

log = structlog.get_logger("ferryman.observe")

type Samples = Callable[[], Awaitable[Iterable[Sample]]]
type Checks = Callable[[], Awaitable[dict[str, bool]]]


class MetricsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Section [metrics]: where the endpoint listens; port 0 takes a free one."""

    port: int
    host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise InputError("metrics.port", "must be 0 to 65535")


class Observatory:
    """The endpoint of one process. `checks` names what must be true to be ready."""

    def __init__(self, settings: MetricsSettings, *, samples: Samples, checks: Checks) -> None:
        self._host = settings.host
        self._port = settings.port
        self._samples = samples
        self._checks = checks
        self._server: asyncio.Server | None = None
        self._open = 0

    async def start(self) -> None:
        """Listen; raises Unavailable when the address is taken."""
        try:
            self._server = await asyncio.start_server(self._serve, self._host, self._port, limit=MAX_HEAD)
        except OSError as problem:
            raise Unavailable(f"address {self._host}:{self._port} ({problem.strerror})") from problem

    @property
    def port(self) -> int:
        """The port listened on."""
        if self._server is None:
            raise RuntimeError("not started")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= MAX_CONNECTIONS:
                async with asyncio.timeout(DEADLINE):
                    writer.write(await self._answer(await reader.readuntil(b"\r\n\r\n")))
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever it was gets no answer
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, head: bytes) -> bytes:
        words = head.split(b"\r\n", 1)[0].split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return _response(400, PLAIN, "no HTTP request\n")
        if words[0] != b"GET":
            return _response(405, PLAIN, "only GET\n", allow=True)
        match words[1].partition(b"?")[0]:
            case b"/healthz":
                return _response(200, PLAIN, "alive\n")
            case b"/readyz":
                return await self._ready()
            case b"/metrics":
                return await self._metrics()
            case _:
                return _response(404, PLAIN, "there are /metrics, /healthz and /readyz\n")

    async def _ready(self) -> bytes:
        found = await self._checks()
        text = "".join(f"{name} {'ok' if good else 'not ready'}\n" for name, good in found.items())
        return _response(200 if all(found.values()) else 503, PLAIN, text)

    async def _metrics(self) -> bytes:
        try:
            return _response(200, CONTENT_TYPE, exposition(await self._samples()))
        except Unavailable as problem:
            log.warning("metrics not read", problem=str(problem))
            return _response(503, PLAIN, "a database does not answer\n")


def _response(status: int, kind: str, text: str, *, allow: bool = False) -> bytes:
    body = text.encode()
    reason = _REASONS.get(status, "Service Unavailable")
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    if allow:
        head += "Allow: GET\r\n"
    return f"{head}Cache-Control: no-store\r\nConnection: close\r\n\r\n".encode() + body
