"""Notifications 01, 02, 03 and 05 by either bearer, confirmed once each; what else comes changes nothing (4.8)."""

from __future__ import annotations

import pytest

from e2e import checks
from e2e.bench import bench
from ferryman.contracts.status import Status
from virtual_loop import virtual

NEVER = 1_000_000  # s between sessions of its own: the card knows where its SM-SR is, and does not poll

BEARERS = pytest.mark.parametrize("bearer", ["sms", "https"])


@BEARERS
@virtual
async def test_every_type_by_this_bearer(bearer: str) -> None:
    async with bench("https", limits={"notification_transports": [bearer]}, poll=NEVER) as b:
        view, status = await b.run_order()  # 01 at the first attachment, 02 for the enabling
        assert status.status is Status.SUCCESS, status
        await b.fault(lose_connectivity=True)  # 05
        await b.sleep(400.0)
        assert b.device().card.enabled_profile().iccid != view.iccid
        audits = [(action, outcome) for action, outcome, _ in await b.audits()]
        for name in (
            "0001 eUICC declaration",
            "0002 profile change succeeded",
            "0005 profile change after fall-back",
        ):
            assert audits.count((name, "received")) == 1, (name, audits)
        assert b.device().card.dump()["run"]["notification"] is None, "the card knows that we know"
        card = await checks.eis(b, b.eid)
        assert card.enabled is not None
        assert card.enabled.fallback
        await checks.everything(b, view)


@BEARERS
@virtual
async def test_roll_back_by_this_bearer(bearer: str) -> None:
    async with bench("https", limits={"notification_transports": [bearer]}, poll=NEVER) as b:
        await b.fault(no_network_after_enable=True)
        view, status = await b.run_order()
        await b.sleep(120.0)
        assert status.status is Status.WARNING
        audits = [(action, outcome) for action, outcome, _ in await b.audits()]
        assert audits.count(("0003 profile change failed", "received")) == 1
        assert b.device().card.dump()["run"]["notification"] is None
        await checks.everything(b, view)
