"""Texts of one cell and the values they spell (ITU-T E.118, E.212, TS 31.102 4.2.2, TS 102 221 9.5.1).

No message shows what stands in the cell.
"""

from __future__ import annotations

from collections.abc import Sequence

from ferryman.errors import InputError
from ferryman.profile.slots import MAX_MSISDN_DIGITS, adm_code, pin_code, puk_code, require_digits
from ferryman.profile.subscriptions.mapping import CODES, Column, FileMapping
from ferryman.profile.subscriptions.weak import is_weak

ICCID_NIBBLES = 20
IMSI_NIBBLES = 16  # EF IMSI without its length octet; with it the text begins 08
CODE_NIBBLES = 16
_HEX = frozenset("0123456789abcdefABCDEF")
_DOUBLED = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))
_REMAINDER = bytes(number % 10 for number in range(256))
_PLAIN = bytes.maketrans(b"0123456789", bytes(range(10)))


def luhn_digit(digits: str) -> str:
    """Check digit that makes `digits` and itself pass the Luhn test (ITU-T E.118, ISO/IEC 7812)."""
    raw = digits.encode("ascii")[::-1]
    return str(-(sum(raw[::2].translate(_DOUBLED)) + sum(raw[1::2].translate(_PLAIN))) % 10)


def luhn_ok(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it."""
    raw = digits.encode("ascii")[::-1]
    return (sum(raw[::2].translate(_PLAIN)) + sum(raw[1::2].translate(_DOUBLED))) % 10 == 0


def all_luhn_ok(texts: Sequence[str]) -> bool:
    """Whether `luhn_ok` holds for each of these, digits only: the digits are summed position by position.

    A position of all numbers is one long integer with a byte for each of them, so that one addition adds to all
    sums; no sum of at most 20 digits exceeds a byte.
    """
    for length in set(map(len, texts)):
        raw = "".join(text for text in texts if len(text) == length).encode("ascii")
        total = 0
        for at in range(length):
            table = _DOUBLED if (length - at) % 2 == 0 else _PLAIN
            total += int.from_bytes(raw[at::length].translate(table))
        sums = total.to_bytes(len(raw) // length)
        if sums.translate(_REMAINDER).strip(b"\0"):
            return False
    return True


def iccid(text: str, column: Column, mapping: FileMapping) -> str:
    """The digits of an ICCID with its check digit; one of 18 digits gets it added."""
    if column.spelling != "digits":
        text = _nibbles("ICCID", text, ICCID_NIBBLES)
        if column.spelling == "swapped":
            text = swap(text)
        text = text.rstrip("F")
    require_digits("ICCID", text, 18 if mapping.check_digit else 19, 20)
    if not text.startswith("89"):
        raise InputError("ICCID", "must begin with 89, the industry identifier of telecommunication")
    if not mapping.check_digit:
        return text
    if len(text) == 18:
        return text + luhn_digit(text)
    if not luhn_ok(text):
        raise InputError("ICCID", "has a wrong check digit")
    return text


def imsi(text: str, column: Column, mapping: FileMapping) -> str:
    """The digits of an IMSI, of one of the operator's networks where these are declared."""
    if column.spelling == "swapped":
        text = _nibbles(
            "IMSI", text[2:] if len(text) == IMSI_NIBBLES + 2 and text[:2] == "08" else text, IMSI_NIBBLES
        )
        turned = swap(text)
        digits = turned[1:].rstrip("F")
        if turned[0] != ("9" if len(digits) % 2 else "1"):
            raise InputError("IMSI", "is not spelled as in EF IMSI: its first nibble does not tell the parity")
        text = digits
    require_digits("IMSI", text, 14, 15)
    if mapping.networks and not text.startswith(mapping.networks):
        raise InputError("IMSI", "is of none of the operator's networks")
    return text


def msisdn(text: str) -> str:
    """A number with or without leading `+`, or nothing."""
    if text:
        require_digits("MSISDN", text.removeprefix("+"), 3, MAX_MSISDN_DIGITS)
    return text


def access_code(text: str, column: Column) -> bytes:
    """A PIN, PUK or ADM code as its eight bytes."""
    name = column.value.upper()
    if column.spelling == "hex" and not name.startswith("ADM"):
        raw = bytes.fromhex(_nibbles(name, text, CODE_NIBBLES))
        try:
            text = raw.rstrip(b"\xff").decode("ascii")
        except UnicodeDecodeError:
            raise InputError(name, "must be digits in ASCII, filled up with FF") from None
    elif column.spelling == "hex":
        return bytes.fromhex(_nibbles(name, text, CODE_NIBBLES))
    if name.startswith("PIN"):
        return pin_code(name, text)
    return puk_code(name, text) if name.startswith("PUK") else adm_code(name, text)


def octets(text: str, size: int) -> bytes:
    """Exactly `size` bytes in hex."""
    if len(text) != 2 * size or set(text) - _HEX:
        raise InputError("key", f"must be exactly {2 * size} hex digits")
    return bytes.fromhex(text)


def ciphered(text: str, column: Column) -> bytes:
    """An encrypted value: as many whole blocks as the clear value fills."""
    block = column.transport.block if column.transport is not None else 1
    return octets(text, -(-column.size // block) * block)


def require_strong(key: bytes, mapping: FileMapping) -> None:
    """Refuse a key that repeats itself or is printed in a specification."""
    if is_weak(key) and not mapping.published_keys:
        raise InputError("key", "is weak: it repeats itself, or is printed in a specification")


def variable(text: str, column: Column) -> bytes:
    """The value of a template's own variable."""
    if column.spelling == "hex":
        if len(text) % 2 or set(text) - _HEX:
            raise InputError(column.value, "must be bytes in hex")
        return bytes.fromhex(text)
    if column.spelling == "digits" and not (text.isascii() and text.isdigit()):
        raise InputError(column.value, "must consist of decimal digits")
    return text.encode("utf-8")


def is_code(column: Column) -> bool:
    """Whether the column is a PIN, PUK or ADM code."""
    return column.value in CODES


def swap(nibbles: str) -> str:
    """The two nibbles of each byte exchanged."""
    return "".join(nibbles[at + 1] + nibbles[at] for at in range(0, len(nibbles), 2))


def _nibbles(name: str, text: str, count: int) -> str:
    if len(text) != count or set(text) - _HEX:
        raise InputError(name, f"must be exactly {count} hex digits")
    return text.upper()
