"""WS-Security X.509 token: the signature over the parts of an envelope (OASIS X.509 Token Profile 1.1).

What is verified is what is used: the digests are made of the very elements of the tree that is read afterwards,
found by their place in the envelope and not by their identifier. An element with that identifier anywhere else
is refused, and so is a message whose body, time or addressing stands outside the signature.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import hmac
import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from lxml import etree

from ferryman.errors import InputError, PeerError
from ferryman.soap_gateway.esm.document import parse
from ferryman.soap_gateway.esm.envelope import HEAD, MIDDLE
from ferryman.soap_gateway.esm.names import SOAP, WSA, WSSE, WSU
from ferryman.soap_gateway.esm.simple import read_date, write_date

DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
SHA256_DIGEST = "http://www.w3.org/2001/04/xmlenc#sha256"
ECDSA = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
RSA = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
X509_V3 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"
BASE64 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"

FRESH = 300.0  # seconds that Created may be away from now, either way
LIFETIME = 300  # seconds from Created to Expires of our own messages
MIN_RSA = 3_072  # bits: the strength of the architecture (SGP.02 2.3.1)
CURVES = ("secp256r1", "secp384r1")
MAX_REFERENCES = 16  # parts that a signature may name; there are nine that it can
MAX_PREFIXES = 200  # characters of an InclusiveNamespaces list
_IDENTIFIERS = (f"{{{WSU}}}Id", "Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id")
ADDRESSED = ("From", "To", "MessageID", "Action", "ReplyTo", "RelatesTo")  # signed where they are given
_FIELD = "Signature"


@dataclass(frozen=True, slots=True)
class Signed:
    """Who signed (certificate, DER) and the name under which the signature is remembered for 2 * FRESH."""

    certificate: bytes
    replay: str


def is_signed(security: etree._Element | None) -> bool:
    """Whether a Security header claims an X.509 token."""
    return security is not None and any(
        child.tag in (f"{{{DS}}}Signature", f"{{{WSSE}}}BinarySecurityToken") for child in security
    )


def verify(security: etree._Element, now: float) -> Signed:
    """Check the signature in the Security header of an envelope; raises PeerError.

    The certificate is one that the sender has the key of; whose it is, is not looked at here.
    """
    header = security.getparent()
    root = header.getparent() if header is not None else None
    if header is None or root is None:
        raise PeerError("stands in no envelope", field=_FIELD)
    token = _child(security, WSSE, "BinarySecurityToken")
    timestamp = _child(security, WSU, "Timestamp")
    signature = _child(security, DS, "Signature")
    body = _child(root, SOAP, "Body")
    addressed = [block for name in ADDRESSED for block in header.iterfind(f"{{{WSA}}}{name}")]
    needed = [body, timestamp, *addressed]
    info = _child(signature, DS, "SignedInfo")
    signed = _digests(root, info, [*needed, token])
    if not all(any(part is found for found in signed) for part in needed):
        raise PeerError("does not cover body, Timestamp and addressing", field=_FIELD)
    _check_time(timestamp, now)
    certificate = _certificate(token, now)
    _check_key_info(signature, token)
    octets = _canonical(info, _method(_child(info, DS, "CanonicalizationMethod")))
    method = _child(info, DS, "SignatureMethod").get("Algorithm", "")
    _verify_value(certificate, method, _base64(_child(signature, DS, "SignatureValue")), octets)
    # Not of the value: an ECDSA value has a twin that is as good.
    shown = certificate.public_bytes(Encoding.DER)
    return Signed(shown, hashlib.sha256(shown + octets).hexdigest())


# -- the parts ---------------------------------------------------------------------------------------------------


def _child(parent: etree._Element, space: str, name: str) -> etree._Element:
    found = parent.findall(f"{{{space}}}{name}")
    if len(found) != 1:
        raise PeerError("is not there exactly once", field=name)
    return found[0]


def _digests(root: etree._Element, info: etree._Element, candidates: list[etree._Element]) -> list[etree._Element]:
    """The candidates that the references name, each with the right digest."""
    references = info.findall(f"{{{DS}}}Reference")
    if not 1 <= len(references) <= MAX_REFERENCES:
        raise PeerError(f"has not 1 to {MAX_REFERENCES} references", field="SignedInfo")
    by_identifier = {part.get(_IDENTIFIERS[0], ""): part for part in candidates}
    wanted = [reference.get("URI", "") for reference in references]
    if len(set(wanted)) != len(wanted):
        raise PeerError("names a part twice", field="SignedInfo")
    _refuse_twins(root, {uri.removeprefix("#") for uri in wanted}, by_identifier)
    found: list[etree._Element] = []
    for uri, reference in zip(wanted, references, strict=True):
        part = by_identifier.get(uri[1:]) if uri.startswith("#") and len(uri) > 1 else None
        if part is None:
            raise PeerError("names no part of the envelope that can be signed", field="Reference")
        transforms = _child(reference, DS, "Transforms").findall(f"{{{DS}}}Transform")
        if len(transforms) != 1:
            raise PeerError("has not one transform", field="Reference")
        if _child(reference, DS, "DigestMethod").get("Algorithm") != SHA256_DIGEST:
            raise PeerError("is not SHA-256", field="DigestMethod")
        digest = hashlib.sha256(_canonical(part, _method(transforms[0]))).digest()
        if not hmac.compare_digest(digest, _base64(_child(reference, DS, "DigestValue"))):
            raise PeerError("is not that of the part", field="DigestValue")
        found.append(part)
    return found


def _refuse_twins(root: etree._Element, wanted: set[str], parts: dict[str, etree._Element]) -> None:
    """No other element may have an identifier that is referred to, whatever its attribute is called."""
    for element in root.iter(etree.Element):
        for name in _IDENTIFIERS:
            value = element.get(name)
            if value is not None and value in wanted and parts.get(value) is not element:
                raise PeerError("names an identifier that is not one element's alone", field="Reference")


def _method(element: etree._Element) -> list[str]:
    """The prefixes that an exclusive canonical form treats as inclusive; raises PeerError for any other form."""
    if element.get("Algorithm") != EXCLUSIVE:
        raise PeerError("is not exclusive canonicalisation without comments", field=str(element.tag))
    if len(element) == 0:
        return []
    listed = element[0]
    if len(element) != 1 or listed.tag != f"{{{EXCLUSIVE}}}InclusiveNamespaces":
        raise PeerError("has parameters that are not accepted", field=str(element.tag))
    text = listed.get("PrefixList", "")
    if len(text) > MAX_PREFIXES:
        raise PeerError("is too long", field="PrefixList")
    return text.split()


def _canonical(element: etree._Element, prefixes: list[str]) -> bytes:
    return bytes(
        etree.tostring(
            element,
            method="c14n",
            exclusive=True,
            with_comments=False,
            inclusive_ns_prefixes=prefixes or None,
        )
    )


def _check_time(timestamp: etree._Element, now: float) -> None:
    created = timestamp.findtext(f"{{{WSU}}}Created", "").strip()
    expires = timestamp.findtext(f"{{{WSU}}}Expires", "").strip()
    try:
        begin = read_date(created)
        end = read_date(expires) if expires else begin + FRESH
    except ValueError:
        raise PeerError("is no time", field="Timestamp") from None
    if abs(now - begin) > FRESH or now > end:
        raise PeerError("is stale", field="Timestamp")


def _certificate(token: etree._Element, now: float) -> x509.Certificate:
    if token.get("ValueType") != X509_V3 or token.get("EncodingType", BASE64) != BASE64:
        raise PeerError("is no X.509 certificate in base64", field="BinarySecurityToken")
    try:
        found = x509.load_der_x509_certificate(_base64(token))
        usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    except (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise PeerError("cannot be read", field="BinarySecurityToken") from None
    if usage is not None and not usage.digital_signature:
        raise PeerError("is not for signatures", field="BinarySecurityToken")
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    if not found.not_valid_before_utc <= moment <= found.not_valid_after_utc:
        raise PeerError("is not valid now", field="BinarySecurityToken")
    return found


def _check_key_info(signature: etree._Element, token: etree._Element) -> None:
    """The key is that of the token beside it, and named by nothing else."""
    key_info = _child(signature, DS, "KeyInfo")
    reference = _child(_child(key_info, WSSE, "SecurityTokenReference"), WSSE, "Reference")
    identifier = token.get(_IDENTIFIERS[0], "")
    if len(key_info) != 1 or not identifier or reference.get("URI") != f"#{identifier}":
        raise PeerError("is not the BinarySecurityToken of the message", field="KeyInfo")


def _verify_value(certificate: x509.Certificate, method: str, value: bytes, octets: bytes) -> None:
    try:
        key = certificate.public_key()
        if method == ECDSA and isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
            size = (key.curve.key_size + 7) // 8
            if len(value) != 2 * size:
                raise PeerError("has not the length of r and s", field="SignatureValue")
            pair = int.from_bytes(value[:size]), int.from_bytes(value[size:])
            key.verify(encode_dss_signature(*pair), octets, ec.ECDSA(SHA256()))
        elif method == RSA and isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA:
            key.verify(value, octets, padding.PKCS1v15(), SHA256())
        else:
            raise PeerError("is not accepted with this key", field="SignatureMethod")
    except InvalidSignature:
        raise PeerError("is not that of the certificate", field="SignatureValue") from None
    except (ValueError, UnsupportedAlgorithm):
        raise PeerError("has no key that can be read", field="BinarySecurityToken") from None


def _base64(element: etree._Element) -> bytes:
    try:
        return base64.b64decode("".join((element.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise PeerError("is not base64", field=str(element.tag).rpartition("}")[2]) from None


# -- our own -----------------------------------------------------------------------------------------------------

_TO_SIGN = re.compile(f"<wsa:({'|'.join(ADDRESSED)})>")
_BODY = "<env:Body>"


class Signer:
    """Signs our messages with the key of our TLS certificate. Raises InputError for files that cannot be used."""

    def __init__(self, certificate: bytes, key: bytes) -> None:
        try:
            found = load_pem_private_key(key, None)
            own = x509.load_pem_x509_certificate(certificate)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise InputError("soap.key_file", "and certificate cannot be used for signatures") from None
        if not isinstance(found, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise InputError("soap.key_file", "is neither an EC nor an RSA key")
        self._key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = found
        self._token = base64.b64encode(own.public_bytes(Encoding.DER)).decode()

    def sign(self, envelope: bytes, now: float) -> bytes:
        """An envelope that `esm.envelope.write` has made, with token, Timestamp and signature in its header."""
        text = envelope.decode("utf-8")
        head, middle, rest = text.partition(MIDDLE)
        head = _TO_SIGN.sub(lambda found: f'<wsa:{found[1]} wsu:Id="{found[1]}">', head)
        head = head.replace(HEAD, HEAD.replace("><env:Header>", f' xmlns:wsu="{WSU}"><env:Header>'), 1)
        middle = middle.replace(_BODY, _BODY.replace(">", ' wsu:Id="Body">'))
        security = (
            f'<wsse:Security xmlns:wsse="{WSSE}" env:mustUnderstand="true">'
            f'<wsse:BinarySecurityToken wsu:Id="Token" ValueType="{X509_V3}" EncodingType="{BASE64}">'
            f"{self._token}</wsse:BinarySecurityToken>"
            f'<wsu:Timestamp wsu:Id="Timestamp"><wsu:Created>{write_date(now)}</wsu:Created>'
            f"<wsu:Expires>{write_date(now + LIFETIME)}</wsu:Expires></wsu:Timestamp>%s</wsse:Security>"
        )
        before, after = security.split("%s")
        unsigned = "".join((head, before, after, middle, rest)).encode()
        signature = self._signature(parse(unsigned))
        return "".join((head, before, signature, after, middle, rest)).encode()

    def _signature(self, root: etree._Element) -> str:
        parts = [element for element in root.iter(etree.Element) if element.get(_IDENTIFIERS[0]) in _OURS]
        references = "".join(_reference(part) for part in parts)
        method = ECDSA if isinstance(self._key, ec.EllipticCurvePrivateKey) else RSA
        info = (
            f'<ds:SignedInfo xmlns:ds="{DS}"><ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}">'
            f'</ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="{method}"></ds:SignatureMethod>'
            f"{references}</ds:SignedInfo>"
        )
        value = base64.b64encode(self._value(_canonical(parse(info.encode()), []))).decode()
        return (
            f'<ds:Signature xmlns:ds="{DS}">{info}<ds:SignatureValue>{value}</ds:SignatureValue><ds:KeyInfo>'
            f'<wsse:SecurityTokenReference><wsse:Reference URI="#Token" ValueType="{X509_V3}"/>'
            "</wsse:SecurityTokenReference></ds:KeyInfo></ds:Signature>"
        )

    def _value(self, octets: bytes) -> bytes:
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            size = (self._key.curve.key_size + 7) // 8
            r, s = decode_dss_signature(self._key.sign(octets, ec.ECDSA(SHA256())))
            return r.to_bytes(size) + s.to_bytes(size)
        return self._key.sign(octets, padding.PKCS1v15(), SHA256())


_OURS = frozenset((*ADDRESSED, "Timestamp", "Body"))


def _reference(part: etree._Element) -> str:
    digest = base64.b64encode(hashlib.sha256(_canonical(part, [])).digest()).decode()
    return (
        f'<ds:Reference URI="#{part.get(_IDENTIFIERS[0])}"><ds:Transforms>'
        f'<ds:Transform Algorithm="{EXCLUSIVE}"></ds:Transform></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{SHA256_DIGEST}"></ds:DigestMethod>'
        f"<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>"
    )
