"""Outbox and inbox of one role: what is sent is committed with the reason for sending it.

The dispatcher keeps the order of messages with the same receiver and EID and lets different EIDs overtake
each other. A message that its receiver keeps refusing is parked with its reason and raises an alarm; it is
never dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, Executable, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ferryman.contracts.message import Body, Header, encode
from ferryman.errors import Unavailable
from ferryman.platform.bus import Bus
from ferryman.platform.clock import Clock
from ferryman.platform.schema import PlatformTables
from ferryman.platform.store import Store

MAX_REFUSALS = 5  # deliveries that fail other than by unavailability before a message is parked
RETRY_CAP = 30.0  # seconds between attempts while the receiver is unavailable

log = structlog.get_logger("ferryman.mailbox")


@dataclass(frozen=True, slots=True)
class Letter:
    """One message on its way out."""

    seq: int
    dest: str
    eid: str
    body: bytes


class Tx:
    """A unit of work that can send: letters leave only if the commit succeeds."""

    __slots__ = ("_tables", "connection", "letters", "now")

    def __init__(self, connection: Connection, tables: PlatformTables, now: float) -> None:
        self.connection = connection
        self.now = now
        self.letters: list[Letter] = []
        self._tables = tables

    def first_time(self, message_id: str) -> bool:
        """Enter a received message into the inbox; False when it was there before."""
        table = self._tables.inbox
        dialect = sqlite if self.connection.dialect.name == "sqlite" else postgresql
        statement = (
            dialect.insert(table)
            .values(message_id=message_id, received=self.now)
            .on_conflict_do_nothing(index_elements=["message_id"])
        )
        return self.connection.execute(statement).rowcount == 1

    def send(self, dest: str, header: Header, body: Body) -> None:
        """Put a message into the outbox; one with the same identifier is there at most once."""
        raw = encode(header, body)
        table = self._tables.outbox
        dialect = sqlite if self.connection.dialect.name == "sqlite" else postgresql
        statement = (
            dialect.insert(table)
            .values(message_id=header.message_id, dest=dest, eid=header.eid, body=raw, created=self.now, parked="")
            .on_conflict_do_nothing(index_elements=["message_id"])
            .returning(table.c.seq)
        )
        seq = self.connection.execute(statement).scalar()
        if seq is not None:
            self.letters.append(Letter(seq, dest, header.eid, raw))

    def audit(
        self, *, actor: str, action: str, eid: str = "", object: str = "", outcome: str, detail: str = ""
    ) -> None:
        """Record who did what to what, with which outcome; never a secret."""
        self.connection.execute(
            insert(self._tables.audit).values(
                at=self.now,
                actor=actor,
                action=action,
                eid=eid,
                object=object,
                outcome=outcome,
                detail=detail,
            )
        )


class Mailbox:
    """Transactions that send, and the task that carries what they sent."""

    def __init__(self, *, role: str, store: Store, tables: PlatformTables, bus: Bus, clock: Clock) -> None:
        self.role = role
        self.store = store
        self.tables = tables
        self.clock = clock
        self._bus = bus
        self._lanes: dict[tuple[str, str], deque[Letter]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._done: list[int] = []
        self._stopping = False
        self.parked = 0

    async def start(self) -> None:
        """Carry what an earlier run left in the outbox."""
        table = self.tables.outbox
        statement = select(table.c.seq, table.c.dest, table.c.eid, table.c.body).where(table.c.parked == "")
        rows = await self.store.read(lambda c: c.execute(statement.order_by(table.c.seq)).all())
        for row in rows:
            self._post(Letter(row.seq, row.dest, row.eid, row.body))

    async def stop(self) -> None:
        """Stop carrying; what is left stays in the outbox."""
        self._stopping = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def transact[T](self, unit: Callable[[Tx], T]) -> T:
        """Run `unit`, commit, then let its letters go."""
        letters: list[Letter] = []
        now = self.clock.now()

        def run(connection: Connection) -> T:
            tx = Tx(connection, self.tables, now)
            result = unit(tx)
            letters[:] = tx.letters
            return result

        result = await self.store.write(run)
        for letter in letters:
            self._post(letter)
        return result

    def _post(self, letter: Letter) -> None:
        lane = (letter.dest, letter.eid)
        waiting = self._lanes.get(lane)
        if waiting is not None:
            waiting.append(letter)
            return
        self._lanes[lane] = deque([letter])
        task = asyncio.get_running_loop().create_task(self._carry(lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, lane: tuple[str, str]) -> None:
        waiting = self._lanes[lane]
        while waiting and not self._stopping:
            letter = waiting[0]
            await self._carry_one(letter)
            waiting.popleft()
        self._lanes.pop(lane, None)

    async def _carry_one(self, letter: Letter) -> None:
        table = self.tables.outbox
        delay, refusals = 0.05, 0
        while True:
            try:
                await self._bus.deliver(letter.dest, letter.body)
            except Unavailable as problem:
                await asyncio.sleep(max(delay, min(problem.retry_after, RETRY_CAP)))
                delay = min(delay * 2, RETRY_CAP)
                continue
            except Exception as problem:  # outermost loop: whatever the receiver raised, the letter is kept
                refusals += 1
                if refusals < MAX_REFUSALS:
                    await asyncio.sleep(delay)
                    continue
                reason = f"{type(problem).__name__}: {problem}"
                log.error(
                    "message parked",
                    role=self.role,
                    dest=letter.dest,
                    eid=letter.eid,
                    reason=reason,
                    exc_info=problem,
                )
                self.parked += 1
                park = update(table).where(table.c.seq == letter.seq).values(parked=reason)
                await self.store.write(lambda connection: _execute(connection, park))
                return
            self._taken(letter.seq)
            return

    def _taken(self, seq: int) -> None:
        """Forget letters that were taken, many in one statement; a repeat after a crash is harmless."""
        self._done.append(seq)
        if len(self._done) == 1:
            task = asyncio.get_running_loop().create_task(self._forget())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forget(self) -> None:
        table = self.tables.outbox

        def unit(connection: Connection) -> None:
            # Taken here and not earlier: whatever was delivered while we waited for the writer goes too.
            seqs, self._done = self._done, []
            connection.execute(delete(table).where(table.c.seq.in_(seqs)))

        await self.store.write(unit)


def _execute(connection: Connection, statement: Executable) -> None:
    connection.execute(statement)
