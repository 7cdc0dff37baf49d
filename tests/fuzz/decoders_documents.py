"""Files and documents from outside: EIS XML, GlobalPlatform certificates, subscription files."""

from __future__ import annotations

import base64
import datetime
import hashlib
import warnings
from dataclasses import replace
from functools import partial

from ferryman.codec import eis_xml
from ferryman.errors import InputError, PeerError
from ferryman.profile.subscriptions import (
    DEFAULT,
    FileMapping,
    Heading,
    RowReader,
    read_heading,
    read_mapping,
    unpack,
)
from ferryman.secure import certificate, eum_signature, key_info
from fuzz.engine import Harness
from fuzz.promises import declared, same, words


def check_eis(data: bytes) -> None:
    """A delivery of a card maker; its signed part reads the same on its own."""
    for card in declared(eis_xml.parse_delivery, data) or ():
        same(eis_xml.parse_signed_info(card.signed_xml), card.signed, "EumSignedInfo on its own")
    declared(eis_xml.parse_signed_info, data)


SIGNED = b'<rps:EumSignedInfo xmlns:rps="http://namespaces.gsma.org/esim-messaging/3"></rps:EumSignedInfo>'
_DS = 'xmlns:ds="http://www.w3.org/2000/09/xmldsig#"'
_NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)


def signature_xml(der: bytes, algorithm: str = eum_signature.ECDSA) -> bytes:
    """An EumSignature over SIGNED with the right digest, the certificate `der` and a value of 64 octets."""
    digest = base64.b64encode(hashlib.sha256(SIGNED).digest()).decode()
    return (
        f'<ds:Signature {_DS}><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{eum_signature.EXCLUSIVE}"/>'
        f'<ds:SignatureMethod Algorithm="{algorithm}"/><ds:Reference>'
        f'<ds:DigestMethod Algorithm="{eum_signature.SHA256_DIGEST}"/><ds:DigestValue>{digest}</ds:DigestValue>'
        f"</ds:Reference></ds:SignedInfo><ds:SignatureValue>{base64.b64encode(bytes(range(64))).decode()}"
        f"</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{base64.b64encode(der).decode()}"
        f"</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>"
    ).encode()


def check_signature(data: bytes) -> None:
    """An EumSignature as XML, or the certificate of one in DER; nobody's octets are a signature of ours."""
    documents = [data] if data[:1] == b"<" else [signature_xml(data), signature_xml(data, eum_signature.RSA)]
    with warnings.catch_warnings():
        # The library warns of certificates that a later version will refuse; both are fine here.
        warnings.simplefilter("ignore")
        for document in documents:
            declared(_verify, document)


def _verify(document: bytes) -> None:
    info = key_info.read(document)
    found = info.certificate
    if found is None:
        assert key_info.candidates(info, [], _NOW) == []
        return
    for step in (
        lambda: eum_signature.verify(SIGNED, document, found),
        lambda: eum_signature.public_point(found),
        lambda: eum_signature.check_chain(found, [found], eum_id="1.2.3", now=_NOW),
    ):
        try:
            step()
        except PeerError:
            continue


def check_certificate(data: bytes) -> None:
    """A certificate `7F21`."""
    read = declared(certificate.parse_certificate, data)
    if read is not None:
        again = certificate.build_certificate(read.tbs, read.signature)
        same(certificate.parse_certificate(again), read, "certificate")


def check_subscriptions(data: bytes) -> None:
    """A subscription file, whose reader names what a person did wrong; both its ways read the same."""
    for mapping in (DEFAULT, replace(DEFAULT, check_digit=False), CARD_MAKER):
        heading = declared(partial(_heading, mapping), data, InputError)
        if heading is None:
            continue
        reader = RowReader(mapping, heading)
        body = data[heading.offset :]
        rows = reader.read(body, heading.lines + 1)
        slow = reader._slow(body.decode("utf-8", "replace"), heading.lines + 1)
        same((list(rows.public), list(rows.secrets)), (list(slow.public), list(slow.secrets)), "rows")
        for secret in rows.secrets:
            unpack(reader.names, secret)


def _heading(mapping: FileMapping, data: bytes) -> Heading:
    return read_heading(data, mapping)


CARD_MAKER = read_mapping(
    """
format: card-maker
columns:
  ICCID: {is: iccid, spelling: swapped}
  IMSI: {is: imsi, spelling: swapped}
  PIN1: {is: pin1, spelling: hex}
  KI: ki
  OPC: opc
"""
)


_XML_WORDS = (
    b"<rps:Eid>",
    b"</rps:Eid>",
    b"<rps:Keyset>",
    b"</rps:Keyset>",
    b"<rps:pol2/>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"&b;",
    b"<?pi?>",
    b"<!--",
    b"-->",
    b"<![CDATA[",
    b"]]>",
    b' xmlns:rps="http://namespaces.gsma.org/esim-messaging/3"',
    b' type="88"',
    b"&#0;",
    b"\xc2\xb2",
    b"true",
)
_DER_WORDS = words(
    "30 0603 0201 A3 A0 04 0500 2A8648CE3D0201 2A8648CE3D030107 2B2403030208010107 551D11 8802 0101FF 170D"
)
_CERTIFICATE_WORDS = words(
    "7F21 93 42 5F20 950188 5F2504 5F2404 7306 C80101 C914 7F4946 B041 F00100 F00103 5F3740 04"
)

HARNESSES = (
    Harness("eis_xml", check_eis, _XML_WORDS, 8192),
    Harness("eum_signature", check_signature, (*_XML_WORDS, *_DER_WORDS), 2048),
    Harness("gp_certificate", check_certificate, _CERTIFICATE_WORDS, 512),
    Harness(
        "subscriptions_csv",
        check_subscriptions,
        (
            b",",
            b";",
            b"\t",
            b'"',
            b"\r\n",
            b"\n",
            b"ICCID",
            b"OP",
            b"OPC",
            b"\xef\xbb\xbf",
            b"89",
            b"\0",
            b"var_out:",
            b"/",
            b"*",
        ),
        1024,
    ),
)
