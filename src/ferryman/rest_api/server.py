"""The listening side: uvicorn with a limit in time and size for the head of a request (RFC 9112 2.3)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ferryman.errors import InputError
from ferryman.rest_api.settings import RESTSettings

DRAIN = 5  # s that requests under way may take when we stop
MAX_HEAD = 32 * 1024  # octets of request line and header fields: tokens and cookies have some hundred
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # forward secrecy and authenticated encryption, for TLS 1.2


class Server(uvicorn.Server):
    """Signals are the business of the process, not of one role."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Corked:
    """A transport on which the head of an answer waits for its body, one turn of the loop at most.

    Two small writes are two calls of the system and two packets; an answer of ours fits into one.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._kept = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Keep what comes first; what comes next lets both go."""
        if self._kept:
            kept, self._kept = self._kept, b""
            self._transport.write(kept + data)
        elif data:
            self._kept = data
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """What was written leaves before the end."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._kept:
            kept, self._kept = self._kept, b""
            self._transport.write(kept)


def protocol_of(head_timeout: float) -> type[HttpToolsProtocol]:
    """A protocol that hangs up on who does not finish the head of a request in time, or at all."""

    class LimitedHead(HttpToolsProtocol):
        """uvicorn's, with a timer from the first octet (or the connection) to the end of the head."""

        _head: asyncio.TimerHandle | None = None
        _head_octets = 0
        _in_head = True
        _begun = False  # the head has more than nothing

        def connection_made(self, transport: Any) -> None:
            super().connection_made(cast(asyncio.Transport, Corked(transport, self.loop)))
            self._head = self.loop.call_later(head_timeout, transport.close)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._in_head:
                self._head_octets += len(data)
            super().data_received(data)
            if not self._in_head:
                return
            if self._head_octets > MAX_HEAD:
                self.transport.close()
            elif (self._begun or self._head_octets) and self._head is None:  # most heads come whole: no timer
                self._head = self.loop.call_later(head_timeout, self.transport.close)

        def on_message_begin(self) -> None:
            self._in_head = self._begun = True
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._stop()
            self._in_head, self._begun, self._head_octets = False, False, 0
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            super().on_message_complete()
            self._in_head = True

        def _stop(self) -> None:
            if self._head is not None:
                self._head.cancel()
                self._head = None

    return LimitedHead


def make_server(app: Starlette, settings: RESTSettings) -> Server:
    """A server that can take a listening socket; raises InputError for a certificate that cannot be used."""
    config = uvicorn.Config(
        app,
        http=protocol_of(settings.head_timeout),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whom to believe is decided in admission
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=int(settings.idle_timeout),
        timeout_graceful_shutdown=DRAIN,
        ssl_certfile=settings.certificate_file or None,
        ssl_keyfile=settings.key_file or None,
        ssl_ciphers=CIPHERS,
    )
    try:
        config.load()
    except OSError as problem:  # SSLError is one
        raise InputError("rest.certificate_file", f"cannot be used: {problem}") from None
    if config.ssl is not None:
        config.ssl.minimum_version = (
            ssl.TLSVersion.TLSv1_3 if settings.minimum_tls == "1.3" else ssl.TLSVersion.TLSv1_2
        )
    return Server(config)
