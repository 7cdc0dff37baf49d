"""Orders that hold until the operator's own system has answered over HTTP: every answer, and silence."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dp_world import DPWorld, OperatorSystem, Outside, eid_of
from ferryman.contracts import es3, holds, orders
from ferryman.contracts.eis import ProfileState
from ferryman.contracts.message import Body, Header
from ferryman.contracts.status import SUCCESS, Status, failed
from ferryman.errors import Refused
from ferryman.platform.procedure import Context, Signalled, Step
from ferryman.sm_dp.hooks.post import HookPost
from ferryman.sm_dp.procedures import download
from ferryman.sm_dp.procedures.state import State
from ferryman.sm_dp.records import DPSettings, Facts
from rig import OWNER
from virtual_loop import virtual

BEFORE, AFTER = holds.BEFORE_DOWNLOAD, holds.AFTER_ENABLE
GO = (200, {})


def always(status: int, body: Any = None) -> Any:
    return lambda _call, _times: (status, body or {})


@contextlib.asynccontextmanager
async def world(
    path: Path, say: Any, *, outside: Outside | None = None, **hook: Any
) -> AsyncIterator[tuple[DPWorld, OperatorSystem]]:
    """An SM-DP with a hook that asks an operator's system."""
    peer = OperatorSystem(say)
    await peer.start()
    it = DPWorld(path / "dp.db", outside=outside)
    peer.clock = it.now
    await it.boot()
    try:
        await it.stock(3)
        values: dict[str, Any] = {"url": peer.url, "key": "hlr", "limit": 600.0} | hook
        await it.ask(holds.SetHook(owner=OWNER, **values))
        yield it, peer
    finally:
        await it.stop()
        await peer.stop()


@virtual
async def scene_both_holds(path: Path) -> None:
    async with world(path, always(200)) as (it, peer):
        order = await it.order()
        view = await it.ended(order.order_id)
        assert view.status is not None
        assert view.status.status is Status.SUCCESS
        assert peer.names == [f"{order.order_id}/{BEFORE}", f"{order.order_id}/{AFTER}"]
        first = peer.heard[0]
        assert first == {
            "id": f"{order.order_id}/{BEFORE}", "hold": BEFORE, "order": order.order_id, "eid": eid_of(1),
            "iccid": order.iccid, "imsi": "001010000000001", "profileType": "demo",
            "until": first["until"],
        }  # fmt: skip
        steps = [step.name for step in view.steps]
        assert steps.index("held before download") < steps.index("GetEIS")
        assert steps.index("EnableProfile") < steps.index("held after enable") < steps.index("done")


def test_the_order_goes_on_when_its_operator_says_so(tmp_path: Path) -> None:
    scene_both_holds(tmp_path)


@virtual
async def scene_later(path: Path) -> None:
    async with world(path, always(202)) as (it, peer):
        order = await it.order()
        await asyncio.sleep(300)
        held = await it.show(order.order_id)
        assert (held.state, held.hold) == ("running", BEFORE)
        assert it.outside.calls == {}, "nothing is asked of the SM-SR before"
        assert len(peer.heard) == 1, "who has taken the question is not asked again"
        with pytest.raises(Refused, match="does not hold"):
            await it.ask(holds.ReleaseOrder(owner=OWNER, order_id=order.order_id, hold=AFTER))
        with pytest.raises(Refused, match="no order"):
            await it.ask(holds.ReleaseOrder(owner="1.2.3", order_id=order.order_id), owner="1.2.3")
        await it.ask(holds.ReleaseOrder(owner=OWNER, order_id=order.order_id, hold=BEFORE))
        await it.until(lambda view: view.hold == AFTER, order.order_id)
        assert it.outside.profiles[eid_of(1)] is ProfileState.ENABLED
        again = await it.ask(holds.ReleaseOrder(owner=OWNER, order_id=order.order_id, hold=BEFORE))
        assert again.hold == AFTER, "the same word again moves nothing"
        await it.ask(holds.ReleaseOrder(owner=OWNER, order_id=order.order_id))
        view = await it.ended(order.order_id)
        assert view.status is not None
        assert view.status.status is Status.SUCCESS
        with pytest.raises(Refused, match="does not hold"):
            await it.ask(holds.ReleaseOrder(owner=OWNER, order_id=order.order_id))


def test_an_answer_may_come_later_by_a_release(tmp_path: Path) -> None:
    scene_later(tmp_path)


@virtual
async def scene_refused_before(path: Path) -> None:
    reason = "unknown\x07 subscriber" + "!" * 500
    async with world(path, always(409, {"reason": reason})) as (it, peer):
        order = await it.order()
        view = await it.ended(order.order_id)
        assert view.status is not None
        assert view.status.status is Status.FAILED
        assert "refused before download: unknown  subscriber!" in view.status.message
        assert len(view.status.message) < 300
        assert it.outside.calls == {}
        assert await it.free() == 3, "the subscription is free again"
        peer.say = always(200)
        again = await it.ask(orders.RetryOrder(owner=OWNER, order_id=order.order_id))
        done = await it.ended(again.order_id)
        assert done.status is not None
        assert done.status.ok
        assert peer.names[1] == f"{order.order_id}.2/{BEFORE}", "another attempt is another question"


def test_a_refusal_before_the_download_ends_the_order(tmp_path: Path) -> None:
    scene_refused_before(tmp_path)


def refuse_after(call: dict[str, Any], _times: int) -> tuple[int, Any]:
    return GO if call["hold"] == BEFORE else (409, {"reason": "no such IMSI"})


@virtual
async def scene_refused_after(path: Path, undo: str, by: str) -> None:
    async with world(path, refuse_after if by == "hook" else always(202), undo=undo) as (it, _):
        order = await it.order()
        if by != "hook":
            await it.until(lambda view: view.hold == BEFORE, order.order_id)
            await it.ask(holds.ReleaseOrder(owner=OWNER, order_id=order.order_id))
            await it.until(lambda view: view.hold == AFTER, order.order_id)
        if by == "person":
            await it.ask(holds.RefuseOrder(owner=OWNER, order_id=order.order_id, reason="no such IMSI"))
        view = await it.ended(order.order_id)
        status = view.status
        assert status is not None
        assert ("no release after enable" if by == "silence" else "refused after enable: no such IMSI") in str(
            status
        )
        alarms = await it.rows("SELECT detail FROM audit WHERE action = 'HoldRefused' AND outcome = 'alarm'")
        outside = it.outside
        if undo == holds.KEEP_ENABLED:
            assert status.status is Status.WARNING
            assert outside.profiles[eid_of(1)] is ProfileState.ENABLED
            assert len(alarms) == 1
        elif undo == holds.DISABLE:
            assert status.status is Status.WARNING
            assert outside.profiles[eid_of(1)] is ProfileState.DISABLED
            assert view.isdp_aid != ""
            assert (outside.count(es3.ES3DisableProfile), outside.count(es3.ES3DeleteISDP)) == (1, 0)
            assert alarms == []
        else:
            assert status.status in (Status.FAILED, Status.EXPIRED)
            assert eid_of(1) not in outside.profiles
            assert view.isdp_aid == ""
            assert (outside.count(es3.ES3DisableProfile), outside.count(es3.ES3DeleteISDP)) == (1, 1)
        assert await it.free() == 2, "a profile that was enabled is never given out again"


@pytest.mark.parametrize("by", ["hook", "person", "silence"])
@pytest.mark.parametrize("undo", holds.UNDO)
def test_what_follows_behind_the_enabling(tmp_path: Path, undo: str, by: str) -> None:
    scene_refused_after(tmp_path, undo, by)


@virtual
async def scene_undo_fails(path: Path, refused: type[Body], answer: bool) -> None:
    def judge(_header: Header, body: Body) -> Body | None:
        if not isinstance(body, refused):
            return body
        kind = es3.ES3DisableProfileResponse if refused is es3.ES3DisableProfile else es3.ES3DeleteISDPResponse
        return kind(status=failed("8.2.2", "3.8", "POL1")) if answer else None

    async with world(path, refuse_after, undo=holds.DELETE, outside=Outside(judge)) as (it, _):
        order = await it.order()
        view = await it.ended(order.order_id)
        assert view.status is not None
        assert view.status.status is Status.WARNING
        assert view.isdp_aid != "", "it is still on the card"
        ((detail,),) = await it.rows("SELECT detail FROM audit WHERE action = 'HoldRefused' AND outcome = 'alarm'")
        assert ("8.2.2/3.8" if answer else "unknown") in detail


@pytest.mark.parametrize("answer", [True, False])
@pytest.mark.parametrize("refused", [es3.ES3DisableProfile, es3.ES3DeleteISDP])
def test_what_cannot_be_undone_raises_an_alarm(tmp_path: Path, refused: type[Body], answer: bool) -> None:
    scene_undo_fails(tmp_path, refused, answer)


@virtual
async def scene_trouble(path: Path) -> None:
    """Refused connections, a 503, a 500, a hanging answer, a redirect, then yes: one question all the time."""

    def say(call: dict[str, Any], times: int) -> tuple[int, Any] | None:
        if call["hold"] == AFTER:
            return GO
        return {1: (503, {}), 2: (500, {}), 3: None, 4: (301, {}), 5: (404, {})}.get(times, GO)

    async with world(path, say) as (it, peer):
        await peer.stop()
        order = await it.order()
        await asyncio.sleep(2.5)
        (hook,) = (await it.ask(holds.ListHooks(owner=OWNER))).hooks
        assert hook.open_calls == 1
        assert "hook" in hook.trouble
        await peer.start()
        view = await it.ended(order.order_id)
        assert view.status is not None
        assert view.status.status is Status.SUCCESS
        assert peer.names.count(f"{order.order_id}/{BEFORE}") == 6
        assert len({str(call) for call in peer.heard if call["hold"] == BEFORE}) == 1, (
            "the same body at each attempt"
        )
        assert [step.name for step in view.steps].count("GetEIS") == 1
        times = [int(fields["webhook-timestamp"]) for fields in peer.heads][:6]
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert pauses == sorted(pauses), "each pause is no shorter than the one before"
        (hook,) = (await it.ask(holds.ListHooks(owner=OWNER))).hooks
        assert hook.open_calls == 0


def test_a_system_in_trouble_is_asked_again_under_the_same_name(tmp_path: Path) -> None:
    scene_trouble(tmp_path)


@virtual
async def scene_silence(path: Path) -> None:
    async with world(path, lambda _call, _times: None) as (it, peer):
        order = await it.order()
        began = it.now()
        view = await it.ended(order.order_id)
        assert 600.0 <= it.now() - began < 620.0
        assert view.status is not None
        assert view.status.status is Status.EXPIRED
        assert await it.free() == 3
        count = len(peer.heard)
        await asyncio.sleep(3600)
        assert len(peer.heard) == count, "nobody is asked about an order that has ended"
        short = await it.order(2, validity=60.0)
        view = await it.ended(short.order_id)
        assert view.status is not None
        assert view.status.status is Status.EXPIRED
        assert it.outside.calls == {}


@virtual
async def scene_fault(path: Path, failed: list[float]) -> None:
    async with world(path, always(200)) as (it, peer):
        send = HookPost.send

        async def fail(self: HookPost, *given: Any, **more: Any) -> Any:
            failed.append(it.now())
            if len(failed) < 4:
                raise ZeroDivisionError
            return await send(self, *given, **more)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(HookPost, "send", fail)
            view = await it.ended((await it.order()).order_id)
        assert view.status is not None
        assert view.status.ok
        assert len(peer.heard) == 2


def test_a_fault_of_ours_makes_a_call_later_and_not_at_once_over_and_over(tmp_path: Path) -> None:
    failed: list[float] = []
    scene_fault(tmp_path, failed)
    assert [round(b - a) for a, b in pairwise(failed[:4])] == [1, 2, 4]


def test_silence_ends_the_order_at_its_limit(tmp_path: Path) -> None:
    scene_silence(tmp_path)


@virtual
async def scene_one_dead_hook(path: Path) -> None:
    async with world(path, lambda _call, _times: None, limit=86_000.0) as (it, dead):
        await it.stock(20, name="slow", first=100)
        await it.stock(1, name="quick", first=200)
        alive = OperatorSystem(always(200), clock=it.now)
        await alive.start()
        try:
            await it.ask(holds.SetHook(owner=OWNER, url=alive.url, key="hlr", profile_type="quick"))
            for number in range(20):
                await it.order(100 + number, profile_type="slow")
            await asyncio.sleep(5)
            assert (len(dead.heard), len(set(dead.names))) == (8, 8), "eight at once, and no call twice"
            began = it.now()
            view = await it.ended((await it.order(200, profile_type="quick")).order_id)
            assert view.status is not None
            assert view.status.ok
            assert it.now() - began < 5.0
            await asyncio.sleep(600)
            assert len(set(dead.names)) == 20, "everyone has its turn"
        finally:
            await alive.stop()


def test_a_dead_system_holds_up_nobody_else(tmp_path: Path) -> None:
    scene_one_dead_hook(tmp_path)


@virtual
async def scene_order_says_so(path: Path) -> None:
    async with world(path, always(409)) as (it, peer):
        free = await it.order(hold=())
        view = await it.ended(free.order_id)
        assert view.status is not None
        assert view.status.ok
        assert peer.heard == []
        await it.ask(holds.RemoveHook(owner=OWNER))
        with pytest.raises(Refused, match="there is no hook"):
            await it.ask(holds.RemoveHook(owner=OWNER))
        plain = await it.order(2)
        view = await it.ended(plain.order_id)
        assert view.status is not None
        assert view.status.ok
        by_hand = await it.order(3, hold=(BEFORE,))
        await it.until(lambda view: view.hold == BEFORE, by_hand.order_id)
        cancelled = await it.ask(orders.CancelOrder(owner=OWNER, order_id=by_hand.order_id))
        assert cancelled.state == "done"
        assert "cancelled" in cancelled.status.message
        assert (cancelled.hold, peer.heard) == ("", [])
        assert await it.free() == 1


def test_an_order_says_itself_whether_it_holds(tmp_path: Path) -> None:
    scene_order_says_so(tmp_path)


def test_a_word_on_another_hold_moves_nothing() -> None:
    """The answer about the first hold may come when the order is in the second already."""
    state = State(
        order_id="o", smdp_id="dp", owner=OWNER, eid=eid_of(1), iccid="1", imsi="1", msisdn="", profile_type="t",
        enable=True, deadline=2e9, validity=60.0, holds=(BEFORE, AFTER), hold_limit=60.0,
        phase="held-after-enable", installed=True, result=SUCCESS,
    )  # fmt: skip
    context = Context("download/o", eid_of(1), None, 1e9, bytes(32), Facts(DPSettings()))
    for go in (True, False):
        late = Signalled("hook", holds.HoldVerdict(hold=BEFORE, go=go))
        assert download.step(state, late, context) == Step(state)
        nameless = Signalled("hook", holds.HoldVerdict(hold="", go=go))
        assert download.step(state, nameless, context) == Step(state)
        meant = Signalled("hook", holds.HoldVerdict(hold=AFTER, go=go))
        assert download.step(state, meant, context).effects != ()


BAD: list[dict[str, Any]] = [
    {"url": "http://hlr.example/x", "key": "k"},
    {"url": "https://user:secret@hlr.example/x", "key": "k"},
    {"url": "ftp://hlr.example/x", "key": "k"},
    {"url": "https:///x", "key": "k"},
    {"url": "https://hlr.example/x"},
    {"key": "k"},
    {"holds": ()},
    {"holds": ("sometimes",)},
    {"undo": "explode"},
    {"limit": 0.5},
    {"limit": 31 * 86_400.0},
    {"profile_type": "none"},
]


@virtual
async def scene_bad(path: Path, wrong: dict[str, Any]) -> None:
    async with world(path, always(200)) as (it, _):
        before = await it.rows("SELECT * FROM hook")
        with pytest.raises(Refused):
            await it.ask(holds.SetHook(owner=OWNER, **wrong))
        assert await it.rows("SELECT * FROM hook") == before
        with pytest.raises(Refused):
            await it.order(hold=("sometimes",))


@pytest.mark.parametrize("wrong", BAD, ids=str)
def test_hooks_that_cannot_be(tmp_path: Path, wrong: dict[str, Any]) -> None:
    scene_bad(tmp_path, wrong)
