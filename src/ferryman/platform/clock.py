"""Time and entropy as arguments: the only place that reads the machine's clock and random source."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since 1970, as a float."""

    def now(self) -> float:
        """The present."""
        ...


class Entropy(Protocol):
    """Unpredictable bytes."""

    def __call__(self, count: int, /) -> bytes:
        """`count` bytes."""
        ...


class LoopClock:
    """Wall time that advances with the running event loop.

    The loop's clock is monotonic, so a step of the machine's clock can neither fire a timer early nor hold it
    back, and a test that runs on a loop with virtual time moves this clock too.
    """

    def __init__(self, *, start: float | None = None) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._offset = (time.time() if start is None else start) - loop.time()

    def now(self) -> float:
        """Wall time at the start plus what the loop has counted since."""
        return self._loop.time() + self._offset


def system_entropy(count: int) -> bytes:
    """Bytes of the operating system's random source."""
    return os.urandom(count)
