"""Card makers' certificates and the revocation lists of their CIs (SGP.02 2.3.2, RFC 5280 5)."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, delete, insert, select

from ferryman.contracts.crypto import Stored
from ferryman.contracts.eum_trust import (
    DropTrust,
    ImportEUMCertificate,
    ImportRevocationList,
    ListTrust,
    Trusted,
    TrustList,
)
from ferryman.contracts.message import Header
from ferryman.crypto_server.schema import anchor, eum_certificate, revocation_list
from ferryman.errors import InputError, PeerError
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.secure import eum_signature, revocation

_PEM = b"-----BEGIN"


@dataclass(frozen=True, slots=True)
class Held:
    """What is trusted when the card of one EUM is judged: CIs, his certificates, lists by issuer."""

    anchors: list[x509.Certificate]
    known: list[x509.Certificate]
    lists: dict[str, x509.CertificateRevocationList]

    def check(self, eum: x509.Certificate, *, eum_id: str, now: datetime.datetime) -> None:
        """The certificate is good: chain, dates, uses, name, not revoked. Raises PeerError."""
        ci = eum_signature.check_chain(eum, self.anchors, eum_id=eum_id, now=now)
        found = self.lists.get(revocation.issuer_of(ci))
        if found is not None:
            revocation.check_certificate(eum, found, now)


def read_anchors(connection: Connection) -> list[x509.Certificate]:
    """Every CI."""
    return [_certificate(row) for row in connection.execute(select(anchor.c.der)).scalars()]


def read_held(connection: Connection, eum_id: str) -> Held:
    """Everything that judging a card of this EUM needs."""
    of_eum = select(eum_certificate.c.der).where(eum_certificate.c.eum_id == eum_id)
    rows = connection.execute(select(revocation_list.c.issuer, revocation_list.c.der)).all()
    return Held(
        read_anchors(connection),
        [_certificate(row) for row in connection.execute(of_eum).scalars()],
        {row.issuer: x509.load_der_x509_crl(bytes(row.der)) for row in rows},
    )


class EUMTrust:
    """What the operator's tools import, see and drop."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def import_certificate(self, header: Header, body: ImportEUMCertificate) -> Stored:
        """Know an EUM certificate; raises InputError."""
        try:
            is_pem = body.data.lstrip().startswith(_PEM)
            load = x509.load_pem_x509_certificate if is_pem else x509.load_der_x509_certificate
            found = load(body.data)
            names = eum_signature.registered_ids(found)
        except (ValueError, TypeError, x509.InvalidVersion, PeerError):
            raise InputError("EUM certificate", "is no X.509 certificate in PEM or DER") from None
        if not names:
            raise InputError("EUM certificate", "names no Eum-id (registeredID in subjectAltName)")
        der, fingerprint = found.public_bytes(Encoding.DER), found.fingerprint(SHA256()).hex()

        def unit(tx: Tx) -> None:
            if eum_signature.issuer_among(found, read_anchors(tx.connection)) is None:
                raise InputError("EUM certificate", "is not under a trusted CI; trust the CI first")
            tx.connection.execute(delete(eum_certificate).where(eum_certificate.c.fingerprint == fingerprint))
            for name in sorted(set(names)):
                row = {"fingerprint": fingerprint, "eum_id": name, "der": der, "created": tx.now}
                tx.connection.execute(insert(eum_certificate).values(**row))
            tx.audit(
                actor=header.requester,
                action="ImportEUMCertificate",
                object=fingerprint,
                outcome="done",
                detail=", ".join(sorted(set(names)))[:200],
            )

        await self._mailbox.transact(unit)
        return Stored()

    async def import_list(self, header: Header, body: ImportRevocationList) -> Stored:
        """Hold a CI to its list from now on; raises InputError. An older list never takes a newer one's place."""
        try:
            found = revocation.parse(body.data)
            revocation.check_whole(found)
        except PeerError as problem:
            raise InputError("revocation list", str(problem)) from None
        der, begin = found.public_bytes(Encoding.DER), found.last_update_utc.timestamp()

        def unit(tx: Tx) -> None:
            if begin > tx.now:
                raise InputError("revocation list", "is of the future")
            cis = [ci for ci in read_anchors(tx.connection) if revocation.is_of(found, ci)]
            if not cis:
                raise InputError("revocation list", "is not signed by a trusted CI; trust the CI first")
            issuer = revocation.issuer_of(cis[0])
            held = select(revocation_list.c.this_update).where(revocation_list.c.issuer == issuer)
            if begin < (tx.connection.execute(held).scalar() or begin):
                raise InputError("revocation list", "is older than the one that is held")
            tx.connection.execute(delete(revocation_list).where(revocation_list.c.issuer == issuer))
            row = {"issuer": issuer, "der": der, "this_update": begin, "created": tx.now}
            tx.connection.execute(insert(revocation_list).values(**row))
            tx.audit(
                actor=header.requester,
                action="ImportRevocationList",
                object=issuer,
                outcome="done",
                detail=f"{len(found)} revoked, until {found.next_update_utc}",
            )

        await self._mailbox.transact(unit)
        return Stored()

    async def drop(self, header: Header, body: DropTrust) -> Stored:
        """Forget an EUM certificate or a list; raises InputError when there is none of this fingerprint."""

        def unit(tx: Tx) -> None:
            rows = 0
            for column in (eum_certificate.c.fingerprint, revocation_list.c.issuer):
                rows += tx.connection.execute(delete(column.table).where(column == body.fingerprint)).rowcount
            if not rows:
                raise InputError("fingerprint", "is that of no EUM certificate and of no revocation list")
            tx.audit(actor=header.requester, action="DropTrust", object=body.fingerprint, outcome="done")

        await self._mailbox.transact(unit)
        return Stored()

    async def list(self, _header: Header, _body: ListTrust) -> TrustList:
        """Everything, by kind and subject."""

        def read(connection: Connection) -> list[Trusted]:
            rows = connection.execute(select(eum_certificate.c.der).distinct()).scalars().all()
            lists = connection.execute(select(revocation_list.c.issuer, revocation_list.c.der)).all()
            return [
                *(_shown("ci", one) for one in read_anchors(connection)),
                *(_shown("eum", _certificate(row)) for row in rows),
                *(_shown_list(row.issuer, x509.load_der_x509_crl(bytes(row.der))) for row in lists),
            ]

        found = await self._mailbox.store.read(read)
        return TrustList(items=tuple(sorted(found, key=lambda one: (one.kind, one.subject, one.begin))))


def _certificate(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(bytes(der))


def _shown(kind: str, one: x509.Certificate) -> Trusted:
    return Trusted(
        kind=kind,
        fingerprint=one.fingerprint(SHA256()).hex(),
        subject=one.subject.rfc4514_string(),
        begin=one.not_valid_before_utc.timestamp(),
        end=one.not_valid_after_utc.timestamp(),
        names=tuple(eum_signature.registered_ids(one)) if kind == "eum" else (),
    )


def _shown_list(issuer: str, one: x509.CertificateRevocationList) -> Trusted:
    until = one.next_update_utc or one.last_update_utc
    return Trusted(
        kind="revocation-list",
        fingerprint=issuer,
        subject=one.issuer.rfc4514_string(),
        begin=one.last_update_utc.timestamp(),
        end=until.timestamp(),
        revoked=len(one),
    )
