"""KeyInfo of EumSignature: whose certificate made it (XML Signature 4.5.4; `sgp02-interfaces.md` 4.2).

Either the certificate itself, or words that pick one of the certificates known for the EUM: X509SKI,
X509SubjectName, X509IssuerSerial; or nothing, which leaves every certificate known for it. What is named is only
a candidate: the signature tells whether it is the one.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from lxml import etree

from ferryman.codec.eis_xml import DS, parse_document
from ferryman.errors import PeerError

_CLAUSE = "XML Signature 4.5.4"
MAX_NAME = 1_000  # characters of a distinguished name; one of an EUM has some 100
MAX_SERIAL = 60  # decimal digits; RFC 5280 4.1.2.2 allows 20 octets, 49 digits
_NAMES = ("X509SKI", "X509SubjectName", "X509IssuerSerial")


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What KeyInfo says: a certificate, or what a known one must have; nothing of all that when it is empty."""

    certificate: x509.Certificate | None = None
    key_identifier: bytes | None = None
    subject: x509.Name | None = None
    issuer: x509.Name | None = None
    serial: int | None = None


def read(signature: bytes) -> KeyInfo:
    """KeyInfo of an EumSignature document; raises PeerError for forms that name no X.509 certificate."""
    root = parse_document(signature)
    found = root.findall(f"{{{DS}}}KeyInfo")
    if len(found) > 1:
        raise PeerError("more than one KeyInfo", field="EumSignature", clause=_CLAUSE)
    data = [child for info in found for child in info.iterchildren(etree.Element)]
    if any(child.tag != f"{{{DS}}}X509Data" for child in data):
        raise PeerError("holds something else than X509Data", field="KeyInfo", clause=_CLAUSE)
    certificates = [item for each in data for item in each.findall(f"{{{DS}}}X509Certificate")]
    if len(certificates) > 1:
        raise PeerError("more than one X509Certificate", field="KeyInfo", clause=_CLAUSE)
    if certificates:
        return KeyInfo(certificate=_certificate(certificates[0]))
    return _named([item for each in data for item in each.iterchildren(etree.Element)])


def _certificate(element: etree._Element) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(base64_of(element, "X509Certificate"))
    except (ValueError, x509.InvalidVersion):
        raise PeerError("is no X.509 certificate", field="X509Certificate", clause=_CLAUSE) from None


def _named(items: list[etree._Element]) -> KeyInfo:
    by_name: dict[str, etree._Element] = {}
    for item in items:
        name = str(item.tag).removeprefix(f"{{{DS}}}")
        if name not in _NAMES or name in by_name:
            raise PeerError(f"{name} is not accepted, or given twice", field="X509Data", clause=_CLAUSE)
        by_name[name] = item
    ski, subject, issuer_serial = (by_name.get(name) for name in _NAMES)
    issuer, serial = (None, None) if issuer_serial is None else _issuer_serial(issuer_serial)
    return KeyInfo(
        key_identifier=None if ski is None else base64_of(ski, "X509SKI"),
        subject=None if subject is None else _name(subject.text, "X509SubjectName"),
        issuer=issuer,
        serial=serial,
    )


def _issuer_serial(element: etree._Element) -> tuple[x509.Name, int]:
    number = (element.findtext(f"{{{DS}}}X509SerialNumber") or "").strip()
    if not (number.isascii() and number.isdigit() and len(number) <= MAX_SERIAL):
        raise PeerError("is no serial number", field="X509SerialNumber", clause=_CLAUSE)
    return _name(element.findtext(f"{{{DS}}}X509IssuerName"), "X509IssuerName"), int(number)


def _name(text: str | None, field: str) -> x509.Name:
    stripped = (text or "").strip()
    try:
        if not stripped or len(stripped) > MAX_NAME:
            raise ValueError
        return x509.Name.from_rfc4514_string(stripped)
    except (ValueError, TypeError):
        raise PeerError("is no distinguished name (RFC 4514)", field=field, clause=_CLAUSE) from None


def base64_of(element: etree._Element, name: str) -> bytes:
    """The octets of an element in base64, which may be wrapped; raises PeerError."""
    try:
        return base64.b64decode("".join((element.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise PeerError("is not base64", field=name, clause="XML Signature 4.5") from None


def candidates(info: KeyInfo, known: Iterable[x509.Certificate], now: datetime.datetime) -> list[x509.Certificate]:
    """The certificates that may have made the signature: those valid now in front, the newest first."""
    if info.certificate is not None:
        return [info.certificate]

    def order(one: x509.Certificate) -> tuple[bool, float]:
        valid = one.not_valid_before_utc <= now <= one.not_valid_after_utc
        return not valid, -one.not_valid_before_utc.timestamp()

    return sorted((one for one in known if _fits(info, one)), key=order)


def _fits(info: KeyInfo, one: x509.Certificate) -> bool:
    wanted = info.key_identifier
    return (
        (wanted is None or hmac.compare_digest(wanted, _key_identifier(one)))
        and (info.subject is None or _is_name(info.subject, one.subject))
        and (info.issuer is None or _is_name(info.issuer, one.issuer))
        and (info.serial is None or info.serial == one.serial_number)
    )


def _is_name(told: x509.Name, name: x509.Name) -> bool:
    """Whether a text means this name: RFC 4514 writes the last RDN first, some signers the first."""
    return told == name or list(told.rdns) == list(reversed(name.rdns))


def _key_identifier(one: x509.Certificate) -> bytes:
    try:
        return one.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except (x509.ExtensionNotFound, ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return b""
