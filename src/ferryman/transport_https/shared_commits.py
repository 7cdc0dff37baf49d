"""Units of work of many cards in one transaction: what may wait a moment waits for others to share its commit.

A commit costs as much for one small unit as for fifty, and a card on a mobile network does not notice some
milliseconds. Units are committed in the order in which they came, so what is said of a session later stays later.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from itertools import batched
from typing import Final, NamedTuple

from ferryman.errors import Unavailable
from ferryman.platform.mailbox import Mailbox, Tx

MAX_UNITS: Final = 128  # units in one transaction: some milliseconds of the event loop

type Unit = Callable[[Tx], None]


class _Entry(NamedTuple):
    unit: Unit
    told: asyncio.Future[None] | None  # None: repeated until it is durable
    key: str


class SharedCommits:
    """Gathers units for the transactions of one mailbox; `stop` commits what waits, and waits for it."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._entries: list[_Entry] = []
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf
        self._last = -math.inf  # when a transaction began
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: dict[str, int] = {}  # units by key

    def is_clear(self, key: str) -> bool:
        """Whether every unit of this key is durable, or given up."""
        return key not in self._under_way

    async def commit(self, unit: Unit, *, key: str, spacing: float) -> None:
        """Returns when `unit` is durable; raises Unavailable. `key` says whose it is.

        It waits for others only when the last transaction began less than `spacing` seconds ago, and no longer.
        It is committed also when the caller is cancelled meanwhile.
        """
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        now = asyncio.get_running_loop().time()
        self._add(_Entry(unit, told, key), max(0.0, self._last + spacing - now))
        await told

    def insist(self, unit: Unit, *, key: str, within: float) -> None:
        """Commits a unit whose repeat is harmless, `within` so many seconds, and as often as it takes."""
        self._add(_Entry(unit, None, key), within)

    async def stop(self, grace: float) -> None:
        """Commits what waits; what is not durable after `grace` seconds is given up."""
        self._next()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        if self._timer is not None:
            self._timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _add(self, entry: _Entry, within: float) -> None:
        self._entries.append(entry)
        self._under_way[entry.key] = self._under_way.get(entry.key, 0) + 1
        if len(self._entries) >= MAX_UNITS:
            self._next()
        else:
            self._wake(within)

    def _wake(self, within: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + within
        if due < self._due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer, self._due = loop.call_at(due, self._next), due

    def _next(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._due = None, math.inf
        entries, self._entries = self._entries, []
        self._last = asyncio.get_running_loop().time()
        for some in batched(entries, MAX_UNITS, strict=False):
            # Eager: queued for a commit now, in this order.
            task = asyncio.Task(self._commit(some), loop=asyncio.get_running_loop(), eager_start=True)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _commit(self, entries: Sequence[_Entry]) -> None:
        def all_units(tx: Tx) -> None:
            for entry in entries:
                entry.unit(tx)

        try:
            await self._mailbox.transact(all_units)
        except Unavailable as problem:
            again = [entry for entry in entries if entry.told is None]
            if again:
                self._entries[:0] = again  # they came before what waits now
                self._wake(problem.retry_after)
            for entry in entries:
                if entry.told is not None:
                    self._over(entry, problem)
        except Exception as problem:  # a bug in one of them takes no other with it
            if len(entries) == 1:
                self._over(entries[0], problem)
                if entries[0].told is None:
                    raise
                return
            for entry in entries:
                await self._commit([entry])
        else:
            for entry in entries:
                self._over(entry, None)

    def _over(self, entry: _Entry, problem: Exception | None) -> None:
        left = self._under_way[entry.key] - 1
        if left:
            self._under_way[entry.key] = left
        else:
            del self._under_way[entry.key]
        told = entry.told
        if told is None or told.done():
            return
        if problem is None:
            told.set_result(None)
        else:
            told.set_exception(problem)
