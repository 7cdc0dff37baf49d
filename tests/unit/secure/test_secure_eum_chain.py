"""The EUM certificate: under a CI, valid, the EUM's, and one that may certify (SGP.02 2.3.2, RFC 5280 4.2)."""

from __future__ import annotations

import base64
import datetime
import hashlib
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from ferryman.codec.eis_xml import DS
from ferryman.errors import PeerError
from ferryman.secure.eum_signature import ECDSA, EXCLUSIVE, SHA256_DIGEST, check_chain, verify

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
EUM = "1.3.6.1.4.1.99999.40"
CI_KEY, EUM_KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
USES = dict.fromkeys(
    (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    ),
    False,
)


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def issue(*extensions: tuple[x509.ExtensionType, bool], subject: str = "eum", oid: str = EUM) -> x509.Certificate:
    names = x509.SubjectAlternativeName([x509.RegisteredID(x509.ObjectIdentifier(oid))])
    builder = (
        x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name("ci"))
        .public_key((CI_KEY if subject == "ci" else EUM_KEY).public_key()).serial_number(7)
        .not_valid_before(NOW - datetime.timedelta(days=9)).not_valid_after(NOW + datetime.timedelta(days=9))
        .add_extension(names, critical=False)
    )  # fmt: skip
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    return builder.sign(CI_KEY, hashes.SHA256())


def usage(**changes: bool) -> tuple[x509.KeyUsage, bool]:
    return x509.KeyUsage(**(USES | changes)), True


CA = (x509.BasicConstraints(ca=True, path_length=0), True)
NOT_CA = (x509.BasicConstraints(ca=False, path_length=None), True)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")


def check(certificate: x509.Certificate, **options: Any) -> None:
    check_chain(certificate, [issue(CA, subject="ci")], **({"eum_id": EUM, "now": NOW} | options))


def test_a_renewed_ci() -> None:
    """Two certificates of the CI for one key: the one that is valid counts, wherever it stands."""
    eum = issue(CA, usage(key_cert_sign=True))
    later = {"eum_id": EUM, "now": NOW + datetime.timedelta(days=5)}
    old, new = ci_until(1), ci_until(9)
    assert check_chain(eum, [old, new], **later) == check_chain(eum, [new, old], **later) == new
    with pytest.raises(PeerError, match="the CI certificate is not valid now"):
        check_chain(eum, [old], **later)


def ci_until(days: int) -> x509.Certificate:
    begin, end = NOW - datetime.timedelta(days=9), NOW + datetime.timedelta(days=days)
    builder = x509.CertificateBuilder(name("ci"), name("ci"), CI_KEY.public_key(), days, begin, end)
    return builder.add_extension(*CA).sign(CI_KEY, hashes.SHA256())


def test_what_is_accepted() -> None:
    check(issue(CA, usage(key_cert_sign=True)))
    check(issue(CA, usage(key_cert_sign=True, digital_signature=True), (UNKNOWN, False)))
    check(issue())  # says nothing of what it is for


@pytest.mark.parametrize(
    ("extensions", "reason"),
    [
        ([NOT_CA], "not a CA's"),
        ([CA, usage(digital_signature=True)], "may not certify"),
        ([CA, (UNKNOWN, True)], "critical extension"),
    ],
    ids=["end entity", "key usage", "critical"],
)
def test_what_it_may_not_be(extensions: list[Any], reason: str) -> None:
    with pytest.raises(PeerError, match=reason):
        check(issue(*extensions))


def test_another_eum_another_time_another_ci() -> None:
    good = issue(CA)
    for options, reason in (
        ({"eum_id": "1.2.3"}, "name the EUM"),
        ({"now": NOW + datetime.timedelta(days=10)}, "not valid now"),
    ):
        with pytest.raises(PeerError, match=reason):
            check(good, **options)
    with pytest.raises(PeerError, match="under a configured CI"):
        check_chain(good, [], eum_id=EUM, now=NOW)


@pytest.mark.parametrize(
    ("curve", "accepted"),
    [(ec.SECP256R1(), True), (ec.BrainpoolP256R1(), True), (ec.SECP256K1(), False)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_curve_of_the_signature(curve: ec.EllipticCurve, accepted: bool) -> None:
    """All of 256 bits, and the signature is right: the curve alone decides (SGP.02 2.3.1)."""
    key = ec.generate_private_key(curve)
    end = NOW + datetime.timedelta(days=9)
    builder = x509.CertificateBuilder(name("ci"), name("eum"), key.public_key(), 7, NOW, end)
    certificate = builder.sign(CI_KEY, hashes.SHA256())
    signed = b"<EumSignedInfo>x</EumSignedInfo>"
    if accepted:
        verify(signed, signature(key, signed), certificate)
        with pytest.raises(PeerError, match="digest"):
            verify(signed.replace(b"x", b"y"), signature(key, signed), certificate)
    else:
        with pytest.raises(PeerError, match="not supported"):
            verify(signed, signature(key, signed), certificate)


def signature(key: ec.EllipticCurvePrivateKey, signed: bytes) -> bytes:
    """Both forms are canonical as they are written here."""
    digest = base64.b64encode(hashlib.sha256(signed).digest()).decode()
    info = (
        f'<ds:SignedInfo xmlns:ds="{DS}">'
        f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{ECDSA}"></ds:SignatureMethod><ds:Reference>'
        f'<ds:DigestMethod Algorithm="{SHA256_DIGEST}"></ds:DigestMethod>'
        f"<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    )
    r, s = decode_dss_signature(key.sign(info.encode(), ec.ECDSA(hashes.SHA256())))
    value = base64.b64encode(r.to_bytes(32) + s.to_bytes(32)).decode()
    return (
        f'<ds:Signature xmlns:ds="{DS}">{info}<ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature>'
    ).encode()
