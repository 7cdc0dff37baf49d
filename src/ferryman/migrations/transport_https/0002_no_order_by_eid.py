"""Nothing asks for the sessions of one eUICC; an index of them costs each poll two pages of its commit."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Drop it."""
    op.drop_index("session_by_eid", table_name="session")
