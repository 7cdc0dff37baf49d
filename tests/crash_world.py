"""One download and enable, undisturbed or cut off at chosen commits, and everything that can be compared after it.

`prepare` makes cards, trust, template and subscriptions once; each `play` starts from a copy of that state.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import json
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest

from ferryman.cli.operator import Operator
from ferryman.contracts import admin
from ferryman.contracts.roles import CRYPTO_SERVER, SM_DP, SM_SR, TRANSPORT_HTTPS, TRANSPORT_SMS
from ferryman.contracts.status import ExecutionStatus
from ferryman.platform import store
from ferryman_sim.terminal.device import Device
from machine import Cut, Machine
from rig import OWNER, Platform, World

CALL = "order-of-the-crash-tests"
VALIDITY = 7200.0  # s
SETTLE = 3.0  # s after boot until nothing is left to do, and after the order's end
POLL = 1.0  # s
DECLARATION = 600.0  # s until every card's declaration must have been confirmed
PATIENCE = 4000.0  # s until the order must have ended
ROLES = (SM_DP, SM_SR, CRYPTO_SERVER, TRANSPORT_SMS, TRANSPORT_HTTPS)


@dataclass
class Power:
    """Counts the commits of every database together and cuts the machine off at the chosen ones.

    `after`: the commit of that number is the last thing that happened; `before`: it did not happen any more.
    """

    after: frozenset[int] = frozenset()
    before: frozenset[int] = frozenset()
    count: int = 0
    armed: bool = False
    cuts: int = 0
    machine: Machine | None = None
    _undone: set[int] = field(default_factory=set)

    def before_commit(self, _number: int) -> bool:
        """Hook of the stores."""
        number = self.count + 1
        if not self.armed or number not in self.before or number in self._undone:
            return False
        self._undone.add(number)  # once: the next commit has the same number
        return self._cut()

    def on_commit(self, _number: int) -> bool:
        """Hook of the stores."""
        if not self.armed:
            return False
        self.count += 1
        return self.count in self.after and self._cut()

    def _cut(self) -> bool:
        if self.machine is None or self.machine.is_off:
            return False
        self.cuts += 1
        self.machine.cut()
        return True


@dataclass(frozen=True)
class Prepared:
    """A folder with cards that are on the network and declared, and an installation that knows them."""

    folder: Path

    @property
    def world(self) -> Path:
        """Cards, keys, subscriptions."""
        return self.folder / "world"

    @property
    def data(self) -> Path:
        """Data directory of the installation."""
        return self.folder / "data"


READS = ("GetStatus", "GetData")  # commands that change nothing on a card


@dataclass(frozen=True)
class Ending:
    """What a run left behind; every field but the last two is compared between runs."""

    status: ExecutionStatus | None
    steps: list[str]
    pe_statuses: tuple[str, ...]
    commands: list[tuple[str, ...]]
    twice: list[str]
    eis: list[tuple[Any, ...]]
    card: list[tuple[Any, ...]]
    attached: str | None
    authenticated: bool
    crash: str | None
    procedures: list[tuple[Any, ...]]
    left_over: dict[str, int]
    audit: list[tuple[Any, ...]]
    commits: int = field(compare=False)
    cuts: int = field(compare=False)


def differences(ending: Ending, reference: Ending, *, questions: int = 0) -> list[str]:
    """In what a run did not end like the undisturbed one; it may have asked the card `questions` things more."""
    found = []
    for item in fields(Ending):
        wanted, got = getattr(reference, item.name), getattr(ending, item.name)
        if item.name == "commands" and len(got) - len(wanted) <= questions:
            wanted, got = _changes(wanted), _changes(got)
        if item.compare and got != wanted:
            found.append(f"{item.name}: {_difference(wanted, got)}")
    if ending.eis != ending.card:
        found.append(f"EIS and card: {_difference(ending.card, ending.eis)}")
    return found


def _changes(log: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [line for line in log if line[2] not in READS]


def _difference(wanted: Any, got: Any) -> str:
    if not isinstance(wanted, list):
        return f"{got!r} instead of {wanted!r}"
    lines = difflib.unified_diff([str(x) for x in wanted], [str(x) for x in got], lineterm="", n=0)
    return "\n    ".join(line for line in lines if line[:2] not in ("--", "++", "@@"))


@contextlib.contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory where there is one: the durability of the disk is not what is tested here."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="ferryman-", dir=shm if shm.is_dir() else None) as folder:
        yield Path(folder)


async def prepare(folder: Path) -> Prepared:
    """Everything before the order, once."""
    prepared = Prepared(folder)
    world = World(prepared.world)
    world.prepare()
    await world.start()
    platform = Platform(world, prepared.data, transport="sms")
    operator = await platform.open()
    await platform.set_up(operator)
    # A card that declared itself before its EIS was registered does so again.
    async with asyncio.timeout(DECLARATION):
        while not all(_is_declared(device) for device in world.terminal.devices.values()):
            await asyncio.sleep(POLL)
    await asyncio.sleep(SETTLE)
    await platform.close()
    await world.stop()
    for eid, device in world.terminal.devices.items():
        (prepared.world / "cards" / f"{eid}.json").write_text(json.dumps(device.card.dump()))
    return prepared


def _is_declared(device: Device) -> bool:
    state = device.card.dump()["run"]
    return bool(state["declared"]) and state["notification"] is None


@contextlib.contextmanager
def compiled_once() -> Iterator[None]:
    """Let the databases of all lives share SQLAlchemy's dialect and compiled statements.

    A process compiles each statement once for each database; here, for five databases of every life, that would
    be a fifth of the time.
    """
    create, shared = store.create_engine, list[tuple[Any, Any]]()

    def engine(*args: Any, **options: Any) -> Any:
        made: Any = create(*args, **options)
        if not shared:
            made.connect().close()  # the dialect looks at its first database
            shared.append((made.dialect, made._compiled_cache))
        made.dialect, made._compiled_cache = shared[0]
        made.pool._dialect = made.dialect
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "create_engine", engine)
        yield


@contextlib.contextmanager
def held_port() -> Iterator[int]:
    """A port that stays ours over the deaths of its listener: bound here, listened on elsewhere."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


async def play(prepared: Prepared, transport: str, power: Power, *, down: float = 8.0) -> Ending:
    """One order from the prepared state to its end, with the machine off for `down` seconds after each cut."""
    with quick_folder() as data, held_port() as port:
        shutil.copytree(prepared.data, data, dirs_exist_ok=True)
        world = World(prepared.world)
        world.load()
        await world.start()
        platform = Platform(
            world,
            data,
            transport=transport,
            https_port=port if transport == "https" else 0,
            on_commit=power.on_commit,
            before_commit=power.before_commit,
        )
        try:
            view = await _until_done(platform, power, down)
            return _ending(world, data, view, power)
        finally:
            await world.stop()


async def _until_done(platform: Platform, power: Power, down: float) -> admin.OrderView:
    """Order, and whenever the machine goes off: boot again, order again in the same words."""
    end = asyncio.get_running_loop().time() + PATIENCE
    while True:
        machine = power.machine = Machine(platform)
        try:
            operator = await machine.boot()
            await machine.run(asyncio.sleep(SETTLE))
            power.armed = True
            view = await machine.run(_order(operator, platform.world.eids[0]))
            while view.state != "done" and asyncio.get_running_loop().time() < end:
                await machine.run(asyncio.sleep(POLL))
                view = await machine.run(_show(operator, view.order_id))
            await machine.run(asyncio.sleep(SETTLE))
            power.armed = False
            await machine.halt()
        except Cut:
            await machine.bury()
            await asyncio.sleep(down)
        else:
            return view


async def _order(operator: Operator, eid: str) -> admin.OrderView:
    request = admin.CreateOrder(owner=OWNER, eid=eid, profile_type="demo", enable=True, validity=VALIDITY)
    return _view(await operator.sm_dp(request, call_id=CALL))


async def _show(operator: Operator, order_id: str) -> admin.OrderView:
    return _view(await operator.sm_dp(admin.ShowOrder(owner=OWNER, order_id=order_id)))


def _view(answer: object) -> admin.OrderView:
    assert isinstance(answer, admin.OrderView)
    return answer


# -- what is left behind -------------------------------------------------------------------------------------


def _ending(world: World, data: Path, view: admin.OrderView, power: Power) -> Ending:
    eid = world.eids[0]
    device = world.terminal.devices[eid]
    status = device.status()
    tables = {role: _Tables(data / f"{role}.db") for role in ROLES if (data / f"{role}.db").exists()}
    try:
        return Ending(
            status=view.status,
            steps=[step.name for step in view.steps],
            pe_statuses=view.pe_statuses,
            commands=commands(device.card.log),
            twice=repeated(device.card.log, counts=not device.card._core.quirk("notification_sequence_zero")),
            eis=_eis(tables[SM_SR]),
            card=card_as_eis(device.card),
            attached=status["attached"],
            authenticated=status["authenticated"],
            crash=status["crash"],
            procedures=[
                row
                for role in (SM_DP, SM_SR)
                for row in tables[role].rows("SELECT kind, status FROM procedure ORDER BY kind, status")
            ],
            left_over={
                f"{role} {table}": count
                for role, found in tables.items()
                for table in ("outbox", "lease", "timer")
                if (count := found.rows(f"SELECT count(*) FROM {table}")[0][0])
            },
            audit=[
                (role, *row)
                for role, found in tables.items()
                if role != CRYPTO_SERVER  # enters every use of a key, also that of a question asked again
                for row in found.rows("SELECT actor, action, object, outcome FROM audit ORDER BY seq")
            ],
            commits=power.count,
            cuts=power.cuts,
        )
    finally:
        for found in tables.values():
            found.close()


class _Tables:
    """One role's database, read after the installation has stopped."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self._connection.execute(query).fetchall()

    def close(self) -> None:
        """Close it."""
        self._connection.close()


def commands(log: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """The card's log without time and content: what it executed, in which order, with which result."""
    return [(line["via"], line["target"], line["command"], line["header"], line["sw"]) for line in log]


def repeated(log: list[dict[str, Any]], *, counts: bool = True) -> list[str]:
    """Commands that change something and were executed twice with the same content.

    Of a card that never counts its notifications all confirmations are the same.
    """
    seen: set[tuple[str, str]] = set()
    twice = []
    for line in log:
        key = (line["target"], line["data_sha256"])
        alike = not counts and line["command"].startswith("HandleNotificationConfirmation")
        if key in seen and line["command"] not in READS and not alike:
            twice.append(f"{line['n']} {line['command']}")
        seen.add(key)
    return twice


def _eis(tables: _Tables) -> list[tuple[Any, ...]]:
    memory = tables.rows("SELECT eid, remaining_memory FROM euicc")
    fields = "hex(aid), iccid, imsi, state, fallback, allocated_memory"
    return memory + tables.rows(f"SELECT {fields} FROM isdp ORDER BY aid")


def card_as_eis(card: Any) -> list[tuple[Any, ...]]:
    """What the EIS of this card has to say."""
    names = {0x1F: "Disabled", 0x3F: "Enabled"}
    found: list[tuple[Any, ...]] = [(card.eid, card._core.state.free_nvm())]
    quota = {item.aid.hex().upper(): item.reserved for item in card._core.state.isdps}
    for item in card.profiles():
        state = names.get(item["state"], f"{item['state']:02X}")
        found.append((item["aid"], item["iccid"], item["imsi"], state, int(item["fallback"]), quota[item["aid"]]))
    return found
