"""A mixed fleet: some cards are called, some come by themselves, some take SMS only; much of it gets lost."""

from __future__ import annotations

import random
from typing import Any

from e2e import checks
from e2e.bench import Bench, bench
from ferryman.contracts import admin
from ferryman.contracts.queue import EntryState, QueueAdd, QueueItem, QueuePage
from ferryman.contracts.queue import QueueList as Queue
from ferryman.sm_dp.records import DPSettings
from ferryman.sm_sr.settings import SRSettings
from ferryman_sim.smsc.faults import Faults
from rig import OWNER
from virtual_loop import virtual

COUNT = 50
POLL = 900  # s
DAY = 86_400.0
KINDS = ("https", "https-pull", "sms")
ENDED = (EntryState.ANSWERED, EntryState.FAILED, EntryState.EXPIRED)
TIMES = 3  # a command whose outcome is not known ends its entry; whoever wants it adds another


def kind_of(number: int) -> str:
    return KINDS[number % len(KINDS)]


async def differ(b: Bench) -> dict[str, str]:
    """Tell the SM-SR, card by card, how it is reached."""
    kinds = {eid: kind_of(number) for number, eid in enumerate(b.eids)}
    for eid, kind in kinds.items():
        says: Any = {"transports": [kind]}
        await b.operator.sm_sr(admin.SetDifference(eid=eid, says=says))
    return kinds


async def entries(b: Bench, eid: str) -> list[Any]:
    page = await b.operator.sm_sr(Queue(owner=OWNER, eid=eid))
    assert isinstance(page, QueuePage)
    return list(page.entries)


async def audit_all(b: Bench, key: str) -> None:
    item = QueueItem(function="audit", validity=DAY)
    for eid in b.eids:
        await b.operator.sm_sr(QueueAdd(owner=OWNER, eid=eid, item=item, key=key))
    for _ in range(200):
        left = [one for eid in b.eids for one in await entries(b, eid) if one.state not in ENDED]
        if not left:
            return
        await b.sleep(300.0)
    raise AssertionError("an entry is stuck")


@virtual
async def test_a_mixed_fleet_with_loss_and_dropped_links() -> None:
    settings = SRSettings(sms_attempts=6)
    async with bench("https", count=COUNT, poll=POLL, sr=settings, dp=DPSettings(session_attempts=20)) as b:
        kinds = await differ(b)
        rng = random.Random("mixed fleet")
        centre = b.world.smsc.centre
        centre.mt.faults = centre.mo.faults = Faults(loss=0.05, repeat=0.05, reorder=0.10)
        for eid in b.eids:
            if rng.random() < 0.3:
                await b.fault(eid, break_after_scripts=rng.randint(1, 3))
        for number in range(TIMES):
            await audit_all(b, f"round {number}")
        told = {eid: [one.state for one in await entries(b, eid)] for eid in b.eids}
        assert all(EntryState.ANSWERED in states for states in told.values()), told
        for eid, kind in kinds.items():
            ways = {entry["via"] for entry in b.device(eid).card.log if entry["command"].startswith("GetStatus")}
            assert ways == {"sms" if kind == "sms" else "https"}, (eid, kind)
        # A card that comes by itself is never called: all it is sent is the confirmation of what it told by SMS.
        called = {eid: centre.counters.get(b.device(eid).msisdn, {}).get("mt_submitted", 0) for eid in b.eids}
        assert max(called[eid] for eid, kind in kinds.items() if kind == "https-pull") < min(
            called[eid] for eid, kind in kinds.items() if kind == "sms"
        )
        centre.mt.faults = centre.mo.faults = Faults()
        await b.sleep(3600.0)
        for eid in b.eids:
            await checks.card_agrees(b, eid)
        await checks.nothing_left(b)
