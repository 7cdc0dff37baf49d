"""ES2 functions by way of ES3: GetEIS, AuditEIS, Enable, Disable, Delete, policy rules, subscription address
(SGP.02 5.3, 3.3, 3.5, 3.7, 3.11; `sgp02-interfaces.md` 2.3, 7.3 to 7.5, 7.8, 7.9, 7.16); and connectivity
parameters (3.14), whose own steps are in `connectivity`.

The SM-SR is asked for the EIS first: it knows every profile, and whose it is. What it says to the function itself
is handed on with its own codes. A lost answer is never taken for a failure: the SM-SR answers by the end of the
call's own time, and later than that the call is EXPIRED.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ferryman.contracts import codes, crypto, es2, es3, v4
from ferryman.contracts.eis import EIS, ProfileInfo
from ferryman.contracts.es2_calls import (
    ES2AuditEIS,
    ES2AuditEISResponse,
    ES2Call,
    ES2SetFallBackAttribute,
    ES2SetFallBackAttributeResponse,
    UpdateConnectivityParameters,
    UpdateConnectivityParametersResponse,
)
from ferryman.contracts.message import Body
from ferryman.contracts.roles import SM_SR, SOAP_GATEWAY
from ferryman.contracts.status import ExecutionStatus, expired, failed
from ferryman.platform.procedure import (
    DEADLINE,
    Answered,
    Apply,
    Ask,
    Audit,
    Begin,
    Context,
    Done,
    Effect,
    Event,
    Received,
    Reply,
    Send,
    SetTimer,
    Signalled,
    Step,
    TimerFired,
)
from ferryman.sm_dp.procedures import connectivity
from ferryman.sm_dp.procedures.answers import other_eis
from ferryman.sm_dp.records import Facts, ProfileGone

LOOKING, CALLING, FORGETTING, ENDED = "looking", "calling", "forgetting", "ended"
LAST_WORD = "last-word"
LAST_WORD_TIME = 60.0  # s that the SM-SR's answer may be on its way when the call's time is over
DESTROY = "destroy"
KEEP_BACK, MOST_KEPT_BACK = 0.1, 30.0  # part of the time, and s, kept back from the SM-SR
CALL_PREFIX = "es2."  # FunctionCallIdentifier of our ES3 calls, so that their answers find this kind of procedure


def destination(foreign_smsr: str) -> str:
    """The role that an ES3 call goes to: our own SM-SR, or the gateway to another's."""
    return SOAP_GATEWAY if foreign_smsr else SM_SR


class State(msgspec.Struct, frozen=True, kw_only=True):
    """One call of an Operator. `name` is the procedure's, `foreign_smsr` empty for our own SM-SR."""

    name: str
    smdp_id: str
    owner: str
    call: ES2Call
    deadline: float
    began: float
    foreign_smsr: str = ""
    phase: str = ""
    calls: int = 0
    isdp_aid: bytes = b""
    session: connectivity.Session | None = None
    result: ExecutionStatus | None = None


RESPONSES: dict[type[Body], type[Body]] = {
    es2.ES2GetEIS: es2.ES2GetEISResponse,
    ES2AuditEIS: ES2AuditEISResponse,
    ES2SetFallBackAttribute: ES2SetFallBackAttributeResponse,
    es2.ES2UpdatePolicyRules: es2.ES2UpdatePolicyRulesResponse,
    es2.ES2UpdateSubscriptionAddress: es2.ES2UpdateSubscriptionAddressResponse,
    es2.ES2EnableProfile: es2.ES2EnableProfileResponse,
    es2.ES2DisableProfile: es2.ES2DisableProfileResponse,
    es2.ES2DeleteProfile: es2.ES2DeleteProfileResponse,
    UpdateConnectivityParameters: UpdateConnectivityParametersResponse,
}


def call_id(state: State) -> str:
    """FunctionCallIdentifier of the ES3 call that is out."""
    return f"{CALL_PREFIX}{state.name}-{state.calls}"


def step(state: State, event: Event, context: Context) -> Step[State]:
    """One step."""
    match event:
        case Begin():
            return _ask(state, LOOKING, es3.ES3GetEIS(eid=context.eid))
        case Received(header, body) if header.function_call_id == call_id(state):
            return _received(state, body, context)
        case Answered(tag=tag) if tag in connectivity.TAGS and state.session is not None:
            return _moved(state, connectivity.answered(state.session, event))
        case Answered():
            return _end(state, state.result or _odd())
        case TimerFired(name):
            return _timer(state, name, context)
        case Received() | Signalled():
            return Step(state)


def _ask(state: State, phase: str, body: Body) -> Step[State]:
    state = _with(state, phase=phase, calls=state.calls + 1)
    deadline = state.deadline - min(MOST_KEPT_BACK, (state.deadline - state.began) * KEEP_BACK)
    dest = destination(state.foreign_smsr)
    return Step(state, (Send(dest, body, deadline, call_id(state), state.smdp_id, state.foreign_smsr),))


def _received(state: State, body: Body, context: Context) -> Step[State]:
    match state.phase, body:
        case "looking", es3.ES3GetEISResponse():
            if body.eis is None:
                return _end(state, body.status if not body.status.ok else _odd())
            if body.eis.eid != context.eid:
                return _end(state, other_eis(context.eid))
            return _known(state, body.eis, body.status, context)
        case "calling", es3.ES3SendDataResponse() | es3.ES3UpdateConnectivityParametersResponse():
            return _answered_in(state, body, context)
        case "calling", es3.ES3AuditEISResponse() if body.eis is not None and body.eis.eid != context.eid:
            return _end(state, other_eis(context.eid))
        case "calling", es3.ES3AuditEISResponse():
            return _end(state, body.status, eis=body.eis)
        case "calling", es3.ES3DeleteISDPResponse() if body.status.ok:
            # The card's keys went with the ISD-P; ours are of no more use (SGP.02 3.6).
            prefix = f"isdp/{context.eid}/{state.isdp_aid.hex().upper()}"
            state = _with(state, phase=FORGETTING, result=body.status)
            gone = Apply(ProfileGone(context.eid, iccid_of(state)))
            return Step(state, (gone, Ask(DESTROY, crypto.DestroyKeys(prefix=prefix))))
        case "calling", _ if hasattr(body, "status"):
            status: ExecutionStatus = body.status  # every answer of ES3 has one
            return _end(state, status)
        case _:
            return Step(state)


def _known(state: State, eis: EIS, status: ExecutionStatus, context: Context) -> Step[State]:
    """Whose the profile is decides before anything is sent on (5.3; the pairs of 2.1)."""
    call = state.call
    if isinstance(call, es2.ES2GetEIS):
        return _end(state, status, eis=eis)
    if isinstance(call, ES2AuditEIS):
        foreign = [iccid for iccid in call.iccids if iccid not in {p.iccid for p in _own(state, eis)}]
        if foreign:
            return _end(state, failed("8.2", "1.2", "at least one ICCID is not the Operator's", foreign[0]))
        iccids = call.iccids or tuple(p.iccid for p in _own(state, eis))
        if not iccids:
            return _end(state, failed(*codes.ICCID_UNKNOWN, "the Operator has no profile on this eUICC", call.eid))
        return _ask(state, CALLING, es3.ES3AuditEIS(eid=context.eid, iccids=iccids))
    found = next((p for p in eis.profiles if p.iccid == call.iccid), None)
    facts: Facts | None = context.facts
    if found is None and facts is not None and facts.elsewhere:
        return _end(state, failed(*codes.ICCID_OTHER_EUICC, "the profile is on another eUICC", call.iccid))
    if found is None:
        return _end(state, failed(*codes.ICCID_UNKNOWN, "no such profile on this eUICC", call.iccid))
    if found.owner != state.owner:
        return _end(state, failed(*codes.ICCID_NOT_ALLOWED, "the profile is another Operator's", call.iccid))
    state = _with(state, isdp_aid=found.isdp_aid)
    if isinstance(call, UpdateConnectivityParameters):
        session = connectivity.Session(
            eid=context.eid, iccid=call.iccid, isdp_aid=found.isdp_aid, parameters=call.parameters
        )
        return _moved(state, connectivity.begin(session, context.entropy))
    return _ask(state, CALLING, _function(context.eid, call))


def _answered_in(
    state: State,
    body: es3.ES3SendDataResponse | es3.ES3UpdateConnectivityParametersResponse,
    context: Context,
) -> Step[State]:
    facts: Facts = context.facts
    if state.session is None:
        return Step(state)
    most = facts.settings.session_attempts
    return _moved(state, connectivity.sent(state.session, body, most=most, entropy=context.entropy))


def _moved(state: State, moved: tuple[connectivity.Session, connectivity.Move]) -> Step[State]:
    """A move within a session: another call, a question, or the end."""
    session, move = moved
    state = _with(state, session=session)
    if isinstance(move, Ask):
        return Step(state, (move,))
    if isinstance(move, ExecutionStatus):
        return _end(state, move)
    return _ask(state, CALLING, move)


def _function(eid: str, call: ES2Call) -> Body:
    """The ES3 function that stands for an ES2 function."""
    match call:
        case es2.ES2EnableProfile():
            return es3.ES3EnableProfile(eid=eid, iccid=call.iccid)
        case es2.ES2DisableProfile():
            return es3.ES3DisableProfile(eid=eid, iccid=call.iccid)
        case es2.ES2DeleteProfile():
            return es3.ES3DeleteISDP(eid=eid, iccid=call.iccid)
        case ES2SetFallBackAttribute():
            return v4.ES3SetFallBackAttribute(eid=eid, iccid=call.iccid)
        case es2.ES2UpdatePolicyRules():
            return es3.ES3UpdatePolicyRules(eid=eid, iccid=call.iccid, pol2=call.pol2)
        case es2.ES2UpdateSubscriptionAddress():
            return es3.ES3UpdateSubscriptionAddress(eid=eid, iccid=call.iccid, imsi=call.imsi, msisdn=call.msisdn)
        case _:
            raise ValueError(f"{type(call).__name__} is answered without another function")


def _end(state: State, status: ExecutionStatus, *, eis: EIS | None = None) -> Step[State]:
    """Answer the Operator, with what it may see of the EIS (4.6): its own profiles, nobody's audit trail."""
    values: dict[str, Any] = {"status": status}
    if eis is not None and status.ok:
        values["eis"] = msgspec.structs.replace(eis, profiles=_own(state, eis), audit_trail=None)
    name = type(state.call).__name__.removeprefix("ES2")
    outcome = "done" if status.ok else "failed"
    detail = f"{status.code} {status.message}".strip()
    effects: tuple[Effect, ...] = (
        Reply(RESPONSES[type(state.call)](**values)),
        Audit(name, outcome, object=iccid_of(state), detail=detail),
        Done(),
    )
    return Step(_with(state, phase=ENDED), effects)


def _timer(state: State, name: str, context: Context) -> Step[State]:
    if name == DEADLINE and state.phase != ENDED:
        return Step(state, (SetTimer(LAST_WORD, context.now + LAST_WORD_TIME),))
    if name == LAST_WORD and state.phase != ENDED:
        return _end(state, state.result or expired("the SM-SR did not answer in the validity period"))
    return Step(state)


def _own(state: State, eis: EIS) -> tuple[ProfileInfo, ...]:
    return tuple(profile for profile in eis.profiles if profile.owner == state.owner)


def iccid_of(state: State) -> str:
    return getattr(state.call, "iccid", "")


def _odd() -> ExecutionStatus:
    return failed(*codes.PROVIDER_ERROR, "the SM-SR's answer cannot be understood")


def _with(state: State, **changes: Any) -> State:
    return msgspec.structs.replace(state, **changes)
