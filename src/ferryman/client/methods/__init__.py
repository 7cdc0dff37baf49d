# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Every route of the REST API as a method."""

from __future__ import annotations

from ferryman.client.methods.agreed_keys import AgreedKeys, AsyncAgreedKeys
from ferryman.client.methods.approvals import Approvals, AsyncApprovals
from ferryman.client.methods.batches import AsyncBatches, Batches
from ferryman.client.methods.campaigns import AsyncCampaigns, Campaigns
from ferryman.client.methods.certificates import AsyncCertificates, Certificates
from ferryman.client.methods.deletions import AsyncDeletions, Deletions
from ferryman.client.methods.es2_calls import AsyncEs2Calls, Es2Calls
from ferryman.client.methods.euiccs import AsyncEuiccs, Euiccs
from ferryman.client.methods.events import AsyncEvents, Events
from ferryman.client.methods.holds import AsyncHolds, Holds
from ferryman.client.methods.operations import AsyncOperations, Operations
from ferryman.client.methods.orders import AsyncOrders, Orders
from ferryman.client.methods.oversight import AsyncOversight, Oversight
from ferryman.client.methods.people import AsyncPeople, People
from ferryman.client.methods.platform import AsyncPlatform, Platform
from ferryman.client.methods.scripts import AsyncScripts, Scripts
from ferryman.client.methods.session import AsyncSession, Session
from ferryman.client.methods.stock import AsyncStock, Stock
from ferryman.client.methods.uploads import AsyncUploads, Uploads
from ferryman.client.methods.webhooks import AsyncWebhooks, Webhooks


class Methods(
    AgreedKeys,
    Approvals,
    Batches,
    Campaigns,
    Certificates,
    Deletions,
    Es2Calls,
    Euiccs,
    Events,
    Holds,
    Operations,
    Orders,
    Oversight,
    People,
    Platform,
    Scripts,
    Session,
    Stock,
    Uploads,
    Webhooks,
):
    """Methods that block."""


class AsyncMethods(
    AsyncAgreedKeys,
    AsyncApprovals,
    AsyncBatches,
    AsyncCampaigns,
    AsyncCertificates,
    AsyncDeletions,
    AsyncEs2Calls,
    AsyncEuiccs,
    AsyncEvents,
    AsyncHolds,
    AsyncOperations,
    AsyncOrders,
    AsyncOversight,
    AsyncPeople,
    AsyncPlatform,
    AsyncScripts,
    AsyncSession,
    AsyncStock,
    AsyncUploads,
    AsyncWebhooks,
):
    """Methods that are awaited."""
