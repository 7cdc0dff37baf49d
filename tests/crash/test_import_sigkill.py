"""`ferryman subscription import` is killed with SIGKILL again and again; at the end every row is there, once.

The command runs as a process of its own on a data directory that nobody else uses. The kills come when the
databases have a sampled number of rows.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli_run import ferryman
from ferryman.profile.demo_template import demo_template
from rig import subscriptions

ROWS = 100_000 if os.environ.get("FERRYMAN_SOAK") else 12_000
KILLS = 20 if os.environ.get("FERRYMAN_SOAK") else 4
ATTEMPTS = 5  # imports from the beginning, until a kill has hit one
PATIENCE = 120.0  # s for one run of the command

pytestmark = pytest.mark.timeout(600)


def rows_of(data: Path, role: str, table: str) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{data / role}.db?mode=ro", uri=True)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def stored(data: Path) -> tuple[int, int]:
    """Rows of both roles."""
    return rows_of(data, "crypto-server", "subscription_secret"), rows_of(data, "sm-dp", "subscription")


def killed(words: list[str], data: Path, rng: random.Random) -> int:
    """Kill the command some times; how often it had begun and was not done."""
    within = 0
    for target in sorted(rng.randrange(ROWS) for _ in range(KILLS)):
        process = subprocess.Popen(
            [sys.executable, "-m", "ferryman.cli.main", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + PATIENCE
        while process.poll() is None and stored(data)[rng.randrange(2)] <= target and time.monotonic() < end:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        secrets, public = stored(data)
        within += 0 < public < ROWS
        assert secrets >= public, "what can be ordered can be personalised"
    return within


def test_killed_anywhere_and_begun_again(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    file, package = tmp_path / "operator.csv", tmp_path / "t.der"
    file.write_text(subscriptions(ROWS, "sigkill"))
    package.write_bytes(demo_template())
    for attempt in range(ATTEMPTS):
        data = tmp_path / f"data{attempt}"
        assert ferryman("template", "import", package, "--name", "demo", "--data", data).code == 0
        words = ["subscription", "import", str(file), "--profile-type", "demo", "--data", str(data)]
        if killed(words, data, rng):
            break  # on a busy machine whoever looks for the moment may be asleep while it passes
    else:
        raise AssertionError("no kill hit the import")
    said = ferryman(*words, "--json")
    assert said.code == 0, said.err
    assert said.json["new"] + said.json["known"] == ROWS
    assert stored(data) == (ROWS, ROWS)
    again = ferryman(*words, "--json")
    assert again.json["new"] == 0
    assert stored(data) == (ROWS, ROWS)
    with contextlib.closing(sqlite3.connect(data / "sm-dp.db")) as connection:
        expected = [line.split(",")[0] for line in file.read_text().splitlines()[1:]]
        found = [row[0] for row in connection.execute("SELECT iccid FROM subscription ORDER BY iccid")]
        assert found == expected
        assert connection.execute("SELECT state, rows, free FROM subscription_batch").fetchall() == [
            ("finished", ROWS, ROWS)
        ]
