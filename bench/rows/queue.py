"""The command queue and the transport scripts: rows that a life of an entry writes, and what a decision costs."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import starlark

from bench.frame import Benchmark, Figures, paired, same
from bench.load.process import ROOT
from ferryman import workflow
from ferryman.platform.migrate import upgrade
from ferryman.platform.store import SQLiteStore
from ferryman.sm_sr.queue import store as queue_store
from ferryman.workflow.plan import Transport
from ferryman.workflow.question import Card, Moment, Operation, Question
from ferryman.workflow.starlark import PRELUDE, Script, seen

ENTRIES = 4000  # lives in one round
GROUP = 64  # entries that share a commit, on both sides
ROUNDS = 3
DECISIONS = 4000
FIELDS = (
    "id", "seq", "eid", "owner", "function", "iccid", "request", "priority", "not_before", "expires", "state",
    "reason", "result", "pulled", "key", "campaign", "created", "updated",
)  # fmt: skip
INSERT = f"INSERT INTO queue_entry ({', '.join(FIELDS)}) VALUES ({', '.join('?' * len(FIELDS))})"  # noqa: S608
CLAIM = "UPDATE queue_entry SET state = 'sent', updated = ? WHERE id = ? AND state = 'queued'"
DONE = "UPDATE queue_entry SET state = 'answered', result = ?, updated = ? WHERE id = ? AND state = 'sent'"
SUMS = "SELECT state, count(*), sum(length(result)) FROM queue_entry GROUP BY state"
RESULT = '{"type":"ES4AuditEISResponse","status":{"status":"EXECUTED_SUCCESS"}}'


def _row(number: int) -> dict[str, Any]:
    request = b'{"type":"ES4AuditEIS"}'
    values: tuple[Any, ...] = (
        f"{number:040x}", number, f"{number:032d}", "1.3.6.1.4.1.99999.30", "audit", "", request, 0, 0.0,
        2e9, "queued", "", "", False, None, None, 1.0, 1.0,
    )  # fmt: skip
    return dict(zip(FIELDS, values, strict=True))


async def _empty(path: Path) -> SQLiteStore:
    store = SQLiteStore(str(path), threaded=True)
    await upgrade(store, "sm-sr")
    return store


async def _ours(folder: Path, name: str) -> tuple[float, list[Any]]:
    store = await _empty(folder / name)
    rows = [_row(number) for number in range(ENTRIES)]

    async def life(row: dict[str, Any]) -> None:
        await store.write(lambda c: queue_store.add(c, [row]))
        entry = await store.read(lambda c: queue_store.next_due(c, row["eid"], 5.0))
        assert entry is not None
        assert await store.write(lambda c: queue_store.claim(c, entry, 5.0))
        ended = queue_store.EntryState.ANSWERED
        await store.write(lambda c: queue_store.ended(c, entry.id, ended, "", RESULT, 6.0))

    begun = time.perf_counter()
    for start in range(0, ENTRIES, GROUP):
        await asyncio.gather(*(life(row) for row in rows[start : start + GROUP]))
    seconds = time.perf_counter() - begun
    await store.close()
    return ENTRIES / seconds, _sums(folder / name)


def _bare(folder: Path, name: str) -> tuple[float, list[Any]]:
    asyncio.run(_closed(folder / name))
    connection = sqlite3.connect(folder / name, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    rows = [tuple(_row(number).values()) for number in range(ENTRIES)]
    begun = time.perf_counter()
    for start in range(0, ENTRIES, GROUP):
        group = rows[start : start + GROUP]
        for statement, values in (
            (INSERT, group),
            (CLAIM, [(5.0, row[0]) for row in group]),
            (DONE, [(RESULT, 6.0, row[0]) for row in group]),
        ):
            connection.execute("BEGIN IMMEDIATE")
            for one in values:
                connection.execute(statement, one)
            connection.execute("COMMIT")
    seconds = time.perf_counter() - begun
    connection.close()
    return ENTRIES / seconds, _sums(folder / name)


async def _closed(path: Path) -> None:
    await (await _empty(path)).close()


def _sums(path: Path) -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(SUMS).fetchall()
    finally:
        connection.close()


def _claim() -> Figures:
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix=".run-", dir=ROOT / "bench"))
        stack.callback(shutil.rmtree, folder)
        numbers = iter(range(1000))
        same(asyncio.run(_ours(folder, "ours.db"))[1], _bare(folder, "bare.db")[1], "entries by state")
        return paired(
            lambda: asyncio.run(_ours(folder, f"ours{next(numbers)}.db"))[0],
            lambda: _bare(folder, f"bare{next(numbers)}.db")[0],
            rounds=ROUNDS,
            warm_up=False,
        )


def _question() -> Question:
    return Question(
        moment=Moment.START,
        now=1_795_000_000.0,
        doubt=False,
        operation=Operation(
            id="enable/mno/1", name="EnableProfile", size=40, commands=1, asks=False, more_to_do=False,
            since=1_795_000_000.0,
        ),
        card=Card(
            eid="8" * 32, eum_id="eum", platform_type="type", platform_version="1", http_support=True,
            has_address=True, profiles=2, enabled_owner="mno", enabled_type="boot", remaining_memory=100_000,
            session_open=False, transports=("https-push", "sms"),
        ),
        installed=tuple(Transport),
    )  # fmt: skip


def _decision() -> Figures:
    """From a question to a checked plan, beside the interpreter called with the same dictionary."""
    text = (Path(workflow.__file__).parent / "examples" / "by_size.star").read_text()
    script, question = Script("by_size", text), _question()
    module = starlark.Module()
    dialect = starlark.Dialect.standard()
    dialect.enable_f_strings = True
    for name, part in (("prelude", PRELUDE), ("by_size", text)):
        starlark.eval(module, starlark.parse(name, part, dialect), starlark.Globals.standard())
    bare, asked = module.freeze(), seen(question)
    raw: Any = bare.call("decide", asked)
    same(msgspec.to_builtins(script.decide(question))["transport"], raw["transport"], "the plan")

    def ours() -> float:
        begun = time.process_time()
        for _ in range(DECISIONS):
            script.decide(question)
        return (time.process_time() - begun) / DECISIONS * 1e6

    def reference() -> float:
        begun = time.process_time()
        for _ in range(DECISIONS):
            bare.call("decide", asked)
        return (time.process_time() - begun) / DECISIONS * 1e6

    return paired(ours, reference, rounds=5)


BENCHMARKS = (
    Benchmark("queue_claim", "entries/s", 0.3, _claim),
    Benchmark("script_decision_us", "us", 3.0, _decision, better="lower"),
)
