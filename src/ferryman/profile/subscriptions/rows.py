"""Rows of a subscription file, a run of lines at a time.

Every rule is in `_slow`, which names line and column of what is wrong. Runs that are plain are read by `_fast`:
one regular expression over the whole run, then column by column; it gives up on anything unusual, and then `_slow`
decides. Both give the same for what both take.
"""

from __future__ import annotations

import csv
import operator
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ferryman.errors import InputError
from ferryman.profile.derivations import Datum
from ferryman.profile.opc import opc_from_op, topc_from_top
from ferryman.profile.slots import CODE_BYTES, access_class
from ferryman.profile.subscriptions import spelling
from ferryman.profile.subscriptions.heading import Heading
from ferryman.profile.subscriptions.mapping import (
    CHECK_ONLY,
    IGNORED,
    OPERATOR_VALUES,
    PUBLIC,
    Column,
    FileMapping,
)
from ferryman.profile.subscriptions.plain_columns import bounds, pattern
from ferryman.profile.subscriptions.weak import HALF, PUBLISHED
from ferryman.profile.variables import Variable, evaluate

MAX_CELL_CHARACTERS = 128
"""Longest text looked at in one cell; the longest value has 64 hex digits."""

MAX_VALUE = 255
"""Bytes of one secret value: its length is one byte when it is stored."""

_SECOND_HALF = 1 + 2 * HALF  # where the second half of a packed key ends
_PACKED_PUBLISHED = frozenset(bytes((len(key),)) + key for key in PUBLISHED)
_CODE_MARK = chr(CODE_BYTES)

type Opener = Callable[[Column, Sequence[bytes]], list[bytes]]
"""Deciphers values of one encrypted column: as many as given, each with the column's size."""

type Public = tuple[str, str, str]
"""ICCID with check digit, IMSI, MSISDN (may be empty)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row is refused; shows no value. `column` is empty when the row as a whole is wrong."""

    line: int
    column: str
    rule: str

    @property
    def field(self) -> str:
        """Where, in words."""
        return f"line {self.line}, column {self.column}" if self.column else f"line {self.line}"


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one run in order: line numbers, public parts, packed secrets; and the rows that are wrong."""

    lines: Sequence[int]
    public: Sequence[Public]
    secrets: Sequence[bytes] = field(repr=False)
    problems: tuple[Problem, ...] = ()


def unpack(names: Sequence[str], packed: bytes) -> dict[str, bytes]:
    """Values by name from their packed form (length and value of each); an empty one is left out."""
    values: dict[str, bytes] = {}
    at = 0
    for name in names:
        end = at + 1 + packed[at]
        if packed[at]:
            values[name] = packed[at + 1 : end]
        at = end
    if at != len(packed):
        raise ValueError("packed values do not fit their names")
    return values


def pack(values: Sequence[bytes]) -> bytes:
    """Packed form of values, each at most MAX_VALUE bytes."""
    return b"".join(bytes((len(value),)) + value for value in values)


class RowReader:
    """Reads the rows of one file; `names` are the secret values it gives, in the order in which they are packed.

    `needs` are those that a template must have, each in every row; `wants` those that it takes when they are
    there; of others only Ki and OPc are given. Both empty means all that the file has. By `variables`, the
    declarations of the template, every row is checked. Raises InputError when the file has no column for one that
    is needed.
    """

    def __init__(
        self,
        mapping: FileMapping,
        heading: Heading,
        opener: Opener | None = None,
        *,
        needs: Sequence[str] = (),
        wants: Sequence[str] = (),
        variables: Sequence[Variable] = (),
    ) -> None:
        self._mapping = mapping
        self._heading = heading
        self._columns = heading.columns
        self._opener = opener
        taken = (*needs, *wants)
        given = _names(heading.columns, taken)
        for name in needs:
            if name not in given:
                raise InputError("subscription file", f"has no column for {name}, which the template needs")
        self._needs = frozenset(needs)
        self.names = tuple(name for name in given if not taken or name in (*taken, "ki", "opc"))
        self._variables = tuple(variables)
        self._bounds = bounds(self._variables, self._columns)
        self._pattern = pattern(heading) if self._bounds is not None else None

    @property
    def heading(self) -> Heading:
        """The heading that the rows stand under."""
        return self._heading

    def read(self, data: bytes, first_line: int) -> Rows:
        """Whole lines, the first of them with number `first_line`; problems are in the result, none is raised."""
        try:
            text = data.decode("ascii")
        except UnicodeDecodeError:
            text = data.decode("utf-8", "replace")
        else:
            taken = self._fast(text, first_line) if self._pattern is not None else None
            if taken is not None and self._is_begun_right(taken, first_line):
                return taken
        rows = self._slow(text, first_line)
        if self._is_begun_right(rows, first_line):
            return rows
        problem = Problem(rows.lines[0], "", "is not what the header gives as first ICCID and IMSI")
        return Rows(rows.lines, rows.public, rows.secrets, (problem, *rows.problems))

    def _is_begun_right(self, rows: Rows, first_line: int) -> bool:
        """Whether the first row of the file is the one that a card maker's header names."""
        heading = self._heading
        if first_line != heading.lines + 1 or not rows.public:
            return True
        iccid, imsi, _ = rows.public[0]
        return heading.first_iccid in ("", iccid) and heading.first_imsi in ("", imsi)

    # -- column by column -------------------------------------------------------------------------------------

    def _fast(self, text: str, first_line: int) -> Rows | None:
        """None when a line is unusual or wrong, or a key weak."""
        found = self._pattern.findall(text) if self._pattern is not None else []
        if not found or len(found) != text.count("\n") + (not text.endswith("\n")):
            return None
        cells = dict(zip((column.value for column in self._columns), zip(*found, strict=True), strict=True))
        iccids = cells["iccid"]
        if self._mapping.check_digit and not spelling.all_luhn_ok(iccids):
            return None
        networks = self._mapping.networks
        if networks and not all(imsi.startswith(networks) for imsi in cells["imsi"]):
            return None
        if not self._are_within_bounds(cells):
            return None
        parts: dict[str, Sequence[bytes]] = {}
        for column in self._columns:
            if column.value in (*PUBLIC, CHECK_ONLY, IGNORED):
                continue
            part = self._packed(column, cells)
            if part is None:
                return None
            parts[column.value] = part
        lines = range(first_line, first_line + len(found))
        msisdns = cells.get("msisdn", ("",) * len(found))
        rows = Rows(
            lines,
            list(zip(iccids, cells["imsi"], msisdns, strict=True)),
            [b"".join(each) for each in zip(*(parts[name] for name in self.names), strict=True)],
        )
        return None if self._duplicates(rows) else rows

    def _are_within_bounds(self, cells: dict[str, tuple[str, ...]]) -> bool:
        """Whether every value has a length that the template takes."""
        for value, (shortest, longest) in (self._bounds or {}).items():
            lengths = set(map(len, cells[value]))
            if min(lengths) < shortest or max(lengths) > longest:
                return False
        return True

    def _packed(self, column: Column, cells: dict[str, tuple[str, ...]]) -> list[bytes] | None:
        """Length and value of one column of every row."""
        if spelling.is_code(column):
            size = 1 + CODE_BYTES
            codes = cells[column.value]
            lengths = set(map(len, codes))
            if len(lengths) == 1:
                fill = "\xff" * (CODE_BYTES - lengths.pop())
                text = _CODE_MARK + (fill + _CODE_MARK).join(codes) + fill
            else:
                text = _CODE_MARK + _CODE_MARK.join(code.ljust(CODE_BYTES, "\xff") for code in codes)
            joined = text.encode("latin-1")
            return [joined[at : at + size] for at in range(0, len(joined), size)]
        size = 1 + column.size
        mark = f"{column.size:02X}"
        joined = bytes.fromhex(mark + mark.join(cells[column.value]))
        packed = [joined[at : at + size] for at in range(0, len(joined), size)]
        if column.is_key and not self._mapping.published_keys:
            halves = struct.unpack(f"x{HALF}s{HALF}s{size - _SECOND_HALF}x" * len(packed), joined)
            if any(map(operator.eq, halves[::2], halves[1::2])):
                return None
            if not _PACKED_PUBLISHED.isdisjoint(packed):
                return None
        return packed

    # -- row by row -------------------------------------------------------------------------------------------

    def _slow(self, text: str, first_line: int) -> Rows:
        problems: list[Problem] = []
        raw: list[tuple[int, dict[str, str]]] = []
        for line, cells in self._cells(text, first_line, problems):
            if len(cells) != len(self._columns):
                rule = f"has {len(cells)} values, the heading has {len(self._columns)} columns"
                problems.append(Problem(line, "", rule))
                continue
            raw.append((line, dict(zip((column.value for column in self._columns), cells, strict=True))))
        clear = self._deciphered(raw, problems)
        lines: list[int] = []
        public: list[Public] = []
        secrets: list[bytes] = []
        for line, row in raw:
            try:
                part, packed = self._row(line, row, clear)
            except _Wrong as wrong:
                problems.append(wrong.problem)
                continue
            lines.append(line)
            public.append(part)
            secrets.append(packed)
        rows = Rows(lines, public, secrets)
        problems += self._duplicates(rows)
        return Rows(lines, public, secrets, tuple(sorted(problems, key=lambda problem: problem.line)))

    def _cells(self, text: str, first_line: int, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
        """Stripped cells of each line that is neither blank nor a line of stars."""
        separator = self._heading.separator
        for number, line in enumerate(text.split("\n"), start=first_line):
            stripped = line.strip()
            if not stripped or (not separator and not stripped.strip("*")):
                continue
            if not separator:
                yield number, stripped.split()
                continue
            try:
                cells = [cell.strip() for cell in next(csv.reader([line], delimiter=separator, strict=True))]
            except csv.Error:
                problems.append(Problem(number, "", "is not well-formed CSV"))
                continue
            if any(cells):
                yield number, cells

    def _deciphered(
        self, raw: Sequence[tuple[int, dict[str, str]]], problems: list[Problem]
    ) -> dict[tuple[int, str], bytes]:
        """Clear values of encrypted columns by line and value; what cannot be deciphered is left out."""
        clear: dict[tuple[int, str], bytes] = {}
        for column in self._columns:
            if column.transport is None or self._opener is None:
                continue
            places: list[int] = []
            values: list[bytes] = []
            for line, row in raw:
                try:
                    values.append(spelling.ciphered(row[column.value], column))
                except InputError:
                    continue  # refused when its row is looked at
                places.append(line)
            for line, value in zip(places, self._opener(column, values), strict=True):
                clear[line, column.value] = value
        return clear

    def _row(self, line: int, row: dict[str, str], clear: dict[tuple[int, str], bytes]) -> tuple[Public, bytes]:
        mapping = self._mapping
        public = {"iccid": "", "imsi": "", "msisdn": ""}
        values: dict[str, bytes] = {}
        for column in self._columns:
            text = row[column.value]
            try:
                if len(text) > MAX_CELL_CHARACTERS:
                    raise InputError(column.name, "is too long")
                match column.value:
                    case "iccid":
                        public["iccid"] = spelling.iccid(text, column, mapping)
                    case "imsi":
                        public["imsi"] = spelling.imsi(text, column, mapping)
                    case "msisdn":
                        public["msisdn"] = spelling.msisdn(text)
                    case value if value != IGNORED:
                        values[_stored_name(column)] = self._value(line, text, column, clear)
            except InputError as error:
                raise _Wrong(Problem(line, column.name, error.rule)) from None
        self._check_access_class(line, public["imsi"], values)
        _derive(values)
        self._check_variables(line, public, values)
        packed = pack([values.get(name, b"") for name in self.names])
        return (public["iccid"], public["imsi"], public["msisdn"]), packed

    def _value(self, line: int, text: str, column: Column, clear: dict[tuple[int, str], bytes]) -> bytes:
        if not text and column.optional:
            if _stored_name(column) in self._needs:
                raise InputError(column.name, "is empty, and the template needs it")
            return b""
        if spelling.is_code(column) and column.transport is None:
            return spelling.access_code(text, column)
        if column.value.startswith("var.") and column.transport is None:
            return spelling.variable(text, column)
        if column.value == CHECK_ONLY:
            return spelling.octets(text, 2)
        if column.transport is None:
            value = spelling.octets(text, column.size)
        else:
            spelling.ciphered(text, column)
            value = clear[line, column.value]
        if column.is_key:
            spelling.require_strong(value, self._mapping)
        return value

    def _check_access_class(self, line: int, imsi: str, values: dict[str, bytes]) -> None:
        if CHECK_ONLY in values and values[CHECK_ONLY] != access_class(imsi):
            name = next(column.name for column in self._columns if column.value == CHECK_ONLY)
            raise _Wrong(Problem(line, name, "is not the access class of the IMSI"))

    def _check_variables(self, line: int, public: dict[str, str], values: dict[str, bytes]) -> None:
        """Whether the template takes these values: their lengths, their forms, what is made from them."""
        given: dict[str, Datum] = {**public, **{name: value for name, value in values.items() if value}}
        try:
            evaluate(self._variables, given)
        except InputError as error:
            name = next((one.name for one in self._columns if _stored_name(one) == error.field), "")
            rule = error.rule if name else f"{error.field} {error.rule}"
            raise _Wrong(Problem(line, name, rule)) from None

    def _duplicates(self, rows: Rows) -> list[Problem]:
        """Values that stand twice in this run; the database finds those of other runs."""
        problems: list[Problem] = []
        for at, value in enumerate(PUBLIC):
            texts = [public[at] for public in rows.public]
            if len(set(texts)) + texts.count("") - ("" in texts) == len(texts):
                continue
            seen: dict[str, int] = {}
            for line, text in zip(rows.lines, texts, strict=True):
                if text and seen.setdefault(text, line) != line:
                    name = next((column.name for column in self._columns if column.value == value), value)
                    problems.append(Problem(line, name, f"is the same as in line {seen[text]}"))
        return problems


class _Wrong(Exception):
    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.field)


def _derive(values: dict[str, bytes]) -> None:
    """What is stored as `opc`: OPc or TOPc as given or computed; zeros where the algorithm has none."""
    if "op" in values:
        values["opc"] = opc_from_op(values["ki"], values["op"])
    elif "topc" in values:
        values["opc"] = values["topc"]
    elif "top" in values:
        values["opc"] = topc_from_top(values["ki"], values["top"])
    elif "opc" not in values:
        values["opc"] = bytes(len(values["ki"]))


def _stored_name(column: Column) -> str:
    return column.value.removeprefix("var.")


def _names(columns: Sequence[Column], taken: Sequence[str]) -> tuple[str, ...]:
    """Names of the secret values of a row, `opc` among them whatever it comes from; OP and TOP only if `taken`."""
    hidden = {*PUBLIC, *OPERATOR_VALUES, CHECK_ONLY, IGNORED} - {value for value in taken if value != "opc"}
    kept = [_stored_name(column) for column in columns if column.value not in hidden]
    at = kept.index("ki") + 1
    return (*kept[:at], "opc", *kept[at:])
