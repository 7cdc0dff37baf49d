"""First tables: the platform's, and sessions."""

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
        "session",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("peer", sa.String(length=64), nullable=False),
        sa.Column("opened", sa.Double(), nullable=False),
        sa.Column("closed", sa.Double(), nullable=True),
        sa.Column("reason", sa.String(length=40), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("session_by_closed", "session", ["closed"], unique=False)
    op.create_index("session_by_eid", "session", ["eid", "opened"], unique=False)
