"""The whole life of a profile by zeep over mutual TLS, with a real installation and a simulated card behind it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from lxml import etree

from esm_samples import RPS
from ferryman.contracts import peers
from ferryman.contracts.message import Body
from ferryman.contracts.peers import Peer, PeerKind
from ferryman.soap_gateway.esm.body import decode
from moving_card import FIRST, SECOND, Move
from parties import Party
from rig import OWNER, World
from soap_world import DP, EUM, SR, Receiver
from zeep_client import ZeepPeer

PATIENCE = 90.0  # seconds of real time for one change of a card on a busy machine


class Life:
    """An Operator and a card maker with zeep at one gateway, and what the Operator was told."""

    def __init__(self, url: str, parties: dict[str, Party], receiver: Receiver) -> None:
        self.receiver = receiver
        self.mno = ZeepPeer(url, parties["mno"], receiver.gateway, OWNER, reply_to=receiver.url("/back"))
        self.eum = ZeepPeer(url, parties["eum"], receiver.gateway, EUM)
        self.seen = 0

    async def ask(self, function: str, provider: str = SR, **values: Any) -> Any:
        return await asyncio.to_thread(self.mno.call, function, provider, **values)

    async def later(self, function: str, provider: str = SR, **values: Any) -> Any:
        """Call an asynchronous function and wait for its callback."""
        assert await self.ask(function, provider, **values) is None
        name = f"{function.replace('.', '-')}Response"
        async with asyncio.timeout(PATIENCE):
            while True:
                found = self.receiver.got[self.seen :]
                self.seen += len(found)
                for message in found:
                    if str(message.body.tag).endswith(name):
                        body: Body = decode(message.body).body
                        return body
                await asyncio.sleep(0.05)

    def close(self) -> None:
        self.mno.close()
        self.eum.close()


async def test_a_whole_life(tmp_path: Path, parties: dict[str, Party]) -> None:
    """From RegisterEIS to the change of the SM-SR, which needs a second installation."""
    folder = tmp_path / "world"
    folder.mkdir()
    world = World(folder, seed="zeep")
    world.prepare()
    await world.start()
    move = Move.make(tmp_path, world, parties, threaded=True, transport="https")
    a, b = await move.first.open(), await move.second.open()
    receivers = {name: Receiver(parties["mno"], move.party(name)) for name in (FIRST, SECOND)}
    for receiver in receivers.values():
        await receiver.start()
    try:
        at_first = {name: receivers[FIRST].url(f"/{name.lower()}") for name in ("ES2", "ES4")}
        await move.set_up(a, b, at_first, cards=False)
        eum = world.batch["eum"]["oid"]
        record = Peer(name="eum", kind=PeerKind.EUM, oid=eum, certificates=(parties["eum"].pem,))
        await a.gateway(peers.PutPeer(peer=record))
        at_second = {"ES4": receivers[SECOND].url("/es4")}
        mno = Peer(
            name="mno", kind=PeerKind.OPERATOR, oid=OWNER, certificates=(parties["mno"].pem,), endpoints=at_second
        )
        await b.gateway(peers.PutPeer(peer=mno))
        life = Life(move.url(FIRST), parties, receivers[FIRST])
        life.eum.oid = eum
        await _live(life, world)
        other = Life(move.url(SECOND), parties, receivers[SECOND])
        await _change_the_sm_sr(life, other, world)
        life.close()
        other.close()
    finally:
        await move.first.close()
        await move.second.close()
        await world.stop()
        for receiver in receivers.values():
            await receiver.stop()


async def _change_the_sm_sr(life: Life, other: Life, world: World) -> None:
    """3.8: prepared at the new one, asked of the current one; then the new one alone manages the eUICC."""
    [eid] = world.eids
    unprepared = await life.later("ES4.SMSRChange", **{"Eid": eid, "Target-Smsr-id": SECOND})
    assert not unprepared.status.ok
    prepared = await other.later("ES4.PrepareSMSRChange", SECOND, Eid=eid, CurrentSMSRid=FIRST)
    assert prepared.status.ok, prepared
    changed = await life.later("ES4.SMSRChange", **{"Eid": eid, "Target-Smsr-id": SECOND})
    assert changed.status.ok, changed
    gone = await life.ask("ES4.GetEIS", Eid=eid)
    data = gone["FunctionExecutionStatus"]["StatusCodeData"]
    assert (data["Subject"], data["Reason"]) == ("8.1.1", "3.9")
    shown = await other.ask("ES4.GetEIS", SECOND, Eid=eid)
    assert shown["Eis"]["Smsr-id"] == SECOND
    told = [str(found.body.tag) for found in other.receiver.got]
    assert f"{{{RPS}}}ES4-HandleSMSRChangeNotification" in told
    audited = await other.later("ES4.AuditEIS", SECOND, Eid=eid)  # the card obeys its keys
    assert audited.status.ok, audited


async def _live(life: Life, world: World) -> None:
    [eid] = world.eids
    delivery = etree.parse(str(world.folder / "eis.xml"))
    document = etree.tostring(delivery.find(f".//{{{RPS}}}Eis"), method="c14n", exclusive=True)
    eis = await asyncio.to_thread(life.eum.eis, document)
    registered = await asyncio.to_thread(life.eum.call, "ES1.RegisterEIS", SR, Eis=eis)
    assert registered["FunctionExecutionStatus"]["Status"] == "EXECUTED_SUCCESS", registered

    order = {"Eid": eid, "SmSr-id": SR, "ProfileType": "demo", "EnableProfile": False}
    loaded = await life.later("ES2.DownloadProfile", DP, **order)
    assert loaded.status.ok, loaded
    profile = {"Eid": eid, "Iccid": loaded.iccid}

    shown = await life.ask("ES4.GetEIS", Eid=eid)
    states = {one["Iccid"]: one["State"] for one in shown["Eis"]["ProfileInfo"]}
    assert states[loaded.iccid] == "Disabled"
    enabled = await life.later("ES4.EnableProfile", **profile)
    assert enabled.status.ok, enabled
    assert world.status(eid)["authenticated"]

    audited = await life.later("ES4.AuditEIS", Eid=eid)
    assert audited.status.ok, audited
    assert {one.iccid: one.state.value for one in audited.eis.profiles}[loaded.iccid] == "Enabled"

    rules = {"Rule": [{"Subject": "PROFILE", "Action": "DISABLE", "Qualification": "Not-Allowed"}]}
    changed = await life.ask("ES4.UpdatePolicyRules", **profile, pol2=rules)
    assert changed["FunctionExecutionStatus"]["Status"] == "EXECUTED_SUCCESS"
    refused = await life.later("ES4.DisableProfile", **profile)
    assert refused.status.code == "8.2.3/3.8"
    lifted = await life.ask("ES2.UpdatePolicyRules", DP, **profile, **{"Smsr-id": SR}, pol2={"Rule": []})
    assert lifted["FunctionExecutionStatus"]["Status"] == "EXECUTED_SUCCESS", lifted

    disabled = await life.later("ES2.DisableProfile", DP, **profile, **{"Smsr-id": SR})
    assert disabled.status.ok, disabled
    deleted = await life.later("ES4.DeleteProfile", **profile)
    assert deleted.status.ok, deleted
    after = await life.ask("ES2.GetEIS", DP, Eid=eid, **{"Smsr-id": SR})
    assert after["FunctionExecutionStatus"]["Status"] == "EXECUTED_SUCCESS"
    assert loaded.iccid not in {one["Iccid"] for one in after["Eis"]["ProfileInfo"]}
    unknown = await life.later("ES4.EnableProfile", **profile)
    assert unknown.status.code == "8.2.1/3.9"
