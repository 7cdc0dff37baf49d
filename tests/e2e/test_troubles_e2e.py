"""Bad networks, broken links, power cuts and restarts in the middle of an order (SGP.02 2.4.3, 2.4.4, 3.8)."""

from __future__ import annotations

import pytest

from e2e import checks
from e2e.bench import Bench, bench
from ferryman.contracts.status import Status
from ferryman.sm_dp.records import DPSettings
from ferryman.sm_sr.records import SRSettings
from ferryman_sim.smsc.faults import Faults
from rig import World
from virtual_loop import virtual

BOTH = pytest.mark.parametrize("transport", ["sms", "https"])


def sms_faults(world: World, faults: Faults) -> None:
    world.smsc.centre.mt.faults = world.smsc.centre.mo.faults = faults


async def enabled(b: Bench, *eids: str) -> None:
    for eid in eids or (b.eid,):
        card = await checks.eis(b, eid)
        assert card.enabled is not None
        assert not card.enabled.fallback


@pytest.mark.parametrize(
    "faults",
    [
        Faults(loss=0.12),
        Faults(repeat=1.0),
        Faults(reorder=0.6, reorder_seconds=3.0),
        Faults(delay=0.6, delay_seconds=25.0),
        Faults(loss=0.1, repeat=0.2, reorder=0.2, delay=0.2),
    ],
    ids=["loss", "repeat", "reorder", "delay", "all"],
)
@BOTH
@virtual
async def test_bad_sms_network(transport: str, faults: Faults) -> None:
    # A packet of nine messages gets through a loss of 12 % once in three times: patience is what this takes.
    async with bench(transport, dp=DPSettings(session_attempts=8)) as b:
        sms_faults(b.world, faults)
        view, status = await b.run_order(validity=80_000.0)
        sms_faults(b.world, Faults())
        await b.sleep(600.0)
        await checks.everything(b, view)
        assert status.ok, status
        await enabled(b)


@virtual
async def test_twenty_cards_in_a_bad_network() -> None:
    # Nine messages a packet and one in ten lost: an attempt succeeds two times in five, so more are made.
    async with bench(count=20, dp=DPSettings(session_attempts=20), sr=SRSettings(sms_attempts=6)) as b:
        sms_faults(b.world, Faults(loss=0.10, repeat=0.05, reorder=0.20))
        placed = [await b.order(eid, validity=80_000.0) for eid in b.eids]
        ended = [await b.ended(view) for view in placed]
        sms_faults(b.world, Faults())
        await b.sleep(1500.0)
        await checks.everything(b, *(view for view, _ in ended))
        undone = [(view.eid, status) for view, status in ended if not status.ok]
        assert not undone, undone
        await enabled(b, *b.eids)


@BOTH
@pytest.mark.parametrize("direction", ["drop_mt", "drop_mo"])
@virtual
async def test_first_messages_of_an_order_are_lost(transport: str, direction: str) -> None:
    async with bench(transport) as b:
        await b.fault(**{direction: 2})
        view, status = await b.run_order()
        await checks.everything(b, view)
        assert status.status is Status.SUCCESS


@pytest.mark.parametrize("scripts", [1, 2, 3, 5])
@virtual
async def test_https_link_breaks_after_every_few_scripts(scripts: int) -> None:
    """The card resumes where it was (X-Admin-Resume): no command twice, the order as if nothing had been."""
    async with bench("https") as b:
        await b.fault(break_after_scripts=scripts)
        view, status = await b.run_order()
        await b.fault(break_after_scripts=None)
        await b.sleep(400.0)
        await checks.everything(b, view)
        assert status.ok, status
        assert b.log().count("CreateISDP") == 1
        await enabled(b)


@pytest.mark.parametrize(
    ("transport", "step"),
    [*(("sms", step) for step in range(1, 24, 6)), *(("https", step) for step in range(0, 22, 6))],
)
@virtual
async def test_power_cut_at_a_step_of_the_card(transport: str, step: int) -> None:
    """The card loses its power, its RAM and its session; the order ends well or is undone, nothing in between."""
    async with bench(transport) as b:
        await b.fault(power_cut=step)
        view, status = await b.run_order()
        await b.sleep(1500.0)
        await checks.everything(b, view)
        card = await checks.eis(b, b.eid)
        if status.status is Status.SUCCESS:
            await enabled(b)
        elif not status.ok:
            assert len(card.profiles) == 1


@BOTH
@virtual
async def test_power_cut_while_it_waits_for_the_confirmation(transport: str) -> None:
    async with bench(transport) as b:
        await b.fault(drop_confirmations=1, power_cut="attached")
        view, status = await b.run_order()
        await b.sleep(1500.0)
        await checks.everything(b, view)
        assert status.ok
        if status.status is Status.SUCCESS:
            await enabled(b)


@BOTH
@virtual
async def test_smsc_is_away_at_the_start(transport: str) -> None:
    async with bench(transport) as b:
        await b.smsc_down()
        placed = await b.order()
        await b.sleep(100.0)
        await b.smsc_up()
        view, status = await b.ended(placed)
        await checks.everything(b, view)
        assert status.status is Status.SUCCESS


@BOTH
@virtual
async def test_smpp_link_is_cut_in_the_middle(transport: str) -> None:
    async with bench(transport) as b:
        cuts = []

        def cut(names: list[str]) -> None:
            if "CreateISDP" in names or "EnableProfile" in names:
                cuts.extend(list(b.world.smsc._esmes))
                for connection in list(b.world.smsc._esmes):
                    connection.close()

        b.on_script(cut)
        view, status = await b.run_order()
        await checks.everything(b, view)
        assert cuts
        assert status.status is Status.SUCCESS


@pytest.mark.parametrize("command", ["CreateISDP", "StoreCertificate", "SCP03t Segment", "EnableProfile"])
@BOTH
@virtual
async def test_installation_is_restarted_in_the_middle(transport: str, command: str) -> None:
    async with bench(transport) as b:
        seen: list[str] = []
        b.on_script(lambda names: seen.extend(names))
        placed = await b.order()
        await b.until(lambda: any(name.startswith(command) for name in seen))
        await b.restart()
        view, status = await b.ended(placed)
        await b.sleep(400.0)
        await checks.everything(b, view)
        assert status.ok
        await enabled(b)
