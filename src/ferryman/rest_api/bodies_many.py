"""Requests and answers about many eUICCs at once: campaigns of commands, batches of orders."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ferryman.contracts.batches import BatchRowView, BatchView
from ferryman.contracts.queue import CampaignCounts, CampaignState
from ferryman.rest_api.bodies import (
    AnyICCID,
    Closed,
    EIDFilter,
    EIDText,
    Moment,
    NumberQuery,
    OrderTerms,
    PageQuery,
    ProfileType,
    Timing,
)

MAX_ROWS = 2_000  # of a batch in one request: 160 bytes each stay well below the largest body

Name = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9._-]{1,100}$", description="Yours to choose, once.")]
InFlight = Annotated[int, msgspec.Meta(ge=1, le=10_000, description="Orders that run at once.")]


class CampaignFilter(Timing, frozen=True, kw_only=True):
    """A command for each of your eUICCs that fits; empty filters fit all.

    For enable, disable and delete, `iccid` or `profile_type` says which profile is meant.
    """

    function: Literal["enable", "disable", "delete", "set-fallback", "audit"]
    iccid: AnyICCID = ""
    profile_type: ProfileType = ""
    eum_id: Annotated[str, msgspec.Meta(max_length=128)] = ""
    platform_type: Annotated[str, msgspec.Meta(max_length=100)] = ""
    platform_version: Annotated[str, msgspec.Meta(max_length=100)] = ""
    tag: Annotated[str, msgspec.Meta(max_length=80)] = ""


class NewCampaign(CampaignFilter, frozen=True, kw_only=True):
    """A campaign; one of this name with the same content is the same one."""

    name: Name


class CampaignSize(msgspec.Struct, frozen=True, kw_only=True):
    """How many of your eUICCs would get a command now."""

    euiccs: int


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign. `progress` (0 to 1) is how far the adding of its entries is; `counts` are of what was added.

    `reason` says why it does not run. Times in seconds since 1970.
    """

    campaign: str
    function: str
    state: CampaignState
    adding: bool
    progress: float
    counts: CampaignCounts
    reason: str
    created: float
    updated: float


class CampaignPages(msgspec.Struct, frozen=True, kw_only=True):
    """One page of campaigns, by name; `next` is empty at the end."""

    items: tuple[Campaign, ...]
    next: str = ""


class EntryQuery(PageQuery, frozen=True, kw_only=True):
    """Entries in one state (`failed`, `expired`: what went wrong), or all."""

    state: Literal["", "queued", "held", "sent", "delivered", "answered", "failed", "expired", "cancelled"] = ""


class CampaignStep(Closed, frozen=True, kw_only=True):
    """Paused, nothing is added and no entry begins; cancelled, for good. What has begun goes on to its end."""

    action: Literal["pause", "resume", "cancel"]


class EUICCFilter(Closed, frozen=True, kw_only=True):
    """Those of your eUICCs that fit; empty filters fit all."""

    tag: Annotated[str, msgspec.Meta(max_length=80)] = ""
    eum_id: Annotated[str, msgspec.Meta(max_length=128)] = ""
    platform_type: Annotated[str, msgspec.Meta(max_length=100)] = ""
    platform_version: Annotated[str, msgspec.Meta(max_length=100)] = ""


class NewBatch(OrderTerms, frozen=True, kw_only=True):
    """What every order of the batch says. Its rows follow, then it is started.

    With `where` its rows are the eUICCs that fit, which POST /batches/{batch}/fill looks for.
    """

    name: Name
    profile_type: ProfileType = ""
    in_flight: InFlight = 200
    where: EUICCFilter | None = None


class BatchFill(Closed, frozen=True, kw_only=True):
    """Where to go on: behind the eUICC `after`, or behind the last row if that is farther."""

    after: EIDFilter = ""


class BatchFilled(msgspec.Struct, frozen=True, kw_only=True):
    """`added` rows are new; `next` is where to go on, and empty when every eUICC was looked at."""

    batch: BatchView
    added: int
    next: str


class NewRow(Closed, frozen=True, kw_only=True):
    """One order: an ICCID or a profile type where they are not the batch's."""

    eid: EIDText
    iccid: AnyICCID = ""
    profile_type: ProfileType = ""


class NewRows(Closed, frozen=True, kw_only=True):
    """Rows `first` and following, counted from 0; those that are there already are left as they are."""

    first: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    rows: Annotated[tuple[NewRow, ...], msgspec.Meta(min_length=1, max_length=MAX_ROWS)]


class BatchStep(Closed, frozen=True, kw_only=True):
    """start behind the last row; limit gives it another `in_flight`; cancel ends orders not yet on their card."""

    action: Literal["start", "pause", "resume", "cancel", "limit"]
    in_flight: InFlight = 200


class BatchList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of batches, the newest first; `next` is empty at the end."""

    items: tuple[BatchView, ...]
    next: str = ""


class BatchQuery(PageQuery, frozen=True, kw_only=True):
    """Which batches: in one state, for one profile type, of one kind (`rows` as given, or those of a `filter`).

    `asked_by` names a person or key as a batch shows it. Made at `since` or later and before `until`.
    """

    state: Literal["", "filling", "running", "paused", "cancelling", "cancelled", "done"] = ""
    kind: Literal["", "rows", "filter"] = ""
    profile_type: ProfileType = ""
    asked_by: Annotated[str, msgspec.Meta(max_length=40)] = ""
    since: Moment = 0.0
    until: Moment = 0.0


class RowQuery(NumberQuery, frozen=True, kw_only=True):
    """Rows in one state, or all."""

    state: Literal["", "waiting", "running", "done", "failed", "refused", "cancelled"] = ""


class RowList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of rows in their order; `next` is empty at the end."""

    items: tuple[BatchRowView, ...]
    next: str = ""
