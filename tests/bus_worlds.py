"""The implementations of the bus that the contract suite runs on, between an outbox and an inbox."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, func, insert, select

from ferryman.contracts.es5 import TO_SMS_CODEC, SubmitSMS
from ferryman.contracts.message import Header, decode, encode
from ferryman.contracts.roles import SM_SR, TRANSPORT_SMS
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock, system_entropy
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.platform.nats_bus import NatsBus
from ferryman.platform.nats_credentials import PROVISIONER
from ferryman.platform.nats_layout import parked_stream, receivers, stream_name, ways
from ferryman.platform.nats_link import NatsLink
from ferryman.platform.schema import platform_tables
from ferryman.platform.store import SQLiteStore
from nats_server import NatsServer

METADATA = MetaData()
TABLES = platform_tables(METADATA)
RECEIVED = Table(
    "received",
    METADATA,
    Column("seq", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("message_id", String(200), nullable=False),
)


def message(message_id: str, eid: str, *, sender: str = SM_SR, deadline: float = 1e11) -> bytes:
    """A message as SM-SR sends it to the SMS transport."""
    return encode(header(message_id, eid, sender=sender, deadline=deadline), body(message_id))


def header(message_id: str, eid: str, *, sender: str = SM_SR, deadline: float = 1e11) -> Header:
    return Header(
        message_id=message_id, sender=sender, requester="x", function_call_id="c", deadline=deadline, eid=eid
    )


def body(message_id: str) -> SubmitSMS:
    return SubmitSMS(sms_id=message_id, destination="4915", packet=b"\x01", validity=60.0)


class World:
    """What both implementations offer to the tests."""

    kind = ""

    def __init__(self) -> None:
        self.clock = LoopClock()

    async def open(self, role: str) -> Any:
        """A bus in the name of a role."""
        raise NotImplementedError

    async def listen(self, bus: Any, role: str, handler: Any = None, server: Any = None) -> None:
        """Let it take messages and calls."""
        raise NotImplementedError

    async def crash(self, bus: Any, role: str) -> None:
        """The process of that role dies."""
        raise NotImplementedError

    async def close(self) -> None:
        """End everything."""


class InProcessWorld(World):
    """All roles on one bus object."""

    kind = "in-process"

    def __init__(self) -> None:
        super().__init__()
        self._bus = InProcessBus()

    async def open(self, role: str) -> InProcessBus:
        return self._bus

    async def listen(self, bus: InProcessBus, role: str, handler: Any = None, server: Any = None) -> None:
        if handler is not None:
            bus.register(role, handler)
        if server is not None:
            bus.serve(role, server)

    async def crash(self, bus: InProcessBus, role: str) -> None:
        bus._handlers.pop(role, None)


class NatsWorld(World):
    """A connection for each role to a real server."""

    kind = "nats"

    def __init__(self, server: NatsServer) -> None:
        super().__init__()
        self.server = server
        self._open: list[NatsBus] = []

    async def purge(self) -> None:
        """Leave nothing of an earlier test."""
        link = NatsLink(self.server.settings, self.server.made[PROVISIONER])
        link.start()
        for name in [*(stream_name(*way) for way in ways()), *(parked_stream(role) for role in receivers())]:
            await link.use(lambda js, name=name: js.purge_stream(name))
        await link.stop()

    async def open(self, role: str) -> NatsBus:
        bus = NatsBus(
            settings=self.server.settings,
            credential=self.server.made[role],
            clock=self.clock,
            entropy=system_entropy,
        )
        self._open.append(bus)
        await bus.start()
        return bus

    async def listen(self, bus: NatsBus, role: str, handler: Any = None, server: Any = None) -> None:
        if handler is not None:
            bus.register(handler)
        if server is not None:
            bus.serve(server)
        await bus.listen()

    async def crash(self, bus: NatsBus, role: str) -> None:
        # The socket goes; nothing is flushed or acknowledged.
        bus.link._stopping = True
        if bus.link._keeper is not None:
            bus.link._keeper.cancel()
        bus.link._client.options["allow_reconnect"] = False
        transport = bus.link._client._transport
        if transport is not None:
            transport._io_writer.transport.abort()
        for task in bus._tasks:
            task.cancel()

    async def close(self) -> None:
        for bus in self._open:
            await bus.stop()


@dataclass
class Pair:
    """SM-SR that sends to the SMS transport, each with a database of its own."""

    world: World
    folder: Path
    trouble: dict[str, list[Exception]] = field(default_factory=dict)
    delivered: list[str] = field(default_factory=list)
    after_commit: Callable[[str], Awaitable[None]] | None = None

    # The broker of a session remembers identifiers longer than a test takes.
    run: str = field(default_factory=lambda: secrets.token_hex(4))

    async def start(self) -> None:
        self.store = await self._store("sender")
        self.receiver_store = await self._store("receiver")
        self.sender = await self.world.open(SM_SR)
        self.mailbox = Mailbox(
            role=SM_SR, store=self.store, tables=TABLES, bus=self.sender, clock=self.world.clock
        )
        await self.mailbox.start()
        await self.start_receiver()

    async def _store(self, name: str) -> SQLiteStore:
        store = SQLiteStore(str(self.folder / f"{name}.db"), threaded=True)
        await store.write(lambda connection: METADATA.create_all(connection))
        return store

    async def start_receiver(self) -> None:
        """The receiver's process comes up (again)."""
        self.receiver = await self.world.open(TRANSPORT_SMS)
        self.inbox = Mailbox(
            role=TRANSPORT_SMS,
            store=self.receiver_store,
            tables=TABLES,
            bus=self.receiver,
            clock=self.world.clock,
        )
        await self.world.listen(self.receiver, TRANSPORT_SMS, handler=self.receive)

    async def receive(self, raw: bytes) -> None:
        head, _ = decode(raw, TO_SMS_CODEC)
        name = head.message_id.removeprefix(f"{self.run}/")
        self.delivered.append(name)
        pending = self.trouble.get(name)
        if pending:
            raise pending.pop(0)

        def unit(tx: Tx) -> None:
            if tx.first_time(head.message_id):
                tx.connection.execute(insert(RECEIVED).values(message_id=name))

        await self.inbox.transact(unit)
        if self.after_commit is not None:
            await self.after_commit(name)

    async def send(self, *message_ids: str, eid: str = "89" * 16) -> None:
        def unit(tx: Tx) -> None:
            for message_id in message_ids:
                tx.send(TRANSPORT_SMS, header(f"{self.run}/{message_id}", eid), body(message_id))

        await self.mailbox.transact(unit)

    async def received(self) -> list[str]:
        statement = select(RECEIVED.c.message_id).order_by(RECEIVED.c.seq)
        return list(await self.receiver_store.read(lambda c: c.execute(statement).scalars().all()))

    async def outbox(self) -> int:
        statement = select(func.count()).select_from(TABLES.outbox)
        return await self.store.read(lambda c: c.execute(statement).scalar_one())

    async def parked(self) -> int:
        """Messages kept for an operator, wherever this bus keeps them."""
        if isinstance(self.receiver, NatsBus):
            return await self.receiver.parked_messages()
        statement = select(func.count()).select_from(TABLES.outbox).where(TABLES.outbox.c.parked != "")
        return await self.store.read(lambda c: c.execute(statement).scalar_one())

    async def release(self) -> None:
        """The operator has repaired the cause of the first parked message."""
        if isinstance(self.receiver, NatsBus):
            info = await self.receiver.link.use(lambda js: js.stream_info(parked_stream(TRANSPORT_SMS)))
            await self.receiver.release(info.state.first_seq)
            return
        statement = select(TABLES.outbox.c.seq).where(TABLES.outbox.c.parked != "")
        assert await self.mailbox.release(await self.store.read(lambda c: c.execute(statement).scalar_one()))

    async def stop(self) -> None:
        await self.mailbox.stop()
        await self.inbox.stop()
        await self.world.close()
        await asyncio.gather(self.store.close(), self.receiver_store.close())
