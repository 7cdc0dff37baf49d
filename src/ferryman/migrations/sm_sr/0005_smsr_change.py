"""Change of SM-SR: what was prepared, and where cards went."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "prepared_change",
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("current_smsr", sa.String(length=200), nullable=False),
        sa.Column("initiator", sa.String(length=200), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("eid"),
    )
    op.create_table(
        "handed_over",
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("smsr_id", sa.String(length=200), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("eid"),
    )
