"""Packages know the names of their elements, so that a card's answer can be read with them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column; a package on its way keeps the numbers alone."""
    op.add_column("package", sa.Column("elements", sa.LargeBinary(), nullable=True))
