"""Keys that came from outside: a card's key sets, transport keys; and SCP80 with them."""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.padding import PKCS7
from sqlalchemy import Connection

from ferryman.codec import ota_packet
from ferryman.contracts import codes, crypto
from ferryman.contracts.message import Header
from ferryman.crypto_server import import_rows, origins
from ferryman.crypto_server.card_key_cache import CardKeyCache
from ferryman.crypto_server.vault import Vault
from ferryman.errors import InputError, PeerError, Refused
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.secure import scp80
from ferryman.secure.card_key import CardKey
from ferryman.secure.kcv import kcv

AES_CBC_CMAC = 0x2  # low nibble of KIc and KID: AES in CBC, AES-CMAC (TS 102 225 5.1.2, 5.1.3)
KIC, KID = 1, 2
AES_KEY_SIZES = (16, 24, 32)


def key_ref(eid: str, version: int, index: int) -> str:
    """Reference of a card's own key."""
    return f"euicc/{eid}/{version:02X}/{index}"


def made_ref(eid: str, version: int, index: int) -> str:
    """Reference of a key that the card may hold already: it was made for it, and its answer is not known."""
    return f"made/{eid}/{version:02X}/{index}"


def transport_ref(eum_id: str) -> str:
    """Reference of the key agreed with a card maker."""
    return f"transport/{eum_id}"


SUBSCRIPTION = "subscription/"


class CardKeys:
    """Functions on keys that were imported."""

    def __init__(self, mailbox: Mailbox, vault: Vault) -> None:
        self._mailbox = mailbox
        self._vault = vault
        self._kept = CardKeyCache(vault)

    async def import_transport_key(self, header: Header, body: crypto.ImportTransportKey) -> crypto.Stored:
        """Store the key agreed with a card maker. Raises InputError, Refused."""
        if len(body.key) not in AES_KEY_SIZES:
            raise InputError("transport key", "must have 16, 24 or 32 bytes")

        def unit(tx: Tx) -> None:
            origins.put(tx, self._vault, header, transport_ref(body.eum_id), body.key)
            tx.audit(actor=header.requester, action="ImportTransportKey", object=body.eum_id, outcome="done")

        await self._mailbox.transact(unit)
        return crypto.Stored()

    async def unwrap_keysets(self, header: Header, body: crypto.UnwrapKeysets) -> crypto.Stored:
        """Unwrap a card's key sets and store them; nothing when one of them is wrong."""

        def unit(tx: Tx) -> int:
            entries = self._unwrapped(tx.connection, body)
            self._vault.put(tx.connection, entries, tx.now)
            tx.audit(actor=header.requester, action="UnwrapKeysets", eid=body.eid, outcome="done")
            return len(entries)

        if body.check_only:
            entries = await self._mailbox.store.read(lambda connection: self._unwrapped(connection, body))
            return crypto.Stored(count=len(entries))
        return crypto.Stored(count=await self._mailbox.transact(unit))

    def _unwrapped(self, connection: Connection, body: crypto.UnwrapKeysets) -> list[tuple[str, bytes]]:
        """Entries for the vault; raises Refused without a transport key, PeerError for a wrong key."""
        transport = self._vault.get(connection, transport_ref(body.eum_id))
        if transport is None:
            sentence = f"no transport key of EUM {body.eum_id}; import it with `ferryman key import-transport`"
            raise Refused(*codes.PROVIDER_ERROR, sentence, identifier=body.eum_id)
        return [
            (key_ref(body.eid, keyset.version, key.index), _unwrap(transport, body.eid, keyset.version, key))
            for keyset in body.keysets
            for key in keyset.keys
        ]

    async def get_psk(self, header: Header, body: crypto.GetPSK) -> crypto.PSK:
        """One key for one handshake, audited."""

        def unit(tx: Tx) -> bytes:
            key = self._current(tx.connection, body.eid, body.key_version, body.key_id)
            outcome = "given" if key is not None else "unknown"
            tx.audit(
                actor=header.sender,
                action="GetPSK",
                eid=body.eid,
                object=f"{body.key_version:02X}/{body.key_id}",
                outcome=outcome,
            )
            return key or b""

        return crypto.PSK(key=await self._mailbox.transact(unit))

    async def destroy(self, header: Header, body: crypto.DestroyKeys) -> crypto.Stored:
        """Destroy keys below a reference."""

        def unit(tx: Tx) -> int:
            if body.prefix.startswith(SUBSCRIPTION):
                count = import_rows.destroy(tx.connection, body.prefix.removeprefix(SUBSCRIPTION))
            else:
                count = self._vault.remove(tx.connection, body.prefix)
            tx.audit(
                actor=header.requester, action="DestroyKeys", object=body.prefix, outcome=f"{count} destroyed"
            )
            return count

        return crypto.Stored(count=await self._mailbox.transact(unit))

    # -- SCP80 --------------------------------------------------------------------------------------------

    async def wrap(self, _header: Header, body: crypto.SCP80Wrap) -> crypto.SCP80Wrapped:
        """Secure a command packet."""
        kic, kid = await self._pair(body.eid, body.key_version)
        octet = body.key_version << 4 | AES_CBC_CMAC
        packet = scp80.wrap_command(
            kic, kid, spi=body.spi, kic=octet, kid=octet, tar=body.tar, counter=body.counter, data=body.data
        )
        return crypto.SCP80Wrapped(packet=packet)

    async def open_response(self, _header: Header, body: crypto.SCP80OpenResponse) -> crypto.SCP80Response:
        """Check and decipher a proof of receipt."""
        kic, kid = await self._pair(body.eid, body.key_version)
        octet = body.key_version << 4 | AES_CBC_CMAC
        found = scp80.unwrap_response(kic, kid, body.packet, spi2=body.spi[1], kic=octet, kid=octet, tar=body.tar)
        return crypto.SCP80Response(tar=found.tar, counter=found.counter, status=found.status, data=found.data)

    async def open_command(self, _header: Header, body: crypto.SCP80OpenCommand) -> crypto.SCP80Command:
        """Check a notification packet of the card."""
        version = ota_packet.peek_command(body.packet).kid >> 4
        kic, kid = await self._pair(body.eid, version)
        found = scp80.unwrap_command(kic, kid, body.packet)
        return crypto.SCP80Command(tar=found.tar, key_version=version, data=found.data)

    def _current(self, connection: Connection, eid: str, version: int, index: int) -> bytes | None:
        """The card's key; one that was made for it counts where it has no other of this version."""
        key = self._vault.get(connection, key_ref(eid, version, index))
        return key if key is not None else self._vault.get(connection, made_ref(eid, version, index))

    async def _pair(self, eid: str, version: int) -> tuple[CardKey, CardKey]:
        def unit(connection: Connection) -> list[CardKey | None]:
            return [
                self._kept.get(connection, key_ref(eid, version, index))
                or self._kept.get(connection, made_ref(eid, version, index))
                for index in (KIC, KID)
            ]

        kic, kid = await self._mailbox.store.read(unit)
        if kic is None or kid is None:
            sentence = f"no SCP80 key set {version:02X} of this eUICC"
            raise Refused(*codes.PROVIDER_ERROR, sentence, identifier=eid)
        return kic, kid


def _unwrap(transport: bytes, eid: str, version: int, key: crypto.WrappedKey) -> bytes:
    """AES-ECB; PKCS#7 only when the key is no whole number of blocks (SGP.02 4.3, docs/divergences.md)."""
    place = f"EID {eid}, key set {version:02X}, key {key.index}"
    if not key.value or len(key.value) % 16:
        raise PeerError("the encrypted value is no whole number of AES blocks", field=place, clause="SGP.02 5.2.1")
    decryptor = Cipher(AES(transport), ECB()).decryptor()  # noqa: S305 - prescribed for key transport
    clear = decryptor.update(key.value) + decryptor.finalize()
    for candidate in (clear, _unpadded(clear)):
        if len(candidate) in AES_KEY_SIZES and hmac.compare_digest(kcv(candidate), key.kcv):
            return candidate
    raise PeerError("the key check value is wrong", field=place, clause="SGP.02 5.2.1")


def _unpadded(clear: bytes) -> bytes:
    unpadder = PKCS7(128).unpadder()
    try:
        return unpadder.update(clear) + unpadder.finalize()
    except ValueError:
        return b""
