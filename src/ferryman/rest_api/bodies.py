"""What requests carry, and the answers that are not a contract's own; the OpenAPI file is made from them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ferryman.contracts.eis import EIS, AuditRecord, PolicyRule
from ferryman.contracts.holds import HookView
from ferryman.contracts.imports import ImportView
from ferryman.contracts.operations import JournalLine, OperationView
from ferryman.contracts.orders import OrderView, StockView
from ferryman.contracts.queue import EntryView
from ferryman.contracts.secrecy import Guarded

MAX_SCRIPT = 64 * 1024  # characters of a transport script
MAX_AUDITED = 50  # profiles that one audit names: more than an eUICC has
MAX_CURSOR = 200  # characters
MAX_PAGE = 200  # entries of one page: an answer stays well below 1 MB

ICCID = Annotated[str, msgspec.Meta(pattern="^[0-9]{18,20}$", description="ICCID, decimal digits.")]
EIDText = Annotated[str, msgspec.Meta(pattern="^[0-9]{32}$", description="EID, 32 decimal digits.")]
Seconds = Annotated[float, msgspec.Meta(ge=1, le=30 * 86_400, description="Seconds from now.")]
AnyICCID = Annotated[str, msgspec.Meta(pattern="^(|[0-9]{18,20})$", description="ICCID, or nothing.")]
ProfileType = Annotated[str, msgspec.Meta(max_length=100)]
POL2 = Annotated[tuple[PolicyRule, ...], msgspec.Meta(max_length=20)]
Hold = Literal["before-download", "after-enable"]
Number = Annotated[str, msgspec.Meta(pattern="^(|[0-9]{5,15})$")]
Limit = Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE, description="Entries of the page.")]
Cursor = Annotated[
    str, msgspec.Meta(max_length=MAX_CURSOR, description="`next` of the page before; empty at first.")
]
NumberCursor = Annotated[
    str, msgspec.Meta(pattern="^[0-9]{0,18}$", description="`next` of the page before; empty at first.")
]
EIDFilter = Annotated[str, msgspec.Meta(pattern="^(|[0-9]{32})$", description="An EID, or nothing.")]


class Closed(Guarded, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request: a field that is misspelt is refused, not ignored."""


class PageQuery(Closed, frozen=True, kw_only=True):
    """Which page."""

    after: Cursor = ""
    limit: Limit = 50


class NumberQuery(Closed, frozen=True, kw_only=True):
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


Moment = Annotated[
    float,
    msgspec.Meta(
        ge=0, le=32_503_680_000, description="Seconds since 1970: `since` and later, before `until`; 0: whenever."
    ),
]  # up to the year 3000
OperationCursor = Annotated[
    str,
    msgspec.Meta(
        pattern="^(|[0-9]{1,12}([.][0-9]{1,17})?~.{1,200})$",
        description="`next` of the page before; empty at first.",
    ),
]
Function = Literal[
    "",
    "enable",
    "disable",
    "delete",
    "audit",
    "set-fallback",
    "update-policy-rules",
    "update-subscription-address",
    "master-delete",
]


class OperationQuery(Closed, frozen=True, kw_only=True):
    """Which operations: on one eUICC, of one function, running or done, or only those that failed.

    Begun at `since` or later and before `until`. A page may have few entries, or none, while there is a `next`.
    """

    after: OperationCursor = ""
    limit: Limit = 50
    eid: EIDFilter = ""
    function: Function = ""
    state: Literal["", "running", "done"] = ""
    failed_only: bool = False
    since: Moment = 0.0
    until: Moment = 0.0


class NoQuery(Closed, frozen=True, kw_only=True):
    """No parameters."""


class NewDryRun(Closed, frozen=True, kw_only=True):
    """What would be asked; `function` as in SGP.02."""

    function: Literal[
        "EnableProfile", "DisableProfile", "DeleteProfile", "UpdatePolicyRules", "UpdateSubscriptionAddress"
    ]
    iccid: ICCID
    pol2: POL2 = ()
    imsi: Number = ""
    msisdn: Number = ""


class OrderTerms(Closed, frozen=True, kw_only=True):
    """What an order says beside the eUICC and the subscription.

    `pol2`, `imsi` and `msisdn` go to the SM-SR with the report of the download. `pol1` and `connectivity` (base64)
    replace those of the template. `keys` says what becomes of the SCP03 keys behind a good download; handed over
    they are under the transport key `keys_under`. `hold` names the holds of this order; null: those of its hook.
    `delete_token` loads a token key, so that a Master Delete is possible.
    """

    enable: bool = True
    validity: Seconds = 86_400.0
    pol2: POL2 = ()
    imsi: Number = ""
    msisdn: Number = ""
    pol1: Annotated[bytes, msgspec.Meta(max_length=16)] | None = None
    connectivity: Annotated[bytes, msgspec.Meta(max_length=1_000)] | None = None
    keys: Literal["keep", "destroy", "hand-over"] = "keep"
    keys_under: Annotated[str, msgspec.Meta(max_length=100)] = ""
    hold: tuple[Hold, ...] | None = None
    delete_token: bool = False


class NewOrder(OrderTerms, frozen=True, kw_only=True):
    """ES2.DownloadProfile: `iccid`, or `profile_type` to take the next free subscription of that type."""

    eid: EIDText
    iccid: AnyICCID = ""
    profile_type: ProfileType = ""


class NewHook(Closed, frozen=True, kw_only=True):
    """Where and how orders hold; `profile_type` empty: those of every type without a hook of its own.

    `url` empty: nobody is asked, and the orders wait for a release; else calls are signed with the key `key`.
    What follows a refusal or silence of `limit` seconds behind the enabling is `undo`.
    """

    profile_type: ProfileType = ""
    url: Annotated[str, msgspec.Meta(max_length=2_000)] = ""
    key: Annotated[str, msgspec.Meta(max_length=100)] = ""
    holds: Annotated[tuple[Hold, ...], msgspec.Meta(min_length=1, max_length=2)] = (
        "before-download",
        "after-enable",
    )
    limit: Seconds = 3_600.0
    undo: Literal["keep", "disable", "delete"] = "disable"


class HookQuery(Closed, frozen=True, kw_only=True):
    """Of which profile type; empty: the one for every type."""

    profile_type: ProfileType = ""


class HookList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of hooks, by profile type; `next` is empty at the end."""

    items: tuple[HookView, ...]
    next: str = ""


class NewHookKey(Closed, frozen=True, kw_only=True):
    """A key for calls of hooks; one of this name is replaced."""

    name: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9._-]{1,100}$")]


class HookKey(Guarded, frozen=True, kw_only=True):
    """The key as in Standard Webhooks, shown this once: it stays in the CryptoServer."""

    name: str
    secret: str


class Release(Closed, frozen=True, kw_only=True):
    """`hold` names the hold that is meant; empty: the one in which the order is."""

    hold: Literal["", "before-download", "after-enable"] = ""


class Refusal(Release, frozen=True, kw_only=True):
    """Why the order must not go on."""

    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""


class Changing(Closed, frozen=True, kw_only=True):
    """What may be done with a profile. `iccid` may be empty for an audit of all; `iccids` names several for one.

    `pol2` replaces all rules (update-policy-rules); `imsi` and `msisdn` are the new address, what is empty stays
    as it is (update-subscription-address).
    """

    iccid: AnyICCID = ""
    iccids: Annotated[tuple[ICCID, ...], msgspec.Meta(max_length=MAX_AUDITED)] = ()
    validity: Seconds = 86_400.0
    pol2: POL2 = ()
    imsi: Number = ""
    msisdn: Number = ""


class NewOperation(Changing, frozen=True, kw_only=True):
    """What is to be done now, by our SM-SR (ES4)."""

    function: Literal[
        "enable",
        "disable",
        "delete",
        "audit",
        "set-fallback",
        "update-policy-rules",
        "update-subscription-address",
    ]


class NewES2Call(Changing, frozen=True, kw_only=True):
    """What is to be done now, by our SM-DP and the SM-SR `smsr_id` (empty: our own) that has the eUICC.

    Connectivity parameters (update-connectivity): the objects A0, A1, A2 as `parameters` (base64), or by name the
    number of the SMSC, and for HTTPS the access point with its login and password.
    """

    function: Literal[
        "get-eis",
        "audit",
        "enable",
        "disable",
        "delete",
        "set-fallback",
        "update-policy-rules",
        "update-subscription-address",
        "update-connectivity",
    ]
    eid: EIDText
    smsr_id: Annotated[str, msgspec.Meta(max_length=128, pattern="^[0-9.]*$")] = ""
    parameters: Annotated[bytes, msgspec.Meta(max_length=1_000)] = b""
    smsc: Annotated[str, msgspec.Meta(pattern=r"^(|\+[0-9]{3,15})$")] = ""
    apn: Annotated[str, msgspec.Meta(max_length=100)] = ""
    login: Annotated[str, msgspec.Meta(max_length=100)] = ""
    password: Annotated[str, msgspec.Meta(max_length=100)] = ""


class Timing(Closed, frozen=True, kw_only=True):
    """When a command goes: a higher `priority` first, none before `not_before`, a held one not until released."""

    priority: Annotated[int, msgspec.Meta(ge=-1000, le=1000)] = 0
    not_before: Annotated[float, msgspec.Meta(ge=0, le=32_503_680_000)] = 0.0
    validity: Seconds = 7 * 86_400.0
    hold: bool = False


class NewEntry(Timing, frozen=True, kw_only=True):
    """What is to be done when the card can be reached."""

    function: Literal["enable", "disable", "delete", "set-fallback", "audit"]
    iccid: AnyICCID = ""


class Retry(Closed, frozen=True, kw_only=True):
    """How long the new attempt may take."""

    validity: Seconds = 86_400.0


class EntryChange(Closed, frozen=True, kw_only=True):
    """Move (to `priority`), hold, release or cancel an entry that waits."""

    action: Literal["move", "hold", "release", "cancel"]
    priority: Annotated[int, msgspec.Meta(ge=-1000, le=1000)] = 0


class EUICCList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of eUICCs; `next` is empty at the end."""

    items: tuple[EIS, ...]
    next: str = ""


class HistoryList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the audit trail; `next` is empty at the end."""

    items: tuple[AuditRecord, ...]
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


class EUICCQuery(PageQuery, frozen=True, kw_only=True):
    """Which of your eUICCs: all, or those found by `value`."""

    by: Literal["", "eid", "iccid", "msisdn", "imei", "tag"] = ""
    value: Annotated[str, msgspec.Meta(max_length=200)] = ""


class OperationList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of operations; `next` is empty at the end."""

    items: tuple[OperationView, ...]
    next: str = ""


class JournalList(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of an operation; always one page."""

    items: tuple[JournalLine, ...]
    next: str = ""


class NewTemplate(Closed, frozen=True, kw_only=True):
    """A profile package (DER, value notation or YAML, base64) as template of the profile type `name`."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    package: Annotated[bytes, msgspec.Meta(min_length=1)]
    algorithm: Literal["milenage", "tuak128", "tuak256", "as-is"] = "milenage"


class NewLowWater(Closed, frozen=True, kw_only=True):
    """Free subscriptions at which the stock raises an alarm; 0 = never."""

    low_water: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457; `subject` and `reason` are the codes of SGP.02 5.1.6 where there are any."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    subject: str = ""
    reason: str = ""
    identifier: str = ""
