"""The SMPP engine beside smpp34, against the same SMSC, one bind, the same messages."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.frame import Benchmark, Figures, Skipped, paired, same
from bench.load.process import ROOT, served

LOCK = ROOT / "bench" / "reference" / "smpp34.lock"
CLIENT = ROOT / "bench" / "reference" / "smpp34_client.py"
WINDOW = 50
MESSAGES = 20_000  # in a round of ours
REFERENCE_MESSAGES = 5_000  # in a round of the reference, which is slower: the same messages, fewer of them
CHECKED = 500
ROUNDS = 5
INSTALL_SECONDS = 180
RUN_SECONDS = 60


def _smpp34(folder: Path) -> Path:
    """A Python with smpp34 in it: this one, or that of a new virtual environment."""
    if importlib.util.find_spec("smpp34") is not None:
        return Path(sys.executable)
    python = folder / "bin" / "python"
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)  # noqa: S603
        subprocess.run(  # noqa: S603
            [
                python,
                *["-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes", "-r"],
                LOCK,
            ],
            check=True,
            capture_output=True,
            timeout=INSTALL_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as problem:
        raise Skipped(f"smpp34 cannot be installed here ({type(problem).__name__})") from None
    return python


def _run(command: list[str | Path], port: int, count: int) -> float:
    done = subprocess.run(  # noqa: S603
        [*command, str(port), str(WINDOW), str(count)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    return float(done.stdout.split()[-1])  # what comes before is the log


def _engine() -> Figures:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours: list[str | Path] = [sys.executable, "-m", "bench.load.smpp_ours"]
        reference: list[str | Path] = [_smpp34(folder / "smpp34"), CLIENT]
        smsc = stack.enter_context(served("bench.load.smsc"))
        seen: list[str] = []
        for command in (ours, reference):
            _run(command, smsc.port, CHECKED)
            seen.append(smsc.line())
        same(seen[0], seen[1], "messages that reached the SMSC")
        return paired(
            lambda: _run(ours, smsc.port, MESSAGES),
            lambda: _run(reference, smsc.port, REFERENCE_MESSAGES),
            rounds=ROUNDS,
            warm_up=False,
        )


BENCHMARKS = (Benchmark("smpp_engine", "submit_sm/s", 4.0, _engine),)
