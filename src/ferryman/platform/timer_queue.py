"""Which timer is next: a heap over the timers that are set, kept beside the table that makes them durable.

Knows no clock and no database. An entry that was replaced or cancelled stays in the heap until it is on top or
until the dead outnumber the living, so that a platform whose calls end long before their deadlines does not grow.
"""

from __future__ import annotations

import heapq
import sys
from typing import NamedTuple

SLACK = 1_000  # dead entries that are never worth a rebuild


class Timer(NamedTuple):
    """One timer of a procedure; `due` in seconds since 1970. A tuple: the heap compares many of them."""

    due: float
    procedure_id: str
    name: str
    eid: str


class TimerQueue:
    """Timers in the order in which they fall due."""

    def __init__(self) -> None:
        self._heap: list[Timer] = []
        self._live: dict[str, dict[str, Timer]] = {}  # procedure -> name -> timer
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def size(self) -> int:
        """Entries held, dead ones included."""
        return len(self._heap)

    def set(self, timer: Timer) -> None:
        """Set a timer; replaces the one of the same procedure and name."""
        names = self._live.setdefault(timer.procedure_id, {})
        if names.get(timer.name) == timer:
            return
        if timer.name not in names:
            self._count += 1
        names[timer.name] = timer
        heapq.heappush(self._heap, timer)
        self._compact()

    def cancel(self, procedure_id: str, name: str) -> None:
        """Forget one timer, if it is set."""
        names = self._live.get(procedure_id)
        if names is None or names.pop(name, None) is None:
            return
        self._count -= 1
        if not names:
            del self._live[procedure_id]
        self._compact()

    def drop(self, procedure_id: str) -> None:
        """Forget every timer of a procedure."""
        self._count -= len(self._live.pop(procedure_id, ()))
        self._compact()

    def next_due(self) -> float | None:
        """When the next timer falls due; None when none is set."""
        while self._heap and not self._is_live(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0].due if self._heap else None

    def take_due(self, now: float, most: int = sys.maxsize) -> list[Timer]:
        """Remove and return what is due, oldest first; no more than `most`."""
        taken: list[Timer] = []
        while len(taken) < most and (due := self.next_due()) is not None and due <= now:
            timer = heapq.heappop(self._heap)
            names = self._live[timer.procedure_id]
            del names[timer.name]
            if not names:
                del self._live[timer.procedure_id]
            self._count -= 1
            taken.append(timer)
        return taken

    def _is_live(self, timer: Timer) -> bool:
        return self._live.get(timer.procedure_id, {}).get(timer.name) == timer

    def _compact(self) -> None:
        if len(self._heap) > 2 * self._count + SLACK:
            self._heap = [timer for names in self._live.values() for timer in names.values()]
            heapq.heapify(self._heap)
