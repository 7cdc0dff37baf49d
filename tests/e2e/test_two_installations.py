"""The SM-DP of one installation downloads through the SM-SR of another, over SOAP and mutual TLS (SGP.02 3.1)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

import two_trees
from ferryman.codec import isdr
from ferryman.contracts import admin, es2_calls
from ferryman.contracts.status import SUCCESS
from parties import Party
from rig import OWNER, World
from rough_line import KINDS, line
from virtual_loop import virtual


async def world_at(folder: Path) -> World:
    world = two_trees.prepared(folder)
    await world.start()
    return world


@virtual
async def test_a_download_through_a_foreign_sm_sr(tmp_path: Path, parties: dict[str, Party]) -> None:
    world = await world_at(tmp_path / "world")
    trees = two_trees.make(tmp_path, parties, world)
    a, b = await trees.open_both()
    await trees.set_up(a, b)
    [eid] = world.eids
    await trees.order(eid)
    status, iccid = await trees.result(3_600.0)
    assert status.ok, status
    assert world.status(eid)["authenticated"]
    page = await b.sm_sr(admin.ShowEUICC(owner=OWNER, eid=eid))
    assert isinstance(page, admin.EUICCPage)
    states = {profile.iccid: (profile.state.value, profile.smdp_id) for profile in page.euiccs[0].profiles}
    assert states[iccid] == ("Enabled", two_trees.A_DP)
    # A's own SM-SR has never heard of the card.
    mine = await a.sm_sr(admin.ListEUICCs(owner=OWNER))
    assert isinstance(mine, admin.EUICCPage)
    assert mine.euiccs == ()
    # Behind the download: connectivity parameters (3.14), with the keys that A has and the session that B carries.
    parameters = isdr.connectivity_parameters("+33609876543")
    call = es2_calls.UpdateConnectivityParameters(
        eid=eid, smsr_id=two_trees.B_SR, iccid=iccid, parameters=parameters
    )
    view = await a.sm_dp(es2_calls.StartES2(owner=OWNER, call=call, validity=3_600.0))
    while isinstance(view, es2_calls.ES2View) and view.state == "running":
        await asyncio.sleep(1.0)
        view = await a.sm_dp(es2_calls.ShowES2(owner=OWNER, call_id=view.call_id))
    assert isinstance(view, es2_calls.ES2View)
    assert view.status == SUCCESS
    assert world.terminal.devices[eid].card.smsc() == "+33609876543"
    await trees.a.close()
    await trees.b.close()
    await world.stop()


@pytest.mark.parametrize("side", ["a", "b"])
@virtual
async def test_an_installation_is_away_for_a_while(tmp_path: Path, parties: dict[str, Party], side: str) -> None:
    """Stopped in the middle of the download and started again a minute later: the other one goes on trying."""
    world = await world_at(tmp_path / "world")
    trees = two_trees.make(tmp_path, parties, world)
    a, b = await trees.open_both()
    await trees.set_up(a, b)
    [eid] = world.eids
    await trees.order(eid)
    stopped = trees.a if side == "a" else trees.b
    for _ in range(3):
        await asyncio.sleep(0.4)
        await stopped.close()
        await asyncio.sleep(60.0)
        await stopped.open()
    status, _ = await trees.result(7_200.0)
    assert status.ok, status
    assert world.status(eid)["authenticated"]
    await trees.a.close()
    await trees.b.close()
    await world.stop()


@virtual
async def test_every_kind_of_fault_strikes_the_lines_between_them(
    tmp_path: Path, parties: dict[str, Party]
) -> None:
    """Records dropped, delayed, repeated, reordered on the port of each gateway: a download, each effect once."""
    world = await world_at(tmp_path / "world")
    trees = two_trees.make(tmp_path, parties, world)
    straight = trees.ports
    async with (
        line("SOAP of A", "tls", straight[0], "between them") as to_a,
        line("SOAP of B", "tls", straight[1], "between them") as to_b,
    ):
        trees.ports = (to_a.proxy.port, to_b.proxy.port)  # as they know each other; the Operator's way is straight
        for tree, port in zip((trees.a, trees.b), trees.ports, strict=True):
            assert tree.soap is not None
            tree.soap = replace(tree.soap, public_url=f"https://127.0.0.1:{port}")
        a, b = await trees.open_both()
        await trees.set_up(a, b)
        trees.ports = straight
        for one in (to_a, to_b):
            one.roughen()
        [eid] = world.eids
        await trees.order(eid)
        status, iccid = await trees.result(40_000.0)
        assert status.ok, status
        assert world.status(eid)["authenticated"]
        for one in (to_a, to_b):
            assert one.kinds == set(KINDS), (one.name, one.counts)
        commands = [entry["command"].split()[0] for entry in world.terminal.devices[eid].card.log]
        assert commands.count("EnableProfile") == 1
        page = await b.sm_sr(admin.ShowEUICC(owner=OWNER, eid=eid))
        assert isinstance(page, admin.EUICCPage)
        assert [p.iccid for p in page.euiccs[0].profiles if p.state.value == "Enabled"] == [iccid]
        await trees.a.close()
        await trees.b.close()
    await world.stop()
