"""Several worker processes on one port, to the role like one `PSKServer`.

Each worker listens on a socket of its own with SO_REUSEPORT; the kernel spreads connections over them. The
sockets stay open here too, so that connections that wait for a worker that died are taken by the one that follows
it. What is one for all workers is decided here: one session per eUICC.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Final

import structlog

from ferryman.codec import psk_identity
from ferryman.errors import FerrymanError, PeerError, Unavailable
from ferryman.transport_https import channel as words
from ferryman.transport_https.channel import Channel, FromWorker
from ferryman.transport_https.listening import listening_sockets
from ferryman.transport_https.session import CloseReason, Handler, Hooks, HTTPSSettings, Lookup, Refusal, Session

START_SECONDS: Final = 60.0  # seconds for an interpreter to start on a busy machine and say that it listens
RESTART_FIRST: Final = 0.1  # seconds from the death of a worker to the next; doubles until one listens
RESTART_CAP: Final = 30.0  # seconds
STOP_MARGIN: Final = 5.0  # seconds beyond the grace of its connections after which a worker is killed
ENVIRONMENT_OURS: Final = "FERRYMAN_"  # settings of ours may be passwords; a worker needs none

log = structlog.get_logger("ferryman.transport_https")


@dataclass(eq=False)
class _Open:
    """A session of a worker, as the role sees it."""

    session: Session
    worker: _Worker
    task: asyncio.Task[None] | None = None  # its POST under way


@dataclass(eq=False)
class _Worker:
    """One worker process, over all its lives."""

    number: int
    listener: socket.socket
    channel: Channel[FromWorker] | None = None
    process: asyncio.subprocess.Process | None = None
    listening: asyncio.Event = field(default_factory=asyncio.Event)
    deaths: int = 0  # since it last listened


class WorkerPool:
    """Runs the workers; the same hooks and the same use as `PSKServer`."""

    def __init__(
        self,
        settings: HTTPSSettings,
        *,
        lookup: Lookup,
        handler: Handler,
        on_open: Callable[[Session], None],
        on_closed: Callable[[Session], None],
        on_alarm: Callable[[Session, str], None],
        on_refused: Callable[[Refusal], None],
    ) -> None:
        self.settings = settings
        self.hooks = Hooks(lookup, handler, on_open, on_closed, on_alarm, on_refused)
        self._workers: list[_Worker] = []
        self._lives: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: dict[str, _Open] = {}
        self._by_eid: dict[str | bytes, _Open] = {}
        self._stopping = False

    async def start(self) -> None:
        """Listen and start every worker; raises Unavailable when the address or a worker is not to be had."""
        settings = self.settings
        self._stopping = False
        self._workers = [
            _Worker(number, sock)
            for number, sock in enumerate(await listening_sockets(settings, settings.workers), 1)
        ]
        loop = asyncio.get_running_loop()
        self._lives = [loop.create_task(self._live(worker)) for worker in self._workers]
        try:
            async with asyncio.timeout(START_SECONDS):
                await asyncio.gather(*(worker.listening.wait() for worker in self._workers))
        except TimeoutError:
            await self.stop(0.0)
            raise Unavailable("a worker of the HTTPS transport") from None

    @property
    def port(self) -> int:
        """The port listened on."""
        if not self._workers:
            raise RuntimeError("not started")
        port: int = self._workers[0].listener.getsockname()[1]
        return port

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions that are open now, of all workers."""
        return tuple(one.session for one in self._open.values())

    @property
    def spread(self) -> dict[int, int]:
        """Open sessions by number of the worker."""
        counts = {worker.number: 0 for worker in self._workers}
        for one in self._open.values():
            counts[one.worker.number] += 1
        return counts

    @property
    def processes(self) -> tuple[int, ...]:
        """Process identifiers of the workers that run."""
        return tuple(
            w.process.pid for w in self._workers if w.process is not None and w.process.returncode is None
        )

    @property
    def listening(self) -> int:
        """Workers that take connections."""
        return sum(worker.listening.is_set() for worker in self._workers)

    @property
    def is_whole(self) -> bool:
        """Every worker listens."""
        return bool(self._workers) and all(worker.listening.is_set() for worker in self._workers)

    def disconnect(self, session_id: str) -> bool:
        """Ends a session; False when there is none of this id."""
        found = self._open.get(session_id)
        if found is None:
            return False
        if found.worker.channel is not None:
            found.worker.channel.say(words.Disconnect(session_id, replaced=False))
        return True

    async def stop(self, grace: float | None = None) -> None:
        """Stops listening, lets answers under way go out, and ends what is left after `grace` seconds."""
        if self._stopping:
            return
        self._stopping = True
        seconds = self.settings.close_timeout if grace is None else grace
        for worker, life in zip(self._workers, self._lives, strict=True):
            worker.listener.close()
            if worker.channel is None:
                life.cancel()  # it starts, or waits to be started
            else:
                worker.channel.say(words.Drain(seconds))
        if self._lives:
            _, late = await asyncio.wait(self._lives, timeout=seconds + STOP_MARGIN)
            for worker in self._workers:
                if worker.process is not None and worker.process.returncode is None:
                    worker.process.kill()
            for life in late:
                life.cancel()
            await asyncio.gather(*self._lives, return_exceptions=True)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- the life of a worker -------------------------------------------------------------------------------------

    async def _live(self, worker: _Worker) -> None:
        """Start it again whenever it ends, until we stop."""
        while True:
            try:
                await self._one_life(worker)
            except Exception as problem:  # outermost loop: whatever became of it, another one takes its place
                log.error("worker failed", worker=worker.number, error=type(problem).__name__, exc_info=problem)
            finally:
                worker.listening.clear()
                await self._bury(worker)
            if self._stopping:
                return
            worker.deaths += 1
            wait = min(RESTART_FIRST * 2 ** (worker.deaths - 1), RESTART_CAP)
            log.error("worker ended", worker=worker.number, again_in=wait)
            await asyncio.sleep(wait)

    async def _one_life(self, worker: _Worker) -> None:
        ours, theirs = socket.socketpair()
        try:
            descriptors = (theirs.fileno(), worker.listener.fileno())
            worker.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "ferryman.transport_https.worker", *map(str, descriptors)),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=descriptors,
                env={k: v for k, v in os.environ.items() if not k.startswith(ENVIRONMENT_OURS)},
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        worker.channel = await Channel.open(ours, words.FROM_WORKER)
        worker.channel.say(words.Begin(_share(self.settings)))
        while (message := await worker.channel.hear()) is not None:
            self._take(worker, message)

    async def _bury(self, worker: _Worker) -> None:
        """After its end: the sessions it had are lost."""
        channel, worker.channel = worker.channel, None
        if channel is not None:
            await channel.close()
        for one in [one for one in self._open.values() if one.worker is worker]:
            self._end(one, CloseReason.STOPPED if self._stopping else CloseReason.CONNECTION_LOST, "worker ended")
        process = worker.process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if channel is None or not self._stopping:
                process.kill()  # it has hung up, or was never there; whatever it does is not ours
        await process.wait()

    # -- what a worker says ---------------------------------------------------------------------------------------

    def _take(self, worker: _Worker, message: FromWorker) -> None:
        match message:
            case words.Listening():
                worker.deaths = 0
                worker.listening.set()
            case words.KeyWanted(number, identity):
                self._spawn(self._fetch(worker, number, identity))
            case words.Opened():
                self._on_opened(worker, message)
            case words.TurnedAway(peer, identity, reason):
                self.hooks.on_refused(Refusal(peer, identity, reason))
            case words.Posted(session_id, request):
                if (one := self._open.get(session_id)) is not None:
                    one.session.requests += 1
                    one.task = self._spawn(self._answer(one, request))
            case words.Alarmed(session_id, text):
                if (one := self._open.get(session_id)) is not None:
                    self.hooks.on_alarm(one.session, text)
            case words.Closed(session_id, reason, detail):
                if (one := self._open.get(session_id)) is not None:
                    self._end(one, CloseReason(reason), detail)

    async def _fetch(self, worker: _Worker, number: int, identity: bytes) -> None:
        channel = worker.channel
        if channel is None:
            return
        try:
            key = self.hooks.lookup(identity)
            if key is not None and not isinstance(key, bytes):
                key = await key
        except Unavailable as problem:
            channel.say(words.KeyFound(number, None, problem.what, problem.retry_after))
        except Exception as problem:  # a bug of ours ends the handshake, and must not leave the card waiting
            log.error("key not looked up", error=type(problem).__name__, exc_info=problem)
            channel.say(words.KeyFound(number, None, "the key"))
        else:
            await channel.send(words.KeyFound(number, key))

    def _on_opened(self, worker: _Worker, opened: words.Opened) -> None:
        try:
            identity = psk_identity.parse(opened.identity)
        except PeerError:
            identity = None
        session = Session(
            id=opened.session_id,
            identity=identity,
            identity_octets=opened.identity,
            peer=opened.peer,
            opened_at=asyncio.get_running_loop().time(),
            suite=opened.suite,
        )
        older = self._by_eid.get(session.key)
        if older is not None:
            if older.worker.channel is not None:
                older.worker.channel.say(words.Disconnect(older.session.id, replaced=True))
            self._end(older, CloseReason.REPLACED, "")
        self._open[session.id] = self._by_eid[session.key] = _Open(session, worker)
        self.hooks.on_open(session)

    async def _answer(self, one: _Open, request: Any) -> None:
        channel, session = one.worker.channel, one.session
        if channel is None:
            return
        try:
            response = await self.hooks.handler(session, request)
        except FerrymanError as problem:
            channel.say(words.Answered(session.id, None, words.failure_of(problem)))
        except Exception as problem:  # a bug of ours: the card is told to come again, and so are we
            log.error("answer failed", session=session.id, error=type(problem).__name__, exc_info=problem)
            channel.say(words.Answered(session.id, None, ("Unavailable", "an answer", 1.0)))
        else:
            await channel.send(words.Answered(session.id, response))

    def _end(self, one: _Open, reason: CloseReason, detail: str) -> None:
        """Whatever its worker still says of it is not heard."""
        session = one.session
        self._open.pop(session.id, None)
        if self._by_eid.get(session.key) is one:
            del self._by_eid[session.key]
        if one.task is not None:
            one.task.cancel()
        session.close_reason = reason
        session.detail = detail
        self.hooks.on_closed(session)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _share(settings: HTTPSSettings) -> HTTPSSettings:
    """What one worker may take of the limits of all."""
    count = settings.workers
    return replace(
        settings,
        workers=1,
        max_connections=-(-settings.max_connections // count),
        max_handshakes=-(-settings.max_handshakes // count),
    )
