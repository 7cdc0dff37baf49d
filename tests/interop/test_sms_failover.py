"""The SMS module whole, with two SMSCs of other people: node-smpp and smpp34, one of them dying in the middle."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import smpp34

from ferryman.codec.sms_user_data import segment
from ferryman.contracts.es5 import FROM_SMS, SMSAccepted, SMSReceipt, SMSReceived, SMSRejected, SubmitSMS
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.store import SQLiteStore
from ferryman.transport_sms.role import TransportSMS
from ferryman.transport_sms.schema import METADATA, PLATFORM
from ferryman.transport_sms.settings import BindMode, SMPPSettings
from node_smsc import PATIENCE, node, smsc

__all__ = ["node"]  # a fixture

CODEC: Codec[Body] = Codec(*FROM_SMS)
LONG = bytes(range(256)) + bytes(20)


def account(name: str, port: int, **changes: Any) -> SMPPSettings:
    given = {"host": "127.0.0.1", "port": port, "system_id": "smsr", "password": "pw8chars", "name": name}
    given |= {"source_addr": "447700900001", "reconnect_min": 0.1, "failover_after": 0.5, "response_timeout": 5.0}
    return SMPPSettings(**{**given, **changes})


class Module:
    """The SMS module and an SM-SR that remembers."""

    def __init__(self, folder: Path, *accounts: SMPPSettings) -> None:
        self.news: list[Body] = []
        self.store = SQLiteStore(str(folder / "sms.db"))
        bus = InProcessBus()
        bus.register("sm-sr", self._hear)
        clock = LoopClock()
        self.role = TransportSMS(
            mailbox=Mailbox(role="transport-sms", store=self.store, tables=PLATFORM, bus=bus, clock=clock),
            settings=accounts,
            clock=clock,
            entropy=random.Random(3).randbytes,
        )

    async def _hear(self, raw: bytes) -> None:
        self.news.append(decode(raw, CODEC)[1])

    async def submit(self, number: int, packet: bytes = b"packet") -> None:
        header = Header(
            message_id=f"sm-sr/{number}",
            sender="sm-sr",
            requester="sm-sr",
            function_call_id="call",
            deadline=2e9,
            eid=f"{number:032d}",
        )
        to = str(447_700_900_000 + number)
        await self.role.receive(
            encode(header, SubmitSMS(sms_id=str(number), destination=to, packet=packet, validity=120))
        )

    def accepted(self) -> set[str]:
        return {one.sms_id for one in self.news if isinstance(one, SMSAccepted)}


@asynccontextmanager
async def module(folder: Path, *accounts: SMPPSettings) -> AsyncIterator[Module]:
    made = Module(folder, *accounts)
    await made.store.write(lambda connection: METADATA.create_all(connection))
    await made.role.start()
    try:
        await until(lambda: all(one.whole for one in made.role.accounts))
        yield made
    finally:
        await made.role.stop()
        await made.store.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def test_one_of_two_node_processes_is_killed_in_the_middle(node: str, tmp_path: Path) -> None:
    """20 messages before, 20 while it hangs, 20 after: each is accepted once, and the second SMSC repeats only
    what the first one had in hand without an answer."""
    async with smsc(node) as first, smsc(node) as second:
        accounts = (
            account("first", first.port, window=10),
            account("second", second.port, weight=0, bind_mode=BindMode.PAIR),
        )
        async with module(tmp_path, *accounts) as sms:
            for number in range(20):
                await sms.submit(number)
            await until(lambda: len(sms.accepted()) == 20)
            first.tell("hold", count=1_000)
            first.tell("enquire")
            await first.event("answered")
            for number in range(20, 40):
                await sms.submit(number)
            in_hand = [(await first.event("submit"))["destination"] for _ in range(10)]
            assert not await first.kill()  # it had seen a window full and no more
            for number in range(40, 60):
                await sms.submit(number)
            await until(lambda: len(sms.accepted()) == 60)
            assert len(sms.news) == 60
            assert not any(isinstance(one, SMSRejected) for one in sms.news)
        seen = Counter([(await second.event("submit"))["destination"] for _ in range(40)])
        assert set(seen) == {str(447_700_900_000 + number) for number in range(20, 60)}
        assert set(seen.values()) == {1}
        assert set(in_hand) < set(seen)
        left = await second.kill()
        assert not [event for event in left if event["event"] == "submit"]


# --- smpp34 ---


class Rust:
    """smpp34.Server in this process: accepts every password, names messages s1, s2, ..."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.submits: list[Any] = []
        self.esmes: list[Any] = []
        self.refuse: list[int] = []
        self._server = smpp34.Server("127.0.0.1", port, system_id="rust")
        self._names = itertools.count(1)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._server.start()
        self._task = asyncio.create_task(self._serve())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None
        await self._server.stop()

    async def _serve(self) -> None:
        while True:
            event = await self._server.next()
            if isinstance(event, smpp34.SubmitSmEvent):
                self.submits.append(event)
                if self.refuse:
                    event.reject(self.refuse.pop(0))
                else:
                    event.accept(f"s{next(self._names)}")
            elif isinstance(event, smpp34.Esme):
                self.esmes.append(event)


@asynccontextmanager
async def rust() -> AsyncIterator[Rust]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Rust(port)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_a_packet_and_its_answer_through_smpp34(tmp_path: Path) -> None:
    async with rust() as server, module(tmp_path, account("rust", server.port)) as sms:
        await sms.submit(1, LONG)
        await until(lambda: sms.accepted() == {"1"})
        parts = [bytes(event.short_message) for event in server.submits]
        assert parts == segment(LONG, reference=0)
        last = server.submits[-1]
        assert (last.esm_class, last.protocol_id, last.data_coding) == (0x40, 0x7F, 0xF6)
        assert (last.source_addr, last.destination_addr) == ("447700900001", "447700900001")
        await until(lambda: len(server.esmes) == 1)
        [esme] = server.esmes
        card = "447700900001"
        receipt = b"id:s3 sub:001 dlvrd:001 submit date:2611220857 done date:2611220858 stat:DELIVRD err:000 text:"
        await esme.deliver_sm("447700900001", receipt, source_addr=card, esm_class=4)
        for ud in segment(LONG, response=True, reference=3):
            answer = await esme.deliver_sm(
                "447700900001", ud, source_addr=card, esm_class=0x40, data_coding=0xF6, protocol_id=0x7F
            )
            assert answer.is_success
        poison = await esme.deliver_sm("447700900001", b"hello", source_addr=card)
        assert poison.is_success
        await until(lambda: len(sms.news) == 3)
        assert SMSReceipt(sms_id="1", delivered=True, state="delivered") in sms.news
        [received] = [one for one in sms.news if isinstance(one, SMSReceived)]
        assert (received.originator, received.kind, received.packet) == (card, 0x71, LONG)


async def test_smpp34_with_a_pair_and_sar_parameters(tmp_path: Path) -> None:
    async with rust() as server:
        settings = account("rust", server.port, bind_mode=BindMode.PAIR, concatenation="sar", binds=2)
        async with module(tmp_path, settings) as sms:
            await sms.submit(1, LONG)
            await until(lambda: sms.accepted() == {"1"})
            numbers = []
            for event in server.submits:
                tlvs = {tlv.tag: bytes(tlv.value) for tlv in event.tlvs}
                assert tlvs[smpp34.TLV_SAR_TOTAL_SEGMENTS] == b"\3"
                numbers.append(tlvs[smpp34.TLV_SAR_SEGMENT_SEQNUM][0])
            assert numbers == [1, 2, 3]
            await until(lambda: len(server.esmes) == 4)
            assert sorted(one.can_receive for one in server.esmes) == [False, False, True, True]


async def test_smpp34_stands_in_for_a_dead_node_process_and_says_throttled(node: str, tmp_path: Path) -> None:
    async with smsc(node) as first, rust() as server:
        accounts = account("first", first.port), account("rust", server.port, weight=0)
        async with module(tmp_path, *accounts) as sms:
            for number in range(10):
                await sms.submit(number)
            await until(lambda: len(sms.accepted()) == 10)
            assert not server.submits
            await first.kill()
            await until(lambda: not sms.role.accounts[0].bound)
            server.refuse = [smpp34.ESME_RMSGQFUL, smpp34.ESME_RSYSERR, smpp34.ESME_RTHROTTLED]
            for number in range(10, 15):
                await sms.submit(number)
            await until(lambda: len(sms.accepted()) == 15)
            assert len(sms.news) == 15
            by_number = Counter(event.destination_addr for event in server.submits)
            assert sum(by_number.values()) == 5 + 3
            assert len(by_number) == 5
