# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ferryman.client.calls import Operation, Page
from ferryman.client.methods.answers import Approval, UserChanged
from ferryman.client.paging import AsyncPages, Pages
from ferryman.client.sender import AsyncSender, Sender
from ferryman.contracts.rest import AccountAdded, AccountView, KeyAdded, KeyRole, KeyView

LIST_USERS: Operation[Page[AccountView]] = Operation(
    "list_users", "GET", "/users", Page[AccountView], defaults={"after": "", "limit": 50}
)
ADD_USER: Operation[AccountAdded] = Operation(
    "add_user", "POST", "/users", AccountAdded, once=True, defaults={"tenant": ""}
)
SHOW_USER: Operation[AccountView] = Operation("show_user", "GET", "/users/{user_id}", AccountView)
CHANGE_USER: Operation[UserChanged] = Operation("change_user", "POST", "/users/{user_id}/changes", UserChanged)
ASK_FOR_ROLE: Operation[Approval] = Operation("ask_for_role", "POST", "/users/{user_id}/role", Approval, once=True)
LIST_KEYS: Operation[Page[KeyView]] = Operation(
    "list_keys", "GET", "/api-keys", Page[KeyView], defaults={"after": "", "limit": 50}
)
ADD_KEY: Operation[KeyAdded] = Operation(
    "add_key", "POST", "/api-keys", KeyAdded, once=True, defaults={"scopes": (), "days": 90.0, "tenant": ""}
)
SHOW_KEY: Operation[KeyView] = Operation("show_key", "GET", "/api-keys/{key_id}", KeyView)
REVOKE_KEY: Operation[KeyView] = Operation("revoke_key", "DELETE", "/api-keys/{key_id}", KeyView)


class People(Sender):
    """Methods that block."""

    def list_users(self, *, after: str = "", page_size: int = 50) -> Pages[AccountView]:
        """Users, by name.

        Needs the right `user:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_USERS.call(query={"after": after, "limit": page_size}))

    def add_user(self, *, name: str, role: KeyRole, tenant: str = "", idempotency_key: str = "") -> AccountAdded:
        """Make an account; its one-time password is shown this once.

        An account for somebody; `tenant` only from the platform's own staff. Needs the right `user:write`.
        `tenant`: Mno-id.
        """
        return self._send(
            ADD_USER.call(body={"name": name, "role": role, "tenant": tenant}, idempotency_key=idempotency_key)
        )

    def show_user(self, user_id: str) -> AccountView:
        """One user.

        Needs the right `user:read`.
        """
        return self._send(SHOW_USER.call(user_id))

    def change_user(
        self, user_id: str, *, action: Literal["disable", "enable", "recover"], if_match: str = ""
    ) -> UserChanged:
        """Disable, enable or recover an account.

        Disable, enable, or recover: a one-time password for who lost his own, or his codes. Needs the right
        `user:write`.
        """
        return self._send(CHANGE_USER.call(user_id, body={"action": action}, if_match=if_match))

    def ask_for_role(
        self, user_id: str, *, role: KeyRole, if_match: str = "", idempotency_key: str = ""
    ) -> Approval:
        """Ask for another role; a second person approves.

        The role that the user is to have. Needs the right `user:write`.
        """
        return self._send(
            ASK_FOR_ROLE.call(user_id, body={"role": role}, if_match=if_match, idempotency_key=idempotency_key)
        )

    def list_keys(self, *, after: str = "", page_size: int = 50) -> Pages[KeyView]:
        """API keys, without their secrets.

        Needs the right `api-key:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_KEYS.call(query={"after": after, "limit": page_size}))

    def add_key(
        self,
        *,
        name: str,
        role: KeyRole,
        scopes: Sequence[str] = (),
        days: float = 90.0,
        tenant: str = "",
        idempotency_key: str = "",
    ) -> KeyAdded:
        """Make an API key; it is shown this once.

        An API key; `scopes` take away from what the role may. `tenant` only from the platform's own staff. Needs
        the right `api-key:write`.
        `tenant`: Mno-id.
        """
        return self._send(
            ADD_KEY.call(
                body={"name": name, "role": role, "scopes": scopes, "days": days, "tenant": tenant},
                idempotency_key=idempotency_key,
            )
        )

    def show_key(self, key_id: str) -> KeyView:
        """One API key.

        Needs the right `api-key:read`.
        """
        return self._send(SHOW_KEY.call(key_id))

    def revoke_key(self, key_id: str, *, if_match: str = "") -> KeyView:
        """Revoke an API key, at once.

        Needs the right `api-key:write`.
        """
        return self._send(REVOKE_KEY.call(key_id, if_match=if_match))


class AsyncPeople(AsyncSender):
    """Methods that are awaited."""

    def list_users(self, *, after: str = "", page_size: int = 50) -> AsyncPages[AccountView]:
        """Users, by name.

        Needs the right `user:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_USERS.call(query={"after": after, "limit": page_size}))

    async def add_user(
        self, *, name: str, role: KeyRole, tenant: str = "", idempotency_key: str = ""
    ) -> AccountAdded:
        """Make an account; its one-time password is shown this once.

        An account for somebody; `tenant` only from the platform's own staff. Needs the right `user:write`.
        `tenant`: Mno-id.
        """
        return await self._send(
            ADD_USER.call(body={"name": name, "role": role, "tenant": tenant}, idempotency_key=idempotency_key)
        )

    async def show_user(self, user_id: str) -> AccountView:
        """One user.

        Needs the right `user:read`.
        """
        return await self._send(SHOW_USER.call(user_id))

    async def change_user(
        self, user_id: str, *, action: Literal["disable", "enable", "recover"], if_match: str = ""
    ) -> UserChanged:
        """Disable, enable or recover an account.

        Disable, enable, or recover: a one-time password for who lost his own, or his codes. Needs the right
        `user:write`.
        """
        return await self._send(CHANGE_USER.call(user_id, body={"action": action}, if_match=if_match))

    async def ask_for_role(
        self, user_id: str, *, role: KeyRole, if_match: str = "", idempotency_key: str = ""
    ) -> Approval:
        """Ask for another role; a second person approves.

        The role that the user is to have. Needs the right `user:write`.
        """
        return await self._send(
            ASK_FOR_ROLE.call(user_id, body={"role": role}, if_match=if_match, idempotency_key=idempotency_key)
        )

    def list_keys(self, *, after: str = "", page_size: int = 50) -> AsyncPages[KeyView]:
        """API keys, without their secrets.

        Needs the right `api-key:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_KEYS.call(query={"after": after, "limit": page_size}))

    async def add_key(
        self,
        *,
        name: str,
        role: KeyRole,
        scopes: Sequence[str] = (),
        days: float = 90.0,
        tenant: str = "",
        idempotency_key: str = "",
    ) -> KeyAdded:
        """Make an API key; it is shown this once.

        An API key; `scopes` take away from what the role may. `tenant` only from the platform's own staff. Needs
        the right `api-key:write`.
        `tenant`: Mno-id.
        """
        return await self._send(
            ADD_KEY.call(
                body={"name": name, "role": role, "scopes": scopes, "days": days, "tenant": tenant},
                idempotency_key=idempotency_key,
            )
        )

    async def show_key(self, key_id: str) -> KeyView:
        """One API key.

        Needs the right `api-key:read`.
        """
        return await self._send(SHOW_KEY.call(key_id))

    async def revoke_key(self, key_id: str, *, if_match: str = "") -> KeyView:
        """Revoke an API key, at once.

        Needs the right `api-key:write`.
        """
        return await self._send(REVOKE_KEY.call(key_id, if_match=if_match))
