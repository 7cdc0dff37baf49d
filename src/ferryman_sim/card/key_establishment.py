"""Scenario 3 key establishment on the card: certificate, key parameters, derivation, receipt.

Sources: SGP.02 4.1.3.1 and 4.1.1.8, GlobalPlatform Amendments A and E. Certificates are the TLV form 7F21.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from ferryman_sim.card import crypto
from ferryman_sim.card.tlv import BadTLV, as_map, lv, read_all, read_tlv, tlv

ROLE_SM_DP = 0x01
ROLE_SM_SR = 0x02
KEY_USAGE_SIGNATURE = b"\x88"
CHALLENGE_BYTES = 16
"""Random challenge and derivation random of a curve up to 383 bits, bytes."""

SCENARIO = 0x03
DELETE_EXISTING = 0x01
WITH_RANDOM = 0x02
WITH_IDENTITIES = 0x04
CERTIFICATE_PRECEDES = 0x08

USAGE_THREE_KEYS = b"\x10"
TYPE_AES = b"\x88"
LENGTH_AES_128 = b"\x10"
FIRST_KEY_ID = b"\x01"

_CERTIFICATE_TAGS = (0x93, 0x42, 0x5F20, 0x95, 0x5F25, 0x5F24, 0x73, 0x7F49, 0x5F37)
_OPTIONAL_CERTIFICATE_TAGS = frozenset({0x5F25, 0x5F24})
_IDENTIFIER_MAX = 16
_CRT_REQUIRED = frozenset({0x90, 0x95, 0x80, 0x81, 0x82, 0x83, 0x91})
_CRT_OPTIONAL = frozenset({0x96, 0x45, 0x84})
_COUNTER_LENGTHS = (0, 2, 3, 5, 8)


class CertificateRefused(Exception):
    """The certificate is malformed, not signed by the CI, or not made for signatures."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The parts of CERT.DP.ECDSA or CERT.SR.ECDSA that the card needs; names_ci: C9 is there and names the CI."""

    role: int
    public: crypto.PublicKey
    names_ci: bool = True

    def to_list(self) -> list[Any]:
        """For a chain that has to outlive a reset."""
        curve = crypto.curve_of(self.public)
        return [self.role, crypto.point_of(self.public).hex(), curve.hex()]

    @classmethod
    def from_list(cls, stored: list[Any]) -> Certificate:
        """Inverse of `to_list`."""
        role, point, curve = stored
        return cls(role, crypto.read_point(bytes.fromhex(point), bytes.fromhex(curve)))


def read_certificate(encoded: bytes, ci_point: bytes) -> Certificate:
    """Verify a 7F21 certificate with PK.CI; a card has no clock, so dates are not checked.

    Raises CertificateRefused.
    """
    try:
        outer, end = read_tlv(encoded)
        if outer.tag != 0x7F21 or end != len(encoded):
            raise BadTLV("not one 7F21")
        fields = read_all(outer.value)
        tags = [item.tag for item in fields]
        if tags != [tag for tag in _CERTIFICATE_TAGS if tag in tags or tag not in _OPTIONAL_CERTIFICATE_TAGS]:
            raise BadTLV("fields missing, unknown or out of order")
        values = {item.tag: item.value for item in fields}
        discretionary = as_map(values[0x73])
        key = as_map(values[0x7F49])
        public = crypto.read_point(key.get(0xB0, b""), key.get(0xF0, b""))
        signed = b"".join(item.raw for item in fields[:-1])
        crypto.verify(crypto.read_point(ci_point), signed, values[0x5F37])
    except (BadTLV, crypto.BadPoint, crypto.BadSignature) as error:
        raise CertificateRefused(str(error)) from error
    _check_fields(values, discretionary, ci_point)
    return Certificate(discretionary[0xC8][0], public, 0xC9 in discretionary)


def _check_fields(values: dict[int, bytes], discretionary: dict[int, bytes], ci_point: bytes) -> None:
    if any(not 1 <= len(values[tag]) <= _IDENTIFIER_MAX for tag in (0x93, 0x42, 0x5F20)):
        raise CertificateRefused("length of an identifier")
    if any(len(values[tag]) != 4 for tag in (0x5F25, 0x5F24) if tag in values):
        raise CertificateRefused("length of a date")
    if values[0x95] != KEY_USAGE_SIGNATURE:
        raise CertificateRefused("key usage")
    if len(discretionary.get(0xC8, b"")) != 1:
        raise CertificateRefused("role")
    # The authority key identifier came with later releases; when it is there it has to name the CI in the ECASD.
    authority = discretionary.get(0xC9)
    if authority is not None and not crypto.same(authority, hashlib.sha1(ci_point).digest()):  # noqa: S324
        raise CertificateRefused("authority key identifier")


def curve_of(certificate: bytes) -> bytes:
    """Key parameter reference of the key in the ECASD's own certificate, which the EUM has made."""
    fields = as_map(read_tlv(certificate)[0].value)
    return as_map(fields[0x7F49])[0xF0]


class ParametersRefused(Exception):
    """Key parameters the card does not accept; `sw` is the status word."""

    def __init__(self, sw: int, reason: str) -> None:
        super().__init__(reason)
        self.sw = sw


@dataclass(frozen=True, slots=True)
class KeyParameters:
    """The control reference template A6 of the second STORE DATA."""

    raw: bytes
    options: int
    kvn: int
    counter: int
    sdin: bytes | None
    host_id: bytes | None


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """The second STORE DATA, split but not yet verified: DGI as sent, A6, ePK as sent, signature as sent."""

    dgi_raw: bytes
    crt: bytes
    ephemeral: bytes
    signature: bytes

    def signed_data(self, challenge: bytes) -> bytes:
        """What the off-card entity signs: 3A02 DGI, 7F49 TLV, and the challenge as DGI 0085."""
        return self.dgi_raw + tlv(0x7F49, self.ephemeral) + b"\x00\x85" + lv(challenge)


def read_key_request(crt: bytes, dgi_raw: bytes, rest: bytes) -> KeyRequest:
    """Split the body after DGI 3A02. Raises BadTLV."""
    fields = read_all(rest)
    if [item.tag for item in fields] != [0x7F49, 0x5F37]:
        raise BadTLV("7F49 and 5F37 expected after the DGI")
    return KeyRequest(dgi_raw, crt, fields[0].value, fields[1].value)


def read_parameters(crt: bytes, versions: range) -> KeyParameters:
    """Read the A6 template; `versions` is the range of key versions of this SD. Raises ParametersRefused."""
    try:
        outer, end = read_tlv(crt)
        if outer.tag != 0xA6 or end != len(crt):
            raise BadTLV("not one A6")
        values = as_map(outer.value)
    except BadTLV as error:
        raise ParametersRefused(0x6A80, str(error)) from error
    if not values.keys() >= _CRT_REQUIRED or not values.keys() <= _CRT_REQUIRED | _CRT_OPTIONAL:
        raise ParametersRefused(0x6A80, "fields of A6")
    if len(values[0x90]) != 2 or values[0x90][0] != SCENARIO:
        raise ParametersRefused(0x6A80, "scenario")
    options = values[0x90][1]
    known = DELETE_EXISTING | WITH_RANDOM | WITH_IDENTITIES | CERTIFICATE_PRECEDES
    if not options & CERTIFICATE_PRECEDES or options & ~known:
        raise ParametersRefused(0x6A80, "parameter byte")
    fixed = {0x95: USAGE_THREE_KEYS, 0x80: TYPE_AES, 0x81: LENGTH_AES_128, 0x82: FIRST_KEY_ID}
    if any(values[tag] != value for tag, value in fixed.items()):
        raise ParametersRefused(0x6A80, "kind of keys")
    if len(values[0x83]) != 1 or values[0x83][0] not in versions:
        raise ParametersRefused(0x6A80, "key version")
    if len(values[0x91]) not in _COUNTER_LENGTHS or len(values.get(0x96, b"")) > 1:
        raise ParametersRefused(0x6A80, "counter or key access")
    identities = 0x45 in values and 0x84 in values
    if bool(options & WITH_IDENTITIES) != identities or (0x45 in values) != (0x84 in values):
        raise ParametersRefused(0x6A80, "identities")
    return KeyParameters(
        crt, options, values[0x83][0], int.from_bytes(values[0x91]), values.get(0x45), values.get(0x84)
    )


@dataclass(frozen=True, slots=True)
class Established:
    """What scenario 3 gives: three keys (id 01, 02, 03), the receipt, the derivation random if one was used."""

    keys: tuple[bytes, bytes, bytes] = field(repr=False)
    receipt: bytes
    random: bytes | None

    def answer(self, *, receipt_first: bool = False) -> bytes:
        """Response data: [85 L DR] 86 10 receipt, or the other way round."""
        random = tlv(0x85, self.random) if self.random is not None else b""
        receipt = tlv(0x86, self.receipt)
        return receipt + random if receipt_first else random + receipt


def establish(
    parameters: KeyParameters,
    private: bytes,
    ephemeral: crypto.PublicKey,
    *,
    sin: bytes,
    sdin: bytes,
    random: bytes | None,
) -> Established:
    """Derive the keys and the receipt; `random` is the derivation random when the parameters ask for one."""
    shared_info = USAGE_THREE_KEYS + TYPE_AES + LENGTH_AES_128
    if random is not None:
        shared_info += random
    if parameters.host_id is not None:
        shared_info += lv(parameters.host_id) + lv(sin) + lv(sdin)
    material = crypto.x963(crypto.agree(private, ephemeral), shared_info, 64)
    covered = parameters.raw + (tlv(0x85, random) if random is not None else b"")
    receipt = crypto.cmac(material[:16], covered)
    return Established((material[16:32], material[32:48], material[48:64]), receipt, random)
