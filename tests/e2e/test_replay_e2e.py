"""Every procedure of whole downloads is replayed from its journal, and its steps lead to the stored state."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from e2e import checks
from e2e.bench import Bench, bench
from ferryman.contracts.roles import SM_DP, SM_SR
from ferryman.platform.step_journal import EVENT, FACTS, STATE, NotReplayable, Replay
from ferryman_sim.smsc.faults import Faults
from transition_watch import WATCH
from virtual_loop import virtual


async def replayed(b: Bench) -> dict[str, Replay]:
    """All procedures of SM-DP and SM-SR."""
    found: dict[str, Replay] = {}
    for engine in b.platform.installation.engines.values():
        ids = await engine.mailbox.store.read(
            lambda c, t=engine.tables.procedure: c.execute(select(t.c.id)).scalars().all()
        )
        for procedure_id in ids:
            again = await engine.replay(procedure_id)
            assert again is not None
            found[procedure_id] = again
    return found


def check(found: dict[str, Replay]) -> None:
    for procedure_id, again in found.items():
        assert again.agrees, procedure_id
        assert again.whole, procedure_id
        assert again.steps, procedure_id


@pytest.mark.parametrize("transport", ["sms", "https"])
@virtual
async def test_a_download_with_enable(transport: str) -> None:
    async with bench(transport) as b:
        view, status = await b.run_order()
        assert status.ok
        await checks.everything(b, view)
        found = await replayed(b)
        check(found)
        kinds = {again.kind for again in found.values()}
        assert len(kinds) >= 6, kinds
        [download] = [again for again in found.values() if again.procedure_id.endswith(view.order_id)]
        assert download.steps[0].event == "begin"
        assert download.steps[-1].effects[-1] == "Done"
        assert any(step.event == "received ES3SendDataResponse" for step in download.steps)


@virtual
async def test_bad_network_restart_and_power_cut() -> None:
    async with bench("https") as b:
        b.world.smsc.centre.mt.faults = b.world.smsc.centre.mo.faults = Faults(loss=0.2, repeat=0.3)
        await b.fault(power_cut=6)
        placed = await b.order(validity=80_000.0)
        await b.sleep(60.0)
        await b.restart()
        _, status = await b.ended(placed)
        assert status.ok
        b.world.smsc.centre.mt.faults = b.world.smsc.centre.mo.faults = Faults()
        check(await replayed(b))


@virtual
async def test_a_journal_that_was_changed_is_found_out() -> None:
    """A state, an event and the facts: each is changed in the database, and the replay does not agree."""
    async with bench("sms") as b:
        view, _ = await b.run_order()
        engine = b.platform.installation.engines[SM_DP]
        procedure_id = f"download/{view.order_id}"
        first = await engine.replay(procedure_id)
        assert first is not None
        assert first.agrees

        WATCH.paused = True  # from here on, what is replayed was never a step of the procedure
        p, j = engine.tables.procedure, engine.tables.journal
        wrong = update(p).where(p.c.id == procedure_id).values(state=b'{"order_id":"x"}')
        row = await engine.mailbox.store.read(
            lambda c: c.execute(select(p.c.state).where(p.c.id == procedure_id)).scalar_one()
        )
        changed = row.replace(view.order_id.encode(), b"000000000000", 1)
        assert changed != row
        await engine.mailbox.store.write(lambda c: c.execute(wrong.values(state=changed)).rowcount)
        other = await engine.replay(procedure_id)
        assert other is not None
        assert not other.agrees
        await engine.mailbox.store.write(lambda c: c.execute(wrong.values(state=row)).rowcount)

        events = select(j.c.seq).where(j.c.procedure_id == procedure_id, j.c.direction == EVENT).order_by(j.c.seq)
        seqs = await engine.mailbox.store.read(lambda c: c.execute(events).scalars().all())
        await engine.mailbox.store.write(
            lambda c: c.execute(update(j).where(j.c.seq == seqs[2]).values(direction="xx")).rowcount
        )
        without = await engine.replay(procedure_id)
        assert without is not None
        assert not without.agrees
        await engine.mailbox.store.write(
            lambda c: c.execute(update(j).where(j.c.seq == seqs[2]).values(direction=EVENT)).rowcount
        )
        for direction, reason in ((FACTS, "lacks facts"), (STATE, "not recorded")):
            kept = j.c.procedure_id == procedure_id, j.c.direction == direction
            await engine.mailbox.store.write(
                lambda c, kept=kept: c.execute(update(j).where(*kept).values(direction="xx")).rowcount
            )
            with pytest.raises(NotReplayable, match=reason):
                await engine.replay(procedure_id)
        assert await b.platform.installation.engines[SM_SR].replay("nobody") is None
