"""The SMS transport's statements on every store: a submission, its receipt, a card's message, poison, repeats."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import select

from backends import AnyStore, Backend
from ferryman.codec.smpp.messages import DeliverSM, SubmitSM
from ferryman.codec.smpp.receipt import MessageState, Receipt, ReceiptText
from ferryman.codec.sms_user_data import segment
from ferryman.contracts.es5 import FROM_SMS, SMSAccepted, SMSReceipt, SMSReceived, SMSRejected, SubmitSMS
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock
from ferryman.platform.mailbox import Mailbox
from ferryman.transport_sms import incoming, receipts
from ferryman.transport_sms.link import OutcomeKind, SubmitOutcome
from ferryman.transport_sms.role import TransportSMS
from ferryman.transport_sms.schema import METADATA, PLATFORM, mo_message, mo_poison, outgoing, part
from ferryman.transport_sms.settings import SMPPSettings
from patience import until

CODEC: Codec[Body] = Codec(*FROM_SMS)
CARD = "447700900123"


class Network:
    """An ESME that names what it accepts a, b, c ... and refuses one number."""

    def __init__(self, settings: SMPPSettings, *, on_deliver: Any, on_receipt: Any, **_: Any) -> None:
        self.bound = asyncio.Event()
        self.bound.set()
        self.on_deliver, self.on_receipt = on_deliver, on_receipt
        self.sent: list[SubmitSM] = []

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def submit(self, pdu: SubmitSM, /, **_: Any) -> SubmitOutcome:
        self.sent.append(pdu)
        if pdu.destination_addr == "99":
            return SubmitOutcome(OutcomeKind.REJECTED, status=0x0B)
        return SubmitOutcome(OutcomeKind.ACCEPTED, chr(0x60 + len(self.sent)), 0)


class Node:
    def __init__(self, store: AnyStore) -> None:
        self.store = store
        self.news: list[Body] = []
        bus = InProcessBus()
        bus.register("sm-sr", self._hear)
        clock = LoopClock(start=1_900_000_000.0)
        self.role = TransportSMS(
            mailbox=Mailbox(role="transport-sms", store=store, tables=PLATFORM, bus=bus, clock=clock),
            settings=SMPPSettings(host="h", port=1, system_id="s", password="p"),
            clock=clock,
            entropy=lambda count: bytes(count),
            make_link=Network,
        )

    async def _hear(self, raw: bytes) -> None:
        self.news.append(decode(raw, CODEC)[1])

    async def submit(self, sms_id: str, packet: bytes, to: str = CARD) -> None:
        header = Header(message_id=sms_id, sender="sm-sr", requester="sm-sr", function_call_id="c", deadline=2e9)
        await self.role.receive(
            encode(header, SubmitSMS(sms_id=sms_id, destination=to, packet=packet, validity=60))
        )

    async def told(self, count: int) -> list[Body]:
        await until(lambda: len(self.news) >= count)
        return self.news


async def rows(store: AnyStore, table: Any) -> list[Any]:
    return list(await store.read(lambda c: c.execute(select(table)).all()))


async def test_submissions_and_receipts(backend: Backend) -> None:
    await backend.create(METADATA)
    node = Node(backend.open())
    await node.role.start()
    await node.submit("1", bytes(200))
    await node.submit("1", bytes(200))
    await node.told(1)
    await node.submit("2", b"x", to="99")
    await node.told(2)
    link: Any = node.role.link
    assert [pdu.short_message[:6].hex() for pdu in link.sent] == ["070003000201", "050003000202", "02700078"]
    receipt = Receipt("b", MessageState.DELIVERED, CARD, "1", False, None, ReceiptText())
    await link.on_receipt(receipt)
    await link.on_receipt(receipt)
    assert await node.told(3) == [
        SMSAccepted(sms_id="1"),
        SMSRejected(sms_id="2", nothing_sent=True, permanent=True, reason="SMSC: invalid_destination_address"),
        SMSReceipt(sms_id="1", delivered=True, state="delivered"),
    ]
    assert sorted(row.status for row in await rows(node.store, outgoing)) == ["accepted", "rejected"]
    assert sorted(row.status for row in await rows(node.store, part)) == ["accepted", "accepted", "refused"]
    await node.role.stop()


async def test_early_receipt(backend: Backend) -> None:
    await backend.create(METADATA)
    node = Node(backend.open())
    await node.role.start()
    link: Any = node.role.link
    await link.on_receipt(Receipt("A", MessageState.EXPIRED, CARD, "1", False, None, ReceiptText()))
    await node.submit("1", b"x")
    assert await node.told(2) == [
        SMSAccepted(sms_id="1"),
        SMSReceipt(sms_id="1", delivered=False, state="expired"),
    ]
    assert not await rows(node.store, receipts.early_receipt)
    await node.role.stop()


async def test_messages_of_cards(backend: Backend) -> None:
    await backend.create(METADATA)
    first = Node(backend.open())
    await first.role.start()
    one, two = segment(bytes(200), response=True, reference=9)
    deliver: Any = first.role.link
    for ud in (one, one, b"poison"):
        await deliver.on_deliver(DeliverSM(source_addr=CARD, esm_class=0x40, short_message=ud))
    await first.role.stop()
    second = Node(backend.open())
    await second.role.start()
    deliver = second.role.link
    for ud in (b"poison", two, one, two):
        await deliver.on_deliver(DeliverSM(source_addr=CARD, esm_class=0x40, short_message=ud))
    [news] = await second.told(1)
    assert isinstance(news, SMSReceived)
    assert (news.originator, news.kind, news.packet) == (CARD, 0x71, bytes(200))
    [poison] = await rows(second.store, mo_poison)
    assert (poison.times, bytes(poison.user_data)) == (2, b"poison")
    for reference in range(20):
        ud = segment(bytes(200), response=True, reference=reference)[0]
        await deliver.on_deliver(DeliverSM(source_addr="2", esm_class=0x40, short_message=ud))
    assert len(await rows(second.store, mo_message)) == incoming.MAX_PER_SENDER
    await second.role.stop()


async def test_addresses_that_are_longer_than_any_number(backend: Backend) -> None:
    """data_sm carries up to 64 characters: no column may refuse them, or the SMSC would repeat it for ever."""
    await backend.create(METADATA)
    node = Node(backend.open())
    await node.role.start()
    deliver: Any = node.role.link
    ud = bytes.fromhex("027100") + b"answer"
    long = "4" * 64
    for _ in range(2):
        pdu = DeliverSM(source_addr=long, destination_addr=long, esm_class=0x40, short_message=ud)
        assert await deliver.on_deliver(pdu) == 0
    receipt = Receipt("x" * 600, MessageState.DELIVERED, long, long, False, None, ReceiptText())
    assert await deliver.on_receipt(receipt) == 0
    [poison] = await rows(node.store, mo_poison)
    assert (poison.times, poison.originator) == (2, "4" * 20)
    assert len(await rows(node.store, receipts.early_receipt)) == 1
    await deliver.on_deliver(DeliverSM(source_addr="4" * 20, esm_class=0x40, short_message=ud))
    [news] = await node.told(1)
    assert isinstance(news, SMSReceived)
    await node.role.stop()
