"""Entries of campaigns that came to no answer, by campaign and state: what is looked for among very many."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

UNANSWERED = sa.text("state = 'failed' OR state = 'expired' OR state = 'cancelled'")


def upgrade() -> None:
    """Create the index."""
    op.create_index(
        "queue_entry_unanswered",
        "queue_entry",
        ["campaign", "state", "eid"],
        sqlite_where=UNANSWERED,
        postgresql_where=UNANSWERED,
    )
