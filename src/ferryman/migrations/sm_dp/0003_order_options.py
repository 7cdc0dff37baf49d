"""Orders keep what was asked for, so that they can be tried again, and keys that were handed over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns; an order of before cannot be tried again."""
    op.add_column("profile_order", sa.Column("request", sa.Text(), nullable=False, server_default=""))
    op.add_column("profile_order", sa.Column("attempt", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("profile_order", sa.Column("handed_keys", sa.Text(), nullable=False, server_default=""))
