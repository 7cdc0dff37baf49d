"""An SM-DP alone: a mute SM-SR and CryptoServer that always say yes, an operator's system over HTTP, and crashes.

What is outside of the SM-DP outlives its kill: the SM-SR answers a repeated message again, and keeps what each
call asked for by its FunctionCallIdentifier.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, text

from ferryman.codec import ids, tlv
from ferryman.contracts import admin, crypto, es3, imports
from ferryman.contracts.eis import EIS, ProfileInfo, ProfileState
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.contracts.roles import CRYPTO_SERVER, OPERATOR, SM_DP, SM_SR
from ferryman.contracts.status import SUCCESS
from ferryman.errors import Refused
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.migrate import upgrade
from ferryman.platform.store import CommitHook, SQLiteStore
from ferryman.profile.demo_template import demo_template
from ferryman.sm_dp import schema
from ferryman.sm_dp.factory.stock import FREE
from ferryman.sm_dp.records import DPSettings
from ferryman.sm_dp.role import SMDP
from rig import OWNER, SeededEntropy, luhn

START = 1_795_000_000.0
KEY = bytes(range(32))
REQUESTS: Codec[Body] = Codec(*es3.REQUESTS)
AID = ids.isdp_aid(0x11)
CHALLENGE, RECEIPT, UPDATE = (
    tlv.encode(0x85, bytes(16)),
    tlv.encode(0x86, bytes(16)),
    tlv.encode(0x84, bytes(32)),
)
INSTALLED = bytes.fromhex("3007A0053003800100")


def eid_of(number: int) -> str:
    """An EID with right check digits (ISO 7064 MOD 97-10)."""
    body = f"8903302300000000{number:014d}"
    return body + f"{98 - int(body) * 100 % 97:02d}"


def iccid_of(number: int) -> str:
    body = f"8988211{number:011d}"
    return body + luhn(body)


def apdu(data: bytes = b"") -> bytes:
    return tlv.encode(0x23, data + b"\x90\x00")


@dataclass
class Outside:
    """SM-SR and CryptoServer; `judge` may answer an ES3 call in another way, or with None not at all."""

    judge: Callable[[Header, Body], Body | None] | None = None
    calls: dict[str, Body] = field(default_factory=dict)  # FunctionCallIdentifier -> what was asked
    waiting: dict[str, tuple[Header, Body]] = field(default_factory=dict)
    tell: Callable[[str], None] = lambda _message_id: None
    profiles: dict[str, ProfileState] = field(default_factory=dict)  # by EID

    async def take(self, raw: bytes) -> None:
        """A message of the SM-DP: the answer waits until the SM-DP has taken it."""
        header, body = decode(raw, REQUESTS)
        first = self.calls.setdefault(header.function_call_id, body)
        assert first == body, "the same call with other words"
        answer = self.answer(header, body)
        if answer is not None:
            back = Header(
                message_id=f"sr/{header.message_id}",
                sender=SM_SR,
                requester=header.requester,
                function_call_id=header.function_call_id,
                deadline=header.deadline,
                eid=header.eid,
            )
            self.waiting[back.message_id] = (back, answer)
            self.tell(back.message_id)

    def answer(self, header: Header, body: Body) -> Body | None:
        if self.judge is not None:
            judged = self.judge(header, body)
            if judged is not body:
                return judged
        match body:
            case es3.ES3GetEIS():
                return es3.ES3GetEISResponse(status=SUCCESS, eis=_eis(header.eid))
            case es3.ES3CreateISDP():
                return es3.ES3CreateISDPResponse(status=SUCCESS, isdp_aid=AID)
            case es3.ES3SendData():
                return es3.ES3SendDataResponse(status=SUCCESS, euicc_response=_card(body))
            case es3.ES3ProfileDownloadCompleted():
                self.profiles[header.eid] = ProfileState.DISABLED
            case es3.ES3EnableProfile():
                self.profiles[header.eid] = ProfileState.ENABLED
            case es3.ES3DisableProfile():
                self.profiles[header.eid] = ProfileState.DISABLED
            case es3.ES3DeleteISDP():
                self.profiles.pop(header.eid, None)
        (kind,) = [one for one in es3.RESPONSES if one.__name__ == f"{type(body).__name__}Response"]
        return kind(status=SUCCESS)  # type: ignore[call-arg]

    async def crypto(self, _caller: str, raw: bytes) -> bytes:
        header, body = decode(raw, crypto.REQUEST_CODEC)
        return encode(header, _crypto(body))

    def count(self, kind: type[Body]) -> int:
        """How many different calls of a kind there were."""
        return sum(isinstance(body, kind) for body in self.calls.values())


def _eis(eid: str) -> EIS:
    return EIS(
        eid=eid, eum_id="eum", platform_type="sim", platform_version="1", smsr_id="sr",
        remote_provisioning_version="3.2.0", http_support=True, cattp_support=False,
        remaining_memory=100_000, available_memory=100_000, profiles=tuple[ProfileInfo, ...](),
    )  # fmt: skip


def _card(body: es3.ES3SendData) -> bytes:
    items = tlv.parse(body.data)
    tags = [item.tag for item in items]
    if tags[:1] == [0x84]:
        return UPDATE
    if 0x86 in tags:
        return b"".join(b"\x85\x00" if tag == 0x85 else b"\x86\x00" for tag in tags[:-1]) + b"\x86\x01\x01"
    return apdu() + apdu(CHALLENGE) if len(items) == 2 else apdu(RECEIPT)


def _crypto(body: Body) -> Body:
    match body:
        case crypto.VerifyEUICC():
            return crypto.EUICCVerified(ecasd_public_key=b"pk")
        case crypto.MakeSigningKey():
            return crypto.SigningKey(public_key_pem=b"", certificate=b"certificate")
        case crypto.SignKeyParameters():
            return crypto.KeyParametersSigned(ephemeral_public_key=b"\x04" + bytes(64), signature=bytes(64))
        case crypto.OpenSCP03t():
            return crypto.SCP03tOpened(initialize_update=UPDATE)
        case crypto.ProtectProfile():
            segments = tuple(tlv.encode(0x86, bytes((n,))) for n in range(3))
            return crypto.ProfileProtected(
                external_authenticate=b"\x85\x01\x00", segments=segments, profile_bytes=9
            )
        case crypto.OpenProfileResult():
            return crypto.ProfileResult(euicc_response=INSTALLED)
        case crypto.SignHookCall():
            return crypto.HookCallSigned(mac=hmac.digest(KEY, body.message, "sha256"))
        case _:
            return crypto.Stored()


@dataclass
class OperatorSystem:
    """The HLR's front over HTTP; `say` makes of (call, how often it came) status and JSON, or None to hang."""

    say: Callable[[dict[str, Any], int], tuple[int, Any] | None]
    heard: list[dict[str, Any]] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    clock: Callable[[], float] = lambda: 0.0
    port: int = 0
    key: bytes = KEY
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.sleep(0.01)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/holds"

    @property
    def names(self) -> list[str]:
        return [call["id"] for call in self.heard]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._listen(reader, writer)
        finally:
            self._open.discard(writer)
            writer.close()

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                assert head[0] == "POST /holds HTTP/1.1", head[0]
                pairs = [line.split(": ", 1) for line in head[1:] if line]
                fields = {name.lower(): value for name, value in pairs}
                raw = await reader.readexactly(int(fields["content-length"]))
                self.check(fields, raw)
                call = json.loads(raw)
                self.heard.append(call)
                self.heads.append(fields)
                said = self.say(call, self.names.count(call["id"]))
                if said is None:
                    await reader.read()  # until the caller has had enough
                    return
                status, body = said
                content = json.dumps(body).encode()
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
                await writer.drain()

    def check(self, fields: dict[str, str], raw: bytes) -> None:
        """As the Standard Webhooks describe it: name, time and body under HMAC-SHA-256."""
        name, moment = fields["webhook-id"], fields["webhook-timestamp"]
        mac = hmac.new(self.key, f"{name}.{moment}.".encode() + raw, hashlib.sha256).digest()
        assert fields["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
        assert fields["idempotency-key"] == name == json.loads(raw)["id"]
        assert abs(int(moment) - self.clock()) < 5


class DPWorld:
    """One SM-DP on a database, which can be killed at any commit and started again."""

    def __init__(self, path: Path, *, outside: Outside | None = None, settings: DPSettings | None = None) -> None:
        self.path = path
        self.outside = outside or Outside()
        self.settings = settings or DPSettings()
        self.died = asyncio.Event()
        self._carriers: set[asyncio.Task[None]] = set()
        self._offset = START - asyncio.get_running_loop().time()
        self._number = 0

    def now(self) -> float:
        return self._offset + asyncio.get_running_loop().time()

    async def boot(self, *, threaded: bool = False, **hooks: CommitHook) -> None:
        """Start; a hook that returns True kills the SM-DP at that commit."""
        self.died = died = asyncio.Event()

        def watch(hook: CommitHook) -> CommitHook:
            def die(number: int) -> bool:
                if hook(number):
                    died.set()
                    return True
                return False

            return die

        watched: Any = {name: watch(hook) for name, hook in hooks.items()}
        self.store = SQLiteStore(str(self.path), threaded=threaded, **watched)
        await upgrade(self.store, SM_DP)
        self.bus = InProcessBus()
        self.bus.register(SM_SR, self.outside.take)
        self.bus.serve(CRYPTO_SERVER, self.outside.crypto)
        clock = LoopClock(start=self.now())
        mailbox = Mailbox(role=SM_DP, store=self.store, tables=schema.PLATFORM, bus=self.bus, clock=clock)
        self.smdp = SMDP(
            mailbox=mailbox, calls=self.bus, settings=self.settings, clock=clock, entropy=SeededEntropy("dp")
        )
        self.bus.serve(SM_DP, self.smdp.serve)
        self.outside.tell = self._carry_on
        await self.smdp.start()
        for message_id in list(self.outside.waiting):
            self._carry_on(message_id)

    async def stop(self) -> None:
        await self._end_carriers()
        await self.smdp.stop()
        await self.store.close()

    async def kill(self) -> None:
        """End everything as a killed process would."""
        self.store._dead = True
        await self._end_carriers()
        await self.smdp.stop()
        self.store.abandon()

    async def _end_carriers(self) -> None:
        self.outside.tell = lambda _message_id: None
        for task in list(self._carriers):
            task.cancel()
        await asyncio.gather(*self._carriers, return_exceptions=True)

    def _carry_on(self, message_id: str) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(message_id))
        self._carriers.add(task)
        task.add_done_callback(self._carriers.discard)

    async def _carry(self, message_id: str) -> None:
        if message_id not in self.outside.waiting:
            return  # a repeat, and the first one was quicker
        header, body = self.outside.waiting[message_id]
        await self.smdp.receive(encode(header, body))
        self.outside.waiting.pop(message_id, None)

    # -- the operator -------------------------------------------------------------------------------------------

    async def ask(self, body: Body, call_id: str = "", owner: str = OWNER) -> Any:
        """One call of the operator's tools; raises Refused."""
        self._number += 1
        header = Header(
            message_id=f"{OPERATOR}/{self.died!r}/{self._number}",
            sender=OPERATOR,
            requester=owner,
            function_call_id=call_id or f"call {self._number}",
            deadline=self.now() + 60.0,
            eid=getattr(body, "eid", ""),
        )
        _, answer = decode(await self.bus.call(SM_DP, OPERATOR, encode(header, body)), admin.ANSWER_CODEC)
        if isinstance(answer, admin.AdminRefused):
            status = answer.status
            raise Refused(status.subject, status.reason, status.message, identifier=status.identifier)
        return answer

    async def stock(self, count: int, *, name: str = "demo", first: int = 1) -> None:
        """A template and `count` free subscriptions, straight into the tables."""
        await self.ask(admin.ImportTemplate(owner=OWNER, name=name, der=demo_template()))

        def unit(connection: Any) -> None:
            batch = connection.execute(
                insert(schema.subscription_batch).values(
                    import_id=name, owner=OWNER, profile_type=name, state=imports.FINISHED, chunks=1, rows=count,
                    known=0, free=count, created=START,
                )
            ).inserted_primary_key[0]  # fmt: skip
            rows = [
                {"iccid": iccid_of(n), "owner": OWNER, "profile_type": name, "imsi": f"00101{n:010d}",
                 "msisdn": "", "state": FREE, "order_id": "", "created": START, "batch": batch}
                for n in range(first, first + count)
            ]  # fmt: skip
            connection.execute(insert(schema.subscription), rows)

        await self.store.write(unit)

    async def order(self, number: int = 1, *, call_id: str = "", **changes: Any) -> admin.OrderView:
        values: dict[str, Any] = {"profile_type": "demo", "enable": True, "validity": 7200.0} | changes
        request = admin.CreateOrder(owner=OWNER, eid=eid_of(number), **values)
        view = await self.ask(request, call_id)
        assert isinstance(view, admin.OrderView)
        return view

    async def show(self, order_id: str) -> admin.OrderView:
        view = await self.ask(admin.ShowOrder(owner=OWNER, order_id=order_id))
        assert isinstance(view, admin.OrderView)
        return view

    async def until(self, condition: Callable[[admin.OrderView], bool], order_id: str) -> admin.OrderView:
        """Wait until the order is as wanted."""
        pause = 0.2
        for _ in range(2_000):
            view = await self.show(order_id)
            if condition(view):
                return view
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, 10.0)
        raise AssertionError(f"it never came to it: {view}")

    async def ended(self, order_id: str) -> admin.OrderView:
        return await self.until(lambda view: view.state == "done", order_id)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        return await self.store.read(lambda c: [tuple(row) for row in c.execute(text(query))])

    async def free(self) -> int:
        table = schema.subscription
        return len(
            await self.store.read(lambda c: c.execute(select(table.c.iccid).where(table.c.state == FREE)).all())
        )
