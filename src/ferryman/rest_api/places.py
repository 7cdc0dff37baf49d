"""How many files are read at once: each is in memory as a whole, so their number bounds what the process needs."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from ferryman.rest_api.answers import No

AGAIN = "5"  # s until somebody may try again: the time that a file of the largest size mostly takes


class Places:
    """So many in all, and half of them for one party: nobody keeps the others out with bodies that never end."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._of_one = max(1, count // 2)
        self._taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def one(self, party: str) -> Iterator[None]:
        """Have a place for as long as a body is read and looked at; raises No."""
        # What is refused is not read to its end, so the connection has none either.
        if self._taken[party] >= self._of_one:
            sentence = f"{self._of_one} files of yours are being read; wait until one of them is there"
            raise No(429, sentence, Retry_After=AGAIN, Connection="close")
        if self._taken.total() >= self._count:
            raise No(503, f"{self._count} files are being read; try again", Retry_After=AGAIN, Connection="close")
        self._taken[party] += 1
        try:
            yield
        finally:
            self._taken[party] -= 1
            if not self._taken[party]:
                del self._taken[party]
