"""The machine goes off at every commit while an eUICC polls and nothing waits: no session is believed in for ever.

A first POST that only asks is no commit of transport-https. Whatever the cut leaves, the SM-SR hears that the
session is over before the card comes again, the card is served when it does, and what is counted of it goes on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog

from crash_world import ROLES, Power, Prepared, compiled_once, held_port, prepare, quick_folder
from e2e.bench import own_sessions
from ferryman.cli.operator import Operator
from ferryman.contracts.queue import EntryState, QueueAdd, QueueItem, QueueList, QueuePage
from machine import Cut, Machine
from rig import OWNER, Platform, World
from virtual_loop import run

POLL = 47  # s between sessions of the card
DOWN = 8.0  # s
LOOK = 20.0  # s after a start: what an interrupted session left is settled, and the card has not come again
POLLS = 2
PATIENCE = 4_000.0  # s
ENDED = (EntryState.ANSWERED, EntryState.FAILED, EntryState.EXPIRED, EntryState.CANCELLED)
OPEN = "SELECT count(*) FROM session WHERE closed IS NULL"
TOLD_TWICE = "SELECT count(*) - count(DISTINCT id) FROM session"
SPOKE = "SELECT last, https_in, transport FROM contact"


@dataclass
class Ending:
    """What a run left behind, and what was believed on the way."""

    entry: str = ""
    cuts: int = 0
    commits: int = 0
    believed: list[str] = field(default_factory=list)  # sessions that the SM-SR holds open some time after a cut
    open_rows: list[int] = field(default_factory=list)
    left_over: dict[str, int] = field(default_factory=dict)
    contacts: list[tuple[Any, ...]] = field(default_factory=list)

    def wrong(self, where: str) -> list[str]:
        """What should not be."""
        found = []
        if self.entry != "answered":
            found.append(f"{where}: the entry is {self.entry}")
        if self.believed:
            found.append(f"{where}: the SM-SR holds open {self.believed}")
        if any(self.open_rows):
            found.append(f"{where}: rows of open sessions {self.open_rows}")
        if self.left_over:
            found.append(f"{where}: left over {self.left_over}")
        (first, *_), last = self.contacts, self.contacts[-1]
        pairs = zip(self.contacts, self.contacts[1:], strict=False)
        if any(before[:2] > after[:2] for before, after in pairs) or last[1] < first[1] + 2 or last[2] != "https":
            found.append(f"{where}: contacts {self.contacts}")
        return found


@pytest.fixture(scope="module")
def prepared() -> Iterator[Prepared]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with quick_folder() as folder, compiled_once():
        yield run(prepare(folder))
    structlog.reset_defaults()


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def believed(data: Path) -> list[str]:
    """Sessions that channels of the SM-SR hold open."""
    states = rows(data / "sm-sr.db", "SELECT state FROM procedure WHERE kind = 'channel'")
    return [session for (state,) in states if (session := json.loads(state).get("session"))]


async def play(prepared: Prepared, power: Power) -> Ending:
    """Some polls that find nothing, cut off as `power` says; then one that finds something to do."""
    with quick_folder() as folder, held_port() as port:
        data = folder / "data"
        shutil.copytree(prepared.data, data)
        shutil.copytree(prepared.world, folder / "world")
        for path in (folder / "world" / "cards").glob("*.json"):
            image = json.loads(path.read_text())
            image["isdr"]["https"] = own_sessions(image["eid"], port, POLL)
            path.write_text(json.dumps(image))
        world = World(folder / "world")
        world.load()
        await world.start()
        hooks = {"on_commit": power.on_commit, "before_commit": power.before_commit}
        platform = Platform(world, data, transport="https-pull", https_port=port, smsc=False, **hooks)
        try:
            return await _until_served(platform, data, power)
        finally:
            await world.stop()


async def _until_served(platform: Platform, data: Path, power: Power) -> Ending:
    ending = Ending()
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE
    polled = False
    while True:
        machine = power.machine = Machine(platform)
        try:
            operator = await machine.boot()
            await machine.run(asyncio.sleep(LOOK if ending.cuts else 3.0))
            if ending.cuts:
                _look(ending, data)
            power.armed = not polled
            await machine.run(asyncio.sleep(POLL * POLLS))
            polled, power.armed = True, False
            _look(ending, data)
            ending.entry = await machine.run(_serve(operator, platform.world.eids[0], end))
            await machine.run(asyncio.sleep(LOOK))
            _look(ending, data)
            await machine.halt()
        except Cut:
            ending.cuts += 1
            await machine.bury()
            await asyncio.sleep(DOWN)
        else:
            ending.commits = power.count
            for role in ROLES:
                for table in ("outbox", "lease"):
                    path = data / f"{role}.db"
                    if path.exists() and (count := rows(path, f"SELECT count(*) FROM {table}")[0][0]):
                        ending.left_over[f"{role} {table}"] = count
            return ending


def _look(ending: Ending, data: Path) -> None:
    ending.believed += believed(data)
    ending.open_rows += [row[0] for row in rows(data / "transport-https.db", OPEN)]
    ending.contacts += rows(data / "sm-sr.db", SPOKE)


async def _serve(operator: Operator, eid: str, end: float) -> str:
    item = QueueItem(function="audit", validity=3_600.0)
    await operator.sm_sr(QueueAdd(owner=OWNER, eid=eid, item=item, key="audit"))
    while True:
        page = await operator.sm_sr(QueueList(owner=OWNER, eid=eid))
        assert isinstance(page, QueuePage)
        (entry,) = page.entries
        if entry.state in ENDED:
            return entry.state.value
        assert asyncio.get_running_loop().time() < end, entry
        await asyncio.sleep(POLL / 4)


def test_undisturbed(prepared: Prepared) -> None:
    ending = run(play(prepared, Power()))
    assert ending.wrong("undisturbed") == []
    assert len(ending.contacts) == 2
    assert POLLS * 3 <= ending.commits < 40


def test_off_after_each_commit(prepared: Prepared) -> None:
    commits = run(play(prepared, Power())).commits
    wrong = []
    for number in range(1, commits + 1):
        ending = run(play(prepared, Power(after=frozenset((number,)))))
        wrong += ending.wrong(f"after commit {number}")
        assert ending.cuts == 1
    assert not wrong, "\n".join(wrong)


@pytest.mark.skipif(not os.environ.get("FERRYMAN_SOAK"), reason="soak only")
def test_off_before_each_commit(prepared: Prepared) -> None:
    commits = run(play(prepared, Power())).commits
    wrong = []
    for number in range(1, commits + 1):
        ending = run(play(prepared, Power(before=frozenset((number,)))))
        wrong += ending.wrong(f"before commit {number}")
        assert ending.cuts == 1
    assert not wrong, "\n".join(wrong)
