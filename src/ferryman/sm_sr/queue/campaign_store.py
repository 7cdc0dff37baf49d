"""Campaigns as rows, and their counts; every function runs inside a transaction of the caller."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, insert, literal_column, select, update

from ferryman.contracts.queue import (
    CampaignCounts,
    CampaignStart,
    CampaignState,
    CampaignView,
    EntryState,
)
from ferryman.platform.prepared import Prepared, Session, session_of
from ferryman.sm_sr.schema import campaign, euicc, queue_entry

ID_DIGITS = 20  # of the digest of owner and name: 80 bits, so that nobody meets another's
STATES = tuple(state.value for state in EntryState)

_c = campaign.c
_e = queue_entry.c
_REQUEST = msgspec.json.Decoder(CampaignStart)

_COUNT = Prepared(
    lambda _: (
        update(campaign)
        .where(_c.id == bindparam("of"))
        .values({state: campaign.c[state] + bindparam(f"more_{state}") for state in STATES})
        .values(updated=bindparam("at"))
    )
)
_NOTHING = {f"more_{state}": 0 for state in STATES}


@dataclass(frozen=True, slots=True)
class Campaign:
    """What the work on a campaign needs."""

    id: str
    request: CampaignStart
    state: CampaignState
    adding: bool
    place: str


def identifier(owner: str, name: str) -> str:
    """Of the campaign with this name; names are the owner's own."""
    return hashlib.sha256(f"{owner}\0{name}".encode()).hexdigest()[:ID_DIGITS]


def counted(session: Session, of: str, more: dict[str, int], now: float) -> None:
    """Entries of a campaign came into states or left them."""
    values: dict[str, Any] = {f"more_{state}": number for state, number in more.items()}
    _COUNT.count(session, {**_NOTHING, **values, "of": of, "at": now})


def moved(session: Session, of: str | None, before: str, after: str, now: float) -> None:
    """One entry went from one state to another; nothing to do for an entry of no campaign."""
    if of is not None and before != after:
        counted(session, of, {before: -1, after: 1}, now)


def start(connection: Connection, request: CampaignStart, now: float) -> bool:
    """Enter a campaign; False when there is one of this name."""
    key = identifier(request.owner, request.campaign)
    if connection.execute(select(_c.id).where(_c.id == key)).first() is not None:
        return False
    total = int(connection.execute(select(func.count()).select_from(euicc)).scalar_one())
    values: dict[str, Any] = {
        "id": key,
        "owner": request.owner,
        "name": request.campaign,
        "function": request.item.function,
        "priority": request.item.priority,
        "request": msgspec.json.encode(request),
        "state": CampaignState.RUNNING.value,
        "reason": "",
        "adding": True,
        "place": "",
        "looked": 0,
        "total": total,
        "skipped": 0,
        "created": now,
        "updated": now,
    }
    connection.execute(insert(campaign).values(**values, **dict.fromkeys(STATES, 0)))
    return True


def load(connection: Connection, key: str) -> Campaign | None:
    """One campaign, as its work needs it."""
    row = connection.execute(select(_c.id, _c.request, _c.state, _c.adding, _c.place).where(_c.id == key)).first()
    if row is None:
        return None
    return Campaign(row.id, _REQUEST.decode(row.request), CampaignState(row.state), bool(row.adding), row.place)


def advance(connection: Connection, found: Campaign, *, place: str, looked: int, skipped: int, now: float) -> None:
    """A page was added; an empty `place` ends the adding."""
    values: dict[str, Any] = {
        "adding": bool(place),
        "place": place or found.place,
        "looked": _c.looked + looked,
        "skipped": _c.skipped + skipped,
        "updated": now,
    }
    connection.execute(update(campaign).where(_c.id == found.id).values(**values))


def set_state(connection: Connection, key: str, state: CampaignState, reason: str, now: float) -> None:
    """Pause, resume or cancel; a cancelled one adds no more."""
    values: dict[str, Any] = {"state": state.value, "reason": reason, "updated": now}
    if state is CampaignState.CANCELLED:
        values["adding"] = False
    connection.execute(update(campaign).where(_c.id == key).values(**values))


def has_ended() -> ColumnElement[bool]:
    """Whether nothing of a campaign will move any more: it adds nothing, and what it has added has ended."""
    return and_(_c.adding.is_(False), _c.queued + _c.held + _c.sent + _c.delivered == 0)


def to_add(connection: Connection) -> str | None:
    """The campaign whose next page is added: the most urgent one that runs, then the oldest."""
    found: str | None = connection.execute(
        select(_c.id)
        .where(_c.state == CampaignState.RUNNING.value, _c.adding.is_(True))
        .order_by(_c.priority.desc(), _c.created, _c.id)
        .limit(1)
    ).scalar()
    return found


def to_cancel(connection: Connection) -> str | None:
    """A campaign that was cancelled and has entries that wait."""
    found: str | None = connection.execute(
        select(_c.id).where(_c.state == CampaignState.CANCELLED.value, _c.queued + _c.held > 0).limit(1)
    ).scalar()
    return found


def running(connection: Connection) -> list[str]:
    """Campaigns with entries that may begin, the most urgent first."""
    statement = (
        select(_c.id)
        .where(_c.state == CampaignState.RUNNING.value, _c.queued > 0)
        .order_by(_c.priority.desc(), _c.created, _c.id)
    )
    return list(connection.execute(statement).scalars())


def cancel_waiting(connection: Connection, key: str, reason: str, now: float, limit: int) -> int:
    """End entries of a cancelled campaign that wait; returns how many."""
    ended = 0
    for state in (EntryState.QUEUED, EntryState.HELD):
        for pulled in (False, True):
            # Each by equality, so that the index leads there whatever else waits.
            some = (
                select(_e.id)
                .where(_e.state == literal_column(f"'{state.value}'"), _e.pulled.is_(pulled), _e.campaign == key)
                .limit(limit - ended)
            )
            ids = list(connection.execute(some).scalars())
            if not ids:
                continue
            connection.execute(
                update(queue_entry)
                .where(_e.id.in_(ids))
                .values(state=EntryState.CANCELLED.value, reason=reason, updated=now)
            )
            more = {state.value: -len(ids), EntryState.CANCELLED.value: len(ids)}
            counted(session_of(connection), key, more, now)
            ended += len(ids)
            if ended >= limit:
                return ended
    return ended


def view(connection: Connection, owner: str, name: str) -> CampaignView | None:
    """One campaign of this owner."""
    row = connection.execute(select(campaign).where(_c.id == identifier(owner, name))).first()
    return None if row is None else _view(row)


def views(connection: Connection, owner: str, after: str, limit: int) -> tuple[CampaignView, ...]:
    """Campaigns of one owner, by name."""
    statement = select(campaign).where(_c.owner == owner, _c.name > after).order_by(_c.name).limit(limit)
    return tuple(map(_view, connection.execute(statement)))


def _view(row: Any) -> CampaignView:
    counts = CampaignCounts(**{state: row._mapping[state] for state in STATES})
    state = CampaignState(row.state)
    if state is CampaignState.RUNNING and not row.adding and not _open(counts):
        state = CampaignState.DONE
    return CampaignView(
        campaign=row.name,
        function=row.function,
        state=state,
        adding=bool(row.adding),
        reason=row.reason,
        counts=counts,
        looked=row.looked,
        total=row.total,
        skipped=row.skipped,
        created=row.created,
        updated=row.updated,
    )


def _open(counts: CampaignCounts) -> int:
    return counts.queued + counts.held + counts.sent + counts.delivered
