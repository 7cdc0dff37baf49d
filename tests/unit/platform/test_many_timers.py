"""Timers by the hundred thousand: armed, replaced, taken up after a restart, many due at once, memory bounded."""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, MetaData, func, insert, select

from ferryman.contracts.es3 import RESPONSE_CODEC
from ferryman.platform import bell as bell_module
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock
from ferryman.platform.engine import Engine
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.procedure import CancelTimer, Context, Event, ProcedureKind, SetTimer, Step, TimerFired
from ferryman.platform.schema import PlatformTables, platform_tables
from ferryman.platform.store import SQLiteStore
from ferryman.platform.timer_queue import Timer, TimerQueue
from virtual_loop import run

START = 1_700_000_000.0
SOAK = bool(os.environ.get("FERRYMAN_SOAK"))
ARMED = 300_000 if SOAK else 100_000  # of procedures that sleep
DUE = 100_000 if SOAK else 4_000  # of those, at one moment
SECONDS = 600.0 if SOAK else 90.0  # processor time on a slow machine; a tenth of it is usual
OCTETS_EACH = 2_000  # of memory for each timer that is armed
DAY = 86_400.0


class Sleeper(msgspec.Struct, frozen=True):
    """Counts how often it was woken."""

    woken: int = 0


def sleep_step(state: Sleeper, event: Event, context: Context) -> Step[Sleeper]:
    if isinstance(event, TimerFired):
        again = SetTimer("sleep", context.now + DAY) if state.woken == 0 else CancelTimer("sleep")
        return Step(Sleeper(state.woken + 1), (again,))
    return Step(state)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_the_queue_holds_what_is_set_and_little_more() -> None:
    rng = random.Random(1)
    queue = TimerQueue()
    began = time.process_time()
    for lap in range(3):  # each replaces all of the lap before
        for number in range(ARMED):
            queue.set(Timer(lap * 10.0 + rng.random(), f"p{number}", "sleep", "e"))
    assert len(queue) == ARMED
    assert queue.size <= 2 * ARMED + 1_000
    for number in range(0, ARMED, 2):
        queue.cancel(f"p{number}", "sleep")
    assert len(queue) == ARMED // 2
    taken = queue.take_due(100.0, 1_000)
    while piece := queue.take_due(100.0, 7_000):
        taken += piece
    assert len(taken) == ARMED // 2
    assert taken == sorted(taken)
    assert time.process_time() - began < SECONDS


@pytest.mark.timeout(1_200 if SOAK else 240)
def test_sleepers_are_armed_after_a_restart_and_all_those_due_wake_once(tmp_path: Path) -> None:
    at_once: list[int] = []

    async def go() -> None:
        store = SQLiteStore(str(tmp_path / "db"), threaded=False)
        tables = _tables(store)
        clock = LoopClock(start=START + asyncio.get_running_loop().time())
        await _fill(store, tables, clock.now())
        mailbox = Mailbox(role="sm-sr", store=store, tables=tables, bus=InProcessBus(), clock=clock)
        engine = _Counting(
            mailbox=mailbox,
            clock=clock,
            entropy=bytes,
            kinds=(ProcedureKind("sleeper", Sleeper, sleep_step),),
            ask=_nobody,
            load_facts=lambda connection, eid, state: None,
            apply_change=lambda tx, eid, change: None,
            answers=RESPONSE_CODEC,
        )
        engine.seen = at_once
        before, began = resident(), time.process_time()
        await engine.start()
        assert time.process_time() - began < SECONDS / 3, "arming"
        assert resident() - before < ARMED * OCTETS_EACH
        await asyncio.sleep(100.0)
        assert engine.fired == DUE
        woken = (
            select(func.count()).select_from(tables.procedure).where(tables.procedure.c.state == b'{"woken":1}')
        )
        assert await store.read(lambda c: c.execute(woken).scalar_one()) == DUE
        await asyncio.sleep(DAY - 50.0)
        assert engine.fired == 2 * DUE
        left = select(func.count()).select_from(tables.timer)
        assert await store.read(lambda c: c.execute(left).scalar_one()) == ARMED - DUE
        assert time.process_time() - began < SECONDS
        assert resident() - before < ARMED * OCTETS_EACH
        await engine.stop()
        await mailbox.stop()
        await store.close()

    run(go(), limit=30 * DAY, steps=100_000_000)
    assert max(at_once) == bell_module.MAX_FIRING


class _Counting(Engine):
    """Notes how many timers are handled at once."""

    seen: list[int]

    async def _fire(self, timer: Timer) -> None:
        self.seen.append(self._bell._firing)
        await super()._fire(timer)


async def _nobody(*_: object) -> None:
    raise AssertionError("nobody is asked")


def _tables(store: SQLiteStore) -> PlatformTables:
    metadata = MetaData()
    tables = platform_tables(metadata)
    metadata.create_all(store.engine)
    return tables


async def _fill(store: SQLiteStore, tables: PlatformTables, now: float) -> None:
    """Sleepers of an earlier run; the first ones should have been woken long ago."""
    procedure = [
        {
            "id": f"sleeper/{number}", "kind": "sleeper", "eid": f"{number:032d}", "requester": "sm-sr",
            "status": "running", "exclusive": 0, "version": 1, "caller": b"", "state": b'{"woken":0}',
            "created": now, "updated": now,
        }
        for number in range(ARMED)
    ]  # fmt: skip
    timer = [
        {
            "procedure_id": f"sleeper/{number}",
            "name": "sleep",
            "due": now - 1 if number < DUE else now + 9 * DAY + number,
        }
        for number in range(ARMED)
    ]

    def write(connection: Connection) -> None:
        connection.execute(insert(tables.procedure), procedure)
        connection.execute(insert(tables.timer), timer)

    await store.write(write)
