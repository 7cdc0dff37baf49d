"""A unit of work on a connection that a test has, outside of any mailbox."""

from __future__ import annotations

from sqlalchemy import Connection

from ferryman.platform.mailbox import MailStatements, Tx
from ferryman.platform.prepared import session_of
from ferryman.platform.schema import PlatformTables


def transaction(connection: Connection, tables: PlatformTables, now: float) -> Tx:
    """What it sends stays in the outbox."""
    return Tx(connection, session_of(connection), now, MailStatements(tables))
