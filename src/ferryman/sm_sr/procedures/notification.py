"""Default notification outside a change (SGP.02 3.15, 3.16): confirm, correct the EIS, act once per notification.

One procedure per card that never ends. A type 02 that nobody asked for (a change whose call has expired) is
not confirmed, so that the card rolls back; 01, 03 and 05 report a fact and are confirmed.
"""

from __future__ import annotations

from ferryman.codec import ids, isdr, ota_script
from ferryman.codec.isdr_answers import parse_confirmation
from ferryman.errors import PeerError
from ferryman.platform.procedure import Apply, Audit, Context, Effect, Event, Signal, Signalled, Step
from ferryman.sm_sr.euicc_type import NAMES_FAILED
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import CardNotification, Command, Outcome, OutcomeKind, deliver, single
from ferryman.sm_sr.procedures.notification_state import NotificationState
from ferryman.sm_sr.procedures.settle import doubt
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import DISABLED, ENABLED, EUICC, Contacted, Facts, RemoveISDP, SetState

DECLARATION = 0x01
CHANGED = 0x02
ROLLED_BACK = 0x03
FELL_BACK = 0x05

AUDIT_NAMES = {
    DECLARATION: "0001 eUICC declaration",
    CHANGED: "0002 profile change succeeded",
    ROLLED_BACK: "0003 profile change failed",
    FELL_BACK: "0005 profile change after fall-back",
}


def step(state: NotificationState, event: Event, context: Context) -> Step[NotificationState]:
    """One notification, or the outcome of its confirmation."""
    match event:
        case Signalled(_, CardNotification() as found):
            return _notified(state, found, context)
        case Signalled(_, Outcome() as outcome) if state.pending is not None:
            return _confirmed(state, state.pending, outcome, context)
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
    if found.type == CHANGED and not found.repeat:
        return Step(state, (Audit(name, "not confirmed", detail="no change of ours is waiting for it"),))
    if found.same_as(state.pending):
        return Step(state)  # its confirmation is on the way
    sent = state.sent + 1
    command = confirmation(f"{context.procedure_id}/{sent}", found, context, enabled_by(found, context))
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
        return Step(state)  # the card repeats what was not confirmed
    try:
        data, sw = single(outcome)
        gone = parse_confirmation(data) if sw == 0x9000 else []
    except PeerError as problem:
        return Step(state, (Audit("HandleNotificationConfirmation", "failed", detail=str(problem)),))
    if sw != 0x9000:
        # The card does not know this notification (any more): what it says proves nothing.
        return Step(state, (Audit("HandleNotificationConfirmation", "failed", detail=f"SW {sw:04X}"),))
    facts: Facts = context.facts
    effects: list[Effect] = [Audit("HandleNotificationConfirmation", "done", object=found.aid.hex().upper())]
    if facts.euicc is not None:
        effects += removed(gone, facts.euicc)
    return Step(state, tuple(effects))


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
    card: EUICC | None = context.facts.euicc
    profile = card.by_aid(enabled) if card is not None else None
    destination = found.originator or (profile.msisdn if profile is not None else "")
    return Command(
        id=command_id,
        owner=context.procedure_id,
        tlvs=(ota_script.c_apdu(isdr.confirm_notification(found.sequence)),),
        target_aid=ids.ISDR_AID,
        transport=found.via,
        destination=destination,
        confirms=found,
    )
