"""What the SMS transport tells the SM-SR, with a journal entry for each message both ways."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
from sqlalchemy import bindparam, insert

from ferryman.contracts.es5 import SMSAccepted, SMSReceipt, SMSReceived, SMSRejected, SubmitSMS
from ferryman.contracts.message import Header, encode_body
from ferryman.contracts.roles import SM_SR, TRANSPORT_SMS
from ferryman.platform.mailbox import Tx
from ferryman.platform.prepared import Prepared
from ferryman.transport_sms.schema import PLATFORM

MO_PATIENCE: Final = 3_600.0  # seconds after which a card's message is not worth handling: it repeats sooner

_ENTRY: Final = ("procedure_id", "eid", "at", "direction", "kind", "message_id", "body")
_JOURNAL: Final = Prepared(lambda _: insert(PLATFORM.journal).values({name: bindparam(name) for name in _ENTRY}))

type Body = SubmitSMS | SMSAccepted | SMSRejected | SMSReceipt | SMSReceived


def journal(tx: Tx, procedure_id: str, eid: str, direction: str, message_id: str, body: Body) -> None:
    """Enter one message; what a card sent is ciphered (or a public notification), so it may stand there.

    Of what is sent to a card, which may be its profile, the length and the SHA-256 stand there.
    """
    written = encode_body(body)
    if isinstance(body, SubmitSMS):
        of_packet = {"octets": len(body.packet), "sha256": hashlib.sha256(body.packet).hexdigest()}
        written = msgspec.json.encode({**msgspec.json.decode(written), "packet": of_packet})
    _JOURNAL.count(
        tx.session,
        {
            "procedure_id": procedure_id,
            "eid": eid,
            "at": tx.now,
            "direction": direction,
            "kind": type(body).__name__,
            "message_id": message_id,
            "body": written,
        },
    )


def send_about_sms(
    tx: Tx,
    body: SMSAccepted | SMSRejected | SMSReceipt,
    *,
    eid: str,
    causation_id: str,
    deadline: float,
) -> None:
    """Tell what became of a submission; the same kind of news about one submission is one message."""
    _send(
        tx,
        body,
        Header(
            message_id=f"{TRANSPORT_SMS}/{body.sms_id}/{type(body).__name__}",
            sender=TRANSPORT_SMS,
            requester=TRANSPORT_SMS,
            function_call_id=body.sms_id,
            deadline=deadline,
            eid=eid,
            causation_id=causation_id,
        ),
        body.sms_id,
    )


def send_received(tx: Tx, body: SMSReceived) -> None:
    """Pass on a whole packet of a card; whose card it is, the SM-SR finds out.

    Packets of one number stay in order; another number's do not wait for them.
    """
    _send(
        tx,
        body,
        Header(
            message_id=f"{TRANSPORT_SMS}/{body.mo_id}",
            sender=TRANSPORT_SMS,
            requester=TRANSPORT_SMS,
            function_call_id=body.mo_id,
            deadline=tx.now + MO_PATIENCE,
        ),
        body.mo_id,
        lane=f"mo/{body.originator}",
    )


def _send(
    tx: Tx,
    body: SMSAccepted | SMSRejected | SMSReceipt | SMSReceived,
    header: Header,
    subject: str,
    lane: str = "",
) -> None:
    tx.send(SM_SR, header, body, lane=lane)
    journal(tx, subject, header.eid, "out", header.message_id, body)
