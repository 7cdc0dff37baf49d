"""Tables of the CryptoServer: sealed secrets, trust anchors, certificates, and the audit of key use."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, MetaData, String, Table, Text

from ferryman.platform.schema import Sequence, platform_tables

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
    Column("role", String(20), primary_key=True),  # dp | sr, behind a slash the curve unless it is P-256
    Column("tlv", LargeBinary, nullable=False),
    Column("created", Double, nullable=False),
)

# Certificates of card makers, for signatures that only name theirs; a row for each Eum-id that it names.
eum_certificate = Table(
    "eum_certificate",
    METADATA,
    Column("fingerprint", String(64), primary_key=True),  # SHA-256 of the DER
    Column("eum_id", String(200), primary_key=True),
    Column("der", LargeBinary, nullable=False),
    Column("created", Double, nullable=False),
    Index("eum_certificate_by_eum", "eum_id"),
)

revocation_list = Table(
    "revocation_list",
    METADATA,
    Column("issuer", String(64), primary_key=True),  # SHA-256 of the CI's SubjectPublicKeyInfo
    Column("der", LargeBinary, nullable=False),
    Column("this_update", Double, nullable=False),
    Column("created", Double, nullable=False),
)

subscription_import = Table(
    "subscription_import",
    METADATA,
    Column("number", Sequence, primary_key=True, autoincrement=True),
    Column("import_id", String(64), nullable=False, unique=True),
    Column("owner", String(200), nullable=False),
    Column("algorithm", String(10), nullable=False),
    Column(
        "names", Text, nullable=False
    ),  # of the secret values, in the order in which they are packed; JSON list
    Column("recipe", LargeBinary, nullable=False),  # how the file is read, sealed: its beginning may hold keys
    Column("state", String(10), nullable=False),  # running | finished | dropping
    Column("chunks", Integer, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("created", Double, nullable=False),
    # A number is bound into what is sealed under it and never given out again.
    sqlite_autoincrement=True,
)

subscription_secret = Table(
    "subscription_secret",
    METADATA,
    Column("iccid", String(20), primary_key=True),
    Column("batch", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # as in `secret`; ICCID, batch, owner and names are the AAD
    Index("subscription_secret_by_batch", "batch"),
    sqlite_with_rowid=False,
)

envelope = Table(
    "envelope",
    METADATA,
    Column("envelope_id", String(64), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("state", String(10), nullable=False),  # receiving | opened | staging | sealed
    Column("signer", String(80), nullable=False),
    Column("parts", Integer, nullable=False),
    Column("runs", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),  # bytes of the parts
    Column("created", Double, nullable=False),
)

envelope_piece = Table(
    "envelope_piece",
    METADATA,
    Column("envelope_id", String(64), primary_key=True),
    Column("kind", String(4), primary_key=True),  # part: of the envelope itself | run: rows in it, sealed
    Column("number", Integer, primary_key=True),
    Column("line", BigInteger, nullable=False),  # of the first row of a run
    Column("data", LargeBinary, nullable=False),
)
