"""Subscription lists as an operator or card maker hands them over: CSV with a header line, any case and
order.

Columns: ICCID, IMSI, MSISDN, KI (or K), OPC or OP; others are ignored. Separator: comma, semicolon or tab.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from ferryman_sim.hlr.milenage import BLOCK, opc_from_op

_ALIASES = {"k": "ki"}
_SEPARATORS = ",;\t"
IMSI_LENGTHS = range(6, 16)  # E.212: MCC, MNC and at least one digit; at most 15


class SubscriptionError(ValueError):
    """The list is no good; the text names line and column but never a value."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What the home network knows of one USIM; `repr` shows no key."""

    iccid: str
    imsi: str
    msisdn: str
    ki: bytes
    opc: bytes

    def __repr__(self) -> str:
        return f"Subscription(imsi={self.imsi!r}, msisdn={self.msisdn!r})"


def read(text: str) -> list[Subscription]:
    """All subscriptions of a CSV text. Raises SubscriptionError."""
    lines = text.removeprefix("\ufeff")
    header = lines.splitlines()[0] if lines.strip() else ""
    separator = max(_SEPARATORS, key=header.count)
    rows = csv.reader(io.StringIO(lines), delimiter=separator)
    names = [_ALIASES.get(name.strip().lower(), name.strip().lower()) for name in next(rows, [])]
    missing = [name for name in ("imsi", "ki") if name not in names]
    if not {"opc", "op"} & set(names):
        missing.append("opc")
    if missing:
        raise SubscriptionError(f"the header line lacks {', '.join(name.upper() for name in missing)}")
    found = []
    for row in rows:
        if any(cell.strip() for cell in row):
            fields = {name: cell.strip() for name, cell in zip(names, row, strict=False)}
            found.append(_subscription(fields, rows.line_num))
    return found


def _subscription(fields: dict[str, str], line: int) -> Subscription:
    imsi = fields.get("imsi", "")
    if not imsi.isdigit() or len(imsi) not in IMSI_LENGTHS:
        raise SubscriptionError(f"line {line}: IMSI is not 6 to 15 digits")
    msisdn = fields.get("msisdn", "").removeprefix("+")
    if msisdn and not msisdn.isdigit():
        raise SubscriptionError(f"line {line}: MSISDN is not digits")
    ki = _key(fields.get("ki", ""), "KI", line)
    if fields.get("opc"):
        opc = _key(fields["opc"], "OPC", line)
    else:
        opc = opc_from_op(ki, _key(fields.get("op", ""), "OP", line))
    return Subscription(fields.get("iccid", ""), imsi, msisdn, ki, opc)


def _key(text: str, column: str, line: int) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError as error:
        raise SubscriptionError(f"line {line}: {column} is not hexadecimal") from error
    if len(key) != BLOCK:
        raise SubscriptionError(f"line {line}: {column} has not {BLOCK} bytes")
    return key
