"""The HTTPS role on a real database and a real socket, between a scripted SM-SR and CryptoServer."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select

from ferryman.contracts import crypto, es5
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.store import SQLiteStore
from ferryman.transport_https import schema
from ferryman.transport_https.role import TransportHTTPS
from ferryman.transport_https.session import HTTPSSettings
from psk_peer import EID, KEY

START = 1_700_000_000.0
SCRIPT = bytes.fromhex("AE80220D80E28900073A08044E020007000000")
RESULT = bytes.fromhex("AF80230290000000")
ISDP = bytes.fromhex("A0000005591010FFFFFFFF8900001300")
FROM_HTTPS: Codec[Body] = Codec(*es5.FROM_HTTPS)


class World:
    """One role and what stands around it."""

    def __init__(self, path: Path, run: int = 0, **settings: Any) -> None:
        self.store = SQLiteStore(str(path), threaded=False)
        schema.METADATA.create_all(self.store.engine)
        self.bus = InProcessBus()
        self.bus.register("sm-sr", self._sm_sr)
        self.bus.serve("crypto-server", self._crypto)
        clock = LoopClock(start=START)
        self.received: list[tuple[Header, Body]] = []
        self.questions: list[tuple[str, Header, Body]] = []
        self.reply: Callable[[es5.HTTPSPosted], es5.HTTPSAnswer | None] = self._reply
        self.key: Body | Exception = crypto.PSK(key=KEY)
        counter = itertools.count(run * 1000)
        self.role = TransportHTTPS(
            mailbox=Mailbox(
                role="transport-https", store=self.store, tables=schema.PLATFORM, bus=self.bus, clock=clock
            ),
            calls=self.bus,
            settings=HTTPSSettings("127.0.0.1", 0, **settings),
            clock=clock,
            entropy=lambda count: next(counter).to_bytes(count),
        )

    @property
    def port(self) -> int:
        return self.role.server.port

    @property
    def posted(self) -> list[es5.HTTPSPosted]:
        return [body for _, body in self.received if isinstance(body, es5.HTTPSPosted)]

    @property
    def closed(self) -> list[es5.HTTPSClosed]:
        return [body for _, body in self.received if isinstance(body, es5.HTTPSClosed)]

    def rows(self) -> list[Any]:
        with self.store.engine.connect() as connection:
            return list(connection.execute(select(schema.session).order_by(schema.session.c.opened)).all())

    async def answer(self, answer: es5.HTTPSAnswer, name: str = "sm-sr/1") -> None:
        header = Header(
            message_id=name,
            sender="sm-sr",
            requester="sm-sr",
            function_call_id=name,
            deadline=START + 1e6,
            eid=EID,
        )
        await self.role.receive(encode(header, answer))

    async def _sm_sr(self, raw: bytes) -> None:
        header, body = decode(raw, FROM_HTTPS)
        self.received.append((header, body))
        if isinstance(body, es5.HTTPSPosted):
            reply = self.reply(body)
            if reply is not None:
                # As over a bus: the answer comes while the delivery of the question still stands.
                await self.answer(reply, f"sm-sr/{body.post_id}")

    def _reply(self, posted: es5.HTTPSPosted) -> es5.HTTPSAnswer:
        return script_for(posted)

    async def _crypto(self, caller: str, raw: bytes) -> bytes:
        header, body = decode(raw, crypto.REQUEST_CODEC)
        self.questions.append((caller, header, body))
        if isinstance(self.key, Exception):
            raise self.key
        return encode(header, self.key)


def script_for(posted: es5.HTTPSPosted) -> es5.HTTPSAnswer:
    return es5.HTTPSAnswer(
        post_id=posted.post_id,
        session_id=posted.session_id,
        target_aid=ISDP,
        next_uri=f"/agent?s={posted.post_id[-1]}",
        body=SCRIPT,
    )


def end_for(posted: es5.HTTPSPosted) -> es5.HTTPSAnswer:
    return es5.HTTPSAnswer(post_id=posted.post_id, session_id=posted.session_id)


@asynccontextmanager
async def world(path: Path, run: int = 0, **settings: Any) -> AsyncIterator[World]:
    made = World(path, run, **settings)
    await made.role.start()
    try:
        yield made
    finally:
        await made.role.stop()
        await made.store.close()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")
