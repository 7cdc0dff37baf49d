"""The SMS module with its durable queue beside Kannel: from a message handed over to the SMSC having it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.frame import Benchmark, Figures, Skipped, paired, same
from bench.load.module_ours import PACKET
from bench.load.process import ROOT, Served, served
from bench.reference import kannel

MESSAGES = 10_000
ROUNDS = 3
SECONDS = 120


def _module(folder: Path) -> tuple[float, str]:
    with served("bench.load.smsc", str(MESSAGES)) as smsc:
        command = [sys.executable, "-m", "bench.load.module_ours", str(smsc.port), str(MESSAGES), str(folder)]
        done = subprocess.run(  # noqa: S603
            command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=SECONDS
        )
        begun = float(done.stdout.split()[-1])
        _bound(smsc)
        ended, sums = smsc.line().split()
    return MESSAGES / (float(ended) - begun), sums


def _bound(smsc: Served) -> None:
    if smsc.line() != "bound":
        raise RuntimeError("nobody has bound")


def _kannel(folder: Path) -> tuple[float, str]:
    with served("bench.load.smsc", str(MESSAGES)) as smsc, kannel.running(folder, smsc.port) as running:
        _bound(smsc)  # a while after the start, and no part of what is measured
        begun = asyncio.run(kannel.send(running, PACKET, MESSAGES))
        ended, sums = smsc.line().split()
    return MESSAGES / (float(ended) - begun), sums


def _gateway() -> Figures:
    if not kannel.installed():
        raise Skipped("Kannel is not installed (Debian package kannel)")
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix=".run-", dir=ROOT / "bench"))
        stack.callback(shutil.rmtree, folder)
        same(_module(folder)[1], _kannel(folder)[1], "user data that reached the SMSC")
        return paired(lambda: _module(folder)[0], lambda: _kannel(folder)[0], rounds=ROUNDS, warm_up=False)


BENCHMARKS = (Benchmark("smpp_module", "messages/s", 1.0, _gateway),)
