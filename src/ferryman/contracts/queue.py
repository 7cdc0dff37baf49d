"""The command queue of an eUICC: entries, their states, and what people and systems ask of it."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from ferryman.contracts.message import Body
from ferryman.contracts.status import ExecutionStatus


class EntryState(StrEnum):
    """What is known of an entry."""

    QUEUED = "queued"
    HELD = "held"
    SENT = "sent"  # its procedure has begun
    DELIVERED = "delivered"  # a command of it was given to the card
    ANSWERED = "answered"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class CampaignState(StrEnum):
    """What is known of a campaign. Paused and cancelled ones begin no entry; what had begun goes on to its end."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    DONE = "done"  # every entry has ended


WAITING = (EntryState.QUEUED, EntryState.HELD)
RUNNING = (EntryState.SENT, EntryState.DELIVERED)
OPEN = (*WAITING, *RUNNING)


class RunScript(Body, frozen=True, kw_only=True, tag=True):
    """A raw script for a security domain of the card: command TLVs as in ES3.SendData, and why it is needed."""

    eid: str
    sd_aid: bytes
    data: bytes
    reason: str


class RunScriptResponse(Body, frozen=True, kw_only=True, tag=True):
    """`response` is what the card answered, joined R-APDU TLVs."""

    status: ExecutionStatus
    response: bytes = b""


class QueueItem(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done, and when. Times in seconds since 1970; `validity` seconds from now.

    `function` is enable, disable, delete, set-fallback, audit or raw; `iccid` for the first four; `sd_aid`, `data`
    and `reason` for raw.
    A higher `priority` goes first.
    """

    function: str
    iccid: str = ""
    sd_aid: bytes = b""
    data: bytes = b""
    reason: str = ""
    priority: int = 0
    not_before: float = 0.0
    validity: float = 7 * 86_400.0
    hold: bool = False


class QueueAdd(Body, frozen=True, kw_only=True, tag=True):
    """Put an entry into the queue of one eUICC; with the same `key` again, the first entry is the answer."""

    owner: str
    eid: str
    item: QueueItem
    key: str = ""


class CampaignStart(Body, frozen=True, kw_only=True, tag=True):
    """One entry for each eUICC that fits, added by the SM-SR page after page; once for each card.

    Empty filter fields fit everything; `tag_name` is a tag of the eUICC. `item.iccid` empty: the profile of
    `owner` with `profile_type` that is on the card. `owner` and `campaign` name it: started again with the same
    content, it is the same one. `own_only` leaves out eUICCs without a profile of `owner`, whatever the function.
    """

    owner: str
    campaign: str
    item: QueueItem
    eum_id: str = ""
    platform_type: str = ""
    platform_version: str = ""
    profile_type: str = ""
    tag_name: str = ""
    own_only: bool = False


class CampaignCount(Body, frozen=True, kw_only=True, tag=True):
    """How many eUICCs a campaign would mean now; nothing is started."""

    start: CampaignStart


class CampaignFits(Body, frozen=True, kw_only=True, tag=True):
    """So many."""

    euiccs: int


class CampaignChange(Body, frozen=True, kw_only=True, tag=True):
    """`action` is pause, resume or cancel. Paused, nothing is added and no entry begins; cancelled, for good."""

    owner: str
    campaign: str
    action: str


class CampaignShow(Body, frozen=True, kw_only=True, tag=True):
    """How far one campaign is."""

    owner: str
    campaign: str


class CampaignList(Body, frozen=True, kw_only=True, tag=True):
    """The campaigns of one owner by name, from behind `after` on."""

    owner: str
    after: str = ""
    limit: int = 100


class CampaignCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many entries of a campaign are in each state now."""

    queued: int = 0
    held: int = 0
    sent: int = 0
    delivered: int = 0
    answered: int = 0
    failed: int = 0
    expired: int = 0
    cancelled: int = 0


class CampaignView(Body, frozen=True, kw_only=True, tag=True):
    """A campaign. `looked` eUICCs of `total` registered at its start were looked at; times in s since 1970.

    `skipped` fitted the filters and have no such profile. `reason` says why it is not running.
    """

    campaign: str
    function: str
    state: CampaignState
    adding: bool
    reason: str
    counts: CampaignCounts
    looked: int
    total: int
    skipped: int
    created: float
    updated: float


class CampaignEntries(Body, frozen=True, kw_only=True, tag=True):
    """Entries of one campaign by EID, from behind the EID `after` on; in one state, or in all."""

    owner: str
    campaign: str
    state: EntryState | None = None
    after: str = ""
    limit: int = 100


class CampaignPage(Body, frozen=True, kw_only=True, tag=True):
    """Campaigns."""

    campaigns: tuple[CampaignView, ...]


class QueueList(Body, frozen=True, kw_only=True, tag=True):
    """Entries of one eUICC, in the order in which they would go; `open_only` leaves the ended ones out."""

    owner: str
    eid: str
    open_only: bool = False
    limit: int = 1000


class QueueShow(Body, frozen=True, kw_only=True, tag=True):
    """One entry."""

    owner: str
    eid: str
    entry: str


class QueueChange(Body, frozen=True, kw_only=True, tag=True):
    """Change an entry that waits: `action` is move, hold, release or cancel. Moving gives it `priority`."""

    owner: str
    eid: str
    entry: str
    action: str
    priority: int = 0


class EntryView(Body, frozen=True, kw_only=True, tag=True):
    """An entry. Times in seconds since 1970; `result` is the response of its function as JSON."""

    entry: str
    eid: str
    function: str
    iccid: str
    state: EntryState
    reason: str
    priority: int
    not_before: float
    expires: float
    created: float
    updated: float
    campaign: str = ""
    result: str = ""


class QueuePage(Body, frozen=True, kw_only=True, tag=True):
    """Entries."""

    entries: tuple[EntryView, ...]


ASKED = (
    QueueAdd,
    QueueList,
    QueueShow,
    QueueChange,
    CampaignStart,
    CampaignCount,
    CampaignChange,
    CampaignShow,
    CampaignList,
    CampaignEntries,
)
ANSWERED = (EntryView, QueuePage, CampaignView, CampaignPage, CampaignFits)
