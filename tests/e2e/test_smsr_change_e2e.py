"""Change of SM-SR between two installations, one card, real channels (SGP.02 3.8; ES4, ES7)."""

from __future__ import annotations

import pytest

from e2e.bench import bench
from e2e.two_smsrs import FIRST, SECOND, first_settings, join
from ferryman.contracts import es4
from ferryman.contracts.status import Status
from virtual_loop import virtual

BOTH = pytest.mark.parametrize("transport", ["sms", "https"])


@BOTH
@virtual
async def test_the_card_changes_hands(transport: str) -> None:
    async with bench(transport, sr=first_settings()) as b:
        view, _ = await b.run_order()
        wire = await join(b)
        try:
            before = await wire.card(FIRST)
            status = await wire.change()
            assert status.status is Status.SUCCESS, status
            assert await wire.owner() == SECOND
            assert await wire.card(FIRST) is None
            assert await wire.noted() == SECOND
            after = await wire.card(SECOND)
            assert before is not None
            assert after is not None
            assert after.profiles == before.profiles
            assert (after.smsr_id, after.signed_info) == (SECOND, before.signed_info)
            keysets = {k.kvn for k in b.device().card._core.state.scp80}
            assert keysets == {after.scp80_version}, "the former SM-SR cannot reach the card any more"
            assert b.device().card._core.state.smsr_address.endswith("99999999")
            told = [body for _, body in wire.notices if isinstance(body, es4.ES4HandleSMSRChangeNotification)]
            assert [(n.eis.eid, n.eis.smsr_id) for n in told] == [(b.eid, SECOND)]
            assert view.iccid in [p.iccid for p in told[0].eis.profiles]
        finally:
            await wire.close()
