"""`ferryman restore`: after the databases were put back from a copy, before the installation runs again."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, insert

from ferryman.cli import output
from ferryman.cli.commands import DATA
from ferryman.cli.control import DataLock
from ferryman.cli.databases import AnyStore, has_database, open_database
from ferryman.cli.settings import load
from ferryman.cli.wiring import VAULT_KEY
from ferryman.contracts import roles
from ferryman.crypto_server import schema as crypto_schema
from ferryman.crypto_server.restore import advance_tokens, holds_token_keys
from ferryman.crypto_server.vault import Vault, open_key_file
from ferryman.errors import InputError, Unavailable
from ferryman.platform.clock import system_entropy
from ferryman.platform.database_settings import DatabaseSettings
from ferryman.platform.migrate import upgrade
from ferryman.platform.restore import advance_numbers, advance_procedures, next_audit_number
from ferryman.platform.schema import PlatformTables
from ferryman.rest_api import schema as rest_schema
from ferryman.rest_api.restore import advance_codes
from ferryman.sm_dp import schema as dp_schema
from ferryman.sm_sr import schema as sr_schema
from ferryman.sm_sr.restore import advance_counters
from ferryman.soap_gateway import schema as soap_schema
from ferryman.transport_https import schema as https_schema
from ferryman.transport_sms import schema as sms_schema
from ferryman.transport_sms.restore import advance_references

TABLES: dict[str, PlatformTables] = {
    roles.SM_SR: sr_schema.PLATFORM,
    roles.SM_DP: dp_schema.PLATFORM,
    roles.CRYPTO_SERVER: crypto_schema.PLATFORM,
    roles.TRANSPORT_SMS: sms_schema.PLATFORM,
    roles.TRANSPORT_HTTPS: https_schema.PLATFORM,
    roles.SOAP_GATEWAY: soap_schema.PLATFORM,
    roles.REST_API: rest_schema.PLATFORM,
}
CARDS, PROCEDURES, TOKEN_KEYS = "cards", "procedures", "token_keys"  # what is counted
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
    counts: Counter[str] = Counter()
    found = 0
    database = load(data).database
    with DataLock(data):
        for role, tables in TABLES.items():
            if not has_database(database, role, data):
                continue
            store = await _open(database, role, data)
            try:
                await upgrade(store, role)
                counts.update(await _restored(_Restored(store, role, tables, data, seconds, lost)))
                found += 1
            finally:
                await store.close()
    if not found:
        raise InputError(str(data), "holds no database of an installation")
    if json:
        named = {key: counts[key] for key in (CARDS, PROCEDURES, TOKEN_KEYS)}
        output.emit({"lost": seconds, **named})
    else:
        output.line(
            f"{counts[CARDS]} cards, {counts[TOKEN_KEYS]} token keys: counters are past what {lost} may have used"
        )
        output.line("audit the eUICCs that may have been changed in that time: ferryman euicc audit EID")
    return output.DONE


@dataclass(frozen=True, slots=True)
class _Restored:
    """A role's database that came back from a copy; `seconds` were lost, in a person's words `lost`."""

    store: AnyStore
    role: str
    tables: PlatformTables
    data: Path
    seconds: float
    lost: str


async def _restored(one: _Restored) -> Counter[str]:
    """Move what the role counts; how many of what."""
    store, seconds = one.store, one.seconds
    counts: Counter[str] = Counter()
    await store.write(partial(advance_numbers, metadata=one.tables.metadata, lost=seconds))
    counts[PROCEDURES] = await store.write(partial(advance_procedures, tables=one.tables, lost=seconds))
    match one.role:
        case roles.SM_SR:
            counts[CARDS] = await _by_page(store, partial(advance_counters, lost=seconds), CARDS)
        case roles.CRYPTO_SERVER:
            if await store.read(holds_token_keys):
                move = partial(advance_tokens, vault=_vault(one.data), now=time.time(), lost=seconds)
                counts[TOKEN_KEYS] = await _by_page(store, move, TOKEN_KEYS)
        case roles.TRANSPORT_SMS:
            await store.write(advance_references)
        case roles.REST_API:
            await store.write(partial(advance_codes, now=time.time()))
    await store.write(_audited(one))
    return counts


def _vault(data: Path) -> Vault:
    """Raises InputError when there is no vault key: a new one would open nothing."""
    path = data / VAULT_KEY
    if not path.exists():
        raise InputError(VAULT_KEY, "is missing; without it no token number can be moved")
    return Vault(open_key_file(path, system_entropy), system_entropy)


async def _open(database: DatabaseSettings, role: str, data: Path) -> AnyStore:
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            return await open_database(database, role, data)
    except TimeoutError:
        raise Unavailable(f"the database of {role} (away, or the installation still runs)") from None


async def _by_page(store: AnyStore, move: Callable[..., tuple[int, str]], what: str) -> int:
    count, after = 0, ""
    while True:
        moved, after = await store.write(partial(move, after=after))
        count += moved
        if not after:
            return count
        output.progress.print(f"{count} {what.replace('_', ' ')}")


def duration(text: str) -> float:
    """Seconds of `90s`, `15m`, `6h` or `2d`; raises InputError."""
    match = re.fullmatch(r"(\d{1,9})([smhd])", text)
    seconds = int(match[1]) * UNITS[match[2]] if match is not None else 0
    if not 0 < seconds <= MOST:
        raise InputError("lost", "must be a time like 90s, 15m, 6h or 2d, at most a year")
    return float(seconds)


def _audited(one: _Restored) -> Callable[[Connection], None]:
    tables = one.tables
    values = {
        "at": time.time(),
        "actor": roles.OPERATOR,
        "action": "restore",
        "eid": "",
        "object": "",
        "outcome": "done",
        "detail": f"{one.lost} lost",
    }

    def unit(connection: Connection) -> None:
        number = next_audit_number(connection, tables, one.seconds)
        connection.execute(insert(tables.audit).values(seq=number, **values))

    return unit
