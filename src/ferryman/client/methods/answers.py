# Made by tools/client_methods.py from the table of endpoints: change it there.
"""What the REST API answers that is no contract's own."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from ferryman.contracts.batches import BatchView
from ferryman.contracts.events import EventKind
from ferryman.contracts.queue import CampaignCounts, CampaignState
from ferryman.contracts.rest import AccountView, KeyRole
from ferryman.contracts.secrecy import Guarded
from ferryman.contracts.status import ExecutionStatus


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """What two people must want.

    Times in seconds since 1970; `state` is waiting, expired, rejected, approved (and being carried out), done
    or failed; `asked_by` and `decided_by` name account or key.
    """

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


class BatchFilled(msgspec.Struct, frozen=True, kw_only=True):
    """`added` rows are new; `next` is where to go on, and empty when every eUICC was looked at."""

    batch: BatchView
    added: int
    next: str


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign.

    `progress` (0 to 1) is how far the adding of its entries is; `counts` are of what was added. `reason` says
    why it does not run. Times in seconds since 1970.
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


class CampaignSize(msgspec.Struct, frozen=True, kw_only=True):
    """How many of your eUICCs would get a command now."""

    euiccs: int


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


class EUICCFilter(Guarded, frozen=True, kw_only=True):
    """Those of your eUICCs that fit; empty filters fit all."""

    tag: str = ""
    eum_id: str = ""
    platform_type: str = ""
    platform_version: str = ""


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


class ExportedSubscription(Guarded, frozen=True, kw_only=True):
    """A subscription with Ki and OPc (or TOPc; empty where there is none) under the agreed key, base64.

    All three are empty where it cannot be exported any more: it was delivered, and its keys are destroyed
    here.
    """

    iccid: str
    imsi: str
    msisdn: str
    algorithm: str
    ki: bytes
    opc: bytes


class FleetCard(msgspec.Struct, frozen=True, kw_only=True):
    """An eUICC of the platform; `smsr_id` is the SM-SR that has it."""

    eid: str
    eum_id: str
    platform_type: str
    platform_version: str
    smsr_id: str


class HookKey(Guarded, frozen=True, kw_only=True):
    """The key as in Standard Webhooks, shown this once: it stays in the CryptoServer."""

    name: str
    secret: str


class NewRow(Guarded, frozen=True, kw_only=True):
    """One order: an ICCID or a profile type where they are not the batch's."""

    eid: str
    iccid: str = ""
    profile_type: str = ""


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries wait again."""

    deliveries: int


class ReportRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became, or would become, of a row, and why not; no secret."""

    line: int
    iccid: str
    outcome: str
    column: str
    rule: str


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


class SealedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file for the HLR, AuC or UDM in an OpenPGP envelope (base64): `rows` subscriptions.

    The line of one that was delivered says nothing of algorithm, Ki and OPc: its keys are destroyed here.
    """

    rows: int
    content: bytes


class SessionView(Guarded, frozen=True, kw_only=True):
    """Who you are. `csrf` belongs into X-CSRF-Token of every request that changes something by cookie."""

    kind: str
    id: str
    name: str
    role: KeyRole
    tenant: str
    rights: tuple[str, ...]
    must_change: bool = False
    csrf: str = ""


class SigningKeyView(msgspec.Struct, frozen=True, kw_only=True):
    """Its public half, PEM, for the CI to certify."""

    role: str
    public_key_pem: str


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """What is no secret of a subscription."""

    iccid: str
    imsi: str
    msisdn: str


class TOTPSecret(Guarded, frozen=True, kw_only=True):
    """For an authenticator app, shown this once: the secret (base32) and the same as URI."""

    hidden: ClassVar[tuple[str, ...]] = ("uri",)

    secret: str
    uri: str


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """An upload: whole file or nothing.

    `progress` (0 to 1) is of the file; the counts are of rows. `state` is running, done, failed (`problem`
    names the line), or interrupted: the same file again goes on where it was. `import_id` names what became of
    it, once it is done. Times in seconds since 1970.
    """

    upload_id: str
    profile_type: str
    dry_run: bool
    state: Literal["running", "done", "failed", "interrupted"]
    progress: float
    rows: int
    new: int
    known: int
    refused: int
    problem: str
    import_id: str
    created: float
    updated: float


class UserChanged(Guarded, frozen=True, kw_only=True):
    """The user, and after recovery the one-time password, shown this once."""

    account: AccountView
    password: str = ""


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
