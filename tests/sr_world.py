"""One SM-SR with its database and its mail; the roles round it only keep what they are sent."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import sr_steps as s
from ferryman.contracts import admin, es3, es4
from ferryman.contracts.crypto import SCP80Wrapped
from ferryman.contracts.message import Body, Codec, Header, decode, encode, peek_header
from ferryman.contracts.roles import (
    CRYPTO_SERVER,
    OPERATOR,
    SM_DP,
    SM_SR,
    SOAP_GATEWAY,
    TRANSPORT_HTTPS,
    TRANSPORT_SMS,
)
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.store import SQLiteStore
from ferryman.sm_sr import eis_store
from ferryman.sm_sr.records import EUICC
from ferryman.sm_sr.role import SMSR
from ferryman.sm_sr.schema import METADATA, PLATFORM
from ferryman.sm_sr.settings import SRSettings

ANSWERS: Codec[Body] = Codec(*es3.RESPONSES, *es4.RESPONSES, *es3.NOTIFICATIONS, *es4.NOTIFICATIONS)
CALL_ANSWERS: Codec[Body] = Codec(
    *es3.RESPONSES, *es4.RESPONSES, admin.CallView, admin.AdminRefused, admin.EUICCPage, admin.EUICCDescription,
    admin.TypePage, admin.Changed, admin.HistoryPage, admin.DryRunResult,
)  # fmt: skip


class SRWorld:
    """The role, and what it sent to whom."""

    def __init__(self, role: SMSR, store: SQLiteStore, bus: InProcessBus, clock: LoopClock) -> None:
        self.role = role
        self.store = store
        self.bus = bus
        self.clock = clock
        self.mail: list[tuple[str, Header, Any]] = []
        self._numbers = itertools.count()

    def header(self, body: Any, requester: str, *, call: str = "", validity: float = 600.0) -> Header:
        number = next(self._numbers)
        return Header(
            message_id=f"m-{number}",
            sender=SM_DP,
            requester=requester,
            function_call_id=call or f"call-{number}",
            deadline=self.clock.now() + validity,
            eid=getattr(body, "eid", ""),
        )

    async def ask(self, body: Body, requester: str = s.OWNER, *, call: str = "", validity: float = 600.0) -> Any:
        """A call of the operator's tools."""
        header = self.header(body, requester, call=call, validity=validity)
        _, answer = decode(await self.bus.call(SM_SR, OPERATOR, encode(header, body)), CALL_ANSWERS)
        return answer

    async def send(self, body: Body, requester: str = s.DP, *, call: str = "", validity: float = 600.0) -> Header:
        """A message to the role."""
        header = self.header(body, requester, call=call, validity=validity)
        await self.role.receive(encode(header, body))
        return header

    def told(self, dest: str) -> list[Any]:
        """What a role was sent."""
        return [body for to, _, body in self.mail if to == dest]

    async def settle(self) -> None:
        """Let everything that is on its way arrive."""
        await asyncio.sleep(1.0)

    async def card(self, eid: str = s.EID) -> EUICC:
        found = await self.store.read(lambda c: eis_store.load(c, eid))
        assert found is not None
        return found

    async def add(self, *cards: EUICC) -> None:
        await self.store.write(lambda c: [eis_store.register(c, card, self.clock.now()) for card in cards])

    def _keep(self, dest: str) -> Any:
        async def handler(raw: bytes) -> None:
            if dest in (TRANSPORT_SMS, TRANSPORT_HTTPS):
                return  # a card that never answers
            header, body = decode(raw, ANSWERS)
            self.mail.append((dest, header, body))

        return handler


@contextlib.asynccontextmanager
async def sr_world(
    path: Path, *cards: EUICC, settings: SRSettings | None = None, file: str = "sr.db"
) -> AsyncIterator[SRWorld]:
    """A running SM-SR with these cards; use it inside a virtual loop."""
    bus = InProcessBus()
    clock = LoopClock()
    store = SQLiteStore(str(path / file), threaded=False)
    mailbox = Mailbox(role=SM_SR, store=store, tables=PLATFORM, bus=bus, clock=clock)
    numbers = itertools.count()
    role = SMSR(
        mailbox=mailbox,
        calls=bus,
        settings=settings or SRSettings(transport="sms"),
        clock=clock,
        entropy=lambda size: next(numbers).to_bytes(size),
        smdps=frozenset({s.DP}),
    )
    world = SRWorld(role, store, bus, clock)
    for dest in (SM_DP, SOAP_GATEWAY, TRANSPORT_SMS, TRANSPORT_HTTPS):
        bus.register(dest, world._keep(dest))
    bus.serve(SM_SR, role.serve)
    bus.serve(CRYPTO_SERVER, _crypto)
    await store.write(lambda c: METADATA.create_all(c))  # what is there already stays
    await world.add(*cards)
    await role.start()
    try:
        yield world
    finally:
        await role.stop()
        await store.close()


async def _crypto(caller: str, raw: bytes) -> bytes:
    """Every packet is sealed with nothing; no card is there to read it."""
    return encode(peek_header(raw), SCP80Wrapped(packet=bytes(40)))
