"""Plain files: every cell in clear, digits or hexadecimal, so that one regular expression reads a run of lines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ferryman.profile.slots import CODE_BYTES
from ferryman.profile.subscriptions import spelling
from ferryman.profile.subscriptions.heading import Heading
from ferryman.profile.subscriptions.mapping import OTA_KEYS, Column
from ferryman.profile.variables import BYTES, Variable

type Bounds = Mapping[str, tuple[int, int]]
"""Shortest and longest text of a column, by what it is; only where a plain cell may be outside of them."""

CELLS: Mapping[str, tuple[str, int, int]] = {
    "iccid": ("89[0-9]{17,18}", 19, 20),
    "imsi": ("[0-9]{14,15}", 14, 15),
    "msisdn": (r"(?:\+?[0-9]{3,15})?", 0, 16),
    "pin1": ("[0-9]{4,8}", 4, 8),
    "pin2": ("[0-9]{4,8}", 4, 8),
    "puk1": ("[0-9]{8}", 8, 8),
    "puk2": ("[0-9]{8}", 8, 8),
    "adm1": ("[0-9]{4,8}", 4, 8),
}
"""Cells of digits: as a regular expression, and how long they are."""

KEYS = ("ki", "opc", *OTA_KEYS)


def pattern(heading: Heading) -> re.Pattern[str] | None:
    """A line whose every cell is plain: in clear, digits or hex, nothing left out but an MSISDN."""
    if not heading.separator or "opc" not in [column.value for column in heading.columns]:
        return None
    cells: list[str] = []
    for column in heading.columns:
        plain = CELLS.get(column.value)
        if column.transport is not None or column.value not in (*CELLS, *KEYS):
            return None
        if plain is not None and column.spelling != "digits":
            return None
        cells.append(f"({plain[0]})" if plain is not None else f"([0-9A-Fa-f]{{{2 * column.size}}})")
    return re.compile("^" + re.escape(heading.separator).join(cells) + "\r?$", re.ASCII | re.MULTILINE)


def bounds(variables: Sequence[Variable], columns: Sequence[Column]) -> Bounds | None:
    """What else has to be looked at in plain cells so that a template takes them; None: each row by itself."""
    by_name = {column.value: column for column in columns}
    found: dict[str, tuple[int, int]] = {}
    for variable in variables:
        column = by_name.get(variable.name)
        if variable.derived is not None:
            continue  # what it is made from has the lengths that it takes: `derivations.LENGTHS_TAKEN`
        if column is None and (variable.name == "msisdn" or variable.default is None) and variable.minimum:
            return None
        if column is not None and column.value in CELLS and not _as_bytes(variable, column):
            if variable.kind not in (("text",) if column.value == "msisdn" else ("digits", "text")):
                return None
            _, shortest, longest = CELLS[column.value]
            if variable.minimum > shortest or variable.maximum < longest:
                found[column.value] = (variable.minimum, variable.maximum)
        elif column is not None:
            size = CODE_BYTES if spelling.is_code(column) else column.size
            if variable.kind not in ("hex", "octets") or not variable.minimum <= size <= variable.maximum:
                return None
    return found


def _as_bytes(variable: Variable, column: Column) -> bool:
    """Whether a code enters as its eight bytes, not as digits."""
    return spelling.is_code(column) and variable.kind in BYTES
