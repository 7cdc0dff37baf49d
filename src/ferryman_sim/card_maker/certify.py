"""SGP.02 clause 2.3.2.2: the CI signs the public key of an SM-DP or SM-SR into a GlobalPlatform certificate."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from Cryptodome.PublicKey import ECC
from Cryptodome.PublicKey.ECC import EccKey

from ferryman_sim.card_maker import der, gp_cert
from ferryman_sim.card_maker.seeded import public_point

EFFECTIVE = date(2024, 1, 1)
EXPIRES = date(2053, 12, 31)
_SERIAL_SIZE = 8  # bytes: enough of a hash that two certificates of one laboratory never share a number


class CertifyError(Exception):
    """The key file, folder or subject given by the person is no good; the text says which."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to certify: role, subject identifier (1 to 16 bytes) and uncompressed point (65 bytes)."""

    role: gp_cert.Role
    subject: bytes
    public_key: bytes


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


def read_point(path: Path) -> bytes:
    """The public point, 65 bytes, of the key in a PEM file. Raises CertifyError."""
    return public_point(read_key(path))
