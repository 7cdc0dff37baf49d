"""What batches are looked for by: the profile type of their orders, and who asked for them."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the columns and the index; who asked for batches that are there was not kept."""
    op.add_column("order_batch", sa.Column("profile_type", sa.String(100), nullable=False, server_default=""))
    op.add_column("order_batch", sa.Column("asked_by", sa.String(40), nullable=False, server_default=""))
    op.create_index("order_batch_by_owner", "order_batch", ["owner", "number"])
    batch = sa.table("order_batch", sa.column("number"), sa.column("request"), sa.column("profile_type"))
    connection = op.get_bind()
    for number, request in connection.execute(sa.select(batch.c.number, batch.c.request)).all():
        named = json.loads(request).get("profile_type", "")
        connection.execute(sa.update(batch).where(batch.c.number == number).values(profile_type=named))
