"""How scripts are packed, as the card sees it: compact, expanded, chained; within its buffers (TS 102 226 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from e2e import checks
from e2e.bench import Bench, bench
from ferryman.contracts import admin, workflow
from ferryman.contracts.queue import EntryState, EntryView, QueueAdd, QueueItem, QueueShow
from ferryman.contracts.status import Status
from ferryman.sm_sr import role
from ferryman.sm_sr.scripts.runner import LocalDecider
from ferryman.sm_sr.settings import SRSettings
from rig import OWNER
from virtual_loop import virtual

COMPACT = 'def decide(q):\n    return send("sms", packaging = "compact")\n'
INDEFINITE = 'def decide(q):\n    return send("sms", packaging = "indefinite")\n'
GET_DATA = bytes.fromhex("220580CAFF2100")
DAY = 86_400.0
RAW = SRSettings(raw_script_requesters=(OWNER,))


@pytest.fixture(autouse=True)
def _in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the virtual clock nobody can wait for another process; the process has tests of its own."""
    monkeypatch.setattr(role, "ChildDecider", LocalDecider)


@dataclass(frozen=True)
class Seen:
    """One script as it reached the card, with the counter of the packet that brought it."""

    body: bytes
    target: bytes
    counter: int

    @property
    def chaining(self) -> int:
        """Value of the script chaining TLV, 0 when there is none."""
        at = 2 if self.body[1] <= 0x80 else 3 if self.body[1] == 0x81 else 4
        return self.body[at + 2] if self.body[at : at + 2] == b"\x83\x01" else 0


def watch(b: Bench) -> list[Seen]:
    """All scripts that the card runs from now on."""
    card = b.device().card
    runner, seen = card._sms._runner, []
    original = runner.run

    def run(body: bytes, target: bytes, via: str, kvn: int | None) -> Any:
        counter = card._core.state.keyset80(kvn).counter if via == "sms" else 0
        seen.append(Seen(body, target, counter))
        return original(body, target, via, kvn)

    runner.run = run
    return seen


async def says(b: Bench, **fields: Any) -> None:
    """Tell the SM-SR what cards of this type take."""
    await b.operator.sm_sr(admin.SetDifference(eid=b.eid, says=fields))


async def activate(b: Bench, text: str) -> None:
    await b.operator.sm_sr(workflow.ActivateScript(name="packaging", text=text))


async def alarms(b: Bench) -> list[str]:
    return [detail for action, outcome, detail in await b.audits() if (action, outcome) == ("script", "alarm")]


async def raw(b: Bench, data: bytes) -> EntryView:
    """A raw script, carried out."""
    return await put(b, QueueItem(function="raw", data=data, reason="to see how it is packed", validity=DAY))


async def put(b: Bench, item: QueueItem) -> EntryView:
    """An entry, to its end."""
    entry: Any = await b.operator.sm_sr(QueueAdd(owner=OWNER, eid=b.eid, item=item))
    for _ in range(100):
        if entry.state in (EntryState.ANSWERED, EntryState.FAILED, EntryState.EXPIRED):
            break
        await b.sleep(30.0)
        entry = await b.operator.sm_sr(QueueShow(owner=OWNER, eid=b.eid, entry=entry.entry))
    assert isinstance(entry, EntryView)
    return entry


@virtual
async def test_an_order_with_compact_scripts_where_the_type_says_that_cards_take_them() -> None:
    async with bench("sms", quirks={"compact_scripts": True}) as b:
        await says(b, compact=True)
        await activate(b, COMPACT)
        seen = watch(b)
        view, status = await b.run_order()
        assert status.status is Status.SUCCESS
        await checks.everything(b, view)
        assert not await alarms(b)
        bare = [one.body for one in seen if one.body[0] not in (0xAA, 0xAE)]
        # CreateISDP and EnableProfile are single commands. What is chained is expanded: compact has no chains.
        assert [body[:2].hex() for body in bare] == ["80e6", "80e2"]
        assert all(one.body[0] == 0xAA for one in seen if one.body not in bare)


@virtual
async def test_a_script_that_packs_compact_for_other_cards_is_overruled() -> None:
    async with bench("sms") as b:
        await activate(b, COMPACT)
        seen = watch(b)
        _, status = await b.run_order()
        assert status.status is Status.SUCCESS
        assert all(one.body[0] == 0xAA for one in seen)
        assert all("expanded scripts only" in one for one in await alarms(b))
        assert await alarms(b)


@virtual
async def test_a_card_that_takes_no_compact_scripts_after_all_says_so() -> None:
    """What its type says is wrong: the card answers bad format, and nothing of it counts as done."""
    async with bench("sms", sr=RAW) as b:
        await says(b, compact=True)
        await activate(b, COMPACT)
        entry = await raw(b, GET_DATA)
        assert (entry.state, entry.reason.split()[0]) == (EntryState.FAILED, "8.4/4.2")
        assert not [name for name in b.log() if "CAFF21" in name or "GetData" in name]
        _, status = await b.run_order(validity=3600.0)
        assert not status.ok
        await says(b, compact=False)
        assert (await put(b, QueueItem(function="audit", validity=DAY))).state is EntryState.ANSWERED
        await checks.everything(b)


@virtual
async def test_definite_indefinite_and_compact_give_the_same_result() -> None:
    results = []
    for text, first in ((COMPACT, 0x80), (INDEFINITE, 0xAE), ("", 0xAA)):
        async with bench("sms", quirks={"compact_scripts": True}, sr=RAW) as b:
            await says(b, compact=True)
            if text:
                await activate(b, text)
            seen = watch(b)
            entry = await raw(b, GET_DATA)
            assert entry.state is EntryState.ANSWERED
            assert [one.body[0] for one in seen] == [first]
            results.append(entry.result)
    assert results[0] == results[1] == results[2]
    assert "response" in results[0]


@virtual
async def test_scp80_chains_over_several_packets_with_counters_that_only_rise() -> None:
    """A whole download by SMS: scripts of several short messages, chained, each packet with its own counter."""
    async with bench("sms") as b:
        await says(b, script_limit=300)
        seen = watch(b)
        before = sum(counter["mt_submitted"] for counter in b.world.smsc.centre.counters.values())
        view, status = await b.run_order(enable=False)
        assert status.status is Status.SUCCESS
        await checks.everything(b, view)
        counters = [one.counter for one in seen]
        assert counters == sorted(set(counters))
        submitted = sum(counter["mt_submitted"] for counter in b.world.smsc.centre.counters.values()) - before
        assert submitted > 1.5 * len(seen), "packets of several short messages"
        chains: dict[bytes, list[int]] = {}
        for one in seen:
            if one.chaining:
                chains.setdefault(one.target, []).append(one.chaining)
        assert len(chains) == 2, "key establishment with the ISD-R, SCP03t with the ISD-P"
        for values in chains.values():
            text = "".join(map(str, values))
            assert text.startswith("1")
            assert text.endswith("3")
            assert set(text.replace("13", "").replace("3", " ").replace("1", "").split()) <= {
                "2" * n for n in range(40)
            }
        assert max(len(one.body) for one in seen) <= 1100 + 16


@virtual
async def test_raw_scripts_over_https_stay_within_the_buffer_of_the_card() -> None:
    """Ten commands of seven octets, and a card that takes sixty: told of it, the SM-SR cuts; else nothing runs."""
    for limit, expected in ((64, EntryState.ANSWERED), (1100, EntryState.FAILED)):
        async with bench("https-pull", poll=600, smsc=False, sr=RAW, limits={"https_script": 70}) as b:
            await says(b, script_limit=limit)
            seen = watch(b)
            before = b.world.status(b.eid)["counters"]["https_sessions"]  # it may have told of itself that way
            entry = await raw(b, GET_DATA * 12)
            assert entry.state is expected
            bodies = [one.body for one in seen if GET_DATA in one.body]
            assert all(len(body) <= 70 for body in bodies)
            assert b"".join(bodies).count(GET_DATA) == (12 if expected is EntryState.ANSWERED else 0)
            assert len(bodies) == (2 if expected is EntryState.ANSWERED else 0)
            # One session: what the card keeps for the next script needs no chaining TLV (divergence 3.18).
            assert not any(one.chaining for one in seen)
            sessions = b.world.status(b.eid)["counters"]["https_sessions"] - before
            assert sessions == 1 or expected is EntryState.FAILED


@virtual
async def test_a_packet_that_is_longer_than_the_buffer_never_runs() -> None:
    async with bench("sms", limits={"sms_packet": 200}, sr=RAW) as b:
        await says(b, script_limit=300)
        entry = await raw(b, GET_DATA * 40)
        assert (entry.state, entry.reason.split()[0]) == (EntryState.FAILED, "1.6/5.4")
        assert "longer than the buffer" in b.device().card.discards
        await says(b, script_limit=100)
        assert (await raw(b, GET_DATA * 40)).state is EntryState.ANSWERED
