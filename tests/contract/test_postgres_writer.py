"""One process of a role writes on PostgreSQL: a standby waits, takes over, and the other never writes again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, insert, select

from ferryman.cli import watch
from ferryman.errors import Unavailable
from ferryman.platform import postgres_store
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.postgres_store import PostgresStore, TakenOver
from ferryman.platform.schema import platform_tables
from ferryman_sim.faults.proxy import FaultProxy
from ferryman_sim.faults.rules import DIRECTIONS, Rules
from patience import until, until_async
from postgres import Server
from rough_line import settled

METADATA = MetaData()
ITEM = Table("item", METADATA, Column("id", Integer, primary_key=True))
LIMIT = 1.0  # s


@pytest.fixture
async def address(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    monkeypatch.setattr(postgres_store, "STANDBY_SECONDS", 0.05)
    url = await postgres.new_database()
    yield url
    await postgres.drop_database(url)


@contextlib.asynccontextmanager
async def opened(url: str, lost: list[str] | None = None) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(
        url, readers=2, limit=LIMIT, exclusive=True, on_lost=lambda: None if lost is None else lost.append("lost")
    )
    try:
        yield store
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def proxied(url: str) -> AsyncIterator[tuple[FaultProxy, str]]:
    host, _, rest = url.partition("@")[2].partition(":")
    port = rest.partition("/")[0]
    proxy = FaultProxy((host, int(port)), seed="writer")
    await proxy.start()
    try:
        yield proxy, url.replace(f":{port}/", f":{proxy.port}/")
    finally:
        await proxy.stop()
        await settled()


async def add(store: PostgresStore, number: int) -> None:
    await store.write(lambda connection: connection.execute(insert(ITEM).values(id=number)))


async def ids(store: PostgresStore) -> list[int]:
    return list(await store.read(lambda connection: connection.execute(select(ITEM.c.id)).scalars().all()))


async def test_a_second_process_waits_until_the_first_one_ends(address: str) -> None:
    async with opened(address) as second:
        async with opened(address) as first:
            await first.claim()
            await first.write(METADATA.create_all)
            await add(first, 1)
            waiting = asyncio.create_task(second.claim())
            await asyncio.sleep(0.3)
            assert not waiting.done()
            with pytest.raises(Unavailable):
                await add(second, 9)
            assert await ids(second) == [1]  # looking is free
        async with asyncio.timeout(5):
            await waiting
        await add(second, 2)
        assert await ids(second) == [1, 2]


async def test_a_lost_connection_is_made_again_and_stays_ours(address: str, postgres: Server) -> None:
    async with opened(address) as store:
        await store.claim()
        await store.write(METADATA.create_all)
        await postgres.drop_connections()
        with pytest.raises(Unavailable):
            await add(store, 1)
        await add(store, 2)
        assert await ids(store) == [2]


async def test_who_was_taken_over_never_writes_again(address: str) -> None:
    lost: list[str] = []
    async with proxied(address) as (proxy, through), opened(through, lost) as first, opened(address) as second:
        await first.claim()
        await first.write(METADATA.create_all)
        await add(first, 1)
        # The machine is cut off, and the server finds out.
        proxy.rules = dict.fromkeys(DIRECTIONS, Rules(cut_after=0))
        waiting = asyncio.create_task(second.claim())
        with pytest.raises(Unavailable):
            await add(first, 2)
        async with asyncio.timeout(5):
            await waiting
        await add(second, 3)
        proxy.rules = dict.fromkeys(DIRECTIONS, Rules())  # and it is back
        with pytest.raises(Unavailable, match="another process of this role has it"):
            await add(first, 4)
        assert lost == []
        await second.close()
        with pytest.raises(TakenOver):  # the lock is free, but what it knows is old
            await add(first, 5)
        assert lost == ["lost"]
        with pytest.raises(TakenOver):
            await add(first, 6)
        assert await ids(first) == [1, 3]


async def test_our_own_session_that_lives_on_at_the_server_is_ended(address: str) -> None:
    async with proxied(address) as (proxy, through), opened(through) as store:
        await store.claim()
        await store.write(METADATA.create_all)
        # Nothing arrives any more, and nobody is told: the server keeps the old session with its lock.
        proxy.rules = dict.fromkeys(DIRECTIONS, Rules(black_hole_after=0))
        began = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable):
            await add(store, 1)
        assert LIMIT * 0.8 < asyncio.get_running_loop().time() - began < LIMIT + 4
        proxy.rules = dict.fromkeys(DIRECTIONS, Rules())

        async def again() -> bool:
            with contextlib.suppress(Unavailable):
                await add(store, 2)
                return True
            return False

        await until_async(again)
        assert await ids(store) == [2]


async def test_a_silent_server_ends_a_read(address: str) -> None:
    async with proxied(address) as (proxy, through), opened(through) as store:
        await store.claim()
        await store.write(METADATA.create_all)
        assert await ids(store) == []
        proxy.rules = dict.fromkeys(DIRECTIONS, Rules(black_hole_after=0))
        for _ in range(2):
            with pytest.raises(Unavailable):
                await ids(store)
        proxy.rules = dict.fromkeys(DIRECTIONS, Rules())
        assert await ids(store) == []


async def test_a_statement_that_takes_too_long_is_ended_at_the_server(address: str, postgres: Server) -> None:
    async with opened(address) as store:
        await store.claim()
        began = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable):
            await store.write(lambda connection: connection.exec_driver_sql("SELECT pg_sleep(30)"))
        assert asyncio.get_running_loop().time() - began < LIMIT + 1
        # A unit that says that it takes long may.
        await store.write(
            lambda connection: connection.exec_driver_sql(f"SELECT pg_sleep({LIMIT + 0.5})"), long=True
        )


async def test_claim_waits_for_a_database_that_is_away(address: str) -> None:
    async with proxied(address) as (proxy, through):
        port = proxy.port
        await proxy.stop()
        async with opened(through) as store:
            waiting = asyncio.create_task(store.claim())
            await asyncio.sleep(0.2)
            assert not waiting.done()
            again = FaultProxy(
                ("127.0.0.1", int(address.rpartition(":")[2].partition("/")[0])), seed="w", port=port
            )
            await again.start()
            await until(waiting.done)
            await waiting
            await again.stop()


async def test_a_server_that_only_reads_is_trouble_and_no_fault_of_the_unit(address: str) -> None:
    """After a switch-over the old primary still answers; a full disk makes some services read-only (25006)."""
    async with opened(address) as store:
        await store.claim()
        await store.write(METADATA.create_all)

        def read_only(connection: Connection) -> None:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            connection.execute(insert(ITEM).values(id=1))

        with pytest.raises(Unavailable):
            await store.write(read_only)
        await add(store, 2)  # on a new session, which the server takes again
        assert await ids(store) == [2]


async def test_a_server_that_refuses_the_connection_is_trouble_for_who_reads(address: str) -> None:
    """Its password or its database is not what it was: what has to be read waits, and nothing is parked for it."""
    database = address.rpartition("/")[2]
    async with opened(address.replace(f"/{database}", "/no_such_database")) as store:
        with pytest.raises(Unavailable):
            await ids(store)


async def test_who_cannot_write_is_not_ready_although_it_can_read(address: str) -> None:
    metadata = MetaData()
    tables = platform_tables(metadata)

    def watched(store: PostgresStore) -> Mailbox:
        return Mailbox(role="sm-sr", store=store, tables=tables, bus=InProcessBus(), clock=LoopClock())

    async with opened(address) as store, opened(address) as standby:
        await store.claim()
        assert await watch._answers(watched(store))
        assert not await watch._answers(watched(standby))
        read_only = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
        await store.write(lambda connection: connection.exec_driver_sql(read_only))
        assert not await watch._answers(watched(store))
        assert await store.read(lambda connection: connection.execute(select(1)).scalar_one()) == 1
