"""ES2 functions that the SM-DP only passes on to the SM-SR of the eUICC: SGP.02 3.3, 3.5, 3.7, 3.11 (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from ferryman.contracts import codes, es2, es3
from ferryman.contracts.message import Body
from ferryman.contracts.roles import SM_SR, SOAP_GATEWAY
from ferryman.contracts.status import ExecutionStatus, expired, failed
from ferryman.platform.procedure import (
    DEADLINE,
    Audit,
    Begin,
    Context,
    Done,
    Effect,
    Event,
    Received,
    Reply,
    Send,
    Step,
    TimerFired,
)
from ferryman.sm_dp.records import Facts

KIND = "relay"
MARGIN = 5.0  # s of the validity period kept back, so that the SM-SR's answer reaches us in time


@dataclass(frozen=True, slots=True)
class Relay:
    """One function: how its ES3 twin is asked, and the response it becomes."""

    ask: type[Body]
    fields: tuple[str, ...]
    response: type[Body]


RELAYS: dict[type[Body], Relay] = {
    es2.ES2GetEIS: Relay(es3.ES3GetEIS, ("eid",), es2.ES2GetEISResponse),
    es2.ES2UpdatePolicyRules: Relay(
        es3.ES3UpdatePolicyRules, ("eid", "iccid", "pol2"), es2.ES2UpdatePolicyRulesResponse
    ),
    es2.ES2UpdateSubscriptionAddress: Relay(
        es3.ES3UpdateSubscriptionAddress,
        ("eid", "iccid", "imsi", "msisdn"),
        es2.ES2UpdateSubscriptionAddressResponse,
    ),
    es2.ES2EnableProfile: Relay(es3.ES3EnableProfile, ("eid", "iccid"), es2.ES2EnableProfileResponse),
    es2.ES2DisableProfile: Relay(es3.ES3DisableProfile, ("eid", "iccid"), es2.ES2DisableProfileResponse),
    es2.ES2DeleteProfile: Relay(es3.ES3DeleteISDP, ("eid", "iccid"), es2.ES2DeleteProfileResponse),
}

type Asked = (
    es2.ES2GetEIS
    | es2.ES2UpdatePolicyRules
    | es2.ES2UpdateSubscriptionAddress
    | es2.ES2EnableProfile
    | es2.ES2DisableProfile
    | es2.ES2DeleteProfile
)


class RelayState(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state: who asks, what, and whose eUICC it is (the OID of a foreign SM-SR, or empty for ours)."""

    owner: str
    smdp_id: str
    foreign_smsr: str
    call_id: str
    deadline: float
    request: Asked


def destination(foreign_smsr: str) -> str:
    """The role that an ES3 call goes to."""
    return SOAP_GATEWAY if foreign_smsr else SM_SR


def step(state: RelayState, event: Event, context: Context) -> Step[RelayState]:
    """Check, ask, answer."""
    relay = RELAYS[type(state.request)]
    match event:
        case Begin():
            return _ask(state, relay, context)
        case Received(body=body):
            return _end(state, _answer(state, relay, body))
        case TimerFired(name=name) if name == DEADLINE:
            return _end(state, _response(relay, expired("the SM-SR did not answer in time")))
        case _:
            return Step(state)


def _ask(state: RelayState, relay: Relay, context: Context) -> Step[RelayState]:
    facts: Facts = context.facts
    iccid = getattr(state.request, "iccid", "")
    # A profile of another Operator is like one that we do not know (2.1).
    if iccid and not facts.owned:
        status = failed(*codes.ICCID_UNKNOWN, "no profile with this ICCID", iccid)
        return _end(state, _response(relay, status))
    make: Any = relay.ask
    body: Body = make(**{name: getattr(state.request, name) for name in relay.fields})
    deadline = max(context.now + 1.0, state.deadline - MARGIN)
    send = Send(
        destination(state.foreign_smsr),
        body,
        deadline,
        state.call_id,
        state.smdp_id,
        state.foreign_smsr,
    )
    return Step(state, (send,))


def _answer(state: RelayState, relay: Relay, body: Body) -> Body:
    status: ExecutionStatus = getattr(body, "status")  # noqa: B009 - every response has one
    if isinstance(body, es3.ES3GetEISResponse) and body.eis is not None:
        own = tuple(profile for profile in body.eis.profiles if profile.owner == state.owner)
        eis = msgspec.structs.replace(body.eis, profiles=own)
        return es2.ES2GetEISResponse(status=status, eis=eis)
    return _response(relay, status)


def _response(relay: Relay, status: ExecutionStatus) -> Body:
    make: Any = relay.response
    made: Body = make(status=status)
    return made


def _end(state: RelayState, answer: Body) -> Step[RelayState]:
    status: ExecutionStatus = getattr(answer, "status")  # noqa: B009
    action = type(state.request).__name__.removeprefix("ES2")
    audit = Audit(action, "done" if status.ok else "failed", object=getattr(state.request, "iccid", ""))
    effects: tuple[Effect, ...] = (audit, Reply(answer), Done())
    return Step(state, effects)
