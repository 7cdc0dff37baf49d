"""Key agreement of SGP.02 (scenario #3 of GP Amendment E; BSI TR-03111): ECDH, keysets, receipts, signatures.

Points are `04 || X || Y` (65 bytes), private keys 32 bytes, signatures r || s (64 bytes); curves P-256 and
brainpoolP256r1.
"""

from __future__ import annotations

import hmac
from enum import IntEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ferryman.codec import tlv
from ferryman.errors import PeerError
from ferryman.secure.kdf import cmac, x963

FIELD_BYTES = 32
POINT_BYTES = 65
SIGNATURE_BYTES = 64
ENTROPY_BYTES = 40  # 64 bits more than the order: the bias of the reduction is below 2^-64 (FIPS 186-5 A.2.1)
RECEIPT_KEY_BYTES = 16
USAGE_SECURE_CHANNEL = 0x10
_KEYS_BY_USAGE = {0x10: 3, 0x5C: 1}

_CLAUSE = "GlobalPlatform Amendment E 4.8"


class Curve(IntEnum):
    """Curves by their key parameter reference (tag F0)."""

    P256 = 0x00
    BRAINPOOL_P256R1 = 0x03

    @property
    def title(self) -> str:
        """The name by which it is called outside of TLVs."""
        return "P-256" if self is Curve.P256 else "brainpoolP256r1"


def curve_of(reference: int) -> Curve:
    """The curve of a key parameter reference; PeerError for one that is not supported."""
    try:
        return Curve(reference)
    except ValueError:
        raise PeerError(f"curve {reference:02X} is not supported", field="F0", clause=_CLAUSE) from None


_CURVES: dict[Curve, ec.EllipticCurve] = {
    Curve.P256: ec.SECP256R1(),
    Curve.BRAINPOOL_P256R1: ec.BrainpoolP256R1(),
}
_ORDERS = {
    Curve.P256: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    Curve.BRAINPOOL_P256R1: 0xA9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7,
}


def _private(private: bytes, curve: Curve) -> ec.EllipticCurvePrivateKey:
    if len(private) != FIELD_BYTES:
        raise ValueError("private key of 32 bytes expected")
    return ec.derive_private_key(int.from_bytes(private), _CURVES[curve])


def _public(point: bytes, curve: Curve, field: str) -> ec.EllipticCurvePublicKey:
    if len(point) != POINT_BYTES or point[0] != 0x04:
        raise PeerError("not an uncompressed point of 65 bytes", field=field, clause=_CLAUSE)
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[curve], point)
    except ValueError:
        raise PeerError("point is not on the curve", field=field, clause=_CLAUSE) from None


def curve_of_key(key: ec.EllipticCurvePublicKey) -> Curve:
    """The curve of a key of the library; PeerError for one that is not supported."""
    for curve, known in _CURVES.items():
        if key.curve.name == known.name:
            return curve
    raise PeerError(f"curve {key.curve.name} is not supported", field="public key", clause=_CLAUSE)


def public_pem(point: bytes, *, curve: Curve = Curve.P256) -> bytes:
    """A public key in PEM (SubjectPublicKeyInfo)."""
    return _public(point, curve, "public key").public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def check_point(point: bytes, *, curve: Curve = Curve.P256, field: str = "public key") -> bytes:
    """`point` itself when it is an uncompressed point on the curve, else PeerError."""
    _public(point, curve, field)
    return point


def ephemeral_private(entropy: bytes, *, curve: Curve = Curve.P256) -> bytes:
    """A private key from 40 random bytes."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"{ENTROPY_BYTES} random bytes expected")
    return (int.from_bytes(entropy) % (_ORDERS[curve] - 1) + 1).to_bytes(FIELD_BYTES)


def public_key(private: bytes, *, curve: Curve = Curve.P256) -> bytes:
    """The point of a private key."""
    key = _private(private, curve).public_key()
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def shared_secret(private: bytes, peer: bytes, *, curve: Curve = Curve.P256) -> bytes:
    """x coordinate of the agreed point, 32 bytes; PeerError when `peer` is not on the curve."""
    return _private(private, curve).exchange(ec.ECDH(), _public(peer, curve, "public key"))


def shared_info(
    *,
    usage: int,
    key_type: int,
    length: int,
    dr: bytes | None = None,
    host_id: bytes | None = None,
    sin: bytes | None = None,
    sdin: bytes | None = None,
) -> bytes:
    """Usage, key type, key length [, DR] [, LV Host ID, LV SIN, LV SDIN]; the three identities go together."""
    info = bytes((usage, key_type, length)) + (dr or b"")
    identities = (host_id, sin, sdin)
    if all(item is None for item in identities):
        return info
    for item in identities:
        if item is None:
            raise ValueError("Host ID, SIN and SDIN go together")
        info += bytes((len(item),)) + item
    return info


def derive_keyset(
    shs: bytes,
    *,
    usage: int = USAGE_SECURE_CHANNEL,
    key_type: int = 0x88,
    length: int = 16,
    dr: bytes | None = None,
    host_id: bytes | None = None,
    sin: bytes | None = None,
    sdin: bytes | None = None,
    count: int | None = None,
) -> tuple[bytes, list[bytes]]:
    """Receipt key and the keys (ids 01, 02, 03 in order) from the shared secret `shs`.

    `count` None follows the usage: three secure channel keys for 10, one base key for 5C.
    """
    number = _KEYS_BY_USAGE[usage] if count is None else count
    info = shared_info(usage=usage, key_type=key_type, length=length, dr=dr, host_id=host_id, sin=sin, sdin=sdin)
    material = x963(shs, info, RECEIPT_KEY_BYTES + number * length)
    keys = [material[RECEIPT_KEY_BYTES + i * length :][:length] for i in range(number)]
    return material[:RECEIPT_KEY_BYTES], keys


def receipt(receipt_key: bytes, a6: bytes, dr: bytes | None = None) -> bytes:
    """AES-CMAC over the `A6` object as sent, followed by `85 L DR` if a DR was used."""
    return cmac(receipt_key, a6 + (tlv.encode(0x85, dr) if dr is not None else b""))


def verify_receipt(receipt_key: bytes, a6: bytes, received: bytes, dr: bytes | None = None) -> None:
    """PeerError when the receipt is wrong: the other side has not derived the same keys."""
    if not hmac.compare_digest(receipt(receipt_key, a6, dr), received):
        raise PeerError("receipt is wrong", field="86", clause=_CLAUSE)


def sign(private: bytes, message: bytes, *, curve: Curve = Curve.P256, deterministic: bool = True) -> bytes:
    """ECDSA with SHA-256, r || s in 32 bytes each; the nonce follows RFC 6979 unless told otherwise."""
    algorithm = ec.ECDSA(SHA256(), deterministic_signing=deterministic)
    r, s = decode_dss_signature(_private(private, curve).sign(message, algorithm))
    return r.to_bytes(FIELD_BYTES) + s.to_bytes(FIELD_BYTES)


def verify(
    public: bytes, message: bytes, signature: bytes, *, curve: Curve = Curve.P256, field: str = "5F37"
) -> None:
    """PeerError when `signature` (r || s) over `message` is not that of `public`."""
    if len(signature) != SIGNATURE_BYTES:
        raise PeerError(f"signature of {len(signature)} bytes, 64 expected", field=field, clause=_CLAUSE)
    der = encode_dss_signature(int.from_bytes(signature[:FIELD_BYTES]), int.from_bytes(signature[FIELD_BYTES:]))
    try:
        _public(public, curve, "public key").verify(der, message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise PeerError("signature is wrong", field=field, clause=_CLAUSE) from None
