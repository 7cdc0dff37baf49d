"""Campaigns as rows of their own, with their counts; the entries of earlier ones are kept and counted."""

from __future__ import annotations

import hashlib

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

STATES = ("queued", "held", "sent", "delivered", "answered", "failed", "expired", "cancelled")


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "campaign",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("function", sa.String(length=20), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=400), nullable=False),
        sa.Column("adding", sa.Boolean(), nullable=False),
        sa.Column("place", sa.String(length=32), nullable=False),
        sa.Column("looked", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("skipped", sa.BigInteger(), nullable=False),
        *(sa.Column(state, sa.BigInteger(), nullable=False) for state in STATES),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("owner", "name", name="campaign_name"),
    )
    op.create_index("campaign_by_state", "campaign", ["state", "priority"], unique=False)
    _take_over(op.get_bind())
    op.drop_index("queue_entry_by_due", table_name="queue_entry")
    op.create_index(
        "queue_entry_by_due", "queue_entry", ["state", "pulled", "campaign", "not_before"], unique=False
    )


def _take_over(connection: sa.Connection) -> None:
    """Campaigns that were only a name in their entries: all that their adding had put there."""
    entry = sa.table(
        "queue_entry",
        *map(sa.column, ("campaign", "owner", "state", "function", "priority", "created", "updated")),
    )
    e = entry.c
    found = connection.execute(
        sa.select(
            e.campaign,
            e.owner,
            sa.func.min(e.function).label("function"),
            sa.func.max(e.priority).label("priority"),
            sa.func.min(e.created).label("created"),
            sa.func.max(e.updated).label("updated"),
            sa.func.count().label("total"),
        )
        .where(e.campaign.is_not(None))
        .group_by(e.campaign, e.owner)
    ).all()
    for one in found:
        mine = (e.campaign == one.campaign) & (e.owner == one.owner)
        of_state = sa.select(e.state, sa.func.count()).where(mine).group_by(e.state)
        counts = dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in connection.execute(of_state)}
        identifier = hashlib.sha256(f"{one.owner}\0{one.campaign}".encode()).hexdigest()[:20]
        request = {"owner": one.owner, "campaign": one.campaign, "item": {"function": one.function}}
        values = {
            "id": identifier, "owner": one.owner, "name": one.campaign, "function": one.function,
            "priority": one.priority, "request": msgspec.json.encode({"type": "CampaignStart", **request}),
            "state": "running", "reason": "", "adding": False, "place": "", "looked": one.total,
            "total": one.total, "skipped": 0, "created": one.created, "updated": one.updated, **counts,
        }  # fmt: skip
        connection.execute(sa.insert(sa.table("campaign", *map(sa.column, values))).values(values))
        connection.execute(sa.update(entry).where(mine).values(campaign=identifier))
