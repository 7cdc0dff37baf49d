"""Two `ferryman up` trees; a card moves between them, and either is killed (SIGKILL) at each step (SGP.02 3.8).

A step is reached when the databases of its side show it. Whoever is killed is started again at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import soap_guard
import two_trees
from ferryman.cli.control import ControlClient
from ferryman.cli.operator import Operator
from ferryman.contracts import admin, es4
from ferryman.contracts.message import Body
from ferryman.contracts.peers import POLLED
from ferryman.soap_gateway.esm.body import decode
from moving_card import FIRST, SECOND, Move
from parties import Party
from rig import OWNER
from two_trees import Tree

PATIENCE = 240.0  # seconds of real time for one call with its crash on a busy machine
SOAK = bool(os.environ.get("FERRYMAN_SOAK"))
SETTINGS = {"sms_answer_timeout": 4.0, "handover_timeout": 60.0}


@dataclass(frozen=True)
class Step:
    """A step of 7.6: where it shows."""

    name: str
    side: str
    role: str
    query: str


def exchange(side: str, function: str, *, answered: bool = False) -> tuple[str, str, str]:
    condition = " AND answer IS NOT NULL" if answered else ""
    return side, "soap-gateway", f"SELECT 1 FROM exchange WHERE function = '{function}'{condition}"


STEPS = (
    Step("4 SMSRChange", *exchange(FIRST, "ES4.SMSRChange")),
    Step(
        "5 HandoverEUICC leaves",
        FIRST,
        "soap-gateway",
        "SELECT 1 FROM request WHERE function = 'ES7.HandoverEUICC'",
    ),
    Step("6 HandoverEUICC arrives", *exchange(SECOND, "ES7.HandoverEUICC")),
    Step("7 AuthenticateSMSR", *exchange(FIRST, "ES7.AuthenticateSMSR")),
    Step("13 RandomChallenge", *exchange(FIRST, "ES7.AuthenticateSMSR", answered=True)),
    Step("15 CreateAdditionalKeySet", *exchange(FIRST, "ES7.CreateAdditionalKeySet")),
    Step("22 receipt", *exchange(FIRST, "ES7.CreateAdditionalKeySet", answered=True)),
    Step("27 the new one manages it", SECOND, "sm-sr", "SELECT 1 FROM euicc"),
    Step("28 HandoverEUICC answered", *exchange(SECOND, "ES7.HandoverEUICC", answered=True)),
    Step("29 handed over", FIRST, "sm-sr", "SELECT 1 FROM handed_over"),
)
USUAL = {(FIRST, "22 receipt"), (SECOND, "15 CreateAdditionalKeySet")}
_CALLS = itertools.count(1)  # a MessageID of its own for each
_POLLS = itertools.count(1)
_NAMES: dict[Any, str] = {FIRST: "current", SECOND: "new"}
CASES = [(side, step) for side in (FIRST, SECOND) for step in STEPS]


async def reached(move: Move, step: Step) -> None:
    """Until the databases show the step, or a later one."""
    later = STEPS[STEPS.index(step) :]
    while not any(_shows(move, each) for each in later):
        await asyncio.sleep(0.003)


def _shows(move: Move, step: Step) -> bool:
    data = (move.first if step.side == FIRST else move.second).data
    with contextlib.closing(sqlite3.connect(f"file:{data / step.role}.db?mode=ro", uri=True)) as connection:
        return connection.execute(step.query).fetchone() is not None


async def place(move: Move, name: str, body: Body, call_id: str) -> None:
    """Call until it is taken; the answer is to be fetched."""
    client = move.client(name)
    to = f"{client.gateway.url}/es4?EntityId={name}"
    client.number = next(_CALLS)
    octets = client.compose(body, call_id=call_id, reply_to=f"{POLLED}mno", validity=7_200, to=to, to_id=name)
    while True:
        with contextlib.suppress(OSError):
            if (await client.post(octets)).status == 202:
                return
        await asyncio.sleep(1.0)


async def result[T: Body](move: Move, name: str, kind: type[T]) -> T:
    """The next message of a kind that waits at one of the two; what else is fetched is passed over."""
    client = move.client(name)
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(OSError):
                found = await client.poll("mno", next(_POLLS), name)
                if found.status == 200:
                    body = decode(found.envelope.body).body
                    if isinstance(body, kind):
                        return body
                    continue
            await asyncio.sleep(0.3)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("side", "step"), CASES, ids=lambda each: _NAMES.get(each) or each.name)
async def test_killed_while_the_card_moves(
    tmp_path: Path, parties: dict[str, Party], side: str, step: Step
) -> None:
    if not SOAK and (side, step.name) not in USUAL:
        pytest.skip("soak only")
    world = two_trees.prepared(tmp_path / "world")
    await world.start()
    move = Move.make(tmp_path, world, parties, threaded=True, **SETTINGS)
    a, b = await move.first.open(), await move.second.open()
    await move.set_up(a, b)
    await move.first.close()
    await move.second.close()
    trees = {FIRST: Tree(move.first), SECOND: Tree(move.second)}
    [eid] = world.eids
    try:
        for tree in trees.values():
            await tree.start()
        await place(move, SECOND, es4.ES4PrepareSMSRChange(eid=eid, current_smsr_id=FIRST), "prepare")
        prepared = await result(move, SECOND, es4.ES4PrepareSMSRChangeResponse)
        assert prepared.status.ok, prepared
        await place(move, FIRST, es4.ES4SMSRChange(eid=eid, target_smsr_id=SECOND), "change")
        async with asyncio.timeout(PATIENCE):
            await reached(move, step)
        await trees[side].kill()
        await trees[side].start()
        changed = await result(move, FIRST, es4.ES4SMSRChangeResponse)
        assert changed.status.ok, changed
        assert await known(move.first.data, eid) == ()
        assert await known(move.second.data, eid) == (SECOND,)
        told = await result(move, SECOND, es4.ES4HandleSMSRChangeNotification)
        assert (told.eis.eid, told.eis.smsr_id) == (eid, SECOND)
        # It has the keys: the card answers it.
        await place(move, SECOND, es4.ES4AuditEIS(eid=eid), "audit")
        audited = await result(move, SECOND, es4.ES4AuditEISResponse)
        assert audited.status.ok, audited
        for data in (move.first.data, move.second.data):
            assert soap_guard.messages(data) > 0  # valid, all of them
    finally:
        for tree in trees.values():
            await tree.kill()
        await world.stop()


async def known(data: Path, eid: str) -> tuple[str, ...]:
    """The SM-SR that an installation names for the card; nothing when it does not know it."""
    operator = Operator(ControlClient(data), OWNER)
    page = await operator.sm_sr(admin.ListEUICCs(owner=OWNER))
    assert isinstance(page, admin.EUICCPage)
    return tuple(one.smsr_id for one in page.euiccs if one.eid == eid)
