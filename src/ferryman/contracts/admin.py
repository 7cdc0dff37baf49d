"""What the operator's tools ask of SM-SR and SM-DP: registration, templates, subscriptions, orders.

Carried over the call port; every request names the owner (Mno-id) it speaks for, and an object of another
owner is answered like one that does not exist.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ferryman.contracts import batches, es2_calls, holds, imports, operations, orders, oversight, queue, workflow
from ferryman.contracts.eis import EIS, AuditRecord, PolicyRule
from ferryman.contracts.message import Body, Codec
from ferryman.contracts.orders import CreateOrder as CreateOrder
from ferryman.contracts.orders import ListOrders as ListOrders
from ferryman.contracts.orders import OrderPage as OrderPage
from ferryman.contracts.orders import OrderStep as OrderStep
from ferryman.contracts.orders import OrderView as OrderView
from ferryman.contracts.orders import ShowOrder as ShowOrder
from ferryman.contracts.status import ExecutionStatus


class AdminRefused(Body, frozen=True, kw_only=True, tag=True):
    """Not done; `message` says what to do about it."""

    status: ExecutionStatus


class RegisterEIS(Body, frozen=True, kw_only=True, tag=True):
    """A card maker's delivery: XML with one ES1-RegisterEISRequest for each card.

    All or none; with `each` every card for itself, and the answer says what became of the others.
    """

    xml: bytes
    each: bool = False


class RefusedCard(msgspec.Struct, frozen=True, kw_only=True):
    """A card of a delivery that was not taken: its number there, from 1, and its EID when it could be read."""

    number: int
    eid: str
    status: ExecutionStatus


class Registered(Body, frozen=True, kw_only=True, tag=True):
    """EIDs that were new and that were there already with the same signed data."""

    new: tuple[str, ...]
    known: tuple[str, ...]
    refused: tuple[RefusedCard, ...] = ()


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


class FindEUICCs(Body, frozen=True, kw_only=True, tag=True):
    """Cards by `by`: eid, iccid, isdp_aid, msisdn, imei, tag or owner; one page in the order of the EIDs."""

    owner: str
    by: str
    value: str
    after: str = ""
    limit: int = 1000


class DescribeEUICC(Body, frozen=True, kw_only=True, tag=True):
    """One card with everything we know; an empty owner is the platform's own staff and sees every profile."""

    eid: str
    owner: str = ""


class EUICCDescription(Body, frozen=True, kw_only=True, tag=True):
    """EIS and what is ours: contact, counts, tags, and what holds for the card.

    `contact` has last (s since 1970), transport, reachable and the counts; `effective` what type and card say
    together; `differs` what the card says alone; `busy` the operation that has the card.
    """

    eis: EIS
    imei: str = ""
    meid: str = ""
    tags: tuple[str, ...] = ()
    contact: dict[str, Any] = msgspec.field(default_factory=dict)
    effective: dict[str, Any] = msgspec.field(default_factory=dict)
    differs: dict[str, Any] = msgspec.field(default_factory=dict)
    card_free_nvm: int | None = None
    card_free_ram: int | None = None
    counter: int = 0
    busy: str = ""


class SetTags(Body, frozen=True, kw_only=True, tag=True):
    """Replaces the tags of a card."""

    eid: str
    tags: tuple[str, ...]


class EUICCType(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind of eUICC says; platform and version empty stand for all. `cards` inherit from it."""

    eum_id: str
    platform_type: str = ""
    platform_version: str = ""
    says: dict[str, Any] = msgspec.field(default_factory=dict)
    cards: int = 0


class ListTypes(Body, frozen=True, kw_only=True, tag=True):
    """Every eUICC type."""


class TypePage(Body, frozen=True, kw_only=True, tag=True):
    """eUICC types, by maker, platform and version."""

    types: tuple[EUICCType, ...]


class SetType(Body, frozen=True, kw_only=True, tag=True):
    """Replaces what a type says; one that says nothing is forgotten."""

    eum_id: str
    platform_type: str = ""
    platform_version: str = ""
    says: dict[str, Any] = msgspec.field(default_factory=dict)


class SetDifference(Body, frozen=True, kw_only=True, tag=True):
    """Replaces what one card says otherwise than its type."""

    eid: str
    says: dict[str, Any]


class Changed(Body, frozen=True, kw_only=True, tag=True):
    """It is done; there is nothing more to say."""


class ShowHistory(Body, frozen=True, kw_only=True, tag=True):
    """Audit trail of a card (SGP.02 Annex E), oldest first; an owner sees what concerns his profiles."""

    eid: str
    owner: str = ""
    after: int = 0
    limit: int = 1000


class HistoryPage(Body, frozen=True, kw_only=True, tag=True):
    """Records with the number behind which to go on; 0 when this was the last page."""

    records: tuple[AuditRecord, ...]
    after: int = 0


class DryRun(Body, frozen=True, kw_only=True, tag=True):
    """What would happen, and why: the decision of the real call without its effect.

    `function` as in SGP.02 (EnableProfile, DisableProfile, DeleteProfile, MasterDelete, UpdatePolicyRules ...).
    """

    function: str
    eid: str
    requester: str
    iccid: str = ""
    required_memory: int = 0
    pol2: tuple[PolicyRule, ...] = ()
    imsi: str = ""
    msisdn: str = ""


class DryRunResult(Body, frozen=True, kw_only=True, tag=True):
    """The status that the call would be refused with, or success; sentences in the order of what happens."""

    status: ExecutionStatus
    sentences: tuple[str, ...]


class ShowCall(Body, frozen=True, kw_only=True, tag=True):
    """A function call made over the call port: has it been answered?"""

    requester: str
    function_call_id: str
    function: str


class CallView(Body, frozen=True, kw_only=True, tag=True):
    """A call that was entered; `answer` is its response message (JSON) once there is one."""

    function_call_id: str
    function: str
    deadline: float
    answer: bytes = b""


class ImportTemplate(Body, frozen=True, kw_only=True, tag=True):
    """A template of profile type `name`: a package (DER, value notation, YAML) or a definition with variables.

    `algorithm` is "milenage", "tuak128", "tuak256" or "as-is"; it says nothing to a definition.
    """

    owner: str
    name: str
    der: bytes
    algorithm: str = "milenage"


class TemplateImported(Body, frozen=True, kw_only=True, tag=True):
    """Size in bytes, the values that a subscription must give, and what the validator warns of."""

    name: str
    size: int
    slots: tuple[str, ...]
    new: bool
    warnings: tuple[str, ...] = ()


SM_SR_REQUESTS: tuple[type[Body], ...] = (
    RegisterEIS,
    ListEUICCs,
    ShowEUICC,
    FindEUICCs,
    DescribeEUICC,
    SetTags,
    ListTypes,
    SetType,
    SetDifference,
    ShowHistory,
    DryRun,
    ShowCall,
    *operations.REQUESTS,
    *workflow.ASKED,
    *queue.ASKED,
    *oversight.ASKED,
)
SM_DP_REQUESTS: tuple[type[Body], ...] = (
    ImportTemplate,
    CreateOrder,
    ShowOrder,
    ListOrders,
    *imports.SM_DP_REQUESTS,
    *es2_calls.REQUESTS,
    orders.CancelOrder,
    orders.RetryOrder,
    orders.IssueDeleteToken,
    orders.SetLowWater,
    orders.ShowStock,
    *oversight.ASKED,
    *holds.REQUESTS,
    *batches.REQUESTS,
)
SM_SR_CODEC: Codec[Body] = Codec(*SM_SR_REQUESTS)
SM_DP_CODEC: Codec[Body] = Codec(*SM_DP_REQUESTS)
ANSWER_CODEC: Codec[Body] = Codec(
    AdminRefused,
    Registered,
    EUICCPage,
    EUICCDescription,
    TypePage,
    Changed,
    HistoryPage,
    DryRunResult,
    CallView,
    operations.OperationView,
    operations.OperationPage,
    operations.Journal,
    TemplateImported,
    OrderView,
    OrderPage,
    *workflow.ANSWERED,
    *imports.SM_DP_ANSWERS,
    *queue.ANSWERED,
    *oversight.ANSWERED,
    es2_calls.ES2View,
    orders.StockPage,
    orders.DeleteToken,
    *holds.ANSWERS,
    *batches.ANSWERS,
)
