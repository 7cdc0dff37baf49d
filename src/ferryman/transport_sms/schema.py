"""Tables of the SMS transport. Times in seconds since 1970.

`outgoing` and `part` are what is being sent; `reference` remembers the last concatenation reference of a
number; `early_receipt` holds receipts that overtook the answer they belong to. `mo_message` and `mo_part` are
messages from cards that still lack parts, `mo_seen` what was passed on, `mo_poison` what could not be.
"""

from __future__ import annotations

from sqlalchemy import (
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
    false,
)

from ferryman.platform.schema import Sequence, platform_tables

METADATA = MetaData()
PLATFORM = platform_tables(METADATA)

ADDRESS = 20  # characters of an SMPP address
MESSAGE_ID = 255  # characters of an SMSC's name for a message that are read
ACCOUNT = 40  # characters of an account's name

outgoing = Table(
    "outgoing",
    METADATA,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("sms_id", String(150), nullable=False),
    Column("eid", String(32), nullable=False),
    Column("causation_id", String(200), nullable=False),
    Column("deadline", Double, nullable=False),
    Column("destination", String(ADDRESS), nullable=False),
    Column("packet", LargeBinary, nullable=False),
    Column("status", String(10), nullable=False),  # queued | sending | accepted | rejected | unknown
    Column("reference", Integer, nullable=False),
    Column("max_ud", Integer, nullable=False),  # room in octets it was cut for, 0 before; parts keep their borders
    Column("created", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("finished", Double),
    Column("receipt", String(20), nullable=False),  # state told to the SM-SR; empty if none yet
    Column("account", String(ACCOUNT), nullable=False, server_default=""),  # that its parts are sent by
    Column("doubt", Boolean, nullable=False, server_default=false()),  # an account before may have sent some
    UniqueConstraint("sms_id", name="outgoing_sms_id"),
    Index("outgoing_by_destination", "status", "destination", "seq"),
    Index("outgoing_by_finished", "finished"),
)

part = Table(
    "part",
    METADATA,
    Column("sms_seq", ForeignKey("outgoing.seq", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("last", Boolean, nullable=False),
    Column("status", String(10), nullable=False),  # waiting | sending | accepted | unknown | refused
    Column("attempts", Integer, nullable=False),
    Column("unknowns", Integer, nullable=False),
    Column("smpp_status", Integer),  # of the last refusal
    Column("message_id", String(MESSAGE_ID), nullable=False),
    Index("part_by_message_id", "message_id"),
)

reference = Table(
    "reference",
    METADATA,
    Column("destination", String(ADDRESS), primary_key=True),
    Column("last", Integer, nullable=False),
)

early_receipt = Table(
    "early_receipt",
    METADATA,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("message_id", String(MESSAGE_ID), nullable=False),
    Column("source", String(ADDRESS), nullable=False),
    Column("destination", String(ADDRESS), nullable=False),
    Column("delivered", Boolean, nullable=False),
    Column("state", String(20), nullable=False),
    Column("at", Double, nullable=False),
    Column("account", String(ACCOUNT), nullable=False, server_default=""),  # it came by; empty for any
    Index("early_receipt_by_message_id", "message_id"),
)

mo_message = Table(
    "mo_message",
    METADATA,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("originator", String(ADDRESS), nullable=False),
    Column("reference", Integer, nullable=False),
    Column("bits", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("started", Double, nullable=False),
    UniqueConstraint("originator", "reference", "bits", "total", name="mo_message_key"),
)

mo_part = Table(
    "mo_part",
    METADATA,
    Column("message_seq", ForeignKey("mo_message.seq", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", Integer),  # 112 (70h) or 113 (71h), in the first part only
    Column("payload", LargeBinary, nullable=False),
)

mo_seen = Table(
    "mo_seen",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of a packet, or of a part of one, and its sender
    Column("first", Double, nullable=False),
    Index("mo_seen_by_first", "first"),
)

mo_poison = Table(
    "mo_poison",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 over originator and user data
    Column("originator", String(ADDRESS), nullable=False),
    Column("destination", String(ADDRESS), nullable=False),
    Column("esm_class", Integer, nullable=False),
    Column("data_coding", Integer, nullable=False),
    Column("user_data", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("times", Integer, nullable=False),
    Column("first", Double, nullable=False),
    Index("mo_poison_by_first", "first"),
)
