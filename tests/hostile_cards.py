"""A PSK server among strangers: one good card whose session has to live, and ways to be a bad one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from ferryman.codec.scp81_http import AdminRequest, AdminResponse
from ferryman.transport_https.server import PSKServer
from ferryman.transport_https.session import HTTPSSettings, Refusal, Session
from ferryman_sim.faults.proxy import FaultProxy
from ferryman_sim.faults.rules import parse
from psk_peer import (
    IDENTITY,
    KEY,
    OTHER_EID,
    OTHER_IDENTITY,
    OTHER_KEY,
    SocketCard,
    card,
    client_context,
    request_bytes,
)

KEYS = {IDENTITY.encode(): KEY, OTHER_IDENTITY.encode(): OTHER_KEY}
SCRIPT = bytes.fromhex("AE80220D80E28900073A08044E020007000000")


class Place:
    """The server and what it was told."""

    def __init__(self, **settings: Any) -> None:
        self.good: GoodCard | None = None
        self.asked: list[bytes] = []
        self.refusals: list[Refusal] = []
        self.alarms: list[str] = []
        self.ended: list[str] = []
        ids = iter(range(1, 1_000_000))
        self.server = PSKServer(
            HTTPSSettings("127.0.0.1", 0, **settings),
            lookup=self._lookup,
            handler=self._answer,
            new_session_id=lambda: f"s{next(ids)}",
            on_closed=lambda session: self.ended.append(
                session.close_reason.value if session.close_reason else ""
            ),
            on_alarm=lambda _, text: self.alarms.append(text),
            on_refused=self.refusals.append,
        )

    async def _lookup(self, identity: bytes) -> bytes | None:
        self.asked.append(identity)
        return KEYS.get(identity)

    async def _answer(self, session: Session, request: AdminRequest) -> AdminResponse:
        return AdminResponse.script(SCRIPT, next_uri=f"/n?s={session.requests}", target_aid=None)

    @property
    def connections(self) -> int:
        return len(self.server._connections)

    async def quiet(self, others: int = 0, seconds: float = 300.0) -> None:
        """Wait until only `others` connections are left; a deadline of the server has to see to that."""
        loop = asyncio.get_running_loop()
        end, post = loop.time() + seconds, loop.time() + 10.0
        while self.connections > others:
            assert loop.time() < end, f"{self.connections} connections are left"
            await asyncio.sleep(0.25)
            if self.good is not None and loop.time() > post:
                post = loop.time() + 10.0
                await self.good.post()  # or its own idle deadline would strike
        assert len(self.server.sessions) <= others


class GoodCard:
    """A card of its own EID that posts now and then; every answer has to come at once."""

    def __init__(self, link: SocketCard) -> None:
        self._link = link
        self.posts = 0

    async def post(self) -> None:
        loop = asyncio.get_running_loop()
        before = loop.time()
        self.posts += 1
        answer = await self._link.post(request_bytes(f"/n?s={self.posts}", eid=OTHER_EID))
        assert (answer.status, answer.body) == (200, SCRIPT)
        assert loop.time() - before < 1.0


@asynccontextmanager
async def besieged(**settings: Any) -> AsyncIterator[tuple[Place, GoodCard]]:
    """A server with the good card connected; at the end it is still served and everything else is gone."""
    place = Place(**settings)
    await place.server.start()
    try:
        async with card(place.server.port, client_context(OTHER_IDENTITY, OTHER_KEY)) as link:
            place.good = good = GoodCard(link)
            await good.post()
            yield place, good
            await good.post()
            await place.quiet(others=1)
            assert [session.eid for session in place.server.sessions] == [OTHER_EID]
    finally:
        await place.server.stop()


@asynccontextmanager
async def through_faults(place: Place, *rules: str, framing: str = "bytes") -> AsyncIterator[FaultProxy]:
    """A fault proxy before the server."""
    proxy = FaultProxy(("127.0.0.1", place.server.port), seed="1", rules=parse(list(rules)), framing=framing)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()


async def talk(port: int, octets: bytes, *, end: bool = False) -> bytes:
    """Sends octets without TLS and reads to the end; a reset counts as one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    came = b""
    try:
        writer.write(octets)
        if end:
            writer.write_eof()
        while data := await reader.read(65_536):
            came += data
    except ConnectionError:
        pass
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return came
