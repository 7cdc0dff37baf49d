"""The frame of `make bench`: form of rows, equal results before timing, skips; nothing is timed here."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bench import __main__ as bench_main  # noqa: E402
from bench.frame import (  # noqa: E402
    Benchmark,
    Figures,
    Skipped,
    Unequal,
    paired,
    row_of,
    run_all,
    same,
    table,
    write_results,
)
from bench.registry import BENCHMARKS  # noqa: E402
from bench.rows import ota  # noqa: E402

from ferryman.secure.card_key import CardKey  # noqa: E402

FIELDS = ["name", "ours", "reference", "ratio", "goal", "better", "unit", "met"]


def mark(goal: float | None = 1.0, better: str = "higher", figures: Figures | None = None) -> Benchmark:
    return Benchmark("row", "things/s", goal, lambda: figures or Figures(20.0, 10.0, 2.0), better)  # type: ignore[arg-type]


def test_a_row_has_the_agreed_fields(tmp_path: Path) -> None:
    rows, reports = run_all([mark(), mark(None, figures=Figures(5.0, report="table"))], lambda line: None)
    write_results(rows, tmp_path / "results.json")
    written = json.loads((tmp_path / "results.json").read_text())
    assert [list(row) for row in written] == [FIELDS, FIELDS]
    assert [row["met"] for row in written] == [True, None]
    assert reports == ["table"]
    assert "things/s" in table(rows)


@pytest.mark.parametrize(
    ("goal", "better", "ratio", "met"),
    [
        (0.8, "higher", 0.8, True),
        (0.8, "higher", 0.79, False),
        (0.1, "lower", 0.1, True),
        (0.1, "lower", 0.11, False),
        (None, "higher", 2.0, None),
        (0.8, "higher", None, None),
    ],
)
def test_a_goal_is_met_on_the_right_side(goal: float | None, better: str, ratio: float | None, met: bool) -> None:
    assert row_of(mark(goal, better), Figures(1.0, 1.0, ratio)).met is met


def test_what_cannot_run_leaves_its_reason() -> None:
    def absent() -> Figures:
        raise Skipped("no such program")

    rows, _ = run_all([Benchmark("row", "x", 1.0, absent)], lambda line: None)
    assert (rows[0].ours, rows[0].met, rows[0].note) == (None, None, "skipped: no such program")


def test_a_row_that_fails_costs_no_other_its_figure_and_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Figures:
        raise Unequal("other bytes")

    said: list[str] = []
    rows, _ = run_all([Benchmark("broken", "things/s", 1.0, broken), mark()], said.append)
    assert [row.ours for row in rows] == [None, 20.0]
    assert rows[0].met is None
    assert rows[0].note == "failed: Unequal: other bytes"
    assert "broken" in "".join(said)

    monkeypatch.setattr(bench_main, "RESULTS", tmp_path / "results.json")
    for benchmarks, code in (([mark()], 0), ([mark(3.0)], 1), ([mark(), Benchmark("b", "x", None, broken)], 1)):
        monkeypatch.setattr(bench_main, "BENCHMARKS", tuple(benchmarks))
        assert bench_main.main() == code


def test_different_results_are_not_compared() -> None:
    with pytest.raises(Unequal, match="packets"):
        same(b"ours", b"theirs", "packets")


def test_rounds_are_paired_and_the_order_changes() -> None:
    order: list[str] = []
    mine, theirs = iter((1.0, 4.0, 9.0)), iter((1.0, 2.0, 3.0))

    def ours() -> float:
        order.append("ours")
        return next(mine)

    def reference() -> float:
        order.append("reference")
        return next(theirs)

    assert paired(ours, reference, rounds=3, warm_up=False) == Figures(4.0, 2.0, 2.0)
    assert order == ["ours", "reference", "reference", "ours", "ours", "reference"]


def test_references_of_the_packet_rows_give_the_same() -> None:
    given = ota.cards(3)
    kept = [(CardKey(kic), CardKey(kid), counter, data) for kic, kid, counter, data in given]
    assert ota.wrap_ours(given) == ota.wrap_ours(kept) == ota.wrap_bare(given)
    answers = ota.responses(given)
    assert ota.fields(ota.unwrap_ours(answers)) == ota.unwrap_bare(answers)


def test_names_of_rows_are_unique() -> None:
    assert len({benchmark.name for benchmark in BENCHMARKS}) == len(BENCHMARKS)
