"""What an SM-SR change left undone on the card is done later (SGP.02 3.8; ES5.FinaliseISDRhandover, 4.1.1.10).

One procedure per card that never ends. The former SM-SR's keys, or its address, are still on a card that is ours:
the command is sent again, less and less often, until the card has carried it out or a month has passed; then an
alarm says that a person must look. Nothing is sent while another operation has the card.
"""

from __future__ import annotations

import msgspec

from ferryman.codec import ids, ota_script
from ferryman.errors import PeerError
from ferryman.platform.procedure import (
    Audit,
    CancelTimer,
    Context,
    Effect,
    Event,
    SetTimer,
    Signal,
    Signalled,
    Step,
    TimerFired,
)
from ferryman.sm_sr.euicc_type import KEPT
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Command, Outcome, OutcomeKind, cancel, deliver, single
from ferryman.sm_sr.procedures.other_smsr import carried_out, keep_only, our_address, own_keys
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import EUICC, Facts

KIND = "owed"
KEYS, ADDRESS = "keys", "address"  # what is owed
WORDS = {KEYS: "the keys of the other SM-SR", ADDRESS: "the address of the former SM-SR"}
NAMES = {KEYS: "0900 FinaliseISDRhandover", ADDRESS: "UpdateSMSRAddressingParameters"}
AGAIN = "again"  # timer
BUSY = 60.0  # s until the next look at a card that another operation has
FIRST, LAST = 600.0, 86_400.0  # s between two attempts: from ten minutes, doubled up to a day
GIVE_UP = 30 * 86_400.0  # s; a card that has not done it in a month will not do it by itself


class Owe(msgspec.Struct, frozen=True, kw_only=True):
    """These are still to be done."""

    duties: tuple[str, ...]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """`duties` in their order; `waiting`: the card was told the first one and has not answered."""

    duties: tuple[str, ...] = ()
    until: float = 0.0
    delay: float = FIRST
    sent: int = 0
    at: int = 0  # which of the commands of the first duty
    waiting: bool = False


def owe(eid: str, *duties: str) -> Signal:
    """The effect that leaves duties for a card."""
    return Signal(f"{KIND}/{eid}", Owe(duties=duties), kind=KIND, initial=State())


def step(state: State, event: Event, context: Context) -> Step[State]:
    """One step."""
    match event:
        case Signalled(_, Owe(duties=duties)):
            all_of_them = tuple(one for one in WORDS if one in (*state.duties, *duties))
            state = replace(state, duties=all_of_them, until=context.now + GIVE_UP, delay=FIRST, at=0)
            return Step(state, (SetTimer(AGAIN, context.now + FIRST),))
        case TimerFired() if state.duties:
            return _attempt(state, context)
        case Signalled(_, Outcome() as outcome) if state.waiting and outcome.command_id == _id(state, context):
            return _told(replace(state, waiting=False), outcome, context)
        case _:
            return Step(state)


def _id(state: State, context: Context) -> str:
    return f"{context.procedure_id}/{state.sent}"


def _attempt(state: State, context: Context) -> Step[State]:
    facts: Facts = context.facts
    if facts.euicc is None:
        return Step(replace(state, duties=(), waiting=False))  # it went to another SM-SR, whose matter it is now
    if context.now >= state.until:
        return _give_up(state, context)
    if facts.holder:
        return Step(state, (SetTimer(AGAIN, context.now + BUSY),))
    apdus = _apdus(state.duties[0], facts.euicc, context)
    if not apdus:
        return _done(state, "no longer wanted", context)
    state = replace(state, at=min(state.at, len(apdus) - 1))  # the eUICC type may say something else by now
    # One that is still to be sent, or whose outcome was lost, is replaced.
    former = (cancel(_id(state, context), context.eid),) if state.waiting else ()
    state = replace(state, sent=state.sent + 1, waiting=True)
    command = Command(
        id=_id(state, context),
        owner=context.procedure_id,
        tlvs=(ota_script.c_apdu(apdus[state.at]),),
        target_aid=ids.ISDR_AID,
        transport=facts.effective.transport,
    )
    return Step(state, (*former, deliver(command, context.eid, Channel()), SetTimer(AGAIN, context.now + LAST)))


def _apdus(duty: str, card: EUICC, context: Context) -> tuple[bytes, ...]:
    facts: Facts = context.facts
    if duty == KEYS:
        return keep_only(own_keys(card), facts.effective.finalise_lists)
    address = our_address(facts.settings)
    return (address,) if address else ()


def _told(state: State, outcome: Outcome, context: Context) -> Step[State]:
    try:
        sw = single(outcome)[1] if outcome.kind is OutcomeKind.ANSWERED else 0
    except PeerError:
        sw = 0
    facts: Facts = context.facts
    if carried_out(sw, facts.effective.finalise_lists if state.duties[0] == KEYS else KEPT):
        left = facts.euicc is not None and state.at + 1 < len(_apdus(state.duties[0], facts.euicc, context))
        if left:
            return Step(replace(state, at=state.at + 1, delay=FIRST), (SetTimer(AGAIN, context.now),))
        return _done(state, "done after the change", context)
    if context.now >= state.until:
        return _give_up(state, context)
    delay = min(2 * state.delay, LAST)
    return Step(replace(state, delay=delay), (SetTimer(AGAIN, context.now + delay),))


def _done(state: State, word: str, context: Context) -> Step[State]:
    duty, *rest = state.duties
    done = Audit(NAMES[duty], "done", object=context.eid, detail=word)
    state = replace(state, duties=tuple(rest), delay=FIRST, at=0)
    if not rest:
        return Step(state, (done, CancelTimer(AGAIN)))
    return Step(state, (done, SetTimer(AGAIN, context.now)))


def _give_up(state: State, context: Context) -> Step[State]:
    effects: list[Effect] = [
        Audit(NAMES[duty], "alarm", object=context.eid, detail=f"given up: {WORDS[duty]} may be on the card")
        for duty in state.duties
    ]
    if state.waiting:
        effects.append(cancel(_id(state, context), context.eid))
    return Step(replace(state, duties=(), waiting=False), (*effects, CancelTimer(AGAIN)))
