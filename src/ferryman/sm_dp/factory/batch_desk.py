"""What an operator's tools ask of batches of orders."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from sqlalchemy import Row

from ferryman.codec.ids import EID, ICCID
from ferryman.contracts import batches as calls
from ferryman.contracts import codes
from ferryman.contracts.message import Body, Header
from ferryman.contracts.orders import CreateOrder
from ferryman.errors import InputError, PeerError, Refused
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.sm_dp.factory import batches, templates

MAX_FILL = 5_000  # rows in one call
MAX_PAGE = 1_000  # batches or rows in one answer
MAX_IN_FLIGHT = 10_000  # orders at once: each has timers in memory, and a place at the SM-SR
ANY_EID = "89033023000000000000000000000172"  # stands for those of the rows while the order is looked at
MAX_NAME, MAX_SOURCE, MAX_ASKED_BY = 100, 300, 40  # characters, as the columns

type CheckOrder = Callable[[CreateOrder], None]  # raises InputError

# action -> states in which it may be asked, and the state that follows
ACTIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "start": ((calls.FILLING,), calls.RUNNING),
    "pause": ((calls.RUNNING,), calls.PAUSED),
    "resume": ((calls.PAUSED,), calls.RUNNING),
    "cancel": ((calls.FILLING, calls.RUNNING, calls.PAUSED), calls.CANCELLING),
}


class BatchDesk:
    """Answers one call each; `check` is that of a single order."""

    def __init__(self, mailbox: Mailbox, *, check: CheckOrder, wake: Callable[[], None]) -> None:
        self._mailbox = mailbox
        self._check = check
        self._wake = wake

    async def answer(self, header: Header, body: Body) -> Body | None:
        """The answer to a call about batches; None for any other call."""
        read, transact = self._mailbox.store.read, self._mailbox.transact
        match body:
            case calls.OpenBatch():
                self._check_batch(body)
                return await transact(lambda tx: _open(tx, header, body))
            case calls.FillBatch():
                _check_rows(body)
                return await transact(lambda tx: _fill(tx, body), long=True)
            case calls.ChangeBatch():
                return await transact(lambda tx: self._change(tx, header, body))
            case calls.ShowBatch():
                return await read(lambda c: batches.view(batches.require(c, body.owner, body.name)))
            case calls.ListBatches():
                _check_filters(body)
                limit = min(max(body.limit, 1), MAX_PAGE)
                return calls.BatchPage(batches=await read(lambda c: batches.page(c, body, limit)))
            case calls.ListBatchRows():
                limit = min(max(body.limit, 1), MAX_PAGE)
                return calls.BatchRowPage(rows=await read(lambda c: batches.rows(c, body, limit)))
            case _:
                return None

    def _check_batch(self, body: calls.OpenBatch) -> None:
        if not 1 <= len(body.name) <= MAX_NAME or not body.name.isprintable():
            raise InputError("name", f"must have 1 to {MAX_NAME} printable characters")
        if not 1 <= len(body.source) <= MAX_SOURCE:
            raise InputError("source", f"must have 1 to {MAX_SOURCE} characters")
        if len(body.asked_by) > MAX_ASKED_BY:
            raise InputError("asked_by", f"must have at most {MAX_ASKED_BY} characters")
        _check_in_flight(body.in_flight)
        order = body.order
        if order.eid or order.iccid:
            raise InputError("order", "names no eUICC and no ICCID: the rows do")
        if order.owner != body.owner:
            raise InputError("order", "must be of the owner of the batch")
        # All that the orders say but where they go: looked at now, once, instead of at every row.
        self._check(msgspec.structs.replace(order, eid=ANY_EID, iccid="", profile_type=order.profile_type or "-"))

    def _change(self, tx: Tx, header: Header, body: calls.ChangeBatch) -> calls.BatchView:
        batch = batches.require(tx.connection, body.owner, body.name)
        if body.action == "limit":
            _check_in_flight(body.in_flight)
            batches.set_in_flight(tx, batch.number, body.in_flight)
        elif body.action not in ACTIONS:
            raise InputError("action", f"must be one of {', '.join((*ACTIONS, 'limit'))}")
        else:
            self._move(tx, batch, body)
        tx.audit(actor=header.requester, action="Batch", object=body.name, outcome=body.action)
        tx.then(self._wake)
        return batches.view(batches.require(tx.connection, body.owner, body.name))

    def _move(self, tx: Tx, batch: Row[tuple[object, ...]], body: calls.ChangeBatch) -> None:
        states, following = ACTIONS[body.action]
        if batch.state not in states:
            if batch.state == following:
                return  # said again
            raise Refused(*codes.PROVIDER_ERROR, f"the batch is {batch.state}", identifier=body.name)
        batches.set_state(tx, batch.number, following)


def _open(tx: Tx, header: Header, body: calls.OpenBatch) -> calls.BatchView:
    if body.order.profile_type:
        templates.require_template(tx.connection, body.owner, body.order.profile_type)
    return batches.view(batches.open_batch(tx, body, body.asked_by or header.sender))


def _fill(tx: Tx, body: calls.FillBatch) -> calls.BatchView:
    batch = batches.require(tx.connection, body.owner, body.name)
    wanted = batches.order_of(batch)
    for at, row in enumerate(body.rows):
        if not row.iccid and not row.profile_type and not wanted.profile_type:
            raise InputError(
                f"row {body.first + at}", "has neither ICCID nor profile type, and the batch has none"
            )
    batches.fill(tx, batch, body.first, body.rows)
    return batches.view(batches.require(tx.connection, body.owner, body.name))


def _check_filters(body: calls.ListBatches) -> None:
    if body.state and body.state not in calls.STATES:
        raise InputError("state", f"must be one of {', '.join(calls.STATES)}")
    if body.kind not in ("", calls.ROWS, calls.FILTERED):
        raise InputError("kind", f"must be {calls.ROWS} or {calls.FILTERED}")
    if body.until and body.until < body.since:
        raise InputError("until", "must not be before since")


def _check_rows(body: calls.FillBatch) -> None:
    if not 1 <= len(body.rows) <= MAX_FILL:
        raise InputError("rows", f"must be 1 to {MAX_FILL} in one call")
    if body.first < 0:
        raise InputError("first", "must be 0 or more")
    for at, row in enumerate(body.rows):
        place = f"row {body.first + at}"
        try:
            if not EID.parse(row.eid).check_digits_ok:
                raise InputError(place, "the check digits of the EID are wrong")
            if row.iccid:
                ICCID.parse(row.iccid)
        except PeerError as problem:
            raise InputError(place, str(problem)) from None


def _check_in_flight(count: int) -> None:
    if not 1 <= count <= MAX_IN_FLIGHT:
        raise InputError("in_flight", f"must be between 1 and {MAX_IN_FLIGHT}")
