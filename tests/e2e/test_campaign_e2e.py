"""Campaigns on a fleet: paused and resumed while they are added and while they run, cancelled, over a restart."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from e2e import checks
from e2e.bench import Bench, bench
from ferryman.contracts import admin
from ferryman.contracts.queue import (
    CampaignChange,
    CampaignCounts,
    CampaignList,
    CampaignPage,
    CampaignShow,
    CampaignStart,
    CampaignState,
    CampaignView,
    EntryState,
    QueueAdd,
    QueueChange,
    QueueItem,
    QueueList,
)
from ferryman.errors import Refused
from ferryman.sm_sr.queue import campaigns, reach
from ferryman.sm_sr.schema import queue_entry
from ferryman.sm_sr.settings import SRSettings
from rig import OWNER
from virtual_loop import virtual

POLL = 600
DAY = 86_400.0
COUNT = 6
AUDIT = QueueItem(function="audit", validity=DAY)


async def begin(b: Bench, name: str = "spring", item: QueueItem = AUDIT, **filters: Any) -> CampaignView:
    found = await b.operator.sm_sr(CampaignStart(owner=OWNER, campaign=name, item=item, **filters))
    assert isinstance(found, CampaignView)
    return found


async def show(b: Bench, name: str = "spring") -> CampaignView:
    found = await b.operator.sm_sr(CampaignShow(owner=OWNER, campaign=name))
    assert isinstance(found, CampaignView)
    return found


async def change(b: Bench, action: str, name: str = "spring") -> CampaignView:
    found = await b.operator.sm_sr(CampaignChange(owner=OWNER, campaign=name, action=action))
    assert isinstance(found, CampaignView)
    return found


async def settled(b: Bench, state: CampaignState, name: str = "spring") -> CampaignView:
    for _ in range(200):
        found = await show(b, name)
        if found.state is state and not found.adding:
            return found
        await b.sleep(30.0)
    raise AssertionError(await show(b, name))


def audited(b: Bench, begun: int = 0) -> int:
    """Cards that have been audited, by what each was given behind its first commands."""
    words = ("0500", "Audit", "GetStatus")
    return sum(any(word in line for line in b.log(eid)[begun:] for word in words) for eid in b.eids)


@virtual
async def test_paused_nothing_is_delivered_and_resumed_all_is() -> None:
    async with bench("https-pull", count=COUNT, poll=POLL, smsc=False) as b:
        await begin(b)
        view = await change(b, "pause")
        assert (view.state, view.reason) == (CampaignState.PAUSED, "paused by its owner")
        await b.sleep(3 * POLL)
        assert audited(b) == 0
        single: Any = await b.operator.sm_sr(QueueAdd(owner=OWNER, eid=b.eids[1], item=AUDIT))
        assert single.reason.startswith("waits for the eUICC")
        await b.restart()
        await b.sleep(3 * POLL)
        assert audited(b) == 1, "others go on, and a restart resumes nothing"
        await change(b, "resume")
        done = await settled(b, CampaignState.DONE)
        assert (done.counts, done.looked, done.total) == (CampaignCounts(answered=COUNT), COUNT, COUNT)
        for eid in b.eids:
            page: Any = await b.operator.sm_sr(QueueList(owner=OWNER, eid=eid))
            assert [one.campaign for one in page.entries if one.campaign] == ["spring"]
        await checks.everything(b)


@virtual
async def test_paused_while_it_is_added_it_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "PAGE", 1)
    async with bench("https-pull", count=COUNT, poll=POLL, smsc=False) as b:
        await begin(b)
        held = await change(b, "pause")
        await b.sleep(60.0)
        view = await show(b)
        assert view.adding
        assert view.looked <= held.looked + 1 < COUNT
        assert view.total == COUNT
        await b.restart()
        await b.sleep(60.0)
        assert (await show(b)).looked == view.looked
        await change(b, "resume")
        done = await settled(b, CampaignState.DONE)
        assert (done.looked, done.counts.answered) == (COUNT, COUNT)


@virtual
async def test_what_is_sent_goes_on_when_it_is_paused_or_cancelled() -> None:
    """Called by SMS, two at a time: what has begun ends, the rest stays, and is cancelled at last."""
    async with bench("sms", count=COUNT, sr=SRSettings(queue_window=2)) as b:
        await b.sleep(400.0)  # what a card tells at first may be asked about
        [told] = {len(b.log(eid)) for eid in b.eids}
        for eid in b.eids:
            b.device(eid).faults.drop_mt = 1  # it takes a while
        await begin(b)
        await b.until(lambda: audited(b, told) >= 1)
        paused = await change(b, "pause")
        begun = COUNT - paused.counts.queued
        assert 1 <= paused.counts.sent + paused.counts.delivered <= 2
        assert 1 <= begun < COUNT
        await b.sleep(3600.0)
        view = await show(b)
        assert view.counts == CampaignCounts(answered=begun, queued=COUNT - begun)
        assert audited(b, told) == begun
        gone = await change(b, "cancel")
        assert gone.reason == "its campaign was cancelled"
        done = await settled(b, CampaignState.CANCELLED)
        await b.sleep(60.0)
        done = await show(b)
        assert done.counts == CampaignCounts(answered=begun, cancelled=COUNT - begun)
        reasons = [
            (one.state, one.reason)
            for eid in b.eids
            for one in (await b.operator.sm_sr(QueueList(owner=OWNER, eid=eid))).entries  # type: ignore[attr-defined]
        ]
        assert reasons.count((EntryState.CANCELLED, "its campaign was cancelled")) == COUNT - begun
        with pytest.raises(Refused, match="is cancelled"):
            await change(b, "resume")
        trail = [(outcome, detail) for action, outcome, detail in await b.audits() if action == "campaign"]
        assert trail == [("added", "audit"), ("pause", ""), ("cancel", "")]
        await checks.everything(b)


@virtual
async def test_what_is_asked_of_a_campaign_must_make_sense() -> None:
    async with bench("https-pull", poll=POLL, smsc=False) as b:
        raw = QueueItem(function="raw", data=b"\x22\x05\x80\xca\xff\x21\x00", reason="to see what is free")
        for item, words in (
            (raw, "right of their own"),
            (QueueItem(function="dance"), "function"),
            (QueueItem(function="enable"), "profile_type"),
        ):
            with pytest.raises(Refused, match=words):
                await begin(b, item=item)
        first = await begin(b)
        assert (await begin(b)).created == first.created
        with pytest.raises(Refused, match="another campaign of this name"):
            await begin(b, item=QueueItem(function="audit", validity=1.0))
        for request in (
            CampaignShow(owner="1.2.3", campaign="spring"),
            CampaignChange(owner="1.2.3", campaign="spring", action="cancel"),
        ):
            with pytest.raises(Refused, match="there is no campaign"):
                await b.operator.sm_sr(request)
        with pytest.raises(Refused, match="action"):
            await change(b, "stop")
        page = await b.operator.sm_sr(CampaignList(owner="1.2.3"))
        assert isinstance(page, CampaignPage)
        assert page.campaigns == ()
        nobody = await begin(b, "nobody", QueueItem(function="disable", validity=DAY), profile_type="none")
        assert nobody.function == "disable"
        empty = await settled(b, CampaignState.DONE, "nobody")
        assert (empty.counts, empty.skipped) == (CampaignCounts(), 1)
        assert (await settled(b, CampaignState.DONE)).counts == CampaignCounts(answered=1)


@virtual
async def test_a_campaign_that_may_not_go_on_stands_still_with_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The right to raw scripts is taken away while one is added."""
    monkeypatch.setattr(campaigns, "PAGE", 1)
    allowed = SRSettings(raw_script_requesters=(OWNER,))
    raw = QueueItem(function="raw", data=bytes.fromhex("220580CAFF2100"), reason="to see what is free")
    async with bench("https-pull", count=3, poll=POLL, smsc=False, sr=allowed) as b:
        await begin(b, item=raw)
        await change(b, "pause")
        b.platform.sm_sr = SRSettings()
        await b.restart()
        await change(b, "resume")
        await b.sleep(60.0)
        view = await show(b)
        assert (view.state, view.reason) == (CampaignState.PAUSED, "raw scripts need a right of their own")
        assert ("campaign", "alarm", view.reason) in await b.audits()


@virtual
async def test_how_cards_are_reached_changes_while_their_entries_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card, then all of a type, then the settings of the installation; held entries, so that nothing begins."""
    monkeypatch.setattr(reach, "PAGE", 2)
    async with bench("https", count=3, poll=POLL) as b:
        await begin(b, item=QueueItem(function="audit", validity=DAY, hold=True))
        await settled(b, CampaignState.RUNNING)

        async def pulled() -> list[bool]:
            await b.sleep(1.0)
            e = queue_entry.c
            rows = await b.store("sm-sr").read(lambda c: c.execute(select(e.pulled).order_by(e.eid)).all())
            return [row.pulled for row in rows]

        assert await pulled() == [False, False, False]
        pull: dict[str, Any] = {"transports": ["https-pull"]}
        await b.operator.sm_sr(admin.SetDifference(eid=b.eids[1], says=pull))
        assert await pulled() == [False, True, False]
        eum = b.world.batch["eum"]["oid"]
        await b.operator.sm_sr(admin.SetType(eum_id=eum, says=pull))
        assert await pulled() == [True, True, True]
        await b.operator.sm_sr(admin.SetType(eum_id=eum, says={}))
        assert await pulled() == [False, True, False]
        b.platform.transport = "https-pull"
        await b.restart()
        assert await pulled() == [True, True, True]


@virtual
async def test_a_card_that_comes_by_itself_from_now_on_is_not_called() -> None:
    async with bench("https", count=1, poll=POLL) as b:
        await begin(b, item=QueueItem(function="audit", validity=DAY, hold=True))
        await settled(b, CampaignState.RUNNING)
        await b.operator.sm_sr(admin.SetDifference(eid=b.eid, says={"transports": ["https-pull"]}))
        page: Any = await b.operator.sm_sr(QueueList(owner=OWNER, eid=b.eid))
        # A card that tells of itself over HTTPS has been sent no short message at all.
        counters = b.world.smsc.centre.counters.setdefault(str(b.device().msisdn), Counter())
        called = counters["mt_submitted"]
        [entry] = page.entries
        request = QueueChange(owner=OWNER, eid=b.eid, entry=entry.entry, action="release")
        released: Any = await b.operator.sm_sr(request)
        assert released.reason.startswith("waits for the eUICC to open a session")
        done = await settled(b, CampaignState.DONE)
        assert done.counts == CampaignCounts(answered=1)
        assert counters["mt_submitted"] == called
