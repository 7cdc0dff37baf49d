"""The repository whole: what a card reported, contacts, tags, eUICC types, audit trail, more ways to look up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ferryman.migrations.platform_tables import NUMBER

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add columns, tables and indexes."""
    for name, default in (("isdr", ""), ("properties", "[]"), ("differs", "{}")):
        op.add_column("euicc", sa.Column(name, sa.Text(), nullable=False, server_default=default))
    op.add_column("euicc", sa.Column("meid", sa.String(length=20), nullable=False, server_default=""))
    op.add_column("euicc", sa.Column("card_free_nvm", sa.BigInteger(), nullable=True))
    op.add_column("euicc", sa.Column("card_free_ram", sa.BigInteger(), nullable=True))
    op.drop_index("euicc_by_eum", table_name="euicc")
    op.create_index("euicc_by_type", "euicc", ["eum_id", "platform_type", "platform_version"], unique=False)
    op.create_index("euicc_by_imei", "euicc", ["imei"], unique=False)
    op.add_column("isdp", sa.Column("free_memory", sa.BigInteger(), nullable=True))
    op.drop_index("isdp_by_owner", table_name="isdp")
    op.create_index("isdp_by_owner", "isdp", ["owner", "eid"], unique=False)
    op.create_index("isdp_by_aid", "isdp", ["aid", "eid"], unique=False)
    _contact()
    _types_and_tags()
    _trail()


def _contact() -> None:
    op.create_table(
        "contact",
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("last", sa.Double(), nullable=True),
        sa.Column("transport", sa.String(length=8), nullable=False),
        sa.Column("reachable", sa.String(length=8), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in (
                *("sms_out", "sms_in", "https_out", "https_in"),
                *("answered", "rejected", "unreachable", "unknown"),
            )
        ),
        sa.PrimaryKeyConstraint("eid"),
    )


def _types_and_tags() -> None:
    op.create_table(
        "held_notice",
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("aid", sa.LargeBinary(), nullable=False),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("eid", "aid"),
    )
    op.create_table(
        "tag",
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.PrimaryKeyConstraint("eid", "name"),
    )
    op.create_index("tag_by_name", "tag", ["name", "eid"], unique=False)
    op.create_table(
        "euicc_type",
        sa.Column("eum_id", sa.String(length=200), nullable=False),
        sa.Column("platform_type", sa.String(length=100), nullable=False),
        sa.Column("platform_version", sa.String(length=20), nullable=False),
        sa.Column("says", sa.Text(), nullable=False),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("eum_id", "platform_type", "platform_version"),
    )


def _trail() -> None:
    op.create_table(
        "trail",
        sa.Column("seq", NUMBER, autoincrement=True, nullable=False),
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("smsr_id", sa.String(length=200), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("operation", sa.BigInteger(), nullable=False),
        sa.Column("requester", sa.String(length=200), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("aid", sa.LargeBinary(), nullable=False),
        sa.Column("iccid", sa.String(length=20), nullable=False),
        sa.Column("imei", sa.String(length=20), nullable=False),
        sa.Column("meid", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("trail_by_eid", "trail", ["eid", "seq"], unique=False)
