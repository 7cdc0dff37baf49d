"""SGP.02 clauses 2.3.2.1 and 2.3.2.2: GlobalPlatform certificates (7F21) of the ECASD, the SM-DP and the
SM-SR.

Layout and signed bytes: `sgp02-euicc.md` 5.2; the ECASD's key usage `95 02 0080` and subject (the EID): 3.8
there.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date

from Cryptodome.PublicKey.ECC import EccKey

from ferryman_sim.card_maker import der
from ferryman_sim.card_maker.seeded import public_point, sign_raw
from ferryman_sim.card_maker.x509 import key_identifier

CURVE_P256 = b"\x00"
CURVE_BRAINPOOL = b"\x03"
USAGE_SIGNATURE_VERIFICATION = b"\x88"
USAGE_KEY_AGREEMENT = b"\x00\x80"
IDENTIFIER_LIMIT = 16  # bytes of 93, 42 and 5F20 each (sgp02-euicc.md 5.2)


class Role(enum.Enum):
    """Tag C8 of the discretionary data."""

    DP = b"\x01"
    SR = b"\x02"


@dataclass(frozen=True, slots=True)
class Content:
    """What a 7F21 certificate states; `role` is None for the ECASD, dates are optional and not checked by
    cards.
    """

    serial: bytes
    authority: bytes
    subject: bytes
    usage: bytes
    public_key: bytes
    expires: date
    effective: date | None = None
    role: Role | None = None
    curve: bytes = CURVE_P256  # of `public_key`


def _bcd(day: date) -> bytes:
    return bytes.fromhex(day.strftime("%Y%m%d"))


def signed_part(content: Content, authority_key_id: bytes) -> bytes:
    """The TLVs 93 to 7F49, over which the signature runs. Raises ValueError for an identifier out of range."""
    for field in (content.serial, content.authority, content.subject):
        if not 1 <= len(field) <= IDENTIFIER_LIMIT:
            raise ValueError(f"certificate identifiers have 1 to {IDENTIFIER_LIMIT} bytes, not {len(field)}")
    role = der.tlv(0xC8, content.role.value) if content.role else b""
    return b"".join(
        (
            der.tlv(0x93, content.serial),
            der.tlv(0x42, content.authority),
            der.tlv(0x5F20, content.subject),
            der.tlv(0x95, content.usage),
            der.tlv(0x5F25, _bcd(content.effective)) if content.effective else b"",
            der.tlv(0x5F24, _bcd(content.expires)),
            der.tlv(0x73, role, der.tlv(0xC9, authority_key_id)),
            der.tlv(0x7F49, der.tlv(0xB0, content.public_key), der.tlv(0xF0, content.curve)),
        )
    )


def issue(content: Content, issuer_key: EccKey) -> bytes:
    """The complete 7F21 signed by `issuer_key` (the EUM's for an ECASD, the CI's for an SM-DP or SM-SR)."""
    body = signed_part(content, key_identifier(public_point(issuer_key)))
    return der.tlv(0x7F21, body, der.tlv(0x5F37, sign_raw(issuer_key, body)))
