# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ferryman.client.calls import Operation, Page
from ferryman.client.methods.answers import DeliveryView, Replayed, WebhookView
from ferryman.client.paging import AsyncPages, Pages
from ferryman.client.sender import AsyncSender, Sender
from ferryman.contracts.events import EventKind

LIST_WEBHOOKS: Operation[Page[WebhookView]] = Operation(
    "list_webhooks", "GET", "/webhooks", Page[WebhookView], defaults={"after": "", "limit": 50}
)
CREATE_WEBHOOK: Operation[WebhookView] = Operation(
    "create_webhook", "POST", "/webhooks", WebhookView, once=True, defaults={"types": ()}
)
SHOW_WEBHOOK: Operation[WebhookView] = Operation("show_webhook", "GET", "/webhooks/{webhook_id}", WebhookView)
CHANGE_WEBHOOK: Operation[WebhookView] = Operation(
    "change_webhook", "POST", "/webhooks/{webhook_id}/changes", WebhookView
)
DELETE_WEBHOOK: Operation[None] = Operation("delete_webhook", "DELETE", "/webhooks/{webhook_id}", None)
LIST_DELIVERIES: Operation[Page[DeliveryView]] = Operation(
    "list_deliveries",
    "GET",
    "/webhooks/{webhook_id}/deliveries",
    Page[DeliveryView],
    defaults={"after": "", "limit": 50, "state": ""},
)
REPLAY_WEBHOOK: Operation[Replayed] = Operation(
    "replay_webhook",
    "POST",
    "/webhooks/{webhook_id}/replay",
    Replayed,
    defaults={"after": "0", "given_up_only": True},
)


class Webhooks(Sender):
    """Methods that block."""

    def list_webhooks(self, *, after: str = "", page_size: int = 50) -> Pages[WebhookView]:
        """Webhooks, the oldest first.

        Needs the right `webhook:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_WEBHOOKS.call(query={"after": after, "limit": page_size}))

    def create_webhook(
        self, *, url: str, types: Sequence[EventKind] = (), idempotency_key: str = ""
    ) -> WebhookView:
        """Have events POSTed to a URL, signed as in Standard Webhooks.

        Where events are to be POSTed; without `types` all of them. Needs the right `webhook:write`.
        `url`: https://...
        """
        return self._send(CREATE_WEBHOOK.call(body={"url": url, "types": types}, idempotency_key=idempotency_key))

    def show_webhook(self, webhook_id: str) -> WebhookView:
        """One webhook.

        Needs the right `webhook:read`.
        """
        return self._send(SHOW_WEBHOOK.call(webhook_id))

    def change_webhook(
        self, webhook_id: str, *, action: Literal["pause", "resume", "rotate"], if_match: str = ""
    ) -> WebhookView:
        """Pause, resume, or make a new secret.

        `rotate` makes a new secret; for a day deliveries are signed with those before it too. Needs the right
        `webhook:write`.
        """
        return self._send(CHANGE_WEBHOOK.call(webhook_id, body={"action": action}, if_match=if_match))

    def delete_webhook(self, webhook_id: str, *, if_match: str = "") -> None:
        """Delete a webhook with its deliveries.

        Needs the right `webhook:write`.
        """
        self._send(DELETE_WEBHOOK.call(webhook_id, if_match=if_match))

    def list_deliveries(
        self,
        webhook_id: str,
        *,
        after: str = "",
        page_size: int = 50,
        state: Literal["", "waiting", "delivered", "given-up"] = "",
    ) -> Pages[DeliveryView]:
        """What was delivered, and what waits.

        Which deliveries. Needs the right `webhook:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(
            LIST_DELIVERIES.call(webhook_id, query={"after": after, "limit": page_size, "state": state})
        )

    def replay_webhook(self, webhook_id: str, *, after: str = "0", given_up_only: bool = True) -> Replayed:
        """Deliver again, under the same names.

        Deliver again what was delivered or given up: events behind `after`, or only what was given up. Needs the
        right `webhook:write`.
        `after`: `seq` of an event.
        """
        return self._send(REPLAY_WEBHOOK.call(webhook_id, body={"after": after, "given_up_only": given_up_only}))


class AsyncWebhooks(AsyncSender):
    """Methods that are awaited."""

    def list_webhooks(self, *, after: str = "", page_size: int = 50) -> AsyncPages[WebhookView]:
        """Webhooks, the oldest first.

        Needs the right `webhook:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_WEBHOOKS.call(query={"after": after, "limit": page_size}))

    async def create_webhook(
        self, *, url: str, types: Sequence[EventKind] = (), idempotency_key: str = ""
    ) -> WebhookView:
        """Have events POSTed to a URL, signed as in Standard Webhooks.

        Where events are to be POSTed; without `types` all of them. Needs the right `webhook:write`.
        `url`: https://...
        """
        return await self._send(
            CREATE_WEBHOOK.call(body={"url": url, "types": types}, idempotency_key=idempotency_key)
        )

    async def show_webhook(self, webhook_id: str) -> WebhookView:
        """One webhook.

        Needs the right `webhook:read`.
        """
        return await self._send(SHOW_WEBHOOK.call(webhook_id))

    async def change_webhook(
        self, webhook_id: str, *, action: Literal["pause", "resume", "rotate"], if_match: str = ""
    ) -> WebhookView:
        """Pause, resume, or make a new secret.

        `rotate` makes a new secret; for a day deliveries are signed with those before it too. Needs the right
        `webhook:write`.
        """
        return await self._send(CHANGE_WEBHOOK.call(webhook_id, body={"action": action}, if_match=if_match))

    async def delete_webhook(self, webhook_id: str, *, if_match: str = "") -> None:
        """Delete a webhook with its deliveries.

        Needs the right `webhook:write`.
        """
        await self._send(DELETE_WEBHOOK.call(webhook_id, if_match=if_match))

    def list_deliveries(
        self,
        webhook_id: str,
        *,
        after: str = "",
        page_size: int = 50,
        state: Literal["", "waiting", "delivered", "given-up"] = "",
    ) -> AsyncPages[DeliveryView]:
        """What was delivered, and what waits.

        Which deliveries. Needs the right `webhook:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(
            LIST_DELIVERIES.call(webhook_id, query={"after": after, "limit": page_size, "state": state})
        )

    async def replay_webhook(self, webhook_id: str, *, after: str = "0", given_up_only: bool = True) -> Replayed:
        """Deliver again, under the same names.

        Deliver again what was delivered or given up: events behind `after`, or only what was given up. Needs the
        right `webhook:write`.
        `after`: `seq` of an event.
        """
        return await self._send(
            REPLAY_WEBHOOK.call(webhook_id, body={"after": after, "given_up_only": given_up_only})
        )
