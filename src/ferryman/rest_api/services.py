"""What the routes work with beside the roles behind them: the tables and books of this role."""

from __future__ import annotations

from dataclasses import dataclass

from ferryman.platform.bus import Calls
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.mailbox import Mailbox
from ferryman.rest_api.accounts import AccountBook
from ferryman.rest_api.approvals import ApprovalBook
from ferryman.rest_api.asking import Asking
from ferryman.rest_api.events.book import EventBook
from ferryman.rest_api.events.post import WebhookPost
from ferryman.rest_api.events.sender import Sender
from ferryman.rest_api.events.streams import Streams
from ferryman.rest_api.events.webhooks import WebhookBook
from ferryman.rest_api.kept import KeptAnswers
from ferryman.rest_api.keys import KeyBook
from ferryman.rest_api.oidc import OIDC
from ferryman.rest_api.routes.approvals import deeds
from ferryman.rest_api.seal import Seal
from ferryman.rest_api.sessions import SessionBook
from ferryman.rest_api.settings import RESTSettings
from ferryman.rest_api.uploads import UploadBook


@dataclass(frozen=True, slots=True)
class Services:
    """One of each."""

    mailbox: Mailbox
    settings: RESTSettings
    clock: Clock
    entropy: Entropy
    ask: Asking
    keys: KeyBook
    sessions: SessionBook
    accounts: AccountBook
    approvals: ApprovalBook
    oidc: OIDC | None
    events: EventBook
    streams: Streams
    webhooks: WebhookBook
    sender: Sender
    uploads: UploadBook
    kept: KeptAnswers


def make_services(
    *,
    mailbox: Mailbox,
    settings: RESTSettings,
    clock: Clock,
    entropy: Entropy,
    calls: Calls,
    seal: Seal,
    threaded: bool,
) -> Services:
    """All of them, for one installation."""
    ask = Asking(calls, clock, entropy)
    sessions = SessionBook(mailbox, clock, entropy)
    accounts = AccountBook(
        mailbox=mailbox, clock=clock, entropy=entropy, seal=seal, sessions=sessions, threaded=threaded
    )
    oidc = None
    if settings.oidc is not None:
        oidc = OIDC(
            settings=settings.oidc,
            mailbox=mailbox,
            clock=clock,
            entropy=entropy,
            accounts=accounts,
            sessions=sessions,
        )
    approvals = ApprovalBook(
        mailbox=mailbox, clock=clock, entropy=entropy, hours=settings.approval_hours, deeds=deeds(ask)
    )
    events = EventBook(mailbox, clock)
    webhooks = WebhookBook(mailbox, clock, entropy, seal)
    sender = Sender(
        book=webhooks,
        post=lambda: WebhookPost(
            timeout=settings.webhook_timeout, networks=settings.networks, ca_file=settings.webhook_ca_file
        ),
        clock=clock,
    )
    events.wake = sender.wake
    webhooks.changed = lambda webhook_id: sender.wake((webhook_id,))
    return Services(
        mailbox=mailbox,
        settings=settings,
        clock=clock,
        entropy=entropy,
        ask=ask,
        keys=KeyBook(mailbox, clock, entropy),
        sessions=sessions,
        accounts=accounts,
        approvals=approvals,
        oidc=oidc,
        events=events,
        streams=Streams(events),
        webhooks=webhooks,
        sender=sender,
        uploads=UploadBook(mailbox, ask),
        kept=KeptAnswers(mailbox, seal),
    )
