"""Of accounts, keys and requests for approval everybody is known who can act as them, and not one alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make room for several names."""
    for table, column in (("account", "maker"), ("api_key", "maker"), ("approval", "asked_hand")):
        with op.batch_alter_table(table) as changed:
            changed.alter_column(column, existing_type=sa.String(40), type_=sa.Text(), existing_nullable=False)
