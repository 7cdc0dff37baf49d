"""An order with download and enabling on a card of each personality (docs/personalities.md)."""

from __future__ import annotations

import pytest

from e2e import checks
from e2e.bench import bench
from ferryman.contracts.status import Status
from virtual_loop import virtual


@pytest.mark.parametrize("transport", ["sms", "https"])
@pytest.mark.parametrize("personality", ["recorded", "strict"])
@virtual
async def test_order_with_enable(transport: str, personality: str) -> None:
    async with bench(transport, options=("--personality", personality)) as b:
        view, status = await b.run_order()
        await checks.everything(b, view)
        assert status.status is Status.SUCCESS, status
        card = await checks.eis(b, b.eid)
        assert card.enabled is not None
        assert card.enabled.iccid == view.iccid
