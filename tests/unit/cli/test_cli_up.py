"""`ferryman up` as a process of its own, and commands that find it through its control socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli_run import ferryman, one_sentence
from ferryman.cli.control import SOCKET
from ferryman.profile.demo_template import demo_template
from premises import make_batch, subscriptions

SECONDS = 60.0  # s that a process may take on a busy machine


@dataclass
class Running:
    """A platform process."""

    process: subprocess.Popen[str]
    data: Path
    ready: dict[str, str]


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "ferryman.cli.main", *(str(word) for word in words)]


def up(data: Path, *words: object) -> subprocess.Popen[str]:
    """Start `ferryman up` on `data`."""
    line = command("up", "--data", data, "--https", "127.0.0.1:0", *words)
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stop(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """SIGTERM; exit status and what was said since."""
    process.send_signal(signal.SIGTERM)
    try:
        out, err = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out, err


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("up") / "data"
    process = up(data, "--json")
    assert process.stdout is not None
    line = process.stdout.readline()
    yield Running(process, data, json.loads(line)["ready"])
    if process.poll() is None:
        stop(process)


def test_ready_line_has_every_address(running: Running) -> None:
    assert running.ready["control"] == str(running.data / SOCKET)
    host, _, port = running.ready["https"].rpartition(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS):
        pass


def test_only_the_owner_may_call(running: Running) -> None:
    mode = (running.data / SOCKET).stat().st_mode
    assert mode & 0o077 == 0
    assert running.data.stat().st_mode & 0o077 == 0


def test_commands_find_it(running: Running, tmp_path: Path) -> None:
    """The running platform answers: a second process could not open its data."""
    folder = make_batch(tmp_path / "batch", seed="up")
    (folder / "template.der").write_bytes(demo_template())
    (folder / "operator.csv").write_text(subscriptions(1, "up"))
    for words in (
        ("certificate", "trust", folder / "ci.pem"),
        ("key", "import-transport", folder / "transport-key.hex", "--eum", "1.3.6.1.4.1.99999.40"),
        ("euicc", "import", folder / "eis.xml"),
        ("template", "import", folder / "template.der", "--name", "demo"),
        ("subscription", "import", folder / "operator.csv", "--profile-type", "demo"),
    ):
        said = ferryman(*words, "--data", running.data, "--json")
        assert (said.code, said.err) == (0, ""), said
        assert isinstance(said.json, dict)
    (card,) = ferryman("euicc", "list", "--data", running.data, "--json").json["euiccs"]
    again = ferryman(
        "subscription", "import", folder / "operator.csv", "--profile-type", "demo", "--data", running.data
    )
    assert "1 were there before" in again.out
    words = ("order", "create", "--eid", card["eid"], "--profile-type", "none", "--data", running.data)
    refused = ferryman(*words)
    assert (refused.code, refused.out) == (1, "")
    assert "no free subscription" in one_sentence(refused)


def test_a_second_platform_is_refused(running: Running) -> None:
    done = subprocess.run(
        command("up", "--data", running.data, "--https", "127.0.0.1:0"),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "another ferryman process uses this data directory" in done.stderr
    assert "Traceback" not in done.stderr
    assert ferryman("euicc", "list", "--data", running.data).code == 0  # the first one lives


def test_clean_stop_and_start_again(tmp_path: Path) -> None:
    """Text form of the ready line; SIGTERM ends it with 0 and takes the socket away; the data stay."""
    data = tmp_path / "data"
    for _ in range(2):
        process = up(data)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready control=")
        assert "https=127.0.0.1:" in line
        code, out, err = stop(process)
        assert (code, out) == (0, "")
        assert "Traceback" not in err
        assert not (data / SOCKET).exists()


def test_killed_and_started_again(tmp_path: Path) -> None:
    """What a killed process leaves (socket, lock) is in nobody's way."""
    data = tmp_path / "data"
    process = up(data)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("ready")
    process.kill()
    process.communicate(timeout=SECONDS)
    assert (data / SOCKET).exists()
    assert ferryman("euicc", "list", "--data", data).code == 0
    process = up(data)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("ready")
    assert stop(process)[0] == 0


WRONG: dict[str, tuple[str, ...]] = {
    "transport": ("--transport", "pigeon"),
    "address": ("--https", "nowhere"),
    "port": ("--https", "127.0.0.1:70000"),
    "SMSC without an account": ("--smsc", "127.0.0.1:2775"),
    "SMSC without a password": ("--smsc", "ferryman@127.0.0.1:2775"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_options(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FERRYMAN_SMPP_PASSWORD", raising=False)
    said = ferryman("up", "--data", tmp_path / "data", *WRONG[name])
    assert (said.code, said.out) == (1, "")
    assert one_sentence(said)
    assert not (tmp_path / "data").exists()


def test_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = command("up", "--data", tmp_path / "data", "--https", f"127.0.0.1:{port}")
        done = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, env=dict(os.environ))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(port) in done.stderr


def test_a_data_directory_with_a_long_name(tmp_path: Path) -> None:
    """Longer than what a Unix socket may be called."""
    data = tmp_path / ("a" * 100) / ("b" * 100)
    process = up(data)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("ready")
    asked = ferryman("order", "list", "--data", data, "--json")
    assert (asked.code, asked.err) == (0, "")
    assert stop(process)[0] == 0
    assert not (data / SOCKET).exists()
