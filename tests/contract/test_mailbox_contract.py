"""What the mailbox promises on every store: order, at least once, only once with the inbox, no loss by a kill."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field

import pytest
from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, func, insert, select

from backends import Backend
from ferryman.contracts.es5 import TO_SMS_CODEC, SubmitSMS
from ferryman.contracts.message import Header, decode, peek_header
from ferryman.errors import PeerError, Unavailable
from ferryman.platform import carrier as carrier_module
from ferryman.platform import mailbox as mailbox_module
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock
from ferryman.platform.mailbox import INBOX_KEEP, Mailbox, Tx
from ferryman.platform.schema import platform_tables
from ferryman.platform.store import SQLiteStore, Store
from patience import until, until_async
from virtual_loop import run

METADATA = MetaData()
TABLES = platform_tables(METADATA)
RECEIVED = Table(
    "received",
    METADATA,
    Column("seq", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("message_id", String(200), nullable=False),
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real stores run on real time here."""
    monkeypatch.setattr(carrier_module, "RETRY_FIRST", 0.002)
    monkeypatch.setattr(mailbox_module, "RESCAN_DELAY", 0.01)


@pytest.fixture
async def ready(backend: Backend) -> Backend:
    await backend.create(METADATA)
    return backend


def header(message_id: str, eid: str = "89" * 16) -> Header:
    return Header(
        message_id=message_id, sender="a", requester="a", function_call_id="c", deadline=1e10, eid=eid
    )  # fmt: skip


def letter(message_id: str) -> SubmitSMS:
    return SubmitSMS(sms_id=message_id, destination="4915", packet=b"\x01", validity=60.0)


@dataclass
class Node:
    """One process: a mailbox whose only role writes down what it receives, in its inbox and in a table."""

    store: Store
    trouble: dict[str, list[Exception]] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)  # not taken before that other message was
    delivered: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bus = InProcessBus()
        self.bus.register("b", self.receive)
        self.mailbox = Mailbox(
            role="a", store=self.store, tables=TABLES, bus=self.bus, clock=LoopClock(start=1_700_000_000.0)
        )

    async def receive(self, raw: bytes) -> None:
        head, body = decode(raw, TO_SMS_CODEC)
        assert isinstance(body, SubmitSMS)
        self.delivered.append(head.message_id)
        pending = self.trouble.get(head.message_id)
        if pending:
            raise pending.pop(0)
        if self.after.get(head.message_id, head.message_id) not in self.delivered:
            raise Unavailable("b", retry_after=0.001)

        def unit(tx: Tx) -> None:
            if tx.first_time(head.message_id):
                tx.connection.execute(insert(RECEIVED).values(message_id=head.message_id))

        await self.mailbox.transact(unit)

    async def send(self, *message_ids: str, eid: str = "89" * 16, dest: str = "b") -> None:
        def unit(tx: Tx) -> None:
            for message_id in message_ids:
                tx.send(dest, header(message_id, eid), letter(message_id))

        await self.mailbox.transact(unit)

    async def received(self) -> list[str]:
        statement = select(RECEIVED.c.message_id).order_by(RECEIVED.c.seq)
        return list(await self.store.read(lambda c: c.execute(statement).scalars().all()))

    async def outbox(self) -> int:
        statement = select(func.count()).select_from(TABLES.outbox)
        return await self.store.read(lambda c: c.execute(statement).scalar_one())

    async def drained(self) -> None:
        async def empty() -> bool:
            return await self.outbox() == 0

        await until_async(empty)


async def test_messages_of_one_lane_arrive_in_order_and_are_forgotten(ready: Backend) -> None:
    node = Node(ready.open())
    await node.mailbox.start()
    expected = [f"m{number}" for number in range(60)]
    await node.send(*expected[:20])
    for message_id in expected[20:40]:
        await node.send(message_id)
    await asyncio.gather(*(node.send(message_id) for message_id in expected[40:]))
    await node.drained()
    assert await node.received() == expected
    assert node.delivered == expected
    await node.mailbox.stop()


async def test_a_lane_in_trouble_keeps_its_order_and_stops_no_other(ready: Backend) -> None:
    trouble = {"slow1": [Unavailable("b", retry_after=0.001) for _ in range(4)]}
    node = Node(ready.open(), trouble=trouble, after={"slow1": "quick2"})
    await node.send("slow1", "slow2", eid="1" * 32)
    await node.send("quick1", "quick2", eid="2" * 32)
    await node.drained()
    received = await node.received()
    assert received.index("slow1") < received.index("slow2")
    assert received.index("quick1") < received.index("quick2")
    assert node.delivered.count("slow1") >= 5
    await node.mailbox.stop()


async def test_messages_without_an_eid_can_have_lanes_too(ready: Backend) -> None:
    trouble = {"slow1": [Unavailable("b", retry_after=0.001) for _ in range(4)]}
    node = Node(ready.open(), trouble=trouble, after={"slow1": "quick2"})

    def unit(tx: Tx) -> None:
        for message_id, lane in (("slow1", "mo/1"), ("slow2", "mo/1"), ("quick1", "mo/2"), ("quick2", "mo/2")):
            tx.send("b", header(message_id, ""), letter(message_id), lane=lane)

    await node.mailbox.transact(unit)
    await node.drained()
    received = await node.received()
    assert received.index("slow1") < received.index("slow2")
    assert received.index("quick1") < received.index("quick2")
    await node.mailbox.stop()


async def test_taken_letters_are_forgotten_with_the_next_commit(
    ready: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrier_module, "FORGET_DELAY", 1e6)
    commits: list[int] = []
    node = Node(ready.open(on_commit=lambda number: commits.append(number) is not None))
    for message_id in ("m", "n"):
        await node.send(message_id)
        await until(lambda: len(node.mailbox.carrier._taken) == 1)
        assert await node.outbox() == 1
    assert await node.received() == ["m", "n"]
    assert len(commits) == 4  # two were sent, two received
    await node.mailbox.stop()


async def test_an_orderly_end_leaves_no_letter_that_was_taken(
    ready: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrier_module, "FORGET_DELAY", 1e6)
    node = Node(ready.open())
    await node.send("m")
    await until(lambda: len(node.mailbox.carrier._taken) == 1)
    await node.mailbox.stop()
    await node.store.close()
    again = Node(ready.open())
    assert await again.outbox() == 0
    await again.store.close()


async def test_a_role_that_is_not_there_yet_gets_its_messages_later(ready: Backend) -> None:
    node = Node(ready.open())
    arrived: list[str] = []

    async def late(raw: bytes) -> None:
        arrived.append(peek_header(raw).message_id)

    await node.send("early", dest="late")
    assert await node.outbox() == 1
    node.bus.register("late", late)
    mailbox = Mailbox(role="a", store=node.store, tables=TABLES, bus=node.bus, clock=node.mailbox.clock)
    await node.mailbox.stop()
    await mailbox.start()
    await node.drained()
    assert arrived == ["early"]
    await mailbox.stop()


async def test_the_same_identifier_is_sent_once_and_taken_once(ready: Backend) -> None:
    node = Node(ready.open())
    await node.send("m", "m")
    await node.send("m")
    await node.drained()
    await node.send("m")  # the first is gone from the outbox by now: only the inbox knows
    await node.drained()
    assert await node.received() == ["m"]
    await node.mailbox.stop()


async def test_a_refused_unit_sends_nothing(ready: Backend) -> None:
    node = Node(ready.open())

    def unit(tx: Tx) -> None:
        tx.send("b", header("never"), letter("never"))
        raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed"):
        await node.mailbox.transact(unit)
    await node.send("after")
    await node.drained()
    assert await node.received() == ["after"]
    await node.mailbox.stop()


async def test_poison_is_parked_with_its_reason_and_the_lane_goes_on(ready: Backend) -> None:
    node = Node(ready.open(), trouble={"poison": [PeerError("no such field", field="body") for _ in range(99)]})
    await node.send("poison", "next")
    await until(lambda: node.mailbox.carrier.parked == 1 and "next" in node.delivered)
    assert node.delivered.count("poison") == 1

    async def one_left() -> bool:
        return await node.outbox() == 1

    await until_async(one_left)
    assert await node.received() == ["next"]
    table = TABLES.outbox
    rows = await node.store.read(lambda c: c.execute(select(table.c.seq, table.c.parked)).all())
    assert [row.parked for row in rows] == ["PeerError: body: no such field"]
    await node.mailbox.stop()

    # A restart leaves it parked; an operator who repaired the cause sends it on.
    again = Node(node.store)
    await again.mailbox.start()
    await again.send("later")
    await until(lambda: "later" in again.delivered)
    assert again.delivered == ["later"]
    assert await again.mailbox.release(rows[0].seq)
    await again.drained()
    assert await again.received() == ["next", "later", "poison"]
    assert not await again.mailbox.release(rows[0].seq)
    await again.mailbox.stop()


async def test_another_look_at_the_outbox_repeats_no_letter_that_is_on_its_way(ready: Backend) -> None:
    node = Node(ready.open(), trouble={"poison": [PeerError("odd")]}, after={"slow": "signal"})
    await node.send("poison")
    await until(lambda: node.mailbox.carrier.parked == 1)
    await node.send("slow", "behind", eid="1" * 32)
    await until(lambda: "slow" in node.delivered)
    (row,) = await node.mailbox.set_aside(10)
    assert await node.mailbox.release(row.seq)  # looks at all that is in the outbox
    await node.send("signal", eid="2" * 32)
    await node.drained()
    assert sorted(await node.received()) == ["behind", "poison", "signal", "slow"]
    assert node.delivered.count("behind") == 1
    await node.mailbox.stop()


async def test_a_bug_of_the_receiver_is_tried_again_before_parking(ready: Backend) -> None:
    node = Node(
        ready.open(),
        trouble={"flaky": [KeyError("x")] * (carrier_module.MAX_REFUSALS - 1), "broken": [KeyError("x")] * 99},
    )
    await node.send("flaky", "broken", "next")
    await until(lambda: node.mailbox.carrier.parked == 1)
    await until(lambda: "next" in node.delivered)
    assert node.delivered.count("flaky") == carrier_module.MAX_REFUSALS
    assert node.delivered.count("broken") == carrier_module.MAX_REFUSALS
    await node.mailbox.stop()


async def test_what_a_stopped_run_left_is_carried_by_the_next(ready: Backend) -> None:
    first = Node(ready.open(), trouble={"a": [Unavailable("b", retry_after=1000.0)]})
    await first.send("a", "b", "c")
    await until(lambda: first.delivered == ["a"])
    await first.mailbox.stop()
    await first.store.close()
    second = Node(ready.open())
    await second.mailbox.start()
    await second.drained()
    assert await second.received() == ["a", "b", "c"]
    await second.mailbox.stop()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_killed_at_every_commit_nothing_is_lost_nothing_doubled(ready: Backend, moment: str) -> None:
    """The same conversation, killed at commit 1, 2, 3, ... until it runs through; order and content stay."""
    lanes = {"1" * 32: ["x1", "x2", "x3"], "2" * 32: ["y1", "y2"]}
    number = 0
    died = True
    while died:
        number += 1
        assert number < 60
        await _clear(ready)
        died = await _conversation(ready, lanes, moment, number)
        second = Node(ready.open())
        await second.mailbox.start()
        for eid, message_ids in lanes.items():  # the sender of the messages repeats its transaction
            await second.send(*message_ids, eid=eid)
        await second.drained()
        received = await second.received()
        for message_ids in lanes.values():
            assert [message for message in received if message in message_ids] == message_ids, f"commit {number}"
        await second.mailbox.stop()
        await second.store.close()
    assert number > 4


async def _clear(ready: Backend) -> None:
    store = ready.open()

    def unit(connection) -> None:
        for table in reversed(METADATA.sorted_tables):
            connection.execute(table.delete())

    await store.write(unit)
    await store.close()


async def _conversation(ready: Backend, lanes: dict[str, list[str]], moment: str, number: int) -> bool:
    """Run until the store dies at commit `number` (True) or all is done (False)."""
    loop = asyncio.get_running_loop()
    dead = asyncio.Event()

    def die(at: int) -> bool:
        if at == number:
            loop.call_soon_threadsafe(dead.set)
        return at == number

    store = ready.open(**{"before_commit" if moment == "before" else "on_commit": die})
    node = Node(store)

    async def talk() -> None:
        await node.mailbox.start()
        for eid, message_ids in lanes.items():
            await node.send(*message_ids, eid=eid)
        await node.drained()

    talking, dying = asyncio.create_task(talk()), asyncio.create_task(dead.wait())
    await asyncio.wait((talking, dying), return_when=asyncio.FIRST_COMPLETED)
    finished = talking.done() and not dead.is_set()
    for task in (talking, dying):
        task.cancel()
    await asyncio.gather(talking, dying, return_exceptions=True)
    await node.mailbox.stop()
    await ready.kill(store)
    return not finished


# -- the database goes away ---------------------------------------------------------------------------------------


class Flaky:
    """A store whose commits can be lost, or done and their answer lost."""

    def __init__(self, real: Store) -> None:
        self._real = real
        self.plan: list[str] = []
        self.reads: list[str] = []

    async def write(self, unit, then=None, **options):
        step = self.plan.pop(0) if self.plan else "ok"
        if step == "lost":
            raise Unavailable("database", retry_after=0.002)
        result = await self._real.write(unit, then if step == "ok" else None, **options)
        if step == "unknown":
            raise Unavailable("database", retry_after=0.002)
        return result

    async def read(self, unit):
        if self.reads:
            self.reads.pop(0)
            raise Unavailable("database", retry_after=0.002)
        return await self._real.read(unit)

    async def close(self) -> None:
        await self._real.close()


async def test_letters_of_a_commit_with_unknown_outcome_leave_without_a_restart(ready: Backend) -> None:
    store = Flaky(ready.open())
    node = Node(store)
    await node.mailbox.start()
    store.plan = ["unknown"]
    with pytest.raises(Unavailable):
        await node.send("m1", "m2")
    store.reads = ["lost"] * 2  # and the first looks at the outbox fail too
    await until(lambda: len(node.delivered) == 2)
    await node.drained()
    assert await node.received() == ["m1", "m2"]
    await node.mailbox.stop()


async def test_taken_letters_are_forgotten_although_the_database_fails_in_between(ready: Backend) -> None:
    store = Flaky(ready.open())
    node = Node(store)
    store.plan = ["ok", "ok", "lost", "unknown", "ok"]  # send, receive, then the note that it was taken
    await node.send("m")
    await node.drained()
    await node.send("n")
    await node.drained()
    assert await node.received() == ["m", "n"]
    await node.mailbox.stop()


async def test_parking_survives_a_failing_database(ready: Backend) -> None:
    store = Flaky(ready.open())
    node = Node(store, trouble={"bad": [PeerError("x")] * 9})
    store.plan = ["ok", "lost", "ok"]
    await node.send("bad", "good")
    await until(lambda: node.mailbox.carrier.parked == 1 and "good" in node.delivered)
    await node.mailbox.stop()


# -- exact times, on a virtual clock ------------------------------------------------------------------------------


def test_back_off_doubles_up_to_its_cap(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier_module, "RETRY_FIRST", 0.05)

    async def main() -> list[float]:
        store = SQLiteStore(str(tmp_path / "a.db"), threaded=False)
        await store.write(lambda connection: METADATA.create_all(connection))
        node = Node(store)
        times: list[float] = []
        loop = asyncio.get_running_loop()

        async def refuse(_raw: bytes) -> None:
            times.append(loop.time())
            raise Unavailable("b", retry_after=0.2 if len(times) < 8 else 3600.0)

        node.bus.register("b", refuse)
        await node.send("m")
        await asyncio.sleep(100)
        await node.mailbox.stop()
        await store.close()
        return times

    times = run(main())
    gaps = [round(later - earlier, 6) for earlier, later in itertools.pairwise(times)]
    assert gaps[:9] == [0.2, 0.2, 0.2, 0.4, 0.8, 1.6, 3.2, 30.0, 30.0]


def test_the_inbox_forgets_after_its_time_and_not_before(tmp_path) -> None:
    async def main() -> None:
        store = SQLiteStore(str(tmp_path / "a.db"), threaded=False)
        await store.write(lambda connection: METADATA.create_all(connection))
        node = Node(store)
        await node.mailbox.start()
        await node.send("m")
        await asyncio.sleep(INBOX_KEEP - 86_400)
        await node.send("m")
        await asyncio.sleep(1)
        assert await node.received() == ["m"]
        await asyncio.sleep(3 * 86_400)
        assert await store.read(lambda c: c.execute(select(func.count()).select_from(TABLES.inbox)).scalar()) == 0
        await node.mailbox.stop()
        await store.close()

    run(main(), limit=2 * INBOX_KEEP)


def test_a_stalled_run_has_no_hidden_letters(tmp_path) -> None:
    """The mailbox keeps no task per letter once it was taken (a soak of days must not grow)."""

    async def main() -> None:
        store = SQLiteStore(str(tmp_path / "a.db"), threaded=False)
        await store.write(lambda connection: METADATA.create_all(connection))
        node = Node(store)
        for number in range(1000):
            await node.send(f"m{number}", eid=f"{number % 50:032d}")
        await asyncio.sleep(1)
        assert len(await node.received()) == 1000
        assert await node.outbox() == 0
        assert not node.mailbox.carrier._known
        assert not node.mailbox.carrier._lanes
        assert not node.mailbox.carrier._tasks
        await node.mailbox.stop()
        await store.close()

    run(main())


async def test_what_a_cancelled_transaction_sends_still_leaves(ready: Backend) -> None:
    """The commit happens although nobody waits for it any more; its letters must not lie until a restart."""
    received: list[str] = []
    bus = InProcessBus()

    async def take(raw: bytes) -> None:
        received.append(peek_header(raw).message_id)

    bus.register("b", take)
    mailbox = Mailbox(role="a", store=ready.open(), tables=TABLES, bus=bus, clock=LoopClock())
    await mailbox.start()
    waiting = asyncio.ensure_future(mailbox.transact(lambda tx: tx.send("b", header("m1"), letter("m1"))))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await until(lambda: received == ["m1"])
    await mailbox.stop()
