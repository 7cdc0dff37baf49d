# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: stock."""

from __future__ import annotations

from typing import Literal

from ferryman.client.calls import Operation, Page
from ferryman.client.methods.answers import Approval, ExportedSubscription, SealedFile, Subscription
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
EXPORT_KEYS: Operation[Page[ExportedSubscription]] = Operation(
    "export_keys",
    "GET",
    "/imports/{import_id}/keys",
    Page[ExportedSubscription],
    defaults={"after": "", "limit": 50, "under": "", "cipher": "aes-gcm"},
)
EXPORT_SEALED: Operation[SealedFile] = Operation(
    "export_sealed", "POST", "/imports/{import_id}/envelopes", SealedFile, once=True
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

    def export_keys(
        self,
        import_id: str,
        *,
        after: str = "",
        page_size: int = 50,
        under: str = "",
        cipher: Literal["aes-gcm", "aes-cbc", "aes-ecb"] = "aes-gcm",
    ) -> Pages[ExportedSubscription]:
        """Ki and OPc of an import under an agreed key.

        The name of the key agreed with the HLR, AuC or UDM (`under`), and how each value is encrypted under it.
        Needs the right `stock:export`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(
            EXPORT_KEYS.call(
                import_id, query={"after": after, "limit": page_size, "under": under, "cipher": cipher}
            )
        )

    def export_sealed(self, import_id: str, *, recipient: str, idempotency_key: str = "") -> SealedFile:
        """Ki and OPc of an import in an OpenPGP envelope.

        The name of the correspondent for whose OpenPGP key the file is encrypted; it is signed with ours. Needs
        the right `stock:export`.
        """
        return self._send(
            EXPORT_SEALED.call(import_id, body={"recipient": recipient}, idempotency_key=idempotency_key)
        )

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

    def export_keys(
        self,
        import_id: str,
        *,
        after: str = "",
        page_size: int = 50,
        under: str = "",
        cipher: Literal["aes-gcm", "aes-cbc", "aes-ecb"] = "aes-gcm",
    ) -> AsyncPages[ExportedSubscription]:
        """Ki and OPc of an import under an agreed key.

        The name of the key agreed with the HLR, AuC or UDM (`under`), and how each value is encrypted under it.
        Needs the right `stock:export`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(
            EXPORT_KEYS.call(
                import_id, query={"after": after, "limit": page_size, "under": under, "cipher": cipher}
            )
        )

    async def export_sealed(self, import_id: str, *, recipient: str, idempotency_key: str = "") -> SealedFile:
        """Ki and OPc of an import in an OpenPGP envelope.

        The name of the correspondent for whose OpenPGP key the file is encrypted; it is signed with ours. Needs
        the right `stock:export`.
        """
        return await self._send(
            EXPORT_SEALED.call(import_id, body={"recipient": recipient}, idempotency_key=idempotency_key)
        )

    async def ask_for_deletion(self, import_id: str, *, if_match: str = "", idempotency_key: str = "") -> Approval:
        """Ask for the deletion of what is free; a second person approves.

        Needs the right `stock:write`.
        """
        return await self._send(
            ASK_FOR_DELETION.call(import_id, if_match=if_match, idempotency_key=idempotency_key)
        )
