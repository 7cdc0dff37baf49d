"""The audit trail of the EIS: SGP.02 Annex E, OperationType of 5.1.1.3.12.

Kept beside the platform's audit table, which has more: every refusal, alarm and doubt. The trail goes with the
eUICC to another SM-SR, the audit table stays.
"""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, insert, select

from ferryman.codec.ids import AID_BYTES
from ferryman.contracts import codes
from ferryman.contracts.eis import AuditRecord
from ferryman.contracts.status import SUCCESS, ExecutionStatus, Status, failed
from ferryman.platform.mailbox import Tx
from ferryman.platform.prepared import Prepared
from ferryman.platform.procedure import Audit
from ferryman.sm_sr.schema import euicc, isdp, trail

NOTIFICATIONS = range(0x0100)  # first octet 00: what the card told by itself
MAX_HISTORY = 10_000  # records in one answer

_STATUS = msgspec.json.Decoder(ExecutionStatus)
_FIELDS = ("eid", "smsr_id", "at", "operation", "requester", "status", "aid", "iccid", "imei", "meid")
_INSERT = Prepared(lambda _: insert(trail).values({name: bindparam(name) for name in _FIELDS}))
_CARD = Prepared(lambda _: select(euicc.c.imei, euicc.c.meid).where(euicc.c.eid == bindparam("eid")))
_BY_AID = Prepared(
    lambda _: select(isdp.c.iccid).where(isdp.c.eid == bindparam("eid"), isdp.c.aid == bindparam("aid"))
)
_BY_ICCID = Prepared(
    lambda _: select(isdp.c.aid).where(isdp.c.eid == bindparam("eid"), isdp.c.iccid == bindparam("iccid"))
)


def operation_of(action: str) -> int | None:
    """OperationType at the beginning of an audit action (`0200 EnableProfile`); None when there is none."""
    head = action[:4]
    if len(action) > 4 and action[4] == " " and all(c in "0123456789ABCDEF" for c in head):
        return int(head, 16)
    return None


def status_of(outcome: str, detail: str) -> ExecutionStatus | None:
    """OperationExecutionStatus from the words of an audit record; None when it is the end of nothing."""
    if outcome == "done":
        return SUCCESS
    if outcome not in ("failed", "unknown"):
        return None
    subject, _, reason = detail.partition(" ")[0].partition("/")
    if outcome == "unknown" or not reason:
        return failed(*codes.DELIVERED_NO_RESPONSE, detail)
    state = Status.EXPIRED if (subject, reason) == codes.EXPIRED else Status.FAILED
    return ExecutionStatus(state, subject, reason, "", detail.partition(" ")[2])


def note(tx: Tx, *, eid: str, smsr_id: str, requester: str, audit: Audit) -> None:
    """Enter an operation that has ended, or a notification that was taken; anything else is no trail record."""
    operation = operation_of(audit.action)
    if operation is None:
        return
    told = operation in NOTIFICATIONS
    status = None if told else status_of(audit.outcome, audit.detail)
    if (told and audit.outcome != "received") or (not told and status is None):
        return
    aid, iccid = _profile(tx.connection, eid, audit.object)
    card = _CARD.row(tx.connection, {"eid": eid})
    if card is None:
        return
    record = AuditRecord(
        eid=eid,
        smsr_id=smsr_id,
        at=tx.now,
        operation=operation,
        requester="" if told else requester,
        status=status,
        isdp_aid=aid,
        iccid=iccid,
        imei=_octets(card[0]) if told else b"",
        meid=_octets(card[1]) if told else b"",
    )
    enter(tx.connection, record)


def enter(connection: Connection, record: AuditRecord) -> None:
    """Append one record."""
    values: dict[str, Any] = {
        "eid": record.eid,
        "smsr_id": record.smsr_id,
        "at": record.at,
        "operation": record.operation,
        "requester": record.requester,
        "status": "" if record.status is None else msgspec.json.encode(record.status).decode(),
        "aid": record.isdp_aid,
        "iccid": record.iccid,
        "imei": record.imei.hex().upper(),
        "meid": record.meid.hex().upper(),
    }
    _INSERT.count(connection, values)


def of_card(
    connection: Connection, eid: str, *, after: int = 0, limit: int = MAX_HISTORY
) -> list[tuple[int, AuditRecord]]:
    """The trail of a card, oldest first, with the number to go on behind."""
    table = trail
    statement = (
        select(table.c.seq, *(table.c[name] for name in _FIELDS))
        .where(table.c.eid == eid, table.c.seq > after)
        .order_by(table.c.seq)
        .limit(max(1, min(limit, MAX_HISTORY)))
    )
    return [(row.seq, _record(row)) for row in connection.execute(statement)]


def _record(row: Any) -> AuditRecord:
    return AuditRecord(
        eid=row.eid,
        smsr_id=row.smsr_id,
        at=row.at,
        operation=row.operation,
        requester=row.requester,
        status=_STATUS.decode(row.status) if row.status else None,
        isdp_aid=bytes(row.aid),
        iccid=row.iccid,
        imei=bytes.fromhex(row.imei),
        meid=bytes.fromhex(row.meid),
    )


def _profile(connection: Connection, eid: str, named: str) -> tuple[bytes, str]:
    """ISD-P AID and ICCID of what an audit record names by one of them; what is gone stays empty."""
    aid = _octets(named) if len(named) == 2 * AID_BYTES[1] else b""
    if aid:
        row = _BY_AID.row(connection, {"eid": eid, "aid": aid})
        return aid, "" if row is None else str(row[0])
    row = _BY_ICCID.row(connection, {"eid": eid, "iccid": named})
    return (b"" if row is None else bytes(row[0])), named if named.isdigit() else ""


def _octets(text: str) -> bytes:
    with contextlib.suppress(ValueError):
        return bytes.fromhex(text)
    return b""
