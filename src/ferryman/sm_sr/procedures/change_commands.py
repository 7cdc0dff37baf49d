"""Commands of a profile change: ES5.EnableProfile, DisableProfile, DeleteProfile, confirmation, questions."""

from __future__ import annotations

from collections.abc import Iterable

from ferryman.codec import ids, isdr, ota_script
from ferryman.errors import PeerError
from ferryman.platform.procedure import Context, Effect, SetTimer, Step
from ferryman.sm_sr.procedures.card_state import apdus_of, states_told
from ferryman.sm_sr.procedures.change_state import (
    ASK_LATER,
    ASKING,
    CHANGING,
    COMMANDED,
    DELETING,
    LOOKING,
    SW_NOT_FOUND,
    State,
    card_of,
    command_id,
    effective_of,
    profile_of,
)
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Command, Outcome, deliver
from ferryman.sm_sr.procedures.notification import confirmation, names_failed
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import EUICC


def _to_isdr(state: State, context: Context, *apdus: bytes, destination: str = "") -> Effect:
    command = Command(
        id=command_id(state, context),
        owner=context.procedure_id,
        tlvs=tuple(ota_script.c_apdu(apdu) for apdu in apdus),
        target_aid=ids.ISDR_AID,
        transport=effective_of(context).transport,
        destination=destination,
    )
    return deliver(command, context.eid, Channel())


def change(state: State, context: Context) -> Step[State]:
    """EnableProfile of the target, or DisableProfile of the one it takes the place of (4.1.1.2, 4.1.1.3)."""
    state = replace(state, phase=COMMANDED, sent=state.sent + 1, attempts=state.attempts + 1)
    apdu = isdr.enable_profile(state.target) if state.enables else isdr.disable_profile(state.previous)
    return Step(state, (_to_isdr(state, context, apdu),))


def wait(state: State, context: Context) -> Step[State]:
    """The card changes now and will notify; asking at once would only collide."""
    timeout = effective_of(context).change_timeout
    state = replace(state, phase=CHANGING, begun=context.now)
    return Step(state, (SetTimer(ASK_LATER, context.now + timeout),))


def confirm(state: State, context: Context) -> Step[State]:
    """HandleNotificationConfirmation of what the card told last; twice is harmless, the card acts once."""
    found = state.confirmed if state.returned is None else state.returned
    if found is None:
        return Step(state)
    state = replace(state, sent=state.sent + 1)
    enabled = state.previous if names_failed(found, context) else found.aid
    command = confirmation(command_id(state, context), found, context, enabled)
    return Step(state, (deliver(command, context.eid, Channel()),))


def ask(state: State, context: Context, *, under: bytes = b"") -> Step[State]:
    """GET STATUS of both ends of the change; a POL1 "delete when disabled" takes the former one away.

    `under` is the ISD-P whose subscription the card is under, when that is known.
    """
    # Else each question goes to the other one.
    confirmed = state.confirmed is not None and state.returned is None
    under = under or (state.target if (state.asks % 2 == 0) == confirmed else state.previous)
    profile = profile_of(under, context)
    state = replace(state, phase=ASKING, sent=state.sent + 1, asks=state.asks + 1)
    apdus = [isdr.get_status(aid) for aid in asked_about(state, card_of(context))]
    destination = profile.msisdn if profile is not None else ""
    return Step(state, (_to_isdr(state, context, *apdus, destination=destination),))


def asked_about(state: State, card: EUICC | None) -> list[bytes]:
    """ISD-Ps that a question is about, in its order: a script stops at the first error, and the former one may be
    gone. A notification that may be a replay may tell of a third one."""
    aids = [state.target, state.previous]
    told = state.returned
    if told is not None and told.replayable and card is not None and card.by_aid(told.aid) is not None:
        aids.insert(1, told.aid)
    return list(dict.fromkeys(filter(None, aids)))


def told(state: State, outcome: Outcome, card: EUICC | None) -> tuple[dict[bytes, int], list[bytes]]:
    """The answer to a question: ISD-Ps as the card has them, and the former one when it says that it is gone."""
    try:
        apdus = apdus_of(outcome)
        states = states_told(apdus)
    except PeerError:
        return {}, []
    answers = zip(asked_about(state, card), apdus, strict=False)
    return states, [aid for aid, (_, sw) in answers if sw == SW_NOT_FOUND and aid == state.previous]


def delete(state: State, context: Context, before: Iterable[Effect] = ()) -> Step[State]:
    """DeleteProfile (4.1.1.5)."""
    state = replace(state, phase=DELETING, sent=state.sent + 1, deletions=state.deletions + 1)
    apdu = isdr.delete_profile(state.doomed)
    return Step(state, (*before, _to_isdr(state, context, apdu, destination=_now_at(state, context))))


def look(state: State, context: Context) -> Step[State]:
    """Whether the ISD-P is still there is the card's to say."""
    state = replace(state, phase=LOOKING, sent=state.sent + 1)
    apdu = isdr.get_status(state.doomed)
    return Step(state, (_to_isdr(state, context, apdu, destination=_now_at(state, context)),))


def _now_at(state: State, context: Context) -> str:
    """The card's number after a change; the channel sees the former EIS still in this same step."""
    target = profile_of(state.target, context)
    return target.msisdn if target is not None else ""
