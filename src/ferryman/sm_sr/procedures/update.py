"""UpdatePolicyRules and UpdateSubscriptionAddress (SGP.02 3.11, 5.4.6, 5.4.7, 5.5.2, 5.5.3): no OTA.

They wait for nobody: what a running operation has decided stays decided, the next one reads the new values.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ferryman.contracts import es3, es4
from ferryman.contracts.message import Body
from ferryman.contracts.status import SUCCESS, ExecutionStatus, expired
from ferryman.platform.procedure import (
    Apply,
    Audit,
    Begin,
    Context,
    Done,
    Effect,
    Event,
    Reply,
    Step,
    TimerFired,
)
from ferryman.sm_sr.policy import Function, Question, World, decide
from ferryman.sm_sr.records import Facts, SetAddress, SetPolicy

type Rules = es3.ES3UpdatePolicyRules | es4.ES4UpdatePolicyRules
type Address = es3.ES3UpdateSubscriptionAddress | es4.ES4UpdateSubscriptionAddress

RESPONSES: dict[type[Body], type[Body]] = {
    es3.ES3UpdatePolicyRules: es3.ES3UpdatePolicyRulesResponse,
    es4.ES4UpdatePolicyRules: es4.ES4UpdatePolicyRulesResponse,
    es3.ES3UpdateSubscriptionAddress: es3.ES3UpdateSubscriptionAddressResponse,
    es4.ES4UpdateSubscriptionAddress: es4.ES4UpdateSubscriptionAddressResponse,
}


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of one update."""

    request: Rules | Address
    requester: str


def step(state: State, event: Event, context: Context) -> Step[State]:
    """One step: the whole procedure."""
    match event:
        case Begin():
            return _begin(state, context)
        case TimerFired():
            return _end(state, expired("the validity period ended before the EIS was changed"))
        case _:
            return Step(state)


def _begin(state: State, context: Context) -> Step[State]:
    facts: Facts = context.facts
    if context.caller is not None and context.now >= context.caller.deadline:
        return _end(state, expired("the validity period ended before the EIS was changed"))
    verdict = decide(question(state), World(facts.euicc, facts.effective, facts.elsewhere))
    target = verdict.target
    if target is None or verdict.refusal is not None:
        return _end(state, verdict.refusal or expired("nothing was decided"))
    request = state.request
    change: SetPolicy | SetAddress
    if isinstance(request, es3.ES3UpdatePolicyRules | es4.ES4UpdatePolicyRules):
        change = SetPolicy(target.aid, request.pol2)
    else:
        change = SetAddress(target.aid, request.imsi, request.msisdn)
    return _end(state, SUCCESS, (Apply(change),))


def question(state: State) -> Question:
    """What the policy is asked."""
    request = state.request
    if isinstance(request, es3.ES3UpdatePolicyRules | es4.ES4UpdatePolicyRules):
        return Question(Function.UPDATE_POLICY, state.requester, request.iccid, pol2=request.pol2)
    return Question(
        Function.UPDATE_ADDRESS, state.requester, request.iccid, imsi=request.imsi, msisdn=request.msisdn
    )


def _end(state: State, status: ExecutionStatus, effects: tuple[Effect, ...] = ()) -> Step[State]:
    name = type(state.request).__name__.removeprefix("ES3").removeprefix("ES4")
    audit = Audit(name, "done" if status.ok else "failed", object=state.request.iccid, detail=status.code)
    response: Any = RESPONSES[type(state.request)]
    return Step(state, (*effects, audit, Reply(response(status=status)), Done()))
