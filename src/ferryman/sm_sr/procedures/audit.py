"""ES3.AuditEIS (SGP.02 5.4.2; ES5.eUICCCapabilityAudit): the card is asked, the EIS corrected."""

from __future__ import annotations

import msgspec

from ferryman.codec import ids, isdr, ota_script
from ferryman.codec.isdr_answers import ISDPStatus, parse_card_resources, parse_status
from ferryman.contracts import codes
from ferryman.contracts.es3 import ES3AuditEIS, ES3AuditEISResponse
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
    Signalled,
    Step,
    TimerFired,
)
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Command, Outcome, OutcomeKind, cancel, deliver, read
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import EUICC, ISDP, STATE_OF_CARD, Audited, Facts, RemoveISDP, SetState


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of one ES3.AuditEIS."""

    request: ES3AuditEIS
    requester: str
    sent: bool = False


def step(state: State, event: Event, context: Context) -> Step[State]:
    """One step."""
    match event:
        case Begin():
            return _begin(state, context)
        case TimerFired():
            status = expired("no answer of the card in the validity period")
            return _end(state, status, effects=(cancel(_command_id(context), context.eid),))
        case Signalled(_, Outcome() as outcome) if outcome.command_id == _command_id(context):
            return _told(state, outcome, context)
        case _:
            return Step(state)


def _command_id(context: Context) -> str:
    return f"{context.procedure_id}/1"


def _begin(state: State, context: Context) -> Step[State]:
    facts: Facts = context.facts
    card = facts.euicc
    if context.caller is not None and context.now >= context.caller.deadline:
        return _end(state, expired("the eUICC was busy until the validity period ended"))
    if card is None:
        return _end(state, failed(*codes.EID_UNKNOWN, "no eUICC with this EID", state.request.eid))
    command = Command(
        id=_command_id(context),
        owner=context.procedure_id,
        tlvs=(ota_script.c_apdu(isdr.get_status(None)), ota_script.c_apdu(isdr.get_card_resources())),
        target_aid=ids.ISDR_AID,
        transport=facts.effective.transport,
    )
    return Step(replace(state, sent=True), (deliver(command, context.eid, Channel()),))


def _told(state: State, outcome: Outcome, context: Context) -> Step[State]:
    card: EUICC | None = context.facts.euicc
    if outcome.kind in (OutcomeKind.UNREACHABLE, OutcomeKind.REJECTED) or card is None:
        return _end(state, failed(*codes.EUICC_UNREACHABLE, outcome.detail, context.eid))
    if outcome.kind is OutcomeKind.UNKNOWN:
        return _end(state, failed(*codes.DELIVERED_NO_RESPONSE, outcome.detail, context.eid))
    try:
        apdus = read(outcome.script).apdus
        if len(apdus) < 2 or any(sw != 0x9000 for _, sw in apdus):
            raise PeerError(
                "not both commands answered 9000", field="R-APDU", clause="SGP.02 ES5.eUICCCapabilityAudit"
            )
        found = parse_status(apdus[0][0])
        memory = parse_card_resources(apdus[1][0]).free_nvm
    except PeerError as problem:
        return _end(state, failed(*codes.ISDR_ERROR, str(problem), context.eid))
    corrected, effects = correct(card, found)
    corrected = msgspec.structs.replace(corrected, remaining_memory=memory)
    own = tuple(p for p in corrected.profiles if _asked_for(state, p))
    return _end(state, SUCCESS, (*effects, Apply(Audited(memory))), corrected, own)


def _asked_for(state: State, profile: ISDP) -> bool:
    if state.requester not in (profile.smdp_id, profile.owner):
        return False
    return not state.request.iccids or profile.iccid in state.request.iccids


def correct(card: EUICC, found: list[ISDPStatus]) -> tuple[EUICC, tuple[Effect, ...]]:
    """The card's word against the EIS: the EIS after it, and the changes with an alarm for each drift."""
    on_card = {status.aid: status for status in found}
    effects: list[Effect] = []
    kept: list[ISDP] = []
    for profile in card.profiles:
        status = on_card.pop(profile.aid, None)
        if status is None:
            effects += [Apply(RemoveISDP(profile.aid)), _drift(profile.aid, "in the EIS, not on the card")]
            continue
        state = STATE_OF_CARD.get(status.state, profile.state)
        if state != profile.state:
            effects += [
                Apply(SetState(profile.aid, state)),
                _drift(profile.aid, f"{profile.state}, card says {state}"),
            ]
        kept.append(msgspec.structs.replace(profile, state=state))
    effects += [_drift(aid, "on the card, not in the EIS") for aid in on_card]
    return msgspec.structs.replace(card, profiles=tuple(kept)), tuple(effects)


def _drift(aid: bytes, detail: str) -> Audit:
    return Audit("0500 eUICCCapabilityAudit", "alarm", object=aid.hex().upper(), detail=detail)


def _end(
    state: State,
    status: ExecutionStatus,
    effects: tuple[Effect, ...] = (),
    card: EUICC | None = None,
    profiles: tuple[ISDP, ...] = (),
) -> Step[State]:
    eis = card.visible(profiles) if card is not None else None
    audit = Audit("0500 eUICCCapabilityAudit", "done" if status.ok else "failed", detail=status.code)
    return Step(state, (*effects, audit, Reply(ES3AuditEISResponse(status=status, eis=eis)), Done()))
