# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ferryman.client.calls import Operation, Page
from ferryman.client.methods.answers import HookKey
from ferryman.client.paging import AsyncPages, Pages
from ferryman.client.sender import AsyncSender, Sender
from ferryman.contracts.holds import HookView
from ferryman.contracts.orders import OrderView

LIST_HOOKS: Operation[Page[HookView]] = Operation(
    "list_hooks", "GET", "/order-hooks", Page[HookView], defaults={"after": "", "limit": 50}
)
SET_HOOK: Operation[HookView] = Operation(
    "set_hook",
    "PUT",
    "/order-hooks",
    HookView,
    defaults={
        "profile_type": "",
        "url": "",
        "key": "",
        "holds": ("before-download", "after-enable"),
        "limit": 3_600.0,
        "undo": "disable",
    },
)
REMOVE_HOOK: Operation[None] = Operation(
    "remove_hook", "DELETE", "/order-hooks", None, defaults={"profile_type": ""}
)
MAKE_HOOK_KEY: Operation[HookKey] = Operation("make_hook_key", "POST", "/hook-keys", HookKey, once=True)
IMPORT_HOOK_KEY: Operation[None] = Operation("import_hook_key", "PUT", "/hook-keys", None)
RELEASE_ORDER: Operation[OrderView] = Operation(
    "release_order", "POST", "/orders/{order_id}/release", OrderView, defaults={"hold": ""}
)
REFUSE_ORDER: Operation[OrderView] = Operation(
    "refuse_order", "POST", "/orders/{order_id}/refuse", OrderView, defaults={"hold": "", "reason": ""}
)


class Holds(Sender):
    """Methods that block."""

    def list_hooks(self, *, after: str = "", page_size: int = 50) -> Pages[HookView]:
        """Where orders hold, and what stands in the way of calls.

        Needs the right `hook:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_HOOKS.call(query={"after": after, "limit": page_size}))

    def set_hook(
        self,
        *,
        profile_type: str = "",
        url: str = "",
        key: str = "",
        holds: Sequence[Literal["before-download", "after-enable"]] = ("before-download", "after-enable"),
        limit: float = 3_600.0,
        undo: Literal["keep", "disable", "delete"] = "disable",
        if_match: str = "",
    ) -> HookView:
        """Have orders hold, and somebody asked; replaces the type's hook.

        Where and how orders hold; `profile_type` empty: those of every type without a hook of its own. `url`
        empty: nobody is asked, and the orders wait for a release; else calls are signed with the key `key`. What
        follows a refusal or silence of `limit` seconds behind the enabling is `undo`. Needs the right
        `hook:write`.
        `limit`: Seconds from now.
        """
        return self._send(
            SET_HOOK.call(
                body={
                    "profile_type": profile_type,
                    "url": url,
                    "key": key,
                    "holds": holds,
                    "limit": limit,
                    "undo": undo,
                },
                if_match=if_match,
            )
        )

    def remove_hook(self, *, profile_type: str = "", if_match: str = "") -> None:
        """Later orders hold no more; others wait for a release.

        Of which profile type; empty: the one for every type. Needs the right `hook:write`.
        """
        self._send(REMOVE_HOOK.call(query={"profile_type": profile_type}, if_match=if_match))

    def make_hook_key(self, *, name: str, idempotency_key: str = "") -> HookKey:
        """A key that signs the calls of hooks, shown once.

        A key for calls of hooks; one of this name is replaced. Needs the right `hook:write`.
        """
        return self._send(MAKE_HOOK_KEY.call(body={"name": name}, idempotency_key=idempotency_key))

    def import_hook_key(self, *, name: str, key: bytes) -> None:
        """Store a key of yours that signs the calls of hooks.

        A key of yours (32 to 64 octets) for calls of hooks; one of this name is replaced. Needs the right
        `hook:write`.
        """
        self._send(IMPORT_HOOK_KEY.call(body={"name": name, "key": key}))

    def release_order(
        self, order_id: str, *, hold: Literal["", "before-download", "after-enable"] = "", if_match: str = ""
    ) -> OrderView:
        """Let an order that holds go on.

        `hold` names the hold that is meant; empty: the one in which the order is. Needs the right `order:write`.
        """
        return self._send(RELEASE_ORDER.call(order_id, body={"hold": hold}, if_match=if_match))

    def refuse_order(
        self,
        order_id: str,
        *,
        hold: Literal["", "before-download", "after-enable"] = "",
        reason: str = "",
        if_match: str = "",
    ) -> OrderView:
        """End an order that holds.

        Why the order must not go on. Needs the right `order:write`.
        """
        return self._send(REFUSE_ORDER.call(order_id, body={"hold": hold, "reason": reason}, if_match=if_match))


class AsyncHolds(AsyncSender):
    """Methods that are awaited."""

    def list_hooks(self, *, after: str = "", page_size: int = 50) -> AsyncPages[HookView]:
        """Where orders hold, and what stands in the way of calls.

        Needs the right `hook:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_HOOKS.call(query={"after": after, "limit": page_size}))

    async def set_hook(
        self,
        *,
        profile_type: str = "",
        url: str = "",
        key: str = "",
        holds: Sequence[Literal["before-download", "after-enable"]] = ("before-download", "after-enable"),
        limit: float = 3_600.0,
        undo: Literal["keep", "disable", "delete"] = "disable",
        if_match: str = "",
    ) -> HookView:
        """Have orders hold, and somebody asked; replaces the type's hook.

        Where and how orders hold; `profile_type` empty: those of every type without a hook of its own. `url`
        empty: nobody is asked, and the orders wait for a release; else calls are signed with the key `key`. What
        follows a refusal or silence of `limit` seconds behind the enabling is `undo`. Needs the right
        `hook:write`.
        `limit`: Seconds from now.
        """
        return await self._send(
            SET_HOOK.call(
                body={
                    "profile_type": profile_type,
                    "url": url,
                    "key": key,
                    "holds": holds,
                    "limit": limit,
                    "undo": undo,
                },
                if_match=if_match,
            )
        )

    async def remove_hook(self, *, profile_type: str = "", if_match: str = "") -> None:
        """Later orders hold no more; others wait for a release.

        Of which profile type; empty: the one for every type. Needs the right `hook:write`.
        """
        await self._send(REMOVE_HOOK.call(query={"profile_type": profile_type}, if_match=if_match))

    async def make_hook_key(self, *, name: str, idempotency_key: str = "") -> HookKey:
        """A key that signs the calls of hooks, shown once.

        A key for calls of hooks; one of this name is replaced. Needs the right `hook:write`.
        """
        return await self._send(MAKE_HOOK_KEY.call(body={"name": name}, idempotency_key=idempotency_key))

    async def import_hook_key(self, *, name: str, key: bytes) -> None:
        """Store a key of yours that signs the calls of hooks.

        A key of yours (32 to 64 octets) for calls of hooks; one of this name is replaced. Needs the right
        `hook:write`.
        """
        await self._send(IMPORT_HOOK_KEY.call(body={"name": name, "key": key}))

    async def release_order(
        self, order_id: str, *, hold: Literal["", "before-download", "after-enable"] = "", if_match: str = ""
    ) -> OrderView:
        """Let an order that holds go on.

        `hold` names the hold that is meant; empty: the one in which the order is. Needs the right `order:write`.
        """
        return await self._send(RELEASE_ORDER.call(order_id, body={"hold": hold}, if_match=if_match))

    async def refuse_order(
        self,
        order_id: str,
        *,
        hold: Literal["", "before-download", "after-enable"] = "",
        reason: str = "",
        if_match: str = "",
    ) -> OrderView:
        """End an order that holds.

        Why the order must not go on. Needs the right `order:write`.
        """
        return await self._send(
            REFUSE_ORDER.call(order_id, body={"hold": hold, "reason": reason}, if_match=if_match)
        )
