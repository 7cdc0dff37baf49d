"""The simulator's processes: ready lines, an attach across three of them, a killed euicc process goes on from
its state.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ferryman_sim.__main__ import main
from ferryman_sim.json_lines import TcpRequester
from patience import PATIENCE, until_async


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[tuple[dict[str, Any], asyncio.subprocess.Process]]:
    """A simulator process; gives its ready line."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ferryman_sim", *arguments, stdout=subprocess.PIPE
    )
    try:
        assert started.stdout is not None
        line = await asyncio.wait_for(started.stdout.readline(), PATIENCE)
        yield json.loads(line), started
    finally:
        if started.returncode is None:
            started.terminate()
        assert await asyncio.wait_for(started.wait(), PATIENCE) in (0, -signal.SIGKILL)


async def test_three_processes_and_a_kill(tmp_path: Path) -> None:
    made = ["--out", str(tmp_path), "--count", "2", "--seed", "9", "--smsr-address", "33600000001"]
    assert main(["card-maker", "make", *made]) == 0
    facts = json.loads((tmp_path / "batch.json").read_text())
    wanted = {card["eid"]: card["imsi"] for card in facts["cards"]}
    async with (
        process("hlr", "--csv", str(tmp_path / "subscriptions.csv"), "--seed", "1") as (hlr, _),
        process("smsc", "--hlr", f"127.0.0.1:{hlr['port']}", "--account", "smsr:pw", "--seed", "2") as (smsc, _),
    ):
        assert (hlr["ready"], hlr["subscribers"], hlr["seed"]) == ("hlr", 2, "1")
        euicc = ["euicc", "--cards", str(tmp_path / "cards"), "--state", str(tmp_path / "state")]
        euicc += ["--smsc", f"127.0.0.1:{smsc['radio_port']}", "--limit", "notification_interval=3600"]
        for run in (1, 2):
            async with process(*euicc) as (ready, running):
                assert set(ready["cards"]) == set(wanted)
                control = TcpRequester("127.0.0.1", ready["control_port"])

                async def attached(control: TcpRequester = control) -> bool:
                    cards = (await control.ask({"op": "status"}))["cards"]
                    return {eid: card["attached"] for eid, card in cards.items()} == wanted

                await until_async(attached)
                control.close()
                running.kill()
                await running.wait()
            register = TcpRequester("127.0.0.1", hlr["port"])
            rows = (await register.ask({"op": "status"}))["attached"]
            register.close()
            # The second process went on with the sequence numbers of the first: no resynchronisation.
            assert [(row["attaches"], row["resyncs"]) for row in rows] == [(run, 0)] * 2
