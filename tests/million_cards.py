"""Very many registered eUICCs, put into the SM-SR's database without a delivery; a process that serves them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock, system_entropy
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.migrate import upgrade
from ferryman.platform.store import SQLiteStore
from ferryman.sm_sr.role import SMSR
from ferryman.sm_sr.schema import PLATFORM
from ferryman.sm_sr.settings import SRSettings

OWNER = "1.3.6.1.4.1.99999.30"
FIRST = 89033023 * 10**24
SIGNED = bytes(500)  # the signed part of an EIS without its certificates: a million take a gigabyte with it
CHUNK = 10_000
VISITS = 100  # cards that come by in each phase


def eid(number: int) -> str:
    return f"{FIRST + number:032d}"


def insert_cards(path: Path, first: int, count: int) -> None:
    """Rows of `count` cards from `first` on."""
    statement = (
        "INSERT INTO euicc (eid, eum_id, platform_type, platform_version, rpv, http_support, cattp_support,"
        " smsr_id, remaining_memory, available_memory, scp80_version, scp80_counter, scp81_version, signed_info,"
        " signature, imei, created) VALUES (?, 'eum', 'type', '1', '1', 1, 0, 'sr', 1, 1, 1, 0, 64, ?, ?, '', 0)"
    )
    with sqlite3.connect(path) as database:
        for start in range(first, first + count, CHUNK):
            end = min(start + CHUNK, first + count)
            rows = ((eid(number), SIGNED, bytes(72)) for number in range(start, end))
            database.executemany(statement, rows)
            database.commit()
    database.close()


def peak() -> float:
    """MiB that this process has had at most since `forget_peak`; getrusage would tell the parent's as well."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def forget_peak() -> None:
    """Measure from now on (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


async def campaign(path: Path, count: int) -> dict[str, Any]:
    """Add an entry for each card, pause, resume, let some come by, cancel; figures of each phase."""
    from ferryman.contracts.message import Header
    from ferryman.contracts.queue import CampaignChange, CampaignShow, CampaignStart, QueueItem

    store = SQLiteStore(str(path), threaded=True)
    await upgrade(store, "sm-sr")
    insert_cards(path, 0, count)
    clock = LoopClock(start=1_795_000_000.0)
    bus = InProcessBus()
    mailbox = Mailbox(role="sm-sr", store=store, tables=PLATFORM, bus=bus, clock=clock)
    role = SMSR(
        mailbox=mailbox,
        calls=bus,
        settings=SRSettings(transport="https-pull"),
        clock=clock,
        entropy=system_entropy,
        smdps=frozenset(),
    )
    forget_peak()
    before = peak()
    await role.start()
    header = Header(message_id="m", sender="x", requester=OWNER, function_call_id="x", deadline=4e9)
    figures: dict[str, Any] = {"cards": count, "before": round(before, 1)}

    async def ask(body: Any) -> Any:
        return await role.admin._queue.answer(header, body)

    async def timed(name: str, body: Any, over: Any) -> None:
        begun = time.monotonic()
        view = await ask(body)
        while not over(view):
            await asyncio.sleep(0.02)
            view = await ask(CampaignShow(owner=OWNER, campaign="all"))
        figures[name] = round(time.monotonic() - begun, 3)

    def change(action: str) -> CampaignChange:
        return CampaignChange(owner=OWNER, campaign="all", action=action)

    item = QueueItem(function="audit", validity=86_400.0)
    await timed("added", CampaignStart(owner=OWNER, campaign="all", item=item), lambda v: not v.adding)
    await timed("paused", change("pause"), lambda v: v.state == "paused")
    figures["visits paused"] = await visits(role, count, 0)
    await timed("resumed", change("resume"), lambda v: v.state == "running")
    figures["visits"] = await visits(role, count, 1)
    begun = time.monotonic()
    await role.queue.sweep()
    figures["sweep"] = round(time.monotonic() - begun, 4)
    view = await ask(CampaignShow(owner=OWNER, campaign="all"))
    figures["sent"] = view.counts.sent + view.counts.delivered
    await timed("cancelled", change("cancel"), lambda v: not v.counts.queued)
    view = await ask(CampaignShow(owner=OWNER, campaign="all"))
    figures["counts"] = [view.counts.cancelled, view.counts.sent + view.counts.delivered]
    figures["peak"] = round(peak(), 1)
    await role.stop()
    await store.close()
    return figures


async def visits(role: SMSR, count: int, which: int) -> float:
    """Cards come and go; seconds for each."""
    step = max(1, count // VISITS)
    begun = time.monotonic()
    for number in range(VISITS):
        name = eid(number * step)
        await role.queue.session_opened(name, f"{which}/{number}")
        role.queue.session_closed(name, f"{which}/{number}")
    return round((time.monotonic() - begun) / VISITS, 5)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(campaign(Path(sys.argv[1]), int(sys.argv[2])))))
