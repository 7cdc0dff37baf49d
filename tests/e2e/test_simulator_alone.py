"""The simulator works with `ferryman` uninstalled: it runs from a copy where the server cannot be imported."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ferryman_sim

# A finder that refuses the server's package, whatever is installed on the machine.
GUARD = """
import sys


class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name == "ferryman" or name.startswith("ferryman."):
            raise ModuleNotFoundError(f"{name} is not installed here")
        return None


sys.meta_path.insert(0, Refuse())
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the simulator alone."""
    folder = tmp_path_factory.mktemp("alone")
    shutil.copytree(Path(ferryman_sim.__file__).parent, folder / "ferryman_sim")
    (folder / "guarded.py").write_text(
        GUARD + "import runpy\nrunpy.run_module('ferryman_sim', run_name='__main__')\n"
    )
    return folder


def simulate(alone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", str(alone / "guarded.py"), *arguments],
        capture_output=True, text=True, timeout=60, check=False,
        env={"PYTHONPATH": str(alone), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


def test_the_guard_refuses_the_server(alone: Path) -> None:
    script = GUARD + "import ferryman\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "is not installed here" in done.stderr


def test_cards_are_made(alone: Path, tmp_path: Path) -> None:
    done = simulate(
        alone,
        "card-maker",
        "make",
        "--out",
        str(tmp_path),
        "--count",
        "1",
        "--seed",
        "a",
        "--smsr-address",
        "+336",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cards"] == 1
    assert len(list((tmp_path / "cards").glob("*.json"))) == 1


def test_hlr_smsc_and_euicc_run_and_the_card_attaches(alone: Path, tmp_path: Path) -> None:
    made = simulate(
        alone,
        "card-maker",
        "make",
        "--out",
        str(tmp_path),
        "--count",
        "1",
        "--seed",
        "a",
        "--smsr-address",
        "+336",
    )
    assert made.returncode == 0, made.stderr
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> dict[str, object]:
        process = subprocess.Popen(
            [sys.executable, "-P", str(alone / "guarded.py"), *arguments],
            stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(alone), "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        running.append(process)
        assert process.stdout is not None
        facts: dict[str, object] = json.loads(process.stdout.readline())
        return facts

    try:
        hlr = start("hlr", "--csv", str(tmp_path / "subscriptions.csv"))
        smsc = start("smsc", "--hlr", f"127.0.0.1:{hlr['port']}", "--account", "id:pw")
        euicc = start(
            "euicc",
            "--cards",
            str(tmp_path / "cards"),
            "--smsc",
            f"127.0.0.1:{smsc['radio_port']}",
            "--boot",
            "0.01",
        )
        assert _attached(int(str(euicc["control_port"])))
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(20)
            if process.stdout is not None:
                process.stdout.close()


def _attached(port: int) -> bool:
    import socket
    import time

    end = time.monotonic() + 30.0
    with socket.create_connection(("127.0.0.1", port), 5.0) as link:
        stream = link.makefile("rw")
        while time.monotonic() < end:
            stream.write('{"op": "status"}\n')
            stream.flush()
            cards = json.loads(stream.readline())["cards"]
            if all(card["authenticated"] for card in cards.values()):
                return True
            time.sleep(0.05)
    return False
