"""ES3.ProfileDownloadCompleted (SGP.02 5.4.5): no OTA, the profile becomes Disabled in the EIS."""

from __future__ import annotations

import msgspec

from ferryman.contracts import codes
from ferryman.contracts.es3 import ES3ProfileDownloadCompleted, ES3ProfileDownloadCompletedResponse
from ferryman.contracts.status import SUCCESS, ExecutionStatus, expired, failed
from ferryman.platform.procedure import (
    Apply,
    Audit,
    Begin,
    Context,
    Done,
    Event,
    Reply,
    Step,
    TimerFired,
)
from ferryman.sm_sr.policy import find_target, invalid_rule
from ferryman.sm_sr.records import CREATED, DISABLED, CompleteISDP


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of one ES3.ProfileDownloadCompleted."""

    request: ES3ProfileDownloadCompleted
    requester: str


def step(state: State, event: Event, context: Context) -> Step[State]:
    """One step: the whole procedure."""
    match event:
        case Begin():
            return _begin(state, context)
        case TimerFired():
            return _end(state, expired("the eUICC was busy until the validity period ended"))
        case _:
            return Step(state)


def _begin(state: State, context: Context) -> Step[State]:
    request = state.request
    decision = find_target(context.facts.euicc, request.iccid, state.requester, context.facts.elsewhere)
    target = decision.target
    if target is None:
        return _end(state, decision.refusal or failed(*codes.ICCID_UNKNOWN, "no such profile", request.iccid))
    # An audit that found the profile installed has made it Disabled already; its fields are still missing.
    found_by_audit = target.state == DISABLED and not target.imsi and not target.profile_type
    if target.state != CREATED and not found_by_audit:
        sentence = f"the profile is {target.state}, not {CREATED}"
        return _end(state, failed(*codes.PROFILE_STATE, sentence, request.iccid))
    problem = invalid_rule(request.pol2)
    if problem:
        return _end(state, failed(*codes.POL2_INVALID, problem, request.iccid))
    change = CompleteISDP(
        aid=target.aid,
        profile_type=request.profile_type,
        imsi=request.imsi,
        msisdn=request.msisdn,
        pol2=request.pol2,
    )
    audit = Audit("ProfileDownloadCompleted", "done", object=request.iccid)
    return Step(state, (Apply(change), audit, *_end(state, SUCCESS).effects))


def _end(state: State, status: ExecutionStatus) -> Step[State]:
    return Step(state, (Reply(ES3ProfileDownloadCompletedResponse(status=status)), Done()))
