"""SM-DP and SM-SR on one bus, asked by peers through the gateway, and a card that answers as a test says.

Both roles are whole, with a database each. The CryptoServer secures nothing: a packet shows the number and the
commands that it was made of, so that the card can answer without keys. Asked for a check, it says what `refusals`
has. A call for an SM-SR that nobody knows meets the gateway itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData

import sr_steps as s
from ferryman.contracts import crypto, es1, es2, es3, es4, es5, es7
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.contracts.roles import (
    CRYPTO_SERVER,
    SM_DP,
    SM_SR,
    SOAP_GATEWAY,
    TRANSPORT_SMS,
)
from ferryman.contracts.status import ExecutionStatus
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.store import SQLiteStore
from ferryman.sm_dp import schema as dp_schema
from ferryman.sm_dp.records import DPSettings
from ferryman.sm_dp.role import SMDP
from ferryman.sm_sr import eis_store
from ferryman.sm_sr import schema as sr_schema
from ferryman.sm_sr.records import EUICC
from ferryman.sm_sr.role import SMSR
from ferryman.sm_sr.settings import SRSettings
from ferryman.soap_gateway import schema as soap_schema
from ferryman.soap_gateway.role import SOAPGateway
from ferryman.soap_gateway.settings import SOAPSettings
from parties import Party
from rig import SeededEntropy

FIRST, SECOND = "1.3.6.1.4.1.99999.20", "1.3.6.1.4.1.99999.21"
STRANGER = "1.3.6.1.4.1.99999.99"  # an SM-SR that the gateway has no peer for
KIND_RESPONSE = 0x71
COUNTER = 5  # octets
QUESTIONS = (*es2.REQUESTS, *es3.REQUESTS, *es7.REQUESTS)
LETTERS: Codec[Body] = Codec(
    *QUESTIONS, *es1.RESPONSES, *es2.RESPONSES, *es3.RESPONSES, *es4.RESPONSES, *es7.RESPONSES,
    *es2.NOTIFICATIONS, *es3.NOTIFICATIONS, *es4.NOTIFICATIONS,
)  # fmt: skip
type Card = Callable[[bytes], int | None]  # by the script that it got: the status word, or silence


def silent(script: bytes) -> int | None:
    """A card out of reach."""
    del script


class Exchange:
    """Who asks, and what came back."""

    def __init__(self) -> None:
        self.bus = InProcessBus()
        self.clock = LoopClock(start=s.NOW)
        self.answers: dict[str, Any] = {}  # FunctionCallIdentifier -> response
        self.asked: list[tuple[Header, Any]] = []  # calls of our roles to peers
        self.card: Card = silent
        self.refusals: dict[type[Body], ExecutionStatus] = {}
        self._numbers = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        self.sr_store: SQLiteStore
        self.dp_store: SQLiteStore  # with an SM-DP
        self.gateway: SOAPGateway | None = None

    async def send(self, body: Body, requester: str, *, call: str = "", validity: float = 600.0) -> str:
        """A peer's message, by the gateway, to the role that serves the function; the name of the call."""
        number = next(self._numbers)
        header = Header(
            message_id=f"peer/{number}",
            sender=SOAP_GATEWAY,
            requester=requester,
            function_call_id=call or f"call-{number}",
            deadline=self.clock.now() + validity,
            eid=getattr(body, "eid", "") or getattr(getattr(body, "eis", None), "eid", ""),
        )
        await self.bus.deliver(SM_DP if type(body) in es2.REQUESTS else SM_SR, encode(header, body))
        return header.function_call_id

    async def answer(self, call: str, *, within: float = 100_000.0) -> Any:
        """The response to a call."""
        async with asyncio.timeout(within):
            while call not in self.answers:
                await asyncio.sleep(0.5)
        return self.answers[call]

    async def code(self, body: Body, requester: str, *, validity: float = 600.0) -> str:
        """The pair that a call is answered with; empty for success."""
        response = await self.answer(await self.send(body, requester, validity=validity))
        assert type(response).__name__ == type(body).__name__ + "Response"
        status: ExecutionStatus = response.status
        return status.code

    async def question(self, kind: type[Body]) -> tuple[Header, Any]:
        """What one of our roles has asked a peer."""
        async with asyncio.timeout(100_000.0):
            while True:
                for header, body in self.asked:
                    if isinstance(body, kind):
                        return header, body
                await asyncio.sleep(0.5)

    async def add(self, *cards: EUICC) -> None:
        """Cards that the SM-SR manages."""
        await self.sr_store.write(lambda c: [eis_store.register(c, card, self.clock.now()) for card in cards])

    # -- what the roles reach ---------------------------------------------------------------------------------

    async def to_gateway(self, raw: bytes) -> None:
        """A letter to a peer."""
        header, body = decode(raw, LETTERS)
        if type(body) not in QUESTIONS:
            self.answers.setdefault(header.function_call_id, body)
        elif header.recipient == STRANGER and self.gateway is not None:
            await self.gateway.receive(raw)
        else:
            self.asked.append((header, body))

    async def to_sms(self, raw: bytes) -> None:
        """A packet to the card; the proof of receipt comes a little later."""
        header, body = decode(raw, es5.TO_SMS_CODEC)
        if isinstance(body, es5.SubmitSMS):
            task = asyncio.get_running_loop().create_task(self._execute(header, body))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _execute(self, header: Header, body: es5.SubmitSMS) -> None:
        counter, script = body.packet[:COUNTER], body.packet[COUNTER:]
        await asyncio.sleep(1.0)
        sw = self.card(script)
        if sw is None:
            return
        number = next(self._numbers)
        back = Header(
            message_id=f"mo/{number}", sender=TRANSPORT_SMS, requester="", function_call_id="", deadline=1e12
        )
        said = es5.SMSReceived(
            mo_id=str(number),
            originator=body.destination,
            kind=KIND_RESPONSE,
            packet=counter + s.script((b"", sw)),
        )
        await self.bus.deliver(SM_SR, encode(back, said))

    async def crypto(self, caller: str, raw: bytes) -> bytes:
        """The CryptoServer: no keys, no checks."""
        del caller
        header, body = decode(raw, crypto.REQUEST_CODEC)
        return encode(header, self._said(body))

    def _said(self, body: Body) -> Body:
        if type(body) in self.refusals:
            return crypto.CryptoRefused(status=self.refusals[type(body)])
        match body:
            case crypto.SCP80Wrap():
                return crypto.SCP80Wrapped(packet=body.counter.to_bytes(COUNTER) + body.data)
            case crypto.SCP80OpenResponse():
                counter, data = int.from_bytes(body.packet[:COUNTER]), body.packet[COUNTER:]
                return crypto.SCP80Response(tar=body.tar, counter=counter, status=0, data=data)
            case crypto.VerifyEUICC():
                return crypto.EUICCVerified(ecasd_public_key=b"\x04" + bytes(64))
            case _:
                return crypto.Stored()

    async def end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def exchange(
    path: Path, *, dp: DPSettings | None = None, ours: Party | None = None
) -> AsyncIterator[Exchange]:
    """The SM-SR, with `dp` the SM-DP, with `ours` the gateway without any peer. Use it inside a virtual loop."""
    w = Exchange()
    async with contextlib.AsyncExitStack() as stack:
        w.sr_store = await _store(stack, path / "sr.db", sr_schema.METADATA)
        smsr = SMSR(
            mailbox=Mailbox(role=SM_SR, store=w.sr_store, tables=sr_schema.PLATFORM, bus=w.bus, clock=w.clock),
            calls=w.bus,
            settings=SRSettings(
                transport="sms", sms_answer_timeout=5.0, operators=(s.OWNER,), smsr_peers=(SECOND,), smsr_id=FIRST
            ),
            clock=w.clock,
            entropy=SeededEntropy("sr"),
            smdps=frozenset({s.DP}),
        )
        w.bus.register(SOAP_GATEWAY, w.to_gateway)
        w.bus.register(TRANSPORT_SMS, w.to_sms)
        w.bus.serve(CRYPTO_SERVER, w.crypto)
        if ours is not None:
            w.gateway = await _gateway(stack, w, path, ours)
        await _run(stack, w, SM_SR, smsr)
        if dp is not None:
            await _run(stack, w, SM_DP, await _smdp(stack, w, path, dp))
        stack.push_async_callback(w.end)
        yield w


async def _store(stack: contextlib.AsyncExitStack, path: Path, tables: MetaData) -> SQLiteStore:
    store = SQLiteStore(str(path), threaded=False)
    stack.push_async_callback(store.close)
    await store.write(tables.create_all)
    return store


async def _run(stack: contextlib.AsyncExitStack, w: Exchange, name: str, role: SMSR | SMDP) -> None:
    w.bus.register(name, role.receive)
    w.bus.serve(name, role.serve)
    await role.start()
    stack.push_async_callback(role.stop)


async def _smdp(stack: contextlib.AsyncExitStack, w: Exchange, path: Path, settings: DPSettings) -> SMDP:
    w.dp_store = await _store(stack, path / "dp.db", dp_schema.METADATA)
    return SMDP(
        mailbox=Mailbox(role=SM_DP, store=w.dp_store, tables=dp_schema.PLATFORM, bus=w.bus, clock=w.clock),
        calls=w.bus,
        settings=settings,
        clock=w.clock,
        entropy=SeededEntropy("dp"),
    )


async def _gateway(stack: contextlib.AsyncExitStack, w: Exchange, path: Path, ours: Party) -> SOAPGateway:
    """It takes letters and has nobody to bring them to."""
    store = await _store(stack, path / "soap.db", soap_schema.METADATA)
    mailbox = Mailbox(role=SOAP_GATEWAY, store=store, tables=soap_schema.PLATFORM, bus=w.bus, clock=w.clock)
    made = SOAPGateway(
        mailbox=mailbox,
        calls=w.bus,
        settings=SOAPSettings("127.0.0.1", 0, str(ours.certificate_file), str(ours.key_file)),
        clock=w.clock,
        entropy=SeededEntropy("soap"),
        smsr_id=FIRST,
        smdp_id=s.DP,
        password=lambda _name: b"",
    )
    await mailbox.start()
    stack.push_async_callback(mailbox.stop)
    return made


def refuses(sw: int) -> Card:
    """A card that answers every command with this status word."""
    return lambda _script: sw
