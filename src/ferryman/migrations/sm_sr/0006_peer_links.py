"""Parties that the gateway can reach."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create it."""
    op.create_table(
        "peer_link",
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("oid", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("kind", "oid"),
    )
