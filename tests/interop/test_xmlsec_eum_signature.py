"""libxmlsec and we agree on EumSignature: it accepts what the card maker signs, we accept what it signs."""

from __future__ import annotations

import base64
import datetime
import hashlib
from pathlib import Path

import pytest
import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree

from ferryman.codec import eis_xml
from ferryman.errors import PeerError
from ferryman.secure import eum_signature, key_info
from parties import Party
from premises import make_batch

DS = "{http://www.w3.org/2000/09/xmldsig#}"


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> eis_xml.Delivery:
    """One card of the card maker."""
    folder = make_batch(tmp_path_factory.mktemp("files"), count=1, seed="xmlsec")
    return eis_xml.parse_delivery((folder / "eis.xml").read_bytes())[0]


def certificate_of(signature: bytes) -> x509.Certificate:
    found = key_info.read(signature).certificate
    assert found is not None
    return found


def public_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def context(pem: bytes) -> xmlsec.SignatureContext:
    made = xmlsec.SignatureContext()
    made.key = xmlsec.Key.from_memory(pem, xmlsec.KeyFormat.PEM)
    return made


def test_libxmlsec_accepts_what_the_card_maker_signs(delivery: eis_xml.Delivery) -> None:
    signature = etree.fromstring(delivery.signature_xml)
    info = signature.find(f"{DS}SignedInfo")
    assert info is not None
    signed = etree.tostring(info, method="c14n", exclusive=True)
    value = base64.b64decode(signature.findtext(f"{DS}SignatureValue") or "")
    pem = public_pem(certificate_of(delivery.signature_xml))
    context(pem).verify_binary(signed, xmlsec.Transform.ECDSA_SHA256, value)
    with pytest.raises(xmlsec.Error):
        context(pem).verify_binary(signed + b" ", xmlsec.Transform.ECDSA_SHA256, value)
    digest = hashlib.sha256(delivery.signed_xml).digest()
    assert info.findtext(f".//{DS}DigestValue") == base64.b64encode(digest).decode()


def test_we_accept_what_libxmlsec_signs(delivery: eis_xml.Delivery, parties: dict[str, Party]) -> None:
    eum = parties["eum"]
    certificate = x509.load_pem_x509_certificate(eum.pem.encode())
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    assert certificate.not_valid_after_utc > datetime.datetime.now(datetime.UTC)
    info = etree.fromstring(_template(base64.b64encode(hashlib.sha256(delivery.signed_xml).digest()).decode()))
    octets = etree.tostring(info, method="c14n", exclusive=True)
    signer = context(Path(eum.key_file).read_bytes())
    value = base64.b64encode(signer.sign_binary(octets, xmlsec.Transform.ECDSA_SHA256)).decode()
    signature = _holder(octets.decode(), value, eum.pem)
    eum_signature.verify(delivery.signed_xml, signature, certificate_of(signature))
    forged = delivery.signed_xml.replace(b"ferryman-sim", b"ferryman-sin")
    assert forged != delivery.signed_xml
    with pytest.raises(PeerError):
        eum_signature.verify(forged, signature, certificate)
    other = _holder(octets.decode().replace("sha256", "sha256 "), value, eum.pem)
    with pytest.raises(PeerError):
        eum_signature.verify(delivery.signed_xml, other, certificate)


def _written(eum: Party, form: str) -> etree._Element:
    """KeyInfo as libxmlsec writes it behind a signature of its own."""
    root = etree.fromstring("<x/>")
    signature = xmlsec.template.create(root, xmlsec.Transform.EXCL_C14N, xmlsec.Transform.ECDSA_SHA256, ns="ds")
    root.append(signature)
    reference = xmlsec.template.add_reference(signature, xmlsec.Transform.SHA256, uri="")
    xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
    data = xmlsec.template.add_x509_data(xmlsec.template.ensure_key_info(signature))
    {
        "X509SKI": xmlsec.template.x509_data_add_ski,
        "X509SubjectName": xmlsec.template.x509_data_add_subject_name,
        "X509IssuerSerial": xmlsec.template.x509_data_add_issuer_serial,
    }[form](data)
    made = xmlsec.SignatureContext()
    made.key = xmlsec.Key.from_memory(Path(eum.key_file).read_bytes(), xmlsec.KeyFormat.PEM)
    made.key.load_cert_from_file(str(eum.certificate_file), xmlsec.KeyFormat.PEM)
    made.sign(signature)
    # Read anew: lxml does not find the elements that libxmlsec has put into its tree.
    found = etree.fromstring(etree.tostring(root)).find(f".//{DS}KeyInfo")
    assert found is not None
    return found


@pytest.mark.parametrize("form", ["X509SKI", "X509SubjectName", "X509IssuerSerial"])
def test_we_find_the_certificate_that_libxmlsec_names(tmp_path: Path, form: str) -> None:
    """A name with what RFC 4514 has to escape (but not an ampersand: libxmlsec loses it); two are known."""
    eum, other = (named_party(tmp_path, name) for name in ("eum", "other"))
    certificates = {party: x509.load_pem_x509_certificate(party.pem.encode()) for party in (eum, other)}
    info = _written(eum, form)
    assert [etree.QName(each).localname for each in info[0]] == [form]
    signature = etree.Element("EumSignature")
    signature.append(info)
    read = key_info.read(etree.tostring(signature))
    now = datetime.datetime.now(datetime.UTC)
    assert key_info.candidates(read, certificates.values(), now) == [certificates[eum]]
    assert key_info.candidates(read, [certificates[other]], now) == []


def named_party(folder: Path, name: str) -> Party:
    """A card maker whose name has commas, signs and letters beyond ASCII."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = {
        x509.NameOID.COUNTRY_NAME: "DE",
        x509.NameOID.ORGANIZATION_NAME: f'Kärten, "{name}" + Söhne; <GmbH> #1',
        x509.NameOID.COMMON_NAME: f" {name}=EUM\\ ",
    }
    subject = x509.Name([x509.NameAttribute(oid, text) for oid, text in names.items()])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}.key"
    pem = made.public_bytes(serialization.Encoding.PEM)
    files[0].write_bytes(pem)
    encoding, form, lock = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    files[1].write_bytes(key.private_bytes(encoding, form, lock))
    return Party(name, pem.decode(), *files)


def _template(digest: str) -> str:
    exclusive = eum_signature.EXCLUSIVE
    return (
        f'<ds:SignedInfo xmlns:ds="{DS[1:-1]}"><ds:CanonicalizationMethod Algorithm="{exclusive}"/>'
        f'<ds:SignatureMethod Algorithm="{eum_signature.ECDSA}"/><ds:Reference><ds:Transforms>'
        f'<ds:Transform Algorithm="{exclusive}"/></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{eum_signature.SHA256_DIGEST}"/><ds:DigestValue>{digest}</ds:DigestValue>'
        "</ds:Reference></ds:SignedInfo>"
    )


def _holder(info: str, value: str, pem: str) -> bytes:
    der = "".join(line for line in pem.splitlines() if "-----" not in line)
    return (
        f'<EumSignature xmlns="{eis_xml.RPS}" xmlns:ds="{DS[1:-1]}">{info}'
        f"<ds:SignatureValue>{value}</ds:SignatureValue><ds:KeyInfo><ds:X509Data>"
        f"<ds:X509Certificate>{der}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></EumSignature>"
    ).encode()
