"""Entries as rows; every function runs inside a transaction of the caller. Times in seconds since 1970."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    update,
)

from ferryman.contracts.queue import OPEN, RUNNING, WAITING, CampaignState, EntryState, EntryView
from ferryman.platform.prepared import Prepared, session_of
from ferryman.sm_sr.queue import campaign_store
from ferryman.sm_sr.queue.reasons import Waiting, reason_of
from ferryman.sm_sr.schema import campaign, queue_entry

MAX_REASON = 400  # characters

_e = queue_entry.c
_open = _e.state.in_(OPEN)
_running = _e.state.in_(RUNNING)
_waiting = _e.state.in_(WAITING)

_ENTRY = (
    *(_e.id, _e.eid, _e.owner, _e.function, _e.request, _e.priority, _e.not_before, _e.expires, _e.state),
    *(_e.pulled, _e.campaign),
)
_other = queue_entry.alias()


def _on_its_way(eid: ColumnElement[str]) -> ColumnElement[bool]:
    return exists(select(_other.c.id).where(_other.c.eid == eid, _other.c.state.in_(_literal(RUNNING))))


def _literal(states: Iterable[str]) -> list[ColumnElement[str]]:
    """States as part of the statement: a prepared one takes no lists."""
    return [literal_column(f"'{EntryState(state).value}'") for state in states]


_QUEUED = _literal([EntryState.QUEUED])[0]
# Entries of a campaign begin only while it runs; others always may.
_MAY_BEGIN = _e.campaign.is_(None) | exists(
    select(campaign.c.id).where(
        campaign.c.id == _e.campaign,
        campaign.c.state == literal_column(f"'{CampaignState.RUNNING.value}'"),
    )
)
_DUE = Prepared(
    lambda _: (
        select(*_ENTRY)
        .where(
            _e.eid == bindparam("of"),
            _e.state == _QUEUED,
            _e.not_before <= bindparam("now"),
            # As a sum, or SQLite would rather go through all that waits in the order of their ends.
            _e.expires + literal_column("0.0") > bindparam("now"),
            _MAY_BEGIN,
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
            | and_(_e.state == _QUEUED, _e.not_before <= bindparam("now"), _MAY_BEGIN),
        )
        .limit(literal_column("1"))
        .offset(literal_column("0"))
    )
)
_WHERE = Prepared(lambda _: select(_e.state, _e.campaign).where(_e.id == bindparam("entry")))
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
            _MAY_BEGIN,
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
    pulled: bool
    campaign: str | None


def add(connection: Connection, rows: Sequence[dict[str, Any]]) -> int:
    """New entries; one whose key or campaign the eUICC has already is left out. Returns how many are new."""
    session = session_of(connection)
    new = [row for row in rows if _ADD.count(session, row)]
    by_campaign: dict[str, Counter[str]] = {}
    for row in new:
        if row["campaign"] is not None:
            by_campaign.setdefault(row["campaign"], Counter())[row["state"]] += 1
    for key, more in by_campaign.items():
        campaign_store.counted(session, key, more, new[0]["created"])
    return len(new)


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


def claim(connection: Connection, entry: Entry, now: float) -> bool:
    """The entry is sent now, unless it was changed, its campaign stands still, or another one is on its way."""
    session = session_of(connection)
    if not _CLAIM.count(session, {"entry": entry.id, "of": entry.eid, "now": now, "at": now}):
        return False
    campaign_store.moved(session, entry.campaign, EntryState.QUEUED, EntryState.SENT, now)
    return True


def delivered(connection: Connection, entry: str, now: float) -> None:
    """The card was given a command of it."""
    session = session_of(connection)
    if _DELIVERED.count(session, {"entry": entry, "at": now}):
        _, of = _WHERE.rows(session, {"entry": entry})[0]
        campaign_store.moved(session, of, EntryState.SENT, EntryState.DELIVERED, now)


def ended(connection: Connection, entry: str, state: EntryState, reason: str, result: str, now: float) -> None:
    """Its procedure has answered."""
    session = session_of(connection)
    found = _WHERE.row(session, {"entry": entry})
    values = {"entry": entry, "to_state": state.value, "why": reason[:MAX_REASON], "told": result, "at": now}
    if found is not None and _ENDED.count(session, values):
        campaign_store.moved(session, found[1], found[0], state, now)


def change(connection: Connection, entry: str, eid: str, values: dict[str, Any]) -> bool:
    """Change an entry that waits; False when it does not."""
    session = session_of(connection)
    found = _WHERE.row(session, {"entry": entry})
    done = connection.execute(update(queue_entry).where(_e.id == entry, _e.eid == eid, _waiting).values(**values))
    if found is None or done.rowcount != 1:
        return False
    campaign_store.moved(session, found[1], found[0], values.get("state", found[0]), values["updated"])
    return True


def expire(connection: Connection, now: float, limit: int) -> int:
    """End what waited too long; returns how many."""
    ended = 0
    for state in WAITING:
        # Each state by equality: the index then has them in the order of their ends.
        late = select(_e.id, _e.campaign).where(_e.state == state, _e.expires <= now).order_by(_e.expires)
        rows = connection.execute(late.limit(limit - ended)).all()
        if not rows:
            continue
        connection.execute(
            update(queue_entry)
            .where(_e.id.in_([row.id for row in rows]))
            .values(state=EntryState.EXPIRED, reason="its validity is over", updated=now)
        )
        for of, number in Counter(row.campaign for row in rows if row.campaign is not None).items():
            more = {state.value: -number, EntryState.EXPIRED.value: number}
            campaign_store.counted(session_of(connection), of, more, now)
        ended += len(rows)
        if ended >= limit:
            break
    return ended


def due_eids(connection: Connection, now: float, limit: int) -> list[str]:
    """EUICCs that are called when something is due for them, and nothing is on its way.

    First what people and systems have added one by one, then campaign after campaign, the most urgent first. Not
    all that could be found at once: one with many entries takes many places, and is busy at the next look.
    """
    found: dict[str, None] = {}
    for group in _groups(connection):
        statement = (
            select(_e.eid)
            .where(
                *(_e.state == EntryState.QUEUED, _e.pulled.is_(False), group, _e.not_before <= now),
                *(_e.expires > now, ~_on_its_way(_e.eid)),
            )
            # In the order of the index, and no DISTINCT: it would have all of them sorted first.
            .order_by(_e.not_before)
            .limit(limit)
        )
        found |= dict.fromkeys(connection.execute(statement).scalars())
        if len(found) >= limit:
            break
    return list(found)[:limit]


def _groups(connection: Connection) -> list[ColumnElement[bool]]:
    """Entries that may begin, group by group: a campaign that stands still is never looked through."""
    return [_e.campaign.is_(None), *(_e.campaign == key for key in campaign_store.running(connection))]


def first_end(connection: Connection) -> float | None:
    """When the first entry that waits expires."""
    ends = (
        connection.execute(select(_e.expires).where(_e.state == state).order_by(_e.expires).limit(1)).scalar()
        for state in WAITING
    )
    return min((end for end in ends if end is not None), default=None)


def first_due(connection: Connection, now: float) -> float | None:
    """When the next entry that is not due yet becomes so, for an eUICC that is called."""
    moments = (
        connection.execute(
            select(_e.not_before)
            .where(_e.state == EntryState.QUEUED, _e.pulled.is_(False), group, _e.not_before > now)
            .order_by(_e.not_before)
            .limit(1)
        ).scalar()
        for group in _groups(connection)
    )
    return min((at for at in moments if at is not None), default=None)


def set_pulled(connection: Connection, eid: str, *, pulled: bool) -> int:
    """How the eUICC is reached has changed: what waits for it waits in another way now; returns how many."""
    done = connection.execute(
        update(queue_entry).where(_e.eid == eid, _waiting, _e.pulled.is_not(pulled)).values(pulled=pulled)
    )
    return done.rowcount


def running(connection: Connection) -> int:
    """How many are on their way to eUICCs that are called."""
    statement = select(func.count()).where(_running, _e.pulled.is_(False))
    return int(connection.execute(statement).scalar_one())


_SEEN = select(queue_entry, campaign.c.name, campaign.c.state.label("campaign_state")).select_from(
    queue_entry.outerjoin(campaign, campaign.c.id == _e.campaign)
)


def view(connection: Connection, eid: str, entry: str, owner: str, now: float) -> EntryView | None:
    """One entry of this owner."""
    row = connection.execute(_SEEN.where(_e.id == entry, _e.eid == eid, _e.owner == owner)).first()
    return _view(row, now) if row is not None else None


def by_key(connection: Connection, eid: str, key: str) -> str | None:
    """Identifier of the entry with this key."""
    found: str | None = connection.execute(select(_e.id).where(_e.eid == eid, _e.key == key)).scalar()
    return found


def views(
    connection: Connection, eid: str, owner: str, now: float, *, open_only: bool, limit: int
) -> tuple[EntryView, ...]:
    """Entries of one eUICC and owner, in their order."""
    statement = _SEEN.where(_e.eid == eid, _e.owner == owner)
    if open_only:
        statement = statement.where(_open)
    statement = statement.order_by(_e.priority.desc(), _e.seq).limit(limit)
    return tuple(_view(row, now) for row in connection.execute(statement))


def of_campaign(
    connection: Connection, key: str, now: float, *, state: EntryState | None, after: str, limit: int
) -> tuple[EntryView, ...]:
    """Entries of one campaign by EID, those behind the EID `after`; in one state or in all."""
    statement = in_campaign(key, state, after).limit(limit)
    return tuple(_view(row, now) for row in connection.execute(statement))


def in_campaign(key: str, state: EntryState | None, after: str) -> Select[Any]:
    """The question behind `of_campaign`; a state is part of its text, so that a partial index fits."""
    statement = _SEEN.where(_e.campaign == key, _e.eid > after).order_by(_e.eid)
    return statement if state is None else statement.where(_e.state == _literal([state])[0])


def _entry(row: Any) -> Entry:
    entry, eid, owner, function, request, priority, not_before, expires, state, pulled, of = row
    return Entry(
        *(entry, eid, owner, function, bytes(request), priority, not_before, expires, EntryState(state)),
        *(bool(pulled), of),
    )


def _view(row: Any, now: float) -> EntryView:
    state = EntryState(row.state)
    waiting = Waiting(state, row.not_before, bool(row.pulled), row.name or "", row.campaign_state or "")
    return EntryView(
        entry=row.id,
        eid=row.eid,
        function=row.function,
        iccid=row.iccid,
        state=state,
        reason=row.reason or reason_of(waiting, now),
        priority=row.priority,
        not_before=row.not_before,
        expires=row.expires,
        created=row.created,
        updated=row.updated,
        campaign=row.name or "",
        result=row.result,
    )
