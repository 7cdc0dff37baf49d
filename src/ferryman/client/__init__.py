"""Typed client of the REST API: `Client` that blocks, `AsyncClient` for asyncio; see docs/client.md."""

from __future__ import annotations

from ferryman.client.awaiting import AsyncClient, AsyncEventStream
from ferryman.client.blocking import Client, EventStream
from ferryman.client.calls import Page
from ferryman.client.conversation import Patience
from ferryman.client.errors import (
    AnswerNotUnderstood,
    BadRequest,
    Changed,
    ClientError,
    Conflict,
    KeyReused,
    NotAllowed,
    NotAnswered,
    NotAuthenticated,
    NotFound,
    PlatformFault,
    PlatformUnavailable,
    RequestRefused,
    TooLarge,
    TooManyRequests,
    Unreachable,
)
from ferryman.client.paging import AsyncPages, Pages
from ferryman.client.tagged import Tagged

__all__ = [
    "AnswerNotUnderstood",
    "AsyncClient",
    "AsyncEventStream",
    "AsyncPages",
    "BadRequest",
    "Changed",
    "Client",
    "ClientError",
    "Conflict",
    "EventStream",
    "KeyReused",
    "NotAllowed",
    "NotAnswered",
    "NotAuthenticated",
    "NotFound",
    "Page",
    "Pages",
    "Patience",
    "PlatformFault",
    "PlatformUnavailable",
    "RequestRefused",
    "Tagged",
    "TooLarge",
    "TooManyRequests",
    "Unreachable",
]
