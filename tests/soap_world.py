"""A gateway on a real socket and database, certificates of a CI made for the test, scripted roles behind it."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree
from sqlalchemy import select

import esm_samples
import soap_guard
from ferryman.contracts import es1, es2, es3, es4, es7, v4
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.contracts.peers import Peer, PeerKind, PeersKnown
from ferryman.contracts.status import SUCCESS
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.store import SQLiteStore
from ferryman.soap_gateway import http_message, schema
from ferryman.soap_gateway.esm import envelope
from ferryman.soap_gateway.esm.addressing import Addressing
from ferryman.soap_gateway.esm.body import Base
from ferryman.soap_gateway.esm.body import encode as encode_element
from ferryman.soap_gateway.esm.functions import BY_BODY, Shape
from ferryman.soap_gateway.role import SOAPGateway
from ferryman.soap_gateway.settings import SOAPSettings
from parties import Party

START = 1_795_000_000.0
SR, DP, MNO, MNO2, EUM, SR2 = (f"1.3.6.1.4.1.99999.{number}" for number in (20, 10, 30, 31, 40, 21))
QUESTIONS: Codec[Body] = Codec(
    *(*es1.REQUESTS, *es2.REQUESTS, *es3.REQUESTS, *es4.REQUESTS, *es7.REQUESTS),
    *(
        *es3.RESPONSES,
        *es7.RESPONSES,
        *es3.NOTIFICATIONS,
        PeersKnown,
        *v4.TO_SM_SR,
        *v4.TO_SM_DP,
        *v4.ES3_NOTIFICATIONS,
    ),
)


UPDATE = es4.ES4UpdatePolicyRules(eid=esm_samples.EID, iccid=esm_samples.ICCID)
HEAD = b"POST /es4 HTTP/1.1\r\nHost: x\r\nContent-Type: application/soap+xml\r\n"
ENABLE = es4.ES4EnableProfile(eid=esm_samples.EID, iccid=esm_samples.ICCID)

type Reaction = Callable[[Header, Body], Body | None]


def succeed(header: Header, body: Body) -> Body | None:
    """Success for every function."""
    function, message = BY_BODY[type(body)]
    if message.shape is not Shape.REQUEST or function.response is None:
        return None
    made: Any = function.response.body
    answer: Body = made(status=SUCCESS)
    return answer


class Gateway:
    """One gateway between scripted roles and whoever connects."""

    def __init__(self, folder: Path, ours: Party, *, reaction: Reaction = succeed, **settings: Any) -> None:
        self.folder = folder
        self.party = ours
        self.store = SQLiteStore(str(folder / "gateway.db"), threaded=False)
        schema.METADATA.create_all(self.store.engine)
        self.bus = InProcessBus()
        self.reaction = reaction
        self.heard: list[tuple[str, Header, Body]] = []
        self.reached: list[PeersKnown] = []  # what the SM-SR was told of peers
        self.clock = LoopClock(start=START)
        self.baseline: dict[str, list[Any]] = {}
        self._counter = itertools.count(int.from_bytes(folder.name.encode()[-3:]))
        for role in ("sm-sr", "sm-dp"):
            self.bus.register(role, self._hear(role))
        self.bus.serve("sm-sr", self._serve)
        self.role = SOAPGateway(
            mailbox=Mailbox(
                role="soap-gateway", store=self.store, tables=schema.PLATFORM, bus=self.bus, clock=self.clock
            ),
            calls=self.bus,
            settings=SOAPSettings("127.0.0.1", 0, str(ours.certificate_file), str(ours.key_file), **settings),
            clock=self.clock,
            entropy=lambda count: next(self._counter).to_bytes(count),
            smsr_id=SR,
            smdp_id=DP,
            password=lambda name: (folder / name).read_bytes(),
        )
        self.bus.register("soap-gateway", self.role.receive)

    def _hear(self, role: str) -> Callable[[bytes], Any]:
        async def receive(raw: bytes) -> None:
            header, body = decode(raw, QUESTIONS)
            if isinstance(body, PeersKnown):
                self.reached.append(body)
                return
            self.heard.append((role, header, body))
            answer = self.reaction(header, body)
            if answer is not None:
                # The answer is a message of its own, later.
                asyncio.get_running_loop().call_soon(
                    lambda: asyncio.ensure_future(self.say(answer, header, sender=role))
                )

        return receive

    async def say(self, answer: Body, asked: Header, *, sender: str = "sm-sr") -> None:
        """A role answers a call."""
        back = Header(
            message_id=f"{sender}/answer/{asked.message_id}",
            sender=sender,
            requester=asked.requester,
            function_call_id=asked.function_call_id,
            deadline=asked.deadline,
            eid=asked.eid,
            causation_id=asked.message_id,
        )
        await self.role.receive(encode(back, answer))

    async def tell(self, body: Body, recipient: str, *, name: str = "n-1", sender: str = "sm-sr") -> None:
        """A role asks or tells a peer something."""
        header = Header(
            message_id=f"{sender}/{name}",
            sender=sender,
            requester=SR if sender == "sm-sr" else DP,
            function_call_id=name,
            deadline=self.clock.now() + 3_600.0,
            eid=esm_samples.EID,
            recipient=recipient,
        )
        await self.role.receive(encode(header, body))

    async def _serve(self, caller: str, raw: bytes) -> bytes:
        header, body = decode(raw, QUESTIONS)
        self.heard.append(("call", header, body))
        answer = self.reaction(header, body)
        assert answer is not None
        return encode(header, answer)

    @property
    def url(self) -> str:
        return self.role.ours.url

    async def peer(self, party: Party, kind: PeerKind, oid: str, **fields: Any) -> Peer:
        """Add a peer record for a party."""
        name = fields.pop("name", f"{party.name}-{kind}")
        made = Peer(name=name, kind=kind, oid=oid, certificates=(party.pem,), **fields)
        await self.role.book.put(made, actor="test")
        self.role._trust_again()
        self.baseline = self.snapshot()
        return made

    async def forget(self, name: str) -> None:
        """Remove a peer record."""
        await self.role.book.remove(name, actor="test")
        self.role._trust_again()
        self.baseline = self.snapshot()

    def snapshot(self) -> dict[str, list[Any]]:
        """Every row of every table, but what tells our SM-SR of peers."""
        found = {table.name: self.rows(table) for table in schema.METADATA.sorted_tables}
        found["outbox"] = [row for row in found["outbox"] if "/peers/" not in row.message_id]
        return found

    def rows(self, table: Any) -> list[Any]:
        with self.store.engine.connect() as connection:
            return list(connection.execute(select(table)).all())


@dataclass
class Response:
    """What came back over HTTP."""

    status: int
    body: bytes

    @property
    def envelope(self) -> envelope.Received:
        return envelope.read(self.body)


class Client:
    """A peer that speaks to the gateway: one connection for each request."""

    def __init__(self, gateway: Gateway, party: Party, oid: str) -> None:
        self.gateway = gateway
        self.party = party
        self.oid = oid
        self.number = 0

    def compose(self, body: Body, *, call_id: str = "", validity: int | None = 3_600, **changes: Any) -> bytes:
        """The envelope of a message; `changes` are fields of the addressing."""
        self.number += 1
        function, message = BY_BODY[type(body)]
        interface = function.interface.lower()
        to = {"es2": DP}.get(interface, SR)
        if message.shape is Shape.RESPONSE and interface == "es3":
            to = DP
        if message.shape is Shape.NOTIFICATION and interface == "es3":
            to = DP
        base = Base()
        if message.shape is Shape.REQUEST:
            base = Base(call_id=call_id or f"call-{self.number}", validity=validity)
        answers = message.shape is Shape.RESPONSE
        fields: dict[str, Any] = {
            "action": function.response_action if answers else function.action,
            "message_id": f"//{self.oid}/m-{self.number}?TransactionId=t-{self.number}&ContextId=c-7",
            "sender": f"https://peer.example/{interface}",
            "sender_id": self.oid,
            "to": f"{self.gateway.url}/{interface}?EntityId={to}",
            "to_id": to,
        }
        element = encode_element(body, base)
        if message.shape is not Shape.REQUEST or not isinstance(body, es1.ES1RegisterEIS):
            made = etree.fromstring(element)
            soap_guard.schema_of(made).assertValid(made)
        return envelope.write(Addressing(**(fields | changes)), element)

    async def send(self, body: Body, **options: Any) -> Response:
        """Compose and post."""
        interface = BY_BODY[type(body)][0].interface.lower()
        path = options.pop("path", f"/{interface}")
        return await self.post(self.compose(body, **options), path=path)

    async def post(
        self, octets: bytes, *, path: str = "/es4", content_type: str = "application/soap+xml"
    ) -> Response:
        """Post octets."""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Type: {content_type}; charset=utf-8\r\n"
            f"Content-Length: {len(octets)}\r\nConnection: close\r\n\r\n"
        )
        return await self.raw(head.encode() + octets)

    async def raw(self, octets: bytes) -> Response:
        """Send octets as they are and read one response."""
        port = int(self.gateway.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=self.party.client(self.gateway.party), server_hostname="127.0.0.1"
        )
        try:
            writer.write(octets)
            await writer.drain()
            return await read_response(reader)
        finally:
            writer.close()

    async def poll(self, poll_id: str, number: int = 1, to: str = SR) -> Response:
        """WS-MakeConnection."""
        space = "http://docs.oasis-open.org/ws-rx/wsmc/200702"
        message = Addressing(
            action=f"{space}/MakeConnection",
            message_id=f"//{self.oid}/poll-{number}",
            sender="https://peer.example/es4",
            sender_id=self.oid,
            to=f"{self.gateway.url}/es4?EntityId={to}",
            to_id=to,
        )
        address = f"<wsmc:Address>{space}/anonymous?id={poll_id}</wsmc:Address>"
        text = f'<wsmc:MakeConnection xmlns:wsmc="{space}">{address}</wsmc:MakeConnection>'
        return await self.post(envelope.write(message, text))


async def read_response(reader: asyncio.StreamReader) -> Response:
    """One response; status 0 when the connection ends without one."""
    try:
        head = http_message.response_head((await reader.readuntil(b"\r\n\r\n"))[:-4], 10_000_000)
    except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
        return Response(0, b"")
    body = await reader.readexactly(head.length)
    if body.startswith(b"<env:Envelope"):
        content = etree.fromstring(body).find("{*}Body")
        assert content is not None
        if not str(content[0].tag).endswith("Fault"):
            soap_guard.schema_of(content[0]).assertValid(content[0])
    return Response(head.status, body)


class Receiver:
    """A peer's own server for callbacks and notifications; `status` is what it answers."""

    def __init__(self, party: Party, gateway: Party) -> None:
        self.party = party
        self.gateway = gateway
        self.status: list[int] = []
        self.answers: list[bytes] = []
        self.got: list[envelope.Received] = []
        self.raw: list[bytes] = []
        self.port = 0

    async def start(self, port: int = 0) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.party.certificate_file, self.party.key_file)
        context.load_verify_locations(cadata=self.gateway.pem)
        context.verify_mode = ssl.CERT_REQUIRED
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    def url(self, path: str) -> str:
        return f"https://127.0.0.1:{self.port}{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = http_message.request_head((await reader.readuntil(b"\r\n\r\n"))[:-4], 10_000_000)
            octets = await reader.readexactly(head.length)
            status = self.status.pop(0) if self.status else 202
            if status == 0:
                writer.transport.abort()
                return
            if 200 <= status < 300:
                received = envelope.read(octets)
                soap_guard.schema_of(received.body).assertValid(received.body)
                self.got.append(received)
            self.raw.append(octets)
            body = self.answers.pop(0) if self.answers and status in (200, 500) else b""
            writer.write(http_message.response(status, body, content_type="application/soap+xml", close=True))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()


# -- what tests of refusals say ---------------------------------------------------------------------------------


@asynccontextmanager
async def world(folder: Path, parties: dict[str, Party], **options: Any) -> AsyncIterator[tuple[Gateway, Client]]:
    gateway = Gateway(folder, parties["ours"], **options)
    await gateway.role.start()
    await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO)
    try:
        yield gateway, Client(gateway, parties["mno"], MNO)
    finally:
        await gateway.role.stop()
        await gateway.store.close()


def unchanged(gateway: Gateway, *, audited: int = 0, tokens: int = 0) -> None:
    """No role heard anything, and every table is what it was when the last peer was put or removed.

    But for `audited` refusals that are written down, and `tokens` that were good and are used up.
    """
    assert gateway.heard == []
    before, after = gateway.baseline, gateway.snapshot()
    assert before, "no peer was put"
    added = {"audit": audited, "nonce": tokens}
    for name, rows in before.items():
        assert after[name][: len(rows)] == rows, name
        assert len(after[name]) - len(rows) == added.get(name, 0), (name, after[name][len(rows) :])


def is_fault(response: Response, status: int, code: str = "") -> None:
    assert response.status == status, response
    text = response.body.decode()
    assert "Fault>" in text
    assert code in text
