"""The machine goes off at every commit of queue delivery in pull mode: nothing is lost, runs twice, or gets stuck.

One entry is added by itself; one by a campaign that is paused and resumed; one by a campaign that is cancelled
while its entry is sent, which goes on to its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from crash_world import (
    ROLES,
    Power,
    Prepared,
    _eis,
    _Tables,
    card_as_eis,
    compiled_once,
    held_port,
    prepare,
    quick_folder,
)
from e2e.bench import own_sessions
from ferryman.cli.operator import Operator
from ferryman.contracts import admin
from ferryman.contracts.queue import (
    RUNNING,
    CampaignChange,
    CampaignShow,
    CampaignStart,
    CampaignState,
    CampaignView,
    EntryState,
    EntryView,
    QueueAdd,
    QueueItem,
    QueueList,
    QueuePage,
)
from machine import Cut, Machine
from rig import OWNER, Platform, World
from virtual_loop import run

pytestmark = pytest.mark.timeout(600)
POLL = 47  # s between sessions of the card; no divisor of its notification interval
VALIDITY = 86_400.0
PATIENCE = 6 * 3600.0
LIFE = ("audit", "enable", "disable")
FUNCTIONS = {"enable": "EnableProfile", "disable": "DisableProfile"}
MOSTLY = (
    0.8  # of the entries: a session that broke with the machine may end one with an outcome that is not success
)
PARTS = 4
ENDED = (EntryState.ANSWERED, EntryState.FAILED, EntryState.EXPIRED, EntryState.CANCELLED)
QUEUED = EntryState.QUEUED
COUNTED = "SELECT name, answered, queued + held + sent + delivered, adding FROM campaign ORDER BY 1"
TRUE = (
    "SELECT c.name, sum(e.state = 'answered'), sum(e.state IN ('queued', 'held', 'sent', 'delivered')), 0"
    " FROM campaign c JOIN queue_entry e ON e.campaign = c.id GROUP BY 1 ORDER BY 1"
)


@dataclass(frozen=True)
class Ending:
    """What a run left behind."""

    entries: list[tuple[str, str]]
    commands: Counter[str]
    eis: list[tuple[Any, ...]]
    card: list[tuple[Any, ...]]
    left_over: dict[str, int]
    counted: list[list[tuple[Any, ...]]]
    cancelled: list[tuple[Any, ...]]
    commits: int


class Stage:
    """A card with a second profile, Disabled, and an installation that knows both."""

    def __init__(self, prepared: Prepared, iccid: str) -> None:
        self.prepared = prepared
        self.iccid = iccid
        self.entries = self.answered = 0
        self.reference = run(play(prepared, iccid, Power(), down=0.0))

    def check(self, power: Power, where: str, *, down: float) -> list[str]:
        """What is wrong after a run with this power."""
        ending = run(play(self.prepared, self.iccid, power, down=down))
        self.answered += sum(state == "answered" for _, state in ending.entries)
        self.entries += len(ending.entries)
        wrong = []
        if [name for name, _ in ending.entries] != list(LIFE):
            wrong.append(f"{where}: entries {ending.entries}")
        if ending.eis != ending.card:
            wrong.append(f"{where}: EIS {ending.eis}, card {ending.card}")
        if any(count > 1 for count in ending.commands.values()):
            wrong.append(f"{where}: commands {dict(ending.commands)}")
        told = {name for name, state in ending.entries if state == "answered"}
        if not {FUNCTIONS[name] for name in told - {"audit"}} <= set(ending.commands):
            wrong.append(f"{where}: told {sorted(told)}, done {sorted(ending.commands)}")
        if any(state == "cancelled" for _, state in ending.entries):
            wrong.append(f"{where}: cancelled what was sent: {ending.entries}")
        if ending.counted[0] != ending.counted[1]:
            wrong.append(f"{where}: counts {ending.counted}")
        if ending.left_over:
            wrong.append(f"{where}: left over {ending.left_over}")
        return wrong


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with quick_folder() as folder, compiled_once():
        prepared = run(prepare(folder))
        yield Stage(prepared, run(install(prepared)))
    structlog.reset_defaults()


async def install(prepared: Prepared) -> str:
    """A second profile for the card, by SMS; what there is then is kept as the prepared state."""
    world = World(prepared.world)
    world.load()
    await world.start()
    platform = Platform(world, prepared.data, transport="sms")
    operator = await platform.open()
    await asyncio.sleep(3.0)
    request = admin.CreateOrder(
        owner=OWNER, eid=world.eids[0], profile_type="demo", enable=False, validity=VALIDITY
    )
    view: Any = await operator.sm_dp(request)
    while view.state != "done":
        await asyncio.sleep(1.0)
        view = await operator.sm_dp(admin.ShowOrder(owner=OWNER, order_id=view.order_id))
    assert view.status.ok
    await asyncio.sleep(3.0)
    await platform.close()
    await world.stop()
    for eid, device in world.terminal.devices.items():
        (prepared.world / "cards" / f"{eid}.json").write_text(json.dumps(device.card.dump()))
    return str(view.iccid)


async def play(prepared: Prepared, iccid: str, power: Power, *, down: float) -> Ending:
    """Three entries from the prepared state to their ends, with the machine off for `down` seconds after each
    cut."""
    with quick_folder() as folder, held_port() as port:
        shutil.copytree(prepared.data, folder / "data")
        shutil.copytree(prepared.world, folder / "world")
        for path in (folder / "world" / "cards").glob("*.json"):
            image = json.loads(path.read_text())
            image["isdr"]["https"] = own_sessions(image["eid"], port, POLL)
            path.write_text(json.dumps(image))
        world = World(folder / "world")
        world.load()
        await world.start()
        platform = Platform(
            world,
            folder / "data",
            transport="https-pull",
            https_port=port,
            smsc=False,
            on_commit=power.on_commit,
            before_commit=power.before_commit,
        )
        before = len(next(iter(world.terminal.devices.values())).card.log)
        try:
            entries = await _until_ended(platform, iccid, power, down)
            return _ending(world, folder / "data", entries, before, power)
        finally:
            await world.stop()


async def _until_ended(platform: Platform, iccid: str, power: Power, down: float) -> list[EntryView]:
    end = asyncio.get_running_loop().time() + PATIENCE
    stirred = _stirring(platform.world)
    while True:
        machine = power.machine = Machine(platform)
        try:
            operator = await machine.boot()
            await machine.run(asyncio.sleep(3.0))
            power.armed = True
            eid = platform.world.eids[0]
            await machine.run(_add(operator, eid, iccid))
            entries = await machine.run(_list(operator, eid))
            while len(entries) < len(LIFE) or not all(one.state in ENDED for one in entries):
                assert asyncio.get_running_loop().time() < end, [(one.function, one.state) for one in entries]
                await machine.run(_rest(stirred))
                entries = await machine.run(_list(operator, eid))
                await machine.run(_cancel_when_sent(operator, entries))
            await machine.run(asyncio.sleep(3.0))
            power.armed = False
            await machine.halt()
        except Cut:
            await machine.bury()
            await asyncio.sleep(down)
        else:
            return entries


async def _add(operator: Operator, eid: str, iccid: str) -> None:
    """The entries, in the same words after each cut: key and name make them the same entries."""
    item = QueueItem(function="audit", validity=VALIDITY)
    await operator.sm_sr(QueueAdd(owner=OWNER, eid=eid, item=item, key="audit"))
    await _campaign(operator, "enable", iccid)
    await operator.sm_sr(CampaignChange(owner=OWNER, campaign="enable", action="pause"))
    before = await _list(operator, eid)
    await asyncio.sleep(POLL)  # the card comes by
    after = await _list(operator, eid)
    if _of(before, "enable") in (QUEUED, None):
        assert _of(after, "enable") in (QUEUED, None), "it is paused"
    await operator.sm_sr(CampaignChange(owner=OWNER, campaign="enable", action="resume"))
    while _of(await _list(operator, eid), "enable") is None:
        await asyncio.sleep(0.1)  # it is added behind the call
    await _campaign(operator, "disable", iccid)


async def _campaign(operator: Operator, function: str, iccid: str) -> None:
    item = QueueItem(function=function, iccid=iccid, validity=VALIDITY)
    await operator.sm_sr(CampaignStart(owner=OWNER, campaign=function, item=item))


async def _cancel_when_sent(operator: Operator, entries: list[EntryView]) -> None:
    if _of(entries, "disable") in RUNNING:
        view = await operator.sm_sr(CampaignShow(owner=OWNER, campaign="disable"))
        assert isinstance(view, CampaignView)
        if view.state is CampaignState.RUNNING:
            await operator.sm_sr(CampaignChange(owner=OWNER, campaign="disable", action="cancel"))


def _stirring(world: World) -> asyncio.Event:
    """Set whenever the card has run a script."""
    stirred = asyncio.Event()
    runner = world.terminal.devices[world.eids[0]].card._sms._runner
    original = runner.run

    def run_it(*arguments: Any) -> bytes:
        answer: bytes = original(*arguments)
        stirred.set()
        return answer

    runner.run = run_it  # type: ignore[method-assign]
    return stirred


async def _rest(stirred: asyncio.Event) -> None:
    """Until the card has done something, or for a while: some cards have two entries in one moment."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(POLL / 4):
            await stirred.wait()
    stirred.clear()


def _of(entries: list[EntryView], function: str) -> EntryState | None:
    return next((one.state for one in entries if one.function == function), None)


async def _list(operator: Operator, eid: str) -> list[EntryView]:
    page = await operator.sm_sr(QueueList(owner=OWNER, eid=eid))
    assert isinstance(page, QueuePage)
    return list(page.entries)


def _ending(world: World, data: Path, entries: list[EntryView], before: int, power: Power) -> Ending:
    device = world.terminal.devices[world.eids[0]]
    tables = {role: _Tables(data / f"{role}.db") for role in ROLES if (data / f"{role}.db").exists()}
    try:
        return Ending(
            entries=[(one.function, one.state.value) for one in entries],
            commands=Counter(
                name
                for entry in device.card.log[before:]
                if (name := entry["command"].split()[0]) in ("EnableProfile", "DisableProfile")
                and entry["sw"].startswith("9000")
            ),
            eis=_eis(tables["sm-sr"]),
            card=card_as_eis(device.card),
            left_over={
                f"{role} {table}": count
                for role, found in tables.items()
                for table in ("outbox", "lease")
                if (count := found.rows(f"SELECT count(*) FROM {table}")[0][0])
            },
            counted=[tables["sm-sr"].rows(COUNTED), tables["sm-sr"].rows(TRUE)],
            cancelled=tables["sm-sr"].rows("SELECT name FROM campaign WHERE state = 'cancelled'"),
            commits=power.count,
        )
    finally:
        for found in tables.values():
            found.close()


def test_undisturbed(stage: Stage) -> None:
    assert stage.reference.entries == [(name, "answered") for name in LIFE]
    assert stage.reference.commands == {"EnableProfile": 1, "DisableProfile": 1}
    assert stage.reference.eis == stage.reference.card
    assert stage.reference.left_over == {}
    assert stage.reference.counted == [[("disable", 1, 0, 0), ("enable", 1, 0, 0)]] * 2
    assert stage.reference.cancelled == [("disable",)]
    assert stage.reference.commits > 30


@pytest.mark.parametrize("part", range(PARTS))
def test_off_after_each_commit(stage: Stage, part: int) -> None:
    wrong = []
    for number in range(1 + part, stage.reference.commits + 1, PARTS):
        wrong += stage.check(Power(after=frozenset((number,))), f"after commit {number}", down=8.0)
    assert not wrong, "\n".join(wrong)
    assert stage.answered >= MOSTLY * stage.entries


@pytest.mark.skipif(not os.environ.get("FERRYMAN_SOAK"), reason="soak only")
@pytest.mark.parametrize("part", range(PARTS))
def test_off_before_each_commit(stage: Stage, part: int) -> None:
    wrong = []
    for number in range(1 + part, stage.reference.commits + 1, PARTS):
        wrong += stage.check(Power(before=frozenset((number,))), f"before commit {number}", down=1.0)
    assert not wrong, "\n".join(wrong)
    assert stage.answered >= MOSTLY * stage.entries
