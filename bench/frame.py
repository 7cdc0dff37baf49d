"""The frame of every benchmark: paired rounds, medians, rows, the table and the file of results."""

from __future__ import annotations

import json
import math
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Literal

type Better = Literal["higher", "lower"]
type Contestant = Callable[[], float]  # runs once, gives its figure in the unit of the row


FAILED = "failed"  # how the note of a row begins that could not be measured because of a fault


class Skipped(Exception):
    """A row cannot be measured here; the text says why and goes into the row's note."""


class Unequal(Exception):
    """Ours and the reference do not give the same result: there is nothing to compare."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of results. `ratio` is ours to reference; `met` is None without a goal or without a figure."""

    name: str
    ours: float | None
    reference: float | None
    ratio: float | None
    goal: float | None
    better: Better
    unit: str
    met: bool | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What is known of a row before it has run; `run` gives its figures or raises Skipped."""

    name: str
    unit: str
    goal: float | None
    run: Callable[[], Figures]
    better: Better = "higher"


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians of both sides and of the ratios of the single rounds; `report` is printed below the table."""

    ours: float
    reference: float | None = None
    ratio: float | None = None
    note: str = ""
    report: str = ""


def same[T](ours: T, reference: T, what: str) -> T:
    """Raise Unequal unless both sides gave the same; the reference's result is given back."""
    if ours != reference:
        raise Unequal(what)
    return reference


def paired(ours: Contestant, reference: Contestant, *, rounds: int, warm_up: bool = True) -> Figures:
    """Run both sides in turn, the first one changing with each round, so that noise of the machine meets both."""
    if warm_up:
        ours()
        reference()
    mine: list[float] = []
    theirs: list[float] = []
    for number in range(rounds):
        if number % 2:
            theirs.append(reference())
            mine.append(ours())
        else:
            mine.append(ours())
            theirs.append(reference())
    ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
    return Figures(median(mine), median(theirs), median(ratios))


def per_cpu_second(work: Callable[[], object], operations: int) -> Contestant:
    """Operations per second of this process's CPU time: other programs on the machine do not count."""

    def run() -> float:
        begun = time.process_time()
        work()
        return operations / (time.process_time() - begun)

    return run


def row_of(benchmark: Benchmark, figures: Figures) -> Row:
    """The row; the goal is met when the ratio reaches it (or stays below, where lower is better)."""
    goal, ratio = benchmark.goal, figures.ratio
    met: bool | None = None
    if goal is not None and ratio is not None:
        met = ratio >= goal if benchmark.better == "higher" else ratio <= goal
    return Row(
        benchmark.name,
        _rounded(figures.ours),
        _rounded(figures.reference),
        _rounded(ratio),
        goal,
        benchmark.better,
        benchmark.unit,
        met,
        figures.note,
    )


def empty_row(benchmark: Benchmark, reason: str) -> Row:
    """The row of something that could not be measured."""
    return Row(benchmark.name, None, None, None, benchmark.goal, benchmark.better, benchmark.unit, None, reason)


def run_all(benchmarks: Iterable[Benchmark], say: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """Run one after the other; rows in order, and the reports that some of them make."""
    rows: list[Row] = []
    reports: list[str] = []
    for benchmark in benchmarks:
        begun = time.monotonic()
        try:
            figures = benchmark.run()
        except Skipped as reason:
            rows.append(empty_row(benchmark, f"skipped: {reason}"))
        except Exception as problem:  # outermost loop: one row that cannot be measured costs no other its figure
            say("".join(traceback.format_exception(problem)))
            rows.append(empty_row(benchmark, f"{FAILED}: {type(problem).__name__}: {problem}"))
        else:
            rows.append(row_of(benchmark, figures))
            if figures.report:
                reports.append(figures.report)
        say(f"{benchmark.name}: {time.monotonic() - begun:.0f} s")
    return rows, reports


def write_results(rows: Sequence[Row], path: Path) -> None:
    """Write rows as JSON, one object per row, in the agreed form: without their notes, which are for a person."""
    told = [{name: value for name, value in asdict(row).items() if name != "note"} for row in rows]
    path.write_text(json.dumps(told, indent=2) + "\n")


def table(rows: Sequence[Row]) -> str:
    """Rows for a person."""
    heads = ("name", "ours", "reference", "ratio", "goal", "unit", "met")
    lines = [heads, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    text = [
        "  ".join(
            cell.ljust(width) if column in (0, 5) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    text.insert(1, "-" * max(map(len, text)))
    text += [f"{row.name}: {row.note}" for row in rows if row.note]
    return "\n".join(text)


def _cells(row: Row) -> tuple[str, ...]:
    goal = "" if row.goal is None else ("<= " if row.better == "lower" else ">= ") + f"{row.goal:g}"
    met = {True: "yes", False: "NO", None: ""}[row.met]
    return (row.name, _figure(row.ours), _figure(row.reference), _figure(row.ratio), goal, row.unit, met)


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _rounded(value: float | None) -> float | None:
    """Four digits: the machine gives no more."""
    if value is None or value == 0 or not math.isfinite(value):
        return None if value is not None and not math.isfinite(value) else value
    return round(value, 3 - math.floor(math.log10(abs(value))))
