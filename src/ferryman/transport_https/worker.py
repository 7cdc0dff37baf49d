"""A worker process of the HTTPS transport: ends TLS and HTTP for the role, which has everything else.

Started by `workers.WorkerPool` with two inherited descriptors: the channel to the role and a listening socket. It
has no database, no credential and no key but those of handshakes under way. It ends when the role says so, or
when the channel does.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import socket
import sys

from ferryman.codec.scp81_http import AdminRequest, AdminResponse
from ferryman.errors import Unavailable
from ferryman.platform.clock import LoopClock, system_entropy
from ferryman.platform.log import configure
from ferryman.transport_https import channel as words
from ferryman.transport_https.channel import Channel, ToWorker
from ferryman.transport_https.server import PSKServer
from ferryman.transport_https.session import (
    SESSION_ID_OCTETS,
    CloseReason,
    HTTPSSettings,
    Refusal,
    Session,
    make_session_id,
)


class Worker:
    """The server of one process, its hooks answered by the role."""

    def __init__(self, channel: Channel[ToWorker], settings: HTTPSSettings) -> None:
        self._channel = channel
        self._numbers = itertools.count(1)
        self._keys: dict[int, asyncio.Future[bytes | None]] = {}
        self._answers: dict[str, asyncio.Future[AdminResponse]] = {}  # by session: one POST at a time
        clock = LoopClock()
        self.server = PSKServer(
            settings,
            lookup=self._lookup,
            handler=self._handle,
            new_session_id=lambda: make_session_id(clock.now(), system_entropy(SESSION_ID_OCTETS)),
            on_open=self._on_open,
            on_closed=self._on_closed,
            on_alarm=self._on_alarm,
            on_refused=self._on_refused,
        )

    async def run(self, listener: socket.socket) -> None:
        """Serve until told to stop or left alone."""
        await self.server.start(listener)
        self._channel.say(words.Listening())
        grace = 0.0
        while (message := await self._channel.hear()) is not None:
            if isinstance(message, words.Drain):
                grace = message.grace
                break
            self._take(message)
        # The channel is read on: answers of the role may still go out.
        reading = asyncio.get_running_loop().create_task(self._read_on())
        await self.server.stop(grace)
        reading.cancel()
        await self._channel.close()

    async def _read_on(self) -> None:
        while (message := await self._channel.hear()) is not None:
            self._take(message)

    def _take(self, message: ToWorker) -> None:
        match message:
            case words.KeyFound(number, key, unavailable, wait):
                wanted = self._keys.get(number)
                if wanted is None or wanted.done():
                    return
                if unavailable:
                    wanted.set_exception(Unavailable(unavailable, retry_after=wait))
                else:
                    wanted.set_result(key)
            case words.Answered(session_id, response, failure):
                waiting = self._answers.get(session_id)
                if waiting is None or waiting.done():
                    return
                if response is None:
                    waiting.set_exception(words.error_of(failure))
                else:
                    waiting.set_result(response)
            case words.Disconnect(session_id, replaced):
                reason = CloseReason.REPLACED if replaced else CloseReason.DISCONNECTED
                self.server.disconnect(session_id, reason)
            case words.Begin() | words.Drain():
                pass  # said once, and heard before

    async def _lookup(self, identity: bytes) -> bytes | None:
        number = next(self._numbers)
        wanted: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._keys[number] = wanted
        try:
            await self._channel.send(words.KeyWanted(number, identity))
            return await wanted
        finally:
            del self._keys[number]

    async def _handle(self, session: Session, request: AdminRequest) -> AdminResponse:
        waiting: asyncio.Future[AdminResponse] = asyncio.get_running_loop().create_future()
        self._answers[session.id] = waiting
        try:
            await self._channel.send(words.Posted(session.id, request))
            return await waiting
        finally:
            del self._answers[session.id]

    def _on_open(self, session: Session) -> None:
        self._channel.say(words.Opened(session.id, session.identity_octets, session.peer, session.suite))

    def _on_closed(self, session: Session) -> None:
        reason = session.close_reason or CloseReason.CONNECTION_LOST
        self._channel.say(words.Closed(session.id, reason.value, session.detail))

    def _on_alarm(self, session: Session, text: str) -> None:
        self._channel.say(words.Alarmed(session.id, text))

    def _on_refused(self, refusal: Refusal) -> None:
        self._channel.say(words.TurnedAway(refusal.peer, refusal.identity, refusal.reason))


async def main(channel_descriptor: int, listening_descriptor: int) -> None:
    """One life of a worker."""
    channel = await Channel.open(socket.socket(fileno=channel_descriptor), words.TO_WORKER)
    begin = await channel.hear()
    if isinstance(begin, words.Begin):
        await Worker(channel, begin.settings).run(socket.socket(fileno=listening_descriptor))


if __name__ == "__main__":
    # A terminal and a service manager signal every process of the group: the role decides, and drains us.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    configure()
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
