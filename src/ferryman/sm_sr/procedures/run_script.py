"""A raw script of a person for one security domain: several packets or POSTs when it is long (TS 102 226 5.4).

Nothing is known of what it does, so an outcome that is not known stays unknown: it is never sent again. Who may do
this at all is checked before the procedure exists.
"""

from __future__ import annotations

import msgspec

from ferryman.codec import ids, ota_script
from ferryman.contracts import codes
from ferryman.contracts.queue import RunScript, RunScriptResponse
from ferryman.contracts.status import SUCCESS, ExecutionStatus, expired, failed
from ferryman.errors import PeerError
from ferryman.platform.procedure import (
    Audit,
    Begin,
    Context,
    Done,
    Event,
    Reply,
    Signalled,
    Step,
    TimerFired,
)
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Command, Outcome, OutcomeKind, cancel, deliver, read
from ferryman.sm_sr.procedures.send_data import continues, cut
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import EUICC, Facts


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of one raw script."""

    request: RunScript
    requester: str
    scripts: tuple[tuple[bytes, ...], ...] = ()
    sent: int = 0
    responses: bytes = b""
    replied: bool = False


def step(state: State, event: Event, context: Context) -> Step[State]:
    """One step."""
    match event:
        case Begin():
            return _begin(state, context)
        case TimerFired():
            return _deadline(state, context)
        case Signalled(_, Outcome() as outcome) if outcome.command_id == _command_id(state, context):
            return _carried(state, outcome, context)
        case _:
            return Step(state)


def _begin(state: State, context: Context) -> Step[State]:
    facts: Facts = context.facts
    request, card = state.request, facts.euicc
    if context.caller is not None and context.now >= context.caller.deadline:
        return _end(state, expired("the eUICC was busy until the validity period ended"))
    if card is None:
        return _end(state, failed(*codes.EID_UNKNOWN, "no eUICC with this EID", request.eid))
    if not _known(card, request.sd_aid):
        sentence = "no such security domain on this eUICC"
        return _end(state, failed(*codes.SD_AID_UNKNOWN, sentence, request.sd_aid.hex().upper()))
    try:
        scripts = cut(ota_script.split_data(request.data), facts.effective.script_limit)
    except PeerError as problem:
        return _end(state, failed(*codes.FORMAT_INVALID, str(problem), "Data"))
    if not scripts:
        return _end(state, failed(*codes.FORMAT_INVALID, "Data holds no command", "Data"))
    return _send(replace(state, scripts=scripts), context)


def _known(card: EUICC, aid: bytes) -> bool:
    return aid == ids.ISDR_AID or card.by_aid(aid) is not None


def _command_id(state: State, context: Context) -> str:
    return f"{context.procedure_id}/{state.sent}"


def _send(state: State, context: Context) -> Step[State]:
    script = state.scripts[state.sent]
    last = state.sent + 1 == len(state.scripts)
    state = replace(state, sent=state.sent + 1)
    command = Command(
        id=_command_id(state, context),
        owner=context.procedure_id,
        tlvs=script,
        target_aid=state.request.sd_aid,
        transport=context.facts.effective.transport,
        more_to_do=not last,
        chain=continues(script[-1]) and not last,
    )
    return Step(state, (deliver(command, context.eid, Channel()),))


def _carried(state: State, outcome: Outcome, context: Context) -> Step[State]:
    if outcome.kind is OutcomeKind.UNREACHABLE:
        return _end(state, failed(*codes.EUICC_UNREACHABLE, outcome.detail, context.eid))
    if outcome.kind is OutcomeKind.UNKNOWN:
        return _end(state, failed(*codes.DELIVERED_NO_RESPONSE, outcome.detail, context.eid))
    if outcome.kind is OutcomeKind.REJECTED:
        return _end(state, failed(*codes.ISDR_ERROR, outcome.detail, context.eid))
    try:
        answer = read(outcome.script)
    except PeerError as problem:
        return _end(state, failed(*codes.ISDR_ERROR, f"answer of the card: {problem}", context.eid))
    state = replace(state, responses=state.responses + answer.response)
    if not answer.ok:
        return _end(state, failed(*codes.ISDR_ERROR, "the card reported an error", context.eid))
    if state.sent < len(state.scripts) and not state.replied:
        return _send(state, context)
    return _end(state, SUCCESS)


def _deadline(state: State, context: Context) -> Step[State]:
    """The period is over: said once; a command that is out still ends before the eUICC is free."""
    if state.replied:
        return Step(state)
    status = expired("no answer of the card in the validity period")
    reply = Reply(RunScriptResponse(status=status, response=state.responses))
    if not state.sent:
        return Step(replace(state, replied=True), (reply, Done()))
    return Step(replace(state, replied=True), (reply, cancel(_command_id(state, context), context.eid)))


def _end(state: State, status: ExecutionStatus) -> Step[State]:
    audit = Audit(
        "raw script",
        "done" if status.ok else "failed",
        object=state.request.sd_aid.hex().upper(),
        detail=f"{state.request.reason} ({status.code})" if status.code else state.request.reason,
    )
    reply = () if state.replied else (Reply(RunScriptResponse(status=status, response=state.responses)),)
    return Step(replace(state, replied=True), (audit, *reply, Done()))
