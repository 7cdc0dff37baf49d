"""How a profile change or deletion ends: EIS, POL2 of the former profile, answer (SGP.02 3.2, 3.4, 3.6)."""

from __future__ import annotations

from collections.abc import Iterable

from ferryman.contracts import codes
from ferryman.contracts.status import SUCCESS, ExecutionStatus, failed, warning
from ferryman.platform.procedure import Apply, Audit, Context, Done, Effect, Step
from ferryman.sm_sr.policy import auto_deleted
from ferryman.sm_sr.procedures import change_commands as commands
from ferryman.sm_sr.procedures.change_state import State, answer, card_of, profile_of
from ferryman.sm_sr.procedures.delivery import CardNotification
from ferryman.sm_sr.procedures.notification import FELL_BACK, enabled_is, removed
from ferryman.sm_sr.procedures.settle import doubt
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import Contacted, RemoveISDP


def succeed(state: State, context: Context, gone: list[bytes]) -> Step[State]:
    """The card has made the change final; `gone` was deleted by POL1. What POL2 still asks for comes now."""
    effects: list[Effect] = []
    card = card_of(context)
    if card is not None:
        effects += enabled_is(state.target, card)
        effects += removed(gone, card)
    effects += _device(state.confirmed, state)
    state = replace(state, changed=True)
    previous = profile_of(state.previous, context)
    if state.deletes:
        if previous is None or previous.aid in gone:
            return finish(state, SUCCESS, effects)  # the card was quicker: its POL1 says the same
        done = Audit("0300 DisableProfile", "done", object=previous.iccid, detail="before its deletion")
        return commands.delete(replace(state, doomed=state.previous), context, (*effects, done))
    if previous is not None and previous.aid not in gone and auto_deleted(previous):
        done = Audit(state.name, "done", object=state.request.iccid)
        state = replace(state, doomed=state.previous)
        return commands.delete(state, context, (*effects, done))
    return finish(state, SUCCESS, effects)


def landed(state: State) -> bool:
    """The card tells that it fell back, and onto the very profile that was asked for."""
    return state.returned is not None and state.returned.type == FELL_BACK and state.returned.aid == state.target


def proven(found: CardNotification | None) -> bool:
    """Whether the card has told this, and now: it cannot be a replay."""
    return found is not None and not found.replayable


def hinted(state: State) -> bool:
    """Whether all that the card has told of this change may be replays, and something was told."""
    told = [found for found in (state.confirmed, state.returned) if found is not None]
    return bool(told) and not any(proven(found) for found in told)


def _device(found: CardNotification | None, state: State) -> list[Effect]:
    """The IMEI in one that may be a replay, when the card has taken the confirmation."""
    known = found is not None and found.imei and found.replayable and state.taken
    return [Apply(Contacted(found.imei.hex().upper()))] if found is not None and known else []


def go_back(state: State, context: Context, enabled: bytes = b"") -> Step[State]:
    """The card is where it was, or where the fall-back brought it; `enabled` is the ISD-P that it says is it."""
    card = card_of(context)
    found = state.returned
    effects: list[Effect] = []
    # A roll-back may name the profile that failed; a fall-back always names the one that is enabled now.
    believed = found is not None and (found.type == FELL_BACK or found.aid != state.target)
    if card is not None and enabled:
        effects = enabled_is(enabled, card) + _device(found, state)
    elif card is not None and (hinted(state) or state.taken) and not landed(state):
        effects = [doubt(context.eid)]  # neither of them, and what was told is no more than a hint
    elif card is not None and found is not None and believed and card.by_aid(found.aid) is not None:
        effects = enabled_is(found.aid, card) + _device(found, state)
    if landed(state) and not state.deletes:
        # What was asked for holds, though not by our change: no POL1 and no POL2 deletion follows (5.5, 7.14).
        sentence = "the change gave no connectivity, then the card fell back to the profile, which is enabled now"
        return finish(state, warning(*codes.NO_CONNECTIVITY, sentence, context.eid), effects)
    sentence = "the profile gave no connectivity and the card rolled back"
    return finish(state, failed(*codes.NO_CONNECTIVITY, sentence, context.eid), effects)


def delete_done(state: State, context: Context, *, known: bool = True) -> Step[State]:
    """The ISD-P is gone; `known` is false when the card never had it."""
    profile = profile_of(state.doomed, context)
    gone = Apply(RemoveISDP(state.doomed, profile.allocated_memory if profile is not None else 0))
    if state.deletes:
        status = SUCCESS if known else warning(*codes.ISDR_ERROR, "the card had no such ISD-P", context.eid)
        return finish(state, status, (gone,))
    detail = "POL2 Auto-Delete"
    audit = Audit("0400 DeleteISDP", "done", object=profile.iccid if profile is not None else "", detail=detail)
    return finish(state, SUCCESS, (gone, audit))


def delete_failed(state: State, context: Context, status: ExecutionStatus) -> Step[State]:
    """The ISD-P is still there. An Auto-Delete that fails does not undo the change (SGP.02 5.3)."""
    if state.deletes:
        return finish(state, status)
    detail = f"POL2 Auto-Delete: {status.code} {status.message}"
    alarm = Audit("0400 DeleteISDP", "alarm", object=_iccid(state, context), detail=detail)
    sentence = f"done, but the former profile was not deleted: {status.message}"
    return finish(state, warning(status.subject, status.reason, sentence, status.identifier), (alarm,))


def delete_unknown(state: State, context: Context) -> Step[State]:
    """Nobody waits any more and the card is silent: it is asked again outside this call."""
    detail = "the card did not answer"
    audit = Audit("0400 DeleteISDP", "unknown", object=_iccid(state, context), detail=detail)
    return Step(replace(state, replied=True), (audit, doubt(context.eid), Done()))


def _iccid(state: State, context: Context) -> str:
    profile = profile_of(state.doomed, context)
    return profile.iccid if profile is not None else state.request.iccid


def finish(state: State, status: ExecutionStatus, effects: Iterable[Effect] = ()) -> Step[State]:
    """The end with its audit record; the first answer to the caller stands."""
    outcome = "done" if status.ok else "failed"
    audit = Audit(state.name, outcome, object=state.request.iccid, detail=status.code)
    reply = () if state.replied else (answer(state, status),)
    return Step(replace(state, replied=True), (*effects, audit, *reply, Done()))
