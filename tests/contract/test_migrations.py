"""Every role's migrations end where its schema is, on SQLite and PostgreSQL, and a usual start costs nothing."""

from __future__ import annotations

import asyncio
import importlib
import re
import subprocess
import sys
import time

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine, insert, select, text
from sqlalchemy.pool import StaticPool

from backends import Backend
from ferryman.contracts import roles
from ferryman.errors import InputError
from ferryman.platform import migrate
from ferryman.platform.store import SQLiteStore
from ferryman.sm_dp.schema import order_batch

ROLES = (
    *(roles.SM_DP, roles.SM_SR, roles.CRYPTO_SERVER),
    *(roles.TRANSPORT_SMS, roles.TRANSPORT_HTTPS, roles.SOAP_GATEWAY, roles.REST_API),
)


def metadata_of(role: str) -> MetaData:
    module = importlib.import_module(f"ferryman.{role.replace('-', '_')}.schema")
    made: MetaData = module.METADATA
    return made


def statements(connection: Connection) -> dict[str, str]:
    """The words of every table and index as SQLite keeps them, without layout and order."""
    rows = connection.execute(
        text(
            "SELECT name, sql FROM sqlite_master "
            "WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%' AND name NOT LIKE 'sqlite%'"
        )
    )
    return {name: " ".join(sorted(re.findall(r"[\w']+", sql))) for name, sql in rows}


@pytest.mark.parametrize("role", ROLES)
async def test_migrated_database_matches_the_schema(backend: Backend, role: str) -> None:
    store = backend.open()
    assert await migrate.revision(store) == ""
    assert await migrate.upgrade(store, role)
    assert await migrate.revision(store) == migrate.head(role)

    def differences(connection: Connection) -> list[object]:
        # alembic takes SQLite's DEFAULT '' for a difference; there the statements are compared below.
        options = {"compare_type": True, "compare_server_default": backend.kind == "postgres"}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata_of(role))

    assert await store.read(differences) == []
    if backend.kind != "postgres":
        fresh = create_engine("sqlite://", poolclass=StaticPool)
        metadata_of(role).create_all(fresh)
        with fresh.connect() as connection:
            declared = statements(connection)
        fresh.dispose()
        assert await store.read(statements) == declared


@pytest.mark.parametrize("role", ROLES)
def test_the_history_is_one_line_without_gaps(role: str) -> None:
    scripts = ScriptDirectory(str(migrate.MIGRATIONS), version_locations=[str(migrate.folder(role))])
    numbers = [script.revision for script in reversed(list(scripts.walk_revisions()))]
    assert numbers == [f"{number:04d}" for number in range(1, len(numbers) + 1)]
    assert scripts.get_current_head() == migrate.head(role)


async def test_a_second_start_does_nothing(backend: Backend) -> None:
    store = backend.open()
    assert await migrate.upgrade(store, roles.SM_SR)
    assert not await migrate.upgrade(store, roles.SM_SR)


async def test_roles_that_start_together_do_not_disturb_each_other(backend: Backend, tmp_path, request) -> None:
    if backend.kind == "postgres":
        server = request.getfixturevalue("postgres")
        others = [Backend("postgres", await server.new_database()) for _ in ROLES]
    else:
        others = [Backend(backend.kind, str(tmp_path / f"{role}.db")) for role in ROLES]
    stores = [other.open() for other in others]
    done = await asyncio.gather(*(migrate.upgrade(store, role) for store, role in zip(stores, ROLES, strict=True)))
    assert all(done)
    for other in others:
        await other.close()


@pytest.mark.parametrize("store_kind", ["sqlite-threaded", "postgres"], indirect=True)
async def test_two_processes_that_start_together_migrate_once(backend: Backend) -> None:
    first, second = backend.open(), backend.open()
    await asyncio.gather(migrate.upgrade(first, roles.SM_DP), migrate.upgrade(second, roles.SM_DP))
    assert await migrate.revision(first) == migrate.head(roles.SM_DP)


async def test_a_database_of_a_newer_version_is_left_alone(backend: Backend) -> None:
    store = backend.open()
    await migrate.upgrade(store, roles.SM_SR)
    await store.write(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(InputError, match="newer version"):
        await migrate.upgrade(store, roles.SM_SR)


async def test_a_migration_that_fails_half_way_leaves_nothing(backend: Backend, tmp_path, monkeypatch) -> None:
    folder = tmp_path / "migrations" / "sm_sr"
    folder.mkdir(parents=True)
    (folder / "0001_broken.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\nrevision = '0001'\ndown_revision = None\n"
        "def upgrade():\n"
        "    op.create_table('half', sa.Column('id', sa.Integer, primary_key=True))\n"
        "    op.execute('INSERT INTO nowhere VALUES (1)')\n"
    )
    monkeypatch.setattr(migrate, "MIGRATIONS", tmp_path / "migrations")
    store = backend.open()
    with pytest.raises(Exception, match="nowhere"):
        await migrate.upgrade(store, roles.SM_SR)
    assert await migrate.revision(store) == ""
    with pytest.raises(Exception, match="half"):
        await store.read(lambda c: c.exec_driver_sql("SELECT * FROM half"))


async def test_batches_of_before_are_found_by_their_profile_type(backend: Backend) -> None:
    store = backend.open()
    await migrate.upgrade(store, roles.SM_DP)
    counted = ("rows", "waiting", "running", "done", "failed", "refused", "cancelled", "in_flight")
    counts = dict.fromkeys(counted, 0)
    words = {"owner": "1.2.3", "name": "b", "source": "s", "state": "done", "reason": "", "last_eid": ""}
    terms = '{"type": "CreateOrder", "owner": "1.2.3", "eid": "", "profile_type": "gold"}'

    def before(c: Connection) -> None:
        c.execute(insert(order_batch).values(**words, **counts, request=terms, created=0.0, updated=0.0))
        c.exec_driver_sql("DROP INDEX order_batch_by_owner")
        for column in ("profile_type", "asked_by"):
            c.exec_driver_sql(f"ALTER TABLE order_batch DROP COLUMN {column}")
        c.exec_driver_sql("UPDATE alembic_version SET version_num = '0008'")

    await store.write(before)
    assert await migrate.upgrade(store, roles.SM_DP)
    row = await store.read(lambda c: c.execute(select(order_batch)).one())
    assert (row.profile_type, row.asked_by) == ("gold", "")


def test_the_usual_start_is_quick_and_imports_no_alembic(tmp_path) -> None:
    """The look at the stored revision takes less than 2 ms (best of several), in a process without alembic."""
    database = tmp_path / "role.db"

    async def prepare() -> None:
        store = SQLiteStore(str(database))
        await migrate.upgrade(store, roles.SM_SR)
        await store.close()

    asyncio.run(prepare())
    program = """
import asyncio, sys, time
from ferryman.platform.migrate import upgrade
from ferryman.platform.store import SQLiteStore
async def main():
    store = SQLiteStore(sys.argv[1])
    best = 1.0
    for _ in range(20):
        began = time.perf_counter()
        assert not await upgrade(store, "sm-sr")
        best = min(best, time.perf_counter() - began)
    await store.close()
    assert not [name for name in sys.modules if name.startswith("alembic")]
    print(best)
asyncio.run(main())
"""
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-c", program, str(database)], capture_output=True, text=True, check=True, timeout=60
    )
    assert float(ran.stdout) < 0.002
    assert time.monotonic() - began < 60
