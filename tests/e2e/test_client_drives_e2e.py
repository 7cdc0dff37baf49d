"""The client alone drives a platform over real sockets: order to enabled, a pull queue, a batch, a campaign."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator

import pytest

from e2e import checks
from e2e.bench import Bench, bench
from ferryman.client import AsyncClient, Changed, Conflict, NotFound, RequestRefused
from ferryman.client.methods.answers import Campaign, EventView, NewRow
from ferryman.contracts.eis import ProfileState
from ferryman.contracts.queue import CampaignState, EntryState
from ferryman.contracts.rest import KeyRole
from ferryman.rest_api.settings import RESTSettings
from million_cards import eid as eid_of
from million_cards import insert_cards
from rest_world import RestWorld
from rig import OWNER
from virtual_loop import virtual

REST = RESTSettings(port=0)
POLL = 20  # s: the web server looks round ten times a second, which costs real time
DAY = 86_400.0
SOAK = bool(os.environ.get("FERRYMAN_SOAK"))
CARDS = 100_000 if SOAK else 3_000  # of the campaign, beside the one that comes by
ROWS = 10_000 if SOAK else 600  # of the batch that holds: as many as may run at once
MANY = 100_000 if SOAK else 60  # of the batch that runs to its end
ENDS = ("order.done", "order.failed")


@contextlib.asynccontextmanager
async def client_of(b: Bench, tenant: str = OWNER) -> AsyncIterator[AsyncClient]:
    world = RestWorld(b.platform.installation)
    key = await world.token(KeyRole.ADMIN, tenant)
    async with AsyncClient(f"http://127.0.0.1:{world.rest.port}", key) as client:
        yield client


async def followed(events: AsyncIterator[EventView], subject: str, last: tuple[str, ...]) -> list[EventView]:
    """Events about an order, to its last one."""
    found: list[EventView] = []
    async for event in events:
        if event.subject == subject:
            found.append(event)
            if event.type in last:
                return found
    raise AssertionError("the stream has no end")


@virtual
async def test_an_order_is_followed_to_enabled() -> None:
    async with bench("sms", rest=REST, subscribers=2) as b, client_of(b) as client:
        async with client.stream_events(eid=b.eid) as events:
            order = await client.create_order(eid=b.eid, profile_type="demo", enable=True)
            again = await client.create_order(
                eid=b.eid, profile_type="demo", enable=False, idempotency_key="a" * 32
            )
            assert again.order_id != order.order_id
            assert (
                await client.create_order(eid=b.eid, profile_type="demo", enable=False, idempotency_key="a" * 32)
            ).order_id == again.order_id
            told: list[EventView] = []
            async for event in events:  # of both orders, for they share the card
                told.append(event)
                if {order.order_id, again.order_id} <= {one.subject for one in told if one.type in ENDS}:
                    break
        story = [event for event in told if event.subject == order.order_id]
        assert story[-1].type == "order.done"
        assert [event.word for event in story] == [
            step.name for step in (await client.show_order(order.order_id)).steps
        ]
        kept = [event async for event in client.list_events(type="profile.enabled")]
        assert [event.iccid for event in kept] == [order.iccid]
        (profile,) = (p for p in (await client.show_euicc(b.eid)).profiles if p.iccid == order.iccid)
        assert profile.state is ProfileState.ENABLED
        await checks.card_agrees(b, b.eid)
        both = sorted((order.order_id, again.order_id))  # pages go by identifier
        assert [one.order_id async for one in client.list_orders(page_size=1)] == both
        seen = await client.tagged(client.show_order, again.order_id)
        with pytest.raises(Changed):
            await client.cancel_order(again.order_id, if_match='"another"')
        assert (await client.refresh(seen)).value.order_id == again.order_id
    async with bench("sms", rest=REST) as b, client_of(b, "1.3.6.1.4.1.99999.77") as stranger:
        with pytest.raises(NotFound):
            await stranger.show_euicc(b.eid)
        with pytest.raises(RequestRefused):
            await stranger.create_order(eid=b.eid, profile_type="demo")


async def answered(b: Bench, client: AsyncClient, entry: str) -> None:
    """Until an entry is answered; a change takes the visit after it too, when the card tells of it."""
    for _ in range(20):
        if (await client.show_entry(b.eid, entry)).state is EntryState.ANSWERED:
            return
        await b.sleep(POLL)
    raise AssertionError((await client.show_entry(b.eid, entry)).state)


@virtual
async def test_a_pull_queue() -> None:
    """No SMSC: what is put into the queue goes when the card comes by."""
    async with bench("https-pull", poll=POLL, smsc=False, rest=REST) as b, client_of(b) as client:
        order = await client.create_order(eid=b.eid, profile_type="demo", enable=False, validity=DAY)
        async with client.stream_events(eid=b.eid, after="0") as events:
            story = await followed(events, order.order_id, ENDS)
        assert story[-1].type == "order.done"
        held = await client.add_to_queue(b.eid, function="audit", hold=True, priority=9, validity=DAY)
        enable = await client.add_to_queue(b.eid, function="enable", iccid=order.iccid, validity=DAY)
        first = await client.add_to_queue(b.eid, function="audit", validity=DAY)
        gone = await client.add_to_queue(b.eid, function="audit", validity=DAY)
        assert (await client.change_entry(b.eid, first.entry, action="move", priority=5)).priority == 5
        seen = await client.tagged(client.show_entry, b.eid, gone.entry)
        cancelled = await client.change_entry(b.eid, gone.entry, action="cancel", if_match=seen.etag)
        assert cancelled.state is EntryState.CANCELLED
        with pytest.raises(Changed):
            await client.change_entry(b.eid, gone.entry, action="cancel", if_match=seen.etag)
        with pytest.raises((Conflict, RequestRefused)):
            await client.change_entry(b.eid, gone.entry, action="release")
        waiting = [one.entry async for one in client.list_queue(b.eid, open_only=True, page_size=1)]
        assert waiting == [held.entry, first.entry, enable.entry]
        await answered(b, client, enable.entry)
        assert (await client.show_entry(b.eid, held.entry)).state is EntryState.HELD
        await client.change_entry(b.eid, held.entry, action="release")
        await answered(b, client, held.entry)
        states = {one.entry: one.state async for one in client.list_queue(b.eid)}
        assert states.pop(gone.entry) is EntryState.CANCELLED
        assert set(states.values()) == {EntryState.ANSWERED}
        (profile,) = (p for p in (await client.show_euicc(b.eid)).profiles if p.iccid == order.iccid)
        assert profile.state is ProfileState.ENABLED
        await checks.card_agrees(b, b.eid)


def crowd(b: Bench) -> None:
    """Many eUICCs that nobody has switched on, each with a profile of the tenant."""
    path = b.platform.data / "sm-sr.db"
    insert_cards(path, 0, CARDS)
    columns = (
        "eid, aid, iccid, owner, smdp_id, state, fallback, imsi, msisdn, profile_type, allocated_memory, pol2"
    )
    with contextlib.closing(sqlite3.connect(path)) as database:
        rows = (
            (eid_of(n), b"\xa0" * 16, f"8988{n:015d}", OWNER, "1", "Disabled", 0, "", "", "demo", 0, b"[]")
            for n in range(CARDS)
        )
        database.executemany(f"INSERT INTO isdp ({columns}) VALUES ({', '.join('?' * 12)})", rows)
        database.commit()


@virtual
async def test_a_campaign_of_thousands() -> None:
    """Added, paused, resumed, cancelled; the one card that comes by meanwhile is served."""
    async with bench("https-pull", poll=POLL, smsc=False, rest=REST) as b, client_of(b) as client:
        crowd(b)
        size = await client.count_campaign(function="audit")
        assert size.euiccs in (CARDS, CARDS + 1)  # the real one, when its own profile is the tenant's
        made = await client.create_campaign(name="spring", function="audit", validity=30 * DAY)
        assert made.state is CampaignState.RUNNING
        added = await settled(client, "spring")
        assert added.counts.queued + added.counts.answered + added.counts.sent == size.euiccs
        paused = await client.change_campaign("spring", action="pause")
        assert paused.state is CampaignState.PAUSED
        assert (await client.change_campaign("spring", action="resume")).state is CampaignState.RUNNING
        await client.change_campaign("spring", action="cancel")
        for _ in range(200):
            ended = await client.show_campaign("spring")
            if ended.counts.cancelled + ended.counts.answered == size.euiccs:
                break
            await b.sleep(2.0)
        assert ended.counts.cancelled + ended.counts.answered == size.euiccs
        assert [one.campaign async for one in client.list_campaigns()] == ["spring"]


async def settled(client: AsyncClient, name: str) -> Campaign:
    for _ in range(400):
        found = await client.show_campaign(name)
        if not found.adding:
            return found
        await asyncio.sleep(1.0)
    raise AssertionError(found)


@virtual
async def test_a_batch_of_a_campaigns_size() -> None:
    """Every order holds; one is released and its profile enabled; all others are cancelled."""
    async with bench("sms", rest=REST, subscribers=ROWS) as b, client_of(b) as client:
        rows = [NewRow(eid=b.eid), *(NewRow(eid=checked(n)) for n in range(1, ROWS))]
        batch = await client.create_batch(
            name="spring", profile_type="demo", hold=["before-download"], in_flight=ROWS, validity=DAY
        )
        for first in range(0, ROWS, 400):
            batch = await client.add_rows("spring", first=first, rows=rows[first : first + 400])
        assert batch.rows == ROWS
        assert (await client.add_rows("spring", first=0, rows=rows[:10])).rows == ROWS  # a repeat adds nothing
        await client.change_batch("spring", action="start")
        for _ in range(400):
            batch = await client.show_batch("spring")
            if not batch.waiting:
                break
            await b.sleep(1.0)
        assert (batch.running, batch.failed, batch.refused) == (ROWS, 0, 0)
        listed = [row async for row in client.list_rows("spring", page_size=200)]
        assert [row.eid for row in listed] == [row.eid for row in rows]
        assert len({row.order_id for row in listed}) == ROWS
        released = listed[0].order_id
        async with client.stream_events(eid=b.eid, after="0") as events:
            await client.release_order(released)
            story = await followed(events, released, ("order.done", "order.failed"))
        assert story[-1].type == "order.done"
        await client.change_batch("spring", action="cancel")
        for _ in range(400):
            if len(await all_of(client)) == ROWS:
                break
            await b.sleep(1.0)
        states = [
            order.status is not None and order.status.ok async for order in client.list_orders(page_size=200)
        ]
        assert (sum(states), len(states)) == (1, ROWS)
        batch = await client.show_batch("spring")
        assert (batch.state, batch.done, batch.running, batch.waiting) == ("cancelled", 1, 0, 0)
        await checks.card_agrees(b, b.eid)


@virtual
async def test_a_batch_runs_to_its_end() -> None:
    """One card of ours among as many unknown ones as a campaign has: of every row it is told what became of it."""
    async with bench("sms", rest=REST, subscribers=MANY) as b, client_of(b) as client:
        rows = [*(NewRow(eid=checked(n)) for n in range(1, MANY)), NewRow(eid=b.eid)]
        await client.create_batch(name="all", profile_type="demo", in_flight=min(MANY, 2_000), validity=DAY)
        for first in range(0, MANY, 400):
            batch = await client.add_rows("all", first=first, rows=rows[first : first + 400])
        assert batch.rows == MANY
        await client.change_batch("all", action="start")
        for _ in range(MANY):
            batch = await client.show_batch("all")
            if batch.state == "done":
                break
            await b.sleep(5.0)
        assert (batch.state, batch.done, batch.failed + batch.refused) == ("done", 1, MANY - 1)
        listed = [row async for row in client.list_rows("all", page_size=200)]
        assert [row.eid for row in listed] == [row.eid for row in rows]
        assert [row.eid for row in listed if row.state == "done"] == [b.eid]
        await checks.card_agrees(b, b.eid)


async def all_of(client: AsyncClient) -> set[str]:
    return {one.order_id async for one in client.list_orders(state="done", page_size=200)}


def checked(number: int) -> str:
    """An EID with its check digits (ISO 7064 MOD 97-10)."""
    body = f"8903302300000000099{number:011d}"
    return f"{body}{98 - int(body + '00') % 97:02d}"
