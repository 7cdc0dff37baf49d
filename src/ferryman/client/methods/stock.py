# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: stock."""

from __future__ import annotations

from ferryman.client.calls import Operation, Page
from ferryman.client.methods.answers import Approval, Subscription
from ferryman.client.paging import AsyncPages, Pages
from ferryman.client.sender import AsyncSender, Sender
from ferryman.contracts.imports import ImportView

LIST_IMPORTS: Operation[Page[ImportView]] = Operation(
    "list_imports", "GET", "/imports", Page[ImportView], defaults={"after": "", "limit": 50}
)
SHOW_IMPORT: Operation[ImportView] = Operation("show_import", "GET", "/imports/{import_id}", ImportView)
LIST_SUBSCRIPTIONS: Operation[Page[Subscription]] = Operation(
    "list_subscriptions",
    "GET",
    "/imports/{import_id}/subscriptions",
    Page[Subscription],
    defaults={"after": "", "limit": 50},
)
ASK_FOR_DELETION: Operation[Approval] = Operation(
    "ask_for_deletion", "DELETE", "/imports/{import_id}", Approval, once=True
)


class Stock(Sender):
    """Methods that block."""

    def list_imports(self, *, after: str = "", page_size: int = 50) -> Pages[ImportView]:
        """Imports of subscriptions, the newest first.

        Needs the right `stock:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_IMPORTS.call(query={"after": after, "limit": page_size}))

    def show_import(self, import_id: str) -> ImportView:
        """One import: how far it is, what is free.

        Needs the right `stock:read`.
        """
        return self._send(SHOW_IMPORT.call(import_id))

    def list_subscriptions(self, import_id: str, *, after: str = "", page_size: int = 50) -> Pages[Subscription]:
        """Subscriptions of an import, no secrets.

        Needs the right `stock:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_SUBSCRIPTIONS.call(import_id, query={"after": after, "limit": page_size}))

    def ask_for_deletion(self, import_id: str, *, if_match: str = "", idempotency_key: str = "") -> Approval:
        """Ask for the deletion of what is free; a second person approves.

        Needs the right `stock:write`.
        """
        return self._send(ASK_FOR_DELETION.call(import_id, if_match=if_match, idempotency_key=idempotency_key))


class AsyncStock(AsyncSender):
    """Methods that are awaited."""

    def list_imports(self, *, after: str = "", page_size: int = 50) -> AsyncPages[ImportView]:
        """Imports of subscriptions, the newest first.

        Needs the right `stock:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_IMPORTS.call(query={"after": after, "limit": page_size}))

    async def show_import(self, import_id: str) -> ImportView:
        """One import: how far it is, what is free.

        Needs the right `stock:read`.
        """
        return await self._send(SHOW_IMPORT.call(import_id))

    def list_subscriptions(
        self, import_id: str, *, after: str = "", page_size: int = 50
    ) -> AsyncPages[Subscription]:
        """Subscriptions of an import, no secrets.

        Needs the right `stock:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_SUBSCRIPTIONS.call(import_id, query={"after": after, "limit": page_size}))

    async def ask_for_deletion(self, import_id: str, *, if_match: str = "", idempotency_key: str = "") -> Approval:
        """Ask for the deletion of what is free; a second person approves.

        Needs the right `stock:write`.
        """
        return await self._send(
            ASK_FOR_DELETION.call(import_id, if_match=if_match, idempotency_key=idempotency_key)
        )
