"""Outbox and inbox of one role: what is sent is committed with the reason for sending it.

The dispatcher keeps the order of messages with the same receiver and EID (a lane) and lets different EIDs
overtake each other; who does not know the EID yet can name another key for the order. A message that its
receiver cannot understand or keeps failing on is parked with its reason and raises an alarm; it is never
dropped. A message may be delivered twice (after a kill between the delivery and our note of it), never less than
once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import batched
from typing import Any

import msgspec
import structlog
from sqlalchemy import BindParameter, Connection, Executable, bindparam, delete, insert, select, update

from ferryman.contracts.message import Body, Header, encode
from ferryman.errors import PeerError, Unavailable
from ferryman.platform.bus import Bus
from ferryman.platform.clock import Clock
from ferryman.platform.prepared import Prepared, PreparedInsert, session_of
from ferryman.platform.schema import ALARM, PlatformTables
from ferryman.platform.store import Store, Unit

MAX_REFUSALS = 5  # deliveries that fail other than by unavailability before a message is parked
RETRY_FIRST = 0.05  # seconds before the second attempt; doubles with each one
RETRY_CAP = 30.0  # seconds between attempts while the receiver is unavailable
RESCAN_DELAY = 1.0  # seconds from a commit of unknown outcome to the look at what it left in the outbox
FORGET_BATCH = 500  # rows in one unit, so that the writer is not held for long
FORGET_DELAY = 0.2  # seconds that a letter that was taken waits for a commit that is made anyway, or for others
INBOX_KEEP = 30 * 86_400.0  # seconds a received identifier is remembered: a sender retries every RETRY_CAP
INBOX_SWEEP = 86_400.0  # seconds between sweeps of the inbox
SWEEP_BATCH = 2_000  # inbox rows in one DELETE, so that the writer is not held for long

log = structlog.get_logger("ferryman.mailbox")


class Letter(msgspec.Struct, frozen=True):
    """One message on its way out."""

    seq: int
    dest: str
    eid: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Parked:
    """A letter that its receiver could not take; `created` in seconds since 1970."""

    seq: int
    dest: str
    eid: str
    created: float
    reason: str


class MailStatements:
    """What every transaction may execute, made once for the tables of a role."""

    def __init__(self, tables: PlatformTables) -> None:
        inbox, outbox, audit = tables.inbox, tables.outbox, tables.audit
        self.receive = Prepared(
            lambda dialect: (
                dialect.insert(inbox)
                .values({name: bindparam(name) for name in ("message_id", "received")})
                .on_conflict_do_nothing(index_elements=["message_id"])
            )
        )
        letter = ("message_id", "dest", "eid", "body", "created", "parked")
        self.send = PreparedInsert(
            lambda dialect: (
                dialect.insert(outbox)
                .values({name: bindparam(name) for name in letter})
                .on_conflict_do_nothing(index_elements=["message_id"])
            ),
            outbox.c.seq,
        )
        record = ("at", "actor", "action", "eid", "object", "outcome", "detail")
        self.audit = Prepared(lambda _: insert(audit).values({name: bindparam(name) for name in record}))
        first: BindParameter[int] = bindparam("first")
        last: BindParameter[int] = bindparam("last")
        self.forget = Prepared(lambda _: delete(outbox).where(outbox.c.seq >= first, outbox.c.seq <= last))


class Tx:
    """A unit of work that can send: letters leave only if the commit succeeds."""

    __slots__ = ("_statements", "alarms", "connection", "followers", "letters", "now", "session")

    def __init__(
        self, connection: Connection, tables: PlatformTables, now: float, statements: MailStatements | None = None
    ) -> None:
        self.connection = connection
        self.session = session_of(connection)  # for prepared statements
        self.now = now
        self.letters: list[Letter] = []
        self.followers: list[Callable[[], None]] = []
        self.alarms: list[dict[str, str]] = []
        self._statements = statements or MailStatements(tables)

    def then(self, follower: Callable[[], None]) -> None:
        """Call `follower` in the event loop once this is durable; it must not fail.

        Only for waking somebody: after a crash, or a commit of unknown outcome, nobody calls it again.
        """
        self.followers.append(follower)

    def first_time(self, message_id: str) -> bool:
        """Enter a received message into the inbox; False when it was there before."""
        values = {"message_id": message_id, "received": self.now}
        return self._statements.receive.count(self.session, values) == 1

    def send(self, dest: str, header: Header, body: Body, *, lane: str = "") -> None:
        """Put a message into the outbox; one with the same identifier is there at most once.

        `lane` (at most 32 characters, no EID) orders messages whose header has no EID; the receiver never sees
        it.
        """
        raw = encode(header, body)
        key = header.eid or lane
        values = {
            "message_id": header.message_id,
            "dest": dest,
            "eid": key,
            "body": raw,
            "created": self.now,
            "parked": "",
        }
        seq = self._statements.send.number(self.session, values)
        if seq is not None:
            self.letters.append(Letter(seq, dest, key, raw))

    def audit(
        self, *, actor: str, action: str, eid: str = "", object: str = "", outcome: str, detail: str = ""
    ) -> None:
        """Record who did what to what, with which outcome; never a secret. `ALARM` is for people to look at."""
        record = {"actor": actor, "action": action, "eid": eid, "object": object, "detail": detail}
        self._statements.audit.count(self.session, {"at": self.now, "outcome": outcome} | record)
        if outcome == ALARM:
            self.alarms.append(record)


class Mailbox:
    """Transactions that send, and the tasks that carry what they sent."""

    def __init__(self, *, role: str, store: Store, tables: PlatformTables, bus: Bus, clock: Clock) -> None:
        self.role = role
        self.store = store
        self.tables = tables
        self.clock = clock
        self.parked = 0  # messages parked by this run
        self.carried = 0  # messages that their receivers took
        self.retried = 0  # deliveries that have to be made again
        self.alarms: dict[str, int] = {}  # recorded by this run, by action
        self._bus = bus
        self._statements = MailStatements(tables)
        self._lanes: dict[tuple[str, str], deque[Letter]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._known: set[int] = set()  # letters in a lane or not yet forgotten
        self._taken: list[int] = []
        self._forgetting: asyncio.TimerHandle | None = None
        self._rescanning = False
        self._stopping = False

    async def start(self) -> None:
        """Carry what an earlier run left in the outbox."""
        await self._scan()
        self._spawn(self._sweep())

    async def stop(self) -> None:
        """Stop carrying; what is left stays in the outbox."""
        if self._forgetting is not None:
            self._forgetting.cancel()
        # Queued now, committed at the latest when the store is closed: the next run must not deliver them again.
        self._forget_now()
        self._stopping = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def transact[T](self, unit: Callable[[Tx], T], *, long: bool = False) -> T:
        """Run `unit`, commit, then let its letters go; `long` when it may take more than some milliseconds.

        Raises what `unit` raises (then nothing is committed), or Unavailable (then the outcome is unknown).
        """
        now = self.clock.now()
        tx: Tx

        def run(connection: Connection) -> T:
            nonlocal tx  # of the last run: no other counts
            tx = Tx(connection, self.tables, now, self._statements)
            return unit(tx)

        def let_go(_result: T) -> None:
            for letter in tx.letters:
                self._post(letter)
            for follower in tx.followers:
                follower()
            for alarm in tx.alarms:
                self._alarm(alarm)

        if self._taken:
            self._forget_now()  # the commit is made anyway
        try:
            # The commit is not undone when nobody waits for it any more: its letters leave all the same.
            return await self.store.write(run, let_go, long=long)
        except Unavailable:
            # The commit may have happened: what it sent must leave without waiting for a restart.
            if not self._rescanning and not self._stopping:
                self._rescanning = True
                self._spawn(self._rescan())
            raise

    def _alarm(self, record: dict[str, str]) -> None:
        """Say so where somebody watches; the record itself is in the trail."""
        action = record["action"]
        self.alarms[action] = self.alarms.get(action, 0) + 1
        log.warning("alarm", role=self.role, **record)

    def is_near(self, dest: str, eid: str) -> bool:
        """Whether `dest` is in this process, and no letter to it about `eid` is on its way."""
        return self._bus.is_near(dest) and (dest, eid) not in self._lanes

    async def hand_over(self, dest: str, header: Header, body: Body) -> None:
        """Deliver a message that nobody misses: without a commit, once; raises what the receiver raises."""
        await self._bus.deliver(dest, encode(header, body))

    async def set_aside(self, limit: int) -> list[Parked]:
        """Parked letters of this and earlier runs, oldest first."""
        table = self.tables.outbox
        columns = (table.c.seq, table.c.dest, table.c.eid, table.c.created, table.c.parked)
        statement = select(*columns).where(table.c.parked != "").order_by(table.c.seq).limit(limit)
        rows = await self.store.read(lambda c: c.execute(statement).all())
        return [Parked(*row) for row in rows]

    async def release(self, seq: int) -> bool:
        """Take a parked letter up again (its cause was repaired); False when there is none of that number."""
        table = self.tables.outbox
        unpark = update(table).where(table.c.seq == seq, table.c.parked != "").values(parked="")
        found = await self.store.write(lambda c: c.execute(unpark).rowcount == 1)
        if found:
            await self._scan()
        return found

    # -- letters on their way -------------------------------------------------------------------------------

    async def _scan(self) -> None:
        table = self.tables.outbox
        statement = select(table.c.seq, table.c.dest, table.c.eid, table.c.body).where(table.c.parked == "")
        rows = await self.store.read(lambda c: c.execute(statement.order_by(table.c.seq)).all())
        for row in rows:
            self._post(Letter(row.seq, row.dest, row.eid, row.body))

    async def _rescan(self) -> None:
        while True:
            await asyncio.sleep(RESCAN_DELAY)
            self._rescanning = False  # from here on another unknown outcome needs another look
            try:
                await self._scan()
            except Unavailable:
                self._rescanning = True
                continue
            return

    def _post(self, letter: Letter) -> None:
        if self._stopping or letter.seq in self._known:
            return
        self._known.add(letter.seq)
        lane = (letter.dest, letter.eid)
        waiting = self._lanes.get(lane)
        if waiting is not None:
            waiting.append(letter)
            return
        self._lanes[lane] = deque([letter])
        self._spawn(self._carry(lane))

    async def _carry(self, lane: tuple[str, str]) -> None:
        waiting = self._lanes[lane]
        while waiting:
            await self._carry_one(waiting[0])
            waiting.popleft()
        del self._lanes[lane]

    async def _carry_one(self, letter: Letter) -> None:
        delay, refusals = RETRY_FIRST, 0
        while True:
            try:
                await self._bus.deliver(letter.dest, letter.body)
            except Unavailable as problem:
                await asyncio.sleep(max(delay, min(problem.retry_after, RETRY_CAP)))
            except Exception as problem:  # outermost loop: whatever the receiver raised, the letter is kept
                refusals += 1
                # What the receiver cannot understand it will not understand the next time either.
                if refusals >= MAX_REFUSALS or isinstance(problem, PeerError):
                    await self._park(letter, problem)
                    return
                await asyncio.sleep(delay)
            else:
                self.carried += 1
                self._forget_soon(letter.seq)
                return
            self.retried += 1
            delay = min(delay * 2, RETRY_CAP)

    async def _park(self, letter: Letter, problem: Exception) -> None:
        reason = f"{type(problem).__name__}: {problem}"
        log.error(
            "message parked", role=self.role, dest=letter.dest, eid=letter.eid, reason=reason, exc_info=problem
        )
        table = self.tables.outbox
        park = update(table).where(table.c.seq == letter.seq).values(parked=reason)
        await self._persist(partial(_execute, statement=park))
        self._known.discard(letter.seq)
        self.parked += 1

    def _forget_soon(self, seq: int) -> None:
        """Forget a letter that was taken, with the next commit; a repeat after a crash is harmless."""
        self._taken.append(seq)
        if self._forgetting is None and not self._stopping:
            self._forgetting = asyncio.get_running_loop().call_later(FORGET_DELAY, self._forget_late)

    def _forget_late(self) -> None:
        self._forgetting = None
        if self._taken:
            self._forget_now()

    def _forget_now(self) -> None:
        taken, self._taken = self._taken, []
        for seqs in batched(taken, FORGET_BATCH, strict=False):
            self._spawn(self._forget(seqs))

    async def _forget(self, seqs: Sequence[int]) -> None:
        await self._persist(partial(self._statements.forget.many, values=_runs(seqs)))
        self._known.difference_update(seqs)

    async def _persist(self, unit: Unit[None]) -> None:
        """Commit one repeatable unit, as often as it takes."""
        while True:
            try:
                await self.store.write(unit)
            except Unavailable as problem:
                await asyncio.sleep(problem.retry_after)
            else:
                return

    async def _sweep(self) -> None:
        """Forget identifiers that no sender repeats any more."""
        while True:
            try:
                while await self._sweep_some(self.clock.now() - INBOX_KEEP):
                    pass
            except Unavailable:
                log.warning("inbox not swept", role=self.role)
            await asyncio.sleep(INBOX_SWEEP)

    async def _sweep_some(self, before: float) -> bool:
        table = self.tables.inbox
        old = select(table.c.message_id).where(table.c.received < before).limit(SWEEP_BATCH)
        identifiers = await self.store.read(lambda c: c.execute(old).scalars().all())
        if identifiers:
            statement = delete(table).where(table.c.message_id.in_(identifiers))
            await self.store.write(lambda c: _execute(c, statement), long=True)
        return len(identifiers) == SWEEP_BATCH

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if self._stopping:
            work.close()
            return
        # What need not wait is done at once, without a turn of the loop.
        task = asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
        if task.done():
            self._finished(task)
            return
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("carrier failed", role=self.role, error=type(problem).__name__, exc_info=problem)


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
