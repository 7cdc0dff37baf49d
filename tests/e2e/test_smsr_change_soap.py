"""A card moves from the SM-SR of one installation to that of another, over SOAP alone (SGP.02 3.8)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import two_trees
from ferryman.contracts import admin, es4
from ferryman.contracts.message import Body
from ferryman.contracts.peers import POLLED
from ferryman.soap_gateway.esm.body import decode
from moving_card import FIRST, SECOND, Move
from parties import Party
from rig import OWNER
from soap_world import Client
from virtual_loop import virtual


async def ask(client: Client, body: Body, to: str) -> Any:
    """Call and fetch the answer."""
    response = await client.send(
        body, reply_to=f"{POLLED}mno", validity=30_000, to=f"{client.gateway.url}/es4?EntityId={to}", to_id=to
    )
    assert response.status == 202, response
    for number in range(100_000):
        found = await client.poll("mno", number, to)
        if found.status == 200:
            return decode(found.envelope.body).body
        await asyncio.sleep(5.0)
    raise AssertionError("no answer")


@virtual
async def test_the_card_moves(tmp_path: Path, parties: dict[str, Party]) -> None:
    world = two_trees.prepared(tmp_path / "world")
    await world.start()
    move = Move.make(tmp_path, world, parties)
    a, b = await move.first.open(), await move.second.open()
    await move.set_up(a, b)
    [eid] = world.eids
    await asyncio.sleep(5.0)  # attached
    prepared = await ask(move.client(SECOND), es4.ES4PrepareSMSRChange(eid=eid, current_smsr_id=FIRST), SECOND)
    assert prepared.status.ok, prepared
    changed = await ask(move.client(FIRST), es4.ES4SMSRChange(eid=eid, target_smsr_id=SECOND), FIRST)
    assert isinstance(changed, es4.ES4SMSRChangeResponse)
    assert changed.status.ok, changed
    mine = await a.sm_sr(admin.ListEUICCs(owner=OWNER))
    page = await b.sm_sr(admin.ShowEUICC(owner=OWNER, eid=eid))
    assert isinstance(mine, admin.EUICCPage)
    assert isinstance(page, admin.EUICCPage)
    assert mine.euiccs == ()
    assert page.euiccs[0].smsr_id == SECOND
    await move.first.close()
    await move.second.close()
    await world.stop()
