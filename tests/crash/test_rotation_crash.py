"""The machine goes off at every commit while a card gets new transport keys: no key is lost, none stays too long.

SCP80 and SCP81, the PUT KEY by SMS and in sessions that the card opens itself (GlobalPlatform 11.8; SGP.02 2.2.2).
The commits of all roles count together. Whenever the machine is off, the card's keys are compared with those of
the CryptoServer, octet for octet: each set that the card holds can be spoken under, whatever became of the answer
to the PUT KEY. When the operation has ended, EIS, CryptoServer and card name the same sets and hold the same keys,
none of the withdrawn ones opens anything, and the card carries out another command. When its call was over before
the card's word came, EIS and card name the same sets some time later, and another rotation ends so.

In `make test` every few commits, beginning where the seed says, after one and before the next in turn; with
FERRYMAN_SOAK=1 before and after each, and a second time while the machine starts and recovers.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import structlog

from crash_world import ROLES, Power, Prepared, compiled_once, held_port, prepare, quick_folder
from e2e.bench import own_sessions
from ferryman.cli.operator import Operator
from ferryman.contracts import es4, operations
from ferryman.contracts.status import Status
from ferryman.crypto_server.schema import secret
from ferryman.crypto_server.vault import Vault, open_key_file
from machine import Cut, Machine
from rig import OWNER, Platform, World
from virtual_loop import run

SOAK = os.environ.get("FERRYMAN_SOAK") == "1"
EVERY = 1 if SOAK else 12  # commits between two cuts
FOLLOWING = (2, 5)  # commits after the first cut at which the machine goes off again
POLL = 47  # s between sessions of a card that comes by itself
LOOK = 5.0  # s between two looks at an operation
SETTLE = 3.0  # s after a start, and after an end
PATIENCE = 40_000.0  # virtual s until an operation must have ended
CALL = "rotation-of-the-crash-tests"
VALIDITY = 30_000.0  # s
SHORT = {"sms": 25.0, "https": 25.0, "https-pull": 70.0}  # s; over before the card is asked again
LONG = 400.0  # s until whoever was in doubt has asked the card
MODES = ("heard", "answer lost", "expired")
FIRST_SCP81 = 0x40
VARIANTS = {
    "scp80 by SMS": (operations.SCP80, "sms"),
    "scp81 by SMS": ("scp81", "https"),
    "scp80 in sessions": (operations.SCP80, "https-pull"),
    "scp81 in sessions": ("scp81", "https-pull"),
}
# In `make test` one kind of call that is over before the card's word comes.
CASES = [(one, mode) for one in VARIANTS for mode in MODES if SOAK or mode != "expired" or one == "scp80 by SMS"]
SENT = "SELECT body FROM journal WHERE direction = 'out' AND kind = 'SubmitSMS' ORDER BY seq"
AUDITED = "SELECT actor, action, object, outcome, detail FROM audit WHERE action = 'PutKey' ORDER BY seq"
CHANNEL = "SELECT state FROM procedure WHERE kind = 'channel'"
IN_USE = "SELECT scp80_version, scp81_version, isdr FROM euicc"

pytestmark = pytest.mark.timeout(3600 if SOAK else 600)

type Keys = dict[int, tuple[bytes, ...]]


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def of_card(card: Any) -> Keys:
    """Every key set of the card's ISD-R by its version."""
    state = card._core.state
    scp80 = {one.kvn: (one.kic, one.kid, one.dek) for one in state.scp80}
    return {**scp80, **{one.kvn: (one.psk, one.dek) for one in state.scp81}}


def of_vault(data: Path, eid: str) -> dict[str, Keys]:
    """Key sets of the CryptoServer: `euicc`, those of the card, and `made`, those that it may hold."""

    def no_entropy(size: int) -> bytes:
        raise AssertionError(f"{size} bytes of entropy for reading")

    vault = Vault(open_key_file(data / "vault.key", no_entropy), no_entropy)
    engine = sa.create_engine(f"sqlite:///{data / 'crypto-server.db'}")
    found: dict[str, Keys] = {"euicc": {}, "made": {}}
    try:
        with engine.connect() as connection:
            for ref in sorted(connection.execute(sa.select(secret.c.ref)).scalars()):
                kind, _, rest = ref.partition("/")
                if kind in found and rest.startswith(f"{eid}/"):
                    version = int(rest.split("/")[1], 16)
                    key = vault.get(connection, ref)
                    assert key is not None
                    found[kind][version] = (*found[kind].get(version, ()), key)
    finally:
        engine.dispose()
    return found


@dataclass
class Ending:
    """What a run left behind, and what was wrong whenever somebody looked."""

    protocol: str
    mode: str = "heard"
    status: str = ""
    after: str = ""  # of the command behind the rotation
    puts: list[tuple[str, str, str]] = field(default_factory=list)
    audit: list[tuple[Any, ...]] = field(default_factory=list)
    versions: tuple[tuple[int, ...], ...] = ()  # of the card, in use, of the CryptoServer, and made ones
    listed: list[int] = field(default_factory=list)
    left_over: dict[str, int] = field(default_factory=dict)
    old_keys: set[bytes] = field(default_factory=set)  # of the sets that are withdrawn
    kept: set[bytes] = field(default_factory=set)  # of those that the card still has
    commits: int = 0
    cuts: int = 0
    counter: int = 0
    seen: list[str] = field(default_factory=list)

    def look(self, data: Path, card: Any, where: str) -> None:
        """What must hold at any time: no set of the card without its keys, no counter that goes back."""
        held, vault = of_card(card), of_vault(data, card.eid)
        for version, keys in held.items():
            if keys not in (vault["euicc"].get(version), vault["made"].get(version)):
                self.seen.append(f"{where}: nobody has the keys of set {version:02X} that the card holds")
        in_use = rows(data / "sm-sr.db", IN_USE)[0][0]
        if held.get(in_use) != vault["euicc"].get(in_use):
            self.seen.append(f"{where}: the SCP80 set in use, {in_use:02X}, does not open the card")
        if set(held) - set(vault["euicc"]) - set(vault["made"]):
            self.seen.append(f"{where}: versions of card {sorted(held)}, CryptoServer {vault['euicc'].keys()}")
        (state,) = rows(data / "sm-sr.db", CHANNEL)[0]
        counter = json.loads(state)["counter"]
        on_card = max(one.counter for one in card._core.state.scp80)
        if counter < max(self.counter, on_card):
            self.seen.append(f"{where}: counter {counter} after {self.counter}, of the card {on_card}")
        self.counter = counter

    def names_of(self, data: Path, card: Any) -> None:
        """EIS and card name the same sets."""
        told = sorted(one["version"] for one in json.loads(rows(data / "sm-sr.db", IN_USE)[0][2])["keysets"])
        if told != sorted(of_card(card)):
            self.seen.append(f"at the end: EIS {told}, card {sorted(of_card(card))}")

    def packets(self, data: Path) -> None:
        """Each counter belongs to one packet, and no later packet has a lower one."""
        sent = [json.loads(body) for (body,) in rows(data / "sm-sr.db", SENT)]
        told = [(int(one["sms_id"].split("/")[1]), one["packet"]) for one in sent]
        if any(one[0] > other[0] for one, other in itertools.pairwise(told)):
            self.seen.append(f"counters of the packets {[counter for counter, _ in told]}")
        if len(set(told)) != len({counter for counter, _ in told}):
            self.seen.append("two packets with one counter")

    def wrong(self, reference: Ending, where: str) -> list[str]:
        """In what this is not how it should have ended."""
        found = [f"{where}: {text}" for text in self.seen]
        # What an expired call had come to differs with the cut.
        same = () if self.mode == "expired" else ("status", "audit", "versions", "listed")
        for name in (*same, "after", "left_over"):
            if (got := getattr(self, name)) != (wanted := getattr(reference, name)):
                found.append(f"{where}: {name} {got} instead of {wanted}")
        if self.old_keys & self.kept:
            found.append(f"{where}: a withdrawn key is still on the card")
        return found


@pytest.fixture(scope="module")
def prepared() -> Iterator[Prepared]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with quick_folder() as folder, compiled_once():
        prepared = run(prepare(folder))
        for path in (prepared.world / "cards").glob("*.json"):
            image = json.loads(path.read_text())
            # Of any personality: the card knows the object with its key sets, as an expired call needs at the end.
            image["quirks"] = image.get("quirks", {}) | {"no_key_information": False}
            path.write_text(json.dumps(image))
        yield prepared
    structlog.reset_defaults()


async def play(prepared: Prepared, variant: str, mode: str, power: Power, *, down: float = 8.0) -> Ending:
    """One rotation from the prepared state to its end, with the machine off for `down` seconds after each cut."""
    protocol, transport = VARIANTS[variant]
    pull = transport == "https-pull"
    with quick_folder() as folder, held_port() as port:
        data = folder / "data"
        shutil.copytree(prepared.data, data)
        shutil.copytree(prepared.world, folder / "world")
        for path in (folder / "world" / "cards").glob("*.json") if pull else ():
            image = json.loads(path.read_text())
            image["isdr"]["https"] = own_sessions(image["eid"], port, POLL)
            path.write_text(json.dumps(image))
        world = World(folder / "world")
        world.load()
        await world.start()
        _lose_answers(world.terminal.devices[world.eids[0]].card, 0 if mode == "heard" else 1)
        platform = Platform(
            world,
            data,
            transport=transport,
            https_port=port if transport != "sms" else 0,
            smsc=not pull,
            on_commit=power.on_commit,
            before_commit=power.before_commit,
        )
        try:
            return await _until_ended(platform, data, Ending(protocol, mode), power, down)
        finally:
            await world.stop()


def _lose_answers(card: Any, times: int) -> None:
    """Of the first scripts with a PUT KEY."""
    runner = card._sms._runner
    original, left = runner.run, [times]

    def run_it(*arguments: Any) -> bytes:
        before = len(card.log)
        answer: bytes = original(*arguments)
        if left[0] and any(entry["command"].startswith("PutKey") for entry in card.log[before:]):
            left[0] -= 1
            card.faults["lost_answer"] = 1
        return answer

    runner.run = run_it


async def _until_ended(platform: Platform, data: Path, ending: Ending, power: Power, down: float) -> Ending:
    eid = platform.world.eids[0]
    card = platform.world.terminal.devices[eid].card
    before, begun = of_card(card), len(card.log)
    rotate = operations.RotateKeyset(eid=eid, protocol=ending.protocol)
    validity = SHORT[platform.transport] if ending.mode == "expired" else VALIDITY
    done = False
    while True:
        machine = power.machine = Machine(platform)
        try:
            operator = await machine.boot()
            await machine.run(asyncio.sleep(SETTLE))
            power.armed = not done
            ending.status = await machine.run(_operate(operator, rotate, CALL, validity))
            await machine.run(asyncio.sleep(LONG if ending.mode == "expired" else SETTLE))
            done, power.armed = True, False
            ending.look(data, card, "at the end")
            ending.names_of(data, card)
            if ending.mode == "expired":
                await machine.run(_operate(operator, rotate, f"{CALL}/again"))
            ending.after = await machine.run(_operate(operator, es4.ES4AuditEIS(eid=eid), f"{CALL}/after"))
            await machine.run(asyncio.sleep(SETTLE))
            await machine.halt()
        except Cut:
            ending.cuts += 1
            await machine.bury()
            ending.look(data, card, f"off after commit {power.count}")
            await asyncio.sleep(down)
            ending.look(data, card, f"{down} s after it")
        else:
            break
    ending.look(data, card, "behind the next command")
    ending.packets(data)
    _compare(ending, data, card, before)
    ending.puts = [
        (entry["via"], entry["header"], entry["sw"]) for entry in card.log[begun:] if "PutKey" in entry["command"]
    ]
    ending.commits = power.count
    return ending


def _compare(ending: Ending, data: Path, card: Any, before: Keys) -> None:
    """EIS, CryptoServer and card at the end."""
    held, vault = of_card(card), of_vault(data, card.eid)
    scp80, scp81, isdr = rows(data / "sm-sr.db", IN_USE)[0]
    ending.listed = sorted(one["version"] for one in json.loads(isdr)["keysets"])
    ending.versions = (tuple(held), (scp80, scp81), tuple(sorted(vault["euicc"])), tuple(vault["made"]))
    if held != vault["euicc"]:
        ending.seen.append("card and CryptoServer have other keys")
    ending.names_of(data, card)
    mine = [version for version in before if (version >= FIRST_SCP81) == (ending.protocol == "scp81")]
    ending.old_keys = {key for version in mine for key in before[version]}
    ending.kept = {key for keys in held.values() for key in keys}
    ending.audit = rows(data / "sm-sr.db", AUDITED)
    for role in ROLES:
        for table in ("outbox", "lease"):
            path = data / f"{role}.db"
            if path.exists() and (count := rows(path, f"SELECT count(*) FROM {table}")[0][0]):
                ending.left_over[f"{role} {table}"] = count


async def _operate(operator: Operator, operation: Any, call: str, validity: float = VALIDITY) -> str:
    """In the same words after each cut."""
    end = asyncio.get_running_loop().time() + PATIENCE
    start = operations.StartOperation(owner=OWNER, operation=operation, validity=validity)
    view: Any = await operator.sm_sr(start, call_id=call)
    while view.status is None:
        assert asyncio.get_running_loop().time() < end, view
        await asyncio.sleep(LOOK)
        view = await operator.sm_sr(operations.ShowOperation(owner=OWNER, call_id=view.call_id))
    status: Status = view.status.status
    return f"{status} {view.status.code}"


@pytest.mark.parametrize(("variant", "mode"), CASES)
def test_off_at_the_commits_of_a_rotation(prepared: Prepared, variant: str, mode: str, seed: int) -> None:
    reference = run(play(prepared, variant, mode, Power()))
    assert reference.wrong(reference, "undisturbed") == []
    assert reference.status.split(" ")[0] == (Status.EXPIRED if mode == "expired" else Status.SUCCESS)
    assert reference.after == f"{Status.SUCCESS} "
    assert reference.left_over == {}
    assert reference.commits > 10
    assert len(reference.puts) >= (2 if reference.protocol == operations.SCP80 else 1)
    wrong = []
    for number in range(1 + seed % EVERY, reference.commits + 1, EVERY):
        once = frozenset((number,))
        powers = [(Power(after=once), 8.0), (Power(before=once), 1.0)]
        if SOAK:  # and again while it starts, and while it recovers
            powers += [(Power(after=frozenset((number, number + more))), 4.0) for more in FOLLOWING]
        else:
            powers = powers[number // EVERY % 2 :][:1]
        for power, down in powers:
            ending = run(play(prepared, variant, mode, power, down=down))
            wrong += ending.wrong(reference, f"after {sorted(power.after)}, before {sorted(power.before)}")
            assert ending.cuts
    assert not wrong, "\n".join(wrong)
