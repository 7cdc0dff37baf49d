"""Messages from cards: kept part by part, put together, passed on once whole (TS 23.040 9.2.3.24.1, TS 31.115).

Each function is (part of) one unit of work: when it returns and the commit succeeds, the SMSC may forget the
message. The parts live in the database, so a restart between two of them loses nothing. Everything a sender
can make us keep is bounded: messages per sender, messages in all, poison, and each ends by time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import Connection, delete, func, insert, select, update

from ferryman.codec.smpp.errors import SMPPError
from ferryman.codec.smpp.messages import DeliverSM
from ferryman.codec.smpp.tlv import Tag, find_tlv
from ferryman.codec.smpp.user_data import ESM_UDHI, user_data
from ferryman.codec.sms_user_data import MAX_UD, Concat, UserData, parse_user_data
from ferryman.contracts.es5 import SMSReceived
from ferryman.errors import PeerError
from ferryman.platform.mailbox import Tx
from ferryman.transport_sms.letters import send_received
from ferryman.transport_sms.schema import ADDRESS, mo_message, mo_part, mo_poison, mo_seen

EXPIRY: Final = 600.0  # seconds from the first part: what is not whole by then never will be
MAX_PER_SENDER: Final = 8  # unfinished messages of one number: answers of a card are few at a time
MAX_UNFINISHED: Final = 1_024  # unfinished messages in all: 255 parts of 134 octets each make 35 MB
REPEAT_WITHIN: Final = 5.0  # seconds: the same octets again this soon are the SMSC's repeat, later the card's
MAX_SEEN: Final = 10_000  # digests kept; above it those of parts are not, and their late repeats count as new
MAX_POISON: Final = 1_000  # messages kept for a person to look at
MAX_POISON_DATA: Final = 1_024  # octets of each that are kept
_SAR: Final = (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)

log = structlog.get_logger("ferryman.transport_sms")


@dataclass(frozen=True, slots=True)
class _Whole:
    kind: int
    packet: bytes


def take(tx: Tx, pdu: DeliverSM) -> None:
    """Keep one deliver_sm, and pass its packet on when that is whole now. Raises nothing on bad content."""
    originator = pdu.source_addr.removeprefix("+")
    try:
        if len(originator) > ADDRESS:  # data_sm allows 64 characters, which no number has
            raise PeerError(f"{len(originator)} characters", field="source_addr", clause="SMPP v3.4 4.7.1")
        whole = _assemble(tx, originator, _read(pdu))
    except PeerError as problem:
        _park(tx, pdu, str(problem))
        return
    if whole is not None:
        _pass_on(tx, originator, whole)


def _read(pdu: DeliverSM) -> UserData:
    """The user data, its part named by its header or else by sar parameters (SMPP v3.4 5.3.2.22 to 24).

    An SMSC that turns concatenation elements into parameters leaves the later parts without any header.
    """
    sar = _sar(pdu)
    if pdu.esm_class & ESM_UDHI:
        data = parse_user_data(user_data(pdu))
    elif sar is not None:
        data = UserData(None, None, user_data(pdu))
    else:
        raise PeerError("no user data header: not a secured packet", field="esm_class", clause="TS 31.115 4.1")
    if data.concat is None and sar is not None:
        data = UserData(data.kind, sar, data.payload)
    if data.concat is None and data.kind is None:
        raise PeerError("neither 70 nor 71 in the header", field="UDH", clause="TS 31.115 4.2")
    return data


def _sar(pdu: DeliverSM) -> Concat | None:
    """The three parameters; any one missing or of a wrong length makes the others mean nothing."""
    reference, total, sequence = (find_tlv(pdu.tlvs, tag) for tag in _SAR)
    if reference is None or total is None or sequence is None:
        return None
    if (len(reference), len(total), len(sequence)) != (2, 1, 1):
        return None
    return Concat(int.from_bytes(reference), 16, total[0], sequence[0])


def _assemble(tx: Tx, originator: str, data: UserData) -> _Whole | None:
    if data.concat is None or data.concat.total == 1:
        return _finish(data.kind, data.payload)
    concat = data.concat
    if not 1 <= concat.sequence <= concat.total:
        raise PeerError(f"part {concat.sequence} of {concat.total}", field="UDH", clause="TS 23.040 9.2.3.24.1")
    if len(data.payload) > MAX_UD:
        raise PeerError(f"{len(data.payload)} octets in one part", field="user data", clause="TS 23.040 9.2.3.24")
    connection = tx.connection
    connection.execute(delete(mo_message).where(mo_message.c.started <= tx.now - EXPIRY))
    seq = _find(connection, originator, concat)
    known = _part(connection, seq, concat.sequence) if seq is not None else None
    if known is not None and known != data.payload:
        # The sender has used the reference again: this is the first part of a new message.
        connection.execute(delete(mo_message).where(mo_message.c.seq == seq))
        seq = known = None
    elif seq is not None and known is None and _is_left_over(tx, seq, originator, data):
        connection.execute(delete(mo_message).where(mo_message.c.seq == seq))
        seq = None
    if seq is None:
        seq = _begin(tx, originator, concat)
    if known is None:
        row = {"message_seq": seq, "number": concat.sequence, "kind": data.kind, "payload": data.payload}
        connection.execute(insert(mo_part), row)
    rows = connection.execute(
        select(mo_part.c.kind, mo_part.c.payload).where(mo_part.c.message_seq == seq).order_by(mo_part.c.number)
    ).all()
    if len(rows) < concat.total:
        return None
    connection.execute(delete(mo_message).where(mo_message.c.seq == seq))
    _remember(tx, [_digest_of(originator, concat, at, row.payload) for at, row in enumerate(rows, 1)])
    kinds = [row.kind for row in rows if row.kind is not None]
    return _finish(kinds[0] if kinds else None, b"".join(row.payload for row in rows))


def _is_left_over(tx: Tx, seq: int, originator: str, data: UserData) -> bool:
    """Whether all that is there of a message repeats parts of one that was whole, and this part does not.

    An SMSC that never heard our answer delivers the last part again, maybe minutes later. A card that uses its
    references again soon would have the next message put together with that.
    """
    concat = data.concat
    if concat is None:
        return False
    rows = tx.connection.execute(
        select(mo_part.c.number, mo_part.c.payload).where(mo_part.c.message_seq == seq)
    ).all()
    held = {_digest_of(originator, concat, row.number, row.payload) for row in rows}
    own = _digest_of(originator, concat, concat.sequence, data.payload)
    seen = tx.connection.execute(select(mo_seen.c.digest).where(mo_seen.c.digest.in_([*held, own]))).scalars()
    found = set(seen)
    return held <= found and own not in found


def _digest_of(originator: str, concat: Concat, number: int, payload: bytes) -> bytes:
    named = f"{originator}\0{concat.reference}/{concat.bits}/{concat.total}/{number}\0"
    return hashlib.sha256(named.encode() + payload).digest()


def _remember(tx: Tx, digests: list[bytes]) -> None:
    """The parts of a message that is whole now, until no repeat of one can meet the next message."""
    connection = tx.connection
    connection.execute(delete(mo_seen).where(mo_seen.c.digest.in_(digests)))
    held: int = connection.execute(select(func.count()).select_from(mo_seen)).scalar_one()
    if held + len(digests) <= MAX_SEEN:
        # A time ahead, because what is older than REPEAT_WITHIN is forgotten.
        first = tx.now + EXPIRY - REPEAT_WITHIN
        connection.execute(insert(mo_seen), [{"digest": digest, "first": first} for digest in digests])


def _finish(kind: int | None, packet: bytes) -> _Whole:
    if kind is None:
        raise PeerError("neither 70 nor 71 in any part", field="UDH", clause="TS 31.115 4.2")
    if not packet:
        raise PeerError("nothing behind the header", field="user data", clause="TS 31.115 4.2")
    return _Whole(kind, packet)


def _find(connection: Connection, originator: str, concat: Concat) -> int | None:
    table = mo_message.c
    seq: int | None = connection.execute(
        select(table.seq).where(
            table.originator == originator,
            table.reference == concat.reference,
            table.bits == concat.bits,
            table.total == concat.total,
        )
    ).scalar()
    return seq


def _part(connection: Connection, seq: int, number: int) -> bytes | None:
    payload: bytes | None = connection.execute(
        select(mo_part.c.payload).where(mo_part.c.message_seq == seq, mo_part.c.number == number)
    ).scalar()
    return payload


def _begin(tx: Tx, originator: str, concat: Concat) -> int:
    """A new unfinished message; over a limit the oldest (of the sender, or of all) makes room."""
    table = mo_message.c
    connection = tx.connection
    own = table.originator == originator
    if _count(connection, own) >= MAX_PER_SENDER:
        oldest = select(func.min(table.seq)).where(own).scalar_subquery()
        connection.execute(delete(mo_message).where(table.seq == oldest))
        log.warning("too many unfinished messages of one sender", limit=MAX_PER_SENDER)
    elif _count(connection) >= MAX_UNFINISHED:
        oldest = select(func.min(table.seq)).scalar_subquery()
        connection.execute(delete(mo_message).where(table.seq == oldest))
        log.warning("too many unfinished messages", limit=MAX_UNFINISHED)
    values = {
        "originator": originator,
        "reference": concat.reference,
        "bits": concat.bits,
        "total": concat.total,
        "started": tx.now,
    }
    seq: int = connection.execute(insert(mo_message).values(values).returning(table.seq)).scalar_one()
    return seq


def _count(connection: Connection, *conditions: object) -> int:
    counted: int = connection.execute(
        select(func.count()).select_from(mo_message).where(*conditions)  # type: ignore[arg-type]
    ).scalar_one()
    return counted


def _pass_on(tx: Tx, originator: str, whole: _Whole) -> None:
    digest = hashlib.sha256(originator.encode() + bytes((0, whole.kind)) + whole.packet).digest()
    connection = tx.connection
    connection.execute(delete(mo_seen).where(mo_seen.c.first <= tx.now - REPEAT_WITHIN))
    if connection.execute(select(mo_seen.c.first).where(mo_seen.c.digest == digest)).first() is not None:
        return
    connection.execute(insert(mo_seen), {"digest": digest, "first": tx.now})
    mo_id = f"mo/{digest[:16].hex()}/{round(tx.now * 1000)}"
    send_received(tx, SMSReceived(mo_id=mo_id, originator=originator, kind=whole.kind, packet=whole.packet))


def _park(tx: Tx, pdu: DeliverSM, reason: str) -> None:
    """Keep what cannot be understood, once, for a person; the SMSC must not send it for ever."""
    try:
        octets = user_data(pdu)
    except SMPPError:
        octets = pdu.short_message
    digest = hashlib.sha256(pdu.source_addr.encode() + b"\0" + octets).digest()
    connection = tx.connection
    again = update(mo_poison).where(mo_poison.c.digest == digest).values(times=mo_poison.c.times + 1)
    if connection.execute(again).rowcount:
        return
    held: int = connection.execute(select(func.count()).select_from(mo_poison)).scalar_one()
    if held >= MAX_POISON:
        oldest = select(mo_poison.c.digest).order_by(mo_poison.c.first).limit(1).scalar_subquery()
        connection.execute(delete(mo_poison).where(mo_poison.c.digest == oldest))
    connection.execute(
        insert(mo_poison),
        {
            "digest": digest,
            "originator": pdu.source_addr[:ADDRESS],
            "destination": pdu.destination_addr[:ADDRESS],
            "esm_class": pdu.esm_class,
            "data_coding": pdu.data_coding,
            "user_data": octets[:MAX_POISON_DATA],
            "reason": reason,
            "times": 1,
            "first": tx.now,
        },
    )
    log.warning("message from a card parked", reason=reason, octets=len(octets))
