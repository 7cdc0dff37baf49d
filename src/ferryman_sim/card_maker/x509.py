"""RFC 5280: X.509 certificates of the CI (self-signed root) and of the EUM, P-256 and ECDSA with SHA-256 (RFC
5758).
"""

from __future__ import annotations

import base64
import hashlib
import textwrap
from dataclasses import dataclass
from datetime import datetime

from Cryptodome.PublicKey.ECC import EccKey

from ferryman_sim.card_maker import der
from ferryman_sim.card_maker.seeded import private_scalar, public_point, sign_der

EC_PUBLIC_KEY = "1.2.840.10045.2.1"
PRIME256V1 = "1.2.840.10045.3.1.7"
ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2"
DIGITAL_SIGNATURE, KEY_CERT_SIGN, CRL_SIGN = 0, 5, 6  # RFC 5280 4.2.1.3
_ATTRIBUTES = {"C": "2.5.4.6", "O": "2.5.4.10", "OU": "2.5.4.11", "CN": "2.5.4.3"}


@dataclass(frozen=True, slots=True)
class Name:
    """A distinguished name: pairs of attribute (`C`, `O`, `OU`, `CN`) and text, in order."""

    attributes: tuple[tuple[str, str], ...]

    def encode(self) -> bytes:
        """The `Name` SEQUENCE; the country is a PrintableString as RFC 5280 appendix A wants."""
        return der.sequence(
            *(
                der.set_of(
                    der.sequence(
                        der.oid(_ATTRIBUTES[kind]), der.printable(text) if kind == "C" else der.utf8(text)
                    )
                )
                for kind, text in self.attributes
            )
        )


@dataclass(frozen=True, slots=True)
class Subject:
    """What one certificate says about its owner; every certificate here is a CA's.

    `registered_id` is the SGP.02 role's OID (SAN registeredID), `usages` are keyUsage bit numbers,
    `path_length` is None for no limit. The EUM signs ECASD certificates (no X.509) below its own one: path
    length 0.
    """

    name: Name
    serial: int
    public_key: bytes
    registered_id: str
    not_before: datetime
    not_after: datetime
    usages: tuple[int, ...]
    path_length: int | None = None


def key_identifier(point: bytes) -> bytes:
    """SHA-1 of the public key's BIT STRING content, method 1 of RFC 5280 4.2.1.2: 20 bytes."""
    return hashlib.sha1(point, usedforsecurity=False).digest()


def subject_public_key_info(point: bytes) -> bytes:
    """SubjectPublicKeyInfo of an uncompressed P-256 point (RFC 5480)."""
    return der.sequence(der.sequence(der.oid(EC_PUBLIC_KEY), der.oid(PRIME256V1)), der.bit_string(point))


def certificate(subject: Subject, issuer: Name, issuer_key: EccKey) -> bytes:
    """A signed version 3 certificate in DER."""
    algorithm = der.sequence(der.oid(ECDSA_WITH_SHA256))
    to_be_signed = der.sequence(
        der.tlv(0xA0, der.integer(2)),
        der.integer(subject.serial),
        algorithm,
        issuer.encode(),
        der.sequence(der.time(subject.not_before), der.time(subject.not_after)),
        subject.name.encode(),
        subject_public_key_info(subject.public_key),
        der.tlv(0xA3, der.sequence(*_extensions(subject, key_identifier(public_point(issuer_key))))),
    )
    return der.sequence(to_be_signed, algorithm, der.bit_string(sign_der(issuer_key, to_be_signed)))


def _extensions(subject: Subject, authority: bytes) -> list[bytes]:
    limit = () if subject.path_length is None else (der.integer(subject.path_length),)
    constraints = der.sequence(der.boolean(True), *limit)
    return [
        _extension("2.5.29.35", der.sequence(der.tlv(0x80, authority))),
        _extension("2.5.29.14", der.octet_string(key_identifier(subject.public_key))),
        _extension("2.5.29.15", der.named_bits(*subject.usages), critical=True),
        _extension("2.5.29.17", der.sequence(der.tlv(0x88, der.oid_content(subject.registered_id)))),
        _extension("2.5.29.19", constraints, critical=True),
    ]


def _extension(kind: str, value: bytes, critical: bool = False) -> bytes:
    flag = (der.boolean(True),) if critical else ()
    return der.sequence(der.oid(kind), *flag, der.octet_string(value))


def pem(label: str, body: bytes) -> str:
    """RFC 7468 text of `body` under `label`."""
    lines = "\n".join(textwrap.wrap(base64.b64encode(body).decode(), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


def private_key_pem(key: EccKey) -> str:
    """The private key as RFC 5915 `EC PRIVATE KEY`. Secret: for files only their owner can read."""
    body = der.sequence(
        der.integer(1),
        der.octet_string(private_scalar(key)),
        der.tlv(0xA0, der.oid(PRIME256V1)),
        der.tlv(0xA1, der.bit_string(public_point(key))),
    )
    return pem("EC PRIVATE KEY", body)
