"""What every bus promises: order per EID, nothing lost, once with the inbox, poison parked, calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import select

from bus_worlds import TABLES, InProcessWorld, NatsWorld, Pair, World, header, message
from ferryman.contracts import crypto
from ferryman.contracts.message import encode
from ferryman.contracts.roles import CRYPTO_SERVER, SM_DP, SM_SR, TRANSPORT_HTTPS, TRANSPORT_SMS
from ferryman.errors import PeerError, Refused, Unavailable
from ferryman.platform import carrier as carrier_module
from ferryman.platform import nats_bus
from ferryman.platform.carrier import MAX_REFUSALS
from ferryman.platform.nats_layout import MAX_PAYLOAD, lane_of
from nats_server import NatsServer
from patience import until, until_async

ONE, OTHER = "1" * 32, "2" * 32


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier_module, "RETRY_FIRST", 0.002)
    # Tracebacks drawn with every local variable block the loop for longer than a broker waits here.
    plain = structlog.wrap_logger(structlog.PrintLogger(), processors=[structlog.processors.KeyValueRenderer()])
    monkeypatch.setattr(carrier_module, "log", plain)
    monkeypatch.setattr(nats_bus, "log", plain)


@pytest.fixture(params=["in-process", "nats"])
def broker(request: pytest.FixtureRequest) -> NatsServer | None:
    """The server of this implementation, if it has one."""
    return request.getfixturevalue("nats_server") if request.param == "nats" else None


@pytest.fixture
async def world(broker: NatsServer | None) -> AsyncIterator[World]:
    made: World
    if broker is not None:
        made = NatsWorld(broker)
        await made.purge()
    else:
        made = InProcessWorld()
    yield made
    await made.close()


nats_only = pytest.mark.parametrize("broker", ["nats"], indirect=True)


@pytest.fixture
async def pair(world: World, tmp_path: Path) -> AsyncIterator[Pair]:
    made = Pair(world, tmp_path)
    await made.start()
    yield made
    await made.stop()


async def arrived(pair: Pair, *message_ids: str) -> None:
    async def all_there() -> bool:
        return set(message_ids) <= set(await pair.received())

    await until_async(all_there)


async def forgotten(pair: Pair, left: int = 0) -> None:
    async def empty() -> bool:
        return await pair.outbox() == left

    await until_async(empty)


def test_the_two_cards_of_these_tests_are_in_different_lanes() -> None:
    assert lane_of(ONE) != lane_of(OTHER)


async def test_order_is_kept_for_each_eid_and_everything_arrives_once(pair: Pair) -> None:
    eids = [f"{number:032d}" for number in range(12)]
    for turn in range(6):
        await asyncio.gather(*(pair.send(f"{eid}-{turn}a", f"{eid}-{turn}b", eid=eid) for eid in eids))
    expected = {eid: [f"{eid}-{turn}{half}" for turn in range(6) for half in "ab"] for eid in eids}
    await arrived(pair, *(name for names in expected.values() for name in names))
    received = await pair.received()
    assert len(received) == 12 * 12
    for eid, names in expected.items():
        assert [name for name in received if name.startswith(eid)] == names
    await forgotten(pair)


async def test_what_is_not_available_is_tried_again_in_order_and_stops_no_other_card(pair: Pair) -> None:
    pair.trouble["slow1"] = [Unavailable("database", retry_after=0.01) for _ in range(3)]
    await pair.send("slow1", "slow2", eid=ONE)
    await pair.send("quick", eid=OTHER)
    await arrived(pair, "slow1", "slow2", "quick")
    received = await pair.received()
    assert received.index("slow1") < received.index("slow2")
    assert received.index("quick") < received.index("slow1")
    assert pair.delivered.count("slow1") == 4
    assert await pair.parked() == 0
    await forgotten(pair)


async def test_a_receiver_that_dies_between_commit_and_acknowledgement_takes_it_once(pair: Pair) -> None:
    async def die(message_id: str) -> None:
        pair.after_commit = None
        await pair.world.crash(pair.receiver, TRANSPORT_SMS)
        raise Unavailable("a dead process", retry_after=0.01)

    pair.after_commit = die
    await pair.send("m1", "m2", "m3")
    await until(lambda: pair.after_commit is None)
    await pair.start_receiver()
    await arrived(pair, "m1", "m2", "m3")
    await until(lambda: pair.delivered.count("m1") >= 2)
    await forgotten(pair)
    assert await pair.received() == ["m1", "m2", "m3"]


async def test_messages_wait_for_a_receiver_that_is_away(pair: Pair) -> None:
    await pair.world.crash(pair.receiver, TRANSPORT_SMS)
    await pair.send("m1", "m2")
    await asyncio.sleep(0.05)
    assert await pair.received() == []
    await pair.start_receiver()
    await arrived(pair, "m1", "m2")
    assert await pair.received() == ["m1", "m2"]


async def test_the_same_identifier_sent_again_is_taken_once(pair: Pair) -> None:
    await pair.send("m")
    await arrived(pair, "m")
    await forgotten(pair)
    await pair.send("m")
    await pair.send("n")
    await arrived(pair, "n")
    await forgotten(pair)
    assert await pair.received() == ["m", "n"]


async def test_poison_is_parked_and_the_card_goes_on(pair: Pair) -> None:
    pair.trouble["poison"] = [PeerError("no such field", field="body")] * 1
    await pair.send("poison", "next")
    await arrived(pair, "next")
    assert pair.delivered.count("poison") == 1
    assert await pair.parked() == 1
    assert await pair.received() == ["next"]
    await pair.release()
    await arrived(pair, "poison")

    async def none_left() -> bool:
        return await pair.parked() == 0

    await until_async(none_left)
    await forgotten(pair)


async def test_a_bug_of_the_receiver_is_tried_several_times_before_parking(pair: Pair) -> None:
    pair.trouble["flaky"] = [KeyError("x")] * (MAX_REFUSALS - 1)
    pair.trouble["broken"] = [KeyError("x")] * MAX_REFUSALS
    await pair.send("flaky", "broken", "next")
    await arrived(pair, "flaky", "next")
    assert await pair.received() == ["flaky", "next"]
    assert pair.delivered.count("flaky") == MAX_REFUSALS
    assert pair.delivered.count("broken") == MAX_REFUSALS
    assert await pair.parked() == 1


async def test_an_unknown_role_is_not_available(world: World) -> None:
    bus = await world.open(SM_SR)
    with pytest.raises(Unavailable):
        await bus.deliver("nobody", message("m", ONE))
    with pytest.raises(Unavailable):
        await bus.call("nobody", SM_SR, message("m", ONE))


# -- calls --------------------------------------------------------------------------------------------------------


def question(deadline: float = 1e11) -> bytes:
    return encode(header("q", ONE, deadline=deadline), crypto.GetPSK(eid=ONE, key_version=0x40, key_id=1))


async def test_a_call_brings_the_answer_and_names_its_caller(world: World) -> None:
    heard: list[tuple[str, bytes]] = []

    async def serve(caller: str, raw: bytes) -> bytes:
        heard.append((caller, raw))
        return b"answer " * 50_000

    await world.listen(await world.open(CRYPTO_SERVER), CRYPTO_SERVER, server=serve)
    asking = await world.open(TRANSPORT_HTTPS)
    answers = await asyncio.gather(*(asking.call(CRYPTO_SERVER, TRANSPORT_HTTPS, question()) for _ in range(10)))
    assert set(answers) == {b"answer " * 50_000}
    assert heard == [(TRANSPORT_HTTPS, question())] * 10


@pytest.mark.parametrize("problem", [Unavailable("the database"), PeerError("not a key", field="eid")])
async def test_the_trouble_of_a_server_is_the_callers(world: World, problem: Exception) -> None:
    async def serve(caller: str, raw: bytes) -> bytes:
        raise problem

    await world.listen(await world.open(CRYPTO_SERVER), CRYPTO_SERVER, server=serve)
    asking = await world.open(SM_SR)
    with pytest.raises(type(problem), match=r"the database|not a key"):
        await asking.call(CRYPTO_SERVER, SM_SR, question())


async def test_a_server_that_is_not_there_is_not_available(world: World) -> None:
    asking = await world.open(SM_SR)
    with pytest.raises(Unavailable):
        await asking.call(CRYPTO_SERVER, SM_SR, question())


@nats_only
async def test_a_silent_server_is_not_available_after_the_deadline(world: World) -> None:
    asked = asyncio.Event()

    async def serve(caller: str, raw: bytes) -> bytes:
        asked.set()
        await asyncio.sleep(60)
        return b""

    await world.listen(await world.open(CRYPTO_SERVER), CRYPTO_SERVER, server=serve)
    asking = await world.open(SM_SR)
    with pytest.raises(Unavailable):
        await asking.call(CRYPTO_SERVER, SM_SR, question(world.clock.now() + 0.3))
    assert asked.is_set()
    with pytest.raises(Unavailable, match="deadline"):
        await asking.call(CRYPTO_SERVER, SM_SR, question(world.clock.now() - 1.0))


@nats_only
@pytest.mark.parametrize(
    ("role", "dest"),
    [(TRANSPORT_SMS, CRYPTO_SERVER), (TRANSPORT_HTTPS, SM_SR), (SM_DP, SM_SR), (SM_SR, SM_DP), (SM_DP, SM_DP)],
)
async def test_a_caller_without_right_is_refused(world: World, role: str, dest: str) -> None:
    bus = await world.open(role)
    with pytest.raises(Refused):
        await bus.call(dest, role, question())


@nats_only
async def test_nobody_calls_in_the_name_of_another(world: World) -> None:
    bus = await world.open(TRANSPORT_HTTPS)
    with pytest.raises(Refused):
        await bus.call(CRYPTO_SERVER, SM_SR, question())


# -- the broker dies ----------------------------------------------------------------------------------------------


@nats_only
async def test_nothing_is_lost_or_doubled_when_the_broker_is_killed(world: World, pair: Pair) -> None:
    assert isinstance(world, NatsWorld)
    names = [f"m{number}" for number in range(60)]
    for place, name in enumerate(names):
        await pair.send(name, eid=f"{place % 6:032d}")
        if place in (20, 40):
            world.server.kill()
            await asyncio.sleep(0.05)
            await world.server.start()
    await arrived(pair, *names)
    await forgotten(pair)
    received = await pair.received()
    assert sorted(received) == sorted(names)
    for lane in range(6):
        mine = [name for place, name in enumerate(names) if place % 6 == lane]
        assert [name for name in received if name in mine] == mine


@nats_only
async def test_calls_work_again_after_the_broker_was_killed(world: World) -> None:
    assert isinstance(world, NatsWorld)

    async def serve(caller: str, raw: bytes) -> bytes:
        return b"answer"

    await world.listen(await world.open(CRYPTO_SERVER), CRYPTO_SERVER, server=serve)
    asking = await world.open(SM_SR)
    world.server.kill()
    await until(lambda: not asking.link.is_up)
    with pytest.raises(Unavailable):
        await asking.call(CRYPTO_SERVER, SM_SR, question(world.clock.now() + 0.2))
    await world.server.start()

    async def answered() -> bool:
        try:
            return bool(await asking.call(CRYPTO_SERVER, SM_SR, question()) == b"answer")
        except Unavailable:
            return False

    await until_async(answered)


@nats_only
async def test_a_connection_that_was_given_up_is_opened_again_and_listens(world: World, pair: Pair) -> None:
    await pair.receiver.link._client.close()  # as the library does when a server has refused it
    await pair.sender.link._client.close()
    await pair.send("m")
    await arrived(pair, "m")
    await forgotten(pair)


@nats_only
async def test_what_is_longer_than_the_broker_takes_is_parked_and_the_card_goes_on(
    world: World, pair: Pair
) -> None:
    """Set up by hand a broker takes 1 MiB: the same octets will never fit, and others wait behind them."""
    pair.sender.link._client._max_payload = 100
    await pair.send("long")
    statement = select(TABLES.outbox.c.parked)

    async def parked() -> bool:
        (reason,) = await pair.store.read(lambda c: c.execute(statement).scalars().all())
        return "max_payload" in reason

    await until_async(parked)
    pair.sender.link._client._max_payload = MAX_PAYLOAD
    await pair.send("next")
    await arrived(pair, "next")
    asking = await world.open(SM_SR)
    asking.link._client._max_payload = 100
    with pytest.raises(PeerError):
        await asking.call(CRYPTO_SERVER, SM_SR, question())
