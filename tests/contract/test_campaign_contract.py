"""Campaigns on every database: counts that follow each entry, pausing, cancelling, whom they mean, their cost."""

from __future__ import annotations

import importlib
import random
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, text

from backends import AnyStore, Backend
from ferryman.contracts.queue import CampaignCounts, CampaignStart, CampaignState, EntryState, QueueItem
from ferryman.platform.prepared import driver_of
from ferryman.sm_sr.euicc_type import TypeKey
from ferryman.sm_sr.queue import campaign_store, fitting
from ferryman.sm_sr.queue import store as queue_store
from ferryman.sm_sr.queue.fitting import Fitting, Kind
from ferryman.sm_sr.schema import METADATA, euicc, isdp, queue_entry, tag

OWNER, STRANGER = "1.3.6.1.4.1.99999.30", "1.3.6.1.4.1.99999.31"
NOW = 1_795_000_000.0
LATE = NOW + 1000.0
REQUEST = CampaignStart(owner=OWNER, campaign="spring", item=QueueItem(function="audit", priority=2))
KEY = campaign_store.identifier(OWNER, "spring")


@pytest.fixture
async def store(backend: Backend) -> AnyStore:
    await backend.create(METADATA)
    opened = backend.open()
    assert await opened.write(lambda c: campaign_store.start(c, REQUEST, NOW))
    return opened


def eid(number: int) -> str:
    return f"{89033023 * 10**24 + number:032d}"


def row(number: int, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": f"e{number}", "seq": number, "eid": eid(number), "owner": OWNER, "function": "audit", "iccid": "",
        "request": b"{}", "priority": 0, "not_before": 0.0, "expires": LATE, "state": "queued",
        "reason": "", "result": "", "pulled": False, "key": None, "campaign": KEY, "created": NOW, "updated": NOW,
    }  # fmt: skip
    return {**values, **changes}


def true_counts(connection: Connection) -> CampaignCounts:
    """As the entries themselves say."""
    e = queue_entry.c
    rows = connection.execute(select(e.state, func.count()).where(e.campaign == KEY).group_by(e.state))
    return CampaignCounts(**{state: number for state, number in rows})  # noqa: C416


async def told(store: AnyStore) -> Any:
    found = await store.read(lambda c: campaign_store.view(c, OWNER, "spring"))
    assert found is not None
    return found


async def set_state(store: AnyStore, state: CampaignState) -> None:
    await store.write(lambda c: campaign_store.set_state(c, KEY, state, "why", NOW))


async def claim(store: AnyStore, number: int) -> bool:
    def unit(connection: Connection) -> bool:
        entry = queue_store.next_due(connection, eid(number), NOW)
        return entry is not None and queue_store.claim(connection, entry, NOW)

    return await store.write(unit)


async def test_counts_follow_every_entry(store: AnyStore, seed: int) -> None:
    rng = random.Random(seed)
    rows = [row(n, state=rng.choice(["queued", "queued", "held"])) for n in range(12)]
    rows.append(row(3, id="again"))  # the eUICC has an entry of this campaign
    assert await store.write(lambda c: queue_store.add(c, rows)) == 12
    ends = (EntryState.ANSWERED, EntryState.FAILED, EntryState.EXPIRED)
    for _ in range(120):
        number = rng.randrange(12)
        entry, of = f"e{number}", eid(number)
        match rng.randrange(6):
            case 0:
                await claim(store, number)
            case 1:
                await store.write(lambda c, entry=entry: queue_store.delivered(c, entry, NOW))
            case 2:
                end = rng.choice(ends)
                await store.write(
                    lambda c, entry=entry, end=end: queue_store.ended(c, entry, end, "why", "{}", NOW)
                )
            case 3:
                state = rng.choice([EntryState.HELD, EntryState.QUEUED, EntryState.CANCELLED])
                values = {"state": state, "updated": NOW}
                await store.write(lambda c, e=entry, o=of, v=values: queue_store.change(c, e, o, v))
            case 4:
                moved = {"priority": 3, "updated": NOW}
                await store.write(lambda c, e=entry, o=of, v=moved: queue_store.change(c, e, o, v))
            case 5:
                assert (await told(store)).counts == await store.read(true_counts)
    assert await store.write(lambda c: queue_store.expire(c, LATE, 2)) <= 2
    await store.write(lambda c: queue_store.expire(c, LATE, 100))
    counts = (await told(store)).counts
    assert counts == await store.read(true_counts)
    assert counts.queued == counts.held == 0
    assert await store.read(lambda c: queue_store.first_end(c)) is None


async def test_a_paused_campaign_begins_nothing_and_lets_others_go(store: AnyStore) -> None:
    rows = [
        *(row(1), row(2, not_before=NOW + 50.0), row(3, pulled=True)),
        *(row(4, campaign=None), row(5, id="before", eid=eid(1), campaign=None, priority=-9)),
    ]
    assert await store.write(lambda c: queue_store.add(c, rows)) == 5
    assert sorted(await store.read(lambda c: queue_store.due_eids(c, NOW, 10))) == [eid(1), eid(4)]
    first = await store.read(lambda c: queue_store.next_due(c, eid(1), NOW))
    assert first is not None
    assert first.id == "e1"
    await set_state(store, CampaignState.PAUSED)
    assert not await store.write(lambda c: queue_store.claim(c, first, NOW)), "looked at before it was paused"
    assert not await claim(store, 3)
    assert not await store.read(lambda c: queue_store.lively(c, eid(3), NOW))
    assert await store.read(lambda c: queue_store.first_due(c, NOW)) is None
    assert sorted(await store.read(lambda c: queue_store.due_eids(c, NOW, 10))) == [eid(1), eid(4)]
    assert await claim(store, 1), "what stands behind it goes"
    (told_of,) = await views(store, 3)
    assert (told_of.campaign, told_of.reason) == ("spring", "the campaign spring is paused")
    await set_state(store, CampaignState.RUNNING)
    assert await claim(store, 3)
    assert await store.read(lambda c: queue_store.lively(c, eid(3), NOW))
    assert await store.read(lambda c: queue_store.first_due(c, NOW)) == NOW + 50.0
    assert (await told(store)).counts == await store.read(true_counts)


async def test_what_came_to_no_answer_is_found_by_its_index(store: AnyStore) -> None:
    rows = [row(n, state={0: "failed", 1: "expired"}.get(n % 10, "answered"), reason="why") for n in range(40)]
    await store.write(lambda c: queue_store.add(c, rows))

    async def found(state: EntryState | None, after: str = "", limit: int = 3) -> list[int]:
        seen = await store.read(
            lambda c: queue_store.of_campaign(c, KEY, NOW, state=state, after=after, limit=limit)
        )
        return [int(one.eid) - int(eid(0)) for one in seen]

    assert await found(EntryState.FAILED) == [0, 10, 20]
    assert await found(EntryState.FAILED, eid(20)) == [30]
    assert await found(EntryState.EXPIRED, eid(1)) == [11, 21, 31]
    assert await found(None, eid(1), 2) == [2, 3]
    assert await found(EntryState.HELD) == []
    if await store.read(driver_of) is None:
        return  # PostgreSQL chooses by its statistics; the indexes are the same
    for state in (EntryState.FAILED, EntryState.EXPIRED, EntryState.CANCELLED):
        asked = queue_store.in_campaign(KEY, state, eid(1)).compile(compile_kwargs={"literal_binds": True})
        plan = str(await store.read(lambda c, asked=asked: c.execute(text(f"EXPLAIN QUERY PLAN {asked}")).all()))
        assert "queue_entry_unanswered" in plan
        assert "TEMP B-TREE" not in plan


async def views(store: AnyStore, number: int) -> tuple[Any, ...]:
    return await store.read(lambda c: queue_store.views(c, eid(number), OWNER, NOW, open_only=False, limit=10))


async def test_reasons_of_what_has_not_ended(store: AnyStore) -> None:
    rows = [
        row(1, campaign=None), row(1, id="held", state="held", campaign=None, seq=2),
        row(1, id="later", not_before=NOW + 5.0, campaign=None, seq=3),
        row(1, id="pulled", pulled=True, campaign=None, seq=4),
        row(1, id="sent", state="sent", campaign=None, seq=5),
        row(1, id="delivered", state="delivered", campaign=None, seq=6),
        row(1, id="answered", state="answered", campaign=None, seq=7),
    ]  # fmt: skip
    await store.write(lambda c: queue_store.add(c, rows))
    assert [one.reason for one in await views(store, 1)] == [
        "waits for its turn",
        "held until it is released",
        "not before 2026-11-18T11:06:45+00:00",
        "waits for the eUICC to open a session, and for what goes before it",
        "begun; the eUICC has not been given a command of it yet",
        "the eUICC was given a command of it and has not answered yet",
        "",
    ]


async def test_cancelled_page_by_page_and_what_has_begun_goes_on(store: AnyStore) -> None:
    rows = [
        *(row(n, pulled=n % 2 == 0, state="held" if n > 4 else "queued") for n in range(8)),
        row(9, campaign=None),
    ]
    await store.write(lambda c: queue_store.add(c, rows))
    assert await claim(store, 1)
    await set_state(store, CampaignState.CANCELLED)
    assert not await claim(store, 3), "nothing begins from the commit on"
    done = []
    while await store.read(campaign_store.to_cancel) is not None:
        done.append(await store.write(lambda c: campaign_store.cancel_waiting(c, KEY, "gone", NOW, 3)))
    assert done == [3, 3, 1]
    assert (await told(store)).counts == CampaignCounts(sent=1, cancelled=7) == await store.read(true_counts)
    await store.write(lambda c: queue_store.ended(c, "e1", EntryState.ANSWERED, "", "{}", NOW))
    view = await told(store)
    assert (view.counts, view.state, view.adding) == (
        CampaignCounts(answered=1, cancelled=7),
        CampaignState.CANCELLED,
        False,
    )
    assert await claim(store, 9)


async def test_names_are_the_owners_own_and_the_urgent_one_goes_first(store: AnyStore) -> None:
    assert not await store.write(lambda c: campaign_store.start(c, REQUEST, NOW))
    for owner, name, priority in ((STRANGER, "spring", 1), (OWNER, "autumn", 9)):
        item = QueueItem(function="audit", priority=priority)
        other = CampaignStart(owner=owner, campaign=name, item=item)
        assert await store.write(lambda c, other=other: campaign_store.start(c, other, NOW))
    keys = [campaign_store.identifier(*of) for of in ((OWNER, "autumn"), (OWNER, "spring"), (STRANGER, "spring"))]
    rows = [row(n, campaign=key) for n, key in enumerate(keys)]
    rows += [row(n + 10, campaign=key) for n, key in enumerate(keys)]
    await store.write(lambda c: queue_store.add(c, rows))
    assert await store.read(campaign_store.running) == keys
    assert await store.read(campaign_store.to_add) == keys[0]
    due = await store.read(lambda c: queue_store.due_eids(c, NOW, 4))
    assert [number % 10 for number in map(int, (one[-2:] for one in due))] == [0, 0, 1, 1]
    names = await store.read(lambda c: [v.campaign for v in campaign_store.views(c, OWNER, "", 10)])
    assert names == ["autumn", "spring"]
    assert await store.read(lambda c: [v.campaign for v in campaign_store.views(c, OWNER, "autumn", 10)]) == [
        "spring"
    ]
    assert await store.read(lambda c: campaign_store.view(c, "1.2", "spring")) is None


# -- whom it means ---------------------------------------------------------------------------------------------

CARDS = (("eum", "a", "1"), ("eum", "a", "2"), ("eum", "b", "1"), ("other", "a", "1"), ("eum", "a", "1"))


async def with_cards(store: AnyStore) -> None:
    def unit(connection: Connection) -> None:
        for number, (maker, kind, version) in enumerate(CARDS):
            connection.execute(insert(euicc).values(**card(number, maker, kind, version)))
            for place, (iccid, owner, state, profile_type) in enumerate(PROFILES.get(number, ())):
                connection.execute(
                    insert(isdp).values(**profile(number, place, iccid, owner, state, profile_type))
                )
        connection.execute(insert(tag).values(eid=eid(1), name="red"))

    await store.write(unit)


def card(number: int, maker: str, kind: str, version: str) -> dict[str, Any]:
    return {
        "eid": eid(number), "eum_id": maker, "platform_type": kind, "platform_version": version, "rpv": "",
        "http_support": True, "cattp_support": False, "smsr_id": "", "remaining_memory": 0, "available_memory": 0,
        "scp80_version": 1, "scp80_counter": 0, "scp81_version": 0 if number == 4 else 0x40, "signed_info": b"",
        "signature": b"", "imei": "", "created": NOW, "differs": '{"a": 1}' if number == 1 else "{}",
    }  # fmt: skip


PROFILES = {
    0: (("8901", OWNER, "Disabled", "demo"),),
    1: (("8902", OWNER, "InCreation", "demo"),),
    2: (("8903", STRANGER, "Disabled", "demo"), ("8904", OWNER, "Disabled", "other")),
    4: (("8906", OWNER, "Enabled", "demo"), ("8905", OWNER, "Disabled", "demo")),
}


def profile(number: int, place: int, iccid: str, owner: str, state: str, profile_type: str) -> dict[str, Any]:
    return {
        "eid": eid(number), "aid": bytes((place,)) * 16, "iccid": iccid, "owner": owner, "smdp_id": "",
        "state": state, "fallback": False, "imsi": "", "msisdn": "", "profile_type": profile_type,
        "allocated_memory": 0, "pol2": b"[]",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("item", "filters", "expected", "skipped"),
    [
        ({"function": "audit"}, {}, {0: "", 1: "", 2: "", 3: "", 4: ""}, 0),
        ({"function": "audit"}, {"eum_id": "eum", "platform_type": "a"}, {0: "", 1: "", 4: ""}, 0),
        ({"function": "audit"}, {"platform_version": "2"}, {1: ""}, 0),
        ({"function": "audit"}, {"tag_name": "red"}, {1: ""}, 0),
        ({"function": "enable"}, {"profile_type": "demo"}, {0: "8901", 4: "8905"}, 3),
        ({"function": "enable", "iccid": "8904"}, {}, {2: "8904"}, 4),
    ],
)
async def test_whom_a_campaign_means(
    store: AnyStore, item: dict[str, Any], filters: dict[str, Any], expected: dict[int, str], skipped: int
) -> None:
    await with_cards(store)
    asked = CampaignStart(owner=OWNER, campaign="x", item=QueueItem(**item), **filters)
    kinds: list[Kind] = []

    def pulled(_: Connection, kind: Kind) -> bool:
        kinds.append(kind)
        return not kind.https_possible

    found: list[Fitting] = []
    place, looked, left_out = "", 0, 0
    while True:
        page = await store.read(lambda c, place=place: fitting.page(c, asked, place, 2, pulled))
        found += page.found
        looked, left_out, place = looked + page.looked, left_out + page.skipped, page.place
        if not place:
            break
    assert {one.eid: one.iccid for one in found} == {eid(n): iccid for n, iccid in expected.items()}
    assert (looked, left_out) == (len(CARDS), skipped)
    assert {one.eid for one in found if one.pulled} <= {eid(4)}
    if expected.keys() == {0, 1, 2, 3, 4}:
        assert kinds[1] == Kind(TypeKey("eum", "a", "2"), True, {"a": 1})
        assert [one.pulled for one in found] == [False] * 4 + [True]


# -- what it costs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [CampaignState.PAUSED, CampaignState.RUNNING, CampaignState.CANCELLED])
async def test_a_look_costs_the_same_however_many_wait(store: AnyStore, state: CampaignState) -> None:
    """The clock, the sessions and whoever asks for the counts: none of them counts a campaign through."""
    if await store.read(driver_of) is None:
        return  # PostgreSQL chooses by its statistics; the indexes are the same
    await store.write(lambda c: queue_store.add(c, [row(1, campaign=None)]))
    steps = []
    for low, high in ((10, 60), (60, 3000)):
        rows = [row(n, state="held" if n % 9 == 0 else "queued") for n in range(low, high)]
        await store.write(lambda c, rows=rows: queue_store.add(c, rows))
        await set_state(store, state)
        steps.append(await store.read(cost))
    few, many = steps
    assert few.keys() == many.keys()
    # An index of sixty times the size is one or two levels deeper; a scan would be sixty times as dear.
    dear = {name: (few[name], many[name]) for name in few if many[name] > few[name] + 40}
    assert not dear


def cost(connection: Connection) -> dict[str, int]:
    """Instructions of SQLite's machine for each look, in fives."""
    driver = driver_of(connection)
    assert driver is not None
    looks: dict[str, Any] = {
        "due": lambda: queue_store.due_eids(connection, NOW, 5),
        "first due": lambda: queue_store.first_due(connection, NOW),
        "first end": lambda: queue_store.first_end(connection),
        "running": lambda: queue_store.running(connection),
        "next": lambda: queue_store.next_due(connection, eid(20), NOW),
        "lively": lambda: queue_store.lively(connection, eid(20), NOW),
        "counts": lambda: campaign_store.view(connection, OWNER, "spring"),
        "to add": lambda: campaign_store.to_add(connection),
        "to cancel": lambda: campaign_store.to_cancel(connection),
    }
    found = {}
    for name, look in looks.items():
        count = [0]

        def tick(count: list[int] = count) -> int:
            count[0] += 1
            return 0

        driver.set_progress_handler(tick, 5)
        look()
        driver.set_progress_handler(None, 0)
        found[name] = count[0]
    return found


async def test_how_a_card_is_reached_may_change(store: AnyStore) -> None:
    rows = [row(1), row(1, id="on its way", state="sent", campaign=None), row(2)]
    await store.write(lambda c: queue_store.add(c, rows))
    assert await store.write(lambda c: queue_store.set_pulled(c, eid(1), pulled=True)) == 1
    assert await store.write(lambda c: queue_store.set_pulled(c, eid(1), pulled=True)) == 0
    assert await store.read(lambda c: queue_store.due_eids(c, NOW, 9)) == [eid(2)]
    assert await store.write(lambda c: queue_store.set_pulled(c, eid(1), pulled=False)) == 1


async def test_campaigns_of_before_are_taken_over_with_their_counts(store: AnyStore) -> None:
    """Until revision 0007 a campaign was a name in its entries."""
    rows = [
        row(1, campaign="old"), row(2, campaign="old", state="answered"), row(3, campaign="old", owner=STRANGER),
    ]  # fmt: skip
    await store.write(lambda c: queue_store.add(c, rows))
    module: Any = importlib.import_module("ferryman.migrations.sm_sr.0007_campaigns")
    await store.write(module._take_over)
    view = await store.read(lambda c: campaign_store.view(c, OWNER, "old"))
    assert view is not None
    assert (view.counts, view.function, view.state) == (
        CampaignCounts(queued=1, answered=1),
        "audit",
        CampaignState.RUNNING,
    )
    other = await store.read(lambda c: campaign_store.view(c, STRANGER, "old"))
    assert other is not None
    assert other.counts == CampaignCounts(queued=1)
    assert await claim(store, 1)
    after = await store.read(lambda c: campaign_store.view(c, OWNER, "old"))
    assert after is not None
    assert after.counts == CampaignCounts(sent=1, answered=1)
    loaded = await store.read(lambda c: campaign_store.load(c, campaign_store.identifier(OWNER, "old")))
    assert loaded is not None
    assert loaded.request.campaign == "old"
