"""Which party hears of a state change, and how: SGP.02 3.2 to 3.10, 3.16 (`sgp02-interfaces.md` 7.2 to 7.14).

Told is whoever owns a profile whose state became another, but for the one who asked for it: the response tells
him. With a link of its own an Operator hears on ES4; else the SM-DP of the profile is told on ES3 and passes it on
over ES2. A profile that is deleted as a consequence of its being disabled is told of once, as Deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from ferryman.contracts import es3, es4
from ferryman.contracts.message import Body
from ferryman.sm_sr.records import CREATED, DISABLED, ENABLED, IN_CREATION, ISDP, Links


class Happened(StrEnum):
    """What became of a profile."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    DELETED = "Deleted"


class Interface(StrEnum):
    """How the owner is told; NONE: neither he nor an SM-DP that could pass it on can be reached."""

    ES4 = "ES4"
    ES3 = "ES3"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Change:
    """A profile and its state after it; None: it is gone."""

    before: ISDP
    after: str | None


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification: to whom (OID), on which interface, about what; `owner` is the Operator it is for."""

    party: str
    interface: Interface
    happened: Happened
    iccid: str
    owner: str

    def message(self, eid: str, completed: float) -> Body:
        """The notification; `completed` in seconds since 1970."""
        if self.interface is Interface.ES4:
            return _ES4[self.happened](eid=eid, iccid=self.iccid, completed=completed)
        return _ES3[self.happened](eid=eid, iccid=self.iccid, owner=self.owner, completed=completed)


_ES4 = {
    Happened.ENABLED: es4.ES4HandleProfileEnabledNotification,
    Happened.DISABLED: es4.ES4HandleProfileDisabledNotification,
    Happened.DELETED: es4.ES4HandleProfileDeletedNotification,
}
_ES3 = {
    Happened.ENABLED: es3.ES3HandleProfileEnabledNotification,
    Happened.DISABLED: es3.ES3HandleProfileDisabledNotification,
    Happened.DELETED: es3.ES3HandleProfileDeletedNotification,
}


def notices(changes: Iterable[Change], requester: str, links: Links) -> tuple[Notice, ...]:
    """The notifications of changes that became known together; several of one profile count as its last."""
    last: dict[bytes, Change] = {}
    for change in changes:
        known = last.get(change.before.aid)
        last[change.before.aid] = change if known is None else Change(known.before, change.after)
    found: list[Notice] = []
    for change in last.values():
        happened = _happened(change)
        if happened is None or change.before.owner == requester:
            continue
        party, interface = _way(change.before, links)
        found.append(Notice(party, interface, happened, change.before.iccid, change.before.owner))
    return tuple(found)


def _happened(change: Change) -> Happened | None:
    """None for what no owner is told: nothing changed, or the profile was never installed."""
    before = change.before.state
    if before in (IN_CREATION, CREATED) or before == change.after:
        return None
    if change.after is None:
        return Happened.DELETED
    return {ENABLED: Happened.ENABLED, DISABLED: Happened.DISABLED}.get(change.after)


def _way(profile: ISDP, links: Links) -> tuple[str, Interface]:
    if profile.owner in links.operators:
        return profile.owner, Interface.ES4
    if profile.smdp_id in links.smdps:
        return profile.smdp_id, Interface.ES3
    return profile.owner, Interface.NONE
