"""Counters of a module since its start, for those who watch it; labels hold no number of a card or subscriber."""

from __future__ import annotations

from typing import Final

from ferryman.platform.metrics import Metric, Sample

type Labels = tuple[tuple[str, str], ...]

MAX_SERIES: Final = 1_000  # of one module: a label that a peer chooses must not grow memory


class Tally:
    """Counts by metric and labels; beyond `MAX_SERIES` new ones are not counted."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, Labels], int] = {}
        self._metrics: dict[str, Metric] = {}

    def add(self, metric: Metric, count: int = 1, **labels: str) -> None:
        """Count once more, or `count` times."""
        key = (metric.name, tuple(labels.items()))
        so_far = self._counts.get(key)
        if so_far is not None:
            self._counts[key] = so_far + count
        elif len(self._counts) < MAX_SERIES:
            self._metrics[metric.name] = metric
            self._counts[key] = count

    def samples(self, *labels: tuple[str, str]) -> list[Sample]:
        """All of them, with these labels in front of their own."""
        return [Sample(self._metrics[name], count, (*labels, *own)) for (name, own), count in self._counts.items()]


class Seldom:
    """Lets through so many lines of a log in each `period` seconds, and counts the others. Knows no clock."""

    def __init__(self, lines: int, period: float) -> None:
        self._lines = lines
        self._period = period
        self._since = float("-inf")
        self._shown = 0
        self._hidden = 0

    def allow(self, now: float) -> int | None:
        """None: not this one. Else how many were not shown since the last that was."""
        if now - self._since >= self._period:
            self._since, self._shown = now, 0
        if self._shown >= self._lines:
            self._hidden += 1
            return None
        self._shown += 1
        hidden, self._hidden = self._hidden, 0
        return hidden
