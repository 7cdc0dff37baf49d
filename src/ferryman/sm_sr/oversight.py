"""What the SM-SR says to those who watch over it: audit trail, counts of cards and profiles, alarms."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from ferryman.contracts.message import Body
from ferryman.contracts.oversight import Alarm, AlarmPage, ListAlarms, ListAudit, ShowStatistics, Statistics
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.oversight import RECENT, alarms, audit_page, recorded_alarms
from ferryman.sm_sr.schema import euicc, isdp, queue_entry, script_decision


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
    cards = select(func.count()).select_from(euicc)
    profiles = select(isdp.c.state, func.count()).group_by(isdp.c.state)
    entries = select(queue_entry.c.state, func.count()).group_by(queue_entry.c.state)
    if owner:
        cards = select(func.count(isdp.c.eid.distinct())).where(isdp.c.owner == owner)
        profiles = profiles.where(isdp.c.owner == owner)
        entries = entries.where(queue_entry.c.owner == owner)
    found = {"euiccs": connection.execute(cards).scalar_one()}
    found |= {f"profiles.{state}": count for state, count in connection.execute(profiles)}
    found |= {f"queue.{state}": count for state, count in connection.execute(entries)}
    return Statistics(counts=found)


def _alarms(connection: Connection, mailbox: Mailbox, owner: str) -> AlarmPage:
    now = mailbox.clock.now()
    if owner:
        return AlarmPage(alarms=recorded_alarms(connection, mailbox.tables, now, owner=owner))
    table = script_decision
    late = table.c.at >= now - RECENT
    statement = select(table.c.problem, func.count()).where(table.c.problem != "", late).group_by(table.c.problem)
    scripts = [
        Alarm(kind="script", object="transport script", text=f"{count} times in a day: {problem}")
        for problem, count in connection.execute(statement)
    ]
    return AlarmPage(alarms=(*scripts, *alarms(connection, mailbox.tables, now)))
