"""A role's database on PostgreSQL, through asyncpg; the same units run on its synchronous facade.

All writing goes over one connection, the session. A store that is `exclusive` holds an advisory lock of the
database in that very session: who lost the lock has lost the connection it would have written with, so two
processes of a role can never both write. The second process waits as a standby and takes over when the first one
ends or its connection breaks. The lock is bound to the session, so a pooler in front must not share sessions.

A server or a network that says nothing counts as away after a limit; what was under way is then `Unavailable`,
outcome unknown, as for any other trouble.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

import structlog
from sqlalchemy import event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

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
from ferryman.platform.store import MAX_BATCH

READERS: Final = 8  # connections for reading; more does not help below 16 cores
LIMIT_SECONDS: Final = 30.0  # for one commit or one read; the server gives up its statement a little earlier
LONG_SECONDS: Final = 3600.0  # for a unit that said that it takes long: a migration, a page of an import
CONNECT_SECONDS: Final = 10.0  # for a connection to be made
STANDBY_SECONDS: Final = 1.0  # between two looks of a standby
WRITER: Final = 0x46_45_52_52_59_02  # advisory lock of the process that writes ("FERRY", 2)
# A sequence whose value names the process that wrote last.
MAKE_TENURE: Final = text("CREATE SEQUENCE IF NOT EXISTS ferryman_writer")
NEW_TENURE: Final = text("SELECT nextval('ferryman_writer')")
LAST_TENURE: Final = text("SELECT last_value FROM ferryman_writer")
CLAIM: Final = text(f"SELECT pg_try_advisory_lock({WRITER}), pg_backend_pid()")
END_BACKEND: Final = text("SELECT pg_terminate_backend(:backend, 1000)")
# The server finds out within half a minute that our machine is gone, and lets go of the lock.
KEEPALIVES: Final = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}

READ_ONLY: Final = "25006"  # SQLSTATE of a statement that would write, on a server that only reads

log = structlog.get_logger("ferryman.postgres")


class TakenOver(Unavailable):
    """Another process of the role writes now; this one must end."""

    def __init__(self) -> None:
        super().__init__("database (another process has taken over)")


class PostgresStore:
    """See `platform.store.Store`; `url` as SQLAlchemy wants it, with asyncpg as its driver."""

    def __init__(
        self,
        url: Any,
        *,
        readers: int = READERS,
        limit: float = LIMIT_SECONDS,
        exclusive: bool = False,
        name: str = "ferryman",
        connect_arguments: dict[str, Any] | None = None,
        on_lost: Callable[[], None] | None = None,
        on_commit: CommitHook | None = None,
        before_commit: CommitHook | None = None,
    ) -> None:
        server = {
            "application_name": name,
            "statement_timeout": str(int(limit * 900)),  # ms; nine tenths, so that it speaks before we hang up
            **KEEPALIVES,
        }
        self._engine: AsyncEngine = create_async_engine(
            url,
            pool_size=readers + 1,
            max_overflow=0,
            hide_parameters=True,
            connect_args={"timeout": CONNECT_SECONDS, "server_settings": server, **(connect_arguments or {})},
        )
        event.listen(self._engine.sync_engine, "handle_error", _mind_read_only)
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._turns = asyncio.Semaphore(readers)  # a flood of reads must leave the writer its connection
        self._limit = limit
        self._exclusive = exclusive
        self._on_lost = on_lost
        self._session: AsyncConnection | None = None
        self._backend = 0  # process of the server behind the session, of the last one when it is gone
        self._tenure = 0  # 0: has never held the lock
        self._taken_over = False
        self._deaths = Deaths(before_commit, on_commit)
        self._dead = False
        self._closed = False
        self._waiting: list[Job] = []
        self._wake = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._work(), name="postgres writer")

    @property
    def engine(self) -> AsyncEngine:
        """For migrations at start-up only."""
        return self._engine

    async def claim(self) -> None:
        """Wait until this process is the one that writes; for a store that is exclusive, before anything else.

        Waits for ever: while the database is away, and while another process of the role has it.
        """
        said = ""
        while self._session is None:
            try:
                async with asyncio.timeout(self._limit):
                    await self._connect()
            except Exception as problem:  # whatever it is, the next look may find it gone
                if not isinstance(problem, Unavailable) and not is_trouble(problem):
                    raise
                if said != (said := str(problem)):
                    log.warning("standing by", reason=said or type(problem).__name__)
                await asyncio.sleep(STANDBY_SECONDS)

    async def write[T](self, unit: Unit[T], then: Then[T] | None = None, *, long: bool = False) -> T:
        """Queue `unit` for the writer and wait for the commit."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._dead:
            return await future
        if self._closed:
            raise Unavailable("database (closed)")
        self._waiting.append(Job(unit, future, then, long))
        self._wake.set()
        return await future

    async def read[T](self, unit: Unit[T]) -> T:
        """Run on a pooled connection."""
        if self._dead:
            await asyncio.get_running_loop().create_future()
        if self._closed:
            raise Unavailable("database (closed)")
        connected = False
        try:
            async with self._turns, asyncio.timeout(self._limit), self._reading.connect() as connection:
                connected = True
                return await connection.run_sync(unit)
        except Exception as problem:  # the caller's own errors pass unchanged
            # What stands in the way of a connection, a new password too, says nothing about the unit.
            if not connected or is_trouble(problem):
                raise unavailable(problem) from problem
            raise

    async def scrub(self) -> bool:
        """Nothing to do for us: VACUUM and the age of its log are the server's own business."""
        return True

    async def close(self) -> None:
        """Finish queued units and dispose of the pool."""
        self._closed = True
        self._wake.set()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._hang_up()
        await self._engine.dispose()

    async def abandon(self) -> None:
        """Drop the connections without finishing anything, as a killed process would."""
        self._dead = True
        self._task.cancel()
        await self.close()

    # -- the session ------------------------------------------------------------------------------------------

    async def _connect(self) -> AsyncConnection:
        """Open the session, with the lock where one is wanted; raises Unavailable while another one has it."""
        if self._taken_over:
            raise TakenOver
        connection = await self._engine.connect()
        try:
            if self._exclusive:
                await self._lock(connection)
            await connection.rollback()
        except BaseException:
            await self._invalidate(connection)
            raise
        self._session = connection
        return connection

    async def _lock(self, connection: AsyncConnection) -> None:
        if self._backend:
            # Our own earlier session may live on at the server, and the lock with it.
            await connection.execute(END_BACKEND, {"backend": self._backend})
        locked, backend = (await connection.execute(CLAIM)).one()
        if not locked:
            raise Unavailable("database (another process of this role has it)")
        if not self._tenure:
            await connection.execute(MAKE_TENURE)
            await connection.commit()
            self._tenure = (await connection.execute(NEW_TENURE)).scalar_one()
        last = (await connection.execute(LAST_TENURE)).scalar_one()
        if last != self._tenure:
            # Somebody wrote while we were away: what we hold in memory is not what the database says.
            self._taken_over = True
            log.error("another process has taken over")
            if self._on_lost is not None:
                self._on_lost()
            raise TakenOver
        self._backend = backend

    async def _hang_up(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await self._invalidate(session)

    async def _invalidate(self, connection: AsyncConnection) -> None:
        """Close for good: a lock, or half a transaction, must not go back into the pool."""
        with contextlib.suppress(Exception):  # a broken connection cannot be closed any better
            await connection.invalidate()
        with contextlib.suppress(Exception):
            await connection.close()

    # -- commits ----------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while not self._dead:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting and not self._dead:
                jobs, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                outcomes = await self._commit(jobs)
                if not self._dead:
                    settle(jobs, outcomes)
            if self._closed:
                return

    async def _commit(self, jobs: list[Job]) -> list[Outcome]:
        """One transaction; a batch that the database did not take is Unavailable for each of its units."""
        long = any(job.long for job in jobs)
        try:
            async with asyncio.timeout(LONG_SECONDS if long else self._limit):
                return await self._transaction(self._session or await self._connect(), jobs, long=long)
        except Unavailable as problem:
            return [(False, problem)] * len(jobs)
        except Exception as problem:  # nothing of the batch is durable, or it is unknown
            await self._hang_up()
            return [(False, unavailable(problem))] * len(jobs)

    async def _transaction(self, session: AsyncConnection, jobs: list[Job], *, long: bool) -> list[Outcome]:
        if long:
            await session.exec_driver_sql("SET LOCAL statement_timeout = 0")
        outcomes = await session.run_sync(run_together, jobs)
        if outcomes is None:
            await session.rollback()
            if long:
                await session.exec_driver_sql("SET LOCAL statement_timeout = 0")
            outcomes = await session.run_sync(run_apart, jobs)
        if none_done(outcomes):
            await session.rollback()
            return outcomes
        if self._deaths.before():
            self._dead = True
            return outcomes
        await session.commit()
        if self._deaths.after():
            self._dead = True
        return outcomes


def _mind_read_only(context: ExceptionContext) -> None:
    """A server that was demoted, or was made read-only for want of room, is trouble: every unit would fail there.

    Its connections count as lost, so that the next ones find the server that writes.
    """
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True
