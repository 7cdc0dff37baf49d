"""Ended entries of no campaign in the order of their ends: what the retention takes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

ENDED = sa.text("(campaign IS NULL AND state IN ('answered', 'failed', 'expired', 'cancelled')) IS TRUE")


def upgrade() -> None:
    """Create the index."""
    op.create_index("queue_entry_ended", "queue_entry", ["updated"], sqlite_where=ENDED, postgresql_where=ENDED)
