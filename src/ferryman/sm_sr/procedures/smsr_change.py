"""SM-SR change, the SM-SR that gives the card away: ES4.SMSRChange, provider of ES7 (SGP.02 3.8, 5.5.9, 5.6).

The lease on the EID is the lock: nothing was pending when it was taken, and nothing else is sent to the card.
Until the receipt of the new key set has left, this SM-SR may end the change at any time, and does so when the
other one does not ask on in time. After it only the other one knows how it ended: it is asked, with the same call,
until it says, and meanwhile the card is touched by nobody here.
"""

from __future__ import annotations

import msgspec

from ferryman.codec import ids, isdr, ota_script
from ferryman.codec.isdr_answers import parse_random_challenge, parse_receipt
from ferryman.codec.isdr_keys import SCP80_VERSIONS
from ferryman.contracts import codes, crypto, es4, es7
from ferryman.contracts.message import Body, Header
from ferryman.contracts.status import SUCCESS, ExecutionStatus, expired, failed
from ferryman.errors import PeerError
from ferryman.platform.procedure import (
    Answered,
    Apply,
    Ask,
    Audit,
    Begin,
    CancelTimer,
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
from ferryman.sm_sr.policy import has_right
from ferryman.sm_sr.procedures import other_smsr, owed
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Command, Outcome, OutcomeKind, deliver, single
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import EUICC, Facts, HandOver
from ferryman.sm_sr.visibility import Viewer, view

KIND = "smsr-change"
# Phases: the EIS is with the other SM-SR; its certificate is at the card; the challenge is told; its key is at the
# card; the receipt is told; a key set that nobody will use is removed.
OFFERED, CERTIFYING, CHALLENGED, KEYING, KEYED, CLEANING = (
    "offered", "certifying", "challenged", "keying", "keyed", "cleaning"
)  # fmt: skip
EXPIRY = "expiry"  # timer: the other SM-SR does not ask on
AGAIN = "again"  # timer: it has not said how it ended
RETRY_FIRST, RETRY_LAST = 60.0, 3600.0  # s between two questions how it ended
MARGIN = 0.9  # of the caller's time is the other SM-SR's
BARE_POINT, UNCOMPRESSED = 64, b"\x04"  # octets of X and Y on P-256; SEC 1 2.3.3
KEY_LENGTH = "ECC-256"
IDENTITIES = 0x04  # bit of ScenarioParameter: host identifier and SIN, SDIN in the derivation
NAME = "SMSRChange"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of one change; `asked` is the header of the other SM-SR's call that waits for its answer.

    `offer` is what the other SM-SR was offered: asked again, it must hear the same.
    """

    request: es4.ES4SMSRChange
    requester: str
    offer: es7.ES7HandoverEUICC | None = None
    phase: str = ""
    sent: int = 0
    asked: Header | None = None
    creating: bool = False  # that call is CreateAdditionalKeySet
    certificate: bytes = b""
    half_made: bool = False  # the card may have a key set of the other SM-SR
    retries: int = 0
    at: int = 0  # which of the commands that remove it
    replied: bool = False


def step(state: State, event: Event, context: Context) -> Step[State]:
    """One step."""
    match event:
        case Begin():
            return _begin(state, context)
        case TimerFired("deadline"):
            return _deadline(state, context)
        case TimerFired(name):
            return _timer(state, name, context)
        case Received(header, body):
            return _received(state, header, body, context)
        case Answered(tag="certificate"):
            return _verified(state, event.refusal, context)
        case Answered(tag="drop"):
            return _gone(state, context)
        case Signalled(_, Outcome() as outcome) if outcome.command_id == _command_id(state, context):
            return _outcome(state, outcome, context)
        case _:
            return Step(state)


def _begin(state: State, context: Context) -> Step[State]:
    facts: Facts = context.facts
    card, target = facts.euicc, state.request.target_smsr_id
    if context.caller is not None and context.now >= context.caller.deadline:
        return _end(state, expired("the eUICC was busy until the validity period ended"))
    if card is None:
        return _end(state, failed(*codes.EID_UNKNOWN, "no eUICC with this EID", state.request.eid))
    if not any(has_right(p, state.requester) for p in card.profiles):
        sentence = "the requester has no profile on this eUICC"
        return _end(state, failed(*codes.EUICC_NOT_ALLOWED, sentence, state.request.eid))
    if target == facts.settings.smsr_id or target not in facts.links.smsrs:
        return _end(state, failed(*codes.SMSR_UNKNOWN, "not an SM-SR that we can hand a card to", target))
    wait = SetTimer(EXPIRY, context.now + facts.settings.handover_timeout)
    offer = es7.ES7HandoverEUICC(eis=view(card, Viewer.HANDOVER, trail=facts.trail))
    return Step(replace(state, phase=OFFERED, offer=offer), (_offer(state, offer, context), wait))


def _offer(state: State, offer: es7.ES7HandoverEUICC, context: Context) -> Send:
    """HandoverEUICC, the very same call however often it is sent: same identifier, same EIS."""
    facts: Facts = context.facts
    until = (
        context.caller.deadline if context.caller is not None else context.now + facts.settings.handover_timeout
    )
    until = max(context.now, until - (1 - MARGIN) * max(0.0, until - context.now))
    call = f"{context.procedure_id}#offer"
    return other_smsr.ask(state.request.target_smsr_id, offer, call=call, until=until, context=context)


def _command_id(state: State, context: Context) -> str:
    return f"{context.procedure_id}/{state.sent}"


def _to_card(state: State, context: Context, apdu: bytes, *, more: bool) -> Effect:
    command = Command(
        id=_command_id(state, context),
        owner=context.procedure_id,
        tlvs=(ota_script.c_apdu(apdu),),
        target_aid=ids.ISDR_AID,
        transport=context.facts.effective.transport,
        more_to_do=more,
        chain=more,
    )
    return deliver(command, context.eid, Channel())


# -- ES7, as the provider ------------------------------------------------------------------------------------


def _received(state: State, header: Header, body: Body, context: Context) -> Step[State]:
    if isinstance(body, es7.ES7HandoverEUICCResponse):
        return _told(state, body.status, context)
    if header.requester != state.request.target_smsr_id:
        return Step(state, (_refuse(header, body, "another SM-SR than the one the card is offered to"),))
    match body:
        case _ if state.asked is not None and state.asked.function_call_id == header.function_call_id:
            return Step(state)  # the same call again; its answer is on the way
        case es7.ES7AuthenticateSMSR() if state.phase in (OFFERED, CHALLENGED):
            state = replace(state, asked=header, creating=False, certificate=body.certificate)
            question = crypto.VerifySMSRCertificate(certificate=body.certificate, now=context.now)
            return Step(state, (CancelTimer(EXPIRY), Ask("certificate", question)))
        case es7.ES7CreateAdditionalKeySet() if state.phase == CHALLENGED:
            return _create(replace(state, asked=header, creating=True), body, context)
        case _:
            return Step(state, (_refuse(header, body, "not at this point of the change"),))


def _refuse(header: Header, body: Body, sentence: str) -> Send:
    return other_smsr.answer(header, refusal_of(body, failed(*codes.EID_UNKNOWN, sentence, header.eid)))


def refusal_of(body: Body, status: ExecutionStatus) -> Body:
    """The response of a function of ES7 that is not carried out."""
    if isinstance(body, es7.ES7CreateAdditionalKeySet):
        return es7.ES7CreateAdditionalKeySetResponse(status=status)
    return es7.ES7AuthenticateSMSRResponse(status=status)


def _verified(state: State, refusal: ExecutionStatus | None, context: Context) -> Step[State]:
    if refusal is not None:
        return _fail_call(state, refusal, context)
    state = replace(state, phase=CERTIFYING, sent=state.sent + 1)
    return Step(state, (_to_card(state, context, isdr.store_certificate(state.certificate), more=True),))


def _create(state: State, body: es7.ES7CreateAdditionalKeySet, context: Context) -> Step[State]:
    try:
        apdu = _key_parameters(body)
    except (ValueError, OverflowError) as problem:
        return _fail_call(state, failed(*codes.FORMAT_INVALID, str(problem)), context)
    state = replace(state, phase=KEYING, sent=state.sent + 1, half_made=True)
    return Step(state, (CancelTimer(EXPIRY), _to_card(state, context, apdu, more=False)))


def _key_parameters(body: es7.ES7CreateAdditionalKeySet) -> bytes:
    if body.key_length != KEY_LENGTH:
        raise ValueError(f"ECCKeyLength {body.key_length} is not supported")
    if body.key_version not in SCP80_VERSIONS:
        raise ValueError("KeyVersionNumber is none of SCP80")
    if body.scenario & IDENTITIES:
        raise ValueError("ScenarioParameter with host identifier is not supported")
    a6 = isdr.key_parameters_a6(body.key_version, scenario=body.scenario, initial_counter=body.initial_counter)
    point = body.ephemeral_public_key
    if len(point) == BARE_POINT:  # some peers leave the mark of an uncompressed point out
        point = UNCOMPRESSED + point
    return isdr.store_key_parameters(a6, point, body.signature)


def _outcome(state: State, outcome: Outcome, context: Context) -> Step[State]:
    if state.phase == CLEANING:
        return _cleaned(state, outcome, context)
    try:
        if outcome.kind is not OutcomeKind.ANSWERED:
            raise PeerError(outcome.detail or "no answer", field="ES5.EstablishISDRKeySet")
        data, sw = single(outcome)
        if sw != 0x9000:
            raise PeerError(f"the card answered {sw:04X}", field="ES5.EstablishISDRKeySet")
        return _challenged(state, data, context) if state.phase == CERTIFYING else _keyed(state, data, context)
    except PeerError as problem:
        return _fail_call(state, failed(*codes.ISDR_ERROR, str(problem), context.eid), context)


def _challenged(state: State, data: bytes, context: Context) -> Step[State]:
    body = es7.ES7AuthenticateSMSRResponse(status=SUCCESS, random_challenge=parse_random_challenge(data))
    wait = SetTimer(EXPIRY, context.now + context.facts.settings.handover_timeout)
    return Step(replace(state, phase=CHALLENGED), (*_respond(state, body), wait))


def _keyed(state: State, data: bytes, context: Context) -> Step[State]:
    receipt, random = parse_receipt(data)
    body = es7.ES7CreateAdditionalKeySetResponse(status=SUCCESS, receipt=receipt, derivation_random=random or b"")
    # From here on the other SM-SR may have taken the card: only it can end the change.
    made = Audit("0800 EstablishISDRKeySet", "done", object=state.request.target_smsr_id)
    again = SetTimer(AGAIN, context.now + context.facts.settings.handover_timeout)
    return Step(replace(state, phase=KEYED), (*_respond(state, body), made, again))


def _respond(state: State, body: Body) -> tuple[Effect, ...]:
    return (other_smsr.answer(state.asked, body),) if state.asked is not None else ()


def _fail_call(state: State, status: ExecutionStatus, context: Context) -> Step[State]:
    """The other SM-SR hears it, and may begin again with its certificate, in its time."""
    kind = es7.ES7CreateAdditionalKeySetResponse if state.creating else es7.ES7AuthenticateSMSRResponse
    wait = SetTimer(EXPIRY, context.now + context.facts.settings.handover_timeout)
    return Step(replace(state, phase=OFFERED), (*_respond(state, kind(status=status)), wait))


# -- how it ends ---------------------------------------------------------------------------------------------


def _told(state: State, status: ExecutionStatus, context: Context) -> Step[State]:
    """The answer to HandoverEUICC: after the commit point it is never Failed."""
    if state.phase in ("", CLEANING):
        return Step(state)
    if status.ok:
        return Step(state, (Ask("drop", crypto.DropCardKeys(eid=context.eid)),))
    if state.phase == KEYED and (status.subject, status.reason) == codes.CALL_ID_REUSED:
        return Step(state)  # our repeat is refused, not the change: what became of the call nobody has said
    return _abort(state, status, context)


def _gone(state: State, context: Context) -> Step[State]:
    """The other SM-SR manages the card: the EIS goes, a note of where stays."""
    del context
    target = state.request.target_smsr_id
    return _end(state, SUCCESS, (Apply(HandOver(target)),))


def _abort(state: State, status: ExecutionStatus, context: Context) -> Step[State]:
    """This SM-SR goes on managing the card; a key set that the other one left is removed."""
    if not state.half_made:
        return _end(state, status)
    card: EUICC | None = context.facts.euicc
    audit = Audit(NAME, "failed", object=state.request.target_smsr_id, detail=status.code)
    reply = () if state.replied else (Reply(es4.ES4SMSRChangeResponse(status=status)),)
    state = replace(state, phase=CLEANING, replied=True)
    if card is None:
        return Step(state, (audit, *reply, Done()))
    cleaned = _clean(state, context)
    return Step(cleaned.state, (audit, *reply, CancelTimer(EXPIRY), CancelTimer(AGAIN), *cleaned.effects))


def _cleaning(context: Context) -> tuple[bytes, ...]:
    facts: Facts = context.facts
    own = {} if facts.euicc is None else other_smsr.own_keys(facts.euicc)
    return other_smsr.keep_only(own, facts.effective.finalise_lists)


def _clean(state: State, context: Context) -> Step[State]:
    state, apdus = replace(state, sent=state.sent + 1), _cleaning(context)
    apdu = apdus[min(state.at, len(apdus) - 1)]  # the eUICC type may say something else by now
    return Step(state, (_to_card(state, context, apdu, more=False),))


def _cleaned(state: State, outcome: Outcome, context: Context) -> Step[State]:
    try:
        sw = single(outcome)[1] if outcome.kind is OutcomeKind.ANSWERED else 0
    except PeerError:
        sw = 0
    if other_smsr.carried_out(sw, context.facts.effective.finalise_lists):
        if state.at + 1 < len(_cleaning(context)):
            return _clean(replace(state, at=state.at + 1), context)
        return Step(state, (Audit(NAME, "done", detail="the half-made key set is removed"), Done()))
    alarm = Audit(NAME, "alarm", detail=f"a key set of {state.request.target_smsr_id} may be on the card")
    return Step(state, (alarm, owed.owe(context.eid, owed.KEYS), Done()))


def _timer(state: State, name: str, context: Context) -> Step[State]:
    if name == EXPIRY and state.phase in (OFFERED, CHALLENGED):
        sentence = "the other SM-SR did not go on in time"
        return _abort(state, failed(*codes.DELIVERED_NO_RESPONSE, sentence, state.request.target_smsr_id), context)
    if name == AGAIN and state.phase == KEYED and state.offer is not None:
        delay = min(RETRY_FIRST * 2**state.retries, RETRY_LAST)
        again = SetTimer(AGAIN, context.now + delay)
        alarm = Audit(NAME, "alarm", detail="the other SM-SR has not said whether it manages the card")
        return Step(replace(state, retries=state.retries + 1), (_offer(state, state.offer, context), again, alarm))
    return Step(state)


def _deadline(state: State, context: Context) -> Step[State]:
    if state.replied:
        return Step(state)
    if state.phase == KEYED:
        reply = Reply(es4.ES4SMSRChangeResponse(status=expired("the other SM-SR has not answered")))
        return Step(replace(state, replied=True), (reply,))
    status = expired("the change was not done in the validity period")
    if not state.phase:
        return _end(state, status)
    return _abort(state, status, context)


def _end(state: State, status: ExecutionStatus, effects: tuple[Effect, ...] = ()) -> Step[State]:
    outcome = "done" if status.ok else "failed"
    audit = Audit(NAME, outcome, object=state.request.target_smsr_id, detail=status.code)
    reply = () if state.replied else (Reply(es4.ES4SMSRChangeResponse(status=status)),)
    return Step(replace(state, replied=True), (*effects, audit, *reply, Done()))
