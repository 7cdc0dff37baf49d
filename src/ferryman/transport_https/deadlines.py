"""Deadlines of many connections with one timer of the event loop.

A server has a handful of waiting times and thousands of connections. Those that wait for the same time come due in
the order in which they began, so a dictionary for each time, in order of entry, is the whole queue: to begin, to
begin anew and to give up cost the same however many wait.
"""

from __future__ import annotations

import asyncio
import math
from typing import Protocol


class Waiting(Protocol):
    """Somebody with at most one deadline; `wait` belongs to `Deadlines`."""

    wait: float | None

    def deadline_passed(self) -> None: ...


class Deadlines:
    """Calls `deadline_passed` of each that has waited for its time, once; on the loop, by its clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queues: dict[float, dict[Waiting, float]] = {}  # by seconds of the wait: who, and due at
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf

    def begin(self, who: Waiting, seconds: float) -> None:
        """`who` waits for `seconds` from now, and for nothing else any more."""
        if who.wait is not None:
            self._queues[who.wait].pop(who, None)
        queue = self._queues.get(seconds)
        if queue is None:
            queue = self._queues[seconds] = {}
        due = queue[who] = self._loop.time() + seconds
        who.wait = seconds
        if due < self._rings_at:
            self._set(due)

    def end(self, who: Waiting) -> None:
        """`who` waits for nothing any more."""
        if who.wait is not None:
            # The timer stays as it is: it finds nobody due and is set for the next one.
            self._queues[who.wait].pop(who, None)
            who.wait = None

    def close(self) -> None:
        """Forgets everybody."""
        self._queues.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._rings_at = math.inf

    def _set(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = at
        self._timer = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer, self._rings_at = None, math.inf
        now = self._loop.time()
        late: list[Waiting] = []
        for queue in self._queues.values():
            for who, due in queue.items():
                if due > now:
                    break
                late.append(who)
        for who in late:
            # What another one did on its deadline may have ended this one's.
            if who.wait is not None and self._queues[who.wait].get(who, math.inf) <= now:
                self.end(who)
                who.deadline_passed()
        first = min((next(iter(queue.values())) for queue in self._queues.values() if queue), default=math.inf)
        if first < self._rings_at:
            self._set(first)
