"""Rings when timers are due: the first of them is known to the event loop, all others wait in their queue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ferryman.platform.clock import Clock
from ferryman.platform.timer_queue import Timer, TimerQueue

MAX_FIRING = 1_000  # timers handled at once: after a long stop all are due, and each one takes some kilobytes


class Bell:
    """Hands every due timer to `fire`, in a task that `spawn` makes; a timer is out of the queue then."""

    def __init__(
        self,
        timers: TimerQueue,
        clock: Clock,
        *,
        fire: Callable[[Timer], Awaitable[None]],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._timers = timers
        self._clock = clock
        self._fire = fire
        self._spawn = spawn
        self._set: asyncio.TimerHandle | None = None
        self._due = 0.0  # when it rings
        self._firing = 0  # timers that are handled now
        self._stopped = False

    def arm(self) -> None:
        """The queue has changed: ring for the timer that is next now."""
        due = self._timers.next_due()
        if due is None or self._stopped or self._firing >= MAX_FIRING:
            return  # with all hands full, the one that is done arms it
        if self._set is not None:
            if self._due <= due:
                return  # rings too early at worst, and is set anew then
            self._set.cancel()
        self._due = due
        delay = max(0.0, due - self._clock.now())
        self._set = asyncio.get_running_loop().call_later(delay, self._ring)

    def stop(self) -> None:
        """Ring no more."""
        self._stopped = True
        if self._set is not None:
            self._set.cancel()

    def _ring(self) -> None:
        self._set = None
        for timer in self._timers.take_due(self._clock.now(), MAX_FIRING - self._firing):
            self._firing += 1
            self._spawn(self._fired(timer))
        self.arm()

    async def _fired(self, timer: Timer) -> None:
        try:
            await self._fire(timer)
        finally:
            self._firing -= 1
            if self._firing == MAX_FIRING - 1:
                self.arm()
