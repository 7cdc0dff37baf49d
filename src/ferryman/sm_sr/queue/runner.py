"""Starts what waits: one entry of an eUICC at a time, when it is due and the eUICC can be reached.

An eUICC that comes by itself (pull) is given its entries while its session is open; the others are called. An
entry is claimed in the transaction that enters its function call, and ends in the one that takes its answer, so
that a kill between any two lines loses nothing and starts nothing twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection

from ferryman.contracts import codes
from ferryman.contracts.message import Body, Header
from ferryman.contracts.queue import EntryState
from ferryman.contracts.roles import SM_SR
from ferryman.contracts.status import ExecutionStatus, Status
from ferryman.errors import Refused, Unavailable
from ferryman.platform.clock import Clock
from ferryman.platform.engine import Engine, Start
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.sm_sr.functions import start_of
from ferryman.sm_sr.queue import store
from ferryman.sm_sr.queue.fitting import IsPulledKind
from ferryman.sm_sr.queue.functions import REQUESTS
from ferryman.sm_sr.queue.reach import recheck
from ferryman.sm_sr.queue.store import Entry

CALL = "queue:"  # prefix of the FunctionCallIdentifier of an entry
RETRY = 5.0  # s until the next look when the database does not answer
MIN_PAUSE = 0.05  # s between two looks for what is due at about the same time
BATCH = 200  # entries in one look, so that the writer is not held for long

log = structlog.get_logger("ferryman.sm_sr.queue")

type IsPulled = Callable[[Connection, str], bool]


class QueueRunner:
    """The queues of all eUICCs of one SM-SR."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        engine: Engine,
        clock: Clock,
        sweep: float,
        window: int,
        is_pulled: IsPulled,
        is_pulled_kind: IsPulledKind,
    ) -> None:
        self._mailbox = mailbox
        self._engine = engine
        self._clock = clock
        self._sweep = sweep
        self._window = window
        self.is_pulled = is_pulled
        self.is_pulled_kind = is_pulled_kind
        self._sessions: dict[str, str] = {}  # EID -> session that is open
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Look at once for what is due, then every `sweep` seconds."""
        self.recheck()  # the settings may have changed
        self._spawn(self._sweeping())

    async def stop(self) -> None:
        """No new entries are started; those on their way go on with the next start."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- sessions of eUICCs -------------------------------------------------------------------------------------

    async def session_opened(self, eid: str, session_id: str) -> None:
        """The eUICC is there: start what waits for it. Raises Unavailable."""
        if self._sessions.get(eid) != session_id:
            self._sessions[eid] = session_id
            await self.pump(eid)

    def session_closed(self, eid: str, session_id: str) -> None:
        """The eUICC has left."""
        if self._sessions.get(eid) == session_id:
            del self._sessions[eid]

    # -- entries ------------------------------------------------------------------------------------------------

    async def pump(self, eid: str) -> None:
        """Start the next entry of an eUICC, if it is due and the eUICC can be reached now. Raises Unavailable."""
        now = self._clock.now()

        def look(connection: Connection) -> tuple[Entry | None, bool]:
            entry = store.next_due(connection, eid, now)
            return entry, entry is not None and eid not in self._sessions and self.is_pulled(connection, eid)

        entry, waits = await self._mailbox.store.read(look)
        if entry is None:
            return
        if not waits:
            await self._begin(entry)
        elif not entry.pulled:
            # It was called when the entry was added, and comes by itself now: nobody is to look for it again.
            await self._mailbox.transact(lambda tx: store.set_pulled(tx.connection, eid, pulled=True))

    async def _begin(self, entry: Entry) -> None:
        body = REQUESTS.decode_body(entry.request)
        header = Header(
            message_id=f"{CALL}{entry.id}",
            sender=SM_SR,
            requester=entry.owner,
            function_call_id=f"{CALL}{entry.id}",
            deadline=entry.expires,
            eid=entry.eid,
        )
        start = start_of(header, body)

        made: Any = start.state

        def claim(tx: Tx) -> Any:
            if not store.claim(tx.connection, entry, tx.now):
                raise Refused(*codes.BUSY, "the entry is not waiting any more", identifier=entry.id)
            return made

        try:
            await self._engine.call(
                header, Start(start.kind, start.procedure_id, claim, start.exclusive, header, start.request)
            )
        except Refused as refusal:
            log.info("entry not started", eid=entry.eid, entry=entry.id, reason=refusal.message)

    async def answered(self, header: Header, body: Body) -> None:
        """The function of an entry has answered: the entry ends, the next one may begin. Raises Unavailable."""
        entry = header.function_call_id.removeprefix(CALL)
        status: ExecutionStatus = body.status  # type: ignore[attr-defined]
        state, reason = outcome(status)
        told: dict[str, Any] = msgspec.to_builtins(body)
        told.pop("eis", None)  # it is in the database, and it changes
        result = msgspec.json.encode(told).decode()

        def unit(tx: Tx) -> None:
            if tx.first_time(header.message_id):
                store.ended(tx.connection, entry, state, reason, result, tx.now)

        await self._mailbox.transact(unit)
        await self.pump(header.eid)
        self._changed.set()  # there is room for another eUICC

    # -- the clock ----------------------------------------------------------------------------------------------

    async def _sweeping(self) -> None:
        while True:
            self._changed.clear()
            pause = RETRY
            try:
                pause = min(await self.sweep(), self._sweep)
            except Unavailable as problem:
                log.warning("queue waits", reason=str(problem))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()

    async def sweep(self) -> float:
        """End what is too old, start what is due for eUICCs that are called; seconds until there is more to do.

        Raises Unavailable.
        """
        now = self._clock.now()

        def look(connection: Connection) -> tuple[bool, list[str], float | None]:
            free = self._window - store.running(connection)
            eids = store.due_eids(connection, now, min(free, BATCH)) if free > 0 else []
            end = store.first_end(connection)
            moments = [at for at in (end, store.first_due(connection, now)) if at is not None and at > now]
            return end is not None and end <= now, eids, min(moments, default=None)

        late, eids, then = await self._mailbox.store.read(look)
        if late:
            await self._mailbox.transact(lambda tx: store.expire(tx.connection, now, BATCH))
        for eid in eids:
            await self.pump(eid)
        if late or eids:
            return MIN_PAUSE  # there may be more; those that were found are busy now
        return max(then - now, MIN_PAUSE) if then is not None else self._sweep

    def recheck(self, eid: str = "") -> None:
        """A card, or every one, may be reached in another way now; look soon."""
        self._spawn(self._recheck(eid))

    async def _recheck(self, eid: str) -> None:
        while True:
            try:
                if await recheck(self._mailbox, self.is_pulled_kind, eid):
                    self._changed.set()
                return
            except Unavailable as problem:
                log.warning("queue waits", reason=str(problem))
                await asyncio.sleep(RETRY)

    def wake(self, eid: str) -> None:
        """Something has changed for this eUICC; look soon."""
        self._spawn(self._pump_soon((eid,)))

    def wake_present(self, eids: Iterable[str]) -> None:
        """Something has changed for these eUICCs: look soon, one by one, at those that are here or are called."""
        self._spawn(self._pump_soon([eid for eid in eids if eid in self._sessions]))

    def wake_sessions(self) -> None:
        """Something has changed for many: look at every eUICC that is here."""
        self.wake_present(tuple(self._sessions))

    async def _pump_soon(self, eids: Sequence[str]) -> None:
        with contextlib.suppress(Unavailable):  # the next sweep or session looks again
            for eid in eids:
                await self.pump(eid)
        self._changed.set()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def outcome(status: ExecutionStatus) -> tuple[EntryState, str]:
    """State and reason of an entry whose function ended so."""
    reason = f"{status.code} {status.message}".strip()
    if status.status is Status.EXPIRED:
        return EntryState.EXPIRED, reason
    return (EntryState.ANSWERED if status.ok else EntryState.FAILED), reason
