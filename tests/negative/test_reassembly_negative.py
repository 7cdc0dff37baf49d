"""Concatenated messages as a weapon (TS 23.040 9.2.3.24.1): floods stay in their bounds, and whole messages get
through beside them.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from bounds import memory_within
from ferryman.codec.smpp.messages import DeliverSM
from ferryman.codec.smpp.tlv import TLV
from ferryman.codec.sms_reassembly import MAX_MESSAGES, MAX_PER_SENDER, Reassembler
from ferryman.codec.sms_user_data import Concat, UserData, segment
from ferryman.contracts.es5 import FROM_SMS, SMSReceived
from ferryman.contracts.message import Codec, decode
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.platform.store import SQLiteStore
from ferryman.transport_sms import incoming
from ferryman.transport_sms.incoming import MAX_POISON, MAX_UNFINISHED
from ferryman.transport_sms.schema import METADATA, PLATFORM, mo_message, mo_part, mo_poison
from virtual_loop import virtual

CODEC = Codec(*FROM_SMS)
PACKET = bytes(range(256)) + bytes(40)
CARD = "447700900123"


def part(reference: int, total: int, sequence: int, payload: bytes = bytes(134), bits: int = 8) -> UserData:
    return UserData(None, Concat(reference, bits, total, sequence), payload)


# -- in memory ---------------------------------------------------------------------------------------------------


def test_a_flood_of_one_sender_costs_what_its_few_messages_may_hold() -> None:
    pool = Reassembler()
    with memory_within(peak=1_500_000, kept=1_500_000):
        for n in range(15_000):
            assert pool.add("forged", part(n % 65536, 255, 1 + n % 254, bytes(134), 16), n / 1000) is None
    assert pool.pending <= MAX_PER_SENDER


def test_a_flood_of_many_senders_costs_what_all_messages_may_hold() -> None:
    pool = Reassembler()
    with memory_within(peak=3_000_000, kept=3_000_000):
        for n in range(15_000):
            pool.add(f"+{n:012}", part(n % 256, 255, 1 + n % 254), n / 1000)
    assert pool.pending == MAX_MESSAGES
    assert pool.expire(1e9) == MAX_MESSAGES
    assert not pool._by_sender


def test_a_flood_of_one_sender_does_not_touch_others() -> None:
    pool = Reassembler()
    cards = [f"card{n}" for n in range(100)]
    first, second = (UserData(0x71, Concat(5, 8, 2, n), bytes((n,)) * 20) for n in (1, 2))
    for card in cards:
        assert pool.add(card, first, 0.0) is None
    for n in range(5_000):
        pool.add("forged", part(n % 256, 3, 1), 1.0)
    found = [pool.add(card, second, 2.0) for card in cards]
    assert found == [UserData(0x71, None, b"\1" * 20 + b"\2" * 20)] * 100


@pytest.mark.parametrize(
    "hostile",
    [part(1, 0, 0), part(1, 0, 1), part(1, 2, 0), part(1, 2, 3), part(1, 255, 0), part(65535, 1, 2, bits=16)],
)
def test_numbers_that_cannot_be_are_dropped_and_open_nothing(hostile: UserData) -> None:
    pool = Reassembler()
    assert pool.add("x", hostile, 0.0) is None
    assert pool.pending == 0


def test_the_same_reference_with_other_totals_and_sizes_never_mixes() -> None:
    pool = Reassembler()
    a, b = b"a" * 10, b"b" * 10
    assert pool.add("x", part(7, 2, 1, a), 0.0) is None
    assert pool.add("x", part(7, 3, 2, b), 0.0) is None
    assert pool.add("x", part(7, 2, 2, b, bits=16), 0.0) is None
    whole = pool.add("x", part(7, 2, 2, a), 0.0)
    assert whole is not None
    assert whole.payload == a + a


def test_the_work_for_a_part_does_not_grow_with_what_waits() -> None:
    def cost(waiting: int) -> float:
        pool = Reassembler()
        for n in range(waiting):
            pool.add(f"s{n}", part(1, 255, 1), 0.0)
        started = time.process_time()
        for n in range(3000):
            pool.add("one", part(n % 8, 255, 1 + n // 8 % 254), 1.0)
        return time.process_time() - started

    empty, full = min(cost(1) for _ in range(3)), min(cost(MAX_MESSAGES - 10) for _ in range(3))
    assert full < 8 * empty + 0.02


# -- in the database of the role ---------------------------------------------------------------------------------


class Desk:
    """The role's unit of work for messages of cards, on a database file."""

    def __init__(self, folder: Path) -> None:
        self.packets: list[tuple[str, bytes]] = []
        self._store = SQLiteStore(str(folder / "sms.db"), threaded=False)
        bus = InProcessBus()
        bus.register("sm-sr", self._hear)
        clock = LoopClock(start=1_900_000_000.0)
        self.mailbox = Mailbox(role="transport-sms", store=self._store, tables=PLATFORM, bus=bus, clock=clock)
        METADATA.create_all(self._store.engine)

    async def _hear(self, raw: bytes) -> None:
        _, body = decode(raw, CODEC)
        if isinstance(body, SMSReceived):
            self.packets.append((body.originator, body.packet))

    async def take(self, pdus: Iterable[DeliverSM]) -> None:
        """All in one unit of work: what is tested is what is kept, not how often it is synced."""

        def unit(tx: Tx) -> None:
            for pdu in pdus:
                incoming.take(tx, pdu)

        await self.mailbox.transact(unit)
        await asyncio.sleep(0.05)

    async def rows(self) -> tuple[int, int, int]:
        """Unfinished messages, parts, poison."""
        tables = (mo_message, mo_part, mo_poison)
        counts = await self._store.read(
            lambda c: [len(c.exec_driver_sql(f"SELECT 1 FROM {table.name}").all()) for table in tables]
        )
        return counts[0], counts[1], counts[2]

    async def stop(self) -> None:
        await self.mailbox.stop()
        await self._store.close()


def deliver(sender: str, ud: bytes, tlvs: tuple[TLV, ...] = ()) -> DeliverSM:
    return DeliverSM(source_addr=sender, esm_class=0x40, short_message=ud, tlvs=tlvs)


def forged(count: int, senders: int) -> Iterator[DeliverSM]:
    for n in range(count):
        yield deliver(f"33600{n % senders:06}", bytes((5, 0, 3, n // senders % 256, 200, 1 + n % 200)) + bytes(20))


@virtual
async def test_the_database_holds_no_more_than_its_limits_and_a_card_gets_through(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.mailbox.start()
    first, *others = segment(PACKET, response=True, reference=9)
    await desk.take([deliver(CARD, first)])
    await desk.take(forged(400, 1))  # one sender: its own limit
    assert (await desk.rows())[0] == 1 + incoming.MAX_PER_SENDER
    await desk.take([deliver(CARD, other) for other in others])
    assert desk.packets == [(CARD, PACKET)]
    await desk.take(forged(1_300, 1_200))  # many senders: the limit of all
    messages, parts, _ = await desk.rows()
    assert messages == MAX_UNFINISHED
    assert parts <= 2 * MAX_UNFINISHED
    await desk.take([deliver("1" + CARD, ud) for ud in segment(PACKET, response=True, reference=10)])
    assert desk.packets[-1] == ("1" + CARD, PACKET)
    await desk.stop()


@virtual
async def test_hostile_headers_and_parameters_are_parked_in_bounds(tmp_path: Path) -> None:
    """Nothing raises, or the SMSC would send it again for ever; nothing is passed on; poison has a limit."""
    rng = random.Random(11)

    def hostile() -> Iterator[DeliverSM]:
        for n in range(1_100):
            header = rng.randbytes(rng.randint(0, 12))
            sar = tuple(
                TLV(tag, rng.randbytes(rng.randint(0, 3))) for tag in (0x20C, 0x20E, 0x20F) if rng.random() < 0.4
            )
            yield deliver(f"{n}", bytes((rng.randint(0, 20),)) + header, tlvs=sar)

    desk = Desk(tmp_path)
    await desk.mailbox.start()
    await desk.take(hostile())
    messages, _, poison = await desk.rows()
    assert messages <= MAX_UNFINISHED
    assert 0 < poison <= MAX_POISON
    await desk.take([deliver(CARD, ud) for ud in segment(PACKET, response=True, reference=10)])
    assert desk.packets[-1] == (CARD, PACKET)
    await desk.stop()


@virtual
async def test_a_part_longer_than_a_short_message_is_parked(tmp_path: Path) -> None:
    """In message_payload one part could bring 65 kB, and a message of 255 parts 16 MB."""
    desk = Desk(tmp_path)
    await desk.mailbox.start()
    huge = TLV(0x424, bytes((5, 0, 3, 1, 255, 1)) + bytes(60_000))
    await desk.take([deliver(CARD, b"", tlvs=(huge,))])
    assert await desk.rows() == (0, 0, 1)
    await desk.stop()
