"""Keys out of a seed: the same seed always makes the same batch of cards.

HMAC-SHA-256 over a label in counter mode (the shape of NIST SP 800-108 4.1). This is a test card maker: a
real one takes its keys from an HSM. Nothing here may be used to make cards that leave the laboratory.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import ECC
from Cryptodome.PublicKey.ECC import EccKey
from Cryptodome.Signature import DSS

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # SEC 2, 2.4.2
_SURPLUS = 8  # bytes beyond the order's 32, so that the reduction has no measurable bias (FIPS 186-4 B.4.1)


@dataclass(frozen=True, slots=True)
class Seed:
    """A source of named byte strings; `repr` hides the secret text."""

    text: str

    def __repr__(self) -> str:
        return "Seed(...)"

    def octets(self, label: str, size: int) -> bytes:
        """`size` bytes belonging to `label`; other labels say nothing about them."""
        out = b""
        while len(out) < size:
            block = (len(out) // 32 + 1).to_bytes(4, "big") + label.encode()
            out += hmac.digest(self.text.encode(), block, "sha256")
        return out[:size]

    def private_key(self, label: str) -> EccKey:
        """A P-256 private key belonging to `label`."""
        wide = int.from_bytes(self.octets(f"p256 {label}", 32 + _SURPLUS), "big")
        return ECC.construct(curve="P-256", d=wide % (P256_ORDER - 1) + 1)

    def digits(self, label: str, count: int) -> str:
        """`count` decimal digits belonging to `label`."""
        number = int.from_bytes(self.octets(f"digits {label}", count + _SURPLUS), "big")
        return str(number % 10**count).zfill(count)


def public_point(key: EccKey) -> bytes:
    """`04 || X || Y`, 65 bytes (SEC 1, 2.3.3)."""
    point = key.pointQ
    return b"\x04" + int(point.x).to_bytes(32, "big") + int(point.y).to_bytes(32, "big")


def private_scalar(key: EccKey) -> bytes:
    """The private number, 32 bytes. Secret."""
    return int(key.d).to_bytes(32, "big")


def sign_raw(key: EccKey, message: bytes) -> bytes:
    """ECDSA with SHA-256 as `r || s`, 64 bytes; the nonce follows RFC 6979, so batches repeat exactly."""
    return bytes(DSS.new(key, "deterministic-rfc6979", encoding="binary").sign(SHA256.new(message)))


def sign_der(key: EccKey, message: bytes) -> bytes:
    """ECDSA with SHA-256 as the DER `Ecdsa-Sig-Value` of RFC 3279 2.2.3, as X.509 wants it."""
    return bytes(DSS.new(key, "deterministic-rfc6979", encoding="der").sign(SHA256.new(message)))
