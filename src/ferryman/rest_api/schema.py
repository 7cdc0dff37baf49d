"""Tables of the REST API. Times in seconds since 1970."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, LargeBinary, MetaData, String, Table, Text

from ferryman.platform.schema import platform_tables

METADATA = MetaData()
PLATFORM = platform_tables(METADATA)

api_key = Table(
    "api_key",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the secret; the secret itself is kept nowhere
    Column("role", String(20), nullable=False),
    Column("tenant", String(128), nullable=False),  # Mno-id; empty for the platform's own staff
    Column("scopes", Text, nullable=False),  # separated by blanks; empty takes nothing away
    Column("created", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("revoked", Double, nullable=False),  # 0 while it is not
)

# What an Idempotency-Key of a tenant was used for first.
used_key = Table(
    "used_key",
    METADATA,
    Column("id", String(32), primary_key=True),  # of tenant and key
    Column("fingerprint", LargeBinary, nullable=False),
    Column("seen", Double, nullable=False),
    Index("used_key_by_seen", "seen"),
)
