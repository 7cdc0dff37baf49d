"""One group commit: units of work of many procedures in one transaction, each judged for itself.

The units of a batch run one after another without savepoints, which cost more than most units do. When one of
them fails the caller rolls everything back and runs the batch again with a savepoint for each, so that a unit that
fails takes nothing with it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ferryman.errors import Unavailable
from ferryman.platform.prepared import driver_of

# A unit may run more than once before its commit; only what its last run did and returned counts.
type Unit[T] = Callable[[Connection], T]
type Then[T] = Callable[[T], None]
# Called round each commit with its number; returning True means "the machine died here" (crash tests).
type CommitHook = Callable[[int], bool]
type Outcome = tuple[bool, Any]  # (True, result) or (False, exception)

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


class Job(msgspec.Struct, frozen=True):
    """A unit, who waits for it, and what follows its commit whether anybody still waits or not.

    `long`: it may take longer than an event loop can spare.
    """

    unit: Unit[Any]
    future: asyncio.Future[Any]
    then: Then[Any] | None
    long: bool


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


def unavailable(problem: BaseException) -> Unavailable:
    """What a caller gets when the database failed: the outcome is unknown."""
    return Unavailable(f"database ({type(problem).__name__})")


def run_together(connection: Connection, jobs: Sequence[Job]) -> list[Outcome] | None:
    """Run every unit; None when one of several failed: roll back, and run them apart.

    Raises when the database itself fails (then none counts).
    """
    outcomes: list[Outcome] = []
    try:
        for job in jobs:
            outcomes.append((True, job.unit(connection)))
    except Exception as problem:  # belongs to the caller of write(), whose unit it was
        if is_trouble(problem):
            raise
        if len(jobs) > 1:
            return None
        outcomes.append((False, problem))
    return outcomes


def run_apart(connection: Connection, jobs: Sequence[Job]) -> list[Outcome]:
    """Run every unit under its own savepoint; raises when the database itself fails (then none counts)."""
    outcomes: list[Outcome] = []
    driver = driver_of(connection)
    execute: Callable[[str], object] = connection.exec_driver_sql if driver is None else driver.execute
    for job in jobs:
        execute("SAVEPOINT unit")
        outcome = _run_unit(connection, job.unit)
        if not outcome[0]:
            execute("ROLLBACK TO SAVEPOINT unit")
        execute("RELEASE SAVEPOINT unit")
        outcomes.append(outcome)
    return outcomes


def _run_unit(connection: Connection, unit: Unit[Any]) -> Outcome:
    try:
        return True, unit(connection)
    except Exception as problem:  # belongs to the caller of write(), whose unit it was
        if is_trouble(problem):
            raise
        return False, problem


def none_done(outcomes: Sequence[Outcome]) -> bool:
    """Whether there is nothing to commit."""
    return not any(ok for ok, _ in outcomes)


def settle(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
    """Tell everybody; what follows a commit comes before whoever waits for it goes on."""
    for job, (ok, value) in zip(jobs, outcomes, strict=True):
        if ok and job.then is not None:
            job.then(value)
        if job.future.done():
            continue
        if ok:
            job.future.set_result(value)
        else:
            job.future.set_exception(value)


class Deaths:
    """Counts commits for the crash tests; `before` is asked inside the transaction, `after` when it is durable."""

    def __init__(self, before: CommitHook | None, after: CommitHook | None) -> None:
        self._before = before
        self._after = after
        self._number = 0

    def before(self) -> bool:
        """Whether the machine dies with the transaction open."""
        self._number += 1
        return self._before is not None and self._before(self._number)

    def after(self) -> bool:
        """Whether the machine dies after the commit, before anybody hears of it."""
        return self._after is not None and self._after(self._number)
