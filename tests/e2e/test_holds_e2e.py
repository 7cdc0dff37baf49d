"""A whole installation, a card, and an operator's system that is asked over HTTP, signed by the CryptoServer."""

from __future__ import annotations

from typing import Any

import pytest

from dp_world import KEY, OperatorSystem
from e2e import checks
from e2e.bench import bench
from ferryman.contracts import crypto, holds
from ferryman.contracts.status import Status
from ferryman.errors import Refused
from rig import OWNER, START
from virtual_loop import virtual


@pytest.mark.parametrize("refused", [False, True])
@virtual
async def test_the_card_waits_for_the_operators_system(refused: bool) -> None:
    async with bench("https") as b:
        seen: dict[str, list[str]] = {}

        def say(call: dict[str, Any], _times: int) -> tuple[int, Any]:
            seen[call["hold"]] = b.log()
            return (409, {"reason": "unknown"}) if refused and call["hold"] == holds.AFTER_ENABLE else (200, {})

        peer = OperatorSystem(say, clock=lambda: START + b.platform.installation.clock.now() - START)
        await peer.start()
        try:
            hook = holds.SetHook(owner=OWNER, url=peer.url, key="hlr", undo=holds.DELETE)
            await b.operator.sm_dp(hook)
            with pytest.raises(Refused, match="32 to 64"):
                await b.operator.crypto(crypto.ImportHookKey(owner=OWNER, name="hlr", key=KEY[:31]))
            await b.operator.crypto(crypto.ImportHookKey(owner=OWNER, name="hlr", key=KEY))
            view, status = await b.run_order()
            assert "CreateISDP" not in seen[holds.BEFORE_DOWNLOAD]
            assert "EnableProfile" in seen[holds.AFTER_ENABLE]
            if not refused:
                assert status.status is Status.SUCCESS
                await checks.everything(b, view)
                return
            assert (status.status, view.isdp_aid) == (Status.FAILED, "")
            assert "refused after enable: unknown" in status.message
            card = await checks.eis(b, b.eid)
            assert [profile.iccid for profile in card.profiles if profile.iccid == view.iccid] == []
            assert len(card.profiles) == 1
            assert {"DisableProfile", "DeleteProfile"} & set(b.log())
        finally:
            await peer.stop()
