"""ES4.PrepareSMSRChange (SGP.02 3.8, 5.5.8): the new SM-SR remembers from whom a card may come, for some time."""

from __future__ import annotations

import msgspec

from ferryman.contracts import codes
from ferryman.contracts.es4 import ES4PrepareSMSRChange, ES4PrepareSMSRChangeResponse
from ferryman.contracts.status import SUCCESS, ExecutionStatus, expired, failed
from ferryman.platform.procedure import Apply, Audit, Begin, Context, Done, Event, Reply, Step, TimerFired
from ferryman.sm_sr.records import Facts, Prepare

LIFETIME = 7 * 86_400.0  # s that a preparation is good for; the Operator starts the change himself


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of one ES4.PrepareSMSRChange."""

    request: ES4PrepareSMSRChange
    requester: str


def step(state: State, event: Event, context: Context) -> Step[State]:
    """One step: the whole procedure."""
    match event:
        case Begin():
            return _begin(state, context)
        case TimerFired():
            return _end(state, expired("the validity period ended"))
        case _:
            return Step(state)


def _begin(state: State, context: Context) -> Step[State]:
    facts: Facts = context.facts
    current = state.request.current_smsr_id
    if facts.euicc is not None or current == facts.settings.smsr_id:
        sentence = "this SM-SR manages the eUICC already"
        return _end(state, failed(*codes.NOT_PREPARED_FOR_CHANGE, sentence, state.request.eid))
    if current not in facts.links.smsrs:
        sentence = "no ES7 link to the current SM-SR"
        return _end(state, failed(*codes.NOT_PREPARED_FOR_CHANGE, sentence, current))
    change = Prepare(current, state.requester, context.now + LIFETIME)
    ended = _end(state, SUCCESS)
    return Step(state, (Apply(change), *ended.effects))


def _end(state: State, status: ExecutionStatus) -> Step[State]:
    outcome = "done" if status.ok else "failed"
    audit = Audit("PrepareSMSRChange", outcome, object=state.request.current_smsr_id, detail=status.code)
    return Step(state, (audit, Reply(ES4PrepareSMSRChangeResponse(status=status)), Done()))
