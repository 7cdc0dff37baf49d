"""The channel of one card: every command to it, one at a time, by SMS or HTTPS (SGP.02 2.4.3, 4.1.1; ES5).

One procedure per card that never ends. It owns what must not be used twice (SCP80 counter, concatenated scripts,
the step of an HTTPS session) and turns silence into an outcome. Rules it keeps:

* a counter is committed before the packet leaves; a repeat sends the same packet, so the card runs it once;
* the answer to a POST is committed before it leaves; a POST that is repeated gets the same answer;
* no answer is `unknown`, never a failure; `unreachable` and `rejected` are said only when nothing can have run.
"""

from __future__ import annotations

from typing import assert_never

from ferryman.contracts import crypto, es5
from ferryman.platform.procedure import (
    Answered,
    Begin,
    Context,
    Event,
    Received,
    Signalled,
    Step,
    TimerFired,
)
from ferryman.sm_sr.procedures import (
    channel_https,
    channel_notification,
    channel_plan,
    channel_proof,
    channel_sms,
    shown_keys,
)
from ferryman.sm_sr.procedures.channel_state import WAIT, Channel, Effects
from ferryman.sm_sr.procedures.delivery import Cancel, Command, Outcome, OutcomeKind, Settled
from ferryman.sm_sr.procedures.structs import replace


def step(state: Channel, event: Event, context: Context) -> Step[Channel]:
    """One event of the card's channel."""
    effects = Effects(context)
    state = _handle(state, event, effects)
    state = channel_sms.pump(state, effects)
    if effects.session_lost:
        state = replace(state, bound=None)
    return Step(state, effects.all())


def _handle(state: Channel, event: Event, effects: Effects) -> Channel:
    match event:
        case Signalled(_, Command() as command):
            return channel_plan.enter(state, command, effects)
        case Signalled(_, Cancel(command_id=command_id)):
            return _withdraw(state, command_id, effects)
        case Signalled(_, Settled(command_id=command_id)):
            return channel_https.settled(channel_sms.settled(state, command_id, effects), command_id, effects)
        case Received(_, body):
            return _received(state, body, effects)
        case Answered(tag):
            return _answered(state, tag, event, effects)
        case TimerFired(name):
            return _timer(state, name, effects)
        case Begin() | Signalled():
            return state
        case _:
            assert_never(event)


def _withdraw(state: Channel, command_id: str, effects: Effects) -> Channel:
    undecided = (p.command for p in state.pending if not p.aloft)
    queued = [c for c in (*undecided, *state.sms_queue, *state.https_queue) if c.id == command_id]
    if queued:
        state = channel_plan.forget(state, command_id, effects)
    for command in queued:
        effects.outcome(
            command.owner, Outcome(command_id=command_id, kind=OutcomeKind.UNREACHABLE, detail="withdrawn")
        )
    return replace(
        state,
        sms_queue=tuple(c for c in state.sms_queue if c.id != command_id),
        https_queue=tuple(c for c in state.https_queue if c.id != command_id),
    )


def _received(state: Channel, body: object, effects: Effects) -> Channel:
    match body:
        case es5.SMSReceived():
            return channel_proof.received(state, body, effects)
        case es5.SMSReceipt():
            state, told = channel_sms.receipt(state, body, effects)
            return channel_plan.receipt(state, told, effects) if told is not None else state
        case es5.SMSAccepted():
            return state  # a hint; only the card's own answer counts
        case es5.SMSRejected():
            state, refused = channel_sms.rejected(state, body, effects)
            return channel_plan.consult(state, refused, effects) if refused is not None else state
        case es5.HTTPSPosted():
            is_new = body.session_id != state.session
            if is_new and effects.euicc is not None:
                effects.add(shown_keys.by_session(effects.euicc, body.key_version, effects.facts.holder_kind))
            state = channel_https.posted(state, body, effects)
            return channel_plan.session(state, effects) if is_new else state
        case es5.HTTPSClosed():
            return channel_https.closed(state, body, effects)
        case _:
            return state


def _answered(state: Channel, tag: str, event: Answered, effects: Effects) -> Channel:
    if tag.startswith(channel_plan.PLAN):
        return channel_plan.answered(state, tag, event, effects)
    if tag == shown_keys.SHOWN:
        return state
    match event.reply:
        case crypto.SCP80Wrapped(packet=packet):
            return channel_sms.wrapped(state, packet, effects)
        case crypto.SCP80Response() as response:
            state, refused = channel_proof.opened(state, response, effects)
            return channel_plan.consult(state, refused, effects) if refused is not None else state
        case crypto.SCP80Command() as command:
            return channel_notification.opened(state, command, effects)
        case _:
            refusal = event.refusal
            detail = f"{refusal.code} {refusal.message}" if refusal is not None else "no answer"
            effects.audit(f"SCP80 {tag}", "refused", detail)
            return channel_sms.unwrappable(state, effects, detail) if tag == channel_sms.WRAP else state


def _timer(state: Channel, name: str, effects: Effects) -> Channel:
    if name.startswith(WAIT):
        return channel_plan.waited(state, name, effects)
    if name == channel_sms.TIMER:
        return _silence(state, effects)
    state, waiting = channel_https.timer(state, name, effects)
    for one in waiting:
        state = channel_plan.consult(state, one, effects)
    return state


def _silence(state: Channel, effects: Effects) -> Channel:
    state, silent = channel_sms.silence(state, effects)
    return channel_plan.consult(state, silent, effects) if silent is not None else state
