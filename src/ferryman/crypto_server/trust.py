"""Whom we trust and who we are: CI certificates, our ECDSA keys and certificates, checking of an eUICC."""

from __future__ import annotations

import datetime
import hmac

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import delete, insert, select

from ferryman.codec.eis_xml import parse_signed_info
from ferryman.codec.ids import EID
from ferryman.contracts import codes, crypto
from ferryman.contracts.message import Header
from ferryman.crypto_server.eum_trust import Held, read_anchors, read_held
from ferryman.crypto_server.schema import anchor, certificate
from ferryman.crypto_server.vault import Vault
from ferryman.errors import InputError, PeerError, Refused
from ferryman.platform.clock import Entropy
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.secure import ecka, eum_signature, key_info
from ferryman.secure.certificate import (
    ROLE_SMDP,
    ROLE_SMSR,
    USAGE_KEY_AGREEMENT,
    USAGE_VERIFICATION,
    GPCertificate,
    parse_certificate,
)
from ferryman.secure.certificate import verify as verify_certificate
from ferryman.secure.ecka import Curve

ROLES = {"dp": ROLE_SMDP, "sr": ROLE_SMSR}


def signing_ref(role: str, curve: Curve = Curve.P256) -> str:
    """Reference of our private ECDSA key."""
    return f"sm-{role}/ecdsa" if curve is Curve.P256 else f"sm-{role}/ecdsa/{curve:02X}"


def _certificate_of(role: str, curve: Curve) -> str:
    """Key of our certificate's row."""
    return role if curve is Curve.P256 else f"{role}/{curve:02X}"


class Trust:
    """Functions on certificates."""

    def __init__(self, mailbox: Mailbox, vault: Vault, entropy: Entropy) -> None:
        self._mailbox = mailbox
        self._vault = vault
        self._entropy = entropy

    async def import_anchor(self, header: Header, body: crypto.ImportTrustAnchor) -> crypto.Stored:
        """Trust a CI."""
        try:
            found = x509.load_pem_x509_certificate(body.pem)
            found.verify_directly_issued_by(found)
        except (ValueError, TypeError, InvalidSignature):
            raise InputError("CI certificate", "is not a self-signed X.509 certificate in PEM") from None
        if not isinstance(found.public_key(), ec.EllipticCurvePublicKey):
            raise InputError("CI certificate", "must hold an EC key")
        fingerprint = found.fingerprint(SHA256()).hex()

        def unit(tx: Tx) -> None:
            tx.connection.execute(delete(anchor).where(anchor.c.fingerprint == fingerprint))
            tx.connection.execute(
                insert(anchor).values(
                    fingerprint=fingerprint, der=found.public_bytes(Encoding.DER), created=tx.now
                )
            )
            tx.audit(actor=header.requester, action="ImportTrustAnchor", object=fingerprint, outcome="done")

        await self._mailbox.transact(unit)
        return crypto.Stored()

    async def make_signing_key(self, header: Header, body: crypto.MakeSigningKey) -> crypto.SigningKey:
        """Our key pair of a role, made once."""
        _require_role(body.role)
        curve = ecka.curve_of(body.curve)
        private = ecka.ephemeral_private(self._entropy(ecka.ENTROPY_BYTES), curve=curve)
        ref, row = signing_ref(body.role, curve), _certificate_of(body.role, curve)

        def unit(tx: Tx) -> tuple[bytes, bytes]:
            kept = self._vault.get(tx.connection, ref)
            if kept is None:
                self._vault.put(tx.connection, [(ref, private)], tx.now)
                tx.audit(actor=header.requester, action="MakeSigningKey", object=row, outcome="done")
            tlv = tx.connection.execute(select(certificate.c.tlv).where(certificate.c.role == row)).scalar()
            return kept or private, bytes(tlv) if tlv is not None else b""

        key, tlv = await self._mailbox.transact(unit)
        pem = ecka.public_pem(ecka.public_key(key, curve=curve), curve=curve)
        return crypto.SigningKey(public_key_pem=pem, certificate=tlv)

    async def import_certificate(self, header: Header, body: crypto.ImportCertificate) -> crypto.Stored:
        """Our certificate, issued by a CI we trust for the key we hold."""
        _require_role(body.role)
        found = parse_certificate(body.certificate)
        await self._require_issued(found, body.role)

        def unit(tx: Tx) -> None:
            private = self._vault.get(tx.connection, signing_ref(body.role, found.curve))
            ours = ecka.public_key(private, curve=found.curve) if private is not None else b""
            if not hmac.compare_digest(ours, found.public_key):
                raise InputError(
                    "certificate", "is not for our key; request one with `ferryman certificate request`"
                )
            row = _certificate_of(body.role, found.curve)
            tx.connection.execute(delete(certificate).where(certificate.c.role == row))
            tx.connection.execute(insert(certificate).values(role=row, tlv=body.certificate, created=tx.now))
            tx.audit(actor=header.requester, action="ImportCertificate", object=row, outcome="done")

        await self._mailbox.transact(unit)
        return crypto.Stored()

    async def _require_issued(self, found: GPCertificate, role: str) -> None:
        if found.role != ROLES[role] or found.usage != USAGE_VERIFICATION:
            raise InputError("certificate", f"is not one for signature verification with role {role}")
        for ci in await self._anchors():
            try:
                point, curve = eum_signature.public_point(ci)
                verify_certificate(found, point, ca_curve=curve)
            except PeerError:
                continue
            return
        raise InputError("certificate", "is not signed by a trusted CI; import its certificate first")

    async def _anchors(self) -> list[x509.Certificate]:
        return await self._mailbox.store.read(read_anchors)

    async def verify_euicc(self, _header: Header, body: crypto.VerifyEUICC) -> crypto.EUICCVerified:
        """EumSignature, EUM certificate, ECASD certificate, in this order; the first that fails is the refusal."""
        now = datetime.datetime.fromtimestamp(body.now, datetime.UTC)
        held = await self._mailbox.store.read(lambda c: read_held(c, body.eum_id))
        try:
            eum = _signer(body, held, now)
            signed = parse_signed_info(body.signed_info)
            if (signed.eid, signed.eum_id) != (body.eid, body.eum_id):
                raise PeerError("the signed data are of another eUICC", field="EumSignedInfo")
            _require_same(body.platform_type, signed.platform_type, "PlatformType")
            version = signed.remote_provisioning_version
            _require_same(body.remote_provisioning_version, version, "RemoteProvisioningVersion")
        except PeerError as problem:
            raise Refused(*codes.EUM_SIGNATURE, str(problem), identifier=body.eid) from None
        try:
            held.check(eum, eum_id=body.eum_id, now=now)
        except PeerError as problem:
            raise Refused(*codes.EUM_CERTIFICATE, str(problem), identifier=body.eum_id) from None
        ecasd = _ecasd_certificate(signed.ecasd_certificates, eum, body.eid, now)
        return crypto.EUICCVerified(ecasd_public_key=ecasd.public_key, curve=ecasd.curve)


def _signer(body: crypto.VerifyEUICC, held: Held, now: datetime.datetime) -> x509.Certificate:
    """The certificate that the EumSignature was made with; raises PeerError, or Refused when it is not known."""
    found = key_info.candidates(key_info.read(body.signature), held.known, now)
    if not found:
        sentence = "no certificate of this EUM that KeyInfo names is known; see `ferryman certificate eum`"
        raise Refused(*codes.EUM_CERTIFICATE, sentence, identifier=body.eum_id)
    first: PeerError | None = None
    for one in found:
        try:
            eum_signature.verify(body.signed_info, body.signature, one)
        except PeerError as problem:
            first = first or problem
        else:
            return one
    raise first or PeerError("is nobody's", field="EumSignature")


def _require_same(claimed: str, signed: str, field: str) -> None:
    if claimed and claimed != signed:
        raise PeerError("differs from what the EUM has signed", field=field)


def _ecasd_certificate(
    certificates: tuple[bytes, ...], eum: x509.Certificate, eid: str, now: datetime.datetime
) -> GPCertificate:
    """The first CERT.ECASD.ECKA (SGP.02 4.3), verified; raises Refused."""
    try:
        if not certificates:
            raise PeerError("no certificate in the ECASD's CA key set", field="Ecasd")
        found = parse_certificate(certificates[0])
        point, curve = eum_signature.public_point(eum)
        verify_certificate(found, point, ca_curve=curve)
        if found.subject != EID.parse(eid).bcd:
            raise PeerError("is for another EID", field="CERT.ECASD.ECKA, 5F20")
        if found.usage != USAGE_KEY_AGREEMENT:
            raise PeerError("is not for key agreement", field="CERT.ECASD.ECKA, 95")
    except PeerError as problem:
        raise Refused(*codes.ECASD_CERTIFICATE, f"CERT.ECASD.ECKA: {problem}", identifier=eid) from None
    if not found.valid_on(now.date()):
        raise Refused(*codes.ECASD_CERTIFICATE_EXPIRED, "CERT.ECASD.ECKA is not valid now", identifier=eid)
    return found


def _require_role(role: str) -> None:
    if role not in ROLES:
        raise InputError("role", 'must be "dp" or "sr"')
