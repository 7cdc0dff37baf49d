"""The identities and keys that both TLS-PSK servers look up, in one SQLite table on disk."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

SUITE = "PSK-AES128-GCM-SHA256"
ISDR = "A0000005591010FFFFFFFF8900000100"
SEED = 81


def identity(number: int) -> str:
    """What the card of this number presents."""
    body = f"8900101201234123401234567{number:05d}"
    return identity_of(f"{body}{98 - int(body + '00') % 97:02d}")


def identity_of(eid: str) -> str:
    """What the card with this EID presents."""
    return f"8001028110{eid}4F10{ISDR}8201018301{0x40:02X}"


def write_keys(path: Path, count: int) -> list[tuple[str, bytes]]:
    """Make the table; gives what it holds."""
    chance = random.Random(SEED)  # noqa: S311 - test keys
    entries = [(identity(number), chance.randbytes(16)) for number in range(count)]
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE psk (identity TEXT PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID")
    connection.executemany("INSERT INTO psk VALUES (?, ?)", entries)
    connection.commit()
    connection.close()
    return entries


def open_keys(path: str) -> sqlite3.Connection:
    """A reading connection."""
    return sqlite3.connect(path, check_same_thread=False)
