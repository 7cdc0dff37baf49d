"""Outbox and inbox of one role: what is sent is committed with the reason for sending it.

The dispatcher keeps the order of messages with the same receiver and EID (a lane) and lets different EIDs
overtake each other; who does not know the EID yet can name another key for the order. A message that its
receiver cannot understand or keeps failing on is parked with its reason and raises an alarm; it is never
dropped. A message may be delivered twice (after a kill between the delivery and our note of it), never less than
once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import structlog
from sqlalchemy import Connection, Executable, bindparam, delete, insert, select, update

from ferryman.contracts.message import Body, Header, encode
from ferryman.errors import Unavailable
from ferryman.platform.bus import Bus
from ferryman.platform.carrier import Carrier, Letter
from ferryman.platform.clock import Clock
from ferryman.platform.prepared import Prepared, PreparedInsert, Session, session_of
from ferryman.platform.schema import ALARM, PlatformTables
from ferryman.platform.store import Store

RESCAN_DELAY = 1.0  # seconds from a commit of unknown outcome to the look at what it left in the outbox
INBOX_KEEP = 30 * 86_400.0  # seconds a received identifier is remembered: a sender retries every RETRY_CAP
INBOX_SWEEP = 86_400.0  # seconds between sweeps of the inbox
SWEEP_BATCH = 2_000  # inbox rows in one DELETE, so that the writer is not held for long

log = structlog.get_logger("ferryman.mailbox")


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
            letter,
        )
        record = ("at", "actor", "action", "eid", "object", "outcome", "detail")
        self.audit = Prepared(lambda _: insert(audit).values({name: bindparam(name) for name in record}))


class Tx(msgspec.Struct, eq=False):
    """A unit of work that can send: letters leave only if the commit succeeds. One is made for each unit."""

    connection: Connection
    session: Session  # for prepared statements
    now: float
    statements: MailStatements
    letters: list[Letter] = []
    followers: list[Callable[[], None]] = []
    alarms: list[dict[str, str]] = []

    def then(self, follower: Callable[[], None]) -> None:
        """Call `follower` in the event loop once this is durable; it must not fail.

        Only for waking somebody: after a crash, or a commit of unknown outcome, nobody calls it again.
        """
        self.followers.append(follower)

    def first_time(self, message_id: str) -> bool:
        """Enter a received message into the inbox; False when it was there before."""
        values = {"message_id": message_id, "received": self.now}
        return self.statements.receive.count(self.session, values) == 1

    def send(self, dest: str, header: Header, body: Body, *, lane: str = "") -> None:
        """Put a message into the outbox; one with the same identifier is there at most once.

        `lane` (at most 32 characters, no EID) orders messages whose header has no EID; the receiver never sees
        it.
        """
        raw = encode(header, body)
        key = header.eid or lane
        row = (header.message_id, dest, key, raw, self.now, "")
        seq = self.statements.send.number_of(self.session, row)
        if seq is not None:
            self.letters.append(Letter(seq, dest, key, raw))

    def audit(
        self, *, actor: str, action: str, eid: str = "", object: str = "", outcome: str, detail: str = ""
    ) -> None:
        """Record who did what to what, with which outcome; never a secret. `ALARM` is for people to look at."""
        record = {"actor": actor, "action": action, "eid": eid, "object": object, "detail": detail}
        self.statements.audit.count(self.session, {"at": self.now, "outcome": outcome} | record)
        if outcome == ALARM:
            self.alarms.append(record)


class Mailbox:
    """Transactions that send, and the tasks that carry what they sent."""

    def __init__(self, *, role: str, store: Store, tables: PlatformTables, bus: Bus, clock: Clock) -> None:
        self.role = role
        self.store = store
        self.tables = tables
        self.clock = clock
        self.alarms: dict[str, int] = {}  # recorded by this run, by action
        self.carrier = Carrier(role=role, store=store, tables=tables, bus=bus)
        self._bus = bus
        self._statements = MailStatements(tables)
        self._writer: tuple[Connection, Session] | None = None  # the last one
        self._rescanning = False

    async def start(self) -> None:
        """Carry what an earlier run left in the outbox."""
        await self._scan()
        self.carrier.spawn(self._sweep())

    async def stop(self) -> None:
        """Stop carrying; what is left stays in the outbox."""
        await self.carrier.stop()

    async def transact[T](self, unit: Callable[[Tx], T], *, long: bool = False) -> T:
        """Run `unit`, commit, then let its letters go; `long` when it may take more than some milliseconds.

        Raises what `unit` raises (then nothing is committed), or Unavailable (then the outcome is unknown).
        """
        now = self.clock.now()
        tx: Tx

        def run(connection: Connection) -> T:
            nonlocal tx  # of the last run: no other counts
            tx = Tx(connection, self._session_on(connection), now, self._statements)
            return unit(tx)

        def let_go(_result: T) -> None:
            for letter in tx.letters:
                self.carrier.post(letter)
            for follower in tx.followers:
                follower()
            for alarm in tx.alarms:
                self._alarm(alarm)

        self.carrier.forget_now()  # the commit is made anyway
        try:
            # The commit is not undone when nobody waits for it any more: its letters leave all the same.
            return await self.store.write(run, let_go, long=long)
        except Unavailable:
            # The commit may have happened: what it sent must leave without waiting for a restart.
            if not self._rescanning:
                self._rescanning = True
                self.carrier.spawn(self._rescan())
            raise

    def _session_on(self, connection: Connection) -> Session:
        """Made once for a writer that stays: to make one costs as much as a small unit."""
        if self._writer is None or self._writer[0] is not connection:
            self._writer = (connection, session_of(connection))
        return self._writer[1]

    def _alarm(self, record: dict[str, str]) -> None:
        """Say so where somebody watches; the record itself is in the trail."""
        action = record["action"]
        self.alarms[action] = self.alarms.get(action, 0) + 1
        log.warning("alarm", role=self.role, **record)

    def is_near(self, dest: str, eid: str) -> bool:
        """Whether `dest` is in this process, and no letter to it about `eid` is on its way."""
        return self._bus.is_near(dest) and self.carrier.is_idle(dest, eid)

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

    # -- what an earlier run left, or a commit of unknown outcome ---------------------------------------------

    async def _scan(self) -> None:
        table = self.tables.outbox
        statement = select(table.c.seq, table.c.dest, table.c.eid, table.c.body).where(table.c.parked == "")
        rows = await self.store.read(lambda c: c.execute(statement.order_by(table.c.seq)).all())
        for row in rows:
            self.carrier.post(Letter(row.seq, row.dest, row.eid, row.body))

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


def _execute(connection: Connection, statement: Executable) -> None:
    connection.execute(statement)
