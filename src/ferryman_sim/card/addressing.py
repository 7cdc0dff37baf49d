"""Identifiers and addresses in card coding: AIDs, TARs, EID, IMEI, telephone numbers, PSK identity, timer
values.

Sources: SGP.02 Annex H (AIDs), TS 23.040 9.1.2.5 and TS 102 223 8.1 (addresses), TS 24.008 10.5.1.4 (IMEI),
TS 102 223 8.38 (timer value), GlobalPlatform Amendment B with SGP.02 2.4.4 (PSK identity).
"""

from __future__ import annotations

from ferryman_sim.card.tlv import BadTLV, tlv

ISD_R_AID = bytes.fromhex("A0000005591010FFFFFFFF8900000100")
ECASD_AID = bytes.fromhex("A0000005591010FFFFFFFF8900000200")
LOAD_FILE_AID = bytes.fromhex("A0000005591010FFFFFFFF8900000D00")
MODULE_AID = bytes.fromhex("A0000005591010FFFFFFFF8900000E00")
AID_PREFIX = bytes.fromhex("A0000005591010FFFFFFFF89")
FIRST_ISDP_TAR = 0x000010
LAST_ISDP_TAR = 0x00FFFF

PSK_IDENTITY_TEXT = 90
"""Characters of the identity in text: 45 bytes of TLVs in upper-case hexadecimal."""


def tar_of(aid: bytes) -> bytes:
    """TAR of an SGP.02 AID: bytes 13 to 15 (counted from 1)."""
    return aid[12:15]


def is_isdp_aid(aid: bytes) -> bool:
    """True for the 16-byte AIDs that the standard gives to ISD-Ps."""
    if len(aid) != 16 or not aid.startswith(AID_PREFIX) or aid[15] != 0:
        return False
    return FIRST_ISDP_TAR <= int.from_bytes(tar_of(aid)) <= LAST_ISDP_TAR


def _swapped(digits: str) -> bytes:
    padded = digits + "F" * (len(digits) % 2)
    return bytes(int(padded[i + 1] + padded[i], 16) for i in range(0, len(padded), 2))


def _unswapped(coded: bytes) -> str:
    return "".join(f"{byte & 0x0F:X}{byte >> 4:X}" for byte in coded)


def read_address(coded: bytes, *, digit_count: bool) -> str:
    """A telephone address as text, `+` for the international type; `digit_count`: a TP address with its
    count.

    Raises BadTLV for a cut or non-decimal address.
    """
    if len(coded) < 2 + digit_count:
        raise BadTLV("address too short")
    count = coded[0] if digit_count else None
    kind, digits = (coded[1], coded[2:]) if digit_count else (coded[0], coded[1:])
    text = _unswapped(digits)
    if count is None:
        count = len(text) - 1 if text.endswith("F") else len(text)
    if (count + 1) // 2 != len(digits) or not text[:count].isdigit():
        raise BadTLV("address digits")
    if text[count:] not in ("", "F"):
        raise BadTLV("address filler")
    return ("+" if kind >> 4 & 0x7 == 1 else "") + text[:count]


def imei_object(imei: str) -> bytes:
    """Value of the IMEI object, 8 bytes: digit 1 over A (odd count, type IMEI), then swapped pairs."""
    return bytes([int(imei[0], 16) << 4 | 0x0A]) + _swapped(imei[1:15])


def psk_identity(eid: str, aid: bytes, key_id: int, kvn: int) -> str:
    """The PSK identity of one SCP81 key: 90 upper-case hexadecimal characters."""
    value = tlv(0x80, b"\x02") + tlv(0x81, bytes.fromhex(eid)) + tlv(0x4F, aid)
    return (value + tlv(0x82, bytes([key_id])) + tlv(0x83, bytes([kvn]))).hex().upper()


def read_psk_identity(coded: bytes, *, binary: bool = True) -> str:
    """The identity in a trigger's security parameters: its text or, if `binary`, its 45 bytes. Raises BadTLV."""
    if binary and coded.startswith(b"\x80\x01\x02"):
        return coded.hex().upper()
    try:
        return coded.decode("ascii")
    except UnicodeDecodeError as error:
        raise BadTLV("PSK identity is neither TLVs nor text") from error


def read_timer(coded: bytes, *, binary: bool = True) -> int:
    """Seconds of a timer value hh mm ss; each byte swapped BCD, or, if `binary`, binary when that is no BCD.

    Raises BadTLV.
    """
    if len(coded) != 3:
        raise BadTLV("timer value")
    if not binary and any(byte & 0x0F > 9 or byte >> 4 > 9 for byte in coded):
        raise BadTLV("timer value is no BCD")
    parts = [(byte & 0x0F) * 10 + (byte >> 4) if byte & 0x0F <= 9 and byte >> 4 <= 9 else byte for byte in coded]
    return parts[0] * 3600 + parts[1] * 60 + parts[2]
