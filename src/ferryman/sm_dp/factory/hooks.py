"""Hooks of operators and the calls made to them; every function runs in the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, Integer, bindparam, delete, func, insert, literal_column, or_, select, update

from ferryman.contracts.holds import HookView, SetHook
from ferryman.platform.mailbox import Tx
from ferryman.platform.prepared import Prepared, Session
from ferryman.sm_dp.records import HoldBegun, HoldEnded
from ferryman.sm_dp.schema import hook, hook_call, profile_order, subscription

OPEN, WAITING, ENDED = "open", "waiting", "ended"  # to be made, taken by the receiver, over
MAX_NOTE = 500  # characters of an answer that are kept

_NONE, _ONE = literal_column("0", Integer), literal_column("1", Integer)
_TERMS = Prepared(
    lambda _: (
        select(hook.c.profile_type, hook.c.url, hook.c.key, hook.c.holds, hook.c.max_hold, hook.c.undo)
        .where(
            hook.c.owner == bindparam("owner"),
            or_(hook.c.profile_type == bindparam("of_type"), hook.c.profile_type == literal_column("''")),
        )
        .order_by(hook.c.profile_type.desc())
        .limit(_ONE)
        .offset(_NONE)  # left out, SQLAlchemy would put a parameter of its own there on SQLite
    )
)
_HELD = Prepared(
    lambda _: (
        select(
            profile_order.c.owner,
            profile_order.c.eid,
            profile_order.c.iccid,
            profile_order.c.profile_type,
            subscription.c.imsi,
        )
        .outerjoin(subscription, subscription.c.iccid == profile_order.c.iccid)
        .where(profile_order.c.order_id == bindparam("of"))
    )
)
_HOLD = Prepared(
    lambda _: (
        update(profile_order)
        .where(profile_order.c.order_id == bindparam("of"))
        .values(hold=bindparam("to_hold"), hold_until=bindparam("until"))
    )
)
_CALL = (
    *("call_id", "order_id", "procedure_id", "owner", "profile_type", "eid", "hold", "body", "state"),
    *("attempts", "due", "until", "answer", "created"),
)
_CALLED = Prepared(lambda _: insert(hook_call).values({name: bindparam(name) for name in _CALL}))


@dataclass(frozen=True, slots=True)
class Terms:
    """How orders of a profile type hold; `profile_type` is the hook's own, `max_hold` in seconds."""

    profile_type: str
    url: str
    key: str
    holds: tuple[str, ...]
    max_hold: float
    undo: str


@dataclass(frozen=True, slots=True)
class Target:
    """A hook with calls that are due."""

    owner: str
    profile_type: str
    url: str
    key: str
    confined: bool


@dataclass(frozen=True, slots=True)
class Call:
    """One call to be made; `body` is the same at every attempt."""

    call_id: str
    order_id: str
    procedure_id: str
    eid: str
    hold: str
    body: bytes
    attempts: int
    until: float


# -- hooks ----------------------------------------------------------------------------------------------------


def put(tx: Tx, wanted: SetHook) -> None:
    """Store a hook in place of the one there is."""
    remove(tx, wanted.owner, wanted.profile_type)
    tx.connection.execute(
        insert(hook).values(
            owner=wanted.owner,
            profile_type=wanted.profile_type,
            url=wanted.url,
            key=wanted.key,
            holds=" ".join(wanted.holds),
            max_hold=wanted.limit,
            undo=wanted.undo,
            confined=wanted.confined,
            created=tx.now,
        )
    )


def remove(tx: Tx, owner: str, profile_type: str) -> bool:
    """Forget a hook; False when there is none."""
    where = (hook.c.owner == owner, hook.c.profile_type == profile_type)
    return tx.connection.execute(delete(hook).where(*where)).rowcount == 1


def terms(session: Session, owner: str, profile_type: str) -> Terms | None:
    """What holds for a profile type: its own hook, or the owner's for every type."""
    row = _TERMS.row(session, {"owner": owner, "of_type": profile_type})
    if row is None:
        return None
    name, url, key, held, max_hold, undo = row
    return Terms(name, url, key, tuple(held.split()), max_hold, undo)


def views(connection: Connection, owner: str) -> tuple[HookView, ...]:
    """The hooks of an owner, with their open calls and the last trouble of one."""
    rows = connection.execute(select(hook).where(hook.c.owner == owner).order_by(hook.c.profile_type)).all()
    return tuple(
        HookView(
            profile_type=row.profile_type,
            url=row.url,
            key=row.key,
            holds=tuple(row.holds.split()),
            limit=row.max_hold,
            undo=row.undo,
            open_calls=(waiting := _open_calls(connection, owner, row.profile_type))[0],
            trouble=waiting[1],
        )
        for row in rows
    )


def _open_calls(connection: Connection, owner: str, profile_type: str) -> tuple[int, str]:
    """How many there are, and what stood in the way of one."""
    c = hook_call.c
    mine = (c.state == OPEN, c.owner == owner, c.profile_type == profile_type)
    count = connection.execute(select(func.count()).select_from(hook_call).where(*mine)).scalar_one()
    last = select(c.answer).where(*mine, c.attempts > 0).order_by(c.due.desc()).limit(1)
    return count, connection.execute(last).scalar() or ""


# -- calls ----------------------------------------------------------------------------------------------------


def begin(tx: Tx, change: HoldBegun) -> bool:
    """An order holds; True when somebody is to be asked."""
    row = _HELD.row(tx.session, {"of": change.order_id})
    if row is None:
        raise LookupError(f"no order {change.order_id}")
    owner, eid, iccid, profile_type, imsi = row
    _HOLD.count(tx.session, {"of": change.order_id, "to_hold": change.hold, "until": change.until})
    found = terms(tx.session, owner, profile_type)
    asked = found is not None and bool(found.url)
    said = {
        "id": change.call_id,
        "hold": change.hold,
        "order": change.order_id,
        "eid": eid,
        "iccid": iccid,
        "imsi": imsi,
        "profileType": profile_type,
        "until": round(change.until),
    }
    _CALLED.count(
        tx.session,
        {
            "call_id": change.call_id,
            "order_id": change.order_id,
            "procedure_id": change.procedure_id,
            "owner": owner,
            "profile_type": found.profile_type if found is not None else "",
            "eid": eid,
            "hold": change.hold,
            "body": msgspec.json.encode(said),
            "state": OPEN if asked else WAITING,
            "attempts": 0,
            "due": tx.now,
            "until": change.until,
            "answer": "",
            "created": tx.now,
        },
    )
    return asked


def end(tx: Tx, change: HoldEnded) -> None:
    """The order holds no more: whatever is still on its way to or from the receiver has no effect."""
    call = hook_call.c.call_id == change.call_id
    tx.connection.execute(update(hook_call).where(call).values(state=ENDED))
    order = profile_order.c.order_id == change.order_id
    tx.connection.execute(update(profile_order).where(order).values(hold="", hold_until=0.0))


def targets(connection: Connection, now: float) -> list[Target]:
    """Hooks with calls that are due."""
    c = hook_call.c
    due = select(c.owner, c.profile_type).where(c.state == OPEN, c.due <= now).distinct().subquery()
    statement = select(hook.c.owner, hook.c.profile_type, hook.c.url, hook.c.key, hook.c.confined).join(
        due, (due.c.owner == hook.c.owner) & (due.c.profile_type == hook.c.profile_type)
    )
    return [Target(*row) for row in connection.execute(statement.where(hook.c.url != ""))]


def due_calls(connection: Connection, target: Target, now: float, limit: int) -> list[Call]:
    """Calls of one hook that are due, the oldest first."""
    c = hook_call.c
    columns = (c.call_id, c.order_id, c.procedure_id, c.eid, c.hold, c.body, c.attempts, c.until)
    statement = (
        select(*columns)
        .where(c.state == OPEN, c.owner == target.owner, c.profile_type == target.profile_type, c.due <= now)
        .order_by(c.due)
        .limit(limit)
    )
    return [Call(*row) for row in connection.execute(statement)]


def next_due(connection: Connection, now: float) -> float | None:
    """When the next call that is not due yet will be; None when there is none."""
    later = select(func.min(hook_call.c.due)).where(hook_call.c.state == OPEN, hook_call.c.due > now)
    return connection.execute(later).scalar()


def is_open(connection: Connection, call_id: str) -> bool:
    """Whether the receiver's answer is still wanted."""
    state = connection.execute(select(hook_call.c.state).where(hook_call.c.call_id == call_id)).scalar()
    return state == OPEN


def taken(tx: Tx, call_id: str, note: str) -> None:
    """The receiver will say later: it is not asked again."""
    where = (hook_call.c.call_id == call_id, hook_call.c.state == OPEN)
    values = {"state": WAITING, "answer": note[:MAX_NOTE], "attempts": hook_call.c.attempts + 1}
    tx.connection.execute(update(hook_call).where(*where).values(values))


def put_off(tx: Tx, call_id: str, due: float, note: str) -> None:
    """No answer that can be used: again at `due`."""
    where = (hook_call.c.call_id == call_id, hook_call.c.state == OPEN)
    values = {"due": due, "answer": note[:MAX_NOTE], "attempts": hook_call.c.attempts + 1}
    tx.connection.execute(update(hook_call).where(*where).values(values))


def last_outcome(connection: Connection, order_id: str, hold: str) -> str:
    """State of the newest call of an order's hold; empty when it never held so."""
    c = hook_call.c
    newest = select(c.state).where(c.order_id == order_id, c.hold == hold).order_by(c.created.desc()).limit(1)
    return connection.execute(newest).scalar() or ""
