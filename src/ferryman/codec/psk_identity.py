"""PSK identity of an eUICC in SCP81: SGP.02 v3.2 (security of ES5 over HTTPS), GlobalPlatform Amendment B.

The identity is text: the hexadecimal form of a run of TLVs (80 format, 81 EID, 4F AID of the security domain,
82 key identifier, 83 key version). We write upper case in that order; cards in the field vary both, so the
reader takes any case and any order, but every value exactly once. This module knows no keys.
"""

from __future__ import annotations

import struct
from binascii import Error as NotHexadecimal
from binascii import a2b_hex
from typing import Final

import msgspec

from ferryman.errors import InputError, PeerError

CLAUSE: Final = "SGP.02 PSK identity"
FORMAT_VERSION: Final = 0x02  # only format defined for tag 80
MAX_IDENTITY_OCTETS: Final = 255  # octets: RFC 4279 asks for 128, OpenSSL 3.0 refuses 256
EID_DIGITS: Final = 32  # decimal digits, 16 octets of BCD without nibble swap
MIN_AID_OCTETS: Final = 5  # octets: ISO/IEC 7816-4, the RID alone
MAX_AID_OCTETS: Final = 16  # octets: ISO/IEC 7816-4

TAG_FORMAT: Final = 0x80
TAG_EID: Final = 0x81
TAG_AID: Final = 0x4F
TAG_KEY_ID: Final = 0x82
TAG_KEY_VERSION: Final = 0x83

_KNOWN_TAGS: Final = frozenset({TAG_FORMAT, TAG_EID, TAG_AID, TAG_KEY_ID, TAG_KEY_VERSION})
_NAMES: Final = {
    TAG_FORMAT: "format",
    TAG_EID: "EID",
    TAG_AID: "AID",
    TAG_KEY_ID: "key identifier",
    TAG_KEY_VERSION: "key version",
}
# The form that we write, with an AID of 16 octets, which most cards use: all but the EID, read at once.
_USUAL: Final = struct.Struct("5s16x2s16s2sB2sB")
_USUAL_EID: Final = slice(10, 42)  # digits of the text
_LONG_FORM: Final = 0x80  # first length octet from here on is a BER long form; no value here needs one


class PSKIdentity(msgspec.Struct, frozen=True, gc=False):
    """Who presents which key: EID (32 digits), AID of the security domain (5 to 16 octets), key."""

    eid: str
    aid: bytes
    key_id: int
    key_version: int


def build(identity: PSKIdentity) -> bytes:
    """The identity as sent in ClientKeyExchange: ASCII, upper-case hexadecimal. Raises InputError."""
    if len(identity.eid) != EID_DIGITS or not (identity.eid.isascii() and identity.eid.isdigit()):
        raise InputError("eid", f"must be {EID_DIGITS} decimal digits")
    if not MIN_AID_OCTETS <= len(identity.aid) <= MAX_AID_OCTETS:
        raise InputError("aid", f"must have {MIN_AID_OCTETS} to {MAX_AID_OCTETS} octets")
    if not 0 <= identity.key_id <= 0xFF:
        raise InputError("key_id", "must fit in one octet")
    if not 0 <= identity.key_version <= 0xFF:
        raise InputError("key_version", "must fit in one octet")
    tlvs = b"".join(
        bytes((tag, len(value))) + value
        for tag, value in (
            (TAG_FORMAT, bytes((FORMAT_VERSION,))),
            (TAG_EID, bytes.fromhex(identity.eid)),
            (TAG_AID, identity.aid),
            (TAG_KEY_ID, bytes((identity.key_id,))),
            (TAG_KEY_VERSION, bytes((identity.key_version,))),
        )
    )
    return tlvs.hex().upper().encode("ascii")


def parse(text: bytes) -> PSKIdentity:
    """Reads an identity as received; raises PeerError when it is not one of SGP.02.

    Case and order are free. Unknown tags are passed over, because later versions may add some; a second
    value of a known tag is refused, because two readers could then see two different cards.
    """
    octets = _unhex(text)
    return _read_usual(octets, text) or _read_any(octets)


def _read_usual(octets: bytes, text: bytes) -> PSKIdentity | None:
    """The form in which nearly every card writes it, read by its places; None for any other."""
    if len(octets) != _USUAL.size:
        return None
    head, aid_head, aid, key_id_head, key_id, key_version_head, key_version = _USUAL.unpack(octets)
    eid = text[_USUAL_EID]
    if (
        head != b"\x80\x01\x02\x81\x10"
        or aid_head != b"\x4f\x10"
        or key_id_head != b"\x82\x01"
        or key_version_head != b"\x83\x01"
        or not eid.isdigit()
    ):
        return None
    return PSKIdentity(eid.decode("ascii"), aid, key_id, key_version)


def _read_any(octets: bytes) -> PSKIdentity:
    """Value by value."""
    values = _read_tlvs(octets)
    for tag in (TAG_FORMAT, TAG_EID, TAG_AID, TAG_KEY_ID, TAG_KEY_VERSION):
        if tag not in values:
            raise PeerError(f"no {_NAMES[tag]} (tag {tag:02X})", field="psk_identity", clause=CLAUSE)
    if _octet(values, TAG_FORMAT) != FORMAT_VERSION:
        raise PeerError("unknown format", field="psk_identity.80", clause=CLAUSE)
    eid = values[TAG_EID].hex()
    if len(eid) != EID_DIGITS or not eid.isdigit():
        raise PeerError(f"not {EID_DIGITS} decimal digits", field="psk_identity.81", clause=CLAUSE)
    aid = values[TAG_AID]
    if not MIN_AID_OCTETS <= len(aid) <= MAX_AID_OCTETS:
        raise PeerError(f"AID of {len(aid)} octets", field="psk_identity.4F", clause=CLAUSE)
    return PSKIdentity(eid, aid, _octet(values, TAG_KEY_ID), _octet(values, TAG_KEY_VERSION))


def _unhex(text: bytes) -> bytes:
    if not text or len(text) > MAX_IDENTITY_OCTETS:
        raise PeerError(f"{len(text)} octets of text", field="psk_identity", clause=CLAUSE)
    try:
        return a2b_hex(text)
    except NotHexadecimal:
        raise PeerError("not a hexadecimal text", field="psk_identity", clause=CLAUSE) from None


def _read_tlvs(data: bytes) -> dict[int, bytes]:
    values: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        if len(data) - at < 2:
            raise PeerError("tag without length", field="psk_identity", clause=CLAUSE)
        tag, length = data[at], data[at + 1]
        if length >= _LONG_FORM:
            raise PeerError("length in long form", field="psk_identity", clause=CLAUSE)
        value = data[at + 2 : at + 2 + length]
        if len(value) != length:
            raise PeerError("value runs past the end", field="psk_identity", clause=CLAUSE)
        if tag in values and tag in _KNOWN_TAGS:
            raise PeerError(f"{_NAMES[tag]} given twice", field="psk_identity", clause=CLAUSE)
        values[tag] = value
        at += 2 + length
    return values


def _octet(values: dict[int, bytes], tag: int) -> int:
    value = values[tag]
    if len(value) != 1:
        raise PeerError(f"{_NAMES[tag]} must have one octet", field="psk_identity", clause=CLAUSE)
    return value[0]
