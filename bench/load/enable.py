"""The whole platform in this process, simulated eUICCs outside: EnableProfile for each, again and again.

`python -m bench.load.enable FLEET ROUNDS` prints one JSON object: EnableProfile calls that succeeded, CPU and wall
seconds of this process while they ran. Between two rounds the profiles are disabled again, which is not measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.load.download import PASSWORD
from ferryman.cli import demo
from ferryman.cli.commands import OWNER
from ferryman.cli.demo_world import world
from ferryman.cli.operator import Operator
from ferryman.cli.up import running
from ferryman.contracts import es4
from ferryman.contracts.operations import Operation, OperationView, ShowOperation, StartOperation
from ferryman.platform import loop
from ferryman.platform.log import configure
from ferryman.profile.demo_template import demo_template

LOOK = 0.1  # s between two looks at the calls that run


async def run(folder: Path, fleet: int, rounds: int) -> dict[str, Any]:
    """A profile on each eUICC, disabled; then the rounds."""
    async with world(folder / "world", count=fleet, seed="1", password=PASSWORD) as around:
        settings = demo.settings_for(folder / "ferryman", "sms", around.smpp_port, PASSWORD)
        async with running(settings) as (installation, _):
            operator = Operator(installation.bus, OWNER)
            await demo.set_up(operator, around, demo_template())
            orders = [one.view for one in await demo.place_orders(operator, around)]
            disable = [es4.ES4DisableProfile(eid=one.eid, iccid=one.iccid) for one in orders]
            enable = [es4.ES4EnableProfile(eid=one.eid, iccid=one.iccid) for one in orders]
            spent = {"cpu": 0.0, "wall": 0.0}
            for _ in range(rounds):
                await carry_out(operator, disable)
                wall, cpu = time.perf_counter(), time.process_time()
                await carry_out(operator, enable)
                spent["cpu"] += time.process_time() - cpu
                spent["wall"] += time.perf_counter() - wall
    return {"calls": fleet * rounds, **spent}


async def carry_out(operator: Operator, calls: Sequence[Operation]) -> None:
    """All at once; raises when one does not succeed."""
    started = [await _view(operator, StartOperation(owner=OWNER, operation=one)) for one in calls]
    for begun in started:
        view = begun
        while view.state != "done":
            await asyncio.sleep(LOOK)
            view = await _view(operator, ShowOperation(owner=OWNER, call_id=view.call_id))
        if view.status is None or not view.status.ok:
            raise RuntimeError(f"{view.name}: {view.status}")


async def _view(operator: Operator, question: StartOperation | ShowOperation) -> OperationView:
    found = await operator.sm_sr(question)
    if not isinstance(found, OperationView):
        raise RuntimeError(f"{type(found).__name__} is no view of an operation")
    return found


def main() -> None:
    """See the text of the module."""
    configure("error", "console")
    with tempfile.TemporaryDirectory(prefix="ferryman-bench-") as folder:
        found = loop.run(run(Path(folder), int(sys.argv[1]), int(sys.argv[2])))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
