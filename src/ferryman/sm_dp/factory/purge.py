"""What a delivered profile leaves in our journal is taken out of it: the record stays, the profile does not.

Messages keep who, whom and when; the SCP03t data in them, and in what the steps were given, become empty. A replay
needs only how many segments there were.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from sqlalchemy import or_, select, update

from ferryman.platform.mailbox import Tx
from ferryman.platform.step_journal import EVENT, FACTS
from ferryman.sm_dp.schema import PLATFORM

_SCP03T = frozenset(range(0x84, 0x89))  # first octet of data for an ISD-P (SGP.02 4.1.3.3)
_PROTECTED = ("external_authenticate", "segments")


def purge(tx: Tx, procedure_id: str) -> int:
    """Empty the protected profile in the journal of a procedure; how many entries held some of it."""
    j = PLATFORM.journal.c
    sent = (j.direction == "out") & (j.kind == "ES3SendData")
    recorded = ((j.direction == EVENT) & (j.kind == "Answered")) | (j.direction == FACTS)
    rows = tx.connection.execute(
        select(j.seq, j.body).where(j.procedure_id == procedure_id, or_(sent, recorded))
    ).all()
    count = 0
    for row in rows:
        value = msgspec.json.decode(row.body)
        if _empty(value):
            count += 1
            tx.connection.execute(
                update(PLATFORM.journal).where(j.seq == row.seq).values(body=msgspec.json.encode(value))
            )
    return count


def _empty(value: Any) -> bool:
    """Empty what is protected, in place, at any depth; whether there was any."""
    found = False
    if isinstance(value, list):
        for item in value:
            found = _empty(item) or found
        return found
    if not isinstance(value, dict):
        return False
    for name, item in value.items():
        if name in _PROTECTED and item:
            value[name] = [""] * len(item) if isinstance(item, list) else ""
            found = True
        elif name == "data" and isinstance(item, str) and item and base64.b64decode(item[:4])[0] in _SCP03T:
            value[name] = ""
            found = True
        else:
            found = _empty(item) or found
    return found
