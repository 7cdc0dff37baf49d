"""Two installations between which a card moves (SGP.02 3.8): both SM-SRs with a gateway, certified, introduced."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from e2e.two_smsrs import FIRST, SECOND, SECOND_ADDRESS, Second, certify
from ferryman.cli.operator import Operator
from ferryman.contracts import crypto, peers
from ferryman.contracts.peers import POLLED, Peer, PeerKind
from ferryman.sm_sr.settings import SRSettings
from ferryman.soap_gateway.settings import SOAPSettings
from ferryman_sim.smsc.accounts import Account
from parties import Party
from rig import OWNER, PASSWORD, Platform, World, free_port
from soap_world import Client

__all__ = ["FIRST", "SECOND", "Move"]


@dataclass
class Move:
    """The world and both installations, not started."""

    world: World
    parties: dict[str, Party]
    first: Platform
    second: Second
    ports: dict[str, int]

    @classmethod
    def make(
        cls,
        folder: Path,
        world: World,
        parties: dict[str, Party],
        *,
        threaded: bool = False,
        transport: str = "sms",
        **settings: Any,
    ) -> Move:
        """`settings` are the SM-SRs'; the world is on."""
        world.smsc.centre.accounts["second"] = Account("second", PASSWORD, (SECOND_ADDRESS,))
        ports = {FIRST: free_port(), SECOND: free_port()}
        soap = {
            name: SOAPSettings("127.0.0.1", ports[name], str(party.certificate_file), str(party.key_file))
            for name, party in ((FIRST, parties["ours"]), (SECOND, parties["sr2"]))
        }
        first = Platform(
            world, folder / "first", transport, soap=soap[FIRST], threaded=threaded,
            https_port=free_port() if transport == "https" else 0,
            sm_sr=SRSettings(smsr_id=FIRST, **settings),
        )  # fmt: skip
        sr2 = SRSettings(smsr_id=SECOND, sms_address=SECOND_ADDRESS, **settings)
        second = Second(world, folder / "second", transport="sms", soap=soap[SECOND], sm_sr=sr2, threaded=threaded)
        return cls(world, parties, first, second, ports)

    def url(self, name: str) -> str:
        """Where a gateway is."""
        return f"https://127.0.0.1:{self.ports[name]}"

    def party(self, name: str) -> Party:
        """Its TLS identity."""
        return self.parties["ours" if name == FIRST else "sr2"]

    def client(self, name: str) -> Client:
        """The Operator's SOAP client at one of the two."""
        gateway: Any = SimpleNamespace(url=self.url(name), party=self.party(name))
        return Client(gateway, self.parties["mno"], OWNER)

    async def set_up(
        self, a: Operator, b: Operator, endpoints: dict[str, str] | None = None, **options: Any
    ) -> None:
        """Cards at the first; both certified and, as records alone, each other's peer; the Operator at both."""
        await self.first.set_up(a, **options)
        folder = self.world.folder
        await b.crypto(crypto.ImportTrustAnchor(pem=(folder / "ci.pem").read_bytes()))
        made = await b.crypto(crypto.MakeSigningKey(role="sr"))
        assert isinstance(made, crypto.SigningKey)
        (folder / "sr.pem").write_bytes(made.public_key_pem)
        certificate = certify(folder, folder / "sr.pem")
        await b.crypto(crypto.ImportCertificate(role="sr", certificate=certificate))
        await self.second.tell_types(b)
        mno = Peer(
            name="mno", kind=PeerKind.OPERATOR, oid=OWNER, certificates=(self.parties["mno"].pem,),
            endpoints=endpoints or {"ES4": f"{POLLED}mno"},
        )  # fmt: skip
        for operator, other in ((a, SECOND), (b, FIRST)):
            await operator.gateway(peers.PutPeer(peer=mno))
            there = Peer(
                name="other", kind=PeerKind.SM_SR, oid=other, certificates=(self.party(other).pem,),
                endpoints={"ES7": f"{self.url(other)}/es7"},
            )  # fmt: skip
            await operator.gateway(peers.PutPeer(peer=there))
