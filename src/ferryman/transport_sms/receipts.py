"""Delivery receipts: which submission each one is about (SMPP v3.4 appendix B).

A receipt is a hint from the network, not an answer of the card, and anybody at the SMSC could make one up. It
counts only when it names a message that the SMSC accepted from us for that very number, and once. Two SMSCs may
give the same name: a receipt is about a message of the account it came by. Only an account that is nothing but
a receiver speaks for others.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Row, bindparam, delete, func, insert, literal_column, select, update

from ferryman.codec.smpp.receipt import MessageState, Receipt, message_id_forms
from ferryman.contracts.es5 import SMSReceipt
from ferryman.platform.mailbox import Tx
from ferryman.platform.prepared import Prepared
from ferryman.transport_sms.letters import send_about_sms
from ferryman.transport_sms.schema import ADDRESS, MESSAGE_ID, early_receipt, outgoing, part

EARLY_KEEP: Final = 600.0  # seconds a receipt waits for the answer that it overtook
MAX_EARLY: Final = 1_000  # such receipts kept at once; the SMSC can send any number of them
_ACCEPTED: Final = "accepted"
_EARLY: Final = Prepared(
    lambda _: (
        select(early_receipt.c.seq)
        .where(early_receipt.c.at > bindparam("since"))
        .limit(literal_column("1"))
        .offset(literal_column("0"))
    )
)


def take(tx: Tx, receipt: Receipt, account: str = "") -> None:
    """One receipt: told to the SM-SR if it is the final word on the last part of a submission of ours.

    `account` is the one it came by, empty when it may be about a message of any.
    """
    if not receipt.message_id or not receipt.final or receipt.state is None:
        return
    delivered, state = receipt.state is MessageState.DELIVERED, receipt.state.name.lower()
    for form in message_id_forms(receipt.message_id):
        rows = tx.connection.execute(
            select(outgoing, part.c.last)
            .join(part, part.c.sms_seq == outgoing.c.seq)
            .where(part.c.message_id == form, part.c.status == _ACCEPTED)
            .order_by(outgoing.c.seq.desc())
        ).all()
        for row in rows:
            if not _same_account(row.account, account):
                continue
            if _same_number(row.destination, receipt.source, receipt.destination):
                if row.last:
                    _tell(tx, row, delivered, state)
                return
    _keep_early(tx, receipt, account, delivered, state)


def match_early(tx: Tx, sms_seq: int, number: str, account: str, message_id: str) -> None:
    """The SMSC has just named the last part of a submission: tell of a receipt that came before the name."""
    # Receipts overtake answers rarely: that there is none at all is found with the least ado.
    if not message_id or _EARLY.row(tx.session, {"since": tx.now - EARLY_KEEP}) is None:
        return
    rows = tx.connection.execute(
        select(early_receipt)
        .where(early_receipt.c.message_id.in_(message_id_forms(message_id)))
        .where(early_receipt.c.at > tx.now - EARLY_KEEP)
        .order_by(early_receipt.c.seq)
    ).all()
    for early in rows:
        if _same_account(account, early.account) and _same_number(number, early.source, early.destination):
            tx.connection.execute(delete(early_receipt).where(early_receipt.c.seq == early.seq))
            row = tx.connection.execute(select(outgoing).where(outgoing.c.seq == sms_seq)).one()
            _tell(tx, row, early.delivered, early.state)
            return


def _same_number(number: str, *addresses: str) -> bool:
    # Some SMSCs turn the addresses round in a receipt, some leave them as in the submission.
    return any(address.removeprefix("+") == number for address in addresses)


def _same_account(sent_by: str, came_by: str) -> bool:
    # What was sent before accounts had names has none.
    return not sent_by or not came_by or sent_by == came_by


def _tell(tx: Tx, row: Row[tuple[object, ...]], delivered: bool, state: str) -> None:
    if row.receipt:
        return
    tx.connection.execute(update(outgoing).where(outgoing.c.seq == row.seq).values(receipt=state))
    body = SMSReceipt(sms_id=row.sms_id, delivered=delivered, state=state)
    send_about_sms(tx, body, eid=row.eid, causation_id=row.causation_id, deadline=row.deadline)


def _keep_early(tx: Tx, receipt: Receipt, account: str, delivered: bool, state: str) -> None:
    connection = tx.connection
    connection.execute(delete(early_receipt).where(early_receipt.c.at <= tx.now - EARLY_KEEP))
    held: int = connection.execute(select(func.count()).select_from(early_receipt)).scalar_one()
    if held >= MAX_EARLY:
        oldest = select(func.min(early_receipt.c.seq)).scalar_subquery()
        connection.execute(delete(early_receipt).where(early_receipt.c.seq == oldest))
    connection.execute(
        insert(early_receipt),
        {
            "message_id": (receipt.message_id or "")[:MESSAGE_ID],
            "source": receipt.source[:ADDRESS],
            "destination": receipt.destination[:ADDRESS],
            "delivered": delivered,
            "state": state,
            "at": tx.now,
            "account": account,
        },
    )
