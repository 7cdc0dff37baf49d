"""ES4.GetEIS with three profiles through the SOAP gateway, beside bare exchanges of the same on its server."""

from __future__ import annotations

import asyncio
import datetime
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from lxml import etree

from bench.frame import Benchmark, Figures, Unequal, paired
from bench.load.process import ROOT
from bench.reference import soap_xml
from ferryman.contracts import es4
from ferryman.contracts.eis import EIS, PolicyRule, ProfileInfo, ProfileState
from ferryman.contracts.message import Body, Codec, decode, encode
from ferryman.contracts.peers import Peer, PeerKind
from ferryman.contracts.status import SUCCESS
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock, system_entropy
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.store import SQLiteStore
from ferryman.soap_gateway import schema
from ferryman.soap_gateway.esm import envelope
from ferryman.soap_gateway.esm.addressing import Addressing
from ferryman.soap_gateway.esm.body import Base
from ferryman.soap_gateway.esm.body import encode as element_of
from ferryman.soap_gateway.role import SOAPGateway
from ferryman.soap_gateway.server import Answer, Request, SOAPServer
from ferryman.soap_gateway.settings import SOAPSettings
from ferryman.soap_gateway.tls import server_context

REQUESTS = 800  # in a round
ROUNDS = 5
FEW = 3  # rounds of the row whose reference is slow
SR, MNO = "1.3.6.1.4.1.99999.20", "1.3.6.1.4.1.99999.30"
EID = "89001012012341234012345678901224"
QUESTIONS: Codec[Body] = Codec(es4.ES4GetEIS)
# Signed parts are octets to the gateway, whatever stands in them; these have the size of real ones.
SIGNED = (
    '<EumSignedInfo xmlns="http://namespaces.gsma.org/esim-messaging/3">'
    f"<Eid>{EID}</Eid><Eum-id>1.3.6.1.4.1.99999.40</Eum-id><ProductionDate>2024-03-01T08:00:00Z</ProductionDate>"
    "<PlatformType>bench</PlatformType><PlatformVersion>1.0.0</PlatformVersion>"
    "<Isd-p-loadfile-aid>A0000005591010FFFFFFFF8900000D00</Isd-p-loadfile-aid>"
    "<Isd-p-module-aid>A0000005591010FFFFFFFF8900000E00</Isd-p-module-aid>"
    "<Ecasd><Aid>A0000005591010FFFFFFFF8900000200</Aid><Sin>4201</Sin><Sdin>45000001</Sdin><Role>ECASD</Role>"
    "<Keyset><Version>116</Version><Type>CA</Type><Certificate><Index>2</Index><CaId>1.3.6.1.4.1.99999.1</CaId>"
    f"<Value>{'7F21' + 180 * 'A5'}</Value></Certificate></Keyset></Ecasd>"
    "<EuiccCapabilities><CattpSupport>false</CattpSupport><HttpSupport>true</HttpSupport>"
    "<SecurePacketVersion>9.0.0</SecurePacketVersion><RemoteProvisioningVersion>3.2.0</RemoteProvisioningVersion>"
    "</EuiccCapabilities></EumSignedInfo>"
).encode()
SIGNATURE = (
    '<EumSignature xmlns="http://namespaces.gsma.org/esim-messaging/3"><ds:SignatureValue '
    f'xmlns:ds="http://www.w3.org/2000/09/xmldsig#">{"QUJD" * 200}</ds:SignatureValue></EumSignature>'
).encode()


def _eis() -> EIS:
    profiles = tuple(
        ProfileInfo(
            iccid=f"898810100000000{number:04d}",
            isdp_aid=bytes.fromhex(f"A0000005591010FFFFFFFF890000{16 + number:04X}00"),
            owner=MNO,
            state=ProfileState.DISABLED if number else ProfileState.ENABLED,
            fallback=not number,
            imsi="001010000000001",
            msisdn="882360000000001",
            smdp_id="1.3.6.1.4.1.99999.10",
            profile_type="m2m",
            allocated_memory=65_536,
            pol2=(PolicyRule("DELETE", "Not-Allowed"),),
        )
        for number in range(3)
    )
    return EIS(
        eid=EID, eum_id="1.3.6.1.4.1.99999.40", platform_type="bench", platform_version="1.0.0",
        remote_provisioning_version="3.2.0", http_support=True, cattp_support=False, remaining_memory=300_000,
        available_memory=400_000, smsr_id=SR, profiles=profiles, signed_info=SIGNED, signature=SIGNATURE,
    )  # fmt: skip


def _certificate(folder: Path, name: str) -> str:
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
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / f"{name}.pem").write_bytes(pem)
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(key.private_bytes(*plain))
    return pem.decode()


def _request() -> bytes:
    told = Addressing(
        action="http://gsma.com/ES4/ProfileManagement/ES4-GetEISRequest",
        message_id=f"//{MNO}/m-1?TransactionId=t-1&ContextId=c-1&MessageDate=2025-01-10T09:00:00Z",
        sender="https://mno.example/es4",
        sender_id=MNO,
        to=f"https://sr.example/es4?EntityId={SR}",
        to_id=SR,
    )
    return envelope.write(told, element_of(es4.ES4GetEIS(eid=EID), Base(call_id="call-1", validity=60)))


async def _load(port: int, folder: Path, count: int) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.load.soap_client", str(port), str(folder), str(count)), cwd=ROOT
    )
    if await child.wait():
        raise RuntimeError("the client failed")


class _Bench:
    """Both sides on the same server, TLS with client certificates and all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        _certificate(folder, "ours")
        self.peer = _certificate(folder, "peer")
        (folder / "request.xml").write_bytes(_request())
        self.settings = SOAPSettings("127.0.0.1", 0, str(folder / "ours.pem"), str(folder / "ours.key"))
        self.answer = b""

    def ours(self) -> float:
        """Requests per CPU-second of the gateway."""
        return asyncio.run(self._gateway())

    async def _gateway(self) -> float:
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        store = SQLiteStore(str(folder / "gateway.db"), threaded=False)
        schema.METADATA.create_all(store.engine)
        bus, clock, eis = InProcessBus(), LoopClock(), _eis()

        async def sm_sr(caller: str, raw: bytes) -> bytes:
            del caller
            header, _ = decode(raw, QUESTIONS)
            return encode(header, es4.ES4GetEISResponse(status=SUCCESS, eis=eis))

        bus.serve("sm-sr", sm_sr)
        role = SOAPGateway(
            mailbox=Mailbox(role="soap-gateway", store=store, tables=schema.PLATFORM, bus=bus, clock=clock),
            calls=bus,
            settings=self.settings,
            clock=clock,
            entropy=system_entropy,
            smsr_id=SR,
            smdp_id="1.3.6.1.4.1.99999.10",
            password=lambda name: b"",
        )
        peer = Peer(name="mno", kind=PeerKind.OPERATOR, oid=MNO, certificates=(self.peer,))
        await role.book.put(peer, actor="bench")
        await role.start()
        try:
            return await self._per_cpu_second(role.server.port)
        finally:
            await role.stop()
            await store.close()

    def reference(self, work: soap_xml.Work) -> float:
        """The same for a handler that does nothing but this with the octets."""
        return asyncio.run(self._bare(work))

    async def _bare(self, work: soap_xml.Work) -> float:
        async def handle(request: Request) -> Answer:
            return Answer(200, work(request.body))

        server = SOAPServer(self.settings, handler=handle, admit=bool)
        peer = Peer(name="mno", kind=PeerKind.OPERATOR, oid=MNO, certificates=(self.peer,))
        await server.start(server_context(self.settings, [peer]))
        try:
            return await self._per_cpu_second(server.port)
        finally:
            await server.stop()

    async def _per_cpu_second(self, port: int) -> float:
        begun = time.process_time()
        await _load(port, self.folder, REQUESTS)
        spent = time.process_time() - begun
        self.answer = (self.folder / "answer.xml").read_bytes()
        return REQUESTS / spent


def _body(answer: bytes) -> bytes:
    """What must be the same: the function's result, canonical, without the times of its processing."""
    root = etree.fromstring(answer)
    eis = root.find(".//{*}Eis")
    if eis is None:
        raise Unequal("no Eis in the answer")
    return etree.tostring(eis, method="c14n", exclusive=True)


def _figures(name: str) -> Figures:
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix=".run-", dir=ROOT / "bench"))
        stack.callback(shutil.rmtree, folder)
        bench = _Bench(folder)
        bench.ours()
        answer = bench.answer
        work = soap_xml.bare(answer) if name == "bare" else soap_xml.by_classes(_request(), answer)
        bench.reference(work)
        if _texts(bench.answer) != _texts(answer):
            raise Unequal("the EIS in the answers")
        return paired(
            bench.ours, lambda: bench.reference(work), rounds=ROUNDS if name == "bare" else FEW, warm_up=False
        )


def _texts(answer: bytes) -> list[tuple[str, str]]:
    """Tags and texts of the EIS: namespace prefixes are nobody's business."""
    root = etree.fromstring(_body(answer))
    return [(str(item.tag), item.text or "") for item in root.iter()]


BENCHMARKS = (
    Benchmark("soap_get_eis", "requests per CPU-second", 0.6, lambda: _figures("bare")),
    Benchmark("soap_get_eis_xsdata", "requests per CPU-second", 4.0, lambda: _figures("classes")),
)
