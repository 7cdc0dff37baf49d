"""Numbers of events are never given out again, also when every event has passed away."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table anew where the database itself does not keep the last number: SQLite."""
    if op.get_bind().dialect.name != "sqlite":
        return
    op.create_table(
        "event_numbered",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("eid", sa.String(32), nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.execute(
        "INSERT INTO event_numbered (seq, id, tenant, eid, type, body, received)"
        " SELECT seq, id, tenant, eid, type, body, received FROM event"
    )
    # Deliveries may know of events that have passed away, behind the last one that is there.
    op.execute(
        "INSERT INTO sqlite_sequence (name, seq) SELECT 'event_numbered', 0"
        " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'event_numbered')"
    )
    op.execute(
        "UPDATE sqlite_sequence SET seq = max(seq, (SELECT coalesce(max(event), 0) FROM delivery))"
        " WHERE name = 'event_numbered'"
    )
    op.drop_table("event")
    op.rename_table("event_numbered", "event")
    op.create_index("event_by_tenant", "event", ["tenant", "seq"])
    op.create_index("event_by_eid", "event", ["tenant", "eid", "seq"])
    op.create_index("event_by_received", "event", ["received"])
