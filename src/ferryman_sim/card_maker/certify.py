"""SGP.02 clause 2.3.2.2: the CI signs the public key of an SM-DP or SM-SR into a GlobalPlatform certificate."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from Cryptodome.PublicKey import ECC
from Cryptodome.PublicKey.ECC import EccKey

from ferryman_sim import brainpool
from ferryman_sim.card_maker import der, gp_cert
from ferryman_sim.card_maker.seeded import public_point

EFFECTIVE = date(2024, 1, 1)
EXPIRES = date(2053, 12, 31)
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----")
_BRAINPOOL_OID = bytes.fromhex("06092B2403030208010107")  # 1.3.36.3.3.2.8.1.1.7 (RFC 5639 4.1)
_POINT = 65  # bytes, the end of a SubjectPublicKeyInfo
_SERIAL_SIZE = 8  # bytes: enough of a hash that two certificates of one laboratory never share a number


class CertifyError(Exception):
    """The key file, folder or subject given by the person is no good; the text says which."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to certify: role, subject identifier (1 to 16 bytes) and uncompressed point (65 bytes)."""

    role: gp_cert.Role
    subject: bytes
    public_key: bytes
    curve: bytes = gp_cert.CURVE_P256


def issue(request: Request, ci_key: EccKey, ci_oid: str) -> bytes:
    """The complete 7F21. The serial number comes from the request, so the same request repeats exactly."""
    statement = request.role.value + request.subject + request.public_key
    content = gp_cert.Content(
        serial=hashlib.sha256(statement).digest()[:_SERIAL_SIZE],
        authority=der.oid_content(ci_oid),
        subject=request.subject,
        usage=gp_cert.USAGE_SIGNATURE_VERIFICATION,
        public_key=request.public_key,
        effective=EFFECTIVE,
        expires=EXPIRES,
        role=request.role,
        curve=request.curve,
    )
    return gp_cert.issue(content, ci_key)


def read_key(path: Path) -> EccKey:
    """A P-256 key from a PEM file. Raises CertifyError."""
    try:
        key = ECC.import_key(path.read_text())
    except (OSError, ValueError, IndexError, TypeError) as error:
        raise CertifyError(f"{path}: no readable EC key ({type(error).__name__})") from error
    if key.curve != "NIST P-256":
        raise CertifyError(f"{path}: the key is on {key.curve}, P-256 is needed")
    return key


def read_point(path: Path) -> tuple[bytes, bytes]:
    """The public point, 65 bytes, of the key in a PEM file, and its curve. Raises CertifyError."""
    point = _brainpool_point(path)
    return (
        (public_point(read_key(path)), gp_cert.CURVE_P256) if point is None else (point, gp_cert.CURVE_BRAINPOOL)
    )


def _brainpool_point(path: Path) -> bytes | None:
    """The point in a SubjectPublicKeyInfo (RFC 5480 2) on brainpoolP256r1, which the library does not read."""
    try:
        found = _PEM.search(path.read_text())
        info = base64.b64decode(found[1]) if found else b""
    except (OSError, ValueError) as error:
        raise CertifyError(f"{path}: no readable EC key ({type(error).__name__})") from error
    if _BRAINPOOL_OID not in info:
        return None
    try:
        return brainpool.encode(brainpool.decode(info[-_POINT:]))
    except ValueError as error:
        raise CertifyError(f"{path}: {error}") from error
