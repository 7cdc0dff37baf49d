"""One writer per database: units of work of many procedures are committed together.

A unit is a function of one connection; it runs inside a transaction with others, and one that fails takes nothing
with it (`commit.py`). It may therefore run more than once. `write` returns after the commit has reached the disk.
Reads go to a connection of their own and see every commit that was awaited before; each statement of a read
sees the newest commit (there is no snapshot across statements).

`Unavailable` from `write` means that the outcome is unknown: the database went away before, during or after the
commit. Whoever gets it repeats, and the repeat must be harmless.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from typing import Any, Protocol

from sqlalchemy import URL, Engine, create_engine, event

from ferryman.errors import Unavailable
from ferryman.platform.commit import (
    CommitHook,
    Deaths,
    Job,
    Outcome,
    Then,
    Unit,
    is_trouble,
    none_done,
    run_apart,
    run_together,
    settle,
    unavailable,
)

__all__ = ["MAX_BATCH", "CommitHook", "SQLiteStore", "Store", "Unit", "is_trouble"]

MAX_BATCH = 256  # units per commit: beyond this the gain of sharing one fsync is gone and latency grows
BUSY_MS = 30_000  # how long SQLite waits for another process (a backup, a console) before BUSY


class Store(Protocol):
    """A role's database."""

    async def write[T](self, unit: Unit[T], then: Then[T] | None = None, *, long: bool = False) -> T:
        """Run `unit` in a transaction and return its result once it is durable; raises Unavailable.

        `then` is called in the event loop with the result as soon as it is durable, also when the caller was
        cancelled meanwhile. `long` says that the unit may take longer than the event loop can spare.
        """
        ...

    async def read[T](self, unit: Unit[T]) -> T:
        """Run `unit` on a reading connection; raises Unavailable."""
        ...

    async def scrub(self) -> bool:
        """Take what was deleted out of the log, too; False when others were busy with it."""
        ...

    async def close(self) -> None:
        """Finish what is queued, then close."""
        ...


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
        # What is deleted is overwritten: protected profiles, keys and messages do not stay in free pages.
        cursor.execute("PRAGMA secure_delete = ON")
        # What a statement or savepoint would take back: in memory, not in a file that nobody reads after a crash.
        cursor.execute("PRAGMA temp_store = MEMORY")
        cursor.close()

    return engine


class SQLiteStore:
    """The embedded default. `threaded=False` does everything in the event loop (deterministic tests).

    Units run in the event loop: they are short, and two threads that take turns at the interpreter's lock for each
    statement spend more on that than on the statements. What waits for the disk or for another process (the
    commit, a locked database) and units that are called long run in a thread.
    """

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
        # To SQLAlchemy all is one transaction that never ends; of ours the driver is told.
        self._writer.begin()
        self._deaths = Deaths(before_commit, on_commit)
        self._dead = False
        self._closed = False
        self._waiting: list[Job] = []
        self._busy = False  # with a commit
        self._idle: asyncio.Future[None] | None = None  # who waits for the end of the last one
        self._loop = asyncio.get_running_loop()
        # What follows a commit belongs to the store, not to the caller that happened to come first.
        self._context = contextvars.copy_context()
        # Batches; those with outcomes have run and are only to be committed.
        self._batches: queue.SimpleQueue[tuple[list[Job], list[Outcome] | None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if threaded:
            self._patience(0)
            self._thread = threading.Thread(target=self._work, name=f"writer {path}", daemon=True)
            self._thread.start()

    @property
    def engine(self) -> Engine:
        """For migrations at start-up only."""
        return self._engine

    async def write[T](self, unit: Unit[T], then: Then[T] | None = None, *, long: bool = False) -> T:
        """Queue `unit` and wait for the commit."""
        future: asyncio.Future[T] = self._loop.create_future()
        if self._dead:
            return await future  # the machine "died": nothing ever answers
        if self._closed:
            raise Unavailable("database (closed)")
        # All that comes in one turn of the loop, or during a commit, shares the next commit.
        if not self._waiting and not self._busy:
            self._loop.call_soon(self._next, context=self._context)
        self._waiting.append(Job(unit, future, then, long))
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
                raise unavailable(problem) from problem
            raise

    async def scrub(self) -> bool:
        """Empty the write-ahead log: it keeps old pages until others take their place."""
        if self._dead or self._closed:
            return False
        if self._thread is None:
            return self._truncate()
        return await self._loop.run_in_executor(None, self._truncate)

    def _truncate(self) -> bool:
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA busy_timeout = 0")
                busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar()
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {BUSY_MS}")
        except Exception as problem:  # a bug of ours passes
            if is_trouble(problem):
                return False
            raise
        return busy == 0

    async def close(self) -> None:
        """Finish queued units and close both connections."""
        if self._closed or self._dead:
            self._closed = True
            return
        self._closed = True
        self._next()
        while self._waiting or self._busy:
            self._idle = self._loop.create_future()
            await self._idle
        if self._thread is not None:
            self._batches.put(None)
            await self._loop.run_in_executor(None, self._thread.join)
        self._disconnect()

    def abandon(self) -> None:
        """Drop the connections without finishing anything, as a killed process would."""
        self._dead = True
        self._waiting.clear()
        if self._thread is not None:
            self._batches.put(None)
            self._thread.join()
        self._disconnect()

    def _disconnect(self) -> None:
        self._reader.close()
        self._writer.close()
        self._engine.dispose()

    # -- commits --------------------------------------------------------------------------------------------

    def _next(self) -> None:
        """Begin the next commit."""
        if self._busy or self._dead or not self._waiting:
            return
        self._busy = True
        jobs, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
        if self._thread is None:
            self._done(jobs, self._commit(jobs))
        elif any(job.long for job in jobs) or not self._begun():
            self._batches.put((jobs, None))
        else:
            self._run_here(jobs)

    def _begun(self) -> bool:
        try:
            self._tell("BEGIN IMMEDIATE")
        except Exception:  # another process writes, or worse: the thread waits for the one and finds out the other
            self._rollback()
            return False
        return True

    def _run_here(self, jobs: list[Job]) -> None:
        try:
            outcomes = self._run(jobs)
        except Exception as problem:  # the database failed: nothing of the batch is durable
            self._rollback()
            self._done(jobs, [(False, unavailable(problem))] * len(jobs))
            return
        self._batches.put((jobs, outcomes))

    def _done(self, jobs: list[Job], outcomes: list[Outcome]) -> None:
        """A commit was made, or not."""
        self._busy = False
        if self._dead:
            return
        settle(jobs, outcomes)
        if self._waiting:
            # Who was waiting for this commit may join the next one first.
            self._loop.call_soon(self._next, context=self._context)
        elif self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _work(self) -> None:
        while (batch := self._batches.get()) is not None and not self._dead:
            jobs, outcomes = batch
            if outcomes is None:
                self._patience(BUSY_MS)
                outcomes = self._commit(jobs)
                self._patience(0)
            else:
                outcomes = self._end(jobs, outcomes)
            if not self._dead:
                self._loop.call_soon_threadsafe(self._done, jobs, outcomes, context=self._context)

    def _commit(self, jobs: list[Job]) -> list[Outcome]:
        """One transaction from beginning to end."""
        try:
            self._tell("BEGIN IMMEDIATE")
            outcomes = self._run(jobs)
        except Exception as problem:  # nothing of the batch is durable
            self._rollback()
            return [(False, unavailable(problem))] * len(jobs)
        return self._end(jobs, outcomes)

    def _run(self, jobs: list[Job]) -> list[Outcome]:
        outcomes = run_together(self._writer, jobs)
        if outcomes is None:
            self._rollback()
            self._tell("BEGIN IMMEDIATE")
            outcomes = run_apart(self._writer, jobs)
        return outcomes

    def _end(self, jobs: list[Job], outcomes: list[Outcome]) -> list[Outcome]:
        """Commit; a batch that the database did not take is Unavailable for each of its units."""
        if none_done(outcomes):
            self._rollback()
            return outcomes
        if self._deaths.before():
            self._dead = True
            self._rollback()
            return outcomes
        try:
            self._tell("COMMIT")
        except Exception as problem:  # nothing of the batch is durable, or it is unknown
            self._rollback()
            return [(False, unavailable(problem))] * len(jobs)
        if self._deaths.after():
            self._dead = True
        return outcomes

    def _rollback(self) -> None:
        # SQLite ends the transaction by itself on some errors (full disk, I/O).
        driver: Any = self._writer.connection.driver_connection
        if driver.in_transaction:
            self._tell("ROLLBACK")

    def _tell(self, sql: str) -> None:
        """To the driver itself: SQLAlchemy's way there costs more than a small transaction."""
        driver: Any = self._writer.connection.driver_connection
        driver.execute(sql)

    def _patience(self, milliseconds: int) -> None:
        """How long the writer waits for another process; not at all while the event loop waits with it."""
        self._writer.exec_driver_sql(f"PRAGMA busy_timeout = {milliseconds}")
