"""Which party hears of a state change, and how: SGP.02 3.2 to 3.10, 3.16 (`sgp02-interfaces.md` 7.2 to 7.14).

Told is whoever owns a profile whose state became another, but for the one who asked for it: the response tells
him. With a link of its own an Operator hears on ES4; else the SM-DP of the profile is told on ES3 and passes it on
over ES2. A profile that is deleted as a consequence of its being disabled is told of once, as Deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from ferryman.contracts import es3, es4, v4
from ferryman.contracts.message import Body
from ferryman.sm_sr.plma import Rules
from ferryman.sm_sr.records import CREATED, DISABLED, ENABLED, IN_CREATION, ISDP, Links

NO_RULES = Rules()


class Happened(StrEnum):
    """What became of a profile."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    DELETED = "Deleted"
    DOWNLOADED = "Downloaded"  # this one and the rest are of v4
    POL2_UPDATED = "POL2Updated"
    FALLBACK_SET = "FallBackAttributeSet"
    FALLBACK_UNSET = "FallBackAttributeUnset"

    @property
    def notification(self) -> str:
        """Name of the notification, without its interface."""
        return f"Handle{'' if self.value.startswith('FallBack') else 'Profile'}{self}Notification"


class Interface(StrEnum):
    """How the owner is told; NONE: neither he nor an SM-DP that could pass it on can be reached."""

    ES4 = "ES4"
    ES3 = "ES3"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Change:
    """A profile and its state after it; None: it is gone. `happened` is given for what is no change of state."""

    before: ISDP
    after: str | None
    happened: Happened | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification: to whom (OID), on which interface, about what; `owner` is the Operator it is for."""

    party: str
    interface: Interface
    happened: Happened
    iccid: str
    owner: str
    profile_type: str = ""

    def message(self, eid: str, completed: float) -> Body:
        """The notification; `completed` in seconds since 1970."""
        relayed = self.interface is Interface.ES3
        if self.happened is Happened.DOWNLOADED and relayed:
            return v4.ES3HandleProfileDownloadedNotification(
                eid=eid, iccid=self.iccid, owner=self.owner, profile_type=self.profile_type, completed=completed
            )
        if self.happened is Happened.DOWNLOADED:
            return v4.ES4HandleProfileDownloadedNotification(
                eid=eid, iccid=self.iccid, profile_type=self.profile_type, completed=completed
            )
        if self.happened in _V4 and relayed:
            return _V4_ES3[self.happened](eid=eid, iccid=self.iccid, owner=self.owner, completed=completed)
        if self.happened in _V4:
            return _V4[self.happened](eid=eid, iccid=self.iccid, completed=completed)
        if self.interface is Interface.ES4:
            return _ES4[self.happened](eid=eid, iccid=self.iccid, completed=completed)
        return _ES3[self.happened](eid=eid, iccid=self.iccid, owner=self.owner, completed=completed)


_ES4 = {
    Happened.ENABLED: es4.ES4HandleProfileEnabledNotification,
    Happened.DISABLED: es4.ES4HandleProfileDisabledNotification,
    Happened.DELETED: es4.ES4HandleProfileDeletedNotification,
}
_V4 = {
    Happened.POL2_UPDATED: v4.ES4HandleProfilePOL2UpdatedNotification,
    Happened.FALLBACK_SET: v4.ES4HandleFallBackAttributeSetNotification,
    Happened.FALLBACK_UNSET: v4.ES4HandleFallBackAttributeUnsetNotification,
}
_V4_ES3 = {
    Happened.POL2_UPDATED: v4.ES3HandleProfilePOL2UpdatedNotification,
    Happened.FALLBACK_SET: v4.ES3HandleFallBackAttributeSetNotification,
    Happened.FALLBACK_UNSET: v4.ES3HandleFallBackAttributeUnsetNotification,
}
_ES3 = {
    Happened.ENABLED: es3.ES3HandleProfileEnabledNotification,
    Happened.DISABLED: es3.ES3HandleProfileDisabledNotification,
    Happened.DELETED: es3.ES3HandleProfileDeletedNotification,
}


def notices(
    changes: Iterable[Change], requester: str, links: Links, rules: Rules = NO_RULES
) -> tuple[Notice, ...]:
    """The notifications of changes that became known together; several of one profile count as its last.

    An owner's own configuration takes away what he does not want to hear; authorised M2M SPs hear behind him.
    """
    found: list[Notice] = []
    for change, happened in became(changes):
        profile = change.before
        about = (happened, profile.iccid, profile.owner, profile.profile_type)
        name = happened.notification
        if profile.owner != requester and not rules.discards(profile, name):
            party, interface = _way(profile, links)
            # The functions of v4 go only to who speaks them, the Operator or another's SM-DP.
            if change.happened is None or party in links.v4:
                found.append(Notice(party, interface, *about))
        listening = (sp for sp in rules.listeners(profile, name) if sp in links.m2m_sps and sp != requester)
        found += [Notice(sp, Interface.ES4, *about) for sp in listening]
    return tuple(found)


def became(changes: Iterable[Change]) -> Iterator[tuple[Change, Happened]]:
    """What became of each profile, several changes of one counting as its last; then what else happened."""
    last: dict[bytes, Change] = {}
    special: list[Change] = []
    for change in changes:
        if change.happened is not None:
            special.append(change)
            continue
        known = last.get(change.before.aid)
        last[change.before.aid] = change if known is None else Change(known.before, change.after)
    for change in (*last.values(), *special):
        happened = change.happened or _happened(change)
        if happened is not None:
            yield change, happened


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
