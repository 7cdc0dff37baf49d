"""Download and enabling of a profile, whole, and enabling alone: how many a second on one core."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from bench.frame import Benchmark, Figures
from bench.load.process import ROOT

FLEET = 10
ROUNDS = 5  # of enabling
SECONDS = 240


def _run(*arguments: str, load: str = "download") -> dict[str, Any]:
    command = [sys.executable, "-m", f"bench.load.{load}", str(FLEET), *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=SECONDS)  # noqa: S603
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _download() -> Figures:
    plain, profiled = _run(), _run("profile")
    note = f"{FLEET} eUICCs at once over HTTPS, every role in one process, {plain['wall']:.1f} s in all"
    return Figures(FLEET / plain["cpu"], note=note, report=_report(plain, profiled))


def _report(plain: dict[str, Any], profiled: dict[str, Any]) -> str:
    lines = ["download_enable: CPU milliseconds for each eUICC, by thread"]
    lines += [f"  {name:24}{1000 * spent / FLEET:9.1f}" for name, spent in plain["threads"].items()]
    parts: dict[str, float] = {name: spent for name, spent in profiled["parts"].items() if name != "epoll"}
    total = sum(parts.values())
    lines.append("of the event loop's thread, by part of the program (profiled, so shares and not times)")
    lines += [f"  {name:24}{100 * spent / total:8.1f}%" for name, spent in parts.items() if spent > 0.005 * total]
    return "\n".join(lines)


def _enable() -> Figures:
    found = _run(str(ROUNDS), load="enable")
    note = f"{FLEET} eUICCs over SMS at once, {ROUNDS} rounds, roles in one process, {found['wall']:.1f} s in all"
    return Figures(found["calls"] / found["cpu"], note=note)


BENCHMARKS = (
    Benchmark("download_enable", "downloads/CPU-s", None, _download),
    Benchmark("enable_procedures", "procedures/CPU-s", None, _enable),
)
