"""`make bench`: run the rows (ONLY=name for one), print them, write `bench/results.json`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TextIO

from bench.frame import FAILED, run_all, table, write_results
from bench.registry import BENCHMARKS

RESULTS = Path(__file__).resolve().parent / "results.json"


def main() -> int:
    """0, or 1 when a goal was missed or a row failed, or 2 for a name that is no row."""
    wanted = [name for name in os.environ.get("ONLY", "").replace(",", " ").split() if name]
    known = {benchmark.name: benchmark for benchmark in BENCHMARKS}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.stderr.write(f"no such row: {', '.join(unknown)}; there are: {', '.join(known)}\n")
        return 2
    chosen = [known[name] for name in wanted] or list(BENCHMARKS)
    rows, reports = run_all(chosen, lambda line: _say(line, sys.stderr))
    write_results(rows, RESULTS)
    for text in (table(rows), *reports):
        _say(f"{text}\n", sys.stdout)
    return 1 if any(row.met is False or row.note.startswith(FAILED) for row in rows) else 0


def _say(line: str, out: TextIO) -> None:
    out.write(line + "\n")
    out.flush()


if __name__ == "__main__":
    sys.exit(main())
