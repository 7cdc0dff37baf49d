"""Hooks that a tenant has set over the REST API lead only where tenants may."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column; hooks that are there were set at the machine, and lead where they did."""
    op.add_column("hook", sa.Column("confined", sa.Boolean(), nullable=False, server_default=sa.false()))
