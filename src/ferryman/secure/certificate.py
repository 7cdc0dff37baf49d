"""TLV certificates `7F21` (GlobalPlatform Amendment E 4.4; SGP.02 v3.2 4.1.3.1; `sgp02-euicc.md` 5.2)."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass

from ferryman.codec import tlv
from ferryman.errors import PeerError
from ferryman.secure import ecka
from ferryman.secure.ecka import Curve

ROLE_SMDP = 0x01
ROLE_SMSR = 0x02
USAGE_VERIFICATION = b"\x88"
USAGE_KEY_AGREEMENT = b"\x00\x80"
MAX_IDENTIFIER_BYTES = 16
MAX_CERTIFICATE_BYTES = 1024  # those of SGP.02 have about 210 bytes

_CLAUSE = "GlobalPlatform Amendment E 4.4"


@dataclass(frozen=True, slots=True)
class GPCertificate:
    """A parsed certificate. `tbs` are the signed bytes as received, `usage` the bytes of tag 95.

    `role` (C8: 01 SM-DP, 02 SM-SR), `aki` (C9) and the dates are None when absent; dates are inclusive.
    """

    serial: bytes
    ca_id: bytes
    subject: bytes
    usage: bytes
    not_before: datetime.date | None
    not_after: datetime.date
    role: int | None
    aki: bytes | None
    public_key: bytes
    curve: Curve
    tbs: bytes
    signature: bytes

    def valid_on(self, day: datetime.date) -> bool:
        """Whether `day` is in the validity period."""
        return (self.not_before is None or self.not_before <= day) and day <= self.not_after


def key_identifier(public_key: bytes) -> bytes:
    """Authority key identifier: SHA-1 of the point `04 || X || Y` (an identifier, not a protection)."""
    return hashlib.sha1(public_key, usedforsecurity=False).digest()


def _date(value: bytes, field: str) -> datetime.date:
    text = value.hex()
    if len(value) != 4 or not text.isdigit():
        raise PeerError("date is not YYYYMMDD in BCD", field=field, clause=_CLAUSE)
    try:
        return datetime.date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        raise PeerError(f"no such day: {text}", field=field, clause=_CLAUSE) from None


def _needed(objects: list[tlv.TLV], tag: int, low: int, high: int) -> bytes:
    found = tlv.find(objects, tag)
    if found is None:
        raise PeerError("missing", field=f"{tag:02X}", clause=_CLAUSE)
    if not low <= len(found.value) <= high:
        raise PeerError(f"{len(found.value)} bytes, {low} to {high} expected", field=f"{tag:02X}", clause=_CLAUSE)
    return found.value


def _public_key(value: bytes) -> tuple[bytes, Curve]:
    objects = tlv.parse(value, clause=_CLAUSE)
    curve = ecka.curve_of(_needed(objects, 0xF0, 1, 1)[0])
    point = _needed(objects, 0xB0, ecka.POINT_BYTES, ecka.POINT_BYTES)
    return ecka.check_point(point, curve=curve, field="7F49.B0"), curve


def _discretionary(objects: list[tlv.TLV]) -> tuple[int | None, bytes | None]:
    found = tlv.find(objects, 0x73)
    if found is None:
        return None, None
    inner = tlv.parse(found.value, clause=_CLAUSE)
    role, aki = tlv.find(inner, 0xC8), tlv.find(inner, 0xC9)
    if role is not None and len(role.value) != 1:
        raise PeerError("role of one byte expected", field="73.C8", clause=_CLAUSE)
    return None if role is None else role.value[0], None if aki is None else aki.value


def parse_certificate(data: bytes) -> GPCertificate:
    """Read a whole `7F21` object; PeerError for missing or wrong fields and points off the curve.

    The signature must be the last field and is not checked here, see `verify`.
    """
    if len(data) > MAX_CERTIFICATE_BYTES:
        raise PeerError(f"longer than {MAX_CERTIFICATE_BYTES} bytes", field="7F21", clause=_CLAUSE)
    objects = tlv.parse(tlv.parse_one(data, 0x7F21, clause=_CLAUSE).value, clause=_CLAUSE)
    tags = [item.tag for item in objects]
    if len(set(tags)) != len(tags) or not tags or tags[-1] != 0x5F37:
        raise PeerError("fields repeated or signature not last", field="7F21", clause=_CLAUSE)
    not_before = tlv.find(objects, 0x5F25)
    role, aki = _discretionary(objects)
    point, curve = _public_key(_needed(objects, 0x7F49, 1, 255))
    return GPCertificate(
        serial=_needed(objects, 0x93, 1, MAX_IDENTIFIER_BYTES),
        ca_id=_needed(objects, 0x42, 1, MAX_IDENTIFIER_BYTES),
        subject=_needed(objects, 0x5F20, 1, MAX_IDENTIFIER_BYTES),
        usage=_needed(objects, 0x95, 1, 2),
        not_before=None if not_before is None else _date(not_before.value, "5F25"),
        not_after=_date(_needed(objects, 0x5F24, 4, 4), "5F24"),
        role=role,
        aki=aki,
        public_key=point,
        curve=curve,
        tbs=b"".join(item.raw for item in objects[:-1]),
        signature=_needed(objects, 0x5F37, ecka.SIGNATURE_BYTES, ecka.SIGNATURE_BYTES),
    )


def verify(certificate: GPCertificate, ca_public_key: bytes, *, ca_curve: Curve = Curve.P256) -> None:
    """PeerError when the signature is not that of the issuer's key.

    The authority key identifier (C9) helps to find the key; how it is made differs, so it decides nothing here.
    """
    ecka.verify(ca_public_key, certificate.tbs, certificate.signature, curve=ca_curve)


def build_tbs(
    *,
    serial: bytes,
    ca_id: bytes,
    subject: bytes,
    not_after: datetime.date,
    public_key: bytes,
    role: int | None,
    usage: bytes = USAGE_VERIFICATION,
    not_before: datetime.date | None = None,
    aki: bytes | None = None,
    curve: Curve = Curve.P256,
) -> bytes:
    """The bytes to sign: the fields from `93` to `7F49` in the order of the table."""
    for name, value in (("serial", serial), ("ca_id", ca_id), ("subject", subject)):
        if not 1 <= len(value) <= MAX_IDENTIFIER_BYTES:
            raise ValueError(f"{name} has 1 to {MAX_IDENTIFIER_BYTES} bytes")
    fields = tlv.encode(0x93, serial) + tlv.encode(0x42, ca_id) + tlv.encode(0x5F20, subject)
    fields += tlv.encode(0x95, usage)
    if not_before is not None:
        fields += tlv.encode(0x5F25, bytes.fromhex(f"{not_before:%Y%m%d}"))
    fields += tlv.encode(0x5F24, bytes.fromhex(f"{not_after:%Y%m%d}"))
    discretionary = tlv.encode(0xC8, bytes((role,))) if role is not None else b""
    if aki is not None:
        discretionary += tlv.encode(0xC9, aki)
    if discretionary:
        fields += tlv.encode(0x73, discretionary)
    key = tlv.encode(0xB0, ecka.check_point(public_key, curve=curve)) + tlv.encode(0xF0, bytes((curve,)))
    return fields + tlv.encode(0x7F49, key)


def build_certificate(tbs: bytes, signature: bytes) -> bytes:
    """The whole `7F21` object from the signed bytes and the signature (r || s)."""
    return tlv.encode(0x7F21, tbs + tlv.encode(0x5F37, signature))
