"""Notifications of the card: checked, then handed to the change they end, or to a procedure of their own."""

from __future__ import annotations

from ferryman.codec.isdr_answers import parse_notification
from ferryman.contracts.crypto import SCP80Command
from ferryman.errors import PeerError
from ferryman.sm_sr.procedures.channel_state import Channel, Effects
from ferryman.sm_sr.procedures.delivery import (
    SEQUENCES,
    CardNotification,
    Command,
    Outcome,
    OutcomeKind,
    notification,
    read,
)
from ferryman.sm_sr.procedures.notification_state import NotificationState
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.settings import SMS

CHANGES = ("enable", "disable", "delete-isdp")  # kinds of procedures that a notification can end
SW_OK = 0x9000


def opened(state: Channel, command: SCP80Command, effects: Effects) -> Channel:
    """A notification packet whose check was right (SGP.02 4.1.1.11)."""
    try:
        found = parse_notification(command.data)
    except PeerError as problem:
        effects.audit("HandleDefaultNotification", "refused", str(problem))
        return state
    if found.eid != effects.context.eid:
        effects.audit("HandleDefaultNotification", "refused", "EID of another card")
        return state
    return route(state, notification(found, via="sms"), effects)


def route(state: Channel, value: CardNotification, effects: Effects) -> Channel:
    """To the change in progress, else to the procedure of unsolicited notifications.

    One that was confirmed before, or came before this change, must not end the change (an SMSC delivers late and
    twice); outside a change an older sequence number is a replay and is not confirmed (SGP.02 4.1.1.11). Of cards
    that do not count, the second change to a profile is told like the first one: what was heard before may be
    either, and what came by SMS may be a replay. In a session under its PSK only the card itself speaks.
    """
    facts = effects.facts
    counts = facts.effective.check_sequence
    value = replace(value, repeat=value.same_as(state.confirmed))
    # Also for the one that waits for its confirmation: when a later one is confirmed, it is a replay too.
    if not value.repeat and state.confirmed is not None and counts:
        step = (value.sequence - state.confirmed.sequence) % SEQUENCES
        value = replace(value, stale=not 1 <= step < SEQUENCES // 2)
    known = value.repeat or value.same_as(state.unsolicited)
    value = replace(value, replayable=value.stale if counts else known or value.via == SMS)
    if facts.holder and facts.holder_kind in CHANGES and not (known and counts):
        effects.signal(facts.holder, value)
        return state
    if value.stale and state.confirmed is not None:
        detail = f"sequence number {value.sequence} after {state.confirmed.sequence}"
        effects.audit("HandleDefaultNotification", "refused", detail)
        return state
    eid = effects.context.eid
    effects.signal(f"notification/{eid}", value, kind="notification", initial=NotificationState())
    return state if value.repeat else replace(state, unsolicited=value)


def note(state: Channel, command: Command, outcome: Outcome) -> Channel:
    """Remember a notification as confirmed when the card has taken the confirmation."""
    if command.confirms is None or outcome.kind is not OutcomeKind.ANSWERED:
        return state
    try:
        apdus = read(outcome.script).apdus
    except PeerError:
        return state
    # The confirmation is the first command of its script; a question may follow it.
    return replace(state, confirmed=command.confirms) if apdus and apdus[0][1] == SW_OK else state
