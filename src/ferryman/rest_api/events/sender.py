"""Delivers events to webhooks: at least once, in order for each eUICC, repeated until taken or given up.

An attempt whose answer is lost is made again under the same name, so that the receiver knows it. A receiver that
does not answer is asked with one event at a time, ever less often, until it takes one.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, Protocol

import msgspec
import structlog

from ferryman.errors import Unavailable
from ferryman.platform.clock import Clock
from ferryman.platform.destination import NotAllowed
from ferryman.rest_api.events.book import view
from ferryman.rest_api.events.post import Outcome
from ferryman.rest_api.events.signing import headers
from ferryman.rest_api.events.views import DELIVERED, GIVEN_UP, WAITING
from ferryman.rest_api.events.webhooks import Head, Receiver, WebhookBook

AT_ONCE: Final = 8  # deliveries on their way to one webhook, each of another eUICC
ALL_AT_ONCE: Final = 64  # to all of them
FIRST_DELAY: Final = 2.0  # seconds to the second attempt; doubles with each one
LONGEST_DELAY: Final = 900.0  # seconds between attempts
GIVE_UP_SECONDS: Final = 3 * 86_400.0  # from the event to the last attempt; it can be replayed afterwards
FEWEST: Final = 3  # attempts before anything is given up, however old it is: a replay gets them
IDLE_SECONDS: Final = 300.0  # at most between two looks
GONE: Final = 410  # the receiver wants no more

log = structlog.get_logger("ferryman.webhooks")


class Post(Protocol):
    """Makes one attempt."""

    async def send(self, url: str, body: bytes, fields: dict[str, str]) -> Outcome: ...

    async def close(self) -> None: ...


class Sender:
    """One task for each webhook that is active."""

    def __init__(
        self, *, book: WebhookBook, post: Callable[[], Post], clock: Clock, jitter: random.Random | None = None
    ) -> None:
        self._book = book
        self._make_post = post
        self._post: Post | None = None
        self._clock = clock
        self._jitter = jitter or random.SystemRandom()
        self._turns = asyncio.Semaphore(ALL_AT_ONCE)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wakes: dict[str, asyncio.Event] = {}
        self._stopping = False
        self.delivered = 0  # of this run, as is the next
        self.failed = 0

    async def start(self) -> None:
        """Go on with what waits."""
        for webhook_id in await self._book.active():
            self.wake((webhook_id,))

    async def stop(self) -> None:
        """Stop; an attempt that is under way is made again by the next run."""
        self._stopping = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._post is not None:
            await self._post.close()

    def wake(self, webhooks: Iterable[str]) -> None:
        """Something is to be delivered to them, or they were changed."""
        for webhook_id in webhooks:
            if self._stopping:
                return
            self._wakes.setdefault(webhook_id, asyncio.Event()).set()
            if webhook_id not in self._tasks:
                task = asyncio.get_running_loop().create_task(
                    self._serve(webhook_id), name=f"webhook {webhook_id}"
                )
                self._tasks[webhook_id] = task
                task.add_done_callback(partial(self._ended, webhook_id))

    def _ended(self, webhook_id: str, task: asyncio.Task[None]) -> None:
        del self._tasks[webhook_id]
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("webhook failed", webhook=webhook_id, error=type(problem).__name__, exc_info=problem)
        elif self._wakes[webhook_id].is_set():
            self.wake((webhook_id,))  # it was resumed while its task ended
        else:
            del self._wakes[webhook_id]

    async def _serve(self, webhook_id: str) -> None:
        """Until the webhook is paused or gone."""
        wake = self._wakes[webhook_id]
        silent = 0  # attempts in a row that nobody answered
        while True:
            wake.clear()
            try:
                receiver = await self._book.receiver(webhook_id)
                if receiver is None:
                    return
                heads = await self._book.heads(webhook_id, 1 if silent else AT_ONCE)
                if not heads:
                    await self._wait(wake, await self._book.next_try(webhook_id))
                    continue
                answers = await asyncio.gather(*(self._attempt(receiver, head) for head in heads))
                for head, outcome in zip(heads, answers, strict=True):
                    if outcome.status != GONE:
                        await self._record(webhook_id, head, outcome)
                if any(one.status == GONE for one in answers):
                    await self._book.pause(webhook_id, "the receiver answered 410 Gone")
                    return
                silent = 0 if any(_reached(one) for one in answers) else silent + 1
            except Unavailable as problem:
                await asyncio.sleep(problem.retry_after)
                continue
            if silent:
                await asyncio.sleep(self._delay(silent, max(one.retry_after for one in answers)))

    async def _wait(self, wake: asyncio.Event, due: float | None) -> None:
        seconds = IDLE_SECONDS if due is None else min(IDLE_SECONDS, max(0.01, due - self._clock.now()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await wake.wait()

    async def _attempt(self, receiver: Receiver, head: Head) -> Outcome:
        async with self._turns:
            body = msgspec.json.encode(view(head.seq, head.event_id, head.body))
            fields = headers(head.event_id, int(self._clock.now()), body, receiver.secrets)
            if self._post is None:
                self._post = self._make_post()
            try:
                return await self._post.send(receiver.url, body, fields)
            except NotAllowed as problem:
                return Outcome(0, problem.rule)
            except Exception as problem:  # a fault of ours must not end the deliveries of this webhook
                log.error("attempt failed", event_id=head.event_id, error=type(problem).__name__, exc_info=problem)
                return Outcome(0, f"fault of the platform ({type(problem).__name__})")

    async def _record(self, webhook_id: str, head: Head, outcome: Outcome) -> None:
        now = self._clock.now()
        if outcome.taken:
            await self._book.settle(
                head, state=DELIVERED, next_try=0.0, http_status=outcome.status, note=outcome.note
            )
            self.delivered += 1
            return
        happened = view(head.seq, head.event_id, head.body).at
        over = now - happened > GIVE_UP_SECONDS and head.attempts + 1 >= FEWEST
        log.warning(
            "event not delivered", webhook=webhook_id, event_id=head.event_id, note=outcome.note, given_up=over
        )
        await self._book.settle(
            head,
            state=GIVEN_UP if over else WAITING,
            next_try=now + self._delay(head.attempts + 1, outcome.retry_after),
            http_status=outcome.status,
            note=outcome.note,
        )
        self.failed += 1

    def _delay(self, attempts: int, asked: float) -> float:
        longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(attempts - 1, 20))
        return max(longest * self._jitter.uniform(0.5, 1.0), min(asked, LONGEST_DELAY))


def _reached(outcome: Outcome) -> bool:
    """Whether the receiver works; 429 and 5xx say that it is to be left in peace."""
    return 0 < outcome.status < 500 and outcome.status != 429
