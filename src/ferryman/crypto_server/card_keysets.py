"""New key sets of an ISD-R: made, wrapped for PUT KEY, taken (SGP.02 2.2.2, `sgp02-euicc.md` 2.2 and 8.4).

Keys that were made are kept apart until the card shows that it holds them; until then it may hold either.
"""

from __future__ import annotations

from sqlalchemy import Connection

from ferryman.codec.isdr_keys import KEY_TYPE_AES, KEY_TYPE_PSK_TLS, SCP80_VERSIONS, SCP81_VERSIONS
from ferryman.contracts import codes, crypto
from ferryman.contracts.message import Header
from ferryman.crypto_server.keys_at_rest import key_ref, made_ref
from ferryman.crypto_server.vault import Vault
from ferryman.errors import InputError, Refused
from ferryman.platform.clock import Entropy
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.secure.kcv import wrap_key

KEY_BYTES = 16  # AES-128 and a PSK of the same length: what every v3.2 card takes
SCP80_TYPES = (KEY_TYPE_AES, KEY_TYPE_AES, KEY_TYPE_AES)  # KIc, KID, DEK
SCP81_TYPES = (KEY_TYPE_PSK_TLS, KEY_TYPE_AES)  # PSK, DEK
SCP80_DEK, SCP81_DEK = 3, 2  # key id of the DEK in a key set


class CardKeysets:
    """Functions on the key sets that we give to cards."""

    def __init__(self, mailbox: Mailbox, vault: Vault, entropy: Entropy) -> None:
        self._mailbox = mailbox
        self._vault = vault
        self._entropy = entropy

    async def make(self, header: Header, body: crypto.MakeKeyset) -> crypto.KeysetMade:
        """Random keys, kept apart until the card shows that it holds them."""
        versions = versions_of(body.version)
        fresh = [self._entropy(KEY_BYTES) for _ in key_types(body.version)]

        def unit(tx: Tx) -> crypto.KeysetMade:
            has = {v for v in versions if self._vault.get(tx.connection, key_ref(body.eid, v, 1)) is not None}
            made = [v for v in versions if self._vault.get(tx.connection, made_ref(body.eid, v, 1)) is not None]
            if body.overwrite:
                version = body.version
            else:
                version = next((v for v in made if v != body.version), 0) or _another(versions, has, body)
            if version not in made:
                entries = [(made_ref(body.eid, version, index), key) for index, key in enumerate(fresh, 1)]
                self._vault.put(tx.connection, entries, tx.now)
                self._audit(tx, header, "MakeKeyset", body.eid, version)
            return crypto.KeysetMade(version=version, replaces=version in has)

        return await self._mailbox.transact(unit)

    async def wrap(self, _header: Header, body: crypto.WrapKeyset) -> crypto.KeysetWrapped:
        """The keys under the DEK of the key set that protects the PUT KEY, be it one not yet shown to be there."""
        types = key_types(body.version)

        def unit(connection: Connection) -> list[bytes | None]:
            index = SCP81_DEK if body.under in SCP81_VERSIONS else SCP80_DEK
            refs = [key_ref(body.eid, body.under, index), made_ref(body.eid, body.under, index)]
            refs += [made_ref(body.eid, body.version, index) for index in range(1, len(types) + 1)]
            return [self._vault.get(connection, ref) for ref in refs]

        known, made, *keys = await self._mailbox.store.read(unit)
        dek = known or made
        if dek is None or any(key is None for key in keys):
            sentence = f"no keys made for version {body.version:02X}, or no DEK in key set {body.under:02X}"
            raise Refused(*codes.PROVIDER_ERROR, sentence, identifier=body.eid)
        wrapped = [wrap_key(dek, key, key_type=kind) for kind, key in zip(types, keys, strict=True) if key]
        found = tuple(crypto.KeyUnderDEK(one.key_type, one.encrypted, one.kcv) for one in wrapped)
        return crypto.KeysetWrapped(keys=found)

    async def take(self, header: Header, body: crypto.TakeKeyset) -> crypto.Stored:
        """What was made becomes the card's key set; a retired one is destroyed. Again is harmless."""
        indexes = range(1, len(key_types(body.version)) + 1)

        def unit(tx: Tx) -> int:
            keys = [self._vault.get(tx.connection, made_ref(body.eid, body.version, index)) for index in indexes]
            refs = [key_ref(body.eid, body.version, index) for index in indexes]
            entries = [(ref, key) for ref, key in zip(refs, keys, strict=True) if key]
            self._vault.put(tx.connection, entries, tx.now)
            self._vault.remove(tx.connection, f"made/{body.eid}/{body.version:02X}")
            if body.retired:
                for kind in ("euicc", "made"):  # made: it was in use before anybody took it
                    self._vault.remove(tx.connection, f"{kind}/{body.eid}/{body.retired:02X}")
            if entries:
                self._audit(tx, header, "TakeKeyset", body.eid, body.version)
            return len(entries)

        return crypto.Stored(count=await self._mailbox.transact(unit))

    def _audit(self, tx: Tx, header: Header, action: str, eid: str, version: int) -> None:
        tx.audit(actor=header.requester, action=action, eid=eid, object=f"{version:02X}", outcome="done")


def _another(versions: range, has: set[int], body: crypto.MakeKeyset) -> int:
    """SCP80: one that the card has and does not use, else one that it has not.

    SCP81: the other way round. The new set takes the place of the former one, and a card refuses that to a
    version that it has beside it.
    """
    fresh = [version for version in versions if version not in has]
    for candidates in (fresh, sorted(has)) if versions is SCP81_VERSIONS else (sorted(has), fresh):
        found = next((v for v in candidates if v != body.version), None)
        if found is not None:
            return found
    raise Refused(*codes.PROVIDER_ERROR, "no other key version", identifier=body.eid)


def versions_of(version: int) -> range:
    """The key versions of the protocol that this one belongs to. Raises InputError."""
    for versions in (SCP80_VERSIONS, SCP81_VERSIONS):
        if version in versions:
            return versions
    raise InputError("key version", f"{version:02X} is neither of SCP80 (01 to 0F) nor of SCP81 (40 to 4F)")


def key_types(version: int) -> tuple[int, ...]:
    """Key types of a key set, in the order of their ids."""
    return SCP81_TYPES if version in SCP81_VERSIONS else SCP80_TYPES
