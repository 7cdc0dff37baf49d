"""A card whose ISD-R has another TAR than its AID: the one that its EIS lists (SGP.02 Annex E)."""

from __future__ import annotations

from typing import Any

import pytest

from e2e import checks
from e2e.bench import bench
from ferryman.codec import ids
from ferryman.contracts import admin
from ferryman.contracts.queue import EntryState, EntryView, QueueAdd, QueueItem, QueueShow
from ferryman.contracts.status import Status
from ferryman.sm_sr.settings import SRSettings
from rig import OWNER
from virtual_loop import virtual

OTHER = ("--isd-r-tar", "0000A1")
ECASD_CERTIFICATE = bytes.fromhex("220580CA7F2100")


@pytest.mark.parametrize("transport", ["sms", "https"])
@virtual
async def test_everything_goes_to_the_tar_of_the_eis(transport: str) -> None:
    """Commands, triggers, answers and notifications of a download with enabling, and a script for the ECASD."""
    sr = SRSettings(transport=transport, raw_script_requesters=(OWNER,))
    told = {"ecasd_hidden": False}  # whatever the personality: it is to answer a script
    async with bench(transport, options=OTHER, sr=sr, quirks=told) as b:
        view, status = await b.run_order()
        assert status.status is Status.SUCCESS, status
        await checks.everything(b, view)
        certificate = await script(b, ids.ECASD_AID, ECASD_CERTIFICATE)
        assert certificate.state is EntryState.ANSWERED
        assert b.device().card.log[-1]["target"] == ids.ECASD_AID.hex().upper(), b.device().card.log[-1]


@virtual
async def test_what_the_type_says_goes_before_the_eis() -> None:
    """Type data that is wrong for this card: it knows no such TAR and says so (TS 102 225 5.2, status 09)."""
    async with bench("sms", options=OTHER) as b:
        before = b.log()  # its first notification was confirmed
        await b.operator.sm_sr(admin.SetDifference(eid=b.eid, says={"isdr_tar": "0000A2"}))
        _, status = await b.run_order(validity=900.0)
        assert status.status is not Status.SUCCESS
        assert b.log() == before


async def script(b: Any, aid: bytes, data: bytes) -> EntryView:
    item = QueueItem(function="raw", sd_aid=aid, data=data, reason="to see its certificate", validity=3_600.0)
    entry: Any = await b.operator.sm_sr(QueueAdd(owner=OWNER, eid=b.eid, item=item))
    for _ in range(200):
        if entry.state in (EntryState.ANSWERED, EntryState.FAILED, EntryState.EXPIRED):
            break
        await b.sleep(5.0)
        entry = await b.operator.sm_sr(QueueShow(owner=OWNER, eid=b.eid, entry=entry.entry))
    assert isinstance(entry, EntryView)
    return entry
