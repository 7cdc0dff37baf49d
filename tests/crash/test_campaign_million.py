"""A campaign over very many eUICCs takes no more memory than one over few: measured in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import million_cards

SLACK = 12.0  # MiB: what the allocator and SQLite's caches of fixed size take until they are full
FEW, MORE = 500, 5_000
SIZES = (10_000, 100_000, 1_000_000)
HOURS = 2 * 3600.0  # s for a million, on a machine that others use


def measured(folder: Path, count: int) -> dict[str, Any]:
    """Figures of one campaign."""
    command = [sys.executable, million_cards.__file__, str(folder / f"{count}.db"), str(count)]
    done = subprocess.run(command, check=True, capture_output=True, timeout=HOURS)
    for path in folder.glob(f"{count}.db*"):
        path.unlink()
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(figures)
    # Everything was carried out: each card that came by was given its entry, the rest was cancelled.
    assert figures["counts"] == [count - figures["sent"], figures["sent"]]
    assert figures["sent"] == million_cards.VISITS
    return figures


def test_a_larger_campaign_takes_no_more_memory(tmp_path: Path) -> None:
    few, more = measured(tmp_path, FEW), measured(tmp_path, MORE)
    assert more["peak"] - few["peak"] < SLACK


@pytest.mark.skipif(not os.environ.get("FERRYMAN_SOAK"), reason="soak only")
def test_a_million(tmp_path: Path) -> None:
    small, middle, large = (measured(tmp_path, count) for count in SIZES)
    assert max(middle["peak"], large["peak"]) - small["peak"] < SLACK
    # Neither a visit nor a look of the clock sees how many wait.
    assert large["visits paused"] < 20 * small["visits paused"] + 0.001
    assert large["sweep"] < 20 * small["sweep"] + 0.01
