"""The server on real sockets and virtual time: sessions, deadlines, limits, and what the hooks are told."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import pytest

from ferryman.codec.scp81_http import AdminRequest, AdminResponse
from ferryman.errors import InputError, PeerError, Refused, Unavailable
from ferryman.transport_https.connection import MAX_DISCARDED_OCTETS
from ferryman.transport_https.contexts import ContextPool
from ferryman.transport_https.pump import TLSPump, User
from ferryman.transport_https.server import PSKServer
from ferryman.transport_https.session import (
    CLOSE_TIMEOUT,
    CloseReason,
    HTTPSSettings,
    Lookup,
    Refusal,
    Session,
)
from psk_peer import (
    EID,
    GCM,
    IDENTITY,
    KEY,
    OTHER_EID,
    OTHER_IDENTITY,
    OTHER_KEY,
    MemoryClient,
    card,
    client_context,
    records,
    request_bytes,
)
from virtual_loop import virtual

SCRIPT = bytes.fromhex("AE80220D80E28900073A08044E020007000000")
KEYS = {IDENTITY.encode(): KEY, OTHER_IDENTITY.encode(): OTHER_KEY}


class World:
    """A server and everything its hooks were told, in order."""

    def __init__(self, **settings: Any) -> None:
        self.told: list[tuple[str, str]] = []
        self.requests: list[AdminRequest] = []
        self.sessions: list[Session] = []
        self.refusals: list[Refusal] = []
        self.lookup: Lookup = self._lookup
        self.answer: Callable[[Session, AdminRequest], Awaitable[AdminResponse]] = self._answer
        ids = iter(range(1, 100_000))
        self.server = PSKServer(
            HTTPSSettings("127.0.0.1", 0, **settings),
            lookup=lambda identity: self.lookup(identity),
            handler=self._handle,
            new_session_id=lambda: f"s{next(ids)}",
            on_open=self._on_open,
            on_closed=lambda s: self.told.append(("closed", f"{s.id} {s.close_reason and s.close_reason.value}")),
            on_alarm=lambda s, text: self.told.append(("alarm", f"{s.id} {text}")),
            on_refused=self.refusals.append,
        )

    async def _lookup(self, identity: bytes) -> bytes | None:
        return KEYS.get(identity)

    def _on_open(self, session: Session) -> None:
        self.sessions.append(session)
        self.told.append(("open", session.id))

    async def _handle(self, session: Session, request: AdminRequest) -> AdminResponse:
        self.requests.append(request)
        return await self.answer(session, request)

    async def _answer(self, session: Session, request: AdminRequest) -> AdminResponse:
        return AdminResponse.script(SCRIPT, next_uri=f"/n?s={session.requests}", target_aid=None)

    @property
    def port(self) -> int:
        return self.server.port


@asynccontextmanager
async def world(**settings: Any) -> AsyncIterator[World]:
    made = World(**settings)
    await made.server.start()
    try:
        yield made
    finally:
        await made.server.stop()


@asynccontextmanager
async def raw(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection without TLS."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def shaken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> MemoryClient:
    """A handshake by hand, for clients that do what asyncio's own would not."""
    client = MemoryClient()
    writer.write(client.step())
    while not client.done:
        writer.write(client.step(await reader.read(4096)))
    return client


async def until(condition: Callable[[], bool]) -> None:
    """Waits in virtual time for what must happen without any."""
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


@virtual
async def test_a_session_from_first_post_to_204() -> None:
    async with world() as w:

        async def answer(session: Session, request: AdminRequest) -> AdminResponse:
            if session.requests < 3:
                return AdminResponse.script(SCRIPT, next_uri=f"/n?s={session.requests}", target_aid=None)
            return AdminResponse.end()

        w.answer = answer
        async with card(w.port) as c:
            first = await c.post(request_bytes())
            assert (first.status, first.body, first.get("X-Admin-Next-URI")) == (200, SCRIPT, "/n?s=1")
            second = await c.post(request_bytes("/n?s=1", body=b"\xaf\x80\0\0"))
            assert second.get("X-Admin-Next-URI") == "/n?s=2"
            assert (await c.post(request_bytes("/n?s=2", body=b"\xaf\x80\0\0"))).status == 204
            assert await c.ended() == b""
        assert [r.uri for r in w.requests] == ["/gsma/adminagent", "/n?s=1", "/n?s=2"]
        assert w.told == [("open", "s1"), ("closed", "s1 completed")]
        (session,) = w.sessions
        assert session.identity is not None
        assert (session.eid, session.identity.key_version, session.requests) == (EID, 0x40, 3)
        assert session.peer.startswith("127.0.0.1:")
        assert w.server.sessions == ()


@virtual
async def test_wrong_key_and_unknown_identity_look_the_same() -> None:
    async with world() as w:
        seen = []
        for context in (client_context(key=OTHER_KEY), client_context(identity="8001")):
            with pytest.raises(ssl.SSLError) as caught:
                async with card(w.port, context):
                    pass
            seen.append(caught.value.reason)
        assert seen == ["SSLV3_ALERT_BAD_RECORD_MAC"] * 2
        await until(lambda: len(w.refusals) == 2)
        assert [r.identity for r in w.refusals] == [IDENTITY.encode(), b"8001"]
        assert w.told == []


@virtual
async def test_a_slow_lookup_stops_nobody() -> None:
    async with world() as w:

        async def slow(identity: bytes) -> bytes | None:
            await asyncio.sleep(5.0)
            return KEYS.get(identity, KEY)

        w.lookup = slow
        started = asyncio.get_running_loop().time()

        async def one(number: int) -> int:
            context = client_context(identity=f"card-{number}")
            async with card(w.port, context) as c:
                return (await c.post(request_bytes())).status

        assert await asyncio.gather(*(one(n) for n in range(60))) == [200] * 60
        # One after another they would need 300 s.
        assert asyncio.get_running_loop().time() - started < 10.0


@virtual
async def test_the_second_connection_of_a_card_replaces_the_first() -> None:
    async with world() as w, card(w.port) as first:
        assert (await first.post(request_bytes())).status == 200
        async with card(w.port) as second:
            assert await first.ended() == b""
            assert (await second.post(request_bytes())).status == 200
            assert [s.id for s in w.server.sessions] == ["s2"]
    assert w.told[:3] == [("open", "s1"), ("closed", "s1 replaced"), ("open", "s2")]


@virtual
async def test_two_cards_do_not_disturb_each_other() -> None:
    other = client_context(OTHER_IDENTITY, OTHER_KEY)
    async with world() as w, card(w.port) as first, card(w.port, other) as second:
        assert (await second.post(request_bytes(eid=OTHER_EID))).status == 200
        assert (await first.post(request_bytes())).status == 200
        assert len(w.server.sessions) == 2


@virtual
async def test_another_eid_in_the_header_closes_and_alarms() -> None:
    async with world() as w, card(w.port) as c:
        await c.send(request_bytes(eid=OTHER_EID))
        assert await c.ended() == b""
        assert w.requests == []
        assert [kind for kind, _ in w.told] == ["open", "alarm", "closed"]
        assert w.told[-1] == ("closed", "s1 eid-mismatch")


@virtual
async def test_a_header_without_eid_is_no_mismatch() -> None:
    async with world() as w, card(w.port) as c:
        octets = request_bytes().replace(f"//se-id/eid/{EID};".encode(), b"")
        assert (await c.post(octets)).status == 200


@virtual
async def test_an_identity_of_another_form_can_have_a_key() -> None:
    async with world() as w:
        KEYS[b"free text"] = KEY
        try:
            async with card(w.port, client_context(identity="free text")) as c:
                assert (await c.post(request_bytes())).status == 200
        finally:
            del KEYS[b"free text"]
        assert (w.sessions[0].identity, w.sessions[0].eid, w.sessions[0].key) == (None, None, b"free text")


@virtual
async def test_smuggling_is_answered_400_and_the_connection_ends() -> None:
    async with world() as w, card(w.port) as c:
        octets = request_bytes(extra=("Content-Length: 3", "Content-Length: 3"))
        answer = await c.post(octets + b"abc")
        assert (answer.status, answer.get("Connection")) == (400, "close")
        assert await c.ended() == b""
        assert w.requests == []
        assert w.told[-1] == ("closed", "s1 bad-request")


@virtual
async def test_a_second_post_before_the_answer_ends_the_session() -> None:
    async with world() as w, card(w.port) as c:
        started, cancelled = asyncio.Event(), asyncio.Event()

        async def never(session: Session, request: AdminRequest) -> AdminResponse:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            raise AssertionError

        w.answer = never
        await c.send(request_bytes())
        await started.wait()
        assert (await c.post(request_bytes())).status == 400
        await cancelled.wait()
        assert w.told[-1] == ("closed", "s1 bad-request")


@pytest.mark.parametrize(
    ("problem", "status", "reason"),
    [
        (Unavailable("the SM-SR", retry_after=2.5), 503, "answer-failed"),
        (Refused("8.1.1", "3.9", "no"), 403, "answer-failed"),
        (PeerError("no"), 400, "bad-request"),
    ],
)
def test_errors_of_the_handler(problem: Exception, status: int, reason: str) -> None:
    @virtual
    async def go() -> None:
        async with world() as w, card(w.port) as c:

            async def fail(session: Session, request: AdminRequest) -> AdminResponse:
                raise problem

            w.answer = fail
            answer = await c.post(request_bytes())
            assert answer.status == status
            assert answer.get("Retry-After") == ("3" if status == 503 else None)
            assert await c.ended() == b""
            assert w.told[-1] == ("closed", f"s1 {reason}")

    go()


@pytest.mark.parametrize("problem", [ZeroDivisionError("bug"), TimeoutError("of its own")])
def test_a_bug_in_the_handler_is_500_and_reported(problem: Exception) -> None:
    @virtual
    async def go() -> None:
        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
        async with world() as w, card(w.port) as c:

            async def fail(session: Session, request: AdminRequest) -> AdminResponse:
                raise problem

            w.answer = fail
            assert (await c.post(request_bytes())).status == 500
            assert w.told[-1] == ("closed", "s1 answer-failed")
        assert [context["exception"] for context in reported] == [problem]

    go()


@virtual
async def test_no_answer_in_time() -> None:
    async with world(answer_timeout=7.0) as w, card(w.port) as c:

        async def never(session: Session, request: AdminRequest) -> AdminResponse:
            await asyncio.sleep(1000)
            raise AssertionError

        w.answer = never
        started = asyncio.get_running_loop().time()
        assert (await c.post(request_bytes())).status == 503
        assert 6.9 < asyncio.get_running_loop().time() - started < 7.5


@virtual
async def test_the_key_store_is_away() -> None:
    async with world() as w:

        async def away(identity: bytes) -> bytes | None:
            raise Unavailable("the CryptoServer")

        w.lookup = away
        with pytest.raises(ssl.SSLError) as caught:
            async with card(w.port):
                pass
        assert caught.value.reason == "TLSV1_ALERT_INTERNAL_ERROR"
        await until(lambda: bool(w.refusals))
        assert "CryptoServer" in w.refusals[0].reason


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("outcome", [b"short", ZeroDivisionError("bug")])
def test_a_bug_in_the_lookup_is_an_internal_error(outcome: bytes | Exception, at_once: bool) -> None:
    @virtual
    async def go() -> None:
        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
        async with world() as w:

            def now(_identity: bytes) -> bytes | None:
                if isinstance(outcome, Exception):
                    raise outcome
                return outcome

            async def later(identity: bytes) -> bytes | None:
                return now(identity)

            w.lookup = now if at_once else later
            with pytest.raises(ssl.SSLError) as caught:
                async with card(w.port):
                    pass
            assert caught.value.reason == "TLSV1_ALERT_INTERNAL_ERROR"
        assert len(reported) == 1

    go()


@virtual
async def test_keys_at_hand_need_no_task() -> None:
    answers: dict[bytes, bytes | None] = {IDENTITY.encode(): KEY}
    async with world() as w:
        w.lookup = answers.get
        async with card(w.port):
            assert [session.identity_octets for session in w.server.sessions] == [IDENTITY.encode()]
        answers.clear()
        with pytest.raises(ssl.SSLError) as caught:
            async with card(w.port):
                pass
        assert caught.value.reason == "SSLV3_ALERT_BAD_RECORD_MAC"
        await until(lambda: len(w.refusals) == 1)


@virtual
async def test_no_word_of_the_key_at_once_is_an_internal_error() -> None:
    async with world() as w:

        def unavailable(_identity: bytes) -> bytes | None:
            raise Unavailable("the keys")

        w.lookup = unavailable
        with pytest.raises(ssl.SSLError) as caught:
            async with card(w.port):
                pass
        assert caught.value.reason == "TLSV1_ALERT_INTERNAL_ERROR"
        await until(lambda: [refusal.reason for refusal in w.refusals] == [str(Unavailable("the keys"))])


@virtual
async def test_a_peer_that_says_nothing() -> None:
    async with world(handshake_timeout=3.0) as w, raw(w.port) as (reader, _):
        started = asyncio.get_running_loop().time()
        assert await reader.read() == b""
        assert 2.9 < asyncio.get_running_loop().time() - started < 3.5
        assert w.refusals[0].reason == "handshake deadline"


@virtual
async def test_a_peer_that_stops_in_the_handshake() -> None:
    async with world(handshake_timeout=3.0) as w, raw(w.port) as (reader, writer):
        writer.write(MemoryClient().step())
        assert records(await reader.read(4096))[0][0] == 22
        assert await reader.read() == b""
        assert w.refusals[0].reason == "handshake deadline"


@virtual
async def test_a_lookup_that_never_ends_is_cut_by_the_deadline() -> None:
    async with world(handshake_timeout=3.0) as w:
        cancelled = asyncio.Event()

        async def never(identity: bytes) -> bytes | None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return None

        w.lookup = never
        with pytest.raises((ConnectionError, ssl.SSLError)):
            async with card(w.port):
                pass
        await cancelled.wait()


@virtual
async def test_nothing_more_is_read_while_the_key_is_fetched() -> None:
    async with world() as w, raw(w.port) as (reader, writer):

        async def slow(identity: bytes) -> bytes | None:
            await asyncio.sleep(5.0)
            return KEY

        w.lookup = slow
        client = MemoryClient()
        writer.write(client.step())
        writer.write(client.step(await reader.read(4096)))
        await asyncio.sleep(1.0)
        writer.write(bytes(20_000))
        await asyncio.sleep(3.0)
        assert w.refusals == []
        await until(lambda: bool(w.sessions))
        assert (await reader.read())[:3] == b"\x14\x03\x03"
        assert w.told[-1] == ("closed", "s1 tls-error")


@virtual
async def test_the_alert_arrives_although_more_came_while_the_key_was_fetched() -> None:
    """Closed with octets that nobody read, the socket would be reset, and the alert lost."""
    async with world() as w, raw(w.port) as (reader, writer):

        async def slowly_away(identity: bytes) -> bytes | None:
            await asyncio.sleep(5.0)
            raise Unavailable("the CryptoServer")

        w.lookup = slowly_away
        client = MemoryClient()
        writer.write(client.step())
        writer.write(client.step(await reader.read(4096)))
        await asyncio.sleep(1.0)
        writer.write(bytes(20_000))
        assert records(await reader.read())[-1] == (21, b"\x02\x50")
        writer.close()
        await until(lambda: not w.server._connections)
        assert asyncio.get_running_loop().time() < 5.0 + CLOSE_TIMEOUT


@virtual
async def test_a_card_that_does_not_read_a_long_answer_is_dropped() -> None:
    async with world() as w, raw(w.port) as (reader, writer):

        async def long(session: Session, request: AdminRequest) -> AdminResponse:
            return AdminResponse.script(bytes(20_000_000), next_uri=None, target_aid=None)  # above any buffer

        w.answer = long
        client = await shaken(reader, writer)
        cast(asyncio.Transport, writer.transport).pause_reading()
        client.tls.write(request_bytes())
        writer.write(client.outgoing.read())
        await until(lambda: bool(w.requests))
        await asyncio.sleep(3 * CLOSE_TIMEOUT)
        assert not w.server._connections


@virtual
async def test_a_card_that_says_nothing_after_the_handshake() -> None:
    async with world(idle_timeout=61.0) as w, card(w.port) as c:
        started = asyncio.get_running_loop().time()
        assert await c.ended() == b""
        assert 60.9 < asyncio.get_running_loop().time() - started < 62
        assert w.told[-1] == ("closed", "s1 idle")


@virtual
async def test_a_request_drop_by_drop_runs_into_its_deadline() -> None:
    async with world(idle_timeout=61.0, request_timeout=5.0) as w, card(w.port) as c:
        started = asyncio.get_running_loop().time()
        octets = request_bytes()
        for octet in octets:
            await c.send(bytes((octet,)))
            await asyncio.sleep(1.0)
            if w.told[-1][0] == "closed":
                break
        assert asyncio.get_running_loop().time() - started < 8.0
        assert w.told[-1] == ("closed", "s1 idle")


@virtual
async def test_a_card_that_does_not_close_after_204_is_closed() -> None:
    async with world(close_timeout=4.0) as w, raw(w.port) as (reader, writer):

        async def end(session: Session, request: AdminRequest) -> AdminResponse:
            return AdminResponse.end()

        w.answer = end
        client = await shaken(reader, writer)
        for _ in range(2):
            # The second one comes after our close_notify: thrown away, not answered.
            client.tls.write(request_bytes())
            writer.write(client.step())
            await asyncio.sleep(1.0)
        started = asyncio.get_running_loop().time()
        octets = await reader.read()
        assert 1.9 < asyncio.get_running_loop().time() - started < 2.5
        client.step(octets)
        assert client.tls.read().startswith(b"HTTP/1.1 204 ")
        assert client.tls.read() == b""
        assert w.told == [("open", "s1"), ("closed", "s1 completed")]
        assert len(w.requests) == 1
        assert not w.server._connections


@virtual
async def test_after_a_script_without_next_uri_the_card_goes() -> None:
    async with world(close_timeout=4.0) as w, card(w.port) as c:

        async def last(session: Session, request: AdminRequest) -> AdminResponse:
            return AdminResponse.script(SCRIPT, next_uri=None, target_aid=None)

        w.answer = last
        assert (await c.post(request_bytes())).body == SCRIPT
        assert w.told == [("open", "s1")]
        assert await c.ended() == b""
        assert w.told[-1] == ("closed", "s1 completed")


@virtual
async def test_the_card_leaves_in_order() -> None:
    async with world() as w:
        async with card(w.port) as c:
            await c.post(request_bytes())
        await until(lambda: len(w.told) == 2)
        assert w.told[-1] == ("closed", "s1 peer-closed")


@virtual
async def test_the_card_vanishes_while_we_work() -> None:
    async with world() as w:
        cancelled = asyncio.Event()

        async def never(session: Session, request: AdminRequest) -> AdminResponse:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            raise AssertionError

        w.answer = never
        async with card(w.port) as c:
            await c.send(request_bytes())
            await until(lambda: bool(w.requests))
            c.writer.transport.abort()
        await cancelled.wait()
        assert w.told[-1][1] in ("s1 connection-lost", "s1 peer-closed")


class HastyPump(TLSPump):
    """Of a card whose first request comes with the last octets of its handshake."""

    def receive(self, data: bytes, user: User) -> None:
        user.identity_known(IDENTITY.encode())

    def supply_key(self, key: bytes | None, user: User) -> None:
        user.handshake_done(GCM)
        user.plaintext_received(request_bytes())


@pytest.mark.parametrize("at_once", [True, False])
def test_a_request_that_comes_with_the_key_is_given_up_with_its_card(at_once: bool) -> None:
    async def later(identity: bytes) -> bytes | None:
        await asyncio.sleep(1)
        return KEYS.get(identity)

    @virtual
    async def go() -> None:
        async with world() as w:
            w.server.new_pump = lambda: HastyPump(ContextPool(), entropy=bytes)  # type: ignore[method-assign]
            w.lookup = KEYS.get if at_once else later
            cancelled = asyncio.Event()

            async def never(session: Session, request: AdminRequest) -> AdminResponse:
                try:
                    await asyncio.Event().wait()
                finally:
                    cancelled.set()
                raise AssertionError

            w.answer = never
            async with raw(w.port) as (_, writer):
                writer.write(b"hello")
                await until(lambda: bool(w.requests))
            await cancelled.wait()
            await until(lambda: w.told[-1] == ("closed", "s1 connection-lost"))

    go()


@virtual
async def test_a_broken_record_ends_the_session() -> None:
    async with world() as w, raw(w.port) as (reader, writer):
        client = await shaken(reader, writer)
        client.tls.write(request_bytes())
        octets = bytearray(client.step())
        octets[20] ^= 1
        writer.write(octets)
        assert records(await reader.read(4096))[0][0] == 21
        assert await reader.read() == b""
        assert w.told[-1] == ("closed", "s1 tls-error")


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        bytes(range(256)) * 40,
        b"\x16\x03\x01\xff\xff" + bytes(70_000),
        b"\x16\x03\x01\x40\x00" + b"\x01\x00\x3f\xfc" + bytes(0x3FFC),
        b"\x16\x03\x03\x00\x04\x02\x00\x00\x00",
        b"\x80\x2e\x01\x03\x01" + bytes(41),
    ],
)
def test_garbage_gets_one_alert_and_the_end(octets: bytes) -> None:
    @virtual
    async def go() -> None:
        async with world() as w, raw(w.port) as (reader, writer):
            writer.write(octets)
            answer = await reader.read()
            ((kind, alert),) = records(answer)
            assert (kind, alert[0]) == (21, 2)
            assert len(w.refusals) == 1
            assert w.told == []

    go()


@virtual
async def test_the_alert_arrives_although_the_peer_keeps_talking() -> None:
    async with world() as w, raw(w.port) as (reader, writer):
        # Unread octets at the server would turn its close into a reset that eats the alert.
        writer.write(b"nonsense" * 4_000)
        await asyncio.sleep(0.1)
        writer.write(b"nonsense" * 2_000)
        assert records(await reader.read()) == [(21, b"\x02\x0a")]


@virtual
async def test_a_peer_that_talks_on_and_on_after_its_end_is_dropped() -> None:
    async with world() as w, raw(w.port) as (reader, writer):
        writer.write(b"nonsense")
        assert records(await reader.readexactly(7)) == [(21, b"\x02\x0a")]
        with suppress(ConnectionError):
            for _ in range(20):
                writer.write(bytes(MAX_DISCARDED_OCTETS // 10))
                await asyncio.sleep(0.01)
        await until(lambda: not w.server._connections)
        assert asyncio.get_running_loop().time() < CLOSE_TIMEOUT


@virtual
async def test_connection_limit() -> None:
    other = client_context(OTHER_IDENTITY, OTHER_KEY)
    async with world(max_connections=2) as w, card(w.port) as first, card(w.port, other):
        with pytest.raises((ConnectionError, ssl.SSLError)):
            async with card(w.port):
                pass
        assert w.refusals[0].reason == "connection limit"
        assert (await first.post(request_bytes())).status == 200


@virtual
async def test_silent_strangers_do_not_keep_cards_out() -> None:
    async with world(max_handshakes=3) as w:
        strangers = [await asyncio.open_connection("127.0.0.1", w.port) for _ in range(3)]
        await until(lambda: len(w.server._connections) == 3)
        async with card(w.port) as c:
            assert (await c.post(request_bytes())).status == 200
        # The one that had waited longest made room, and not by its deadline.
        assert await strangers[0][0].read() == b""
        assert asyncio.get_running_loop().time() < 1
        assert len(w.server._handshakes) == 2
        for _, writer in strangers:
            writer.close()


@virtual
async def test_disconnect_by_session_id() -> None:
    async with world() as w, card(w.port) as c:
        await c.post(request_bytes())
        assert w.server.disconnect("s1")
        assert await c.ended() == b""
        assert not w.server.disconnect("s1")
        assert w.told[-1] == ("closed", "s1 disconnected")


@virtual
async def test_stop_lets_an_answer_out() -> None:
    w = World(close_timeout=5.0)
    await w.server.start()

    async def slow(session: Session, request: AdminRequest) -> AdminResponse:
        await asyncio.sleep(2.0)
        return AdminResponse.script(SCRIPT, next_uri="/n", target_aid=None)

    w.answer = slow
    port = w.port
    idle_context = client_context(OTHER_IDENTITY, OTHER_KEY)
    async with card(port) as busy, card(port, idle_context) as idle:
        await busy.send(request_bytes())
        await until(lambda: bool(w.requests))
        stopping = asyncio.create_task(w.server.stop())
        assert await idle.ended() == b""
        idle.writer.close()
        answer = await busy.read()
        assert (answer.body, answer.get("Connection")) == (SCRIPT, "close")
        busy.writer.close()
        await stopping
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", port)
    assert sorted(w.told[2:]) == [("closed", "s1 stopped"), ("closed", "s2 stopped")]


@virtual
async def test_stop_drops_what_hangs() -> None:
    w = World(close_timeout=5.0)
    await w.server.start()

    async def never(session: Session, request: AdminRequest) -> AdminResponse:
        await asyncio.Event().wait()
        raise AssertionError

    w.answer = never
    async with card(w.port) as c:
        await c.send(request_bytes())
        await until(lambda: bool(w.requests))
        started = asyncio.get_running_loop().time()
        await w.server.stop(grace=1.0)
        assert asyncio.get_running_loop().time() - started < 2.0
    assert w.told[-1] == ("closed", "s1 stopped")


@virtual
async def test_an_address_that_cannot_be_used() -> None:
    async with world() as w:
        other = PSKServer(
            HTTPSSettings("127.0.0.1", w.port), lookup=w.lookup, handler=w.answer, new_session_id=str
        )
        with pytest.raises(Unavailable, match="address"):
            await other.start()
        with pytest.raises(RuntimeError):
            _ = other.port


@virtual
async def test_resets_in_every_phase_leave_nothing_behind() -> None:
    async with world() as w:
        for octets in (b"", b"\x16", MemoryClient().step()):
            _, writer = await asyncio.open_connection("127.0.0.1", w.port)
            writer.write(octets)
            await asyncio.sleep(0.01)
            # SO_LINGER with time zero: close by reset.
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(1, 13, linger)
            writer.transport.abort()
            await asyncio.sleep(0.01)
        await until(lambda: not w.server._connections)
        assert len(w.refusals) == 3
        assert not w.server._handshakes


@pytest.mark.parametrize(
    ("field", "value"), [("port", 70_000), ("idle_timeout", 0.0), ("max_connections", -1), ("backlog", 0)]
)
def test_settings_are_checked(field: str, value: Any) -> None:
    with pytest.raises(InputError) as caught:
        HTTPSSettings(**{"host": "127.0.0.1", "port": 0, field: value})
    assert caught.value.field == field


def test_every_close_reason_has_its_own_text() -> None:
    assert len({reason.value for reason in CloseReason}) == len(CloseReason)
