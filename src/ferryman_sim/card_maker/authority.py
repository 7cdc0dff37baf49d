"""SGP.02 clause 2.3: the certificate issuer (CI) and the eUICC manufacturer (EUM) with their keys and
certificates.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from Cryptodome.PublicKey.ECC import EccKey

from ferryman_sim.card_maker import der, x509
from ferryman_sim.card_maker.seeded import Seed, public_point

VALID_FROM = datetime(2024, 1, 1, tzinfo=UTC)
CI_VALID_TO = datetime(2064, 1, 1, tzinfo=UTC)
EUM_VALID_TO = datetime(2054, 1, 1, tzinfo=UTC)
EUM_EXPIRED = datetime(2024, 2, 1, tzinfo=UTC)  # for deliveries that shall be refused
_SERIAL_SIZE = 8  # bytes: RFC 5280 4.1.2.2 allows 20; 64 random bits never repeat here


@dataclass(frozen=True, slots=True)
class Authority:
    """A signer: OID, name, X.509 certificate (DER) and private key."""

    oid: str
    name: x509.Name
    certificate: bytes
    key: EccKey

    def __repr__(self) -> str:
        return f"Authority(oid={self.oid!r})"

    @property
    def identifier(self) -> bytes:
        """Content octets of the OID: tag 42 of the GP certificates that this authority signs."""
        return der.oid_content(self.oid)


def _serial(seed: Seed, label: str) -> int:
    return int.from_bytes(seed.octets(f"serial {label}", _SERIAL_SIZE), "big") >> 1 | 1


def make_ci(seed: Seed, oid: str) -> Authority:
    """The self-signed CI root belonging to `seed`."""
    key = seed.private_key("ci")
    name = x509.Name((("C", "FR"), ("O", "Ferryman simulator"), ("CN", f"CI {oid}")))
    subject = x509.Subject(
        name=name,
        serial=_serial(seed, "ci"),
        public_key=public_point(key),
        registered_id=oid,
        not_before=VALID_FROM,
        not_after=CI_VALID_TO,
        usages=(x509.KEY_CERT_SIGN, x509.CRL_SIGN),
    )
    return Authority(oid, name, x509.certificate(subject, name, key), key)


def make_eum(seed: Seed, oid: str, issuer: Authority, not_after: datetime = EUM_VALID_TO) -> Authority:
    """The EUM belonging to `seed` below `issuer`; it signs ECASD certificates and EIS."""
    key = seed.private_key("eum")
    name = x509.Name((("C", "FR"), ("O", "Ferryman simulator"), ("CN", f"EUM {oid}")))
    subject = x509.Subject(
        name=name,
        serial=_serial(seed, "eum"),
        public_key=public_point(key),
        registered_id=oid,
        not_before=VALID_FROM,
        not_after=not_after,
        usages=(x509.DIGITAL_SIGNATURE, x509.KEY_CERT_SIGN),
        path_length=0,
    )
    return Authority(oid, name, x509.certificate(subject, issuer.name, issuer.key), key)
