"""What a call left open is settled with the card later (SGP.02 5.1.1: a late result goes into the EIS alone).

One procedure per card that never ends. A change or deletion whose last word never came leaves a doubt here; the
card is asked for all its ISD-Ps, under each of its numbers in turn and less and less often, until it answers.
Nothing is asked, and no answer believed, while another operation has the card.
"""

from __future__ import annotations

import msgspec

from ferryman.codec import ids
from ferryman.errors import PeerError
from ferryman.platform.procedure import Audit, Context, Event, SetTimer, Signal, Signalled, Step, TimerFired
from ferryman.sm_sr.procedures.audit_card import Page, Question, audit_script, correct, read_page
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Command, Outcome, deliver
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import EUICC, Facts

KIND = "settle"
LOOK = "look"  # timer: ask the card
FIRST_LOOK = 60.0  # s from the doubt to the first question
LAST_LOOK = 86_400.0  # s; no more than one question a day to a card that stays silent


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """The EIS may not be what the card is."""


class SettleState(msgspec.Struct, frozen=True, kw_only=True):
    """`open` while nobody knows; `question` while the card is asked; `asked_about` the EIS at that moment."""

    open: bool = False
    delay: float = FIRST_LOOK
    sent: int = 0
    question: Question | None = None
    asked_about: tuple[tuple[bytes, str], ...] = ()


def doubt(eid: str) -> Signal:
    """The effect that leaves a doubt about a card."""
    return Signal(f"{KIND}/{eid}", Doubt(), kind=KIND, initial=SettleState())


def step(state: SettleState, event: Event, context: Context) -> Step[SettleState]:
    """One step."""
    match event:
        case Signalled(_, Doubt()) if state.open and state.question is None and state.delay == FIRST_LOOK:
            return Step(state)  # the card is asked soon; who makes doubts again and again cannot put that off
        case Signalled(_, Doubt()):
            state = replace(state, open=True, delay=FIRST_LOOK)
            return Step(state, (SetTimer(LOOK, context.now + FIRST_LOOK),))
        case TimerFired() if state.open:
            return _look(state, context)
        case Signalled(_, Outcome() as outcome) if state.question and outcome.command_id == _id(state, context):
            return _told(state, state.question, outcome, context)
        case _:
            return Step(state)


def _id(state: SettleState, context: Context) -> str:
    return f"{context.procedure_id}/{state.sent}"


def _look(state: SettleState, context: Context) -> Step[SettleState]:
    facts: Facts = context.facts
    if facts.euicc is None:
        return Step(replace(state, open=False, question=None))
    if facts.holder:
        return Step(state, (SetTimer(LOOK, context.now + FIRST_LOOK),))
    return _ask(replace(state, asked_about=_snapshot(facts.euicc)), Question(), facts.euicc, context)


def _ask(state: SettleState, question: Question, card: EUICC, context: Context) -> Step[SettleState]:
    facts: Facts = context.facts
    state = replace(state, sent=state.sent + 1, question=question)
    # Nobody knows under which subscription the card is.
    numbers = [p.msisdn for p in sorted(card.profiles, key=lambda p: p != card.enabled) if p.msisdn]
    command = Command(
        id=_id(state, context),
        owner=context.procedure_id,
        tlvs=audit_script(question),
        target_aid=ids.ISDR_AID,
        transport=facts.effective.transport,
        more_to_do=question.chained,
        chain=question.chained,
        destination=numbers[(state.sent - 1) % len(numbers)] if numbers else "",
    )
    # A command that is lost without an outcome must not end the asking.
    again = SetTimer(LOOK, context.now + LAST_LOOK)
    return Step(state, (deliver(command, context.eid, Channel()), again))


def _told(state: SettleState, question: Question, outcome: Outcome, context: Context) -> Step[SettleState]:
    facts: Facts = context.facts
    card = facts.euicc
    if card is None:
        return Step(replace(state, open=False, question=None))
    try:
        page = read_page(question, outcome)
    except PeerError:
        return _later(state, context)
    if facts.holder or _snapshot(card) != state.asked_about:
        # Another operation came between: what the card said may be history.
        return Step(replace(state, question=None), (SetTimer(LOOK, context.now + FIRST_LOOK),))
    if page.follow is not None:
        return _ask(state, page.follow, card, context)
    return _settled(state, card, page, context)


def _later(state: SettleState, context: Context) -> Step[SettleState]:
    delay = min(2 * state.delay, LAST_LOOK)
    return Step(replace(state, question=None, delay=delay), (SetTimer(LOOK, context.now + delay),))


def _settled(state: SettleState, card: EUICC, page: Page, context: Context) -> Step[SettleState]:
    _, effects = correct(card, page)
    done = Audit("0500 eUICCCapabilityAudit", "done", object=context.eid, detail="an open outcome is settled")
    return Step(replace(state, open=False, question=None, asked_about=()), (*effects, done))


def _snapshot(card: EUICC) -> tuple[tuple[bytes, str], ...]:
    return tuple((p.aid, p.state) for p in card.profiles)
