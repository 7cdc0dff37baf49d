"""How the eUICC of an entry is reached, kept true: settings, eUICC types and cards change while entries wait.

An entry notes whether its eUICC comes by itself (`pulled`): the clock then passes it over without looking at the
card.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam, literal_column, select

from ferryman.contracts.queue import WAITING
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.platform.prepared import Prepared
from ferryman.sm_sr.queue import store
from ferryman.sm_sr.queue.fitting import COLUMNS, IsPulledKind, kind_of
from ferryman.sm_sr.schema import euicc, queue_entry

PAGE = 500  # cards in one look

type Notes = list[tuple[str, bool]]  # EID, and whether it comes by itself

_e = queue_entry.c
_waiting = _e.state.in_([literal_column(f"'{state.value}'") for state in WAITING])

# Cards with something that waits, and each note of it: two rows at most.
_CARDS = Prepared(
    lambda _: (
        select(_e.eid, _e.pulled, *COLUMNS)
        .select_from(queue_entry.join(euicc, euicc.c.eid == _e.eid))
        .where(_e.eid > bindparam("after"), _waiting)
        .distinct()
        .order_by(_e.eid, _e.pulled)
        .limit(bindparam("size"))
        .offset(literal_column("0"))
    )
)
_CARD = Prepared(
    lambda _: (
        select(_e.eid, _e.pulled, *COLUMNS)
        .select_from(queue_entry.join(euicc, euicc.c.eid == _e.eid))
        .where(_e.eid == bindparam("of"), _waiting)
        .distinct()
    )
)


async def recheck(mailbox: Mailbox, is_pulled: IsPulledKind, eid: str = "") -> int:
    """Correct the notes of one card, or of all; returns of how many. Raises Unavailable."""
    after, corrected = "", 0
    while True:

        def look(connection: Connection, after: str = after) -> tuple[Notes, str]:
            if eid:
                return _wrong(connection, _CARD.rows(connection, {"of": eid}), is_pulled), ""
            rows = _CARDS.rows(connection, {"after": after, "size": PAGE})
            if len(rows) < PAGE:
                return _wrong(connection, rows, is_pulled), ""
            # The last card may go on in the next page.
            whole = [row for row in rows if row[0] != rows[-1][0]]
            return _wrong(connection, whole, is_pulled), str(whole[-1][0])

        wrong, after = await mailbox.store.read(look)
        if wrong:
            await mailbox.transact(partial(_correct, wrong=wrong))
            corrected += len(wrong)
        if not after:
            return corrected


def _correct(tx: Tx, wrong: Notes) -> None:
    for eid, is_so in wrong:
        store.set_pulled(tx.connection, eid, pulled=is_so)


def _wrong(connection: Connection, rows: Sequence[Sequence[Any]], is_pulled: IsPulledKind) -> Notes:
    found: dict[str, bool] = {}
    for eid, noted, *columns in rows:
        is_so = is_pulled(connection, kind_of(*columns))
        if bool(noted) is not is_so:
            found[eid] = is_so
    return list(found.items())
