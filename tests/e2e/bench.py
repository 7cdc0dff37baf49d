"""A world and an installation of ours that end-to-end tests share: prepared once, copied for every test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ferryman.cli.operator import Operator
from ferryman.contracts import admin
from ferryman.contracts.status import ExecutionStatus
from ferryman.platform.schema import PlatformTables
from ferryman.platform.store import SQLiteStore
from ferryman.rest_api.settings import RESTSettings
from ferryman.sm_dp import schema as dp_schema
from ferryman.sm_dp.records import DPSettings
from ferryman.sm_sr import eis_store
from ferryman.sm_sr import schema as sr_schema
from ferryman.sm_sr.records import SRSettings
from rig import OWNER, Platform, World, free_port

SETTLE = 3.0  # s of virtual time for the cards to attach and declare themselves
VALIDITY = 7200.0  # s of an order
TABLES: dict[str, PlatformTables] = {"sm-sr": sr_schema.PLATFORM, "sm-dp": dp_schema.PLATFORM}


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    shm = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="ferryman-e2e-", dir=shm if shm.is_dir() else None)


def quick_folder() -> Path:
    """A new folder, in memory where that is possible; it ends with the test process."""
    return Path(tempfile.mkdtemp(dir=_folder().name))


_prepared: dict[tuple[int, tuple[str, ...], bytes | None, int], Path] = {}


async def prepared(count: int, options: tuple[str, ...], template: bytes | None, subscribers: int = 0) -> Path:
    """Folder with `world` and `data` as they are before the cards are switched on for the first time."""
    key = (count, options, template, subscribers)
    if key not in _prepared:
        folder = quick_folder()
        world = World(folder / "world", count=count, options=options, subscribers=subscribers)
        world.prepare()
        world.ports = {"smpp_port": free_port()}
        platform = Platform(world, folder / "data", transport="sms")
        operator = await platform.open()
        await platform.set_up(operator, template)
        await platform.close()
        _prepared[key] = folder
    return _prepared[key]


def pause(number: int) -> float:
    """Seconds between two looks: the first ones close together, for each costs real time."""
    return 0.05 if number < 20 else 5.0


@dataclass
class Bench:
    """World, installation, and what is compared at the end."""

    world: World
    platform: Platform
    operator: Operator
    transport: str
    memory_at_start: dict[str, tuple[int, int]] = field(default_factory=dict)
    https_at_start: dict[str, Any] = field(default_factory=dict)
    policies_at_start: dict[str, dict[str, tuple[int, bytes | None]]] = field(default_factory=dict)  # by ICCID
    may_repeat: tuple[str, ...] = ()  # commands that a test sends twice on purpose

    @property
    def eids(self) -> list[str]:
        return self.world.eids

    @property
    def eid(self) -> str:
        return self.world.eids[0]

    def device(self, eid: str = "") -> Any:
        return self.world.terminal.devices[eid or self.eid]

    def store(self, role: str) -> SQLiteStore:
        names = ["crypto-server", "sm-sr", "sm-dp", "transport-sms", "transport-https"]
        return self.platform.installation.stores[names.index(role)]

    def tables(self, role: str) -> PlatformTables:
        return TABLES[role]

    def log(self, eid: str = "") -> list[str]:
        """Names of the commands the card has executed, in order."""
        return [entry["command"].split(" A0")[0] for entry in self.device(eid).card.log]

    async def fault(self, eid: str = "", **switches: Any) -> None:
        """Switch faults of one card on or off."""
        answer = await self.world.terminal.ask({"op": "fault", "eid": eid or self.eid, **switches})
        assert "error" not in answer, answer

    async def order(self, eid: str = "", **changes: Any) -> admin.OrderView:
        """Place an order."""
        values: dict[str, Any] = {"profile_type": "demo", "enable": True, "validity": VALIDITY} | changes
        view = await self.operator.sm_dp(admin.CreateOrder(owner=OWNER, eid=eid or self.eid, **values))
        assert isinstance(view, admin.OrderView), view
        return view

    async def run_order(self, eid: str = "", **changes: Any) -> tuple[admin.OrderView, ExecutionStatus]:
        """Place an order and wait for its end."""
        return await self.ended(await self.order(eid, **changes))

    async def ended(self, view: admin.OrderView) -> tuple[admin.OrderView, ExecutionStatus]:
        """Wait for the end of an order."""
        for number in range(3000):
            found = await self.operator.sm_dp(admin.ShowOrder(owner=OWNER, order_id=view.order_id))
            assert isinstance(found, admin.OrderView)
            if found.state == "done":
                assert found.status is not None
                return found, found.status
            await asyncio.sleep(pause(number))
        raise AssertionError(f"the order never ended: {found.step}")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def until(self, condition: Callable[[], bool], *, patience: float = 3600.0) -> None:
        """Wait for something in the world."""
        end = asyncio.get_running_loop().time() + patience
        number = 0
        while not condition():
            assert asyncio.get_running_loop().time() < end, "it never happened"
            await asyncio.sleep(pause(number))
            number += 1

    def on_script(self, hook: Callable[[list[str]], None], eid: str = "") -> None:
        """Call `hook` with the names of the commands of each script, after the card has run it.

        Faults that it sets strike the answer of that same script.
        """
        card = self.device(eid).card
        runner = card._sms._runner
        original = runner.run

        def run(*arguments: Any) -> bytes:
            before = len(card.log)
            answer: bytes = original(*arguments)
            hook([entry["command"].split(" A0")[0] for entry in card.log[before:]])
            return answer

        runner.run = run

    def lose_answer_of(self, command: str, *, times: int = 1, eid: str = "") -> list[str]:
        """The answer of the next `times` scripts with this command is lost; returns the list of strikes."""
        struck: list[str] = []

        def hook(names: list[str]) -> None:
            if any(name.startswith(command) for name in names) and len(struck) < times:
                struck.append(command)
                self.device(eid).card.faults["lost_answer"] = 1

        self.on_script(hook, eid)
        return struck

    async def restart(self) -> None:
        """The whole installation stops in order and comes back on the same ports."""
        await self.platform.close()
        await asyncio.sleep(1.0)
        self.operator = await self.platform.open()

    async def smsc_down(self) -> None:
        """The SMPP port refuses connections; the network itself goes on."""
        smsc = self.world.smsc
        assert smsc._smpp_server is not None
        smsc._smpp_server.close()
        for connection in list(smsc._esmes):
            connection.close()
        await asyncio.sleep(0.1)

    async def smsc_up(self) -> None:
        """The SMPP port is back."""
        smsc = self.world.smsc
        port = self.world.ports["smpp_port"]
        smsc._smpp_server = await asyncio.start_server(smsc._accepted, "127.0.0.1", port)

    async def audits(self, role: str = "sm-sr") -> list[tuple[str, str, str]]:
        """Audit records: action, outcome, detail."""
        from sqlalchemy import select

        table = TABLES[role].audit
        statement = select(table.c.action, table.c.outcome, table.c.detail).order_by(table.c.seq)
        return await self.store(role).read(lambda c: [tuple(row) for row in c.execute(statement)])


def own_sessions(eid: str, port: int, poll: int) -> dict[str, Any]:
    """Parameters of a card that comes by itself (image of the simulator)."""
    return {
        "host": "127.0.0.1",
        "port": port,
        "uri": "/gsma/adminagent",
        "agent_id": f"//se-id/eid/{eid};//aa-id/aid/A000000559/1010FFFFFFFF8900000100",
        "poll": poll,
    }


@contextlib.asynccontextmanager
async def bench(
    transport: str = "sms",
    *,
    count: int = 1,
    options: tuple[str, ...] = (),
    template: bytes | None = None,
    limits: dict[str, Any] | None = None,
    quirks: dict[str, Any] | None = None,
    sr: SRSettings | None = None,
    dp: DPSettings | None = None,
    settle: float = SETTLE,
    radio: Callable[[World], None] | None = None,
    poll: int = 0,
    smsc: bool = True,
    subscribers: int = 0,
    rest: RESTSettings | None = None,
) -> AsyncIterator[Bench]:
    """World and installation, running, with cards on the network; everything is switched off at the end.

    `limits` and `quirks` are those of every card image; `radio` is called with the world before the installation
    starts.
    `poll`: the cards open an HTTPS session of their own every so many seconds. `smsc` False: the installation
    knows
    no SMSC.
    """
    source = await prepared(count, options, template, subscribers)
    folder = quick_folder()
    shutil.copytree(source, folder, dirs_exist_ok=True)
    port = free_port() if transport.startswith("https") else 0
    for path in (folder / "world" / "cards").glob("*.json"):
        image = json.loads(path.read_text())
        if poll:
            image["isdr"]["https"] = own_sessions(image["eid"], port, poll)
        for name, more in (("limits", limits), ("quirks", quirks)):
            image[name] = {**image.get(name, {}), **(more or {})}
        path.write_text(json.dumps(image))
    world = World(folder / "world", count=count, options=options)
    world.load()
    await world.start()
    try:
        if radio is not None:
            radio(world)
        platform = Platform(
            world,
            folder / "data",
            transport=transport,
            https_port=port,
            smsc=smsc,
            sm_sr=sr or SRSettings(),
            sm_dp=dp or DPSettings(),
            rest=rest,
        )
        operator = await platform.open()
        it = Bench(world, platform, operator, transport)
        try:
            for eid in it.eids:
                card = await it.store("sm-sr").read(lambda c, eid=eid: eis_store.load(c, eid))
                assert card is not None
                state = it.device(eid).card._core.state
                it.memory_at_start[eid] = (card.remaining_memory, state.free_nvm())
                it.https_at_start[eid] = copy(state.https)
                it.policies_at_start[eid] = {
                    item.profile.iccid: (item.pol1, item.connectivity) for item in state.isdps if item.profile
                }
            await asyncio.sleep(settle)
            yield it
        finally:
            await platform.close()
    finally:
        await world.stop()
        shutil.rmtree(folder, ignore_errors=True)
