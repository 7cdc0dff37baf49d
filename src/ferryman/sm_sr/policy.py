"""Who may do what to which profile, and what POL2 says: SGP.02 5.4 table, 3.2 to 3.6 (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from ferryman.contracts import codes
from ferryman.contracts.status import ExecutionStatus, failed
from ferryman.sm_sr.records import CREATED, DISABLED, ENABLED, EUICC, IN_CREATION, ISDP

NOT_ALLOWED = "Not-Allowed"
AUTO_DELETE = "Auto-Delete"


@dataclass(frozen=True, slots=True)
class Decision:
    """The target when it may be done, else the refusal."""

    target: ISDP | None = None
    refusal: ExecutionStatus | None = None


def has_rule(profile: ISDP | None, action: str, qualification: str) -> bool:
    """Whether POL2 of the profile holds this rule."""
    if profile is None:
        return False
    return any(rule.action == action and rule.qualification == qualification for rule in profile.pol2)


def find_target(card: EUICC | None, iccid: str, requester: str) -> Decision:
    """The profile, if this requester (its SM-DP or owner) may act on it.

    A profile of somebody else is answered like one that does not exist.
    """
    if card is None:
        return Decision(refusal=failed(*codes.EID_UNKNOWN, "no eUICC with this EID"))
    target = card.by_iccid(iccid)
    if target is None or target.state == IN_CREATION or requester not in (target.smdp_id, target.owner):
        return Decision(refusal=failed(*codes.ICCID_UNKNOWN, "no profile with this ICCID", iccid))
    return Decision(target=target)


def may_enable(card: EUICC | None, iccid: str, requester: str) -> Decision:
    """Table 5.4, rows `enable t`."""
    decision = find_target(card, iccid, requester)
    target = decision.target
    if target is None or card is None:
        return decision
    if target.state != DISABLED:
        sentence = f"the profile is {target.state}, not {DISABLED}"
        return Decision(refusal=failed(*codes.PROFILE_STATE, sentence, iccid))
    if has_rule(target, "ENABLE", NOT_ALLOWED):
        return Decision(refusal=failed(*codes.POL2_REFUSES, "POL2 does not allow enabling the profile", iccid))
    if has_rule(card.enabled, "DISABLE", NOT_ALLOWED):
        sentence = "POL2 of the enabled profile does not allow disabling it"
        return Decision(refusal=failed(*codes.POL2_REFUSES, sentence, iccid))
    return decision


def may_delete(card: EUICC | None, iccid: str, requester: str) -> Decision:
    """Table 5.4, rows `delete t`; an ISD-P in state Created may always be deleted by its SM-DP."""
    decision = find_target(card, iccid, requester)
    target = decision.target
    if target is None or target.state == CREATED:
        return decision
    if target.fallback:
        return Decision(refusal=failed(*codes.POL2_REFUSES, "the profile is the fall-back profile", iccid))
    if has_rule(target, "DELETE", NOT_ALLOWED):
        return Decision(refusal=failed(*codes.POL2_REFUSES, "POL2 does not allow deleting the profile", iccid))
    if target.state == ENABLED:
        sentence = "the profile is Enabled; disable it first"
        return Decision(refusal=failed(*codes.PROFILE_STATE, sentence, iccid))
    return decision
