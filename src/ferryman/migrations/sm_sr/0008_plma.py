"""PLMA and ONC; which of the parties that are reached speak the functions of v4."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "plma",
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("m2m_sp", sa.String(length=128), nullable=False),
        sa.Column("profile_type", sa.String(length=100), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "m2m_sp", "profile_type"),
    )
    op.create_table(
        "onc",
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("profile_type", sa.String(length=100), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "profile_type"),
    )
    op.add_column("peer_link", sa.Column("v4", sa.Boolean(), nullable=False, server_default=sa.false()))
