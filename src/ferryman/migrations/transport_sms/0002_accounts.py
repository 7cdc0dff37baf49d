"""Several accounts: which one sends a submission, which one a receipt came by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns; what was sent before was sent by the only account there was."""
    op.add_column("outgoing", sa.Column("account", sa.String(length=40), nullable=False, server_default=""))
    op.add_column("outgoing", sa.Column("doubt", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("early_receipt", sa.Column("account", sa.String(length=40), nullable=False, server_default=""))
