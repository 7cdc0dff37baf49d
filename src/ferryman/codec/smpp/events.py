"""What an SMPP session reports; see `session`."""

from __future__ import annotations

import msgspec

from ferryman.codec.smpp.messages import PDU, AlertNotification, DataSM, DeliverSM


class Bound(msgspec.Struct, frozen=True):
    """The bind was accepted. `interface_version` is the SMSC's (34 hexadecimal = v3.4), None when unsaid."""

    system_id: str
    interface_version: int | None


class BindRefused(msgspec.Struct, frozen=True):
    """The bind was answered with an error status; the connection is of no further use."""

    status: int


class Responded(msgspec.Struct, frozen=True):
    """A request of ours was answered.

    `message_id` is that of a submit_sm or data_sm; `response` the whole answer to any other request. Both are
    empty when only the header of a refusal could be read. `congestion` is how busy the SMSC says it is, 0 to
    100 (congestion_state of SMPP v5.0), None when unsaid.
    """

    sequence: int
    status: int
    message_id: str = ""
    response: PDU | None = None
    congestion: int | None = None


class Unanswered(msgspec.Struct, frozen=True):
    """Nobody can tell what became of this request: it may or may not have taken effect."""

    sequence: int
    reason: str


class Received(msgspec.Struct, frozen=True):
    """A message or receipt from the SMSC; it waits for `answer`."""

    pdu: DeliverSM | DataSM


class Alerted(msgspec.Struct, frozen=True):
    """A mobile is reachable again; there is nothing to answer."""

    pdu: AlertNotification


class Malformed(msgspec.Struct, frozen=True):
    """A PDU of the peer broke a rule; it was answered where it can be and the session goes on."""

    command: int
    sequence: int
    reason: str


class Ended(msgspec.Struct, frozen=True):
    """Write out what `data_to_send` still has, then close the connection. Nothing comes after this event."""

    reason: str


Event = Bound | BindRefused | Responded | Unanswered | Received | Alerted | Malformed | Ended
