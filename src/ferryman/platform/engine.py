"""Runs procedures: loads, steps, commits state with effects, then performs the effects.

One dispatch handles one external event (message, timer, start) and everything that follows from it inside the
role: signals between procedures and questions to the CryptoServer. All of it is one commit. Events of one EID
are handled one after another; a version on each row refuses a second writer in another process, and the event
is then handled again from the start. Nothing of a dispatch that fails is committed.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection

from ferryman.contracts.message import Body, Codec, Header
from ferryman.contracts.status import ExecutionStatus, failed, from_refusal
from ferryman.errors import FerrymanError, Refused, Unavailable
from ferryman.platform.bell import Bell
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.dispatch import Committed, Work
from ferryman.platform.log import about
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.platform.procedure import (
    DEADLINE,
    Answered,
    Ask,
    Begin,
    Context,
    Event,
    ProcedureKind,
    Received,
    Signal,
    Signalled,
    TimerFired,
)
from ferryman.platform.procedure_rows import (
    DONE,
    RUNNING,
    STARTING,
    Conflict,
    ProcedureRows,
    Record,
    Start,
)
from ferryman.platform.schema import ALARM, PlatformTables
from ferryman.platform.step_journal import SNAPSHOT_EVERY, Entry, Replay, StepRecorder, replay
from ferryman.platform.timer_queue import Timer, TimerQueue

__all__ = ["DEADLINE", "Conflict", "Engine", "Record", "Start", "refusal_status"]

MAX_STEPS = 200  # steps in one dispatch; more means two procedures signal each other for ever
MAX_CONFLICTS = 5  # times a dispatch gives way to another process before its message is put back
ASK_SECONDS = 30.0  # a question to the CryptoServer is worthless after that
MAX_FAULTS = 5  # failures by anything but unavailability, in a row, before what a procedure waits for is an alarm
FAULT_FIRST = 0.05  # seconds before the second attempt after a fault; doubles with each one
TAKE_UP_DELAY = 1.0  # seconds from a commit of unknown outcome to the look at what it left

log = structlog.get_logger("ferryman.engine")

type AskCrypto = Callable[[Header, Body], Awaitable[Body]]
type LoadFacts = Callable[[Connection, str, Any], Any]  # connection, eid, state of the procedure
type ApplyChange = Callable[[Tx, str, Any], None]  # tx, eid, change


type ApplyAll = Callable[[Tx, Committed], None]  # writes the changes, and what else follows from them


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
        apply_all: ApplyAll | None = None,
        record_steps: bool = False,
    ) -> None:
        self.mailbox = mailbox
        self.tables: PlatformTables = mailbox.tables
        self._clock = clock
        self._entropy = entropy
        self._ask = ask
        self._load_facts = load_facts
        self._apply_change = apply_change
        self._apply_all = apply_all  # in place of apply_change, for a role that looks at a whole dispatch
        self._recorder = StepRecorder() if record_steps else None
        self.kinds = {kind.name: kind for kind in kinds}
        self._rows = ProcedureRows(tables=mailbox.tables, role=mailbox.role, kinds=self.kinds, answers=answers)
        # A lock lives as long as somebody holds it or waits for it.
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._timers = TimerQueue()
        self._bell = Bell(self._timers, clock, fire=self._fire, spawn=self._spawn)
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_arrival = 0.0
        self._taking_up = False
        self._stopping = False
        self.steps = 0  # of this run, as are the next
        self.dispatches = 0
        self.conflicts = 0
        self.fired = 0  # timers

    # -- life ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Arm the timers of an earlier run and start procedures that were waiting for a free EID."""
        await self._take_up()

    async def stop(self) -> None:
        """Stop timers and running dispatches; what was not committed happens again after the next start."""
        self._stopping = True
        self._bell.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take_up(self) -> None:
        """Go on with whatever the database says is to be done; harmless at any time."""
        rows = self._rows
        for timer in await self.mailbox.store.read(rows.timers):
            self._timers.set(timer)
        self._bell.arm()
        for eid in await self.mailbox.store.read(rows.waiting_eids):
            self._spawn(self._admit(eid))
        for procedure_id, eid in await self.mailbox.store.read(rows.starting):
            self._spawn(self._begin(procedure_id, eid))

    async def _take_up_later(self) -> None:
        while True:
            await asyncio.sleep(TAKE_UP_DELAY)
            self._taking_up = False  # from here on another unknown outcome needs another look
            try:
                await self._take_up()
            except Unavailable:
                self._taking_up = True
                continue
            return

    async def _transact[T](self, unit: Callable[[Tx], T]) -> T:
        try:
            return await self.mailbox.transact(unit)
        except Unavailable:
            # The commit may have happened: what it set going must not wait for a restart.
            if not self._taking_up:
                self._taking_up = True
                self._spawn(self._take_up_later())
            raise

    # -- entry points -------------------------------------------------------------------------------------

    async def call(self, header: Header, start: Start) -> None:
        """Start a procedure for a function call, once; a repeat gets the first answer.

        The answer goes to the role `header.sender`; with an empty one to nobody, see `answer_of`.

        Raises Refused when the FunctionCallIdentifier was used with other input (SGP.02 5.1.1), then nothing is
        entered; Unavailable when the database does not answer.
        """
        if self._stopping:
            raise Unavailable("engine")
        # Strictly rising, so that calls of the same instant are admitted in the order in which they came.
        arrival = self._last_arrival = max(self._clock.now(), self._last_arrival + 1e-6)
        if await self._transact(lambda tx: self._rows.enter_call(tx, header, start, arrival)):
            self._timers.set(Timer(header.deadline, start.procedure_id, DEADLINE, header.eid))
            self._bell.arm()
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
        """Hand an event to a procedure; `header` is the message it came with (entered into the inbox).

        Returns after the commit. Raises Unavailable when it should be delivered again.
        """

        async def attempt() -> None:
            work = Work(incoming=event.body if isinstance(event, Received) else None, target=procedure_id)
            if header is not None and not await self._arrive(work, procedure_id, header.message_id):
                return
            if create is not None and await self._load(work, procedure_id) is None:
                work.records[procedure_id] = self._rows.make(create, eid)
            work.queue.append((procedure_id, event))
            await self._run(work, eid, header)

        await self._exclusively(eid, attempt)

    async def holder(self, eid: str) -> tuple[str, str] | None:
        """Identifier and kind of the procedure that holds the EID."""
        return await self.mailbox.store.read(lambda c: self._rows.holder(c, eid))

    async def answer_of(
        self, requester: str, function_call_id: str, function: str
    ) -> tuple[float, Body | None] | None:
        """Deadline and answer (None: not yet) of a call; None when it was never entered."""
        return await self.mailbox.store.read(
            lambda c: self._rows.answer_of(c, requester, function_call_id, function)
        )

    async def replay(self, procedure_id: str) -> Replay | None:
        """Take the recorded steps of a procedure again; None when there is none. Raises NotReplayable."""
        read = partial(replay, tables=self.tables, kinds=self.kinds, procedure_id=procedure_id)
        return await self.mailbox.store.read(read)

    # -- admission: one writer per EID --------------------------------------------------------------------

    async def _admit(self, eid: str) -> None:
        try:
            admitted = await self._transact(lambda tx: self._rows.admit(tx, eid))
        except Unavailable as problem:
            log.warning("admission waits", eid=eid, reason=str(problem))  # taken up again with the database
            return
        for procedure_id in admitted:
            self._spawn(self._begin(procedure_id, eid))

    async def _begin(self, procedure_id: str, eid: str) -> None:
        await self._until_done(lambda: self.deliver(eid, procedure_id, Begin()), eid, procedure_id)

    # -- one dispatch -------------------------------------------------------------------------------------

    async def _exclusively(self, eid: str, attempt: Callable[[], Awaitable[None]]) -> None:
        for _ in range(MAX_CONFLICTS):
            async with self._lock(eid):
                if self._stopping:
                    raise Unavailable("engine")
                try:
                    return await attempt()
                except Conflict as conflict:
                    self.conflicts += 1
                    log.info("dispatch starts again", eid=eid, reason=str(conflict))
        raise Unavailable("procedure")

    async def _until_done(self, attempt: Callable[[], Awaitable[None]], eid: str, procedure_id: str) -> None:
        """Beginnings and timers: who sends a message sends it again, but nobody repeats these."""
        faults = 0
        while True:
            try:
                return await attempt()
            except Unavailable as problem:
                log.warning("procedure waits", procedure=procedure_id, reason=str(problem))
                await asyncio.sleep(problem.retry_after)
            except Exception as problem:  # outermost loop: a fault of ours, or of whoever was asked
                faults += 1
                if faults == MAX_FAULTS:
                    await self._stuck(eid, procedure_id, problem)
                    raise
                await asyncio.sleep(FAULT_FIRST * 2 ** (faults - 1))

    async def _stuck(self, eid: str, procedure_id: str, problem: Exception) -> None:
        """An alarm: with the next start, when its cause was repaired, the procedure goes on from where it is."""
        detail = f"{type(problem).__name__}: {problem}"

        def unit(tx: Tx) -> None:
            tx.audit(
                actor=self.mailbox.role,
                action="procedure",
                eid=eid,
                object=procedure_id,
                outcome=ALARM,
                detail=detail,
            )

        try:
            await self.mailbox.transact(unit)
        except Unavailable:
            log.warning("alarm not recorded", procedure=procedure_id)

    async def _run(self, work: Work, eid: str, header: Header | None) -> None:
        steps = 0
        while work.queue:
            steps += 1
            if steps > MAX_STEPS:
                raise FerrymanError(f"more than {MAX_STEPS} steps in one dispatch")
            procedure_id, event = work.queue.popleft()
            record = await self._load(work, procedure_id)
            if record is None or record.status == DONE:
                log.info("event for an ended procedure", procedure=procedure_id, event_type=type(event).__name__)
                continue
            if isinstance(event, Begin):
                if record.status != STARTING:
                    continue  # a repeat of a beginning that was committed
                record.status = RUNNING
            before = about.set((record.kind.name, eid))
            try:
                await self._step(work, record, event)
            finally:
                about.reset(before)
        self.steps += steps
        await self._commit(work, eid, header)
        self.dispatches += 1

    async def _step(self, work: Work, record: Record, event: Event) -> None:
        facts = await self.mailbox.store.read(lambda c: self._load_facts(c, record.eid, record.state))
        context = Context(
            procedure_id=record.id,
            eid=record.eid,
            caller=record.caller,
            now=self._clock.now(),
            entropy=self._entropy(32),
            facts=facts,
        )
        if self._recorder is not None:
            record.steps.append((event, context))
        result = record.kind.step(record.state, event, context)
        record.state = result.state
        record.dirty = True
        answers: list[tuple[str, Event]] = []
        for effect in result.effects:
            if isinstance(effect, Ask):
                answers.append((record.id, await self._answer(record, effect)))
            elif isinstance(effect, Signal):
                await self._signal(work, record, effect)
            else:
                work.collect(record, effect)
        # Answers come before anything else that waits, in the order of the questions.
        work.queue.extendleft(reversed(answers))

    async def _signal(self, work: Work, record: Record, effect: Signal) -> None:
        if await self._load(work, effect.procedure_id) is None and effect.kind:
            work.records[effect.procedure_id] = self._rows.make(effect, record.eid)
        work.queue.append((effect.procedure_id, Signalled(record.id, effect.value)))

    async def _answer(self, record: Record, question: Ask) -> Answered:
        header = Header(
            message_id=f"{record.id}:{record.version}:{question.tag}",
            sender=self.mailbox.role,
            requester=record.requester,
            function_call_id=record.caller.function_call_id if record.caller else record.id,
            deadline=self._clock.now() + ASK_SECONDS,
            eid=record.eid,
        )
        try:
            return Answered(question.tag, reply=await self._ask(header, question.body))
        except Refused as refusal:
            return Answered(question.tag, refusal=from_refusal(refusal))

    async def _arrive(self, work: Work, procedure_id: str, message_id: str) -> bool:
        """Whether a message is new; its procedure is loaded on the way."""
        known, record = await self.mailbox.store.read(lambda c: self._rows.arrive(c, procedure_id, message_id))
        if record is not None:
            work.records[procedure_id] = record
        return not known

    async def _load(self, work: Work, procedure_id: str) -> Record | None:
        record = work.records.get(procedure_id)
        if record is None:
            record = await self.mailbox.store.read(lambda c: self._rows.load(c, procedure_id))
            if record is not None:
                work.records[procedure_id] = record
        return record

    # -- commit -------------------------------------------------------------------------------------------

    async def _commit(self, work: Work, eid: str, header: Header | None) -> None:
        rows = self._rows
        changed = [record for record in work.records.values() if record.dirty]
        steps = self._recorded(changed)

        def unit(tx: Tx) -> bool | None:
            if header is not None and not tx.first_time(header.message_id):
                return None
            if header is not None and work.incoming is not None:
                rows.journal(tx, work.target, eid, "in", header.message_id, work.incoming)
            released = False
            for record in changed:
                released = rows.save(tx, record) or released
            for record, entry in steps:
                rows.keep(tx, record, *entry)
            for number, (record, send) in enumerate(work.sends):
                rows.send(tx, record, send, number)
            if self._apply_all is not None:
                self._apply_all(tx, Committed(tuple(changed), tuple(work.changes), tuple(work.audits)))
            else:
                for changing, change in work.changes:
                    self._apply_change(tx, changing.eid, change)
            for record, audit in work.audits:
                tx.audit(
                    actor=record.requester,
                    action=audit.action,
                    eid=record.eid,
                    object=audit.object,
                    outcome=audit.outcome,
                    detail=audit.detail,
                )
            return released

        try:
            released = await self._transact(unit)
        except BaseException:
            self._not_recorded(changed)
            raise
        if released is None:
            self._not_recorded(changed)
            return  # another process was quicker with this message
        for record in changed:
            self._set_timers(record)
        self._bell.arm()
        if released:
            self._spawn(self._admit(eid))

    def _recorded(self, changed: list[Record]) -> list[tuple[Record, Entry]]:
        """What the journal keeps of the steps, so that they can be taken again."""
        if self._recorder is None:
            return []
        found: list[tuple[Record, Entry]] = []
        for record in changed:
            keep = not record.stepped or record.version % SNAPSHOT_EVERY == 0
            entries = self._recorder.entries(record.id, record.steps, record.origin if keep else None)
            found += [(record, entry) for entry in entries]
        return found

    def _not_recorded(self, changed: list[Record]) -> None:
        if self._recorder is not None:
            self._recorder.forget(record.id for record in changed)

    def _set_timers(self, record: Record) -> None:
        if record.status == DONE:
            self._timers.drop(record.id)
            return
        for name, due in record.timers.items():
            if due is None:
                self._timers.cancel(record.id, name)
            else:
                self._timers.set(Timer(due, record.id, name, record.eid))

    # -- timers -------------------------------------------------------------------------------------------

    async def _fire(self, timer: Timer) -> None:
        async def attempt() -> None:
            if not await self.mailbox.store.read(lambda c: self._rows.is_set(c, timer)):
                return  # cancelled or set anew meanwhile
            work = Work()
            record = await self._load(work, timer.procedure_id)
            if record is None:
                return
            record.timers[timer.name] = None
            record.dirty = True
            work.queue.append((timer.procedure_id, TimerFired(timer.name)))
            self.fired += 1
            await self._run(work, timer.eid, None)

        await self._until_done(lambda: self._exclusively(timer.eid, attempt), timer.eid, timer.procedure_id)

    # -- small things -------------------------------------------------------------------------------------

    def _lock(self, eid: str) -> asyncio.Lock:
        lock = self._locks.get(eid)
        if lock is None:
            lock = self._locks[eid] = asyncio.Lock()
        return lock

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if self._stopping:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("dispatch failed", error=f"{type(problem).__name__}: {problem}", exc_info=problem)


def refusal_status(problem: Refused) -> ExecutionStatus:
    """Status of a refusal before a procedure exists."""
    return failed(problem.subject, problem.reason, problem.message, problem.identifier)
