"""First tables: the platform's, and messages to and from cards."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ferryman.migrations.platform_tables import NUMBER, create_platform_tables_0001

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create them."""
    create_platform_tables_0001()
    op.create_table(
        "early_receipt",
        sa.Column("seq", NUMBER, autoincrement=True, nullable=False),
        sa.Column("message_id", sa.String(length=255), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("destination", sa.String(length=20), nullable=False),
        sa.Column("delivered", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("early_receipt_by_message_id", "early_receipt", ["message_id"], unique=False)
    op.create_table(
        "mo_message",
        sa.Column("seq", NUMBER, autoincrement=True, nullable=False),
        sa.Column("originator", sa.String(length=20), nullable=False),
        sa.Column("reference", sa.Integer(), nullable=False),
        sa.Column("bits", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("started", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("originator", "reference", "bits", "total", name="mo_message_key"),
    )
    op.create_table(
        "mo_poison",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("originator", sa.String(length=20), nullable=False),
        sa.Column("destination", sa.String(length=20), nullable=False),
        sa.Column("esm_class", sa.Integer(), nullable=False),
        sa.Column("data_coding", sa.Integer(), nullable=False),
        sa.Column("user_data", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("mo_poison_by_first", "mo_poison", ["first"], unique=False)
    op.create_table(
        "mo_seen",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("first", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("mo_seen_by_first", "mo_seen", ["first"], unique=False)
    op.create_table(
        "outgoing",
        sa.Column("seq", NUMBER, autoincrement=True, nullable=False),
        sa.Column("sms_id", sa.String(length=150), nullable=False),
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("causation_id", sa.String(length=200), nullable=False),
        sa.Column("deadline", sa.Double(), nullable=False),
        sa.Column("destination", sa.String(length=20), nullable=False),
        sa.Column("packet", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("reference", sa.Integer(), nullable=False),
        sa.Column("max_ud", sa.Integer(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
        sa.Column("finished", sa.Double(), nullable=True),
        sa.Column("receipt", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("sms_id", name="outgoing_sms_id"),
    )
    op.create_index("outgoing_by_destination", "outgoing", ["status", "destination", "seq"], unique=False)
    op.create_index("outgoing_by_finished", "outgoing", ["finished"], unique=False)
    op.create_table(
        "reference",
        sa.Column("destination", sa.String(length=20), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("destination"),
    )
    op.create_table(
        "mo_part",
        sa.Column("message_seq", NUMBER, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["message_seq"], ["mo_message.seq"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("message_seq", "number"),
    )
    op.create_table(
        "part",
        sa.Column("sms_seq", NUMBER, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("last", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("unknowns", sa.Integer(), nullable=False),
        sa.Column("smpp_status", sa.Integer(), nullable=True),
        sa.Column("message_id", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["sms_seq"], ["outgoing.seq"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sms_seq", "number"),
    )
    op.create_index("part_by_message_id", "part", ["message_id"], unique=False)
