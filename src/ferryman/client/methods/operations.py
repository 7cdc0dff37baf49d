# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ferryman.client.calls import Operation, Page
from ferryman.client.paging import AsyncPages, Pages
from ferryman.client.sender import AsyncSender, Sender
from ferryman.contracts.eis import PolicyRule
from ferryman.contracts.operations import JournalLine, OperationView
from ferryman.contracts.queue import EntryView

START_OPERATION: Operation[OperationView] = Operation(
    "start_operation",
    "POST",
    "/euiccs/{eid}/operations",
    OperationView,
    once=True,
    defaults={"iccid": "", "iccids": (), "validity": 86_400.0, "pol2": (), "imsi": "", "msisdn": ""},
)
LIST_OPERATIONS: Operation[Page[OperationView]] = Operation(
    "list_operations",
    "GET",
    "/operations",
    Page[OperationView],
    defaults={
        "after": "",
        "limit": 50,
        "eid": "",
        "function": "",
        "state": "",
        "failed_only": False,
        "since": 0.0,
        "until": 0.0,
    },
)
SHOW_JOURNAL: Operation[Page[JournalLine]] = Operation(
    "show_journal", "GET", "/operations/{operation_id}/journal", Page[JournalLine]
)
SHOW_OPERATION: Operation[OperationView] = Operation(
    "show_operation", "GET", "/operations/{operation_id}", OperationView
)
LIST_QUEUE: Operation[Page[EntryView]] = Operation(
    "list_queue",
    "GET",
    "/euiccs/{eid}/queue",
    Page[EntryView],
    defaults={"after": "", "limit": 50, "open_only": False},
)
ADD_TO_QUEUE: Operation[EntryView] = Operation(
    "add_to_queue",
    "POST",
    "/euiccs/{eid}/queue",
    EntryView,
    once=True,
    defaults={"priority": 0, "not_before": 0.0, "validity": 604_800.0, "hold": False, "iccid": ""},
)
SHOW_ENTRY: Operation[EntryView] = Operation("show_entry", "GET", "/euiccs/{eid}/queue/{entry}", EntryView)
CHANGE_ENTRY: Operation[EntryView] = Operation(
    "change_entry", "POST", "/euiccs/{eid}/queue/{entry}/changes", EntryView, defaults={"priority": 0}
)


class Operations(Sender):
    """Methods that block."""

    def start_operation(
        self,
        eid: str,
        *,
        function: Literal[
            "enable",
            "disable",
            "delete",
            "audit",
            "set-fallback",
            "update-policy-rules",
            "update-subscription-address",
        ],
        iccid: str = "",
        iccids: Sequence[str] = (),
        validity: float = 86_400.0,
        pol2: Sequence[PolicyRule] = (),
        imsi: str = "",
        msisdn: str = "",
        idempotency_key: str = "",
    ) -> OperationView:
        """Change or audit a profile now.

        What is to be done now, by our SM-SR (ES4). Needs the right `operation:write`.
        `iccid`: ICCID, or nothing.
        `validity`: Seconds from now.
        """
        return self._send(
            START_OPERATION.call(
                eid,
                body={
                    "iccid": iccid,
                    "iccids": iccids,
                    "validity": validity,
                    "pol2": pol2,
                    "imsi": imsi,
                    "msisdn": msisdn,
                    "function": function,
                },
                idempotency_key=idempotency_key,
            )
        )

    def list_operations(
        self,
        *,
        after: str = "",
        page_size: int = 50,
        eid: str = "",
        function: Literal[
            "",
            "enable",
            "disable",
            "delete",
            "audit",
            "set-fallback",
            "update-policy-rules",
            "update-subscription-address",
            "master-delete",
        ] = "",
        state: Literal["", "running", "done"] = "",
        failed_only: bool = False,
        since: float = 0.0,
        until: float = 0.0,
    ) -> Pages[OperationView]:
        """Operations, the newest first.

        Which operations: on one eUICC, of one function, running or done, or only those that failed. Begun at
        `since` or later and before `until`. A page may have few entries, or none, while there is a `next`. Needs
        the right `operation:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        `eid`: An EID, or nothing.
        `since`: Seconds since 1970: `since` and later, before `until`; 0: whenever.
        `until`: Seconds since 1970: `since` and later, before `until`; 0: whenever.
        """
        return self._pages(
            LIST_OPERATIONS.call(
                query={
                    "after": after,
                    "limit": page_size,
                    "eid": eid,
                    "function": function,
                    "state": state,
                    "failed_only": failed_only,
                    "since": since,
                    "until": until,
                }
            )
        )

    def show_journal(self, operation_id: str) -> Pages[JournalLine]:
        """Messages of an operation, their kinds.

        Needs the right `operation:read`.
        """
        return self._pages(SHOW_JOURNAL.call(operation_id))

    def show_operation(self, operation_id: str) -> OperationView:
        """State of an operation.

        Needs the right `operation:read`.
        """
        return self._send(SHOW_OPERATION.call(operation_id))

    def list_queue(
        self, eid: str, *, after: str = "", page_size: int = 50, open_only: bool = False
    ) -> Pages[EntryView]:
        """Command queue of an eUICC.

        Which entries. Needs the right `queue:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(
            LIST_QUEUE.call(eid, query={"after": after, "limit": page_size, "open_only": open_only})
        )

    def add_to_queue(
        self,
        eid: str,
        *,
        function: Literal["enable", "disable", "delete", "set-fallback", "audit"],
        priority: int = 0,
        not_before: float = 0.0,
        validity: float = 604_800.0,
        hold: bool = False,
        iccid: str = "",
        idempotency_key: str = "",
    ) -> EntryView:
        """Put a command into the queue.

        What is to be done when the card can be reached. Needs the right `queue:write`.
        `validity`: Seconds from now.
        `iccid`: ICCID, or nothing.
        """
        return self._send(
            ADD_TO_QUEUE.call(
                eid,
                body={
                    "priority": priority,
                    "not_before": not_before,
                    "validity": validity,
                    "hold": hold,
                    "function": function,
                    "iccid": iccid,
                },
                idempotency_key=idempotency_key,
            )
        )

    def show_entry(self, eid: str, entry: str) -> EntryView:
        """One entry of a queue.

        Needs the right `queue:read`.
        """
        return self._send(SHOW_ENTRY.call(eid, entry))

    def change_entry(
        self,
        eid: str,
        entry: str,
        *,
        action: Literal["move", "hold", "release", "cancel"],
        priority: int = 0,
        if_match: str = "",
    ) -> EntryView:
        """Move, hold, release or cancel an entry.

        Move (to `priority`), hold, release or cancel an entry that waits. Needs the right `queue:write`.
        """
        return self._send(
            CHANGE_ENTRY.call(eid, entry, body={"action": action, "priority": priority}, if_match=if_match)
        )


class AsyncOperations(AsyncSender):
    """Methods that are awaited."""

    async def start_operation(
        self,
        eid: str,
        *,
        function: Literal[
            "enable",
            "disable",
            "delete",
            "audit",
            "set-fallback",
            "update-policy-rules",
            "update-subscription-address",
        ],
        iccid: str = "",
        iccids: Sequence[str] = (),
        validity: float = 86_400.0,
        pol2: Sequence[PolicyRule] = (),
        imsi: str = "",
        msisdn: str = "",
        idempotency_key: str = "",
    ) -> OperationView:
        """Change or audit a profile now.

        What is to be done now, by our SM-SR (ES4). Needs the right `operation:write`.
        `iccid`: ICCID, or nothing.
        `validity`: Seconds from now.
        """
        return await self._send(
            START_OPERATION.call(
                eid,
                body={
                    "iccid": iccid,
                    "iccids": iccids,
                    "validity": validity,
                    "pol2": pol2,
                    "imsi": imsi,
                    "msisdn": msisdn,
                    "function": function,
                },
                idempotency_key=idempotency_key,
            )
        )

    def list_operations(
        self,
        *,
        after: str = "",
        page_size: int = 50,
        eid: str = "",
        function: Literal[
            "",
            "enable",
            "disable",
            "delete",
            "audit",
            "set-fallback",
            "update-policy-rules",
            "update-subscription-address",
            "master-delete",
        ] = "",
        state: Literal["", "running", "done"] = "",
        failed_only: bool = False,
        since: float = 0.0,
        until: float = 0.0,
    ) -> AsyncPages[OperationView]:
        """Operations, the newest first.

        Which operations: on one eUICC, of one function, running or done, or only those that failed. Begun at
        `since` or later and before `until`. A page may have few entries, or none, while there is a `next`. Needs
        the right `operation:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        `eid`: An EID, or nothing.
        `since`: Seconds since 1970: `since` and later, before `until`; 0: whenever.
        `until`: Seconds since 1970: `since` and later, before `until`; 0: whenever.
        """
        return self._pages(
            LIST_OPERATIONS.call(
                query={
                    "after": after,
                    "limit": page_size,
                    "eid": eid,
                    "function": function,
                    "state": state,
                    "failed_only": failed_only,
                    "since": since,
                    "until": until,
                }
            )
        )

    def show_journal(self, operation_id: str) -> AsyncPages[JournalLine]:
        """Messages of an operation, their kinds.

        Needs the right `operation:read`.
        """
        return self._pages(SHOW_JOURNAL.call(operation_id))

    async def show_operation(self, operation_id: str) -> OperationView:
        """State of an operation.

        Needs the right `operation:read`.
        """
        return await self._send(SHOW_OPERATION.call(operation_id))

    def list_queue(
        self, eid: str, *, after: str = "", page_size: int = 50, open_only: bool = False
    ) -> AsyncPages[EntryView]:
        """Command queue of an eUICC.

        Which entries. Needs the right `queue:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(
            LIST_QUEUE.call(eid, query={"after": after, "limit": page_size, "open_only": open_only})
        )

    async def add_to_queue(
        self,
        eid: str,
        *,
        function: Literal["enable", "disable", "delete", "set-fallback", "audit"],
        priority: int = 0,
        not_before: float = 0.0,
        validity: float = 604_800.0,
        hold: bool = False,
        iccid: str = "",
        idempotency_key: str = "",
    ) -> EntryView:
        """Put a command into the queue.

        What is to be done when the card can be reached. Needs the right `queue:write`.
        `validity`: Seconds from now.
        `iccid`: ICCID, or nothing.
        """
        return await self._send(
            ADD_TO_QUEUE.call(
                eid,
                body={
                    "priority": priority,
                    "not_before": not_before,
                    "validity": validity,
                    "hold": hold,
                    "function": function,
                    "iccid": iccid,
                },
                idempotency_key=idempotency_key,
            )
        )

    async def show_entry(self, eid: str, entry: str) -> EntryView:
        """One entry of a queue.

        Needs the right `queue:read`.
        """
        return await self._send(SHOW_ENTRY.call(eid, entry))

    async def change_entry(
        self,
        eid: str,
        entry: str,
        *,
        action: Literal["move", "hold", "release", "cancel"],
        priority: int = 0,
        if_match: str = "",
    ) -> EntryView:
        """Move, hold, release or cancel an entry.

        Move (to `priority`), hold, release or cancel an entry that waits. Needs the right `queue:write`.
        """
        return await self._send(
            CHANGE_ENTRY.call(eid, entry, body={"action": action, "priority": priority}, if_match=if_match)
        )
