"""The HTTPS role on a real database, a real socket and virtual time, between a scripted SM-SR and CryptoServer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from ferryman.codec.scp81_http import CONTENT_TYPE_RESPONSE
from ferryman.contracts import codes, crypto, es5
from ferryman.contracts.message import Body
from ferryman.contracts.status import failed
from ferryman.errors import PeerError, Unavailable
from ferryman.platform.metrics import exposition
from ferryman.transport_https import schema
from ferryman.transport_https.framing import BodyFraming
from ferryman.transport_https.role import ASK_SPACING, FEW_SESSIONS, POST_SPACING
from ferryman.transport_https.session import CardQuirks
from https_world import RESULT, SCRIPT, START, World, end_for, script_for, until, world
from psk_peer import EID, IDENTITY, OTHER_EID, SocketCard, card, client_context, identity_of, request_bytes
from virtual_loop import run, virtual


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "https.db"


@virtual
async def test_a_session(path: Path) -> None:
    async with world(path) as w:
        w.reply = lambda p: end_for(p) if p.script_status else script_for(p)
        async with card(w.port) as c:
            first = await c.post(request_bytes("/agent?msg=E100"))
            assert (first.status, first.body) == (200, SCRIPT)
            assert first.get("X-Admin-Next-URI") == "/agent?s=1"
            assert first.get("X-Admin-Targeted-Application") == "//aid/A000000559/1010FFFFFFFF8900001300"
            second = await c.post(request_bytes("/agent?s=1", body=RESULT))
            assert second.status == 204
            assert await c.ended() == b""
        await until(lambda: bool(w.closed))
        one, two = w.posted
        (row,) = w.rows()
        assert one == es5.HTTPSPosted(
            post_id=f"{row.id}/1",
            session_id=row.id,
            eid=EID,
            key_version=0x40,
            uri="/agent?msg=E100",
            resume=False,
            script_status="",
            body=b"",
            notification=bytes.fromhex("E100"),
        )
        assert (two.post_id, two.script_status, two.body, two.uri) == (f"{row.id}/2", "ok", RESULT, "/agent?s=1")
        assert w.closed == [es5.HTTPSClosed(session_id=row.id, eid=EID, reason="completed")]
        assert (row.eid, row.key_version, row.reason, row.closed >= row.opened) == (EID, 0x40, "completed", True)
        headers = [header for header, _ in w.received]
        assert [header.message_id for header in headers] == [
            f"transport-https/{row.id}/1",
            f"transport-https/{row.id}/2",
            f"transport-https/{row.id}/closed",
        ]
        assert {(header.eid, header.sender, header.requester) for header in headers} == {
            (EID, "transport-https", "transport-https")
        }


@virtual
async def test_sessions_are_in_the_order_of_time(path: Path) -> None:
    async with world(path) as w:
        w.reply = end_for
        for _ in range(3):
            async with card(w.port) as c:
                await c.post(request_bytes("/agent"))
            await asyncio.sleep(1.5)
        await until(lambda: len(w.closed) == 3)
        names = [row.id for row in w.rows()]
        assert names == sorted(names)
        assert [int(name[:8], 16) - int(START) for name in names] == sorted(
            {int(name[:8], 16) - int(START) for name in names}
        )
        assert len({name[8:] for name in names}) == 3


@virtual
async def test_the_key_is_asked_for_by_eid_version_and_id(path: Path) -> None:
    async with world(path) as w:
        async with card(w.port):
            pass
        ((caller, header, question),) = w.questions
        assert caller == "transport-https"
        assert question == crypto.GetPSK(eid=EID, key_version=0x40, key_id=1)
        assert header.eid == EID
        await until(lambda: not w.role.server.sessions)
    # A session that never posted is nobody's business.
    assert w.received == []


REFUSED = crypto.CryptoRefused(status=failed(*codes.EID_UNKNOWN, "no such key", EID))


@pytest.mark.parametrize("answer", [crypto.PSK(key=b""), REFUSED], ids=["empty", "refused"])
def test_no_key_looks_like_a_wrong_key(path: Path, answer: Body) -> None:
    @virtual
    async def go() -> None:
        async with world(path) as w:
            w.key = answer
            assert await reason_of(w.port) == "SSLV3_ALERT_BAD_RECORD_MAC"

    go()


async def reason_of(port: int, context: ssl.SSLContext | None = None) -> str:
    with pytest.raises(ssl.SSLError) as caught:
        async with card(port, context):
            pass
    return str(caught.value.reason)


@virtual
async def test_identities_of_another_form_ask_nobody(path: Path) -> None:
    async with world(path) as w:
        other_domain = IDENTITY.replace("FF8900000100", "FF8900001000")
        for identity in ("free text", other_domain, IDENTITY[:-2]):
            assert await reason_of(w.port, client_context(identity)) == "SSLV3_ALERT_BAD_RECORD_MAC"
        assert w.questions == []


@virtual
async def test_the_crypto_server_is_away(path: Path) -> None:
    async with world(path) as w:
        w.key = Unavailable("crypto-server")
        assert await reason_of(w.port) == "TLSV1_ALERT_INTERNAL_ERROR"


@virtual
async def test_no_answer_in_time_ends_the_session_in_order(path: Path) -> None:
    async with world(path) as w, card(w.port) as c:
        w.reply = lambda posted: None
        started = asyncio.get_running_loop().time()
        assert (await c.post(request_bytes())).status == 204
        assert 49.9 < asyncio.get_running_loop().time() - started < 51
        assert await c.ended() == b""
        await until(lambda: bool(w.closed))
        # The answer that comes now finds no card; the SM-SR hears of it once more.
        await w.answer(script_for(w.posted[0]))
        await until(lambda: len(w.closed) == 2)
        assert w.closed[0] == w.closed[1]
        assert w.received[-1][0].message_id.endswith("/1/gone")


@virtual
async def test_the_same_answer_twice_goes_out_once(path: Path) -> None:
    async with world(path) as w, card(w.port) as c:
        w.reply = lambda posted: None
        await c.send(request_bytes())
        await until(lambda: bool(w.posted))
        await w.answer(script_for(w.posted[0]))
        await w.answer(script_for(w.posted[0]))
        assert (await c.read()).status == 200
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(c.reader.read(1), 5)


@pytest.mark.parametrize("uri", ["no-path", "//host/path", "/with space"])
def test_an_answer_no_card_can_take_is_refused(path: Path, uri: str) -> None:
    @virtual
    async def go() -> None:
        async with world(path) as w:
            with pytest.raises(PeerError, match="next URI"):
                await w.answer(es5.HTTPSAnswer(post_id="x/1", session_id="x", body=SCRIPT, next_uri=uri))
            with pytest.raises(PeerError):
                await w.role.receive(b"{}")

    go()


@virtual
async def test_the_card_leaves_while_the_sm_sr_works(path: Path) -> None:
    async with world(path) as w:
        w.reply = lambda posted: None
        async with card(w.port) as c:
            await c.send(request_bytes())
            await until(lambda: bool(w.posted))
            c.writer.transport.abort()
        await until(lambda: bool(w.closed))
        assert [type(body).__name__ for _, body in w.received] == ["HTTPSPosted", "HTTPSClosed"]
        await w.answer(script_for(w.posted[0]))


@virtual
async def test_a_post_on_its_way_to_the_disk_is_not_lost_when_the_card_leaves(path: Path) -> None:
    async with world(path) as w:
        gate = asyncio.Event()
        write = w.store.write

        async def slow(unit: Callable[[Any], Any], then: Any = None, **options: Any) -> Any:
            await gate.wait()
            return await write(unit, then, **options)

        w.store.write = slow  # type: ignore[method-assign]
        async with card(w.port) as c:
            await c.send(request_bytes())
            await until(lambda: bool(w.role._posted))
            c.writer.transport.abort()
        await until(lambda: not w.role.server.sessions)
        gate.set()
        await until(lambda: bool(w.closed))
        assert [type(body).__name__ for _, body in w.received] == ["HTTPSPosted", "HTTPSClosed"]


@virtual
async def test_the_database_is_away(path: Path) -> None:
    async with world(path) as w, card(w.port) as c:
        write = w.store.write

        async def broken(unit: Callable[[Any], Any], then: Any = None, **options: Any) -> Any:
            raise Unavailable("database")

        w.store.write = broken  # type: ignore[method-assign]
        answer = await c.post(request_bytes("/agent?msg=E100"))
        assert (answer.status, answer.get("Retry-After")) == (503, "1")
        w.store.write = write  # type: ignore[method-assign]
        await asyncio.sleep(5)
        # The SM-SR was never told of the session, so there is no end to tell.
        assert w.received == []


@virtual
async def test_sessions_of_a_killed_run_are_reported_by_the_next(path: Path) -> None:
    first = World(path)
    await first.role.start()
    async with card(first.port) as c:
        assert (await c.post(request_bytes())).status == 200
        # The machine dies: nothing of this run is written any more.
        first.store.abandon()
        await first.role.mailbox.stop()
        await first.role.server.stop()
    for task in first.role._tasks | first.role._commits._tasks:
        task.cancel()
    async with world(path, run=1) as second:
        await until(lambda: bool(second.closed))
        (row,) = second.rows()
        assert second.closed == [es5.HTTPSClosed(session_id=row.id, eid=EID, reason="restarted")]
        assert row.reason == "restarted"
        assert row.closed is not None
    async with world(path, run=2) as third:
        await asyncio.sleep(5)
        assert third.received == []


@virtual
async def test_stopping_reports_every_session(path: Path) -> None:
    async with world(path) as w, card(w.port) as one, card(w.port, client_context(identity_of("8" * 32))) as two:
        assert (await one.post(request_bytes())).status == 200
        assert (await two.post(request_bytes(eid="8" * 32))).status == 200
        one.writer.close()
        two.writer.close()
        await w.role.stop()
        assert sorted(row.eid for row in w.rows() if row.closed is not None) == sorted([EID, "8" * 32])


@virtual
async def test_another_eid_in_the_header_is_audited(path: Path) -> None:
    async with world(path) as w, card(w.port) as c:
        await c.send(request_bytes(eid="8" * 32))
        assert await c.ended() == b""

        def audited() -> list[Any]:
            with w.store.engine.connect() as connection:
                return list(connection.execute(select(schema.PLATFORM.audit)).all())

        await until(lambda: bool(audited()))
        (row,) = audited()
        assert (row.actor, row.action, row.eid, row.outcome) == (
            "transport-https",
            "SCP81.Session",
            EID,
            "alarm",
        )
        assert w.received == []


@virtual
async def test_a_card_that_comes_back_replaces_its_session(path: Path) -> None:
    async with world(path) as w, card(w.port) as first:
        await first.post(request_bytes())
        async with card(w.port) as second:
            await second.post(request_bytes("/agent?s=1", extra=("X-Admin-Resume: true",)))
            await until(lambda: len(w.received) == 3)
            assert [type(body).__name__ for _, body in w.received] == ["HTTPSPosted", "HTTPSClosed", "HTTPSPosted"]
            assert (w.closed[0].session_id, w.closed[0].reason) == (w.posted[0].session_id, "replaced")
            assert w.posted[1].resume


@pytest.mark.parametrize(("prefix", "plain"), [(EID[:8], True), (EID, True), ("9", False), (OTHER_EID[:8], False)])
def test_answers_are_framed_as_the_type_of_card_needs_it(path: Path, prefix: str, plain: bool) -> None:
    quirks = CardQuirks(eid_prefix=EID[:2]), CardQuirks(prefix, BodyFraming.CONTENT_LENGTH)

    @virtual
    async def go() -> None:
        async with world(path, quirks=quirks) as w, card(w.port) as c:
            for _ in range(2):
                answer = await c.post(request_bytes())
                assert answer.body == SCRIPT
                assert (answer.get("Content-Length") is not None) is plain
                assert (answer.get("Transfer-Encoding") == "chunked") is not plain

    go()


@virtual
async def test_what_is_counted(path: Path) -> None:
    async with world(path, answer_timeout=5.0) as w:
        async with card(w.port) as c:
            await c.post(request_bytes())
            w.reply = end_for
            await c.post(request_bytes())
        async with card(w.port) as c:
            w.reply = lambda _posted: None
            await c.post(request_bytes())
        w.key = crypto.PSK(key=b"")
        for _ in range(120):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                async with card(w.port):
                    pass
        await until(lambda: len(w.closed) == 2)
        shown = set(exposition(w.role.samples()).splitlines())
        for line in (
            'ferryman_https_sessions_total{suite="PSK-AES128-GCM-SHA256"} 2',
            "ferryman_https_posts_total 3",
            'ferryman_https_answers_total{kind="script"} 1',
            'ferryman_https_answers_total{kind="end"} 1',
            'ferryman_https_answers_total{kind="late"} 1',
            'ferryman_https_keys_total{outcome="found"} 2',
            'ferryman_https_keys_total{outcome="none"} 120',
            "ferryman_https_refused_total 120",
            'ferryman_https_closed_total{reason="completed"} 2',
        ):
            assert line in shown, (line, shown)
        assert not any(EID in line for line in shown)


@virtual
async def test_connections_of_strangers_do_not_fill_the_log(path: Path) -> None:
    with capture_logs() as logs:
        async with world(path) as w:
            w.key = crypto.PSK(key=b"")
            for _ in range(130):
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    async with card(w.port):
                        pass
    assert len([line for line in logs if line["event"] == "connection refused"]) == 100


@virtual
async def test_spellings_of_real_cards_are_taken(path: Path) -> None:
    """Lower-case names, `//aaid/`, an agent identifier of digits; chunked and plain bodies."""
    head = (
        "POST /agent HTTP/1.1\r\nhost: sr\r\nx-admin-protocol: globalplatform-remote-admin/1.0\r\n"
        f"content-type: {CONTENT_TYPE_RESPONSE}\r\nx-admin-script-status: ok\r\n"
    )
    agents = (f"//se-id/eid/{EID};//aaid/aid/A000000559/1010FFFFFFFF8900000100", "8988211000000000011")
    bodies = (f"content-length: {len(RESULT)}\r\n\r\n", f"transfer-encoding: chunked\r\n\r\n{len(RESULT):x}\r\n")
    async with world(path) as w, card(w.port) as c:
        for agent in agents:
            for body in bodies:
                tail = b"\r\n0\r\n\r\n" if "chunked" in body else b""
                await c.post(f"{head}x-admin-from: {agent}\r\n{body}".encode() + RESULT + tail)
        assert [(one.eid, one.body, one.script_status) for one in w.posted] == [(EID, RESULT, "ok")] * 4


@pytest.mark.parametrize(
    ("text", "told"), [("OK", "ok"), ("security-error", "security-error"), ("New", "New"), ("", "unknown")]
)
def test_script_status_as_told_to_the_sm_sr(path: Path, text: str, told: str) -> None:
    @virtual
    async def go() -> None:
        async with world(path) as w, card(w.port) as c:
            await c.post(request_bytes(extra=(f"X-Admin-Script-Status: {text}",)))
            assert w.posted[0].script_status == told

    go()


@virtual
async def test_many_cards_at_once(path: Path) -> None:
    async with world(path) as w:
        eids = [f"{number:032d}" for number in range(1, 31)]

        async def one(eid: str) -> None:
            async with card(w.port, client_context(identity_of(eid))) as c:
                for _ in range(3):
                    assert (await post_of(c, eid)) == 200

        await asyncio.gather(*(one(eid) for eid in eids))
        await until(lambda: len(w.closed) == 30)
        for eid in eids:
            numbers = [p.post_id.split("/")[1] for p in w.posted if p.eid == eid]
            assert numbers == ["1", "2", "3"]


@virtual
async def test_first_posts_of_a_fleet_wait_for_each_other_and_results_hardly(path: Path) -> None:
    async with world(path) as w:
        loop = asyncio.get_running_loop()
        count = FEW_SESSIONS + 30
        waited: dict[int, list[float]] = {1: [], 2: []}
        bodies = {1: b"", 2: RESULT}
        everybody = asyncio.Barrier(count)

        async def one(number: int) -> None:
            eid = f"{number:032d}"
            async with card(w.port, client_context(identity_of(eid))) as c:
                for post in (1, 2):
                    await everybody.wait()
                    await asyncio.sleep(0.003 * number)
                    begun = loop.time()
                    await c.post(request_bytes("/a?msg=E100" if post == 1 else "/a", eid=eid, body=bodies[post]))
                    waited[post].append(loop.time() - begun)
                await everybody.wait()

        await asyncio.gather(*(one(number) for number in range(count)))
        assert waited[1][:FEW_SESSIONS] == [0.0] * FEW_SESSIONS  # few do not wait for anybody
        assert POST_SPACING + 0.01 < max(waited[1]) <= ASK_SPACING + 0.001
        assert 0.0 < max(waited[2]) <= POST_SPACING + 0.001


async def post_of(c: SocketCard, eid: str) -> int:
    return (await c.post(request_bytes(eid=eid))).status


def test_old_sessions_are_forgotten(path: Path) -> None:
    async def go() -> None:
        async with world(path) as w:
            async with card(w.port) as c:
                await c.post(request_bytes())
            await until(lambda: bool(w.closed))
            await asyncio.sleep(29 * 86_400.0)
            assert len(w.rows()) == 1
            await asyncio.sleep(3 * 86_400.0)
            assert w.rows() == []

    run(go(), limit=40 * 86_400.0)
