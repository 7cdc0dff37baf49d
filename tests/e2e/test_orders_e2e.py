"""Whole orders without disturbance, and several on one card (SGP.02 3.1, 3.2)."""

from __future__ import annotations

import pytest

from e2e import checks
from e2e.bench import bench
from ferryman.contracts.status import Status
from personality import COUNTS
from virtual_loop import virtual

BOTH = pytest.mark.parametrize("transport", ["sms", "https"])


@BOTH
@virtual
async def test_order_with_enable(transport: str) -> None:
    async with bench(transport) as b:
        view, status = await b.run_order()
        await checks.everything(b, view)
        assert status.status is Status.SUCCESS
        assert view.pe_statuses
        assert b.world.status(b.eid)["authenticated"]
        card = await checks.eis(b, b.eid)
        assert card.enabled is not None
        assert card.enabled.iccid == view.iccid
        sessions = b.world.status(b.eid)["counters"]["https_sessions"]
        # A card without numbers is asked behind the confirmation what it took it for, in a session of its own.
        assert sessions == ((1 if COUNTS else 2) if transport == "https" else 0)


@BOTH
@virtual
async def test_order_without_enable(transport: str) -> None:
    async with bench(transport) as b:
        view, status = await b.run_order(enable=False)
        await checks.everything(b, view)
        assert status.status is Status.SUCCESS
        assert "EnableProfile" not in b.log()
        card = await checks.eis(b, b.eid)
        assert [p.state for p in card.profiles] == ["Enabled", "Disabled"]


@BOTH
@virtual
async def test_second_order_on_a_card_waits_for_the_first(transport: str) -> None:
    async with bench(transport, count=2) as b:
        orders = [await b.order(), await b.order()]
        (first, one), (second, two) = [await b.ended(view) for view in orders]
        await checks.everything(b, first, second)
        assert (one.status, two.status) == (Status.SUCCESS, Status.SUCCESS)
        done = next(step.at for step in first.steps if step.name == "done")
        assert next(step.at for step in second.steps if step.name == "GetEIS") >= done
        card = await checks.eis(b, b.eid)
        assert len(card.profiles) == 3
        assert card.enabled is not None
        assert card.enabled.iccid == second.iccid


@virtual
async def test_first_notification_of_a_card_is_confirmed_once() -> None:
    """SGP.02 3.9 step 4, 4.1.1.11: type 01 at the first attach."""
    async with bench() as b:
        await b.sleep(400.0)
        confirmed = [line for line in b.log() if line.startswith("HandleNotificationConfirmation")]
        assert len(confirmed) == 1
        assert b.log() == (confirmed if COUNTS else ["GetStatus", *confirmed, "GetStatus"])
        actions = [(action, outcome) for action, outcome, _ in await b.audits()]
        assert actions.count(("0001 eUICC declaration", "received")) == 1
        assert actions.count(("HandleNotificationConfirmation", "done")) == 1
        await checks.everything(b)
