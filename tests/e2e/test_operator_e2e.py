"""The operator changes POL1 and connectivity parameters over keys of its own (SGP.02 3.12, 3.13)."""

from __future__ import annotations

import pytest

from e2e import checks
from e2e.bench import Bench, bench
from ferryman_sim.mno.platform import MNOError
from ferryman_sim.smsc.faults import Faults
from virtual_loop import virtual


def on_card(b: Bench, iccid: str) -> dict[str, object]:
    (found,) = [profile for profile in b.device().card.profiles() if profile["iccid"] == iccid]
    return found


@pytest.mark.parametrize(("personality", "tag"), [("reference", 0x81), ("recorded", 0x81), ("strict", 0x84)])
@virtual
async def test_updates_of_the_enabled_profile(personality: str, tag: int) -> None:
    async with bench(options=("--personality", personality)) as b:
        view, status = await b.run_order()
        assert status.ok
        operator = await b.world.operator_ota(pol1_tag=tag)
        assert await operator.update_pol1(view.iccid, 0x05) == 0x9000
        assert await operator.update_connectivity(view.iccid, "+33609876543") == 0x9000
        assert await operator.update_pol1(view.iccid, 0x08) == 0x6A80, "no such rule"
        assert on_card(b, view.iccid)["pol1"] == 0x05
        assert b.device().card.smsc() == "+33609876543"
        await checks.everything(b, view)
        await operator.stop()


@virtual
async def test_updates_in_a_bad_network() -> None:
    async with bench() as b:
        iccid = b.world.batch["cards"][0]["iccid"]
        operator = await b.world.operator_ota()
        b.world.smsc.centre.mt.faults = b.world.smsc.centre.mo.faults = Faults(loss=0.3, repeat=0.3, reorder=0.3)
        for pol1 in (1, 2, 3, 4, 0):
            assert await operator.update_pol1(iccid, pol1) == 0x9000
            assert on_card(b, iccid)["pol1"] == pol1
        await operator.stop()


@virtual
async def test_a_profile_that_is_not_enabled_does_not_hear_the_operator() -> None:
    async with bench(options=("--spares", "1")) as b:
        (spare,) = b.world.batch["cards"][0]["spares"]
        operator = await b.world.operator_ota(attempts=2)
        with pytest.raises(MNOError, match="no answer"):
            await operator.update_pol1(spare, 1)
        assert on_card(b, spare)["pol1"] == 0
        await operator.stop()
