"""After a database came back from a copy: procedures go on behind every step that the lost time can have made.

Identifiers of messages follow from procedure and step. One that was used in the lost time and forgotten would be
taken for a repeat by its receiver, and its content dropped.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select, update

from ferryman.platform.procedure_rows import DONE
from ferryman.platform.schema import PlatformTables

STEPS_PER_SECOND = 100  # of one procedure: each waits for a commit, most for a card or another role
LEAST_STEPS = 1_000  # also when next to no time was lost


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
