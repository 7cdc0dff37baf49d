"""How fast a bind may send: the agreed rate, and less while the SMSC says that it is throttled.

A throttled answer (SMPP v3.4 status 58) halves the rate that was really reached; each quiet second gives a
tenth back. So does congestion_state (SMPP v5.0) from 90, and from 80 the rate stays as it is. All binds of an
account share one pace. Knows no clock: `now` is in seconds.
"""

from __future__ import annotations

from math import inf
from typing import Final

MIN_RATE: Final = 1.0  # messages a second: slower than this the throttled state would never be seen to end
RAMP: Final = 1.1  # factor for each second without a throttled answer
BURST: Final = 0.1  # seconds of sending that may be made up for after a pause
CONGESTED: Final = 90  # congestion_state: nearly congested
BUSY: Final = 80  # congestion_state: as busy as the SMSC wants to be
NO_LIMIT_ABOVE: Final = 10_000.0  # messages a second: a ramp that got here has left the throttling behind


class Pace:
    """Tells when the next message may go. `max_rate` in messages a second, 0 for no limit."""

    def __init__(self, max_rate: float = 0.0) -> None:
        self._max = max_rate or inf
        self._rate = self._max
        self._next = -inf
        self._last_change = -inf
        self._second = -inf
        self._this_second = 0
        self._best = 0

    @property
    def rate(self) -> float:
        """Messages a second allowed now; infinite without any limit."""
        return self._rate

    def wait(self, now: float) -> float:
        """Seconds until the next message may go; 0 when it may go now."""
        return 0.0 if self._rate == inf else max(0.0, self._next - now)

    def sent(self, now: float) -> None:
        """A message went out."""
        if now - self._second >= 1.0:
            self._best, self._this_second, self._second = self._this_second, 0, now
        self._this_second += 1
        if self._rate == inf:
            return
        if self._rate < self._max and now - self._last_change >= 1.0:
            self._last_change = now
            self._rate = min(self._rate * RAMP, self._max)
            if self._rate > NO_LIMIT_ABOVE:
                self._rate = self._max
        self._next = max(self._next, now - BURST) + 1.0 / self._rate

    def throttled(self, now: float) -> None:
        """The SMSC answered that we are too fast. A window full of such answers counts once a second."""
        if self._rate < self._max and now - self._last_change < 1.0:
            return
        self._last_change = now
        reached = float(max(self._best, self._this_second))
        self._rate = max(MIN_RATE, min(self._rate, reached) / 2)
        self._next = now + 1.0 / self._rate

    def congestion(self, level: int, now: float) -> None:
        """The SMSC said with an answer how busy it is, 0 to 100."""
        if level >= CONGESTED:
            self.throttled(now)
        elif level >= BUSY and self._rate < self._max:
            self._last_change = now  # no faster for another second
