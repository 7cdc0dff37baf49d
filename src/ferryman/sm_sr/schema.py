"""Tables of the SM-SR: one row per eUICC, one per ISD-P. Memory in bytes, times in seconds since 1970."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from ferryman.platform.schema import Sequence, platform_tables

METADATA = MetaData()
PLATFORM = platform_tables(METADATA)

euicc = Table(
    "euicc",
    METADATA,
    Column("eid", String(32), primary_key=True),
    Column("eum_id", String(200), nullable=False),
    Column("platform_type", String(100), nullable=False),
    Column("platform_version", String(20), nullable=False),
    Column("rpv", String(20), nullable=False),
    Column("http_support", Boolean, nullable=False),
    Column("cattp_support", Boolean, nullable=False),
    Column("smsr_id", String(200), nullable=False),
    Column("remaining_memory", BigInteger, nullable=False),
    Column("available_memory", BigInteger, nullable=False),
    Column("scp80_version", BigInteger, nullable=False),
    Column("scp80_counter", BigInteger, nullable=False),  # as delivered; the channel procedure counts on from it
    Column("scp81_version", BigInteger, nullable=False),  # 0 = no key set
    Column("signed_info", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("imei", String(20), nullable=False),
    Column("last_audit", Double),
    Column("created", Double, nullable=False),
    Index("euicc_by_eum", "eum_id"),
)

isdp = Table(
    "isdp",
    METADATA,
    Column("eid", String(32), ForeignKey("euicc.eid"), primary_key=True),
    Column("aid", LargeBinary, primary_key=True),
    Column("iccid", String(20), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("smdp_id", String(200), nullable=False),
    Column("state", String(12), nullable=False),  # InCreation | Created | Disabled | Enabled
    Column("fallback", Boolean, nullable=False),
    Column("imsi", String(15), nullable=False),
    Column("msisdn", String(15), nullable=False),
    Column("profile_type", String(100), nullable=False),
    Column("allocated_memory", BigInteger, nullable=False),
    Column("pol2", LargeBinary, nullable=False),
    UniqueConstraint("iccid", name="isdp_iccid"),
    Index("isdp_by_msisdn", "msisdn"),
    Index("isdp_by_owner", "owner"),
)

# A deployment's transport scripts: texts by version, when which was active, and the last decisions.
script = Table(
    "script",
    METADATA,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("name", String(200), nullable=False),
    Column("text", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("added", Double, nullable=False),
    UniqueConstraint("digest", name="script_digest"),
)

script_activation = Table(
    "script_activation",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),  # 0: the built-in policy
    Column("at", Double, nullable=False),
    Column("by", String(200), nullable=False),
)

script_decision = Table(
    "script_decision",
    METADATA,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("eid", String(32), nullable=False),
    Column("at", Double, nullable=False),
    Column("question", LargeBinary, nullable=False),
    Column("plan", LargeBinary, nullable=False),
    Column("problem", String(400), nullable=False),
    Index("script_decision_by_eid", "eid", "seq"),
)
