"""Tells the REST API of each step of an order, in the transaction that makes the step."""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import bindparam, select

from ferryman.contracts.events import EventKind, Happened
from ferryman.contracts.message import Header
from ferryman.contracts.orders import OrderStep
from ferryman.contracts.roles import REST_API, SM_DP
from ferryman.contracts.status import ExecutionStatus
from ferryman.platform.mailbox import Tx
from ferryman.platform.prepared import Prepared
from ferryman.sm_dp.schema import profile_order

EVENT_SECONDS: Final = 30 * 86_400.0  # that an event is worth telling, as a notification
_ENDS = {"done": EventKind.ORDER_DONE, "failed": EventKind.ORDER_FAILED}
_STEPS = msgspec.json.Decoder(tuple[OrderStep, ...])
_ORDER = Prepared(
    lambda _: select(
        profile_order.c.owner, profile_order.c.eid, profile_order.c.iccid, profile_order.c.steps
    ).where(profile_order.c.order_id == bindparam("of"))
)


def announce(tx: Tx, order_id: str, smdp_id: str, status: ExecutionStatus | None = None) -> None:
    """Tell of the last step that an order has come to; `status` with its end."""
    row = _ORDER.row(tx.session, {"of": order_id})
    if row is None:
        raise LookupError(f"no order {order_id}")
    owner, eid, iccid, kept = row
    steps = _STEPS.decode(kept)
    header = Header(
        # With its time: after a restored copy the order comes to its steps once more, and each is news.
        message_id=f"{SM_DP}/order/{order_id}/{len(steps)}@{steps[-1].at!r}",
        sender=SM_DP,
        requester=smdp_id,
        function_call_id=order_id,
        deadline=tx.now + EVENT_SECONDS,
        eid=eid,
    )
    happened = Happened(
        kind=_ENDS.get(steps[-1].name, EventKind.ORDER_STEP),
        owner=owner,
        eid=eid,
        iccid=iccid,
        at=steps[-1].at,
        subject=order_id,
        word=steps[-1].name,
        status=status,
    )
    tx.send(REST_API, header, happened)
