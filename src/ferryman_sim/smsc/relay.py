"""Messages on their way to many places: in order for each place, unless a fault says otherwise.

Used twice: mobile-terminated messages go to subscribers, mobile-originated ones from subscribers to ESMEs.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ferryman_sim.smsc.faults import Faults, Verdict
from ferryman_sim.smsc.messages import ShortMessage

# Messages waiting for one place. A sleeping device's SM-SR sends some tens; more is a runaway ESME.
QUEUE_LIMIT = 1_000


@dataclass(slots=True)
class _Waiting:
    message: ShortMessage
    verdict: Verdict | None = None
    overtaking: bool = False


class Relay:
    """Delivers by calling `deliver(place, message)`, one message at a time for each place.

    `count(place, event, message)` hears `lost`, `delayed`, `repeated`, `reordered`.
    """

    def __init__(
        self,
        rng: random.Random,
        deliver: Callable[[str, ShortMessage], Awaitable[None]],
        count: Callable[[str, str, ShortMessage], None],
    ) -> None:
        self.faults = Faults()
        self._rng = rng
        self._deliver = deliver
        self._count = count
        self._queues: dict[str, deque[_Waiting]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._arrived: dict[str, asyncio.Event] = {}

    def waiting(self, place: str | None = None) -> int:
        """How many messages wait (without those being delivered)."""
        if place is not None:
            return len(self._queues.get(place, ()))
        return sum(map(len, self._queues.values()))

    def put(self, place: str, message: ShortMessage) -> bool:
        """Queue a message; False when the place has too many waiting."""
        queue = self._queues.setdefault(place, deque())
        if len(queue) >= QUEUE_LIMIT:
            return False
        queue.append(_Waiting(message))
        self._arrived.setdefault(place, asyncio.Event()).set()
        if place not in self._tasks:
            self._tasks[place] = asyncio.get_running_loop().create_task(self._work(place))
        return True

    async def stop(self) -> None:
        """Give up all messages."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, place: str) -> None:
        queue = self._queues[place]
        try:
            while queue:
                await self._next(place, queue)
        finally:
            del self._tasks[place], self._queues[place], self._arrived[place]

    async def _next(self, place: str, queue: deque[_Waiting]) -> None:
        waiting = queue.popleft()
        verdict = waiting.verdict
        if verdict is None:
            verdict = self.faults.draw(self._rng)
            if verdict.lost:
                self._count(place, "lost", waiting.message)
                return
            # One that overtakes is not overtaken itself: two swaps would be none.
            if verdict.overtaken and not waiting.overtaking and await self._another(place, queue):
                self._count(place, "reordered", waiting.message)
                waiting.verdict = Verdict(delay=verdict.delay, repeated=verdict.repeated)
                queue[0].overtaking = True
                queue.insert(1, waiting)
                return
        if verdict.delay:
            self._count(place, "delayed", waiting.message)
            await asyncio.sleep(verdict.delay)
        await self._deliver(place, waiting.message)
        if verdict.repeated:
            self._count(place, "repeated", waiting.message)
            await self._deliver(place, waiting.message)

    async def _another(self, place: str, queue: deque[_Waiting]) -> bool:
        """Whether a further message is there, now or within the reordering time."""
        arrived = self._arrived[place]
        arrived.clear()
        if not queue:
            try:
                await asyncio.wait_for(arrived.wait(), self.faults.reorder_seconds)
            except TimeoutError:
                return False
        return True
