"""Every route of the REST API: one table, from which the application, its rights and the OpenAPI file are made."""

from __future__ import annotations

from ferryman.rest_api.endpoint import Endpoint
from ferryman.rest_api.routes import (
    agreed_keys,
    approvals,
    batches,
    campaigns,
    certificates,
    deletions,
    es2_calls,
    euiccs,
    events,
    holds,
    operations,
    orders,
    oversight,
    people,
    platform,
    scripts,
    session,
    stock,
    uploads,
    webhooks,
)

# A fixed word stands before a name in its place: /scripts/rollback is none of the versions.
ENDPOINTS: tuple[Endpoint, ...] = (
    *euiccs.ENDPOINTS,
    *operations.ENDPOINTS,
    *deletions.ENDPOINTS,
    *es2_calls.ENDPOINTS,
    *campaigns.ENDPOINTS,
    *orders.ENDPOINTS,
    *batches.ENDPOINTS,
    *holds.ENDPOINTS,
    *platform.ENDPOINTS,
    *oversight.ENDPOINTS,
    *scripts.ENDPOINTS,
    *session.ENDPOINTS,
    *people.ENDPOINTS,
    *stock.ENDPOINTS,
    *uploads.ENDPOINTS,
    *agreed_keys.ENDPOINTS,
    *certificates.ENDPOINTS,
    *approvals.ENDPOINTS,
    *events.ENDPOINTS,
    *webhooks.ENDPOINTS,
)
