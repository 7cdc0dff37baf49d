"""Events and webhooks as the API shows them; an event has the same form in a page, a stream and a delivery."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ferryman.contracts.events import EventKind
from ferryman.contracts.secrecy import Guarded
from ferryman.contracts.status import ExecutionStatus
from ferryman.rest_api.bodies import EIDFilter, NumberQuery

KindFilter = Annotated[
    str, msgspec.Meta(pattern=f"^(|{'|'.join(EventKind)})$".replace(".", "[.]"), description="Only of this type.")
]
MAX_URL = 500  # characters
ACTIVE, PAUSED = "active", "paused"
WAITING, DELIVERED, GIVEN_UP = "waiting", "delivered", "given-up"


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `seq` orders the events of an installation and is the cursor behind it; `at` in s since 1970."""

    id: str
    seq: int
    type: EventKind
    at: float
    eid: str
    iccid: str = ""
    subject: str = ""
    word: str = ""
    status: ExecutionStatus | None = None


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page, the oldest first."""

    items: tuple[EventView, ...]
    next: str = ""


class EventQuery(NumberQuery, frozen=True, kw_only=True):
    """Which events: behind one of them, of one eUICC, of one kind."""

    eid: EIDFilter = ""
    type: KindFilter = ""


class StreamQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events; the header Last-Event-ID goes before `after`. Without either: from now on."""

    after: Annotated[str, msgspec.Meta(pattern="^[0-9]{0,18}$", description="`seq` of the last event seen.")] = ""
    eid: EIDFilter = ""


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where events are to be POSTed; without `types` all of them."""

    url: Annotated[str, msgspec.Meta(min_length=8, max_length=MAX_URL, description="https://...")]
    types: Annotated[tuple[EventKind, ...], msgspec.Meta(max_length=len(EventKind))] = ()


class WebhookChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`rotate` makes a new secret; for a day deliveries are signed with those before it too."""

    action: Literal["pause", "resume", "rotate"]


class WebhookView(Guarded, frozen=True, kw_only=True):
    """A webhook. `reason` says why it is paused; `secret` is shown once, when it is made or rotated."""

    id: str
    url: str
    types: tuple[EventKind, ...]
    state: str
    created: float
    waiting: int
    reason: str = ""
    secret: str = ""


class WebhookList(msgspec.Struct, frozen=True, kw_only=True):
    """The webhooks of a tenant."""

    items: tuple[WebhookView, ...]
    next: str = ""


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one webhook. `http_status` of the last attempt, 0 when there was no answer."""

    id: str
    event: str
    seq: int
    eid: str
    state: str
    attempts: int
    next_try: float
    changed: float
    http_status: int = 0
    note: str = ""


class DeliveryList(msgspec.Struct, frozen=True, kw_only=True):
    """A page, the oldest first."""

    items: tuple[DeliveryView, ...]
    next: str = ""


class DeliveryQuery(NumberQuery, frozen=True, kw_only=True):
    """Which deliveries."""

    state: Literal["", "waiting", "delivered", "given-up"] = ""


class NewReplay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Deliver again what was delivered or given up: events behind `after`, or only what was given up."""

    after: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,18}$", description="`seq` of an event.")] = "0"
    given_up_only: bool = True


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries wait again."""

    deliveries: int
