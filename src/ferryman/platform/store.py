"""One writer per database: units of work of many procedures are committed together.

A unit is a function of one connection; it runs inside a transaction with others and under a savepoint of its
own, so that a unit that fails takes nothing with it. `write` returns after the commit has reached the disk.
Reads go to a connection of their own and see every commit that was awaited before.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ferryman.errors import Unavailable

MAX_BATCH = 256  # units per commit: beyond this the gain of sharing one fsync is gone and latency grows

type Unit[T] = Callable[[Connection], T]
# Called after each commit with its number; returning True means "the machine died here" (crash tests).
type CommitHook = Callable[[int], bool]


class Store(Protocol):
    """A role's database."""

    async def write[T](self, unit: Unit[T]) -> T:
        """Run `unit` in a transaction and return its result once it is durable."""
        ...

    async def read[T](self, unit: Unit[T]) -> T:
        """Run `unit` on a reading connection."""
        ...

    async def close(self) -> None:
        """Finish what is queued, then close."""
        ...


type _Job = tuple[Unit[Any], asyncio.Future[Any]]


def _run_batch(connection: Connection, jobs: list[_Job]) -> list[tuple[bool, Any]]:
    """Run every unit under its own savepoint; the outcome of each is (ok, result or exception)."""
    outcomes: list[tuple[bool, Any]] = []
    for unit, _ in jobs:
        connection.exec_driver_sql("SAVEPOINT unit")
        try:
            outcomes.append((True, unit(connection)))
        except Exception as problem:  # handed to the caller of write(), whose unit it was
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT unit")
            outcomes.append((False, problem))
        connection.exec_driver_sql("RELEASE SAVEPOINT unit")
    return outcomes


def _settle(jobs: list[_Job], outcomes: list[tuple[bool, Any]]) -> None:
    for (_, future), (ok, value) in zip(jobs, outcomes, strict=True):
        if future.done():
            continue
        if ok:
            future.set_result(value)
        else:
            future.set_exception(value)


def _sqlite_engine(path: str) -> Engine:
    engine = create_engine(f"sqlite+pysqlite:///{path}", isolation_level="AUTOCOMMIT", pool_size=1, max_overflow=2)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA page_size = 8192")
        cursor.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit that was acknowledged survives power loss; a counter must never come back.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA busy_timeout = 30000")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    return engine


class SQLiteStore:
    """The embedded default. `threaded=False` runs units in the event loop (deterministic tests)."""

    def __init__(self, path: str, *, threaded: bool = True, on_commit: CommitHook | None = None) -> None:
        self._engine = _sqlite_engine(path)
        self._reader = self._engine.connect()
        self._on_commit = on_commit
        self._commits = 0
        self._dead = False
        self._waiting: list[_Job] = []
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread: threading.Thread | None = None
        self._writer: Connection | None = None
        if threaded:
            self._thread = threading.Thread(target=self._work, name=f"writer {path}", daemon=True)
            self._thread.start()
        else:
            self._writer = create_writer(self._engine)

    @property
    def engine(self) -> Engine:
        """For migrations at start-up only."""
        return self._engine

    async def write[T](self, unit: Unit[T]) -> T:
        """Queue `unit` for the writer and wait for the commit."""
        future: asyncio.Future[T] = self._loop.create_future()
        if self._dead:
            return await future  # the machine "died": nothing ever answers
        if self._thread is not None:
            self._jobs.put((unit, future))
        else:
            self._waiting.append((unit, future))
            if len(self._waiting) == 1:
                self._loop.call_soon(self._flush)
        return await future

    async def read[T](self, unit: Unit[T]) -> T:
        """Run on the reading connection; an embedded look-up costs less than a switch of threads."""
        return unit(self._reader)

    async def close(self) -> None:
        """Finish queued units and close both connections."""
        if self._thread is not None:
            self._jobs.put(None)
            await self._loop.run_in_executor(None, self._thread.join)
        else:
            self._flush()
        self._reader.close()
        if self._writer is not None:
            self._writer.close()
        self._engine.dispose()

    def abandon(self) -> None:
        """Drop the connections without finishing anything, as a killed process would."""
        self._dead = True
        self._waiting.clear()
        self._reader.close()
        if self._writer is not None:
            self._writer.close()
        self._engine.dispose()

    def _flush(self) -> None:
        if self._dead or self._writer is None:
            return
        jobs, self._waiting = self._waiting, []
        if jobs:
            outcomes = self._commit(self._writer, jobs)
            if not self._dead:
                _settle(jobs, outcomes)

    def _work(self) -> None:
        connection = create_writer(self._engine)
        while (first := self._jobs.get()) is not None:
            jobs = [first]
            stop = False
            while len(jobs) < MAX_BATCH:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    stop = True
                    break
                jobs.append(job)
            try:
                outcomes = self._commit(connection, jobs)
            except Exception as problem:  # the commit itself failed: none of the batch is durable
                outcomes = [(False, Unavailable(f"database ({type(problem).__name__})"))] * len(jobs)
            self._loop.call_soon_threadsafe(_settle, jobs, outcomes)
            if stop:
                break
        connection.close()

    def _commit(self, connection: Connection, jobs: list[_Job]) -> list[tuple[bool, Any]]:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            outcomes = _run_batch(connection, jobs)
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        self._commits += 1
        if self._on_commit is not None and self._on_commit(self._commits):
            self._dead = True
        return outcomes


def create_writer(engine: Engine) -> Connection:
    """The one writing connection."""
    return engine.connect()


class PostgresStore:
    """PostgreSQL through asyncpg; the same units run on its synchronous facade."""

    def __init__(self, url: str, *, readers: int = 8, on_commit: CommitHook | None = None) -> None:
        self._engine: AsyncEngine = create_async_engine(url, pool_size=readers + 1)
        self._on_commit = on_commit
        self._commits = 0
        self._waiting: list[_Job] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._task = asyncio.get_running_loop().create_task(self._work(), name="postgres writer")

    @property
    def engine(self) -> AsyncEngine:
        """For migrations at start-up only."""
        return self._engine

    async def write[T](self, unit: Unit[T]) -> T:
        """Queue `unit` for the writer and wait for the commit."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((unit, future))
        self._wake.set()
        return await future

    async def read[T](self, unit: Unit[T]) -> T:
        """Run on a pooled connection."""
        async with self._engine.connect() as connection:
            return await connection.run_sync(unit)

    async def close(self) -> None:
        """Finish queued units and dispose of the pool."""
        self._closing = True
        self._wake.set()
        await self._task
        await self._engine.dispose()

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                jobs, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                try:
                    async with self._engine.begin() as connection:
                        outcomes = await connection.run_sync(_run_batch, jobs)
                except Exception as problem:  # the commit itself failed: none of the batch is durable
                    outcomes = [(False, Unavailable(f"database ({type(problem).__name__})"))] * len(jobs)
                else:
                    self._commits += 1
                    if self._on_commit is not None:
                        self._on_commit(self._commits)
                _settle(jobs, outcomes)
            if self._closing:
                return
