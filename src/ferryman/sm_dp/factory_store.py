"""Templates, subscriptions and orders; every query takes the owner and runs in the caller's transaction."""

from __future__ import annotations

import hashlib

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from ferryman.contracts import codes
from ferryman.contracts.admin import CreateOrder, OrderStep, OrderView
from ferryman.contracts.crypto import SubscriptionPublic
from ferryman.contracts.status import ExecutionStatus
from ferryman.errors import Refused
from ferryman.platform.mailbox import Tx
from ferryman.sm_dp.records import FinishOrder, Package, Progress, StorePackage
from ferryman.sm_dp.schema import package, profile_order, subscription, template

FREE, ORDERED, INSTALLED = "free", "ordered", "installed"
RUNNING, DONE = "running", "done"

_TEMPLATE = select(template).where(template.c.owner == bindparam("owner"), template.c.name == bindparam("name"))
_SUBSCRIPTION = select(subscription).where(
    subscription.c.owner == bindparam("owner"), subscription.c.iccid == bindparam("iccid")
)
_ORDER = select(profile_order).where(
    profile_order.c.owner == bindparam("owner"), profile_order.c.order_id == bindparam("order_id")
)
_STEPS = msgspec.json.Decoder(tuple[OrderStep, ...])


# -- templates ------------------------------------------------------------------------------------------------


def put_template(tx: Tx, owner: str, name: str, fingerprint: str, compiled: bytes, size: int) -> bool:
    """Store a template; False when the same one is there already. Another one under the name is refused."""
    known = tx.connection.execute(_TEMPLATE, {"owner": owner, "name": name}).first()
    if known is not None:
        if known.fingerprint != fingerprint:
            sentence = f"profile type {name!r} exists with other contents; choose another name"
            raise Refused(*codes.PROFILE_TYPE_IN_USE, sentence, identifier=name)
        return False
    tx.connection.execute(
        insert(template).values(
            owner=owner, name=name, fingerprint=fingerprint, compiled=compiled, size=size, created=tx.now
        )
    )
    return True


def get_template(connection: Connection, owner: str, name: str) -> Row[tuple[object, ...]] | None:
    """Row of a template of this owner."""
    return connection.execute(_TEMPLATE, {"owner": owner, "name": name}).first()


# -- subscriptions --------------------------------------------------------------------------------------------


def new_subscriptions(
    connection: Connection, owner: str, profile_type: str, rows: tuple[SubscriptionPublic, ...]
) -> list[SubscriptionPublic]:
    """Those of the rows that are not there yet; raises Refused when one of them cannot be taken."""
    if get_template(connection, owner, profile_type) is None:
        sentence = f"no profile type {profile_type!r}; import its template first"
        raise Refused(*codes.PROFILE_TYPE_UNKNOWN, sentence, identifier=profile_type)
    new: list[SubscriptionPublic] = []
    iccids: set[str] = set()
    imsis: set[str] = set()
    for row in rows:
        if row.iccid in iccids or row.imsi in imsis:
            raise Refused(*codes.ICCID_IN_USE, "ICCID or IMSI stands twice in the import", identifier=row.iccid)
        iccids.add(row.iccid)
        imsis.add(row.imsi)
        if not _known(connection, owner, profile_type, row):
            new.append(row)
    return new


def _known(connection: Connection, owner: str, profile_type: str, row: SubscriptionPublic) -> bool:
    known = connection.execute(select(subscription).where(subscription.c.iccid == row.iccid)).first()
    if known is None:
        taken = select(subscription.c.iccid).where(subscription.c.owner == owner, subscription.c.imsi == row.imsi)
        if connection.execute(taken).first() is not None:
            raise Refused(*codes.ICCID_IN_USE, "the IMSI of this ICCID belongs to another", identifier=row.iccid)
        return False
    values = (known.owner, known.profile_type, known.imsi, known.msisdn)
    if values != (owner, profile_type, row.imsi, row.msisdn):
        raise Refused(*codes.ICCID_IN_USE, "the ICCID was imported before with other values", identifier=row.iccid)
    return True


def put_subscriptions(
    tx: Tx, owner: str, profile_type: str, rows: tuple[SubscriptionPublic, ...]
) -> tuple[int, int]:
    """Store subscriptions, all or none: how many are new, how many were there, the same."""
    new = new_subscriptions(tx.connection, owner, profile_type, rows)
    for row in new:
        tx.connection.execute(
            insert(subscription).values(
                iccid=row.iccid,
                owner=owner,
                profile_type=profile_type,
                imsi=row.imsi,
                msisdn=row.msisdn,
                state=FREE,
                order_id="",
                created=tx.now,
            )
        )
    return len(new), len(rows) - len(new)


def reserve(tx: Tx, order: CreateOrder, order_id: str) -> Row[tuple[object, ...]]:
    """Take the subscription of an order: the one named, or the next free one of the profile type."""
    if order.iccid:
        row = tx.connection.execute(_SUBSCRIPTION, {"owner": order.owner, "iccid": order.iccid}).first()
        if row is None:
            sentence = "no subscription with this ICCID; import it first"
            raise Refused(*codes.ICCID_UNKNOWN, sentence, identifier=order.iccid)
        if row.state != FREE:
            sentence = f"the subscription is {row.state} (order {row.order_id})"
            raise Refused(*codes.ICCID_NOT_ALLOWED, sentence, identifier=order.iccid)
    else:
        free = (
            select(subscription)
            .where(
                subscription.c.owner == order.owner,
                subscription.c.profile_type == order.profile_type,
                subscription.c.state == FREE,
            )
            .order_by(subscription.c.iccid)
            .limit(1)
        )
        row = tx.connection.execute(free).first()
        if row is None:
            sentence = f"no free subscription of profile type {order.profile_type!r}"
            raise Refused(*codes.PROFILE_TYPE_UNKNOWN, sentence, identifier=order.profile_type)
    taken = tx.connection.execute(
        update(subscription)
        .where(subscription.c.iccid == row.iccid, subscription.c.state == FREE)
        .values(state=ORDERED, order_id=order_id)
    )
    if taken.rowcount != 1:
        raise Refused(*codes.ICCID_NOT_ALLOWED, "the subscription was taken meanwhile", identifier=row.iccid)
    return row


# -- orders ---------------------------------------------------------------------------------------------------


def put_order(tx: Tx, order: CreateOrder, order_id: str, iccid: str, profile_type: str) -> None:
    """Record an order."""
    steps = msgspec.json.encode((OrderStep("ordered", tx.now),))
    tx.connection.execute(
        insert(profile_order).values(
            order_id=order_id,
            owner=order.owner,
            eid=order.eid,
            iccid=iccid,
            profile_type=profile_type,
            enable=order.enable,
            state=RUNNING,
            step="ordered",
            steps=steps,
            status=b"",
            isdp_aid="",
            profile_bytes=0,
            pe_statuses="[]",
            created=tx.now,
        )
    )


def get_order(connection: Connection, owner: str, order_id: str) -> OrderView | None:
    """An order of this owner."""
    row = connection.execute(_ORDER, {"owner": owner, "order_id": order_id}).first()
    return _view(row) if row is not None else None


def list_orders(connection: Connection, owner: str) -> tuple[OrderView, ...]:
    """The owner's orders, oldest first."""
    statement = select(profile_order).where(profile_order.c.owner == owner)
    return tuple(_view(row) for row in connection.execute(statement.order_by(profile_order.c.created)))


def installed_on(connection: Connection, eid: str) -> frozenset[str]:
    """ICCIDs whose profile we have installed on a card."""
    statement = select(profile_order.c.iccid).where(profile_order.c.eid == eid, profile_order.c.isdp_aid != "")
    return frozenset(connection.execute(statement).scalars())


def count_orders(connection: Connection) -> int:
    """How many orders run."""
    statement = select(func.count()).select_from(profile_order).where(profile_order.c.state == RUNNING)
    return connection.execute(statement).scalar_one()


def _view(row: Row[tuple[object, ...]]) -> OrderView:
    return OrderView(
        order_id=row.order_id,
        eid=row.eid,
        iccid=row.iccid,
        profile_type=row.profile_type,
        enable=row.enable,
        state=row.state,
        step=row.step,
        steps=_STEPS.decode(row.steps),
        status=msgspec.json.decode(row.status, type=ExecutionStatus) if row.status else None,
        isdp_aid=row.isdp_aid,
        profile_bytes=row.profile_bytes,
        pe_statuses=msgspec.json.decode(row.pe_statuses, type=tuple[str, ...]),
    )


def apply(tx: Tx, _eid: str, change: Progress | StorePackage | FinishOrder) -> None:
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
                )
            )
            tx.connection.execute(
                update(profile_order)
                .where(profile_order.c.order_id == change.order_id)
                .values(profile_bytes=change.profile_bytes)
            )
        case FinishOrder():
            _finish(tx, change)


def _progress(tx: Tx, order_id: str, step: str) -> None:
    where = profile_order.c.order_id == order_id
    steps = _STEPS.decode(tx.connection.execute(select(profile_order.c.steps).where(where)).scalar_one())
    steps = (*steps, OrderStep(step, tx.now))
    tx.connection.execute(update(profile_order).where(where).values(step=step, steps=msgspec.json.encode(steps)))


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
    tx.connection.execute(
        update(subscription)
        .where(subscription.c.iccid == change.iccid, subscription.c.order_id == change.order_id)
        .values(
            state=INSTALLED if change.installed else FREE, order_id=change.order_id if change.installed else ""
        )
    )


def get_package(connection: Connection, order_id: str) -> Package | None:
    """The protected package of a running order."""
    row = connection.execute(select(package).where(package.c.order_id == order_id)).first()
    if row is None:
        return None
    segments = msgspec.json.decode(row.segments, type=tuple[bytes, ...])
    return Package(bytes(row.external_authenticate), segments)


def fingerprint_of(der: bytes, algorithm: str) -> str:
    """What tells whether two imports are of the same template."""
    return hashlib.sha256(algorithm.encode() + b"\0" + der).hexdigest()
