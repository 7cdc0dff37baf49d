"""Opens the database of a role: an SQLite file of the data directory, or a PostgreSQL database."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import URL, make_url

from ferryman.errors import InputError
from ferryman.platform.database_settings import DatabaseSettings
from ferryman.platform.postgres_store import PostgresStore
from ferryman.platform.store import CommitHook, SQLiteStore

PRIVATE = 0o600

type AnyStore = SQLiteStore | PostgresStore


async def open_database(
    settings: DatabaseSettings,
    role: str,
    data: Path,
    *,
    threaded: bool = True,
    on_lost: Callable[[], None] | None = None,
    on_commit: CommitHook | None = None,
    before_commit: CommitHook | None = None,
) -> AnyStore:
    """The store of a role, ready to write; on PostgreSQL that waits until no other process of the role writes.

    `on_lost` is called when another process has taken over: this one must end then. Raises InputError when a file
    that the settings name cannot be read.
    """
    if not settings.url:
        path = data / f"{role}.db"
        _make_private(path)
        return SQLiteStore(str(path), threaded=threaded, on_commit=on_commit, before_commit=before_commit)
    store = PostgresStore(
        _address(settings, role, data),
        limit=settings.limit,
        exclusive=True,
        name=f"ferryman {role}",
        connect_arguments=_secured(settings, data),
        on_lost=on_lost,
        on_commit=on_commit,
        before_commit=before_commit,
    )
    try:
        await store.claim()
    except BaseException:  # told to stop while standing by, or the database refuses us
        await store.close()
        raise
    return store


def has_database(settings: DatabaseSettings, role: str, data: Path) -> bool:
    """Whether a role's database may be there; a server is only asked when it is opened."""
    return bool(settings.url) or (data / f"{role}.db").exists()


def _address(settings: DatabaseSettings, role: str, data: Path) -> URL:
    url = make_url(settings.of_role(role)).set(drivername="postgresql+asyncpg")
    file = settings.password_file_of(role)
    if not file:
        return url
    try:
        return url.set(password=(data / file).read_text().strip())
    except (OSError, UnicodeDecodeError):
        raise InputError("database.password_file", f"{data / file} cannot be read") from None


def _secured(settings: DatabaseSettings, data: Path) -> dict[str, Any]:
    if not settings.ca_file:
        return {}
    try:
        return {"ssl": ssl.create_default_context(cafile=str(data / settings.ca_file))}
    except (OSError, ssl.SSLError):
        raise InputError("database.ca_file", f"{data / settings.ca_file} is no file of PEM certificates") from None


def _make_private(path: Path) -> None:
    """A database file of its owner alone before SQLite opens it: its write-ahead log takes over the mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE))
    path.chmod(PRIVATE)
