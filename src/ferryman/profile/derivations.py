"""What can be made from a subscription's values (TS 31.102, TS 31.103, TS 23.003, TS 35.206, TS 102 221, E.118).

A value is text (`digits`, `text`) or bytes (`hex`, `octets`, and `tlv`: whole data objects). Each derivation says
which values it takes, how long its result is, and how it is made; errors name the variable, never its content.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ferryman.codec import tlv
from ferryman.codec.ids import luhn_digit
from ferryman.errors import InputError
from ferryman.profile.opc import opc_from_op
from ferryman.profile.slots import (
    ACC_BYTES,
    CODE_BYTES,
    ICCID_BYTES,
    IMSI_EF_BYTES,
    KEY_BYTES,
    MSISDN_BYTES,
    access_class,
    adm_code,
    imsi_file,
    msisdn_record,
    pin_code,
    puk_code,
    swapped_digits,
)

type Datum = str | bytes
type Kind = Literal["digits", "hex", "octets", "text", "tlv"]
type Size = tuple[int, int]

MCC_DIGITS = 3
MNC_DIGITS = (2, 3)
MAX_TLV_VALUE = 127
"""Bytes behind the length byte of a data object of EF IMPI, IMPU, DOMAIN (TS 31.103): there is one length byte."""

URI_TAG = b"\x80"
REALM_LENGTH = len("ims.mnc001.mcc001.3gppnetwork.org")


@dataclass(frozen=True, slots=True)
class Derivation:
    """One function: kinds of its variables, numbers behind them, kind and size of the result, the making."""

    takes: tuple[frozenset[str], ...]
    numbers: int
    gives: Kind
    size: Callable[[tuple[Size, ...], tuple[int, ...]], Size]
    make: Callable[..., Datum]


DIGITS = frozenset(("digits",))
WORDS = frozenset(("digits", "text"))
OCTETS = frozenset(("hex", "octets"))
ANY = WORDS | OCTETS | {"tlv"}


def to_bytes(datum: Datum) -> bytes:
    """The bytes that stand in a package for a value used as it is: text in UTF-8."""
    return datum.encode("utf-8") if isinstance(datum, str) else datum


def _fixed(size: int) -> Callable[[tuple[Size, ...], tuple[int, ...]], Size]:
    return lambda _sizes, _numbers: (size, size)


def _realm(imsi: str, mnc: int) -> str:
    """Home network domain of TS 23.003 13.2, the MNC in three digits."""
    return f"ims.mnc{imsi[MCC_DIGITS : MCC_DIGITS + mnc].zfill(3)}.mcc{imsi[:MCC_DIGITS]}.3gppnetwork.org"


def _impi(imsi: str, mnc: int) -> str:
    return f"{imsi}@{_realm(imsi, mnc)}"


def _uri(value: Datum) -> bytes:
    body = to_bytes(value)
    if len(body) > MAX_TLV_VALUE:
        raise InputError("uri", f"has {len(body)} bytes, {MAX_TLV_VALUE} fit behind one length byte")
    return URI_TAG + bytes((len(body),)) + body


def _opc(ki: bytes, op: bytes) -> bytes:
    if len(ki) != KEY_BYTES or len(op) != KEY_BYTES:
        raise InputError("opc", f"needs a key and an OP of {KEY_BYTES} bytes")
    return opc_from_op(ki, op)


def _padded(value: Datum, size: int) -> bytes:
    return to_bytes(value).ljust(size, b"\xff")


def _object_size(sizes: tuple[Size, ...], numbers: tuple[int, ...]) -> Size:
    shortest, longest = (len(tlv.encode(numbers[0], bytes(size))) for size in sizes[0])
    return shortest, longest


def _longer(extra: int) -> Callable[[tuple[Size, ...], tuple[int, ...]], Size]:
    return lambda sizes, _numbers: (sizes[0][0] + extra, sizes[0][1] + extra)


DERIVATIONS: dict[str, Derivation] = {
    "check_digit": Derivation((DIGITS,), 0, "digits", _longer(1), lambda digits: digits + str(luhn_digit(digits))),
    "iccid_header": Derivation(
        (DIGITS,), 0, "octets", _fixed(ICCID_BYTES), lambda iccid: bytes.fromhex(iccid.ljust(2 * ICCID_BYTES, "F"))
    ),
    "iccid_ef": Derivation(
        (DIGITS,), 0, "octets", _fixed(ICCID_BYTES), lambda iccid: swapped_digits(iccid, ICCID_BYTES)
    ),
    "imsi_ef": Derivation((DIGITS,), 0, "octets", _fixed(IMSI_EF_BYTES), imsi_file),
    "acc": Derivation((DIGITS,), 0, "octets", _fixed(ACC_BYTES), access_class),
    "msisdn": Derivation((WORDS,), 0, "octets", _fixed(MSISDN_BYTES), msisdn_record),
    "impi": Derivation((DIGITS,), 1, "text", _longer(1 + REALM_LENGTH), _impi),
    "impu": Derivation(
        (DIGITS,), 1, "text", _longer(5 + REALM_LENGTH), lambda imsi, mnc: "sip:" + _impi(imsi, mnc)
    ),
    "domain": Derivation((DIGITS,), 1, "text", _fixed(REALM_LENGTH), _realm),
    "ascii": Derivation((WORDS,), 0, "text", _longer(0), lambda digits: digits),
    "uri": Derivation((ANY,), 0, "tlv", _longer(2), _uri),
    "object": Derivation((ANY,), 1, "tlv", _object_size, lambda value, tag: tlv.encode(tag, to_bytes(value))),
    "opc": Derivation((OCTETS, OCTETS), 0, "octets", _fixed(KEY_BYTES), _opc),
    "pin": Derivation((DIGITS,), 0, "octets", _fixed(CODE_BYTES), lambda digits: pin_code("PIN", digits)),
    "puk": Derivation((DIGITS,), 0, "octets", _fixed(CODE_BYTES), lambda digits: puk_code("PUK", digits)),
    "adm": Derivation((WORDS,), 0, "octets", _fixed(CODE_BYTES), lambda text: adm_code("ADM", text)),
    "padded": Derivation(
        (ANY,), 1, "octets", lambda sizes, numbers: (numbers[0], max(numbers[0], sizes[0][1])), _padded
    ),
}
"""By the name that a declaration writes: `impi(imsi, 2)` takes the variable imsi and the length of its MNC."""

LENGTHS_TAKEN: dict[str, Size] = {
    "check_digit": (18, 19),
    "iccid_header": (18, 20),
    "iccid_ef": (18, 20),
    "imsi_ef": (14, 15),
    "acc": (14, 15),
    "impi": (14, 15),
    "impu": (14, 15),
    "domain": (14, 15),
    "pin": (4, 8),
    "puk": (8, 8),
    "opc": (KEY_BYTES, KEY_BYTES),
    "uri": (0, MAX_TLV_VALUE),
}
"""Digits or bytes that the variables of a derivation must be declared within, so that nothing fails later."""
