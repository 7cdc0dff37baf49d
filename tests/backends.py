"""The implementations of the store that the contract suites run on."""

from __future__ import annotations

from typing import Any

from sqlalchemy import MetaData

from ferryman.platform.postgres_store import PostgresStore
from ferryman.platform.store import CommitHook, SQLiteStore

type AnyStore = SQLiteStore | PostgresStore


class Backend:
    """Opens stores on one database, again and again, as a process that is restarted would."""

    def __init__(self, kind: str, address: str) -> None:
        self.kind = kind
        self._address = address
        self._open: list[AnyStore] = []

    def open(self, *, on_commit: CommitHook | None = None, before_commit: CommitHook | None = None) -> AnyStore:
        """A store on the database."""
        store: AnyStore
        if self.kind == "postgres":
            store = PostgresStore(self._address, readers=2, on_commit=on_commit, before_commit=before_commit)
        else:
            store = SQLiteStore(
                self._address,
                threaded=self.kind == "sqlite-threaded",
                on_commit=on_commit,
                before_commit=before_commit,
            )
        self._open.append(store)
        return store

    async def create(self, metadata: MetaData) -> None:
        """Make the tables."""
        store = self.open()
        await store.write(lambda connection: metadata.create_all(connection))
        await store.close()

    async def kill(self, store: AnyStore) -> None:
        """End a store as a killed process would."""
        ended: Any = store.abandon()
        if ended is not None:
            await ended

    async def close(self) -> None:
        """End whatever a test left open."""
        for store in self._open:
            await store.close()
