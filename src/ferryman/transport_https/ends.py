"""Ends of sessions: what the SM-SR is told of them, by this run and by the next when this one dies (SGP.02 ES5).

The SM-SR calls no card of which it believes that a session is open, so it must hear of each end in the long run.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import select

from ferryman.contracts import es5
from ferryman.contracts.roles import SM_SR
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.transport_https import rows, schema
from ferryman.transport_https.es5_words import header_of
from ferryman.transport_https.rows import Ended

CLOSED_DEADLINE: Final = 7 * 86_400.0  # seconds during which the SM-SR still wants to know of an end
CLOSE_BATCH: Final = 100  # sessions of an earlier run closed in one transaction
END_GATHER: Final = 0.2  # seconds for which an end waits for others: the card is gone, and nobody waits
RESTARTED: Final = "restarted"  # reason of sessions that an earlier run had open


class Ends:
    """The word of them, each with the transaction that records it."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def report_earlier(self) -> None:
        """Closes what an earlier run had open; raises Unavailable."""
        table = schema.session
        statement = select(table.c.id, table.c.eid).where(table.c.closed.is_(None)).limit(CLOSE_BATCH)
        while True:
            found = await self._mailbox.store.read(lambda c: c.execute(statement).all())
            if not found:
                return
            ended = [Ended(row.id, row.eid, RESTARTED) for row in found]

            def unit(tx: Tx, ended: list[Ended] = ended) -> None:
                for one in ended:
                    self.close(tx, one)

            await self._mailbox.transact(unit)

    def close(self, tx: Tx, ended: Ended) -> None:
        """The end of a session that has a row."""
        if rows.close(tx.session, ended, tx.now):
            self.tell(tx, ended)

    def tell(self, tx: Tx, ended: Ended) -> None:
        """Says so; once, however often it is called."""
        self._send(tx, f"{ended.session_id}/closed", ended)

    async def tell_again(self, answer: es5.HTTPSAnswer, eid: str) -> None:
        """The SM-SR believes in a session that is over: tells it once more, after what it was told before."""
        table = schema.session
        statement = select(table.c.eid, table.c.closed, table.c.reason).where(table.c.id == answer.session_id)

        def unit(tx: Tx) -> None:
            row = tx.connection.execute(statement).first()
            if row is None and eid:
                # An earlier run ended between its question and its record of the session.
                self._send(tx, f"{answer.post_id}/gone", Ended(answer.session_id, eid, RESTARTED))
            elif row is not None and row.closed is not None:
                self._send(tx, f"{answer.post_id}/gone", Ended(answer.session_id, row.eid, row.reason))

        await self._mailbox.transact(unit)

    def _send(self, tx: Tx, name: str, ended: Ended) -> None:
        body = es5.HTTPSClosed(session_id=ended.session_id, eid=ended.eid, reason=ended.reason)
        tx.send(SM_SR, header_of(self._mailbox.role, name, ended.eid, tx.now + CLOSED_DEADLINE), body)
