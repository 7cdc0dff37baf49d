"""A small coverage-guided fuzzer on `sys.monitoring` (PEP 669): inputs that reach new lines or branches are kept.

In process and deterministic: the same harness, seed and number of runs try the same inputs. A location that was
reached is switched off, so most of a campaign runs at full speed. Long campaigns may use libFuzzer instead, see
`libfuzzer.py`; both call the same harnesses.
"""

from __future__ import annotations

import random
import signal
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

from fuzz.mutations import Mutator

CPU_SECONDS = 2.0  # processor time for one input: all take milliseconds; this is a hang
MEMORY_BASE = 1_500_000  # octets that one input may take at its peak, whatever its size ...
MEMORY_FACTOR = 400  # ... and for each of its octets: objects for TLVs of two octets take about 250
_RECENT_SHARE = 0.3  # of the picks that go to what was found last

PACKAGE = "ferryman"
_TOOL = 3  # sys.monitoring knows six tools; 0 to 2 and 5 have owners


class TooSlow(Exception):
    """An input took more processor time than any may."""


class TooLarge(Exception):
    """An input took more memory than its size allows."""


@dataclass(frozen=True, slots=True)
class Harness:
    """One decoder under test.

    `check` takes any octets; it returns when they were decoded, or refused by one of the declared errors, and
    raises whatever else happened. `words` are octets that mean something to the decoder.
    """

    name: str
    check: Callable[[bytes], object]
    words: tuple[bytes, ...] = ()
    max_size: int = 1024
    package: str = PACKAGE


@dataclass(slots=True)
class Crash:
    """An input that broke the promise, and how."""

    data: bytes
    error: BaseException


@dataclass(slots=True)
class Campaign:
    """What a run found: `corpus` the inputs that reached something new, seeds included."""

    runs: int = 0
    reached: int = 0
    corpus: list[bytes] = field(default_factory=list)
    crashes: list[Crash] = field(default_factory=list)


class _Coverage:
    """Counts lines and branch directions of one package that were reached for the first time."""

    def __init__(self, package: str) -> None:
        self.reached = 0
        self._marks = (f"/{package}/", f"\\{package}\\")
        self._ours: dict[CodeType, bool] = {}
        self._branches: dict[tuple[CodeType, int], int] = {}

    def _is_ours(self, code: CodeType) -> bool:
        ours = self._ours.get(code)
        if ours is None:
            ours = self._ours[code] = any(mark in code.co_filename for mark in self._marks)
        return ours

    def line(self, code: CodeType, number: int) -> object:
        if self._is_ours(code):
            self.reached += 1
        return sys.monitoring.DISABLE

    def branch(self, code: CodeType, at: int, to: int) -> object:
        if not self._is_ours(code):
            return sys.monitoring.DISABLE
        first = self._branches.setdefault((code, at), -1)
        if first == to:
            return None
        self.reached += 1
        if first < 0:
            self._branches[code, at] = to
            return None
        # Switching a branch off silences both its directions: only now that both are known.
        return sys.monitoring.DISABLE


@contextmanager
def _watched(package: str) -> Iterator[_Coverage]:
    monitoring = sys.monitoring
    coverage = _Coverage(package)
    monitoring.use_tool_id(_TOOL, "ferryman fuzz")
    try:
        monitoring.register_callback(_TOOL, monitoring.events.LINE, coverage.line)
        monitoring.register_callback(_TOOL, monitoring.events.BRANCH, coverage.branch)
        monitoring.restart_events()
        monitoring.set_events(_TOOL, monitoring.events.LINE | monitoring.events.BRANCH)
        yield coverage
    finally:
        monitoring.set_events(_TOOL, 0)
        monitoring.register_callback(_TOOL, monitoring.events.LINE, None)
        monitoring.register_callback(_TOOL, monitoring.events.BRANCH, None)
        monitoring.free_tool_id(_TOOL)


@contextmanager
def _cpu_limit() -> Iterator[Callable[[float], object]]:
    """Gives what (re)starts the limit; an input that hangs is interrupted by TooSlow."""

    def expired(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"more than {CPU_SECONDS} s of processor time")

    before = signal.signal(signal.SIGVTALRM, expired)
    try:
        yield lambda seconds: signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def fuzz(
    harness: Harness,
    seeds: Sequence[bytes],
    *,
    seed: int,
    runs: int,
    seconds: float | None = None,
    stop_at: int = 5,
) -> Campaign:
    """Try the seeds, then `runs` inputs made from what was kept; with `seconds`, until that time has passed.

    Ends early after `stop_at` crashes. Inputs do not depend on the clock, only their number does.
    """
    campaign = Campaign()
    rng = random.Random(f"{harness.name} {seed}")
    mutator = Mutator(rng, harness.words, harness.max_size)
    end = None if seconds is None else time.monotonic() + seconds
    with _watched(harness.package) as coverage, _cpu_limit() as limit:
        for data in seeds or (b"",):
            _try(harness, data, campaign, coverage, limit)
            if data not in campaign.corpus:
                campaign.corpus.append(data)
        while campaign.runs < runs if end is None else time.monotonic() < end:
            if len(campaign.crashes) >= stop_at:
                break
            data = mutator.mutate(_pick(rng, campaign.corpus), rng.choice(campaign.corpus))
            if _try(harness, data, campaign, coverage, limit):
                campaign.corpus.append(data)
        campaign.reached = coverage.reached
    return campaign


def _pick(rng: random.Random, corpus: list[bytes]) -> bytes:
    if rng.random() < _RECENT_SHARE:
        return rng.choice(corpus[-8:])
    return rng.choice(corpus)


def _try(
    harness: Harness, data: bytes, campaign: Campaign, coverage: _Coverage, limit: Callable[[float], object]
) -> bool:
    """Run one input; whether it reached something new."""
    campaign.runs += 1
    before = coverage.reached
    limit(CPU_SECONDS)
    try:
        harness.check(data)
    except Exception as error:
        campaign.crashes.append(Crash(data, error))
        return False
    finally:
        limit(0)
    return coverage.reached > before


def measure(harness: Harness, data: bytes) -> None:
    """Run one input within its bounds: TooSlow and TooLarge say which one it broke."""
    allowed = MEMORY_BASE + MEMORY_FACTOR * len(data)
    with _cpu_limit() as limit:
        running = tracemalloc.is_tracing()
        if not running:
            tracemalloc.start()
        try:
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            limit(CPU_SECONDS)
            harness.check(data)
            peak = tracemalloc.get_traced_memory()[1] - before
        finally:
            limit(0)
            if not running:
                tracemalloc.stop()
    if peak > allowed:
        raise TooLarge(f"{peak} octets at the peak for an input of {len(data)}, {allowed} allowed")


def read_folder(folder: Path) -> list[bytes]:
    """The `.bin` files of a corpus folder in the order of their names; none when it is not there."""
    return [path.read_bytes() for path in sorted(folder.glob("*.bin"))]
