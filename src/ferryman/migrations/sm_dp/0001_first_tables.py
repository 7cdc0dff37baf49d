"""First tables: the platform's, and templates, subscriptions, orders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ferryman.migrations.platform_tables import create_platform_tables_0001

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create them."""
    create_platform_tables_0001()
    op.create_table(
        "package",
        sa.Column("order_id", sa.String(length=40), nullable=False),
        sa.Column("external_authenticate", sa.LargeBinary(), nullable=False),
        sa.Column("segments", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("order_id"),
    )
    op.create_table(
        "profile_order",
        sa.Column("order_id", sa.String(length=40), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("iccid", sa.String(length=20), nullable=False),
        sa.Column("profile_type", sa.String(length=100), nullable=False),
        sa.Column("enable", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("step", sa.String(length=60), nullable=False),
        sa.Column("steps", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.LargeBinary(), nullable=False),
        sa.Column("isdp_aid", sa.String(length=32), nullable=False),
        sa.Column("profile_bytes", sa.Integer(), nullable=False),
        sa.Column("pe_statuses", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("order_id"),
    )
    op.create_index("order_by_owner", "profile_order", ["owner", "created"], unique=False)
    op.create_index("order_by_eid", "profile_order", ["eid"], unique=False)
    op.create_table(
        "subscription",
        sa.Column("iccid", sa.String(length=20), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("profile_type", sa.String(length=100), nullable=False),
        sa.Column("imsi", sa.String(length=15), nullable=False),
        sa.Column("msisdn", sa.String(length=15), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("order_id", sa.String(length=40), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("iccid"),
        sa.UniqueConstraint("owner", "imsi", name="subscription_imsi"),
    )
    op.create_index("subscription_free", "subscription", ["owner", "profile_type", "state", "iccid"], unique=False)
    op.create_table(
        "template",
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("compiled", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "name"),
    )
