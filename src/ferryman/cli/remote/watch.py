"""Alarms and audit trails of a platform elsewhere: of the roles whose trails its REST API reads."""

from __future__ import annotations

from typing import Any, cast

from ferryman.cli.remote.table import carries, first, size
from ferryman.client import AsyncClient
from ferryman.contracts import maintenance as words
from ferryman.contracts.message import Body
from ferryman.contracts.oversight import Alarm
from ferryman.contracts.roles import REST_API, SM_DP, SM_SR
from ferryman.errors import InputError

SOURCES = (SM_SR, SM_DP, REST_API)


@carries(words.ReadAlarms)
async def read_alarms(client: AsyncClient, asked: words.ReadAlarms, _: str) -> Body:
    del asked
    found = [
        words.RoleAlarm(one.role, Alarm(kind=one.kind, object=one.object, text=one.text, eid=one.eid, at=one.at))
        for one in await first(client.list_alarms(), 0)
    ]
    found.sort(key=lambda one: (one.alarm.at > 0, -one.alarm.at))
    return words.RoleAlarms(alarms=tuple(found))


@carries(words.ReadTrail)
async def read_trail(client: AsyncClient, asked: words.ReadTrail, _: str) -> Body:
    if asked.role and asked.role not in SOURCES:
        raise InputError("--role", f"is one of {', '.join(SOURCES)} over the REST API")
    found: list[words.TrailLine] = []
    for role in (asked.role,) if asked.role else SOURCES:
        pages = client.list_audit(
            source=cast(Any, role), eid=asked.eid, action=asked.action, page_size=size(asked.limit)
        )
        found += [words.TrailLine(role, one) for one in await first(pages, asked.limit)]
    found.sort(key=lambda one: one.record.at, reverse=True)
    return words.TrailPage(lines=tuple(found[: asked.limit]))
