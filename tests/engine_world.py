"""A small world for the engine's tests: one role with a procedure, a caller, a transport and a CryptoServer.

The caller, the transport and the CryptoServer live outside of the process that is killed: they keep what they
have to say until it was taken, as the mailboxes of other roles do.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, MetaData, String, Table, insert, select

from backends import AnyStore, Backend
from ferryman.contracts.crypto import SCP80Wrap, SCP80Wrapped
from ferryman.contracts.es3 import RESPONSE_CODEC, ES3CreateISDP, ES3CreateISDPResponse
from ferryman.contracts.es5 import SMSAccepted, SubmitSMS
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.contracts.status import SUCCESS, expired
from ferryman.errors import Refused, Unavailable
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock
from ferryman.platform.engine import DEADLINE, Engine, Start
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.platform.procedure import (
    Answered,
    Apply,
    Ask,
    Audit,
    Begin,
    CancelTimer,
    Context,
    Done,
    Effect,
    Event,
    ProcedureKind,
    Received,
    Reply,
    Send,
    SetTimer,
    Signal,
    Signalled,
    Step,
    TimerFired,
)
from ferryman.platform.schema import platform_tables

METADATA = MetaData()
TABLES = platform_tables(METADATA)
NOTE = Table(
    "note", METADATA, Column("id", String(200), primary_key=True), Column("text", String(200), nullable=False)
)
START = 1_700_000_000.0
EID = "89049032000000000000000000000011"
OTHER_EID = "89049032000000000000000000000022"
INCOMING: Codec[Body] = Codec(ES3CreateISDP, SMSAccepted)
OUTGOING: Codec[Body] = Codec(SubmitSMS, ES3CreateISDPResponse)


# -- the example: ask, send, wait for the answer, count it in another procedure, reply ----------------------------


class Order(msgspec.Struct, frozen=True):
    """State of the example; `patience` in seconds."""

    patience: float
    phase: str = ""
    packet: bytes = b""
    sent: int = 0
    count: int = 0


class Tally(msgspec.Struct, frozen=True):
    """A procedure that never ends: counts the answers of one card."""

    count: int = 0


def order_step(state: Order, event: Event, context: Context) -> Step[Order]:
    change = msgspec.structs.replace
    match event:
        case Begin():
            ask = Ask(
                "wrap",
                SCP80Wrap(eid=context.eid, key_version=1, spi=b"", tar=b"", counter=1, data=context.entropy),
            )
            audit = Audit("begin", "ok", object=context.procedure_id)
            return Step(change(state, phase="asked"), (ask, audit))
        case Answered("wrap", _, refusal) if refusal is not None:
            return Step(change(state, phase="refused"), (Reply(ES3CreateISDPResponse(status=refusal)), Done()))
        case Answered("wrap", reply):
            return _send(change(state, packet=reply.packet), context, Apply(f"packet {context.procedure_id}"))
        case TimerFired("patience"):
            return _send(state, context)
        case Received(_, SMSAccepted()) if state.phase == "sent":
            count = Signal(f"tally/{context.eid}", "plus", kind="tally", initial=Tally())
            return Step(change(state, phase="counting"), (count, CancelTimer("patience")))
        case Signalled(_, int() as number):
            response = ES3CreateISDPResponse(status=SUCCESS, isdp_aid=bytes([number]))
            audit = Audit("done", "ok", object=context.procedure_id, detail=str(number))
            return Step(change(state, phase="end", count=number), (Reply(response), audit, Done()))
        case TimerFired(name) if name == DEADLINE:
            return Step(
                change(state, phase="expired"), (Reply(ES3CreateISDPResponse(status=expired("too late"))), Done())
            )
        case _:
            return Step(state)


def _send(state: Order, context: Context, *more: Effect) -> Step[Order]:
    number = state.sent + 1
    sms = SubmitSMS(
        sms_id=f"{context.procedure_id}#{number}", destination="49", packet=state.packet, validity=60.0
    )
    effects = (Send("transport-sms", sms, context.now + 60), SetTimer("patience", context.now + state.patience))
    return Step(msgspec.structs.replace(state, phase="sent", sent=number), (*effects, *more))


def tally_step(state: Tally, event: Event, context: Context) -> Step[Tally]:
    if isinstance(event, Signalled) and event.value == "plus":
        state = Tally(state.count + 1)
        return Step(state, (Signal(event.sender, state.count),))
    return Step(state)


KINDS = (ProcedureKind("order", Order, order_step), ProcedureKind("tally", Tally, tally_step))


# -- the others ---------------------------------------------------------------------------------------------------


class Outside:
    """Caller, transport and CryptoServer; they survive what happens to the role."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[Header, ES3CreateISDPResponse]] = {}
        self.submitted: dict[str, SubmitSMS] = {}
        self.questions: list[str] = []
        self.crypto: list[Exception] = []  # what the next questions meet
        self.lose = 0  # submissions that vanish
        self.silent = False  # the transport takes but does not answer
        self.pending: dict[str, bytes] = {}  # what the role has not taken yet
        self.refusals: list[Refused] = []
        self.deliver: Callable[[str], None] = lambda _message_id: None

    def say(self, header: Header, body: Body) -> None:
        """Give the role a message, now or after its restart."""
        self.pending[header.message_id] = encode(header, body)
        self.deliver(header.message_id)

    def request(
        self,
        call: str,
        *,
        eid: str = EID,
        seconds: float = 3600.0,
        now: float = START,
        iccid: str = "1",
        message: str = "",
        requester: str = "dp",
    ) -> None:
        """A function call of the SM-DP."""
        header = Header(
            message_id=message or f"dp/{call}",
            sender="sm-dp",
            requester=requester,
            function_call_id=call,
            deadline=now + seconds,
            eid=eid,
        )
        self.say(header, ES3CreateISDP(eid=eid, iccid=iccid, owner="mno", required_memory=0))

    async def take_answer(self, raw: bytes) -> None:
        header, body = decode(raw, OUTGOING)
        assert isinstance(body, ES3CreateISDPResponse)
        self.answers.setdefault(header.message_id, (header, body))

    async def take_submission(self, raw: bytes) -> None:
        header, body = decode(raw, OUTGOING)
        assert isinstance(body, SubmitSMS)
        if header.message_id in self.submitted:
            assert self.submitted[header.message_id] == body, "a repeat must be the same message"
            return
        self.submitted[header.message_id] = body
        if self.silent:
            return
        if self.lose:
            self.lose -= 1
            return
        self.accept(header, body)

    def accept(self, header: Header, body: SubmitSMS) -> None:
        answer = msgspec.structs.replace(header, message_id=f"sms/{header.message_id}", sender="transport-sms")
        self.say(answer, SMSAccepted(sms_id=body.sms_id))

    async def ask(self, header: Header, body: Body) -> Body:
        self.questions.append(header.message_id)
        await asyncio.sleep(0)
        if self.crypto:
            raise self.crypto.pop(0)
        assert isinstance(body, SCP80Wrap)
        return SCP80Wrapped(packet=b"wrapped")


class World:
    """One role's process, which can be killed and started again."""

    def __init__(self, backend: Backend, *, patience: float = 60.0) -> None:
        self.backend = backend
        self.outside = Outside()
        self.patience = patience
        self.died = asyncio.Event()
        self._carriers: set[asyncio.Task[None]] = set()
        self._offset = 0.0

    async def boot(self, **hooks: Callable[[int], bool]) -> None:
        """Start the process; a hook that returns True kills it at that commit."""
        loop = asyncio.get_running_loop()
        self.died = asyncio.Event()
        died = self.died

        def watch(hook: Callable[[int], bool]) -> Callable[[int], bool]:
            def die(number: int) -> bool:
                if hook(number):
                    loop.call_soon_threadsafe(died.set)
                    return True
                return False

            return die

        self.store: AnyStore = self.backend.open(**{name: watch(hook) for name, hook in hooks.items()})
        bus = InProcessBus()
        # Time goes on while the process is down.
        if not self._offset:
            self._offset = START - loop.time()
        clock = LoopClock(start=self._offset + loop.time())
        self.mailbox = Mailbox(role="sm-sr", store=self.store, tables=TABLES, bus=bus, clock=clock)
        self.clock = clock
        self.engine = self.make_engine()
        bus.register("sm-dp", self.outside.take_answer)
        bus.register("transport-sms", self.outside.take_submission)
        self.outside.deliver = self._deliver
        await self.mailbox.start()
        await self.engine.start()
        for message_id in list(self.outside.pending):
            self._deliver(message_id)

    def make_engine(self) -> Engine:
        return Engine(
            mailbox=self.mailbox,
            clock=self.clock,
            entropy=lambda count: bytes(count),
            kinds=KINDS,
            ask=self.outside.ask,
            load_facts=lambda connection, eid, state: None,
            apply_change=_apply,
            answers=RESPONSE_CODEC,
        )

    async def shut_down(self) -> None:
        await self._end_carriers()
        await self.engine.stop()
        await self.mailbox.stop()
        await self.store.close()

    async def kill(self) -> None:
        await self._end_carriers()
        await self.engine.stop()
        await self.mailbox.stop()
        await self.backend.kill(self.store)

    async def _end_carriers(self) -> None:
        self.outside.deliver = lambda _message_id: None
        for task in list(self._carriers):
            task.cancel()
        await asyncio.gather(*self._carriers, return_exceptions=True)

    def _deliver(self, message_id: str) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(message_id))
        self._carriers.add(task)
        task.add_done_callback(self._carriers.discard)

    async def _carry(self, message_id: str) -> None:
        while message_id in self.outside.pending:
            with contextlib.suppress(Unavailable):
                await self.receive(self.outside.pending[message_id])
                self.outside.pending.pop(message_id, None)
                return
            await asyncio.sleep(0.01)

    async def receive(self, raw: bytes) -> None:
        """What a role does with a message."""
        header, body = decode(raw, INCOMING)
        if isinstance(body, SMSAccepted):
            procedure_id = body.sms_id.partition("#")[0]
            await self.engine.deliver(header.eid, procedure_id, Received(header, body), header=header)
            return
        start = Start(
            kind="order",
            procedure_id=f"order/{header.requester}/{header.function_call_id}",
            state=Order(self.patience),
            exclusive=True,
            caller=header,
            request=body,
        )
        try:
            await self.engine.call(header, start)
        except Refused as refusal:
            self.outside.refusals.append(refusal)

    # -- looking inside -----------------------------------------------------------------------------------------

    async def rows(self, table: Table, *columns: str) -> list[tuple[Any, ...]]:
        """Columns of a table, sorted."""
        statement = select(*(table.c[name] for name in columns))
        found = await self.store.read(lambda c: [tuple(row) for row in c.execute(statement)])
        return sorted(found, key=repr)

    async def count(self, table: Table) -> int:
        return len(await self.rows(table, table.c.keys()[0]))

    async def idle(self) -> bool:
        """Every call is answered and nothing is on its way."""
        if self.outside.pending:
            return False
        # In this order: the commit that ends a procedure takes its timer away and puts its answer into the outbox.
        tables = (TABLES.timer, TABLES.lease, TABLES.outbox)
        return not any([await self.count(table) for table in tables])

    async def dump(self) -> dict[str, Any]:
        """Everything durable, without times and sequence numbers."""
        return {
            "procedure": await self.rows(
                TABLES.procedure, "id", "kind", "eid", "requester", "status", "exclusive", "version", "state"
            ),
            "call": await self.rows(
                TABLES.call, "requester", "function_call_id", "function", "procedure_id", "answer"
            ),
            "inbox": await self.rows(TABLES.inbox, "message_id"),
            "audit": await self.rows(TABLES.audit, "actor", "action", "eid", "object", "outcome", "detail"),
            "journal": await self.rows(
                TABLES.journal, "procedure_id", "eid", "direction", "kind", "message_id", "body"
            ),
            "note": await self.rows(NOTE, "id", "text"),
            "answers": sorted((key, body) for key, (_, body) in self.outside.answers.items()),
            "submitted": sorted(self.outside.submitted),
        }


def _apply(tx: Tx, eid: str, change: str) -> None:
    tx.connection.execute(insert(NOTE).values(id=change, text=eid))


def clear(connection: Connection) -> None:
    """Empty every table."""
    for table in reversed(METADATA.sorted_tables):
        connection.execute(table.delete())
