"""Tables of the CryptoServer: sealed secrets, trust anchors, certificates, and the audit of key use."""

from __future__ import annotations

from sqlalchemy import Column, Double, LargeBinary, MetaData, String, Table

from ferryman.platform.schema import platform_tables

METADATA = MetaData()
PLATFORM = platform_tables(METADATA)

secret = Table(
    "secret",
    METADATA,
    Column("ref", String(200), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),  # version 1 || nonce 12 || AES-256-GCM; the ref is the AAD
    Column("created", Double, nullable=False),
)

anchor = Table(
    "anchor",
    METADATA,
    Column("fingerprint", String(64), primary_key=True),  # SHA-256 of the DER
    Column("der", LargeBinary, nullable=False),
    Column("created", Double, nullable=False),
)

certificate = Table(
    "certificate",
    METADATA,
    Column("role", String(2), primary_key=True),  # dp | sr
    Column("tlv", LargeBinary, nullable=False),
    Column("created", Double, nullable=False),
)
