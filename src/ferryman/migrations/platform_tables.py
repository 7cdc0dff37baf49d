"""The platform's tables as every role's first migration creates them; frozen like the migrations that call it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

# SQLite only numbers a primary key spelled INTEGER.
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def create_platform_tables_0001() -> None:
    """Procedures, mail, timers, leases, calls, audit and journal."""
    op.create_table(
        "audit",
        sa.Column("seq", NUMBER, autoincrement=True, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("object", sa.String(length=200), nullable=False),
        sa.Column("outcome", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("audit_by_eid", "audit", ["eid", "seq"], unique=False)
    op.create_table(
        "call",
        sa.Column("requester", sa.String(length=200), nullable=False),
        sa.Column("function_call_id", sa.String(length=200), nullable=False),
        sa.Column("function", sa.String(length=60), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("procedure_id", sa.String(length=200), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("deadline", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("requester", "function_call_id", "function"),
    )
    op.create_index("call_by_procedure", "call", ["procedure_id"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("received", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("message_id"),
    )
    op.create_index("inbox_by_received", "inbox", ["received"], unique=False)
    op.create_table(
        "journal",
        sa.Column("seq", NUMBER, autoincrement=True, nullable=False),
        sa.Column("procedure_id", sa.String(length=200), nullable=False),
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("journal_by_procedure", "journal", ["procedure_id", "seq"], unique=False)
    op.create_table(
        "lease",
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("procedure_id", sa.String(length=200), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("eid"),
    )
    op.create_table(
        "outbox",
        sa.Column("seq", NUMBER, autoincrement=True, nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("dest", sa.String(length=40), nullable=False),
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("parked", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("message_id", name="outbox_message_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "procedure",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("requester", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("exclusive", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("caller", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("procedure_by_eid", "procedure", ["eid", "status"], unique=False)
    op.create_index("procedure_by_status", "procedure", ["status"], unique=False)
    op.create_table(
        "timer",
        sa.Column("procedure_id", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("procedure_id", "name"),
    )
    op.create_index("timer_by_due", "timer", ["due"], unique=False)


def create_alarm_index() -> None:
    """What a role's trail says for people to look at, by its time; a migration of every role calls this."""
    alarm = sa.text("outcome = 'alarm'")
    op.create_index("audit_alarms", "audit", ["at"], sqlite_where=alarm, postgresql_where=alarm)
