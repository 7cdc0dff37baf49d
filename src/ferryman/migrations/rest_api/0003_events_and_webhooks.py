"""Events, webhooks and their deliveries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "event",
        sa.Column("seq", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("eid", sa.String(32), nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("event_by_tenant", "event", ["tenant", "seq"])
    op.create_index("event_by_eid", "event", ["tenant", "eid", "seq"])
    op.create_index("event_by_received", "event", ["received"])
    op.create_table(
        "webhook",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("types", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("former", sa.LargeBinary(), nullable=False),
        sa.Column("former_until", sa.Double(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("webhook_by_tenant", "webhook", ["tenant"])
    op.create_table(
        "delivery",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("webhook", sa.String(16), nullable=False),
        sa.Column("event", sa.BigInteger(), nullable=False),
        sa.Column("eid", sa.String(32), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try", sa.Double(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("changed", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("delivery_once", "delivery", ["webhook", "event"], unique=True)
    op.create_index("delivery_due", "delivery", ["webhook", "state", "next_try"])
    op.create_index("delivery_in_order", "delivery", ["webhook", "eid", "state", "event"])
