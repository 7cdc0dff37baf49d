"""One writer per database: units of work of many procedures are committed together.

A unit is a function of one connection; it runs inside a transaction with others and under a savepoint of its
own, so that a unit that fails takes nothing with it. `write` returns after the commit has reached the disk.
Reads go to a connection of their own and see every commit that was awaited before; each statement of a read
sees the newest commit (there is no snapshot across statements).

`Unavailable` from `write` means that the outcome is unknown: the database went away before, during or after the
commit. Whoever gets it repeats, and the repeat must be harmless.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ferryman.errors import Unavailable
from ferryman.platform.prepared import driver_of

MAX_BATCH = 256  # units per commit: beyond this the gain of sharing one fsync is gone and latency grows
READERS = 8  # PostgreSQL connections for reading; more does not help below 16 cores
BUSY_MS = 30_000  # how long SQLite waits for another process (a backup, a console) before BUSY

type Unit[T] = Callable[[Connection], T]
# Called round each commit with its number; returning True means "the machine died here" (crash tests).
type CommitHook = Callable[[int], bool]

# Result codes of SQLite that speak of the machine, not of the statement.
_SQLITE_TROUBLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
# SQLSTATE classes likewise: connection, serialisation, resources, operator intervention, system error.
_SQLSTATE_TROUBLE = frozenset({"08", "40", "53", "57", "58"})


class Store(Protocol):
    """A role's database."""

    async def write[T](self, unit: Unit[T]) -> T:
        """Run `unit` in a transaction and return its result once it is durable; raises Unavailable."""
        ...

    async def read[T](self, unit: Unit[T]) -> T:
        """Run `unit` on a reading connection; raises Unavailable."""
        ...

    async def close(self) -> None:
        """Finish what is queued, then close."""
        ...


type _Job = tuple[Unit[Any], asyncio.Future[Any]]
type _Outcome = tuple[bool, Any]  # (True, result) or (False, exception)


def is_trouble(problem: BaseException) -> bool:
    """Whether an error speaks of the database or the way to it rather than of the statement."""
    if isinstance(problem, OSError | TimeoutError | PoolTimeout):
        return True
    if isinstance(problem, sqlite3.Error):
        return _is_sqlite_trouble(problem)
    if not isinstance(problem, DBAPIError):
        return False
    if problem.connection_invalidated:
        return True
    if isinstance(problem.orig, sqlite3.Error):
        return _is_sqlite_trouble(problem.orig)
    state = getattr(problem.orig, "sqlstate", None)
    return isinstance(state, str) and state[:2] in _SQLSTATE_TROUBLE


def _is_sqlite_trouble(problem: sqlite3.Error) -> bool:
    code: int | None = getattr(problem, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _SQLITE_TROUBLE


def _unavailable(problem: BaseException) -> Unavailable:
    return Unavailable(f"database ({type(problem).__name__})")


def _run_batch(connection: Connection, jobs: Sequence[_Job]) -> list[_Outcome]:
    """Run every unit under its own savepoint; raises when the database itself fails (then none counts)."""
    if len(jobs) == 1:
        # Alone in its transaction: the caller rolls back when it fails, a savepoint would only cost time.
        return [_run_unit(connection, jobs[0][0])]
    outcomes: list[_Outcome] = []
    driver = driver_of(connection)
    execute: Callable[[str], object] = connection.exec_driver_sql if driver is None else driver.execute
    for unit, _ in jobs:
        execute("SAVEPOINT unit")
        outcome = _run_unit(connection, unit)
        if not outcome[0]:
            execute("ROLLBACK TO SAVEPOINT unit")
        execute("RELEASE SAVEPOINT unit")
        outcomes.append(outcome)
    return outcomes


def _run_unit(connection: Connection, unit: Unit[Any]) -> _Outcome:
    try:
        return True, unit(connection)
    except Exception as problem:  # belongs to the caller of write(), whose unit it was
        if is_trouble(problem):
            raise
        return False, problem


def _settle(jobs: Sequence[_Job], outcomes: Sequence[_Outcome]) -> None:
    for (_, future), (ok, value) in zip(jobs, outcomes, strict=True):
        if future.done():
            continue
        if ok:
            future.set_result(value)
        else:
            future.set_exception(value)


class _Deaths:
    """Counts commits for the crash tests; `before` is asked inside the transaction, `after` when it is durable."""

    def __init__(self, before: CommitHook | None, after: CommitHook | None) -> None:
        self._before = before
        self._after = after
        self._number = 0

    def before(self) -> bool:
        self._number += 1
        return self._before is not None and self._before(self._number)

    def after(self) -> bool:
        return self._after is not None and self._after(self._number)


def _sqlite_engine(path: str) -> Engine:
    url = URL.create("sqlite+pysqlite", database=path)
    # Parameters stay out of error texts: a row may hold what must not reach a log.
    engine = create_engine(url, isolation_level="AUTOCOMMIT", pool_size=1, max_overflow=2, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA page_size = 8192")
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit that was acknowledged survives power loss; a counter must never come back.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    return engine


class SQLiteStore:
    """The embedded default. `threaded=False` runs units in the event loop (deterministic tests)."""

    def __init__(
        self,
        path: str,
        *,
        threaded: bool = True,
        on_commit: CommitHook | None = None,
        before_commit: CommitHook | None = None,
    ) -> None:
        self._engine = _sqlite_engine(path)
        self._reader = self._engine.connect()
        self._writer = self._engine.connect()
        self._deaths = _Deaths(before_commit, on_commit)
        self._dead = False
        self._closed = False
        self._waiting: list[_Job] = []
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._work, name=f"writer {path}", daemon=True)
            self._thread.start()

    @property
    def engine(self) -> Engine:
        """For migrations at start-up only."""
        return self._engine

    async def write[T](self, unit: Unit[T]) -> T:
        """Queue `unit` for the writer and wait for the commit."""
        future: asyncio.Future[T] = self._loop.create_future()
        if self._dead:
            return await future  # the machine "died": nothing ever answers
        if self._closed:
            raise Unavailable("database (closed)")
        if self._thread is not None:
            self._jobs.put((unit, future))
        else:
            self._waiting.append((unit, future))
            if len(self._waiting) == 1:
                self._loop.call_soon(self._flush)
        return await future

    async def read[T](self, unit: Unit[T]) -> T:
        """Run on the reading connection; an embedded look-up costs less than a switch of threads."""
        if self._dead:
            await self._loop.create_future()
        if self._closed:
            raise Unavailable("database (closed)")
        try:
            return unit(self._reader)
        except Exception as problem:  # the caller's own errors pass unchanged
            if is_trouble(problem):
                raise _unavailable(problem) from problem
            raise

    async def close(self) -> None:
        """Finish queued units and close both connections."""
        if self._closed or self._dead:
            self._closed = True
            return
        self._closed = True
        if self._thread is not None:
            self._jobs.put(None)
            await self._loop.run_in_executor(None, self._thread.join)
        else:
            self._flush()
        self._disconnect()

    def abandon(self) -> None:
        """Drop the connections without finishing anything, as a killed process would."""
        self._dead = True
        self._waiting.clear()
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
        self._disconnect()

    def _disconnect(self) -> None:
        self._reader.close()
        self._writer.close()
        self._engine.dispose()

    def _flush(self) -> None:
        while self._waiting and not self._dead:
            jobs, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            outcomes = self._commit(jobs)
            if not self._dead:
                _settle(jobs, outcomes)

    def _work(self) -> None:
        stop = False
        while not stop and not self._dead:
            jobs: list[_Job] = []
            job = self._jobs.get()
            while job is not None:
                jobs.append(job)
                if len(jobs) == MAX_BATCH or self._jobs.empty():
                    break
                job = self._jobs.get()  # the only consumer: what was there a moment ago still is
            stop = job is None
            if not jobs or self._dead:
                continue
            outcomes = self._commit(jobs)
            if not self._dead:
                self._loop.call_soon_threadsafe(_settle, jobs, outcomes)

    def _commit(self, jobs: list[_Job]) -> list[_Outcome]:
        """One transaction; a batch that the database did not take is Unavailable for each of its units."""
        try:
            self._writer.exec_driver_sql("BEGIN IMMEDIATE")
            outcomes = _run_batch(self._writer, jobs)
            if not any(ok for ok, _ in outcomes):
                self._rollback()
                return outcomes
            if self._deaths.before():
                self._dead = True
                self._rollback()
                return outcomes
            self._writer.exec_driver_sql("COMMIT")
        except Exception as problem:  # nothing of the batch is durable, or it is unknown
            self._rollback()
            return [(False, _unavailable(problem))] * len(jobs)
        if self._deaths.after():
            self._dead = True
        return outcomes

    def _rollback(self) -> None:
        # SQLite ends the transaction by itself on some errors (full disk, I/O).
        driver: Any = self._writer.connection.driver_connection
        if driver.in_transaction:
            self._writer.exec_driver_sql("ROLLBACK")


class PostgresStore:
    """PostgreSQL through asyncpg; the same units run on its synchronous facade."""

    def __init__(
        self,
        url: str,
        *,
        readers: int = READERS,
        on_commit: CommitHook | None = None,
        before_commit: CommitHook | None = None,
    ) -> None:
        self._engine: AsyncEngine = create_async_engine(
            url, pool_size=readers + 1, max_overflow=0, hide_parameters=True
        )
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._turns = asyncio.Semaphore(readers)  # a flood of reads must leave the writer its connection
        self._deaths = _Deaths(before_commit, on_commit)
        self._dead = False
        self._closed = False
        self._waiting: list[_Job] = []
        self._wake = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._work(), name="postgres writer")

    @property
    def engine(self) -> AsyncEngine:
        """For migrations at start-up only."""
        return self._engine

    async def write[T](self, unit: Unit[T]) -> T:
        """Queue `unit` for the writer and wait for the commit."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._dead:
            return await future
        if self._closed:
            raise Unavailable("database (closed)")
        self._waiting.append((unit, future))
        self._wake.set()
        return await future

    async def read[T](self, unit: Unit[T]) -> T:
        """Run on a pooled connection."""
        if self._dead:
            await asyncio.get_running_loop().create_future()
        if self._closed:
            raise Unavailable("database (closed)")
        try:
            async with self._turns, self._reading.connect() as connection:
                return await connection.run_sync(unit)
        except Exception as problem:  # the caller's own errors pass unchanged
            if is_trouble(problem):
                raise _unavailable(problem) from problem
            raise

    async def close(self) -> None:
        """Finish queued units and dispose of the pool."""
        self._closed = True
        self._wake.set()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._engine.dispose()

    async def abandon(self) -> None:
        """Drop the connections without finishing anything, as a killed process would."""
        self._dead = True
        self._task.cancel()
        await self.close()

    async def _work(self) -> None:
        while not self._dead:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting and not self._dead:
                jobs, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                outcomes = await self._commit(jobs)
                if not self._dead:
                    _settle(jobs, outcomes)
            if self._closed:
                return

    async def _commit(self, jobs: list[_Job]) -> list[_Outcome]:
        """One transaction; a batch that the database did not take is Unavailable for each of its units."""
        try:
            async with self._engine.connect() as connection:
                outcomes = await connection.run_sync(_run_batch, jobs)
                if not any(ok for ok, _ in outcomes):
                    return outcomes  # leaving the block rolls back
                if self._deaths.before():
                    self._dead = True
                    return outcomes
                await connection.commit()
        except Exception as problem:  # nothing of the batch is durable, or it is unknown
            return [(False, _unavailable(problem))] * len(jobs)
        if self._deaths.after():
            self._dead = True
        return outcomes
