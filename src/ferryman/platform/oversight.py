"""What every role can say of itself to those who watch: its audit trail, messages that were set aside."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, func, select

from ferryman.contracts.oversight import Alarm, AuditLine, AuditPage, ListAudit
from ferryman.platform.schema import PlatformTables

MAX_PAGE = 1000


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


def parked_alarms(connection: Connection, tables: PlatformTables) -> tuple[Alarm, ...]:
    """An alarm for each role whose messages its receiver could not take."""
    table = tables.outbox
    statement = select(table.c.dest, func.count()).where(table.c.parked != "").group_by(table.c.dest)
    return tuple(
        Alarm(kind="parked", object=dest, text=f"{count} messages for {dest} are set aside (ferryman parked list)")
        for dest, count in connection.execute(statement)
    )
