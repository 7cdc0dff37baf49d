"""Batches of orders: many eUICCs from a file or a filter, with progress, pause, resume and cancel."""

from __future__ import annotations

import msgspec

from ferryman.contracts.message import Body
from ferryman.contracts.orders import CreateOrder

FILLING, RUNNING, PAUSED, CANCELLING, CANCELLED, DONE = (
    "filling", "running", "paused", "cancelling", "cancelled", "done",
)  # fmt: skip

STATES = (FILLING, RUNNING, PAUSED, CANCELLING, CANCELLED, DONE)

FILTER = "filter:"  # how the source of a batch begins whose rows are looked for; its filter follows
ROWS, FILTERED = "rows", "filter"  # kinds of batches: with rows as they were given, or with those of a filter


class BatchRow(msgspec.Struct, frozen=True, array_like=True):
    """One order: the eUICC, and an ICCID or a profile type where they are not the batch's."""

    eid: str
    iccid: str = ""
    profile_type: str = ""


class OpenBatch(Body, frozen=True, kw_only=True, tag=True):
    """Begin a batch of this name, or find how far it has been filled.

    `source` says where the rows come from (a digest of the file, the words of the filter): the same name with
    another one is refused. `order` is what every order says, with the profile type of rows that name none.
    `in_flight` orders run at once. `asked_by` is who asks, as audit trails name him.
    """

    owner: str
    name: str
    source: str
    order: CreateOrder
    in_flight: int = 200
    asked_by: str = ""


class FillBatch(Body, frozen=True, kw_only=True, tag=True):
    """Rows `first` and following, from 0; rows that are there already are left as they are."""

    owner: str
    name: str
    first: int
    rows: tuple[BatchRow, ...]


class ChangeBatch(Body, frozen=True, kw_only=True, tag=True):
    """start (after the last row), pause, resume, cancel, or limit (another number of orders at once)."""

    owner: str
    name: str
    action: str
    in_flight: int = 0


class ShowBatch(Body, frozen=True, kw_only=True, tag=True):
    """One batch."""

    owner: str
    name: str


class ListBatches(Body, frozen=True, kw_only=True, tag=True):
    """Batches of an owner, the newest first, behind the batch `after`.

    What is given leaves the others out: their state, the profile type of their orders, how their rows came
    (`kind`), who asked for them. Made at `since` or later and before `until`, in seconds since 1970; 0: whenever.
    """

    owner: str
    after: str = ""
    limit: int = 100
    state: str = ""
    kind: str = ""
    profile_type: str = ""
    asked_by: str = ""
    since: float = 0.0
    until: float = 0.0


class ListBatchRows(Body, frozen=True, kw_only=True, tag=True):
    """Rows of a batch in their order, behind number `after` (-1: from the first), of one state or of all."""

    owner: str
    name: str
    state: str = ""
    after: int = -1
    limit: int = 1_000


class BatchView(Body, frozen=True, kw_only=True, tag=True):
    """How far a batch is; `rows` is the sum of the counts behind it. `reason` says why it has paused by itself.

    `last_eid` is that of the last row: where a filter goes on. `profile_type` is that of rows that name none.
    """

    name: str
    state: str
    source: str
    in_flight: int
    rows: int
    waiting: int
    running: int
    done: int
    failed: int
    refused: int
    cancelled: int
    created: float
    updated: float
    reason: str = ""
    last_eid: str = ""
    profile_type: str = ""
    asked_by: str = ""


class BatchPage(Body, frozen=True, kw_only=True, tag=True):
    """Batches."""

    batches: tuple[BatchView, ...]


class BatchRowView(msgspec.Struct, frozen=True):
    """A row: its number, what it says, its state, its order, and why it was refused or failed."""

    number: int
    eid: str
    iccid: str
    profile_type: str
    state: str
    order_id: str
    detail: str


class BatchRowPage(Body, frozen=True, kw_only=True, tag=True):
    """Rows of a batch."""

    rows: tuple[BatchRowView, ...]


REQUESTS: tuple[type[Body], ...] = (OpenBatch, FillBatch, ChangeBatch, ShowBatch, ListBatches, ListBatchRows)
ANSWERS: tuple[type[Body], ...] = (BatchView, BatchPage, BatchRowPage)
