"""What a role's tables keep, and for how long: ended procedures and calls, journal, audit, and tables of its own.

Never taken: anything of a procedure that has not ended but its old journal, and of that only what lies before a
kept state, so that it can still be replayed; calls whose repeats must be recognised (`MIN_PROCEDURES`). The audit
trail is kept longest. The inbox has a time of its own (`mailbox.INBOX_KEEP`). Rows go in batches, so that the
writer is not held for long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import ColumnElement, Connection, Table, delete, func, select

from ferryman.errors import InputError, Unavailable
from ferryman.platform.mailbox import INBOX_KEEP, Mailbox
from ferryman.platform.procedure_rows import DONE
from ferryman.platform.schema import PlatformTables
from ferryman.platform.step_journal import EVENT, STATE
from ferryman.platform.store import Store

DAY: Final = 86_400.0  # seconds
BATCH: Final = 2_000  # rows looked at and taken in one commit
PAUSE: Final = 0.05  # seconds between two batches: others write too
FIRST: Final = 300.0  # seconds from the start to the first sweep: a start has other things to do
EVERY: Final = DAY  # seconds between sweeps
# A repeat of a call may come as long as its message may, and is known by the call, not by the inbox, after that.
MIN_PROCEDURES: Final = INBOX_KEEP / DAY + 1  # days

log = structlog.get_logger("ferryman.retention")


class RetentionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Section [retention], in days: `procedures` that have ended, with their calls; `queue`: ended entries and
    campaigns; `journal`; `audit`."""

    procedures: float = 400.0
    queue: float = 400.0
    journal: float = 90.0
    audit: float = 3650.0

    def __post_init__(self) -> None:
        if self.procedures < MIN_PROCEDURES:
            raise InputError("retention.procedures", f"must be at least {MIN_PROCEDURES:g} days")
        if self.queue < MIN_PROCEDURES:  # a repeat with the same key must find its entry
            raise InputError("retention.queue", f"must be at least {MIN_PROCEDURES:g} days")
        if not 1.0 <= self.journal <= self.procedures:
            raise InputError("retention.journal", "must be at least 1 day, and no more than retention.procedures")
        if self.audit < self.procedures:
            raise InputError("retention.audit", "must be no less than retention.procedures: it is kept longest")


@dataclass(slots=True)
class Swept:
    """How many rows went."""

    procedures: int = 0
    calls: int = 0
    journal: int = 0
    audit: int = 0


# Takes what a role keeps in tables of its own, at a time in seconds since 1970; raises Unavailable.
type OwnSweep = Callable[[Store, RetentionSettings, float], Awaitable[object]]


class Sweeper:
    """Sweeps one role's tables once a day; `own` those that no other role has."""

    def __init__(self, mailbox: Mailbox, settings: RetentionSettings, own: OwnSweep | None = None) -> None:
        self._mailbox = mailbox
        self._own = own
        self._tables: PlatformTables = mailbox.tables
        self._settings = settings
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; returns at once."""
        self._task = asyncio.create_task(self._run(), name=f"retention {self._mailbox.role}")

    async def stop(self) -> None:
        """End, wherever it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _run(self) -> None:
        await asyncio.sleep(FIRST)
        while True:
            try:
                await self.sweep(self._mailbox.clock.now())
            except Unavailable:
                log.warning("old rows not taken", role=self._mailbox.role)
            await asyncio.sleep(EVERY)

    async def sweep(self, now: float) -> Swept:
        """Take everything whose time is over at `now` (seconds since 1970); raises Unavailable."""
        settings, swept = self._settings, Swept()
        await self._journal(now - settings.journal * DAY, swept)
        await self._procedures(now - settings.procedures * DAY, swept)
        await self._audit(now - settings.audit * DAY, swept)
        if self._own is not None:
            await self._own(self._mailbox.store, settings, now)
        if swept != Swept():
            log.info("old rows taken", role=self._mailbox.role, **{n: getattr(swept, n) for n in Swept.__slots__})
        return swept

    # -- ended procedures ---------------------------------------------------------------------------------------

    async def _procedures(self, before: float, swept: Swept) -> None:
        p, call, journal = self._tables.procedure, self._tables.call, self._tables.journal
        old = select(p.c.id).where(p.c.status == DONE, p.c.updated < before).limit(BATCH // 4)

        def take(connection: Connection, ids: Sequence[str]) -> list[int]:
            of = (p, p.c.id), (call, call.c.procedure_id), (journal, journal.c.procedure_id)
            return [connection.execute(delete(table).where(column.in_(ids))).rowcount for table, column in of]

        while ids := await self._mailbox.store.read(lambda c: c.execute(old).scalars().all()):
            procedures, calls, entries = await self._mailbox.store.write(partial(take, ids=ids))
            swept.procedures += procedures
            swept.calls += calls
            swept.journal += entries
            await asyncio.sleep(PAUSE)

    # -- journal and audit: in the order of their numbers, which is that of time ----------------------------------

    async def _journal(self, before: float, swept: Swept) -> None:
        j = self._tables.journal
        after = 0
        while True:
            rows = await self._window(j, before, after, j.c.procedure_id)
            if not rows:
                return
            after = rows[-1][0]
            names = {row[1] for row in rows}
            floors = await self._mailbox.store.read(partial(self._floors, names=names, before=before))
            swept.journal += await self._take(j, [seq for seq, name in rows if seq < floors[name]])

    async def _audit(self, before: float, swept: Swept) -> None:
        after = 0
        while rows := await self._window(self._tables.audit, before, after):
            after = rows[-1][0]
            swept.audit += await self._take(self._tables.audit, [row[0] for row in rows])

    async def _window(self, table: Table, before: float, after: int, *more: ColumnElement[Any]) -> Sequence[Any]:
        """The next rows that are older than `before`; none when the first that is not has been reached."""
        statement = (
            select(table.c.seq, *more, table.c.at).where(table.c.seq > after).order_by(table.c.seq).limit(BATCH)
        )
        rows = await self._mailbox.store.read(lambda c: c.execute(statement).all())
        return [row[:-1] for row in rows if row[-1] < before]

    async def _take(self, table: Table, seqs: list[int]) -> int:
        if not seqs:
            return 0
        statement = delete(table).where(table.c.seq.in_(seqs))
        taken = await self._mailbox.store.write(lambda c: c.execute(statement).rowcount)
        await asyncio.sleep(PAUSE)
        return taken

    def _floors(self, connection: Connection, names: set[str], before: float) -> dict[str, float]:
        return {name: self._floor(connection, name, before) for name in names}

    def _floor(self, connection: Connection, procedure_id: str, before: float) -> float:
        """Entries of a procedure below this number may go."""
        p, j = self._tables.procedure.c, self._tables.journal.c
        row = connection.execute(select(p.status, p.updated).where(p.id == procedure_id)).first()
        if row is None:
            return float("inf")  # of a transport: no procedure, only its messages
        if row.status == DONE:
            return float("inf") if row.updated < before else 0.0  # whole or not at all
        kept: int | None = connection.execute(
            select(func.max(j.seq)).where(j.procedure_id == procedure_id, j.direction == STATE, j.at < before)
        ).scalar()
        if kept is not None:
            return float(kept)
        recorded = select(j.seq).where(j.procedure_id == procedure_id, j.direction.in_((EVENT, STATE))).limit(1)
        return float("inf") if connection.execute(recorded).first() is None else 0.0
