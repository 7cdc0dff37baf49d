"""Reference data and vectors, read in place: FERRYMAN_SHARED names the folder (default: `shared` beside us)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def shared_root() -> Path:
    """The folder of reference data; it may not exist."""
    named = os.environ.get("FERRYMAN_SHARED")
    return Path(named) if named else REPOSITORY.parent / "shared"


def shared(*parts: str) -> Path:
    """A file or folder of the reference data; skips the test (or module) when it is not there."""
    path = shared_root().joinpath(*parts)
    if not path.exists():
        pytest.skip(f"reference data not present: {'/'.join(parts)}", allow_module_level=True)
    return path


def vectors(name: str) -> list[dict[str, Any]]:
    """The vectors of one file, e.g. `vectors("scp80_sms_command")`."""
    path = shared_root() / "reference" / "vectors" / f"{name}.json"
    if not path.exists():
        return []
    loaded: list[dict[str, Any]] = json.loads(path.read_text())["vectors"]
    return loaded
