"""Who may do what to which profile, and what POL2 says: SGP.02 5.4 table, 3.2 to 3.11 (pure, fail-closed).

`decide` is the one place. A function that is carried out and a dry run of it get the same `Verdict`. What the
EIS says and this module does not understand (an unknown rule, two Enabled profiles) forbids. POL1 is the card's
own: it may still refuse what is allowed here (8.2.2/3.8).
"""

from __future__ import annotations

from ferryman.contracts import codes
from ferryman.contracts.eis import PolicyRule
from ferryman.contracts.status import failed
from ferryman.sm_sr.euicc_type import DISABLE_FIRST, REFUSE, Effective
from ferryman.sm_sr.records import CREATED, DISABLED, ENABLED, EUICC, IN_CREATION, ISDP
from ferryman.sm_sr.verdict import Action as Action
from ferryman.sm_sr.verdict import Decision as Decision
from ferryman.sm_sr.verdict import Deed as Deed
from ferryman.sm_sr.verdict import Function as Function
from ferryman.sm_sr.verdict import Question as Question
from ferryman.sm_sr.verdict import Verdict as Verdict
from ferryman.sm_sr.verdict import World as World

NOT_ALLOWED = "Not-Allowed"
AUTO_DELETE = "Auto-Delete"
ENABLE, DISABLE, DELETE = "ENABLE", "DISABLE", "DELETE"
RULES = frozenset(((DISABLE, NOT_ALLOWED), (DELETE, NOT_ALLOWED), (DISABLE, AUTO_DELETE)))
MAX_RULES = 16  # there are three different rules; a longer list is no policy but a mistake
IMSI_DIGITS = range(6, 16)  # 3GPP TS 23.003 2.2
MSISDN_DIGITS = range(3, 16)  # SGP.02 Annex A


def decide(question: Question, world: World) -> Verdict:
    """Table 5.4 and its neighbours; no state of the world and no question raises."""
    match question.function:
        case Function.CREATE:
            return _create(question, world)
        case Function.AUDIT:
            return _audit(question, world)
        case _:
            return _on_profile(question, world)


def _on_profile(question: Question, world: World) -> Verdict:
    card = world.card
    found = find_target(card, question.iccid, question.requester, world.elsewhere, world.granted)
    target = found.target
    if target is None or card is None:
        address = question.function is Function.UPDATE_ADDRESS and found.refusal is not None
        if address and found.refusal is not None and found.refusal.code == _code(codes.ICCID_NOT_ALLOWED):
            return _no(codes.SUBSCRIPTION_ADDRESS_NOT_ALLOWED, found.refusal.message, question.iccid)
        return found
    match question.function:
        case Function.ENABLE:
            return _enable(card, target)
        case Function.DISABLE:
            return _disable(card, target)
        case Function.DELETE:
            return _delete(card, target, disable_first=world.effective.delete_enabled == DISABLE_FIRST)
        case Function.MASTER_DELETE:
            return _master_delete(target)
        case Function.UPDATE_POLICY:
            return _update_policy(target, question.pol2)
        case Function.UPDATE_ADDRESS:
            return _update_address(target, question)
        case Function.SET_FALLBACK:
            return _set_fallback(target)
        case _:
            return _connectivity(target)


# -- who ---------------------------------------------------------------------------------------------------------


def has_right(profile: ISDP | None, requester: str) -> bool:
    """Whether the requester is the profile's owner or its SM-DP."""
    return profile is not None and requester in (profile.smdp_id, profile.owner) and bool(requester)


def find_target(
    card: EUICC | None,
    iccid: str,
    requester: str,
    elsewhere: ISDP | None = None,
    granted: frozenset[str] = frozenset(),
) -> Verdict:
    """The profile, if this requester (its SM-DP or owner) may act on it.

    To a party without any right a profile of somebody else is like one that does not exist (8.2.1/3.9). Who has
    a right on that profile learns that it is on another eUICC (3.4); who has one on this eUICC, that the profile
    is not his (1.2).
    """
    if card is None:
        return _no(codes.EID_UNKNOWN, "no eUICC with this EID")
    target = card.by_iccid(iccid)
    if target is None or target.state == IN_CREATION:
        if target is None and has_right(elsewhere, requester):
            return _no(codes.ICCID_OTHER_EUICC, "the profile is on another eUICC", iccid)
        return _no(codes.ICCID_UNKNOWN, "no profile with this ICCID", iccid)
    if not has_right(target, requester) and iccid not in granted:
        if any(has_right(p, requester) for p in card.profiles):
            return _no(codes.ICCID_NOT_ALLOWED, "the profile is not the requester's", iccid)
        return _no(codes.ICCID_UNKNOWN, "no profile with this ICCID", iccid)
    return Verdict(target=target)


# -- POL2 --------------------------------------------------------------------------------------------------------


def has_rule(profile: ISDP | None, action: str, qualification: str) -> bool:
    """Whether POL2 of the profile holds this rule."""
    if profile is None:
        return False
    return any(rule.action == action and rule.qualification == qualification for rule in profile.pol2)


def forbids(profile: ISDP | None, action: str) -> bool:
    """Whether POL2 keeps `action` from being done; a rule that nobody knows forbids everything."""
    return has_rule(profile, action, NOT_ALLOWED) or (profile is not None and not understood(profile.pol2))


def understood(pol2: tuple[PolicyRule, ...]) -> bool:
    """Whether each rule is one that this version knows the meaning of."""
    known = RULES | {(ENABLE, NOT_ALLOWED)}
    return all(rule.subject == "PROFILE" and (rule.action, rule.qualification) in known for rule in pol2)


def auto_deleted(profile: ISDP) -> bool:
    """Whether POL2 has the profile deleted once it is disabled (5.3); never the fall-back profile.

    DELETE/Not-Allowed beside DISABLE/Auto-Delete: it stays (docs/divergences.md).
    """
    return has_rule(profile, DISABLE, AUTO_DELETE) and not profile.fallback and not forbids(profile, DELETE)


def invalid_rule(pol2: tuple[PolicyRule, ...]) -> str:
    """A sentence about the first rule that means nothing in v3.2, or an empty string."""
    if len(pol2) > MAX_RULES:
        return f"more than {MAX_RULES} rules"
    for rule in pol2:
        if rule.subject != "PROFILE" or (rule.action, rule.qualification) not in RULES:
            return f"{rule.subject} {rule.action} {rule.qualification} is no rule of POL2"
    return ""


# -- the rows of the table ---------------------------------------------------------------------------------------


def _enable(card: EUICC, target: ISDP) -> Verdict:
    iccid = target.iccid
    if target.state != DISABLED:
        return _no(codes.PROFILE_STATE, f"the profile is {target.state}, not {DISABLED}", iccid)
    if forbids(target, ENABLE):
        return _no(codes.POL2_REFUSES, "POL2 does not allow enabling the profile", iccid)
    confused = _two_enabled(card)
    if confused is not None:
        return confused
    current = card.enabled
    if forbids(current, DISABLE):
        return _no(codes.POL2_REFUSES, "POL2 of the enabled profile does not allow disabling it", iccid)
    because = ["the profile is Disabled"]
    if current is not None:
        because.append(f"POL2 of the enabled profile {current.iccid} does not forbid to disable it")
    return Verdict(
        target=target, actions=(Action(Deed.ENABLE, iccid), *_after_disabling(current)), because=tuple(because)
    )


def _disable(card: EUICC, target: ISDP) -> Verdict:
    iccid = target.iccid
    if target.state != ENABLED:
        return _no(codes.PROFILE_STATE, f"the profile is {target.state}, not {ENABLED}", iccid)
    refused = _cannot_disable(card, target)
    if refused is not None:
        return refused
    because = ("the profile is Enabled", "the fall-back profile can take its place", "POL2 does not forbid it")
    return Verdict(
        target=target, actions=(Action(Deed.DISABLE, iccid), *_after_disabling(target)), because=because
    )


def _cannot_disable(card: EUICC, target: ISDP) -> Verdict | None:
    """Why an Enabled profile cannot be disabled; the card always enables the fall-back profile instead (5.5)."""
    if target.fallback:
        return _no(codes.EUICC_REFUSES, "the profile is the fall-back profile", target.iccid)
    fallback = [p for p in card.profiles if p.fallback]
    if len(fallback) != 1 or fallback[0].state != DISABLED:
        return _no(codes.EUICC_REFUSES, "there is no fall-back profile to change to", target.iccid)
    if forbids(target, DISABLE):
        return _no(codes.POL2_REFUSES, "POL2 does not allow disabling the profile", target.iccid)
    return _two_enabled(card)


def _delete(card: EUICC, target: ISDP, *, disable_first: bool) -> Verdict:
    iccid = target.iccid
    if target.state == CREATED:
        because: tuple[str, ...] = ("an ISD-P that was created and never completed may always be deleted",)
        return Verdict(target=target, actions=(Action(Deed.DELETE, iccid),), because=because)
    if target.fallback:
        return _no(codes.POL2_REFUSES, "the profile is the fall-back profile", iccid)
    if forbids(target, DELETE):
        return _no(codes.POL2_REFUSES, "POL2 does not allow deleting the profile", iccid)
    if target.state == DISABLED:
        because = (f"the profile is {target.state}", "it is not the fall-back profile", "POL2 does not forbid it")
        return Verdict(target=target, actions=(Action(Deed.DELETE, iccid),), because=because)
    if target.state != ENABLED or not disable_first:
        return _no(codes.PROFILE_STATE, f"the profile is {target.state}; disable it first", iccid)
    refused = _cannot_disable(card, target)
    if refused is not None:
        return refused
    because = ("the profile is Enabled and is disabled first", "POL2 forbids neither disabling nor deleting")
    actions = (Action(Deed.DISABLE, iccid), Action(Deed.DELETE, iccid))
    return Verdict(target=target, actions=actions, because=because)


def _master_delete(target: ISDP) -> Verdict:
    iccid = target.iccid
    if target.fallback:
        return _no(codes.EUICC_REFUSES, "the profile is the fall-back profile", iccid)
    if target.state != DISABLED:
        return _no(codes.PROFILE_STATE, f"the profile is {target.state}, not {DISABLED}", iccid)
    because = ("the profile is Disabled and not the fall-back profile", "MasterDelete looks at no policy")
    return Verdict(target=target, actions=(Action(Deed.MASTER_DELETE, iccid),), because=because)


def _set_fallback(target: ISDP) -> Verdict:
    iccid = target.iccid
    if target.fallback:
        return _no(codes.PROFILE_STATE, "the profile has the fall-back attribute already", iccid)
    if target.state not in (DISABLED, ENABLED):
        return _no(codes.PROFILE_STATE, f"the profile is {target.state}", iccid)
    because = ("the profile is installed",)
    return Verdict(target=target, actions=(Action(Deed.SET_FALLBACK, iccid),), because=because)


def may_take_fallback(card: EUICC, requester: str, granted: frozenset[str]) -> Verdict:
    """Whether the profile that has the attribute may lose it to this requester: its owner, or by his PLMA (v4)."""
    holder = next((p for p in card.profiles if p.fallback), None)
    if holder is None or has_right(holder, requester) or holder.iccid in granted:
        return Verdict(target=holder, because=("the fall-back profile is the requester's, or opened to it",))
    return _no(codes.ICCID_NOT_ALLOWED, "the fall-back profile's owner has not allowed it", holder.iccid)


def _connectivity(target: ISDP) -> Verdict:
    if target.state not in (DISABLED, ENABLED):
        return _no(codes.PROFILE_STATE, f"the profile is {target.state}", target.iccid)
    because = ("the profile is installed",)
    return Verdict(target=target, actions=(Action(Deed.CONNECTIVITY, target.iccid),), because=because)


def _update_policy(target: ISDP, pol2: tuple[PolicyRule, ...]) -> Verdict:
    problem = invalid_rule(pol2)
    if problem:
        return _no(codes.POL2_INVALID, problem, target.iccid)
    if target.state not in (DISABLED, ENABLED):
        return _no(codes.PROFILE_STATE, f"the profile is {target.state}", target.iccid)
    because = ("the requester is the profile's owner or SM-DP", "each rule has a meaning")
    return Verdict(target=target, actions=(Action(Deed.EIS, target.iccid),), because=because)


def _update_address(target: ISDP, question: Question) -> Verdict:
    imsi, msisdn = question.imsi, question.msisdn
    if not imsi and not msisdn:
        return _no(codes.SUBSCRIPTION_ADDRESS_MISSING, "neither IMSI nor MSISDN is given", target.iccid)
    for value, lengths, name in ((imsi, IMSI_DIGITS, "IMSI"), (msisdn, MSISDN_DIGITS, "MSISDN")):
        if value and not (value.isascii() and value.isdigit() and len(value) in lengths):
            sentence = f"the {name} is not {lengths.start} to {lengths.stop - 1} digits"
            return _no(codes.SUBSCRIPTION_ADDRESS_MISSING, sentence, target.iccid)
    because = ("the requester is the profile's owner or SM-DP",)
    return Verdict(target=target, actions=(Action(Deed.EIS, target.iccid),), because=because)


def _create(question: Question, world: World) -> Verdict:
    card, iccid = world.card, question.iccid
    if card is None:
        return _no(codes.EID_UNKNOWN, "no eUICC with this EID")
    if world.elsewhere is not None or card.by_iccid(iccid) is not None:
        return _no(codes.ICCID_IN_USE, "the ICCID is on a card already", iccid)
    if not world.effective.approved:
        return _no(codes.NOT_ELIGIBLE, "the eUICC type is not approved for new profiles", card.eid)
    if question.required_memory > card.remaining_memory:
        sentence = f"{question.required_memory} bytes asked for, {card.remaining_memory} free"
        return _no(codes.EUICC_MEMORY, sentence, card.eid)
    because = ("the ICCID is on no card", "the eUICC type is approved", "there is memory enough")
    return Verdict(actions=(Action(Deed.CREATE, iccid),), because=because)


def _audit(question: Question, world: World) -> Verdict:
    card = world.card
    if card is None:
        return _no(codes.EID_UNKNOWN, "no eUICC with this EID")
    there = [p for p in card.profiles if p.state != IN_CREATION]
    own = {p.iccid for p in there if has_right(p, question.requester) or p.iccid in world.granted}
    if not own:
        return _no(codes.EIS_NOT_ALLOWED, "the requester has no profile on this eUICC", card.eid)
    foreign = next((iccid for iccid in question.iccids if iccid not in own), None)
    if foreign is not None:
        return _no(codes.PROFILE_NOT_ALLOWED, "this profile is not the requester's", foreign)
    return Verdict(actions=(Action(Deed.AUDIT),), because=("the requester has a profile on this eUICC",))


def _after_disabling(profile: ISDP | None) -> tuple[Action, ...]:
    if profile is None or not auto_deleted(profile):
        return ()
    return (Action(Deed.AUTO_DELETE, profile.iccid),)


def _two_enabled(card: EUICC) -> Verdict | None:
    """An EIS with two Enabled profiles is wrong: nothing is changed on its word."""
    if sum(p.state == ENABLED for p in card.profiles) > 1:
        return _no(codes.EUICC_REFUSES, "the EIS has more than one Enabled profile; audit the eUICC", card.eid)
    return None


def _no(code: tuple[str, str], sentence: str, identifier: str = "") -> Verdict:
    return Verdict(refusal=failed(*code, sentence, identifier), because=(sentence,))


def _code(pair: tuple[str, str]) -> str:
    return "/".join(pair)


# -- as the procedures ask ---------------------------------------------------------------------------------------


def may_enable(
    card: EUICC | None,
    iccid: str,
    requester: str,
    elsewhere: ISDP | None = None,
    granted: frozenset[str] = frozenset(),
) -> Verdict:
    """Table 5.4, rows `enable t`."""
    return decide(Question(Function.ENABLE, requester, iccid), World(card, Effective(), elsewhere, granted))


def may_disable(
    card: EUICC | None,
    iccid: str,
    requester: str,
    elsewhere: ISDP | None = None,
    granted: frozenset[str] = frozenset(),
) -> Verdict:
    """Table 5.4, rows `disable t`."""
    return decide(Question(Function.DISABLE, requester, iccid), World(card, Effective(), elsewhere, granted))


def may_delete(
    card: EUICC | None,
    iccid: str,
    requester: str,
    elsewhere: ISDP | None = None,
    granted: frozenset[str] = frozenset(),
    *,
    disable_first: bool = False,
) -> Verdict:
    """Table 5.4, rows `delete t`; an ISD-P in state Created may always be deleted by its SM-DP."""
    view = Effective(delete_enabled=DISABLE_FIRST if disable_first else REFUSE)
    return decide(Question(Function.DELETE, requester, iccid), World(card, view, elsewhere, granted))
