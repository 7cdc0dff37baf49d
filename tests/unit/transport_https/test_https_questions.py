"""First POSTs that only ask: no commit before the answer, a record before anything is at stake; crashes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from ferryman.contracts import es5
from ferryman.contracts.message import Header, encode
from ferryman.errors import PeerError, Unavailable
from ferryman.transport_https import schema
from ferryman.transport_https.ends import END_GATHER
from https_world import RESULT, SCRIPT, START, World, end_for, script_for, until, world
from psk_peer import EID, OTHER_EID, card, client_context, identity_of, request_bytes
from virtual_loop import virtual

MARGIN = 0.01  # s


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "https.db"


class Gate:
    """The way to the disk: shut, open, or broken."""

    def __init__(self, w: World) -> None:
        self.opened = asyncio.Event()
        self.opened.set()
        self.broken = False
        self.begun = 0
        self._write = w.store.write
        w.store.write = self._pass  # type: ignore[method-assign]

    async def _pass(self, unit: Callable[[Any], Any], then: Any = None, **options: Any) -> Any:
        self.begun += 1
        if self.broken:
            raise Unavailable("database", retry_after=1.0)
        await self.opened.wait()
        return await self._write(unit, then, **options)


def letters(w: World) -> int:
    """Letters in the outbox."""
    with w.store.engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(schema.PLATFORM.outbox)).scalar_one())


def names(w: World) -> list[str]:
    return [type(body).__name__ for _, body in w.received]


@virtual
async def test_nothing_to_do_is_said_without_a_commit_and_recorded_afterwards(path: Path) -> None:
    async with world(path) as w:
        await asyncio.sleep(1)
        gate = Gate(w)
        w.reply = end_for
        async with card(w.port) as c:
            assert (await c.post(request_bytes())).status == 204
            assert gate.begun == 0
            assert w.rows() == []
            assert await c.ended() == b""
        assert names(w) == ["HTTPSPosted"]
        await asyncio.sleep(END_GATHER + MARGIN)
        assert names(w) == ["HTTPSPosted", "HTTPSClosed"]
        (row,) = w.rows()
        assert (row.id, row.eid, row.reason, row.key_version) == (w.posted[0].session_id, EID, "completed", 0x40)
        assert row.peer.startswith("127.0.0.1:")
        assert row.opened == pytest.approx(START + 1, abs=MARGIN)
        assert row.closed == pytest.approx(START + 1 + END_GATHER, abs=MARGIN)
        assert w.closed == [es5.HTTPSClosed(session_id=row.id, eid=EID, reason="completed")]
        await asyncio.sleep(1)
        assert letters(w) == 0


@virtual
async def test_a_script_is_given_when_its_session_is_recorded(path: Path) -> None:
    async with world(path) as w, card(w.port) as c:
        gate = Gate(w)
        gate.opened.clear()
        await c.send(request_bytes())
        await until(lambda: bool(w.posted) and gate.begun > 0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(c.reader.read(1), 5)
        gate.opened.set()
        assert (await c.read()).body == SCRIPT
        (row,) = w.rows()
        assert (row.id, row.closed) == (w.posted[0].session_id, None)


@virtual
async def test_a_card_whose_session_cannot_be_recorded_is_given_nothing(path: Path) -> None:
    async with world(path) as w, card(w.port) as c:
        gate = Gate(w)
        gate.broken = True
        answer = await c.post(request_bytes())
        assert (answer.status, answer.get("Retry-After")) == (503, "1")
        await asyncio.sleep(5)
        assert names(w) == ["HTTPSPosted"]
        gate.broken = False
        await until(lambda: bool(w.closed))
        (row,) = w.rows()
        assert (row.id, row.reason) == (w.posted[0].session_id, "answer-failed")
        assert w.closed == [es5.HTTPSClosed(session_id=row.id, eid=EID, reason="answer-failed")]


@virtual
async def test_an_answer_counts_as_taken_when_there_is_a_record(path: Path) -> None:
    for reply, commits_at_once in ((end_for, False), (script_for, True)):
        async with world(path) as w, card(w.port) as c:
            gate = Gate(w)
            gate.opened.clear()
            w.reply = lambda _posted: None
            await c.send(request_bytes())
            await until(lambda: bool(w.posted))
            taken = asyncio.ensure_future(w.answer(reply(w.posted[0])))
            if commits_at_once:
                await until(lambda: gate.begun > 0)  # noqa: B023
            else:
                assert (await c.read()).status == 204
            await asyncio.sleep(30)
            assert not taken.done()
            gate.opened.set()
            await taken
            assert [row.id for row in w.rows() if row.id == w.posted[0].session_id] != []


@virtual
async def test_the_same_answer_once_more_is_taken_no_sooner(path: Path) -> None:
    async with world(path) as w:
        gate = Gate(w)
        w.reply = lambda _posted: None
        async with card(w.port) as c:
            await c.send(request_bytes())
            await until(lambda: bool(w.posted))
            gate.opened.clear()
            twice = [asyncio.ensure_future(w.answer(end_for(w.posted[0])))]
            assert (await c.read()).status == 204
            twice.append(asyncio.ensure_future(w.answer(end_for(w.posted[0]))))
        await asyncio.sleep(5)
        assert not any(one.done() for one in twice)
        gate.opened.set()
        await asyncio.gather(*twice)
        await asyncio.sleep(1)
        told = es5.HTTPSClosed(session_id=w.posted[0].session_id, eid=EID, reason="completed")
        assert w.closed == [told, told]


@virtual
async def test_an_answer_is_delivered_again_when_we_stop_without_a_record(path: Path) -> None:
    w = World(path)
    await w.role.start()
    gate = Gate(w)
    w.reply = lambda _posted: None
    async with card(w.port) as c:
        await c.send(request_bytes())
        await until(lambda: bool(w.posted))
        gate.opened.clear()
        taken = asyncio.ensure_future(w.answer(end_for(w.posted[0])))
        assert (await c.read()).status == 204
        await w.role.stop()
    with pytest.raises(Unavailable):
        await taken
    await w.store.close()


@pytest.mark.parametrize("reply", [end_for, script_for])
def test_the_next_run_tells_of_a_session_that_no_transaction_knows(
    path: Path, reply: Callable[[es5.HTTPSPosted], es5.HTTPSAnswer]
) -> None:
    @virtual
    async def go() -> None:
        first = World(path)
        await first.role.start()
        gate = Gate(first)
        gate.opened.clear()  # the machine dies before anything of this run is written
        first.reply = lambda _posted: None
        async with card(first.port) as c:
            await c.send(request_bytes())
            await until(lambda: bool(first.posted))
            (asked,) = first.posted
            taken = asyncio.ensure_future(first.answer(reply(asked)))
            await asyncio.sleep(1)
            assert not taken.done()
            first.store.abandon()
            await first.role.mailbox.stop()
            await first.role.server.stop()
        for task in {taken} | first.role._tasks | first.role._commits._tasks | first.role._questions._tasks:
            task.cancel()
        async with world(path, run=1) as second:
            assert second.rows() == []
            for _ in range(2):  # its sender may say it again
                await second.answer(reply(asked))
            await until(lambda: bool(second.closed))
            await asyncio.sleep(5)
            told = es5.HTTPSClosed(session_id=asked.session_id, eid=EID, reason="restarted")
            # Of one name: to the inbox of the SM-SR it is one message.
            assert {(header.message_id, body) for header, body in second.received} == {
                (f"transport-https/{asked.post_id}/gone", told)
            }

    go()


@virtual
async def test_a_card_that_leaves_before_the_answer_is_told_of_and_again_when_that_comes(path: Path) -> None:
    async with world(path) as w:
        w.reply = lambda _posted: None
        async with card(w.port) as c:
            await c.send(request_bytes())
            await until(lambda: bool(w.posted))
            c.writer.transport.abort()
        await until(lambda: bool(w.closed))
        assert names(w) == ["HTTPSPosted", "HTTPSClosed"]
        await w.answer(script_for(w.posted[0]))
        await until(lambda: len(w.closed) == 2)
        assert w.closed[0] == w.closed[1]


@virtual
async def test_a_card_that_leaves_while_its_session_is_recorded(path: Path) -> None:
    async with world(path) as w:
        gate = Gate(w)
        gate.opened.clear()
        async with card(w.port) as c:
            await c.send(request_bytes())
            await until(lambda: gate.begun > 0)
            c.writer.transport.abort()
        await until(lambda: not w.role.server.sessions)
        gate.opened.set()
        await until(lambda: bool(w.closed))
        (row,) = w.rows()
        assert (row.id, row.reason) == (w.posted[0].session_id, "connection-lost")
        assert row.closed is not None


@virtual
async def test_no_answer_in_time(path: Path) -> None:
    async with world(path, answer_timeout=5.0) as w:
        w.reply = lambda _posted: None
        async with card(w.port) as c:
            assert (await c.post(request_bytes())).status == 204
        await until(lambda: bool(w.closed))
        (row,) = w.rows()
        assert (row.reason, row.closed - row.opened) == ("completed", pytest.approx(5.0 + END_GATHER, abs=MARGIN))


SAYS = {
    "notification": request_bytes("/agent?msg=E100"),
    "status": request_bytes(extra=("X-Admin-Script-Status: ok",)),
    "result": request_bytes(body=RESULT),
    "resumed": request_bytes(extra=("X-Admin-Resume: true",)),
}


@pytest.mark.parametrize("kind", SAYS)
def test_what_says_something_is_recorded_first(path: Path, kind: str) -> None:
    @virtual
    async def go() -> None:
        async with world(path) as w, card(w.port) as c:
            gate = Gate(w)
            gate.opened.clear()
            await c.send(SAYS[kind])
            await asyncio.sleep(5)
            assert w.received == []
            gate.opened.set()
            assert (await c.read()).status == 200
            assert [row.id for row in w.rows()] == [w.posted[0].session_id]

    go()


@virtual
async def test_a_later_post_is_recorded_first_whatever_it_says(path: Path) -> None:
    async with world(path) as w, card(w.port) as c:
        await c.post(request_bytes())
        gate = Gate(w)
        gate.opened.clear()
        await c.send(request_bytes("/agent?s=1"))
        await asyncio.sleep(5)
        assert len(w.posted) == 1
        gate.opened.set()
        assert (await c.read()).status == 200


@virtual
async def test_an_sm_sr_elsewhere_is_asked_by_the_outbox(path: Path) -> None:
    async with world(path) as w, card(w.port) as c:
        gate = Gate(w)
        w.bus.is_near = lambda _dest: False  # type: ignore[method-assign]
        gate.opened.clear()
        await c.send(request_bytes())
        await asyncio.sleep(5)
        assert w.received == []
        gate.opened.set()
        assert (await c.read()).status == 200


@virtual
async def test_a_question_overtakes_nothing_that_was_said_of_its_card(path: Path) -> None:
    async with world(path) as w:
        w.reply = end_for
        async with card(w.port) as c:
            await c.post(request_bytes())
        # At once again: the end of the first session waits for others still.
        async with card(w.port) as c:
            await c.post(request_bytes())
        assert names(w) == ["HTTPSPosted", "HTTPSClosed", "HTTPSPosted"]
        # Of another card nothing is on its way.
        gate = Gate(w)
        async with card(w.port, client_context(identity_of(OTHER_EID))) as c:
            await c.post(request_bytes(eid=OTHER_EID))
            assert gate.begun == 0


@virtual
async def test_a_question_overtakes_no_letter_of_its_card(path: Path) -> None:
    async with world(path) as w:
        w.reply = end_for
        deliver, refused = w.bus.deliver, [Unavailable("role sm-sr", retry_after=3.0)]

        async def once_away(dest: str, raw: bytes) -> None:
            if b"HTTPSClosed" in raw and refused:
                raise refused.pop()
            await deliver(dest, raw)

        w.bus.deliver = once_away  # type: ignore[method-assign]
        async with card(w.port) as c:
            await c.post(request_bytes())
        await asyncio.sleep(1)
        assert not refused
        async with card(w.port) as c:
            await c.post(request_bytes())
        assert names(w) == ["HTTPSPosted", "HTTPSClosed", "HTTPSPosted"]


@virtual
async def test_an_sm_sr_that_is_away_is_asked_again_by_the_outbox(path: Path) -> None:
    async with world(path) as w, card(w.port) as c:
        deliver, away = w.bus.deliver, [True]

        async def not_yet(dest: str, raw: bytes) -> None:
            if away[0]:
                raise Unavailable("role sm-sr", retry_after=1.0)
            await deliver(dest, raw)

        w.bus.deliver = not_yet  # type: ignore[method-assign]
        await c.send(request_bytes())
        await until(lambda: letters(w) == 1)
        assert [row.closed for row in w.rows()] == [None]
        away[0] = False
        assert (await c.read()).status == 200
        assert len(w.posted) == 1


@virtual
async def test_what_the_sm_sr_does_not_understand_is_parked(path: Path) -> None:
    async with world(path, answer_timeout=5.0) as w, card(w.port) as c:

        async def strange(_raw: bytes) -> None:
            raise PeerError("not understood", field="type")

        w.bus.register("sm-sr", strange)
        assert (await c.post(request_bytes())).status == 204
        parked = await w.role.mailbox.set_aside(10)
        assert [(one.dest, one.eid) for one in parked] == [("sm-sr", EID)]


@virtual
async def test_neither_the_sm_sr_nor_the_database(path: Path) -> None:
    async with world(path) as w, card(w.port) as c:
        gate = Gate(w)
        gate.broken = True

        async def away(_raw: bytes) -> None:
            raise Unavailable("role sm-sr")

        w.bus.register("sm-sr", away)
        assert (await c.post(request_bytes())).status == 503
        gate.broken = False
        await until(lambda: len(w.rows()) == 1)
        assert w.rows()[0].reason == "answer-failed"


@virtual
async def test_ends_are_told_of_once_whatever_becomes_of_their_commits(path: Path) -> None:
    """A commit of unknown outcome that did happen is made again, and says nothing new."""
    async with world(path) as w:
        w.reply = end_for
        write, lost = w.store.write, [True]

        async def forgetful(unit: Callable[[Any], Any], then: Any = None, **options: Any) -> Any:
            result = await write(unit, **options) if lost[0] else await write(unit, then, **options)
            if lost[0]:
                lost[0] = False
                raise Unavailable("database", retry_after=1.0)
            return result

        w.store.write = forgetful  # type: ignore[method-assign]
        async with card(w.port) as c:
            assert (await c.post(request_bytes())).status == 204
        await asyncio.sleep(10)
        assert len(w.rows()) == 1
        assert w.rows()[0].closed == pytest.approx(START + END_GATHER, abs=MARGIN)
        assert names(w) == ["HTTPSPosted", "HTTPSClosed"]
        assert not w.role._questions._asking


@virtual
async def test_an_answer_to_nobody_without_a_card_says_nothing(path: Path) -> None:
    async with world(path) as w:
        header = Header(
            message_id="sm-sr/1", sender="sm-sr", requester="sm-sr", function_call_id="x", deadline=START + 9.0
        )
        await w.role.receive(encode(header, es5.HTTPSAnswer(post_id="x/1", session_id="x", body=SCRIPT)))
        await asyncio.sleep(1)
        assert w.received == []
