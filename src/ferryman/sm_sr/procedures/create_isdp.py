"""ES3.CreateISDP (SGP.02 3.1.1, 5.4.3; ES5 4.1.1.1).

An outcome that is not known is settled by asking the card for the AID: there it is, or nothing happened.
"""

from __future__ import annotations

import msgspec

from ferryman.codec import ids, isdr, ota_script
from ferryman.contracts import codes
from ferryman.contracts.es3 import ES3CreateISDP, ES3CreateISDPResponse
from ferryman.contracts.status import SUCCESS, ExecutionStatus, expired, failed
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
from ferryman.sm_sr import targets
from ferryman.sm_sr.euicc_type import Effective
from ferryman.sm_sr.policy import Function, Question, World, decide
from ferryman.sm_sr.procedures.card_state import ASK, ASK_AGAIN, ask_state, card_state
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import (
    Command,
    Outcome,
    OutcomeKind,
    cancel,
    deliver,
    read,
    single,
)
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import (
    CREATED,
    EUICC,
    IN_CREATION,
    ISDP,
    AddISDP,
    Facts,
    RemoveISDP,
    SetState,
    TakeMemory,
)

FIRST_INDEX = 0x0010  # TARs 000010 to 00FFFF are for ISD-Ps (SGP.02 2.2.3)
LAST_INDEX = 0xFFFF
SW_MEMORY = 0x6A84
CREATING, ASKING = "creating", "asking"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of one ES3.CreateISDP."""

    request: ES3CreateISDP
    requester: str
    phase: str = ""
    aid: bytes = b""
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
        case Signalled(_, Outcome() as outcome):
            if outcome.command_id != _command_id(state, context):
                return Step(state)
            if state.phase == ASKING:
                return _asked(state, outcome, context)
            return _created(state, outcome, context)
        case _:
            return Step(state)


def _begin(state: State, context: Context) -> Step[State]:
    facts: Facts = context.facts
    request, card = state.request, facts.euicc
    if context.caller is not None and context.now >= context.caller.deadline:
        return _end(state, context, expired("the eUICC was busy until the validity period ended"))
    asked = Question(Function.CREATE, state.requester, request.iccid, required_memory=request.required_memory)
    verdict = decide(asked, World(card, facts.effective, facts.elsewhere))
    if card is None or verdict.refusal is not None:
        return _end(state, context, verdict.refusal or failed(*codes.EID_UNKNOWN, "no eUICC with this EID"))
    aid = _free_aid(card, facts.effective)
    profile = ISDP(
        aid=aid,
        iccid=request.iccid,
        owner=request.owner,
        smdp_id=state.requester,
        state=IN_CREATION,
        allocated_memory=request.required_memory,
    )
    state = replace(state, aid=aid)
    return _send(state, context, [Apply(AddISDP(profile))])


def _free_aid(card: EUICC, effective: Effective) -> bytes:
    """The first that is not in use, and whose TAR is no other security domain's."""
    used = {p.aid for p in card.profiles}
    taken = targets.own_tars(card, effective)
    every = (ids.isdp_aid(number) for number in range(FIRST_INDEX, LAST_INDEX + 1))
    return next(aid for aid in every if aid not in used and ids.AID(aid).tar not in taken)


def _command_id(state: State, context: Context) -> str:
    return f"{context.procedure_id}/{state.sent}"


def _send(state: State, context: Context, effects: list[Effect]) -> Step[State]:
    state = replace(state, phase=CREATING, sent=state.sent + 1, attempts=state.attempts + 1)
    apdu = isdr.create_isdp(state.aid, state.request.required_memory)
    command = Command(
        id=_command_id(state, context),
        owner=context.procedure_id,
        tlvs=(ota_script.c_apdu(apdu),),
        target_aid=ids.ISDR_AID,
        transport=context.facts.effective.transport,
        more_to_do=state.request.more_to_do,
    )
    return Step(state, (*effects, deliver(command, context.eid, Channel())))


def _ask(state: State, context: Context) -> Step[State]:
    state = replace(state, phase=ASKING, sent=state.sent + 1)
    transport = context.facts.effective.transport
    command = ask_state(_command_id(state, context), context.procedure_id, state.aid, transport)
    return Step(state, (deliver(command, context.eid, Channel()),))


def _created(state: State, outcome: Outcome, context: Context) -> Step[State]:
    match outcome.kind:
        case OutcomeKind.UNKNOWN if state.replied:
            return _leave(state)  # no further OTA for an expired call (SGP.02 5.1.1)
        case OutcomeKind.UNKNOWN:
            return _ask(state, context)
        case OutcomeKind.UNREACHABLE | OutcomeKind.REJECTED:
            status = failed(*codes.EUICC_UNREACHABLE, outcome.detail, context.eid)
            if outcome.kind is OutcomeKind.REJECTED:
                status = failed(*codes.ISDR_ERROR, outcome.detail, context.eid)
            return _end(state, context, status, [Apply(RemoveISDP(state.aid))])
        case OutcomeKind.ANSWERED:
            return _answered(state, outcome, context)


def _answered(state: State, outcome: Outcome, context: Context) -> Step[State]:
    try:
        _, sw = single(outcome)
        response = read(outcome.script).response
    except PeerError:
        # It answered, but not what: the card knows.
        return _leave(state) if state.replied else _ask(state, context)
    if sw == 0x9000:
        return _success(state, context, response)
    if state.attempts > 1 and sw == 0x6985:
        # Our own earlier attempt may have made it.
        return _leave(state) if state.replied else _ask(state, context)
    reason = codes.EUICC_MEMORY if sw == SW_MEMORY else codes.ISDR_ERROR
    status = failed(*reason, f"the card answered {sw:04X} to CreateISDP", context.eid)
    return _end(state, context, status, [Apply(RemoveISDP(state.aid))], response)


def _asked(state: State, outcome: Outcome, context: Context) -> Step[State]:
    try:
        if outcome.kind is not OutcomeKind.ANSWERED:
            raise PeerError("no answer", field="GET STATUS")
        found = card_state(outcome, state.aid)
    except PeerError:
        if state.replied:
            return _leave(state)
        return Step(state, (SetTimer(ASK, context.now + ASK_AGAIN),))  # until the validity period ends
    if found is not None:
        return _success(state, context, b"")
    if state.replied or state.attempts >= context.facts.settings.card_attempts:
        status = failed(*codes.ISDR_ERROR, "the card did not create the ISD-P", context.eid)
        return _end(state, context, status, [Apply(RemoveISDP(state.aid))])
    return _send(state, context, [])


def _success(state: State, context: Context, response: bytes) -> Step[State]:
    effects: list[Effect] = [
        Apply(SetState(state.aid, CREATED)),
        Apply(TakeMemory(state.request.required_memory)),
        Audit("0100 CreateISDP", "done", object=state.aid.hex().upper()),
    ]
    return _end(state, context, SUCCESS, effects, response)


def _deadline(state: State, context: Context) -> Step[State]:
    """The period is over: say so once; a result that comes later still goes into the EIS."""
    if state.replied:
        return Step(state)
    reply = Reply(ES3CreateISDPResponse(status=expired("no answer of the card in the validity period")))
    if not state.phase:
        return Step(replace(state, replied=True), (reply, Done()))
    return Step(replace(state, replied=True), (reply, cancel(_command_id(state, context), context.eid)))


def _leave(state: State) -> Step[State]:
    """Expired with unknown outcome: left as Created, so that the SM-DP cleans it up (SGP.02 3.1.5)."""
    audit = Audit("0100 CreateISDP", "unknown", object=state.aid.hex().upper(), detail="the card did not answer")
    taken = Apply(TakeMemory(state.request.required_memory))  # given back when the ISD-P is deleted
    return Step(state, (Apply(SetState(state.aid, CREATED)), taken, audit, Done()))


def _end(
    state: State,
    context: Context,
    status: ExecutionStatus,
    effects: list[Effect] | None = None,
    response: bytes = b"",
) -> Step[State]:
    body = ES3CreateISDPResponse(status=status, isdp_aid=state.aid if status.ok else b"", euicc_response=response)
    done: list[Effect] = list(effects or ())
    if not status.ok:
        done.append(
            Audit(
                "0100 CreateISDP", "failed", object=state.request.iccid, detail=f"{status.code} {status.message}"
            )
        )
    if not state.replied:
        done.append(Reply(body))
    return Step(replace(state, replied=True), (*done, Done()))
