"""What every store promises, on SQLite (writer thread and in the loop) and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
import threading

import pytest
from sqlalchemy import Column, Connection, Integer, LargeBinary, MetaData, String, Table, func, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError

from backends import Backend
from ferryman.errors import Refused, Unavailable
from ferryman.platform.store import MAX_BATCH, SQLiteStore, is_trouble
from patience import until

METADATA = MetaData()
ITEM = Table("item", METADATA, Column("id", Integer, primary_key=True), Column("name", String(40), nullable=False))
SECRET = Table("secret", METADATA, Column("id", Integer, primary_key=True), Column("value", LargeBinary))


def add(number: int, name: str = "x"):
    def unit(connection: Connection) -> int:
        connection.execute(insert(ITEM).values(id=number, name=name))
        return number

    return unit


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(ITEM)).scalar_one()


def ids(connection: Connection) -> list[int]:
    return list(connection.execute(select(ITEM.c.id).order_by(ITEM.c.id)).scalars())


@pytest.fixture
async def ready(backend: Backend) -> Backend:
    await backend.create(METADATA)
    return backend


async def test_a_read_sees_every_write_that_was_awaited(ready: Backend) -> None:
    store = ready.open()
    for number in range(20):
        assert await store.write(add(number)) == number
        assert await store.read(count) == number + 1


async def test_a_write_survives_a_restart(ready: Backend) -> None:
    store = ready.open()
    await store.write(add(1, "kept"))
    await store.close()
    again = ready.open()
    assert await again.read(lambda c: c.execute(select(ITEM.c.name)).scalar_one()) == "kept"


async def test_concurrent_writes_are_all_done_and_share_commits(ready: Backend) -> None:
    commits: list[int] = []
    store = ready.open(on_commit=lambda number: commits.append(number) is not None)
    many = 3 * MAX_BATCH + 7
    results = await asyncio.gather(*(store.write(add(number)) for number in range(many)))
    assert results == list(range(many))
    assert await store.read(count) == many
    assert len(commits) < many / 10
    assert commits == list(range(1, len(commits) + 1))


async def test_units_are_run_in_the_order_of_the_calls(ready: Backend) -> None:
    store = ready.open()
    ran: list[int] = []
    await asyncio.gather(*(store.write(lambda _c, n=number: ran.append(n)) for number in range(500)))
    assert ran == list(range(500))


async def test_waiters_continue_in_the_order_of_the_calls(ready: Backend) -> None:
    store = ready.open()
    continued: list[int] = []

    async def one(number: int) -> None:
        await store.write(add(number))
        continued.append(number)

    await asyncio.gather(*(one(number) for number in range(500)))
    assert continued == list(range(500))


async def test_a_failing_unit_takes_nothing_with_it(ready: Backend) -> None:
    """Half done, then refused: its own rows go, those of its neighbours in the same commit stay."""
    store = ready.open()

    def half(connection: Connection) -> None:
        connection.execute(insert(ITEM).values(id=100, name="half"))
        raise Refused("8.1", "4.8", "no")

    def twice(connection: Connection) -> None:
        connection.execute(insert(ITEM).values(id=101, name="half"))
        connection.execute(insert(ITEM).values(id=1, name="taken"))

    results = await asyncio.gather(
        store.write(add(1)), store.write(half), store.write(add(2)), store.write(twice), store.write(add(3)),
        return_exceptions=True,
    )  # fmt: skip
    assert isinstance(results[1], Refused)
    assert isinstance(results[3], IntegrityError)
    assert (results[0], results[2], results[4]) == (1, 2, 3)
    assert await store.read(ids) == [1, 2, 3]


async def test_a_unit_that_fails_alone_leaves_nothing(ready: Backend) -> None:
    store = ready.open()

    def half(connection: Connection) -> None:
        connection.execute(insert(ITEM).values(id=100, name="half"))
        raise Refused("8.1", "4.8", "no")

    with pytest.raises(Refused):
        await store.write(half)
    assert await store.read(count) == 0
    await store.write(add(1))
    assert await store.read(ids) == [1]


async def test_neighbours_of_a_failing_unit_are_run_again_and_count_once(ready: Backend) -> None:
    store = ready.open()
    runs: list[str] = []

    def good(connection: Connection) -> int:
        runs.append("good")
        connection.execute(insert(ITEM).values(id=1, name="x"))
        return len(runs)

    def bad(_connection: Connection) -> None:
        runs.append("bad")
        raise Refused("8.1", "4.8", "no")

    told: list[int] = []
    results = await asyncio.gather(store.write(good, told.append), store.write(bad), return_exceptions=True)
    assert runs == ["good", "bad", "good", "bad"]
    assert results[0] == 3  # of the run whose rows were committed
    assert isinstance(results[1], Refused)
    assert told == [3]
    assert await store.read(ids) == [1]


async def test_what_follows_a_commit_comes_first_and_only_after_it(ready: Backend) -> None:
    store = ready.open()
    seen: list[object] = []

    def refuse(_connection: Connection) -> None:
        raise Refused("8.1", "4.8", "no")

    async def one(number: int) -> None:
        seen.append(("waited", await store.write(add(number), lambda result: seen.append(("then", result)))))

    await one(1)
    assert seen == [("then", 1), ("waited", 1)]
    with pytest.raises(Refused):
        await store.write(refuse, seen.append)
    with pytest.raises(IntegrityError):
        await store.write(add(1), seen.append)
    assert len(seen) == 2


async def test_what_follows_a_commit_comes_also_when_nobody_waits(ready: Backend) -> None:
    store = ready.open()
    told: list[int] = []
    caller = asyncio.create_task(store.write(add(1), told.append))
    await asyncio.sleep(0)
    caller.cancel()
    await until(lambda: told == [1])
    assert await store.read(ids) == [1]


async def test_refused_units_alone_make_no_commit(ready: Backend) -> None:
    commits: list[int] = []
    store = ready.open(on_commit=lambda number: commits.append(number) is not None)

    def refuse(_connection: Connection) -> None:
        raise Refused("8.1", "4.8", "no")

    await asyncio.gather(*(store.write(refuse) for _ in range(5)), return_exceptions=True)
    assert commits == []


async def test_error_texts_hold_no_values(ready: Backend) -> None:
    store = ready.open()

    def unit(connection: Connection) -> None:
        for _ in range(2):
            connection.execute(insert(SECRET).values(id=1, value=b"\xc0\xff\xee key bytes"))

    with pytest.raises(IntegrityError) as caught:
        await store.write(unit)
    assert "key bytes" not in str(caught.value)


async def test_close_finishes_what_is_queued_and_then_refuses(ready: Backend) -> None:
    store = ready.open()
    tasks = [asyncio.create_task(store.write(add(number))) for number in range(300)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*tasks) == list(range(300))
    with pytest.raises(Unavailable):
        await store.write(add(1000))
    with pytest.raises(Unavailable):
        await store.read(count)
    again = ready.open()
    assert await again.read(count) == 300


async def test_a_cancelled_caller_harms_nobody(ready: Backend) -> None:
    store = ready.open()
    first = asyncio.create_task(store.write(add(1)))
    second = asyncio.create_task(store.write(add(2)))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 2
    with pytest.raises(asyncio.CancelledError):
        await first
    await store.write(add(3))
    assert await store.read(ids) in ([1, 2, 3], [2, 3])


async def test_two_stores_on_one_database_lose_no_update(ready: Backend) -> None:
    """Read, then write, in one unit: a counter moved by two processes at once misses nothing."""
    one, two = ready.open(), ready.open()
    await one.write(add(1, "0"))

    def bump(connection: Connection) -> None:
        locked = select(ITEM.c.name).where(ITEM.c.id == 1).with_for_update()
        value = int(connection.execute(locked).scalar_one())
        connection.execute(ITEM.update().where(ITEM.c.id == 1).values(name=str(value + 1)))

    rounds = 40
    if ready.kind == "sqlite-inline":  # both writers live in this thread: take turns
        for _ in range(rounds):
            await one.write(bump)
            await two.write(bump)
    else:
        await asyncio.gather(*(store.write(bump) for _ in range(rounds) for store in (one, two)))
    assert await one.read(lambda c: c.execute(select(ITEM.c.name)).scalar_one()) == str(2 * rounds)


# -- crash hooks: the tool of the crash tests must itself be right ----------------------------------------------


async def test_dying_after_a_commit_keeps_it_and_answers_nobody(ready: Backend) -> None:
    store = ready.open(on_commit=lambda number: number == 2)
    await store.write(add(1))
    told: list[int] = []
    second = asyncio.create_task(store.write(add(2), told.append))
    await until(lambda: store._dead)
    third = asyncio.create_task(store.write(add(3)))
    look = asyncio.create_task(store.read(count))
    await asyncio.sleep(0.01)
    assert not second.done()
    assert not third.done()
    assert not look.done()
    assert told == []
    for task in (second, third, look):
        task.cancel()
    await ready.kill(store)
    again = ready.open()
    assert await again.read(ids) == [1, 2]


async def test_dying_before_a_commit_leaves_nothing_of_it(ready: Backend) -> None:
    store = ready.open(before_commit=lambda number: number == 2)
    await store.write(add(1))
    second = asyncio.create_task(store.write(add(2)))
    await until(lambda: store._dead)
    await asyncio.sleep(0.01)
    assert not second.done()
    second.cancel()
    await ready.kill(store)
    again = ready.open()
    assert await again.read(ids) == [1]


# -- trouble below ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("store_kind", ["postgres"], indirect=True)
async def test_dropped_connections_are_unavailable_then_fine(ready: Backend, postgres) -> None:
    store = ready.open()
    await store.write(add(1))
    await store.read(count)
    await postgres.drop_connections()
    with pytest.raises(Unavailable):
        await store.write(add(2))
    for _ in range(4):  # each reader finds its own connection broken at most once
        try:
            total = await store.read(count)
        except Unavailable:
            continue
        break
    assert total == 1
    await store.write(add(2))
    assert await store.read(ids) == [1, 2]


@pytest.mark.parametrize("store_kind", ["postgres"], indirect=True)
async def test_a_connection_dropped_inside_a_unit_fails_the_whole_batch(ready: Backend, postgres) -> None:
    store = ready.open()
    await store.write(add(1))

    def suicide(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    results = await asyncio.gather(
        store.write(add(2)), store.write(suicide), store.write(add(3)), return_exceptions=True
    )
    assert all(isinstance(result, Unavailable) for result in results)
    assert await store.read(ids) == [1]
    await store.write(add(4))
    assert await store.read(ids) == [1, 4]


@pytest.mark.parametrize("store_kind", ["postgres"], indirect=True)
async def test_a_flood_of_reads_leaves_the_writer_its_connection(ready: Backend) -> None:
    store = ready.open()

    def slow(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT pg_sleep(0.02)")

    reads = [asyncio.create_task(store.read(slow)) for _ in range(30)]
    await asyncio.sleep(0)
    await store.write(add(1))
    assert not all(task.done() for task in reads)
    await asyncio.gather(*reads)


@pytest.mark.parametrize("store_kind", ["sqlite-threaded", "sqlite-inline"], indirect=True)
async def test_a_full_disk_is_unavailable_then_fine(ready: Backend) -> None:
    """SQLite ends the transaction by itself on a full disk: the next batch must not stumble over that."""
    store = ready.open()
    assert isinstance(store, SQLiteStore)
    await store.write(add(1))
    await store.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 12"))

    def big(connection: Connection) -> None:
        connection.execute(insert(SECRET).values(id=1, value=bytes(2_000_000)))

    results = await asyncio.gather(
        store.write(add(2)), store.write(big), store.write(add(3)), return_exceptions=True
    )
    assert all(isinstance(result, Unavailable) for result in results)
    await store.write(add(4))
    assert await store.read(ids) == [1, 4]


@pytest.mark.parametrize("store_kind", ["sqlite-inline"], indirect=True)
async def test_a_locked_database_is_unavailable_then_fine(
    ready: Backend, store_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferryman.platform.store.BUSY_MS", 10)
    store = ready.open()
    other = sqlite3.connect(store_address, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        await store.write(add(1))
    assert await store.read(count) == 0
    other.execute("ROLLBACK")
    other.close()
    await store.write(add(1))
    assert await store.read(count) == 1


@pytest.mark.parametrize("store_kind", ["sqlite-threaded"], indirect=True)
async def test_a_locked_database_does_not_stop_the_loop(ready: Backend, store_address: str) -> None:
    """Another process writes: the loop goes on, and the commit follows when that one has ended."""
    store = ready.open()
    other = sqlite3.connect(store_address, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(store.write(add(1)))
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert not waiting.done()
    assert await store.read(count) == 0
    other.execute("ROLLBACK")
    other.close()
    assert await waiting == 1
    await store.write(add(2))
    assert await store.read(ids) == [1, 2]


@pytest.mark.parametrize("store_kind", ["sqlite-threaded"], indirect=True)
async def test_a_long_unit_does_not_stop_the_loop(ready: Backend) -> None:
    store = ready.open()
    go_on = threading.Event()

    def long(connection: Connection) -> int:
        assert go_on.wait(30)  # for something that only a running loop can do
        return add(1)(connection)

    waiting = asyncio.create_task(store.write(long, long=True))
    await asyncio.sleep(0.01)
    behind = asyncio.create_task(store.write(add(2)))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    assert not behind.done()
    go_on.set()
    assert await asyncio.gather(waiting, behind) == [1, 2]
    assert await store.read(ids) == [1, 2]


async def test_a_wrong_statement_is_a_bug_and_not_unavailable(ready: Backend) -> None:
    store = ready.open()
    with pytest.raises(Exception, match="nonsense") as caught:
        await store.write(lambda c: c.exec_driver_sql("SELECT * FROM nonsense"))
    assert not is_trouble(caught.value)
    with pytest.raises(Exception, match="nonsense"):
        await store.read(lambda c: c.exec_driver_sql("SELECT * FROM nonsense"))
    await store.write(add(1))
    assert await store.read(count) == 1


async def test_a_database_that_cannot_be_opened(tmp_path) -> None:
    with pytest.raises(OperationalError):
        SQLiteStore(str(tmp_path / "no" / "such" / "folder.db"))
