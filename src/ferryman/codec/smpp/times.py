"""Times in SMPP texts: relative ones to send (SMPP v3.4 clause 7.1.1.2), dates in receipts (appendix B)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ferryman.errors import InputError

MAX_RELATIVE: Final = 31 * 86_400  # seconds: days have two digits and end at 31; months differ in length
_DATE_FORMATS: Final = {10: ("%y%m%d%H%M",), 12: ("%y%m%d%H%M%S", "%Y%m%d%H%M"), 14: ("%Y%m%d%H%M%S",)}


def relative_time(seconds: int) -> str:
    """A relative time `YYMMDDhhmmss000R` for 1 to 2,678,400 seconds from now. Raises InputError outside."""
    if not 1 <= seconds <= MAX_RELATIVE:
        raise InputError("relative time", f"is 1 to {MAX_RELATIVE} seconds")
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"0000{day:02}{hour:02}{minute:02}{second:02}000R"


def receipt_date(text: str) -> datetime | None:
    """A receipt's date of 10, 12 or 14 digits in the SMSC's own (unnamed) zone, or None if it is none.

    Twelve digits end in seconds, unless only the reading with a four-digit year makes a date.
    """
    if not (text.isascii() and text.isdecimal()):
        return None
    for form in _DATE_FORMATS.get(len(text), ()):
        try:
            return datetime.strptime(text, form)  # the zone is not in the text
        except ValueError:
            continue
    return None
