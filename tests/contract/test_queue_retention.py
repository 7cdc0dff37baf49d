"""How long ended entries and campaigns are kept, on every database: page by page, never what may still move."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from backends import AnyStore, Backend
from ferryman.contracts.queue import CampaignStart, CampaignState, EntryState, QueueItem
from ferryman.errors import InputError
from ferryman.platform.prepared import driver_of
from ferryman.platform.retention import DAY, MIN_PROCEDURES, RetentionSettings
from ferryman.sm_sr.queue import campaign_store, retention
from ferryman.sm_sr.queue import store as queue_store
from ferryman.sm_sr.queue.retention import Taken
from ferryman.sm_sr.schema import METADATA, campaign, queue_entry

OWNER = "1.3.6.1.4.1.99999.30"
NOW = 1_795_000_000.0
SHORT = RetentionSettings(queue=40.0, journal=10.0)
LATER = NOW + 41 * DAY
ENDS = ("answered", "failed", "expired", "cancelled")
LIVE = ("queued", "held", "sent", "delivered")


@pytest.fixture
async def store(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> AnyStore:
    monkeypatch.setattr(retention, "PAGE", 3)
    monkeypatch.setattr(retention, "PAUSE", 0.0)
    await backend.create(METADATA)
    return backend.open()


def eid(number: int) -> str:
    return f"{89033023 * 10**24 + number:032d}"


def row(number: int, state: str, *, of: str | None = None, at: float = NOW, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": f"e{number}", "seq": number, "eid": eid(number), "owner": OWNER, "function": "audit", "iccid": "",
        "request": b"{}", "priority": 0, "not_before": 0.0, "expires": NOW + 100 * DAY, "state": state,
        "reason": "", "result": "", "pulled": False, "key": None, "campaign": of, "created": at, "updated": at,
    }  # fmt: skip
    return {**values, **changes}


async def begin(store: AnyStore, name: str, *rows: dict[str, Any], adding: bool = False, at: float = NOW) -> str:
    """A campaign with entries, in which nothing has moved since `at`."""
    request = CampaignStart(owner=OWNER, campaign=name, item=QueueItem(function="audit"))
    key = campaign_store.identifier(OWNER, name)

    def unit(connection: Connection) -> None:
        assert campaign_store.start(connection, request, at)
        queue_store.add(connection, [{**one, "campaign": key} for one in rows])
        if not adding:
            found = campaign_store.load(connection, key)
            assert found is not None
            campaign_store.advance(connection, found, place="", looked=len(rows), skipped=0, now=at)

    await store.write(unit)
    return key


async def kept(store: AnyStore) -> set[str]:
    return set(await store.read(lambda c: c.execute(select(queue_entry.c.id)).scalars().all()))


async def campaigns(store: AnyStore) -> set[str]:
    return set(await store.read(lambda c: c.execute(select(campaign.c.name)).scalars().all()))


async def test_what_has_ended_goes_after_its_time_and_what_lives_never(store: AnyStore) -> None:
    rows = [row(n, state) for n, state in enumerate(ENDS * 3)]
    rows += [row(50 + n, state) for n, state in enumerate(LIVE)]
    rows += [row(60 + n, state, at=NOW + 5 * DAY) for n, state in enumerate(ENDS)]
    await store.write(lambda c: queue_store.add(c, rows))
    assert await retention.sweep(store, SHORT, NOW + 40 * DAY) == Taken(), "on the day it is not older"
    assert await retention.sweep(store, SHORT, LATER) == Taken(entries=12)
    live = {f"e{50 + n}" for n in range(len(LIVE))}
    assert await kept(store) == live | {f"e{60 + n}" for n in range(len(ENDS))}
    assert await retention.sweep(store, SHORT, LATER + 5000 * DAY) == Taken(entries=4)
    assert await kept(store) == live
    # What was kept goes on as ever.
    assert await store.write(lambda c: queue_store.change(c, "e51", eid(51), {"state": "queued", "updated": NOW}))


async def test_what_a_campaign_counts_stays_until_all_of_it_has_ended(store: AnyStore) -> None:
    await begin(store, "adds", row(1, "answered"), adding=True)
    await begin(store, "waits", row(2, "answered"), row(3, "held"))
    goes = await begin(store, "goes on", row(4, "answered"), row(5, "sent"))
    await begin(store, "done", *(row(n, ENDS[n % 4]) for n in range(10, 18)))
    await begin(store, "young", row(20, "answered"), at=NOW + 5 * DAY)
    await begin(store, "empty")
    paused = await begin(store, "stands still", row(30, "answered"), adding=True)
    await store.write(lambda c: campaign_store.set_state(c, paused, CampaignState.PAUSED, "", NOW))
    cancelled = await begin(store, "cancelled", row(40, "answered"), row(41, "queued"), adding=True)
    await store.write(lambda c: campaign_store.set_state(c, cancelled, CampaignState.CANCELLED, "", NOW))
    assert await retention.sweep(store, SHORT, LATER) == Taken(entries=8, campaigns=2)
    assert await campaigns(store) == {"adds", "waits", "goes on", "young", "stands still", "cancelled"}
    assert await kept(store) == {"e1", "e2", "e3", "e4", "e5", "e20", "e30", "e40", "e41"}
    # An entry that ends later than the others gives its campaign its whole time again.
    await store.write(lambda c: queue_store.ended(c, "e5", EntryState.ANSWERED, "", "{}", LATER))
    assert await store.write(lambda c: campaign_store.cancel_waiting(c, cancelled, "", LATER, 10)) == 1
    assert "goes on" not in await store.read(lambda c: retention.campaigns_ended(c, LATER - 40 * DAY))
    assert await retention.sweep(store, SHORT, LATER + 39 * DAY) == Taken(entries=1, campaigns=1), "the young one"
    assert await retention.sweep(store, SHORT, LATER + 41 * DAY) == Taken(entries=4, campaigns=2)
    assert await campaigns(store) == {"adds", "waits", "stands still"}
    assert await store.read(lambda c: campaign_store.load(c, goes)) is None


async def test_a_campaign_that_moves_between_two_pages_keeps_the_rest(store: AnyStore) -> None:
    key = await begin(store, "moves", *(row(n, "answered") for n in range(8)))
    before = LATER - 40 * DAY
    assert await store.write(lambda c: retention.take_of_campaign(c, key, before)) == 3
    await store.write(lambda c: campaign_store.set_state(c, key, CampaignState.PAUSED, "somebody looks", LATER))
    assert await store.write(lambda c: retention.take_of_campaign(c, key, before)) == 0
    assert len(await kept(store)) == 5
    assert await campaigns(store) == {"moves"}


@pytest.mark.parametrize("hook", ["before_commit", "on_commit"])
async def test_killed_at_every_commit_the_next_sweep_takes_the_rest(
    backend: Backend, store: AnyStore, hook: str
) -> None:
    """Fifteen that go alone in pages of three, a campaign of seven, and what must not go."""
    stays = row(90, "queued"), row(91, "answered", at=NOW + 5 * DAY)
    for at in range(1, 12):
        rows = [row(n, "answered") for n in range(15)]
        await store.write(lambda c, rows=rows: queue_store.add(c, [*rows, *stays]))
        await begin(store, "spring", *(row(n, "failed") for n in range(20, 27)))
        died: list[int] = []

        def die(number: int, at: int = at, died: list[int] = died) -> bool:
            if number == at:
                died.append(number)
            return number == at

        dying = backend.open(**{hook: die})
        sweeping = asyncio.create_task(retention.sweep(dying, SHORT, LATER))
        while not (sweeping.done() or died):
            await asyncio.sleep(0.002)
        if died:
            assert at <= 10, at
            sweeping.cancel()
            left = await kept(store)
            assert {"e90", "e91"} <= left, at
            # The row of the campaign is there as long as an entry of it.
            assert any(f"e{n}" in left for n in range(20, 27)) <= ("spring" in await campaigns(store)), at
        else:
            assert at > 9, "five pages, one that finds nothing, and three of the campaign"
            assert await sweeping == Taken(entries=22, campaigns=1)
        await backend.kill(dying)
        await retention.sweep(store, SHORT, LATER)
        assert await kept(store) == {"e90", "e91"}, at
        assert await campaigns(store) == set(), at


async def test_a_key_names_its_entry_as_long_as_the_entry_is_kept(store: AnyStore) -> None:
    assert await store.write(lambda c: queue_store.add(c, [row(1, "answered", key="once")])) == 1
    again = row(2, "queued", key="once", eid=eid(1))
    assert await store.write(lambda c: queue_store.add(c, [again])) == 0
    await retention.sweep(store, SHORT, LATER)
    assert await store.write(lambda c: queue_store.add(c, [again])) == 1
    with pytest.raises(InputError) as caught:
        RetentionSettings(queue=MIN_PROCEDURES - 0.5)
    assert caught.value.field == "retention.queue"


async def test_a_page_costs_the_same_however_many_are_kept(store: AnyStore) -> None:
    """The index leads to what goes: nothing that waits, and nothing of a campaign, is looked through."""
    if await store.read(driver_of) is None:
        return  # PostgreSQL chooses by its statistics; the indexes are the same

    def plan(connection: Connection) -> str:
        old = retention.alone_before(NOW).compile(compile_kwargs={"literal_binds": True})
        return " ".join(line[-1] for line in connection.execute(text(f"EXPLAIN QUERY PLAN {old}")))

    found = await store.read(plan)
    assert "queue_entry_ended" in found
    assert "TEMP B-TREE" not in found
