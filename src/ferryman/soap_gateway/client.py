"""One POST to a peer over TLS; the connection is closed behind the answer."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from ferryman.errors import PeerError, Unavailable
from ferryman.soap_gateway import http_message
from ferryman.soap_gateway.http_message import END_OF_HEAD, MAX_HEAD
from ferryman.soap_gateway.server import read_body
from ferryman.soap_gateway.tls import fingerprint

STANDARD_PORT = 443
_OF_CERTIFICATES = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")  # in alerts as OpenSSL names them
# Some servers of TLS 1.3 say no more when they refuse a certificate.
SILENT = "closed without an answer; perhaps it does not accept our certificate"
INFORMATIONAL = 8  # 1xx answers before the real one


class NotTrusted(Unavailable):
    """One of the two ends does not accept the other's certificate, or they find no common TLS."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the peer answered."""

    status: int
    body: bytes


async def post(
    url: str,
    envelope: bytes,
    action: str,
    *,
    context: ssl.SSLContext,
    pins: frozenset[str],
    timeout: float,
    max_body: int,
) -> Reply:
    """POST and read the answer; Unavailable when nobody knows whether it arrived, PeerError for no HTTP.

    `pins` are the certificates that the server may show; without any, the context has checked its name.
    """
    parts = urlsplit(url)
    async with _connected(url, context, pins, timeout) as (reader, writer):
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        writer.write(http_message.post(parts.netloc, target, envelope, action))
        await writer.drain()
        for _ in range(INFORMATIONAL):
            head = http_message.response_head(await _head(reader), max_body)
            if head.status >= 200:
                return Reply(head.status, await read_body(reader, head, max_body))
        raise PeerError("no answer behind its forerunners", field="HTTP")


async def reach(url: str, *, context: ssl.SSLContext, pins: frozenset[str], timeout: float) -> None:
    """Connect and part again; raises Unavailable, NotTrusted.

    With TLS 1.3 a server says only behind this that it does not accept our certificate.
    """
    async with _connected(url, context, pins, timeout):
        pass


@contextlib.asynccontextmanager
async def _connected(
    url: str, context: ssl.SSLContext, pins: frozenset[str], timeout: float
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or STANDARD_PORT
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=context, server_hostname=host, limit=MAX_HEAD
            )
            _check_pin(writer, pins)
            yield reader, writer
    except ssl.SSLCertVerificationError as problem:
        raise NotTrusted(f"{host}:{port}: its certificate is not accepted ({problem.verify_message})") from None
    except ssl.SSLError as problem:
        reason = problem.reason or "no reason given"
        refused = "ALERT" in reason and any(word in reason for word in _OF_CERTIFICATES)
        said = "it does not accept our certificate" if refused else "no common TLS"
        raise NotTrusted(f"{host}:{port}: {said} ({reason})") from None
    except TimeoutError:
        raise Unavailable(f"{host}:{port}: no answer in {timeout:g} s") from None
    except asyncio.IncompleteReadError as problem:
        said = "closed in the middle of an answer" if problem.partial else SILENT
        raise Unavailable(f"{host}:{port}: {said}") from None
    except OSError as problem:
        raise Unavailable(f"{host}:{port}: {problem}") from None
    finally:
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()


def _check_pin(writer: asyncio.StreamWriter, pins: frozenset[str]) -> None:
    tls = writer.get_extra_info("ssl_object")
    shown = tls.getpeercert(True) if tls is not None else None
    if pins and (not shown or fingerprint(shown) not in pins):
        raise NotTrusted("the server shows a certificate that is not the peer's")


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        data = await reader.readuntil(END_OF_HEAD)
    except asyncio.LimitOverrunError:
        raise PeerError("head too long", field="HTTP") from None
    return data[: -len(END_OF_HEAD)]
