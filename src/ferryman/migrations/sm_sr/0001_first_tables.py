"""First tables: the platform's, and EIS and ISD-Ps."""

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
        "euicc",
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("eum_id", sa.String(length=200), nullable=False),
        sa.Column("platform_type", sa.String(length=100), nullable=False),
        sa.Column("platform_version", sa.String(length=20), nullable=False),
        sa.Column("rpv", sa.String(length=20), nullable=False),
        sa.Column("http_support", sa.Boolean(), nullable=False),
        sa.Column("cattp_support", sa.Boolean(), nullable=False),
        sa.Column("smsr_id", sa.String(length=200), nullable=False),
        sa.Column("remaining_memory", sa.BigInteger(), nullable=False),
        sa.Column("available_memory", sa.BigInteger(), nullable=False),
        sa.Column("scp80_version", sa.BigInteger(), nullable=False),
        sa.Column("scp80_counter", sa.BigInteger(), nullable=False),
        sa.Column("scp81_version", sa.BigInteger(), nullable=False),
        sa.Column("signed_info", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("imei", sa.String(length=20), nullable=False),
        sa.Column("last_audit", sa.Double(), nullable=True),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("eid"),
    )
    op.create_index("euicc_by_eum", "euicc", ["eum_id"], unique=False)
    op.create_table(
        "isdp",
        sa.Column("eid", sa.String(length=32), nullable=False),
        sa.Column("aid", sa.LargeBinary(), nullable=False),
        sa.Column("iccid", sa.String(length=20), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("smdp_id", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("fallback", sa.Boolean(), nullable=False),
        sa.Column("imsi", sa.String(length=15), nullable=False),
        sa.Column("msisdn", sa.String(length=15), nullable=False),
        sa.Column("profile_type", sa.String(length=100), nullable=False),
        sa.Column("allocated_memory", sa.BigInteger(), nullable=False),
        sa.Column("pol2", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["eid"],
            ["euicc.eid"],
        ),
        sa.PrimaryKeyConstraint("eid", "aid"),
        sa.UniqueConstraint("iccid", name="isdp_iccid"),
    )
    op.create_index("isdp_by_msisdn", "isdp", ["msisdn"], unique=False)
    op.create_index("isdp_by_owner", "isdp", ["owner"], unique=False)
