"""Key agreement and certificates: points, signatures and fields that must be refused (Amendment E)."""

from __future__ import annotations

import contextlib
import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.codec import tlv
from ferryman.errors import PeerError
from ferryman.secure import certificate, ecka, eum_signature, kcv, kdf
from ferryman.secure.ecka import Curve

PRIVATE = ecka.ephemeral_private(bytes(range(40)))
PUBLIC = ecka.public_key(PRIVATE)
DAY = datetime.date(2030, 2, 28)


def h(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


def test_ephemeral_keys() -> None:
    assert ecka.ephemeral_private(bytes(40)) == bytes(31) + b"\x01"
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    assert int.from_bytes(ecka.ephemeral_private((order - 2).to_bytes(40))) == order - 1
    assert ecka.ephemeral_private((order - 1).to_bytes(40)) == bytes(31) + b"\x01"
    with pytest.raises(ValueError):
        ecka.ephemeral_private(bytes(32))
    with pytest.raises(ValueError):
        ecka.public_key(bytes(31))


@pytest.mark.parametrize(
    "point",
    [
        b"",
        PUBLIC[1:],
        PUBLIC + b"\x00",
        b"\x02" + PUBLIC[1:33],
        b"\x05" + PUBLIC[1:],
        bytes(65),
        b"\x00",
        b"\x04" + bytes(64),
        PUBLIC[:-1] + bytes((PUBLIC[-1] ^ 1,)),
    ],
)
def test_points_that_are_refused(point: bytes) -> None:
    for call in (lambda: ecka.shared_secret(PRIVATE, point), lambda: ecka.check_point(point)):
        with pytest.raises(PeerError):
            call()


def test_a_point_of_the_other_curve_is_refused() -> None:
    other = ecka.public_key(PRIVATE, curve=Curve.BRAINPOOL_P256R1)
    with pytest.raises(PeerError):
        ecka.shared_secret(PRIVATE, other)
    assert ecka.check_point(other, curve=Curve.BRAINPOOL_P256R1) == other


@pytest.mark.parametrize("curve", list(Curve))
def test_signatures_of_both_curves(curve: Curve) -> None:
    public = ecka.public_key(PRIVATE, curve=curve)
    signature = ecka.sign(PRIVATE, b"message", curve=curve)
    assert len(signature) == 64
    assert signature == ecka.sign(PRIVATE, b"message", curve=curve)
    ecka.verify(public, b"message", signature, curve=curve)
    random = ecka.sign(PRIVATE, b"message", curve=curve, deterministic=False)
    ecka.verify(public, b"message", random, curve=curve)
    for wrong in (
        signature[:-1],
        signature[:32] + b"\x00" + signature[32:],
        signature[::-1],
        bytes(64),
        b"\xff" * 64,
    ):
        with pytest.raises(PeerError):
            ecka.verify(public, b"message", wrong, curve=curve)
    with pytest.raises(PeerError):
        ecka.verify(public, b"another", signature, curve=curve)


def test_small_signature_parts_keep_their_zeros() -> None:
    # Looks for signatures with a leading zero byte in r or s: a classic place to lose a byte.
    seen = 0
    for number in range(600):
        signature = ecka.sign(PRIVATE, number.to_bytes(4))
        assert len(signature) == 64
        if signature[0] == 0 or signature[32] == 0:
            ecka.verify(PUBLIC, number.to_bytes(4), signature)
            seen += 1
    assert seen


def test_identities_go_together() -> None:
    with pytest.raises(ValueError):
        ecka.shared_info(usage=0x10, key_type=0x88, length=16, host_id=b"1")
    info = ecka.shared_info(usage=0x10, key_type=0x88, length=16, host_id=b"1", sin=b"22", sdin=b"")
    assert info == h("108810 0131 023232 00")


def test_number_of_keys() -> None:
    assert len(ecka.derive_keyset(bytes(32))[1]) == 3
    assert len(ecka.derive_keyset(bytes(32), usage=0x5C)[1]) == 1
    assert [len(key) for key in ecka.derive_keyset(bytes(32), length=32, count=2)[1]] == [32, 32]


def test_limits_of_the_derivations() -> None:
    for bits in (0, 7, 264):
        with pytest.raises(ValueError):
            kdf.sp800_108(bytes(16), 0, b"", bits)
    for length in (0, 1025):
        with pytest.raises(ValueError):
            kdf.x963(bytes(32), b"", length)
    assert len(kcv.kcv(bytes(16))) == kcv.KCV_BYTES


def tbs(**changes: object) -> bytes:
    options = {
        "serial": b"\x01",
        "ca_id": b"\x02",
        "subject": b"\x03",
        "not_after": DAY,
        "public_key": PUBLIC,
        "role": certificate.ROLE_SMDP,
    }
    return certificate.build_tbs(**{**options, **changes})


@pytest.mark.parametrize("curve", list(Curve))
def test_certificate_round_trip(curve: Curve) -> None:
    public = ecka.public_key(PRIVATE, curve=curve)
    body = tbs(
        public_key=public,
        curve=curve,
        role=None,
        aki=b"A" * 20,
        usage=certificate.USAGE_KEY_AGREEMENT,
        not_before=datetime.date(2020, 2, 29),
    )
    data = certificate.build_certificate(body, ecka.sign(PRIVATE, body, curve=curve))
    parsed = certificate.parse_certificate(data)
    assert (parsed.curve, parsed.role, parsed.aki, parsed.usage) == (curve, None, b"A" * 20, b"\x00\x80")
    assert (parsed.not_before, parsed.not_after) == (datetime.date(2020, 2, 29), DAY)
    certificate.verify(parsed, public, ca_curve=curve)


def changed(old: str, new: str, body: bytes = tbs()) -> bytes:
    assert h(old) in body
    return certificate.build_certificate(body.replace(h(old), h(new)), bytes(64))


@pytest.mark.parametrize(
    "data",
    [
        changed("930101", ""),
        changed("930101", "9300"),
        changed("930101", "930101930101"),
        changed("420102", "4211" + "AA" * 17),
        changed("5F200103", ""),
        changed("950188", ""),
        changed("5F240420300228", "5F240420300230"),
        changed("5F240420300228", "5F24042030022A"),
        changed("5F240420300228", "5F2403203002"),
        changed("7303C80101", "7304C8020101"),
        changed("F00100", "F00107"),
        changed("F00100", "F00101"),
        changed("7F4946B04104", "7F4946B04103"),
        certificate.build_certificate(tbs(), bytes(63)),
        tlv.encode(0x7F21, tbs()),
        tlv.encode(0x7F21, tlv.encode(0x5F37, bytes(64)) + tbs()),
        tlv.encode(0x7F21, b""),
        tlv.encode(0x7F22, tbs() + tlv.encode(0x5F37, bytes(64))),
        certificate.build_certificate(tbs(), bytes(64)) + b"\x00",
        certificate.build_certificate(tbs() + tlv.encode(0x50, bytes(1100)), bytes(64)),
    ],
)
def test_broken_certificates(data: bytes) -> None:
    with pytest.raises(PeerError):
        certificate.parse_certificate(data)


def test_a_discretionary_part_is_optional() -> None:
    parsed = certificate.parse_certificate(changed("7303C80101", ""))
    assert (parsed.role, parsed.aki) == (None, None)


@pytest.mark.parametrize("field", ["serial", "ca_id", "subject"])
def test_identifiers_have_1_to_16_bytes(field: str) -> None:
    for value in (b"", bytes(17)):
        with pytest.raises(ValueError):
            tbs(**{field: value})


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_parse_or_are_refused(data: bytes, inside: bool) -> None:
    with contextlib.suppress(PeerError):
        certificate.parse_certificate(tlv.encode(0x7F21, data) if inside else data)
    with contextlib.suppress(PeerError):
        ecka.verify(PUBLIC, b"message", (data * 64)[:64])


@pytest.mark.parametrize(
    ("library", "curve"),
    [(ec.SECP256R1(), Curve.P256), (ec.BrainpoolP256R1(), Curve.BRAINPOOL_P256R1), (ec.SECP384R1(), None)],
)
def test_the_curve_of_an_issuer_is_that_of_its_certificate(library: ec.EllipticCurve, curve: Curve | None) -> None:
    key = ec.derive_private_key(int.from_bytes(PRIVATE), library)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CI")])
    day = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.not_valid_before(day).not_valid_after(day + datetime.timedelta(days=9))
    issuer = builder.public_key(key.public_key()).sign(key, SHA256())
    if curve is None:
        with pytest.raises(PeerError, match="curve secp384r1 is not supported"):
            eum_signature.public_point(issuer)
        return
    point, found = eum_signature.public_point(issuer)
    assert (point, found) == (ecka.public_key(PRIVATE, curve=curve), curve)
    assert ecka.public_pem(point, curve=curve).startswith(b"-----BEGIN PUBLIC KEY-----")
