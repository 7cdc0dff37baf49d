"""What must not get through behind an X.509 token of WS-Security: refused with 401, and nothing is entered."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree

import xmlsec_peer
from esm_samples import ICCID
from ferryman.contracts.peers import Peer, PeerKind, Quirks
from ferryman.errors import InputError
from ferryman.soap_gateway.esm.simple import write_date
from parties import VIRTUAL, Party, make_party
from soap_world import MNO, MNO2, START, UPDATE, Client, Gateway, is_fault, unchanged, world
from virtual_loop import virtual
from xmlsec_peer import DS, ID, SOAP, WSA, WSSE, WSU

ALONE = Quirks(x509_token=True, require_token=True)
NOW = write_date(START)
P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
OTHER = b"8988101000000000022"
ECDSA, RSA = xmlsec.Transform.ECDSA_SHA256, xmlsec.Transform.RSA_SHA256

type Change = Callable[[etree._Element], None]


def part(root: etree._Element, space: str, name: str) -> etree._Element:
    found = root.find(f".//{{{space}}}{name}")
    assert found is not None
    return found


def header(root: etree._Element) -> etree._Element:
    return part(root, SOAP, "Header")


def forge(element: etree._Element) -> etree._Element:
    """A copy that says something else."""
    text = etree.tostring(element, with_tail=False).replace(ICCID.encode(), OTHER)
    return etree.fromstring(text)


# -- wrapping ------------------------------------------------------------------------------------------------


def body_into_header(root: etree._Element, *, keep: str = "") -> None:
    """The signed body goes where nobody reads it; another one stands in its place."""
    body = part(root, SOAP, "Body")
    other = forge(body)
    name = other.attrib.pop(ID)
    if keep:
        other.set(keep, name)
    root.replace(body, other)
    wrapper = etree.SubElement(header(root), "{urn:x}Wrapper")
    wrapper.append(body)


def body_in_object(root: etree._Element) -> None:
    """As before, inside the signature."""
    body = part(root, SOAP, "Body")
    other = forge(body)
    del other.attrib[ID]
    root.replace(body, other)
    etree.SubElement(part(root, DS, "Signature"), f"{{{DS}}}Object").append(body)


def addressing_wrapped(root: etree._Element) -> None:
    """The signed addressee is kept aside; another one is read."""
    to = part(root, WSA, "To")
    other = deepcopy(to)
    del other.attrib[ID]
    header(root).replace(to, other)
    etree.SubElement(part(root, WSSE, "Security"), "{urn:x}Wrapper").append(to)


def time_wrapped(root: etree._Element) -> None:
    """A fresh Timestamp in front of the signed one."""
    old = part(root, WSU, "Timestamp")
    other = deepcopy(old)
    del other.attrib[ID]
    security = part(root, WSSE, "Security")
    security.replace(old, other)
    etree.SubElement(security, "{urn:x}Wrapper").append(old)


WRAPPED: dict[str, Change] = {
    "body into header": body_into_header,
    "body into header, same wsu:Id": lambda root: body_into_header(root, keep=ID),
    "body into header, same Id": lambda root: body_into_header(root, keep="Id"),
    "body into header, same xml:id": lambda root: body_into_header(
        root, keep="{http://www.w3.org/XML/1998/namespace}id"
    ),
    "body into Object": body_in_object,
    "addressee": addressing_wrapped,
    "time": time_wrapped,
}


# -- other ways ----------------------------------------------------------------------------------------------


def doubled(space: str, name: str) -> Change:
    def change(root: etree._Element) -> None:
        found = part(root, space, name)
        found.addnext(deepcopy(found))

    return change


def attribute(name: str, key: str, value: str) -> Change:
    def change(root: etree._Element) -> None:
        part(root, DS, name).set(key, value)

    return change


def reference(uri: str) -> Change:
    return attribute("Reference", "URI", uri)


def reply_to_added(root: etree._Element) -> None:
    block = etree.SubElement(header(root), f"{{{WSA}}}ReplyTo")
    etree.SubElement(block, f"{{{WSA}}}Address").text = "https://mno.example/es4"


def another_key(root: etree._Element) -> None:
    part(part(root, WSSE, "SecurityTokenReference"), WSSE, "Reference").set("URI", "#part-0")


def key_value_too(root: etree._Element) -> None:
    etree.SubElement(part(root, DS, "KeyInfo"), f"{{{DS}}}KeyName").text = "x"


def xslt(root: etree._Element) -> None:
    transforms = part(root, DS, "Transforms")
    etree.SubElement(transforms, f"{{{DS}}}Transform", Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116")


def many(root: etree._Element) -> None:
    first = part(root, DS, "Reference")
    for number in range(20):
        other = deepcopy(first)
        other.set("URI", f"#x-{number}")
        first.addnext(other)


def long_prefixes(root: etree._Element) -> None:
    kind = "{http://www.w3.org/2001/10/xml-exc-c14n#}InclusiveNamespaces"
    etree.SubElement(part(root, DS, "Transform"), kind, PrefixList="x " * 200)


def no_certificate(root: etree._Element) -> None:
    part(root, WSSE, "BinarySecurityToken").text = "AAAA"


def text_in_body(root: etree._Element) -> None:
    part(root, SOAP, "Body").text = " "


INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
CHANGED: dict[str, Change] = {
    "body": text_in_body,
    "two signatures": doubled(DS, "Signature"),
    "two tokens": doubled(WSSE, "BinarySecurityToken"),
    "two times": doubled(WSU, "Timestamp"),
    "two references to one part": doubled(DS, "Reference"),
    "another part": reference("#nothing"),
    "whole document": reference(""),
    "outside": reference("http://127.0.0.1:9/x"),
    "pointer": reference("#xpointer(/)"),
    "inclusive form": attribute("CanonicalizationMethod", "Algorithm", INCLUSIVE),
    "with comments": attribute("Transform", "Algorithm", "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"),
    "SHA-1": attribute("DigestMethod", "Algorithm", "http://www.w3.org/2000/09/xmldsig#sha1"),
    "HMAC": attribute("SignatureMethod", "Algorithm", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"),
    "RSA": attribute("SignatureMethod", "Algorithm", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"),
    "unsigned ReplyTo": reply_to_added,
    "key of another element": another_key,
    "key by name, too": key_value_too,
    "XSLT": xslt,
    "many references": many,
    "many prefixes": long_prefixes,
    "no certificate": no_certificate,
}


@pytest.mark.parametrize("name", [*WRAPPED, *CHANGED])
@virtual
async def test_changed_behind_the_signature(tmp_path: Path, parties: dict[str, Party], name: str) -> None:
    async with world(tmp_path, parties) as (gateway, client):
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, quirks=ALONE)
        good = xmlsec_peer.secure(client.compose(UPDATE), parties["mno"], created=NOW)
        root = etree.fromstring(good)
        (WRAPPED | CHANGED)[name](root)
        changed = etree.tostring(root)
        assert changed != good
        is_fault(await client.post(changed), 401, "FailedAuthentication")
        unchanged(gateway)
        assert (await client.post(good)).status == 200  # and what was signed is taken


def of_all(name: str, algorithm: str) -> Change:
    def change(signature: etree._Element) -> None:
        for each in signature.iter(f"{{{DS}}}{name}"):
            each.set("Algorithm", algorithm)

    return change


def twice(signature: etree._Element) -> None:
    first = next(signature.iter(f"{{{DS}}}Reference"))
    first.addnext(deepcopy(first))


def two_transforms(signature: etree._Element) -> None:
    for each in list(signature.iter(f"{{{DS}}}Transform")):
        each.addnext(deepcopy(each))


COMMENTS = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"
MADE: dict[str, Change] = {
    "two references to one part": twice,
    "two transforms": two_transforms,
    "inclusive form of parts": of_all("Transform", INCLUSIVE),
    "inclusive form of SignedInfo": of_all("CanonicalizationMethod", INCLUSIVE),
    "parts with comments": of_all("Transform", COMMENTS),
    "SignedInfo with comments": of_all("CanonicalizationMethod", COMMENTS),
    "SHA-512": of_all("DigestMethod", "http://www.w3.org/2001/04/xmlenc#sha512"),
    "long prefixes": lambda signature: long_prefixes(signature),
}


@pytest.mark.parametrize("name", MADE)
@virtual
async def test_signed_so_and_yet_not_accepted(tmp_path: Path, parties: dict[str, Party], name: str) -> None:
    """Good signatures of libxmlsec in forms that are not ours: their value holds, nothing else refuses them."""
    async with world(tmp_path, parties) as (gateway, client):
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, quirks=ALONE)
        octets = client.compose(UPDATE)
        signed = xmlsec_peer.secure(octets, parties["mno"], created=NOW, shape=MADE[name])
        assert xmlsec_peer.accept(signed, parties["mno"])
        is_fault(await client.post(signed), 401)
        unchanged(gateway)
        assert (await client.post(xmlsec_peer.secure(octets, parties["mno"], created=NOW))).status == 200


@pytest.mark.parametrize("left_out", ["Body", "Timestamp", "From", "To", "MessageID", "Action"])
@virtual
async def test_parts_outside_the_signature(tmp_path: Path, parties: dict[str, Party], left_out: str) -> None:
    async with world(tmp_path, parties) as (gateway, client):
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, quirks=ALONE)
        octets = client.compose(UPDATE)
        signed = xmlsec_peer.secure(octets, parties["mno"], created=NOW, leave_out=(left_out,))
        is_fault(await client.post(signed), 401)
        unchanged(gateway)


@pytest.mark.parametrize("name", [ID, "Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id"])
@virtual
async def test_an_identifier_that_two_elements_have(tmp_path: Path, parties: dict[str, Party], name: str) -> None:
    """What is signed stands in its place; that another element calls itself the same is refused all the same."""
    async with world(tmp_path, parties) as (gateway, client):
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, quirks=ALONE)
        good = xmlsec_peer.secure(client.compose(UPDATE), parties["mno"], created=NOW)
        root = etree.fromstring(good)
        etree.SubElement(header(root), "{urn:x}Other").set(name, part(root, SOAP, "Body").get(ID) or "")
        is_fault(await client.post(etree.tostring(root)), 401)
        unchanged(gateway)
        etree.SubElement(header(root), "{urn:x}Another").set(name, "nobody")
        root.find(".//{urn:x}Other").set(name, "nobody-else")  # type: ignore[union-attr]
        assert (await client.post(etree.tostring(root))).status == 200


@virtual
async def test_times(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, client):
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, quirks=ALONE)
        for created, expires in (
            (write_date(START - 320), ""),
            (write_date(START + 320), ""),
            (write_date(START - 60), write_date(START - 30)),
            ("yesterday", ""),
            ("", ""),
        ):
            octets = client.compose(UPDATE)
            signed = xmlsec_peer.secure(octets, parties["mno"], created=created, expires=expires)
            is_fault(await client.post(signed), 401)
        unchanged(gateway)


@virtual
async def test_each_signature_once(tmp_path: Path, parties: dict[str, Party]) -> None:
    """Nor may the other form of the same ECDSA value (r, n-s) pass for another signature."""
    async with world(tmp_path, parties) as (gateway, client):
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, quirks=ALONE)
        signed = xmlsec_peer.secure(client.compose(UPDATE), parties["mno"], created=NOW)
        assert (await client.post(signed)).status == 200
        is_fault(await client.post(signed), 401)
        root = etree.fromstring(signed)
        element = part(root, DS, "SignatureValue")
        value = base64.b64decode(element.text or "")
        twin = value[:32] + (P256 - int.from_bytes(value[32:])).to_bytes(32)
        element.text = base64.b64encode(twin).decode()
        is_fault(await client.post(etree.tostring(root)), 401)
        assert len(gateway.heard) == 1


@virtual
async def test_who_signs(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, client):
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, quirks=ALONE)
        await gateway.peer(parties["mno2"], PeerKind.OPERATOR, MNO2)
        plain = Client(gateway, parties["mno2"], MNO2)
        # A stranger; another peer, who may not prove himself so; that one under his own name.
        for who in ("stranger", "mno2"):
            is_fault(await client.post(xmlsec_peer.secure(client.compose(UPDATE), parties[who], created=NOW)), 401)
        is_fault(await plain.post(xmlsec_peer.secure(plain.compose(UPDATE), parties["mno2"], created=NOW)), 401)
        # Once he may: his token on somebody else's connection, and under somebody else's name.
        await gateway.peer(parties["mno2"], PeerKind.OPERATOR, MNO2, quirks=Quirks(x509_token=True))
        for sender in (client, plain):
            octets = (client if sender is plain else plain).compose(UPDATE)
            signer = parties["mno2"]
            response = await sender.post(xmlsec_peer.secure(octets, signer, created=NOW))
            assert response.status in (401, 403), response
        # Somebody else's certificate with one's own key.
        signed = etree.fromstring(xmlsec_peer.secure(client.compose(UPDATE), parties["mno2"], created=NOW))
        part(signed, WSSE, "BinarySecurityToken").text = base64.b64encode(xmlsec_peer.der(parties["mno"])).decode()
        is_fault(await client.post(etree.tostring(signed)), 401)
        unchanged(gateway, tokens=2)  # of the two that are good, but not the sender's


@pytest.mark.parametrize("signs", [True, False])
@virtual
async def test_what_the_certificate_is_for(tmp_path: Path, parties: dict[str, Party], signs: bool) -> None:
    others = dict.fromkeys(
        (
            *("content_commitment", "key_encipherment", "data_encipherment", "key_cert_sign", "crl_sign"),
            *("encipher_only", "decipher_only"),
        ),
        False,
    )
    usage = x509.KeyUsage(digital_signature=signs, key_agreement=True, **others)
    signer = make_party(tmp_path, "signer", usage=usage)
    async with world(tmp_path, parties) as (gateway, client):
        await two_certificates(gateway, parties["mno"], signer)
        response = await client.post(xmlsec_peer.secure(client.compose(UPDATE), signer, created=NOW))
        assert response.status == (200 if signs else 401)
        assert len(gateway.heard) == signs


KEYS: dict[str, tuple[Callable[[], ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey], Any, bool]] = {
    "P-256": (lambda: ec.generate_private_key(ec.SECP256R1()), ECDSA, True),
    "P-384": (lambda: ec.generate_private_key(ec.SECP384R1()), ECDSA, True),
    "P-521": (lambda: ec.generate_private_key(ec.SECP521R1()), ECDSA, False),
    "P-224": (lambda: ec.generate_private_key(ec.SECP224R1()), ECDSA, False),
    "secp256k1": (lambda: ec.generate_private_key(ec.SECP256K1()), ECDSA, False),
    "RSA 3072": (lambda: rsa.generate_private_key(65_537, 3_072), RSA, True),
    "RSA 2048": (lambda: rsa.generate_private_key(65_537, 2_048), RSA, False),
}


@pytest.mark.parametrize("name", KEYS)
@virtual
async def test_keys_that_are_accepted(tmp_path: Path, parties: dict[str, Party], name: str) -> None:
    """A good signature under a pinned certificate; the curve, or the length of the key, alone decides."""
    make, method, accepted = KEYS[name]
    signer = make_party(tmp_path, "signer", key=make())
    async with world(tmp_path, parties) as (gateway, client):
        await two_certificates(gateway, parties["mno"], signer)
        signed = xmlsec_peer.secure(client.compose(UPDATE), signer, created=NOW, method=method)
        assert xmlsec_peer.accept(signed, signer)
        assert (await client.post(signed)).status == (200 if accepted else 401)
        assert len(gateway.heard) == accepted


async def two_certificates(gateway: Gateway, by_tls: Party, by_signature: Party) -> None:
    """The operator has one certificate for his connections and another one for his signatures."""
    pems = (by_tls.pem, by_signature.pem)
    quirks = Quirks(x509_token=True)
    record = Peer(name="mno-operator", kind=PeerKind.OPERATOR, oid=MNO, quirks=quirks, certificates=pems)
    await gateway.role.book.put(record, actor="test")


@pytest.mark.parametrize(
    ("begin", "end", "accepted"),
    [(-9, 9, True), (0, 9, True), (-9, 60, True), (-9, -1, False), (60, 9_000, False)],
    ids=["now", "from now on", "for a minute", "expired", "not yet"],
)
@virtual
async def test_when_the_certificate_is_valid(
    tmp_path: Path, parties: dict[str, Party], begin: int, end: int, accepted: bool
) -> None:
    """By the gateway's clock, which is that of the signature; seconds from its start."""
    valid = VIRTUAL + datetime.timedelta(seconds=begin), VIRTUAL + datetime.timedelta(seconds=end)
    signer = make_party(tmp_path, "signer", valid=valid)
    async with world(tmp_path, parties) as (gateway, client):
        await two_certificates(gateway, parties["mno"], signer)
        response = await client.post(xmlsec_peer.secure(client.compose(UPDATE), signer, created=NOW))
        assert response.status == (200 if accepted else 401)
        assert len(gateway.heard) == accepted


@virtual
async def test_two_security_headers(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, client):
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, quirks=ALONE)
        root = etree.fromstring(xmlsec_peer.secure(client.compose(UPDATE), parties["mno"], created=NOW))
        etree.SubElement(header(root), f"{{{WSSE}}}Security")
        is_fault(await client.post(etree.tostring(root)), 400)
        unchanged(gateway)


@virtual
async def test_records_of_tokens(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, _):
        for field, quirks, fields in (
            ("certificate", Quirks(x509_token=True), {"username": "u", "password_file": "f"}),
            ("username", Quirks(require_token=True), {"certificates": (parties["mno2"].pem,)}),
        ):
            peer = Peer(name="x", kind=PeerKind.OPERATOR, oid="1.2.3", quirks=quirks, **fields)  # type: ignore[arg-type]
            with pytest.raises(InputError) as caught:
                await gateway.role.book.put(peer, actor="test")
            assert caught.value.field == field
