"""The documents name only what exists, and nothing of the machine they were written on."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DIVERGENCES = ROOT / "docs" / "divergences.md"
README = ROOT / "README.md"

PLACE = re.compile(r"`(ferryman(?:_sim)?/[\w/]+\.py):(\w+)`")
TEST_FILE = re.compile(r"`(tests/[\w/]+\.py)`")
NO_TEST = "no test of its own yet"
SOURCE_FILE = re.compile(r"`((?:src|tools)/[\w./]+)`")
METRIC = re.compile(r"`(ferryman_[a-z_]+)`")
LINK = re.compile(r"\]\(([^)#:]+)\)")
# Directories that only exist on one machine; /dev, /proc and the like are the same everywhere.
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:work|home|root|tmp|Users|srv|mnt|var|opt|usr)/")
REGISTRY = re.compile(
    r"pypi\.org|pythonhosted|npmjs|registry\.|proxy\.golang|crates\.io|\bdeb\.debian|index-url|artifactory", re.I
)


def test_there_are_documents() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in DOCUMENTS}
    assert {"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"} <= names
    assert {"docs/glossary.md", "docs/divergences.md", "docs/procedures/profile-download.md"} <= names


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_no_machine_path_and_no_registry(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not MACHINE_PATH.findall(text)
    assert not REGISTRY.findall(text)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(path: Path) -> None:
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_named_files_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name in [*TEST_FILE.findall(text), *SOURCE_FILE.findall(text)]:
        assert (ROOT / name).exists(), name


def test_readme_names_tests_for_what_is_done() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    done = [line for line in lines if "| done |" in line]
    assert len(done) >= 20
    for row in done:
        assert TEST_FILE.search(row), row
    for row in (line for line in lines if "| partial |" in line):
        assert TEST_FILE.search(row) or NO_TEST in row, row


@pytest.mark.parametrize("place", PLACE.findall(DIVERGENCES.read_text(encoding="utf-8")), ids=":".join)
def test_place_of_a_divergence_exists(place: tuple[str, str]) -> None:
    file, name = place
    source = ROOT / "src" / file
    assert source.is_file(), file
    assert name in names_in(source), f"{name} is not defined in {file}"


def test_every_open_choice_has_a_place_or_is_not_built() -> None:
    rows = [
        line
        for line in DIVERGENCES.read_text(encoding="utf-8").splitlines()
        if re.match(r"\| \d+\.\d+b? \|", line)
    ]
    assert len(rows) > 100
    for row in rows:
        assert PLACE.search(row) or "not built" in row, row


def test_metrics_that_documents_name_exist() -> None:
    named = {name for path in DOCUMENTS for name in METRIC.findall(path.read_text(encoding="utf-8"))}
    assert len(named) >= 8
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src" / "ferryman").rglob("*.py"))
    assert {name for name in named if f'"{name}"' not in code} == set()


@cache
def names_in(source: Path) -> frozenset[str]:
    """Everything that a file defines: functions, classes, constants, fields, and keys of its tables."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.Dict(keys=keys):
                found.update(
                    key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)
                )
    return frozenset(found)
