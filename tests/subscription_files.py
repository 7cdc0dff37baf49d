"""Whole subscription files read at once, as the CryptoServer reads them run by run."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ferryman.errors import InputError
from ferryman.profile.subscriptions import DEFAULT, FileMapping, RowReader, read_heading, unpack

ROOMY = replace(DEFAULT, published_keys=True)  # the test sets of 3GPP are their own subject


@dataclass(frozen=True)
class Row:
    """One subscription."""

    line: int
    iccid: str
    imsi: str
    msisdn: str
    secrets: dict[str, bytes]

    def __repr__(self) -> str:
        return f"Row({self.line})"


def read_rows(content: bytes, mapping: FileMapping = DEFAULT, **options: object) -> list[Row]:
    """Rows of a file; InputError for the first that is wrong."""
    heading = read_heading(content, mapping)
    reader = RowReader(mapping, heading, **options)  # type: ignore[arg-type]
    rows = reader.read(content[heading.offset :], heading.lines + 1)
    if rows.problems:
        raise InputError(rows.problems[0].field, rows.problems[0].rule)
    return [
        Row(line, *public, unpack(reader.names, secret))
        for line, public, secret in zip(rows.lines, rows.public, rows.secrets, strict=True)
    ]


def parse_csv(text: str, *, check_digit: bool = True) -> list[Row]:
    """CSV as it is read without a mapping."""
    mapping = DEFAULT if check_digit else replace(DEFAULT, check_digit=False)
    return read_rows(text.encode(), mapping)
