"""Orders may hold until the operator's own system has answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns and the tables of hooks and their calls."""
    op.add_column("profile_order", sa.Column("hold", sa.String(20), nullable=False, server_default=""))
    op.add_column("profile_order", sa.Column("hold_until", sa.Double(), nullable=False, server_default="0"))
    op.create_table(
        "hook",
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("profile_type", sa.String(length=100), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("holds", sa.String(length=100), nullable=False),
        sa.Column("max_hold", sa.Double(), nullable=False),
        sa.Column("undo", sa.String(length=10), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "profile_type"),
    )
    op.create_table(
        "hook_call",
        sa.Column("call_id", sa.String(length=80), nullable=False),
        sa.Column("order_id", sa.String(length=40), nullable=False),
        sa.Column("procedure_id", sa.String(length=200), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("profile_type", sa.String(length=100), nullable=False),
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("hold", sa.String(length=20), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("call_id"),
    )
    op.create_index("hook_call_due", "hook_call", ["state", "owner", "profile_type", "due"])
    op.create_index("hook_call_by_order", "hook_call", ["order_id"])
