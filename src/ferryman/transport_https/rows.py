"""Rows of sessions: entered with a first POST or whole, closed with their end; statements are compiled once."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import bindparam, update

from ferryman.platform import prepared
from ferryman.platform.prepared import Prepared
from ferryman.transport_https import schema
from ferryman.transport_https.session import Session

_FIRST = ("id", "eid", "key_version", "peer", "opened")


def _insert(*names: str) -> Prepared:
    """A row that may be there already: the commit before may have happened all the same."""
    return Prepared(
        lambda dialect: (
            dialect.insert(schema.session)
            .values({name: bindparam(name) for name in names})
            .on_conflict_do_nothing(index_elements=["id"])
        )
    )


_OPEN = _insert(*_FIRST)
_WHOLE = _insert(*_FIRST, "closed", "reason")
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
    _OPEN.count(session, _values(opened, now))


def enter_closed(session: prepared.Session, opened: Session, since: float, ended: Ended, now: float) -> None:
    """A session from its first POST to its end, both in seconds since 1970."""
    values = _values(opened, since)
    values["closed"], values["reason"] = now, ended.reason
    _WHOLE.count(session, values)


def _values(opened: Session, since: float) -> dict[str, Any]:
    identity = opened.identity
    return {
        "id": opened.id,
        "eid": "" if identity is None else identity.eid,
        "key_version": 0 if identity is None else identity.key_version,
        "peer": opened.peer,
        "opened": since,
    }


def close(session: prepared.Session, ended: Ended, now: float) -> bool:
    """The end of a session; False when it has ended before, or never posted."""
    return _CLOSE.count(session, {"session": ended.session_id, "at": now, "why": ended.reason}) == 1
