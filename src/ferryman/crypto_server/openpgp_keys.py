"""OpenPGP keys in the vault: our own ones, the newest first, and those of correspondents by name."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from ferryman.contracts import codes, envelopes
from ferryman.contracts.message import Header
from ferryman.contracts.roles import REST_API
from ferryman.crypto_server import origins
from ferryman.crypto_server.vault import Vault
from ferryman.errors import InputError, Refused
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.secure import openpgp

OWN = "openpgp/own"
MAX_NAME = 80


class OpenPGPKeys:
    """Functions on keys of envelopes."""

    def __init__(self, mailbox: Mailbox, vault: Vault) -> None:
        self._mailbox = mailbox
        self._vault = vault

    async def make(self, header: Header, body: envelopes.MakeOpenPGPKey) -> envelopes.OpenPGPKey:
        """Our key; made when there is none, or asked anew."""
        fresh = openpgp.make_key(body.user_id, self._mailbox.clock.now())

        call = f"openpgp/{header.sender}/{header.requester}/{header.function_call_id}"

        def unit(tx: Tx) -> bytes:
            known, first = self.secrets(tx.connection), tx.first_time(call)
            if known and not (body.renew and first):  # a repeat makes no further one
                return known[0]
            self._put(tx, header, (fresh, *known))
            return fresh

        return _shown(openpgp.public_of(await self._mailbox.transact(unit)))

    async def take(self, header: Header, body: envelopes.ImportOpenPGPKey) -> envelopes.OpenPGPKey:
        """A key that was made elsewhere. Raises InputError, Refused."""
        if len(body.data) > openpgp.MAX_KEY_BYTES:
            raise InputError("OpenPGP key", f"has more than {openpgp.MAX_KEY_BYTES} bytes")
        if len(body.name) > MAX_NAME:
            raise InputError("name", f"has more than {MAX_NAME} characters")
        if body.name:
            public = openpgp.read_public_key(body.data)
            await self._mailbox.transact(lambda tx: self._put_peer(tx, header, body.name, public))
            return _shown(public)
        if header.sender == REST_API:  # what is sent to us from now on would be for who chose it
            sentence = "our own OpenPGP key is imported at the platform's own machine"
            raise Refused(*codes.FUNCTION_NOT_ALLOWED, sentence)
        secret = openpgp.read_secret_key(body.data)

        def unit(tx: Tx) -> None:
            others = tuple(each for each in self.secrets(tx.connection) if each != secret)
            self._put(tx, header, (secret, *others))

        await self._mailbox.transact(unit)
        return _shown(openpgp.public_of(secret))

    async def show(self, _header: Header, body: envelopes.ShowOpenPGPKey) -> envelopes.OpenPGPKey:
        """The public half."""

        def unit(connection: Connection) -> bytes:
            return self.public(connection, body.name) if body.name else openpgp.public_of(self.own(connection))

        return _shown(await self._mailbox.store.read(unit))

    def secrets(self, connection: Connection) -> tuple[bytes, ...]:
        """Our secret keys, the newest first."""
        stored = self._vault.get(connection, OWN)
        return () if stored is None else msgspec.msgpack.decode(stored, type=tuple[bytes, ...])

    def own(self, connection: Connection) -> bytes:
        """Our secret key. Raises Refused when there is none."""
        known = self.secrets(connection)
        if not known:
            raise Refused(*codes.PROVIDER_ERROR, "no OpenPGP key; make one with `ferryman key make-openpgp`")
        return known[0]

    def public(self, connection: Connection, name: str) -> bytes:
        """A correspondent's key. Raises Refused when there is none."""
        found = self._vault.get(connection, _peer(name))
        if found is None:
            sentence = f"no OpenPGP key {name!r}; import it with `ferryman key import-openpgp`"
            raise Refused(*codes.PROVIDER_ERROR, sentence, identifier=name)
        return found

    def recipient(self, connection: Connection, name: str) -> bytes:
        """The key of a correspondent to whom secrets may go. Raises Refused."""
        found = self.public(connection, name)
        origins.require_of_the_machine(connection, self._vault, _peer(name))
        return found

    def _put(self, tx: Tx, header: Header, secrets: tuple[bytes, ...]) -> None:
        self._vault.put(tx.connection, [(OWN, msgspec.msgpack.encode(secrets))], tx.now)
        fingerprint = openpgp.described(openpgp.public_of(secrets[0]))[0]
        tx.audit(actor=header.requester, action="OpenPGPKey", object=fingerprint, outcome="ours")

    def _put_peer(self, tx: Tx, header: Header, name: str, public: bytes) -> None:
        origins.put(tx, self._vault, header, _peer(name), public)
        detail = openpgp.described(public)[0]
        tx.audit(actor=header.requester, action="OpenPGPKey", object=name, outcome="imported", detail=detail)


def _peer(name: str) -> str:
    return f"openpgp/peer/{name}"


def _shown(public: bytes) -> envelopes.OpenPGPKey:
    fingerprint, user_ids, armour = openpgp.described(public)
    return envelopes.OpenPGPKey(fingerprint=fingerprint, user_ids=user_ids, public=armour)
