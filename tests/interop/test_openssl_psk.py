"""The TLS-PSK server against `openssl s_client`: another TLS implementation's idea of a client."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ferryman.codec.scp81_http import AdminRequest, AdminResponse
from ferryman.transport_https.pump import UnknownIdentity
from ferryman.transport_https.server import PSKServer
from ferryman.transport_https.session import HTTPSSettings, Session
from psk_peer import CBC, EID, GCM, IDENTITY, KEY, OTHER_KEY, request_bytes

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="no openssl program on this machine")

SCRIPT = bytes.fromhex("AE80220D80E28900073A08044E020007000000")
LONG_SCRIPT = b"\xae\x80" + bytes(3000) + b"\0\0"
ALERT = re.compile(rb"<<< [^\n]*Alert[^\n]*, (\w+ \w+)")
DATA_RECORD = re.compile(rb"<<< [^\n]*RecordHeader[^\n]*\n\s+17 03 03 ([0-9a-f]{2}) ([0-9a-f]{2})")
RECORD_OVERHEAD = 64  # octets: IV, padding and MAC of CBC with SHA-256


class Keys:
    """A key store that can change, and counts."""

    def __init__(self) -> None:
        self.keys = {IDENTITY.encode(): KEY}
        self.asked: list[bytes] = []

    async def lookup(self, identity: bytes) -> bytes | None:
        self.asked.append(identity)
        await asyncio.sleep(0)
        return self.keys.get(identity)


async def two_steps(session: Session, request: AdminRequest) -> AdminResponse:
    """A script for the first POST, the end for the second."""
    if session.requests > 1:
        return AdminResponse.end()
    body = LONG_SCRIPT if "long" in request.uri else SCRIPT
    return AdminResponse.script(body, next_uri="/next?step=1", target_aid=None)


@asynccontextmanager
async def server(keys: Keys, **settings: UnknownIdentity) -> AsyncIterator[tuple[int, list[Session]]]:
    opened: list[Session] = []
    made = PSKServer(
        HTTPSSettings("127.0.0.1", 0, close_timeout=2.0, **settings),  # type: ignore[arg-type]
        lookup=keys.lookup,
        handler=two_steps,
        new_session_id=lambda: f"s{len(opened)}",
        on_open=opened.append,
    )
    await made.start()
    try:
        yield made.port, opened
    finally:
        await made.stop()


class Client:
    """One run of `openssl s_client`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.stdin = process.stdin
        self.stdout = process.stdout
        self.seen = b""

    async def write(self, octets: bytes) -> None:
        self.stdin.write(octets)
        await self.stdin.drain()

    async def read_until(self, mark: bytes) -> None:
        while mark not in self.seen:
            piece = await self.stdout.read(65_536)
            assert piece, self.seen
            self.seen += piece

    async def finish(self) -> bytes:
        self.stdin.close()
        self.seen += await self.stdout.read()
        await self.process.wait()
        return self.seen


async def s_client(port: int, *options: str, key: bytes = KEY, identity: str = IDENTITY) -> Client:
    assert OPENSSL is not None
    process = await asyncio.create_subprocess_exec(
        OPENSSL, "s_client", "-connect", f"127.0.0.1:{port}", "-psk_identity", identity, "-psk", key.hex(),
        "-ign_eof", "-msg", *options,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    return Client(process)


async def whole_session(port: int, *options: str, key: bytes = KEY, uri: str = "/first") -> bytes:
    """Two POSTs and the server's close; everything the client printed."""
    client = await s_client(port, *options, key=key)
    await client.write(request_bytes(uri))
    await client.read_until(b"\r\n0\r\n\r\n")
    await client.write(request_bytes("/next?step=1", body=b"\xaf\x80\x23\x03\x00\x90\x00\x00\x00"))
    return await client.finish()


@pytest.mark.parametrize("suite", [GCM, CBC])
async def test_a_whole_session(suite: str) -> None:
    async with server(Keys()) as (port, opened):
        seen = await whole_session(port, "-tls1_2", "-cipher", suite)
        assert SCRIPT in seen
        assert b"X-Admin-Next-URI: /next?step=1\r\n" in seen
        assert b"HTTP/1.1 204 No Content\r\nX-Admin-Protocol: globalplatform-remote-admin/1.0\r\n\r\n" in seen
        assert ALERT.findall(seen) == [b"warning close_notify"]
        assert b"NewSessionTicket" not in seen
        (session,) = opened
        assert (session.eid, session.suite, session.requests) == (EID, suite, 2)


async def test_a_client_of_every_suite_and_version_gets_ours() -> None:
    async with server(Keys()) as (port, opened):
        await whole_session(port)
        assert [session.suite for session in opened] == [GCM]


async def test_extensions_that_were_not_asked_for_do_not_come_back() -> None:
    """Live cards fail on an encrypt-then-MAC that they did not offer."""
    async with server(Keys()) as (port, _):
        plain = await whole_session(port, "-tls1_2", "-cipher", CBC, "-no_etm", "-no_ticket")
        hello = re.search(rb"<<< [^\n]*ServerHello\n((?:    [0-9a-f ]+\n)+)", plain)
        assert hello is not None
        # Suite, null compression, and only what the client asked for: renegotiation_info by its suite list,
        # extended master secret by extension.
        assert bytes.fromhex(hello[1].decode()).endswith(bytes.fromhex("00ae00 0009 ff01000100 00170000"))


async def failure(port: int, *options: str, key: bytes = KEY, identity: str = IDENTITY) -> list[bytes]:
    client = await s_client(port, "-tls1_2", *options, key=key, identity=identity)
    return ALERT.findall(await client.finish())


async def test_wrong_key_and_unknown_identity_get_the_same_alert() -> None:
    keys = Keys()
    async with server(keys) as (port, opened):
        assert await failure(port, key=OTHER_KEY) == [b"fatal bad_record_mac"]
        assert await failure(port, identity="nobody") == [b"fatal bad_record_mac"]
        assert keys.asked == [IDENTITY.encode(), b"nobody"]
        assert opened == []


async def test_unknown_identity_can_be_told() -> None:
    async with server(Keys(), unknown_identity=UnknownIdentity.ALERT_115) as (port, _):
        assert await failure(port, key=OTHER_KEY) == [b"fatal bad_record_mac"]
        assert await failure(port, identity="nobody") == [b"fatal unknown_psk_identity"]


async def test_other_suites_are_refused() -> None:
    keys = Keys()
    async with server(keys) as (port, _):
        for suite in ("PSK-AES256-GCM-SHA384", "PSK-NULL-SHA256:@SECLEVEL=0", "ECDHE-PSK-CHACHA20-POLY1305"):
            assert await failure(port, "-cipher", suite) == [b"fatal handshake_failure"]
        assert keys.asked == []


async def test_tls_1_3_alone_is_refused() -> None:
    async with server(Keys()) as (port, _):
        client = await s_client(port, "-tls1_3")
        assert ALERT.findall(await client.finish()) == [b"fatal protocol_version"]


@pytest.mark.parametrize("suite", [GCM, CBC])
@pytest.mark.parametrize("limit", [512, 1024])
async def test_max_fragment_length(suite: str, limit: int) -> None:
    async with server(Keys()) as (port, _):
        options = ("-tls1_2", "-cipher", suite, "-maxfraglen", str(limit))
        seen = await whole_session(port, *options, uri="/long")
        sizes = [int(high + low, 16) for high, low in DATA_RECORD.findall(seen)]
        assert len(sizes) > len(LONG_SCRIPT) // limit
        assert max(sizes) <= limit + RECORD_OVERHEAD
        assert max(sizes) > limit


async def test_without_a_limit_the_answer_is_one_record() -> None:
    async with server(Keys()) as (port, _):
        seen = await whole_session(port, "-tls1_2", uri="/long")
        # The script and the 204.
        assert len(DATA_RECORD.findall(seen)) == 2


@pytest.mark.parametrize("ticket", [(), ("-no_ticket",)], ids=["ticket", "session-id"])
async def test_resumption_gets_a_full_handshake(tmp_path: Path, ticket: tuple[str, ...]) -> None:
    keys, file = Keys(), tmp_path / "session.pem"
    async with server(keys) as (port, opened):
        first = await whole_session(port, "-tls1_2", *ticket, "-sess_out", str(file))
        assert b"New, TLSv1.2" in first
        assert b"SESSION PARAMETERS" in file.read_bytes()
        again = await whole_session(port, "-tls1_2", *ticket, "-sess_in", str(file))
        assert b"New, TLSv1.2" in again
        assert b"Reused" not in again
        assert len(keys.asked) == len(opened) == 2
        # The key is renewed at the server: the old session and the old key are worth nothing.
        keys.keys[IDENTITY.encode()] = OTHER_KEY
        old = await s_client(port, "-tls1_2", *ticket, "-sess_in", str(file))
        assert ALERT.findall(await old.finish()) == [b"fatal bad_record_mac"]
        new = await whole_session(port, "-tls1_2", *ticket, "-sess_in", str(file), key=OTHER_KEY)
        assert b"New, TLSv1.2" in new
        assert len(opened) == 3


async def test_renegotiation_is_refused() -> None:
    keys = Keys()
    async with server(keys) as (port, _):
        client = await s_client(port, "-tls1_2", "-no_ign_eof")
        await client.read_until(b"Verify return code")
        await client.write(b"R\n")
        await client.read_until(b"no_renegotiation")
        client.process.terminate()
        await client.finish()
        assert len(keys.asked) == 1


async def test_many_clients_at_once() -> None:
    keys = Keys()
    for number in range(6):
        keys.keys[f"card-{number}".encode()] = KEY
    async with server(keys) as (port, opened):

        async def one(number: int) -> None:
            client = await s_client(port, "-tls1_2", identity=f"card-{number}")
            await client.write(request_bytes())
            await client.read_until(b"\r\n0\r\n\r\n")
            await client.write(request_bytes("/next?step=1"))
            assert b"204 No Content" in await client.finish()

        await asyncio.gather(*(one(number) for number in range(6)))
        assert len(opened) == 6
