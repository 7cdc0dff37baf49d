"""Several worker processes on one port: one session per eUICC over all, deaths, errors, drain, many sessions."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import func, select

from ferryman.codec.scp81_http import AdminRequest, AdminResponse
from ferryman.contracts import crypto, es5
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.errors import InputError, PeerError, Refused, Unavailable
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock, system_entropy
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.store import SQLiteStore
from ferryman.transport_https import channel as words
from ferryman.transport_https import schema
from ferryman.transport_https.channel import Channel
from ferryman.transport_https.role import TransportHTTPS
from ferryman.transport_https.session import CloseReason, HTTPSSettings, Refusal, Session
from ferryman.transport_https.workers import WorkerPool
from patience import until, until_async
from psk_crowd import Crowd, eid_of
from psk_peer import EID, KEY, SocketCard, card, client_context, identity_of, request_bytes

SCRIPT = bytes.fromhex("AE80220D80E28900073A08044E020007000000")
SOAK = bool(os.environ.get("FERRYMAN_SOAK"))
FROM_HTTPS: Codec[Body] = Codec(*es5.FROM_HTTPS)


class Hooks:
    """What the role would do, and what it was told."""

    def __init__(self) -> None:
        self.opened: list[Session] = []
        self.closed: list[Session] = []
        self.refused: list[Refusal] = []
        self.alarms: list[str] = []
        self.key: bytes | Exception | None = KEY
        self.answer: AdminResponse | Exception = AdminResponse.script(SCRIPT, next_uri="/2", target_aid=None)
        self.hold = asyncio.Event()
        self.hold.set()
        self.requests: list[tuple[str, int, AdminRequest]] = []

    async def lookup(self, _identity: bytes) -> bytes | None:
        if isinstance(self.key, Exception):
            raise self.key
        return self.key

    async def handle(self, session: Session, request: AdminRequest) -> AdminResponse:
        self.requests.append((session.eid or "", session.requests, request))
        await self.hold.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@asynccontextmanager
async def pool(count: int = 2, **changes: float) -> AsyncIterator[tuple[WorkerPool, Hooks]]:
    hooks = Hooks()
    made = WorkerPool(
        HTTPSSettings("127.0.0.1", 0, workers=count, **changes),  # type: ignore[arg-type]
        lookup=hooks.lookup,
        handler=hooks.handle,
        on_open=hooks.opened.append,
        on_closed=hooks.closed.append,
        on_alarm=lambda _session, text: hooks.alarms.append(text),
        on_refused=hooks.refused.append,
    )
    await made.start()
    try:
        yield made, hooks
    finally:
        await made.stop(1.0)


def of(eid: str) -> ssl.SSLContext:
    return client_context(identity_of(eid))


async def test_one_session_for_an_euicc_over_all_workers() -> None:
    """The same eUICC connects until it has met both workers: each time the older connection is ended."""
    async with pool() as (made, hooks):
        seen: set[int] = set()
        older: SocketCard | None = None
        async with asyncio.timeout(60):
            while len(seen) < 2 or len(hooks.opened) < 4:
                reader, writer = await asyncio.open_connection("127.0.0.1", made.port, ssl=of(EID))
                newer = SocketCard(reader, writer)
                answer = await newer.post(request_bytes())
                assert (answer.status, answer.body) == (200, SCRIPT)
                assert [one.eid for one in made.sessions] == [EID]
                seen |= {number for number, count in made.spread.items() if count}
                if older is not None:
                    assert await older.ended() == b""
                    older.writer.close()
                    with suppress(ConnectionError, ssl.SSLError):
                        await older.writer.wait_closed()
                older = newer
        assert older is not None
        older.writer.close()
        await until(lambda: not made.sessions)
        assert [one.close_reason for one in hooks.closed[:-1]] == [CloseReason.REPLACED] * (len(hooks.opened) - 1)
        assert [one.id for one in hooks.closed] == [one.id for one in hooks.opened]
        assert {number for _, number, _ in hooks.requests} == {1}


async def test_a_request_arrives_whole_and_errors_of_the_role_reach_the_card() -> None:
    async with pool() as (made, hooks):
        for problem, status in (
            (Unavailable("the SM-SR", retry_after=7.0), 503),
            (Refused("1.6", "1.2", "no"), 403),
            (PeerError("no such thing"), 400),
            (ZeroDivisionError(), 503),
        ):
            hooks.answer = problem
            async with card(made.port) as one:
                answer = await one.post(
                    request_bytes("/agent?s=1", body=b"\xaf\x80", extra=("X-Admin-Resume: true",))
                )
                assert answer.status == status
                if isinstance(problem, Unavailable):
                    assert answer.get("Retry-After") == "7"
        _, number, request = hooks.requests[0]
        assert (number, request.uri, request.body, request.resume) == (1, "/agent?s=1", b"\xaf\x80", True)
        for key in (None, Unavailable("the CryptoServer"), ZeroDivisionError()):
            hooks.key = key
            with pytest.raises((ssl.SSLError, ConnectionError)):
                async with card(made.port):
                    pass
        await until(lambda: len(hooks.refused) == 3)
        hooks.key = KEY
        other = eid_of(1)
        async with card(made.port) as one:
            await one.send(request_bytes(eid=other))
            await one.ended()
        await until(lambda: hooks.closed[-1].close_reason is CloseReason.EID_MISMATCH)
        assert len(hooks.alarms) == 1


async def test_a_killed_worker_loses_its_own_sessions_only_and_is_replaced() -> None:
    async with pool() as (made, hooks):
        crowd = Crowd(made.port, KEY)
        eids = [eid_of(number) for number in range(16)]
        cards = await asyncio.to_thread(crowd.all, crowd.connect, eids)
        await until(lambda: len(made.sessions) == 16)
        spread = made.spread
        assert all(spread.values()), spread
        victim = made.processes[0]
        os.kill(victim, signal.SIGKILL)
        await until(lambda: len(hooks.closed) == spread[1])
        assert {(one.close_reason, one.detail) for one in hooks.closed} == {
            (CloseReason.CONNECTION_LOST, "worker ended")
        }
        alive = {one.eid for one in made.sessions}
        assert len(alive) == spread[2]
        for eid, held in zip(eids, cards, strict=True):
            if eid in alive:
                assert await asyncio.to_thread(crowd.post, held, eid) == 200
        await until(lambda: made.is_whole)
        assert victim not in made.processes
        # Those that wait in the queue of the dead worker are taken by the next one.
        again = await asyncio.to_thread(crowd.all, crowd.connect, eids)
        await until(lambda: len(made.sessions) == 16)
        assert all(made.spread.values())
        for held in (*cards, *again):
            held.close()
        crowd.close()


async def test_drain_lets_an_answer_out_and_leaves_nothing_behind() -> None:
    async with pool() as (made, hooks):
        hooks.hold.clear()
        async with card(made.port) as one:
            await one.send(request_bytes())
            await until(lambda: len(hooks.requests) == 1)
            pids, port = made.processes, made.port
            stopping = asyncio.create_task(made.stop(20.0))
            await until_async(lambda: refused(port))
            hooks.hold.set()
            answer = await one.read()
            assert (answer.status, answer.body, answer.get("Connection")) == (200, SCRIPT, "close")
        await stopping
        assert [session.close_reason for session in hooks.closed] == [CloseReason.STOPPED]
        assert made.processes == ()
        for pid in pids:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


async def refused(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def test_disconnect_ends_one_session() -> None:
    async with pool() as (made, hooks), card(made.port) as one, card(made.port, of(eid_of(1))) as other:
        await until(lambda: len(made.sessions) == 2)
        [session] = [found for found in made.sessions if found.eid == EID]
        assert made.disconnect(session.id)
        assert await one.ended() == b""
        await until(lambda: [found.close_reason for found in hooks.closed] == [CloseReason.DISCONNECTED])
        assert not made.disconnect(session.id)
        assert (await other.post(request_bytes(eid=eid_of(1)))).status == 200


async def test_a_worker_whose_role_is_gone_ends() -> None:
    ours, theirs = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        descriptors = theirs.fileno(), listener.fileno()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ferryman.transport_https.worker", *map(str, descriptors), pass_fds=descriptors
        )
        theirs.close()
        port = listener.getsockname()[1]
    channel = await Channel.open(ours, words.FROM_WORKER)
    channel.say(words.Begin(HTTPSSettings("127.0.0.1", 0)))
    async with asyncio.timeout(60):
        assert isinstance(await channel.hear(), words.Listening)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await channel.close()
        assert await process.wait() == 0
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_an_address_that_is_taken_and_a_bad_count() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        made = WorkerPool(
            HTTPSSettings("127.0.0.1", taken.getsockname()[1], workers=2),
            lookup=Hooks().lookup, handler=Hooks().handle, on_open=print, on_closed=print, on_alarm=print,
            on_refused=print,
        )  # fmt: skip
        with pytest.raises(Unavailable, match="address"):
            await made.start()
    for count in (0, 65):
        with pytest.raises(InputError, match="workers"):
            HTTPSSettings("127.0.0.1", 0, workers=count)


# --- the role with workers, under load ---

SESSIONS = 5_000 if SOAK else 250
WORKER_GROWTH = 40 * 1024 * SESSIONS + 24 * 2**20  # octets: sessions, and what a process takes once
ROLE_GROWTH = 24 * 1024 * SESSIONS + 48 * 2**20
SECONDS = 240.0 if SOAK else 60.0


@pytest.mark.timeout(600 if SOAK else 120)
async def test_many_open_sessions_take_bounded_memory_and_time(tmp_path: Path) -> None:
    """Each session is opened, posts, is answered, and stays open; then the module drains. 5,000 in `make soak`."""
    store = SQLiteStore(str(tmp_path / "https.db"))
    schema.METADATA.create_all(store.engine)
    bus = InProcessBus()
    ended: list[es5.HTTPSClosed] = []

    async def sm_sr(raw: bytes) -> None:
        header, body = decode(raw, FROM_HTTPS)
        if isinstance(body, es5.HTTPSClosed):
            ended.append(body)
            return
        assert isinstance(body, es5.HTTPSPosted)
        answer = es5.HTTPSAnswer(
            post_id=body.post_id, session_id=body.session_id, target_aid=b"", next_uri="/2", body=SCRIPT
        )
        name = f"sm-sr/{body.post_id}"
        back = Header(
            message_id=name, sender="sm-sr", requester="sm-sr", function_call_id=name,
            deadline=header.deadline, eid=body.eid,
        )  # fmt: skip
        await role.receive(encode(back, answer))

    async def keys(_caller: str, raw: bytes) -> bytes:
        header, _ = decode(raw, crypto.REQUEST_CODEC)
        return encode(header, crypto.PSK(key=KEY))

    bus.register("sm-sr", sm_sr)
    bus.serve("crypto-server", keys)
    clock = LoopClock()
    mailbox = Mailbox(role="transport-https", store=store, tables=schema.PLATFORM, bus=bus, clock=clock)
    role = TransportHTTPS(
        mailbox=mailbox,
        calls=bus,
        settings=HTTPSSettings("127.0.0.1", 0, workers=2, idle_timeout=600.0, close_timeout=1.0),
        clock=clock,
        entropy=system_entropy,
    )
    await role.start()
    assert isinstance(role.server, WorkerPool)
    before = [_resident(pid) for pid in role.server.processes]
    ours = _resident(os.getpid())
    crowd = Crowd(role.server.port, KEY)
    eids = [eid_of(number) for number in range(SESSIONS)]
    began = time.monotonic()
    cards = await asyncio.to_thread(crowd.all, crowd.connect, eids)
    opened = time.monotonic() - began
    await until(lambda: len(role.server.sessions) == SESSIONS)  # the last word of a handshake is the server's
    assert len({session.eid for session in role.server.sessions}) == SESSIONS
    spread = role.server.spread
    assert min(spread.values()) > SESSIONS // 4, spread
    posts = [*zip(cards, eids, strict=True)]
    assert set(await asyncio.to_thread(crowd.all, lambda one: crowd.post(*one), posts)) == {200}
    took = time.monotonic() - began
    assert took < SECONDS
    growth = [_resident(pid) - was for pid, was in zip(role.server.processes, before, strict=True)]
    assert sum(growth) < WORKER_GROWTH, growth
    # The cards live in this process too: 5,000 of them take more than the role's own part.
    assert _resident(os.getpid()) - ours < ROLE_GROWTH + 64 * 1024 * SESSIONS
    print(f"{SESSIONS} sessions open after {opened:.1f} s, answered after {took:.1f} s, {sum(growth) >> 10} KiB")
    stopping = asyncio.create_task(role.stop())
    await asyncio.wait_for(stopping, SECONDS)
    assert len(ended) == SESSIONS
    assert {one.reason for one in ended} == {CloseReason.STOPPED.value}
    open_rows = select(func.count()).select_from(schema.session).where(schema.session.c.closed.is_(None))
    assert await store.read(lambda c: c.execute(open_rows).scalar_one()) == 0
    for held in cards:
        held.close()
    crowd.close()
    await store.close()


def _resident(pid: int) -> int:
    """Octets of a process that are in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
