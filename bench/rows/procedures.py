"""The durable engine and the outbox beside a bare group-commit loop of `sqlite3` that writes the same rows."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import MetaData, create_engine

from bench.frame import Benchmark, Figures, Unequal, paired
from bench.reference import group_commit
from ferryman.contracts.message import Body, Codec, Header, encode
from ferryman.platform import loop
from ferryman.platform.bus import InProcessBus
from ferryman.platform.engine import Engine
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.procedure import (
    Audit,
    Context,
    Event,
    ProcedureKind,
    Received,
    Send,
    SetTimer,
    Step,
)
from ferryman.platform.schema import platform_tables
from ferryman.platform.store import SQLiteStore

IN_FLIGHT = 64
STEPS = 50  # of each procedure in a round
LETTERS = 16_000  # in a round
ROUNDS = 9
NOW = 1_700_000_000.0
ROLE, PEER = "bench", "peer"
TABLES = platform_tables(MetaData())
COMPARED = ("procedure", "inbox", "outbox", "timer", "audit", "journal")


class Tick(Body, frozen=True, kw_only=True, tag=True):
    """What a procedure of this benchmark gets and sends."""

    number: int
    packet: bytes


CODEC: Codec[Body] = Codec(Tick)
PACKET = bytes(range(140))


class State(msgspec.Struct, frozen=True):
    """State of a procedure: as much as one of the SM-SR's small ones."""

    count: int = 0
    sms_id: str = "0123456789abcdef0123456789abcdef"
    packet: bytes = PACKET


class FixedClock:
    """Both sides write the same times."""

    def now(self) -> float:
        """Always the same."""
        return NOW


def _step(state: State, event: Event, context: Context) -> Step[State]:
    if not isinstance(event, Received) or not isinstance(event.body, Tick):
        return Step(state)
    number = event.body.number
    return Step(
        State(count=number),
        (
            Send(PEER, Tick(number=number, packet=PACKET), deadline=NOW + 3600),
            SetTimer("answer", context.now + 60 + number),
            Audit("Tick", "done", object=str(number)),
        ),
    )


KIND = ProcedureKind("tick", State, _step)


def eid(number: int) -> str:
    """An EID for each procedure: all of them may run at once."""
    return f"890490320000000000000000{number:08d}"


def seed(path: Path) -> None:
    """A database with the procedures, before their first step."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA page_size = 8192")
    connection.execute("PRAGMA journal_mode = WAL")
    made = create_engine(f"sqlite:///{path}")
    TABLES.metadata.create_all(made)
    made.dispose()
    rows = [
        (
            f"p{number}",
            "tick",
            eid(number),
            "operator",
            "running",
            0,
            1,
            b"",
            msgspec.json.encode(State()),
            NOW,
            NOW,
        )
        for number in range(IN_FLIGHT)
    ]
    connection.executemany(f"INSERT INTO procedure VALUES ({', '.join('?' * 11)})", rows)  # noqa: S608
    connection.close()


def header(number: int, tick: int) -> Header:
    """Of the message that makes procedure `number` take its step `tick`."""
    return Header(
        message_id=f"{PEER}/p{number}/{tick}",
        sender=PEER,
        requester="operator",
        function_call_id=f"p{number}",
        deadline=NOW + 3600,
        eid=eid(number),
    )


@dataclass(slots=True)
class Taken:
    """What the peer got: message and its bytes, in order."""

    raws: list[bytes]
    wanted: int
    all_there: asyncio.Event

    async def receive(self, raw: bytes) -> None:
        """The other end of the bus; it keeps everything in memory."""
        self.raws.append(raw)
        if len(self.raws) == self.wanted:
            self.all_there.set()


async def _run_engine(path: Path, steps: int) -> tuple[float, list[bytes]]:
    store = SQLiteStore(str(path))
    bus = InProcessBus()
    taken = Taken([], IN_FLIGHT * steps, asyncio.Event())
    bus.register(PEER, taken.receive)
    mailbox = Mailbox(role=ROLE, store=store, tables=TABLES, bus=bus, clock=FixedClock())
    engine = Engine(
        mailbox=mailbox,
        clock=FixedClock(),
        entropy=os.urandom,
        kinds=[KIND],
        ask=_no_question,
        load_facts=lambda _connection, _eid, _state: None,
        apply_change=lambda _tx, _eid, _change: None,
        answers=CODEC,
    )
    await mailbox.start()

    async def drive(number: int) -> None:
        for tick in range(1, steps + 1):
            head = header(number, tick)
            event = Received(head, Tick(number=tick, packet=PACKET))
            await engine.deliver(eid(number), f"p{number}", event, header=head)

    begun = time.perf_counter()
    await asyncio.gather(*(drive(number) for number in range(IN_FLIGHT)))
    await taken.all_there.wait()
    await engine.stop()
    await _stop(mailbox, store)
    elapsed = time.perf_counter() - begun
    await store.close()
    _nothing_left(path)
    return IN_FLIGHT * steps / elapsed, taken.raws


async def _no_question(_header: Header, _body: Body) -> Body:
    raise RuntimeError("this procedure asks nothing")


async def _stop(mailbox: Mailbox, store: SQLiteStore) -> None:
    """Until the last letters have left the outbox, as in the reference: they go with the next commit."""
    await mailbox.stop()
    await store.write(lambda _: None)


def _nothing_left(path: Path) -> None:
    connection = sqlite3.connect(path)
    left = connection.execute("SELECT count(*) FROM outbox").fetchone()[0]
    connection.close()
    if left:
        raise Unequal(f"{left} letters left in the outbox")


def dump(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that both sides have to write."""
    connection = sqlite3.connect(path)
    try:
        # Numbers follow the order of the commits, which may differ; what is in the rows may not.
        return {
            table: sorted(
                tuple(row[1:]) if table in ("audit", "journal") else row
                for row in connection.execute(f"SELECT * FROM {table}")  # noqa: S608
            )
            for table in COMPARED
        }
    finally:
        connection.close()


def steps_of(path: Path, raws: list[bytes], steps: int) -> list[group_commit.Step]:
    """The rows that the product wrote, step by step, as values for the reference."""
    connection = sqlite3.connect(path)
    sent: dict[str, tuple[Any, ...]] = {}
    received: dict[str, tuple[Any, ...]] = {}
    for row in connection.execute("SELECT * FROM journal"):
        (received if row[4] == "in" else sent)[row[6]] = row
    audits = {(row[4], row[5]): row for row in connection.execute("SELECT * FROM audit")}
    connection.close()
    bodies = {_message_id(raw): raw for raw in raws}
    made: list[group_commit.Step] = []
    for tick in range(1, steps + 1):
        for number in range(IN_FLIGHT):
            into, out = f"{PEER}/p{number}/{tick}", f"{ROLE}/p{number}/{tick}/0"
            state = msgspec.json.encode(State(count=tick))
            made.append(
                group_commit.Step(
                    inbox=(into, NOW),
                    received=(None, *received[into][1:]),
                    procedure=(state, "running", tick + 1, NOW, f"p{number}", tick),
                    outbox=(len(made) + 1, out, PEER, eid(number), bodies[out], NOW, ""),
                    sent=(None, *sent[out][1:]),
                    timer=(f"p{number}", "answer", NOW + 60 + tick),
                    audit=(None, *audits[eid(number), str(tick)][1:]),
                )
            )
    return made


def _message_id(raw: bytes) -> str:
    found: str = msgspec.json.decode(raw)["header"]["message_id"]
    return found


def _in_folder[T](work: Callable[[Path], T]) -> T:
    """Run in a new folder beside this repository's files: on a disk, not in memory."""
    folder = Path(tempfile.mkdtemp(prefix=".run-", dir=Path(__file__).resolve().parents[1]))
    try:
        return work(folder)
    finally:
        shutil.rmtree(folder)


def _fresh(folder: Path, name: str) -> Path:
    path = folder / f"{name}-{time.monotonic_ns()}.db"
    seed(path)
    return path


def _procedure_steps() -> Figures:
    return _in_folder(_compare_steps)


def _compare_steps(folder: Path) -> Figures:
    first, second = _fresh(folder, "ours"), _fresh(folder, "reference")
    _, raws = loop.run(_run_engine(first, STEPS))
    rows = steps_of(first, raws, STEPS)
    _write(second, rows)
    _same_rows(first, second)

    def reference() -> float:
        path = _fresh(folder, "reference")
        return len(rows) / _write(path, rows)

    def ours() -> float:
        return loop.run(_run_engine(_fresh(folder, "ours"), STEPS))[0]

    return paired(ours, reference, rounds=ROUNDS, warm_up=False)


def _same_rows(first: Path, second: Path) -> None:
    mine, theirs = dump(first), dump(second)
    for table in COMPARED:
        if mine[table] != theirs[table]:
            raise Unequal(f"rows of {table}")


def _write(path: Path, rows: list[group_commit.Step]) -> float:
    connection = group_commit.connect(path)
    begun = time.perf_counter()
    group_commit.write_steps(connection, rows)
    elapsed = time.perf_counter() - begun
    connection.close()
    return elapsed


async def _run_outbox(path: Path, letters: Sequence[tuple[Header, Tick]]) -> tuple[float, list[bytes]]:
    store = SQLiteStore(str(path))
    bus = InProcessBus()
    taken = Taken([], len(letters), asyncio.Event())
    bus.register(PEER, taken.receive)
    mailbox = Mailbox(role=ROLE, store=store, tables=TABLES, bus=bus, clock=FixedClock())
    await mailbox.start()
    left = iter(letters)

    async def publish() -> None:
        for head, body in left:
            await mailbox.transact(lambda tx, head=head, body=body: tx.send(PEER, head, body))  # type: ignore[misc]

    begun = time.perf_counter()
    await asyncio.gather(*(publish() for _ in range(IN_FLIGHT)))
    await taken.all_there.wait()
    await _stop(mailbox, store)
    elapsed = time.perf_counter() - begun
    await store.close()
    _nothing_left(path)
    return len(letters) / elapsed, taken.raws


def letter(number: int) -> tuple[Header, Tick]:
    """One message of those that are published."""
    return header(number % IN_FLIGHT, number), Tick(number=number, packet=PACKET)


def _bus_publish() -> Figures:
    return _in_folder(_compare_outbox)


def _compare_outbox(folder: Path) -> Figures:
    letters = [letter(number) for number in range(LETTERS)]
    values = [
        (seq, head.message_id, PEER, head.eid, encode(head, body), NOW, "")
        for seq, (head, body) in enumerate(letters, start=1)
    ]
    _, raws = loop.run(_run_outbox(_fresh(folder, "ours"), letters))
    if sorted(raws) != sorted(row[4] for row in values):
        raise Unequal("messages that reached the other role")

    def reference() -> float:
        connection = group_commit.connect(_fresh(folder, "reference"))
        begun = time.perf_counter()
        group_commit.write_letters(connection, values)
        elapsed = time.perf_counter() - begun
        connection.close()
        return LETTERS / elapsed

    def ours() -> float:
        return loop.run(_run_outbox(_fresh(folder, "ours"), letters))[0]

    return paired(ours, reference, rounds=ROUNDS, warm_up=False)


BENCHMARKS = (
    Benchmark("procedure_steps", "steps/s", 0.3, _procedure_steps),
    Benchmark("bus_publish", "messages/s", 0.5, _bus_publish),
)
