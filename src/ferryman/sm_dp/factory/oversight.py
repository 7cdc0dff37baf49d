"""What the SM-DP says to those who watch over it: audit trail, counts of orders and stock, alarms."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from ferryman.contracts.message import Body
from ferryman.contracts.oversight import Alarm, AlarmPage, ListAlarms, ListAudit, ShowStatistics, Statistics
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.oversight import alarms, audit_page, recorded_alarms
from ferryman.sm_dp.factory import stock
from ferryman.sm_dp.schema import profile_order, subscription


async def answer(mailbox: Mailbox, body: Body) -> Body:
    """One question of `contracts.oversight`."""
    match body:
        case ListAudit():
            return await mailbox.store.read(lambda c: audit_page(c, mailbox.tables, body))
        case ShowStatistics():
            return await mailbox.store.read(lambda c: _counts(c, body.owner))
        case ListAlarms():
            return await mailbox.store.read(lambda c: _alarms(c, mailbox, body.owner))
        case _:
            raise TypeError(f"{type(body).__name__} is no question of oversight")


def _counts(connection: Connection, owner: str) -> Statistics:
    found: dict[str, int] = {}
    for name, table in (("orders", profile_order), ("subscriptions", subscription)):
        statement = select(table.c.state, func.count()).group_by(table.c.state)
        if owner:
            statement = statement.where(table.c.owner == owner)
        found |= {f"{name}.{state}": count for state, count in connection.execute(statement)}
    return Statistics(counts=found)


def _alarms(connection: Connection, mailbox: Mailbox, owner: str) -> AlarmPage:
    now = mailbox.clock.now()
    if not owner:
        return AlarmPage(alarms=alarms(connection, mailbox.tables, now))
    low = [
        Alarm(
            kind="low-stock",
            object=one.profile_type,
            text=f"{one.free} subscriptions of {one.profile_type} are free, the mark is {one.low_water}",
        )
        for one in stock.stocks(connection, owner)
        if one.low
    ]
    return AlarmPage(alarms=(*low, *recorded_alarms(connection, mailbox.tables, now, owner=owner)))
