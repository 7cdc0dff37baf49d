"""SGP.02 EID: 32 decimal digits whose last two make the whole number 1 modulo 97 (`sgp02-euicc.md` 1.2)."""

from __future__ import annotations

DIGITS = 32
INDIVIDUAL = 12  # digits 19 to 30


def complete(body: str) -> str:
    """The 30 given digits with their two check digits. Raises ValueError for anything but 30 digits."""
    if len(body) != DIGITS - 2 or not body.isascii() or not body.isdigit():
        raise ValueError("an EID has 30 digits before its check digits")
    return f"{body}{98 - int(body + '00') % 97:02d}"


def is_valid(text: str) -> bool:
    """Whether `text` is 32 digits with right check digits."""
    return len(text) == DIGITS and text.isascii() and text.isdigit() and int(text) % 97 == 1


def luhn(body: str) -> str:
    """`body` with its Luhn check digit (ISO/IEC 7812-1), as ICCID and IMEI end."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return f"{body}{-total % 10}"
