"""Receivers of webhooks and hooks that mean ill: they send us elsewhere, never end, are slow, or say nothing."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from ferryman.errors import Unavailable
from ferryman.rest_api.events.post import WebhookPost
from ferryman.sm_dp.hooks.post import HookPost

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
TIMEOUT = 0.4  # s
type Answering = Callable[[asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def receiver(answer: Answering) -> AsyncIterator[tuple[str, list[str]]]:
    """URL, and the first lines of what came."""
    came: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            came.append(head.partition("\r\n")[0])
            await answer(writer)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x", came
    finally:
        server.close()
        server.close_clients()


def saying(head: str, body: bytes = b"", *, every: float | None = None) -> Answering:
    """An answer; `every`: its body comes again after so many seconds, for ever."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {head}\r\n\r\n".encode() + body)
        await writer.drain()
        while every is not None:
            await asyncio.sleep(every)
            writer.write(body)
            await writer.drain()

    return answer


ENDLESS = saying("409 X\r\nContent-Length: 99999999999", b"x" * 8192, every=0.0)
DRIPPING = saying("200 X\r\nContent-Length: 1000", b"x", every=0.05)
SILENT = saying("103 Early Hints\r\nLink: </x>", every=0.05)


@contextlib.asynccontextmanager
async def posts() -> AsyncIterator[tuple[WebhookPost, HookPost]]:
    webhook, hook = WebhookPost(timeout=TIMEOUT, networks=LOOPBACK), HookPost(timeout=TIMEOUT, ca_file="")
    try:
        yield webhook, hook
    finally:
        await webhook.close()
        await hook.close()


async def test_nobody_is_led_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by the receiver, whose Location nobody has judged, nor by what the machine says of proxies."""
    async with receiver(saying("200 X\r\nContent-Length: 0")) as (inside, came), posts() as (webhook, hook):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, inside.removesuffix("/x"))
        for status in (301, 302, 303, 307, 308):
            leading = saying(f"{status} X\r\nLocation: {inside}\r\nContent-Length: 0")
            async with receiver(leading) as (url, asked):
                outcome = await webhook.send(url, b"{}", {})
                assert (outcome.status, outcome.taken) == (status, False)
                answer = await hook.send(url, b"{}", {})
                assert (answer.verdict, answer.note) == ("", f"HTTP {status}")
                assert asked == ["POST /x HTTP/1.1"] * 2
        assert came == []


async def test_an_answer_that_does_not_end_is_not_read_to_its_end() -> None:
    async with receiver(ENDLESS) as (url, _), posts() as (webhook, hook):
        assert (await webhook.send(url, b"{}", {})).status == 409  # not "no answer": the status was there
        assert (await hook.send(url, b"{}", {})).verdict == "refuse"


@pytest.mark.parametrize("slow", [DRIPPING, SILENT])
async def test_an_answer_has_one_time_for_all_of_it(slow: Answering) -> None:
    async with receiver(slow) as (url, _), posts() as (webhook, hook):
        began = time.monotonic()
        outcome = await webhook.send(url, b"{}", {})
        assert (outcome.status, outcome.note) == (0, f"no answer within {TIMEOUT:g} s")
        with pytest.raises(Unavailable, match="TimeoutError"):
            await hook.send(url, b"{}", {})
        assert time.monotonic() - began < 20 * TIMEOUT
