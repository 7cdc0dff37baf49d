"""What the engine promises, on every store; SQLite in the loop runs on virtual time, the others on real time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec
import pytest
import structlog
from sqlalchemy import insert, select, update
from structlog.testing import capture_logs

import engine_world
from backends import Backend
from engine_world import EID, METADATA, NOTE, OTHER_EID, START, TABLES, Order, World, clear, order_step
from ferryman.contracts import codes
from ferryman.contracts.es3 import ES3CreateISDPResponse
from ferryman.contracts.message import Body, Header
from ferryman.contracts.status import SUCCESS, Status
from ferryman.errors import FerrymanError, PeerError, Refused, Unavailable
from ferryman.platform import carrier as carrier_module
from ferryman.platform import engine as engine_module
from ferryman.platform import mailbox as mailbox_module
from ferryman.platform.engine import DEADLINE, MAX_FAULTS, Engine, Start
from ferryman.platform.log import tell_about
from ferryman.platform.procedure import (
    Answered,
    Ask,
    Begin,
    Context,
    Done,
    Event,
    ProcedureKind,
    Received,
    Reply,
    SetTimer,
    Signal,
    Signalled,
    Step,
    TimerFired,
)
from patience import until, until_async
from virtual_loop import run

type Drive = Callable[[Callable[[World], Awaitable[None]]], None]

VIRTUAL = ["sqlite-inline"]


@pytest.fixture
def drive(store_kind: str, store_address: str, monkeypatch: pytest.MonkeyPatch) -> Drive:
    """Runs a scenario on a world over each store."""
    if store_kind not in VIRTUAL:
        monkeypatch.setattr(carrier_module, "RETRY_FIRST", 0.002)
        monkeypatch.setattr(mailbox_module, "RESCAN_DELAY", 0.01)
        monkeypatch.setattr(engine_module, "TAKE_UP_DELAY", 0.01)
        monkeypatch.setattr(engine_module, "FAULT_FIRST", 0.002)

    def drive_it(scenario: Callable[[World], Awaitable[None]]) -> None:
        async def main() -> None:
            backend = Backend(store_kind, store_address)
            await backend.create(METADATA)
            world = World(backend)
            try:
                await scenario(world)
            finally:  # what a failed test leaves open would disturb the next one
                await backend.close()

        start(store_kind, main())

    return drive_it


def start(kind: str, main: Coroutine[Any, Any, None]) -> None:
    if kind in VIRTUAL:
        run(main, limit=10 * 86_400)
    else:
        asyncio.run(main)


def statuses(world: World) -> list[str]:
    return sorted(str(body.status.status) for _, body in world.outside.answers.values())


async def done(world: World) -> None:
    await until_async(world.idle)


# -- calls --------------------------------------------------------------------------------------------------------


def test_a_call_is_run_to_its_answer(drive: Drive) -> None:
    async def scenario(world: World) -> None:
        await world.boot()
        world.outside.request("c1")
        await done(world)
        assert statuses(world) == ["EXECUTED_SUCCESS"]
        ((header, body),) = world.outside.answers.values()
        assert (header.function_call_id, header.causation_id, header.sender) == ("c1", "dp/c1", "sm-sr")
        assert body.isdp_aid == b"\x01"
        assert await world.rows(TABLES.procedure, "id", "status") == [
            ("order/dp/c1", "done"),
            (f"tally/{EID}", "running"),
        ]
        assert await world.rows(NOTE, "id", "text") == [("packet order/dp/c1", EID)]
        await world.shut_down()

    drive(scenario)


def test_lines_of_the_log_within_a_step_carry_operation_and_eid(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(world: World) -> None:
        await world.boot()
        answer = world.outside.ask

        async def ask(header: Header, body: Body) -> Body:
            structlog.get_logger().info("asked")
            return await answer(header, body)

        monkeypatch.setattr(world.engine, "_ask", ask)
        with capture_logs(processors=[tell_about]) as lines:
            world.outside.request("c1")
            await done(world)
            await world.engine.deliver(EID, f"tally/{EID}", TimerFired("none"))
            structlog.get_logger().info("afterwards", eid="its own")
        said = {line["event"]: (line.get("operation"), line.get("eid")) for line in lines}
        assert said == {"asked": ("order", EID), "afterwards": (None, "its own")}
        await world.shut_down()

    drive(scenario)


def test_the_journal_shows_what_came_and_what_went(drive: Drive) -> None:
    async def scenario(world: World) -> None:
        await world.boot()
        world.outside.request("c1")
        await done(world)
        table = TABLES.journal
        statement = select(table.c.direction, table.c.kind, table.c.procedure_id).order_by(table.c.seq)
        rows = await world.store.read(lambda c: c.execute(statement).all())
        assert [tuple(row) for row in rows] == [
            ("in", "ES3CreateISDP", "order/dp/c1"),
            ("out", "SubmitSMS", "order/dp/c1"),
            ("in", "SMSAccepted", "order/dp/c1"),
            ("out", "ES3CreateISDPResponse", "order/dp/c1"),
        ]
        audit = await world.rows(TABLES.audit, "actor", "action", "eid", "object")
        assert audit == [("dp", "begin", EID, "order/dp/c1"), ("dp", "done", EID, "order/dp/c1")]
        await world.shut_down()

    drive(scenario)


def test_a_repeat_of_a_call_gets_the_first_answer(drive: Drive) -> None:
    async def scenario(world: World) -> None:
        await world.boot()
        world.outside.request("c1")
        await done(world)
        before = await world.rows(TABLES.procedure, "id", "version")
        world.outside.request("c1", message="dp/c1/again")
        await until(lambda: len(world.outside.answers) == 2)
        first, second = (body for _, body in world.outside.answers.values())
        assert first == second
        assert await world.rows(TABLES.procedure, "id", "version") == before
        assert len(world.outside.submitted) == 1
        await world.shut_down()

    drive(scenario)


def test_a_repeat_while_the_first_runs_starts_nothing(drive: Drive) -> None:
    async def scenario(world: World) -> None:
        world.outside.silent = True
        await world.boot()
        world.outside.request("c1")
        await until(lambda: len(world.outside.submitted) == 1)
        world.outside.request("c1", message="dp/c1/again")
        await until(lambda: not world.outside.pending)
        assert len(await world.rows(TABLES.procedure, "id")) == 1
        assert len(world.outside.submitted) == 1
        await world.shut_down()

    drive(scenario)


def test_the_same_identifier_with_other_input_is_refused(drive: Drive) -> None:
    async def scenario(world: World) -> None:
        await world.boot()
        world.outside.request("c1")
        await done(world)
        before = await world.dump()
        world.outside.request("c1", iccid="2", message="dp/other")
        await until(lambda: len(world.outside.refusals) == 1)
        assert (world.outside.refusals[0].subject, world.outside.refusals[0].reason) == codes.CALL_ID_REUSED
        assert await world.dump() == before
        # Another requester may use the same identifier.
        world.outside.request("c1", iccid="2", message="dp2/c1", requester="dp2")
        await until(lambda: len(world.outside.answers) == 2)
        await world.shut_down()

    drive(scenario)


# -- one writer per EID ------------------------------------------------------------------------------------------


def test_a_second_call_waits_for_the_first_and_then_begins(drive: Drive) -> None:
    async def scenario(world: World) -> None:
        world.outside.silent = True
        await world.boot()
        for number in range(4):  # the order of arrival counts, not deadlines or names
            world.outside.request(f"c{9 - number}", now=START - number)
        world.outside.request("elsewhere", eid=OTHER_EID)
        await until(lambda: len(world.outside.submitted) == 2)
        assert await world.engine.holder(EID) == ("order/dp/c9", "order")
        assert await world.engine.holder(OTHER_EID) == ("order/dp/elsewhere", "order")
        assert [status for _, status in await world.rows(TABLES.procedure, "id", "status")] == [
            "waiting", "waiting", "waiting", "running", "running",
        ]  # fmt: skip
        begun = []
        for number in range(4):
            sms = next(s for s in world.outside.submitted.values() if s.sms_id == f"order/dp/c{9 - number}#1")
            begun.append(sms.sms_id)
            accept(world, sms.sms_id)
            wanted = number + 3 if number < 3 else number + 2
            await until(lambda wanted=wanted: len(world.outside.submitted) == wanted)
        accept(world, "order/dp/elsewhere#1", eid=OTHER_EID)
        await done(world)
        assert await world.engine.holder(EID) is None
        assert [body.isdp_aid for _, body in world.outside.answers.values()].count(b"\x04") == 1
        await world.shut_down()

    drive(scenario)


def accept(world: World, sms_id: str, eid: str = EID) -> None:
    header = Header(
        message_id=f"late/{sms_id}", sender="transport-sms", requester="dp", function_call_id="x",
        deadline=START * 2, eid=eid,
    )  # fmt: skip
    world.outside.accept(header, engine_world.SubmitSMS(sms_id=sms_id, destination="", packet=b"", validity=0.0))


def test_a_deadline_passes_while_the_call_waits(drive: Drive, store_kind: str) -> None:
    soon = 100.0 if store_kind in VIRTUAL else 0.1

    async def scenario(world: World) -> None:
        world.outside.silent = True
        world.patience = 1e6
        await world.boot()
        world.outside.request("first")
        await until(lambda: len(world.outside.submitted) == 1)
        world.outside.request("second", seconds=soon, now=world.clock.now())
        await until(lambda: len(world.outside.answers) == 1)
        ((header, body),) = world.outside.answers.values()
        assert header.function_call_id == "second"
        assert body.status.status == Status.EXPIRED
        assert await world.engine.holder(EID) == ("order/dp/first", "order")
        accept(world, "order/dp/first#1")
        await done(world)
        assert statuses(world) == ["EXECUTED_SUCCESS", "EXPIRED"]
        assert len(world.outside.submitted) == 1  # the second never began
        await world.shut_down()

    drive(scenario)


def test_an_admission_during_a_dispatch_is_not_written_over(drive: Drive) -> None:
    """An event reaches a waiting procedure; while its question is open the EID becomes free."""

    def step(state: Order, event: Event, context: Context) -> Step[Order]:
        if isinstance(event, Signalled):
            return Step(state, (ask_of(context),))
        return Step(msgspec.structs.replace(state, phase=state.phase + type(event).__name__[0]))

    async def scenario(world: World) -> None:
        await world.boot()
        lease = TABLES.lease
        held = insert(lease).values(eid=EID, procedure_id="somebody", since=0.0)
        await world.store.write(lambda c: c.execute(held).rowcount)
        engine = with_kinds(world, ProcedureKind("w", Order, step))

        async def ask(_header: Header, _body: Any) -> Any:
            await world.store.write(lambda c: c.execute(lease.delete()).rowcount)
            await engine._admit(EID)
            return engine_world.SCP80Wrapped(packet=b"")

        engine._ask = ask
        header = Header(
            message_id="m", sender="sm-dp", requester="dp", function_call_id="m", deadline=2 * START, eid=EID
        )
        request = engine_world.ES3CreateISDP(eid=EID, iccid="1", owner="o", required_memory=0)
        call = Start(kind="w", procedure_id="w", state=Order(1.0), exclusive=True, caller=header, request=request)
        await engine.call(header, call)
        await engine.deliver(EID, "w", Signalled("x", "poke"))

        async def begun() -> bool:
            ((status, state),) = await world.rows(TABLES.procedure, "status", "state")
            return (status, "B" in msgspec.json.decode(state, type=Order).phase) == ("running", True)

        await until_async(begun)
        await engine.stop()
        await world.shut_down()

    drive(scenario)


# -- timers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("store_kind", VIRTUAL, indirect=True)
def test_a_timer_sends_again_and_the_deadline_ends_it(drive: Drive) -> None:
    async def scenario(world: World) -> None:
        world.outside.silent = True
        await world.boot()
        world.outside.request("c", seconds=200, now=world.clock.now())
        await done(world)
        assert statuses(world) == ["EXPIRED"]
        assert sorted(s.sms_id for s in world.outside.submitted.values()) == [
            "order/dp/c#1", "order/dp/c#2", "order/dp/c#3", "order/dp/c#4",
        ]  # fmt: skip
        await world.shut_down()

    drive(scenario)


def test_what_got_lost_is_sent_again(drive: Drive) -> None:
    async def scenario(world: World) -> None:
        world.patience = 0.05
        world.outside.lose = 2
        await world.boot()
        world.outside.request("c")
        await done(world)
        assert statuses(world) == ["EXECUTED_SUCCESS"]
        assert len(world.outside.submitted) >= 3
        await world.shut_down()

    drive(scenario)


@pytest.mark.parametrize("store_kind", VIRTUAL, indirect=True)
def test_timers_fire_at_their_time_also_after_a_restart(drive: Drive) -> None:
    async def scenario(world: World) -> None:
        world.patience = 600.0
        world.outside.silent = True
        loop = asyncio.get_running_loop()
        began = loop.time()
        await world.boot()
        world.outside.request("c", seconds=1000, now=world.clock.now())
        await asyncio.sleep(100)
        await world.kill()
        await asyncio.sleep(200)
        await world.boot()
        await until(lambda: len(world.outside.submitted) == 2)
        assert loop.time() - began == pytest.approx(600, abs=0.1)
        await world.kill()
        await asyncio.sleep(500)  # the deadline passes while nothing runs
        await world.boot()
        await done(world)
        assert loop.time() - began == pytest.approx(1100, abs=0.1)
        assert statuses(world) == ["EXPIRED"]
        await world.shut_down()

    drive(scenario)


def test_a_timer_that_fired_is_gone(drive: Drive) -> None:
    def step(state: Order, event: Event, context: Context) -> Step[Order]:
        if isinstance(event, TimerFired):
            return Step(msgspec.structs.replace(state, count=state.count + 1))
        return Step(state, (SetTimer("once", context.now), SetTimer("later", context.now + 1e6)))

    async def scenario(world: World) -> None:
        await world.boot()
        engine = with_kinds(world, ProcedureKind("timed", Order, step))
        creation = Signal("timed/1", None, kind="timed", initial=Order(1.0))
        await engine.deliver(EID, "timed/1", Signalled("x", "go"), create=creation)

        async def fired() -> bool:
            ((state,),) = await world.rows(TABLES.procedure, "state")
            return msgspec.json.decode(state, type=Order).count == 1

        await until_async(fired)
        assert await world.rows(TABLES.timer, "name") == [("later",)]
        await engine.stop()
        await world.shut_down()

    drive(scenario)


def test_an_answer_in_time_cancels_the_timer(drive: Drive) -> None:
    async def scenario(world: World) -> None:
        await world.boot()
        world.outside.request("c")
        await done(world)
        assert len(world.engine._timers) == 0
        assert world.engine._timers.next_due() is None
        await world.shut_down()

    drive(scenario)


# -- the CryptoServer refuses or is away --------------------------------------------------------------------------


def test_a_refusal_reaches_the_procedure_as_a_status(drive: Drive) -> None:
    async def scenario(world: World) -> None:
        world.outside.crypto = [Refused("8.5.2", "6.1", "bad certificate", identifier="x")]
        await world.boot()
        world.outside.request("c")
        await done(world)
        ((_, body),) = world.outside.answers.values()
        assert (body.status.status, body.status.code, body.status.identifier) == (Status.FAILED, "8.5.2/6.1", "x")
        assert world.outside.submitted == {}
        await world.shut_down()

    drive(scenario)


def test_while_the_cryptoserver_is_away_nothing_is_committed_and_it_is_tried_again(drive: Drive) -> None:
    async def scenario(world: World) -> None:
        world.outside.crypto = [Unavailable("crypto-server", retry_after=0.05) for _ in range(3)]
        await world.boot()
        world.outside.request("c")
        await until(lambda: len(world.outside.questions) == 1)
        await until(lambda: len(world.outside.crypto) < 3)
        assert await world.rows(TABLES.procedure, "status") == [("starting",)]
        assert await world.count(TABLES.audit) == 0
        await done(world)
        assert statuses(world) == ["EXECUTED_SUCCESS"]
        assert len(set(world.outside.questions)) == 1  # the same question under the same identifier
        assert len(world.outside.questions) == 4
        assert await world.count(TABLES.audit) == 2
        await world.shut_down()

    drive(scenario)


def test_a_message_whose_question_fails_is_delivered_again(drive: Drive) -> None:
    """Unavailable comes out of `deliver`, the inbox does not hold the message, the repeat does everything."""

    def step(state: Order, event: Event, context: Context) -> Step[Order]:
        if isinstance(event, Received):
            ask = order_step(state, Begin(), context).effects[0]
            return Step(msgspec.structs.replace(state, phase="asked"), (ask,))
        if isinstance(event, Answered):
            return Step(msgspec.structs.replace(state, phase="answered", packet=event.reply.packet))
        return Step(state)

    async def scenario(world: World) -> None:
        world.outside.crypto = [Unavailable("crypto-server")]
        await world.boot()
        engine = with_kinds(world, ProcedureKind("direct", Order, step))
        header = Header(
            message_id="m", sender="x", requester="x", function_call_id="m", deadline=2 * START, eid=EID
        )
        creation = Signal("direct/1", None, kind="direct", initial=Order(1.0))
        event = Received(header, engine_world.SMSAccepted(sms_id="x"))
        with pytest.raises(Unavailable):
            await engine.deliver(EID, "direct/1", event, header=header, create=creation)
        assert await world.count(TABLES.inbox) == 0
        assert await world.count(TABLES.procedure) == 0
        assert await world.count(TABLES.journal) == 0
        for _ in range(2):  # the second of these is a repeat
            await engine.deliver(EID, "direct/1", event, header=header, create=creation)
        assert await world.rows(TABLES.procedure, "id", "version") == [("direct/1", 1)]
        assert len(world.outside.questions) == 2
        assert await world.count(TABLES.journal) == 1
        await engine.stop()
        await world.shut_down()

    drive(scenario)


def with_kinds(world: World, *kinds: ProcedureKind) -> Engine:
    return Engine(
        mailbox=world.mailbox, clock=world.clock, entropy=lambda count: bytes(count), kinds=kinds,
        ask=world.outside.ask, load_facts=lambda _c, _e, _s: None, apply_change=lambda _t, _e, _c: None,
        answers=engine_world.RESPONSE_CODEC,
    )  # fmt: skip


def test_answers_come_in_the_order_of_the_questions_and_before_signals(drive: Drive) -> None:
    class Log(msgspec.Struct, frozen=True):
        seen: tuple[str, ...] = ()

    def step(state: Log, event: Event, context: Context) -> Step[Log]:
        name = type(event).__name__ + getattr(event, "tag", "")
        state = Log((*state.seen, name))
        if isinstance(event, Signalled) and event.value == "go":
            question = order_step(Order(1.0), Begin(), context).effects[0]
            assert isinstance(question, Ask)
            note = Signal(context.procedure_id, "note")
            return Step(state, (Ask("a", question.body), note, Ask("b", question.body), Ask("c", question.body)))
        return Step(state)

    async def scenario(world: World) -> None:
        await world.boot()
        engine = with_kinds(world, ProcedureKind("log", Log, step))
        creation = Signal("log/1", None, kind="log", initial=Log())
        await engine.deliver(EID, "log/1", Signalled("x", "go"), create=creation)
        ((state,),) = await world.rows(TABLES.procedure, "state")
        assert msgspec.json.decode(state, type=Log).seen == (
            "Signalled", "Answereda", "Answeredb", "Answeredc", "Signalled",
        )  # fmt: skip
        await engine.stop()
        await world.shut_down()

    drive(scenario)


def test_a_beginning_that_fails_by_a_fault_is_tried_again(drive: Drive) -> None:
    """Nobody else would bring it again: neither a caller nor a timer."""

    async def scenario(world: World) -> None:
        world.outside.crypto = [PeerError("an answer that cannot be read", field="type") for _ in range(4)]
        await world.boot()
        world.outside.request("c")
        await done(world)
        assert statuses(world) == ["EXECUTED_SUCCESS"]
        assert await world.rows(TABLES.audit, "outcome") == [("ok",), ("ok",)]
        await world.shut_down()

    drive(scenario)


def test_a_timer_whose_step_keeps_failing_is_an_alarm_and_fires_after_the_next_start(drive: Drive) -> None:
    broken = True
    rings = 0

    def step(state: Order, event: Event, context: Context) -> Step[Order]:
        nonlocal rings
        if isinstance(event, TimerFired):
            rings += 1
            if broken:
                raise RuntimeError("a bug")
            return Step(msgspec.structs.replace(state, phase="rung"))
        return Step(state, (SetTimer("bell", context.now + 0.01),))

    async def scenario(world: World) -> None:
        nonlocal broken
        await world.boot()
        kind = ProcedureKind("clock", Order, step)
        engine = with_kinds(world, kind)
        creation = Signal("clock/1", None, kind="clock", initial=Order(1.0))
        await engine.deliver(EID, "clock/1", Signalled("x", "go"), create=creation)
        await until(lambda: bool(world.mailbox.alarms))
        assert rings == MAX_FAULTS
        assert world.mailbox.alarms == {"procedure": 1}
        assert await world.rows(TABLES.audit, "eid", "object", "outcome", "detail") == [
            (EID, "clock/1", "alarm", "RuntimeError: a bug")
        ]
        assert await world.rows(TABLES.timer, "name") == [("bell",)]
        await engine.stop()
        broken = False
        engine = with_kinds(world, kind)
        await engine.start()
        await until(lambda: rings > MAX_FAULTS)
        await engine.stop()
        await world.shut_down()

    drive(scenario)


# -- steps that go wrong ------------------------------------------------------------------------------------------


def test_procedures_that_signal_each_other_for_ever_are_stopped_and_leave_nothing(drive: Drive) -> None:
    def step(state: Order, event: Event, context: Context) -> Step[Order]:
        return Step(state, (Signal(context.procedure_id, "again"),))

    async def scenario(world: World) -> None:
        await world.boot()
        engine = with_kinds(world, ProcedureKind("loop", Order, step))
        creation = Signal("loop/1", None, kind="loop", initial=Order(1.0))
        with pytest.raises(FerrymanError, match="steps in one dispatch"):
            await engine.deliver(EID, "loop/1", Signalled("x", "go"), create=creation)
        assert await world.count(TABLES.procedure) == 0
        await engine.stop()
        await world.shut_down()

    drive(scenario)


def test_an_event_for_a_procedure_that_ended_changes_nothing_but_the_inbox(drive: Drive) -> None:
    async def scenario(world: World) -> None:
        await world.boot()
        world.outside.request("c")
        await done(world)
        before = await world.rows(TABLES.procedure, "id", "version", "state")
        accept(world, "order/dp/c#1")
        accept(world, "order/dp/unheard-of#1")
        await until(lambda: not world.outside.pending)
        assert await world.rows(TABLES.procedure, "id", "version", "state") == before
        await world.shut_down()

    drive(scenario)


def test_a_beginning_that_was_committed_is_not_repeated(drive: Drive) -> None:
    """After a commit of unknown outcome the engine looks again at what has to begin; some of it has begun."""

    async def scenario(world: World) -> None:
        world.outside.silent = True
        await world.boot()
        world.outside.request("c")
        await until(lambda: len(world.outside.submitted) == 1)
        before = await world.dump()
        await world.engine.deliver(EID, "order/dp/c", Begin())
        assert await world.dump() == before
        assert len(world.outside.questions) == 1
        await world.shut_down()

    drive(scenario)


def test_only_the_first_answer_counts(drive: Drive) -> None:
    def step(state: Order, event: Event, context: Context) -> Step[Order]:
        number = state.sent + 1
        answer = Reply(ES3CreateISDPResponse(status=SUCCESS, isdp_aid=bytes([number])))
        effects = (answer, Reply(ES3CreateISDPResponse(status=SUCCESS, isdp_aid=b"\xff")))
        end = (Done(),) if number == 2 else (SetTimer("more", context.now),)
        return Step(msgspec.structs.replace(state, sent=number), (*effects, *end))

    async def scenario(world: World) -> None:
        await world.boot()
        engine = with_kinds(world, ProcedureKind("chatty", Order, step))
        header = Header(
            message_id="m", sender="sm-dp", requester="dp", function_call_id="m", deadline=2 * START, eid=EID
        )
        request = engine_world.ES3CreateISDP(eid=EID, iccid="1", owner="o", required_memory=0)
        begin = Start(
            kind="chatty", procedure_id="p", state=Order(1.0), exclusive=True, caller=header, request=request
        )
        await engine.call(header, begin)
        await done(world)
        assert [body.isdp_aid for _, body in world.outside.answers.values()] == [b"\x01"]
        ((kept,),) = await world.rows(TABLES.call, "answer")
        assert engine_world.RESPONSE_CODEC.decode_body(kept) == next(iter(world.outside.answers.values()))[1]
        assert len(await world.rows(TABLES.journal, "kind")) == 2  # the request and one answer
        await engine.stop()
        await world.shut_down()

    drive(scenario)


# -- a second writer ----------------------------------------------------------------------------------------------


def test_a_conflict_starts_the_dispatch_again_on_the_new_state(drive: Drive) -> None:
    async def scenario(world: World) -> None:
        await world.boot()
        moves = [3, 1]
        steps: list[int] = []
        table = TABLES.procedure

        def step(state: Order, event: Event, context: Context) -> Step[Order]:
            steps.append(state.count)
            return Step(msgspec.structs.replace(state, count=state.count + 100), (ask_of(context),))

        async def ask(header: Header, body: Any) -> Any:
            if moves:  # another process writes while we are between load and commit
                state = msgspec.json.encode(Order(1.0, count=moves.pop(0)))
                moved = update(table).where(table.c.id == "p").values(version=table.c.version + 1, state=state)
                await world.store.write(lambda c: c.execute(moved).rowcount)
            return engine_world.SCP80Wrapped(packet=b"")

        def whole(state: Order, event: Event, context: Context) -> Step[Order]:
            return Step(state) if isinstance(event, Answered) else step(state, event, context)

        engine = with_kinds(world, ProcedureKind("p", Order, whole))
        engine._ask = ask
        pending, moves[:] = moves[:], []
        creation = Signal("p", None, kind="p", initial=Order(1.0))
        await engine.deliver(EID, "p", Signalled("x", 1), create=creation)
        moves[:] = pending
        await engine.deliver(EID, "p", Signalled("x", 2))
        assert steps == [0, 100, 3, 1]
        ((version, state),) = await world.rows(table, "version", "state")
        assert (version, msgspec.json.decode(state, type=Order).count) == (4, 101)
        moves[:] = list(range(50))
        with pytest.raises(Unavailable):  # somebody else is always quicker: the message goes back
            await engine.deliver(EID, "p", Signalled("x", 3))
        await engine.stop()
        await world.shut_down()

    drive(scenario)


def ask_of(context: Context) -> Ask:
    question = order_step(Order(1.0), Begin(), context).effects[0]
    assert isinstance(question, Ask)
    return question


@pytest.mark.parametrize("store_kind", ["sqlite-threaded", "postgres"], indirect=True)
def test_two_processes_on_one_database_keep_one_writer_per_eid(drive: Drive) -> None:
    """Both get calls for the same card: each is run once, one after another, and all are answered."""

    async def scenario(world: World) -> None:
        other = World(world.backend)
        other.outside = world.outside
        await world.boot()
        await other.boot()
        for number in range(6):
            world.outside.deliver = (world if number % 2 else other)._deliver
            world.outside.request(f"c{number}")
        await until(lambda: len(world.outside.answers) == 6)
        assert statuses(world) == ["EXECUTED_SUCCESS"] * 6
        assert sorted(body.isdp_aid[0] for _, body in world.outside.answers.values()) == [1, 2, 3, 4, 5, 6]
        assert len(world.outside.submitted) == 6
        await done(world)
        await other.shut_down()
        await world.shut_down()

    drive(scenario)


# -- kills --------------------------------------------------------------------------------------------------------


async def conversation(world: World) -> None:
    """Two calls for one card (the second has to wait) and one for another."""
    world.outside.request("c1")
    world.outside.request("c2")
    world.outside.request("d1", eid=OTHER_EID)


@pytest.mark.parametrize("hook", ["before_commit", "on_commit"])
def test_killed_at_every_commit_the_end_is_the_same(drive: Drive, store_kind: str, hook: str) -> None:
    async def scenario(world: World) -> None:
        lose = 1 if store_kind in VIRTUAL else 0  # so that a timer takes part, where time is virtual
        world.outside.lose = lose
        await world.boot()
        await conversation(world)
        await done(world)
        expected = await world.dump()
        assert len(world.outside.answers) == 3
        await world.shut_down()
        # Every commit on virtual time; every second one where each start costs real time.
        for number in itertools.count(1, 1 if store_kind in VIRTUAL else 2):
            assert number < 80
            if not await killed_once(world.backend, lose, {hook: number}, expected):
                break
        assert number > 5

    drive(scenario)


async def killed_once(backend: Backend, lose: int, kill: dict[str, int], expected: dict[str, Any]) -> bool:
    """Kill at one commit, start again, compare the end; False when the run ended before that commit."""
    store = backend.open()
    await store.write(clear)
    await store.close()
    world = World(backend)
    world.outside.lose = lose
    await world.boot(**{name: (lambda at, number=number: at == number) for name, number in kill.items()})
    await conversation(world)
    ending, dying = asyncio.create_task(done(world)), asyncio.create_task(world.died.wait())
    await asyncio.wait((ending, dying), return_when=asyncio.FIRST_COMPLETED)
    # The last commit of all may be the deadly one: then the run has ended and the store is dead all the same.
    finished = ending.done() and not world.died.is_set()
    for task in (ending, dying):
        task.cancel()
    await asyncio.gather(ending, dying, return_exceptions=True)
    if not finished:
        await world.kill()
        await world.boot()
        await done(world)
    assert await world.dump() == expected, f"killed at {kill}"
    await world.shut_down()
    return not finished


@pytest.mark.parametrize("store_kind", VIRTUAL, indirect=True)
def test_killed_twice_in_a_row_the_end_is_the_same(drive: Drive) -> None:
    async def scenario(world: World) -> None:
        world.outside.lose = 1
        await world.boot()
        await conversation(world)
        await done(world)
        expected = await world.dump()
        await world.shut_down()
        for first, second in itertools.product(range(1, 14, 3), (1, 2, 3, 5)):
            await killed_twice(world.backend, first, second, expected)

    drive(scenario)


async def killed_twice(backend: Backend, first: int, second: int, expected: dict[str, Any]) -> None:
    store = backend.open()
    await store.write(clear)
    await store.close()
    world = World(backend)
    world.outside.lose = 1
    await world.boot(on_commit=lambda at: at == first)
    await conversation(world)
    for number in (second, 10**6):
        ending, dying = asyncio.create_task(done(world)), asyncio.create_task(world.died.wait())
        await asyncio.wait((ending, dying), return_when=asyncio.FIRST_COMPLETED)
        for task in (ending, dying):
            task.cancel()
        await asyncio.gather(ending, dying, return_exceptions=True)
        await world.kill()
        await world.boot(before_commit=lambda at, number=number: at == number)
    await done(world)
    assert await world.dump() == expected, f"killed at {first} and {second}"
    await world.shut_down()


# -- the database goes away ---------------------------------------------------------------------------------------


class Flaky:
    """Loses every nth commit, or its answer."""

    def __init__(self, real: Any, every: int, outcome: str) -> None:
        self.real = real
        self.every = every
        self.outcome = outcome
        self.writes = 0

    async def write(self, unit: Any, then: Any = None, **options: Any) -> Any:
        self.writes += 1
        hit = self.writes % self.every == 0
        if hit and self.outcome == "lost":
            raise Unavailable("database", retry_after=0.002)
        result = await self.real.write(unit, None if hit else then, **options)
        if hit:
            raise Unavailable("database", retry_after=0.002)
        return result

    async def read(self, unit: Any) -> Any:
        return await self.real.read(unit)


@pytest.mark.parametrize("outcome", ["lost", "unknown"])
@pytest.mark.parametrize("every", [2, 3, 5])
def test_commits_that_fail_or_whose_answer_is_lost_do_not_stop_anything(
    drive: Drive, outcome: str, every: int
) -> None:
    async def scenario(world: World) -> None:
        await world.boot()
        flaky = Flaky(world.store, every, outcome)
        world.mailbox.store = flaky
        await conversation(world)
        await done(world)
        assert statuses(world) == ["EXECUTED_SUCCESS"] * 3
        assert len(world.outside.submitted) == 3
        assert flaky.writes > 8
        await world.shut_down()

    drive(scenario)


def test_stop_refuses_new_work(drive: Drive) -> None:
    async def scenario(world: World) -> None:
        await world.boot()
        await world.engine.stop()
        with pytest.raises(Unavailable):
            await world.engine.deliver(EID, "x", TimerFired(DEADLINE))
        world.outside.request("c")
        await asyncio.sleep(0.05)
        assert "dp/c" in world.outside.pending
        await world.shut_down()

    drive(scenario)
