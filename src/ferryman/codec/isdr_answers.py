"""Answers and notifications of the ISD-R (SGP.02 v3.2 4.1.1; `sgp02-euicc.md` 3.8, 4.1, 4.4, 5.3, 5.5).

Input is response data without status word. Unknown objects are skipped; what breaks a rule is a PeerError.
"""

from __future__ import annotations

from dataclasses import dataclass

from ferryman.codec import tlv
from ferryman.codec.ids import EID
from ferryman.errors import PeerError

RANDOM_CHALLENGE_BYTES = (16, 32)  # 16 for 256-bit curves, 32 allowed
RECEIPT_BYTES = 16
MAX_DR_BYTES = 32  # Amendment E: 16 up to 383-bit curves, 24 to 511, 32 above

_FALLBACK_ATTRIBUTE = 0x01
_CLAUSE_AUDIT = "SGP.02 3.2 4.1.1.6"
_CLAUSE_NOTIFICATION = "SGP.02 3.2 4.1.1.11"
_CLAUSE_CONFIRMATION = "SGP.02 3.2 4.1.1.12"
_CLAUSE_KEYS = "SGP.02 3.2 4.1.3.1"


@dataclass(frozen=True, slots=True)
class ISDPStatus:
    """One E3 of GET STATUS: AID, life-cycle state (07, 0F, 1F, 3F), fall-back, memory in bytes."""

    aid: bytes
    state: int
    fallback: bool | None
    granted: int | None
    remaining: int | None


@dataclass(frozen=True, slots=True)
class CardResources:
    """Extended card resources: number of applications, free non-volatile and volatile memory in bytes."""

    applications: int | None
    free_nvm: int
    free_ram: int | None


@dataclass(frozen=True, slots=True)
class Notification:
    """HandleDefaultNotification: EID digits, type (01, 02, 03, 05 ..), sequence, AID, device identity."""

    eid: str
    type: int
    sequence: int
    aid: bytes | None
    imei: bytes | None
    meid: bytes | None


def _number(
    objects: list[tlv.TLV], *tags: int, field: str, limit: int = 4, clause: str = _CLAUSE_AUDIT
) -> int | None:
    found = tlv.find(objects, *tags)
    if found is None or not found.value:
        return None  # an empty object says as little as none
    if len(found.value) > limit:
        raise PeerError(f"{len(found.value)} bytes, 1 to {limit} expected", field=field, clause=clause)
    return int.from_bytes(found.value)


def _aid(value: bytes, *, field: str, clause: str) -> bytes:
    if not 5 <= len(value) <= 16:
        raise PeerError(f"AID of {len(value)} bytes", field=field, clause=clause)
    return value


def _status(template: tlv.TLV) -> ISDPStatus:
    objects = tlv.parse(template.value, clause=_CLAUSE_AUDIT)
    aid = tlv.find(objects, 0x4F)
    state = _number(objects, 0x9F70, field="9F70", limit=1)
    if aid is None or state is None:
        raise PeerError("AID (4F) and state (9F70) are needed", field="E3", clause=_CLAUSE_AUDIT)
    attributes = _number(objects, 0x53, field="53", limit=1)
    return ISDPStatus(
        _aid(aid.value, field="4F", clause=_CLAUSE_AUDIT),
        state,
        None if attributes is None else bool(attributes & _FALLBACK_ATTRIBUTE),
        _number(objects, 0x8F, field="8F"),
        _number(objects, 0x91, field="91"),
    )


def parse_status(data: bytes) -> list[ISDPStatus]:
    """GET STATUS: one entry per `E3`; an empty answer is an empty list."""
    return [_status(item) for item in tlv.parse(data, clause=_CLAUSE_AUDIT) if item.tag == 0xE3]


def parse_card_resources(data: bytes) -> CardResources:
    """GET DATA FF21 (ETSI TS 102 226 8.2.1.7.2): `81` applications, `82` and `83` memory."""
    objects = tlv.parse(tlv.parse_one(data, 0xFF21, clause=_CLAUSE_AUDIT).value, clause=_CLAUSE_AUDIT)
    free_nvm = _number(objects, 0x82, field="82")
    if free_nvm is None:
        raise PeerError("free non-volatile memory missing", field="82", clause=_CLAUSE_AUDIT)
    return CardResources(_number(objects, 0x81, field="81"), free_nvm, _number(objects, 0x83, field="83"))


def parse_key_versions(data: bytes) -> frozenset[int]:
    """GET DATA 00E0: key versions in the `C0` (key id, key version, type and length of each part) of an `E0`."""
    versions: set[int] = set()
    for item in tlv.parse(tlv.parse_one(data, 0xE0, clause=_CLAUSE_AUDIT).value, clause=_CLAUSE_AUDIT):
        if item.tag == 0xC0:
            if len(item.value) < 4:
                raise PeerError(f"{len(item.value)} bytes, at least 4 expected", field="C0", clause=_CLAUSE_AUDIT)
            versions.add(item.value[1])
    return frozenset(versions)


def parse_ecasd_data(data: bytes, tag: int) -> tlv.TLV:
    """GET DATA BF30: the object `tag` (0x7F21, 0x66, 0x5A) inside; its `raw` is the whole object."""
    objects = tlv.parse(tlv.parse_one(data, 0xBF30, clause=_CLAUSE_AUDIT).value, clause=_CLAUSE_AUDIT)
    found = tlv.find(objects, tag)
    if found is None:
        raise PeerError(f"object {tag:02X} missing", field="BF30", clause=_CLAUSE_AUDIT)
    return found


def parse_random_challenge(data: bytes) -> bytes:
    """Answer to the certificate: `85` with 16 (or 32) bytes."""
    found = tlv.find(tlv.parse(data, clause=_CLAUSE_KEYS), 0x85)
    if found is None or len(found.value) not in RANDOM_CHALLENGE_BYTES:
        raise PeerError("random challenge of 16 or 32 bytes missing", field="85", clause=_CLAUSE_KEYS)
    return found.value


def parse_receipt(data: bytes) -> tuple[bytes, bytes | None]:
    """Answer to the key parameters: receipt (`86`, 16 bytes) and DR (`85`) or None, in any order."""
    objects = tlv.parse(data, clause=_CLAUSE_KEYS)
    receipt, dr = tlv.find(objects, 0x86), tlv.find(objects, 0x85)
    if receipt is None or len(receipt.value) != RECEIPT_BYTES:
        raise PeerError(f"receipt of {RECEIPT_BYTES} bytes missing", field="86", clause=_CLAUSE_KEYS)
    if dr is None:
        return receipt.value, None
    if not RECEIPT_BYTES <= len(dr.value) <= MAX_DR_BYTES:
        raise PeerError(f"derivation random of {len(dr.value)} bytes", field="85", clause=_CLAUSE_KEYS)
    return receipt.value, dr.value


def parse_confirmation(data: bytes) -> list[bytes]:
    """AIDs of the Profiles the card deleted on confirmation (`80 L {4F L AID}`); empty for no data."""
    deleted: list[bytes] = []
    for item in tlv.parse(data, clause=_CLAUSE_CONFIRMATION):
        if item.tag == 0x80:
            inner = tlv.parse(item.value, clause=_CLAUSE_CONFIRMATION)
            deleted += [
                _aid(entry.value, field="4F", clause=_CLAUSE_CONFIRMATION) for entry in inner if entry.tag == 0x4F
            ]
    return deleted


def _fixed(objects: list[tlv.TLV], size: int, *tags: int) -> bytes | None:
    found = tlv.find(objects, *tags)
    if found is not None and len(found.value) != size:
        raise PeerError(
            f"{len(found.value)} bytes, {size} expected",
            field=f"{found.tag:02X}",
            clause=_CLAUSE_NOTIFICATION,
        )
    return None if found is None else found.value


def parse_notification(data: bytes) -> Notification:
    """The `E1` object of a notification (4.1), from a secured packet or from the `msg` parameter of a URI.

    The AID may come as `2F`, `AF` or `4F`; the comprehension-required bit of every tag may be set or not;
    unknown objects are skipped. PeerError without EID, type or sequence number.
    """
    content = tlv.parse_one(data, 0xE1, clause=_CLAUSE_NOTIFICATION).value
    objects = tlv.parse(content, clause=_CLAUSE_NOTIFICATION)
    eid = _fixed(objects, 16, 0x4C, 0xCC)
    kind = _fixed(objects, 1, 0x4D, 0xCD)
    sequence = _fixed(objects, 2, 0x4E, 0xCE)
    if eid is None or kind is None or sequence is None:
        raise PeerError("EID, type and sequence number are needed", field="E1", clause=_CLAUSE_NOTIFICATION)
    aid = tlv.find(objects, 0x2F, 0xAF, 0x4F)
    imei, meid = tlv.find(objects, 0x14, 0x94), tlv.find(objects, 0x6D, 0xED)
    return Notification(
        EID.from_bcd(eid, field="4C").digits,
        kind[0],
        int.from_bytes(sequence),
        None if aid is None or not aid.value else _aid(aid.value, field="AID", clause=_CLAUSE_NOTIFICATION),
        # The device's own word, of no use for the procedure: never a reason to lose a notification.
        None if imei is None else imei.value,
        None if meid is None else meid.value,
    )
