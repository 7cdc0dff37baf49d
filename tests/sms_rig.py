"""The SMS transport with accounts that answer as they are told, on a database file and a virtual clock."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select

from ferryman.codec.smpp.messages import DeliverSM, SubmitSM
from ferryman.codec.smpp.receipt import MessageState, Receipt, ReceiptText
from ferryman.contracts.es5 import FROM_SMS, SubmitSMS
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.errors import Unavailable
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.store import CommitHook, SQLiteStore
from ferryman.transport_sms.link import OutcomeKind, SubmitOutcome
from ferryman.transport_sms.role import TransportSMS
from ferryman.transport_sms.schema import METADATA, PLATFORM
from ferryman.transport_sms.settings import SMPPSettings

CODEC: Codec[Body] = Codec(*FROM_SMS)
START = 1_900_000_000.0
EID = "89001012012341234012345678901224"
CARD = "447700900123"
LONG = bytes(range(256)) + bytes(20)  # three parts of 132, 134 and 10 octets
SILENCE = SubmitOutcome(OutcomeKind.UNKNOWN, reason="no response in time")


def refused(status: int) -> SubmitOutcome:
    return SubmitOutcome(OutcomeKind.REJECTED, status=status)


def account(name: str, **changes: Any) -> SMPPSettings:
    given = {"host": f"{name}.example.org", "port": 2775, "system_id": "s", "password": "p", "name": name}
    return SMPPSettings(**{**given, **changes})


class FakeSMSC:
    """One connection; accepts whatever nothing was said about. `always` answers everything."""

    def __init__(self, settings: SMPPSettings, log: list[tuple[float, str, SubmitSM]]) -> None:
        self.settings = settings
        self.bound = asyncio.Event()
        self.bound.set()
        self.malformed = 0
        self.answers: list[SubmitOutcome] = []
        self.always: SubmitOutcome | None = None
        self.on_deliver: Callable[[DeliverSM], Awaitable[int]]
        self.on_receipt: Callable[[Receipt], Awaitable[int]]
        self.on_refused: Callable[[int], None]
        self._log = log
        self._names = itertools.count(1)

    async def start(self) -> None: ...

    async def stop(self) -> None:
        self.bound.clear()

    async def submit(self, pdu: SubmitSM, /, **_: Any) -> SubmitOutcome:
        if not self.bound.is_set():
            raise Unavailable("SMSC")
        now = asyncio.get_running_loop().time()
        self._log.append((now, self.settings.name, pdu))
        await asyncio.sleep(0.01)
        if self.answers:
            return self.answers.pop(0)
        return self.always or SubmitOutcome(OutcomeKind.ACCEPTED, f"id-{next(self._names)}", 0)


class Rig:
    """One run of the role, with an SM-SR that remembers. `smsc["name"]` is the account's first connection."""

    def __init__(self, folder: Path, *settings: SMPPSettings, on_commit: CommitHook | None = None) -> None:
        self.sent: list[tuple[float, str, SubmitSM]] = []
        self.links: list[FakeSMSC] = []
        self.news: list[Body] = []
        self.store = SQLiteStore(str(folder / "sms.db"), threaded=False, on_commit=on_commit)
        self.bus = InProcessBus()
        self.bus.register("sm-sr", self.hear)
        self.clock = LoopClock(start=START + asyncio.get_running_loop().time())
        chance = itertools.cycle(bytes(((n * 97 + 13) % 256,)) * 4 for n in range(256))
        self.role = TransportSMS(
            mailbox=Mailbox(
                role="transport-sms", store=self.store, tables=PLATFORM, bus=self.bus, clock=self.clock
            ),
            settings=settings,
            clock=self.clock,
            entropy=lambda count: next(chance)[:count],
            make_link=self._link,
        )
        METADATA.create_all(self.store.engine)

    def _link(
        self, settings: SMPPSettings, *, on_deliver: Any, on_receipt: Any, on_refused: Any, **_: Any
    ) -> FakeSMSC:
        link = FakeSMSC(settings, self.sent)
        link.on_deliver, link.on_receipt, link.on_refused = on_deliver, on_receipt, on_refused
        self.links.append(link)
        return link

    @property
    def smsc(self) -> dict[str, FakeSMSC]:
        return {link.settings.name: link for link in reversed(self.links)}

    async def hear(self, raw: bytes) -> None:
        self.news.append(decode(raw, CODEC)[1])

    async def start(self) -> Rig:
        await self.role.start()
        return self

    async def stop(self) -> None:
        await self.role.stop()
        await self.store.close()

    async def submit(
        self, packet: bytes = b"packet", *, sms_id: str = "1", to: str = CARD, validity: float = 600
    ) -> None:
        header = Header(
            message_id=f"sm-sr/{sms_id}",
            sender="sm-sr",
            requester="sm-sr",
            function_call_id="call",
            deadline=START + 50_000,
            eid=EID,
        )
        body = SubmitSMS(sms_id=sms_id, destination=to, packet=packet, validity=validity)
        await self.role.receive(encode(header, body))

    async def told(self, count: int = 1) -> list[Body]:
        """Wait until the SM-SR has heard this many messages."""
        async with asyncio.timeout(100_000):
            while len(self.news) < count:
                await asyncio.sleep(0.05)
        return self.news

    async def rows(self, table: Table) -> list[Any]:
        return list(await self.store.read(lambda c: c.execute(select(table)).all()))

    @property
    def by(self) -> list[str]:
        """The accounts that were given something, in order."""
        return [name for _, name, _ in self.sent]


def receipt(message_id: str, *, source: str = CARD) -> Receipt:
    return Receipt(message_id, MessageState.DELIVERED, source, "882", False, None, ReceiptText())
