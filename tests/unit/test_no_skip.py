"""A skip makes a run fail where CI or FERRYMAN_NO_SKIP is set, unless its reason is on the list."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

MODULES = {
    "body": "import pytest\ndef test_a():\n    pytest.skip('no such program')\ndef test_b():\n    pass\n",
    "mark": "import pytest\n@pytest.mark.skipif(True, reason='no such program')\ndef test_a():\n    pass\n",
    "module": "import pytest\npytest.skip('no such program', allow_module_level=True)\n",
    "fixture": "import pytest\n@pytest.fixture\ndef f():\n    pytest.skip('no such program')\n"
    "def test_a(f):\n    pass\n",
    "allowed": "import pytest\ndef test_a():\n    pytest.skip('soak only: hours')\ndef test_b():\n    pass\n",
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
        timeout=60,
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
