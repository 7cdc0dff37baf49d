"""A role's connection to NATS: comes up whenever the server does, and says `Unavailable` as long as it is down."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Final

import nats
import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.client import JetStreamContext

from ferryman.errors import InputError, PeerError, Unavailable
from ferryman.platform.bus_settings import BusSettings
from ferryman.platform.nats_credentials import Credential
from ferryman.platform.nats_layout import MAX_PAYLOAD, inbox_prefix

RECONNECT: Final = 0.25  # seconds between attempts to connect
CONNECT_TIMEOUT: Final = 5  # seconds for one attempt
PING_EVERY: Final = 10  # seconds; two pings without an answer end a half-open connection
READY_WAIT: Final = 5.0  # seconds a sender waits for a connection that is coming back
PUBLISH_TIMEOUT: Final = 10.0  # seconds until a publication of unknown outcome is repeated
MAX_SILENT: Final = 2  # requests in a row that JetStream left unanswered on a connection that seems to be up
DRAIN_TIMEOUT: Final = 5  # seconds to flush what is written when we stop
QUEUE_MESSAGES: Final = 4_096  # messages waiting for our loop; more are dropped, and asked or delivered again
QUEUE_OCTETS: Final = 64 * 1024 * 1024

log = structlog.get_logger("ferryman.nats")


def tls_context(settings: BusSettings) -> ssl.SSLContext | None:
    """For tls://, with the server's certificate and name checked; raises InputError."""
    if not settings.url.startswith("tls:"):
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ssl.SSLError):
        raise InputError("bus.ca_file", f"{settings.ca_file} cannot be read as certificates") from None


def _too_long(payload: bytes) -> PeerError:
    return PeerError(f"{len(payload)} octets are more than the broker's max_payload", field="message")


class NatsLink:
    """One connection in the name of one role."""

    def __init__(self, settings: BusSettings, credential: Credential) -> None:
        self.role = credential.role
        self._settings = settings
        self._credential = credential
        self._tls = tls_context(settings)
        self._client = Client()
        self._connected = asyncio.Event()
        self._stopping = False
        self._subscriptions: list[tuple[str, str, Callable[[Msg], Awaitable[None]]]] = []
        self._live: list[Subscription] = []  # of the present client
        self._keeper: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()
        self._said = ""
        self._silent = 0  # requests to JetStream without an answer since the last one that had one
        self._waiting: set[asyncio.Timeout] = set()  # for something that a broken connection will never bring

    @property
    def is_up(self) -> bool:
        """Whether there is a connection now."""
        return self._connected.is_set()

    def start(self) -> None:
        """Connect as soon as the server is there, and again whenever it was gone."""
        self._keeper = asyncio.create_task(self._keep(), name=f"nats {self.role}")

    async def stop(self) -> None:
        """Flush what is written and close."""
        self._stopping = True
        if self._connected.is_set():
            with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
                await self._client.flush(DRAIN_TIMEOUT)
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        await self._close(self._client)
        self._connected.clear()

    async def ready(self, patience: float = READY_WAIT) -> None:
        """Wait for a connection; raises Unavailable after `patience` seconds."""
        if self._connected.is_set():
            return
        try:
            async with asyncio.timeout(max(patience, 0.0)):
                await self._connected.wait()
        except TimeoutError:
            raise Unavailable("NATS") from None

    async def subscribe(self, subject: str, queue: str, handler: Callable[[Msg], Awaitable[None]]) -> None:
        """Listen, on this connection and every later one."""
        self._subscriptions.append((subject, queue, handler))
        if self._connected.is_set():
            await self._listen(subject, queue, handler)

    async def unsubscribe(self) -> None:
        """Take nothing new any more; what is under way can still be answered."""
        self._subscriptions.clear()
        for subscription in self._live:
            with contextlib.suppress(nats.errors.Error, OSError):
                await subscription.unsubscribe()
        self._live.clear()

    async def publish(self, subject: str, payload: bytes, headers: dict[str, str], stream: str) -> None:
        """Returns when the stream has it on disk; raises Unavailable (then it may have it all the same), or
        PeerError when it is longer than this broker was set up for."""

        async def work(js: JetStreamContext) -> None:
            try:
                await js.publish(subject, payload, timeout=PUBLISH_TIMEOUT, stream=stream, headers=dict(headers))
            except nats.errors.MaxPayloadError:
                raise _too_long(payload) from None

        await self.use(work)

    async def request(self, subject: str, payload: bytes, timeout: float) -> bytes:
        """The answer to a question; raises Unavailable when there is none in time."""
        end = asyncio.get_running_loop().time() + timeout
        await self.ready(min(timeout, READY_WAIT))
        try:
            async with self._connected_until(end):
                answer = await self._client.request(subject, payload, timeout=timeout)
        except nats.errors.MaxPayloadError:
            raise _too_long(payload) from None
        except (nats.errors.Error, OSError, TimeoutError) as problem:
            raise Unavailable(f"an answer on {subject} ({type(problem).__name__})") from None
        data: bytes = answer.data
        return data

    @contextlib.asynccontextmanager
    async def _connected_until(self, end: float) -> AsyncIterator[None]:
        """Raises TimeoutError at the time `end` (of the loop), and as soon as the connection breaks."""
        async with asyncio.timeout_at(end) as limit:
            self._waiting.add(limit)
            try:
                yield
            finally:
                self._waiting.discard(limit)

    async def use[T](self, work: Callable[[JetStreamContext], Coroutine[Any, Any, T]]) -> T:
        """Run something on JetStream; raises Unavailable when the server is not there or cannot do it now."""
        await self.ready()
        try:
            async with self._connected_until(asyncio.get_running_loop().time() + PUBLISH_TIMEOUT):
                found = await work(self._client.jetstream(timeout=PUBLISH_TIMEOUT))
            self._silent = 0
            return found
        except nats.js.errors.NotFoundError:
            self._silent = 0
            raise
        except (nats.errors.Error, OSError, TimeoutError) as problem:
            if isinstance(problem, TimeoutError) and self._connected.is_set():
                await self._on_silence()
            # Also a full stream and a server that is starting: the message stays where it is.
            raise Unavailable(f"NATS JetStream ({type(problem).__name__})") from None

    async def _on_silence(self) -> None:
        """The server is there and its answers do not arrive: it does not know where we listen for them."""
        self._silent += 1
        if self._silent == MAX_SILENT:
            self._silent = 0
            log.warning("JetStream does not answer: connecting anew", role=self.role)
            self._connected.clear()
            await self._close(self._client)

    # -- the connection ---------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """nats-py reconnects by itself, but gives up for good after some refusals of the server."""
        while not self._stopping:
            self._closed.clear()
            self._client = client = Client()
            self._live.clear()
            try:
                await self._connect(client)
                for subscription in self._subscriptions:
                    await self._listen(*subscription)
            except (nats.errors.Error, OSError) as problem:
                await self._on_error(problem)
                await self._close(client)
                await asyncio.sleep(RECONNECT)
                continue
            self._connected.set()
            log.info("connected", role=self.role)
            await self._closed.wait()
            self._connected.clear()
            await asyncio.sleep(RECONNECT)

    async def _connect(self, client: Client) -> None:
        options: dict[str, Any] = {} if self._tls is None else {"tls": self._tls}
        await client.connect(
            self._settings.url,
            name=self.role,
            nkeys_seed_str=self._credential.seed,
            inbox_prefix=inbox_prefix(self.role),
            connect_timeout=CONNECT_TIMEOUT,
            reconnect_time_wait=RECONNECT,  # type: ignore[arg-type]  # a float works, the annotation is narrower
            max_reconnect_attempts=-1,
            ping_interval=PING_EVERY,
            max_outstanding_pings=2,
            # Nothing is kept for a server that is away: its sender repeats it, in order.
            pending_size=2 * MAX_PAYLOAD,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
            closed_cb=self._on_closed,
            **options,
        )

    async def _listen(self, subject: str, queue: str, handler: Callable[[Msg], Awaitable[None]]) -> None:
        live = await self._client.subscribe(
            subject, queue, cb=handler, pending_msgs_limit=QUEUE_MESSAGES, pending_bytes_limit=QUEUE_OCTETS
        )
        self._live.append(live)

    async def _close(self, client: Client) -> None:
        with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
            async with asyncio.timeout(DRAIN_TIMEOUT):
                await client.close()

    async def _on_error(self, problem: Exception) -> None:
        # The same attempt fails the same way four times a second: said once, until something changes.
        said = f"{type(problem).__name__}: {problem}"
        if said != self._said:
            log.warning("trouble with NATS", role=self.role, problem=said)
            self._said = said

    async def _on_disconnected(self) -> None:
        self._connected.clear()
        for limit in self._waiting:
            limit.reschedule(asyncio.get_running_loop().time())

    async def _on_reconnected(self) -> None:
        self._said = ""
        self._connected.set()
        log.info("connected again", role=self.role)

    async def _on_closed(self) -> None:
        self._closed.set()
