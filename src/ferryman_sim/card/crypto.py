"""Primitives of the card: AES, CMAC, ECDH, ECDSA, X9.63 and SP 800-108 derivation (PyCryptodome underneath).

Sources: NIST SP 800-38A/B, SP 800-108, ANSI X9.63, GlobalPlatform Card Specification Amendments D and E.
"""

from __future__ import annotations

import hashlib
import hmac

from Cryptodome.Cipher import AES
from Cryptodome.Hash import CMAC, SHA256
from Cryptodome.PublicKey import ECC
from Cryptodome.Signature import DSS

from ferryman_sim import brainpool

BLOCK = 16
"""AES block, bytes."""

COORDINATE = 32
"""Bytes of one coordinate on a 256-bit curve."""

POINT = 1 + 2 * COORDINATE
"""Bytes of an uncompressed point 04 || X || Y."""

SIGNATURE = 2 * COORDINATE
"""Bytes of a plain ECDSA signature r || s."""

FIELD_PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
"""Modulus of the coordinates of P-256 (FIPS 186-4 D.1.2.3)."""

SHORT_MAC = 8
"""Bytes of a truncated CMAC (the leftmost ones) in SCP80, SCP03 and SCP03t."""

CURVE = "P-256"

P256, BRAINPOOL = b"\x00", b"\x03"
"""Curves by their key parameter reference (tag F0); the EUM chooses one of them for a card."""

type PublicKey = ECC.EccKey | brainpool.Point


class BadPoint(ValueError):
    """Bytes that are no uncompressed point on the curve."""


class BadSignature(ValueError):
    """A signature that does not verify, or is not r || s of the right length."""


def cbc_encrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """AES-CBC over whole blocks, no padding added."""
    return AES.new(key, AES.MODE_CBC, iv=iv).encrypt(data)


def cbc_decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """AES-CBC over whole blocks, no padding removed."""
    return AES.new(key, AES.MODE_CBC, iv=iv).decrypt(data)


def ecb_block(key: bytes, block: bytes) -> bytes:
    """AES of one block."""
    return AES.new(key, AES.MODE_ECB).encrypt(block)


def cmac(key: bytes, data: bytes) -> bytes:
    """AES-CMAC, all 16 bytes."""
    return CMAC.new(key, msg=data, ciphermod=AES).digest()


def same(a: bytes, b: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(a, b)


def key_check_value(key: bytes) -> bytes:
    """First 3 bytes of AES over sixteen bytes 01 (GlobalPlatform, PUT KEY of AES keys)."""
    return ecb_block(key, b"\x01" * BLOCK)[:3]


def scp03_derive(key: bytes, constant: int, bits: int, context: bytes) -> bytes:
    """SP 800-108 counter mode with CMAC (Amendment D 4.1.5): 11 x 00 || constant, 00, L, counter, context."""
    out = b""
    counter = 1
    while len(out) * 8 < bits:
        block = bytes(11) + bytes([constant, 0]) + bits.to_bytes(2) + bytes([counter])
        out += cmac(key, block + context)
        counter += 1
    return out[: bits // 8]


def x963(secret: bytes, shared_info: bytes, length: int) -> bytes:
    """X9.63 key derivation with SHA-256, `length` bytes."""
    out = b""
    counter = 1
    while len(out) < length:
        out += hashlib.sha256(secret + counter.to_bytes(4) + shared_info).digest()
        counter += 1
    return out[:length]


def read_point(point: bytes, curve: bytes = P256) -> PublicKey:
    """The public key at an uncompressed point on a curve. Raises BadPoint."""
    if curve == BRAINPOOL:
        try:
            return brainpool.decode(point)
        except ValueError as error:
            raise BadPoint(str(error)) from error
    if curve != P256:
        raise BadPoint("curve")
    if len(point) != POINT or point[0] != 0x04:
        raise BadPoint("no uncompressed point")
    x = int.from_bytes(point[1 : 1 + COORDINATE])
    y = int.from_bytes(point[1 + COORDINATE :])
    # The library takes (0, 0) for the point at infinity and reduces coordinates: neither is a public key.
    if (x, y) == (0, 0) or max(x, y) >= FIELD_PRIME:
        raise BadPoint("coordinates")
    try:
        return ECC.construct(curve=CURVE, point_x=x, point_y=y)
    except ValueError as error:
        raise BadPoint("point not on the curve") from error


def curve_of(public: PublicKey) -> bytes:
    """The curve of a public key."""
    return BRAINPOOL if isinstance(public, brainpool.Point) else P256


def point_of(public: PublicKey) -> bytes:
    """The uncompressed point of a public key."""
    if isinstance(public, brainpool.Point):
        return brainpool.encode(public)
    point = public.pointQ
    return b"\x04" + int(point.x).to_bytes(COORDINATE) + int(point.y).to_bytes(COORDINATE)


def agree(private: bytes, public: PublicKey) -> bytes:
    """ECDH: the x coordinate of d * Q, 32 bytes."""
    if isinstance(public, brainpool.Point):
        return brainpool.agree(int.from_bytes(private), public)
    shared = public.pointQ * int.from_bytes(private)
    return int(shared.x).to_bytes(COORDINATE)


def verify(public: PublicKey, data: bytes, signature: bytes) -> None:
    """ECDSA over SHA-256, plain r || s. Raises BadSignature."""
    if len(signature) != SIGNATURE:
        raise BadSignature("signature is not r || s of the curve")
    if isinstance(public, brainpool.Point):
        if not brainpool.verifies(public, data, signature):
            raise BadSignature("signature does not verify")
        return
    try:
        DSS.new(public, "fips-186-3").verify(SHA256.new(data), signature)
    except ValueError as error:
        raise BadSignature("signature does not verify") from error
