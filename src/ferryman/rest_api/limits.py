"""How often somebody may ask: a bucket of tokens for each key and each address."""

from __future__ import annotations

from collections import OrderedDict

MAX_BUCKETS = 10_000  # requesters remembered at once; who is forgotten starts with a full bucket


class RateLimit:
    """`rate` requests a second, `burst` at once; 0 is no limit."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # name -> (tokens, when)

    def wait(self, name: str, now: float) -> float:
        """Take a token: 0.0, or the seconds until there is one; a refusal takes none."""
        if not self._rate:
            return 0.0
        tokens, then = self._buckets.pop(name, (self._burst, now))
        tokens = min(self._burst, tokens + max(0.0, now - then) * self._rate)
        missing = 1.0 - tokens
        self._buckets[name] = (tokens - 1.0 if missing <= 0 else tokens, now)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return max(0.0, missing / self._rate)
