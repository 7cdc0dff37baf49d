"""What is swept after its time, and what never is: replays, repeats of calls and the audit trail stand."""

from __future__ import annotations

import pytest
from sqlalchemy import Table, func, select

from e2e import checks
from e2e.bench import VALIDITY, Bench, bench
from ferryman.cli.wiring import OWN_SWEEPS
from ferryman.contracts import admin
from ferryman.contracts.queue import QueueAdd, QueueItem
from ferryman.contracts.roles import SM_DP, SM_SR
from ferryman.errors import InputError
from ferryman.platform.procedure_rows import DONE
from ferryman.platform.retention import DAY, MIN_PROCEDURES, RetentionSettings, Sweeper, Swept
from ferryman.sm_sr.schema import queue_entry
from rig import OWNER
from virtual_loop import run

SHORT = RetentionSettings(procedures=40.0, queue=35.0, journal=10.0, audit=100.0)


def sweepers(b: Bench) -> dict[str, Sweeper]:
    return {m.role: Sweeper(m, SHORT, OWN_SWEEPS.get(m.role)) for m in b.platform.installation.mailboxes}


async def count(b: Bench, role: str, table: Table) -> int:
    return await b.store(role).read(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one())


async def ids(b: Bench, role: str, *conditions: object) -> set[str]:
    p = b.tables(role).procedure
    return set(await b.store(role).read(lambda c: c.execute(select(p.c.id).where(*conditions)).scalars().all()))


async def replays(b: Bench, role: str) -> dict[str, bool]:
    """Whether each procedure that does not end can be replayed, and from its beginning."""
    engine = b.platform.installation.engines[role]
    found = {}
    for name in await ids(b, role, engine.tables.procedure.c.status != DONE):
        again = await engine.replay(name)
        assert again is not None
        assert again.agrees, name
        found[name] = again.whole
    return found


def test_rows_go_when_their_time_is_over_and_not_before() -> None:
    async def go() -> None:
        async with bench("sms") as b:
            order = admin.CreateOrder(owner=OWNER, eid=b.eid, profile_type="demo", enable=True, validity=VALIDITY)
            first = await b.operator.sm_dp(order, call_id="the same call")
            assert isinstance(first, admin.OrderView)
            view, status = await b.ended(first)
            assert status.ok
            for held in (False, True):
                item = QueueItem(function="audit", validity=VALIDITY, hold=held)
                await b.operator.sm_sr(QueueAdd(owner=OWNER, eid=b.eid, item=item))
            await b.sleep(60.0)
            swept = sweepers(b)

            # On the day: nothing is old.
            before = {role: await count(b, role, b.tables(role).journal) for role in (SM_DP, SM_SR)}
            today = b.platform.installation.clock.now()
            for sweeper in swept.values():
                assert await sweeper.sweep(today) == Swept()

            # After 11 days: the journal, but for what the living need to be replayed.
            for sweeper in swept.values():
                await sweeper.sweep(today + 11 * DAY)
            for role in (SM_DP, SM_SR):
                assert await count(b, role, b.tables(role).journal) < before[role]
            assert await replays(b, SM_SR)
            j = b.tables(SM_DP).journal
            assert await count(b, SM_DP, j) == 0
            assert await count(b, "transport-sms", b.platform.installation.mailboxes[-1].tables.journal) == 0
            # The order, its call and the audit trail are there; a repeat finds the first answer.
            again = await b.operator.sm_dp(order, call_id="the same call")
            assert again == view
            assert await count(b, SM_SR, queue_entry) == 2
            audits = {role: await count(b, role, b.tables(role).audit) for role in (SM_DP, SM_SR)}
            assert all(audits.values())
            living = {
                role: await ids(b, role, b.tables(role).procedure.c.status != DONE) for role in (SM_DP, SM_SR)
            }
            assert living[SM_SR]

            # After 41 days: what has ended, with its calls; never what has not.
            for sweeper in swept.values():
                await sweeper.sweep(today + 41 * DAY)
            for role in (SM_DP, SM_SR):
                assert await ids(b, role) == living[role]
                assert await count(b, role, b.tables(role).call) == 0
                assert await count(b, role, b.tables(role).audit) >= audits[role]
            assert await count(b, SM_SR, queue_entry) == 1, "the one that is held"
            await replays(b, SM_SR)
            await checks.card_agrees(b, b.eid)

            # After 101 days: the audit trail.
            for sweeper in swept.values():
                await sweeper.sweep(today + 101 * DAY)
            assert await count(b, SM_DP, b.tables(SM_DP).audit) < audits[SM_DP]

    run(go())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"procedures": MIN_PROCEDURES - 1, "journal": 5.0}, "retention.procedures"),
        ({"journal": 0.5}, "retention.journal"),
        ({"journal": 401.0}, "retention.journal"),
        ({"audit": 399.0}, "retention.audit"),
    ],
)
def test_settings_that_would_lose_what_is_needed_are_refused(changes: dict[str, float], field: str) -> None:
    with pytest.raises(InputError) as caught:
        RetentionSettings(**changes)
    assert caught.value.field == field
