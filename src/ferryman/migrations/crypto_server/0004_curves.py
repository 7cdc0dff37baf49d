"""A certificate of ours for each curve."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Room for the curve behind the role."""
    with op.batch_alter_table("certificate") as table:
        table.alter_column(
            "role", existing_type=sa.String(length=2), type_=sa.String(length=20), existing_nullable=False
        )
