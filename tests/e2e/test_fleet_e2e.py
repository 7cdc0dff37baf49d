"""Fleets and pairs under every kind of trouble at once: one outcome for each call, nothing twice, EIS equals card.

The report of a run (outcomes, fault log, digest) goes to the directory that FERRYMAN_REPORTS names, else to a
temporary one. FERRYMAN_SEED runs a seed again. `make soak` runs 200 schedules instead of 5, and larger fleets.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

import virtual_loop
from e2e.bench import Bench, bench
from e2e.fleet import SPARES, Plan, Report, Script, desks_of, judge, judge_calls, run_fleet
from e2e.gateway import Gateway
from e2e.operations import run
from e2e.pairs import NETWORK, SCHEDULES, Meeting, meetings
from ferryman.sm_dp.records import DPSettings
from ferryman.sm_sr.settings import SRSettings
from ferryman_sim.card.state import HTTPSConfig, Notification, State

SOAK = bool(os.environ.get("FERRYMAN_SOAK"))
FLEET = 1_000 if SOAK else 200
SOAK_SCHEDULES = 200
STEPS = 50_000_000  # turns of the virtual loop
MIXED = (
    *("download", "download-enable"),
    *("enable", "disable", "delete", "fall-back", "enable-bootstrap", "update-policy") * 2,
    *("enable", "audit", "get-eis", "update-address", "set-fallback", "rotate-keys", "addressing", "power-cycle"),
)
"""What a fleet draws from; one in eleven is a download, which costs as much as all the others."""
PAIRED = (
    *("download-enable", "enable", "disable", "delete", "enable-bootstrap", "set-fallback", "rotate-keys"),
    *("addressing", "audit", "update-policy", "fall-back", "power-cycle"),
)
"""Twelve: a download without enabling is half of one with it, and a look at the EIS meets nobody."""
TROUBLES = (
    *("sms lost", "sms repeated", "sms reordered"),
    *("card power_cut", "card drop_dialogue", "card lost_answer"),
)


@contextlib.asynccontextmanager
async def fleet_of(count: int, spare_enabled: tuple[int, ...] = ()) -> AsyncIterator[Bench]:
    """Cards with a second Profile beside the bootstrap Profile, and servers that try often enough.

    The second one is disabled, but on the cards `spare_enabled` (numbers from 1).
    """
    patient = {"dp": DPSettings(session_attempts=20), "sr": SRSettings(sms_attempts=6)}
    options = (*SPARES, "--spare-enabled", ",".join(map(str, spare_enabled)))
    async with bench("sms", count=count, options=options, subscribers=2 * count, **patient) as b:  # type: ignore[arg-type]
        yield b


def fly(count: int, plan: Plan, meetings: Sequence[Meeting] = ()) -> Report:
    """One run on a fresh fleet; with meetings, each card has one."""

    async def whole() -> Report:
        spare_enabled = tuple(number for number, each in enumerate(meetings, start=1) if each.spare_enabled)
        async with fleet_of(count, spare_enabled) as b:
            # EIDs in the order of their card numbers, which their check digits do not disturb.
            scripts = {eid: script_of(each) for eid, each in zip(b.eids, meetings, strict=bool(meetings))}
            return await run_fleet(b, plan, scripts)

    return virtual_loop.run(whole(), steps=STEPS)


def keep(report: Report, tmp_path: Path, name: str) -> None:
    """Put the report beside the result, and on the screen when the test fails."""
    folder = Path(os.environ.get("FERRYMAN_REPORTS") or tmp_path)
    report.write(folder / f"{name}-{report.seed}.json")
    print(report.outcomes, report.faults, report.digest)


@pytest.mark.timeout(3600 if SOAK else 900)
def test_a_fleet_with_mixed_operations(seed: int, tmp_path: Path) -> None:
    """SMS loss 10 %, repeats 5 %, reorder 20 %, power cuts, dropped memory, lost answers."""
    report = fly(FLEET, Plan(str(seed), MIXED))
    keep(report, tmp_path, "fleet")
    assert not report.wrong, "\n".join(report.wrong)
    for name in TROUBLES:
        assert report.faults[name], f"{name} never struck"
    assert set(report.outcomes) == set(MIXED), "every operation was there"
    good = sum(n for each in report.outcomes.values() for how, n in each.items() if how.startswith("SUCCESS"))
    assert good > FLEET // 2, "trouble is not all that happened"


@pytest.mark.timeout(3600 if SOAK else 300)
@pytest.mark.parametrize("first", PAIRED)
def test_every_ordered_pair_on_one_card(first: str, seed: int, tmp_path: Path) -> None:
    """An operation, and each operation after it: at the same moment, in the middle, or after its end."""
    every = SOAK_SCHEDULES if SOAK else SCHEDULES
    found = [each for each in meetings(PAIRED, str(seed), every) if each.first == first]
    size = len(PAIRED) * SCHEDULES
    for at in range(0, len(found), size):
        batch = found[at : at + size]
        report = fly(size, Plan(f"{seed}-{at}", (), network=NETWORK), batch)
        keep(report, tmp_path, f"pairs-{first}")
        assert not report.wrong, "\n".join(report.wrong)
        assert sum(map(len, report.cards.values())) == 2 * size


DIFFERENCES: dict[str, Callable[[State], object]] = {
    "IMEI": lambda card: setattr(card, "imei", card.imei[::-1]),
    "SM-SR address": lambda card: setattr(card, "smsr_address", card.smsr_address[:-1]),
    "administration session": lambda card: setattr(card, "https", HTTPSConfig("other", 443, "/", "")),
    "POL1": lambda card: setattr(card.isdps[0], "pol1", card.isdps[0].pol1 ^ 0x02),
    "connectivity parameters": lambda card: setattr(card.isdps[1], "connectivity", b"\xa2\x00"),
    "key sets of CryptoServer": lambda card: card.scp80.append(replace(card.scp80[0], kvn=0x0E)),
    "SCP80 counter": lambda card: setattr(card.scp80[0], "counter", card.scp80[0].counter + 1_000),
}
"""What is done to a card, by what the judge then says."""


def script_of(meeting: Meeting) -> Script:
    return Script(((0.0, meeting.first), (meeting.gap, meeting.second)), meeting.faults, meeting.label)


def test_a_seed_replays() -> None:
    """The same seed gives the same run on every card, to the millisecond; another seed does not."""
    one, again = (fly(4, Plan("replay", MIXED, spread=600.0)) for _ in range(2))
    assert one.digest == again.digest
    assert one == again
    assert fly(4, Plan("another", MIXED, operations=1, spread=600.0)).digest != one.digest


@virtual_loop.virtual
async def test_the_judge_sees_what_is_wrong() -> None:
    """EIS and card apart in any field, a command twice, an answer too much, a notification left: each is found."""
    async with fleet_of(1) as b:
        gateway = Gateway()
        (desk,) = desks_of(b, gateway, "judge")
        await run("get-eis", desk)
        assert await judge(desk, {}) == []
        assert judge_calls(gateway) == []
        device = b.device()
        device.card._core.state.isdps[1].fallback = True
        assert len(await judge(desk, {})) == 1
        device.card._core.state.isdps[1].fallback = False
        honest = deepcopy(device.card._core.state)
        for said, alter in DIFFERENCES.items():
            alter(device.card._core.state)
            (line,) = await judge(desk, {})
            assert said in line
            for name in ("imei", "smsr_address", "https", "isdps", "scp80"):
                setattr(device.card._core.state, name, deepcopy(getattr(honest, name)))
        assert await judge(desk, {}) == []
        device.card.log.append({"command": "EnableProfile A0", "sw": "9000"})
        assert await judge(desk, {}) == [f"{b.eid}: 1 times EnableProfile for 0 calls"]
        device.card.log.pop()
        (call,) = gateway.calls.values()
        ((identifier, answer),) = call.answers.items()
        call.answers["another"] = answer
        assert len(judge_calls(gateway)) == 1
        del call.answers["another"], call.answers[identifier]
        assert len(judge_calls(gateway)) == 1
        device.card._core.state.notification = Notification(2, device.card._core.state.isdps[0].aid, 9)
        assert any("never confirmed" in line for line in await judge(desk, {}))
