"""The SM-DP is killed at every commit of an order that holds twice, and ends like one that never was.

After one commit and before the next in turn, with FERRYMAN_SOAK=1 after and before each. The operator's system and
the SM-SR outlive it; the operator places the order again in the same words, and says again what it had said. No
question may be asked under a second name, no ES3 call may be made twice, and the end must be the same.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from crash_world import compiled_once, quick_folder
from dp_world import DPWorld, OperatorSystem
from ferryman.contracts import holds
from ferryman.contracts.roles import SM_DP
from ferryman.errors import Refused
from ferryman.platform.migrate import upgrade
from ferryman.platform.store import SQLiteStore
from rig import OWNER
from virtual_loop import run

CALL = "order-of-the-crash-test"
PATIENCE = 4_000.0  # s until the order must have ended
SOAK = os.environ.get("FERRYMAN_SOAK") == "1"
DOWN = 3.0  # s that the SM-DP stays away


@dataclass
class Ending:
    """What is compared."""

    status: Any
    steps: list[str]
    calls: dict[str, str]
    asked: set[str]
    profiles: dict[str, Any]
    audit: list[Any]
    left: list[Any]
    commits: int


async def play(prepared: Path, port: int, say: Any, *, after: int = 0, before: int = 0, by_hand: bool) -> Ending:
    with quick_folder() as folder:
        shutil.copy(prepared, folder / "dp.db")
        peer = OperatorSystem(say, port=port)
        await peer.start()
        world = DPWorld(folder / "dp.db")
        peer.clock = world.now
        count = 0
        cut = False

        def on_commit(_number: int) -> bool:
            nonlocal count, cut
            count += 1
            hit = not cut and count == after
            cut = cut or hit
            return hit

        def before_commit(_number: int) -> bool:
            nonlocal cut
            hit = not cut and count + 1 == before
            cut = cut or hit
            return hit

        try:
            while True:
                await world.boot(on_commit=on_commit, before_commit=before_commit)
                work = asyncio.create_task(operate(world, by_hand))
                died = asyncio.create_task(world.died.wait())
                await asyncio.wait({work, died}, return_when=asyncio.FIRST_COMPLETED)
                if not world.died.is_set():
                    died.cancel()
                    view = await work
                    ending = await look(world, peer, view)
                    ending.commits = count
                    await world.stop()
                    return ending
                work.cancel()
                await world.kill()
                await asyncio.sleep(DOWN)
        finally:
            await peer.stop()


async def operate(world: DPWorld, by_hand: bool) -> Any:
    """Order, and let go by hand what waits for it."""
    view = await world.order(call_id=CALL)
    for _ in range(int(PATIENCE)):
        view = await world.show(view.order_id)
        if view.state == "done":
            await asyncio.sleep(2.0)
            return view
        if by_hand and view.hold:
            try:
                await world.ask(holds.ReleaseOrder(owner=OWNER, order_id=view.order_id, hold=view.hold))
            except Refused as refused:
                raise AssertionError(str(refused)) from None
        await asyncio.sleep(1.0)
    raise AssertionError(f"it never ended: {view}")


async def look(world: DPWorld, peer: OperatorSystem, view: Any) -> Ending:
    left = [await world.rows(f"SELECT count(*) FROM {table}") for table in ("outbox", "lease", "timer")]
    left.append(await world.rows("SELECT count(*) FROM hook_call WHERE state <> 'ended'"))
    return Ending(
        status=view.status,
        steps=[step.name for step in view.steps],
        calls={name: type(body).__name__ for name, body in world.outside.calls.items()},
        asked=set(peer.names),
        profiles=world.outside.profiles,
        audit=await world.rows("SELECT actor, action, object, outcome FROM audit ORDER BY seq"),
        left=left,
        commits=0,
    )


def refuse_after(call: dict[str, Any], _times: int) -> tuple[int, Any]:
    return (200, {}) if call["hold"] == holds.BEFORE_DOWNLOAD else (409, {"reason": "no such IMSI"})


SAYS: dict[str, Any] = {"refused": refuse_after, "by hand": lambda _call, _times: (202, {})}


@pytest.fixture(scope="module")
def prepared() -> Any:
    """A database with template, stock and hook, and the port of the operator's system."""
    with quick_folder() as folder:
        path = folder / "prepared.db"

        async def prepare() -> int:
            store = SQLiteStore(str(path), threaded=False)
            await upgrade(store, SM_DP)
            await store.close()
            peer = OperatorSystem(lambda _call, _times: (200, {}))
            await peer.start()
            world = DPWorld(path)
            await world.boot()
            await world.stock(2)
            hook = holds.SetHook(owner=OWNER, url=peer.url, key="hlr", limit=900.0, undo=holds.DELETE)
            await world.ask(hook)
            await world.stop()
            await peer.stop()
            return peer.port

        port = run(prepare())
        with compiled_once():
            yield path, port


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SAYS)
def test_killed_at_every_commit(prepared: Any, name: str) -> None:
    path, port = prepared
    by_hand = name == "by hand"

    def life(**cut: int) -> Ending:
        return run(play(path, port, SAYS[name], by_hand=by_hand, **cut))

    reference = life()
    assert reference.commits > 15
    assert reference.left == [[(0,)]] * 4
    assert len(reference.asked) == 2
    wrong = []
    for number in range(1, reference.commits + 1):
        for way in ("after", "before") if SOAK else ("after",) if number % 2 else ("before",):
            ending = life(**{way: number})
            ending.commits = reference.commits
            if ending != reference:
                wrong.append(f"{way} commit {number}: {ending}")
    assert not wrong, f"{len(wrong)} of {reference.commits}\n{reference}\n" + "\n".join(wrong[:3])
