"""SM-SR change with either side cut off at its commits (SGP.02 3.8): one owner at every moment, and an end.

Each run starts from the same state and cuts one of the two installations once, after or before one commit of all
its databases together; it comes back seconds later. The undisturbed run counts the commits of each side.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crash_world import Power
from e2e.bench import bench
from e2e.two_smsrs import FIRST, SECOND, Wire, first_settings, join
from ferryman.contracts import es4
from ferryman.contracts.status import ExecutionStatus
from virtual_loop import run

SOAK = os.environ.get("FERRYMAN_SOAK") == "1"
EVERY = 1 if SOAK else 6  # commits between two cuts
LIMIT = 60_000.0  # virtual seconds of one run

pytestmark = pytest.mark.timeout(600)


@dataclass
class Result:
    """How a run ended."""

    status: ExecutionStatus
    commits: dict[str, int]
    cuts: int
    owners: list[str] = field(default_factory=list)  # without repeats
    problems: list[str] = field(default_factory=list)


@dataclass
class Watch:
    """Who manages the card, after each commit of either side: it goes over once and is never nobody's."""

    databases: dict[str, Path]
    eid: str
    owners: list[str] = field(default_factory=list)

    def over(self, hook: Callable[[int], bool]) -> Callable[[int], bool]:
        """The commit hook with a look at both databases before it."""

        def on_commit(number: int) -> bool:
            self.look()
            return hook(number)

        return on_commit

    def look(self) -> None:
        """What the files say."""
        known = [name for name, path in self.databases.items() if self._knows(path)]
        # A card that the new one has taken is locked at the current one until it hears so.
        owner = SECOND if SECOND in known else (known[0] if known else "nobody")
        if not self.owners or self.owners[-1] != owner:
            self.owners.append(owner)

    def _knows(self, path: Path) -> bool:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute("SELECT 1 FROM euicc WHERE eid = ?", (self.eid,)).fetchone() is not None


async def play(side: str, power: Power) -> Result:
    async with bench("sms", sr=first_settings()) as b:
        wire = await join(b)
        await b.platform.close()
        await wire.second.close()
        powers = {FIRST: Power(), SECOND: Power()}
        powers[side] = power
        watch = Watch({name: wire.platform(name).data / "sm-sr.db" for name in powers}, b.eid)
        keepers = []
        for name, one in powers.items():
            platform = wire.platform(name)
            platform.on_commit, platform.before_commit = watch.over(one.on_commit), one.before_commit
            await wire.boot(name)
            keepers.append(asyncio.create_task(wire.keep_up(name)))
        await b.sleep(5.0)
        card = await wire.card(FIRST)
        assert card is not None
        wire.requester = card.profiles[0].owner
        asked = await wire.call(SECOND, es4.ES4PrepareSMSRChange(eid=b.eid, current_smsr_id=FIRST))
        assert (await wire.ended(asked)).ok
        for name, one in powers.items():
            one.armed = True
            one.machine = wire.machines[name]
        body = es4.ES4SMSRChange(eid=b.eid, target_smsr_id=SECOND)
        call = await wire.call(FIRST, body, call_id="the-change")
        try:
            status = await wire.ended(call, patience=20_000.0)
            await b.sleep(60.0)
            problems = await final(wire, status)
        finally:
            for task in keepers:
                task.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            commits = {name: one.count for name, one in powers.items()}
            for one in powers.values():
                one.armed = False
            await wire.close()
            await wire.machines[FIRST].halt()
            b.operator = await b.platform.open()
        return Result(status, commits, power.cuts, watch.owners, problems)


async def final(wire: Wire, status: ExecutionStatus) -> list[str]:
    """What does not fit together at the end."""
    first, second = await wire.card(FIRST), await wire.card(SECOND)
    versions = {k.kvn for k in wire.bench.device().card._core.state.scp80}
    found = []
    if status.ok and (first is not None or second is None):
        found.append("told done, and the card is not the second one's alone")
    if not status.ok and (first is None or second is not None):
        found.append(f"told {status.code}, and the card is not the first one's alone")
    mine = second if second is not None else first
    if mine is not None and mine.scp80_version not in versions:
        found.append("the owner cannot reach the card")
    return found


class Stage:
    """The undisturbed run."""

    def __init__(self) -> None:
        self._reference: Result | None = None

    @property
    def reference(self) -> Result:
        if self._reference is None:
            self._reference = run(play(FIRST, Power()), limit=LIMIT)
        return self._reference


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


def test_undisturbed(stage: Stage) -> None:
    result = stage.reference
    assert result.status.ok, result.status
    assert result.owners == [FIRST, SECOND]
    assert not result.problems
    assert min(result.commits.values()) > 10


@pytest.mark.parametrize("when", ["after", "before"])
@pytest.mark.parametrize("side", [FIRST, SECOND], ids=["current", "new"])
def test_cut_at_commits(stage: Stage, side: str, when: str) -> None:
    found: list[str] = []
    last = stage.reference.commits[side]
    for number in range(1 + (when == "before") * EVERY // 2, last + 1, EVERY):
        result = run(play(side, Power(**{when: frozenset((number,))})), limit=LIMIT)
        problems = list(result.problems)
        if not result.cuts:
            problems.append("it was not cut")
        if not result.status.ok:
            problems.append(f"it ended with {result.status}")
        if result.owners != [FIRST, SECOND]:
            problems.append(f"owners {result.owners}")
        found += [f"{when} commit {number} of {last}: {text}" for text in problems]
    assert not found, found
