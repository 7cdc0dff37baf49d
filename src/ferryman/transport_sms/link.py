"""One TCP connection to an SMSC: an ESME session (`codec.smpp.session`) on an asyncio transport.

Writes are gathered: whatever a turn of the loop produces goes out in one `write`. Memory is bounded: by the
window and `MAX_QUEUED` on our side, and on the peer's by not reading on while it has given us more messages
than we are storing, or does not read our answers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple, cast

import msgspec

from ferryman.codec.smpp.events import (
    BindRefused,
    Bound,
    Ended,
    Event,
    Malformed,
    Received,
    Responded,
    Unanswered,
)
from ferryman.codec.smpp.messages import DataSM, DeliverSM
from ferryman.codec.smpp.session import ESMESession, Request
from ferryman.codec.smpp.status import CommandStatus, Reaction, classify
from ferryman.errors import InputError, Unavailable
from ferryman.transport_sms.pace import Pace
from ferryman.transport_sms.settings import SMPPSettings

MAX_QUEUED: Final = 10_000  # submits that wait for the window: more belong in a database, not in memory
STALE: Final = 1.0  # seconds in the queue after which a request is made anew: its validity counts from its leaving
MAX_IN_HAND: Final = 64  # messages from the SMSC being stored at once: enough for one shared commit


class OutcomeKind(StrEnum):
    """What became of a submit."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class SubmitOutcome(msgspec.Struct, frozen=True):
    """The SMSC's answer. `unknown` means just that: the message may or may not be on its way.

    `message_id` is the SMSC's name of an accepted message; `status` the command_status of an answer, None
    when there was none; `reason` says why the outcome is unknown.
    """

    kind: OutcomeKind
    message_id: str = ""
    status: int | None = None
    reason: str = ""

    @property
    def reaction(self) -> Reaction:
        """What to do about it; an unknown outcome may be sent again."""
        return Reaction.TRANSIENT if self.status is None else classify(self.status)


@dataclass(frozen=True, slots=True)
class LinkEnd:
    """How a connection ended: `bound` if it ever was, the status of a refused bind."""

    reason: str
    bound: bool
    refused: int | None


class _Waiting(NamedTuple):
    """A submit that the window has no room for yet; `since` in seconds of the loop."""

    pdu: Request
    future: asyncio.Future[SubmitOutcome]
    anew: Callable[[], Request] | None
    since: float


class Link(asyncio.Protocol):
    """See the module's text. `deliver` stores one message and gives the status to answer it with."""

    def __init__(
        self,
        settings: SMPPSettings,
        pace: Pace,
        *,
        deliver: Callable[[DeliverSM | DataSM], Coroutine[Any, Any, int]],
        on_bound: Callable[[Bound], None],
        on_malformed: Callable[[Malformed], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._settings = settings
        self._pace = pace
        self._deliver = deliver
        self._on_bound = on_bound
        self._on_malformed = on_malformed
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._session = ESMESession(settings.limits(), self._loop.time())
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[_Waiting] = deque()
        self._sent: dict[int, asyncio.Future[SubmitOutcome]] = {}
        self._backlog: deque[DeliverSM | DataSM] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._pace_timer: asyncio.TimerHandle | None = None
        self._abort_timer: asyncio.TimerHandle | None = None
        self._flushing = False
        self._writable = True
        self._quiet: asyncio.Future[None] | None = None
        self._bound = False
        self._leaving = False
        self._refused: int | None = None
        self._end_reason = ""
        self.ended: asyncio.Future[LinkEnd] = self._loop.create_future()

    # --- used by the ESME ---

    async def submit(self, pdu: Request, *, anew: Callable[[], Request] | None = None) -> SubmitOutcome:
        """Send when the window has room; `anew` makes the request again when that has taken a while.

        Raises Unavailable or InputError only if nothing was sent, as does `anew`.
        """
        if not self._bound or self._leaving or self._end_reason or len(self._waiting) >= MAX_QUEUED:
            raise Unavailable("SMSC")
        if not self._settings.sends:
            raise Unavailable("SMSC (this is a receiver)")
        future: asyncio.Future[SubmitOutcome] = self._loop.create_future()
        self._waiting.append(_Waiting(pdu, future, anew, self._loop.time()))
        self._pump()
        return await future

    async def leave(self) -> None:
        """Send nothing new, let what is under way finish, unbind, and wait for the connection's end."""
        self._leaving = True
        self._give_up_waiting()
        if self._sent or self._tasks:
            self._quiet = self._loop.create_future()
            # Each request ends by its own timer and each message by `deliver`'s, so this is a backstop.
            either: list[asyncio.Future[Any]] = [self._quiet, self.ended]
            await asyncio.wait(
                either, timeout=2 * self._settings.response_timeout, return_when=asyncio.FIRST_COMPLETED
            )
        self._session.unbind(self._loop.time())
        if not self._bound:
            self._take(self._session.connection_lost("stopped"))
        self._schedule_flush()
        await asyncio.wait({self.ended})

    async def finished(self) -> LinkEnd:
        """Wait until the connection is gone and every message it brought has been stored or refused."""
        end = await asyncio.shield(self.ended)
        if self._tasks:
            await asyncio.wait(self._tasks)
        return end

    # --- called by asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask to be bound at once."""
        self._transport = cast(asyncio.Transport, transport)
        self._session.bind(self._settings.bind(), self._loop.time())
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Let the session read and act on what it reports."""
        self._take(self._session.receive(data, self._loop.time()))
        self._start_deliveries()
        self._pump()
        self._schedule_flush()

    def pause_writing(self) -> None:
        """The peer does not read: send nothing new and read nothing that would need an answer."""
        self._writable = False
        self._mind_reading()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._writable = True
        self._mind_reading()
        self._pump()
        self._schedule_flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits."""
        self._transport = None
        reason = f"connection lost ({type(exc).__name__})" if exc else "connection closed by the SMSC"
        self._take(self._session.connection_lost(reason))
        for timer in (self._timer, self._pace_timer, self._abort_timer):
            if timer is not None:
                timer.cancel()
        self._backlog.clear()
        if not self.ended.done():
            self.ended.set_result(LinkEnd(self._end_reason, self._bound, self._refused))

    # --- inside ---

    def _take(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Responded):
                self._settle(event.sequence, self._outcome(event))
            elif isinstance(event, Unanswered):
                self._settle(event.sequence, SubmitOutcome(OutcomeKind.UNKNOWN, reason=event.reason))
            elif isinstance(event, Received):
                self._backlog.append(event.pdu)
            elif isinstance(event, Malformed):
                self._on_malformed(event)
            elif isinstance(event, Bound):
                self._bound = True
                self._on_bound(event)
            elif isinstance(event, BindRefused):
                self._refused = event.status
            elif isinstance(event, Ended):
                self._end(event.reason)

    def _outcome(self, event: Responded) -> SubmitOutcome:
        if event.congestion is not None:
            self._pace.congestion(event.congestion, self._loop.time())
        if event.status == 0:
            return SubmitOutcome(OutcomeKind.ACCEPTED, event.message_id, 0)
        reaction = classify(event.status)
        if reaction is Reaction.THROTTLE:
            self._pace.throttled(self._loop.time())
        elif reaction is Reaction.REBIND:
            self._session.unbind(self._loop.time())
        return SubmitOutcome(OutcomeKind.REJECTED, status=event.status)

    def _settle(self, sequence: int, outcome: SubmitOutcome) -> None:
        future = self._sent.pop(sequence, None)
        if future is not None and not future.done():
            future.set_result(outcome)
        self._mind_quiet()

    def _pump(self) -> None:
        """Send waiting submits as far as window, pace and peer allow."""
        waiting, session = self._waiting, self._session
        now = self._loop.time()
        while waiting and self._writable and session.free > 0:
            if (delay := self._pace.wait(now)) > 0:
                if self._pace_timer is None:
                    self._pace_timer = self._loop.call_later(delay, self._pace_elapsed)
                break
            pdu, future, anew, since = waiting.popleft()
            if future.done():
                continue  # its caller has given up
            try:
                if anew is not None and now - since >= STALE:
                    pdu = anew()
                sequence = session.request(pdu, now)
            except (InputError, Unavailable) as error:
                future.set_exception(error)
                continue
            self._sent[sequence] = future
            self._pace.sent(now)
        self._schedule_flush()

    def _pace_elapsed(self) -> None:
        self._pace_timer = None
        self._pump()

    def _schedule_flush(self) -> None:
        if not self._flushing and self._transport is not None:
            self._flushing = True
            # Behind the callbacks that are ready now: what they submit goes out in the same write.
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._transport is None:
            return
        octets = self._session.data_to_send()
        if octets:
            self._transport.write(octets)
        if self._end_reason:
            self._transport.close()
        self._arm()

    def _arm(self) -> None:
        deadline = self._session.next_deadline()
        if deadline is None or self._transport is None:
            return
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return  # wakes too early at worst, and looks again then
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._timer_elapsed)

    def _timer_elapsed(self) -> None:
        self._timer = None
        self._take(self._session.timer(self._loop.time()))
        self._pump()
        self._arm()

    def _end(self, reason: str) -> None:
        self._end_reason = reason
        self._give_up_waiting()
        if self._transport is not None:
            self._schedule_flush()
            # A peer that does not read our last octets must not hold the connection open.
            self._abort_timer = self._loop.call_later(self._settings.response_timeout, self._abort)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _give_up_waiting(self) -> None:
        while self._waiting:
            future = self._waiting.popleft().future
            if not future.done():
                future.set_exception(Unavailable("SMSC"))

    # --- messages from the SMSC ---

    def _start_deliveries(self) -> None:
        while self._backlog and len(self._tasks) < MAX_IN_HAND:
            task = self._loop.create_task(self._store(self._backlog.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._stored)
        self._mind_reading()

    async def _store(self, pdu: DeliverSM | DataSM) -> None:
        status = int(CommandStatus.RECEIVER_TEMPORARY_ERROR)  # the SMSC keeps it and tries again
        try:
            status = await self._deliver(pdu)
        finally:
            self._session.answer(pdu, status)
            self._schedule_flush()

    def _stored(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_failure(error)
        self._start_deliveries()
        self._mind_quiet()

    def _mind_reading(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._backlog or not self._writable:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _mind_quiet(self) -> None:
        if self._quiet is not None and not self._quiet.done() and not self._sent and not self._tasks:
            self._quiet.set_result(None)
