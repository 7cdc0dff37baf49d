"""The whole platform in this process, simulated eUICCs outside: download and enabling of a profile for each.

`python -m bench.load.download FLEET [profile]` prints one JSON object: fleet, CPU seconds of this process while
the orders run, wall seconds, CPU seconds by thread, and with `profile` the seconds by part of the program.
"""

from __future__ import annotations

import cProfile
import json
import pstats
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from ferryman.cli import demo
from ferryman.cli.commands import OWNER
from ferryman.cli.demo_world import world
from ferryman.cli.operator import Operator
from ferryman.cli.up import running
from ferryman.platform import loop
from ferryman.platform.log import configure
from ferryman.profile.demo_template import demo_template

PASSWORD = "bench"  # noqa: S105 - of the simulated SMSC
PARTS = (
    "sqlalchemy",
    "sqlite3",
    "cryptography",
    "asyncio",
    "ssl",
    "msgspec",
    "structlog",
    "lxml",
    "socket",
    "epoll",
)


async def run(folder: Path, fleet: int, profile: cProfile.Profile | None) -> dict[str, Any]:
    """Set the world up as the demo does, then measure the orders alone."""
    async with world(folder / "world", count=fleet, seed="1", password=PASSWORD) as around:
        settings = demo.settings_for(folder / "ferryman", "https", around.smpp_port, PASSWORD)
        async with running(settings) as (installation, _):
            operator = Operator(installation.bus, OWNER)
            await demo.set_up(operator, around, demo_template())
            before, wall, cpu = _threads(), time.perf_counter(), time.process_time()
            if profile is not None:
                profile.enable()
            orders = await demo.place_orders(operator, around)
            if profile is not None:
                profile.disable()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            threads = {name: spent - before.get(name, 0.0) for name, spent in _threads().items()}
            results = [await demo.result_of(operator, around, order, "https") for order in orders]
    if not all(one["state"] == "ENABLED" and one["authenticate"] for one in results):
        raise RuntimeError("not every eUICC has its profile")
    return {"fleet": fleet, "cpu": cpu, "wall": wall, "threads": threads}


def _threads() -> dict[str, float]:
    """CPU seconds by kind of thread; the loop's is the main one."""
    spent: dict[str, float] = {}
    for thread in threading.enumerate():
        name = "event loop" if thread is threading.main_thread() else thread.name.split("_")[0].split(" ")[0]
        used = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text().split()[0]
        spent[name] = spent.get(name, 0.0) + int(used) / 1e9
    return spent


def parts(profile: cProfile.Profile) -> dict[str, float]:
    """Seconds of the event loop's thread by part of the program, calls into other parts not counted."""
    found: dict[str, float] = {}
    stats: Any = pstats.Stats(profile)
    for (path, _, name), (_, _, own, _, _) in stats.stats.items():
        part = _part(path, name)
        found[part] = found.get(part, 0.0) + own
    return dict(sorted(found.items(), key=lambda entry: -entry[1]))


def _part(path: str, name: str) -> str:
    if "/ferryman/" in path:
        return "ferryman." + path.rpartition("/ferryman/")[2].split("/")[0].removesuffix(".py")
    for part in PARTS:
        if part in path or part in name:
            return part
    return "waiting" if "poll" in name else "other"


def main() -> None:
    """See the text of the module."""
    configure("error", "console")
    profile = cProfile.Profile() if "profile" in sys.argv[2:] else None
    with tempfile.TemporaryDirectory(prefix="ferryman-bench-") as folder:
        found = loop.run(run(Path(folder), int(sys.argv[1]), profile))
    if profile is not None:
        found["parts"] = parts(profile)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
