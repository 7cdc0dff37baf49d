"""A decision in words: what would happen, in order, and why (pure). Nothing here decides."""

from __future__ import annotations

from ferryman.contracts.status import SUCCESS, ExecutionStatus
from ferryman.sm_sr.owners import Change, Interface, notices
from ferryman.sm_sr.policy import auto_deleted
from ferryman.sm_sr.records import DISABLED, ENABLED, EUICC, ISDP, Links
from ferryman.sm_sr.verdict import Action, Deed, Question, Verdict, World

POL1 = "POL1 is on the card and not known here: the card may still refuse (8.2.2/3.8)"
ASKING_POL1 = frozenset((Deed.ENABLE, Deed.DISABLE, Deed.DELETE, Deed.AUTO_DELETE))


def status(verdict: Verdict) -> ExecutionStatus:
    """The status of the verdict: the refusal, or success as far as the SM-SR is concerned."""
    return verdict.refusal or SUCCESS


def explain(
    question: Question, world: World, verdict: Verdict, *, busy: str = "", links: Links, reader: str = ""
) -> tuple[str, ...]:
    """Sentences: the decision and its reasons, then each deed with what follows, then who would be told.

    A `reader` (Mno-id) learns nothing of the profiles of others but that there are some.
    """
    name = question.function.value
    if verdict.refusal is not None:
        refusal = verdict.refusal
        about = f" ({refusal.identifier})" if refusal.identifier else ""
        return (f"{name} would be refused with {refusal.code}: {refusal.message}{about}.",)
    words = [f"{name} would be carried out: {'; '.join(verdict.because)}."]
    if busy:
        words.append(f"It would wait until {busy} has ended, at most for its validity period, else 1.2/4.4.")
    card = world.card
    words += [_deed(action, card) for action in verdict.actions]
    if any(action.deed in ASKING_POL1 for action in verdict.actions):
        words.append(POL1 + ".")
    if card is not None:
        words += _told(changes(verdict, card), question.requester, links, reader)
    return tuple(_hidden(sentence, card, reader) for sentence in words)


def _hidden(sentence: str, card: EUICC | None, reader: str) -> str:
    """The sentence without the names of what the reader does not see."""
    if card is not None and reader:
        for profile in card.profiles:
            if profile.owner != reader:
                sentence = sentence.replace(profile.iccid, "(another's)")
    return sentence


def changes(verdict: Verdict, card: EUICC) -> tuple[Change, ...]:
    """What the states of the EIS become when all goes well."""
    found: list[Change] = []
    for action in verdict.actions:
        target = card.by_iccid(action.iccid)
        if target is None:
            continue
        match action.deed:
            case Deed.ENABLE:
                found += [Change(target, ENABLED), *_others(card, target)]
            case Deed.DISABLE:
                found += [Change(target, DISABLED), *_fallback(card)]
            case Deed.DELETE | Deed.AUTO_DELETE | Deed.MASTER_DELETE:
                found.append(Change(target, None))
            case _:
                pass
    return tuple(found)


def _others(card: EUICC, target: ISDP) -> list[Change]:
    return [Change(p, DISABLED) for p in card.profiles if p.state == ENABLED and p.aid != target.aid]


def _fallback(card: EUICC) -> list[Change]:
    return [Change(p, ENABLED) for p in card.profiles if p.fallback]


def _deed(action: Action, card: EUICC | None) -> str:
    iccid = action.iccid
    current = card.enabled if card is not None else None
    match action.deed:
        case Deed.CREATE:
            return f"An ISD-P for {iccid} is created on the card (ES5.CreateISDP)."
        case Deed.ENABLE:
            before = f" and {current.iccid} becomes Disabled" if current is not None else ""
            return (
                f"The card enables {iccid} (ES5.EnableProfile), attaches with it and notifies us; once that is"
                f" confirmed it is Enabled in the EIS{before}. Without connectivity the card rolls back."
            )
        case Deed.DISABLE:
            fallback = next((p.iccid for p in card.profiles if p.fallback), "") if card is not None else ""
            return f"The card disables {iccid} (ES5.DisableProfile) and enables the fall-back profile {fallback}."
        case Deed.DELETE:
            return f"The card deletes {iccid} with its ISD-P (ES5.DeleteProfile)."
        case Deed.AUTO_DELETE:
            return (
                f"POL2 of {iccid} says Auto-Delete: unless the card's POL1 has deleted it, the card is told"
                " to (ES5.DeleteProfile). Should that fail, the answer is a warning."
            )
        case Deed.MASTER_DELETE:
            return (
                f"With a token of its SM-DP the card deletes {iccid} whatever its policy says (ES5.MasterDelete)."
            )
        case Deed.SET_FALLBACK:
            return f"The fall-back attribute goes to {iccid} (ES5.SetFallbackAttribute)."
        case Deed.CONNECTIVITY:
            return (
                f"The parameters are handed to the ISD-P of {iccid} unchanged (ES8.UpdateConnectivityParameters)."
            )
        case Deed.AUDIT:
            return (
                "The card is asked for its profiles and memory, and the EIS corrected (ES5.eUICCCapabilityAudit)."
            )
        case Deed.EIS:
            return f"The EIS of {iccid} is changed; the card is not asked."


def _told(found: tuple[Change, ...], requester: str, links: Links, reader: str) -> list[str]:
    words = []
    for notice in notices(found, requester, links):
        if reader not in ("", notice.owner):
            continue
        what = f"that {notice.iccid} is {notice.happened}"
        if notice.interface is Interface.NONE:
            words.append(f"Nobody can be told {what}: {notice.owner} has no link, nor has an SM-DP for it.")
        else:
            words.append(f"{notice.party} is told on {notice.interface} {what}, for {notice.owner}.")
    return words


def policy_of(profile: ISDP) -> tuple[str, ...]:
    """What POL2 of a profile means, a sentence for each rule."""
    words = []
    for rule in profile.pol2:
        match (rule.action, rule.qualification):
            case ("DISABLE", "Not-Allowed"):
                words.append("it must not be disabled, so no other can be enabled over it")
            case ("DELETE", "Not-Allowed"):
                words.append("it must not be deleted")
            case ("DISABLE", "Auto-Delete"):
                words.append("it is deleted once it is disabled" + _but(profile))
            case ("ENABLE", "Not-Allowed"):
                words.append("it must not be enabled")
            case _:
                words.append(
                    f"{rule.subject} {rule.action} {rule.qualification} is not understood and forbids all"
                )
    return tuple(words)


def _but(profile: ISDP) -> str:
    if auto_deleted(profile):
        return ""
    return ", but not as long as it is the fall-back profile or must not be deleted"
