"""Each notification of a card again, at each moment: EIS and card stay one, owners hear once (SGP.02 4.1.1.11).

On cards with sequence numbers and on cards without: there the first change to a profile and the second are told in
the same octets, and only the card can say which it was.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from typing import Any

import pytest

from e2e import checks
from e2e.bench import Bench, bench
from ferryman.contracts import es3
from ferryman.contracts.message import Header, decode, encode
from ferryman.contracts.roles import SM_SR
from ferryman.contracts.status import ExecutionStatus, Status
from ferryman_sim.smsc.messages import ShortMessage
from live_scene import COMMAND, Wire
from personality import CHOICE
from rig import START
from virtual_loop import virtual

CARDS = pytest.mark.parametrize("card", ["reference", "recorded"])
SOAK = os.environ.get("FERRYMAN_SOAK") == "1"
MOMENTS = ("called", "carried out", "attached")
BOTH_OWNERS = 2  # notices of one change: to the owner of the one profile and to that of the other
LONG = 2_000.0  # s until the card, and whoever asks it, has come to rest


class Tape:
    """What the card has told, by type, and the way to tell it again."""

    def __init__(self, b: Bench) -> None:
        self._b = b
        self.told: list[ShortMessage] = []
        self.on = True
        self._wire = Wire(b, self._hear)  # type: ignore[arg-type]
        self._calls = 0
        self._answers: dict[str, ExecutionStatus] = {}
        b.platform.installation.bus.register("tester", self._answer)

    def _hear(self, message: ShortMessage) -> list[ShortMessage]:
        if self.on and message.ud.startswith(COMMAND) and all(message.ud != one.ud for one in self.told):
            self.told.append(message)
        return [message]

    def play(self, message: ShortMessage) -> None:
        """The SMSC delivers it once more."""
        self._wire._put(self._b.world.status(self._b.eid)["msisdn"], self._wire.renamed(message))

    async def _answer(self, raw: bytes) -> None:
        header, body = decode(raw, es3.RESPONSE_CODEC)
        self._answers[header.function_call_id] = body.status  # type: ignore[attr-defined]

    async def call(self, kind: type[Any], iccid: str, *, validity: float = 3_600.0) -> str:
        """ES3.EnableProfile or DisableProfile in the name of our SM-DP."""
        b = self._b
        self._calls += 1
        header = Header(
            message_id=f"tester/{self._calls}",
            sender="tester",
            requester=b.platform.sm_dp.smdp_id,
            function_call_id=f"change-{self._calls}",
            deadline=START + asyncio.get_running_loop().time() + validity,
            eid=b.eid,
        )
        await b.platform.installation.bus.deliver(SM_SR, encode(header, kind(eid=b.eid, iccid=iccid)))
        return header.function_call_id

    async def ended(self, call: str) -> ExecutionStatus:
        while call not in self._answers:
            await asyncio.sleep(5.0)
        await asyncio.sleep(60.0)
        return self._answers[call]

    async def change(self, kind: type[Any], iccid: str) -> None:
        status = await self.ended(await self.call(kind, iccid))
        assert status.ok, status


async def agree(b: Bench, iccid: str) -> None:
    """EIS and card have this one enabled, and say the same of all."""
    await checks.card_agrees(b, b.eid)
    card = await checks.eis(b, b.eid)
    assert card.enabled is not None
    assert card.enabled.iccid == iccid


async def owners(b: Bench) -> int:
    """Times that somebody was told of an enabled or disabled profile, or could not be."""
    names = ("HandleProfileEnabledNotification", "HandleProfileDisabledNotification")
    return sum(action in names for action, _, _ in await b.audits())


async def lived(b: Bench, tape: Tape) -> tuple[str, str]:
    """A life with all that a card tells: declared, changed, fallen back, rolled back, changed again."""
    view, status = await b.run_order()
    assert status.ok, status
    bootstrap = next(p.iccid for p in (await checks.eis(b, b.eid)).profiles if p.fallback)
    await b.fault(lose_connectivity=True)
    await b.sleep(600.0)
    await agree(b, bootstrap)
    await b.fault(no_network_after_enable=True)
    failed = await tape.ended(await tape.call(es3.ES3EnableProfile, view.iccid))
    assert failed.status is Status.FAILED, failed
    await agree(b, bootstrap)
    await b.fault(no_network_after_enable=False)
    await tape.change(es3.ES3EnableProfile, view.iccid)
    await agree(b, view.iccid)
    tape.on = False
    assert len(tape.told) == (4 if b.device().card.dump()["quirks"].get("notification_sequence_zero") else 5)
    return view.iccid, bootstrap


def world(card: str, **changes: Any) -> Any:
    return bench("sms", options=(CHOICE, card), settle=0.0, **changes)


@CARDS
@virtual
async def test_when_nothing_goes_on_and_after_a_later_change_back(card: str) -> None:
    """One after the other, and all at once."""
    async with world(card) as b:
        tape = Tape(b)
        profile, bootstrap = await lived(b, tape)
        for enabled in (profile, bootstrap):
            told = await owners(b)
            for message in tape.told:
                tape.play(message)
                await b.sleep(400.0)
                await agree(b, enabled)
            for message in [*tape.told, *tape.told]:
                tape.play(message)
            await b.sleep(LONG)
            await agree(b, enabled)
            assert await owners(b) == told, "no owner hears of a replay"
            if enabled == profile:
                await tape.change(es3.ES3DisableProfile, profile)
        await checks.nothing_left(b)


@pytest.mark.parametrize(
    "moments",
    [MOMENTS, *(pytest.param((one,), marks=pytest.mark.skipif(not SOAK, reason="soak only")) for one in MOMENTS)],
    ids=["in turn", *MOMENTS],
)
@CARDS
@virtual
async def test_while_a_change_goes_on(card: str, moments: tuple[str, ...]) -> None:
    """Before the card has the command, as soon as it has it, and just before it notifies: the change succeeds."""
    async with world(card) as b:
        tape = Tape(b)
        profile, bootstrap = await lived(b, tape)
        waiting: list[ShortMessage] = []
        turns = itertools.cycle(moments)
        moment = ""

        def strike(names: list[str]) -> None:
            if waiting and ("EnableProfile" in names or "DisableProfile" in names):
                message, delay = waiting.pop(), 0.0 if moment == "carried out" else 1.0
                asyncio.get_running_loop().call_later(delay, tape.play, message)

        b.on_script(strike)
        await tape.change(es3.ES3DisableProfile, profile)
        for message in tape.told:
            for kind, enabled in ((es3.ES3EnableProfile, profile), (es3.ES3DisableProfile, bootstrap)):
                told, moment = await owners(b), next(turns)
                waiting[:] = [message] if moment != "called" else []
                call = await tape.call(kind, profile)
                if moment == "called":
                    tape.play(message)
                status = await tape.ended(call)
                assert status.ok, (message.ud.hex(), kind, status)
                assert not waiting
                await agree(b, enabled)
                assert await owners(b) - told == BOTH_OWNERS
        await b.sleep(LONG)
        await agree(b, bootstrap)


@pytest.mark.parametrize(
    "card", ["recorded", pytest.param("reference", marks=pytest.mark.skipif(not SOAK, reason="soak only"))]
)
@virtual
async def test_a_change_that_failed_and_one_whose_call_is_over(card: str) -> None:
    """Somebody says that the profile gives connectivity: the caller hears that it does not. The card changes when
    the call is over, and nobody confirms that: no replay may make us do it either."""
    async with world(card) as b:
        tape = Tape(b)
        profile, bootstrap = await lived(b, tape)
        await tape.change(es3.ES3DisableProfile, profile)
        for message in tape.told:
            told = await owners(b)
            await b.fault(no_network_after_enable=True)
            call = await tape.call(es3.ES3EnableProfile, profile)
            for _ in range(5):
                await b.sleep(7.0)
                tape.play(message)
            status = await tape.ended(call)
            assert status.status is Status.FAILED, (message.ud.hex(), status)
            await b.fault(no_network_after_enable=False)
            b.device().faults.drop_mo = 1_000
            status = await tape.ended(await tape.call(es3.ES3EnableProfile, profile, validity=40.0))
            assert status.status is Status.EXPIRED, (message.ud.hex(), status)
            tape.play(message)
            b.device().faults.drop_mo = 0
            await b.sleep(LONG)
            await agree(b, bootstrap)
            assert await owners(b) == told
