"""Brings a role's database to the newest revision at start-up.

The usual start finds the stored revision to be the newest one and costs one look-up. Otherwise the role's
migrations run as one unit of the store's writer: all of them are committed together or none is.
"""

from __future__ import annotations

import asyncio
import re
import weakref
from pathlib import Path
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ferryman.errors import InputError
from ferryman.platform.store import Store, is_trouble

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
LOCK_NUMBER = 0x46_45_52_52_59  # "FERRY": the advisory lock of PostgreSQL under which processes migrate in turn

_REVISION = re.compile(r"([0-9]{4})_[a-z0-9_]+\.py")

log = structlog.get_logger("ferryman.migrate")

# Alembic keeps the running migration in module variables: one at a time in a process.
_turns: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = weakref.WeakKeyDictionary()


class _Upgrader(Protocol):
    def __call__(self, connection: Connection) -> None: ...


def folder(role: str) -> Path:
    """Where the migrations of a role are; `role` as in `contracts.roles`."""
    return MIGRATIONS / role.replace("-", "_")


def head(role: str) -> str:
    """Newest revision that this program knows."""
    found = [match[1] for path in folder(role).iterdir() if (match := _REVISION.fullmatch(path.name))]
    return max(found)


async def revision(store: Store) -> str:
    """Revision that the database is at; empty when it is new."""

    def look(connection: Connection) -> str:
        stored = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        return str(stored or "")

    try:
        return await store.read(look)
    except DBAPIError as problem:
        if is_trouble(problem):
            raise
        return ""  # no such table


async def upgrade(store: Store, role: str) -> bool:
    """Migrate if need be; True when something was done.

    Raises InputError when the database was written by a newer version, Unavailable when it does not answer.
    """
    newest = head(role)
    stored = await revision(store)
    if stored == newest:
        return False
    if stored > newest:
        raise InputError(
            f"database of {role}",
            f"is at revision {stored}, this version of Ferryman knows {newest}: it was used by a newer version",
        )
    upgrader = _alembic(role)
    lock = _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    async with lock:
        await store.write(upgrader, long=True)
    log.info("database migrated", role=role, before=stored or "new", after=newest)
    return True


def _alembic(role: str) -> _Upgrader:
    # Imported only when there is something to do: it costs more than the rest of a start.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(MIGRATIONS), version_locations=[str(folder(role))])

    def steps(stored: Any, _context: Any) -> Any:
        return scripts._upgrade_revs("head", stored)  # as alembic's own upgrade command does

    def run(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK_NUMBER})")
        with EnvironmentContext(Config(), scripts, fn=steps, destination_rev="head") as environment:
            # The unit's transaction holds everything; alembic must neither begin nor commit one.
            environment.configure(connection=connection, render_as_batch=True)
            environment.run_migrations()

    return run
