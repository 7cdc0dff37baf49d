"""`ferryman restore`: after the databases were put back from a copy, before the installation runs again."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, insert

from ferryman.cli import output
from ferryman.cli.commands import DATA
from ferryman.cli.control import DataLock
from ferryman.cli.databases import AnyStore, has_database, open_database
from ferryman.cli.settings import load
from ferryman.contracts.roles import OPERATOR, SM_DP, SM_SR
from ferryman.errors import InputError, Unavailable
from ferryman.platform.database_settings import DatabaseSettings
from ferryman.platform.migrate import upgrade
from ferryman.platform.restore import advance_procedures
from ferryman.platform.schema import PlatformTables
from ferryman.platform.store import Store
from ferryman.sm_dp import schema as dp_schema
from ferryman.sm_sr import schema as sr_schema
from ferryman.sm_sr.restore import advance_counters

TABLES: dict[str, PlatformTables] = {SM_SR: sr_schema.PLATFORM, SM_DP: dp_schema.PLATFORM}
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
OPEN_SECONDS = 10.0  # for a database to be ours
MOST = 366 * 86_400.0  # s; an older copy is no backup of this installation any more


async def restore(*, lost: str, data: Path = DATA, json: bool = False) -> int:
    """Move every counter past what the lost time may have used. The installation must not be running.

    Parameters
    ----------
    lost
        Time between the copy and the loss, rather too long than too short: 90s, 15m, 6h, 2d.
    """
    seconds = duration(lost)
    counts: dict[str, int] = {}
    database = load(data).database
    with DataLock(data):
        for role, tables in TABLES.items():
            if not has_database(database, role, data):
                continue
            store = await _open(database, role, data)
            try:
                await upgrade(store, role)
                counts[role] = await store.write(partial(advance_procedures, tables=tables, lost=seconds))
                if role == SM_SR:
                    counts["cards"] = await _counters(store, seconds)
                await store.write(_audited(tables, lost))
            finally:
                await store.close()
    if SM_SR not in counts:
        raise InputError(str(data), "holds no database of an SM-SR")
    if json:
        output.emit(
            {"lost": seconds, "cards": counts["cards"], "procedures": counts[SM_SR] + counts.get(SM_DP, 0)}
        )
    else:
        output.line(f"{counts['cards']} cards: counters are past what {lost} may have used")
        output.line("audit the eUICCs that may have been changed in that time: ferryman euicc audit EID")
    return output.DONE


async def _open(database: DatabaseSettings, role: str, data: Path) -> AnyStore:
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            return await open_database(database, role, data)
    except TimeoutError:
        raise Unavailable(f"the database of {role} (away, or the installation still runs)") from None


async def _counters(store: Store, seconds: float) -> int:
    count, after = 0, ""
    while True:
        moved, after = await store.write(partial(advance_counters, lost=seconds, after=after))
        count += moved
        if not after:
            return count
        output.progress.print(f"{count} cards")


def duration(text: str) -> float:
    """Seconds of `90s`, `15m`, `6h` or `2d`; raises InputError."""
    match = re.fullmatch(r"(\d{1,9})([smhd])", text)
    seconds = int(match[1]) * UNITS[match[2]] if match is not None else 0
    if not 0 < seconds <= MOST:
        raise InputError("lost", "must be a time like 90s, 15m, 6h or 2d, at most a year")
    return float(seconds)


def _audited(tables: PlatformTables, lost: str) -> Callable[[Connection], None]:
    values = {
        "at": time.time(),
        "actor": OPERATOR,
        "action": "restore",
        "eid": "",
        "object": "",
        "outcome": "done",
        "detail": f"{lost} lost",
    }

    def unit(connection: Connection) -> None:
        connection.execute(insert(tables.audit).values(**values))

    return unit
