"""Entries as rows; every function runs inside a transaction of the caller. Times in seconds since 1970."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    update,
)

from ferryman.contracts.queue import OPEN, RUNNING, WAITING, EntryState, EntryView
from ferryman.platform.prepared import Prepared, session_of
from ferryman.sm_sr.schema import queue_entry

MAX_REASON = 400  # characters

_e = queue_entry.c
_open = _e.state.in_(OPEN)
_running = _e.state.in_(RUNNING)
_waiting = _e.state.in_(WAITING)

_ENTRY = (_e.id, _e.eid, _e.owner, _e.function, _e.request, _e.priority, _e.not_before, _e.expires, _e.state)
_other = queue_entry.alias()


def _on_its_way(eid: ColumnElement[str]) -> ColumnElement[bool]:
    return exists(select(_other.c.id).where(_other.c.eid == eid, _other.c.state.in_(_literal(RUNNING))))


def _literal(states: Iterable[str]) -> list[ColumnElement[str]]:
    """States as part of the statement: a prepared one takes no lists."""
    return [literal_column(f"'{EntryState(state).value}'") for state in states]


_QUEUED = _literal([EntryState.QUEUED])[0]
_DUE = Prepared(
    lambda _: (
        select(*_ENTRY)
        .where(
            _e.eid == bindparam("of"),
            _e.state == _QUEUED,
            _e.not_before <= bindparam("now"),
            _e.expires > bindparam("now"),
            ~_on_its_way(_e.eid),
        )
        .order_by(_e.priority.desc(), _e.seq)
        .limit(literal_column("1"))
        .offset(literal_column("0"))
    )
)
_BEGUN = Prepared(
    lambda _: (
        select(_e.id)
        .where(_e.eid == bindparam("of"), _e.state == _literal([EntryState.SENT])[0])
        .limit(literal_column("1"))
        .offset(literal_column("0"))
    )
)
_LIVELY = Prepared(
    lambda _: (
        select(_e.id)
        .where(
            _e.eid == bindparam("of"),
            (_e.state == _literal([EntryState.SENT])[0])
            | and_(_e.state == _QUEUED, _e.not_before <= bindparam("now")),
        )
        .limit(literal_column("1"))
        .offset(literal_column("0"))
    )
)
_COLUMNS = tuple(column.name for column in queue_entry.columns)
_ADD = Prepared(
    lambda dialect: (
        dialect.insert(queue_entry).values({name: bindparam(name) for name in _COLUMNS}).on_conflict_do_nothing()
    )
)
_CLAIM = Prepared(
    lambda _: (
        update(queue_entry)
        .where(
            _e.id == bindparam("entry"),
            _e.state == _QUEUED,
            _e.expires > bindparam("now"),
            ~_on_its_way(bindparam("of", type_=String)),
        )
        .values(state=_literal([EntryState.SENT])[0], updated=bindparam("at"))
    )
)
_DELIVERED = Prepared(
    lambda _: (
        update(queue_entry)
        .where(_e.id == bindparam("entry"), _e.state == _literal([EntryState.SENT])[0])
        .values(state=_literal([EntryState.DELIVERED])[0], updated=bindparam("at"))
    )
)
_ENDED = Prepared(
    lambda _: (
        update(queue_entry)
        .where(_e.id == bindparam("entry"), _e.state.in_(_literal(RUNNING)))
        .values(
            state=bindparam("to_state"), reason=bindparam("why"), result=bindparam("told"), updated=bindparam("at")
        )
    )
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One row."""

    id: str
    eid: str
    owner: str
    function: str
    request: bytes
    priority: int
    not_before: float
    expires: float
    state: EntryState


def add(connection: Connection, rows: Sequence[dict[str, Any]]) -> int:
    """New entries; one whose key or campaign the eUICC has already is left out. Returns how many are new."""
    session = session_of(connection)
    return sum(_ADD.count(session, row) for row in rows)


def next_due(connection: Connection, eid: str, now: float) -> Entry | None:
    """The entry that goes next; None when nothing is due, or one is on its way."""
    row = _DUE.row(session_of(connection), {"of": eid, "now": now})
    return _entry(row) if row is not None else None


def lively(connection: Connection, eid: str, now: float) -> bool:
    """Whether a command will come soon: an entry has begun and the card has nothing of it yet, or one is next."""
    return _LIVELY.row(session_of(connection), {"of": eid, "now": now}) is not None


def begun(connection: Connection, eid: str) -> bool:
    """Whether an entry has begun and the card has nothing of it yet."""
    return _BEGUN.row(session_of(connection), {"of": eid}) is not None


def claim(connection: Connection, entry: str, eid: str, now: float) -> bool:
    """The entry is sent now, unless it was changed, or another one of the same eUICC is on its way."""
    return _CLAIM.count(session_of(connection), {"entry": entry, "of": eid, "now": now, "at": now}) == 1


def delivered(connection: Connection, entry: str, now: float) -> None:
    """The card was given a command of it."""
    _DELIVERED.count(session_of(connection), {"entry": entry, "at": now})


def ended(connection: Connection, entry: str, state: EntryState, reason: str, result: str, now: float) -> None:
    """Its procedure has answered."""
    values = {"entry": entry, "to_state": state.value, "why": reason[:MAX_REASON], "told": result, "at": now}
    _ENDED.count(session_of(connection), values)


def change(connection: Connection, entry: str, eid: str, values: dict[str, Any]) -> bool:
    """Change an entry that waits; False when it does not."""
    done = connection.execute(update(queue_entry).where(_e.id == entry, _e.eid == eid, _waiting).values(**values))
    return done.rowcount == 1


def expire(connection: Connection, now: float, limit: int) -> int:
    """End what waited too long; returns how many."""
    late = select(_e.id).where(_waiting, _e.expires <= now).order_by(_e.expires).limit(limit)
    done = connection.execute(
        update(queue_entry)
        .where(_e.id.in_(late))
        .values(state=EntryState.EXPIRED, reason="its validity is over", updated=now)
    )
    return done.rowcount


def due_eids(connection: Connection, now: float, limit: int) -> list[str]:
    """EUICCs that are called when something is due for them, and nothing is on its way."""
    other = queue_entry.alias()
    busy = exists(select(other.c.id).where(other.c.eid == _e.eid, other.c.state.in_(RUNNING)))
    statement = (
        select(_e.eid)
        .where(_e.state == EntryState.QUEUED, _e.pulled.is_(False), _e.not_before <= now, _e.expires > now, ~busy)
        .distinct()
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())


def first_end(connection: Connection) -> float | None:
    """When the first entry that waits expires."""
    found: float | None = connection.execute(select(func.min(_e.expires)).where(_waiting)).scalar()
    return found


def first_due(connection: Connection, now: float) -> float | None:
    """When the next entry that is not due yet becomes so, for an eUICC that is called."""
    later = select(func.min(_e.not_before)).where(
        _e.state == EntryState.QUEUED, _e.pulled.is_(False), _e.not_before > now
    )
    found: float | None = connection.execute(later).scalar()
    return found


def running(connection: Connection) -> int:
    """How many are on their way to eUICCs that are called."""
    statement = select(func.count()).where(_running, _e.pulled.is_(False))
    return int(connection.execute(statement).scalar_one())


def view(connection: Connection, eid: str, entry: str, owner: str) -> EntryView | None:
    """One entry of this owner."""
    row = connection.execute(select(queue_entry).where(_e.id == entry, _e.eid == eid, _e.owner == owner)).first()
    return _view(row) if row is not None else None


def by_key(connection: Connection, eid: str, key: str) -> str | None:
    """Identifier of the entry with this key."""
    found: str | None = connection.execute(select(_e.id).where(_e.eid == eid, _e.key == key)).scalar()
    return found


def views(connection: Connection, eid: str, owner: str, *, open_only: bool, limit: int) -> tuple[EntryView, ...]:
    """Entries of one eUICC and owner, in their order."""
    statement = select(queue_entry).where(_e.eid == eid, _e.owner == owner)
    if open_only:
        statement = statement.where(_open)
    statement = statement.order_by(_e.priority.desc(), _e.seq).limit(limit)
    return tuple(_view(row) for row in connection.execute(statement))


def _entry(row: Any) -> Entry:
    entry, eid, owner, function, request, priority, not_before, expires, state = row
    return Entry(entry, eid, owner, function, bytes(request), priority, not_before, expires, EntryState(state))


def _view(row: Any) -> EntryView:
    return EntryView(
        entry=row.id,
        eid=row.eid,
        function=row.function,
        iccid=row.iccid,
        state=EntryState(row.state),
        reason=row.reason,
        priority=row.priority,
        not_before=row.not_before,
        expires=row.expires,
        created=row.created,
        updated=row.updated,
        campaign=row.campaign or "",
        result=row.result,
    )
