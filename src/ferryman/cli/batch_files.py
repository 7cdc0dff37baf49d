"""Rows of a batch of orders from a CSV file: read twice, looked at whole before the first one is taken."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from ferryman.codec.ids import EID, ICCID
from ferryman.contracts.batches import BatchRow
from ferryman.errors import InputError, PeerError

COLUMNS = ("EID", "ICCID", "PROFILE_TYPE")
MAX_PROBLEMS = 20  # lines that are named; a file with more of them has one fault in every line
MAX_LINE = 4_096  # characters


def digest(path: Path) -> str:
    """What the batch knows its file by; behind `check`, which says when it cannot be read."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def check(path: Path, *, profile_type: str) -> int:
    """How many rows there are. Raises InputError naming the lines that are wrong."""
    problems: list[str] = []
    count = 0
    for line, row in _lines(path):
        count += 1
        if (problem := _problem(row, profile_type)) and len(problems) < MAX_PROBLEMS:
            problems.append(f"line {line}: {problem}")
    if problems:
        raise InputError(str(path), "; ".join(problems))
    if not count:
        raise InputError(str(path), "has no rows")
    return count


def rows(path: Path) -> Iterator[BatchRow]:
    """The rows in their order."""
    for _, row in _lines(path):
        yield row


def _lines(path: Path) -> Iterator[tuple[int, BatchRow]]:
    csv.field_size_limit(MAX_LINE)
    with _opened(path) as file:
        reader = csv.reader(file, strict=True)
        try:
            names = [name.strip().upper() for name in next(reader, [])]
            if "EID" not in names or len(set(names)) != len(names) or not set(names) <= set(COLUMNS):
                raise InputError(str(path), f"must begin with the names of its columns: {', '.join(COLUMNS)}")
            for values in reader:
                if not values:
                    continue  # an empty line
                if len(values) != len(names):
                    raise InputError(
                        str(path), f"line {reader.line_num}: {len(values)} values, {len(names)} columns"
                    )
                found = dict(zip(names, (value.strip() for value in values), strict=True))
                row = BatchRow(found["EID"], found.get("ICCID", ""), found.get("PROFILE_TYPE", ""))
                yield reader.line_num, row
        except (csv.Error, UnicodeDecodeError) as problem:
            raise InputError(str(path), f"line {reader.line_num + 1}: is no CSV: {problem}") from None


def _problem(row: BatchRow, profile_type: str) -> str:
    try:
        if not EID.parse(row.eid).check_digits_ok:
            return "the check digits of the EID are wrong"
        if row.iccid:
            ICCID.parse(row.iccid)
    except (PeerError, InputError) as problem:
        return str(problem)
    if row.iccid and row.profile_type:
        return "has an ICCID and a profile type; one of them is enough"
    return "" if row.iccid or row.profile_type or profile_type else "has neither ICCID nor profile type"


def _opened(path: Path) -> TextIO:
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as problem:
        raise InputError(str(path), f"cannot be read: {problem.strerror}") from None
