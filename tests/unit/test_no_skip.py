"""A skip makes a run fail where CI or FERRYMAN_NO_SKIP is set, unless its reason is on the list.

Of a test that docs/conformance.md names it makes any run fail, whatever its reason and however it comes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from codes_of_functions import ANSWERS, PROPERTY, yields
from conformance_page import CODES, Shown
from ferryman.contracts import admin, crypto, es3, es4
from ferryman.contracts.message import Header, encode, encode_body
from ferryman.contracts.status import failed

TESTS = Path(__file__).resolve().parents[1]

MODULES = {
    "body": "import pytest\ndef test_a():\n    pytest.skip('no such program')\ndef test_b():\n    pass\n",
    "mark": "import pytest\n@pytest.mark.skipif(True, reason='no such program')\ndef test_a():\n    pass\n",
    "module": "import pytest\npytest.skip('no such program', allow_module_level=True)\n",
    "fixture": "import pytest\n@pytest.fixture\ndef f():\n    pytest.skip('no such program')\n"
    "def test_a(f):\n    pass\n",
    "allowed": "import pytest\ndef test_a():\n    pytest.skip('soak only: hours')\ndef test_b():\n    pass\n",
    "alias": "import pytest\nlong_run = pytest.mark.skip(reason='soak only: hours')\n@long_run\n"
    "def test_named():\n    pass\ndef test_b():\n    pass\n",
    "none": "def test_b():\n    pass\n",
}


def run_pytest(
    tmp_path: Path, module: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    (tmp_path / "test_x.py").write_text(MODULES[module])
    inherited = {name: value for name, value in os.environ.items() if name not in ("CI", "FERRYMAN_NO_SKIP")}
    inherited.pop("PYTEST_XDIST_WORKER", None)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-qp", "no:cacheprovider", *arguments, "-c", os.devnull, str(tmp_path)],
        env={**inherited, "PYTHONPATH": str(TESTS), **environment},
        capture_output=True,
        text=True,
        timeout=110,  # s; of a test that may have 120
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize("module", ["body", "mark", "module", "fixture"])
def test_a_skip_fails_the_run_in_ci(tmp_path: Path, module: str) -> None:
    ran = run_pytest(tmp_path, module, CI="true")
    assert ran.returncode != 0, ran.stdout
    assert "no such program" in ran.stdout
    assert "not allowed here" in ran.stdout


def test_it_does_so_with_workers_and_with_the_other_variable(tmp_path: Path) -> None:
    ran = run_pytest(tmp_path, "body", "-n", "2", FERRYMAN_NO_SKIP="1")
    assert ran.returncode == 1, ran.stdout
    assert "not allowed here" in ran.stdout


@pytest.mark.parametrize("module", ["allowed", "none"])
def test_allowed_skips_and_clean_runs_pass(tmp_path: Path, module: str) -> None:
    assert run_pytest(tmp_path, module, CI="true").returncode == 0


def test_elsewhere_a_skip_is_a_skip(tmp_path: Path) -> None:
    ran = run_pytest(tmp_path, "body")
    assert ran.returncode == 0
    assert "1 passed, 1 skipped" in ran.stdout


def test_a_named_test_is_never_skipped(tmp_path: Path) -> None:
    """A mark under another name, a reason that is allowed elsewhere, two workers, no CI."""
    page = tmp_path / "page.md"
    page.write_text("| 5.1 | F | done | `test_x.py::test_named` | |\n")
    ran = run_pytest(tmp_path, "alias", "-n", "2", FERRYMAN_CONFORMANCE_PAGE=str(page))
    assert ran.returncode == 1, ran.stdout
    assert "test_x.py::test_named" in ran.stdout.split("that were skipped")[1]


def phase(name: str, when: str = "call", outcome: str = "passed", **extra: Any) -> Any:
    flags = {one: one == outcome for one in ("passed", "skipped", "failed")}
    return SimpleNamespace(nodeid=f"a/test_x.py::{name}", when=when, user_properties=[], **flags, **extra)


PAGE = "## Functions\n\n| f | `a/test_x.py::test_one`, `a/test_x.py::test_two` |\n"


@pytest.mark.parametrize(
    "report",
    [
        phase("test_one[x]", "setup", "skipped"),
        phase("test_one", "call", "skipped"),
        phase("test_one", "call", "skipped", wasxfail="why"),
        phase("test_one", "call", "passed", wasxfail="why"),
    ],
    ids=["mark or fixture", "body", "expected to fail", "passed although expected to fail"],
)
def test_every_kind_of_skip_of_a_named_test_is_seen(report: Any) -> None:
    shown = Shown(PAGE)
    shown.hear(report)
    assert shown.skipped == [report.nodeid]
    assert "a/test_x.py::test_one is named and did not pass" in shown.lacking()


def test_a_skipped_module_and_what_did_not_run_at_all() -> None:
    shown = Shown(PAGE)
    shown.hear_module(SimpleNamespace(nodeid="a/test_x.py", skipped=True))  # type: ignore[arg-type]
    assert shown.skipped == ["a/test_x.py::test_one", "a/test_x.py::test_two"]
    shown = Shown(PAGE)
    shown.hear(phase("test_one[3]"))
    shown.hear(phase("test_two", "setup"))
    named = [line for line in shown.lacking() if "named" in line]
    assert named == ["a/test_x.py::test_two is named and did not pass"]
    shown.hear(phase("test_other", "call", "skipped"))
    assert shown.skipped == []


def test_a_pair_counts_for_the_test_that_yields_it() -> None:
    page = f"{PAGE}\n## {CODES}\n\n| f | p | t |\n| ES3.GetEIS | 8.1.1/3.9 | `a/test_x.py::test_one` |\n"
    shown = Shown(page)
    came = phase("test_two", "teardown")
    came.user_properties.append((PROPERTY, [["ES3.GetEIS", "8.1.1/3.9"]]))
    shown.hear(came)
    assert "a/test_x.py::test_one does not yield 8.1.1/3.9 of ES3.GetEIS" in shown.lacking()
    came.nodeid = "a/test_x.py::test_one[row]"
    shown.hear(came)
    lacking = shown.lacking()
    assert not [line for line in lacking if "ES3.GetEIS" in line]
    assert "no test yields 8.1.1/3.9 of ES4.GetEIS" in lacking


@yields("ES4.GetEIS", "8.6/1.2")
def test_what_passes_between_roles_is_noted() -> None:
    """In a response, or in the view of a call that a person asked for; other messages have other statuses."""
    header = Header(message_id="m", sender="s", requester="r", function_call_id="c", deadline=1.0)
    refused = es4.ES4GetEISResponse(status=failed("8.6", "1.2", "no"))
    ANSWERS.note(encode(header, refused))
    assert ANSWERS.seen == {("ES4.GetEIS", "8.6/1.2")}
    other = es3.ES3DeleteISDPResponse(status=failed("8.4", "4.2", "no"))
    ANSWERS.note(encode(header, admin.CallView(function_call_id="c", function="f", deadline=1.0, answer=b"")))
    seen = admin.CallView(function_call_id="c", function="f", deadline=1.0, answer=encode_body(other))
    ANSWERS.note(encode(header, seen))
    ANSWERS.note(encode(header, crypto.SCP80Response(tar=b"", counter=1, status=0, data=b"")))
    assert ("ES3.DeleteISDP", "8.4/4.2") in ANSWERS.seen
    assert len(ANSWERS.seen) == 2


def test_a_pair_that_no_function_has_cannot_be_named() -> None:
    with pytest.raises(ValueError, match="has no pair"):
        yields("ES3.GetEIS", "8.6/1.2")
