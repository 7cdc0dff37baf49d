"""The lints find what they are for: a violation planted in a copy fails them."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


purity = load("purity")


def test_the_source_is_pure_where_it_must_be() -> None:
    assert purity.main() == 0
    assert len(purity.modules(purity.ROOT)) > 40


def test_every_place_that_must_be_pure_exists() -> None:
    assert [place for place in purity.PURE if not (purity.ROOT / place).exists()] == []


@pytest.mark.parametrize(
    "line",
    [
        "import asyncio",
        "import time as t",
        "from os import urandom",
        "import os.path",
        "from random import Random",
        "import secrets",
        "import socket, struct",
        "from ssl import SSLContext",
        "import structlog",
        "from logging import getLogger",
        "from sqlalchemy import select",
        "def f():\n    import time",
        "import datetime\nx = datetime.datetime.now()",
        "from datetime import date\nx = date.today()",
        "print('x')",
        "open('x')",
    ],
)
@pytest.mark.parametrize("folder", ["codec", "secure", "profile", "sm_sr/procedures", "sm_dp/procedures"])
def test_a_violation_is_found(tmp_path: Path, folder: str, line: str) -> None:
    clean = "from datetime import UTC, datetime\nimport struct\nx = datetime(2020, 1, 1, tzinfo=UTC)\n"
    for pure in purity.PURE:
        path = tmp_path / pure
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            path.mkdir(parents=True, exist_ok=True)
    (tmp_path / folder / "x.py").write_text(clean)
    assert purity.main(tmp_path) == 0
    (tmp_path / folder / "x.py").write_text(line + "\n")
    assert purity.main(tmp_path) == 1


# -- layers -------------------------------------------------------------------------------------------------------


def lint_imports(source: Path, config: Path) -> subprocess.CompletedProcess[str]:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from importlinter.cli import lint_imports; "
        "sys.exit(lint_imports(config_filename=sys.argv[2], no_cache=True))"
    )
    return subprocess.run(
        [sys.executable, "-c", program, str(source), str(config)],
        capture_output=True, text=True, timeout=120, check=False, cwd=source,
    )  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, to plant violations in."""
    root = tmp_path_factory.mktemp("layers")
    shutil.copytree(REPOSITORY / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", root)
    return root


def test_the_layers_hold_and_every_role_is_in_them(copy: Path) -> None:
    ran = lint_imports(copy / "src", copy / "pyproject.toml")
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"[1-9]\d* kept, 0 broken", ran.stdout)


FORBIDDEN = (
    ("ferryman.codec.tlv", "ferryman.contracts.message"),
    ("ferryman.contracts.codes", "ferryman.platform.clock"),
    ("ferryman.platform.clock", "ferryman.sm_sr.records"),
    ("ferryman.sm_dp.records", "ferryman.sm_sr.records"),
    ("ferryman.transport_sms.settings", "ferryman.crypto_server.schema"),
    ("ferryman.sm_sr.records", "ferryman.cli.settings"),
    ("ferryman.sm_sr.records", "ferryman.secure.kdf"),
    ("ferryman.profile.opc", "ferryman.contracts.codes"),
    ("ferryman.sm_sr.policy", "ferryman.platform.store"),
    ("ferryman.codec.apdu", "ferryman_sim.card.tlv"),
    ("ferryman_sim.card.tlv", "ferryman.codec.tlv"),
    ("ferryman_sim.card.tlv", "ferryman.errors"),
)


def test_every_forbidden_import_is_found(copy: Path) -> None:
    for module, imported in FORBIDDEN:
        path = copy / "src" / (module.replace(".", "/") + ".py")
        path.write_text(path.read_text() + f"\nimport {imported}\n")
    ran = lint_imports(copy / "src", copy / "pyproject.toml")
    assert ran.returncode == 1, ran.stdout
    said = " ".join(ran.stdout.split())
    assert [(module, imported) for module, imported in FORBIDDEN if f"{module} -> {imported} (" not in said] == []
