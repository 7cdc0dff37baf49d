"""Default notification outside a change (SGP.02 3.15, 3.16): confirm, correct the EIS, act once per notification.

One procedure per card that never ends. A type 02 that nobody asked for (a change whose call has expired) is
not confirmed, so that the card rolls back; 01, 03 and 05 report a fact and are confirmed.

One that may be a replay moves nothing by itself. The card is asked whether the ISD-P is the enabled one, and only
then the EIS follows and the notification is confirmed. That order is safe: no card rolls back for want of this
confirmation, but one sent too early could make a change final that waits for another one.
"""

from __future__ import annotations

from ferryman.codec import ids, isdr, ota_script
from ferryman.codec.isdr_answers import parse_confirmation
from ferryman.errors import PeerError
from ferryman.platform.procedure import (
    Apply,
    Audit,
    CancelTimer,
    Context,
    Effect,
    Event,
    SetTimer,
    Signal,
    Signalled,
    Step,
    TimerFired,
)
from ferryman.sm_sr.euicc_type import NAMES_FAILED
from ferryman.sm_sr.procedures.card_state import CARD_ENABLED, apdus_of, states_told
from ferryman.sm_sr.procedures.channel_notification import CHANGES
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import (
    CardNotification,
    Command,
    Outcome,
    OutcomeKind,
    cancel,
    deliver,
    settled,
)
from ferryman.sm_sr.procedures.notification_state import NotificationState
from ferryman.sm_sr.procedures.settle import doubt
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import DISABLED, ENABLED, EUICC, Contacted, Facts, RemoveISDP, SetState
from ferryman.sm_sr.settings import SMS

DECLARATION = 0x01
CHANGED = 0x02
ROLLED_BACK = 0x03
FELL_BACK = 0x05
SW_OK = 0x9000
ELSEWHERE = "elsewhere"  # timer: the card does not answer under the number of what was told
PATIENCE = 60.0  # s until then: two copies of a short message; the way to the card is blocked as long

AUDIT_NAMES = {
    DECLARATION: "0001 eUICC declaration",
    CHANGED: "0002 profile change succeeded",
    ROLLED_BACK: "0003 profile change failed",
    FELL_BACK: "0005 profile change after fall-back",
}


def step(state: NotificationState, event: Event, context: Context) -> Step[NotificationState]:
    """One notification, or the outcome of its confirmation or of the question about it."""
    match event:
        case Signalled(_, CardNotification() as found):
            return _notified(state, found, context)
        case Signalled(_, Outcome() as outcome) if outcome.command_id == _id(state.question, context):
            return _told(state, state.asked, outcome, context) if state.asked is not None else Step(state)
        case Signalled(_, Outcome() as outcome) if state.pending is not None:
            return _confirmed(state, state.pending, outcome, context)
        case TimerFired() if state.asked is not None:
            return _elsewhere(state, state.asked, context)
        case _:
            return Step(state)


def pass_on(found: CardNotification, eid: str) -> Signal:
    """The effect that hands over a notification which ends nothing of ours."""
    return Signal(f"notification/{eid}", found, kind="notification", initial=NotificationState())


def _notified(state: NotificationState, found: CardNotification, context: Context) -> Step[NotificationState]:
    name = AUDIT_NAMES.get(found.type, f"notification type {found.type:02X}")
    if found.stale:
        detail = f"type {found.type:02X}, sequence number {found.sequence} is not newer than the confirmed one"
        return Step(state, (Audit("HandleDefaultNotification", "refused", detail=detail),))
    if found.type not in AUDIT_NAMES:
        return Step(state, (Audit(name, "alarm", detail="unknown type, not confirmed"),))
    if found.type == CHANGED and not _is_repeat(found, context):
        return Step(state, (Audit(name, "not confirmed", detail="no change of ours is waiting for it"),))
    if found.same_as(state.pending) or found.same_as(state.asked):
        return Step(state)  # its confirmation, or the question about it, is on the way
    if found.replayable:
        return _hinted(state, found, context)
    sent = state.sent + 1
    command = confirmation(_id(sent, context), found, context, enabled_by(found, context))
    effects: list[Effect] = [deliver(command, context.eid, Channel())]
    if not found.repeat and not found.same_as(state.last):
        # 01, 03 and 05 are facts, confirmed or not: the EIS follows at once, our commands need the right number.
        if context.facts.euicc is not None:
            effects += states_after(found, context)
        effects.append(Audit(name, "received", object=found.aid.hex().upper()))
        if found.imei:
            effects.append(Apply(Contacted(found.imei.hex().upper())))
    return Step(replace(state, pending=found, last=found, sent=sent), tuple(effects))


def _confirmed(
    state: NotificationState, found: CardNotification, outcome: Outcome, context: Context
) -> Step[NotificationState]:
    state = replace(state, pending=None)
    if outcome.kind is not OutcomeKind.ANSWERED:
        # The card repeats what was not confirmed. If it took this for something else, it will not repeat that.
        lost = found.replayable and outcome.kind is OutcomeKind.UNKNOWN
        return Step(state, (doubt(context.eid),) if lost else ())
    try:
        (data, sw), *rest = apdus_of(outcome) or ((b"", 0),)
        gone = parse_confirmation(data) if sw == SW_OK else []
        states = states_told(rest)
    except PeerError as problem:
        return Step(state, (Audit("HandleNotificationConfirmation", "failed", detail=str(problem)),))
    if sw != SW_OK:
        # The card does not know this notification (any more): what it says proves nothing.
        return Step(state, (Audit("HandleNotificationConfirmation", "failed", detail=f"SW {sw:04X}"),))
    facts: Facts = context.facts
    effects: list[Effect] = [Audit("HandleNotificationConfirmation", "done", object=found.aid.hex().upper())]
    if facts.euicc is not None:
        effects += removed(gone, facts.euicc)
    if found.replayable:
        if found.imei:
            effects.append(Apply(Contacted(found.imei.hex().upper())))
        if states.get(enabled_by(found, context)) != CARD_ENABLED:
            effects.append(doubt(context.eid))  # something else has waited for a confirmation, and took this one
    return Step(state, tuple(effects))


def _is_repeat(found: CardNotification, context: Context) -> bool:
    """Whether it repeats one that the card had our confirmation of.

    A card that does not count tells a later change to the same profile in the same words: only of the profile that
    is enabled it can be a repeat.
    """
    if found.repeat and not context.facts.effective.check_sequence:
        card: EUICC | None = context.facts.euicc
        return card is not None and card.enabled is not None and card.enabled.aid == found.aid
    return found.repeat


# -- one that may be a replay ----------------------------------------------------------------------------------


def _hinted(state: NotificationState, found: CardNotification, context: Context) -> Step[NotificationState]:
    card: EUICC | None = context.facts.euicc
    name = AUDIT_NAMES[found.type]
    if card is None:
        return Step(state, (Audit(name, "not confirmed", detail="may be a replay, of a card that is not ours"),))
    if context.facts.holder_kind in CHANGES:
        detail = "may be a replay, and a change goes on: the card is asked after that"
        return Step(state, (Audit(name, "not confirmed", detail=detail), doubt(context.eid)))
    said = enabled_by(found, context)
    if not said:
        return Step(state, (Audit(name, "not confirmed", detail="may be a replay"), doubt(context.eid)))
    if state.asked is not None:
        return Step(replace(state, waiting=found))
    state = replace(state, asked=found, asked_about=_enabled(card))
    return _ask(state, found, _number(found, said, card), context)


def _ask(
    state: NotificationState, found: CardNotification, destination: str, context: Context
) -> Step[NotificationState]:
    card: EUICC = context.facts.euicc
    state = replace(state, question=state.sent + 1, sent=state.sent + 1)
    # The one that the EIS has as enabled, too: when the card has neither, somebody has to look at all of it.
    aids = filter(None, (enabled_by(found, context), _enabled(card)))
    question = Command(
        id=_id(state.question, context),
        owner=context.procedure_id,
        tlvs=tuple(ota_script.c_apdu(isdr.get_status(aid)) for aid in dict.fromkeys(aids)),
        target_aid=ids.ISDR_AID,
        transport=SMS if found.via == SMS else context.facts.effective.transport,
        destination=destination,
    )
    effects: list[Effect] = [deliver(question, context.eid, Channel())]
    if destination != _number_in_eis(card):
        effects.append(SetTimer(ELSEWHERE, context.now + PATIENCE))
    return Step(state, tuple(effects))


def _elsewhere(state: NotificationState, found: CardNotification, context: Context) -> Step[NotificationState]:
    """Silence under the number of what was told: if that was a replay, the card is where the EIS has it."""
    card: EUICC | None = context.facts.euicc
    if card is None:
        return Step(state)
    former = _id(state.question, context)
    asked = _ask(state, found, _number_in_eis(card), context)
    return Step(asked.state, (cancel(former, context.eid), settled(former, context.eid), *asked.effects))


def _number_in_eis(card: EUICC) -> str:
    return card.enabled.msisdn if card.enabled is not None else ""


def _id(number: int, context: Context) -> str:
    return f"{context.procedure_id}/{number}"


def _told(
    state: NotificationState, found: CardNotification, outcome: Outcome, context: Context
) -> Step[NotificationState]:
    """What the card says of a notification that may be a replay; then the one that came meanwhile."""
    about, waiting = state.asked_about, state.waiting
    state = replace(state, asked=None, asked_about=b"", waiting=None)
    card: EUICC | None = context.facts.euicc
    if card is None:
        return Step(state)
    try:
        states = states_told(apdus_of(outcome))
    except PeerError:
        states = {}
    if not states or context.facts.holder_kind in CHANGES or _enabled(card) != about:
        taken = Step(state, (doubt(context.eid),))  # nothing was said, or it is history by now
    elif states.get(said := enabled_by(found, context)) == CARD_ENABLED:
        taken = _believed(state, found, said, card, context)
    else:
        detail = f"type {found.type:02X}, sequence number {found.sequence}: a replay, the card says otherwise"
        taken = Step(state, (Audit("HandleDefaultNotification", "refused", detail=detail),))
        if states.get(_enabled(card)) != CARD_ENABLED:
            taken = Step(state, (*taken.effects, doubt(context.eid)))
    effects = (CancelTimer(ELSEWHERE), *taken.effects)
    if waiting is None:
        return Step(taken.state, effects)
    following = _hinted(taken.state, waiting, context)
    return Step(following.state, (*effects, *following.effects))


def _believed(
    state: NotificationState, found: CardNotification, said: bytes, card: EUICC, context: Context
) -> Step[NotificationState]:
    """The card says the same: the EIS follows, and it is confirmed, with one more look behind it."""
    effects = enabled_is(said, card)
    if effects or not (found.repeat or found.same_as(state.last)):
        effects.append(Audit(AUDIT_NAMES[found.type], "received", object=found.aid.hex().upper()))
    state = replace(state, pending=found, last=found, sent=state.sent + 1)
    command = confirmation(_id(state.sent, context), found, context, said)
    command = replace(command, tlvs=(*command.tlvs, ota_script.c_apdu(isdr.get_status(said))))
    return Step(state, (*effects, deliver(command, context.eid, Channel())))


def _enabled(card: EUICC) -> bytes:
    return card.enabled.aid if card.enabled is not None else b""


# -- what it says ----------------------------------------------------------------------------------------------


def names_failed(found: CardNotification, context: Context) -> bool:
    """Whether it is a roll-back that names the profile that failed: so cards of this type do (SGP.02 4.1.1.11)."""
    return bool(found.type == ROLLED_BACK and context.facts.effective.roll_back_names == NAMES_FAILED)


def enabled_by(found: CardNotification, context: Context) -> bytes:
    """The ISD-P that is the enabled one by what the card tells; of a roll-back that names the failed one, the
    EIS's: it never followed a change that was not confirmed. Empty when nobody knows."""
    card: EUICC | None = context.facts.euicc
    if not names_failed(found, context):
        return found.aid
    enabled = card.enabled if card is not None else None
    return enabled.aid if enabled is not None and enabled.aid != found.aid else b""


def states_after(found: CardNotification, context: Context) -> list[Effect]:
    """EIS states that a notification proves: its ISD-P is the enabled one, or is not."""
    card: EUICC = context.facts.euicc
    if names_failed(found, context):
        # The EIS has the failed one enabled, or none: only the card can say which it is.
        return [] if enabled_by(found, context) else [doubt(context.eid)]
    if found.type == DECLARATION or card.by_aid(found.aid) is None:
        return []
    return enabled_is(found.aid, card)


def enabled_is(aid: bytes, card: EUICC) -> list[Effect]:
    """Changes that make `aid` the only Enabled ISD-P of the EIS."""
    effects: list[Effect] = [
        Apply(SetState(other.aid, DISABLED))
        for other in card.profiles
        if other.state == ENABLED and other.aid != aid
    ]
    target = card.by_aid(aid)
    if target is not None and target.state != ENABLED:
        effects.append(Apply(SetState(aid, ENABLED)))
    return effects


def removed(gone: list[bytes], card: EUICC) -> list[Effect]:
    """ISD-Ps that the card deleted by POL1 when it was confirmed (SGP.02 4.1.1.12)."""
    found = [card.by_aid(aid) for aid in gone]
    return [Apply(RemoveISDP(p.aid, p.allocated_memory)) for p in found if p is not None]


def confirmation(command_id: str, found: CardNotification, context: Context, enabled: bytes) -> Command:
    """HandleNotificationConfirmation on the way the notification came, to a card under the ISD-P `enabled`."""
    return Command(
        id=command_id,
        owner=context.procedure_id,
        tlvs=(ota_script.c_apdu(isdr.confirm_notification(found.sequence)),),
        target_aid=ids.ISDR_AID,
        transport=found.via,
        destination=_number(found, enabled, context.facts.euicc),
        confirms=found,
    )


def _number(found: CardNotification, enabled: bytes, card: EUICC | None) -> str:
    """Where a card is that told this, under the ISD-P `enabled`."""
    profile = card.by_aid(enabled) if card is not None else None
    return found.originator or (profile.msisdn if profile is not None else "")
