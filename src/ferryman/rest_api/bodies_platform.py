"""Requests and answers about what is the platform's own: fleet, types, peers, scripts, trails, alarms."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from ferryman.contracts.admin import EUICCType
from ferryman.contracts.oversight import AuditLine
from ferryman.contracts.peers import Peer
from ferryman.contracts.workflow import DecisionView, ScriptView
from ferryman.rest_api.bodies import (
    MAX_SCRIPT,
    Closed,
    EIDFilter,
    Function,
    Limit,
    Moment,
    NumberQuery,
    OperationCursor,
    PageQuery,
    Seconds,
)
from ferryman.workflow.question import Question

Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class FleetCard(msgspec.Struct, frozen=True, kw_only=True):
    """An eUICC of the platform; `smsr_id` is the SM-SR that has it."""

    eid: str
    eum_id: str
    platform_type: str
    platform_version: str
    smsr_id: str


class FleetList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of eUICCs; `next` is empty at the end."""

    items: tuple[FleetCard, ...]
    next: str = ""


class FleetQuery(PageQuery, frozen=True, kw_only=True):
    """Which eUICCs: all, or those found by `value`."""

    by: Literal["", "eid", "iccid", "isdp_aid", "msisdn", "imei", "tag", "owner"] = ""
    value: Annotated[str, msgspec.Meta(max_length=200)] = ""


class NewTags(Closed, frozen=True, kw_only=True):
    """All tags that it is to have."""

    tags: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=80)], ...], msgspec.Meta(max_length=50)
    ]


class NewDelivery(Closed, frozen=True, kw_only=True):
    """A card maker's delivery (XML, base64): all cards or none, or with `each` every card for itself."""

    xml: Annotated[bytes, msgspec.Meta(min_length=1)]
    each: bool = False


class Difference(Closed, frozen=True, kw_only=True):
    """What this eUICC says otherwise than its type; nothing: it is as its type again."""

    says: dict[str, Any] = msgspec.field(default_factory=dict)


class NewMaintenance(Closed, frozen=True, kw_only=True):
    """New keys for the ISD-R (rotate-keys, of `protocol`), or where its SM-SR is (update-addressing).

    What is empty of the addressing stays as it is: the number for short messages (`sms`), host, IP address, TCP
    port (0) and URI of HTTPS.
    """

    function: Literal["rotate-keys", "update-addressing"]
    protocol: Literal["", "scp80", "scp81"] = ""
    sms: Annotated[str, msgspec.Meta(max_length=20)] = ""
    host: Annotated[str, msgspec.Meta(max_length=250)] = ""
    address: Annotated[str, msgspec.Meta(max_length=45)] = ""
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    uri: Annotated[str, msgspec.Meta(max_length=250)] = ""
    validity: Seconds = 86_400.0


class MaintenanceQuery(Closed, frozen=True, kw_only=True):
    """Which operations on eUICCs of the platform: on one, of one function, running or done, or those that failed.

    `requester` is a tenant (Mno-id), or of the staff `staff/key/...` and `staff/account/...` as audit trails name
    them; empty: what you began yourself. Begun at `since` or later and before `until`. A page may have few
    entries, or none, while there is a `next`.
    """

    after: OperationCursor = ""
    limit: Limit = 50
    requester: Annotated[str, msgspec.Meta(pattern="^(|[A-Za-z0-9./-]{1,128})$")] = ""
    eid: EIDFilter = ""
    function: Literal[Function, "rotate-keys", "update-addressing"] = ""
    state: Literal["", "running", "done"] = ""
    failed_only: bool = False
    since: Moment = 0.0
    until: Moment = 0.0


class NewType(Closed, frozen=True, kw_only=True):
    """What a kind of eUICC says; empty platform and version stand for all. Without `says` it is forgotten."""

    eum_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    platform_type: Annotated[str, msgspec.Meta(max_length=100)] = ""
    platform_version: Annotated[str, msgspec.Meta(max_length=100)] = ""
    says: dict[str, Any] = msgspec.field(default_factory=dict)


class TypeList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of eUICC types; `next` is empty at the end."""

    items: tuple[EUICCType, ...]
    next: str = ""


class PeerList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of peers; `next` is empty at the end."""

    items: tuple[Peer, ...]
    next: str = ""


class AuditQuery(NumberQuery, frozen=True, kw_only=True):
    """Which records: of which role's trail, about one eUICC, of one action."""

    source: Literal["rest-api", "sm-sr", "sm-dp"] = "rest-api"
    eid: EIDFilter = ""
    action: Annotated[str, msgspec.Meta(max_length=80)] = ""


class AuditList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of records; `next` is empty at the end."""

    items: tuple[AuditLine, ...]
    next: str = ""


class RoleAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """`role` tells of it; `kind` is a word for programs, `object` what it is about, `text` a sentence.

    Kind `recorded`: it happened at `at` (seconds since 1970), perhaps to the eUICC `eid`, within a day.
    """

    role: str
    kind: str
    object: str
    text: str
    eid: str = ""
    at: float = 0.0


class AlarmList(msgspec.Struct, frozen=True, kw_only=True):
    """Alarms that hold now, and those recorded within a day: at most 100 of each role, always one page."""

    items: tuple[RoleAlarm, ...]
    next: str = ""


class NewScript(Closed, frozen=True, kw_only=True):
    """A transport script: checked where it would run, kept as a version, asked from now on."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SCRIPT)]


class RollBack(Closed, frozen=True, kw_only=True):
    """The version to go back to: 0 is the built-in policy, null the one that was active before."""

    version: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None


class ScriptList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of versions of the transport script; `next` is empty at the end."""

    items: tuple[ScriptView, ...]
    next: str = ""


class DecisionList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of decisions; `next` is empty at the end."""

    items: tuple[DecisionView, ...]
    next: str = ""


class DecisionQuery(NumberQuery, frozen=True, kw_only=True):
    """Decisions about one card, or about all, the newest first."""

    eid: EIDFilter = ""


class ScriptTrial(Closed, frozen=True, kw_only=True):
    """A script and questions as `GET /scripts/decisions` shows them."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SCRIPT)]
    questions: Annotated[tuple[Question, ...], msgspec.Meta(max_length=100)]
