"""Where the rows of a subscription file begin and what their columns are: CSV, and output files of card makers.

A card maker's file (.inp, .out) has sections that begin with a star: header, input variables, output variables;
`var_out:` and slash-separated names stand before rows separated by blanks (profile-package reference, 9).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass

from ferryman.errors import InputError
from ferryman.profile.subscriptions import spelling
from ferryman.profile.subscriptions.mapping import DEFAULT, Column, FileMapping

MAX_HEADING = 64 << 10
"""Bytes in which a heading must end; the longest seen has two thousand."""

MAX_QUANTITY = 100_000_000
SEPARATORS = ",;\t"


@dataclass(frozen=True, slots=True)
class Heading:
    """`columns` in the order of the file; rows begin `offset` bytes and `lines` lines after its beginning.

    `separator` is empty where blanks separate. `quantity`, `first_iccid` and `first_imsi` are what a card maker's
    header says of the rows (0 and empty where it says nothing).
    """

    columns: tuple[Column, ...]
    separator: str
    offset: int
    lines: int
    quantity: int = 0
    first_iccid: str = ""
    first_imsi: str = ""


@dataclass(frozen=True, slots=True)
class InputVariables:
    """What an input file (.inp) orders: a quantity of cards from a first ICCID and IMSI on."""

    quantity: int
    first_iccid: str
    first_imsi: str


def read_heading(head: bytes, mapping: FileMapping) -> Heading:
    """Read the beginning of a file (at least MAX_HEADING bytes, or all of it). Raises InputError."""
    if not head:
        raise InputError("subscription file", "is empty")
    if mapping.form == "card-maker":
        return _card_maker(head, mapping)
    return _csv(head, mapping)


def read_input_variables(content: bytes) -> InputVariables:
    """Read an input file (.inp) without rows. Raises InputError when it does not say what a range needs."""
    pairs, _, _, _ = _sections(content)
    iccid, imsi = pairs.get("iccid", ""), pairs.get("imsi", "")
    quantity = _quantity(pairs)
    if not (quantity and iccid and imsi):
        raise InputError("input file", "must give Quantity, and ICCID and IMSI among its input variables")
    return InputVariables(quantity, iccid, imsi)


def _csv(head: bytes, mapping: FileMapping) -> Heading:
    offset = lines = 0
    for raw in head.splitlines(keepends=True):
        offset += len(raw)
        lines += 1
        text = _text(raw, lines).removeprefix("\ufeff")
        if text.strip().strip(SEPARATORS):
            break
    else:
        raise InputError("subscription file", "is empty")
    if offset > MAX_HEADING:
        raise InputError(f"line {lines}", "is too long for a heading")
    separator = mapping.separator or max(SEPARATORS, key=text.count)
    try:
        cells = next(csv.reader([text], delimiter=separator, strict=True))
    except csv.Error:
        raise InputError(f"line {lines}", "is not well-formed CSV") from None
    return Heading(_resolve([cell.strip() for cell in cells], mapping, f"line {lines}"), separator, offset, lines)


def _text(raw: bytes, number: int) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        where = "subscription file" if number == 1 else f"line {number}"
        raise InputError(where, "is not UTF-8 text") from None


def _resolve(names: list[str], mapping: FileMapping, where: str) -> tuple[Column, ...]:
    """The declared columns in the order of the file. Names are not secret, so a wrong one is shown."""
    declared = {column.name: column for column in mapping.columns}
    found: list[Column] = []
    for name in (each.upper() for each in names):
        if name not in declared:
            raise InputError(where, f"column {_shown(name)} is not known")
        if declared[name] in found:
            raise InputError(where, f"column {_shown(name)} is there twice")
        found.append(declared[name])
    for column in mapping.columns:
        if not column.optional and column not in found:
            raise InputError(where, f"column {column.name} is missing")
    values = [column.value for column in found]
    if mapping is DEFAULT and ("opc" in values) == ("op" in values):
        raise InputError(where, "needs exactly one of the columns OPC and OP")
    return tuple(found)


def _shown(name: str) -> str:
    """A column name as it may be shown: a file without heading has a secret where a name is expected."""
    plain = name.isascii() and name.replace("_", "").isalnum() and len(name) <= 12 and not name.isdigit()
    return name if plain else "without a usable name"


# -- card makers' files ---------------------------------------------------------------------------------------


def _card_maker(head: bytes, mapping: FileMapping) -> Heading:
    pairs, names, offset, lines = _sections(head)
    if not names:
        raise InputError("subscription file", "has no line `var_out:` with the names of the columns")
    columns = _resolve([name.strip() for name in names.split("/")], mapping, f"line {lines}")
    by_value = {column.value: column for column in columns}
    first_iccid = first_imsi = ""
    if "iccid" in pairs:
        first_iccid = spelling.iccid(pairs["iccid"], by_value["iccid"], mapping)
    if "imsi" in pairs:
        first_imsi = spelling.imsi(pairs["imsi"], by_value["imsi"], mapping)
    return Heading(columns, "", offset, lines, _quantity(pairs), first_iccid, first_imsi)


def _quantity(pairs: dict[str, str]) -> int:
    text = pairs.get("quantity", "0")
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_QUANTITY):
        raise InputError("Quantity", f"must be a number up to {MAX_QUANTITY}")
    return int(text)


def _sections(head: bytes) -> tuple[dict[str, str], str, int, int]:
    """Header and input variables by lower-case name, names after `var_out:`, where rows begin."""
    pairs: dict[str, str] = {}
    offset = lines = 0
    for raw in head.splitlines(keepends=True):
        if offset > MAX_HEADING:
            break
        offset += len(raw)
        lines += 1
        line = _text(raw, lines).removeprefix("\ufeff").strip()
        name, colon, value = line.partition(":")
        key = name.strip().lower()
        if colon and key in ("var_out", "var_out_list"):
            return pairs, value.strip(), offset, lines
        if not line.startswith("*") and colon and key not in ("var_in", "var_in_list"):
            if key in pairs:
                raise InputError(f"line {lines}", f"{_shown(key.upper())} is there twice")
            pairs[key] = value.strip()
    return pairs, "", offset, lines
