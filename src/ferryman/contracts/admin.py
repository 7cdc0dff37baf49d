"""What the operator's tools ask of SM-SR and SM-DP: registration, templates, subscriptions, orders.

Carried over the call port; every request names the owner (Mno-id) it speaks for, and an object of another
owner is answered like one that does not exist.
"""

from __future__ import annotations

import msgspec

from ferryman.contracts import workflow
from ferryman.contracts.crypto import SubscriptionPublic
from ferryman.contracts.eis import EIS
from ferryman.contracts.message import Body, Codec
from ferryman.contracts.status import ExecutionStatus


class AdminRefused(Body, frozen=True, kw_only=True, tag=True):
    """Not done; `message` says what to do about it."""

    status: ExecutionStatus


class RegisterEIS(Body, frozen=True, kw_only=True, tag=True):
    """A card maker's delivery: XML with one ES1-RegisterEISRequest for each card; all or none."""

    xml: bytes


class Registered(Body, frozen=True, kw_only=True, tag=True):
    """EIDs that were new and that were there already with the same signed data."""

    new: tuple[str, ...]
    known: tuple[str, ...]


class ListEUICCs(Body, frozen=True, kw_only=True, tag=True):
    """One page of cards, by EID."""

    owner: str
    after: str = ""
    limit: int = 1000


class EUICCPage(Body, frozen=True, kw_only=True, tag=True):
    """Cards with the profiles that the owner may see."""

    euiccs: tuple[EIS, ...]


class ShowEUICC(Body, frozen=True, kw_only=True, tag=True):
    """One card."""

    owner: str
    eid: str


class ImportTemplate(Body, frozen=True, kw_only=True, tag=True):
    """A template of profile type `name`: a package (DER, value notation, YAML) or a definition with variables.

    `algorithm` is "milenage", "tuak128", "tuak256" or "as-is"; it says nothing to a definition.
    """

    owner: str
    name: str
    der: bytes
    algorithm: str = "milenage"


class TemplateImported(Body, frozen=True, kw_only=True, tag=True):
    """Size in bytes and the values that a subscription must give."""

    name: str
    size: int
    slots: tuple[str, ...]
    new: bool


class RegisterSubscriptions(Body, frozen=True, kw_only=True, tag=True):
    """Public part of subscriptions whose secrets the CryptoServer holds; all or none, or only checked."""

    owner: str
    profile_type: str
    rows: tuple[SubscriptionPublic, ...]
    check_only: bool = False


class SubscriptionsRegistered(Body, frozen=True, kw_only=True, tag=True):
    """How many were new, how many were there already, the same."""

    new: int
    known: int


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


SM_SR_REQUESTS: tuple[type[Body], ...] = (RegisterEIS, ListEUICCs, ShowEUICC, *workflow.ASKED)
SM_DP_REQUESTS: tuple[type[Body], ...] = (
    ImportTemplate,
    RegisterSubscriptions,
    CreateOrder,
    ShowOrder,
    ListOrders,
)
SM_SR_CODEC: Codec[Body] = Codec(*SM_SR_REQUESTS)
SM_DP_CODEC: Codec[Body] = Codec(*SM_DP_REQUESTS)
ANSWER_CODEC: Codec[Body] = Codec(
    AdminRefused,
    Registered,
    EUICCPage,
    TemplateImported,
    SubscriptionsRegistered,
    OrderView,
    OrderPage,
    *workflow.ANSWERED,
)
