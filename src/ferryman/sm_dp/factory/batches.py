"""Rows of batches of orders and their counts; every function runs in the caller's transaction.

A row changes its state in the transaction that makes the order, and in the one that ends it; the counts of its
batch change with it. So they are right at any moment, and after a kill at any line no row has been ordered twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, Row, bindparam, insert, select, update

from ferryman.contracts import codes
from ferryman.contracts.batches import (
    CANCELLED,
    CANCELLING,
    DONE,
    FILLING,
    FILTER,
    FILTERED,
    PAUSED,
    RUNNING,
    BatchRow,
    BatchRowView,
    BatchView,
    ListBatches,
    ListBatchRows,
    OpenBatch,
)
from ferryman.contracts.orders import CreateOrder
from ferryman.contracts.status import ExecutionStatus
from ferryman.errors import Refused
from ferryman.platform.mailbox import Tx
from ferryman.platform.prepared import Prepared
from ferryman.sm_dp.schema import order_batch, order_batch_row

WAITING, FAILED, REFUSED = "waiting", "failed", "refused"  # of rows, beside running, done and cancelled
MAX_DETAIL = 300  # characters
ORDER_PREFIX = "b"  # of the names of orders that a batch has made
_COLUMNS = ("batch", "number", "eid", "iccid", "profile_type", "state", "order_id", "detail")

_INSERT = Prepared(lambda _: insert(order_batch_row).values({name: bindparam(name) for name in _COLUMNS}))


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as its runner sees it; `room` is how many orders may be placed now."""

    number: int
    owner: str
    name: str
    state: str
    order: CreateOrder
    room: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row that has no order yet."""

    number: int
    eid: str
    iccid: str
    profile_type: str


def order_id(batch: int, number: int) -> str:
    """Name of the order of a row: the same whenever it is asked for."""
    return f"{ORDER_PREFIX}{batch}-{number}"


# -- making ---------------------------------------------------------------------------------------------------


def open_batch(tx: Tx, wanted: OpenBatch, asked_by: str) -> Row[tuple[object, ...]]:
    """Begin a batch, or find it; Refused when the name stands for something else."""
    found = find(tx.connection, wanted.owner, wanted.name)
    request = msgspec.json.encode(wanted.order).decode()
    if found is not None:
        if (found.source, found.request) != (wanted.source, request):
            sentence = f"there is a batch {wanted.name!r} of other rows or orders; choose another name"
            raise Refused(*codes.PROVIDER_ERROR, sentence, identifier=wanted.name)
        return found
    counts = dict.fromkeys(("rows", WAITING, RUNNING, DONE, FAILED, REFUSED, CANCELLED), 0)
    tx.connection.execute(
        insert(order_batch).values(
            owner=wanted.owner,
            name=wanted.name,
            source=wanted.source,
            request=request,
            state=FILLING,
            reason="",
            in_flight=wanted.in_flight,
            last_eid="",
            created=tx.now,
            updated=tx.now,
            profile_type=wanted.order.profile_type,
            asked_by=asked_by,
            **counts,
        )
    )
    return require(tx.connection, wanted.owner, wanted.name)


def fill(tx: Tx, batch: Row[tuple[object, ...]], first: int, rows: Sequence[BatchRow]) -> None:
    """Append rows, and leave those that are there; Refused when some before them are missing."""
    if batch.state != FILLING:
        raise Refused(*codes.PROVIDER_ERROR, f"the batch is {batch.state}", identifier=batch.name)
    if first > batch.rows:
        raise Refused(*codes.PROVIDER_ERROR, f"row {batch.rows} is missing", identifier=batch.name)
    new = rows[batch.rows - first :]
    if not new:
        return
    values = [
        (batch.number, batch.rows + at, row.eid, row.iccid, row.profile_type, WAITING, "", "")
        for at, row in enumerate(new)
    ]
    _INSERT.batch(tx.connection, _COLUMNS, values)
    c = order_batch.c
    counts = {"rows": c.rows + len(new), "waiting": c.waiting + len(new), "last_eid": new[-1].eid}
    _change(tx, batch.number, **counts)


def set_state(tx: Tx, batch: int, state: str, reason: str = "") -> None:
    """Start, pause, resume or cancel; one without anything left to do is done at once."""
    _change(tx, batch, state=state, reason=reason[:MAX_DETAIL])
    _close(tx, batch)


def set_in_flight(tx: Tx, batch: int, count: int) -> None:
    """Another number of orders at once."""
    _change(tx, batch, in_flight=count)


# -- working it off -------------------------------------------------------------------------------------------


def to_do(connection: Connection) -> list[Batch]:
    """Batches that a runner has something to do for."""
    c = order_batch.c
    statement = select(order_batch).where(c.state.in_((RUNNING, CANCELLING))).order_by(c.number)
    return [
        Batch(
            number=row.number,
            owner=row.owner,
            name=row.name,
            state=row.state,
            order=msgspec.json.decode(row.request, type=CreateOrder),
            room=max(0, row.in_flight - row.running) if row.waiting else 0,
        )
        for row in connection.execute(statement)
    ]


def waiting_rows(connection: Connection, batch: int, limit: int) -> list[Waiting]:
    """The next rows without an order."""
    r = order_batch_row.c
    statement = (
        select(r.number, r.eid, r.iccid, r.profile_type)
        .where(r.batch == batch, r.state == WAITING)
        .order_by(r.number)
        .limit(limit)
    )
    return [Waiting(*row) for row in connection.execute(statement)]


def running_orders(connection: Connection, batch: int, after: int, limit: int) -> list[tuple[int, str]]:
    """Rows whose orders run, behind number `after`, with the orders' names."""
    r = order_batch_row.c
    statement = (
        select(r.number, r.order_id)
        .where(r.batch == batch, r.state == RUNNING, r.number > after)
        .order_by(r.number)
        .limit(limit)
    )
    return [(row.number, row.order_id) for row in connection.execute(statement)]


def claim(tx: Tx, batch: int, number: int) -> None:
    """The order of a row is made in this transaction; Refused when it must not be made any more."""
    state = tx.connection.execute(select(order_batch.c.state).where(order_batch.c.number == batch)).scalar_one()
    moved = state == RUNNING and _move(tx, batch, number, WAITING, RUNNING, order_id(batch, number))
    if not moved:
        raise Refused(*codes.PROVIDER_ERROR, "the batch has been stopped meanwhile")


def refuse(tx: Tx, batch: int, number: int, detail: str) -> None:
    """The order of a row cannot be made."""
    if _move(tx, batch, number, WAITING, REFUSED, "", detail):
        _close(tx, batch)


def cancel_waiting(tx: Tx, batch: int, limit: int) -> bool:
    """Take some rows that wait out of a batch; False when there were none."""
    numbers = [row.number for row in waiting_rows(tx.connection, batch, limit)]
    if numbers:
        r = order_batch_row.c
        tx.connection.execute(
            update(order_batch_row)
            .where(r.batch == batch, r.number.between(numbers[0], numbers[-1]), r.state == WAITING)
            .values(state=CANCELLED)
        )
        c = order_batch.c
        _change(tx, batch, waiting=c.waiting - len(numbers), cancelled=c.cancelled + len(numbers))
    _close(tx, batch)
    return bool(numbers)


def ended(tx: Tx, order: str, status: ExecutionStatus) -> bool:
    """The order has ended; False when it is of no batch."""
    if not order.startswith(ORDER_PREFIX):
        return False
    r = order_batch_row.c
    row = tx.connection.execute(select(r.batch, r.number).where(r.order_id == order)).first()
    if row is None:
        return False
    outcome = DONE if status.ok else FAILED
    detail = "" if status.status == "EXECUTED_SUCCESS" else f"{status.code} {status.message}".strip()
    if _move(tx, row.batch, row.number, RUNNING, outcome, order, detail):
        _close(tx, row.batch)
    return True


def reopened(tx: Tx, order: str) -> None:
    """A failed order is tried again: its row runs once more, and with it a batch that had ended."""
    if not order.startswith(ORDER_PREFIX):
        return
    r = order_batch_row.c
    row = tx.connection.execute(select(r.batch, r.number).where(r.order_id == order)).first()
    if row is not None and _move(tx, row.batch, row.number, FAILED, RUNNING, order):
        c = order_batch.c
        again = update(order_batch).where(c.number == row.batch, c.state == DONE)
        tx.connection.execute(again.values(state=RUNNING))


def _move(tx: Tx, batch: int, number: int, old: str, new: str, order: str, detail: str = "") -> bool:
    r, c = order_batch_row.c, order_batch.c
    moved = tx.connection.execute(
        update(order_batch_row)
        .where(r.batch == batch, r.number == number, r.state == old)
        .values(state=new, order_id=order, detail=detail[:MAX_DETAIL])
    ).rowcount
    if moved == 1:
        _change(tx, batch, **{old: c[old] - 1, new: c[new] + 1})
    return moved == 1


def _close(tx: Tx, batch: int) -> None:
    """A batch without rows that wait or run has ended."""
    c = order_batch.c
    over = update(order_batch).where(c.number == batch, c.waiting == 0, c.running == 0)
    tx.connection.execute(over.where(c.state == CANCELLING).values(state=CANCELLED, updated=tx.now))
    tx.connection.execute(over.where(c.state.in_((RUNNING, PAUSED))).values(state=DONE, updated=tx.now))


def _change(tx: Tx, batch: int, **values: object) -> None:
    tx.connection.execute(
        update(order_batch).where(order_batch.c.number == batch).values(updated=tx.now, **values)
    )


# -- looking --------------------------------------------------------------------------------------------------


def find(connection: Connection, owner: str, name: str) -> Row[tuple[object, ...]] | None:
    """Row of a batch."""
    c = order_batch.c
    return connection.execute(select(order_batch).where(c.owner == owner, c.name == name)).first()


def require(connection: Connection, owner: str, name: str) -> Row[tuple[object, ...]]:
    """Row of a batch. Raises Refused."""
    row = find(connection, owner, name)
    if row is None:
        raise Refused(*codes.PROVIDER_ERROR, f"there is no batch {name}", identifier=name)
    return row


def order_of(row: Row[tuple[object, ...]]) -> CreateOrder:
    """What every order of a batch says."""
    return msgspec.json.decode(row.request, type=CreateOrder)


def state_of(connection: Connection, batch: int) -> str:
    """State of a batch."""
    return str(connection.execute(select(order_batch.c.state).where(order_batch.c.number == batch)).scalar_one())


def view(row: Row[tuple[object, ...]]) -> BatchView:
    """A batch as others see it."""
    return BatchView(**{name: getattr(row, name) for name in BatchView.__struct_fields__})


def page(connection: Connection, asked: ListBatches, limit: int) -> tuple[BatchView, ...]:
    """Batches of an owner, the newest first. Raises Refused when `after` is none of them."""
    c = order_batch.c
    statement = select(order_batch).where(c.owner == asked.owner).order_by(c.number.desc()).limit(limit)
    for name in ("state", "profile_type", "asked_by"):
        if wanted := getattr(asked, name):
            statement = statement.where(c[name] == wanted)
    if asked.kind:
        filtered = c.source.startswith(FILTER, autoescape=True)
        statement = statement.where(filtered if asked.kind == FILTERED else ~filtered)
    if asked.since:
        statement = statement.where(c.created >= asked.since)
    if asked.until:
        statement = statement.where(c.created < asked.until)
    if asked.after:
        last = find(connection, asked.owner, asked.after)
        if last is None:
            raise Refused(*codes.FORMAT_INVALID, "after: no such batch", identifier=asked.after)
        statement = statement.where(c.number < last.number)
    return tuple(view(row) for row in connection.execute(statement))


def rows(connection: Connection, asked: ListBatchRows, limit: int) -> tuple[BatchRowView, ...]:
    """Rows of a batch in their order. Raises Refused."""
    batch = require(connection, asked.owner, asked.name)
    r = order_batch_row.c
    statement = select(r.number, r.eid, r.iccid, r.profile_type, r.state, r.order_id, r.detail).where(
        r.batch == batch.number, r.number > asked.after
    )
    if asked.state:
        statement = statement.where(r.state == asked.state)
    found = connection.execute(statement.order_by(r.number).limit(limit))
    return tuple(BatchRowView(*row) for row in found)
