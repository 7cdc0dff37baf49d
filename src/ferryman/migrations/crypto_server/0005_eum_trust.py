"""Certificates of card makers, and revocation lists of CIs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "eum_certificate",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("eum_id", sa.String(length=200), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "eum_id"),
    )
    op.create_index("eum_certificate_by_eum", "eum_certificate", ["eum_id"])
    op.create_table(
        "revocation_list",
        sa.Column("issuer", sa.String(length=64), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("this_update", sa.Double(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("issuer"),
    )
