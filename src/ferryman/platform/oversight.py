"""What every role can say of itself to those who watch: its audit trail, messages that were set aside."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, func, select

from ferryman.contracts.oversight import Alarm, AuditLine, AuditPage, ListAudit
from ferryman.platform.schema import IS_ALARM, PlatformTables

MAX_PAGE = 1000
MAX_ALARMS = 100  # of one role: a person reads them
RECENT = 86_400.0  # s that a recorded alarm is shown among those that hold now
RECORDED = "recorded"


def audit_page(
    connection: Connection, tables: PlatformTables, asked: ListAudit, sees: ColumnElement[bool] | None = None
) -> AuditPage:
    """The newest records first; `sees` limits them further than to what was done in the owner's name."""
    table = tables.audit
    statement = select(table).order_by(table.c.seq.desc()).limit(max(1, min(asked.limit, MAX_PAGE)))
    if asked.before:
        statement = statement.where(table.c.seq < asked.before)
    if asked.eid:
        statement = statement.where(table.c.eid == asked.eid)
    if asked.action:
        statement = statement.where(table.c.action == asked.action)
    if sees is not None:
        statement = statement.where(sees)
    elif asked.owner:
        statement = statement.where(table.c.actor == asked.owner)
    return AuditPage(
        lines=tuple(
            AuditLine(
                number=row.seq,
                at=row.at,
                actor=row.actor,
                action=row.action,
                eid=row.eid,
                object=row.object,
                outcome=row.outcome,
                detail=row.detail,
            )
            for row in connection.execute(statement)
        )
    )


def recorded_alarms(
    connection: Connection, tables: PlatformTables, now: float, *, owner: str = ""
) -> tuple[Alarm, ...]:
    """The newest alarms of the trail, at most `MAX_ALARMS` of the last day; of what an owner did, or of all."""
    table = tables.audit
    statement = select(table).where(IS_ALARM, table.c.at >= now - RECENT)
    if owner:
        statement = statement.where(table.c.actor == owner)
    statement = statement.order_by(table.c.at.desc(), table.c.seq.desc()).limit(MAX_ALARMS)
    return tuple(
        Alarm(kind=RECORDED, object=row.object, text=f"{row.action}: {row.detail}", eid=row.eid, at=row.at)
        for row in connection.execute(statement)
    )


def alarms(connection: Connection, tables: PlatformTables, now: float) -> tuple[Alarm, ...]:
    """What every role has for the platform's staff: what is set aside, what its trail says of the last day."""
    return (*parked_alarms(connection, tables), *recorded_alarms(connection, tables, now))


def parked_alarms(connection: Connection, tables: PlatformTables) -> tuple[Alarm, ...]:
    """An alarm for each role whose messages its receiver could not take."""
    table = tables.outbox
    statement = select(table.c.dest, func.count()).where(table.c.parked != "").group_by(table.c.dest)
    return tuple(
        Alarm(kind="parked", object=dest, text=f"{count} messages for {dest} are set aside (ferryman parked list)")
        for dest, count in connection.execute(statement)
    )
