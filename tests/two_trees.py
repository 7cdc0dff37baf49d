"""Two installations: the SM-DP of A has the order, the SM-SR of B has the card; they meet over SOAP alone."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import soap_guard
from ferryman.cli.operator import Operator
from ferryman.contracts import admin, crypto, es2, peers
from ferryman.contracts.peers import POLLED, Peer, PeerKind
from ferryman.contracts.status import ExecutionStatus
from ferryman.sm_dp.records import DPSettings
from ferryman.sm_sr.settings import SRSettings
from ferryman.soap_gateway.esm.body import decode
from ferryman.soap_gateway.settings import SOAPSettings
from ferryman.transport_sms.settings import SMPPSettings
from parties import Party
from rig import OWNER, Platform, World, free_port
from soap_world import Client

KEPT = (
    "operators",
    "smsr_peers",
    "sms_address",
    "sms_answer_timeout",
    "handover_timeout",
)  # of an SM-SR's settings
A_DP, A_SR, B_DP, B_SR = (f"1.3.6.1.4.1.99999.{number}" for number in (10, 20, 11, 21))


@dataclass
class Trees:
    """World, both installations, and the Operator's SOAP client at A."""

    world: World
    a: Platform
    b: Platform
    parties: dict[str, Party]
    ports: tuple[int, int]

    @property
    def operator(self) -> Client:
        """The Operator, over SOAP, at A."""
        gateway: Any = SimpleNamespace(url=f"https://127.0.0.1:{self.ports[0]}", party=self.parties["ours"])
        return Client(gateway, self.parties["mno"], OWNER)

    async def open_both(self) -> tuple[Operator, Operator]:
        return await self.a.open(), await self.b.open()

    async def introduce(self, a: Operator, b: Operator) -> None:
        """Each knows the other, as records."""
        ours, theirs, mno = self.parties["ours"], self.parties["sr2"], self.parties["mno"]
        at_a, at_b = (f"https://127.0.0.1:{port}" for port in self.ports)
        interfaces = ("ES3", "ES7")
        there = {name: f"{at_b}/{name.lower()}" for name in interfaces}
        here = {name: f"{at_a}/{name.lower()}" for name in interfaces}
        for operator, name, kind, oid, party, endpoints in (
            (a, "mno", PeerKind.OPERATOR, OWNER, mno, {}),
            (a, "b", PeerKind.SM_SR, B_SR, theirs, there),
            (b, "a-dp", PeerKind.SM_DP, A_DP, ours, here),
            (b, "a-sr", PeerKind.SM_SR, A_SR, ours, here),
        ):
            record = Peer(name=name, kind=kind, oid=oid, certificates=(party.pem,), endpoints=endpoints)
            await operator.gateway(peers.PutPeer(peer=record))

    async def set_up(self, a: Operator, b: Operator) -> None:
        """A: trust, certificate, template, subscriptions. B: trust, transport key, cards."""
        await self.a.set_up(a, cards=False)
        folder = self.world.folder
        await b.crypto(crypto.ImportTrustAnchor(pem=(folder / "ci.pem").read_bytes()))
        key = bytes.fromhex((folder / "transport-key.hex").read_text().strip())
        await b.crypto(crypto.ImportTransportKey(eum_id=self.world.batch["eum"]["oid"], key=key))
        await self.b.tell_types(b)
        await b.sm_sr(admin.RegisterEIS(xml=(folder / "eis.xml").read_bytes()))
        await self.introduce(a, b)

    async def order(self, eid: str, *, enable: bool = True, call_id: str = "order-1") -> None:
        """ES2.DownloadProfile, to be answered by polling; placed again until it is taken."""
        body = es2.ES2DownloadProfile(eid=eid, smsr_id=B_SR, profile_type="demo", enable=enable)
        client = self.operator
        octets = client.compose(body, call_id=call_id, reply_to=f"{POLLED}mno", validity=7_200)
        while True:
            try:
                if (await client.post(octets, path="/es2")).status == 202:
                    return
            except OSError:
                pass
            await asyncio.sleep(1.0)

    async def result(self, patience: float) -> tuple[ExecutionStatus, str]:
        """Status and ICCID of the answer to the order."""
        number = 0
        async with asyncio.timeout(patience):
            while True:
                number += 1
                try:
                    found = await self.operator.poll("mno", number)
                    if found.status == 200:
                        body = decode(found.envelope.body).body
                        assert isinstance(body, es2.ES2DownloadProfileResponse)
                        return body.status, body.iccid
                except OSError:
                    pass
                await asyncio.sleep(0.5)


def prepared(folder: Path) -> World:
    """A card and subscriptions, made and not switched on."""
    folder.mkdir()
    world = World(folder, seed="two")
    world.prepare()
    return world


def make(folder: Path, parties: dict[str, Party], world: World, *, threaded: bool = False) -> Trees:
    """Both installations, not started."""
    ports = (free_port(), free_port())

    def soap(party: Party, port: int) -> SOAPSettings:
        return SOAPSettings("127.0.0.1", port, str(party.certificate_file), str(party.key_file))

    a = Platform(
        world, folder / "a", "sms", sm_sr=SRSettings(smsr_id=A_SR), sm_dp=DPSettings(smdp_id=A_DP),
        smsc=False, soap=soap(parties["ours"], ports[0]), threaded=threaded,
    )  # fmt: skip
    b = Platform(
        world, folder / "b", "https", sm_sr=SRSettings(smsr_id=B_SR), sm_dp=DPSettings(smdp_id=B_DP),
        https_port=free_port(), soap=soap(parties["sr2"], ports[1]), threaded=threaded,
    )  # fmt: skip
    return Trees(world, a, b, parties, ports)


class Tree:
    """`ferryman up` on one of the data directories, as a process that can be killed."""

    def __init__(self, platform: Platform) -> None:
        self.data = platform.data
        configuration = platform.configuration()
        soap, https, smpp = configuration.soap, configuration.https, configuration.smpp
        lines = [
            "[sm_sr]",
            f'smsr_id = "{configuration.sm_sr.smsr_id}"',
            f'transport = "{configuration.sm_sr.transport}"',
            f'trigger_host = "127.0.0.1"\ntrigger_address = "127.0.0.1"\ntrigger_port = {platform.https_port}',
            'trigger_uri = "/gsma/adminagent"',
            *(f"{name} = {json.dumps(getattr(configuration.sm_sr, name))}" for name in KEPT),
            f'[sm_dp]\nsmdp_id = "{configuration.sm_dp.smdp_id}"',
        ]
        if soap is not None:
            lines.append(f'[soap]\nhost = "127.0.0.1"\nport = {soap.port}')
            lines.append(f'certificate_file = "{soap.certificate_file}"\nkey_file = "{soap.key_file}"')
        if https is not None:
            lines.append(f'[https]\nhost = "127.0.0.1"\nport = {https.port}')
        if isinstance(smpp, SMPPSettings):
            lines.append(f'[smpp]\nhost = "127.0.0.1"\nport = {smpp.port}\nsystem_id = "{smpp.system_id}"')
            lines.append(f'password = "{smpp.password}"\nsource_addr = "{smpp.source_addr}"\nreconnect_min = 0.05')
        self.data.mkdir(exist_ok=True)
        (self.data / "ferryman.toml").write_text("\n".join(lines) + "\n")
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start and wait for the ready line."""
        self.process = await asyncio.create_subprocess_exec(
            *soap_guard.started(self.data, "up", "--data", str(self.data)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 60.0)
        assert line.startswith(b"ready"), line

    async def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
