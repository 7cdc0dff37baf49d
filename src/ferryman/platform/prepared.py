"""Statements of the hot path, built and compiled once.

Building a statement anew for each row costs ten times what SQLite needs to execute it. A prepared statement is
written in SQLAlchemy's language like every other, its values as `bindparam`s. On SQLite its text goes straight to
the driver, inside the transaction of the same connection; on PostgreSQL it takes SQLAlchemy's usual way.

Only for columns whose values need no conversion: text, numbers, bytes. Errors of SQLite come as `sqlite3.Error`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Executable
from sqlalchemy.dialects import postgresql as postgresql_dialect
from sqlalchemy.dialects import sqlite as sqlite_dialect

type Values = Mapping[str, Any]
# `sqlite` or `postgresql` of sqlalchemy.dialects: their inserts know what to do on a conflict.
type Build = Callable[[Any], Executable]


class _Text(NamedTuple):
    sql: str
    names: tuple[str, ...]


class Prepared:
    """One statement; `build` is given the module of the dialect whose constructs it may use."""

    __slots__ = ("_build", "_statement", "_text")

    def __init__(self, build: Build) -> None:
        self._build = build
        self._text: _Text | None = None
        self._statement: Executable | None = None

    def count(self, connection: Connection, values: Values) -> int:
        """Execute; the number of rows inserted, changed or deleted."""
        if (driver := driver_of(connection)) is not None:
            return self._execute(driver, values).rowcount
        return connection.execute(self._usual(), values).rowcount

    def rows(self, connection: Connection, values: Values) -> Sequence[Sequence[Any]]:
        """Execute; every row of the answer."""
        if (driver := driver_of(connection)) is not None:
            return self._execute(driver, values).fetchall()
        return connection.execute(self._usual(), values).all()

    def row(self, connection: Connection, values: Values) -> Sequence[Any] | None:
        """Execute; the first row of the answer, None when there is none."""
        # All are fetched: a statement that is not finished would keep the transaction open.
        found = self.rows(connection, values)
        return found[0] if found else None

    def many(self, connection: Connection, values: Sequence[Values]) -> None:
        """Execute for each of `values`."""
        if (driver := driver_of(connection)) is None:
            connection.execute(self._usual(), values)
            return
        text = self._text or self._compile()
        driver.executemany(text.sql, [[each[name] for name in text.names] for each in values])

    def _execute(self, driver: sqlite3.Connection, values: Values) -> sqlite3.Cursor:
        text = self._text or self._compile()
        return driver.execute(text.sql, [values[name] for name in text.names])

    def _compile(self) -> _Text:
        compiled = self._build(sqlite_dialect).compile(dialect=sqlite_dialect.dialect())  # type: ignore[attr-defined]
        self._text = _Text(str(compiled), tuple(compiled.positiontup or ()))
        return self._text

    def _usual(self) -> Executable:
        if self._statement is None:
            self._statement = self._build(postgresql_dialect)
        return self._statement


def driver_of(connection: Connection) -> sqlite3.Connection | None:
    """The SQLite connection below, None on another database."""
    driver = connection.connection.driver_connection
    return driver if isinstance(driver, sqlite3.Connection) else None
