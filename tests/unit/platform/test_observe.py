"""The endpoint for those who watch: Prometheus text format 0.0.4, its answers, and requests it does not like."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from ferryman.errors import InputError, Unavailable
from ferryman.platform.metrics import Metric, Sample, exposition
from ferryman.platform.observe import MAX_CONNECTIONS, MAX_HEAD, MetricsSettings, Observatory

WAITING = Metric("ferryman_waiting", "gauge", "Things that wait.")
DONE = Metric("ferryman_done_total", "counter", "Things that are done.")


class Watched:
    """A process whose state the tests change."""

    def __init__(self) -> None:
        self.ready = {"started": True, "database": True}
        self.broken = False
        self.observatory = Observatory(MetricsSettings(port=0), samples=self.samples, checks=self.checks)

    async def samples(self) -> list[Sample]:
        if self.broken:
            raise Unavailable("database")
        return [Sample(WAITING, 3, (("role", "sm-sr"),))]

    async def checks(self) -> dict[str, bool]:
        return self.ready

    async def ask(self, raw: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.observatory.port)
        try:
            writer.write(raw)
            return await reader.read()
        except ConnectionResetError:  # closed before all that we sent was read
            return b""
        finally:
            writer.close()
            with contextlib.suppress(ConnectionResetError):
                await writer.wait_closed()


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    made = Watched()
    await made.observatory.start()
    yield made
    await made.observatory.stop()


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def test_families_are_brought_together_and_labels_escaped() -> None:
    samples = [
        Sample(WAITING, 1, (("role", "a"), ("dest", 'b"\\\n'))),
        Sample(DONE, 12345678901234567),
        Sample(WAITING, 0.5, (("role", "c"),)),
    ]
    assert exposition(samples) == (
        "# HELP ferryman_waiting Things that wait.\n"
        "# TYPE ferryman_waiting gauge\n"
        'ferryman_waiting{role="a",dest="b\\"\\\\\\n"} 1\n'
        'ferryman_waiting{role="c"} 0.5\n'
        "# HELP ferryman_done_total Things that are done.\n"
        "# TYPE ferryman_done_total counter\n"
        "ferryman_done_total 12345678901234568\n"
    )
    assert exposition([]) == ""


async def test_the_three_pages(watched: Watched) -> None:
    metrics = await watched.ask(get("/metrics"))
    assert metrics.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4")
    assert metrics.endswith(b'ferryman_waiting{role="sm-sr"} 3\n')
    assert (await watched.ask(get("/healthz"))).endswith(b"\r\n\r\nalive\n")
    ready = await watched.ask(get("/readyz?verbose"))
    assert ready.startswith(b"HTTP/1.1 200 ")
    assert ready.endswith(b"started ok\ndatabase ok\n")
    head, _, body = ready.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head


async def test_what_is_missing_is_named(watched: Watched) -> None:
    watched.ready["database"] = False
    answer = await watched.ask(get("/readyz"))
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"database not ready" in answer
    assert (await watched.ask(get("/healthz"))).startswith(b"HTTP/1.1 200 ")


async def test_a_scrape_without_a_database_fails_rather_than_lies(watched: Watched) -> None:
    watched.broken = True
    assert (await watched.ask(get("/metrics"))).startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.1 405 "),
        (get("/"), b"HTTP/1.1 404 "),
        (get("/metrics/../x"), b"HTTP/1.1 404 "),
        (b"GET /metrics\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET /metrics SPDY/3\r\n\r\n", b"HTTP/1.1 400 "),
        (b"\x16\x03\x01\x00\x05hello\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET /" + b"x" * (2 * MAX_HEAD) + b" HTTP/1.1\r\n\r\n", b""),
    ],
)
async def test_other_requests(watched: Watched, raw: bytes, status: bytes) -> None:
    answer = await watched.ask(raw)
    assert answer.startswith(status)
    assert b"ferryman_waiting" not in answer


async def test_silent_connections_take_nothing_from_the_next(watched: Watched) -> None:
    silent = [await asyncio.open_connection("127.0.0.1", watched.observatory.port) for _ in range(MAX_CONNECTIONS)]
    assert await watched.ask(get("/healthz")) == b""  # bounded
    for _, writer in silent:
        writer.close()
        await writer.wait_closed()
    async with asyncio.timeout(5):
        while not await watched.ask(get("/healthz")):
            await asyncio.sleep(0.005)


async def test_a_taken_address_is_not_available(watched: Watched) -> None:
    second = Observatory(
        MetricsSettings(port=watched.observatory.port), samples=watched.samples, checks=watched.checks
    )
    with pytest.raises(Unavailable):
        await second.start()


def test_a_wrong_port_is_named() -> None:
    with pytest.raises(InputError, match=r"metrics\.port"):
        MetricsSettings(port=65_536)
