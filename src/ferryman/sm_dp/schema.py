"""Tables of the SM-DP. Every row belongs to an owner (Mno-id); secrets of subscriptions are the CryptoServer's."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
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

template = Table(
    "template",
    METADATA,
    Column("owner", String(200), primary_key=True),
    Column("name", String(100), primary_key=True),
    Column("fingerprint", String(64), nullable=False),  # SHA-256 of DER and algorithm
    Column("compiled", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("created", Double, nullable=False),
    Column("low_water", Integer, nullable=False, server_default="0"),  # free subscriptions that raise an alarm
)

subscription_batch = Table(
    "subscription_batch",
    METADATA,
    Column("number", Sequence, primary_key=True, autoincrement=True),
    Column("import_id", String(64), nullable=False, unique=True),
    Column("owner", String(200), nullable=False),
    Column("profile_type", String(100), nullable=False),
    Column("state", String(10), nullable=False),  # running | finished | dropping
    Column("chunks", Integer, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("known", BigInteger, nullable=False),  # rows of its file that another import had brought before
    Column("free", BigInteger, nullable=False),
    Column("created", Double, nullable=False),
    Index("subscription_batch_by_type", "owner", "profile_type", "number"),
)

subscription = Table(
    "subscription",
    METADATA,
    Column("iccid", String(20), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("profile_type", String(100), nullable=False),
    Column("imsi", String(15), nullable=False),
    Column("msisdn", String(15), nullable=False),
    Column("state", String(10), nullable=False),  # free | ordered | installed
    Column("order_id", String(40), nullable=False),
    Column("created", Double, nullable=False),
    Column("batch", BigInteger, nullable=False, server_default="0"),  # the import; counts once it is finished
    UniqueConstraint("owner", "imsi", name="subscription_imsi"),
    Index("subscription_by_batch", "batch", "state", "iccid"),
    Index("subscription_by_number", "batch", "msisdn"),
)

profile_order = Table(
    "profile_order",
    METADATA,
    Column("order_id", String(40), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("eid", String(32), nullable=False),
    Column("iccid", String(20), nullable=False),
    Column("profile_type", String(100), nullable=False),
    Column("enable", Boolean, nullable=False),
    Column("state", String(10), nullable=False),  # running | done
    Column("step", String(60), nullable=False),
    Column("steps", LargeBinary, nullable=False),
    Column("status", LargeBinary, nullable=False),  # ExecutionStatus, JSON; empty while it runs
    Column("isdp_aid", String(32), nullable=False),
    Column("profile_bytes", Integer, nullable=False),
    Column("pe_statuses", Text, nullable=False),
    Column("request", Text, nullable=False, server_default=""),  # CreateOrder, JSON
    Column("attempt", Integer, nullable=False, server_default="1"),
    Column("handed_keys", Text, nullable=False, server_default=""),  # ciphered, hex
    Column("created", Double, nullable=False),
    Index("order_by_owner", "owner", "created"),
    Index("order_by_eid", "eid"),
)

package = Table(
    "package",
    METADATA,
    Column("order_id", String(40), primary_key=True),
    Column("external_authenticate", LargeBinary, nullable=False),
    Column("segments", LargeBinary, nullable=False),  # protected (ciphered and MACed) TLVs, JSON list
)
