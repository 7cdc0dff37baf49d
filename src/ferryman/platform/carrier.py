"""Carries letters from the outbox to their receivers: lane by lane, again and again, until each one was taken.

A letter that its receiver cannot understand or keeps failing on is parked with its reason. Letters that were taken
leave the outbox together, with a commit that is made anyway where there is one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from functools import partial
from itertools import batched
from typing import Any

import msgspec
import structlog
from sqlalchemy import BindParameter, Connection, Executable, bindparam, delete, update

from ferryman.errors import PeerError, Unavailable
from ferryman.platform.bus import Bus
from ferryman.platform.prepared import Prepared
from ferryman.platform.schema import PlatformTables
from ferryman.platform.store import Store, Unit

MAX_REFUSALS = 5  # deliveries that fail other than by unavailability before a message is parked
RETRY_FIRST = 0.05  # seconds before the second attempt; doubles with each one
RETRY_CAP = 30.0  # seconds between attempts while the receiver is unavailable
FORGET_BATCH = 500  # rows in one unit, so that the writer is not held for long
FORGET_DELAY = 0.2  # seconds that a letter that was taken waits for a commit that is made anyway, or for others

log = structlog.get_logger("ferryman.mailbox")


class Letter(msgspec.Struct, frozen=True):
    """One message on its way out."""

    seq: int
    dest: str
    eid: str
    body: bytes


class Carrier:
    """What is on its way, and the tasks that carry it."""

    def __init__(self, *, role: str, store: Store, tables: PlatformTables, bus: Bus) -> None:
        self.parked = 0  # messages parked by this run
        self.carried = 0  # messages that their receivers took
        self.retried = 0  # deliveries that have to be made again
        self._role = role
        self._store = store
        self._outbox = tables.outbox
        self._bus = bus
        self._lanes: dict[tuple[str, str], deque[Letter]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._known: set[int] = set()  # letters in a lane or not yet forgotten
        self._taken: list[int] = []
        self._forgetting: asyncio.TimerHandle | None = None
        self._stopping = False
        seq = tables.outbox.c.seq
        first: BindParameter[int] = bindparam("first")
        last: BindParameter[int] = bindparam("last")
        self._forgotten = Prepared(lambda _: delete(tables.outbox).where(seq >= first, seq <= last))

    async def stop(self) -> None:
        """Stop carrying; what is left stays in the outbox."""
        if self._forgetting is not None:
            self._forgetting.cancel()
        # Queued now, committed at the latest when the store is closed: the next run must not deliver them again.
        self.forget_now()
        self._stopping = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def is_idle(self, dest: str, eid: str) -> bool:
        """Whether no letter to `dest` about `eid` is on its way."""
        return (dest, eid) not in self._lanes

    def post(self, letter: Letter) -> None:
        """Carry a letter that is in the outbox, behind those of its lane; one that is known already is not."""
        if self._stopping or letter.seq in self._known:
            return
        self._known.add(letter.seq)
        lane = (letter.dest, letter.eid)
        waiting = self._lanes.get(lane)
        if waiting is not None:
            waiting.append(letter)
            return
        self._lanes[lane] = deque([letter])
        self.spawn(self._carry(lane))

    async def _carry(self, lane: tuple[str, str]) -> None:
        waiting = self._lanes[lane]
        while waiting:
            letter = waiting[0]
            try:
                await self._bus.deliver(letter.dest, letter.body)
            except Exception as problem:  # outermost loop: whatever the receiver raised, the letter is kept
                await self._insist(letter, problem)
            else:
                self._carried(letter)
            waiting.popleft()
        del self._lanes[lane]

    async def _insist(self, letter: Letter, problem: Exception) -> None:
        """Deliver a letter whose first delivery failed, or park it."""
        delay, refusals = RETRY_FIRST, 0
        while True:
            pause = delay
            if isinstance(problem, Unavailable):
                pause = max(delay, min(problem.retry_after, RETRY_CAP))
            else:
                refusals += 1
                # What the receiver cannot understand it will not understand the next time either.
                if refusals >= MAX_REFUSALS or isinstance(problem, PeerError):
                    await self._park(letter, problem)
                    return
            await asyncio.sleep(pause)
            self.retried += 1
            delay = min(delay * 2, RETRY_CAP)
            try:
                await self._bus.deliver(letter.dest, letter.body)
            except Exception as again:  # as above
                problem = again
            else:
                self._carried(letter)
                return

    def _carried(self, letter: Letter) -> None:
        """Forget a letter that was taken, with the next commit; a repeat after a crash is harmless."""
        self.carried += 1
        self._taken.append(letter.seq)
        if self._forgetting is None and not self._stopping:
            self._forgetting = asyncio.get_running_loop().call_later(FORGET_DELAY, self._forget_late)

    async def _park(self, letter: Letter, problem: Exception) -> None:
        reason = f"{type(problem).__name__}: {problem}"
        log.error(
            "message parked", role=self._role, dest=letter.dest, eid=letter.eid, reason=reason, exc_info=problem
        )
        table = self._outbox
        park = update(table).where(table.c.seq == letter.seq).values(parked=reason)
        await self._persist(partial(_execute, statement=park))
        self._known.discard(letter.seq)
        self.parked += 1

    def _forget_late(self) -> None:
        self._forgetting = None
        self.forget_now()

    def forget_now(self) -> None:
        """Take out of the outbox what was taken: with the commit that is made next."""
        if not self._taken:
            return
        taken, self._taken = self._taken, []
        for seqs in batched(taken, FORGET_BATCH, strict=False):
            self.spawn(self._forget(seqs))

    async def _forget(self, seqs: Sequence[int]) -> None:
        await self._persist(partial(self._forgotten.many, values=_runs(seqs)))
        self._known.difference_update(seqs)

    async def _persist(self, unit: Unit[None]) -> None:
        """Commit one repeatable unit, as often as it takes."""
        while True:
            try:
                await self._store.write(unit)
            except Unavailable as problem:
                await asyncio.sleep(problem.retry_after)
            else:
                return

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do some work beside, until `stop`."""
        if self._stopping:
            work.close()
            return
        # What need not wait is done at once, without a turn of the loop.
        task = asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._finished)
        elif task.cancelled() or task.exception() is not None:
            self._finished(task)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("carrier failed", role=self._role, error=type(problem).__name__, exc_info=problem)


def _runs(seqs: Sequence[int]) -> list[dict[str, int]]:
    """First and last of each run of numbers without a gap: letters of one time are taken at about one time."""
    runs: list[dict[str, int]] = []
    for seq in sorted(seqs):
        if runs and seq == runs[-1]["last"] + 1:
            runs[-1]["last"] = seq
        else:
            runs.append({"first": seq, "last": seq})
    return runs


def _execute(connection: Connection, statement: Executable) -> None:
    connection.execute(statement)
