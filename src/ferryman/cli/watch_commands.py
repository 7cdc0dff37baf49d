"""For who watches a platform: alarms, and the audit trails of its roles."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from ferryman.cli import output
from ferryman.cli.commands import DATA
from ferryman.cli.maintenance import ask, moment
from ferryman.cli.remote import place
from ferryman.cli.session import operator
from ferryman.contracts import maintenance as words
from ferryman.contracts.message import Body
from ferryman.contracts.roles import OPERATOR
from ferryman.errors import Unavailable

LIMIT = 100  # records shown unless somebody asks for more

alarm = App(name="alarm", help="What needs somebody's attention.")
audit = App(name="audit", help="Who did what: the audit trails of the roles.")


@alarm.command(name="list")
async def alarm_list(*, data: Path = DATA, json: bool = False) -> int:
    """Show alarms that hold now, then those that were recorded within a day, the newest first.

    Parameters
    ----------
    data
        Data directory of a running process: of `ferryman up`, or of one service of `ferryman serve`.
    """
    page = await _told(data, words.ReadAlarms())
    if not isinstance(page, words.RoleAlarms):
        raise Unavailable("the running ferryman")
    if json:
        output.emit(page)
        return output.DONE
    for one in page.alarms:
        since = moment(one.alarm.at) if one.alarm.at else "now"
        output.line(_joined(since, one.role, _card(one.alarm.eid), one.alarm.object, one.alarm.text))
    if not page.alarms:
        output.line("no alarms")
    return output.DONE


@audit.command(name="list")
async def audit_list(
    *, role: str = "", eid: str = "", action: str = "", limit: int = LIMIT, data: Path = DATA, json: bool = False
) -> int:
    """Show records of the audit trails, the newest first.

    Parameters
    ----------
    role
        Of this role's trail only.
    eid
        About this eUICC only.
    action
        Of this action only, as it is shown.
    limit
        So many at most.
    data
        Data directory of a running process.
    """
    page = await _told(data, words.ReadTrail(role=role, eid=eid, action=action, limit=limit))
    if not isinstance(page, words.TrailPage):
        raise Unavailable("the running ferryman")
    if json:
        output.emit(page)
        return output.DONE
    for one in page.lines:
        told = one.record
        words_of = (one.role, told.actor, told.action, _card(told.eid), told.object, told.outcome, told.detail)
        output.line(_joined(moment(told.at), *words_of))
    if not page.lines:
        output.line("no records")
    return output.DONE


async def _told(data: Path, question: Body) -> Body:
    """By the process itself, which has trails that no other role may read; elsewhere by the REST API."""
    if place.current.get() is None:
        return await ask(data, question)
    async with operator(data, OPERATOR) as elsewhere:
        return await elsewhere.process(question)


def _card(eid: str) -> str:
    return f"eUICC {eid}" if eid else ""


def _joined(*parts: str) -> str:
    return "  ".join(part for part in parts if part)
