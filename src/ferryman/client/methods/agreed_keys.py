# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: agreed_keys."""

from __future__ import annotations

from ferryman.client.calls import Operation
from ferryman.client.sender import AsyncSender, Sender
from ferryman.contracts.envelopes import OpenPGPKey

IMPORT_TRANSPORT_KEY: Operation[None] = Operation("import_transport_key", "PUT", "/transport-keys", None)
SHOW_OPENPGP_KEY: Operation[OpenPGPKey] = Operation(
    "show_openpgp_key", "GET", "/openpgp-keys", OpenPGPKey, defaults={"name": ""}
)
MAKE_OPENPGP_KEY: Operation[OpenPGPKey] = Operation(
    "make_openpgp_key", "POST", "/openpgp-keys", OpenPGPKey, once=True, defaults={"renew": False}
)
IMPORT_OPENPGP_KEY: Operation[OpenPGPKey] = Operation("import_openpgp_key", "PUT", "/openpgp-keys", OpenPGPKey)


class AgreedKeys(Sender):
    """Methods that block."""

    def import_transport_key(self, *, name: str, key: bytes) -> None:
        """Store a key agreed with a card maker or an operator.

        A key agreed with a card maker (`name` is its Eum-id), an operator or a maker of SIMs, or an OP or TOP. It
        opens what comes in. What leaves the platform goes under none that came over this interface. Needs the
        right `agreed-key:write`.
        """
        self._send(IMPORT_TRANSPORT_KEY.call(body={"name": name, "key": key}))

    def show_openpgp_key(self, *, name: str = "") -> OpenPGPKey:
        """Our public OpenPGP key, for who sends us files; or another's.

        Whose: a correspondent's, or empty for ours. Needs the right `openpgp:read`.
        """
        return self._send(SHOW_OPENPGP_KEY.call(query={"name": name}))

    def make_openpgp_key(self, *, user_id: str, renew: bool = False, idempotency_key: str = "") -> OpenPGPKey:
        """Make our OpenPGP key if there is none, or a new one.

        Whose key it is, as "Name <address>"; with `renew` a new one, and files for the former ones still open.
        Needs the right `agreed-key:write`.
        """
        return self._send(
            MAKE_OPENPGP_KEY.call(body={"user_id": user_id, "renew": renew}, idempotency_key=idempotency_key)
        )

    def import_openpgp_key(self, *, name: str, content: bytes) -> OpenPGPKey:
        """Store a correspondent's public OpenPGP key.

        A correspondent's public key (base64 of what `gpg --export` writes) under `name`. Needs the right
        `agreed-key:write`.
        """
        return self._send(IMPORT_OPENPGP_KEY.call(body={"name": name, "content": content}))


class AsyncAgreedKeys(AsyncSender):
    """Methods that are awaited."""

    async def import_transport_key(self, *, name: str, key: bytes) -> None:
        """Store a key agreed with a card maker or an operator.

        A key agreed with a card maker (`name` is its Eum-id), an operator or a maker of SIMs, or an OP or TOP. It
        opens what comes in. What leaves the platform goes under none that came over this interface. Needs the
        right `agreed-key:write`.
        """
        await self._send(IMPORT_TRANSPORT_KEY.call(body={"name": name, "key": key}))

    async def show_openpgp_key(self, *, name: str = "") -> OpenPGPKey:
        """Our public OpenPGP key, for who sends us files; or another's.

        Whose: a correspondent's, or empty for ours. Needs the right `openpgp:read`.
        """
        return await self._send(SHOW_OPENPGP_KEY.call(query={"name": name}))

    async def make_openpgp_key(
        self, *, user_id: str, renew: bool = False, idempotency_key: str = ""
    ) -> OpenPGPKey:
        """Make our OpenPGP key if there is none, or a new one.

        Whose key it is, as "Name <address>"; with `renew` a new one, and files for the former ones still open.
        Needs the right `agreed-key:write`.
        """
        return await self._send(
            MAKE_OPENPGP_KEY.call(body={"user_id": user_id, "renew": renew}, idempotency_key=idempotency_key)
        )

    async def import_openpgp_key(self, *, name: str, content: bytes) -> OpenPGPKey:
        """Store a correspondent's public OpenPGP key.

        A correspondent's public key (base64 of what `gpg --export` writes) under `name`. Needs the right
        `agreed-key:write`.
        """
        return await self._send(IMPORT_OPENPGP_KEY.call(body={"name": name, "content": content}))
