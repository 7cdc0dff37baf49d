"""Keeps events: enters them once with a delivery for each webhook that wants them, shows them in order."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, insert, select

from ferryman.contracts.events import Happened
from ferryman.contracts.message import Header
from ferryman.errors import Unavailable
from ferryman.platform.clock import Clock
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.platform.prepared import Prepared, PreparedInsert
from ferryman.rest_api.events.views import WAITING, EventPage, EventView
from ferryman.rest_api.schema import delivery, event, webhook

KEEP_SECONDS = 30 * 86_400.0  # that an event can be looked at and delivered again
SWEEP_SECONDS = 3_600.0  # between two looks for older ones
SWEEP_BATCH = 1_000  # events in one commit
STREAM_BATCH = 200  # events read for a stream at once: what a slow reader keeps in memory

_BODY = msgspec.json.Decoder(Happened)
_INSERT = PreparedInsert(
    lambda dialect: (
        dialect.insert(event)
        .values({name: bindparam(name) for name in ("id", "tenant", "eid", "type", "body", "received")})
        .on_conflict_do_nothing(index_elements=["id"])
    ),
    event.c.seq,
)
_WANTED = Prepared(lambda _: select(webhook.c.id, webhook.c.types).where(webhook.c.tenant == bindparam("tenant")))
_DELIVERY = ("webhook", "event", "eid", "state", "attempts", "next_try", "http_status", "note", "changed")
_DELIVER = Prepared(lambda _: insert(delivery).values({name: bindparam(name) for name in _DELIVERY}))


class EventBook:
    """The events of this installation; `wake` is called with the webhooks that have something to deliver."""

    def __init__(self, mailbox: Mailbox, clock: Clock) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self._news: dict[str, asyncio.Event] = {}  # by tenant, as long as a stream waits
        self._sweeper: asyncio.Task[None] | None = None
        self.wake: Any = lambda webhooks: None

    async def start(self) -> None:
        """Forget old events from now on."""
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep(), name="events")

    async def stop(self) -> None:
        """Stop that."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)

    async def enter(self, header: Header, happened: Happened) -> None:
        """Keep an event, with its deliveries, in one commit; a repeat changes nothing."""

        def unit(tx: Tx) -> None:
            if not tx.first_time(header.message_id):
                return
            values = {
                "id": id_of(header.message_id),
                "tenant": happened.owner,
                "eid": happened.eid,
                "type": happened.kind.value,
                "body": msgspec.json.encode(happened),
                "received": tx.now,
            }
            seq = _INSERT.number(tx.session, values)
            if seq is None:
                return
            wanted = [
                str(row[0])
                for row in _WANTED.rows(tx.session, {"tenant": happened.owner})
                if not row[1] or happened.kind.value in row[1].split()
            ]
            fresh = {
                "event": seq,
                "eid": happened.eid,
                "state": WAITING,
                "attempts": 0,
                "next_try": tx.now,
                "http_status": 0,
                "note": "",
                "changed": tx.now,
            }
            if wanted:
                _DELIVER.many(tx.session, [{"webhook": one, **fresh} for one in wanted])
            tx.then(lambda: self._told(happened.owner, wanted))

        await self._mailbox.transact(unit)

    def _told(self, tenant: str, wanted: Sequence[str]) -> None:
        news = self._news.pop(tenant, None)
        if news is not None:
            news.set()
        self.wake(wanted)

    async def page(self, tenant: str, *, after: int, limit: int, eid: str = "", kind: str = "") -> EventPage:
        """Events of a tenant behind `after`, the oldest first."""
        query = select(event.c.seq, event.c.id, event.c.body).where(event.c.tenant == tenant, event.c.seq > after)
        if eid:
            query = query.where(event.c.eid == eid)
        if kind:
            query = query.where(event.c.type == kind)
        query = query.order_by(event.c.seq).limit(limit + 1)

        rows = await self._mailbox.store.read(lambda c: c.execute(query).all())
        items = tuple(view(row.seq, row.id, row.body) for row in rows[:limit])
        return EventPage(items=items, next=str(items[-1].seq) if len(rows) > limit else "")

    async def last(self, tenant: str) -> int:
        """`seq` of the newest event of a tenant; 0 when there is none."""
        query = select(func.max(event.c.seq)).where(event.c.tenant == tenant)
        return await self._mailbox.store.read(lambda c: c.execute(query).scalar()) or 0

    async def follow(
        self, tenant: str, after: int, *, eid: str, patience: float
    ) -> AsyncGenerator[EventView | None]:
        """Events behind `after` as they come; None whenever nothing has come for `patience` seconds."""
        while True:
            news = self._news.setdefault(tenant, asyncio.Event())  # before the look: what comes behind it wakes us
            try:
                found = await self.page(tenant, after=after, limit=STREAM_BATCH, eid=eid)
            except Unavailable as problem:
                await asyncio.sleep(problem.retry_after)
                continue
            for one in found.items:
                after = one.seq
                yield one
            if found.items:
                continue
            try:
                async with asyncio.timeout(patience):
                    await news.wait()
            except TimeoutError:
                yield None

    async def _sweep(self) -> None:
        while True:
            with suppress(Unavailable):
                while await self._sweep_some():
                    pass
            await asyncio.sleep(SWEEP_SECONDS)

    async def _sweep_some(self) -> bool:
        """Some old events with their deliveries; what a paused webhook has not had by then goes too."""
        before = self._clock.now() - KEEP_SECONDS
        old = select(event.c.seq).where(event.c.received < before).order_by(event.c.received).limit(SWEEP_BATCH)
        found = list(await self._mailbox.store.read(lambda c: c.execute(old).scalars().all()))
        if found:

            def unit(connection: Connection) -> None:
                connection.execute(delete(delivery).where(delivery.c.event.in_(found)))
                connection.execute(delete(event).where(event.c.seq.in_(found)))

            await self._mailbox.store.write(unit, long=True)
        return len(found) == SWEEP_BATCH


def id_of(message_id: str) -> str:
    """The name of an event, the same whenever the message comes."""
    return "evt_" + hashlib.sha256(message_id.encode()).hexdigest()[:32]


def view(seq: int, name: str, body: bytes) -> EventView:
    """An event as it is shown."""
    happened = _BODY.decode(bytes(body))
    return EventView(
        id=name,
        seq=seq,
        type=happened.kind,
        at=happened.at,
        eid=happened.eid,
        iccid=happened.iccid,
        subject=happened.subject,
        word=happened.word,
        status=happened.status,
    )
