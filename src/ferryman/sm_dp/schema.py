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
    false,
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
    Column("hold", String(20), nullable=False, server_default=""),  # in which the order is; empty when in none
    Column("hold_until", Double, nullable=False, server_default="0"),
    Index("order_by_owner", "owner", "created"),
    Index("order_by_eid", "eid"),
)

hook = Table(
    "hook",
    METADATA,
    Column("owner", String(200), primary_key=True),
    Column("profile_type", String(100), primary_key=True),  # empty: every type without a hook of its own
    Column("url", Text, nullable=False),  # empty: nobody is asked
    Column("key", String(100), nullable=False),  # name of the signing key in the vault
    Column("holds", String(100), nullable=False),  # separated by blanks
    Column("max_hold", Double, nullable=False),  # s
    Column("undo", String(10), nullable=False),  # keep | disable | delete
    Column("created", Double, nullable=False),
    Column("confined", Boolean, nullable=False, server_default=false()),  # to addresses that a tenant may name
)

hook_call = Table(
    "hook_call",
    METADATA,
    Column("call_id", String(80), primary_key=True),  # what the receiver knows a repeat by
    Column("order_id", String(40), nullable=False),
    Column("procedure_id", String(200), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("profile_type", String(100), nullable=False),  # of the hook, as in its table
    Column("eid", String(32), nullable=False),
    Column("hold", String(20), nullable=False),
    Column("body", LargeBinary, nullable=False),  # JSON, the same at every attempt
    Column("state", String(10), nullable=False),  # open | waiting | ended
    Column("attempts", Integer, nullable=False),
    Column("due", Double, nullable=False),  # of the next attempt
    Column("until", Double, nullable=False),
    Column("answer", Text, nullable=False),  # the last one, or what stood in its way
    Column("created", Double, nullable=False),
    Index("hook_call_due", "state", "owner", "profile_type", "due"),
    Index("hook_call_by_order", "order_id"),
)

package = Table(
    "package",
    METADATA,
    Column("order_id", String(40), primary_key=True),
    Column("external_authenticate", LargeBinary, nullable=False),
    Column("segments", LargeBinary, nullable=False),  # protected (ciphered and MACed) TLVs, JSON list
    Column("elements", LargeBinary, nullable=True),  # names, numbers and segments of the elements, JSON list
)

order_batch = Table(
    "order_batch",
    METADATA,
    Column("number", Sequence, primary_key=True, autoincrement=True),
    Column("owner", String(200), nullable=False),
    Column("name", String(100), nullable=False),
    Column("source", String(300), nullable=False),  # digest of the file, or the words of the filter
    Column("request", Text, nullable=False),  # CreateOrder, JSON: what every order says
    Column("state", String(10), nullable=False),  # filling | running | paused | cancelling | cancelled | done
    Column("reason", Text, nullable=False),  # why it has paused by itself
    Column("in_flight", Integer, nullable=False),  # orders at once
    # How many rows there are, and of them in each state: kept with every change, so that nobody has to count.
    Column("rows", BigInteger, nullable=False),
    Column("waiting", BigInteger, nullable=False),
    Column("running", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("cancelled", BigInteger, nullable=False),
    Column("last_eid", String(32), nullable=False),  # of the last row
    Column("created", Double, nullable=False),
    Column("updated", Double, nullable=False),
    Column("profile_type", String(100), nullable=False, server_default=""),  # of `request`, to look for
    Column("asked_by", String(40), nullable=False, server_default=""),  # as audit trails name him
    UniqueConstraint("owner", "name", name="order_batch_name"),
    Index("order_batch_by_state", "state"),
    Index("order_batch_by_owner", "owner", "number"),
    # Orders are named by it: it is never given out again.
    sqlite_autoincrement=True,
)

order_batch_row = Table(
    "order_batch_row",
    METADATA,
    Column("batch", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("eid", String(32), nullable=False),
    Column("iccid", String(20), nullable=False),
    Column("profile_type", String(100), nullable=False),
    Column("state", String(10), nullable=False),  # waiting | running | done | failed | refused | cancelled
    Column("order_id", String(40), nullable=False),
    Column("detail", Text, nullable=False),
    Index("order_batch_row_by_state", "batch", "state", "number"),
    Index("order_batch_row_by_order", "order_id"),
    sqlite_with_rowid=False,
)
