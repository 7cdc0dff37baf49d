"""docs/conformance.md beside what a run of the tests showed: which named test ran, and which pair of codes came.

A test that the page names and that was skipped fails the run that skipped it, whatever skipped it: a mark of any
name, a fixture, its own body, its whole module. A whole run fails as well when a named test did not pass at all,
when a pair of the table in `codes_of_functions.py` was answered in no test, or not in the one that the page names.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path

import pytest

from codes_of_functions import PAIRS, PROPERTY

ROOT = Path(__file__).resolve().parents[1]
# Another page than our own: for tests of this module, which run pytest on tests of their own.
FILE = Path(os.environ.get("FERRYMAN_CONFORMANCE_PAGE") or ROOT / "docs" / "conformance.md")
OURS = FILE.parent == ROOT / "docs"
TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
CODES = "Codes of the functions"


def section(title: str, page: str | None = None) -> list[list[str]]:
    """Rows of the table below a heading, cell by cell."""
    text = (FILE.read_text(encoding="utf-8") if page is None else page).split(f"\n## {title}\n", 1)[1]
    rows = [
        line.strip("|").split(" | ") for line in text.split("\n## ", 1)[0].splitlines() if line.startswith("| ")
    ]
    return [[cell.strip() for cell in row] for row in rows[1:]]


class Shown:
    """What a run has shown of the tests that the page names."""

    def __init__(self, page: str) -> None:
        self.named = {f"{file}::{name}" for file, name in TEST.findall(page)}
        self.rows = [row for row in section(CODES, page) if TEST.search(row[-1])] if CODES in page else []
        self.passed: set[str] = set()
        self.skipped: list[str] = []
        self.yielded: defaultdict[tuple[str, str], set[str]] = defaultdict(set)

    def hear(self, report: pytest.TestReport) -> None:
        """One phase of one test."""
        test = report.nodeid.partition("[")[0]
        if test in self.named:
            if report.skipped or hasattr(report, "wasxfail"):
                self.skipped.append(report.nodeid)
            elif report.when == "call" and report.passed:
                self.passed.add(test)
        if report.when == "teardown" and report.passed:
            for name, value in report.user_properties:
                for function, pair in value if name == PROPERTY else ():  # type: ignore[attr-defined]
                    self.yielded[function, pair].add(test)

    def hear_module(self, report: pytest.CollectReport) -> None:
        """A module that was not collected."""
        if report.skipped:
            self.skipped.extend(sorted(one for one in self.named if one.startswith(f"{report.nodeid}::")))

    def lacking(self) -> list[str]:
        """What a whole run should have shown and has not."""
        found = [f"{test} is named and did not pass" for test in sorted(self.named - self.passed)]
        if not OURS:
            return found
        found += [
            f"no test yields {pair} of {function}"
            for function, pairs in PAIRS.items()
            for pair in pairs
            if not self.yielded[function, pair]
        ]
        for function, pair, cell in self.rows:
            tests = {f"{file}::{name}" for file, name in TEST.findall(cell)}
            found += [
                f"{test} does not yield {pair} of {function}" for test in tests - self.yielded[function, pair]
            ]
        return found


SHOWN = Shown(FILE.read_text(encoding="utf-8"))
