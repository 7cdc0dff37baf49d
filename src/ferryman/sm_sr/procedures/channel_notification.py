"""Notifications of the card: checked, then handed to the change they end, or to a procedure of their own."""

from __future__ import annotations

from ferryman.codec.isdr_answers import parse_notification
from ferryman.contracts.crypto import SCP80Command
from ferryman.errors import PeerError
from ferryman.sm_sr.procedures.channel_state import Channel, Effects
from ferryman.sm_sr.procedures.delivery import CardNotification, notification
from ferryman.sm_sr.procedures.notification_state import NotificationState

CHANGES = ("enable",)  # kinds of procedures that a notification can end


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
    route(notification(found, via="sms"), effects)
    return state


def route(value: CardNotification, effects: Effects) -> None:
    """To the change in progress, else to the procedure of unsolicited notifications."""
    facts = effects.facts
    if facts.holder and facts.holder_kind in CHANGES:
        effects.signal(facts.holder, value)
        return
    eid = effects.context.eid
    effects.signal(f"notification/{eid}", value, kind="notification", initial=NotificationState())
