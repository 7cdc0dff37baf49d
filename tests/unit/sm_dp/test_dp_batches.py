"""Batches of orders: filled in pieces, worked off so many at once, paused, resumed, cancelled, killed."""

from __future__ import annotations

import asyncio
import os
import resource
from pathlib import Path
from typing import Any

import pytest

from crash_world import compiled_once
from dp_world import DPWorld, Outside, eid_of, iccid_of
from ferryman.contracts import admin, batches, codes, es3, orders
from ferryman.contracts.batches import BatchRow
from ferryman.contracts.message import Body, Header
from ferryman.contracts.status import failed
from ferryman.errors import Refused
from rig import OWNER
from virtual_loop import run, virtual

SOAK = os.environ.get("FERRYMAN_SOAK") == "1"
PIECE = 1_000  # rows of one call


def unknown(header: Header, body: Body) -> Body:
    """The SM-SR knows none of these eUICCs: the shortest life that an order has."""
    if isinstance(body, es3.ES3GetEIS):
        return es3.ES3GetEISResponse(status=failed(*codes.EID_UNKNOWN, "no such eUICC", header.eid))
    return body


def order(**changes: Any) -> orders.CreateOrder:
    values: dict[str, Any] = {"profile_type": "demo", "validity": 7200.0} | changes
    return orders.CreateOrder(owner=OWNER, eid="", **values)


def rows_of(count: int, first: int = 1) -> list[BatchRow]:
    return [BatchRow(eid_of(n)) for n in range(first, first + count)]


async def fill(it: DPWorld, rows: list[BatchRow], *, name: str = "b", start: bool = True, **changes: Any) -> Any:
    values: dict[str, Any] = {"source": "file 1", "order": order()} | changes
    view = await it.ask(batches.OpenBatch(owner=OWNER, name=name, **values))
    for first in range(view.rows, len(rows), PIECE):
        piece = tuple(rows[first : first + PIECE])
        view = await it.ask(batches.FillBatch(owner=OWNER, name=name, first=first, rows=piece))
    return await change(it, "start", name=name) if start else view


async def change(it: DPWorld, action: str, *, name: str = "b", **more: Any) -> Any:
    return await it.ask(batches.ChangeBatch(owner=OWNER, name=name, action=action, **more))


async def show(it: DPWorld, name: str = "b") -> Any:
    view = await it.ask(batches.ShowBatch(owner=OWNER, name=name))
    parts = (view.waiting, view.running, view.done, view.failed, view.refused, view.cancelled)
    assert sum(parts) == view.rows, view
    return view


async def over(it: DPWorld, state: str = "done", name: str = "b") -> Any:
    for _ in range(5_000):
        view = await show(it, name)
        if view.state == state:
            return view
        await asyncio.sleep(0.5)
    raise AssertionError(view)


async def rows(it: DPWorld, state: str = "", name: str = "b") -> Any:
    found: list[Any] = []
    while True:
        after = found[-1].number if found else -1
        asked = batches.ListBatchRows(owner=OWNER, name=name, state=state, after=after, limit=7)
        page = (await it.ask(asked)).rows
        if not page:
            return found
        found += page


@virtual
async def scene_whole(path: Path) -> None:
    at_work: set[str] = set()
    most = 0

    def judge(header: Header, body: Body) -> Body:
        nonlocal most
        if isinstance(body, es3.ES3EnableProfile):
            at_work.discard(header.eid)
        else:
            at_work.add(header.eid)
        most = max(most, len(at_work))
        return body

    it = DPWorld(path / "dp.db", outside=Outside(judge))
    await it.boot()
    await it.stock(20)
    given = [*rows_of(14), BatchRow(eid_of(15), iccid_of(18)), BatchRow(eid_of(16), iccid_of(19))]
    given += [BatchRow(eid_of(17), iccid_of(19)), BatchRow(eid_of(18), iccid_of(99))]
    await fill(it, given, in_flight=3)
    view = await over(it)
    assert most == 3, "so many at once, and no more"
    assert (view.rows, view.done, view.refused) == (18, 16, 2)
    found = await rows(it)
    assert [row.number for row in found] == list(range(18))
    assert [row.state for row in found[14:]] == ["done", "done", "refused", "refused"]
    assert "is installed" in found[16].detail or "is ordered" in found[16].detail
    assert "no subscription" in found[17].detail
    assert [row.number for row in await rows(it, "refused")] == [16, 17]
    assert len({row.order_id for row in found if row.order_id}) == 16
    one = await it.show(found[0].order_id)
    assert (one.eid, one.state) == (eid_of(1), "done")
    assert it.outside.count(es3.ES3EnableProfile) == 16
    await it.stop()


def test_a_batch_is_worked_off(tmp_path: Path) -> None:
    scene_whole(tmp_path)


@virtual
async def scene_pause(path: Path) -> None:
    it = DPWorld(path / "dp.db")
    await it.boot()
    await it.stock(30)
    await fill(it, rows_of(30), in_flight=2)
    while not (await show(it)).done:
        await asyncio.sleep(0)
    paused = await change(it, "pause")
    assert paused.state == "paused"
    assert 0 < paused.waiting < 30
    await asyncio.sleep(600)
    quiet = await show(it)
    assert (quiet.waiting, quiet.running) == (paused.waiting, 0), "what runs ends, nothing new begins"
    assert (await change(it, "pause")).state == "paused", "said again"
    with pytest.raises(Refused, match="is paused"):
        await change(it, "start")
    await it.stop()
    await it.boot()
    await asyncio.sleep(600)
    assert (await show(it)).waiting == paused.waiting, "also after a restart"
    await change(it, "limit", in_flight=30)
    await change(it, "resume")
    await asyncio.sleep(0.01)
    view = await over(it)
    assert view.done == 30
    with pytest.raises(Refused, match="is done"):
        await change(it, "cancel")
    await it.stop()


def test_pause_and_resume(tmp_path: Path) -> None:
    scene_pause(tmp_path)


@virtual
async def scene_cancel(path: Path) -> None:
    held: list[Header] = []

    def judge(header: Header, body: Body) -> Body | None:
        if isinstance(body, es3.ES3GetEIS):
            held.append(header)
            return None  # the SM-SR takes its time
        return body

    it = DPWorld(path / "dp.db", outside=Outside(judge))
    await it.boot()
    await it.stock(10)
    await fill(it, rows_of(10), in_flight=4)
    await asyncio.sleep(1)
    assert (await show(it)).running == 4
    await change(it, "cancel")
    view = await over(it, "cancelled")
    assert (view.cancelled, view.failed, view.done) == (6, 4, 0)
    assert all("cancelled" in row.detail for row in await rows(it, "failed"))
    assert await it.free() == 10
    with pytest.raises(Refused, match="is cancelled"):
        await change(it, "resume")
    await it.stop()


def test_cancel(tmp_path: Path) -> None:
    scene_cancel(tmp_path)


@virtual
async def scene_stock(path: Path) -> None:
    """Out of stock is nobody's fault: the batch pauses, says why, and goes on when there is more."""
    it = DPWorld(path / "dp.db")
    await it.boot()
    await it.stock(5)
    await fill(it, rows_of(8), in_flight=2)
    view = await over(it, "paused")
    await asyncio.sleep(10)
    view = await show(it)
    assert (view.done, view.waiting) == (5, 3)
    assert "no free subscription" in view.reason
    await it.store.write(lambda c: c.exec_driver_sql("UPDATE subscription_batch SET free = 3"))
    for n in range(90, 93):
        await it.store.write(
            lambda c, n=n: c.exec_driver_sql(
                f"INSERT INTO subscription VALUES ('{iccid_of(n)}','{OWNER}','demo','0{n}','','free','',0,1)"
            )
        )
    assert (await change(it, "resume")).reason == ""
    assert (await over(it)).done == 8
    # One that has failed may be tried again, and counts once.
    it.outside.judge = unknown
    await it.store.write(lambda c: c.exec_driver_sql("UPDATE subscription SET state = 'free' WHERE imsi = '090'"))
    await it.store.write(lambda c: c.exec_driver_sql("UPDATE subscription_batch SET free = 1"))
    await fill(it, rows_of(1, first=50), name="again")
    assert (await over(it, name="again")).failed == 1
    (row,) = await rows(it, name="again")
    assert row.detail == "8.1.1/3.9 no such eUICC"
    it.outside.judge = None
    await it.ask(orders.RetryOrder(owner=OWNER, order_id=row.order_id))
    assert (await show(it, "again")).running == 1
    assert (await over(it, name="again")).done == 1
    await it.stop()


def test_an_empty_stock_pauses_and_a_retry_counts_once(tmp_path: Path) -> None:
    scene_stock(tmp_path)


@virtual
async def scene_filling(path: Path) -> None:
    it = DPWorld(path / "dp.db")
    await it.boot()
    await it.stock(3)
    await fill(it, rows_of(1500), start=False)
    again = await it.ask(batches.OpenBatch(owner=OWNER, name="b", source="file 1", order=order()))
    assert (again.state, again.rows, again.last_eid) == ("filling", 1500, eid_of(1500))
    twice = await it.ask(batches.FillBatch(owner=OWNER, name="b", first=1400, rows=tuple(rows_of(101, 1401))))
    assert twice.rows == 1501, "only what was not there"
    stored = await it.rows("SELECT number, eid FROM order_batch_row WHERE number IN (0, 1400, 1500)")
    assert stored == [(0, eid_of(1)), (1400, eid_of(1401)), (1500, eid_of(1501))]
    for wrong in (
        batches.FillBatch(owner=OWNER, name="b", first=1600, rows=tuple(rows_of(1))),
        batches.FillBatch(owner=OWNER, name="b", first=1501, rows=(BatchRow(eid_of(1)[:-1] + "0"),)),
        batches.FillBatch(owner=OWNER, name="b", first=1501, rows=(BatchRow(eid_of(1), "123"),)),
        batches.FillBatch(owner=OWNER, name="b", first=1501, rows=()),
        batches.FillBatch(owner=OWNER, name="b", first=-1, rows=tuple(rows_of(1))),
        batches.FillBatch(owner=OWNER, name="c", first=0, rows=tuple(rows_of(1))),
        batches.OpenBatch(owner=OWNER, name="b", source="file 2", order=order()),
        batches.OpenBatch(owner=OWNER, name="b", source="file 1", order=order(enable=False)),
        batches.OpenBatch(owner=OWNER, name="n", source="s", order=order(validity=0.1)),
        batches.OpenBatch(owner=OWNER, name="n", source="s", order=order(profile_type="none")),
        batches.OpenBatch(owner=OWNER, name="n", source="s", order=order(iccid=iccid_of(1))),
        batches.OpenBatch(owner=OWNER, name="n", source="s", order=order(), in_flight=0),
        batches.OpenBatch(owner=OWNER, name="", source="s", order=order()),
        batches.ChangeBatch(owner=OWNER, name="b", action="dance"),
        batches.ChangeBatch(owner=OWNER, name="b", action="resume"),
        batches.ShowBatch(owner="1.2.3", name="b"),
        batches.ListBatchRows(owner="1.2.3", name="b"),
    ):
        with pytest.raises(Refused):
            await it.ask(wrong)
    await it.ask(batches.OpenBatch(owner=OWNER, name="bare", source="s", order=order(profile_type="")))
    with pytest.raises(Refused, match="row 0"):
        await it.ask(batches.FillBatch(owner=OWNER, name="bare", first=0, rows=tuple(rows_of(1))))
    assert await it.ask(admin.ListOrders(owner=OWNER)) == admin.OrderPage(orders=()), "nothing begins before start"
    page = await it.ask(batches.ListBatches(owner=OWNER, limit=1))
    assert [one.name for one in page.batches] == ["bare"]
    page = await it.ask(batches.ListBatches(owner=OWNER, after="bare"))
    assert [(one.name, one.rows) for one in page.batches] == [("b", 1501)]
    view = await change(it, "cancel")
    view = await over(it, "cancelled")
    assert view.cancelled == 1501
    await it.stop()


def test_filling_goes_on_where_it_was(tmp_path: Path) -> None:
    scene_filling(tmp_path)


async def killed(path: Path, every: int, count: int) -> tuple[Any, Outside, int]:
    """Work a batch off with a kill after every so many commits, and before them in turn."""
    outside = Outside(unknown)
    it = DPWorld(path, outside=outside)
    await it.boot()
    await it.stock(count)
    await fill(it, rows_of(count), in_flight=8, start=False)
    lives, seen = 0, 0

    def after(_number: int) -> bool:
        nonlocal seen
        seen += 1
        return lives % 2 == 0 and seen % every == 0

    def before(_number: int) -> bool:
        return lives % 2 == 1 and seen % every == every - 1 and seen > 0

    async def begin() -> Any:
        if (await show(it)).state == "filling":
            await change(it, "start")
        return await over(it)

    while True:
        await it.kill() if lives else await it.stop()
        lives += 1
        seen += 1
        await it.boot(on_commit=after, before_commit=before)
        work = asyncio.create_task(begin())
        died = asyncio.create_task(it.died.wait())
        await asyncio.wait({work, died}, return_when=asyncio.FIRST_COMPLETED)
        if it.died.is_set():
            work.cancel()
            continue
        died.cancel()
        view = await work
        found = await it.rows("SELECT order_id, eid, attempt, state FROM profile_order")
        assert len(found) == len({eid for _, eid, _, _ in found}) == count, "nobody twice, nobody left out"
        assert {(attempt, state) for _, _, attempt, state in found} == {(1, "done")}
        assert await it.free() == count
        await it.stop()
        return view, outside, lives


def test_killed_again_and_again_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    with compiled_once():
        view, outside, lives = run(killed(tmp_path / "dp.db", 5, 120))
    assert lives > 10
    assert (view.failed, view.rows) == (120, 120)
    assert outside.count(es3.ES3GetEIS) == 120, "each eUICC was asked for once"


def rss() -> float:
    """Megabytes of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


async def large(path: Path, count: int) -> dict[str, float]:
    outside = Outside(unknown)
    it = DPWorld(path, outside=outside)
    await it.boot(threaded=True)
    await it.stock(2_000)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await fill(it, rows_of(count), in_flight=500, start=False)
    filled = loop.time()
    await change(it, "start")
    marks: list[float] = []
    while True:
        view = await show(it)
        outside.calls.clear()
        if view.failed > count // 10:
            marks.append(rss())
        if view.state == "done":
            break
        await asyncio.sleep(1.0)
    ended = loop.time()
    (orders_made,) = await it.rows("SELECT count(*), count(DISTINCT eid) FROM profile_order")
    assert orders_made == (count, count)
    assert view.failed == count
    await it.stop()
    return {
        "rows": count, "fill rows/s": count / (filled - began), "orders/s": count / (ended - filled),
        "MB at a tenth": marks[0], "MB at the end": marks[-1],
    }  # fmt: skip


@pytest.mark.timeout(3_600)
@pytest.mark.skipif(not SOAK, reason="soak only")
def test_a_hundred_thousand_with_memory_flat(tmp_path: Path, record_property: Any) -> None:
    found = asyncio.run(large(tmp_path / "dp.db", 100_000))
    for name, value in found.items():
        record_property(name, round(value, 1))
    print(found)
    assert found["MB at the end"] < found["MB at a tenth"] + 30
