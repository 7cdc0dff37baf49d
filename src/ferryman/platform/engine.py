"""Runs procedures: loads, steps, commits state with effects, then performs the effects.

One dispatch handles one external event (message, timer, start) and everything that follows from it inside the
role: signals between procedures and questions to the CryptoServer. All of it is one commit. Events of one EID
are handled one after another; a version on each row refuses a second writer in another process.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ferryman.contracts import codes
from ferryman.contracts.message import Body, Codec, Header, encode_body
from ferryman.contracts.status import ExecutionStatus, failed, from_refusal
from ferryman.errors import FerrymanError, Refused, Unavailable
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.platform.procedure import (
    Answered,
    Apply,
    Ask,
    Audit,
    Begin,
    CancelTimer,
    Context,
    Done,
    Event,
    ProcedureKind,
    Received,
    Reply,
    Send,
    SetTimer,
    Signal,
    Signalled,
    TimerFired,
)
from ferryman.platform.schema import PlatformTables

DEADLINE = "deadline"  # the timer that every called procedure has from its start
MAX_STEPS = 200  # steps in one dispatch; more means two procedures signal each other for ever

log = structlog.get_logger("ferryman.engine")

type AskCrypto = Callable[[Header, Body], Awaitable[Body]]
type LoadFacts = Callable[[Connection, str, Any], Any]  # connection, eid, state
type ApplyChange = Callable[[Tx, str, Any], None]  # tx, eid, change


class Conflict(FerrymanError):
    """Another process moved a procedure meanwhile; the event is handled again from the start."""


@dataclass(slots=True)
class Record:
    """One procedure while a dispatch works on it."""

    id: str
    kind: ProcedureKind
    eid: str
    requester: str
    caller: Header | None
    state: Any
    status: str
    exclusive: bool
    version: int  # 0 = not in the database yet
    dirty: bool = False
    reply: Body | None = None
    timers: dict[str, float | None] = field(default_factory=dict)


@dataclass(slots=True)
class _Work:
    """Everything that one dispatch will commit."""

    records: dict[str, Record] = field(default_factory=dict)
    sends: list[tuple[Record, Send]] = field(default_factory=list)
    changes: list[tuple[str, Any]] = field(default_factory=list)
    audits: list[tuple[Record, Audit]] = field(default_factory=list)
    incoming: Body | None = None
    target: str = ""
    queue: deque[tuple[str, Event]] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class Start:
    """A procedure to create: `call` names the interface function whose repeats get the first answer."""

    kind: str
    procedure_id: str
    state: msgspec.Struct
    exclusive: bool
    caller: Header
    request: Body


class Engine:
    """The procedures of one role."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        clock: Clock,
        entropy: Entropy,
        kinds: Iterable[ProcedureKind],
        ask: AskCrypto,
        load_facts: LoadFacts,
        apply_change: ApplyChange,
        answers: Codec[Body],
    ) -> None:
        self.mailbox = mailbox
        self.tables: PlatformTables = mailbox.tables
        self._clock = clock
        self._entropy = entropy
        self._kinds = {kind.name: kind for kind in kinds}
        self._ask = ask
        self._load_facts = load_facts
        self._apply_change = apply_change
        self._answers = answers
        self._locks: dict[str, asyncio.Lock] = {}
        self._heap: list[tuple[float, str, str, str]] = []  # due, procedure, name, eid
        self._alarm: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    # -- life ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Arm the timers of an earlier run and start procedures that were waiting for a free EID."""
        timer, procedure = self.tables.timer, self.tables.procedure
        joined = select(timer.c.due, timer.c.procedure_id, timer.c.name, procedure.c.eid).join(
            procedure, procedure.c.id == timer.c.procedure_id
        )
        rows = await self.mailbox.store.read(lambda c: c.execute(joined).all())
        self._heap = [(row.due, row.procedure_id, row.name, row.eid) for row in rows]
        heapq.heapify(self._heap)
        self._arm()
        idle = select(procedure.c.eid).where(procedure.c.status == "waiting").distinct()
        for row in await self.mailbox.store.read(lambda c: c.execute(idle).all()):
            self._spawn(self._admit(row.eid))
        # A procedure that was admitted but whose first step was not committed begins again.
        fresh = select(procedure.c.id, procedure.c.eid).where(
            procedure.c.status == "running", procedure.c.version == 1
        )
        for row in await self.mailbox.store.read(lambda c: c.execute(fresh).all()):
            self._spawn(self._begin(row.id, row.eid))

    async def stop(self) -> None:
        """Stop timers and running dispatches; what was not committed happens again after the next start."""
        self._stopping = True
        if self._alarm is not None:
            self._alarm.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- entry points -------------------------------------------------------------------------------------

    async def call(self, header: Header, start: Start) -> None:
        """Start a procedure for a function call, once; a repeat gets the first answer.

        The same FunctionCallIdentifier with other input is refused (SGP.02 5.1.1).
        """
        fingerprint = hashlib.sha256(encode_body(start.request)).digest()
        table, procedure = self.tables.call, self.tables.procedure
        function = type(start.request).__name__

        def unit(tx: Tx) -> bool:
            if not tx.first_time(header.message_id):
                return False
            key = (
                (table.c.requester == header.requester)
                & (table.c.function_call_id == header.function_call_id)
                & (table.c.function == function)
            )
            known = tx.connection.execute(select(table).where(key)).first()
            if known is not None:
                if known.fingerprint != fingerprint:
                    raise Refused(*codes.CALL_ID_REUSED, "FunctionCallIdentifier was used with other input")
                if known.answer is not None:
                    body = self._answers.decode_body(known.answer)
                    tx.send(header.sender, self._answer_header(header, known.procedure_id), body)
                return False
            tx.connection.execute(
                insert(table).values(
                    requester=header.requester,
                    function_call_id=header.function_call_id,
                    function=function,
                    fingerprint=fingerprint,
                    procedure_id=start.procedure_id,
                    answer=None,
                    deadline=header.deadline,
                )
            )
            tx.connection.execute(
                insert(procedure).values(
                    id=start.procedure_id,
                    kind=start.kind,
                    eid=header.eid,
                    requester=header.requester,
                    status="waiting",
                    exclusive=int(start.exclusive),
                    version=1,
                    caller=msgspec.json.encode(header),
                    state=msgspec.json.encode(start.state),
                    created=tx.now,
                    updated=tx.now,
                )
            )
            # Fires in any phase, also while the procedure waits for the EID (ValidityPeriod, SGP.02 5.1.1).
            tx.connection.execute(
                insert(self.tables.timer).values(
                    procedure_id=start.procedure_id, name=DEADLINE, due=header.deadline
                )
            )
            self._journal(tx, start.procedure_id, header.eid, "in", header.message_id, start.request)
            return True

        if await self.mailbox.transact(unit):
            heapq.heappush(self._heap, (header.deadline, start.procedure_id, DEADLINE, header.eid))
            self._arm()
            self._spawn(self._admit(header.eid))

    async def deliver(
        self,
        eid: str,
        procedure_id: str,
        event: Event,
        *,
        header: Header | None = None,
        create: Signal | None = None,
    ) -> None:
        """Hand an event to a procedure; `header` is the message it came with (entered into the inbox)."""
        async with self._lock(eid):
            if self._stopping:
                raise Unavailable("engine")
            if header is not None and await self._seen(header.message_id):
                return
            work = _Work(incoming=event.body if isinstance(event, Received) else None, target=procedure_id)
            if create is not None and await self._load(work, procedure_id) is None:
                work.records[procedure_id] = self._new(create, eid)
            work.queue.append((procedure_id, event))
            await self._run(work, eid, header)

    # -- admission: one writer per EID --------------------------------------------------------------------

    async def _admit(self, eid: str) -> None:
        """Give the EID to the oldest waiting procedure when nobody holds it."""
        procedure, lease = self.tables.procedure, self.tables.lease

        def unit(tx: Tx) -> list[str]:
            waiting = tx.connection.execute(
                select(procedure.c.id, procedure.c.exclusive)
                .where(procedure.c.eid == eid, procedure.c.status == "waiting")
                .order_by(procedure.c.created, procedure.c.id)
            ).all()
            held = (
                tx.connection.execute(select(lease.c.procedure_id).where(lease.c.eid == eid)).first() is not None
            )
            admitted: list[str] = []
            for row in waiting:
                if row.exclusive and held:
                    continue
                if row.exclusive:
                    tx.connection.execute(insert(lease).values(eid=eid, procedure_id=row.id, since=tx.now))
                    held = True
                tx.connection.execute(update(procedure).where(procedure.c.id == row.id).values(status="running"))
                admitted.append(row.id)
            return admitted

        for procedure_id in await self.mailbox.transact(unit):
            await self._begin(procedure_id, eid)

    async def _begin(self, procedure_id: str, eid: str) -> None:
        try:
            await self.deliver(eid, procedure_id, Begin())
        except Unavailable as problem:
            log.warning("procedure waits", procedure=procedure_id, reason=str(problem))
            loop = asyncio.get_running_loop()
            loop.call_later(problem.retry_after, lambda: self._spawn(self._begin(procedure_id, eid)))

    async def holder(self, eid: str) -> tuple[str, str] | None:
        """Identifier and kind of the procedure that holds the EID."""
        lease, procedure = self.tables.lease, self.tables.procedure
        statement = (
            select(procedure.c.id, procedure.c.kind)
            .join(lease, lease.c.procedure_id == procedure.c.id)
            .where(lease.c.eid == eid)
        )
        row = await self.mailbox.store.read(lambda c: c.execute(statement).first())
        return (row.id, row.kind) if row is not None else None

    # -- one dispatch -------------------------------------------------------------------------------------

    async def _run(self, work: _Work, eid: str, header: Header | None) -> None:
        steps = 0
        while work.queue:
            steps += 1
            if steps > MAX_STEPS:
                raise FerrymanError(f"more than {MAX_STEPS} steps in one dispatch")
            procedure_id, event = work.queue.popleft()
            record = await self._load(work, procedure_id)
            if record is None or record.status == "done":
                log.info("event for an ended procedure", procedure=procedure_id, event=type(event).__name__)
                continue
            await self._step(work, record, event)
        released = await self._commit(work, eid, header)
        if released:
            self._spawn(self._admit(eid))

    async def _step(self, work: _Work, record: Record, event: Event) -> None:
        facts = await self.mailbox.store.read(lambda c: self._load_facts(c, record.eid, record.state))
        context = Context(
            procedure_id=record.id,
            eid=record.eid,
            caller=record.caller,
            now=self._clock.now(),
            entropy=self._entropy(32),
            facts=facts,
        )
        result = record.kind.step(record.state, event, context)
        record.state = result.state
        record.dirty = True
        for effect in result.effects:
            await self._collect(work, record, effect)

    async def _collect(self, work: _Work, record: Record, effect: object) -> None:
        match effect:
            case Send():
                work.sends.append((record, effect))
            case Ask(tag, body):
                work.queue.appendleft((record.id, await self._answer(record, tag, body)))
            case SetTimer(name, at):
                record.timers[name] = at
            case CancelTimer(name):
                record.timers[name] = None
            case Signal():
                if await self._load(work, effect.procedure_id) is None and effect.kind:
                    work.records[effect.procedure_id] = self._new(effect, record.eid)
                work.queue.append((effect.procedure_id, Signalled(record.id, effect.value)))
            case Apply(change):
                work.changes.append((record.eid, change))
            case Audit():
                work.audits.append((record, effect))
            case Reply(body):
                record.reply = body
            case Done():
                record.status = "done"

    async def _answer(self, record: Record, tag: str, body: Body) -> Answered:
        header = Header(
            message_id=f"{record.id}:{record.version}:{tag}",
            sender=self.mailbox.role,
            requester=record.requester,
            function_call_id=record.caller.function_call_id if record.caller else record.id,
            deadline=self._clock.now() + 30.0,
            eid=record.eid,
        )
        try:
            return Answered(tag, reply=await self._ask(header, body))
        except Refused as refusal:
            return Answered(tag, refusal=from_refusal(refusal))

    def _new(self, creation: Signal, eid: str) -> Record:
        return Record(
            id=creation.procedure_id,
            kind=self._kinds[creation.kind],
            eid=eid,
            requester=self.mailbox.role,
            caller=None,
            state=creation.initial,
            status="running",
            exclusive=False,
            version=0,
        )

    async def _load(self, work: _Work, procedure_id: str) -> Record | None:
        record = work.records.get(procedure_id)
        if record is not None:
            return record
        table = self.tables.procedure
        statement = select(table).where(table.c.id == procedure_id)
        row = await self.mailbox.store.read(lambda c: c.execute(statement).first())
        if row is None:
            return None
        kind = self._kinds[row.kind]
        record = Record(
            id=row.id,
            kind=kind,
            eid=row.eid,
            requester=row.requester,
            caller=msgspec.json.decode(row.caller, type=Header) if row.caller else None,
            state=msgspec.json.decode(row.state, type=kind.state_type),
            status=row.status,
            exclusive=bool(row.exclusive),
            version=row.version,
        )
        work.records[procedure_id] = record
        return record

    # -- commit -------------------------------------------------------------------------------------------

    async def _commit(self, work: _Work, eid: str, header: Header | None) -> bool:
        released = False
        timers: list[tuple[float, str, str, str]] = []

        def unit(tx: Tx) -> bool:
            nonlocal released
            if header is not None and not tx.first_time(header.message_id):
                return False
            if header is not None and work.incoming is not None:
                self._journal(tx, work.target, eid, "in", header.message_id, work.incoming)
            for record in work.records.values():
                if record.dirty:
                    self._save(tx, record)
                    released = self._save_outcome(tx, record) or released
                    self._save_timers(tx, record, timers)
            for number, (record, send) in enumerate(work.sends):
                self._send(tx, record, send, number)
            for change_eid, change in work.changes:
                self._apply_change(tx, change_eid, change)
            for record, audit in work.audits:
                tx.audit(
                    actor=record.requester,
                    action=audit.action,
                    eid=record.eid,
                    object=audit.object,
                    outcome=audit.outcome,
                    detail=audit.detail,
                )
            return True

        if await self.mailbox.transact(unit):
            for entry in timers:
                heapq.heappush(self._heap, entry)
            if timers:
                self._arm()
        return released

    def _save(self, tx: Tx, record: Record) -> None:
        table = self.tables.procedure
        state = msgspec.json.encode(record.state)
        if record.version == 0:
            tx.connection.execute(
                insert(table).values(
                    id=record.id,
                    kind=record.kind.name,
                    eid=record.eid,
                    requester=record.requester,
                    status=record.status,
                    exclusive=int(record.exclusive),
                    version=2,
                    caller=b"",
                    state=state,
                    created=tx.now,
                    updated=tx.now,
                )
            )
            record.version = 1
            return
        done = tx.connection.execute(
            update(table)
            .where(table.c.id == record.id, table.c.version == record.version)
            .values(state=state, status=record.status, version=record.version + 1, updated=tx.now)
        )
        if done.rowcount != 1:
            raise Conflict(f"procedure {record.id} was moved by another process")

    def _save_outcome(self, tx: Tx, record: Record) -> bool:
        table, lease, timer = self.tables.call, self.tables.lease, self.tables.timer
        if record.reply is not None and record.caller is not None:
            tx.connection.execute(
                update(table).where(table.c.procedure_id == record.id).values(answer=encode_body(record.reply))
            )
            tx.send(record.caller.sender, self._answer_header(record.caller, record.id), record.reply)
            self._journal(tx, record.id, record.eid, "out", "", record.reply)
        if record.status != "done":
            return False
        tx.connection.execute(delete(timer).where(timer.c.procedure_id == record.id))
        record.timers.clear()
        if not record.exclusive:
            return False
        tx.connection.execute(delete(lease).where(lease.c.procedure_id == record.id))
        return True

    def _save_timers(self, tx: Tx, record: Record, timers: list[tuple[float, str, str, str]]) -> None:
        table = self.tables.timer
        dialect = sqlite if tx.connection.dialect.name == "sqlite" else postgresql
        for name, due in record.timers.items():
            if due is None:
                tx.connection.execute(delete(table).where(table.c.procedure_id == record.id, table.c.name == name))
                continue
            statement = dialect.insert(table).values(procedure_id=record.id, name=name, due=due)
            tx.connection.execute(
                statement.on_conflict_do_update(index_elements=["procedure_id", "name"], set_={"due": due})
            )
            timers.append((due, record.id, name, record.eid))

    def _send(self, tx: Tx, record: Record, send: Send, number: int) -> None:
        header = Header(
            message_id=f"{self.mailbox.role}/{record.id}/{record.version}/{number}",
            sender=self.mailbox.role,
            requester=record.requester,
            function_call_id=send.function_call_id or record.id,
            deadline=send.deadline,
            eid=record.eid,
            causation_id=record.caller.message_id if record.caller else record.id,
        )
        tx.send(send.dest, header, send.body)
        self._journal(tx, record.id, record.eid, "out", header.message_id, send.body)

    def _answer_header(self, caller: Header, procedure_id: str) -> Header:
        return Header(
            message_id=f"{self.mailbox.role}/{procedure_id}/answer/{caller.message_id}",
            sender=self.mailbox.role,
            requester=caller.requester,
            function_call_id=caller.function_call_id,
            deadline=caller.deadline,
            eid=caller.eid,
            causation_id=caller.message_id,
        )

    def _journal(self, tx: Tx, procedure_id: str, eid: str, direction: str, message_id: str, body: Body) -> None:
        tx.connection.execute(
            insert(self.tables.journal).values(
                procedure_id=procedure_id,
                eid=eid,
                at=tx.now,
                direction=direction,
                kind=type(body).__name__,
                message_id=message_id,
                body=encode_body(body),
            )
        )

    # -- timers -------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._heap and not self._stopping:
            delay = max(0.0, self._heap[0][0] - self._clock.now())
            self._alarm = asyncio.get_running_loop().call_later(delay, self._ring)

    def _ring(self) -> None:
        now = self._clock.now()
        while self._heap and self._heap[0][0] <= now:
            due, procedure_id, name, eid = heapq.heappop(self._heap)
            self._spawn(self._fire(due, procedure_id, name, eid))
        self._arm()

    async def _fire(self, due: float, procedure_id: str, name: str, eid: str) -> None:
        table = self.tables.timer
        statement = select(table.c.due).where(table.c.procedure_id == procedure_id, table.c.name == name)
        async with self._lock(eid):
            row = await self.mailbox.store.read(lambda c: c.execute(statement).first())
            if row is None or row.due != due:
                return  # cancelled or set anew meanwhile
            work = _Work()
            record = await self._load(work, procedure_id)
            if record is None:
                return
            record.timers[name] = None
            record.dirty = True
            work.queue.append((procedure_id, TimerFired(name)))
            try:
                await self._run(work, eid, None)
            except Unavailable as problem:
                heapq.heappush(self._heap, (due, procedure_id, name, eid))
                asyncio.get_running_loop().call_later(problem.retry_after, self._arm)

    async def _seen(self, message_id: str) -> bool:
        table = self.tables.inbox
        statement = select(table.c.message_id).where(table.c.message_id == message_id)
        return await self.mailbox.store.read(lambda c: c.execute(statement).first() is not None)

    # -- small things -------------------------------------------------------------------------------------

    def _lock(self, eid: str) -> asyncio.Lock:
        return self._locks.setdefault(eid, asyncio.Lock())

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Future[None]) -> None:
        self._tasks.discard(task)  # type: ignore[arg-type]
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("dispatch failed", error=f"{type(problem).__name__}: {problem}", exc_info=problem)


def refusal_status(problem: Refused) -> ExecutionStatus:
    """Status of a refusal before a procedure exists."""
    return failed(problem.subject, problem.reason, problem.message, problem.identifier)
