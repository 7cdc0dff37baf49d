"""Prepared statements: the same on SQLite (through the driver) and PostgreSQL, inside the unit's transaction."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, bindparam, delete, select

from backends import Backend
from ferryman.errors import Refused
from ferryman.platform.prepared import Prepared, PreparedInsert, session_of
from ferryman.platform.store import is_trouble

METADATA = MetaData()
THING = Table(
    "thing", METADATA, Column("id", Integer, primary_key=True), Column("name", String(20), nullable=False)
)
PUT = Prepared(
    lambda dialect: (
        dialect.insert(THING)
        .values(id=bindparam("id"), name=bindparam("name"))
        .on_conflict_do_nothing(index_elements=["id"])
    )
)
ALL = Prepared(
    lambda _: select(THING.c.id, THING.c.name).where(THING.c.id > bindparam("above")).order_by(THING.c.id)
)
DROP = Prepared(lambda _: delete(THING).where(THING.c.id == bindparam("which")))


ADD = PreparedInsert(
    lambda dialect: dialect.insert(THING).values(name=bindparam("name")).on_conflict_do_nothing(), THING.c.id
)
TAKE = PreparedInsert(
    lambda dialect: (
        dialect.insert(THING)
        .values(id=bindparam("id"), name=bindparam("name"))
        .on_conflict_do_nothing(index_elements=["id"])
    ),
    THING.c.id,
)


@pytest.fixture
async def ready(backend: Backend) -> Backend:
    await backend.create(METADATA)
    return backend


async def test_counts_rows_and_many(ready: Backend) -> None:
    store = ready.open()

    def unit(connection: Connection) -> tuple[int, int]:
        first = PUT.count(connection, {"id": 1, "name": "one"})
        PUT.many(connection, [{"id": 2, "name": "two"}, {"id": 3, "name": "three"}])
        return first, PUT.count(connection, {"id": 1, "name": "again"})

    assert await store.write(unit) == (1, 0)
    assert await store.write(lambda c: DROP.count(c, {"which": 2})) == 1
    found = await store.read(lambda c: ALL.rows(c, {"above": 0}))
    assert [tuple(row) for row in found] == [(1, "one"), (3, "three")]
    assert await store.read(lambda c: ALL.row(c, {"above": 3})) is None
    await store.close()


async def test_the_number_of_a_new_row(ready: Backend) -> None:
    """None for a row that was there before, also right after an insert that gave one."""
    store = ready.open()

    def unit(connection: Connection) -> list[int | None]:
        session = session_of(connection)
        first = ADD.number(session, {"name": "a"})
        assert first is not None
        return [
            TAKE.number(session, {"id": first, "name": "b"}),
            TAKE.number(connection, {"id": first + 5, "name": "c"}),
            TAKE.number(session, {"id": first + 5, "name": "d"}),
        ]

    taken = await store.write(unit)
    assert taken[0] is None
    assert taken[2] is None
    found = await store.read(lambda c: ALL.rows(c, {"above": 0}))
    assert [row[1] for row in found] == ["a", "c"]
    assert found[1][0] == taken[1]
    await store.close()


async def test_a_refused_unit_takes_its_rows_back(ready: Backend) -> None:
    store = ready.open()

    def unit(connection: Connection) -> None:
        PUT.count(connection, {"id": 1, "name": "one"})
        raise Refused("8.1", "4.8", "no")

    with pytest.raises(Refused):
        await store.write(unit)
    assert await store.read(lambda c: ALL.row(c, {"above": 0})) is None
    await store.close()


def test_errors_of_the_driver_itself_are_told_apart() -> None:
    full, wrong = sqlite3.OperationalError("database or disk is full"), sqlite3.IntegrityError("UNIQUE")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    wrong.sqlite_errorcode = sqlite3.SQLITE_CONSTRAINT_UNIQUE
    assert is_trouble(full)
    assert not is_trouble(wrong)
