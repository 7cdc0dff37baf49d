"""Rows of sessions: entered with the first POST, closed with their end; the statements are compiled once."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import bindparam, insert, update

from ferryman.platform import prepared
from ferryman.platform.prepared import Prepared
from ferryman.transport_https import schema
from ferryman.transport_https.session import Session

_OPEN = Prepared(
    lambda _: insert(schema.session).values(
        {name: bindparam(name) for name in ("id", "eid", "key_version", "peer", "opened")}
    )
)
_CLOSE = Prepared(
    lambda _: (
        update(schema.session)
        .where(schema.session.c.id == bindparam("session"), schema.session.c.closed.is_(None))
        .values(closed=bindparam("at"), reason=bindparam("why"))
    )
)


class Ended(NamedTuple):
    """A session that is over, as the SM-SR will hear of it."""

    session_id: str
    eid: str
    reason: str


def enter(session: prepared.Session, opened: Session, now: float) -> None:
    """The first POST of a session, in seconds since 1970."""
    identity = opened.identity
    values = {
        "id": opened.id,
        "eid": opened.eid,
        "key_version": 0 if identity is None else identity.key_version,
        "peer": opened.peer,
        "opened": now,
    }
    _OPEN.count(session, values)


def close(session: prepared.Session, ended: Ended, now: float) -> bool:
    """The end of a session; False when it has ended before, or never posted."""
    return _CLOSE.count(session, {"session": ended.session_id, "at": now, "why": ended.reason}) == 1
