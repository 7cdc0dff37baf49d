"""EumSignature over EumSignedInfo and the EUM certificate (SGP.02 4.2 of the interfaces, W3C XML Signature).

One Reference without URI means the EumSignedInfo element. What is accepted: exclusive canonicalisation without
comments, SHA-256, ECDSA (r||s) or RSA PKCS#1 v1.5 with SHA-256. Whose certificate it is: `key_info.py`.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from ferryman.codec.eis_xml import DS, canonical, parse_document
from ferryman.errors import PeerError
from ferryman.secure.ecka import Curve, curve_of_key
from ferryman.secure.key_info import base64_of

_CLAUSE = "XML Signature 3.2"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
SHA256_DIGEST = "http://www.w3.org/2001/04/xmlenc#sha256"
ECDSA = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
RSA = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
COMPONENT = 32  # octets of r and of s on a 256-bit curve


def verify(signed_info: bytes, signature: bytes, certificate: x509.Certificate) -> None:
    """Check the signature over exactly `signed_info`; raises PeerError naming what is wrong."""
    root = parse_document(signature)
    info = _one(root, "SignedInfo")
    _require(info, "CanonicalizationMethod", EXCLUSIVE)
    reference = _one(info, "Reference")
    if reference.get("URI") not in (None, ""):
        raise PeerError("a Reference with URI is not the EumSignedInfo", field="Reference", clause=_CLAUSE)
    for transform in reference.iterfind(f".//{{{DS}}}Transform"):
        if transform.get("Algorithm") != EXCLUSIVE:
            raise PeerError("transform is not accepted", field="Transform", clause=_CLAUSE)
    _require(reference, "DigestMethod", SHA256_DIGEST)
    digest = hashlib.sha256(canonical(parse_document(signed_info), "EumSignedInfo")).digest()
    if not hmac.compare_digest(digest, base64_of(_one(reference, "DigestValue"), "DigestValue")):
        raise PeerError("the digest of EumSignedInfo differs", field="DigestValue", clause=_CLAUSE)
    method = _one(info, "SignatureMethod").get("Algorithm", "")
    value = base64_of(_one(root, "SignatureValue"), "SignatureValue")
    _verify_value(certificate, method, value, canonical(info, "SignedInfo"))


def _verify_value(certificate: x509.Certificate, method: str, value: bytes, message: bytes) -> None:
    key = _public_key(certificate)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and method == ECDSA:
            curve_of_key(key)
            if len(value) != 2 * COMPONENT:
                raise PeerError("an ECDSA value has 64 octets", field="SignatureValue", clause=_CLAUSE)
            r, s = int.from_bytes(value[:COMPONENT]), int.from_bytes(value[COMPONENT:])
            key.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
        elif isinstance(key, rsa.RSAPublicKey) and method == RSA:
            key.verify(value, message, padding.PKCS1v15(), SHA256())
        else:
            raise PeerError("method and key do not go together", field="SignatureMethod", clause=_CLAUSE)
    except InvalidSignature:
        raise PeerError(
            "the signature is not that of the certificate", field="SignatureValue", clause=_CLAUSE
        ) from None


def check_chain(
    certificate: x509.Certificate, anchors: list[x509.Certificate], *, eum_id: str, now: datetime.datetime
) -> x509.Certificate:
    """The CI under which the EUM certificate stands; it is valid now and names the EUM. Raises PeerError."""
    anchor = issuer_among(certificate, anchors, now)
    if anchor is None:
        raise PeerError("is not under a configured CI", field="EUM certificate", clause="SGP.02 2.3.2")
    if not _is_valid(anchor, now):
        raise PeerError("the CI certificate is not valid now", field="CI certificate")
    if not _is_valid(certificate, now):
        raise PeerError("is not valid now", field="EUM certificate")
    _check_uses(certificate)
    if eum_id not in registered_ids(certificate):
        raise PeerError(f"does not name the EUM {eum_id}", field="EUM certificate, subjectAltName")
    return anchor


def issuer_among(
    certificate: x509.Certificate, anchors: list[x509.Certificate], now: datetime.datetime | None = None
) -> x509.Certificate | None:
    """The CI that has issued a certificate, None when none has; of a renewed CI the one valid at `now`."""
    found: x509.Certificate | None = None
    for anchor in anchors:
        try:
            certificate.verify_directly_issued_by(anchor)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
        if now is None or _is_valid(anchor, now):
            return anchor
        found = anchor
    return found


def _is_valid(one: x509.Certificate, now: datetime.datetime) -> bool:
    return one.not_valid_before_utc <= now <= one.not_valid_after_utc


def _check_uses(certificate: x509.Certificate) -> None:
    """It may certify: an ECASD certificate stands under it. Nothing in it that is critical may be unknown."""
    try:
        extensions = list(certificate.extensions)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise PeerError(
            "has extensions that cannot be read", field="EUM certificate", clause="RFC 5280 4.2"
        ) from None
    for one in extensions:
        match one.value:
            case x509.BasicConstraints(ca=False):
                raise PeerError("is not a CA's", field="EUM certificate", clause="RFC 5280 4.2.1.9")
            case x509.KeyUsage(key_cert_sign=False):
                raise PeerError("may not certify", field="EUM certificate", clause="RFC 5280 4.2.1.3")
            case x509.UnrecognizedExtension() if one.critical:
                raise PeerError(
                    "has a critical extension that is not known", field="EUM certificate", clause="RFC 5280 4.2"
                )


def registered_ids(certificate: x509.Certificate) -> list[str]:
    """The Eum-ids that a certificate names: registeredID in subjectAltName. Raises PeerError."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise PeerError(
            "has extensions that cannot be read", field="EUM certificate", clause="RFC 5280 4.2"
        ) from None
    return [oid.dotted_string for oid in names.get_values_for_type(x509.RegisteredID)]


def public_point(certificate: x509.Certificate) -> tuple[bytes, Curve]:
    """The certificate's EC key as 04||X||Y and its curve; PeerError when it is no EC key, or on another curve."""
    key = _public_key(certificate)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise PeerError("holds no EC key", field="EUM certificate")
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint), curve_of_key(key)


def _public_key(certificate: x509.Certificate) -> CertificatePublicKeyTypes:
    # The library reads a certificate's key only now, so a broken one shows here.
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise PeerError(
            "has no key that can be read", field="EUM certificate", clause="RFC 5280 4.1.2.7"
        ) from None


def _one(parent: etree._Element, name: str) -> etree._Element:
    found = parent.findall(f"{{{DS}}}{name}")
    if len(found) != 1:
        raise PeerError("not exactly one", field=name, clause=_CLAUSE)
    return found[0]


def _require(parent: etree._Element, name: str, algorithm: str) -> None:
    if _one(parent, name).get("Algorithm") != algorithm:
        raise PeerError("algorithm is not accepted", field=name, clause=_CLAUSE)
