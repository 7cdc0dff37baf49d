"""Bus and calls between processes, over NATS JetStream.

`deliver` returns when JetStream has the message on its disk under its identifier; from then on the broker is its
carrier. It is handed to the receiving role until that has committed it (explicit acknowledgement after the role's
handler), in order for each EID. What a receiver cannot take is parked in a stream of its own, with an alarm, and
acknowledged only when it is there.

Everything is sealed from role to role (`platform.noise`): the broker sees who speaks to whom and how much,
not what.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol

import msgspec
import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError

from ferryman.contracts.message import Header, peek_header
from ferryman.contracts.roles import OPERATOR
from ferryman.contracts.routes import CALLERS, MESSAGES
from ferryman.errors import PeerError, Refused, Unavailable
from ferryman.platform import nats_layout as layout
from ferryman.platform import noise
from ferryman.platform.bus import Handler
from ferryman.platform.bus_settings import BusSettings
from ferryman.platform.carrier import MAX_REFUSALS, RETRY_CAP, RETRY_FIRST
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.nats_credentials import Credential
from ferryman.platform.nats_link import NatsLink

BEAT: Final = layout.ACK_WAIT / 3  # seconds between signs of life while a handler works on a message
CALL_TIMEOUT: Final = 30.0  # seconds a role waits for an answer; it holds a lease meanwhile
CALL_LATE: Final = 60.0  # seconds after its deadline at which a question is a replay, not a slow clock
MAX_CALLS: Final = 256  # questions in work; the next waits
STOP_GRACE: Final = 5.0  # seconds for what is under way when we stop; the rest is delivered again
REASON_LENGTH: Final = 300  # characters of the reason kept with a parked message
MESSAGE_ID: Final = "Nats-Msg-Id"
_ANSWER, _UNAVAILABLE, _ERROR = b"\x00", b"\x01", b"\x02"

log = structlog.get_logger("ferryman.nats")

type Server = Callable[[str, bytes], Awaitable[bytes]]


class LocalBus(Protocol):
    """The roles of the same process."""

    async def deliver(self, dest: str, raw: bytes) -> None: ...

    def is_near(self, dest: str) -> bool: ...

    async def call(self, dest: str, caller: str, raw: bytes) -> bytes: ...


class _Body(msgspec.Struct, frozen=True):
    type: str


class _Message(msgspec.Struct, frozen=True):
    header: Header
    body: _Body


_decoder = msgspec.json.Decoder(_Message)


class NatsBus:
    """One role's way to all others. Roles of the same process (`local_roles`) are reached without the broker."""

    def __init__(
        self,
        *,
        settings: BusSettings,
        credential: Credential,
        clock: Clock,
        entropy: Entropy,
        local: LocalBus | None = None,
        local_roles: frozenset[str] = frozenset(),
    ) -> None:
        self.role = credential.role
        self.link = NatsLink(settings, credential)
        self.parked = 0  # messages parked by this run
        self._credential = credential
        self._clock = clock
        self._entropy = entropy
        self._local = local
        self._local_roles = local_roles
        self._handler: Handler | None = None
        self._server: Server | None = None
        self._refusals: dict[tuple[str, int], int] = {}  # by stream and sequence number
        self._working: set[tuple[str, int]] = set()  # the same
        self._tasks: set[asyncio.Task[None]] = set()
        self._calls = asyncio.Semaphore(MAX_CALLS)

    @property
    def receives(self) -> bool:
        """Whether some role may send messages to this one."""
        return any(dest == self.role for _, dest in MESSAGES)

    def register(self, handler: Handler) -> None:
        """What takes messages to this role."""
        self._handler = handler

    def serve(self, server: Server) -> None:
        """What answers calls to this role."""
        self._server = server

    async def start(self) -> None:
        """Connect; returns when the broker is there, however long that takes."""
        self.link.start()
        while not self.link.is_up:
            with contextlib.suppress(Unavailable):
                await self.link.ready(CALL_TIMEOUT)

    async def listen(self) -> None:
        """Take messages and calls; the role has started."""
        if self._handler is not None:
            # One by one: a consumer does not see a listener with a wildcard as one.
            for sender in (sender for sender, dest in MESSAGES if dest == self.role):
                for lane in range(layout.LANES):
                    subject = layout.delivery_subject(self.role, sender, lane)
                    await self.link.subscribe(subject, self.role, self._on_message)
        if self._server is not None:
            await self.link.subscribe(layout.call_subject(self.role, "*"), self.role, self._on_call)

    async def drain(self) -> None:
        """Take nothing new, finish what is under way."""
        await self.link.unsubscribe()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_GRACE)

    async def stop(self) -> None:
        """Close; what was not acknowledged is delivered again."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.link.stop()

    # -- out ----------------------------------------------------------------------------------------------------

    async def deliver(self, dest: str, raw: bytes) -> None:
        """Returns when the broker has it durably; raises Unavailable, or PeerError when it can never travel."""
        if dest in self._local_roles and self._local is not None:
            await self._local.deliver(dest, raw)
            return
        if (self.role, dest) not in MESSAGES:
            raise Unavailable(f"role {dest}")
        header = peek_header(raw)
        sealed = noise.seal(
            self._credential.private,
            self._credential.peers[dest],
            _context("message", self.role, dest),
            raw,
            ephemeral=self._entropy(noise.KEY_OCTETS),
        )
        _fits(sealed)
        await self.link.publish(
            layout.message_subject(self.role, dest, layout.lane_of(header.eid)),
            sealed,
            # Its digest, because identifiers hold EIDs and this header is not sealed.
            {MESSAGE_ID: hashlib.sha256(header.message_id.encode()).hexdigest()},
            layout.stream_name(self.role, dest),
        )

    def is_near(self, dest: str) -> bool:
        """Whether `dest` is a role of this process."""
        return dest in self._local_roles and self._local is not None and self._local.is_near(dest)

    async def call(self, dest: str, caller: str, raw: bytes) -> bytes:
        """Ask; raises Unavailable without an answer in time, Refused when this caller may not."""
        if dest in self._local_roles and self._local is not None:
            return await self._local.call(dest, caller, raw)
        if dest not in CALLERS:
            raise Unavailable(f"role {dest}")
        if caller != self.role or caller not in CALLERS[dest]:
            raise Refused("1.6", "1.2", f"{caller} may not call {dest} from here")
        longest = float(layout.CALL_LIFE) if caller == OPERATOR else CALL_TIMEOUT
        timeout = min(longest, peek_header(raw).deadline - self._clock.now())
        if timeout <= 0:
            raise Unavailable(f"role {dest} before the deadline")
        question = noise.Question(
            self._credential.private,
            self._credential.peers[dest],
            _context("call", caller, dest),
            raw,
            ephemeral=self._entropy(noise.KEY_OCTETS),
        )
        _fits(question.message)
        sealed = await self.link.request(layout.call_subject(dest, caller), question.message, timeout)
        try:
            answer = question.open_answer(sealed)
        except PeerError:
            # Not the server we asked; nothing is known about its answer.
            log.error("an answer that does not open", role=self.role, server=dest)
            raise Unavailable(f"role {dest}") from None
        return _outcome(dest, answer)

    # -- messages in ----------------------------------------------------------------------------------------------

    async def _on_message(self, message: Msg) -> None:
        self._spawn(self._take(message))

    async def _take(self, message: Msg) -> None:
        """Hand one message to the role, and tell the broker what became of it."""
        place = (message.metadata.stream, message.metadata.sequence.stream)
        if place in self._working:
            return  # the broker lost patience with us; what the first copy comes to is true of this one
        self._working.add(place)
        beat = asyncio.get_running_loop().create_task(_beat(message))
        try:
            await self._hand_over(message.subject.split(".")[2], message.data)
        except Unavailable as problem:
            await _tell(message.nak(max(RETRY_FIRST, min(problem.retry_after, RETRY_CAP))))
        except Exception as problem:  # outermost loop: whatever the receiver raised, the message is kept
            await self._refused(message, place, problem)
        else:
            self._refusals.pop(place, None)
            await _tell(message.ack())
        finally:
            self._working.discard(place)
            beat.cancel()

    async def _hand_over(self, sender: str, sealed: bytes) -> None:
        if self._handler is None:
            raise Unavailable(f"role {self.role}")
        raw = self._open(sender, sealed)
        await self._handler(raw)

    def _open(self, sender: str, sealed: bytes) -> bytes:
        """The bytes `sender` sealed for us; raises PeerError for what it did not or may not say."""
        peer = self._credential.peers.get(sender)
        allowed = MESSAGES.get((sender, self.role))
        if peer is None or allowed is None:
            raise PeerError(f"{sender} has no way to {self.role}", field="sender")
        raw = noise.open_sealed(self._credential.private, peer, _context("message", sender, self.role), sealed)
        try:
            message = _decoder.decode(raw)
        except (msgspec.DecodeError, RecursionError) as problem:
            raise PeerError(str(problem), field="message", clause="contract message") from None
        if message.header.sender != sender:
            raise PeerError(f"{sender} speaks as {message.header.sender}", field="header.sender")
        if message.body.type not in allowed:
            raise PeerError(f"{sender} may not send {message.body.type}", field="type")
        return raw

    async def _refused(self, message: Msg, place: tuple[str, int], problem: Exception) -> None:
        count = self._refusals.get(place, 0) + 1
        # What the receiver cannot understand it will not understand the next time either.
        if count < MAX_REFUSALS and not isinstance(problem, PeerError):
            self._refusals[place] = count
            await _tell(message.nak(RETRY_FIRST * 2 ** (count - 1)))
            return
        try:
            await self._park(message, place, problem)
        except Unavailable:
            await _tell(message.nak(RETRY_CAP / 10))
            return
        self._refusals.pop(place, None)
        await _tell(message.term())

    async def _park(self, message: Msg, place: tuple[str, int], problem: Exception) -> None:
        sender = message.subject.split(".")[2]
        reason = f"{type(problem).__name__}: {problem}"
        log.error("message parked", role=self.role, sender=sender, reason=reason, exc_info=problem)
        await self.link.publish(
            layout.parked_subject(self.role),
            message.data,
            {
                MESSAGE_ID: f"{place[0]}/{place[1]}",
                "Ferryman-Sender": sender,
                "Ferryman-Reason": " ".join(ascii(reason)[1:-1].split())[:REASON_LENGTH],
            },
            layout.parked_stream(self.role),
        )
        self.parked += 1

    async def parked_messages(self) -> int:
        """How many messages to this role are parked; raises Unavailable."""
        info = await self.link.use(lambda js: js.stream_info(layout.parked_stream(self.role)))
        return int(info.state.messages)

    async def set_aside(self, limit: int) -> list[tuple[int, str, float, str]]:
        """Number, sender, time (s since 1970) and reason of messages parked for this role, oldest first."""
        stream = layout.parked_stream(self.role)
        state = (await self.link.use(lambda js: js.stream_info(stream))).state
        found: list[tuple[int, str, float, str]] = []
        number = max(1, state.first_seq)  # 0 in a stream that never held a message
        while number <= state.last_seq and len(found) < limit:
            with contextlib.suppress(NotFoundError):  # released meanwhile
                found.append(await self._kept(stream, number))
            number += 1
        return found

    async def has_parked(self, number: int) -> bool:
        """Whether a message of this number is parked for this role."""
        try:
            await self._kept(layout.parked_stream(self.role), number)
        except NotFoundError:
            return False
        return True

    async def _kept(self, stream: str, number: int) -> tuple[int, str, float, str]:
        kept = await self.link.use(lambda js: js.get_msg(stream, number))
        headers = kept.headers or {}
        since = kept.time.timestamp() if kept.time is not None else 0.0
        return number, headers.get("Ferryman-Sender", ""), since, headers.get("Ferryman-Reason", "")

    async def release(self, number: int) -> None:
        """Hand a parked message over once more (its cause was repaired); raises what the role raises."""
        stream = layout.parked_stream(self.role)
        kept = await self.link.use(lambda js: js.get_msg(stream, number))
        await self._hand_over((kept.headers or {})["Ferryman-Sender"], kept.data or b"")
        await self.link.use(lambda js: js.delete_msg(stream, number))

    # -- calls in -------------------------------------------------------------------------------------------------

    async def _on_call(self, message: Msg) -> None:
        self._spawn(self._answer(message))

    async def _answer(self, message: Msg) -> None:
        caller = message.subject.split(".")[3]
        asked = self._asked(caller, message.data)
        if asked is None or self._server is None:
            return  # whoever it is learns nothing; one of ours runs into its deadline
        try:
            async with self._calls:
                answer = _ANSWER + await self._server(caller, asked.plain)
        except Unavailable as problem:
            answer = _UNAVAILABLE + problem.what.encode()
        except PeerError as problem:
            answer = _ERROR + str(problem).encode()
        except Exception as problem:  # outermost loop of a call: a bug of ours must not leave the caller waiting
            log.error("call failed", role=self.role, caller=caller, exc_info=problem)
            answer = _UNAVAILABLE + f"an answer of {self.role}".encode()
        if len(answer) + noise.OVERHEAD > layout.MAX_PAYLOAD:
            answer = _ERROR + f"an answer of {len(answer)} octets is too long for the broker".encode()
        await _tell(message.respond(asked.answer(answer, ephemeral=self._entropy(noise.KEY_OCTETS))))

    def _asked(self, caller: str, sealed: bytes) -> noise.Asked | None:
        """The question, if it is `caller`'s and of now."""
        if caller not in CALLERS.get(self.role, frozenset()):
            log.error("call of a stranger", role=self.role, caller=caller)
            return None
        try:
            asked = noise.Asked(
                self._credential.private,
                self._credential.peers[caller],
                _context("call", caller, self.role),
                sealed,
            )
            deadline = peek_header(asked.plain).deadline
        except PeerError as problem:
            log.error("call that does not open", role=self.role, caller=caller, problem=str(problem))
            return None
        if deadline + CALL_LATE < self._clock.now():
            log.warning("call after its deadline", role=self.role, caller=caller)
            return None
        return asked

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("message task failed", role=self.role, exc_info=problem)


def _context(kind: str, sender: str, dest: str) -> bytes:
    """What a sealed text is bound to besides its keys."""
    return f"{layout.ROOT}/1 {kind} {sender} {dest}".encode()


def _fits(sealed: bytes) -> None:
    if len(sealed) > layout.MAX_PAYLOAD:
        raise PeerError(f"{len(sealed)} octets are too many for the broker", field="message")


def _outcome(dest: str, answer: bytes) -> bytes:
    kind, content = answer[:1], answer[1:]
    if kind == _ANSWER:
        return content
    if kind == _UNAVAILABLE:
        raise Unavailable(content.decode(errors="replace"))
    raise PeerError(content.decode(errors="replace"), field=f"call to {dest}")


async def _beat(message: Msg) -> None:
    """Tell the broker that the message is still worked on."""
    while True:
        await asyncio.sleep(BEAT)
        await _tell(message.in_progress())


async def _tell(word: Coroutine[Any, Any, None]) -> None:
    """A word to the broker that may be lost: then the message comes again, and the inbox knows it."""
    try:
        await word
    except (nats.errors.Error, OSError) as problem:
        log.info("word to NATS lost", problem=type(problem).__name__)
