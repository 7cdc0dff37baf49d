"""Enable, Disable and Delete with notification and confirmation (SGP.02 3.2 to 3.7; ES5 4.1.1.2 to 4.1.1.12).

The card answers 9000 over the old profile, attaches with the new one and notifies. Confirming is the decision:
it is taken once, before the validity period ends, committed before it is sent, and the caller hears the same.
Without confirmation the card rolls back. Only the card's word ends the change: 9000 to the confirmation, or
"nothing pending" together with its state. State 3F alone proves nothing, a card that waits for us is in it too.
A roll-back is believed in the same way, so that a replayed notification cannot end a good change. The lease on
the EID is kept until the card has said how it ended.

A notification that may be a replay (`CardNotification.replayable`) is confirmed as well, because the card may be
waiting for it and would roll back; but nothing that follows from it is believed before the card has been asked. A
card that does not count takes the confirmation of one for that of another: there 9000 proves that something was
pending, and its state after that what it was. A profile that has to go, because that was asked for or
because POL2 says Auto-Delete, is deleted after the change is final.
"""

from __future__ import annotations

from ferryman.codec.isdr_answers import parse_confirmation
from ferryman.contracts import codes
from ferryman.contracts.status import expired, failed, warning
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
    SetTimer,
    Signalled,
    Step,
    TimerFired,
)
from ferryman.sm_sr import policy
from ferryman.sm_sr.euicc_type import DISABLE_FIRST
from ferryman.sm_sr.procedures import change_commands as commands
from ferryman.sm_sr.procedures import change_delete
from ferryman.sm_sr.procedures.card_state import CARD_DISABLED, CARD_ENABLED
from ferryman.sm_sr.procedures.change_end import finish, go_back, hinted, landed, proven, succeed
from ferryman.sm_sr.procedures.change_state import (
    ASK_AGAIN,
    ASK_LATER,
    CHANGING,
    COMMANDED,
    CONFIRMING,
    DELETING,
    GRACE,
    LOOKING,
    RECONFIRM_DELAY,
    RETURNING,
    SW_OK,
    SW_POLICY,
    answer,
    card_of,
    command_id,
    effective_of,
    settings_of,
)
from ferryman.sm_sr.procedures.change_state import State as State
from ferryman.sm_sr.procedures.delivery import (
    CardNotification,
    Outcome,
    OutcomeKind,
    cancel,
    read,
    settled,
    single,
)
from ferryman.sm_sr.procedures.notification import (
    AUDIT_NAMES,
    CHANGED,
    FELL_BACK,
    ROLLED_BACK,
    names_failed,
    pass_on,
)
from ferryman.sm_sr.procedures.settle import doubt
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import ENABLED, Contacted, Facts


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
        case Signalled(_, Outcome() as outcome) if outcome.command_id == command_id(state, context):
            return _outcome(state, outcome, context)
        case _:
            return Step(state)


def _begin(state: State, context: Context) -> Step[State]:
    facts: Facts = context.facts
    card, iccid = facts.euicc, state.request.iccid
    if context.caller is not None and context.now >= context.caller.deadline:
        return finish(state, expired("the eUICC was busy until the validity period ended"))
    if state.enables:
        decision = policy.may_enable(card, iccid, state.requester, facts.elsewhere, facts.granted)
    elif state.deletes:
        first = facts.effective.delete_enabled == DISABLE_FIRST
        decision = policy.may_delete(
            card, iccid, state.requester, facts.elsewhere, facts.granted, disable_first=first
        )
    else:
        decision = policy.may_disable(card, iccid, state.requester, facts.elsewhere, facts.granted)
    target = decision.target
    if target is None or decision.refusal is not None or card is None:
        return finish(state, decision.refusal or failed(*codes.EID_UNKNOWN, "no eUICC with this EID"))
    if state.enables:
        previous = card.enabled
        state = replace(state, target=target.aid, previous=previous.aid if previous is not None else b"")
        return commands.change(state, context)
    if state.deletes and target.state != ENABLED:
        return commands.delete(replace(state, doomed=target.aid), context)
    fallback = next(p for p in card.profiles if p.fallback)  # policy has seen to it
    return commands.change(replace(state, target=fallback.aid, previous=target.aid), context)


# -- answers of the card -------------------------------------------------------------------------------------


def _outcome(state: State, outcome: Outcome, context: Context) -> Step[State]:
    if state.phase == COMMANDED:
        return _commanded(state, outcome, context)
    if state.phase == CONFIRMING:
        return _confirmation_answered(state, outcome, context)
    if state.phase == RETURNING:
        return _return_confirmed(state, outcome, context)
    if state.phase == DELETING:
        return change_delete.deleted(state, outcome, context)
    if state.phase == LOOKING:
        return change_delete.looked(state, outcome, context)
    return _asked(state, outcome, context)


def _commanded(state: State, outcome: Outcome, context: Context) -> Step[State]:
    if outcome.kind is OutcomeKind.UNREACHABLE:
        return finish(state, failed(*codes.EUICC_UNREACHABLE, outcome.detail, context.eid))
    if outcome.kind is OutcomeKind.REJECTED:
        return finish(state, failed(*codes.ISDR_ERROR, outcome.detail, context.eid))
    if outcome.kind is OutcomeKind.UNKNOWN:
        return commands.wait(state, context)
    try:
        _, sw = single(outcome)
        state = replace(state, response=read(outcome.script).response)
    except PeerError:
        return commands.wait(state, context)
    if sw == SW_OK:
        return commands.wait(state, context)
    command = "EnableProfile" if state.enables else "DisableProfile"
    reason = codes.POL1_REFUSES if sw == SW_POLICY else codes.ISDR_ERROR
    return finish(state, failed(*reason, f"the card answered {sw:04X} to {command}", context.eid))


# -- notifications -------------------------------------------------------------------------------------------


def _notified(state: State, found: CardNotification, context: Context) -> Step[State]:
    if state.phase in ("", DELETING, LOOKING):
        return _notified_outside(state, found, context)
    name = AUDIT_NAMES.get(found.type, f"notification type {found.type:02X}")
    received = Audit(name, "received", object=found.aid.hex().upper())
    over = state.replied or (context.caller is not None and context.now >= context.caller.deadline)
    newer = not found.older_than(state.returned) and not found.older_than(state.confirmed)
    if _tells_the_change(state, found) and newer:
        decided = found.same_as(state.confirmed)
        if state.phase == CONFIRMING and (decided or found.answered_with(state.confirmed)):
            # Our confirmation is on its way; its repeats are the channel's work.
            return Step(state if proven(state.confirmed) else replace(state, confirmed=found))
        if over and not decided:
            late = Audit(name, "not confirmed", detail="the validity period is over; the card rolls back")
            return Step(state, (received, late))
        if found.replayable and state.refuted and state.phase == COMMANDED:
            # Confirming takes the place of the command in flight: one replay may do that, not each.
            return Step(state, (received, Audit(name, "not confirmed", detail="it was a replay before")))
        return _confirm(
            replace(state, phase=CONFIRMING, confirmed=found, returned=None), state, found, context, received
        )
    if names_failed(found, context) and found.aid != state.target:
        return Step(state, (pass_on(found, context.eid),))  # the end of an earlier change
    if found.type in (ROLLED_BACK, FELL_BACK) and not found.older_than(state.confirmed):
        if found.same_as(state.returned) and state.phase == RETURNING:
            return Step(state)
        if found.replayable and (state.phase == COMMANDED or (over and state.confirmed is None)):
            return _hinted(state, found, context, received)
        return _confirm(replace(state, phase=RETURNING, returned=found), state, found, context, received)
    if found.type not in AUDIT_NAMES:
        return Step(state, (received, Audit(name, "alarm", detail="unknown type, not confirmed")))
    return Step(state, (received, Audit(name, "not confirmed", detail="does not fit the change in progress")))


def _notified_outside(state: State, found: CardNotification, context: Context) -> Step[State]:
    """No change runs, not yet or no more: whatever the card tells now is a matter of its own."""
    if found.same_as(state.confirmed):
        return Step(state)
    return Step(state, (pass_on(found, context.eid),))


def _hinted(state: State, found: CardNotification, context: Context, received: Audit) -> Step[State]:
    """A roll-back or fall-back that may be a replay, while confirming would do harm: it would take the place of
    the command in flight, or make a change final whose call is over. No card rolls back for want of it."""
    detail = "it may be a replay: the card's own answer decides"
    not_confirmed = (received, Audit(received.action, "not confirmed", detail=detail))
    if state.phase != CHANGING:
        return Step(state, not_confirmed)
    asked = commands.ask(replace(state, returned=found, nothing_pending=False), context)
    return Step(asked.state, (*not_confirmed, *asked.effects))


def _tells_the_change(state: State, found: CardNotification) -> bool:
    """Type 02 over the target; after a commanded Disable some cards send 05 (SGP.02 3.4 and its readers)."""
    told = (CHANGED,) if state.enables else (CHANGED, FELL_BACK)
    return found.type in told and found.aid == state.target


def _confirm(
    state: State, former: State, found: CardNotification, context: Context, received: Audit
) -> Step[State]:
    """The decision, committed with the command that carries it; what still waits to be sent is overtaken."""
    # Sent, its answer may never come: the card was reset with the change of its Profile.
    before = command_id(former, context)
    effects: list[Effect] = [
        received,
        CancelTimer(ASK_LATER),
        cancel(before, context.eid),
        settled(before, context.eid),
    ]
    if found.imei and not found.replayable:
        effects.append(Apply(Contacted(found.imei.hex().upper())))
    # One that is on its way already may be taken all the same; its answer comes too late.
    unsure = state.unsure or former.phase in (CONFIRMING, RETURNING)
    sent = commands.confirm(replace(state, nothing_pending=False, unsure=unsure), context)
    return Step(sent.state, (*effects, *sent.effects))


def _confirmation_answered(state: State, outcome: Outcome, context: Context) -> Step[State]:
    try:
        data, sw = single(outcome) if outcome.kind is OutcomeKind.ANSWERED else (b"", 0)
        gone = parse_confirmation(data) if sw == SW_OK else []
    except PeerError:
        sw, gone = 0, []
    if sw == SW_OK and effective_of(context).check_sequence:
        return succeed(state, context, gone)
    if sw == SW_OK:
        return commands.ask(replace(state, taken=True, nothing_pending=True, gone=tuple(gone)), context)
    if sw and not state.unsure and state.confirmed is not None and state.confirmed.replayable:
        # Refused, and no other copy of ours has gone out: the card has told no such thing yet.
        state = replace(state, confirmed=None, refuted=True, nothing_pending=False)
        return commands.ask(state, context, under=state.target)  # it has just answered there
    if sw == effective_of(context).nothing_pending:
        # An earlier copy came through, or the card rolled back.
        return commands.ask(replace(state, nothing_pending=True), context)
    state = replace(state, unsure=state.unsure or outcome.kind in (OutcomeKind.UNKNOWN, OutcomeKind.ANSWERED))
    if not proven(state.confirmed) and outcome.kind is OutcomeKind.UNKNOWN:
        return commands.ask(state, context, under=state.previous)  # a replay says where the card is not
    return Step(state, (SetTimer(ASK_LATER, context.now + RECONFIRM_DELAY),))


def _return_confirmed(state: State, outcome: Outcome, context: Context) -> Step[State]:
    """The card took our confirmation of its roll-back; else only its state proves one."""
    try:
        _, sw = single(outcome) if outcome.kind is OutcomeKind.ANSWERED else (b"", 0)
    except PeerError:
        sw = 0
    if sw == SW_OK and effective_of(context).check_sequence:
        return go_back(state, context)
    if sw == SW_OK:
        return commands.ask(replace(state, taken=True, nothing_pending=True), context)
    refuted = state.refuted or (bool(sw) and not proven(state.returned))
    nothing_pending = sw == effective_of(context).nothing_pending
    return commands.ask(replace(state, nothing_pending=nothing_pending, refuted=refuted), context)


# -- asking the card -----------------------------------------------------------------------------------------


def _asked(state: State, outcome: Outcome, context: Context) -> Step[State]:
    states, gone = commands.told(state, outcome, card_of(context))
    target = states.get(state.target)
    if target not in (CARD_ENABLED, CARD_DISABLED):
        if state.replied:
            return Step(state)  # the grace timer ends it
        return Step(replace(state, phase=_waiting(state)), (SetTimer(ASK_LATER, context.now + ASK_AGAIN),))
    if target == CARD_ENABLED:
        return _still_there(state, context, gone)
    told = proven(state.confirmed) or proven(state.returned)
    if not (told or state.response or state.replied):
        # The command never ran, or its answer was lost and the card rolled back: it may go out again, a few times.
        if state.attempts < settings_of(context).card_attempts:
            state = replace(state, confirmed=None, returned=None, taken=False, unsure=False, seen=0.0)
            return commands.change(state, context)
        return finish(state, failed(*codes.ISDR_ERROR, "the card did not change the profile", context.eid))
    if state.returned is not None and not proven(state.returned) and not (state.taken or state.refuted):
        # The command has run or never will, a later packet has been answered: nothing else can take this.
        return commands.confirm(replace(state, phase=RETURNING), context)
    begun = state.begun + effective_of(context).change_timeout
    if (state.refuted or hinted(state)) and not (told or state.taken) and context.now < begun:
        # What was told was a replay, or is confirmed already; the card has had the command and may be about to.
        waiting = replace(state, phase=CHANGING, confirmed=None, returned=None)
        return Step(waiting, (SetTimer(ASK_LATER, begun),))
    if landed(state):
        state = replace(state, returned=None)  # the card itself says that it is not there
    enabled = next((aid for aid, found in states.items() if found == CARD_ENABLED), b"")
    return go_back(state, context, enabled)


def _still_there(state: State, context: Context, gone: list[bytes]) -> Step[State]:
    """The target is the enabled profile now; final only when nothing is pending any more."""
    if state.nothing_pending and landed(state) and (state.taken or proven(state.returned)):
        return go_back(state, context)
    if state.taken:
        return succeed(state, context, list(dict.fromkeys((*state.gone, *gone))))
    # A roll-back that was told was a replay.
    if state.confirmed is not None:
        if state.nothing_pending and state.returned is None:
            return _perhaps_final(state, state.confirmed, context, gone)
        return commands.confirm(replace(state, phase=CONFIRMING, returned=None), context)
    # It waits for us, and its notification was lost or is repeated.
    state = replace(state, phase=CHANGING, returned=None, nothing_pending=False)
    return Step(state, (SetTimer(ASK_LATER, context.now + 2 * ASK_AGAIN),))


def _perhaps_final(state: State, found: CardNotification, context: Context, gone: list[bytes]) -> Step[State]:
    """Enabled, nothing pending. When `found` may be a replay the card may not have come to notifying yet: only
    when it is still so after all the time that a change takes, an earlier confirmation of ours was taken."""
    seen = state.seen or context.now
    final = seen + effective_of(context).change_timeout
    if proven(found) or context.now >= final:
        return succeed(state, context, gone)
    return Step(replace(state, phase=CHANGING, seen=seen), (SetTimer(ASK_LATER, final),))


def _waiting(state: State) -> str:
    if state.returned is not None:
        return RETURNING
    return CHANGING if state.confirmed is None else CONFIRMING


# -- time ----------------------------------------------------------------------------------------------------


def _timer(state: State, name: str, context: Context) -> Step[State]:
    if name == GRACE:
        return _give_up(state, context)
    if state.phase == CONFIRMING:
        return commands.confirm(state, context)
    if state.phase in (CHANGING, RETURNING):
        return commands.ask(state, context)
    if state.phase == LOOKING:
        return change_delete.look_again(state, context)
    return Step(state)


def _give_up(state: State, context: Context) -> Step[State]:
    """The card's last word did not come in time: it is looked for outside this call."""
    if state.phase in (DELETING, LOOKING):
        return Step(state)
    unknown = Audit(state.name, "unknown", object=state.request.iccid, detail="the card is silent")
    effects = (unknown, doubt(context.eid))
    if state.replied:
        return Step(state, (*effects, Done()))
    return finish(state, expired("the card did not say whether it took the confirmation"), effects)


def _deadline(state: State, context: Context) -> Step[State]:
    if state.replied:
        return Step(state)
    if state.phase in (DELETING, LOOKING):
        return _deadline_of_deletion(state, context)
    grace = SetTimer(GRACE, context.now + effective_of(context).change_timeout)
    if state.confirmed is not None or state.returned is not None:
        return Step(state, (grace,))  # decided in time: the answer to the caller is the card's answer
    reply = answer(state, expired("no notification in the validity period"))
    if not state.phase:
        return Step(replace(state, replied=True), (reply, Done()))
    withdraw = cancel(command_id(state, context), context.eid)
    return Step(replace(state, replied=True), (reply, withdraw, grace))


def _deadline_of_deletion(state: State, context: Context) -> Step[State]:
    over = "the validity period ended before the card had deleted the former profile"
    if state.deletes:
        status = expired("no answer of the card in the validity period")
        withdraw = (cancel(command_id(state, context), context.eid),)
        return Step(replace(state, replied=True), (answer(state, status), *withdraw))
    # The change itself is done; the deletion is owed to POL2, not to the caller, and goes on.
    return Step(replace(state, replied=True), (answer(state, warning(*codes.EXPIRED, over, context.eid)),))
