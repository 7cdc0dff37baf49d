"""What requests carry, and the answers that are not a contract's own; the OpenAPI file is made from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from ferryman.contracts.admin import EUICCType
from ferryman.contracts.eis import EIS, AuditRecord, PolicyRule
from ferryman.contracts.imports import ImportView
from ferryman.contracts.orders import OrderView, StockView
from ferryman.contracts.queue import EntryView
from ferryman.contracts.rest import AccountView, KeyRole, KeyView
from ferryman.contracts.workflow import DecisionView, ScriptView

MAX_SCRIPT = 64 * 1024  # characters of a transport script
MAX_CURSOR = 200  # characters
MAX_PAGE = 200  # entries of one page: an answer stays well below 1 MB

ICCID = Annotated[str, msgspec.Meta(pattern="^[0-9]{18,20}$", description="ICCID, decimal digits.")]
EIDText = Annotated[str, msgspec.Meta(pattern="^[0-9]{32}$", description="EID, 32 decimal digits.")]
Seconds = Annotated[float, msgspec.Meta(ge=1, le=30 * 86_400, description="Seconds from now.")]
Number = Annotated[str, msgspec.Meta(pattern="^(|[0-9]{5,15})$")]
Limit = Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE, description="Entries of the page.")]
Cursor = Annotated[
    str, msgspec.Meta(max_length=MAX_CURSOR, description="`next` of the page before; empty at first.")
]
NumberCursor = Annotated[
    str, msgspec.Meta(pattern="^[0-9]{0,18}$", description="`next` of the page before; empty at first.")
]
Code = Annotated[str, msgspec.Meta(pattern="^([0-9]{6})?$", description="One-time code, 6 digits.")]
Tenant = Annotated[str, msgspec.Meta(max_length=128, pattern="^[0-9.]*$", description="Mno-id.")]
EIDFilter = Annotated[str, msgspec.Meta(pattern="^(|[0-9]{32})$", description="Only of this eUICC.")]


class _Closed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request: a field that is misspelt is refused, not ignored."""


class PageQuery(_Closed, frozen=True, kw_only=True):
    """Which page."""

    after: Cursor = ""
    limit: Limit = 50


class NumberQuery(_Closed, frozen=True, kw_only=True):
    """Which page of a list whose entries are numbered."""

    after: NumberCursor = ""
    limit: Limit = 50


class OrderQuery(PageQuery, frozen=True, kw_only=True):
    """Which orders: of one eUICC, in one state."""

    eid: EIDFilter = ""
    state: Literal["", "running", "done"] = ""


class QueueQuery(PageQuery, frozen=True, kw_only=True):
    """Which entries."""

    open_only: bool = False


class DecisionQuery(NumberQuery, frozen=True, kw_only=True):
    """Decisions about one card, or about all, the newest first."""

    eid: EIDFilter = ""


class NoQuery(_Closed, frozen=True, kw_only=True):
    """No parameters."""


class NewDryRun(_Closed, frozen=True, kw_only=True):
    """What would be asked; `function` as in SGP.02."""

    function: Literal[
        "EnableProfile", "DisableProfile", "DeleteProfile", "UpdatePolicyRules", "UpdateSubscriptionAddress"
    ]
    iccid: ICCID
    pol2: tuple[PolicyRule, ...] = ()
    imsi: Number = ""
    msisdn: Number = ""


class NewOrder(_Closed, frozen=True, kw_only=True):
    """ES2.DownloadProfile: `iccid`, or `profile_type` to take the next free subscription of that type."""

    eid: EIDText
    iccid: Annotated[str, msgspec.Meta(pattern="^(|[0-9]{18,20})$")] = ""
    profile_type: Annotated[str, msgspec.Meta(max_length=100)] = ""
    enable: bool = True
    validity: Seconds = 86_400.0
    pol2: tuple[PolicyRule, ...] = ()
    imsi: Number = ""
    msisdn: Number = ""


class NewOperation(_Closed, frozen=True, kw_only=True):
    """What is to be done with the card now; `iccid` names the profile, and may be empty for an audit of all."""

    function: Literal["enable", "disable", "delete", "audit"]
    iccid: Annotated[str, msgspec.Meta(pattern="^(|[0-9]{18,20})$")] = ""
    validity: Seconds = 86_400.0


class NewEntry(_Closed, frozen=True, kw_only=True):
    """What is to be done when the card can be reached. A higher `priority` goes first."""

    function: Literal["enable", "disable", "delete", "audit"]
    iccid: Annotated[str, msgspec.Meta(pattern="^(|[0-9]{18,20})$")] = ""
    priority: Annotated[int, msgspec.Meta(ge=-1000, le=1000)] = 0
    not_before: Annotated[float, msgspec.Meta(ge=0, le=32_503_680_000)] = 0.0
    validity: Seconds = 7 * 86_400.0
    hold: bool = False


class Retry(_Closed, frozen=True, kw_only=True):
    """How long the new attempt may take."""

    validity: Seconds = 86_400.0


class EntryChange(_Closed, frozen=True, kw_only=True):
    """Move (to `priority`), hold, release or cancel an entry that waits."""

    action: Literal["move", "hold", "release", "cancel"]
    priority: Annotated[int, msgspec.Meta(ge=-1000, le=1000)] = 0


class NewScript(_Closed, frozen=True, kw_only=True):
    """A transport script: checked where it would run, kept as a version, asked from now on."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SCRIPT)]


class RollBack(_Closed, frozen=True, kw_only=True):
    """The version to go back to: 0 is the built-in policy, null the one that was active before."""

    version: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None


class EUICCList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of eUICCs; `next` is empty at the end."""

    items: tuple[EIS, ...]
    next: str = ""


class HistoryList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the audit trail; `next` is empty at the end."""

    items: tuple[AuditRecord, ...]
    next: str = ""


class TypeList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of eUICC types; `next` is empty at the end."""

    items: tuple[EUICCType, ...]
    next: str = ""


class OrderList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of orders; `next` is empty at the end."""

    items: tuple[OrderView, ...]
    next: str = ""


class ProfileTypeList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of profile types; `next` is empty at the end."""

    items: tuple[StockView, ...]
    next: str = ""


class QueueList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a command queue; `next` is empty at the end."""

    items: tuple[EntryView, ...]
    next: str = ""


class ScriptList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of versions of the transport script; `next` is empty at the end."""

    items: tuple[ScriptView, ...]
    next: str = ""


class DecisionList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of decisions; `next` is empty at the end."""

    items: tuple[DecisionView, ...]
    next: str = ""


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """What two people must want. Times in seconds since 1970; `state` is waiting, expired, rejected, approved (and
    being carried out), done or failed; `asked_by` and `decided_by` name account or key."""

    approval_id: str
    action: str
    sentence: str
    request: Any
    asked_by: str
    asked_at: float
    expires: float
    state: str
    decided_by: str
    decided_at: float
    result: Any = None
    problem: str = ""


class ApprovalList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of approvals, the newest first; `next` is empty at the end."""

    items: tuple[Approval, ...]
    next: str = ""


class ApprovalQuery(NumberQuery, frozen=True, kw_only=True):
    """Which approvals."""

    state: Literal["", "waiting", "expired", "rejected", "approved", "done", "failed"] = ""


class NewRawScript(_Closed, frozen=True, kw_only=True):
    """Command TLVs for a security domain of the card (as in ES3.SendData), and why they are needed."""

    data: Annotated[bytes, msgspec.Meta(min_length=1, max_length=32_000)]
    reason: Annotated[str, msgspec.Meta(min_length=8, max_length=300)]
    sd_aid: Annotated[bytes, msgspec.Meta(max_length=16)] = b""
    validity: Seconds = 7 * 86_400.0


class Login(_Closed, frozen=True, kw_only=True):
    """`code` is the one-time code, where the account has one."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    code: Code = ""


class NewPassword(_Closed, frozen=True, kw_only=True):
    """The password so far, and the new one: at least 12 characters."""

    old: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    new: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class OwnPassword(_Closed, frozen=True, kw_only=True):
    """Your password once more, and a code where one is asked for."""

    password: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    code: Code = ""


class OwnCode(_Closed, frozen=True, kw_only=True):
    """A code of the authenticator app."""

    code: Annotated[str, msgspec.Meta(pattern="^[0-9]{6}$")]


class Callback(_Closed, frozen=True, kw_only=True):
    """What the OpenID provider sends the browser back with."""

    code: Annotated[str, msgspec.Meta(max_length=2_000)] = ""
    state: Annotated[str, msgspec.Meta(max_length=200)] = ""
    error: Annotated[str, msgspec.Meta(max_length=200)] = ""
    error_description: Annotated[str, msgspec.Meta(max_length=1_000)] = ""
    iss: Annotated[str, msgspec.Meta(max_length=500)] = ""
    session_state: Annotated[str, msgspec.Meta(max_length=500)] = ""
    scope: Annotated[str, msgspec.Meta(max_length=500)] = ""


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """Who you are. `csrf` belongs into X-CSRF-Token of every request that changes something by cookie."""

    kind: str
    id: str
    name: str
    role: KeyRole
    tenant: str
    rights: tuple[str, ...]
    must_change: bool = False
    csrf: str = ""


class TOTPSecret(msgspec.Struct, frozen=True, kw_only=True):
    """For an authenticator app, shown this once: the secret (base32) and the same as URI."""

    secret: str
    uri: str


class NewUser(_Closed, frozen=True, kw_only=True):
    """An account for somebody; `tenant` only from the platform's own staff."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    role: KeyRole
    tenant: Tenant = ""


class UserChange(_Closed, frozen=True, kw_only=True):
    """Disable, enable, or recover: a one-time password for who lost his own, or his codes."""

    action: Literal["disable", "enable", "recover"]


class NewRole(_Closed, frozen=True, kw_only=True):
    """The role that the user is to have."""

    role: KeyRole


class UserList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of users; `next` is empty at the end."""

    items: tuple[AccountView, ...]
    next: str = ""


class UserChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The user, and after recovery the one-time password, shown this once."""

    account: AccountView
    password: str = ""


class NewKey(_Closed, frozen=True, kw_only=True):
    """An API key; `scopes` take away from what the role may. `tenant` only from the platform's own staff."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    role: KeyRole
    scopes: Annotated[tuple[str, ...], msgspec.Meta(max_length=40)] = ()
    days: Annotated[float, msgspec.Meta(gt=0, le=400)] = 90.0
    tenant: Tenant = ""


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of API keys, without their secrets; `next` is empty at the end."""

    items: tuple[KeyView, ...]
    next: str = ""


class ImportList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of imports; `next` is empty at the end."""

    items: tuple[ImportView, ...]
    next: str = ""


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """What is no secret of a subscription."""

    iccid: str
    imsi: str
    msisdn: str


class SubscriptionList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of subscriptions; `next` is empty at the end."""

    items: tuple[Subscription, ...]
    next: str = ""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457; `subject` and `reason` are the codes of SGP.02 5.1.6 where there are any."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    subject: str = ""
    reason: str = ""
    identifier: str = ""
