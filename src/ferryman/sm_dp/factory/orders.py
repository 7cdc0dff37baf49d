"""Orders with their steps and results; every query takes the owner and runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, insert, select, tuple_, update

from ferryman.contracts import codes
from ferryman.contracts.crypto import PackageElement
from ferryman.contracts.orders import CreateOrder, ListOrders, OrderStep, OrderView
from ferryman.contracts.status import ExecutionStatus
from ferryman.errors import Refused
from ferryman.platform.mailbox import Tx
from ferryman.platform.prepared import Prepared
from ferryman.sm_dp.factory import batches, stock
from ferryman.sm_dp.records import (
    Change,
    FinishOrder,
    KeepHandedKeys,
    Package,
    ProfileGone,
    Progress,
    StorePackage,
)
from ferryman.sm_dp.schema import package, profile_order, subscription

RUNNING, DONE = "running", "done"

_SHOWN = (
    *("order_id", "eid", "iccid", "profile_type", "enable", "state", "step", "steps", "status", "isdp_aid"),
    *("profile_bytes", "pe_statuses", "attempt", "handed_keys", "hold", "hold_until"),
)
_VIEW = select(*(profile_order.c[name] for name in _SHOWN))
_MINE = (profile_order.c.owner == bindparam("owner"), profile_order.c.order_id == bindparam("order_id"))
_ORDER = Prepared(lambda _: _VIEW.where(*_MINE))
_PLACED = (*_SHOWN[:-2], "owner", "created", "request")
_PLACE = Prepared(lambda _: insert(profile_order).values({name: bindparam(name) for name in _PLACED}))
_REQUEST = Prepared(lambda _: select(profile_order.c.request).where(*_MINE))
_STATUSES = msgspec.json.Decoder(tuple[str, ...])
_STEPS = msgspec.json.Decoder(tuple[OrderStep, ...])
_THIS = profile_order.c.order_id == bindparam("of")
_STEPS_OF = Prepared(lambda _: select(profile_order.c.steps).where(_THIS))
_STEPPED = Prepared(
    lambda _: update(profile_order).where(_THIS).values(step=bindparam("to_step"), steps=bindparam("to_steps"))
)


def put_order(tx: Tx, order: CreateOrder, order_id: str, iccid: str, profile_type: str) -> None:
    """Record an order."""
    steps = msgspec.json.encode((OrderStep("ordered", tx.now),))
    _PLACE.count(
        tx.session,
        {
            "order_id": order_id,
            "owner": order.owner,
            "eid": order.eid,
            "iccid": iccid,
            "profile_type": profile_type,
            "enable": order.enable,
            "state": RUNNING,
            "step": "ordered",
            "steps": steps,
            "status": b"",
            "isdp_aid": "",
            "profile_bytes": 0,
            "pe_statuses": "[]",
            "created": tx.now,
            "request": msgspec.json.encode(order).decode(),
            "attempt": 1,
            "handed_keys": "",
        },
    )


def reopen(tx: Tx, owner: str, order_id: str) -> tuple[CreateOrder, int, stock.Subscription]:
    """Take a failed order up again: what was asked for, number of the attempt, the subscription, reserved anew."""
    named = {"owner": owner, "order_id": order_id}
    row, request = _ORDER.row(tx.session, named), _REQUEST.row(tx.session, named)
    if row is None or request is None:
        raise Refused(*codes.ICCID_UNKNOWN, f"there is no order {order_id}", identifier=order_id)
    view = _view(row)
    if view.state != DONE or view.status is None or view.status.ok:
        raise Refused(
            *codes.ICCID_NOT_ALLOWED, "only an order that has failed can be tried again", identifier=order_id
        )
    if not request[0]:
        raise Refused(
            *codes.ICCID_NOT_ALLOWED, "the order is of an older version; place a new one", identifier=order_id
        )
    taken = stock.reserve(tx, owner, iccid=view.iccid, profile_type="", order_id=order_id)
    tx.connection.execute(
        update(profile_order)
        .where(profile_order.c.order_id == order_id)
        .values(state=RUNNING, status=b"", pe_statuses="[]", attempt=view.attempt + 1)
    )
    _progress(tx, order_id, "tried again")
    batches.reopened(tx, order_id)
    return msgspec.json.decode(request[0], type=CreateOrder), view.attempt + 1, taken


def get_order(connection: Connection, owner: str, order_id: str) -> OrderView | None:
    """An order of this owner."""
    row = _ORDER.row(connection, {"owner": owner, "order_id": order_id})
    return _view(row) if row is not None else None


def list_orders(connection: Connection, asked: ListOrders) -> tuple[OrderView, ...]:
    """The owner's orders, oldest first; raises Refused when `after` is none of them."""
    created, name = profile_order.c.created, profile_order.c.order_id
    statement = _VIEW.where(profile_order.c.owner == asked.owner).order_by(created, name)
    if asked.eid:
        statement = statement.where(profile_order.c.eid == asked.eid)
    if asked.state:
        statement = statement.where(profile_order.c.state == asked.state)
    if asked.limit > 0:
        statement = statement.limit(asked.limit)
    if asked.after:
        last = select(created).where(profile_order.c.owner == asked.owner, name == asked.after)
        at = connection.execute(last).scalar()
        if at is None:
            raise Refused(*codes.FORMAT_INVALID, "after: no such order", identifier=asked.after)
        statement = statement.where(tuple_(created, name) > (at, asked.after))
    return tuple(_view(row) for row in connection.execute(statement))


def installed_on(connection: Connection, eid: str) -> frozenset[str]:
    """ICCIDs whose profile we have installed on a card."""
    statement = select(profile_order.c.iccid).where(profile_order.c.eid == eid, profile_order.c.isdp_aid != "")
    return frozenset(connection.execute(statement).scalars())


def is_elsewhere(connection: Connection, owner: str, iccid: str, eid: str) -> bool:
    """Whether this owner's profile is installed, by an order of ours, on another card than this one."""
    placed = select(profile_order.c.order_id).where(
        profile_order.c.order_id == subscription.c.order_id,
        profile_order.c.owner == owner,
        profile_order.c.eid != eid,
        profile_order.c.isdp_aid != "",
    )
    found = select(subscription.c.iccid).where(
        subscription.c.iccid == iccid, subscription.c.owner == owner, placed.exists()
    )
    return connection.execute(found).first() is not None


def count_orders(connection: Connection) -> int:
    """How many orders run."""
    statement = select(func.count()).select_from(profile_order).where(profile_order.c.state == RUNNING)
    return connection.execute(statement).scalar_one()


def _view(row: Sequence[Any]) -> OrderView:
    """An order from its columns in the order of `_SHOWN`."""
    order_id, eid, iccid, profile_type, enable, state, step, steps, status, isdp_aid, *more = row
    profile_bytes, pe_statuses, attempt, handed_keys, hold, hold_until = more
    return OrderView(
        order_id=order_id,
        eid=eid,
        iccid=iccid,
        profile_type=profile_type,
        enable=bool(enable),
        state=state,
        step=step,
        steps=_STEPS.decode(steps),
        status=msgspec.json.decode(status, type=ExecutionStatus) if status else None,
        isdp_aid=isdp_aid,
        profile_bytes=profile_bytes,
        pe_statuses=_STATUSES.decode(pe_statuses),
        attempt=attempt,
        handed_keys=bytes.fromhex(handed_keys),
        hold=hold,
        hold_until=hold_until,
    )


def apply(tx: Tx, _eid: str, change: Change) -> None:
    """Write one change of a procedure."""
    match change:
        case Progress(order_id, step):
            _progress(tx, order_id, step)
        case StorePackage():
            tx.connection.execute(delete(package).where(package.c.order_id == change.order_id))
            tx.connection.execute(
                insert(package).values(
                    order_id=change.order_id,
                    external_authenticate=change.package.external_authenticate,
                    segments=msgspec.json.encode(change.package.segments),
                    elements=msgspec.json.encode(change.package.elements),
                )
            )
            tx.connection.execute(
                update(profile_order)
                .where(profile_order.c.order_id == change.order_id)
                .values(profile_bytes=change.profile_bytes)
            )
        case FinishOrder():
            _finish(tx, change)
        case KeepHandedKeys(order_id, sealed):
            where = profile_order.c.order_id == order_id
            tx.connection.execute(update(profile_order).where(where).values(handed_keys=sealed.hex()))
        case ProfileGone(eid, iccid):
            table = profile_order
            gone = (table.c.eid == eid, table.c.iccid == iccid, table.c.isdp_aid != "")
            tx.connection.execute(update(table).where(*gone).values(isdp_aid=""))


def _progress(tx: Tx, order_id: str, step: str) -> None:
    found = _STEPS_OF.row(tx.session, {"of": order_id})
    if found is None:
        raise LookupError(f"no order {order_id}")
    steps = (*_STEPS.decode(found[0]), OrderStep(step, tx.now))
    _STEPPED.count(tx.session, {"of": order_id, "to_step": step, "to_steps": msgspec.json.encode(steps)})


def _finish(tx: Tx, change: FinishOrder) -> None:
    _progress(tx, change.order_id, "done" if change.status.ok else "failed")
    tx.connection.execute(
        update(profile_order)
        .where(profile_order.c.order_id == change.order_id)
        .values(
            state=DONE,
            status=msgspec.json.encode(change.status),
            isdp_aid=change.isdp_aid.hex().upper(),
            pe_statuses=msgspec.json.encode(change.pe_statuses).decode(),
        )
    )
    # The protected package is of no more use: a new session would need a new one (SGP.02 3.1.3).
    tx.connection.execute(delete(package).where(package.c.order_id == change.order_id))
    if change.installed:
        stock.use_up(tx, change.iccid, change.order_id)
    else:
        stock.release(tx, change.iccid, change.order_id)
    batches.ended(tx, change.order_id, change.status)


def get_package(connection: Connection, order_id: str) -> Package | None:
    """The protected package of a running order."""
    row = connection.execute(select(package).where(package.c.order_id == order_id)).first()
    if row is None:
        return None
    segments = msgspec.json.decode(row.segments, type=tuple[bytes, ...])
    elements = msgspec.json.decode(row.elements or b"[]", type=tuple[PackageElement, ...])
    return Package(bytes(row.external_authenticate), segments, elements)
