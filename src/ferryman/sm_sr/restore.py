"""After the SM-SR's database was restored from a copy: SCP80 counters go past every value that may have been used.

A card takes a packet only with a counter above the last one (SGP.02 2.4.3, TS 102 225 5.1.4). What was sent in the
lost time is in no record, so each counter is moved by more than that time can have used. 40 bits leave room for
hundreds of such moves.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, select, update

from ferryman.errors import InputError
from ferryman.sm_sr.procedures.channel_sms import COUNTER_JUMP
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import channel_id
from ferryman.sm_sr.schema import PLATFORM, euicc

PACKETS_PER_SECOND = 5  # to one card: a short message with its answer takes longer than 200 ms
LAST_COUNTER = 2**40 - 1  # five octets
PAGE = 500  # cards in one transaction

_CHANNEL = msgspec.json.Decoder(Channel)


def counters_of(lost: float) -> int:
    """Counter values that one card can have used in `lost` seconds, each packet followed by a jump included."""
    return (1 + int(lost * PACKETS_PER_SECOND)) * (1 + COUNTER_JUMP)


def advance_counters(connection: Connection, lost: float, *, after: str = "") -> tuple[int, str]:
    """Move the counters of one page of cards behind EID `after`: how many, and the last EID (empty: no more).

    Raises InputError naming the card whose counter has no room left; then nothing of the page is changed.
    """
    statement = select(euicc.c.eid, euicc.c.scp80_counter).where(euicc.c.eid > after).order_by(euicc.c.eid)
    cards = connection.execute(statement.limit(PAGE)).all()
    by = counters_of(lost)
    procedure = PLATFORM.procedure
    channels = {
        row.id: _CHANNEL.decode(row.state)
        for row in connection.execute(
            select(procedure.c.id, procedure.c.state).where(procedure.c.id.in_([channel_id(c.eid) for c in cards]))
        )
    }
    for card in cards:
        channel = channels.get(channel_id(card.eid))
        used = max(card.scp80_counter, channel.counter if channel is not None else 0)
        if used + by > LAST_COUNTER:
            raise InputError(
                f"EID {card.eid}", "has no room left in its SCP80 counter; its key set must be changed"
            )
        if channel is None:
            connection.execute(update(euicc).where(euicc.c.eid == card.eid).values(scp80_counter=used + by))
            continue
        moved = msgspec.json.encode(msgspec.structs.replace(channel, counter=used + by))
        connection.execute(update(procedure).where(procedure.c.id == channel_id(card.eid)).values(state=moved))
    return len(cards), cards[-1].eid if len(cards) == PAGE else ""
