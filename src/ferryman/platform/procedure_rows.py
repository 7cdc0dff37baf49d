"""Procedures as rows: what one dispatch loads, and what it writes in its one commit.

Every function here runs inside a unit of the store. A row carries a version that each commit raises by one; a
commit that finds another version than it loaded raises `Conflict` and writes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection, bindparam, delete, insert, literal_column, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ferryman.contracts import codes
from ferryman.contracts.message import Body, Codec, Header, encode_body
from ferryman.errors import FerrymanError, Refused
from ferryman.platform.mailbox import Tx
from ferryman.platform.prepared import Prepared
from ferryman.platform.procedure import DEADLINE, Context, Event, ProcedureKind, Send, Signal
from ferryman.platform.schema import PlatformTables
from ferryman.platform.timer_queue import Timer

WAITING = "waiting"  # for the EID
STARTING = "starting"  # admitted, its first step is not committed yet
RUNNING = "running"
DONE = "done"

log = structlog.get_logger("ferryman.engine")
_header_decoder = msgspec.json.Decoder(Header)


class Conflict(FerrymanError):
    """Another process moved a procedure meanwhile; the event is handled again from the start."""


@dataclass(slots=True)
class Record:
    """One procedure while a dispatch works on it; `version` is that of its row, 0 = no row yet."""

    id: str
    kind: ProcedureKind
    eid: str
    requester: str
    caller: Header | None
    state: Any
    status: str
    exclusive: bool
    version: int
    dirty: bool = False
    reply: Body | None = None
    timers: dict[str, float | None] = field(default_factory=dict)
    origin: bytes = b""  # the state that was loaded, or with which it began, encoded
    stepped: bool = False  # before this dispatch
    steps: list[tuple[Event, Context]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Start:
    """A procedure to create: the type of `request` names the function whose repeats get the first answer.

    `state` may be a function that makes it inside the transaction that records the call, together with what the
    call reserves; what it raises refuses the call with nothing entered.
    """

    kind: str
    procedure_id: str
    state: msgspec.Struct | Callable[[Tx], msgspec.Struct]
    exclusive: bool
    caller: Header
    request: Body


class _Statements:
    """What every step may execute, made once for the tables of a role."""

    def __init__(self, tables: PlatformTables) -> None:
        procedure, timer, journal, inbox = tables.procedure, tables.timer, tables.journal, tables.inbox
        p = procedure.c
        row = (p.kind, p.eid, p.requester, p.caller, p.state, p.status, p.exclusive, p.version)
        self.load = Prepared(lambda _: select(*row).where(p.id == bindparam("procedure_id")))
        known = select(inbox.c.message_id).where(inbox.c.message_id == bindparam("message_id")).exists()
        self.arrive = Prepared(lambda _: select(known, *row).where(p.id == bindparam("procedure_id")))
        self.move = Prepared(
            lambda _: (
                update(procedure)
                .where(p.id == bindparam("procedure_id"), p.version == bindparam("loaded"))
                .values(
                    state=bindparam("to_state"),
                    status=bindparam("to_status"),
                    version=bindparam("to_version"),
                    updated=bindparam("at"),
                )
            )
        )
        self.arm = Prepared(lambda dialect: _upsert(dialect.insert(timer), ("procedure_id", "name"), ("due",)))
        one = (timer.c.procedure_id == bindparam("of")) & (timer.c.name == bindparam("named"))
        self.cancel = Prepared(lambda _: delete(timer).where(one))
        self.due = Prepared(lambda _: select(timer.c.due).where(one))
        self.received = Prepared(lambda _: select(inbox.c.message_id).where(inbox.c.message_id == bindparam("of")))
        call, lease = tables.call, tables.lease
        this = ("requester", "function_call_id", "function")
        self.known_call = Prepared(
            lambda _: select(call.c.fingerprint, call.c.answer, call.c.procedure_id).where(
                *(call.c[name] == bindparam(name) for name in this)
            )
        )
        entered = (*this, "fingerprint", "procedure_id", "deadline")
        self.enter_call = Prepared(lambda _: insert(call).values({name: bindparam(name) for name in entered}))
        made = ("id", "kind", "eid", "requester", "status", "exclusive", "version", "caller", "state")
        self.make = Prepared(
            lambda _: insert(procedure).values({name: bindparam(name) for name in (*made, "created", "updated")})
        )
        self.waiting = Prepared(
            lambda _: (
                select(p.id, p.exclusive)
                .where(p.eid == bindparam("of"), p.status == bindparam("waiting"))
                .order_by(p.created, p.id)
            )
        )
        self.claim = Prepared(
            lambda dialect: (
                dialect.insert(lease)
                .values({name: bindparam(name) for name in ("eid", "procedure_id", "since")})
                .on_conflict_do_nothing(index_elements=["eid"])
            )
        )
        self.begin = Prepared(
            lambda _: (
                update(procedure)
                .where(p.id == bindparam("of"), p.status == bindparam("waiting"))
                .values(status=bindparam("to_status"), version=p.version + literal_column("1"))
            )
        )
        entry = ("procedure_id", "eid", "at", "direction", "kind", "message_id", "body")
        self.journal = Prepared(lambda _: insert(journal).values({name: bindparam(name) for name in entry}))


def _upsert(statement: Any, key: Sequence[str], values: Sequence[str]) -> Any:
    filled = statement.values({name: bindparam(name) for name in (*key, *values)})
    return filled.on_conflict_do_update(
        index_elements=list(key), set_={name: filled.excluded[name] for name in values}
    )


class ProcedureRows:
    """Reads and writes the platform tables of one role."""

    def __init__(
        self, *, tables: PlatformTables, role: str, kinds: Mapping[str, ProcedureKind], answers: Codec[Body]
    ) -> None:
        self._tables = tables
        self._role = role
        self._kinds = kinds
        self._answers = answers
        self._statements = _Statements(tables)
        self._states = {name: msgspec.json.Decoder(kind.state_type) for name, kind in kinds.items()}

    # -- calls ----------------------------------------------------------------------------------------------

    def enter_call(self, tx: Tx, header: Header, start: Start, arrival: float) -> bool:
        """Enter a function call; False when it was entered before (a repeat gets the first answer, if any).

        Raises Refused when the identifier of the call was used with other input (SGP.02 5.1.1).
        """
        if not tx.first_time(header.message_id):
            return False
        function = type(start.request).__name__
        fingerprint = hashlib.sha256(encode_body(start.request)).digest()
        this = {
            "requester": header.requester,
            "function_call_id": header.function_call_id,
            "function": function,
        }
        known = self._statements.known_call.row(tx.session, this)
        if known is not None:
            first, answer, procedure_id = known
            if first != fingerprint:
                raise Refused(*codes.CALL_ID_REUSED, "FunctionCallIdentifier was used with other input")
            if answer is not None and header.sender:
                body = self._answers.decode_body(answer)
                tx.send(header.sender, self._answer_header(header, procedure_id), body)
            return False
        self._statements.enter_call.count(
            tx.session,
            this | {"fingerprint": fingerprint, "procedure_id": start.procedure_id, "deadline": header.deadline},
        )
        self._statements.make.count(
            tx.session,
            {
                "id": start.procedure_id,
                "kind": start.kind,
                "eid": header.eid,
                "requester": header.requester,
                "status": WAITING,
                "exclusive": int(start.exclusive),
                "version": 1,
                "caller": msgspec.json.encode(header),
                "state": msgspec.json.encode(start.state(tx) if callable(start.state) else start.state),
                "created": arrival,
                "updated": tx.now,
            },
        )
        # Fires in any phase, also while the procedure waits for the EID (ValidityPeriod, SGP.02 5.1.1).
        self._statements.arm.count(
            tx.session, {"procedure_id": start.procedure_id, "name": DEADLINE, "due": header.deadline}
        )
        self.journal(tx, start.procedure_id, header.eid, "in", header.message_id, start.request)
        return True

    def _answer_header(self, caller: Header, procedure_id: str) -> Header:
        return Header(
            message_id=f"{self._role}/{procedure_id}/answer/{caller.message_id}",
            sender=self._role,
            requester=caller.requester,
            function_call_id=caller.function_call_id,
            deadline=caller.deadline,
            eid=caller.eid,
            causation_id=caller.message_id,
        )

    def answer_of(
        self, connection: Connection, requester: str, function_call_id: str, function: str
    ) -> tuple[float, Body | None] | None:
        """Deadline and answer (None: not yet) of a call; None when it was never entered."""
        table = self._tables.call
        row = connection.execute(
            select(table.c.deadline, table.c.answer).where(
                table.c.requester == requester,
                table.c.function_call_id == function_call_id,
                table.c.function == function,
            )
        ).first()
        if row is None:
            return None
        return row.deadline, None if row.answer is None else self._answers.decode_body(row.answer)

    # -- admission ------------------------------------------------------------------------------------------

    def admit(self, tx: Tx, eid: str) -> list[str]:
        """Give the EID to the oldest waiting procedure when nobody holds it; those that need no lease pass."""
        statements = self._statements
        held = False
        admitted: list[str] = []
        for procedure_id, exclusive in statements.waiting.rows(tx.session, {"of": eid, "waiting": WAITING}):
            if exclusive:
                if held:
                    continue
                held = True  # by this one now, or by somebody else already
                claim = {"eid": eid, "procedure_id": procedure_id, "since": tx.now}
                if statements.claim.count(tx.session, claim) != 1:
                    continue
            # The version rises: a dispatch that loaded it as waiting (its deadline) must not write that back.
            begun = {"of": procedure_id, "waiting": WAITING, "to_status": STARTING}
            if statements.begin.count(tx.session, begun) == 1:
                admitted.append(procedure_id)
        return admitted

    # -- loading --------------------------------------------------------------------------------------------

    def load(self, connection: Connection, procedure_id: str) -> Record | None:
        """A procedure as it stands; None when there is none."""
        row = self._statements.load.row(connection, {"procedure_id": procedure_id})
        return None if row is None else self._record(procedure_id, row)

    def arrive(self, connection: Connection, procedure_id: str, message_id: str) -> tuple[bool, Record | None]:
        """Whether the inbox knows a message, and if not the procedure that it is for."""
        values = {"procedure_id": procedure_id, "message_id": message_id}
        row = self._statements.arrive.row(connection, values)
        if row is None:
            return self._statements.received.row(connection, {"of": message_id}) is not None, None
        return (True, None) if row[0] else (False, self._record(procedure_id, row[1:]))

    def _record(self, procedure_id: str, row: Sequence[Any]) -> Record:
        kind_name, eid, requester, caller, state, status, exclusive, version = row
        kind = self._kinds[kind_name]
        return Record(
            id=procedure_id,
            kind=kind,
            eid=eid,
            requester=requester,
            caller=_header_decoder.decode(caller) if caller else None,
            state=self._states[kind_name].decode(state),
            status=status,
            exclusive=bool(exclusive),
            version=version,
            origin=state,
            stepped=status == RUNNING,
        )

    def make(self, creation: Signal, eid: str) -> Record:
        """A procedure that another event of this role brings to life; it has no caller and no lease."""
        return Record(
            id=creation.procedure_id,
            kind=self._kinds[creation.kind],
            eid=eid,
            requester=self._role,
            caller=None,
            state=creation.initial,
            status=RUNNING,
            exclusive=False,
            version=0,
            origin=msgspec.json.encode(creation.initial),
        )

    # -- saving ---------------------------------------------------------------------------------------------

    def save(self, tx: Tx, record: Record) -> bool:
        """Write state, answer and timers; True when the record gave its EID free. Raises Conflict."""
        table = self._tables.procedure
        state = msgspec.json.encode(record.state)
        if record.version == 0:
            statement = _dialect(tx).insert(table).values(
                id=record.id,
                kind=record.kind.name,
                eid=record.eid,
                requester=record.requester,
                status=record.status,
                exclusive=int(record.exclusive),
                version=1,
                caller=b"",
                state=state,
                created=tx.now,
                updated=tx.now,
            )  # fmt: skip
            changed = tx.connection.execute(statement.on_conflict_do_nothing(index_elements=["id"])).rowcount
        else:
            changed = self._statements.move.count(
                tx.session,
                {
                    "procedure_id": record.id,
                    "loaded": record.version,
                    "to_state": state,
                    "to_status": record.status,
                    "to_version": record.version + 1,
                    "at": tx.now,
                },
            )
        if changed != 1:
            raise Conflict(f"procedure {record.id} was moved by another process")
        self._save_answer(tx, record)
        if record.status != DONE:
            self._save_timers(tx, record)
            return False
        timer, lease = self._tables.timer, self._tables.lease
        tx.connection.execute(delete(timer).where(timer.c.procedure_id == record.id))
        if not record.exclusive:
            return False
        freed = delete(lease).where(lease.c.eid == record.eid, lease.c.procedure_id == record.id)
        return tx.connection.execute(freed).rowcount == 1

    def _save_answer(self, tx: Tx, record: Record) -> None:
        if record.reply is None or record.caller is None:
            return
        table = self._tables.call
        first = update(table).where(table.c.procedure_id == record.id, table.c.answer.is_(None))
        if tx.connection.execute(first.values(answer=encode_body(record.reply))).rowcount != 1:
            log.warning("second answer dropped", procedure=record.id)
            return
        header = self._answer_header(record.caller, record.id)
        if record.caller.sender:  # nobody: whoever called looks for the answer himself
            tx.send(record.caller.sender, header, record.reply)
        self.journal(tx, record.id, record.eid, "out", header.message_id, record.reply)

    def _save_timers(self, tx: Tx, record: Record) -> None:
        for name, due in record.timers.items():
            values = {"procedure_id": record.id, "name": name}
            if due is None:
                self._statements.cancel.count(tx.session, {"of": record.id, "named": name})
            else:
                self._statements.arm.count(tx.session, {**values, "due": due})

    def send(self, tx: Tx, record: Record, send: Send, number: int) -> None:
        """Put a message of a procedure into the outbox; its identifier follows from the commit it leaves in."""
        header = Header(
            message_id=f"{self._role}/{record.id}/{record.version}/{number}",
            sender=self._role,
            requester=send.requester or record.requester,
            function_call_id=send.function_call_id or record.id,
            deadline=send.deadline,
            eid=record.eid,
            causation_id=record.caller.message_id if record.caller else record.id,
            recipient=send.recipient,
        )
        tx.send(send.dest, header, send.body)
        self.journal(tx, record.id, record.eid, "out", header.message_id, send.body)

    def keep(self, tx: Tx, record: Record, direction: str, kind: str, name: str, body: bytes) -> None:
        """An entry of the journal that is no message (`step_journal`)."""
        self._statements.journal.count(
            tx.session,
            {
                "procedure_id": record.id,
                "eid": record.eid,
                "at": tx.now,
                "direction": direction,
                "kind": kind,
                "message_id": name,
                "body": body,
            },
        )

    def journal(self, tx: Tx, procedure_id: str, eid: str, direction: str, message_id: str, body: Body) -> None:
        """Keep what was received or sent, for replay and for the eyes of an operator."""
        self._statements.journal.count(
            tx.session,
            {
                "procedure_id": procedure_id,
                "eid": eid,
                "at": tx.now,
                "direction": direction,
                "kind": type(body).__name__,
                "message_id": message_id,
                "body": encode_body(body),
            },
        )

    # -- what an earlier run left ---------------------------------------------------------------------------

    def timers(self, connection: Connection) -> list[Timer]:
        """Every timer that is set."""
        timer, procedure = self._tables.timer, self._tables.procedure
        statement = select(timer.c.due, timer.c.procedure_id, timer.c.name, procedure.c.eid).join(
            procedure, procedure.c.id == timer.c.procedure_id
        )
        return [Timer(*row) for row in connection.execute(statement)]

    def waiting_eids(self, connection: Connection) -> list[str]:
        """EIDs that a procedure waits for."""
        table = self._tables.procedure
        statement = select(table.c.eid).where(table.c.status == WAITING).distinct()
        return list(connection.execute(statement).scalars())

    def starting(self, connection: Connection) -> list[tuple[str, str]]:
        """Identifier and EID of procedures that were admitted and have not begun."""
        table = self._tables.procedure
        statement = select(table.c.id, table.c.eid).where(table.c.status == STARTING)
        return [(row.id, row.eid) for row in connection.execute(statement)]

    def is_set(self, connection: Connection, timer: Timer) -> bool:
        """Whether a timer is still due at that time."""
        row = self._statements.due.row(connection, {"of": timer.procedure_id, "named": timer.name})
        return row is not None and bool(row[0] == timer.due)

    def holder(self, connection: Connection, eid: str) -> tuple[str, str] | None:
        """Identifier and kind of the procedure that holds the EID."""
        lease, procedure = self._tables.lease, self._tables.procedure
        row = connection.execute(
            select(procedure.c.id, procedure.c.kind)
            .join(lease, lease.c.procedure_id == procedure.c.id)
            .where(lease.c.eid == eid)
        ).first()
        return (row.id, row.kind) if row is not None else None


def end(record: Record) -> None:
    """Apply `Done`: an ended procedure has no timers."""
    record.status = DONE
    record.timers.clear()


def _dialect(tx: Tx) -> Any:
    return sqlite if tx.connection.dialect.name == "sqlite" else postgresql
