"""Many cards, mixed operations, a bad network and cards that lose power and memory: one seed is one run.

`run_fleet` gives a `Report`: outcomes by operation, the log of the faults that struck, and what was found wrong.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from e2e import checks
from e2e.bench import Bench
from e2e.gateway import Gateway
from e2e.operations import MAKES, Desk, described, run
from ferryman.sm_dp.records import DPSettings
from ferryman_sim.smsc.faults import Faults
from personality import COUNTS
from rig import SMSR_ADDRESS

SPARES = ("--spares", "1", "--spare-smdp-id", DPSettings().smdp_id)
"""A second Profile beside the bootstrap Profile, of our SM-DP's."""
BAD_NETWORK = Faults(loss=0.10, repeat=0.05, reorder=0.20)
CALM = 3_600.0  # s of virtual time after the last outcome until everything must be at rest
CHANGED = 0x02  # notification of a change, which the card undoes unless it is confirmed
WATCH = 60.0  # s between two looks whether any card has two enabled Profiles


@dataclass(frozen=True)
class Plan:
    """What one run does: each card draws `operations` of the names, and its faults, from the seed."""

    seed: str
    names: Sequence[str]
    operations: int = 2
    spread: float = 3_600.0  # s over which the operations begin
    network: Faults = BAD_NETWORK
    power_cuts: float = 0.25  # part of the cards that lose their power, at a random commit
    dropped_memory: float = 0.25  # part of the cards that lose their RAM before a random script
    lost_answers: float = 0.10  # part of the cards that lose an answer


@dataclass
class Report:
    """What happened. `digest` is the same whenever the same seed is run on the same code."""

    seed: str
    outcomes: dict[str, dict[str, int]]
    faults: dict[str, int]
    wrong: list[str]
    digest: str = ""
    cards: dict[str, list[str]] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Keep the report beside the result."""
        path.write_text(json.dumps(asdict(self), indent=1))


@dataclass(frozen=True)
class Script:
    """What one card does instead of drawing it: (seconds, operation) each, and its fault switches."""

    steps: tuple[tuple[float, str], ...]
    faults: tuple[tuple[str, int], ...] = ()
    label: str = ""


async def run_fleet(bench: Bench, plan: Plan, scripts: Mapping[str, Script] | None = None) -> Report:
    """Run the plan on every card of the bench; `scripts` gives cards their operations instead of chance."""
    gateway = Gateway()
    desks = desks_of(bench, gateway, plan.seed)
    centre = bench.world.smsc.centre
    centre.mt.faults = centre.mo.faults = plan.network
    watch = asyncio.get_running_loop().create_task(_watch(bench))
    try:
        scripted = scripts or {}
        await asyncio.gather(*(_card(desk, scripted.get(desk.eid) or drawn(plan, desk.rng)) for desk in desks))
    finally:
        watch.cancel()
        (twice,) = await asyncio.gather(watch, return_exceptions=True)
    await _calm(bench)
    wrong = [] if isinstance(twice, asyncio.CancelledError) else [str(twice)]
    # The subscription of an order that failed is free for the next one, on another card perhaps.
    holders = {order.iccid: order.eid for desk in desks for order in desk.orders if order.isdp_aid}
    for desk in desks:
        wrong += await judge(desk, holders)
    wrong += judge_calls(gateway)
    return _report(plan, desks, wrong)


def desks_of(bench: Bench, gateway: Gateway, seed: str) -> list[Desk]:
    """A desk for each card, with chance of its own; the gateway takes the answers."""
    gateway.attach(bench.platform.installation.bus)
    return [Desk(bench, gateway, eid, random.Random(f"{seed} {eid}")) for eid in bench.eids]


def drawn(plan: Plan, rng: random.Random) -> Script:
    """The life of one card by chance: its operations may begin at the same time and wait for each other."""
    names = rng.choices(list(plan.names), k=plan.operations)
    steps = tuple((rng.uniform(0, plan.spread), name) for name in names)
    faults: list[tuple[str, int]] = []
    if rng.random() < plan.power_cuts:
        faults.append(("power_cut", rng.randrange(40)))
    if rng.random() < plan.dropped_memory:
        faults.append(("drop_dialogue", rng.randint(1, 3)))
    if rng.random() < plan.lost_answers:
        faults.append(("lost_answer", 1))
    return Script(steps, tuple(faults))


async def _card(desk: Desk, script: Script) -> None:
    desk.bench.device(desk.eid).card.faults.update(script.faults)

    async def later(seconds: float, name: str) -> None:
        await asyncio.sleep(seconds)
        await run(name, desk)

    await asyncio.gather(*(later(seconds, name) for seconds, name in script.steps))


async def _watch(bench: Bench) -> str:
    """Until cancelled, or until some card has two enabled Profiles or its device has died."""
    while True:
        for eid in bench.eids:
            device = bench.device(eid)
            enabled = [profile for profile in device.card.profiles() if profile["state"] == 0x3F]
            if len(enabled) != 1 or device.crash:
                return f"{eid}: {len(enabled)} enabled Profiles, {device.crash}"
        await asyncio.sleep(WATCH)


async def _calm(bench: Bench) -> None:
    """The network is good again; cards that have something to say say it at their next attach."""
    centre = bench.world.smsc.centre
    centre.mt.faults = centre.mo.faults = Faults()
    for eid in bench.eids:
        device = bench.device(eid)
        for name in ("power_cut", "drop_dialogue", "lost_answer"):
            device.card.faults.pop(name, None)
        device.power_cycle()
    await asyncio.sleep(CALM)
    await checks.nothing_left(bench)


async def judge(desk: Desk, holders: Mapping[str, str]) -> list[str]:
    """What is wrong with one card: EIS and card, effects, orders; `holders`: EID of each ICCID loaded."""
    bench, eid = desk.bench, desk.eid
    wrong = []
    try:
        await checks.card_agrees(bench, eid)
        await checks.card_equals(bench, eid, smsr_address=SMSR_ADDRESS)
        for order in [each for each in desk.orders if holders.get(each.iccid, eid) == eid]:
            await checks.order_is_final(bench, order)
    except AssertionError as problem:
        wrong.append(f"{eid}: {str(problem).splitlines()[0] if str(problem) else 'EIS and card disagree'}")
    made = Counter(outcome.name for outcome in desk.outcomes)
    for command, causes in MAKES.items():
        effects, allowed = len(checks.effects(bench, eid, command)), sum(made[name] for name in causes)
        if effects > allowed:
            wrong.append(f"{eid}: {effects} times {command} for {allowed} calls")
    told = bench.device(eid).card.dump()["run"]["notification"]
    # The report of a card that does not count may have come only while a change was on its way: then the card was
    # asked after that, the EIS agrees, and no copy is left that could be confirmed.
    if told is not None and (COUNTS or told["kind"] == CHANGED):
        wrong.append(f"{eid}: a notification was never confirmed")
    return wrong


def judge_calls(gateway: Gateway) -> list[str]:
    """Every accepted call has one answer, and there is no answer to no call."""
    wrong = [
        f"{name}: {len(call.answers)} answers" for name, call in gateway.calls.items() if len(call.answers) != 1
    ]
    return wrong + gateway.unexpected


def fault_log(bench: Bench) -> Counter[str]:
    """How often each kind of fault struck."""
    log: Counter[str] = Counter()
    for counters in bench.world.smsc.centre.counters.values():
        for kind in ("lost", "repeated", "reordered"):
            log[f"sms {kind}"] += counters[f"mt_{kind}"] + counters[f"mo_{kind}"]
    for eid in bench.eids:
        log.update({f"card {name}": count for name, count in bench.device(eid).struck().items()})
        log["refresh"] += bench.device(eid).counters["refreshes"]
    return log


def _report(plan: Plan, desks: list[Desk], wrong: list[str]) -> Report:
    outcomes: dict[str, Counter[str]] = {}
    cards: dict[str, list[str]] = {}
    for desk in desks:
        cards[desk.eid] = [f"{outcome.name}: {described(outcome.status)}" for outcome in desk.outcomes]
        for outcome in desk.outcomes:
            outcomes.setdefault(outcome.name, Counter())[described(outcome.status)] += 1
    return Report(
        seed=plan.seed,
        outcomes={name: dict(counter) for name, counter in sorted(outcomes.items())},
        faults=dict(sorted(fault_log(desks[0].bench).items())),
        wrong=wrong,
        digest=_digest(desks),
        cards=cards,
    )


def _digest(desks: list[Desk]) -> str:
    """Over what every card did, in its order, with the time; no random bytes of the server are in it."""
    total = hashlib.sha256()
    for desk in desks:
        lines: list[Any] = [
            (entry["command"], entry["sw"], round(entry["t"], 3)) for entry in desk.bench.device(desk.eid).card.log
        ]
        total.update(json.dumps([desk.eid, lines]).encode())
    return total.hexdigest()
