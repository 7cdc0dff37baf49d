"""Rows of an SM-SR change: what was prepared, the card that came, the card that went (SGP.02 3.8)."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from ferryman.platform.mailbox import Tx
from ferryman.sm_sr import eis_store, trail
from ferryman.sm_sr.records import Handing, HandOver, Prepare, TakeOver
from ferryman.sm_sr.schema import contact, euicc, handed_over, held_notice, isdp, prepared_change, tag
from ferryman.sm_sr.schema import trail as trail_table


def apply(tx: Tx, eid: str, change: Handing) -> None:
    """Write one change."""
    connection = tx.connection
    match change:
        case Prepare(current_smsr, initiator, expires):
            connection.execute(delete(prepared_change).where(prepared_change.c.eid == eid))
            values = {"eid": eid, "current_smsr": current_smsr, "initiator": initiator, "expires": expires}
            connection.execute(insert(prepared_change).values(**values))
        case TakeOver(card, records):
            for table in (prepared_change, handed_over, trail_table):
                connection.execute(delete(table).where(table.c.eid == eid))
            eis_store.register(connection, card, tx.now)
            for record in records:
                trail.enter(connection, record)
        case HandOver(smsr_id):
            for table in (isdp, contact, held_notice, tag, trail_table, euicc, handed_over):
                connection.execute(delete(table).where(table.c.eid == eid))
            connection.execute(insert(handed_over).values(eid=eid, smsr_id=smsr_id, at=tx.now))


def prepared(connection: Connection, eid: str) -> Prepare | None:
    """What PrepareSMSRChange left for this EID."""
    columns = (prepared_change.c.current_smsr, prepared_change.c.initiator, prepared_change.c.expires)
    row = connection.execute(select(*columns).where(prepared_change.c.eid == eid)).first()
    return None if row is None else Prepare(row.current_smsr, row.initiator, row.expires)


def manager(connection: Connection, eid: str) -> str:
    """The SM-SR that a card of ours was handed to; empty when it was not."""
    found = connection.execute(select(handed_over.c.smsr_id).where(handed_over.c.eid == eid)).scalar()
    return found or ""
