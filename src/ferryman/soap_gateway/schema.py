"""Tables of the SOAP gateway. Times in seconds since 1970."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, Integer, LargeBinary, MetaData, String, Table, Text, UniqueConstraint

from ferryman.platform.schema import platform_tables

METADATA = MetaData()
PLATFORM = platform_tables(METADATA)

peer = Table(
    "peer",
    METADATA,
    Column("name", String(80), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("oid", String(128), nullable=False),
    Column("record", LargeBinary, nullable=False),  # contracts.peers.Peer, JSON
    Column("changed", Double, nullable=False),
    UniqueConstraint("oid", "kind", name="peer_oid_kind"),
)

# A function call of a peer: entered with the message to the role that carries it out.
exchange = Table(
    "exchange",
    METADATA,
    Column("id", String(32), primary_key=True),  # of requester, function and FunctionCallIdentifier
    Column("message_key", String(32), nullable=False),  # of requester and MessageID
    Column("peer", String(80), nullable=False),
    Column("requester", String(128), nullable=False),
    Column("function", String(60), nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("transaction_id", Text, nullable=False),
    Column("context_id", Text, nullable=False),
    Column("reply_to", Text, nullable=False),
    Column("eid", String(32), nullable=False),
    Column("started", Double, nullable=False),
    Column("deadline", Double, nullable=False),
    Column("answer", LargeBinary),  # body of the first answer, JSON; null while it runs
    Column("ended", Double),
    UniqueConstraint("message_key", name="exchange_message_key"),
    Index("exchange_by_deadline", "deadline"),
)

# A message of ours to a peer: callback, notification or request; kept until the peer has taken it.
letter = Table(
    "letter",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("peer", String(80), nullable=False),
    Column("poll_id", String(200), nullable=False),  # fetched by WS-MakeConnection instead of being sent
    Column("url", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("created", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("due", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("state", String(10), nullable=False),  # waiting | taken | expired
    Column("detail", Text, nullable=False),
    Index("letter_by_due", "state", "due"),
    Index("letter_by_poll", "peer", "poll_id", "state", "created"),
)

# A function call of one of our roles to a peer, until it is answered.
request = Table(
    "request",
    METADATA,
    Column("message_key", String(32), primary_key=True),  # of MessageID without its items
    Column("peer", String(80), nullable=False),
    Column("function", String(60), nullable=False),
    Column("header", LargeBinary, nullable=False),  # of the message that asked for it, JSON
    Column("deadline", Double, nullable=False),
    Column("answered", Double),
    Index("request_by_deadline", "deadline"),
)

# Nonces of UsernameTokens that were used.
nonce = Table(
    "nonce",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("seen", Double, nullable=False),
    Index("nonce_by_seen", "seen"),
)
