"""Telephone numbers as the card side codes them (3GPP TS 23.040 9.1.2.5, ETSI TS 102 223 8.1)."""

from __future__ import annotations

import re

from ferryman.codec.ids import swap_nibbles, unswap_nibbles
from ferryman.errors import InputError, PeerError

TON_NPI_INTERNATIONAL = 0x91  # international number, E.164 plan
TON_NPI_UNKNOWN = 0x81  # type not known, E.164 plan: short codes and national numbers
MAX_DIGITS = 20  # TS 23.040 9.1.2.5: address field of at most 12 bytes

_NUMBER = re.compile(r"\+?[0-9]{1,20}")
_TON_MASK, _TON_INTERNATIONAL = 0x70, 0x10


def split_number(number: str, *, field: str = "address") -> tuple[int, str]:
    """Type of address byte and digits of `+33612345678` or `12345` (type unknown); InputError else."""
    if not _NUMBER.fullmatch(number):
        raise InputError(field, f"must be a telephone number of up to {MAX_DIGITS} digits, with + or without")
    if number.startswith("+"):
        return TON_NPI_INTERNATIONAL, number[1:]
    return TON_NPI_UNKNOWN, number


def join_number(ton_npi: int, digits: str) -> str:
    """The text form: `+` in front of an international number."""
    return f"+{digits}" if ton_npi & _TON_MASK == _TON_INTERNATIONAL else digits


def encode_counted(number: str) -> bytes:
    """Digit count, type of address, swapped digits: TP-OA, TP-DA and the TP-DA of SGP.02 tag 81."""
    ton_npi, digits = split_number(number)
    return bytes((len(digits), ton_npi)) + swap_nibbles(digits)


def encode_uncounted(number: str) -> bytes:
    """Type of address and swapped digits: the address object 06/86 of TS 102 223 and SC addresses."""
    ton_npi, digits = split_number(number)
    return bytes((ton_npi,)) + swap_nibbles(digits)


def read_counted(data: bytes, offset: int, *, field: str) -> tuple[str, int, int]:
    """Number, type of address byte and the offset behind the address at `offset` of a TPDU."""
    if offset + 2 > len(data):
        raise PeerError("address cut off", field=field, clause="3GPP TS 23.040 9.1.2.5")
    count, ton_npi = data[offset], data[offset + 1]
    end = offset + 2 + (count + 1) // 2
    if count > MAX_DIGITS or end > len(data):
        raise PeerError(f"address of {count} digits does not fit", field=field, clause="3GPP TS 23.040 9.1.2.5")
    digits = unswap_nibbles(data[offset + 2 : end], field=field)
    if len(digits) != count:
        raise PeerError(f"{len(digits)} digits where {count} are announced", field=field)
    return join_number(ton_npi, digits), ton_npi, end
