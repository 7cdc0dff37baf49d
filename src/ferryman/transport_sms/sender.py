"""Sends what is recorded in `outgoing`: one submission to a number after another, different numbers at once.

The order per number is the order of the SubmitSMS; what becomes of one is in `submission`. Each number that is
worked on has a lane. When a number has none, the commit that enters a submission begins it as well.

Lanes are limited for each set of accounts that serve the same numbers: those that wait for an SMSC that is away
take no lane from the numbers of another one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

from ferryman.contracts.es5 import SubmitSMS
from ferryman.contracts.message import Header
from ferryman.errors import Unavailable
from ferryman.platform.clock import Clock
from ferryman.platform.log import about
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.transport_sms import outgoing
from ferryman.transport_sms.outgoing import Job
from ferryman.transport_sms.routes import Routes
from ferryman.transport_sms.submission import Stopped, Submission, lead

MAX_LANES: Final = 2_000  # numbers worked on at once by the same accounts: a task each, and no window is this wide

log = structlog.get_logger("ferryman.transport_sms")


class Sender:
    """See the module's text. `take` what is to be sent."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        routes: Routes,
        clock: Clock,
        jitter: Callable[[float, float], float],
        emptied: Callable[[], None],
    ) -> None:
        self.routes = routes
        self.clock = clock
        self.stopping = asyncio.Event()
        self._mailbox = mailbox
        self._jitter = jitter
        self._emptied = emptied  # told when the packet of a submission that is over is gone
        # The task of a lane; a plain future while the first submission of a lane is being entered.
        self._lanes: dict[str, asyncio.Future[None]] = {}
        self._again: set[str] = set()  # lanes to look once more: something was added while they looked
        self._taken: Counter[frozenset[str]] = Counter()  # lanes, by the accounts that serve them
        self._waiting: dict[frozenset[str], dict[str, None]] = {}  # numbers without a lane, likewise, in order

    async def start(self) -> None:
        """Go on with everything an earlier run left."""
        for destination in await self._mailbox.store.read(outgoing.destinations_due):
            self.wake(destination)

    async def stop(self) -> None:
        """Begin nothing new and wait until what is under way is recorded. Stop the accounts first or meanwhile."""
        self.stopping.set()
        self._waiting.clear()
        while self._lanes:
            await asyncio.wait(self._lanes.values())

    async def take(self, header: Header, body: SubmitSMS) -> bool:
        """Record a submission and see to its sending; False when it is known already or was refused at once.

        Raises Unavailable when the outcome is unknown.
        """
        to = body.destination
        group = self.routes.serving(to)
        free = to not in self._lanes and self._has_room(group) and not self.stopping.is_set()
        begin_by = lead(self.routes, to, body.packet) if free else None
        if begin_by is None:
            try:
                return (await self._mailbox.transact(lambda tx: outgoing.record(tx, header, body))).sendable
            finally:
                self.wake(to)
        # Whoever comes for this number until the commit is made finds the lane taken, and leaves word in `_again`.
        claim = self._lanes[to] = asyncio.get_running_loop().create_future()
        self._taken[group] += 1
        begun: Job | None = None
        try:
            sendable, begun = await self._mailbox.transact(
                lambda tx: outgoing.record(tx, header, body, begin_by.opening)
            )
        finally:
            claim.set_result(None)
            if begun is not None:
                self._open_lane(to, Submission(self, begun, begin_by))
            else:
                # Something older waits, or the outcome is unknown, or was when this came first: look.
                self._again.add(to)
                self._lane_ended(to)
        return sendable

    def wake(self, destination: str) -> None:
        """There is something to send to this number (or may be)."""
        if self.stopping.is_set():
            return
        if destination in self._lanes:
            self._again.add(destination)
            return
        group = self.routes.serving(destination)
        if self._has_room(group):
            self._taken[group] += 1
            self._open_lane(destination)
        else:
            self._waiting.setdefault(group, {})[destination] = None

    # --- lanes ---

    def _has_room(self, group: frozenset[str]) -> bool:
        return self._taken[group] < MAX_LANES

    def _open_lane(self, destination: str, begun: Submission | None = None) -> None:
        task = asyncio.create_task(self._lane(destination, begun), name="sms lane")
        self._lanes[destination] = task
        task.add_done_callback(lambda done: self._lane_failed(destination, done))

    def _lane_failed(self, destination: str, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (problem := task.exception()) is not None:
            # A fault of ours. The number rests until the next submission or restart; the rows are safe.
            log.error("sending failed", error=type(problem).__name__, exc_info=problem)
        self._lane_ended(destination)

    def _lane_ended(self, destination: str) -> None:
        del self._lanes[destination]
        group = self.routes.serving(destination)
        self._taken[group] -= 1
        if destination in self._again:
            self._again.discard(destination)
            self.wake(destination)
        waiting = self._waiting.get(group)
        while waiting and self._has_room(group) and not self.stopping.is_set():
            first = next(iter(waiting))
            del waiting[first]
            self.wake(first)

    async def _lane(self, destination: str, begun: Submission | None) -> None:
        if begun is not None and (not await self._finished(begun) or destination not in self._again):
            return
        while not self.stopping.is_set():
            self._again.discard(destination)
            try:
                job, more = await self._mailbox.store.read(lambda c: outgoing.next_job(c, destination))
            except Unavailable as problem:
                await self.pause(problem.retry_after)
                continue
            if job is None:
                return
            if not await self._finished(Submission(self, job)):
                return
            if not more and destination not in self._again:
                return  # what is recorded from here on wakes a new lane

    async def _finished(self, submission: Submission) -> bool:
        """Work on a submission; False when we stopped meanwhile."""
        about.set(("SubmitSMS", submission.eid))  # of this lane's task
        try:
            await submission.run()
        except Stopped:
            return False
        self._emptied()
        return True

    # --- what a submission needs ---

    def jitter(self, low: float, high: float, /) -> float:
        """A number between two, by chance."""
        return self._jitter(low, high)

    async def progress(self, job: Job, /) -> tuple[bool, bool]:
        """See `outgoing.progress`; as often as it takes. Raises Stopped when we stop meanwhile."""
        while True:
            try:
                return await self._mailbox.store.read(lambda c: outgoing.progress(c, job))
            except Unavailable as problem:
                await self._pause_or_stop(problem.retry_after)

    async def durably[T](self, unit: Callable[[Tx], T], /) -> T:
        """Commit a unit that may be repeated, as often as it takes; raises Stopped when we stop meanwhile."""
        while True:
            try:
                return await self._mailbox.transact(unit)
            except Unavailable as problem:
                await self._pause_or_stop(problem.retry_after)

    async def pause(self, seconds: float, /) -> None:
        """Wait, unless we stop."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return

    async def _pause_or_stop(self, seconds: float) -> None:
        await self.pause(seconds)
        if self.stopping.is_set():
            raise Stopped from None
