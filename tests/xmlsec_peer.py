"""libxmlsec as another party's WS-Security: signs envelopes with an X.509 token, verifies those that we sign."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from parties import Party

SOAP = "http://www.w3.org/2003/05/soap-envelope"
WSA = "http://www.w3.org/2005/08/addressing"
WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE, WSU = f"{WSS}wssecurity-secext-1.0.xsd", f"{WSS}wssecurity-utility-1.0.xsd"
DS = "http://www.w3.org/2000/09/xmldsig#"
ID = f"{{{WSU}}}Id"
X509_V3 = f"{WSS}x509-token-profile-1.0#X509v3"
ADDRESSED = ("From", "To", "MessageID", "Action", "ReplyTo", "RelatesTo")


def der(party: Party) -> bytes:
    return x509.load_pem_x509_certificate(party.pem.encode()).public_bytes(Encoding.DER)


def secure(
    octets: bytes,
    party: Party,
    *,
    created: str,
    expires: str = "",
    leave_out: tuple[str, ...] = (),
    prefixes: str = "",
    method: Any = xmlsec.Transform.ECDSA_SHA256,
    shape: Callable[[etree._Element], None] = lambda signature: None,
) -> bytes:
    """The envelope, signed by a party; `leave_out` are parts (local names) that no reference names.

    `shape` changes the signature before it is made, so that it holds for what was changed.
    """
    root = etree.fromstring(octets)
    header, body = root.find(f"{{{SOAP}}}Header"), root.find(f"{{{SOAP}}}Body")
    assert header is not None
    assert body is not None
    security = etree.SubElement(header, f"{{{WSSE}}}Security", nsmap={"wsse": WSSE, "wsu": WSU})
    security.set(f"{{{SOAP}}}mustUnderstand", "1")
    token = etree.SubElement(security, f"{{{WSSE}}}BinarySecurityToken", {"ValueType": X509_V3, ID: "x509"})
    token.text = base64.b64encode(der(party)).decode()
    timestamp = etree.SubElement(security, f"{{{WSU}}}Timestamp", {ID: "time"})
    etree.SubElement(timestamp, f"{{{WSU}}}Created").text = created
    if expires:
        etree.SubElement(timestamp, f"{{{WSU}}}Expires").text = expires
    signature = xmlsec.template.create(root, xmlsec.Transform.EXCL_C14N, method, ns="ds")
    security.append(signature)
    parts = [body, timestamp, *(found for name in ADDRESSED for found in header.iterfind(f"{{{WSA}}}{name}"))]
    for number, part in enumerate(parts):
        if etree.QName(part).localname in leave_out:
            continue
        part.set(ID, f"part-{number}")
        reference = xmlsec.template.add_reference(signature, xmlsec.Transform.SHA256, uri=f"#part-{number}")
        transform = xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
        if prefixes:
            kind = "{http://www.w3.org/2001/10/xml-exc-c14n#}InclusiveNamespaces"
            etree.SubElement(transform, kind, PrefixList=prefixes)
    key_info = xmlsec.template.ensure_key_info(signature)
    holder = etree.SubElement(key_info, f"{{{WSSE}}}SecurityTokenReference")
    etree.SubElement(holder, f"{{{WSSE}}}Reference", URI="#x509", ValueType=X509_V3)
    shape(signature)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(Path(party.key_file).read_bytes(), xmlsec.KeyFormat.PEM)
    _register(context, root)
    context.sign(signature)
    return etree.tostring(root)


def accept(octets: bytes, party: Party) -> set[str]:
    """Verify an envelope with a party's key; the local names of what is signed. Raises xmlsec.Error."""
    root = etree.fromstring(octets)
    signature = root.find(f".//{{{WSSE}}}Security/{{{DS}}}Signature")
    assert signature is not None
    key = x509.load_pem_x509_certificate(party.pem.encode()).public_key()
    context = xmlsec.SignatureContext()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    context.key = xmlsec.Key.from_memory(pem, xmlsec.KeyFormat.PEM)
    _register(context, root)
    context.verify(signature)
    wanted = {one.get("URI", "").removeprefix("#") for one in signature.iter(f"{{{DS}}}Reference")}
    return {etree.QName(part).localname for part in root.iter(etree.Element) if part.get(ID) in wanted}


def _register(context: Any, root: etree._Element) -> None:
    for part in root.iter(etree.Element):
        if part.get(ID) is not None:
            context.register_id(part, "Id", WSU)
