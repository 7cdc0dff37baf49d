"""What all roles of one process have to say to who watches it: their audit trails, and their alarms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ferryman.contracts import maintenance as words
from ferryman.contracts.oversight import ListAudit
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.oversight import MAX_PAGE, RECORDED, alarms, audit_page


async def trail(mailboxes: Sequence[Mailbox], asked: words.ReadTrail) -> words.TrailPage:
    """Records of one role or of all, the newest first."""
    limit = max(1, min(asked.limit, MAX_PAGE))
    question = ListAudit(eid=asked.eid, action=asked.action, limit=limit)
    found: list[words.TrailLine] = []
    for mailbox in mailboxes:
        if asked.role in ("", mailbox.role):
            page = await mailbox.store.read(partial(audit_page, tables=mailbox.tables, asked=question))
            found += [words.TrailLine(mailbox.role, record) for record in page.lines]
    found.sort(key=lambda one: one.record.at, reverse=True)
    return words.TrailPage(lines=tuple(found[:limit]))


async def standing(mailboxes: Sequence[Mailbox]) -> words.RoleAlarms:
    """Alarms of every role, those that hold now first."""
    found: list[words.RoleAlarm] = []
    for mailbox in mailboxes:
        now = mailbox.clock.now()
        told = await mailbox.store.read(partial(alarms, tables=mailbox.tables, now=now))
        found += [words.RoleAlarm(mailbox.role, one) for one in told]
    found.sort(key=lambda one: (one.alarm.kind == RECORDED, -one.alarm.at))
    return words.RoleAlarms(alarms=tuple(found))
