"""First tables: the platform's, and sealed keys, trust anchors, certificates."""

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
        "anchor",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint"),
    )
    op.create_table(
        "certificate",
        sa.Column("role", sa.String(length=2), nullable=False),
        sa.Column("tlv", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("role"),
    )
    op.create_table(
        "secret",
        sa.Column("ref", sa.String(length=200), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("ref"),
    )
