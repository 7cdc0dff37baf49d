"""Statements of the hot path, built and compiled once.

Building a statement anew for each row costs ten times what SQLite needs to execute it. A prepared statement is
written in SQLAlchemy's language like every other, its values as `bindparam`s. On SQLite its text goes straight to
the driver, inside the transaction of the same connection; on PostgreSQL it takes SQLAlchemy's usual way.

Only for columns whose values need no conversion: text, numbers, bytes. Errors of SQLite come as `sqlite3.Error`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Connection, CursorResult, Executable
from sqlalchemy.dialects import postgresql as postgresql_dialect
from sqlalchemy.dialects import sqlite as sqlite_dialect

type Values = Mapping[str, Any]
type Session = Connection | sqlite3.Cursor  # a connection, or a cursor of the driver's own below it
# `sqlite` or `postgresql` of sqlalchemy.dialects: their inserts know what to do on a conflict.
type Build = Callable[[Any], Executable]


class _Text(NamedTuple):
    sql: str
    in_order: Callable[[Values], Sequence[Any]]


class Prepared:
    """One statement; `build` is given the module of the dialect whose constructs it may use."""

    __slots__ = ("_build", "_statement", "_text")

    def __init__(self, build: Build) -> None:
        self._build = build
        self._text: _Text | None = None
        self._statement: Executable | None = None

    def count(self, session: Session, values: Values) -> int:
        """Execute; the number of rows inserted, changed or deleted."""
        driver = session if isinstance(session, sqlite3.Cursor) else driver_of(session)
        if driver is None:
            return self._usually(session, values).rowcount
        sql, in_order = self._text or self._compile()
        return driver.execute(sql, in_order(values)).rowcount

    def rows(self, session: Session, values: Values) -> Sequence[Sequence[Any]]:
        """Execute; every row of the answer."""
        driver = session if isinstance(session, sqlite3.Cursor) else driver_of(session)
        if driver is None:
            return self._usually(session, values).all()
        sql, in_order = self._text or self._compile()
        return driver.execute(sql, in_order(values)).fetchall()

    def row(self, session: Session, values: Values) -> Sequence[Any] | None:
        """Execute; the first row of the answer, None when there is none."""
        # All are fetched: a statement that is not finished would keep the transaction open.
        found = self.rows(session, values)
        return found[0] if found else None

    def many(self, session: Session, values: Sequence[Values]) -> None:
        """Execute for each of `values`."""
        driver = session if isinstance(session, sqlite3.Cursor) else driver_of(session)
        if driver is None:
            self._usually(session, values)
            return
        sql, in_order = self._text or self._compile()
        driver.executemany(sql, [in_order(each) for each in values])

    def batch(self, session: Session, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Execute for each of `rows`, whose values stand in the order of `names`: for very many rows."""
        driver = session if isinstance(session, sqlite3.Cursor) else driver_of(session)
        if driver is None:
            values = [dict(zip(names, row, strict=True)) for row in rows]
            if values:
                self._usually(session, values)
            return
        sql, in_order = self._text or self._compile()
        if tuple(in_order({name: name for name in names})) != tuple(names):
            raise ValueError("the statement takes its values in another order")
        driver.executemany(sql, rows)

    def _compile(self) -> _Text:
        compiled = self._build(sqlite_dialect).compile(dialect=sqlite_dialect.dialect())  # type: ignore[attr-defined]
        self._text = _Text(str(compiled), _in_order(compiled.positiontup or ()))
        return self._text

    def _usually(self, session: Session, values: Values | Sequence[Values]) -> CursorResult[Any]:
        if self._statement is None:
            self._statement = self._build(postgresql_dialect)
        return cast(Connection, session).execute(self._statement, values)


class PreparedInsert(Prepared):
    """An insert of one row into a table whose `number` is given by the database."""

    __slots__ = ("_names", "_number")

    def __init__(self, build: Build, number: ColumnElement[int], names: Sequence[str] = ()) -> None:
        """With the `names` of its values, in the order of the statement, it can be executed with bare rows."""
        super().__init__(build)
        self._number = number
        self._names = tuple(names)

    def _usually(self, session: Session, values: Values | Sequence[Values]) -> CursorResult[Any]:
        if self._statement is None:
            insert: Any = self._build(postgresql_dialect)
            self._statement = insert.returning(self._number)
        return super()._usually(session, values)

    def number(self, session: Session, values: Values) -> int | None:
        """Execute; the number of the row, None when a conflict made that nothing was inserted."""
        driver = session if isinstance(session, sqlite3.Cursor) else driver_of(session)
        if driver is None:
            row = self._usually(session, values).first()
            return None if row is None else row[0]
        sql, in_order = self._text or self._compile()
        return _given(driver.execute(sql, in_order(values)))

    def number_of(self, session: Session, row: Sequence[Any]) -> int | None:
        """As `number`, with the values in the order of the names."""
        if not isinstance(session, sqlite3.Cursor):
            return self.number(session, dict(zip(self._names, row, strict=True)))
        sql, _ = self._text or self._compile()
        return _given(session.execute(sql, row))

    def _compile(self) -> _Text:
        text = super()._compile()
        if self._names and tuple(text.in_order({name: name for name in self._names})) != self._names:
            raise ValueError("the statement takes its values in another order")
        return text


def _given(done: sqlite3.Cursor) -> int | None:
    # RETURNING would make SQLite collect the answer in a table of its own first.
    return done.lastrowid if done.rowcount == 1 else None


def _in_order(names: Sequence[str]) -> Callable[[Values], Sequence[Any]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: [values[name] for name in names]


def driver_of(connection: Connection) -> sqlite3.Connection | None:
    """The SQLite connection below, None on another database."""
    driver = connection.connection.driver_connection
    return driver if isinstance(driver, sqlite3.Connection) else None


def session_of(connection: Connection) -> Session:
    """What many statements are executed on, one after the other, with the least ado."""
    driver = driver_of(connection)
    return connection if driver is None else driver.cursor()
