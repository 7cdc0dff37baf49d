"""`ferryman up` is killed with SIGKILL while five cards download and enable a TS.48 profile, and started again.

Everything is a process of its own and time is real. A sixth card goes first and undisturbed: its log is what the
logs of the others must be. The kills come when the cards together have executed a sampled number of commands,
and a sampled moment later, so that they spread over the whole run on slow machines and on quick ones; each of
the four kills hits five downloads, twenty sampled points for each transport. At the end every order has
succeeded, EIS and card agree, the card is on the network with its new profile, and its own log shows no command
twice and no finished step redone.

Allowances: GET STATUS, which changes nothing, when the outcome of a command was unknown (HTTPS; see
test_crash_at_every_commit). Nothing else.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from crash_world import CALL, READS, held_port, quick_folder, repeated
from ferryman.cli.control import ControlClient
from ferryman.cli.operator import Operator
from ferryman.cli.session import operator as calls_to
from ferryman.contracts import admin
from ferryman.errors import Unavailable
from ferryman_sim.json_lines import TcpRequester
from personality import COUNTS
from rig import OWNER, PASSWORD, SMSR_ADDRESS, Platform, World
from shared_data import shared

CARDS = 5
KILLS = 4
LATER = 0.15  # s; a kill comes at most so long after the command that it is counted by
PATIENCE = 240.0  # s for everything together; a quick machine needs a tenth
VALIDITY = 600.0  # s

pytestmark = pytest.mark.timeout(2 * PATIENCE)

SETTINGS = """
[sm_sr]
transport = "{transport}"
sms_answer_timeout = 20.0
https_session_timeout = 15.0
https_answer_timeout = 30.0
trigger_host = "127.0.0.1"
trigger_address = "127.0.0.1"
trigger_port = {https_port}
trigger_uri = "/gsma/adminagent"

[smpp]
host = "127.0.0.1"
port = {smpp_port}
system_id = "ferryman"
password = "{password}"
source_addr = "{source}"
reconnect_min = 0.05
reconnect_max = 0.2
window = 50

[https]
host = "127.0.0.1"
port = {https_port}

[log]
level = "error"
"""


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[tuple[dict[str, Any], asyncio.subprocess.Process]]:
    """A process and its ready line; it is stopped at the end, if nobody has killed it."""
    started = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        assert started.stdout is not None
        line = await asyncio.wait_for(started.stdout.readline(), PATIENCE)
        yield json.loads(line), started
    finally:
        if started.returncode is None:
            started.terminate()
        assert await started.wait() in (0, -signal.SIGKILL)


@dataclass
class Site:
    """The processes round the installation, and what can be asked of them."""

    data: Path
    cards: TcpRequester
    eids: list[str]

    @property
    def operator(self) -> Operator:
        """Calls through the control socket of whoever runs now."""
        return Operator(ControlClient(self.data), OWNER)

    async def log(self, eid: str) -> list[dict[str, Any]]:
        """The card's log."""
        found: list[dict[str, Any]] = (await self.cards.ask({"op": "log", "eid": eid}))["log"]
        return found

    async def status(self, eid: str) -> dict[str, Any]:
        """The card."""
        return await self.cards.ask({"op": "status", "eid": eid})

    async def executed(self, eids: list[str]) -> int:
        """Commands that the cards have executed."""
        return sum([len(await self.log(eid)) for eid in eids])

    async def view(self, eid: str) -> admin.OrderView:
        """The order for a card, placed by the first call and found by the next ones, also after a kill."""
        request = admin.CreateOrder(owner=OWNER, eid=eid, profile_type="ts48", enable=True, validity=VALIDITY)
        while True:
            try:
                answer = await self.operator.sm_dp(request, call_id=f"{CALL}-{eid}")
            except Unavailable:
                await asyncio.sleep(0.05)  # it is being started again
                continue
            assert isinstance(answer, admin.OrderView)
            return answer

    async def ended(self, eid: str) -> admin.OrderView:
        """The order once it has ended."""
        while (view := await self.view(eid)).state != "done":
            await asyncio.sleep(0.1)
        return view


@asynccontextmanager
async def site(folder: Path, transport: str, template: bytes) -> AsyncIterator[Site]:
    """HLR, SMSC, cards, and a data directory in which everything is imported."""
    world = World(folder / "world", count=CARDS + 1)
    world.prepare()
    data = folder / "data"
    lists = [str(world.folder / name) for name in ("subscriptions.csv", "operator.csv")]
    async with AsyncExitStack() as stack:
        port = stack.enter_context(held_port())
        sim = ("-m", "ferryman_sim")
        hlr, _ = await stack.enter_async_context(process(*sim, "hlr", "--csv", lists[0], "--csv", lists[1]))
        account = ("--account", f"ferryman:{PASSWORD}")
        smsc, _ = await stack.enter_async_context(
            process(*sim, "smsc", "--hlr", f"127.0.0.1:{hlr['port']}", *account)
        )
        data.mkdir(mode=0o700)
        (data / "ferryman.toml").write_text(
            SETTINGS.format(
                transport=transport,
                https_port=port,
                smpp_port=smsc["smpp_port"],
                password=PASSWORD,
                source=SMSR_ADDRESS.lstrip("+"),
            )
        )
        async with calls_to(data, OWNER) as calls:
            await Platform(world, data).set_up(calls, template, "ts48")
        limits = ("--limit", "https_retry_delay=1", "--limit", "https_retries=60")
        radio = ("--smsc", f"127.0.0.1:{smsc['radio_port']}", "--boot", "0.1", "--attach-retry", "1")
        euicc, _ = await stack.enter_async_context(
            process(*sim, "euicc", "--cards", str(world.folder / "cards"), *radio, *limits)
        )
        cards = TcpRequester("127.0.0.1", euicc["control_port"])
        stack.callback(cards.close)
        yield Site(data, cards, sorted(euicc["cards"]))


def up(data: Path) -> Any:
    """The installation as a process."""
    return process("-m", "ferryman.cli.main", "up", "--data", str(data), "--json")


def changes(log: list[dict[str, Any]], iccid: str) -> list[tuple[str, ...]]:
    """What a card executed, without what only reads and what names the subscription."""
    return [
        (line["via"], line["target"], line["command"], line["header"], line["sw"].replace(iccid, "ICCID"))
        for line in log
        if line["command"] not in READS
    ]


async def kill_at(point: Site, eids: list[str], commands: int, later: float, running: Any) -> None:
    """SIGKILL, `later` seconds after the cards have executed so many commands."""
    while await point.executed(eids) < commands:
        await asyncio.sleep(0.02)
    await asyncio.sleep(later)
    running.kill()
    await running.wait()


async def agrees(point: Site, eid: str, iccid: str) -> None:
    """EIS, card and network say the same."""
    page = await point.operator.sm_sr(admin.ShowEUICC(owner=OWNER, eid=eid))
    assert isinstance(page, admin.EUICCPage)
    status = await point.status(eid)
    states = {0x1F: "Disabled", 0x3F: "Enabled"}
    on_card = sorted((p["aid"], p["iccid"], states.get(p["state"]), p["fallback"]) for p in status["profiles"])
    in_eis = sorted(
        (p.isdp_aid.hex().upper(), p.iccid, p.state.value, p.fallback) for p in page.euiccs[0].profiles
    )
    assert on_card == in_eis
    assert [(p[1], p[2]) for p in in_eis if p[2] == "Enabled"] == [(iccid, "Enabled")]
    new = next(p for p in status["profiles"] if p["iccid"] == iccid)
    assert status["attached"] == new["imsi"]
    assert status["authenticated"]
    assert status["crash"] is None


@pytest.mark.parametrize("transport", ["https", "sms"])
async def test_killed_while_five_cards_download(transport: str, seed: int) -> None:
    rng = random.Random(f"{transport} {seed}")
    template = shared("data", "ts48", "TS48v3_SAIP2.1_BERTLV.der").read_bytes()
    with quick_folder() as folder:
        async with asyncio.timeout(PATIENCE), site(folder, transport, template) as point:
            first, *others = point.eids
            async with up(point.data):
                view = await point.ended(first)
                assert view.status is not None
                assert view.status.ok, view.status
                reference = changes(await point.log(first), view.iccid)
            before = await point.executed(others)
            length = len(reference) * len(others)
            moments = sorted(rng.sample(range(before, length), KILLS))
            for commands in moments:
                later = rng.uniform(0, LATER)
                async with up(point.data) as (_, running):
                    orders = asyncio.gather(*(point.view(eid) for eid in others), return_exceptions=True)
                    await kill_at(point, others, commands, later, running)
                    orders.cancel()
                print(
                    f"killed {later:.3f} s after command {commands} of {length}, at {await point.executed(others)}"
                )
            async with up(point.data):
                for eid in others:
                    view = await point.ended(eid)
                    assert view.status is not None
                    assert view.status.ok, view.status
                    await agrees(point, eid, view.iccid)
                    log = await point.log(eid)
                    assert changes(log, view.iccid) == reference
                    assert repeated(log, counts=COUNTS) == []
                    asked = sum(line["command"] in READS for line in log)
                    told = sum(line["command"].startswith("HandleNotificationConfirmation") for line in log)
                    asked -= 0 if COUNTS else 2 * told  # before a confirmation, and in its script
                    assert asked <= (KILLS if transport == "https" else 0)
