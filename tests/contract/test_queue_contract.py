"""The command queue on every database: order, one at a time, keys and campaigns, ends; versions of scripts."""

from __future__ import annotations

from typing import Any

import pytest

from backends import AnyStore, Backend
from ferryman.contracts.queue import EntryState
from ferryman.sm_sr.queue import store as queue_store
from ferryman.sm_sr.schema import METADATA
from ferryman.sm_sr.scripts import store as script_store
from ferryman.workflow.decision import Decision
from ferryman.workflow.plan import GiveUp
from workflow_questions import question

EID, OTHER = "89033023000000000061494360000191", "89033023000000000061494360000288"
OWNER = "1.3.6.1.4.1.99999.30"
NOW = 1_795_000_000.0


@pytest.fixture
async def store(backend: Backend) -> AnyStore:
    await backend.create(METADATA)
    return backend.open()


def row(number: int, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": f"e{number}", "seq": number, "eid": EID, "owner": OWNER, "function": "audit", "iccid": "",
        "request": b"{}", "priority": 0, "not_before": 0.0, "expires": NOW + 100.0, "state": "queued",
        "reason": "", "result": "", "pulled": False, "key": None, "campaign": None, "created": NOW, "updated": NOW,
    }  # fmt: skip
    return {**values, **changes}


async def due(store: AnyStore, eid: str = EID, now: float = NOW) -> str:
    found = await store.read(lambda c: queue_store.next_due(c, eid, now))
    return found.id if found is not None else ""


async def claimed(store: AnyStore, number: int, eid: str = EID, *, campaign: str | None = None) -> bool:
    entry = queue_store.Entry(
        f"e{number}", eid, OWNER, "audit", b"{}", 0, 0.0, NOW + 100.0, EntryState.QUEUED, False, campaign
    )
    return await store.write(lambda c: queue_store.claim(c, entry, NOW))


async def test_priority_then_arrival_and_one_at_a_time(store: AnyStore) -> None:
    rows = [
        row(1),
        row(2, priority=5),
        row(3, state="held", priority=9),
        row(4, not_before=NOW + 50.0, priority=9),
    ]
    assert await store.write(lambda c: queue_store.add(c, rows)) == 4
    assert await due(store) == "e2"
    assert await claimed(store, 2)
    assert not await claimed(store, 2)
    assert not await claimed(store, 1)
    assert await due(store) == ""
    await store.write(lambda c: queue_store.delivered(c, "e2", NOW))
    await store.write(lambda c: queue_store.ended(c, "e2", EntryState.ANSWERED, "", "{}", NOW))
    assert await due(store) == "e1"
    assert await due(store, now=NOW + 60.0) == "e4"
    assert await due(store, now=NOW + 101.0) == ""
    views = await store.read(lambda c: queue_store.views(c, EID, OWNER, NOW, open_only=True, limit=10))
    assert [(one.entry, one.state) for one in views] == [("e3", "held"), ("e4", "queued"), ("e1", "queued")]
    assert await store.read(lambda c: queue_store.views(c, EID, "1.2", NOW, open_only=False, limit=10)) == ()


async def test_a_key_and_a_campaign_name_an_entry_once(store: AnyStore) -> None:
    rows = [row(1, key="a"), row(2, key="a"), row(3, eid=OTHER, key="a")]
    assert await store.write(lambda c: queue_store.add(c, rows)) == 2
    assert await store.read(lambda c: queue_store.by_key(c, EID, "a")) == "e1"
    campaign = [row(4, campaign="c"), row(5, campaign="c"), row(6, eid=OTHER, campaign="c")]
    assert await store.write(lambda c: queue_store.add(c, campaign)) == 2
    assert await store.write(lambda c: queue_store.add(c, campaign)) == 0


async def test_what_the_clock_looks_for(store: AnyStore) -> None:
    rows = [row(1), row(2, eid=OTHER, pulled=True), row(3, eid="3" * 32, not_before=NOW + 20.0)]
    await store.write(lambda c: queue_store.add(c, rows))
    assert await store.read(lambda c: queue_store.due_eids(c, NOW, 10)) == [EID]
    assert await store.read(lambda c: queue_store.first_due(c, NOW)) == NOW + 20.0
    assert await store.read(lambda c: queue_store.first_end(c)) == NOW + 100.0
    assert await store.read(lambda c: queue_store.lively(c, OTHER, NOW))
    assert not await store.read(lambda c: queue_store.lively(c, "3" * 32, NOW))
    assert await claimed(store, 1)
    assert await store.read(lambda c: queue_store.due_eids(c, NOW, 10)) == []
    assert await store.read(queue_store.running) == 1
    assert await store.write(lambda c: queue_store.expire(c, NOW + 100.0, 10)) == 2
    found = await store.read(lambda c: queue_store.view(c, OTHER, "e2", OWNER, NOW))
    assert found is not None
    assert (found.state, found.reason) == ("expired", "its validity is over")


async def test_what_has_expired_is_neither_found_nor_begun(store: AnyStore) -> None:
    """Also between the look and the claim, and before the clock has ended it."""
    rows = [row(1, expires=NOW), row(2, eid=OTHER, expires=NOW + 0.001)]
    await store.write(lambda c: queue_store.add(c, rows))
    assert await store.read(lambda c: queue_store.due_eids(c, NOW, 10)) == [OTHER]
    assert not await claimed(store, 1), "seen while it was in time"
    assert await claimed(store, 2, OTHER)
    found = await store.read(lambda c: queue_store.view(c, EID, "e1", OWNER, NOW))
    assert found is not None
    assert found.state == "queued"


async def test_only_what_waits_can_be_changed(store: AnyStore) -> None:
    await store.write(lambda c: queue_store.add(c, [row(1), row(2, eid=OTHER)]))
    assert await claimed(store, 1)
    assert not await store.write(
        lambda c: queue_store.change(c, "e1", EID, {"state": "cancelled", "updated": NOW})
    )
    assert not await store.write(
        lambda c: queue_store.change(c, "e2", EID, {"state": "cancelled", "updated": NOW})
    )
    assert await store.write(lambda c: queue_store.change(c, "e2", OTHER, {"priority": 7, "updated": NOW}))


async def test_an_answer_ends_only_what_is_on_its_way(store: AnyStore) -> None:
    """One that comes late, or a second time, changes nothing."""
    await store.write(lambda c: queue_store.add(c, [row(1), row(2, eid=OTHER, state="cancelled", reason="gone")]))
    for number in (1, 2):
        entry = f"e{number}"
        await store.write(lambda c, e=entry: queue_store.delivered(c, e, NOW))
        await store.write(lambda c, e=entry: queue_store.ended(c, e, EntryState.ANSWERED, "late", "{}", NOW))
    assert await due(store) == "e1"
    other = await store.read(lambda c: queue_store.view(c, OTHER, "e2", OWNER, NOW))
    assert other is not None
    assert (other.state, other.reason, other.result) == ("cancelled", "gone", "")
    assert await claimed(store, 1)
    await store.write(lambda c: queue_store.ended(c, "e1", EntryState.ANSWERED, "", "first", NOW))
    await store.write(lambda c: queue_store.ended(c, "e1", EntryState.FAILED, "again", "second", NOW))
    first = await store.read(lambda c: queue_store.view(c, EID, "e1", OWNER, NOW))
    assert first is not None
    assert (first.state, first.result) == ("answered", "first")


async def test_old_decisions_are_forgotten(store: AnyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script_store, "KEPT_DECISIONS", 10)
    decided = Decision(question(), GiveUp())

    def unit(connection: Any) -> None:
        for number in range(205):
            script_store.record(connection, EID, decided, NOW + number)

    await store.write(unit)
    kept = await store.read(lambda c: script_store.decisions(c, EID, 1000))
    assert len(kept) < 10 + 100
    assert kept[0].at == NOW + 204


async def test_versions_of_scripts(store: AnyStore) -> None:
    def unit(connection: Any) -> list[int]:
        made = [script_store.add(connection, "a", text, NOW) for text in ("one", "two", "one")]
        for version in (1, 2):
            script_store.activate(connection, version, "somebody", NOW)
        return made

    assert await store.write(unit) == [1, 2, 1]
    assert await store.read(script_store.active) == (2, "a", "two")
    assert await store.read(script_store.previous) == 1
    await store.write(lambda c: script_store.activate(c, script_store.NONE, "somebody", NOW))
    assert await store.read(script_store.active) is None
    assert await store.read(lambda c: [script_store.exists(c, n) for n in (0, 2, 3)]) == [True, True, False]
