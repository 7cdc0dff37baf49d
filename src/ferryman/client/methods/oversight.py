# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: oversight."""

from __future__ import annotations

from typing import Literal

from ferryman.client.calls import Operation, Page
from ferryman.client.methods.answers import RoleAlarm
from ferryman.client.paging import AsyncPages, Pages
from ferryman.client.sender import AsyncSender, Sender
from ferryman.contracts.oversight import AuditLine, Statistics

LIST_AUDIT: Operation[Page[AuditLine]] = Operation(
    "list_audit",
    "GET",
    "/audit",
    Page[AuditLine],
    defaults={"after": "", "limit": 50, "source": "rest-api", "eid": "", "action": ""},
)
SHOW_STATISTICS: Operation[Statistics] = Operation("show_statistics", "GET", "/statistics", Statistics)
LIST_ALARMS: Operation[Page[RoleAlarm]] = Operation("list_alarms", "GET", "/alarms", Page[RoleAlarm])


class Oversight(Sender):
    """Methods that block."""

    def list_audit(
        self,
        *,
        after: str = "",
        page_size: int = 50,
        source: Literal["rest-api", "sm-sr", "sm-dp"] = "rest-api",
        eid: str = "",
        action: str = "",
    ) -> Pages[AuditLine]:
        """Who did what, the newest first.

        Which records: of which role's trail, about one eUICC, of one action. Needs the right `audit:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        `eid`: An EID, or nothing.
        """
        return self._pages(
            LIST_AUDIT.call(
                query={"after": after, "limit": page_size, "source": source, "eid": eid, "action": action}
            )
        )

    def show_statistics(self) -> Statistics:
        """Counts of eUICCs, profiles, queues, orders, subscriptions.

        Needs the right `statistics:read`.
        """
        return self._send(SHOW_STATISTICS.call())

    def list_alarms(self) -> Pages[RoleAlarm]:
        """What needs somebody's attention now.

        Needs the right `alarm:read`.
        """
        return self._pages(LIST_ALARMS.call())


class AsyncOversight(AsyncSender):
    """Methods that are awaited."""

    def list_audit(
        self,
        *,
        after: str = "",
        page_size: int = 50,
        source: Literal["rest-api", "sm-sr", "sm-dp"] = "rest-api",
        eid: str = "",
        action: str = "",
    ) -> AsyncPages[AuditLine]:
        """Who did what, the newest first.

        Which records: of which role's trail, about one eUICC, of one action. Needs the right `audit:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        `eid`: An EID, or nothing.
        """
        return self._pages(
            LIST_AUDIT.call(
                query={"after": after, "limit": page_size, "source": source, "eid": eid, "action": action}
            )
        )

    async def show_statistics(self) -> Statistics:
        """Counts of eUICCs, profiles, queues, orders, subscriptions.

        Needs the right `statistics:read`.
        """
        return await self._send(SHOW_STATISTICS.call())

    def list_alarms(self) -> AsyncPages[RoleAlarm]:
        """What needs somebody's attention now.

        Needs the right `alarm:read`.
        """
        return self._pages(LIST_ALARMS.call())
