"""The command queue of each eUICC."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create it."""
    op.create_table(
        "queue_entry",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("function", sa.String(length=20), nullable=False),
        sa.Column("iccid", sa.String(length=20), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.Double(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=400), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("pulled", sa.Boolean(), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=True),
        sa.Column("campaign", sa.String(length=100), nullable=True),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("eid", "key", name="queue_entry_key"),
        sa.UniqueConstraint("campaign", "eid", name="queue_entry_campaign"),
    )
    op.create_index("queue_entry_by_eid", "queue_entry", ["eid", "state", "priority", "seq"], unique=False)
    op.create_index("queue_entry_by_due", "queue_entry", ["state", "pulled", "not_before"], unique=False)
    op.create_index("queue_entry_by_end", "queue_entry", ["state", "expires"], unique=False)
