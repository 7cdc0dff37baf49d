"""Alarms of the audit trail by their time: what is shown of the last day."""

from __future__ import annotations

from ferryman.migrations.platform_tables import create_alarm_index

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Create the index."""
    create_alarm_index()
