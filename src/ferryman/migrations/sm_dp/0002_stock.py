"""Subscriptions belong to the import that brought them; those of before become one for each profile type."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_TAKE_OVER = """
INSERT INTO subscription_batch (import_id, owner, profile_type, state, chunks, rows, known, free, created)
SELECT 'before-0002/' || MIN(iccid), owner, profile_type, 'finished', 1, COUNT(*), 0,
       SUM(CASE WHEN state = 'free' THEN 1 ELSE 0 END), MIN(created)
FROM subscription GROUP BY owner, profile_type
"""
_NUMBER = """
UPDATE subscription SET batch = (
    SELECT number FROM subscription_batch
    WHERE subscription_batch.owner = subscription.owner
      AND subscription_batch.profile_type = subscription.profile_type
)
"""


def upgrade() -> None:
    """Create the table, number the subscriptions, then the indexes."""
    op.add_column("template", sa.Column("low_water", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "subscription_batch",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("import_id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("profile_type", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("known", sa.BigInteger(), nullable=False),
        sa.Column("free", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("import_id"),
    )
    op.create_index("subscription_batch_by_type", "subscription_batch", ["owner", "profile_type", "number"])
    op.add_column("subscription", sa.Column("batch", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(sa.text(_TAKE_OVER))
    op.execute(sa.text(_NUMBER))
    op.drop_index("subscription_free", "subscription")
    op.create_index("subscription_by_batch", "subscription", ["batch", "state", "iccid"], unique=False)
    op.create_index("subscription_by_number", "subscription", ["batch", "msisdn"], unique=False)
