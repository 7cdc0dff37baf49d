"""Peers for tests of the TLS-PSK server, from the standard library: a client in memory, one on a socket."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import h11

EID = "89001012012341234012345678901224"
OTHER_EID = "89049032123456789012345678901203"
ISDR = "A0000005591010FFFFFFFF8900000100"
KEY = bytes(range(0x50, 0x60))
OTHER_KEY = bytes(range(0x60, 0x70))
GCM = "PSK-AES128-GCM-SHA256"
CBC = "PSK-AES128-CBC-SHA256"


def identity_of(eid: str, version: int = 0x40) -> str:
    """The identity a card of this EID presents, written out by hand."""
    return f"8001028110{eid}4F10{ISDR}8201018301{version:02X}"


IDENTITY = identity_of(EID)
OTHER_IDENTITY = identity_of(OTHER_EID)


def client_context(identity: str = IDENTITY, key: bytes = KEY, suite: str = GCM) -> ssl.SSLContext:
    """A TLS 1.2 client that knows one key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suite)
    context.set_psk_client_callback(lambda hint: (identity, key))
    return context


class MemoryClient:
    """A TLS client whose octets are moved by hand."""

    def __init__(self, context: ssl.SSLContext | None = None, session: ssl.SSLSession | None = None) -> None:
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = (context or client_context()).wrap_bio(self.incoming, self.outgoing, session=session)
        self.done = False

    def step(self, octets: bytes = b"") -> bytes:
        """Takes octets of the server, goes on with the handshake, gives octets for the server."""
        self.incoming.write(octets)
        if not self.done:
            try:
                self.tls.do_handshake()
                self.done = True
            except ssl.SSLWantReadError:
                pass
        return self.outgoing.read()


def records(octets: bytes) -> list[tuple[int, bytes]]:
    """The TLS records in `octets`: type and fragment."""
    found = []
    at = 0
    while at < len(octets):
        length = int.from_bytes(octets[at + 3 : at + 5])
        found.append((octets[at], octets[at + 5 : at + 5 + length]))
        at += 5 + length
    return found


@dataclass
class Answer:
    """What a server answered; header names as they came."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def get(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key == name]
        return found[0] if found else None


def request_bytes(
    uri: str = "/gsma/adminagent", *, body: bytes = b"", eid: str = EID, extra: tuple[str, ...] = ()
) -> bytes:
    """A POST of a card, chunked when it has a body."""
    lines = [
        f"POST {uri} HTTP/1.1",
        "Host: sr.example.com",
        "X-Admin-Protocol: globalplatform-remote-admin/1.0",
        f"X-Admin-From: //se-id/eid/{eid};//aa-id/aid/{ISDR[:10]}/{ISDR[10:]}",
        *extra,
    ]
    tail = b""
    if body:
        lines += ["Transfer-Encoding: chunked", "X-Admin-Script-Status: ok"]
        lines.append("Content-Type: application/vnd.globalplatform.card-content-mgt-response;version=1.0")
        tail = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + tail


def read_answer(octets: bytes) -> Answer:
    """One whole answer in `octets`."""
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="POST", target="/", headers=[("Host", "x"), ("Content-Length", "0")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(octets)
    event = reader.next_event()
    assert isinstance(event, h11.Response), event
    answer = Answer(event.status_code, [(n.decode(), v.decode()) for n, v in event.headers.raw_items()], b"")
    while not isinstance(event := reader.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data), event
        answer.body += bytes(event.data)
    return answer


class SocketCard:
    """A card on a socket: posts and reads answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read(self) -> Answer:
        head = await self.reader.readuntil(b"\r\n\r\n")
        body = b""
        if b"chunked" in head.lower():
            while not body.endswith(b"0\r\n\r\n"):
                body += await self.reader.readline()
        elif b"content-length:" in head.lower():
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await self.reader.readexactly(length)
        return read_answer(head + body)

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def post(self, octets: bytes) -> Answer:
        await self.send(octets)
        return await self.read()

    async def ended(self) -> bytes:
        """What is left until the server closes."""
        try:
            return await self.reader.read()
        except (ConnectionError, ssl.SSLError):
            return b""


@asynccontextmanager
async def card(port: int, context: ssl.SSLContext | None = None) -> AsyncIterator[SocketCard]:
    """A connected card; raises what the handshake raises."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context or client_context())
    try:
        yield SocketCard(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
