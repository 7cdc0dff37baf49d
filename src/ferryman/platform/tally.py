"""Counters of a module since its start, for those who watch it; labels hold no number of a card or subscriber."""

from __future__ import annotations

from typing import Final

from ferryman.platform.metrics import Metric, Sample

type Labels = tuple[tuple[str, str], ...]

MAX_SERIES: Final = 1_000  # of one module: a label that a peer chooses must not grow memory


class Counter:
    """One series; whoever counts often keeps it."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Tally:
    """Counts by metric and labels; beyond `MAX_SERIES` new ones are not counted."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, Labels], Counter] = {}
        self._metrics: dict[str, Metric] = {}

    def counter(self, metric: Metric, **labels: str) -> Counter:
        """The series of these labels; it is shown as soon as it has counted something."""
        key = (metric.name, tuple(labels.items()))
        found = self._series.get(key)
        if found is None:
            found = Counter()
            if len(self._series) < MAX_SERIES:
                self._metrics[metric.name] = metric
                self._series[key] = found
        return found

    def add(self, metric: Metric, count: int = 1, **labels: str) -> None:
        """Count once more, or `count` times."""
        self.counter(metric, **labels).count += count

    def samples(self, *labels: tuple[str, str]) -> list[Sample]:
        """All of them, with these labels in front of their own."""
        return [
            Sample(self._metrics[name], series.count, (*labels, *own))
            for (name, own), series in self._series.items()
            if series.count
        ]


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
