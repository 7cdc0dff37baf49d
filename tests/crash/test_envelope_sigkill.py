"""An import in an OpenPGP envelope is killed with SIGKILL: handed over, at its first rows, in the middle.

As in `test_import_sigkill`, the command is a process of its own; what an envelope held is gone with the end.
"""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli_run import ferryman
from crash.test_import_sigkill import PATIENCE, rows_of, stored
from ferryman.profile.demo_template import demo_template
from openpgp_keys import envelope, our_key
from rig import subscriptions

ROWS = 4_000

pytestmark = pytest.mark.timeout(600)


def test_killed_anywhere_and_begun_again(tmp_path: Path) -> None:
    data, file, package, key = (tmp_path / name for name in ("data", "operator.csv.gpg", "t.der", "key"))
    content = subscriptions(ROWS, "envelope")
    file.write_bytes(envelope(content.encode(), compression="uncompressed"))
    package.write_bytes(demo_template())
    key.write_bytes(our_key())
    assert ferryman("template", "import", package, "--name", "demo", "--data", data).code == 0
    assert ferryman("key", "import-openpgp", key, "--data", data).code == 0
    words = ["subscription", "import", str(file), "--profile-type", "demo", "--openpgp", "--data", str(data)]

    def envelopes() -> int:
        return rows_of(data, "crypto-server", "envelope_piece")

    # Parts of the envelope; then what was in it, which replaces them; then its rows, in either role.
    moments: list[tuple[str, Callable[[], bool]]] = [
        ("handed over", lambda: envelopes() > 0),
        ("its first rows", lambda: stored(data)[0] > 0),
        ("the middle", lambda: stored(data)[1] > ROWS // 2),
    ]
    hit: list[str] = []
    for name, come in moments:
        process = subprocess.Popen(
            [sys.executable, "-m", "ferryman.cli.main", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + PATIENCE
        while process.poll() is None and not come() and time.monotonic() < end:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        if process.wait() == -signal.SIGKILL:
            hit.append(name)
        secrets, public = stored(data)
        assert secrets >= public, "what can be ordered can be personalised"
    assert len(hit) >= 2, f"only {hit} was hit"
    said = ferryman(*words, "--json")
    assert said.code == 0, said.err
    assert said.json["new"] + said.json["known"] == ROWS
    assert stored(data) == (ROWS, ROWS)
    assert (rows_of(data, "crypto-server", "envelope"), envelopes()) == (0, 0), "what was in it is gone"
    again = ferryman(*words, "--json")
    assert (again.code, again.json["new"]) == (0, 0)
    assert stored(data) == (ROWS, ROWS)
    with contextlib.closing(sqlite3.connect(data / "sm-dp.db")) as connection:
        found = [row[0] for row in connection.execute("SELECT iccid FROM subscription ORDER BY iccid")]
    assert found == sorted(line.split(",")[0] for line in content.splitlines()[1:])
