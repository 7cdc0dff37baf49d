"""Events: a page of them, or a stream (server-sent events) that goes on as they come."""

from __future__ import annotations

from functools import partial

from starlette.responses import StreamingResponse

from ferryman.errors import Unavailable
from ferryman.rest_api import rights
from ferryman.rest_api.endpoint import Endpoint, Request
from ferryman.rest_api.events.views import EventPage, EventQuery, EventView, StreamQuery
from ferryman.rest_api.principal import ACCOUNT
from ferryman.rest_api.sessions import COOKIE
from ferryman.rest_api.standing import still_may


async def list_events(r: Request) -> EventPage:
    q = r.query
    return await r.services.events.page(r.tenant, after=int(q.after or 0), limit=q.limit, eid=q.eid, kind=q.type)


async def stream_events(r: Request) -> StreamingResponse:
    given = r.last_event_id if r.last_event_id.isascii() and r.last_event_id.isdigit() else r.query.after
    after = int(given[:18]) if given else await r.services.events.last(r.tenant)
    lines = r.services.streams.lines(r.tenant, after, r.query.eid, still=partial(_may_still, r))
    return StreamingResponse(lines, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _may_still(r: Request) -> bool:
    """Whether key or login are good now: a stream lasts for days, and what was let in is revoked in between."""
    services, now = r.services, r.services.clock.now()
    try:
        if not await services.mailbox.store.read(
            lambda c: still_may(c, r.who.actor, r.tenant, rights.EVENT_READ, now)
        ):
            return False
        return r.who.kind != ACCOUNT or await services.sessions.stands(r.cookies.get(COOKIE, ""))
    except Unavailable:
        return True  # nor is there an event to be read just now


_E = Endpoint
ENDPOINTS = (
    _E("GET", "/events", rights.EVENT_READ, "Events of the last 30 days, the oldest first", list_events, EventPage,
       query=EventQuery),
    _E("GET", "/events/stream", rights.EVENT_READ, "Events as they come (server-sent events), each as in /events",
       stream_events, EventView, query=StreamQuery, stream=True, media="text/event-stream"),
)  # fmt: skip
