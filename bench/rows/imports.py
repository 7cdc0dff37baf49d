"""`import_rows`: a subscription file of a million rows into CryptoServer and SM-DP, beside a bare loop.

The reference reads the same file with csv.reader, seals five keys and five codes of each row with AES-GCM and
inserts one row of one table: no check, no second role, no way to go on after an interruption. Both run on the wall
clock, since ours uses a second thread for the disk.
"""

from __future__ import annotations

import asyncio
import csv
import os
import random
import resource
import shutil
import sqlite3
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.frame import Benchmark, Figures, Unequal, same
from ferryman.cli.operator import Operator
from ferryman.cli.wiring import Configuration, Installation
from ferryman.contracts import admin
from ferryman.platform.importing import Importer
from ferryman.profile.demo_template import demo_template
from ferryman.profile.subscriptions import luhn_digit

ROOT = Path(__file__).resolve().parents[2]
OWNER = "1.3.6.1.4.1.99999.30"
ROWS = int(os.environ.get("IMPORT_ROWS", "1000000"))
HEADING = "ICCID,IMSI,MSISDN,KI,OPC,PIN1,PUK1,PIN2,PUK2,ADM1,KIC,KID,KIK\n"
SEED = 20261122
MAX_GROWTH = 32.0  # MiB: caches of the database and of the allocator, not rows


def write_file(path: Path, rows: int) -> None:
    """A file as operators send them."""
    rng = random.Random(SEED)  # noqa: S311 - for a file that is measured
    with path.open("w") as file:
        file.write(HEADING)
        for number in range(1, rows + 1):
            body = f"8988211{number:011d}"
            keys = rng.randbytes(80).hex().upper()
            codes = f"{rng.randrange(10**4):04d},{rng.randrange(10**8):08d},{rng.randrange(10**4):04d},"
            codes += f"{rng.randrange(10**8):08d},{rng.randrange(10**8):08d}"
            file.write(
                f"{body}{luhn_digit(body)},00101{number:010d},88211{number:08d},{keys[:32]},{keys[32:64]},{codes},"
                f"{keys[64:96]},{keys[96:128]},{keys[128:]}\n"
            )


def _ours(path: Path, folder: Path) -> tuple[float, int, float]:
    """Rows per second, rows that can be ordered, growth in MiB between the first tenth and the end."""
    sizes: list[int] = []

    def progress(_rows: int, _done: int, _whole: int) -> None:
        sizes.append(_resident())

    async def run() -> tuple[float, int]:
        installation = Installation(Configuration(data=folder))
        await installation.start()
        try:
            operator = Operator(installation.bus, OWNER)
            await operator.sm_dp(admin.ImportTemplate(owner=OWNER, name="demo", der=demo_template()))
            begun = time.perf_counter()
            with path.open("rb") as stream:
                done = await Importer(operator, progress=progress).file(stream, "demo")
            return time.perf_counter() - begun, done.new
        finally:
            await installation.stop()

    seconds, new = asyncio.run(run())
    growth = max(sizes) - max(sizes[: max(1, len(sizes) // 10)])
    return new / seconds, new, growth / 1024


def _resident() -> int:
    """Memory of the process in KiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def _reference(path: Path, folder: Path) -> tuple[float, int]:
    """Rows per second and rows of the bare loop."""
    folder.mkdir()
    begun = time.perf_counter()
    database = sqlite3.connect(folder / "bare.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE subscription (iccid TEXT PRIMARY KEY, imsi TEXT, msisdn TEXT, sealed BLOB)")
    cipher = AESGCM(bytes(range(32)))
    with path.open(newline="") as file:
        reader = csv.reader(file)
        next(reader)
        database.execute("BEGIN")
        for row in reader:
            nonce = os.urandom(12)
            sealed = nonce + cipher.encrypt(nonce, ",".join(row[3:]).encode(), row[0].encode())
            database.execute("INSERT INTO subscription VALUES (?, ?, ?, ?)", (row[0], row[1], row[2], sealed))
        database.execute("COMMIT")
    count = database.execute("SELECT count(*) FROM subscription").fetchone()[0]
    database.close()
    return count / (time.perf_counter() - begun), count


def _import_rows() -> Figures:
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix=".run-", dir=ROOT / "bench"))
        stack.callback(shutil.rmtree, folder)
        path = folder / "subscriptions.csv"
        write_file(path, ROWS)
        theirs, bare = _reference(path, folder / "bare")
        ours, new, growth = _ours(path, folder / "data")
        same(new, bare, "rows that were stored")
        if growth > MAX_GROWTH:
            raise Unequal(f"memory grew by {growth:.0f} MiB")
        note = f"{ROWS:,} rows; memory grew by {growth:.0f} MiB behind the first tenth"
        return Figures(ours, theirs, ours / theirs, note=note)


BENCHMARKS = (Benchmark("import_rows", "rows/s", 0.3, _import_rows),)
