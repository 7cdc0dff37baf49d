"""Revocation lists (RFC 5280 5): whose they are, what they must not be, and what they say and when."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from ferryman.errors import PeerError
from ferryman.secure import revocation

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
CI_KEY, OTHER_KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def certificate(subject: str, *, serial: int = 7, crl_sign: bool | None = True) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name("ci"))
        .public_key(CI_KEY.public_key())
        .serial_number(serial)
        .not_valid_before(NOW - 9 * DAY)
        .not_valid_after(NOW + 9 * DAY)
    )
    if crl_sign is not None:
        uses = dict.fromkeys(
            (
                *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
                *("key_agreement", "encipher_only", "decipher_only"),
            ),
            False,
        )
        usage = x509.KeyUsage(key_cert_sign=True, crl_sign=crl_sign, **uses)
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(CI_KEY, hashes.SHA256())


CI = certificate("ci")
UTC_TIME = b"\x17\x0d"  # tag and length


def made(
    *serials: int,
    issuer: str = "ci",
    key: Any = CI_KEY,
    algorithm: Any = None,
    until: datetime.timedelta = DAY,
    extension: tuple[x509.ExtensionType, bool] | None = None,
    of_entry: tuple[x509.ExtensionType, bool] | None = None,
) -> x509.CertificateRevocationList:
    builder = x509.CertificateRevocationListBuilder().issuer_name(name(issuer))
    builder = builder.last_update(NOW - DAY).next_update(NOW + until)
    builder = builder.add_extension(x509.CRLNumber(1), critical=False)
    if extension is not None:
        builder = builder.add_extension(*extension)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - DAY)
        if of_entry is not None:
            entry = entry.add_extension(*of_entry)
        builder = builder.add_revoked_certificate(entry.build())
    return revocation.parse(builder.sign(key, algorithm or hashes.SHA256()).public_bytes(Encoding.DER))


def test_what_it_says() -> None:
    eum = certificate("eum", serial=7)
    revocation.check_certificate(eum, made(), NOW)
    revocation.check_certificate(eum, made(8), NOW)
    for on_hold in (None, (x509.CRLReason(x509.ReasonFlags.certificate_hold), False)):
        with pytest.raises(PeerError, match="is revoked"):
            revocation.check_certificate(eum, made(8, 7, of_entry=on_hold), NOW)


def test_past_its_next_update_it_says_nothing_good() -> None:
    eum, old = certificate("eum", serial=7), made(8, until=DAY)
    revocation.check_certificate(eum, old, NOW + DAY)
    with pytest.raises(PeerError, match="past its next update"):
        revocation.check_certificate(eum, old, NOW + DAY + datetime.timedelta(seconds=1))
    # What it has revoked stays revoked.
    with pytest.raises(PeerError, match="is revoked"):
        revocation.check_certificate(eum, made(7), NOW + 3 * DAY)


def test_without_a_next_update_it_is_never_good() -> None:
    found = without_next_update()
    assert found.next_update_utc is None
    assert found.last_update_utc == NOW - DAY
    with pytest.raises(PeerError, match="has no next update"):
        revocation.check_whole(found)
    # Nor where such a list was kept all the same.
    with pytest.raises(PeerError, match="past its next update"):
        revocation.check_certificate(certificate("eum", serial=7), found, NOW - DAY)


def without_next_update() -> x509.CertificateRevocationList:
    """The library writes no such list: the second of the two times is cut out; the signature is of no matter."""
    good = made(8)
    der, signed = good.public_bytes(Encoding.DER), good.tbs_certlist_bytes
    begin = len(signed) - signed[1]
    assert begin == 2, "the length has one octet"
    second = signed.index(UTC_TIME, signed.index(UTC_TIME) + 1)
    fields = signed[begin:second] + signed[second + len(UTC_TIME) + UTC_TIME[1] :]
    outside = der[der.index(signed) + len(signed) :]  # algorithm and signature
    return revocation.parse(sequence(sequence(fields) + outside))


def sequence(content: bytes) -> bytes:
    long = b"\x81" if len(content) > 127 else b""
    return b"\x30" + long + bytes((len(content),)) + content


def test_whose_it_is() -> None:
    assert revocation.is_of(made(), CI)
    assert revocation.is_of(made(), certificate("ci", crl_sign=None))
    assert revocation.is_of(made(algorithm=hashes.SHA384()), CI)
    assert not revocation.is_of(made(issuer="another"), CI)
    assert not revocation.is_of(made(key=OTHER_KEY), CI)
    assert not revocation.is_of(made(), certificate("ci", crl_sign=False))
    assert not revocation.is_of(made(algorithm=hashes.SHA224()), CI)


def scope(**changes: Any) -> tuple[x509.ExtensionType, bool]:
    fields = {
        "full_name": None, "relative_name": None, "only_contains_user_certs": False,
        "only_contains_ca_certs": False, "only_some_reasons": None, "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }  # fmt: skip
    return x509.IssuingDistributionPoint(**(fields | changes)), True


PARTS = {
    "delta": (x509.DeltaCRLIndicator(1), True),
    "indirect": scope(indirect_crl=True),
    "of users only": scope(only_contains_user_certs=True),
    "of some reasons": scope(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise})),
    "unknown": (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True),
}


@pytest.mark.parametrize("extension", PARTS.values(), ids=PARTS)
def test_a_part_of_the_truth_is_refused(extension: tuple[x509.ExtensionType, bool]) -> None:
    revocation.check_whole(made())
    with pytest.raises(PeerError, match="critical extension"):
        revocation.check_whole(made(extension=extension))


def test_an_entry_of_another_issuer_is_refused() -> None:
    foreign = (x509.CertificateIssuer([x509.DirectoryName(name("x"))]), True)
    with pytest.raises(PeerError, match="entry with a critical extension"):
        revocation.check_whole(made(7, of_entry=foreign))
    revocation.check_whole(made(7, of_entry=(x509.CRLReason(x509.ReasonFlags.key_compromise), False)))


def test_forms() -> None:
    found = made(7)
    der = found.public_bytes(Encoding.DER)
    assert revocation.parse(b"\n" + found.public_bytes(Encoding.PEM)) == found
    for data in (b"", der[:-1], b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", b"0" * 64):
        with pytest.raises(PeerError):
            revocation.parse(data)
    with pytest.raises(PeerError, match="larger"):
        revocation.parse(der + bytes(revocation.MAX_LIST))


def test_a_renewed_ci_keeps_its_list() -> None:
    assert revocation.issuer_of(CI) == revocation.issuer_of(certificate("ci", serial=99))
