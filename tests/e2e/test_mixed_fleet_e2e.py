"""A mixed fleet: some cards are called, some come by themselves, some take SMS only; much of it gets lost."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from e2e import checks
from e2e.bench import Bench, bench
from ferryman.contracts import admin
from ferryman.contracts.queue import EntryState, QueueAdd, QueueItem, QueuePage
from ferryman.contracts.queue import QueueList as Queue
from ferryman.sm_dp.records import DPSettings
from ferryman.sm_sr.settings import SRSettings
from ferryman.transport_https import schema as https_schema
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


async def alarms(b: Bench) -> list[tuple[str, str]]:
    """Of sessions that named another eUICC: whose session, and what was said."""
    table = https_schema.PLATFORM.audit
    statement = select(table.c.eid, table.c.detail).where(
        table.c.action == "SCP81.Session", table.c.outcome == "alarm"
    )
    rows = await b.store("transport-https").read(lambda c: c.execute(statement).all())
    return [(row.eid, row.detail) for row in rows]


async def claim_another(b: Bench, impostor: str, victim: str) -> None:
    """A card that comes by itself names another one in X-Admin-From: it gets nothing, and somebody hears of it."""
    state = b.device(impostor).card._core.state
    honest = state.https
    state.https = replace(honest, agent_id=honest.agent_id.replace(impostor, victim))
    assert not await alarms(b)
    done = {eid: len(b.log(eid)) for eid in (impostor, victim)}
    item = QueueItem(function="audit", validity=DAY)
    for eid in (impostor, victim):
        await b.operator.sm_sr(QueueAdd(owner=OWNER, eid=eid, item=item, key="named"))
    await b.sleep(3 * POLL)
    waiting, answered = (await entries(b, impostor))[-1], (await entries(b, victim))[-1]
    assert waiting.state is EntryState.QUEUED
    assert len(b.log(impostor)) == done[impostor], "not its own commands, and not those of the other"
    assert answered.state is EntryState.ANSWERED
    told = await alarms(b)
    assert len(told) >= 2, "each of its visits"
    assert set(told) == {(impostor, f"PSK identity of {impostor}, X-Admin-From of {victim}")}
    state.https = honest
    await b.sleep(1.5 * POLL)
    assert (await entries(b, impostor))[-1].state is EntryState.ANSWERED


@virtual
async def test_a_mixed_fleet_with_loss_and_dropped_links() -> None:
    settings = SRSettings(sms_attempts=6)
    async with bench("https", count=COUNT, poll=POLL, sr=settings, dp=DPSettings(session_attempts=20)) as b:
        kinds = await differ(b)
        await b.sleep(400.0)  # what a card tells at first by SMS may be asked about by SMS
        first = {eid: len(b.device(eid).card.log) for eid in b.eids}
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
            since = b.device(eid).card.log[first[eid] :]
            ways = {entry["via"] for entry in since if entry["command"].startswith("GetStatus")}
            assert ways == {"sms" if kind == "sms" else "https"}, (eid, kind)
        # A card that comes by itself is never called: all it is sent is the confirmation of what it told by SMS.
        called = {eid: centre.counters.get(b.device(eid).msisdn, {}).get("mt_submitted", 0) for eid in b.eids}
        assert max(called[eid] for eid, kind in kinds.items() if kind == "https-pull") < min(
            called[eid] for eid, kind in kinds.items() if kind == "sms"
        )
        centre.mt.faults = centre.mo.faults = Faults()
        for eid in b.eids:
            await b.fault(eid, break_after_scripts=None)
        impostor, victim = [eid for eid, kind in kinds.items() if kind == "https-pull"][:2]
        await claim_another(b, impostor, victim)
        await b.sleep(1800.0)
        for eid in b.eids:
            await checks.card_agrees(b, eid)
        await checks.nothing_left(b)
