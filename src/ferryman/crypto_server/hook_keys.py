"""Keys under which the calls of operators' HTTP hooks are signed (Standard Webhooks, HMAC-SHA-256)."""

from __future__ import annotations

import hashlib
import hmac

from sqlalchemy import Connection

from ferryman.contracts import codes, crypto
from ferryman.contracts.message import Header
from ferryman.crypto_server.vault import Vault
from ferryman.errors import InputError, Refused
from ferryman.platform.mailbox import Mailbox, Tx

MIN_KEY, MAX_KEY = 32, 64  # bytes: no shorter than the MAC, and what one block of SHA-256 takes
MAX_NAME = 100  # characters


def hook_ref(owner: str, name: str) -> str:
    """Reference of a key; each operator names its own."""
    return f"hook/{hashlib.sha256(owner.encode()).hexdigest()[:32]}/{name}"


class HookKeys:
    """Functions on the keys of hooks."""

    def __init__(self, mailbox: Mailbox, vault: Vault) -> None:
        self._mailbox = mailbox
        self._vault = vault

    async def store(self, header: Header, body: crypto.ImportHookKey) -> crypto.Stored:
        """Store a key in place of the one there is under the name."""
        if not MIN_KEY <= len(body.key) <= MAX_KEY:
            raise InputError("hook key", f"must have {MIN_KEY} to {MAX_KEY} bytes")
        if not 1 <= len(body.name) <= MAX_NAME:
            raise InputError("name", f"must have 1 to {MAX_NAME} characters")

        def unit(tx: Tx) -> None:
            self._vault.put(tx.connection, [(hook_ref(body.owner, body.name), body.key)], tx.now)
            tx.audit(actor=header.requester, action="ImportHookKey", object=body.name, outcome="done")

        await self._mailbox.transact(unit)
        return crypto.Stored()

    async def sign(self, _header: Header, body: crypto.SignHookCall) -> crypto.HookCallSigned:
        """The MAC over a call; Refused when there is no such key."""

        def unit(connection: Connection) -> bytes | None:
            return self._vault.get(connection, hook_ref(body.owner, body.name))

        key = await self._mailbox.store.read(unit)
        if key is None:
            sentence = f"no hook key {body.name!r}; import it with `ferryman key import-hook`"
            raise Refused(*codes.PROVIDER_ERROR, sentence, identifier=body.name)
        return crypto.HookCallSigned(mac=hmac.digest(key, body.message, "sha256"))
