"""A card moves from the SM-SR of one installation to that of another, over SOAP alone (SGP.02 3.8)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import two_trees
from e2e.two_smsrs import FIRST, SECOND, SECOND_ADDRESS, Second, certify
from ferryman.cli.operator import Operator
from ferryman.contracts import admin, crypto, es4, peers
from ferryman.contracts.message import Body
from ferryman.contracts.peers import POLLED, Peer, PeerKind
from ferryman.sm_sr.settings import SRSettings
from ferryman.soap_gateway.esm.body import decode
from ferryman.soap_gateway.settings import SOAPSettings
from ferryman_sim.smsc.accounts import Account
from parties import Party
from rig import OWNER, PASSWORD, Platform, free_port
from soap_world import Client
from virtual_loop import virtual


async def introduce(operator: Operator, mno: Party, other: Party, oid: str, url: str) -> None:
    """The Operator, and the other SM-SR: added while everything runs, named in no settings."""
    fetched = {"ES4": f"{POLLED}mno"}
    record = Peer(name="mno", kind=PeerKind.OPERATOR, oid=OWNER, certificates=(mno.pem,), endpoints=fetched)
    await operator.gateway(peers.PutPeer(peer=record))
    there = Peer(
        name="other", kind=PeerKind.SM_SR, oid=oid, certificates=(other.pem,), endpoints={"ES7": f"{url}/es7"}
    )
    await operator.gateway(peers.PutPeer(peer=there))


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
    world.smsc.centre.accounts["second"] = Account("second", PASSWORD, (SECOND_ADDRESS,))
    ours, theirs = parties["ours"], parties["sr2"]
    ports = free_port(), free_port()
    soaps = [
        SOAPSettings("127.0.0.1", port, str(party.certificate_file), str(party.key_file))
        for port, party in zip(ports, (ours, theirs), strict=True)
    ]
    first = Platform(
        world, tmp_path / "first", "sms", soap=soaps[0],
        sm_sr=SRSettings(smsr_id=FIRST),
    )  # fmt: skip
    sr2 = SRSettings(smsr_id=SECOND, sms_address=SECOND_ADDRESS)
    second = Second(world, tmp_path / "second", transport="sms", sm_sr=sr2, soap=soaps[1])
    a, b = await first.open(), await second.open()
    await first.set_up(a)
    folder = world.folder
    await b.crypto(crypto.ImportTrustAnchor(pem=(folder / "ci.pem").read_bytes()))
    made = await b.crypto(crypto.MakeSigningKey(role="sr"))
    assert isinstance(made, crypto.SigningKey)
    (folder / "sr.pem").write_bytes(made.public_key_pem)
    certificate = certify(folder, folder / "sr.pem")
    await b.crypto(crypto.ImportCertificate(role="sr", certificate=certificate))
    urls = [f"https://127.0.0.1:{port}" for port in ports]
    await introduce(a, parties["mno"], theirs, SECOND, urls[1])
    await introduce(b, parties["mno"], ours, FIRST, urls[0])
    at_a, at_b = (
        Client(SimpleNamespace(url=url, party=party), parties["mno"], OWNER)  # type: ignore[arg-type]
        for url, party in zip(urls, (ours, theirs), strict=True)
    )
    [eid] = world.eids
    await asyncio.sleep(5.0)  # attached
    prepared = await ask(at_b, es4.ES4PrepareSMSRChange(eid=eid, current_smsr_id=FIRST), SECOND)
    assert prepared.status.ok, prepared
    changed = await ask(at_a, es4.ES4SMSRChange(eid=eid, target_smsr_id=SECOND), FIRST)
    assert isinstance(changed, es4.ES4SMSRChangeResponse)
    assert changed.status.ok, changed
    mine = await a.sm_sr(admin.ListEUICCs(owner=OWNER))
    page = await b.sm_sr(admin.ShowEUICC(owner=OWNER, eid=eid))
    assert isinstance(mine, admin.EUICCPage)
    assert isinstance(page, admin.EUICCPage)
    assert mine.euiccs == ()
    assert page.euiccs[0].smsr_id == SECOND
    await first.close()
    await second.close()
    await world.stop()
