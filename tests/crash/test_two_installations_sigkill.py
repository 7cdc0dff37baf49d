"""Two `ferryman up` trees; either is killed (SIGKILL) when the download reaches a step, and started again."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

import soap_guard
import two_trees
from ferryman.cli.control import ControlClient
from ferryman.cli.operator import Operator
from ferryman.contracts import admin
from ferryman.errors import FerrymanError
from parties import Party
from rig import OWNER
from two_trees import Tree

STEPS = (
    "GetEIS",
    "CreateISDP",
    "EstablishISDPKeySet, certificate",
    "EstablishISDPKeySet, key agreement",
    "SCP03t session",
    "DownloadAndInstallation",
    "ProfileDownloadCompleted",
    "EnableProfile",
)
PATIENCE = 240.0  # seconds of real time for one order with its crash on a busy machine
SOAK = bool(os.environ.get("FERRYMAN_SOAK"))
USUAL = {("a", "SCP03t session"), ("b", "EnableProfile")}
CASES = [(side, step) for side in "ab" for step in STEPS]


async def reached(data: Path, step: str) -> None:
    """Until the order at A shows the step, or has passed it."""
    operator = Operator(ControlClient(data), OWNER)
    later = STEPS[STEPS.index(step) :]
    while True:
        try:
            page = await operator.sm_dp(admin.ListOrders(owner=OWNER))
            assert isinstance(page, admin.OrderPage)
            if any(one.step.startswith(later) or one.state == "done" for one in page.orders):
                return
        except FerrymanError:
            pass
        await asyncio.sleep(0.005)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("side", "step"), CASES)
async def test_killed_at_a_step(tmp_path: Path, parties: dict[str, Party], side: str, step: str) -> None:
    if not SOAK and (side, step) not in USUAL:
        pytest.skip("soak only")
    world = two_trees.prepared(tmp_path / "world")
    await world.start()
    trees = two_trees.make(tmp_path, parties, world, threaded=True)
    a, b = await trees.open_both()
    await trees.set_up(a, b)
    await trees.a.close()
    await trees.b.close()
    processes = {"a": Tree(trees.a), "b": Tree(trees.b)}
    try:
        for tree in processes.values():
            await tree.start()
        [eid] = world.eids
        await trees.order(eid)
        async with asyncio.timeout(PATIENCE):
            await reached(trees.a.data, step)
        await processes[side].kill()
        await processes[side].start()
        status, iccid = await trees.result(PATIENCE)
        assert status.ok, status
        assert world.status(eid)["authenticated"]
        operator = Operator(ControlClient(trees.b.data), OWNER)
        page = await operator.sm_sr(admin.ShowEUICC(owner=OWNER, eid=eid))
        assert isinstance(page, admin.EUICCPage)
        assert {one.iccid: one.state.value for one in page.euiccs[0].profiles}[iccid] == "Enabled"
        assert len(page.euiccs[0].profiles) == 2  # with the one it came with; nothing is left over
        for tree in (trees.a, trees.b):
            assert soap_guard.messages(tree.data) > 0  # valid, all of them
    finally:
        for tree in processes.values():
            await tree.kill()
        await world.stop()
