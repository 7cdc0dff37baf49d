"""`run_session` on the loopback interface; the server side is Python's own TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ferryman_sim.scp81 import Quirks, ResumeState, ScriptResult, SessionResult, run_session

IDENTITY = "8001028110890490321234567890123456789012034F10A0000005591010FFFFFFFF8900000100820101830140"
EID = "89049032123456789012345678901203"
PSK = bytes(range(0x50, 0x60))
HEAD = "X-Admin-Protocol: globalplatform-remote-admin/1.0\r\n"
NO_CONTENT = f"HTTP/1.1 204 No Content\r\n{HEAD}\r\n".encode()

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def script(body: bytes, next_uri: str | None) -> bytes:
    uri = f"X-Admin-Next-URI: {next_uri}\r\n" if next_uri else ""
    kind = "Content-Type: application/vnd.globalplatform.card-content-mgt;version=1.0\r\n"
    return f"HTTP/1.1 200 OK\r\n{HEAD}{uri}{kind}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Server:
    """Gives prepared answers; None drops the link instead. requests: heads with bodies as they came."""

    def __init__(self, *connections: list[bytes | None]) -> None:
        self.connections = list(connections)
        self.requests: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers = self.connections.pop(0)
        try:
            for answer in answers:
                self.requests.append(await read_request(reader))
                if answer is None:
                    writer.transport.abort()
                    return
                writer.write(answer)
                await writer.drain()
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.transport.abort()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    if b"chunked" in head:
        return head + await reader.readuntil(b"0\r\n\r\n")
    return head


@asynccontextmanager
async def listening(server: Server) -> AsyncIterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("PSK-AES128-CBC-SHA256:PSK-AES128-GCM-SHA256")
    context.set_psk_server_callback(lambda name: PSK if name == IDENTITY else bytes(16), "hint")
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    server.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield server


class Card:
    def __init__(self) -> None:
        self.executed: list[tuple[bytes | None, bytes]] = []
        self.delivered = 0

    def run(self, target: bytes | None, body: bytes) -> ScriptResult:
        self.executed.append((target, body))
        return ScriptResult("ok", b"did " + body)

    def note(self) -> None:
        self.delivered += 1

    async def connect(self, port: int, **changes: Any) -> SessionResult:
        arguments: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": port,
            "identity": IDENTITY,
            "psk": PSK,
            "eid": EID,
            "agent_id": None,
            "uri": "/first",
            "notification": None,
            "on_script": self.run,
            "on_delivered": self.note,
            "timeout": 20.0,
        }
        return await run_session(**{**arguments, **changes})


@pytest.mark.parametrize("suites", [(0x00AE,), (0x00A8,)])
async def test_two_scripts_and_the_end(suites: tuple[int, ...]) -> None:
    server, card = Server([script(b"one", "/2"), script(b"two", "/3"), NO_CONTENT]), Card()
    async with listening(server):
        result = await card.connect(server.port, quirks={"suites": list(suites), "else": 1})
    assert result == SessionResult(True, 2, None, None)
    assert [request.split()[1] for request in server.requests] == [b"/first", b"/2", b"/3"]
    assert b"X-Admin-From: //se-id/eid/" + EID.encode() in server.requests[0]
    assert card.delivered == 2


async def test_a_dropped_link_is_resumed_and_nothing_runs_twice() -> None:
    server, card = Server([script(b"one", "/2"), None], [script(b"two", "/3"), NO_CONTENT]), Card()
    async with listening(server):
        broken = await card.connect(server.port)
        assert not broken.completed
        assert broken.resume is not None
        assert (broken.scripts, broken.resume.uri) == (1, "/2")
        result = await card.connect(server.port, resume=broken.resume)
    assert result.completed
    assert b"X-Admin-Resume: true" in server.requests[2]
    assert b"did one" in server.requests[2]
    assert [body for _, body in card.executed] == [b"one", b"two"]


async def test_link_dropped_by_the_card_before_its_response() -> None:
    server, card = Server([script(b"one", "/2"), NO_CONTENT], [NO_CONTENT]), Card()
    async with listening(server):
        broken = await card.connect(server.port, quirks=Quirks(break_after_scripts=1))
        assert broken.resume is not None
        assert (await card.connect(server.port, resume=broken.resume)).completed
    assert server.requests[-1].startswith(b"POST /2 ")
    assert b"did one" in server.requests[-1]


async def test_polling_after_204_with_next_uri() -> None:
    later = f"HTTP/1.1 204 No Content\r\n{HEAD}X-Admin-Next-URI: /later\r\n\r\n".encode()
    server, card = Server([later, script(b"one", "/2"), NO_CONTENT]), Card()
    async with listening(server):
        result = await card.connect(server.port, poll_delay=0.0)
    assert (result.completed, result.scripts) == (True, 1)


async def test_notification_and_script_without_next_uri() -> None:
    server, card = Server([script(b"confirm", None)]), Card()
    async with listening(server):
        result = await card.connect(server.port, notification=b"\xe1\x00")
    assert result.completed
    assert server.requests[0].startswith(b"POST /first?msg=E100 ")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "HTTP status 503"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "HTTP: X-Admin-Protocol"),
        (b"rubbish\r\n\r\n", "HTTP: status line"),
    ],
)
async def test_bad_answers_end_the_session(answer: bytes, reason: str) -> None:
    server, card = Server([answer]), Card()
    async with listening(server):
        result = await card.connect(server.port)
    assert (result.completed, result.reason, result.resume) == (False, reason, None)


async def test_wrong_key_and_unknown_identity_look_alike() -> None:
    server, card = Server([], []), Card()
    async with listening(server):
        wrong = await card.connect(server.port, psk=bytes(range(16)))
        unknown = await card.connect(server.port, identity=IDENTITY[:-1] + "1")
    assert wrong == unknown  # asyncio's server cuts the link before OpenSSL's alert is out
    assert not wrong.completed


async def test_nobody_listens() -> None:
    kept = ResumeState("/2", ScriptResult("ok", b"x"))
    server = Server()
    async with listening(server):
        port = server.port
    result = await Card().connect(port, resume=kept)
    assert not result.completed
    assert result.resume == kept
    assert result.reason is not None
    assert result.reason.startswith("link: ")


async def test_a_silent_server_runs_into_the_timeout() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with listener:
        result = await Card().connect(listener.sockets[0].getsockname()[1], timeout=0.05)
    assert result == SessionResult(False, 0, None, "timeout")


async def test_an_error_of_the_card_is_not_swallowed() -> None:
    def fail(target: bytes | None, body: bytes) -> ScriptResult:
        raise KeyError("bug")

    server, card = Server([script(b"one", "/2")]), Card()
    async with listening(server):
        with pytest.raises(KeyError):
            await card.connect(server.port, on_script=fail)
