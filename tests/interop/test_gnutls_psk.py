"""The TLS-PSK server against `gnutls-cli`: a third TLS implementation."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ferryman.codec.scp81_http import AdminRequest, AdminResponse
from ferryman.transport_https.server import PSKServer
from ferryman.transport_https.session import HTTPSSettings, Session
from psk_peer import CBC, GCM, IDENTITY, KEY, OTHER_KEY, request_bytes

GNUTLS = shutil.which("gnutls-cli")
pytestmark = pytest.mark.skipif(GNUTLS is None, reason="no gnutls-cli program on this machine")

SCRIPT = bytes.fromhex("AE80220D80E28900073A08044E020007000000")
PRIORITY = "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:"
CIPHERS = {GCM: "+AES-128-GCM", CBC: "+AES-128-CBC:+SHA256"}


@asynccontextmanager
async def server() -> AsyncIterator[tuple[int, list[Session]]]:
    opened: list[Session] = []

    async def lookup(identity: bytes) -> bytes | None:
        return KEY if identity == IDENTITY.encode() else None

    async def handler(session: Session, request: AdminRequest) -> AdminResponse:
        if session.requests > 1:
            return AdminResponse.end()
        return AdminResponse.script(SCRIPT, next_uri="/next", target_aid=None)

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


async def test_max_fragment_length() -> None:
    async with server() as (port, opened):
        seen = await run(port, CIPHERS[GCM], "--recordsize=512")
        assert b"HTTP/1.1 204 No Content" in seen
        assert len(opened) == 1


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
