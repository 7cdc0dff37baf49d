"""Audit trails, statistics, alarms: each tenant about its own, the platform's staff about everything."""

from __future__ import annotations

import asyncio

from sqlalchemy import literal, select, union_all

from ferryman.contracts import oversight
from ferryman.contracts.roles import REST_API, SM_DP, SM_SR
from ferryman.platform.oversight import alarms, audit_page
from ferryman.rest_api import bodies_platform, rights
from ferryman.rest_api.endpoint import Endpoint, Request
from ferryman.rest_api.schema import account, api_key


async def list_audit(r: Request) -> bodies_platform.AuditList:
    given = r.query
    question = oversight.ListAudit(
        owner=r.tenant, eid=given.eid, action=given.action, before=int(given.after or 0), limit=given.limit
    )
    match given.source:
        case "sm-sr":
            found = await r.ask.sm_sr(r.who.party, question, oversight.AuditPage)
        case "sm-dp":
            found = await r.ask.sm_dp(r.who.party, question, oversight.AuditPage)
        case _:
            found = await _own_audit(r, question)
    lines = found.lines
    return bodies_platform.AuditList(items=lines, next=str(lines[-1].number) if len(lines) == given.limit else "")


async def _own_audit(r: Request, question: oversight.ListAudit) -> oversight.AuditPage:
    """Of this role: a tenant sees what its people and keys did."""
    mailbox = r.services.mailbox
    own = union_all(
        *(
            select(literal(f"{kind}/") + table.c.id).where(table.c.tenant == r.tenant)
            for kind, table in (("account", account), ("key", api_key))
        )
    )
    sees = mailbox.tables.audit.c.actor.in_(own) if r.tenant else None
    return await mailbox.store.read(lambda c: audit_page(c, mailbox.tables, question, sees))


async def show_statistics(r: Request) -> oversight.Statistics:
    question = oversight.ShowStatistics(owner=r.tenant)
    found = await asyncio.gather(
        r.ask.sm_sr(r.who.party, question, oversight.Statistics),
        r.ask.sm_dp(r.who.party, question, oversight.Statistics),
    )
    return oversight.Statistics(
        counts={name: count for one in found for name, count in sorted(one.counts.items())}
    )


async def list_alarms(r: Request) -> bodies_platform.AlarmList:
    question = oversight.ListAlarms(owner=r.tenant)
    mailbox = r.services.mailbox
    from_sr, from_dp = await asyncio.gather(
        r.ask.sm_sr(r.who.party, question, oversight.AlarmPage),
        r.ask.sm_dp(r.who.party, question, oversight.AlarmPage),
    )
    now = mailbox.clock.now()
    own = () if r.tenant else await mailbox.store.read(lambda c: alarms(c, mailbox.tables, now))
    found = ((SM_SR, from_sr.alarms), (SM_DP, from_dp.alarms), (REST_API, own))
    return bodies_platform.AlarmList(
        items=tuple(
            bodies_platform.RoleAlarm(
                role=role, kind=one.kind, object=one.object, text=one.text, eid=one.eid, at=one.at
            )
            for role, told in found
            for one in told
        )
    )


_E = Endpoint
ENDPOINTS = (
    _E("GET", "/audit", rights.AUDIT_READ, "Who did what, the newest first", list_audit, bodies_platform.AuditList,
       query=bodies_platform.AuditQuery),
    _E("GET", "/statistics", rights.STATISTICS_READ, "Counts of eUICCs, profiles, queues, orders, subscriptions",
       show_statistics, oversight.Statistics),
    _E("GET", "/alarms", rights.ALARM_READ, "What needs somebody's attention now", list_alarms,
       bodies_platform.AlarmList),
)  # fmt: skip
