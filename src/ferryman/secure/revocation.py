"""Revocation lists of a CI (RFC 5280 5): complete, signed by the CI itself, and only as good as they are fresh.

A list is judged once when it is taken in, and then asked for each EUM certificate. One that is past its next
update tells nothing any more, neither good nor bad: no certificate under that CI is accepted until there is
a newer one.
"""

from __future__ import annotations

import datetime
import hashlib

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ferryman.errors import PeerError

_CLAUSE = "RFC 5280 5"
_FIELD = "revocation list"
MAX_LIST = 4 * 1024 * 1024  # octets; some 100,000 entries, and a CI has a few hundred certificates
PEM = b"-----BEGIN"
UNDERSTOOD = (x509.AuthorityKeyIdentifier, x509.CRLNumber)


def parse(data: bytes) -> x509.CertificateRevocationList:
    """A list, PEM or DER; raises PeerError."""
    if len(data) > MAX_LIST:
        raise PeerError(f"larger than {MAX_LIST} octets", field=_FIELD)
    try:
        is_pem = data.lstrip().startswith(PEM)
        found = x509.load_pem_x509_crl(data) if is_pem else x509.load_der_x509_crl(data)
        list(found.extensions)
        for entry in found:
            list(entry.extensions)
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise PeerError("cannot be read", field=_FIELD, clause=_CLAUSE) from None
    return found


def issuer_of(anchor: x509.Certificate) -> str:
    """The CI as the one whose key signs, which a renewed certificate keeps: SHA-256, hexadecimal."""
    key = anchor.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).hexdigest()


def is_of(found: x509.CertificateRevocationList, anchor: x509.Certificate) -> bool:
    """Whether this CI has signed the list, and may."""
    key = anchor.public_key()
    if found.issuer != anchor.subject or not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        usage = anchor.extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.crl_sign:
            return False
    except x509.ExtensionNotFound:
        pass
    try:
        strong = isinstance(found.signature_hash_algorithm, SHA256 | SHA384 | SHA512)
        return strong and found.is_signature_valid(key)
    except (UnsupportedAlgorithm, TypeError, ValueError):
        return False


def check_whole(found: x509.CertificateRevocationList) -> None:
    """The list is a complete one of certificates of its issuer alone; raises PeerError.

    A delta, an indirect list and one with a narrower scope say so in critical extensions.
    """
    if found.next_update_utc is None:
        raise PeerError("has no next update", field=_FIELD, clause="RFC 5280 5.1.2.5")
    for one in found.extensions:
        if one.critical and not isinstance(one.value, UNDERSTOOD):
            raise PeerError(
                f"has a critical extension that is not accepted ({one.oid.dotted_string})",
                field=_FIELD,
                clause="RFC 5280 5.2",
            )
    for entry in found:
        if any(one.critical for one in entry.extensions):
            raise PeerError("has an entry with a critical extension", field=_FIELD, clause="RFC 5280 5.3")


def check_certificate(
    certificate: x509.Certificate, found: x509.CertificateRevocationList, now: datetime.datetime
) -> None:
    """The certificate is not revoked, and the list is still good for saying so; raises PeerError."""
    if found.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
        raise PeerError("is revoked", field="EUM certificate", clause="RFC 5280 6.3")
    until = found.next_update_utc
    if until is None or now > until:
        raise PeerError("is past its next update: import a newer one", field="revocation list of the CI")
