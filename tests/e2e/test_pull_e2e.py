"""Pull mode: no SMSC is configured at all, and the card opens every session by itself (SGP.02 2.4.4)."""

from __future__ import annotations

from typing import Any

import pytest

from e2e import checks
from e2e.bench import Bench, bench
from ferryman.contracts.queue import EntryState, EntryView, QueueAdd, QueueChange, QueueItem, QueueList, QueueShow
from ferryman.contracts.status import Status
from ferryman.errors import Refused
from ferryman.sm_sr.settings import SRSettings
from rig import OWNER
from virtual_loop import virtual

POLL = 600
DAY = 86_400.0
ENDED = (EntryState.ANSWERED, EntryState.FAILED, EntryState.EXPIRED, EntryState.CANCELLED)


async def add(b: Bench, function: str, *, eid: str = "", key: str = "", **fields: Any) -> EntryView:
    item = QueueItem(function=function, validity=DAY, **fields)
    entry = await b.operator.sm_sr(QueueAdd(owner=OWNER, eid=eid or b.eid, item=item, key=key))
    assert isinstance(entry, EntryView)
    return entry


async def show(b: Bench, entry: EntryView) -> EntryView:
    found = await b.operator.sm_sr(QueueShow(owner=OWNER, eid=entry.eid, entry=entry.entry))
    assert isinstance(found, EntryView)
    return found


async def ended(b: Bench, *entries: EntryView) -> list[EntryView]:
    for _ in range(400):
        found = [await show(b, entry) for entry in entries]
        if all(one.state in ENDED for one in found):
            return found
        await b.sleep(60.0)
    raise AssertionError([(one.function, one.state, one.reason) for one in found])


async def change(b: Bench, entry: EntryView, action: str, **fields: Any) -> EntryView:
    request = QueueChange(owner=OWNER, eid=b.eid, entry=entry.entry, action=action, **fields)
    found = await b.operator.sm_sr(request)
    assert isinstance(found, EntryView)
    return found


@virtual
async def test_whole_life_without_an_smsc() -> None:
    """Download, enable, audit, disable, delete, with a restart in the middle; never a short message."""
    async with bench("https-pull", poll=POLL, smsc=False) as b:
        assert b.platform.installation.sms is None
        order = await b.order(validity=DAY, enable=False)
        await b.sleep(2 * POLL)
        view, status = await b.ended(order)
        assert status.status is Status.SUCCESS
        entries = [await add(b, name, iccid=view.iccid) for name in ("enable", "disable", "delete")]
        audit = await add(b, "audit", priority=5)
        await b.restart()
        states = [(one.function, one.state) for one in await ended(b, audit, *entries)]
        assert states == [(name, EntryState.ANSWERED) for name in ("audit", "enable", "disable", "delete")]
        life = ("EnableProfile", "DisableProfile", "DeleteProfile")
        names = [name for name in b.log() if name.split()[0] in life]
        assert tuple(names) == life
        assert [p.state for p in (await checks.eis(b, b.eid)).profiles] == ["Enabled"]
        await checks.card_agrees(b, b.eid)
        checks.nothing_twice(b, b.eid)
        await checks.nothing_left(b)
        assert not any(counter["mt_submitted"] for counter in b.world.smsc.centre.counters.values())


@virtual
async def test_order_hold_release_move_cancel_and_keys() -> None:
    async with bench("https-pull", poll=POLL, smsc=False) as b:
        low = await add(b, "audit", key="once")
        assert (await add(b, "audit", key="once")).entry == low.entry
        held = await add(b, "audit", hold=True, priority=9)
        high = await add(b, "enable", iccid="8988211000000000011")  # not on the card: it fails, but first
        gone = await add(b, "audit")
        assert (await change(b, high, "move", priority=3)).priority == 3
        assert (await change(b, gone, "cancel")).state is EntryState.CANCELLED
        page: Any = await b.operator.sm_sr(QueueList(owner=OWNER, eid=b.eid, open_only=True))
        assert [one.entry for one in page.entries] == [held.entry, high.entry, low.entry]
        assert [one.state for one in await ended(b, high, low)] == [EntryState.FAILED, EntryState.ANSWERED]
        actions = [action for action, _, _ in await b.audits()]
        assert actions.index("0200 EnableProfile") < actions.index("0500 eUICCCapabilityAudit")
        assert (await show(b, held)).state is EntryState.HELD
        await change(b, held, "release")
        [late] = await ended(b, held)
        assert late.state is EntryState.ANSWERED
        with pytest.raises(Refused, match="cannot be changed any more"):
            await change(b, held, "cancel")
        for request in (
            QueueShow(owner="1.2.3", eid=b.eid, entry=held.entry),
            QueueShow(owner=OWNER, eid=b.eid, entry="nothing"),
            QueueChange(owner="1.2.3", eid=b.eid, entry=held.entry, action="cancel"),
        ):
            with pytest.raises(Refused, match="there is no entry"):
                await b.operator.sm_sr(request)
        other: Any = await b.operator.sm_sr(QueueList(owner="1.2.3", eid=b.eid))
        assert other.entries == ()
        await checks.everything(b)


@virtual
async def test_an_entry_expires_and_one_that_is_not_due_waits() -> None:
    async with bench("https-pull", poll=POLL, smsc=False) as b:
        now = b.platform.installation.clock.now()
        late = await add(b, "audit", not_before=now + 3 * POLL)
        held = await add(b, "audit", hold=True)
        await b.sleep(2.5 * POLL)
        left = await add(b, "audit", not_before=0.0)
        await b.sleep(1.0)
        assert (await show(b, left)).state is EntryState.QUEUED, "the card was here and has gone"
        assert (await show(b, late)).state is EntryState.QUEUED
        [done] = await ended(b, late)
        assert done.state is EntryState.ANSWERED
        assert done.updated >= now + 3 * POLL
        await b.sleep(DAY)
        assert (await show(b, held)).state is EntryState.EXPIRED
        await checks.everything(b)


@virtual
async def test_a_raw_script_needs_its_right_and_a_reason() -> None:
    script = bytes.fromhex("220580CAFF2100")  # GET DATA FF21
    async with bench("https-pull", poll=POLL, smsc=False) as b:
        with pytest.raises(Refused, match="right of their own"):
            await add(b, "raw", data=script, reason="to see what is free")
    allowed = SRSettings(raw_script_requesters=(OWNER,))
    async with bench("https-pull", poll=POLL, smsc=False, sr=allowed) as b:
        for wrong, field in ((" ", "reason"), ("short", "reason")):
            with pytest.raises(Refused, match=field):
                await add(b, "raw", data=script, reason=wrong)
        with pytest.raises(Refused, match="data"):
            await add(b, "raw", reason="to see what is free")
        [done] = await ended(b, await add(b, "raw", data=script, reason="to see what is free"))
        assert done.state is EntryState.ANSWERED
        assert b.log()[-1] == "GetData FF21", b.log()
        assert [r for r in await b.audits() if r[0] == "raw script"] == [
            ("raw script", "done", "to see what is free")
        ]
        [bad] = await ended(b, await add(b, "raw", data=bytes.fromhex("220580F0000000"), reason="to be refused"))
        assert bad.state is EntryState.FAILED
        await checks.everything(b)


@virtual
async def test_push_starts_when_due_and_ends_when_answered() -> None:
    async with bench("sms") as b:
        [done] = await ended(b, await add(b, "audit"))
        assert done.state is EntryState.ANSWERED
        [missing] = await ended(b, await add(b, "enable", iccid="8988211000000000011"))
        assert missing.state is EntryState.FAILED
        assert missing.reason.startswith("8.2.1/3.9")
        with pytest.raises(Refused, match="no eUICC with EID"):
            await b.operator.sm_sr(
                QueueAdd(owner=OWNER, eid="8" * 32, item=QueueItem(function="audit", validity=60.0))
            )
        for bad in ({"function": "dance"}, {"function": "enable"}, {"function": "audit", "priority": 5000}):
            with pytest.raises(Refused):
                await add(b, **bad)  # type: ignore[arg-type]
        await checks.everything(b)


@pytest.mark.parametrize("poll", [20, 60])
@virtual
async def test_a_notification_by_sms_first_beside_sessions_without_end(poll: int) -> None:
    """The polling interval divides the notification interval of 60 s: no session is in the way of the second turn.

    The SMS of the first turn reaches nobody, there is no SMSC. A card whose turn of HTTPS was lost to
    a session that is open would roll back.
    """
    limits = {"notification_transports": ["sms", "https"], "notification_interval": 60.0}
    async with bench("https-pull", count=3, poll=poll, smsc=False, limits=limits) as b:
        ordered = [await b.order(eid, validity=DAY, enable=False) for eid in b.eids]
        views = [(await b.ended(order))[0] for order in ordered]
        entries = [
            await add(b, name, eid=view.eid, **({"iccid": view.iccid} if name != "audit" else {}))
            for view in views
            for name in ("enable", "audit", "disable", "audit")
        ]
        found = [(one.function, one.state) for one in await ended(b, *entries)]
        assert {state for _, state in found} == {EntryState.ANSWERED}, found
        for eid in b.eids:
            assert [name for name in b.log(eid) if name.endswith("ableProfile")] == [
                "EnableProfile",
                "DisableProfile",
            ]
        await checks.everything(b)


@virtual
async def test_the_fallback_attribute_moves_when_the_card_comes() -> None:
    async with bench("https-pull", poll=POLL, smsc=False) as b:
        order = await b.order(validity=DAY, enable=False)
        await b.sleep(2 * POLL)
        view, status = await b.ended(order)
        assert status.status is Status.SUCCESS
        [done] = await ended(b, await add(b, "set-fallback", iccid=view.iccid))
        assert done.state is EntryState.ANSWERED
        eis = await checks.eis(b, b.eid)
        assert [p.iccid for p in eis.profiles if p.fallback] == [view.iccid]
        await checks.card_agrees(b, b.eid)
        # It is asked for once more, and a profile that has it is not deleted.
        [gone] = await ended(b, await add(b, "delete", iccid=view.iccid))
        assert gone.state is EntryState.FAILED
        assert gone.reason


@virtual
async def test_all_that_waits_goes_in_one_session() -> None:
    """The next entry begins in the session that the one before was answered in."""
    async with bench("https-pull", poll=POLL, smsc=False) as b:
        await b.sleep(1.5 * POLL)
        before = b.world.status(b.eid)["counters"]["https_sessions"]
        found = await ended(b, *[await add(b, "audit") for _ in range(3)])
        assert [one.state for one in found] == [EntryState.ANSWERED] * 3
        assert b.world.status(b.eid)["counters"]["https_sessions"] == before + 1
