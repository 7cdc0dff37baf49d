"""What was answered under an Idempotency-Key, where no role behind us knows the call by its name.

A repeat gets the first answer, and nothing is done again. An answer with a secret is given again to nobody but who
had it, within a day; after that the repeat is refused. Answers are sealed, as all secrets at rest here.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from ferryman.contracts import codes
from ferryman.errors import Refused
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.rest_api.endpoint import CarryOut, Request
from ferryman.rest_api.keys import KEEP_USED
from ferryman.rest_api.schema import kept_answer
from ferryman.rest_api.seal import Seal
from ferryman.rest_api.turns import Turns

KEEP_SECRET = 86_400.0  # s that an answer with a secret is kept for who did not get it
BEGUN, DONE = "begun", "done"
_c = kept_answer.c


class KeptAnswers:
    """Answers by the identifier of their call."""

    def __init__(self, mailbox: Mailbox, seal: Seal) -> None:
        self._mailbox = mailbox
        self._seal = seal
        self._turns = Turns()

    async def once(self, r: Request, carry_out: CarryOut, *, secret: bool) -> object:
        """The first answer to a call; what is carried out twice at a time takes turns. Raises Refused."""
        async with self._turns.of((r.call_id,)):
            now = self._mailbox.clock.now()
            known = await self._mailbox.store.read(lambda c: self._find(c, now, r, DONE, secret=secret))
            if known is not None:
                return msgspec.Raw(known)
            answer = await carry_out(r)
            await self._mailbox.transact(lambda tx: self.enter(tx, r, answer, secret=secret))
            return answer

    async def begun(self, r: Request, value: bytes) -> bytes:
        """A secret that is about to be given to another role; a repeat finds the same. Raises Refused."""

        def unit(tx: Tx) -> bytes:
            known = self._find(tx.connection, tx.now, r, BEGUN, secret=True)
            if known is None:
                self._put(tx, r, BEGUN, value, secret=True)
            return known or value

        return await self._mailbox.transact(unit)

    def enter(self, tx: Tx, r: Request, answer: object, *, secret: bool) -> None:
        """Keep an answer, in the transaction that makes what it is about where there is one."""
        self._put(tx, r, DONE, msgspec.json.encode(answer), secret=secret)

    def _find(self, connection: Connection, now: float, r: Request, state: str, *, secret: bool) -> bytes | None:
        row = connection.execute(select(kept_answer).where(_c.id == r.call_id)).first()
        if row is None or (row.state, state) == (BEGUN, DONE):
            return None
        if secret and row.actor != r.who.actor:
            raise Refused(*codes.REQUESTER_NOT_ALLOWED, "somebody else has used this Idempotency-Key")
        if not row.answer or (secret and row.at <= now - KEEP_SECRET):
            raise Refused(*codes.EXPIRED, "this was done, and what it made is not shown again")
        return self._seal.open(_name(r), bytes(row.answer))

    def _put(self, tx: Tx, r: Request, state: str, value: bytes, *, secret: bool) -> None:
        tx.connection.execute(delete(kept_answer).where(_c.at < tx.now - KEEP_USED))
        old = update(kept_answer).where(_c.at < tx.now - KEEP_SECRET, _c.secret == 1, _c.answer != b"")
        tx.connection.execute(old.values(answer=b""))
        sealed = {"state": state, "answer": self._seal.close(_name(r), value)}
        if tx.connection.execute(update(kept_answer).where(_c.id == r.call_id).values(sealed)).rowcount == 0:
            whose = {"id": r.call_id, "actor": r.who.actor, "at": tx.now, "secret": int(secret)}
            tx.connection.execute(insert(kept_answer).values(**whose, **sealed))


def _name(r: Request) -> str:
    return f"answer/{r.call_id}"


def kept(carry_out: Callable[[Request], Awaitable[Any]]) -> CarryOut:
    """Carried out once for each Idempotency-Key, and answered alike."""

    @functools.wraps(carry_out)
    async def once(r: Request) -> object:
        return await r.services.kept.once(r, carry_out, secret=False)

    return once


def kept_secret(carry_out: Callable[[Request], Awaitable[Any]]) -> CarryOut:
    """The same for what answers with a secret."""

    @functools.wraps(carry_out)
    async def once(r: Request) -> object:
        return await r.services.kept.once(r, carry_out, secret=True)

    return once
