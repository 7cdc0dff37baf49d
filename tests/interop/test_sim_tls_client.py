"""The simulator's TLS client and session runner against a real OpenSSL server on the loopback interface."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ferryman_sim.scp81 import Quirks, ScriptResult, SessionResult, run_session

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="no openssl program on this machine")

IDENTITY = "8001028110890490321234567890123456789012034F10A0000005591010FFFFFFFF8900000100820101830140"
EID = "89049032123456789012345678901203"
PSK = bytes(range(0x50, 0x60))
ANSWER = b"HTTP/1.1 204 No Content\r\nX-Admin-Protocol: globalplatform-remote-admin/1.0\r\n\r\n"
SCRIPT = bytes.fromhex("AE80220580CAFF21000000")
LAST = (
    b"HTTP/1.1 200 OK\r\nX-Admin-Protocol: globalplatform-remote-admin/1.0\r\n"
    b"Content-Type: application/vnd.globalplatform.card-content-mgt;version=1.0\r\n"
    b"Content-Length: 11\r\n\r\n" + SCRIPT
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """openssl s_server: what the card sends is on its output, its input goes to the card."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port
        self.output = b""

    async def wait_for(self, text: bytes) -> None:
        assert self.process.stdout is not None
        while text not in self.output:
            data = await self.process.stdout.read(4096)
            assert data, f"server ended: {self.output!r}"
            self.output += data

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)


@asynccontextmanager
async def openssl_server(*options: str, identity: str = IDENTITY, psk: bytes = PSK) -> AsyncIterator[Server]:
    assert OPENSSL is not None
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(
            OPENSSL,
            "s_server",
            "-accept",
            f"127.0.0.1:{port}",
            "-nocert",
            "-tls1_2",
            "-quiet",
        ),
        *("-psk", psk.hex(), "-psk_identity", identity, *options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        await until_listening(port)
        yield Server(process, port)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        transport = getattr(process, "_transport", None)
        if transport is not None:
            transport.close()


async def until_listening(port: int) -> None:
    """The server takes connections one after the other: an empty one first does no harm."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)
            continue
        writer.close()
        await writer.wait_closed()
        return


def card(port: int, **changes: object) -> asyncio.Task[SessionResult]:
    arguments: dict[str, object] = {
        "host": "127.0.0.1",
        "port": port,
        "identity": IDENTITY,
        "psk": PSK,
        "eid": EID,
        "agent_id": None,
        "uri": "/gsma/adminagent",
        "notification": None,
        "on_script": lambda target, script: ScriptResult("ok", b"\xaf\x80\x00\x00"),
        "timeout": 20.0,
    }
    return asyncio.create_task(run_session(**{**arguments, **changes}))  # type: ignore[arg-type]


@pytest.mark.parametrize("suite", ["PSK-AES128-CBC-SHA256", "PSK-AES128-GCM-SHA256"])
@pytest.mark.parametrize("fragment", [512, 1024, None])
@pytest.mark.parametrize("modern", [False, True], ids=["plain", "ems-etm-scsv"])
async def test_session_with_openssl(suite: str, fragment: int | None, modern: bool) -> None:
    quirks = Quirks(max_fragment=fragment, extended_master_secret=modern, encrypt_then_mac=modern, scsv=modern)
    async with openssl_server("-cipher", suite) as server:
        running = card(server.port, quirks=quirks)
        await server.wait_for(b"\r\n\r\n")
        server.write(LAST)
        result = await running
    assert b"POST /gsma/adminagent HTTP/1.1\r\nHost: 127.0.0.1\r\n" in server.output
    assert (result.completed, result.scripts, result.reason) == (True, 1, None)


async def test_long_bodies_are_cut_into_small_records() -> None:
    response = bytes(range(256)) * 20
    script = b"\xae\x80" + bytes(5000)
    head = LAST.replace(b"Content-Length: 11", b"X-Admin-Next-URI: /2\r\nContent-Length: 5002")[: -len(SCRIPT)]
    seen: list[bytes] = []

    def on_script(target: bytes | None, body: bytes) -> ScriptResult:
        seen.append(body)
        return ScriptResult("ok", response)

    async with openssl_server("-msg", "-cipher", "PSK-AES128-CBC-SHA256") as server:
        running = card(server.port, quirks=Quirks(max_fragment=512), on_script=on_script)
        await server.wait_for(b"\r\n\r\n")
        server.write(head + script)
        await server.wait_for(b"\r\n0\r\n\r\n")
        server.write(ANSWER)
        result = await running
    assert seen == [script]
    assert result.completed


async def test_a_psk_hint_is_passed_over() -> None:
    async with openssl_server("-psk_hint", "some hint") as server:
        running = card(server.port)
        await server.wait_for(b"\r\n\r\n")
        server.write(ANSWER)
        assert (await running).completed


@pytest.mark.parametrize("server_psk", [bytes(16)], ids=["other key"])
async def test_another_key_ends_in_an_alert(server_psk: bytes) -> None:
    async with openssl_server(psk=server_psk) as server:
        result = await card(server.port)
    assert not result.completed
    assert result.alert in (20, 51)


async def test_a_server_without_our_suites_is_left() -> None:
    async with openssl_server("-cipher", "PSK-AES256-CBC-SHA384") as server:
        result = await card(server.port)
    assert (result.completed, result.alert) == (False, 40)


async def test_a_proposed_session_is_not_resumed() -> None:
    async with openssl_server() as server:
        running = card(server.port, quirks=Quirks(session_id=bytes(range(32))))
        await server.wait_for(b"\r\n\r\n")
        server.write(ANSWER)
        assert (await running).completed
