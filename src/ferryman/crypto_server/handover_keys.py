"""Keys of an SM-SR change (SGP.02 3.8, 4.1.1.8, 5.6): the peer's certificate, the new key set, the old ones."""

from __future__ import annotations

import datetime

import msgspec
from cryptography import x509
from sqlalchemy import select

from ferryman.contracts import codes, crypto
from ferryman.contracts.message import Header
from ferryman.crypto_server.keys_at_rest import key_ref
from ferryman.crypto_server.profile_keys import Exchange, exchange_ref
from ferryman.crypto_server.schema import anchor
from ferryman.crypto_server.vault import Vault
from ferryman.errors import PeerError, Refused
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.secure import ecka, eum_signature
from ferryman.secure.certificate import USAGE_VERIFICATION, GPCertificate, parse_certificate
from ferryman.secure.certificate import verify as verify_certificate

ROLE_SMSR = 2  # C8 of CERT.SR.ECDSA


class HandoverKeys:
    """Functions of both sides of an SM-SR change."""

    def __init__(self, mailbox: Mailbox, vault: Vault) -> None:
        self._mailbox = mailbox
        self._vault = vault

    async def verify_certificate(self, _header: Header, body: crypto.VerifySMSRCertificate) -> crypto.Stored:
        """CERT.SR.ECDSA of the other SM-SR: its role, a CI that we trust, its dates."""
        rows = await self._mailbox.store.read(lambda c: c.execute(select(anchor.c.der)).scalars().all())
        anchors = [x509.load_der_x509_certificate(bytes(row)) for row in rows]
        try:
            found = parse_certificate(body.certificate)
            if found.role != ROLE_SMSR or found.usage != USAGE_VERIFICATION:
                raise PeerError("is not that of an SM-SR", field="CERT.SR.ECDSA")
            if not any(_signed_by(found, ci) for ci in anchors):
                raise PeerError("is not signed by a trusted CI", field="CERT.SR.ECDSA")
        except PeerError as problem:
            raise Refused(*codes.SMSR_CERTIFICATE, str(problem)) from None
        if not found.valid_on(datetime.datetime.fromtimestamp(body.now, datetime.UTC).date()):
            raise Refused(*codes.SMSR_CERTIFICATE_EXPIRED, "CERT.SR.ECDSA is not valid now")
        return crypto.Stored()

    async def derive(self, header: Header, body: crypto.DeriveISDRKeyset) -> crypto.Stored:
        """Agree with the ECASD, verify the receipt, store; the ephemeral key goes with the same commit."""
        ref = exchange_ref(body.exchange)
        refs = [key_ref(body.eid, body.key_version, index) for index in (1, 2, 3)]

        def unit(tx: Tx) -> None:
            stored = self._vault.get(tx.connection, ref)
            if stored is None:
                if self._vault.get(tx.connection, refs[0]) is None:
                    raise Refused(*codes.PROVIDER_ERROR, "no key agreement under this name")
                return  # a repeat: derived and stored before
            exchange = msgspec.msgpack.decode(stored, type=Exchange)
            random = body.derivation_random or None
            receipt_key, keys = ecka.derive_keyset(exchange.agree(body.ecasd_public_key), dr=random)
            try:
                ecka.verify_receipt(receipt_key, body.a6, body.receipt, random)
            except PeerError as problem:
                raise Refused(*codes.ISDR_ERROR, f"key establishment: {problem}", identifier=body.eid) from None
            self._vault.put(tx.connection, zip(refs, keys, strict=True), tx.now)
            self._vault.remove(tx.connection, ref)
            version = f"{body.key_version:02X}"
            tx.audit(
                actor=header.requester, action="DeriveISDRKeyset", eid=body.eid, object=version, outcome="done"
            )

        await self._mailbox.transact(unit)
        return crypto.Stored()

    async def drop(self, header: Header, body: crypto.DropCardKeys) -> crypto.Stored:
        """Another SM-SR has the card now: its ISD-R keys that we knew are destroyed."""

        def unit(tx: Tx) -> int:
            count = self._vault.remove(tx.connection, f"euicc/{body.eid}")
            count += self._vault.remove(tx.connection, f"made/{body.eid}")
            tx.audit(actor=header.requester, action="DropCardKeys", eid=body.eid, outcome=f"{count} destroyed")
            return count

        return crypto.Stored(count=await self._mailbox.transact(unit))


def _signed_by(found: GPCertificate, ci: x509.Certificate) -> bool:
    try:
        point, curve = eum_signature.public_point(ci)
        verify_certificate(found, point, ca_curve=curve)
    except PeerError:
        return False
    return True
