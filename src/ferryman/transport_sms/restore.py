"""After the database was restored from a copy: concatenation references of numbers (3GPP TS 23.040 9.2.3.24.1).

A card that holds some parts of a message of the lost time must not put parts of another one to them. The reference
is one octet, so that no value is past all others: each number goes on at the far side of the circle, clear
of the first 127 concatenated messages of the lost time.
"""

from __future__ import annotations

from sqlalchemy import Connection, update

from ferryman.transport_sms.outgoing import REFERENCES
from ferryman.transport_sms.schema import reference

HALF = REFERENCES // 2


def advance_references(connection: Connection) -> None:
    """Move the last reference of each number by half a turn."""
    connection.execute(update(reference).values(last=(reference.c.last + HALF) % REFERENCES))
