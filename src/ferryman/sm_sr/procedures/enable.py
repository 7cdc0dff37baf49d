"""ES3/ES4.EnableProfile with notification and confirmation (SGP.02 3.2.1, 3.2.2; ES5 4.1.1.2, 4.1.1.11, 4.1.1.12).

The card answers 9000 over the old profile, attaches with the new one and notifies. Confirming is the decision:
it is taken once, before the validity period ends, committed before it is sent, and the caller hears the same.
Without confirmation the card rolls back. Only the card's word ends the change: 9000 to the confirmation, or
"nothing pending" together with its state. State 3F alone proves nothing, a card that waits for us is in it too.
A roll-back is believed in the same way, so that a replayed notification cannot end a good change. The lease on
the EID is kept until the card has said how it ended.
"""

from __future__ import annotations

import msgspec

from ferryman.codec import ids, isdr, ota_script
from ferryman.codec.isdr_answers import parse_confirmation
from ferryman.contracts import codes
from ferryman.contracts.es3 import ES3EnableProfile, ES3EnableProfileResponse
from ferryman.contracts.status import SUCCESS, ExecutionStatus, expired, failed
from ferryman.errors import PeerError
from ferryman.platform.procedure import (
    Apply,
    Audit,
    Begin,
    CancelTimer,
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
from ferryman.sm_sr.policy import AUTO_DELETE, has_rule, may_enable
from ferryman.sm_sr.procedures.card_state import ask_state, card_state
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import (
    CardNotification,
    Command,
    Outcome,
    OutcomeKind,
    cancel,
    deliver,
    read,
    settled,
    single,
)
from ferryman.sm_sr.procedures.notification import (
    AUDIT_NAMES,
    CHANGED,
    FELL_BACK,
    ROLLED_BACK,
    confirmation,
    enabled_is,
    removed,
)
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import EUICC, Contacted, Facts

# Phases: the command is out; the card has it and changes; we confirm; the card says what it is; it went back.
COMMANDED, CHANGING, CONFIRMING, ASKING, RETURNING = "commanded", "changing", "confirming", "asking", "returning"
ASK_LATER = "ask"  # timer: the card is silent, ask it
GRACE = "grace"  # timer: how long after the end of the call the card's last word is waited for
SW_OK, SW_POLICY = 0x9000, 0x69E1
SW_NOTHING_PENDING, SW_OTHER_SEQUENCE = 0x6985, 0x6A88
SEQUENCES = 0x10000  # sequence numbers of notifications have two bytes
RECONFIRM_DELAY = 20.0  # s until a confirmation whose fate is not known is sent again
CARD_ENABLED, CARD_DISABLED = 0x3F, 0x1F


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of one EnableProfile."""

    request: ES3EnableProfile
    requester: str
    phase: str = ""
    target: bytes = b""
    previous: bytes = b""
    sent: int = 0
    attempts: int = 0
    confirmed: CardNotification | None = None  # the change that we decided to confirm
    returned: CardNotification | None = None  # the roll-back or fall-back that the card has told
    asks: int = 0
    nothing_pending: bool = False  # the card said so: it is where it will stay
    replied: bool = False
    response: bytes = b""


def step(state: State, event: Event, context: Context) -> Step[State]:
    """One step."""
    match event:
        case Begin():
            return _begin(state, context)
        case TimerFired("deadline"):
            return _deadline(state, context)
        case TimerFired(name):
            return _timer(state, name, context)
        case Signalled(_, CardNotification() as found):
            return _notified(state, found, context)
        case Signalled(_, Outcome() as outcome) if outcome.command_id == _command_id(state, context):
            return _outcome(state, outcome, context)
        case _:
            return Step(state)


def _begin(state: State, context: Context) -> Step[State]:
    facts: Facts = context.facts
    if context.caller is not None and context.now >= context.caller.deadline:
        return _end(state, expired("the eUICC was busy until the validity period ended"))
    decision = may_enable(facts.euicc, state.request.iccid, state.requester)
    if decision.target is None or decision.refusal is not None or facts.euicc is None:
        return _end(state, decision.refusal or failed(*codes.EID_UNKNOWN, "no eUICC with this EID"))
    previous = facts.euicc.enabled
    state = replace(state, target=decision.target.aid, previous=previous.aid if previous is not None else b"")
    return _command(state, context)


def _command_id(state: State, context: Context) -> str:
    return f"{context.procedure_id}/{state.sent}"


def _command(state: State, context: Context) -> Step[State]:
    state = replace(state, phase=COMMANDED, sent=state.sent + 1, attempts=state.attempts + 1)
    command = Command(
        id=_command_id(state, context),
        owner=context.procedure_id,
        tlvs=(ota_script.c_apdu(isdr.enable_profile(state.target)),),
        target_aid=ids.ISDR_AID,
        transport=context.facts.effective.transport,
    )
    return Step(state, (deliver(command, context.eid, Channel()),))


def _outcome(state: State, outcome: Outcome, context: Context) -> Step[State]:
    if state.phase == COMMANDED:
        return _commanded(state, outcome, context)
    if state.phase == CONFIRMING:
        return _confirmation_answered(state, outcome, context)
    if state.phase == RETURNING:
        return _return_confirmed(state, outcome, context)
    return _asked(state, outcome, context)


def _commanded(state: State, outcome: Outcome, context: Context) -> Step[State]:
    if outcome.kind is OutcomeKind.UNREACHABLE:
        return _end(state, failed(*codes.EUICC_UNREACHABLE, outcome.detail, context.eid))
    if outcome.kind is OutcomeKind.REJECTED:
        return _end(state, failed(*codes.ISDR_ERROR, outcome.detail, context.eid))
    if outcome.kind is OutcomeKind.UNKNOWN:
        # If it ran, the card is changing its profile now and will notify; asking at once would only collide.
        return _change(state, context)
    try:
        _, sw = single(outcome)
        state = replace(state, response=read(outcome.script).response)
    except PeerError:
        return _change(state, context)
    if sw == SW_OK:
        return _change(state, context)
    reason = codes.POL1_REFUSES if sw == SW_POLICY else codes.ISDR_ERROR
    return _end(state, failed(*reason, f"the card answered {sw:04X} to EnableProfile", context.eid))


def _change(state: State, context: Context) -> Step[State]:
    timeout = context.facts.effective.change_timeout
    return Step(replace(state, phase=CHANGING), (SetTimer(ASK_LATER, context.now + timeout),))


# -- notifications -------------------------------------------------------------------------------------------


def _notified(state: State, found: CardNotification, context: Context) -> Step[State]:
    name = AUDIT_NAMES.get(found.type, f"notification type {found.type:02X}")
    received = Audit(name, "received", object=found.aid.hex().upper())
    if found.type == CHANGED and found.aid == state.target and not _older(found, state.returned):
        decided = found.same_as(state.confirmed)
        if decided and state.phase == CONFIRMING:
            return Step(state)  # our confirmation is on its way; its repeats are the channel's work
        over = state.replied or (context.caller is not None and context.now >= context.caller.deadline)
        if over and not decided:
            late = Audit(name, "not confirmed", detail="the validity period is over; the card rolls back")
            return Step(state, (received, late))
        changed = replace(state, phase=CONFIRMING, confirmed=found, returned=None)
        return _confirm(changed, state, found, context, received)
    if found.type in (ROLLED_BACK, FELL_BACK) and not _older(found, state.confirmed):
        if found.same_as(state.returned) and state.phase == RETURNING:
            return Step(state)
        return _confirm(replace(state, phase=RETURNING, returned=found), state, found, context, received)
    return Step(state, (received, Audit(name, "not confirmed", detail="does not fit the change in progress")))


def _older(found: CardNotification, other: CardNotification | None) -> bool:
    """Whether `found` was sent before `other`; sequence numbers count round, some cards never count."""
    return other is not None and (found.sequence - other.sequence) % SEQUENCES >= SEQUENCES // 2


def _confirm(
    state: State, former: State, found: CardNotification, context: Context, received: Audit
) -> Step[State]:
    """The decision, committed with the command that carries it; what still waits to be sent is overtaken."""
    # Sent, its answer may never come: the card was reset with the change of its Profile.
    before = _command_id(former, context)
    withdraw = (cancel(before, context.eid), settled(before, context.eid))
    state = replace(state, sent=state.sent + 1, nothing_pending=False)
    command = confirmation(_command_id(state, context), context.procedure_id, found, context.facts.euicc)
    effects: list[Effect] = [received, CancelTimer(ASK_LATER), *withdraw, deliver(command, context.eid, Channel())]
    if found.imei:
        effects.append(Apply(Contacted(found.imei.hex().upper())))
    return Step(state, tuple(effects))


def _confirmation_answered(state: State, outcome: Outcome, context: Context) -> Step[State]:
    try:
        data, sw = single(outcome) if outcome.kind is OutcomeKind.ANSWERED else (b"", 0)
        gone = parse_confirmation(data) if sw == SW_OK else []
    except PeerError:
        sw, gone = 0, []
    if sw == SW_OK:
        return _success(state, context, gone)
    if sw == SW_NOTHING_PENDING:
        # An earlier copy came through, or the card rolled back.
        return _ask(replace(state, nothing_pending=True), context)
    # Confirming twice is harmless: the card acts on the sequence number once.
    return Step(state, (SetTimer(ASK_LATER, context.now + RECONFIRM_DELAY),))


def _reconfirm(state: State, context: Context) -> Step[State]:
    """The same decision again; whether the card heard it is what its answer tells."""
    found = state.confirmed
    if found is None:
        return Step(state)
    state = replace(state, sent=state.sent + 1)
    command = confirmation(_command_id(state, context), context.procedure_id, found, context.facts.euicc)
    return Step(state, (deliver(command, context.eid, Channel()),))


def _return_confirmed(state: State, outcome: Outcome, context: Context) -> Step[State]:
    """The card took our confirmation of its roll-back; else only its state proves one."""
    try:
        _, sw = single(outcome) if outcome.kind is OutcomeKind.ANSWERED else (b"", 0)
    except PeerError:
        sw = 0
    if sw == SW_OK:
        return _returned(state, context)
    return _ask(replace(state, nothing_pending=sw in (SW_NOTHING_PENDING, SW_OTHER_SEQUENCE)), context)


def _returned(state: State, context: Context) -> Step[State]:
    card: EUICC | None = context.facts.euicc
    found = state.returned
    effects: list[Effect] = []
    if card is not None and found is not None and card.by_aid(found.aid) is not None and found.aid != state.target:
        effects = enabled_is(found.aid, card)
    sentence = "the profile gave no connectivity and the card rolled back"
    return _end(state, failed(*codes.NO_CONNECTIVITY, sentence, context.eid), tuple(effects))


# -- asking the card -----------------------------------------------------------------------------------------


def _ask(state: State, context: Context) -> Step[State]:
    card: EUICC | None = context.facts.euicc
    # Nobody knows under which subscription the card is: each question goes to the other one.
    confirmed = state.confirmed is not None and state.returned is None
    aid = state.target if (state.asks % 2 == 0) == confirmed else state.previous
    profile = card.by_aid(aid) if card is not None else None
    transport = context.facts.effective.transport
    destination = profile.msisdn if profile is not None else ""
    state = replace(state, phase=ASKING, sent=state.sent + 1, asks=state.asks + 1)
    command = ask_state(_command_id(state, context), context.procedure_id, state.target, transport, destination)
    return Step(state, (deliver(command, context.eid, Channel()),))


def _asked(state: State, outcome: Outcome, context: Context) -> Step[State]:
    try:
        found = card_state(outcome, state.target) if outcome.kind is OutcomeKind.ANSWERED else None
    except PeerError:
        found = None
    if found is None or found.state not in (CARD_ENABLED, CARD_DISABLED):
        if state.replied:
            return Step(state)  # the grace timer ends it
        return Step(replace(state, phase=_waiting(state)), (SetTimer(ASK_LATER, context.now + 30.0),))
    if found.state == CARD_ENABLED:
        return _still_there(state, context)
    if not (state.confirmed or state.returned or state.response or state.replied):
        # The command never ran, or its answer was lost and the card rolled back: it may go out again, a few times.
        if state.attempts < context.facts.settings.card_attempts:
            return _command(state, context)
        return _end(state, failed(*codes.ISDR_ERROR, "the card did not enable the profile", context.eid))
    return _returned(state, context)


def _still_there(state: State, context: Context) -> Step[State]:
    """The target is the enabled profile now; final only when nothing is pending any more."""
    # A roll-back that was told was a replay.
    if state.confirmed is not None:
        if state.nothing_pending and state.returned is None:
            return _success(state, context, [])
        return _reconfirm(replace(state, phase=CONFIRMING, returned=None), context)
    # It waits for us, and its notification was lost or is repeated.
    state = replace(state, phase=CHANGING, returned=None, nothing_pending=False)
    return Step(state, (SetTimer(ASK_LATER, context.now + 60.0),))


def _waiting(state: State) -> str:
    if state.returned is not None:
        return RETURNING
    return CHANGING if state.confirmed is None else CONFIRMING


def _timer(state: State, name: str, context: Context) -> Step[State]:
    if name == GRACE:
        unknown = Audit("0200 EnableProfile", "unknown", object=state.request.iccid, detail="the card is silent")
        if state.replied:
            return Step(state, (unknown, Done()))
        return _end(state, expired("the card did not say whether it took the confirmation"), (unknown,))
    if state.phase == CONFIRMING:
        return _reconfirm(state, context)
    if state.phase in (CHANGING, RETURNING):
        return _ask(state, context)
    return Step(state)


def _deadline(state: State, context: Context) -> Step[State]:
    if state.replied:
        return Step(state)
    grace = SetTimer(GRACE, context.now + context.facts.effective.change_timeout)
    if state.confirmed is not None or state.returned is not None:
        return Step(state, (grace,))  # decided in time: the answer to the caller is the card's answer
    reply = Reply(ES3EnableProfileResponse(status=expired("no notification in the validity period")))
    if not state.phase:
        return Step(replace(state, replied=True), (reply, Done()))
    withdraw = cancel(_command_id(state, context), context.eid)
    return Step(replace(state, replied=True), (reply, withdraw, grace))


# -- ends ----------------------------------------------------------------------------------------------------


def _success(state: State, context: Context, gone: list[bytes]) -> Step[State]:
    effects: list[Effect] = []
    card: EUICC | None = context.facts.euicc
    if card is not None:
        effects += enabled_is(state.target, card)
        effects += removed(gone, card)
        previous = card.by_aid(state.previous)
        if previous is not None and previous.aid not in gone and has_rule(previous, "DISABLE", AUTO_DELETE):
            detail = "POL2 Auto-Delete is not carried out by this version"
            effects.append(Audit("POL2", "alarm", object=previous.iccid, detail=detail))
    return _end(state, SUCCESS, tuple(effects))


def _end(state: State, status: ExecutionStatus, effects: tuple[Effect, ...] = ()) -> Step[State]:
    outcome = "done" if status.ok else "failed"
    audit = Audit("0200 EnableProfile", outcome, object=state.request.iccid, detail=status.code)
    reply: tuple[Effect, ...] = ()
    if not state.replied:
        reply = (Reply(ES3EnableProfileResponse(status=status, euicc_response=state.response)),)
    return Step(replace(state, replied=True), (*effects, audit, *reply, Done()))
