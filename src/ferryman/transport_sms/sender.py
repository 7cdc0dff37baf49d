"""Sends what is recorded in `outgoing`: one submission to a number after another, different numbers at once.

Every part is recorded as leaving before it leaves, and its answer before the next part does. Doubt (no answer,
a lost link, a restart in between) means that the part is sent again: a card drops the second copy, because its
SCP80 counter is used up (TS 102 225 5.1.4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

import structlog

from ferryman.codec.smpp.messages import SubmitSM
from ferryman.codec.smpp.status import Reaction, status_name
from ferryman.codec.smpp.times import MAX_RELATIVE
from ferryman.codec.sms_user_data import segment
from ferryman.errors import InputError, Unavailable
from ferryman.platform.clock import Clock
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.transport_sms import outgoing
from ferryman.transport_sms.link import OutcomeKind, SubmitOutcome
from ferryman.transport_sms.outgoing import Job
from ferryman.transport_sms.settings import SMPPSettings

MAX_LANES: Final = 2_000  # numbers worked on at once; each costs a task, and no window is this wide
RETRY_FIRST: Final = 1.0  # seconds before the second attempt at a part; doubles with each one
RETRY_CAP: Final = 30.0  # seconds between attempts at a part
_FINAL: Final = (Reaction.PERMANENT, Reaction.DEFECT)

log = structlog.get_logger("ferryman.transport_sms")


class _Stopped(Exception):
    """The role stops while the database is away: what could not be recorded is found unfinished later."""


class Carrier(Protocol):
    """What sends a submit_sm: the ESME."""

    @property
    def bound(self) -> asyncio.Event: ...

    async def submit(self, pdu: SubmitSM, /) -> SubmitOutcome: ...


class Sender:
    """See the module's text. `wake` after a commit that added something to send."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        carrier: Carrier,
        settings: SMPPSettings,
        clock: Clock,
        jitter: Callable[[float, float], float],
    ) -> None:
        self._mailbox = mailbox
        self._carrier = carrier
        self._settings = settings
        self._clock = clock
        self._jitter = jitter
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()  # lanes to look once more: something was added while they looked
        self._waiting: dict[str, None] = {}  # an ordered set
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Go on with everything an earlier run left."""
        for destination in await self._mailbox.store.read(outgoing.destinations_due):
            self.wake(destination)

    async def stop(self) -> None:
        """Begin nothing new and wait until what is under way is recorded. Stop the carrier first or meanwhile."""
        self._stopping.set()
        self._waiting.clear()
        if self._lanes:
            await asyncio.wait(self._lanes.values())

    def wake(self, destination: str) -> None:
        """There is something to send to this number (or may be)."""
        if self._stopping.is_set():
            return
        if destination in self._lanes:
            self._again.add(destination)
        elif len(self._lanes) >= MAX_LANES:
            self._waiting[destination] = None
        else:
            task = asyncio.create_task(self._lane(destination), name="sms lane")
            self._lanes[destination] = task
            task.add_done_callback(lambda done: self._lane_ended(destination, done))

    # --- lanes ---

    def _lane_ended(self, destination: str, task: asyncio.Task[None]) -> None:
        del self._lanes[destination]
        if not task.cancelled() and (problem := task.exception()) is not None:
            # A fault of ours. The number rests until the next submission or restart; the rows are safe.
            log.error("sending failed", error=type(problem).__name__, exc_info=problem)
        if destination in self._again:
            self._again.discard(destination)
            self.wake(destination)
        while self._waiting and len(self._lanes) < MAX_LANES and not self._stopping.is_set():
            destination = next(iter(self._waiting))
            del self._waiting[destination]
            self.wake(destination)

    async def _lane(self, destination: str) -> None:
        while not self._stopping.is_set():
            self._again.discard(destination)
            try:
                job = await self._mailbox.store.read(lambda c: outgoing.next_job(c, destination))
            except Unavailable as problem:
                await self._pause(problem.retry_after)
                continue
            if job is None:
                return
            try:
                await self._send(job)
            except _Stopped:
                return

    async def _send(self, job: Job) -> None:
        """One submission to its end, or until we stop."""
        if self._expired(job):
            await self._give_up(job, "not sent within its validity", permanent=False)
            return
        max_ud = self._settings.max_ud if job.status == outgoing.QUEUED else job.max_ud
        try:
            total = len(segment(job.packet, reference=0, max_ud=max_ud))
        except ValueError:
            await self._give_up(job, "too long for short messages", permanent=True)
            return
        leaves_now = self._carrier.bound.is_set()

        def start(tx: Tx) -> tuple[int, list[int]]:
            chosen = outgoing.begin(tx, job, max_ud)
            todo = outgoing.open_parts(tx, job, total)
            if leaves_now and todo:
                outgoing.about_to_send(tx, job, todo[0])
            return chosen, todo

        chosen, todo = await self._durably(start)
        segments = segment(job.packet, reference=chosen, max_ud=max_ud)
        recorded = leaves_now
        for number, following in zip(todo, [*todo[1:], None], strict=True):
            pdu = self._pdu(job, segments[number - 1], max_ud, last=number == total)
            if not await self._send_part(job, number, pdu, following, recorded):
                return
            recorded = True  # with the acceptance of one part the leaving of the next was recorded

    def _pdu(self, job: Job, user_data: bytes, max_ud: int, *, last: bool) -> Callable[[], SubmitSM]:
        # A submission that was cut for more room than is allowed now keeps its borders: the card has some parts.
        settings = self._settings if self._settings.max_ud >= max_ud else replace(self._settings, max_ud=max_ud)

        def build() -> SubmitSM:
            left = max(1, min(int(job.expires - self._clock.now()), MAX_RELATIVE))
            return settings.submit(job.destination, user_data, last=last, validity=left)

        return build

    async def _send_part(
        self, job: Job, number: int, pdu: Callable[[], SubmitSM], following: int | None, recorded: bool
    ) -> bool:
        """One part until the SMSC has it; False when the submission ended (or we stop) without that."""
        attempt = 0
        while await self._bound_before(job.expires) and not self._expired(job):
            if not recorded:
                await self._durably(lambda tx: outgoing.about_to_send(tx, job, number))
            recorded = False
            attempt += 1
            try:
                outcome = await self._submit(pdu())
            except InputError as problem:
                await self._durably(lambda tx: outgoing.was_not_sent(tx, job, number))
                await self._give_up(job, str(problem), permanent=True)
                return False
            if outcome is not None and outcome.kind is OutcomeKind.ACCEPTED:
                await self._accepted(job, number, outcome.message_id, following)
                return True
            if await self._refused(job, number, outcome):
                return False
            await self._pause(min(self._backoff(attempt), max(0.0, job.expires - self._clock.now())))
        if recorded:
            await self._durably(lambda tx: outgoing.was_not_sent(tx, job, number))
        if not self._stopping.is_set():
            await self._give_up(job, "not accepted within its validity", permanent=False)
        return False

    async def _submit(self, pdu: SubmitSM) -> SubmitOutcome | None:
        """The outcome; None when nothing was sent. Raises InputError for what can never be sent."""
        try:
            return await self._carrier.submit(pdu)
        except Unavailable:
            return None

    async def _accepted(self, job: Job, number: int, message_id: str, following: int | None) -> None:
        await self._durably(lambda tx: outgoing.was_accepted(tx, job, number, message_id, following))

    async def _refused(self, job: Job, number: int, outcome: SubmitOutcome | None) -> bool:
        """Record an attempt that was not accepted; True when that was the end of the submission."""
        if outcome is None:
            await self._durably(lambda tx: outgoing.was_not_sent(tx, job, number))
            return False
        status = outcome.status
        if outcome.kind is OutcomeKind.UNKNOWN or status is None:
            log.info("fate of a part is unknown", sms_id=job.sms_id, part=number, reason=outcome.reason)
            await self._durably(lambda tx: outgoing.is_unknown(tx, job, number))
            return False
        await self._durably(lambda tx: outgoing.was_refused(tx, job, number, status))
        reaction = outcome.reaction
        if reaction in _FINAL:
            if reaction is Reaction.DEFECT:
                log.error("the SMSC cannot read our submit_sm", sms_id=job.sms_id, status=status_name(status))
            await self._give_up(job, f"SMSC: {status_name(status)}", permanent=True)
            return True
        log.info("part refused for now", sms_id=job.sms_id, part=number, status=status_name(status))
        return False

    # --- waiting and recording ---

    def _expired(self, job: Job) -> bool:
        return self._clock.now() >= job.expires

    def _backoff(self, attempt: int) -> float:
        cap = min(RETRY_CAP, RETRY_FIRST * 2.0 ** min(attempt - 1, 10))
        return self._jitter(cap / 2, cap)

    async def _give_up(self, job: Job, reason: str, *, permanent: bool) -> None:
        await self._durably(lambda tx: outgoing.give_up(tx, job, reason, permanent=permanent))

    async def _durably[T](self, unit: Callable[[Tx], T]) -> T:
        """Commit a unit that may be repeated, as often as it takes; raises _Stopped when we stop meanwhile."""
        while True:
            try:
                return await self._mailbox.transact(unit)
            except Unavailable as problem:
                await self._pause(problem.retry_after)
                if self._stopping.is_set():
                    raise _Stopped from None

    async def _pause(self, seconds: float) -> None:
        """Wait, unless we stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _bound_before(self, moment: float) -> bool:
        """Wait for a link until `moment`; False when there is none by then or we stop."""
        bound = self._carrier.bound
        if self._stopping.is_set() or bound.is_set():
            return not self._stopping.is_set()
        waits = {asyncio.ensure_future(bound.wait()), asyncio.ensure_future(self._stopping.wait())}
        try:
            left = max(0.0, moment - self._clock.now())
            await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return bound.is_set() and not self._stopping.is_set()
