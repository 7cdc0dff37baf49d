"""Orders of profile downloads: what an Operator asks for, and what becomes of it."""

from __future__ import annotations

import msgspec

from ferryman.contracts.message import Body
from ferryman.contracts.status import ExecutionStatus


class CreateOrder(Body, frozen=True, kw_only=True, tag=True):
    """ES2.DownloadProfile (SGP.02 5.3.2) as an order; `validity` in seconds.

    Either `iccid`, or `profile_type` to take the next free subscription of that type.
    """

    owner: str
    eid: str
    iccid: str = ""
    profile_type: str = ""
    enable: bool = True
    validity: float = 86_400.0


class ShowOrder(Body, frozen=True, kw_only=True, tag=True):
    """One order."""

    owner: str
    order_id: str


class ListOrders(Body, frozen=True, kw_only=True, tag=True):
    """The owner's orders, oldest first."""

    owner: str


class OrderStep(msgspec.Struct, frozen=True):
    """A step of an order that was reached at `at` (seconds since 1970)."""

    name: str
    at: float


class OrderView(Body, frozen=True, kw_only=True, tag=True):
    """State of an order: `state` is running or done; `status` the result once it is done."""

    order_id: str
    eid: str
    iccid: str
    profile_type: str
    enable: bool
    state: str
    step: str
    steps: tuple[OrderStep, ...]
    status: ExecutionStatus | None = None
    isdp_aid: str = ""
    profile_bytes: int = 0
    pe_statuses: tuple[str, ...] = ()


class OrderPage(Body, frozen=True, kw_only=True, tag=True):
    """Orders."""

    orders: tuple[OrderView, ...]
