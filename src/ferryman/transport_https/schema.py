"""Tables of the HTTPS transport: one row per session that posted. Times in seconds since 1970."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, Integer, MetaData, String, Table

from ferryman.platform.schema import platform_tables

METADATA = MetaData()
PLATFORM = platform_tables(METADATA)

session = Table(
    "session",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("eid", String(32), nullable=False),
    Column("key_version", Integer, nullable=False),
    Column("peer", String(64), nullable=False),
    Column("opened", Double, nullable=False),  # first POST; the SM-SR knows nothing of a session before it
    Column("closed", Double),
    Column("reason", String(40), nullable=False, server_default=""),
    Index("session_by_closed", "closed"),
)
