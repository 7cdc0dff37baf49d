"""A server under measurement: its own process, its CPU time and its memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
_NANOSECONDS = 1e9


@dataclass(frozen=True, slots=True)
class Served:
    """A running process that listens on `port` of the loopback."""

    pid: int
    port: int
    output: IO[str]

    def line(self) -> str:
        """The next line that it prints."""
        return self.output.readline().strip()

    def cpu_seconds(self) -> float:
        """CPU time of all its threads so far, by the scheduler's own count (nanoseconds)."""
        total = 0.0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / _NANOSECONDS

    def resident_kib(self) -> int:
        """Memory in use now."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise ValueError("no VmRSS")


@contextmanager
def apart(*servers: Served) -> Iterator[None]:
    """Servers on a core of their own, this process and the threads it starts from now on on another.

    Alike for all of them, and without effect where there is one core only: a process that the kernel moves about
    pays for cold caches, more in one round and less in the next.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        yield
        return
    for server in servers:
        for task in Path(f"/proc/{server.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {cores[-1]})
    os.sched_setaffinity(0, {cores[0]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, set(cores))


@contextmanager
def served(
    module: str, *arguments: str, python: str = sys.executable, env: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """Start `python -m module`, wait for the port on its first line, end it on the way out."""
    process = subprocess.Popen(  # noqa: S603 - our own module
        [python, "-m", module, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        if not first:
            raise RuntimeError(f"{module} did not start")
        yield Served(process.pid, int(first), process.stdout)
    finally:
        process.kill()
        process.wait()
