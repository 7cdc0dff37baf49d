"""What operations are looked for by: who asked and when, and which of them run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

UNANSWERED = sa.text("answer IS NULL")


def upgrade() -> None:
    """Create the indexes."""
    op.create_index("procedure_by_requester", "procedure", ["requester", "created"])
    op.create_index("call_unanswered", "call", ["requester"], sqlite_where=UNANSWERED, postgresql_where=UNANSWERED)
