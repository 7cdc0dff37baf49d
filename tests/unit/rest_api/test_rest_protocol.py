"""Requests on a connection, over sockets: pipelined, in pieces, kept alive; whole answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ferryman.contracts.rest import KeyRole
from ferryman.rest_api.protocol import whole_answer
from rest_world import rest_world

JSON = (b"content-type", b"application/json")


class Wire:
    """A connection, and the answers on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, port: int) -> AsyncIterator[Wire]:
        wire = cls(*await asyncio.open_connection("127.0.0.1", port))
        try:
            yield wire
        finally:
            wire.writer.close()
            await wire.writer.wait_closed()

    async def answer(self, *, head_only: bool = False) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.rstrip().split("\r\n")
            fields = dict(line.split(": ", 1) for line in lines)
            length = 0 if head_only else int(fields.get("content-length", "0"))
            return int(first.split()[1]), fields, await self.reader.readexactly(length)

    async def closed(self) -> bool:
        async with asyncio.timeout(10):
            return await self.reader.read(1) == b""


def asked(path: str, token: str, method: str = "GET", version: str = "1.1", more: str = "") -> bytes:
    head = f"{method} /api/v1{path} HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{more}\r\n"
    return head.encode()


async def test_pipelined_requests_are_answered_in_their_order(tmp_path: Path) -> None:
    """So many that each on the stack of the one before would not do."""
    async with rest_world(tmp_path, rate_per_key=0, rate_per_address=0) as world:
        token = await world.token(KeyRole.OPERATOR)
        async with Wire.to(world.rest.port) as wire:
            paths = [f"/orders/none-{number}" for number in range(700)]
            wire.writer.write(b"".join(asked(path, token) for path in paths))
            for path in paths:
                status, _, body = await wire.answer()
                assert status == 404
                assert f'{path.rpartition("/")[2]}"'.encode() in body
            wire.writer.write(asked("/orders", token))
            assert (await wire.answer())[0] == 200


async def test_a_body_may_come_with_its_head_or_behind_it(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        token = await world.token(KeyRole.ADMIN, "")
        body = b'{"name": "a.star", "text": "no good"}'
        more = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        async with Wire.to(world.rest.port) as wire:
            head = asked("/scripts/check", token, "POST", more=more)
            wire.writer.write(head + body)
            together = await wire.answer()
            wire.writer.write(head)
            await asyncio.sleep(0.05)
            wire.writer.write(body[:10])
            await asyncio.sleep(0.05)
            wire.writer.write(body[10:] + asked("/scripts", token))
            apart = await wire.answer()
            assert (together[0], together[2]) == (apart[0], apart[2])
            assert together[0] == 200
            assert (await wire.answer())[0] == 200
            wire.writer.write(asked("/scripts/check", token, "POST", more=f"{more}Expect: 100-continue\r\n"))
            async with asyncio.timeout(10):
                assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            wire.writer.write(body)
            assert (await wire.answer())[2] == together[2]


async def test_methods_versions_and_conditions(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        token = await world.token(KeyRole.OPERATOR)
        async with Wire.to(world.rest.port) as wire:
            wire.writer.write(asked("/orders", token))
            status, heads, body = await wire.answer()
            assert (status, heads["content-length"]) == (200, str(len(body)))
            assert set(heads) == {
                *("date", "content-length", "content-type", "etag", "cache-control", "x-request-id"),
                "x-content-type-options",
            }
            wire.writer.write(asked("/orders", token, "HEAD") + asked("/orders", token))
            head = await wire.answer(head_only=True)
            assert (head[0], head[1]["content-length"]) == (200, str(len(body)))
            assert (await wire.answer())[2] == body
            wire.writer.write(asked("/orders", token, more=f"If-None-Match: {heads['etag']}\r\n"))
            status, known, nothing = await wire.answer()
            wire.writer.write(asked("/orders", token, more="Authorization: Bearer none\r\n"))
            assert (await wire.answer())[0] == 200, "of two fields the first counts"
            assert (status, known["etag"], nothing) == (304, heads["etag"], b"")
        for version, more in (("1.0", ""), ("1.1", "Connection: close\r\n")):
            async with Wire.to(world.rest.port) as wire:
                wire.writer.write(asked("/orders", token, version=version, more=more))
                status, heads, again = await wire.answer()
                assert (status, heads["connection"], again) == (200, "close", body)
                assert await wire.closed()


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not(tmp_path: Path) -> None:
    async with rest_world(tmp_path, idle_timeout=1.0) as world:
        token = await world.token(KeyRole.OPERATOR)
        loop = asyncio.get_running_loop()
        async with Wire.to(world.rest.port) as wire:
            for _ in range(2):  # the first look at the time finds that the second was asked meanwhile
                wire.writer.write(asked("/orders", token))
                last = loop.time()
                assert (await wire.answer())[0] == 200
                await asyncio.sleep(0.6)
            assert await wire.closed()
            assert loop.time() - last > 0.9


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-length", b"2"), (b"location", b"/a\r\nx: y")],
        [(b"content-length", b"2"), (b"location", b"/a\nx: y")],
        [(b"content-length", b"2"), (b"x", b"\0")],
        [(b"content-length", b"3")],
        [(b"content-length", b"2"), (b"connection", b"close")],
        [(b"transfer-encoding", b"chunked")],
        [JSON],
    ],
)
def test_what_is_not_plain_goes_the_usual_way(headers: list[tuple[bytes, bytes]]) -> None:
    assert whole_answer(200, headers, b"{}", "GET") is None


def test_a_whole_answer() -> None:
    length = (b"content-length", b"2")
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n"
    assert whole_answer(200, [length, JSON], b"{}", "GET") == head + b"{}"
    assert whole_answer(200, [length, JSON], b"{}", "HEAD") == head
    assert (
        whole_answer(304, [(b"etag", b'"a\tb"')], b"", "GET")
        == b'HTTP/1.1 304 Not Modified\r\netag: "a\tb"\r\n\r\n'
    )
