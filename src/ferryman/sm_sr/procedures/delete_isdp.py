"""ES3.DeleteISDP (SGP.02 3.6, 5.4.10; ES5.DeleteProfile), also clean-up after a failed download (3.1.4, 3.1.5)."""

from __future__ import annotations

import msgspec

from ferryman.codec import ids, isdr, ota_script
from ferryman.contracts import codes
from ferryman.contracts.es3 import ES3DeleteISDP, ES3DeleteISDPResponse
from ferryman.contracts.status import SUCCESS, ExecutionStatus, expired, failed, warning
from ferryman.errors import PeerError
from ferryman.platform.procedure import (
    Apply,
    Audit,
    Begin,
    Context,
    Done,
    Effect,
    Event,
    Reply,
    SetTimer,
    Signalled,
    Step,
    TimerFired,
)
from ferryman.sm_sr.policy import may_delete
from ferryman.sm_sr.procedures.card_state import ASK, ASK_AGAIN, SW_NOT_FOUND, ask_state, card_state
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Command, Outcome, OutcomeKind, cancel, deliver, read, single
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import Facts, RemoveISDP

SW_POLICY = 0x69E1


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of one ES3.DeleteISDP."""

    request: ES3DeleteISDP
    requester: str
    aid: bytes = b""
    asking: bool = False
    sent: int = 0
    attempts: int = 0
    replied: bool = False


def step(state: State, event: Event, context: Context) -> Step[State]:
    """One step."""
    match event:
        case Begin():
            return _begin(state, context)
        case TimerFired(name) if name == ASK:
            return _leave(state) if state.replied else _ask(state, context)
        case TimerFired():
            return _deadline(state, context)
        case Signalled(_, Outcome() as outcome) if outcome.command_id == _command_id(state, context):
            return _asked(state, outcome, context) if state.asking else _deleted(state, outcome, context)
        case _:
            return Step(state)


def _begin(state: State, context: Context) -> Step[State]:
    facts: Facts = context.facts
    if context.caller is not None and context.now >= context.caller.deadline:
        return _end(state, expired("the eUICC was busy until the validity period ended"))
    decision = may_delete(facts.euicc, state.request.iccid, state.requester)
    if decision.refusal is not None:
        return _end(state, decision.refusal)
    return _send(replace(state, aid=decision.target.aid if decision.target else b""), context)


def _command_id(state: State, context: Context) -> str:
    return f"{context.procedure_id}/{state.sent}"


def _send(state: State, context: Context) -> Step[State]:
    state = replace(state, asking=False, sent=state.sent + 1, attempts=state.attempts + 1)
    command = Command(
        id=_command_id(state, context),
        owner=context.procedure_id,
        tlvs=(ota_script.c_apdu(isdr.delete_profile(state.aid)),),
        target_aid=ids.ISDR_AID,
        transport=context.facts.effective.transport,
    )
    return Step(state, (deliver(command, context.eid, Channel()),))


def _ask(state: State, context: Context) -> Step[State]:
    """Whether the ISD-P is still there is the card's to say."""
    state = replace(state, asking=True, sent=state.sent + 1)
    transport = context.facts.effective.transport
    command = ask_state(_command_id(state, context), context.procedure_id, state.aid, transport)
    return Step(state, (deliver(command, context.eid, Channel()),))


def _deleted(state: State, outcome: Outcome, context: Context) -> Step[State]:
    if outcome.kind is OutcomeKind.UNREACHABLE:
        return _end(state, failed(*codes.EUICC_UNREACHABLE, outcome.detail, context.eid))
    if outcome.kind is OutcomeKind.REJECTED:
        return _end(state, failed(*codes.ISDR_ERROR, outcome.detail, context.eid))
    try:
        if outcome.kind is OutcomeKind.UNKNOWN:
            raise PeerError("no answer", field="DELETE")
        _, sw = single(outcome)
        response = read(outcome.script).response
    except PeerError:
        # No further OTA for an expired call (SGP.02 5.1.1): what is left over is deleted with the next call.
        return _leave(state) if state.replied else _ask(state, context)
    if sw == 0x9000:
        return _end(state, SUCCESS, _removal(state, context), response)
    if sw == SW_NOT_FOUND:
        # Gone already: by our own command whose answer was lost, or by somebody else's.
        sentence = "the card had no such ISD-P"
        gone = SUCCESS if state.attempts > 1 else warning(*codes.ISDR_ERROR, sentence, context.eid)
        return _end(state, gone, _removal(state, context), response)
    reason = codes.POL1_REFUSES if sw == SW_POLICY else codes.ISDR_ERROR
    return _end(state, failed(*reason, f"the card answered {sw:04X} to DeleteProfile", context.eid), (), response)


def _asked(state: State, outcome: Outcome, context: Context) -> Step[State]:
    try:
        if outcome.kind is not OutcomeKind.ANSWERED:
            raise PeerError("no answer", field="GET STATUS")
        found = card_state(outcome, state.aid)
    except PeerError:
        if state.replied:
            return _leave(state)
        return Step(state, (SetTimer(ASK, context.now + ASK_AGAIN),))  # until the validity period ends
    if found is None:
        return _end(state, SUCCESS, _removal(state, context))
    if state.replied or state.attempts >= context.facts.settings.card_attempts:
        return _end(state, failed(*codes.ISDR_ERROR, "the card did not delete the ISD-P", context.eid))
    return _send(state, context)


def _leave(state: State) -> Step[State]:
    audit = Audit("0400 DeleteISDP", "unknown", object=state.request.iccid, detail="the card did not answer")
    return Step(state, (audit, Done()))


def _removal(state: State, context: Context) -> tuple[Effect, ...]:
    card = context.facts.euicc
    profile = card.by_aid(state.aid) if card is not None else None
    return (Apply(RemoveISDP(state.aid, profile.allocated_memory if profile is not None else 0)),)


def _deadline(state: State, context: Context) -> Step[State]:
    if state.replied:
        return Step(state)
    reply = Reply(ES3DeleteISDPResponse(status=expired("no answer of the card in the validity period")))
    if not state.sent:
        return Step(replace(state, replied=True), (reply, Done()))
    return Step(replace(state, replied=True), (reply, cancel(_command_id(state, context), context.eid)))


def _end(
    state: State, status: ExecutionStatus, effects: tuple[Effect, ...] = (), response: bytes = b""
) -> Step[State]:
    outcome = "done" if status.ok else "failed"
    audit = Audit("0400 DeleteISDP", outcome, object=state.request.iccid, detail=status.code)
    reply = () if state.replied else (Reply(ES3DeleteISDPResponse(status=status, euicc_response=response)),)
    return Step(replace(state, replied=True), (*effects, audit, *reply, Done()))
