"""The record of every submission: what is due, what was tried, what became of it (statements and units of work).

A submission is `queued`, then `sending` (its parts are named and the first is about to leave), then one of
`accepted`, `rejected`, `unknown`. A part is `sending` from before it leaves until its answer is committed: found
so after a restart, nobody knows whether it left. All parts are sent by one `account`; when another one takes
over (only while no part is accepted) it starts anew, and `doubt` remembers what may have left before.

Most numbers have nothing else under way: then one commit enters a submission and records its first part as leaving
(`Opening`).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Update,
    bindparam,
    case,
    delete,
    exists,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from ferryman.contracts.es5 import SMSAccepted, SMSRejected, SubmitSMS
from ferryman.contracts.message import Header
from ferryman.platform.mailbox import Tx
from ferryman.platform.prepared import Prepared, PreparedInsert
from ferryman.transport_sms import receipts
from ferryman.transport_sms.letters import journal, send_about_sms
from ferryman.transport_sms.schema import ADDRESS, MESSAGE_ID, outgoing, part, reference

QUEUED, SENDING, ACCEPTED, REJECTED, UNKNOWN = "queued", "sending", "accepted", "rejected", "unknown"
WAITING, REFUSED = "waiting", "refused"  # of a part: not tried yet; refused, so certainly not sent
_MAYBE_SENT: Final = (SENDING, ACCEPTED, UNKNOWN)

REFERENCES: Final = 256  # an 8-bit concatenation reference; the next of a number differs from its last 255
KEEP: Final = 14 * 86_400.0  # seconds a finished submission is remembered: receipts come days late
SWEEP_BATCH: Final = 500  # rows in one DELETE, so that the writer is not held for long

_DUE: Final = select(outgoing.c.destination).where(outgoing.c.status.in_((QUEUED, SENDING))).distinct()
_NEXT: Final = Prepared(
    lambda _: (
        select(
            outgoing.c.seq,
            outgoing.c.sms_id,
            outgoing.c.eid,
            outgoing.c.causation_id,
            outgoing.c.deadline,
            outgoing.c.destination,
            outgoing.c.packet,
            outgoing.c.status,
            outgoing.c.reference,
            outgoing.c.max_ud,
            outgoing.c.expires,
            outgoing.c.account,
        )
        .where(
            outgoing.c.destination == bindparam("to"),
            outgoing.c.status.in_((literal_column(f"'{QUEUED}'"), literal_column(f"'{SENDING}'"))),
        )
        .order_by(outgoing.c.seq)
        .limit(literal_column("2"))
        .offset(literal_column("0"))
    )
)
_BUSY: Final = Prepared(
    lambda _: (
        select(outgoing.c.seq)
        .where(
            outgoing.c.destination == bindparam("to"),
            outgoing.c.status.in_((literal_column(f"'{QUEUED}'"), literal_column(f"'{SENDING}'"))),
        )
        .limit(literal_column("1"))
        .offset(literal_column("0"))
    )
)
_ENTERED: Final = (
    *("sms_id", "eid", "causation_id", "deadline", "destination", "packet", "status", "reference", "max_ud"),
    *("created", "expires", "finished", "receipt", "account", "doubt"),
)
_ENTER: Final = PreparedInsert(
    lambda dialect: (
        dialect.insert(outgoing)
        .values({name: bindparam(name) for name in _ENTERED})
        .on_conflict_do_nothing(index_elements=["sms_id"])
    ),
    outgoing.c.seq,
)

_JOB: Final = outgoing.c.seq == bindparam("job")
_PART: Final = (part.c.sms_seq == bindparam("job")) & (part.c.number == bindparam("which"))
# The first submission to a number has the reference 0, each later one the next.
_REFERENCE: Final = Prepared(
    lambda dialect: (
        dialect.insert(reference)
        .values(destination=bindparam("to"), last=literal_column("0"))
        .on_conflict_do_update(
            index_elements=["destination"],
            set_={"last": (reference.c.last + literal_column("1")) % bindparam("turn", type_=Integer)},
        )
        .returning(reference.c.last)
    )
)
_BEGIN: Final = Prepared(
    lambda _: (
        update(outgoing)
        .where(_JOB)
        .values(
            status=literal_column(f"'{SENDING}'"),
            account=bindparam("by"),
            max_ud=bindparam("room"),
            reference=bindparam("chosen"),
        )
    )
)
_PARTS: Final = Prepared(lambda _: select(part.c.number, part.c.status).where(part.c.sms_seq == bindparam("job")))
_NEW_PART: Final = Prepared(
    lambda _: insert(part).values(
        sms_seq=bindparam("job"),
        number=bindparam("which"),
        last=bindparam("is_last"),
        status=bindparam("state"),
        attempts=bindparam("tried"),
        unknowns=literal_column("0"),
        message_id=literal_column("''"),
    )
)
_LEAVES: Final = Prepared(
    lambda _: (
        update(part)
        .where(_PART)
        .values(
            attempts=part.c.attempts + literal_column("1"),
            status=case(
                (part.c.status == literal_column(f"'{UNKNOWN}'"), part.c.status),
                else_=literal_column(f"'{SENDING}'"),
            ),
        )
    )
)
_TAKEN: Final = Prepared(
    lambda _: (
        update(part).where(_PART).values(status=literal_column(f"'{ACCEPTED}'"), message_id=bindparam("named"))
    )
)
# What is over is not sent again: only its record stays.
_FINISH: Final = Prepared(
    lambda _: (
        update(outgoing)
        .where(_JOB)
        .values(status=bindparam("end"), finished=bindparam("at"), packet=bindparam("emptied"))
    )
)


class Job(NamedTuple):
    """One submission that is not finished; times in seconds since 1970."""

    seq: int
    sms_id: str
    eid: str
    causation_id: str
    deadline: float
    destination: str
    packet: bytes
    status: str
    reference: int
    max_ud: int
    expires: float
    account: str


class Opening(NamedTuple):
    """What a submission can begin with: the account, octets of user data in one of its messages, parts needed."""

    account: str
    max_ud: int
    parts: int


class Recorded(NamedTuple):
    """Whether there is something new to send, and the job if its first part is recorded as leaving already."""

    sendable: bool
    begun: Job | None = None


def destinations_due(connection: Connection) -> list[str]:
    """Every number that something waits to be sent to."""
    return list(connection.execute(_DUE).scalars())


def next_job(connection: Connection, destination: str) -> tuple[Job | None, bool]:
    """The oldest unfinished submission to a number, and whether there is another one behind it."""
    rows = _NEXT.rows(connection, {"to": destination})
    return Job(*rows[0]) if rows else None, len(rows) > 1


def progress(connection: Connection, job: Job) -> tuple[bool, bool]:
    """Of a submission that had begun: whether the SMSC has accepted a part, whether one may have left."""
    statuses = set(connection.execute(select(part.c.status).where(part.c.sms_seq == job.seq)).scalars())
    return ACCEPTED in statuses, not statuses.isdisjoint(_MAYBE_SENT)


def record(tx: Tx, header: Header, body: SubmitSMS, opening: Opening | None = None) -> Recorded:
    """Enter a submission; not sendable when it is known already or was refused at once.

    With an `opening` it begins in the same commit, unless an older one to the number is unfinished.
    """
    if not tx.first_time(header.message_id):
        return Recorded(sendable=False)
    usable = body.destination.isascii() and body.destination.isdecimal() and len(body.destination) <= ADDRESS
    sendable = usable and bool(body.packet)
    if not sendable or body.validity <= 0 or _BUSY.row(tx.session, {"to": body.destination}):
        opening = None
    values: dict[str, Any] = {
        "sms_id": body.sms_id,
        "eid": header.eid,
        "causation_id": header.message_id,
        "deadline": header.deadline,
        "destination": body.destination[:ADDRESS],
        "packet": body.packet,
        "status": QUEUED if sendable else REJECTED,
        "reference": 0,
        "max_ud": 0,
        "created": tx.now,
        "expires": tx.now + body.validity,
        "finished": None if sendable else tx.now,
        "receipt": "",
        "account": "",
        "doubt": False,
    }
    if opening is not None:
        values["status"], values["account"], values["max_ud"] = SENDING, opening.account, opening.max_ud
        values["reference"] = _next_reference(tx, body.destination, opening.parts)
    seq = _ENTER.number(tx.session, values)
    if seq is None:
        return Recorded(sendable=False)
    journal(tx, body.sms_id, header.eid, "in", header.message_id, body)
    if not sendable:
        why = "empty packet" if usable else "the destination is no number"
        refused = SMSRejected(sms_id=body.sms_id, nothing_sent=True, permanent=True, reason=why)
        send_about_sms(tx, refused, eid=header.eid, causation_id=header.message_id, deadline=header.deadline)
    if opening is None:
        return Recorded(sendable)
    _new_parts(tx, seq, opening.parts, leaving=1)
    return Recorded(sendable, Job(seq, *(values[name] for name in Job._fields[1:])))


def begin(tx: Tx, job: Job, account: str, max_ud: int, total: int) -> int:
    """Choose the concatenation reference of a submission that starts with an account and has `total` parts.

    The same one when it had started with that account (or before accounts had names); a new one, and new
    parts, when another account takes it over: the card must not mix the two.
    """
    connection = tx.connection
    row = outgoing.c.seq == job.seq
    if job.status == SENDING and job.account in (account, ""):
        if not job.account:
            connection.execute(update(outgoing).where(row).values(account=account))
        return job.reference
    started = {"status": SENDING, "account": account, "max_ud": max_ud}
    if job.status == SENDING:
        started["doubt"] = or_(outgoing.c.doubt, exists().where(part.c.sms_seq == job.seq, _maybe_sent()))
        connection.execute(update(outgoing).where(row).values(started))
        connection.execute(delete(part).where(part.c.sms_seq == job.seq))
    chosen = _next_reference(tx, job.destination, total)
    _BEGIN.count(tx.session, {"job": job.seq, "by": account, "room": max_ud, "chosen": chosen})
    return chosen


def open_parts(tx: Tx, job: Job, total: int) -> list[int]:
    """Make sure that the parts are recorded; the numbers of those that the SMSC has not accepted yet.

    A part whose sending a restart interrupted becomes unknown.
    """
    rows = _PARTS.rows(tx.session, {"job": job.seq})
    if not rows:
        _new_parts(tx, job.seq, total)
        return list(range(1, total + 1))
    tx.connection.execute(
        update(part)
        .where(part.c.sms_seq == job.seq, part.c.status == SENDING)
        .values(status=UNKNOWN, unknowns=part.c.unknowns + 1)
    )
    return sorted(number for number, status in rows if status != ACCEPTED)


def about_to_send(tx: Tx, job: Job, number: int) -> None:
    """Record that a part leaves now. A part of unknown fate stays unknown until the SMSC accepts it."""
    _LEAVES.count(tx.session, {"job": job.seq, "which": number})


def was_accepted(tx: Tx, job: Job, number: int, message_id: str, next_number: int | None) -> None:
    """Record the SMSC's name of a part; the next one leaves, or the whole submission is accepted."""
    _TAKEN.count(tx.session, {"job": job.seq, "which": number, "named": message_id[:MESSAGE_ID]})
    if next_number is not None:
        about_to_send(tx, job, next_number)
        return
    _finish(tx, job, ACCEPTED)
    send_about_sms(
        tx, SMSAccepted(sms_id=job.sms_id), eid=job.eid, causation_id=job.causation_id, deadline=job.deadline
    )
    receipts.match_early(tx, job.seq, job.destination, job.account, message_id)


def was_refused(tx: Tx, job: Job, number: int, smpp_status: int) -> None:
    """Record a refusal that may pass; doubt about an earlier attempt remains."""
    tx.connection.execute(_one_part(job, number).values(smpp_status=smpp_status))
    tx.connection.execute(_one_part(job, number).where(part.c.status == SENDING).values(status=REFUSED))


def was_not_sent(tx: Tx, job: Job, number: int) -> None:
    """Record that a part which was about to leave certainly did not."""
    tx.connection.execute(_one_part(job, number).where(part.c.status == SENDING).values(status=WAITING))


def is_unknown(tx: Tx, job: Job, number: int) -> None:
    """Record that nobody knows what became of a part."""
    tx.connection.execute(_one_part(job, number).values(status=UNKNOWN, unknowns=part.c.unknowns + 1))


def give_up(tx: Tx, job: Job, reason: str, *, permanent: bool) -> None:
    """End a submission that was refused or ran out of time, and say whether anything can have left."""
    maybe = tx.connection.execute(
        select(or_(outgoing.c.doubt, exists().where(part.c.sms_seq == job.seq, _maybe_sent()))).where(
            outgoing.c.seq == job.seq
        )
    ).scalar_one()
    _finish(tx, job, UNKNOWN if maybe else REJECTED)
    send_about_sms(
        tx,
        SMSRejected(sms_id=job.sms_id, nothing_sent=not maybe, permanent=permanent, reason=reason),
        eid=job.eid,
        causation_id=job.causation_id,
        deadline=job.deadline,
    )


def sweep(connection: Connection, now: float) -> bool:
    """Forget some submissions that ended long ago; True when there is more to forget."""
    old = select(outgoing.c.seq).where(outgoing.c.finished < now - KEEP).limit(SWEEP_BATCH)
    removed = connection.execute(delete(outgoing).where(outgoing.c.seq.in_(old))).rowcount
    return removed == SWEEP_BATCH


def _next_reference(tx: Tx, destination: str, parts: int) -> int:
    if parts == 1:
        return 0  # a message of its own carries none
    [(chosen,)] = _REFERENCE.rows(tx.session, {"to": destination, "turn": REFERENCES})
    return int(chosen)


def _new_parts(tx: Tx, seq: int, total: int, *, leaving: int = 0) -> None:
    """Enter the parts of a submission, the one with number `leaving` as about to be sent."""
    rows = [
        {
            "job": seq,
            "which": number,
            "is_last": number == total,
            "state": SENDING if number == leaving else WAITING,
            "tried": int(number == leaving),
        }
        for number in range(1, total + 1)
    ]
    if total == 1:
        _NEW_PART.count(tx.session, rows[0])
    else:
        _NEW_PART.many(tx.session, rows)


def _maybe_sent() -> ColumnElement[bool]:
    return part.c.status.in_(_MAYBE_SENT)


def _one_part(job: Job, number: int) -> Update:
    return update(part).where(part.c.sms_seq == job.seq, part.c.number == number)


def _finish(tx: Tx, job: Job, status: str) -> None:
    _FINISH.count(tx.session, {"job": job.seq, "end": status, "at": tx.now, "emptied": b""})
