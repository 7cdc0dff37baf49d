"""The demo's Operator as another party: orders over ES2 in SOAP with its own certificate, fetches the answers."""

from __future__ import annotations

import asyncio
import datetime
import secrets
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ferryman.cli.operator import Operator
from ferryman.contracts import es2, peers
from ferryman.contracts.peers import POLLED, Peer, PeerKind
from ferryman.contracts.status import ExecutionStatus
from ferryman.errors import Unavailable
from ferryman.soap_gateway import client
from ferryman.soap_gateway.esm import addressing, body, envelope
from ferryman.soap_gateway.esm.addressing import Addressing
from ferryman.soap_gateway.esm.body import Base
from ferryman.soap_gateway.esm.functions import BY_NAME
from ferryman.soap_gateway.esm.names import MAKE_CONNECTION, WSMC
from ferryman.soap_gateway.settings import SOAPSettings
from ferryman.soap_gateway.tls import client_context, fingerprints

DAYS = 2  # validity of the demo's certificates
TIMEOUT = 30.0  # s for one exchange
POLL = 0.2  # s between looks for answers
MAX_BODY = 1024 * 1024
QUEUE = f"{POLLED}demo"


def settings(folder: Path) -> SOAPSettings:
    """A gateway on a free loopback port, its key and certificate made in `folder`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _party(folder, "gateway")
    _party(folder, "operator")
    return SOAPSettings("127.0.0.1", 0, str(folder / "gateway.pem"), str(folder / "gateway.key"))


def _party(folder: Path, name: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(key.private_bytes(*plain))


class SOAPOperator:
    """One Operator (Mno-id `oid`) at the SM-DP behind `url`."""

    def __init__(self, folder: Path, url: str, oid: str, *, smdp_id: str, smsr_id: str) -> None:
        self._url = f"{url}/es2"
        self._oid = oid
        self._smdp_id = smdp_id
        self._smsr_id = smsr_id
        self._certificate = (folder / "operator.pem").read_text()
        gateway = (folder / "gateway.pem").read_text()
        self._provider = Peer(name="gateway", kind=PeerKind.SM_DP, oid=smdp_id, certificates=(gateway,))
        own = SOAPSettings("", 0, str(folder / "operator.pem"), str(folder / "operator.key"))
        self._context = client_context(own, self._provider)

    async def introduce(self, operator: Operator) -> None:
        """Become a peer of the installation."""
        record = Peer(name="demo", kind=PeerKind.OPERATOR, oid=self._oid, certificates=(self._certificate,))
        await operator.gateway(peers.PutPeer(peer=record))

    async def order(self, eid: str, profile_type: str, *, validity: float) -> None:
        """ES2.DownloadProfile with enabling; raises Unavailable when it is not taken."""
        function = BY_NAME["ES2.DownloadProfile"]
        request = es2.ES2DownloadProfile(eid=eid, smsr_id=self._smsr_id, profile_type=profile_type, enable=True)
        base = Base(call_id=f"demo-{secrets.token_hex(8)}", validity=int(validity))
        reply = await self._post(function.action, body.encode(request, base), reply_to=QUEUE)
        if reply.status != 202:
            raise Unavailable(f"ES2.DownloadProfile (HTTP {reply.status})")

    async def answers(self, count: int, *, patience: float) -> list[ExecutionStatus]:
        """The responses to `count` orders, by WS-MakeConnection."""
        found: list[ExecutionStatus] = []
        poll = (
            f'<wsmc:MakeConnection xmlns:wsmc="{WSMC}"><wsmc:Address>{QUEUE}</wsmc:Address></wsmc:MakeConnection>'
        )
        async with asyncio.timeout(patience):
            while len(found) < count:
                reply = await self._post(MAKE_CONNECTION, poll)
                if reply.status != 200:
                    await asyncio.sleep(POLL)
                    continue
                answer = body.decode(envelope.read(reply.body).body).body
                if isinstance(answer, es2.ES2DownloadProfileResponse):
                    found.append(answer.status)
        return found

    async def _post(self, action: str, content: str, *, reply_to: str = "") -> client.Reply:
        told = Addressing(
            action=action,
            message_id=addressing.message_id(self._oid, secrets.token_hex(12), sent=time.time()),
            sender="https://operator.demo/es2",
            sender_id=self._oid,
            to=addressing.entity(self._url, self._smdp_id),
            to_id=self._smdp_id,
            reply_to=reply_to,
        )
        return await client.post(
            self._url,
            envelope.write(told, content),
            action,
            context=self._context,
            pins=fingerprints(self._provider),
            timeout=TIMEOUT,
            max_body=MAX_BODY,
        )
