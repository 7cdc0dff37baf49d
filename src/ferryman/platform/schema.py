"""Tables that every role's database has: procedures, mail, timers, leases, calls, audit, journal.

One MetaData per role is made by `platform_tables`, so that a role's own tables stand beside these in one
migration history. Times are seconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
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
    text,
)

# SQLite only auto-numbers a primary key spelled INTEGER.
Sequence = BigInteger().with_variant(Integer(), "sqlite")


ALARM = "alarm"  # the outcome, in an audit trail, of what a person has to look at
IS_ALARM = text(f"outcome = '{ALARM}'")


@dataclass(frozen=True, slots=True)
class PlatformTables:
    """The shared tables of one role."""

    metadata: MetaData
    procedure: Table
    call: Table
    inbox: Table
    outbox: Table
    timer: Table
    lease: Table
    audit: Table
    journal: Table


def platform_tables(metadata: MetaData) -> PlatformTables:
    """Declare the shared tables in `metadata`."""
    procedure = Table(
        "procedure",
        metadata,
        Column("id", String(200), primary_key=True),
        Column("kind", String(40), nullable=False),
        Column("eid", String(32), nullable=False),
        Column("requester", String(200), nullable=False),
        Column("status", String(10), nullable=False),  # waiting | starting | running | done
        Column("exclusive", Integer, nullable=False),
        Column("version", Integer, nullable=False),
        Column("caller", LargeBinary, nullable=False),  # header of the call that started it, JSON; empty if none
        Column("state", LargeBinary, nullable=False),
        Column("created", Double, nullable=False),
        Column("updated", Double, nullable=False),
        Index("procedure_by_eid", "eid", "status"),
        Index("procedure_by_status", "status"),  # what to take up at start-up
    )
    call = Table(
        "call",
        metadata,
        Column("requester", String(200), primary_key=True),
        Column("function_call_id", String(200), primary_key=True),
        Column("function", String(60), primary_key=True),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("procedure_id", String(200), nullable=False),
        Column("answer", LargeBinary),  # body of the first answer, JSON; null while it runs
        Column("deadline", Double, nullable=False),
        Index("call_by_procedure", "procedure_id"),
    )
    inbox = Table(
        "inbox",
        metadata,
        Column("message_id", String(200), primary_key=True),
        Column("received", Double, nullable=False),
        Index("inbox_by_received", "received"),
    )
    outbox = Table(
        "outbox",
        metadata,
        Column("seq", Sequence, primary_key=True, autoincrement=True),
        Column("message_id", String(200), nullable=False),
        Column("dest", String(40), nullable=False),
        Column("eid", String(32), nullable=False),  # or another key of the lane, where there is no EID
        Column("body", LargeBinary, nullable=False),
        Column("created", Double, nullable=False),
        Column("parked", Text, nullable=False, server_default=""),
        UniqueConstraint("message_id", name="outbox_message_id"),
        # A number is never given out again: deleting a taken letter twice must not hit a new one.
        sqlite_autoincrement=True,
    )
    timer = Table(
        "timer",
        metadata,
        Column("procedure_id", String(200), primary_key=True),
        Column("name", String(40), primary_key=True),
        Column("due", Double, nullable=False),
        Index("timer_by_due", "due"),
    )
    lease = Table(
        "lease",
        metadata,
        Column("eid", String(32), primary_key=True),
        Column("procedure_id", String(200), nullable=False),
        Column("since", Double, nullable=False),
    )
    audit = Table(
        "audit",
        metadata,
        Column("seq", Sequence, primary_key=True, autoincrement=True),
        Column("at", Double, nullable=False),
        Column("actor", String(200), nullable=False),
        Column("action", String(80), nullable=False),
        Column("eid", String(32), nullable=False),
        Column("object", String(200), nullable=False),
        Column("outcome", String(40), nullable=False),
        Column("detail", Text, nullable=False),
        Index("audit_by_eid", "eid", "seq"),
        Index("audit_alarms", "at", sqlite_where=IS_ALARM, postgresql_where=IS_ALARM),
    )
    journal = Table(
        "journal",
        metadata,
        Column("seq", Sequence, primary_key=True, autoincrement=True),
        Column("procedure_id", String(200), nullable=False),
        Column("eid", String(32), nullable=False),
        Column("at", Double, nullable=False),
        Column("direction", String(3), nullable=False),  # in | out
        Column("kind", String(60), nullable=False),
        Column("message_id", String(200), nullable=False),
        Column("body", LargeBinary, nullable=False),
        Index("journal_by_procedure", "procedure_id", "seq"),
    )
    return PlatformTables(metadata, procedure, call, inbox, outbox, timer, lease, audit, journal)
