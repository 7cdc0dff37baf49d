"""Stock of subscriptions: imports that bring them, reservation by orders; runs in the caller's transaction.

A subscription counts once its import is finished. `free` of an import is kept with each reservation, so that the
stock of a profile type is known without counting rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    update,
)

from ferryman.contracts import codes
from ferryman.contracts.imports import (
    FINISHED,
    RUNNING,
    ChunkRegistered,
    ImportView,
    RegistrationClosed,
    RowProblem,
    SubscriptionPage,
    SubscriptionPublic,
)
from ferryman.contracts.orders import StockView
from ferryman.errors import Refused
from ferryman.platform.mailbox import Tx
from ferryman.platform.prepared import Prepared
from ferryman.sm_dp.schema import subscription, subscription_batch, template

FREE, ORDERED, INSTALLED, DELETING = "free", "ordered", "installed", "deleting"
DROPPING = "dropping"
DROP_AT_ONCE = 20_000  # rows deleted in one transaction: some tenths of a second
_COLUMNS = ("iccid", "owner", "profile_type", "imsi", "msisdn", "state", "order_id", "created", "batch")

_INSERT = Prepared(lambda _: insert(subscription).values({name: bindparam(name) for name in _COLUMNS}))
_BY_ICCID = Prepared(lambda _: select(subscription).where(subscription.c.iccid == bindparam("iccid")))
_BY_IMSI = Prepared(
    lambda _: select(subscription.c.iccid, subscription.c.batch).where(
        subscription.c.owner == bindparam("owner"), subscription.c.imsi == bindparam("imsi")
    )
)
_BY_NUMBER = Prepared(
    lambda _: select(subscription.c.iccid).where(
        subscription.c.batch == bindparam("batch"), subscription.c.msisdn == bindparam("msisdn")
    )
)
_ICCIDS = Prepared(
    lambda _: select(exists().where(subscription.c.iccid.between(bindparam("low"), bindparam("high"))))
)
_IMSIS = Prepared(
    lambda _: select(
        exists().where(
            subscription.c.owner == bindparam("owner"),
            subscription.c.imsi.between(bindparam("low"), bindparam("high")),
        )
    )
)
_NUMBERS = Prepared(
    lambda _: select(
        exists().where(
            subscription.c.batch == bindparam("batch"),
            subscription.c.msisdn.between(bindparam("low"), bindparam("high")),
        )
    )
)


# -- reservation
_NONE, _ONE = literal_column("0", Integer), literal_column("1", Integer)
_NEXT_BATCH = Prepared(
    lambda _: (
        select(subscription_batch.c.number)
        .where(
            subscription_batch.c.owner == bindparam("owner"),
            subscription_batch.c.profile_type == bindparam("profile_type"),
            subscription_batch.c.state == bindparam("finished"),
            subscription_batch.c.free > _NONE,
        )
        .order_by(subscription_batch.c.number)
        .limit(_ONE)
        .offset(_NONE)  # left out, SQLAlchemy would put a parameter of its own there on SQLite
    )
)
_NEXT_FREE = Prepared(
    lambda _: (
        select(*(subscription.c[name] for name in _COLUMNS))
        .where(subscription.c.batch == bindparam("of"), subscription.c.state == literal_column("'free'"))
        .order_by(subscription.c.iccid)
        .limit(_ONE)
        .offset(_NONE)  # left out, SQLAlchemy would put a parameter of its own there on SQLite
    )
)
_TAKE = Prepared(
    lambda _: (
        update(subscription)
        .where(subscription.c.iccid == bindparam("this"), subscription.c.state == bindparam("free"))
        .values(state=bindparam("ordered"), order_id=bindparam("order"))
    )
)
_COUNT = Prepared(
    lambda _: (
        update(subscription_batch)
        .where(subscription_batch.c.number == bindparam("of"))
        .values(free=subscription_batch.c.free + bindparam("change", type_=BigInteger))
    )
)
_LOW_WATER = Prepared(
    lambda _: select(template.c.low_water).where(
        template.c.owner == bindparam("owner"), template.c.name == bindparam("name")
    )
)


class Subscription(NamedTuple):
    """A row of the stock, its fields in the order of `_COLUMNS`."""

    iccid: str
    owner: str
    profile_type: str
    imsi: str
    msisdn: str
    state: str
    order_id: str
    created: float
    batch: int


@dataclass(frozen=True, slots=True)
class Batch:
    """One import as the stock knows it."""

    number: int
    owner: str
    profile_type: str
    state: str
    chunks: int
    rows: int
    known: int


def find_batch(connection: Connection, import_id: str) -> Batch | None:
    """The import of this name."""
    table = subscription_batch
    row = connection.execute(select(table).where(table.c.import_id == import_id)).first()
    if row is None:
        return None
    return Batch(row.number, row.owner, row.profile_type, row.state, row.chunks, row.rows, row.known)


def open_batch(tx: Tx, owner: str, profile_type: str, import_id: str) -> Batch:
    """Begin or continue an import; raises Refused when it is another's or of another profile type."""
    found = find_batch(tx.connection, import_id)
    if found is None:
        tx.connection.execute(
            insert(subscription_batch).values(
                import_id=import_id,
                owner=owner,
                profile_type=profile_type,
                state=RUNNING,
                chunks=0,
                rows=0,
                known=0,
                free=0,
                created=tx.now,
            )
        )
        return open_batch(tx, owner, profile_type, import_id)
    if (found.owner, found.profile_type) != (owner, profile_type):
        raise Refused(*codes.PROVIDER_ERROR, "the import is of another profile type", identifier=import_id)
    return found


def _require_running(connection: Connection, owner: str, import_id: str) -> Batch:
    found = find_batch(connection, import_id)
    if found is None or found.owner != owner:
        raise Refused(*codes.PROVIDER_ERROR, "no such import; begin it again", identifier=import_id)
    if found.state != RUNNING:
        raise Refused(*codes.PROVIDER_ERROR, f"the import is {found.state}", identifier=import_id)
    return found


def register(
    tx: Tx,
    owner: str,
    import_id: str,
    number: int,
    rows: Sequence[SubscriptionPublic],
    lines: Sequence[int],
    *,
    lenient: bool = False,
) -> ChunkRegistered:
    """Store one run of an import; a repeat stores nothing. Not `lenient`, a problem keeps the whole run out."""
    batch = _require_running(tx.connection, owner, import_id)
    if number > batch.chunks:
        raise Refused(*codes.PROVIDER_ERROR, f"run {batch.chunks} is missing", identifier=import_id)
    repeat = number < batch.chunks
    problems, known = _clashes(tx.connection, batch, rows, lines, repeat=repeat)
    known_lines = tuple(lines[at] for at in sorted(known))
    if repeat or (problems and not lenient):
        return ChunkRegistered(new=0, known=known_lines, problems=tuple(problems))
    bad = {problem.line for problem in problems}
    chosen = rows
    if known or bad:
        chosen = [row for at, row in enumerate(rows) if at not in known and lines[at] not in bad]
    values = [
        (row.iccid, owner, batch.profile_type, row.imsi, row.msisdn, FREE, "", tx.now, batch.number)
        for row in chosen
    ]
    _INSERT.batch(tx.connection, _COLUMNS, values)
    table = subscription_batch
    tx.connection.execute(
        update(table)
        .where(table.c.number == batch.number)
        .values(
            chunks=batch.chunks + 1,
            rows=table.c.rows + len(values),
            known=table.c.known + len(known),
            free=table.c.free + len(values),
        )
    )
    return ChunkRegistered(new=len(values), known=known_lines, problems=tuple(problems))


def _clashes(
    connection: Connection, batch: Batch, rows: Sequence[SubscriptionPublic], lines: Sequence[int], *, repeat: bool
) -> tuple[list[RowProblem], frozenset[int]]:
    """Rows that are there already: problems, and places of those brought before with the same values."""
    problems = _twice(rows, lines)
    if not rows or not _may_clash(connection, batch, rows):
        return problems, frozenset()
    known: set[int] = set()
    for at, row in enumerate(rows):
        problem, is_known = _clash(connection, batch, row, lines[at], repeat=repeat)
        if problem is not None:
            problems.append(problem)
        elif is_known:
            known.add(at)
    return problems, frozenset(known)


def _twice(rows: Sequence[SubscriptionPublic], lines: Sequence[int]) -> list[RowProblem]:
    """Numbers that stand twice in one run."""
    problems: list[RowProblem] = []
    for column in ("iccid", "imsi"):
        if len({getattr(row, column) for row in rows}) == len(rows):
            continue
        seen: set[str] = set()
        for row, line in zip(rows, lines, strict=True):
            value = getattr(row, column)
            if value in seen:
                problems.append(RowProblem(line, column.upper(), "stands in the file twice"))
            seen.add(value)
    return problems


def _may_clash(connection: Connection, batch: Batch, rows: Sequence[SubscriptionPublic]) -> bool:
    """Whether anything lies between the lowest and the highest of these numbers; usually nothing does."""
    iccids = [row.iccid for row in rows]
    imsis = [row.imsi for row in rows]
    numbers = [row.msisdn for row in rows if row.msisdn]
    return (
        _any(connection, _ICCIDS, low=min(iccids), high=max(iccids))
        or _any(connection, _IMSIS, owner=batch.owner, low=min(imsis), high=max(imsis))
        or (bool(numbers) and _any(connection, _NUMBERS, batch=batch.number, low=min(numbers), high=max(numbers)))
    )


def _any(connection: Connection, statement: Prepared, **values: object) -> bool:
    row = statement.row(connection, values)
    return row is not None and bool(row[0])


def _clash(
    connection: Connection, batch: Batch, row: SubscriptionPublic, line: int, *, repeat: bool
) -> tuple[RowProblem | None, bool]:
    known = _BY_ICCID.row(connection, {"iccid": row.iccid})
    if known is not None:
        stored = dict(zip(subscription.c.keys(), known, strict=True))
        if stored["batch"] == batch.number:
            return (None if repeat else RowProblem(line, "ICCID", "stands in the file twice")), False
        if stored["owner"] != batch.owner:
            return RowProblem(line, "ICCID", "is in use", in_use=True), False
        same = (stored["profile_type"], stored["imsi"], stored["msisdn"]) == (
            batch.profile_type,
            row.imsi,
            row.msisdn,
        )
        if not same:
            return RowProblem(line, "ICCID", "was imported before with other values", in_use=True), False
        return None, True
    taken = _BY_IMSI.row(connection, {"owner": batch.owner, "imsi": row.imsi})
    if taken is not None:
        rule = "stands in the file twice" if taken[1] == batch.number else "belongs to another ICCID"
        return RowProblem(line, "IMSI", rule, in_use=taken[1] != batch.number), False
    if row.msisdn and _BY_NUMBER.row(connection, {"batch": batch.number, "msisdn": row.msisdn}) is not None:
        return RowProblem(line, "MSISDN", "stands in the file twice"), False
    return None, False


def close_batch(tx: Tx, owner: str, import_id: str, *, keep: bool) -> RegistrationClosed:
    """Make the subscriptions of an import count, or delete some of them (until `left` is 0)."""
    batch = find_batch(tx.connection, import_id)
    if batch is None or batch.owner != owner:
        if keep:
            raise Refused(*codes.PROVIDER_ERROR, "no such import", identifier=import_id)
        return RegistrationClosed(new=0, known=0)
    if batch.state == FINISHED:
        if not keep:
            raise Refused(*codes.PROVIDER_ERROR, "the import is finished", identifier=import_id)
        return RegistrationClosed(new=batch.rows, known=batch.known)
    if keep and batch.state == DROPPING:
        raise Refused(*codes.PROVIDER_ERROR, "the import is being dropped", identifier=import_id)
    table = subscription_batch
    state = FINISHED if keep else DROPPING
    tx.connection.execute(update(table).where(table.c.number == batch.number).values(state=state))
    left = 0 if keep else _drop(tx, batch)
    return RegistrationClosed(new=batch.rows, known=batch.known, left=left)


def set_aside(tx: Tx, owner: str, import_id: str, limit: int) -> tuple[tuple[str, ...], int]:
    """Free subscriptions of an import that nobody can order any more, `limit` of them, and how many there are.

    Raises Refused for an import that is not this owner's, or not finished. A repeat finds those that are left.
    """
    batch = find_batch(tx.connection, import_id)
    if batch is None or batch.owner != owner:
        raise Refused(*codes.IMPORT_UNKNOWN, f"there is no import {import_id}", identifier=import_id)
    if batch.state != FINISHED:
        raise Refused(*codes.PROVIDER_ERROR, f"the import is {batch.state}", identifier=import_id)
    mine = subscription.c.batch == batch.number
    tx.connection.execute(update(subscription).where(mine, subscription.c.state == FREE).values(state=DELETING))
    tx.connection.execute(
        update(subscription_batch).where(subscription_batch.c.number == batch.number).values(free=0)
    )
    going = (mine, subscription.c.state == DELETING)
    count = tx.connection.execute(select(func.count()).select_from(subscription).where(*going)).scalar_one()
    some = select(subscription.c.iccid).where(*going).order_by(subscription.c.iccid).limit(limit)
    return tuple(tx.connection.execute(some).scalars()), count


def forget(tx: Tx, iccids: tuple[str, ...]) -> None:
    """Subscriptions that were set aside and have no keys any more."""
    gone = (subscription.c.iccid.in_(iccids), subscription.c.state == DELETING)
    tx.connection.execute(delete(subscription).where(*gone))


def _drop(tx: Tx, batch: Batch) -> int:
    some = select(subscription.c.iccid).where(subscription.c.batch == batch.number).limit(DROP_AT_ONCE)
    deleted = tx.connection.execute(delete(subscription).where(subscription.c.iccid.in_(some))).rowcount
    if deleted == DROP_AT_ONCE:
        return max(1, batch.rows - deleted)
    tx.connection.execute(delete(subscription_batch).where(subscription_batch.c.number == batch.number))
    return 0


def page(connection: Connection, owner: str, import_id: str, after: str, limit: int) -> SubscriptionPage:
    """Subscriptions of a finished import by ICCID, behind `after`."""
    batch = find_batch(connection, import_id)
    if batch is None or batch.owner != owner:
        raise Refused(*codes.IMPORT_UNKNOWN, f"there is no import {import_id}", identifier=import_id)
    if batch.state != FINISHED:
        raise Refused(*codes.PROVIDER_ERROR, f"the import is {batch.state}", identifier=import_id)
    table = subscription
    rows = connection.execute(
        select(table.c.iccid, table.c.imsi, table.c.msisdn)
        # The sum keeps the database from the index of the batch, whose order changes while orders are worked off.
        .where(table.c.batch + 0 == batch.number, table.c.iccid > after)
        .order_by(table.c.iccid)
        .limit(limit)
    ).all()
    return SubscriptionPage(
        rows=tuple(SubscriptionPublic(row.iccid, row.imsi, row.msisdn) for row in rows),
        after=rows[-1].iccid if rows else after,
    )


def list_imports(connection: Connection, owner: str) -> tuple[ImportView, ...]:
    """Imports of an owner, newest first."""
    table = subscription_batch
    rows = connection.execute(select(table).where(table.c.owner == owner).order_by(table.c.number.desc()))
    return tuple(
        ImportView(
            row.import_id, row.profile_type, row.state, row.chunks, row.rows, row.known, row.free, row.created
        )
        for row in rows
    )


# -- reservation ----------------------------------------------------------------------------------------------


def free_count(connection: Connection, owner: str, profile_type: str) -> int:
    """Subscriptions of a profile type that can be ordered."""
    table = subscription_batch
    statement = select(func.coalesce(func.sum(table.c.free), 0)).where(
        table.c.owner == owner, table.c.profile_type == profile_type, table.c.state == FINISHED
    )
    return int(connection.execute(statement).scalar_one())


def reserve(tx: Tx, owner: str, *, iccid: str, profile_type: str, order_id: str) -> Subscription:
    """Take the subscription of an order: the one named, or the next free one of the profile type."""
    row = _named(tx.connection, owner, iccid) if iccid else _next_free(tx, owner, profile_type)
    taken = {"this": row.iccid, "free": FREE, "ordered": ORDERED, "order": order_id}
    if _TAKE.count(tx.session, taken) != 1:
        raise Refused(*codes.ICCID_NOT_ALLOWED, "the subscription was taken meanwhile", identifier=row.iccid)
    _count(tx, row.batch, -1)
    _watch(tx, owner, row.profile_type)
    return row


def _watch(tx: Tx, owner: str, profile_type: str) -> None:
    """An alarm when the stock has just come down to its low-water mark, and at the last one."""
    found = _LOW_WATER.row(tx.session, {"owner": owner, "name": profile_type})
    low_water = found[0] if found is not None else 0
    left = free_count(tx.connection, owner, profile_type) if low_water else 0
    if low_water and left in (low_water, 0):
        detail = f"{left} subscriptions left, the mark is {low_water}"
        tx.audit(actor=owner, action="LowStock", object=profile_type, outcome="alarm", detail=detail)


def stocks(connection: Connection, owner: str) -> tuple[StockView, ...]:
    """Stock of every profile type of an owner."""
    types = connection.execute(
        select(template.c.name, template.c.low_water).where(template.c.owner == owner).order_by(template.c.name)
    ).all()
    found: list[StockView] = []
    for row in types:
        free = free_count(connection, owner, row.name)
        found.append(StockView(row.name, free, row.low_water, free <= row.low_water and row.low_water > 0))
    return tuple(found)


def _named(connection: Connection, owner: str, iccid: str) -> Subscription:
    row = connection.execute(
        select(*(subscription.c[name] for name in _COLUMNS))
        .join(subscription_batch, subscription_batch.c.number == subscription.c.batch)
        .where(
            subscription.c.owner == owner, subscription.c.iccid == iccid, subscription_batch.c.state == FINISHED
        )
    ).first()
    if row is None:
        raise Refused(*codes.ICCID_UNKNOWN, "no subscription with this ICCID; import it first", identifier=iccid)
    if row.state != FREE:
        sentence = f"the subscription is {row.state} (order {row.order_id})"
        raise Refused(*codes.ICCID_NOT_ALLOWED, sentence, identifier=iccid)
    return Subscription(*row)


def _next_free(tx: Tx, owner: str, profile_type: str) -> Subscription:
    """The oldest import is used up first, in the order of ICCIDs."""
    wanted = {"owner": owner, "profile_type": profile_type, "finished": FINISHED}
    oldest = _NEXT_BATCH.row(tx.session, wanted)
    row = _NEXT_FREE.row(tx.session, {"of": oldest[0]}) if oldest is not None else None
    if row is None:
        sentence = f"no free subscription of profile type {profile_type!r}"
        raise Refused(*codes.PROFILE_TYPE_UNKNOWN, sentence, identifier=profile_type)
    return Subscription(*row)


def release(tx: Tx, iccid: str, order_id: str) -> None:
    """The order needs its subscription no more."""
    where = (subscription.c.iccid == iccid, subscription.c.order_id == order_id, subscription.c.state == ORDERED)
    batch = tx.connection.execute(select(subscription.c.batch).where(*where)).scalar()
    if batch is None:
        return
    tx.connection.execute(update(subscription).where(*where).values(state=FREE, order_id=""))
    _count(tx, batch, 1)


def use_up(tx: Tx, iccid: str, order_id: str) -> None:
    """The profile is on a card; the subscription is never given out again."""
    tx.connection.execute(
        update(subscription)
        .where(subscription.c.iccid == iccid, subscription.c.order_id == order_id)
        .values(state=INSTALLED)
    )


def _count(tx: Tx, batch: int, change: int) -> None:
    _COUNT.count(tx.session, {"of": batch, "change": change})
