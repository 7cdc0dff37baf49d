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

    `function` is enable, disable, delete, audit or raw; `iccid` for the first three; `sd_aid`, `data` and
    `reason` for raw.
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


class QueueCampaign(Body, frozen=True, kw_only=True, tag=True):
    """One page of a campaign: an entry for each eUICC that fits, from `after` on; once for each card.

    Empty filter fields fit everything. `item.iccid` empty: the profile of `owner` with `profile_type` that is
    on the card.
    """

    owner: str
    campaign: str
    item: QueueItem
    eum_id: str = ""
    platform_type: str = ""
    platform_version: str = ""
    profile_type: str = ""
    after: str = ""
    limit: int = 1000


class CampaignPage(Body, frozen=True, kw_only=True, tag=True):
    """What one page added; `after` goes into the next one, empty at the end."""

    added: int
    known: int
    skipped: int
    after: str


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


ASKED = (QueueAdd, QueueCampaign, QueueList, QueueShow, QueueChange)
ANSWERED = (CampaignPage, EntryView, QueuePage)
