"""What owners allow others and do not want to hear: PLMA and ONC (SGP.02 v4 3.20, 3.21; pure).

An authorisation opens functions and notifications on every profile of its owner and type to one M2M SP; nothing
opens POL2. Without a configuration an owner is told of everything.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ferryman.contracts.v4 import ONC, PLMA
from ferryman.errors import PeerError
from ferryman.sm_sr.records import EUICC, ISDP

MAX_TYPE = 100  # characters of a ProfileType (Annex A)


@dataclass(frozen=True, slots=True)
class Rules:
    """Authorisations and configurations of the owners of some profiles."""

    plmas: tuple[PLMA, ...] = ()
    oncs: tuple[ONC, ...] = ()

    def discards(self, profile: ISDP, notification: str) -> bool:
        """Whether the owner does not want to hear this of the profile."""
        return any(
            (one.owner, one.profile_type) == (profile.owner, profile.profile_type)
            and notification in one.discarded
            for one in self.oncs
        )

    def listeners(self, profile: ISDP, notification: str) -> tuple[str, ...]:
        """The M2M SPs that may hear this of the profile, in order."""
        found = {one.m2m_sp for one in self.plmas if _covers(one, profile) and notification in one.notifications}
        return tuple(sorted(found))


def _covers(said: PLMA | ONC, profile: ISDP) -> bool:
    return (said.owner, said.profile_type) == (profile.owner, profile.profile_type)


def granted(plmas: Collection[PLMA], card: EUICC, requester: str, operation: str) -> frozenset[str]:
    """ICCIDs of the profiles on which this requester may do that, by authorisation of their owners."""
    mine = [one for one in plmas if one.m2m_sp == requester and operation in one.operations]
    return frozenset(p.iccid for p in card.profiles if any(_covers(one, p) for one in mine))


def check(profile_type: str, names: Collection[str], known: Collection[str]) -> None:
    """Refuse what means nothing; raises PeerError naming the field."""
    if not 0 < len(profile_type) <= MAX_TYPE:
        raise PeerError(f"has not 1 to {MAX_TYPE} characters", field="ProfileType")
    for name in names:
        if name not in known:
            raise PeerError(f"{name!r} cannot be allowed or discarded", field="Operation or Notification")
