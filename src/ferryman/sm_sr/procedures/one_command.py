"""ES5 functions that are one command: MasterDelete, SetFallbackAttribute, UpdateSMSRAddressingParameters.

SGP.02 3.10, 4.1.1.4, 4.1.1.7, 4.1.1.10. What the card can be asked for after a lost answer it is asked for; the
addressing parameters cannot be read, but they are absolute, so writing them again is harmless.
"""

from __future__ import annotations

import msgspec

from ferryman.codec import admin_trigger, ids, isdr, ota_script
from ferryman.codec.isdr_answers import ISDPStatus
from ferryman.contracts import codes
from ferryman.contracts.operations import (
    MasterDelete,
    OperationResponse,
    SetFallbackAttribute,
    UpdateSMSRAddressing,
)
from ferryman.contracts.status import SUCCESS, ExecutionStatus, expired, failed, warning
from ferryman.contracts.v4 import (
    ES3SetFallBackAttribute,
    ES3SetFallBackAttributeResponse,
    ES4SetFallBackAttribute,
    ES4SetFallBackAttributeResponse,
)
from ferryman.errors import InputError, PeerError
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
from ferryman.sm_sr import policy
from ferryman.sm_sr.procedures.card_state import ASK, ASK_AGAIN, SW_NOT_FOUND, ask_state, card_state
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Command, Outcome, OutcomeKind, cancel, deliver, read, single
from ferryman.sm_sr.procedures.settle import doubt
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import EUICC, Facts, RemoveISDP, SetFallback

# The second two are ES3 and ES4 of v4, where the owner of the profile that loses the attribute has a say.
type SetFallbackCall = SetFallbackAttribute | ES3SetFallBackAttribute | ES4SetFallBackAttribute
type Request = MasterDelete | SetFallbackCall | UpdateSMSRAddressing

SW_OK, SW_SECURITY, SW_POLICY = 0x9000, 0x6982, 0x69E1
TOKEN_BYTES = 16  # AES-CMAC
NAMES: dict[type[Request], str] = {
    MasterDelete: "0600 MasterDelete",
    SetFallbackAttribute: "0700 SetFallbackAttribute",
    ES3SetFallBackAttribute: "0700 SetFallbackAttribute",
    ES4SetFallBackAttribute: "0700 SetFallbackAttribute",
    UpdateSMSRAddressing: "UpdateSMSRAddressingParameters",
}


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of one such function; `aid` is the ISD-P it is about."""

    request: Request
    requester: str
    aid: bytes = b""
    apdu: bytes = b""
    asking: bool = False
    sent: int = 0
    attempts: int = 0
    replied: bool = False
    response: bytes = b""


def step(state: State, event: Event, context: Context) -> Step[State]:
    """One step."""
    match event:
        case Begin():
            return _begin(state, context)
        case TimerFired(name) if name == ASK:
            return _leave(state, context) if state.replied else _ask(state, context)
        case TimerFired():
            return _deadline(state, context)
        case Signalled(_, Outcome() as outcome) if outcome.command_id == _command_id(state, context):
            return _asked(state, outcome, context) if state.asking else _told(state, outcome, context)
        case _:
            return Step(state)


def _begin(state: State, context: Context) -> Step[State]:
    facts: Facts = context.facts
    card, request = facts.euicc, state.request
    if context.caller is not None and context.now >= context.caller.deadline:
        return _end(state, expired("the eUICC was busy until the validity period ended"))
    if card is None:
        return _end(state, failed(*codes.EID_UNKNOWN, "no eUICC with this EID", request.eid))
    if isinstance(request, UpdateSMSRAddressing):
        return _send(replace(state, apdu=addressing(request)), context)
    master = isinstance(request, MasterDelete)
    function = policy.Function.MASTER_DELETE if master else policy.Function.SET_FALLBACK
    question = policy.Question(function, state.requester, request.iccid)
    verdict = policy.decide(question, policy.World(card, facts.effective, granted=facts.granted))
    if verdict.target is None or verdict.refusal is not None:
        return _end(state, verdict.refusal or failed(*codes.ICCID_UNKNOWN, "no such profile", request.iccid))
    if isinstance(request, ES3SetFallBackAttribute | ES4SetFallBackAttribute):
        # Behind an SM-DP stands the Operator whose profile it is.
        direct = isinstance(request, ES4SetFallBackAttribute)
        party = state.requester if direct else verdict.target.owner
        taken = policy.may_take_fallback(card, party, facts.granted)
        if taken.refusal is not None:
            return _end(state, taken.refusal)
    aid = verdict.target.aid
    return _send(replace(state, aid=aid, apdu=_apdu(request, aid)), context)


def _apdu(request: MasterDelete | SetFallbackCall, aid: bytes) -> bytes:
    if not isinstance(request, MasterDelete):
        return isdr.set_fallback(aid)
    return isdr.master_delete(
        aid,
        token=request.token,
        sin=request.sin,
        sdin=request.sdin,
        provider=request.provider,
        token_id=request.token_id,
    )


def addressing(request: UpdateSMSRAddressing) -> bytes:
    """The C-APDU. Raises InputError for what cannot be written."""
    try:
        connection = admin_trigger.connection_objects(port=request.port or None, address=request.address or None)
        http = admin_trigger.http_value(request.host or None, None, request.uri or None)
    except (ValueError, OverflowError) as problem:
        raise InputError("addressing parameters", str(problem)) from None
    https = admin_trigger.session_objects(
        connection=connection or None, security=None, retry=None, http=http or None
    )
    if not (request.sms_address or https):
        raise InputError("addressing parameters", "give a number, or a host, address, port or URI")
    return isdr.update_smsr_addressing(request.sms_address or None, https=https or None)


def check(request: Request) -> None:
    """Refuse before anything is entered what no card could take. Raises InputError."""
    match request:
        case UpdateSMSRAddressing():
            addressing(request)
        case MasterDelete():
            if len(request.token) != TOKEN_BYTES:
                raise InputError("token", f"must be {TOKEN_BYTES} octets")
            for name in ("sin", "sdin", "provider", "token_id"):
                if not 1 <= len(getattr(request, name)) <= 16:
                    raise InputError(name, "must be 1 to 16 octets")
        case _:
            pass


def _command_id(state: State, context: Context) -> str:
    return f"{context.procedure_id}/{state.sent}"


def _send(state: State, context: Context) -> Step[State]:
    state = replace(state, asking=False, sent=state.sent + 1, attempts=state.attempts + 1)
    command = Command(
        id=_command_id(state, context),
        owner=context.procedure_id,
        tlvs=(ota_script.c_apdu(state.apdu),),
        target_aid=ids.ISDR_AID,
        transport=context.facts.effective.transport,
    )
    return Step(state, (deliver(command, context.eid, Channel()),))


def _ask(state: State, context: Context) -> Step[State]:
    if not state.aid:
        return _send(state, context)
    state = replace(state, asking=True, sent=state.sent + 1)
    transport = context.facts.effective.transport
    command = ask_state(_command_id(state, context), context.procedure_id, state.aid, transport)
    return Step(state, (deliver(command, context.eid, Channel()),))


def _told(state: State, outcome: Outcome, context: Context) -> Step[State]:
    if outcome.kind is OutcomeKind.UNREACHABLE:
        return _end(state, failed(*codes.EUICC_UNREACHABLE, outcome.detail, context.eid))
    if outcome.kind is OutcomeKind.REJECTED:
        return _end(state, failed(*codes.ISDR_ERROR, outcome.detail, context.eid))
    try:
        if outcome.kind is OutcomeKind.UNKNOWN:
            raise PeerError("no answer", field="R-APDU")
        _, sw = single(outcome)
        state = replace(state, response=read(outcome.script).response)
    except PeerError:
        return _unknown(state, context)
    if sw == SW_OK:
        return _succeed(state, context)
    if sw == SW_NOT_FOUND and isinstance(state.request, MasterDelete):
        return _not_found(state, context)
    reason = codes.POL1_REFUSES if sw == SW_POLICY else codes.ISDR_ERROR
    why = "; the card does not accept the token" if sw == SW_SECURITY else ""
    return _end(state, failed(*reason, f"the card answered {sw:04X} to {_word(state)}{why}", context.eid))


def _not_found(state: State, context: Context) -> Step[State]:
    """No such ISD-P, or no token key in it: only its state tells the two apart."""
    if state.attempts > 1:
        return _succeed(state, context)
    return _ask(state, context)


def _unknown(state: State, context: Context) -> Step[State]:
    if state.replied:
        return _leave(state, context)
    if state.aid:
        return _ask(state, context)
    if state.attempts < context.facts.settings.card_attempts:
        return _send(state, context)
    return _end(state, failed(*codes.DELIVERED_NO_RESPONSE, "the card did not answer", context.eid))


def _asked(state: State, outcome: Outcome, context: Context) -> Step[State]:
    try:
        if outcome.kind is not OutcomeKind.ANSWERED:
            raise PeerError("no answer", field="GET STATUS")
        found = card_state(outcome, state.aid)
    except PeerError:
        if state.replied:
            return _leave(state, context)
        return Step(state, (SetTimer(ASK, context.now + ASK_AGAIN),))  # until the validity period ends
    if _has_happened(state, found):
        return _succeed(state, context)
    if state.response and found is not None:
        # MasterDelete said 6A88 and the ISD-P is there: it is the token key that is missing.
        return _end(state, failed(*codes.ISDR_ERROR, "the ISD-P has no token key", context.eid))
    if found is None:
        return _end(state, failed(*codes.ISDR_ERROR, "the card has no such ISD-P; audit the eUICC", context.eid))
    if state.replied or state.attempts >= context.facts.settings.card_attempts:
        return _end(state, failed(*codes.ISDR_ERROR, f"the card did not carry out {_word(state)}", context.eid))
    return _send(state, context)


def _has_happened(state: State, found: ISDPStatus | None) -> bool:
    if isinstance(state.request, MasterDelete):
        return found is None
    return found is not None and found.fallback is True


def _succeed(state: State, context: Context) -> Step[State]:
    card: EUICC | None = context.facts.euicc
    status = SUCCESS
    effects: list[Effect] = []
    match state.request:
        case MasterDelete():
            profile = card.by_aid(state.aid) if card is not None else None
            effects.append(Apply(RemoveISDP(state.aid, profile.allocated_memory if profile is not None else 0)))
            if state.asking and state.attempts == 1 and state.response:
                status = warning(*codes.ISDR_ERROR, "the card had no such ISD-P", context.eid)
        case SetFallbackAttribute() | ES3SetFallBackAttribute() | ES4SetFallBackAttribute():
            holders = [p.aid for p in card.profiles if p.fallback and p.aid != state.aid] if card else []
            effects += [Apply(SetFallback(aid, fallback=False)) for aid in holders]
            effects.append(Apply(SetFallback(state.aid, fallback=True)))
        case UpdateSMSRAddressing():
            pass
    return _end(state, status, tuple(effects))


def _leave(state: State, context: Context) -> Step[State]:
    audit = Audit(_name(state), "unknown", object=_object(state), detail="the card did not answer")
    open_end = (doubt(context.eid),) if state.aid else ()
    return Step(state, (audit, *open_end, Done()))


def _deadline(state: State, context: Context) -> Step[State]:
    if state.replied:
        return Step(state)
    reply = _reply(state, expired("no answer of the card in the validity period"))
    if not state.sent:
        return Step(replace(state, replied=True), (reply, Done()))
    return Step(replace(state, replied=True), (reply, cancel(_command_id(state, context), context.eid)))


def _name(state: State) -> str:
    return NAMES[type(state.request)]


def _word(state: State) -> str:
    return _name(state).rpartition(" ")[2]


def _object(state: State) -> str:
    return state.request.eid if isinstance(state.request, UpdateSMSRAddressing) else state.request.iccid


def _reply(state: State, status: ExecutionStatus) -> Reply:
    match state.request:
        case ES3SetFallBackAttribute():
            return Reply(ES3SetFallBackAttributeResponse(status=status, euicc_response=state.response))
        case ES4SetFallBackAttribute():
            return Reply(ES4SetFallBackAttributeResponse(status=status, euicc_response=state.response))
        case _:
            return Reply(OperationResponse(status=status, euicc_response=state.response))


def _end(state: State, status: ExecutionStatus, effects: tuple[Effect, ...] = ()) -> Step[State]:
    outcome = "done" if status.ok else "failed"
    audit = Audit(_name(state), outcome, object=_object(state), detail=status.code)
    reply = () if state.replied else (_reply(state, status),)
    return Step(replace(state, replied=True), (*effects, audit, *reply, Done()))
