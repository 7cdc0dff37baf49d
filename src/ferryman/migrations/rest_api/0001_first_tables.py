"""First tables: the platform's, API keys, idempotency keys that were used."""

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
        "api_key",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
        sa.Column("revoked", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "used_key",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("seen", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("used_key_by_seen", "used_key", ["seen"], unique=False)
