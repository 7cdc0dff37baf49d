"""Identifiers of SGP.02 v3.2: EID (SGP.29), ICCID (ITU-T E.118), IMSI (3GPP TS 23.003), AID, TAR (Annex H).

`parse` takes text as it stands on the web-service interfaces; PeerError names the identifier that is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ferryman.errors import PeerError

EID_DIGITS = 32
ICCID_DIGITS = (18, 20)  # ITU-T E.118: up to 19 digits; 18 without check digit and 20 are both in use
IMSI_DIGITS = (6, 15)  # 3GPP TS 23.003 2.2: not more than 15; MCC, MNC and one digit at least
AID_BYTES = (5, 16)  # ISO/IEC 7816-5: RID of 5 bytes, PIX of up to 11
RID_BYTES = 5

ISDR_AID = bytes.fromhex("A0000005591010FFFFFFFF8900000100")
ECASD_AID = bytes.fromhex("A0000005591010FFFFFFFF8900000200")
ISDP_LOADFILE_AID = bytes.fromhex("A0000005591010FFFFFFFF8900000D00")
ISDP_MODULE_AID = bytes.fromhex("A0000005591010FFFFFFFF8900000E00")
ISDR_TAR = bytes.fromhex("000001")
ISDP_PREFIX = bytes.fromhex("A0000005591010FFFFFFFF89")

# Annex H: 000010 to 00FFFF are the TARs of ISD-Ps.
ISDP_INDEX_FIRST = 0x0010
ISDP_INDEX_LAST = 0xFFFF

_AID_URI = re.compile(r"(?://aa-?id)?//?aid/([0-9a-f]{10})/([0-9a-f]{0,22})", re.IGNORECASE)


def _digits(text: str, field: str, low: int, high: int) -> str:
    if not (low <= len(text) <= high and text.isascii() and text.isdigit()):
        count = str(low) if low == high else f"{low} to {high}"
        raise PeerError(f"must be {count} decimal digits", field=field)
    return text


def _hex(text: str, field: str, low: int, high: int) -> bytes:
    # bytes.fromhex would also take white space, which no interface allows.
    if not re.fullmatch(r"(?:[0-9a-fA-F]{2})*", text) or not low <= len(text) // 2 <= high:
        count = str(low) if low == high else f"{low} to {high}"
        raise PeerError(f"must be {count} bytes in hexadecimal", field=field)
    return bytes.fromhex(text)


def swap_nibbles(digits: str) -> bytes:
    """Semi-octets of 3GPP TS 23.040 9.1.2.3: digit 1 in the low half of byte 1, F fills an odd count."""
    padded = digits + "F" * (len(digits) % 2)
    return bytes.fromhex("".join(padded[i + 1] + padded[i] for i in range(0, len(padded), 2)))


def unswap_nibbles(data: bytes, *, field: str) -> str:
    """The digits of `swap_nibbles`; F only as filler at the end, PeerError otherwise."""
    text = "".join(f"{byte & 15:X}{byte >> 4:X}" for byte in data).rstrip("F")
    return _digits(text, field, 0, 2 * len(data))


def luhn_digit(body: str) -> int:
    """The check digit of ISO/IEC 7812-1 Annex B that `body` asks for."""
    total = 0
    for position, char in enumerate(reversed(body)):
        digit = int(char) * (2 if position % 2 == 0 else 1)
        total += digit // 10 + digit % 10
    return -total % 10


@dataclass(frozen=True, slots=True)
class EID:
    """eUICC identifier, 32 digits."""

    digits: str

    @classmethod
    def parse(cls, text: str, *, field: str = "Eid") -> EID:
        """From 32 decimal digits; the check digits are not a condition (see `check_digits_ok`)."""
        return cls(_digits(text, field, EID_DIGITS, EID_DIGITS))

    @classmethod
    def from_bcd(cls, data: bytes, *, field: str = "EID") -> EID:
        """From 16 bytes of straight BCD as on the card (tags 4C, 5A, 81)."""
        return cls(_digits(data.hex(), field, EID_DIGITS, EID_DIGITS))

    @property
    def bcd(self) -> bytes:
        """16 bytes, digit 1 in the high half of byte 1 (not swapped)."""
        return bytes.fromhex(self.digits)

    @property
    def check_digits_ok(self) -> bool:
        """SGP.29: the 32-digit number modulo 97 is 1."""
        return int(self.digits) % 97 == 1

    def __str__(self) -> str:
        return self.digits


@dataclass(frozen=True, slots=True)
class ICCID:
    """Profile identifier, 18 to 20 digits in plain order."""

    digits: str

    @classmethod
    def parse(cls, text: str, *, field: str = "Iccid") -> ICCID:
        """From decimal digits; one trailing filler F (either case) is taken off, because peers send it."""
        if len(text) == ICCID_DIGITS[1] and text[-1] in "Ff":
            text = text[:-1]
        return cls(_digits(text, field, *ICCID_DIGITS))

    @classmethod
    def from_header(cls, data: bytes, *, field: str = "iccid") -> ICCID:
        """From the 10 bytes of a ProfileHeader: plain digit order, F at the end."""
        if len(data) != 10:
            raise PeerError("must be 10 bytes", field=field)
        return cls(_digits(data.hex().rstrip("f"), field, *ICCID_DIGITS))

    @classmethod
    def from_ef(cls, data: bytes, *, field: str = "EF_ICCID") -> ICCID:
        """From the 10 bytes of EF_ICCID: swapped digits, F at the end."""
        if len(data) != 10:
            raise PeerError("must be 10 bytes", field=field)
        return cls(_digits(unswap_nibbles(data, field=field), field, *ICCID_DIGITS))

    @property
    def header(self) -> bytes:
        """10 bytes for the ProfileHeader: plain order, F at the end."""
        return bytes.fromhex(self.digits.ljust(20, "F"))

    @property
    def ef(self) -> bytes:
        """10 bytes for EF_ICCID: each byte swapped, F at the end."""
        return swap_nibbles(self.digits.ljust(20, "F"))

    @property
    def check_digit_ok(self) -> bool:
        """Whether the last digit is the Luhn digit of the others (never for 18 digits, which have none)."""
        return len(self.digits) > ICCID_DIGITS[0] and luhn_digit(self.digits[:-1]) == int(self.digits[-1])

    def __str__(self) -> str:
        return self.digits


@dataclass(frozen=True, slots=True)
class IMSI:
    """International mobile subscriber identity, 6 to 15 digits."""

    digits: str

    @classmethod
    def parse(cls, text: str, *, field: str = "Imsi") -> IMSI:
        """From decimal digits."""
        return cls(_digits(text, field, *IMSI_DIGITS))

    @property
    def ef(self) -> bytes:
        """9 bytes of EF_IMSI (3GPP TS 31.102 4.2.2): length, parity, swapped digits, FF to the end."""
        parity = "9" if len(self.digits) % 2 else "1"
        coded = swap_nibbles(parity + self.digits)
        return (bytes((len(coded),)) + coded).ljust(9, b"\xff")

    def __str__(self) -> str:
        return self.digits


@dataclass(frozen=True, slots=True)
class TAR:
    """Toolkit application reference: 3 bytes that name the target of a secured packet."""

    value: bytes

    @classmethod
    def parse(cls, text: str, *, field: str = "Tar") -> TAR:
        """From 6 hexadecimal digits."""
        return cls(_hex(text, field, 3, 3))

    def __str__(self) -> str:
        return self.value.hex().upper()


@dataclass(frozen=True, slots=True)
class AID:
    """Application identifier, 5 to 16 bytes."""

    value: bytes

    @classmethod
    def parse(cls, text: str, *, field: str = "Aid") -> AID:
        """From hexadecimal digits."""
        return cls(_hex(text, field, *AID_BYTES))

    @property
    def tar(self) -> bytes:
        """Bytes 13 to 15, the TAR of the same object (ETSI TS 101 220); PeerError when the AID is shorter."""
        if len(self.value) < 15:
            raise PeerError("has no TAR: shorter than 15 bytes", field="Aid")
        return self.value[12:15]

    @property
    def is_isdp(self) -> bool:
        """Whether it is in the range of SGP.02 ISD-Ps."""
        value = self.value
        return (
            len(value) == 16
            and value.startswith(ISDP_PREFIX)
            and value[15] == 0
            and ISDP_INDEX_FIRST <= int.from_bytes(value[12:15]) <= ISDP_INDEX_LAST
        )

    @property
    def uri(self) -> str:
        """The form of HTTP headers, see `aid_uri`."""
        return aid_uri(self.value)

    def __str__(self) -> str:
        return self.value.hex().upper()


def isdp_aid(index: int) -> bytes:
    """AID of ISD-P number `index` (0x0010 to 0xFFFF); ValueError outside, where Annex H has other objects."""
    if not ISDP_INDEX_FIRST <= index <= ISDP_INDEX_LAST:
        raise ValueError(f"ISD-P index {index:#06x} is not in {ISDP_INDEX_FIRST:#06x}..{ISDP_INDEX_LAST:#06x}")
    return ISDP_PREFIX + index.to_bytes(3) + b"\x00"


def aid_uri(aid: bytes) -> str:
    """`//aid/<RID>/<PIX>` in upper-case hexadecimal (GlobalPlatform Amendment B 3.4)."""
    return f"//aid/{aid[:RID_BYTES].hex().upper()}/{aid[RID_BYTES:].hex().upper()}"


def parse_aid_uri(text: str) -> bytes:
    """The AID of `//aid/..`; takes `//aa-id/aid/..` and the `//aaid/aid/..` of real cards too."""
    match = _AID_URI.fullmatch(text.strip())
    if match is None or len(match[2]) % 2:
        raise PeerError("is no AID reference", field="aid", clause="GlobalPlatform Amendment B 3.4")
    return bytes.fromhex(match[1] + match[2])
