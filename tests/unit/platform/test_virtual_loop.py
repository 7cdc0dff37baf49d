"""The virtual loop is a tool that other tests trust; these are its own tests."""

from __future__ import annotations

import asyncio
import time

import pytest

from virtual_loop import Stalled, run, virtual


def test_sleeping_for_days_takes_no_real_time() -> None:
    async def main() -> float:
        await asyncio.sleep(86_400 * 3)
        return asyncio.get_running_loop().time()

    before = time.monotonic()
    assert run(main()) == pytest.approx(86_400 * 3)
    assert time.monotonic() - before < 1.0


def test_timers_fire_in_order_and_at_their_time() -> None:
    async def main() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        seen: list[tuple[str, float]] = []
        for name, delay in (("c", 30.0), ("a", 0.001), ("b", 2.5)):
            loop.call_later(delay, lambda name=name: seen.append((name, loop.time())))
        await asyncio.sleep(31)
        return seen

    assert run(main()) == [("a", 0.001), ("b", 2.5), ("c", 30.0)]


@virtual
async def test_ready_sockets_come_before_timers() -> None:
    """A conversation over loopback goes before a timer that is due in a microsecond of virtual time."""
    loop = asyncio.get_running_loop()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    hour = asyncio.create_task(asyncio.sleep(3600))
    for number in range(200):
        writer.write(b"%d\n" % number)
        async with asyncio.timeout(0.000_001):
            assert await reader.readline() == b"%d\n" % number
    assert loop.time() == 0.0
    assert not hour.done()
    await hour
    assert loop.time() == 3600.0
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


def test_a_timeout_on_a_silent_socket_costs_virtual_time_only() -> None:
    async def main() -> float:
        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", silent.sockets[0].getsockname()[1])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(600):
                await reader.read(1)
        waited = asyncio.get_running_loop().time()
        writer.close()
        await writer.wait_closed()
        silent.close()
        await silent.wait_closed()
        return waited

    assert run(main()) == pytest.approx(600)


def test_limit_on_virtual_time() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(1)

    with pytest.raises(Stalled, match="limit of 50 s"):
        run(main(), limit=50)


def test_limit_on_turns() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(Stalled, match="too many turns"):
        run(main(), steps=1000)


def test_a_wait_that_cannot_end_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virtual_loop.STALL_SECONDS", 0.01)

    async def for_ever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stalled, match="no timer"):
        run(for_ever())


def test_threads_are_refused() -> None:
    async def main() -> None:
        await asyncio.to_thread(time.monotonic)

    with pytest.raises(RuntimeError, match="no threads"):
        run(main())


def test_tasks_left_behind_are_cancelled() -> None:
    ended: list[str] = []

    async def straggler() -> None:
        try:
            await asyncio.sleep(10**6)
        finally:
            ended.append("cancelled")

    async def main() -> None:
        task = asyncio.create_task(straggler())
        await asyncio.sleep(0)
        assert not task.done()

    run(main())
    assert ended == ["cancelled"]
