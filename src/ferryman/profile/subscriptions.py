"""Subscription files in CSV: one line per SIM, checked as a whole (ITU-T E.118, E.212, TS 35.206, TS 102 221).

A file is taken whole or not at all. Messages name line, column and rule and never show what stands there,
as most columns are secret.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ferryman.errors import InputError
from ferryman.profile.opc import opc_from_op
from ferryman.profile.slots import (
    KEY_BYTES,
    MAX_MSISDN_DIGITS,
    adm_code,
    derive_public,
    pin_code,
    puk_code,
    require_digits,
)

MAX_FILE_CHARACTERS = 64 << 20
"""Characters of one file: 200,000 lines of 300 characters fit; a larger order is several files."""

MAX_ROWS = 200_000
"""Subscriptions of one file, so that one import stays one transaction of reasonable size."""

MAX_CELL_CHARACTERS = 128
"""Longest text looked at in one cell; the longest value has 32 hex digits."""

SEPARATORS = ",;\t"
REQUIRED_COLUMNS = ("ICCID", "IMSI", "KI", "PIN1", "PUK1", "ADM1", "KIC", "KID", "KIK")
OPTIONAL_COLUMNS = ("MSISDN", "OPC", "OP", "PIN2", "PUK2")

_KEY_COLUMNS = ("KI", "KIC", "KID", "KIK")
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class PublicPart:
    """What everybody may see of a subscription: `iccid` with check digit, `imsi`, `msisdn` (may be empty)."""

    iccid: str
    imsi: str
    msisdn: str

    def slots(self) -> dict[str, bytes]:
        """Values for the public slots of a template."""
        return derive_public(self.iccid, self.imsi, self.msisdn)


class SecretPart:
    """Values for the secret slots of a template; shows only their names, compares and copies by value."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, bytes]) -> None:
        self._values = dict(values)

    def slots(self) -> dict[str, bytes]:
        """Values for the secret slots of a template, a new dictionary each time."""
        return dict(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretPart) and self._values == other._values

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return f"SecretPart(<{', '.join(sorted(self._values))}: hidden>)"

    def __reduce__(self) -> str:
        raise TypeError("a SecretPart is not pickled: hand its slots() to the key store")


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """One subscription of a file: the line it stands in (the heading is line 1), its public and secret part."""

    line: int
    public: PublicPart
    secret: SecretPart


def parse_csv(text: str, *, check_digit: bool = True) -> list[SubscriptionRow]:
    """Reads a whole subscription file, or raises InputError for the first thing wrong in it.

    The first line names the columns, in any order and case, separated by `,` `;` or TAB: ICCID, IMSI, KI,
    OPC or OP, PIN1, PUK1, ADM1, KIC, KID, KIK and, as wanted, MSISDN, PIN2, PUK2. An ICCID of 18 digits
    gets its Luhn check digit, one of 19 or 20 must end with the right one; `check_digit=False` takes 19
    or 20 digits as they are. Unknown columns are refused, since nothing would say what became of them.
    """
    lines = _lines(text)
    columns = _columns(next(lines, None))
    seen: dict[str, dict[str, int]] = {"ICCID": {}, "IMSI": {}, "MSISDN": {}}
    rows: list[SubscriptionRow] = []
    for number, cells in lines:
        if len(rows) == MAX_ROWS:
            raise InputError(f"line {number}", f"more than {MAX_ROWS} subscriptions in one file")
        row = _row(number, columns, cells, check_digit)
        for column, value in zip(seen, (row.public.iccid, row.public.imsi, row.public.msisdn), strict=True):
            _refuse_duplicate(seen[column], column, value, number)
        rows.append(row)
    if not rows:
        raise InputError("subscription file", "has no subscription")
    return rows


def luhn_digit(digits: str) -> str:
    """Check digit that makes `digits` and itself pass the Luhn test (ITU-T E.118, ISO/IEC 7812)."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if index % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Numbered rows of stripped cells, without blank lines."""
    if len(text) > MAX_FILE_CHARACTERS:
        raise InputError("subscription file", f"has more than {MAX_FILE_CHARACTERS} characters")
    text = text.removeprefix("\ufeff")
    heading = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(SEPARATORS, key=heading.count)
    reader = csv.reader(text.splitlines(), delimiter=separator, strict=True)
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield reader.line_num, stripped
    except csv.Error:
        raise InputError(f"line {reader.line_num}", "is not well-formed CSV") from None


def _columns(first: tuple[int, list[str]] | None) -> list[str]:
    """Names of the columns in order, upper case. Names are not secret, so a wrong one is shown."""
    if first is None:
        raise InputError("subscription file", "is empty")
    number, cells = first
    names = [cell.upper() for cell in cells]
    where = f"line {number}"
    for name in names:
        if names.count(name) > 1:
            raise InputError(where, f"column {_shown(name)} is there twice")
        if name not in REQUIRED_COLUMNS + OPTIONAL_COLUMNS:
            raise InputError(where, f"column {_shown(name)} is not known")
    missing = [name for name in REQUIRED_COLUMNS if name not in names]
    if missing:
        raise InputError(where, f"column {missing[0]} is missing")
    if ("OPC" in names) == ("OP" in names):
        raise InputError(where, "needs exactly one of the columns OPC and OP")
    return names


def _shown(name: str) -> str:
    """A column name as it may be shown: a file without heading has a secret where a name is expected."""
    plain = name.isascii() and name.replace("_", "").isalnum() and len(name) <= 12 and not name.isdigit()
    return name if plain else "without a usable name"


def _row(number: int, columns: list[str], cells: list[str], check_digit: bool) -> SubscriptionRow:
    if len(cells) != len(columns):
        raise InputError(f"line {number}", f"has {len(cells)} values, the heading has {len(columns)} columns")
    row = dict(zip(columns, cells, strict=True))

    def checked[T](column: str, read: Callable[[str], T]) -> T:
        text = row.get(column, "")
        field = f"line {number}, column {column}"
        if len(text) > MAX_CELL_CHARACTERS:
            raise InputError(field, "is too long")
        try:
            return read(text)
        except InputError as error:
            raise InputError(field, error.rule) from None

    public = PublicPart(
        checked("ICCID", lambda text: _iccid(text, check_digit)),
        checked("IMSI", _imsi),
        checked("MSISDN", _msisdn),
    )
    values = {column.lower(): checked(column, _strong_key) for column in _KEY_COLUMNS}
    if "OPC" in row:
        values["opc"] = checked("OPC", _key)
    else:
        values["opc"] = opc_from_op(values["ki"], checked("OP", _key))
    values["pin1"] = checked("PIN1", lambda text: pin_code("PIN1", text))
    values["puk1"] = checked("PUK1", lambda text: puk_code("PUK1", text))
    values["adm1"] = checked("ADM1", lambda text: adm_code("ADM1", text))
    if row.get("PIN2"):
        values["pin2"] = checked("PIN2", lambda text: pin_code("PIN2", text))
    if row.get("PUK2"):
        values["puk2"] = checked("PUK2", lambda text: puk_code("PUK2", text))
    return SubscriptionRow(number, public, SecretPart(values))


def _refuse_duplicate(seen: dict[str, int], column: str, value: str, number: int) -> None:
    if value and seen.setdefault(value, number) != number:
        raise InputError(f"line {number}, column {column}", f"is the same as in line {seen[value]}")


def _iccid(text: str, check_digit: bool) -> str:
    require_digits("ICCID", text, 18 if check_digit else 19, 20)
    if not text.startswith("89"):
        raise InputError("ICCID", "must begin with 89, the industry identifier of telecommunication")
    if not check_digit:
        return text
    if len(text) == 18:
        return text + luhn_digit(text)
    if luhn_digit(text[:-1]) != text[-1]:
        raise InputError("ICCID", "has a wrong check digit")
    return text


def _imsi(text: str) -> str:
    require_digits("IMSI", text, 14, 15)
    return text


def _msisdn(text: str) -> str:
    if text:
        require_digits("MSISDN", text.removeprefix("+"), 3, MAX_MSISDN_DIGITS)
    return text


def _key(text: str) -> bytes:
    if len(text) != 2 * KEY_BYTES or set(text) - _HEX_DIGITS:
        raise InputError("key", f"must be exactly {2 * KEY_BYTES} hex digits")
    return bytes.fromhex(text)


def _strong_key(text: str) -> bytes:
    key = _key(text)
    if len(set(key)) == 1:
        raise InputError("key", "is weak: all its bytes are equal")
    return key
