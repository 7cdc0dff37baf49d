"""docs/conformance.md is true: its tests exist and run, no function is missing, a pair has its test."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

from ferryman.contracts import codes, es1, es2, es3, es4, es7

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
STATES = ("done", "partial", "absent")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
PAIR = re.compile(r"\d(?:\.\d)*/\d(?:\.\d)?")


def section(title: str) -> list[list[str]]:
    """Rows of the table below a heading, cell by cell."""
    text = PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows[1:]]


FUNCTIONS, PROCEDURES, CODES = section("Functions"), section("Procedures and rules"), section("Codes of the SM-SR")
NAMED = sorted(set(TEST.findall(PAGE)))


@functools.cache
def sources_in(file: str) -> dict[str, str]:
    """Source of each test function of a file, decorators included."""
    source = (ROOT / file).read_text(encoding="utf-8")
    tree = ast.parse(source)
    lines = source.splitlines()
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found[node.name] = "\n".join(lines[first - 1 : node.end_lineno])
    return found


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_named_test_exists_and_is_not_skipped(file: str, name: str) -> None:
    assert (ROOT / file).is_file(), f"{file} is named and not there"
    found = sources_in(file).get(name)
    assert found is not None, f"{name} is named and not in {file}"
    for word in ("mark.skip", "mark.xfail", "pytest.skip(", "importorskip"):
        assert word not in found, f"{name} may be skipped"
    head = (ROOT / file).read_text(encoding="utf-8")
    assert not re.search(r"^pytestmark\b.*(skip|xfail)", head, re.MULTILINE), f"{file} may be skipped"


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
def test_the_test_of_a_pair_holds_the_pair(row: list[str]) -> None:
    function, pair, test = row
    assert function in {one for named in FUNCTIONS for one in named[1].split(", ")}
    assert PAIR.fullmatch(pair)
    assert pair in {"/".join(value) for value in vars(codes).values() if isinstance(value, tuple)}
    ((file, name),) = TEST.findall(test)
    assert f'"{pair}"' in sources_in(file)[name], f"{name} does not mention {pair}"


def test_the_page_is_not_empty() -> None:
    assert len(FUNCTIONS) > 30
    assert len(PROCEDURES) > 50
    assert len(CODES) > 60
    assert len(set(map(tuple, (row[:2] for row in CODES)))) == len(CODES), "each pair once"
