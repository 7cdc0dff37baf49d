"""Orders of profile downloads: what an Operator asks for, and what becomes of it."""

from __future__ import annotations

import hashlib

import msgspec

from ferryman.contracts.eis import PolicyRule
from ferryman.contracts.message import Body
from ferryman.contracts.status import ExecutionStatus

KEEP, DESTROY, HAND_OVER = "keep", "destroy", "hand-over"


ID_DIGITS = 12  # of the name of an order, hexadecimal


def order_id(requester: str, function_call_id: str) -> str:
    """The name of an order follows from its call, so that a repeat finds the same order."""
    return hashlib.sha256(f"{requester}\0{function_call_id}".encode()).hexdigest()[:ID_DIGITS]


class CreateOrder(Body, frozen=True, kw_only=True, tag=True):
    """ES2.DownloadProfile (SGP.02 5.3.2) as an order; `validity` in seconds.

    Either `iccid`, or `profile_type` to take the next free subscription of that type. `pol2`, `imsi` and `msisdn`
    go to the SM-SR with the report of the download (without an address the subscription's own). `pol1` and
    `connectivity` replace those of the template, None leaves them. `keys` says what becomes of the ISD-P's SCP03
    keys behind a good download: keep, destroy, or hand-over under the transport key named `keys_under`. `hold`
    names the holds of this order (`contracts.holds`); None: those of the hook of its profile type. `delete_token`
    loads a token key into the ISD-P, so that tokens for its Master Delete can be issued. `smsr_id` is the OID of
    the SM-SR that manages the eUICC, empty for our own.
    """

    owner: str
    eid: str
    iccid: str = ""
    profile_type: str = ""
    enable: bool = True
    validity: float = 86_400.0
    pol2: tuple[PolicyRule, ...] = ()
    imsi: str = ""
    msisdn: str = ""
    pol1: bytes | None = None
    connectivity: bytes | None = None
    keys: str = KEEP
    keys_under: str = ""
    hold: tuple[str, ...] | None = None
    delete_token: bool = False
    smsr_id: str = ""


class CancelOrder(Body, frozen=True, kw_only=True, tag=True):
    """End an order that is not yet on the card; an ISD-P that was begun is deleted."""

    owner: str
    order_id: str


class RetryOrder(Body, frozen=True, kw_only=True, tag=True):
    """Begin a failed order again, with the same subscription and another validity."""

    owner: str
    order_id: str
    validity: float = 86_400.0


class IssueDeleteToken(Body, frozen=True, kw_only=True, tag=True):
    """A token for the Master Delete of the profile that an order has installed (SGP.02 3.10)."""

    owner: str
    order_id: str


class DeleteToken(Body, frozen=True, kw_only=True, tag=True):
    """The token, for one Master Delete of this profile, and what it covers (tags 42, 45, 5F20, 93)."""

    eid: str
    iccid: str
    token: bytes
    sin: bytes
    sdin: bytes
    provider: bytes
    token_id: bytes


class SetLowWater(Body, frozen=True, kw_only=True, tag=True):
    """Number of free subscriptions at which the stock of a profile type raises an alarm; 0 = never."""

    owner: str
    profile_type: str
    low_water: int


class ShowStock(Body, frozen=True, kw_only=True, tag=True):
    """Profile types of an owner with their stock."""

    owner: str


class StockView(msgspec.Struct, frozen=True):
    """Stock of one profile type; `low` when it is at its low-water mark or below."""

    profile_type: str
    free: int
    low_water: int
    low: bool


class StockPage(Body, frozen=True, kw_only=True, tag=True):
    """Stocks by profile type."""

    stocks: tuple[StockView, ...]


class ShowOrder(Body, frozen=True, kw_only=True, tag=True):
    """One order."""

    owner: str
    order_id: str


class ListOrders(Body, frozen=True, kw_only=True, tag=True):
    """The owner's orders, oldest first: all, or `limit` behind the order `after`; of one eUICC, in one state.

    An `after` that is no order of this owner is refused.
    """

    owner: str
    after: str = ""
    limit: int = 0
    eid: str = ""
    state: str = ""


class OrderStep(msgspec.Struct, frozen=True):
    """A step of an order that was reached at `at` (seconds since 1970)."""

    name: str
    at: float


class OrderView(Body, frozen=True, kw_only=True, tag=True):
    """State of an order: `state` is running or done; `status` the result once it is done.

    `hold` names the hold in which it is, until `hold_until` (s since 1970) at the latest.
    """

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
    attempt: int = 1
    handed_keys: bytes = b""  # ENC, MAC, DEK: nonce, ciphered value, tag of AES-GCM; `EID,AID` is authenticated
    hold: str = ""
    hold_until: float = 0.0


class OrderPage(Body, frozen=True, kw_only=True, tag=True):
    """Orders."""

    orders: tuple[OrderView, ...]
