"""docs/conformance.md is true: its tests exist, no function is missing, each pair has its row.

That they run, and that the pairs come, is seen while they run (`tests/conformance_page.py`).
"""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

from codes_of_functions import PAIRS
from conformance_page import CODES as CODES_HEADING
from conformance_page import section
from ferryman.contracts import codes, es1, es2, es3, es4, es7

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
STATES = ("done", "partial", "absent")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


FUNCTIONS, PROCEDURES, CODES = section("Functions"), section("Procedures and rules"), section(CODES_HEADING)
NAMED = sorted(set(TEST.findall(PAGE)))


@functools.cache
def names_in(file: str) -> set[str]:
    """Names of the test functions of a file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_named_test_exists(file: str, name: str) -> None:
    assert (ROOT / file).is_file(), f"{file} is named and not there"
    assert name in names_in(file), f"{name} is named and not in {file}"


@pytest.mark.parametrize("row", FUNCTIONS + PROCEDURES, ids=lambda row: f"{row[0]} {row[1]}"[:60])
def test_a_row_says_what_it_must(row: list[str]) -> None:
    assert len(row) == 5, row
    clause, what, state, tests, remark = row
    assert clause
    assert what
    assert state in STATES
    if state != "absent":
        assert TEST.search(tests), f"{what} is {state} without a test"
    if state != "done":
        assert remark, f"{what} is {state}; what is missing?"


def names_of_messages() -> list[str]:
    kinds = [
        *(*es1.REQUESTS, *es2.REQUESTS, *es3.REQUESTS, *es4.REQUESTS, *es7.REQUESTS),
        *(*es2.NOTIFICATIONS, *es3.NOTIFICATIONS, *es4.NOTIFICATIONS, *es7.NOTIFICATIONS),
    ]
    return [f"{kind.__name__[:3]}.{kind.__name__[3:]}" for kind in kinds]


@pytest.mark.parametrize("name", names_of_messages())
def test_a_message_of_the_contracts_has_its_row(name: str) -> None:
    named = {one for row in FUNCTIONS for one in row[1].split(", ")}
    assert name in named


@pytest.mark.parametrize("row", CODES, ids=lambda row: f"{row[0]} {row[1]}")
def test_a_pair_is_one_of_the_code(row: list[str]) -> None:
    function, pair, _ = row
    assert function in {one for named in FUNCTIONS for one in named[1].split(", ")}
    assert pair in {"/".join(value) for value in vars(codes).values() if isinstance(value, tuple)}


def test_each_pair_has_its_row() -> None:
    assert [(row[0], row[1]) for row in CODES] == [(name, pair) for name, pairs in PAIRS.items() for pair in pairs]


def test_the_page_is_not_empty() -> None:
    assert len(FUNCTIONS) > 30
    assert len(PROCEDURES) > 50
    assert len(CODES) > 100
