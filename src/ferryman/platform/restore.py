"""After a database came back from a copy: procedures and numbers go on behind what the lost time can have used.

Identifiers of messages follow from procedure and step. One that was used in the lost time and forgotten would be
taken for a repeat by its receiver, and its content dropped. So would an event under a number that its reader has
passed, and an order under the name of another one.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    Table,
    bindparam,
    func,
    literal,
    select,
    text,
    update,
)

from ferryman.platform.procedure_rows import DONE
from ferryman.platform.schema import PlatformTables

STEPS_PER_SECOND = 100  # of one procedure: each waits for a commit, most for a card or another role
LEAST_STEPS = 1_000  # also when next to no time was lost
NUMBERS_PER_SECOND = 10_000  # of one table: more than a database of ours commits; a year leaves 2**53 far away
LEAST_NUMBERS = 1_000


def steps_of(lost: float) -> int:
    """Steps that one procedure can have made in `lost` seconds."""
    return LEAST_STEPS + int(lost * STEPS_PER_SECOND)


def advance_procedures(connection: Connection, tables: PlatformTables, lost: float) -> int:
    """Move every procedure that has not ended; how many there are."""
    table = tables.procedure
    running = table.c.status != DONE
    count = connection.execute(select(func.count()).select_from(table).where(running)).scalar_one()
    connection.execute(update(table).where(running).values(version=table.c.version + steps_of(lost)))
    return int(count)


def numbers_of(lost: float) -> int:
    """Rows that one table can have got in `lost` seconds."""
    return LEAST_NUMBERS + int(lost * NUMBERS_PER_SECOND)


def advance_numbers(connection: Connection, metadata: MetaData, lost: float) -> None:
    """Move the numbers that a role's database gives to rows and that are known outside of it.

    These are the tables that SQLite is told never to number again (`sqlite_autoincrement`); the numbers of all
    others only put the rows of one table in order. The audit trail goes on behind the row that tells of the
    restoration, entered under `next_audit_number`.
    """
    by = numbers_of(lost)
    for table in metadata.sorted_tables:
        if not table.dialect_options["sqlite"]["autoincrement"]:
            continue
        (column,) = table.primary_key.columns
        if connection.dialect.name == "postgresql":
            _set_sequence(connection, table, column, _last_of_sequence(connection, table, column) + by)
            continue
        given = connection.execute(
            text("UPDATE sqlite_sequence SET seq = seq + :by WHERE name = :name"), {"by": by, "name": table.name}
        )
        if not given.rowcount:  # no row was ever entered, in the copy
            connection.execute(
                text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :by)"), {"by": by, "name": table.name}
            )


def next_audit_number(connection: Connection, tables: PlatformTables, lost: float) -> int:
    """A number of the audit trail that the lost time has not reached; the next ones follow it."""
    column = tables.audit.c.seq
    last = int(connection.execute(select(func.coalesce(func.max(column), 0))).scalar_one())
    if connection.dialect.name == "postgresql":
        last = max(last, _last_of_sequence(connection, tables.audit, column))
        _set_sequence(connection, tables.audit, column, last + numbers_of(lost))
    return last + numbers_of(lost)


def _last_of_sequence(connection: Connection, table: Table, column: Column[int]) -> int:
    found = func.pg_get_serial_sequence(table.name, column.name)
    last = select(func.coalesce(func.pg_sequence_last_value(found), literal(0)))
    return int(connection.execute(last).scalar_one())


def _set_sequence(connection: Connection, table: Table, column: Column[int], last: int) -> None:
    sequence = func.pg_get_serial_sequence(table.name, column.name)
    connection.execute(select(func.setval(sequence, bindparam("last", type_=BigInteger))), {"last": last})
