"""First tables: the platform's, peers, exchanges both ways, letters, nonces."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ferryman.migrations.platform_tables import create_platform_tables_0001

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create them."""
    create_platform_tables_0001()
    op.create_table(
        "peer",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("oid", sa.String(length=128), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("changed", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sa.UniqueConstraint("oid", "kind", name="peer_oid_kind"),
    )
    op.create_table(
        "exchange",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("message_key", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=80), nullable=False),
        sa.Column("requester", sa.String(length=128), nullable=False),
        sa.Column("function", sa.String(length=60), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("context_id", sa.Text(), nullable=False),
        sa.Column("reply_to", sa.Text(), nullable=False),
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("started", sa.Double(), nullable=False),
        sa.Column("deadline", sa.Double(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("message_key", name="exchange_message_key"),
    )
    op.create_index("exchange_by_deadline", "exchange", ["deadline"], unique=False)
    op.create_table(
        "letter",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("peer", sa.String(length=80), nullable=False),
        sa.Column("poll_id", sa.String(length=200), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("letter_by_due", "letter", ["state", "due"], unique=False)
    op.create_index("letter_by_poll", "letter", ["peer", "poll_id", "state", "created"], unique=False)
    op.create_table(
        "request",
        sa.Column("message_key", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=80), nullable=False),
        sa.Column("function", sa.String(length=60), nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=False),
        sa.Column("deadline", sa.Double(), nullable=False),
        sa.Column("answered", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("message_key"),
    )
    op.create_index("request_by_deadline", "request", ["deadline"], unique=False)
    op.create_table(
        "nonce",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("seen", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("nonce_by_seen", "nonce", ["seen"], unique=False)
