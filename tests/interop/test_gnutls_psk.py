"""The TLS-PSK server against `gnutls-cli`: a third TLS implementation."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from ferryman.codec.scp81_http import AdminRequest, AdminResponse
from ferryman.transport_https.server import PSKServer
from ferryman.transport_https.session import HTTPSSettings, Session
from psk_peer import CBC, GCM, IDENTITY, KEY, OTHER_KEY, records, request_bytes

GNUTLS = shutil.which("gnutls-cli")
pytestmark = pytest.mark.skipif(GNUTLS is None, reason="no gnutls-cli program on this machine")

SCRIPT = bytes.fromhex("AE80220D80E28900073A08044E020007000000")
PRIORITY = "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:"
CIPHERS = {GCM: "+AES-128-GCM", CBC: "+AES-128-CBC:+SHA256"}


@asynccontextmanager
async def server(*keys: bytes, script: bytes = SCRIPT) -> AsyncIterator[tuple[int, list[Session]]]:
    """`keys` are those of one look-up after the other, the last one stays."""
    opened: list[Session] = []
    given = list(keys or (KEY,))

    async def lookup(identity: bytes) -> bytes | None:
        if identity != IDENTITY.encode():
            return None
        return given.pop(0) if len(given) > 1 else given[0]

    async def handler(session: Session, request: AdminRequest) -> AdminResponse:
        if session.requests > 1:
            return AdminResponse.end()
        return AdminResponse.script(script, next_uri="/next", target_aid=None)

    made = PSKServer(
        HTTPSSettings("127.0.0.1", 0, close_timeout=2.0),
        lookup=lookup,
        handler=handler,
        new_session_id=lambda: f"s{len(opened)}",
        on_open=opened.append,
    )
    await made.start()
    try:
        yield made.port, opened
    finally:
        await made.stop()


async def run(port: int, cipher: str, *options: str, key: bytes = KEY, identity: str = IDENTITY) -> bytes:
    """Two POSTs, the second when the answer to the first is here; everything the client printed."""
    assert GNUTLS is not None
    process = await asyncio.create_subprocess_exec(
        GNUTLS, "-p", str(port), "127.0.0.1", "--pskusername", identity, "--pskkey", key.hex(),
        "--priority", PRIORITY + cipher, *options,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    seen = b""
    process.stdin.write(request_bytes())
    while SCRIPT not in seen:
        piece = await process.stdout.read(65_536)
        if not piece:
            break
        seen += piece
    else:
        process.stdin.write(request_bytes("/next", body=b"\xaf\x80\x23\x03\x00\x90\x00\x00\x00"))
        seen += await process.stdout.read()
    process.stdin.close()
    await process.wait()
    return seen


@pytest.mark.parametrize("suite", [GCM, CBC])
async def test_a_whole_session(suite: str) -> None:
    async with server() as (port, opened):
        seen = await run(port, CIPHERS[suite])
        assert b"HTTP/1.1 204 No Content" in seen
        assert [(session.suite, session.requests) for session in opened] == [(suite, 2)]


@asynccontextmanager
async def listening_in(port: int) -> AsyncIterator[tuple[int, bytearray, bytearray]]:
    """A relay to `port`: its own port, what clients sent, what the server sent."""
    sent, received = bytearray(), bytearray()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, copy: bytearray) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(65_536):
                copy.extend(piece)
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(carry(reader, back, sent), carry(there, writer, received))

    relay = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with relay:
        yield relay.sockets[0].getsockname()[1], sent, received


async def test_max_fragment_length_512() -> None:
    """The client offers it (RFC 6066: type 1, value 1), and no record of the server holds more than 512 octets."""
    script = b"\xae\x80" + bytes(range(250)) * 12 + SCRIPT
    async with server(script=script) as (port, opened), listening_in(port) as (relay, sent, received):
        seen = await run(relay, CIPHERS[GCM], "--recordsize=512")
        assert b"HTTP/1.1 204 No Content" in seen
        assert len(opened) == 1
        assert b"\x00\x01\x00\x01\x01" in records(bytes(sent))[0][1]
        fragments = [fragment for kind, fragment in records(bytes(received)) if kind == 23]
        assert sum(map(len, fragments)) > len(script)
        assert max(map(len, fragments)) <= 512 + 8 + 16  # explicit nonce and tag of GCM


async def test_wrong_key_and_unknown_identity_get_the_same_alert() -> None:
    async with server() as (port, opened):
        wrong = await run(port, CIPHERS[GCM], key=OTHER_KEY)
        unknown = await run(port, CIPHERS[GCM], identity="nobody")
        assert b"Received alert [20]: Bad record MAC" in wrong
        assert b"Received alert [20]: Bad record MAC" in unknown
        assert opened == []


async def test_resumption_gets_a_full_handshake() -> None:
    """`--resume` closes after the handshake and connects again with the old session."""
    async with server() as (port, opened):
        seen = await run(port, CIPHERS[GCM], "--resume")
        assert b"This is a resumed session" not in seen
        assert b"trying to resume previous session" in seen
        assert len(opened) == 2


async def test_a_resumption_after_the_key_was_rotated_does_not_get_in() -> None:
    """The old session would still open in a server that resumes; here the old key is asked for, and is wrong."""
    async with server(KEY, OTHER_KEY) as (port, opened):
        seen = await run(port, CIPHERS[GCM], "--resume")
        assert b"trying to resume previous session" in seen
        assert b"This is a resumed session" not in seen
        assert b"Received alert [20]: Bad record MAC" in seen
        assert len(opened) == 1
