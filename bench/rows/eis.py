"""The repository of eUICCs: look-ups among a million beside ten thousand, and GetEIS beside the bare look-up."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import batched
from pathlib import Path

from sqlalchemy import create_engine

from bench.frame import Benchmark, Figures, paired, per_cpu_second, same
from bench.load.process import ROOT
from bench.reference import bare_eis
from ferryman.contracts import es4
from ferryman.contracts.message import Header, encode
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock, system_entropy
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.store import SQLiteStore
from ferryman.sm_sr import eis_store, lookup
from ferryman.sm_sr.role import SMSR
from ferryman.sm_sr.schema import METADATA, PLATFORM
from ferryman.sm_sr.settings import SRSettings

MANY, FEW = 1_000_000, 10_000
LOOKUPS = 4_000  # in a round, each of another card and another kind
ROUNDS = 5
SEED = 29
SIGNED = 300  # octets of signed part and signature in the big table: the disk of a small machine holds it
CARDS = 2_000  # of get_eis
SIGNED_WHOLE = 4_500  # octets, as a real EumSignedInfo has them
GETS = 2_000  # in a round
OWNER = "1.3.6.1.4.1.99999.30"
DEADLINE = 4_102_444_800.0  # the year 2100
BATCH = 20_000  # rows in one transaction while the tables are filled

EUICC = (
    "INSERT INTO euicc (eid, eum_id, platform_type, platform_version, rpv, http_support, cattp_support, smsr_id,"
    " remaining_memory, available_memory, scp80_version, scp80_counter, scp81_version, signed_info, signature,"
    " imei, created) VALUES (?, '1.3.6.1.4.1.99999.40', 'bench', '1.0.0', '3.2.0', 1, 0, '1.3.6.1.4.1.99999.20',"
    " 300000, 400000, 1, 1, 64, ?, ?, ?, 0)"
)
ISDP = (
    "INSERT INTO isdp (eid, aid, iccid, owner, smdp_id, state, fallback, imsi, msisdn, profile_type,"
    " allocated_memory, pol2) VALUES (?, ?, ?, ?, '1.3.6.1.4.1.99999.10', ?, ?, ?, ?, 'bench', 100000, ?)"
)


def eid(number: int) -> str:
    """An EID; its check digits are of no importance here."""
    return f"8904903200000000{number:016d}"


def _cards(count: int, signed: int) -> Iterator[tuple[tuple[object, ...], list[tuple[object, ...]]]]:
    filling = bytes(index % 251 for index in range(signed))
    for number in range(count):
        name = eid(number)
        card = (name, filling, filling[: signed // 4], f"3A{number:014d}")
        profiles = [
            (name, bytes((0xA0, 0, 0, 5, 0x59, 0x10, 0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x89, 0, 0, 0x10 + place, 0)),
             f"8988{place}{number:014d}", OWNER, "Disabled" if place else "Enabled", 1 - place,
             f"00101{place}{number:09d}", f"8823{place}{number:010d}", b"[]")
            for place in (0, 1)
        ]  # fmt: skip
        yield card, profiles


def _fill(path: Path, count: int, signed: int) -> None:
    engine = create_engine(f"sqlite:///{path}")
    METADATA.create_all(engine)
    engine.dispose()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")
    for batch in batched(_cards(count, signed), BATCH, strict=False):
        connection.execute("BEGIN")
        connection.executemany(EUICC, [card for card, _ in batch])
        connection.executemany(ISDP, [profile for _, profiles in batch for profile in profiles])
        connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.close()


# -- look-ups -----------------------------------------------------------------------------------------------------


def _questions(count: int, chance: random.Random) -> list[tuple[str, str, str]]:
    """Key, value, and the EID that must be found."""
    asked: list[tuple[str, str, str]] = []
    for number in range(LOOKUPS):
        card = chance.randrange(count)
        keys = (
            ("eid", eid(card)),
            ("iccid", f"89881{card:014d}"),
            ("msisdn", f"88230{card:010d}"),
            ("imei", f"3A{card:014d}"),
        )
        key, value = keys[number % len(keys)]
        asked.append((key, value, eid(card)))
    return asked


class Repository:
    """A filled database and the store that reads it."""

    def __init__(self, path: Path, count: int) -> None:
        _fill(path, count, SIGNED)
        self._path = path
        self._count = count
        self._chance = random.Random(SEED)  # noqa: S311 - which cards are asked for

    def round(self) -> float:
        """Microseconds of one look-up with its EIS; every card that comes is the one that was meant."""
        return asyncio.run(self._ask(_questions(self._count, self._chance)))

    async def _ask(self, asked: Iterable[tuple[str, str, str]]) -> float:
        store = SQLiteStore(str(self._path), threaded=False)
        begun = time.process_time()
        for key, value, expected in asked:
            found = await store.read(lambda c, k=key, v=value: lookup.find(c, k, v, limit=1))  # type: ignore[misc]
            card = await store.read(lambda c, one=found[0]: eis_store.load(c, one))  # type: ignore[misc]
            if card is None or card.eid != expected:
                same(card and card.eid, expected, "the card that was looked up")
        spent = time.process_time() - begun
        await store.close()
        return 1e6 * spent / LOOKUPS


def _lookup() -> Figures:
    with ExitStack() as stack:
        folder = _folder(stack)
        many, few = Repository(folder / "many.db", MANY), Repository(folder / "few.db", FEW)
        figures = paired(many.round, few.round, rounds=ROUNDS)
        note = f"EID, ICCID, MSISDN and IMEI in turn, EIS loaded; {MANY:,} against {FEW:,} eUICCs, 2 profiles each"
        return Figures(figures.ours, figures.reference, figures.ratio, note=note)


# -- GetEIS -------------------------------------------------------------------------------------------------------


def _get_eis() -> Figures:
    with ExitStack() as stack:
        folder = _folder(stack)
        path = folder / "sr.db"
        _fill(path, CARDS, SIGNED_WHOLE)
        chance = random.Random(SEED)  # noqa: S311 - which cards are asked for
        asked = [eid(chance.randrange(CARDS)) for _ in range(GETS)]
        with asyncio.Runner() as runner:
            role, store = runner.run(_role(path))
            stack.callback(lambda: runner.run(_close(role, store)))
            bare = bare_eis.Bare(path)
            stack.callback(bare.close)

            def ours() -> list[bytes]:
                return runner.run(_serve(role, asked))

            def reference() -> list[bytes]:
                return [bare.get_eis(one, OWNER) for one in asked]

            same(ours()[:20], [_framed(bare.get_eis(one, OWNER), one) for one in asked[:20]], "EIS as sent")
            found = paired(per_cpu_second(ours, GETS), per_cpu_second(reference, GETS), rounds=ROUNDS)
            stack.close()
        return Figures(
            found.ours, found.reference, found.ratio, note="call with its envelope, 2 profiles, 4.5 kB signed"
        )


async def _role(path: Path) -> tuple[SMSR, SQLiteStore]:
    store = SQLiteStore(str(path), threaded=False)
    bus, clock = InProcessBus(), LoopClock()
    role = SMSR(
        mailbox=Mailbox(role="sm-sr", store=store, tables=PLATFORM, bus=bus, clock=clock),
        calls=bus,
        settings=SRSettings(max_validity=DEADLINE),
        clock=clock,
        entropy=system_entropy,
        smdps=frozenset(),
    )
    return role, store


async def _close(role: SMSR, store: SQLiteStore) -> None:
    await role.mailbox.stop()
    await store.close()


def _header(asked: str) -> Header:
    return Header(
        message_id="m", sender="operator", requester=OWNER, function_call_id="c", deadline=DEADLINE, eid=asked
    )


async def _serve(role: SMSR, asked: list[str]) -> list[bytes]:
    return [await role.serve("operator", encode(_header(one), es4.ES4GetEIS(eid=one))) for one in asked]


def _framed(body: bytes, asked: str) -> bytes:
    """The bare answer in the envelope of the call."""
    empty = encode(_header(asked), es4.ES4GetEIS(eid=asked))
    return empty[: empty.rindex(b'"body":') + len(b'"body":')] + body + b"}"


def _folder(stack: ExitStack) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=".run-", dir=ROOT / "bench"))
    stack.callback(shutil.rmtree, folder)
    return folder


BENCHMARKS = (
    Benchmark("eis_lookup_1m_over_10k", "us/look-up", 2.5, _lookup, "lower"),
    Benchmark("get_eis", "answers/CPU-s", 0.3, _get_eis),
)
