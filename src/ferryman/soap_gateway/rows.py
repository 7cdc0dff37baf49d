"""Rows of exchanges, requests, letters and nonces; every function runs inside a transaction of the caller."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from ferryman.platform.mailbox import Tx
from ferryman.soap_gateway.schema import exchange, letter, nonce, request

WAITING, TAKEN, EXPIRED = "waiting", "taken", "expired"
KEEP = 30 * 86_400.0  # seconds behind its deadline that an exchange is remembered, so that a repeat finds it
SWEEP_BATCH = 1_000  # rows in one DELETE


def key(*parts: str) -> str:
    """A short name for something that peers name at length."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One function call of a peer."""

    id: str
    message_key: str
    peer: str
    requester: str
    function: str
    fingerprint: bytes
    message_id: str
    transaction_id: str
    context_id: str
    reply_to: str
    eid: str
    started: float
    deadline: float
    answer: bytes | None = None
    ended: float | None = None


_COLUMNS = [exchange.c[field.name] for field in fields(Exchange)]
_BY_ID = select(*_COLUMNS).where(exchange.c.id == bindparam("of"))
_BY_EITHER = select(*_COLUMNS).where(
    (exchange.c.id == bindparam("of")) | (exchange.c.message_key == bindparam("message"))
)


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to a peer."""

    id: str
    peer: str
    poll_id: str
    url: str
    action: str
    envelope: bytes
    created: float
    expires: float
    due: float
    attempts: int = 0
    state: str = WAITING
    detail: str = ""


_LETTER = [letter.c[field.name] for field in fields(Letter)]


def load(connection: Connection, identifier: str) -> Exchange | None:
    """The exchange of this name."""
    row = connection.execute(_BY_ID, {"of": identifier}).first()
    return None if row is None else _exchange(row)


def _exchange(row: Any) -> Exchange:
    return Exchange(*row)


class Reused(Exception):
    """The FunctionCallIdentifier was used with other input (SGP.02 5.1.1)."""


def enter(tx: Tx, new: Exchange) -> tuple[Exchange, bool]:
    """Enter a call, or find it: the row, and whether it is new. Raises Reused.

    The same MessageID is the same message, whatever it says. The same call under another MessageID is to be
    answered to that one.
    """
    rows = tx.connection.execute(_BY_EITHER, {"of": new.id, "message": new.message_key}).all()
    found = [_exchange(row) for row in rows]
    for one in found:
        if one.message_key == new.message_key:
            return one, False
    if not found:
        tx.connection.execute(insert(exchange).values(**asdict(new)))
        return new, True
    old = found[0]
    if old.fingerprint != new.fingerprint:
        raise Reused
    changes = {name: getattr(new, name) for name in ("message_key", "message_id", "transaction_id", "reply_to")}
    tx.connection.execute(update(exchange).where(exchange.c.id == old.id).values(**changes))
    return replace(old, **changes), False


def answer(tx: Tx, identifier: str, function: str, body: bytes) -> Exchange | None:
    """Keep the first answer; the exchange with it, None when it has one, is forgotten or of another function."""
    where = (exchange.c.id == identifier, exchange.c.function == function, exchange.c.answer.is_(None))
    first = update(exchange).where(*where)
    if tx.connection.execute(first.values(answer=body, ended=tx.now)).rowcount != 1:
        return None
    return load(tx.connection, identifier)


# -- letters -------------------------------------------------------------------------------------------------


def put_letter(tx: Tx, new: Letter) -> bool:
    """Keep a letter; False when it was there already."""
    there = tx.connection.execute(select(letter.c.id).where(letter.c.id == new.id)).first()
    if there is not None:
        return False
    tx.connection.execute(insert(letter).values(**asdict(new)))
    return True


def peers_with_letters(connection: Connection) -> list[str]:
    """Names of peers that something is to be sent to."""
    found = select(letter.c.peer).where(letter.c.state == WAITING, letter.c.poll_id == "").distinct()
    return list(connection.execute(found).scalars())


def next_letter(connection: Connection, peer: str) -> Letter | None:
    """The letter of a peer that is due first."""
    found = select(*_LETTER).where(letter.c.state == WAITING, letter.c.poll_id == "", letter.c.peer == peer)
    row = connection.execute(found.order_by(letter.c.due, letter.c.created).limit(1)).first()
    return None if row is None else Letter(*row)


def settle(tx: Tx, identifier: str, state: str, detail: str) -> None:
    """A letter was taken, or nobody waits for it any more."""
    tx.connection.execute(update(letter).where(letter.c.id == identifier).values(state=state, detail=detail))


def empty(tx: Tx, identifier: str) -> None:
    """A letter that was sent is not sent again: what was in it (it may be a profile) goes, its record stays."""
    tx.connection.execute(update(letter).where(letter.c.id == identifier).values(envelope=b""))


def put_off(tx: Tx, identifier: str, due: float, detail: str) -> None:
    """Try again later."""
    changed = update(letter).where(letter.c.id == identifier)
    tx.connection.execute(changed.values(due=due, attempts=letter.c.attempts + 1, detail=detail))


def fetch(tx: Tx, peer: str, poll_id: str, message_id: str) -> tuple[Letter | None, bool]:
    """The next letter for somebody who polls, and whether more wait; a repeat of a poll gets the same again."""
    of_peer = select(*_LETTER).where(letter.c.peer == peer, letter.c.poll_id == poll_id)
    again = tx.connection.execute(of_peer.where(letter.c.state == TAKEN, letter.c.detail == message_id)).first()
    waiting = of_peer.where(letter.c.state == WAITING).order_by(letter.c.created, letter.c.id).limit(2)
    rows = tx.connection.execute(waiting).all()
    if again is not None:
        return Letter(*again), bool(rows)
    if not rows:
        return None, False
    settle(tx, rows[0].id, TAKEN, message_id)
    return Letter(*rows[0]), len(rows) > 1


# -- requests of ours, nonces, forgetting ----------------------------------------------------------------------


def put_request(tx: Tx, message_key: str, *, peer: str, function: str, header: bytes, deadline: float) -> None:
    """Remember a call to a peer until it is answered."""
    values = {"message_key": message_key, "peer": peer, "function": function, "header": header}
    tx.connection.execute(insert(request).values(**values, deadline=deadline, answered=None))


def find_request(connection: Connection, message_key: str) -> Any:
    """The row of a call to a peer."""
    return connection.execute(select(request).where(request.c.message_key == message_key)).first()


def close_request(tx: Tx, message_key: str) -> bool:
    """Note that it is answered; False when it was before."""
    open_one = update(request).where(request.c.message_key == message_key, request.c.answered.is_(None))
    return tx.connection.execute(open_one.values(answered=tx.now)).rowcount == 1


def use_nonce(tx: Tx, identifier: str) -> bool:
    """Note a nonce; False when it was used before."""
    if tx.connection.execute(select(nonce.c.id).where(nonce.c.id == identifier)).first() is not None:
        return False
    tx.connection.execute(insert(nonce).values(id=identifier, seen=tx.now))
    return True


def forget(tx: Tx, nonces_before: float) -> bool:
    """Delete what nobody asks for any more, some of it; whether there was as much as fits."""
    full = False
    for column, condition in (
        (exchange.c.id, exchange.c.deadline < tx.now - KEEP),
        (request.c.message_key, request.c.deadline < tx.now - KEEP),
        # One that is posted is given up by who carries it; one that nobody has fetched goes here.
        (letter.c.id, ((letter.c.state != WAITING) | (letter.c.poll_id != "")) & (letter.c.expires < tx.now)),
        (nonce.c.id, nonce.c.seen < nonces_before),
    ):
        found = tx.connection.execute(select(column).where(condition).limit(SWEEP_BATCH)).scalars().all()
        if found:
            tx.connection.execute(delete(column.table).where(column.in_(found)))
        full = full or len(found) == SWEEP_BATCH
    return full
