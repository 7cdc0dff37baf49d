# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferryman.client.calls import Operation, Page
from ferryman.client.methods.answers import EventView
from ferryman.client.paging import AsyncPages, Pages
from ferryman.client.sender import AsyncSender, Sender

if TYPE_CHECKING:
    from ferryman.client.awaiting import AsyncEventStream
    from ferryman.client.blocking import EventStream

LIST_EVENTS: Operation[Page[EventView]] = Operation(
    "list_events", "GET", "/events", Page[EventView], defaults={"after": "", "limit": 50, "eid": "", "type": ""}
)
STREAM_EVENTS: Operation[EventView] = Operation(
    "stream_events", "GET", "/events/stream", EventView, defaults={"after": "", "eid": ""}
)


class Events(Sender):
    """Methods that block."""

    def list_events(
        self, *, after: str = "", page_size: int = 50, eid: str = "", type: str = ""
    ) -> Pages[EventView]:
        """Events of the last 30 days, the oldest first.

        Which events: behind one of them, of one eUICC, of one kind. Needs the right `event:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        `eid`: An EID, or nothing.
        `type`: Only of this type.
        """
        return self._pages(LIST_EVENTS.call(query={"after": after, "limit": page_size, "eid": eid, "type": type}))

    def stream_events(self, *, after: str = "", eid: str = "") -> EventStream[EventView]:
        """Events as they come (server-sent events), each as in /events.

        Which events; the header Last-Event-ID goes before `after`. Without either: from now on. Needs the right
        `event:read`.
        `after`: `seq` of the last event seen.
        `eid`: An EID, or nothing.
        """
        return self._stream(STREAM_EVENTS.call(query={"after": after, "eid": eid}))


class AsyncEvents(AsyncSender):
    """Methods that are awaited."""

    def list_events(
        self, *, after: str = "", page_size: int = 50, eid: str = "", type: str = ""
    ) -> AsyncPages[EventView]:
        """Events of the last 30 days, the oldest first.

        Which events: behind one of them, of one eUICC, of one kind. Needs the right `event:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        `eid`: An EID, or nothing.
        `type`: Only of this type.
        """
        return self._pages(LIST_EVENTS.call(query={"after": after, "limit": page_size, "eid": eid, "type": type}))

    def stream_events(self, *, after: str = "", eid: str = "") -> AsyncEventStream[EventView]:
        """Events as they come (server-sent events), each as in /events.

        Which events; the header Last-Event-ID goes before `after`. Without either: from now on. Needs the right
        `event:read`.
        `after`: `seq` of the last event seen.
        `eid`: An EID, or nothing.
        """
        return self._stream(STREAM_EVENTS.call(query={"after": after, "eid": eid}))
