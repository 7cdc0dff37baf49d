"""Ranges: ICCIDs and IMSIs one after the other from a first one on (ITU-T E.118, E.212)."""

from __future__ import annotations

from dataclasses import dataclass

from ferryman.errors import InputError
from ferryman.profile.slots import MAX_MSISDN_DIGITS, require_digits
from ferryman.profile.subscriptions.rows import Public
from ferryman.profile.subscriptions.spelling import luhn_digit, luhn_ok

MAX_COUNT = 10_000_000
"""Subscriptions of one range; the numbers left below an operator's prefix are rarely more."""

ICCID_BODY = 18  # digits of an ICCID without its check digit
MCC_MNC = 5  # digits that no range may run into


@dataclass(frozen=True, slots=True)
class SubscriberRange:
    """`count` subscriptions: `iccid` and `imsi` of the first, `msisdn` of the first or empty."""

    iccid: str
    imsi: str
    msisdn: str
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_COUNT:
            raise InputError("count", f"must be between 1 and {MAX_COUNT}")
        require_digits("first ICCID", self.iccid, ICCID_BODY, ICCID_BODY + 1)
        if not self.iccid.startswith("89"):
            raise InputError("first ICCID", "must begin with 89")
        if len(self.iccid) > ICCID_BODY and not luhn_ok(self.iccid):
            raise InputError("first ICCID", "has a wrong check digit")
        require_digits("first IMSI", self.imsi, 14, 15)
        if self.msisdn:
            require_digits("first MSISDN", self.msisdn.removeprefix("+"), 3, MAX_MSISDN_DIGITS)
        last = self.count - 1
        if (
            _added(self.iccid[:ICCID_BODY], last)[:2] != "89"
            or len(_added(self.iccid[:ICCID_BODY], last)) > ICCID_BODY
        ):
            raise InputError("count", "the ICCIDs run over")
        if _added(self.imsi, last)[:MCC_MNC] != self.imsi[:MCC_MNC] or len(_added(self.imsi, last)) > len(
            self.imsi
        ):
            raise InputError("count", "the IMSIs run into another network")
        if self.msisdn and len(_added(self.msisdn.removeprefix("+"), last)) > len(self.msisdn.removeprefix("+")):
            raise InputError("count", "the MSISDNs run over")

    def part(self, start: int, count: int) -> list[Public]:
        """Subscriptions number `start` (from 0) to `start + count`, at most to the end of the range."""
        found: list[Public] = []
        sign = "+" if self.msisdn.startswith("+") else ""
        for number in range(start, min(start + count, self.count)):
            body = _added(self.iccid[:ICCID_BODY], number)
            msisdn = sign + _added(self.msisdn.removeprefix("+"), number) if self.msisdn else ""
            found.append((body + luhn_digit(body), _added(self.imsi, number), msisdn))
        return found


def _added(digits: str, number: int) -> str:
    return f"{int(digits) + number:0{len(digits)}d}"
