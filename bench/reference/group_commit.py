"""What SQLite itself can do: one thread, prepared statements of `sqlite3`, so many units in each transaction.

Writes the rows that the product wrote for the same work, values made beforehand; every commit with full sync.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import batched
from pathlib import Path

GROUP = 64  # units in one commit: as many as are in flight on the other side

INBOX = "INSERT INTO inbox VALUES (?, ?) ON CONFLICT DO NOTHING"
JOURNAL = "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
PROCEDURE = "UPDATE procedure SET state = ?, status = ?, version = ?, updated = ? WHERE id = ? AND version = ?"
OUTBOX = "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
TIMER = "INSERT INTO timer VALUES (?, ?, ?) ON CONFLICT (procedure_id, name) DO UPDATE SET due = excluded.due"
AUDIT = "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
FORGET = "DELETE FROM outbox WHERE seq = ?"

type Values = Sequence[object]


@dataclass(frozen=True, slots=True)
class Step:
    """The rows of one step of one procedure."""

    inbox: Values
    received: Values
    procedure: Values
    outbox: Values
    sent: Values
    timer: Values
    audit: Values


def connect(path: Path) -> sqlite3.Connection:
    """The settings of the product's database."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def write_steps(connection: sqlite3.Connection, steps: Iterable[Step]) -> None:
    """Every step, and the end of each letter in the transaction after its own."""
    execute = connection.execute
    gone: list[tuple[object]] = []
    for group in batched(steps, GROUP, strict=False):
        execute("BEGIN IMMEDIATE")
        for step in group:
            execute(INBOX, step.inbox)
            execute(JOURNAL, step.received)
            execute(PROCEDURE, step.procedure)
            execute(OUTBOX, step.outbox)
            execute(JOURNAL, step.sent)
            execute(TIMER, step.timer)
            execute(AUDIT, step.audit)
        connection.executemany(FORGET, gone)
        execute("COMMIT")
        gone = [(step.outbox[0],) for step in group]
    _forget(connection, gone)


def write_letters(connection: sqlite3.Connection, letters: Iterable[Values]) -> None:
    """Every letter into the outbox, and out of it in the transaction after its own."""
    execute = connection.execute
    gone: list[tuple[object]] = []
    for group in batched(letters, GROUP, strict=False):
        execute("BEGIN IMMEDIATE")
        for letter in group:
            execute(OUTBOX, letter)
        connection.executemany(FORGET, gone)
        execute("COMMIT")
        gone = [(letter[0],) for letter in group]
    _forget(connection, gone)


def _forget(connection: sqlite3.Connection, gone: list[tuple[object]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(FORGET, gone)
    connection.execute("COMMIT")
