"""Declared variables of a template: their types, where their values come from, and the values of one subscription.

A declaration is a map: `type` (digits, hex, octets, text, tlv) with `length` (a number or `4..8`: digits for
digits, bytes for the others, of text in UTF-8), or `derive` (a derivation of other variables); `secret`,
`default`, `source` (the column of an import file, else the name in capitals), `sample` (a value to check the
template with).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ferryman.codec import tlv
from ferryman.errors import InputError, PeerError
from ferryman.profile.derivations import DERIVATIONS, LENGTHS_TAKEN, MNC_DIGITS, Datum, Derivation, Kind, to_bytes

MAX_VARIABLES = 512
MAX_LENGTH = 65535
"""Bytes of one variable; what is written into one file at once."""

KINDS: tuple[Kind, ...] = ("digits", "hex", "octets", "text", "tlv")
BYTES = frozenset(("hex", "octets", "tlv"))
SHORTEST_OBJECT = 2
"""Bytes of a data object without a value: tag and length."""

RULE = "variable-tlv"
"""Id of the rule that a value brings data objects only where its declaration says so (`lint.rules_variables`)."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LENGTH = re.compile(r"([0-9]{1,5})(?:\.\.([0-9]{1,5}))?")
_DERIVE = re.compile(r"([a-z_]+)\(([A-Za-z0-9_, ]*)\)")
_NUMBER = re.compile(r"[0-9]{1,5}|0x[0-9A-Fa-f]{2,6}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_KEYS = frozenset(("type", "length", "secret", "default", "source", "derive", "sample"))


@dataclass(frozen=True, slots=True)
class Derived:
    """How a variable is made: the derivation's name, the variables it takes, and its numbers."""

    function: str
    variables: tuple[str, ...]
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable; `minimum` and `maximum` count digits, or bytes. The default is not shown."""

    name: str
    kind: Kind
    minimum: int
    maximum: int
    secret: bool = False
    source: str = ""
    default: str | None = None
    derived: Derived | None = None
    sample: str | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        return f"Variable({self.name}: {self.kind}, {self.minimum}..{self.maximum}{', secret' * self.secret})"


def declared(document: Any) -> dict[str, Variable]:
    """The variables of a map of declarations, in an order in which each stands behind those it is made from.

    Raises InputError naming the variable and the rule.
    """
    if not isinstance(document, dict) or len(document) > MAX_VARIABLES:
        raise InputError("variables", f"must be a map of at most {MAX_VARIABLES} declarations")
    for name, entry in document.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InputError("variables", f"{str(name)[:40]!r} is no name (lower-case letters, digits, _)")
        if not isinstance(entry, dict) or not all(key in _KEYS for key in entry):
            raise InputError(
                f"variable {name}", f"must be a map with no other keys than {', '.join(sorted(_KEYS))}"
            )
    found: dict[str, Variable] = {}
    for name in document:
        _declare(name, document, found, ())
    return found


def _declare(
    name: str, document: Mapping[str, Any], found: dict[str, Variable], under: tuple[str, ...]
) -> Variable:
    """Declares a variable and before it those it is made from."""
    if name in found:
        return found[name]
    if name in under:
        raise InputError(f"variable {name}", "is made from itself")
    entry = document.get(name)
    if entry is None:
        raise InputError(f"variable {under[-1]}", f"is made from {name}, which is not declared")
    if "derive" in entry:
        found[name] = _derived(name, entry, document, found, (*under, name))
    else:
        found[name] = _given(name, entry)
    return found[name]


def _given(name: str, entry: Mapping[str, Any]) -> Variable:
    kind, place = entry.get("type"), f"variable {name}"
    if kind not in KINDS:
        raise InputError(place, f"type must be one of {', '.join(KINDS)}")
    minimum, maximum = _length(entry.get("length"), place)
    if kind == "tlv" and 0 < minimum < SHORTEST_OBJECT:
        raise InputError(place, "length must be 0 or 2 at least: a data object has a tag and a length")
    secret, source, default = entry.get("secret", False), entry.get("source", name.upper()), entry.get("default")
    if not isinstance(secret, bool):
        raise InputError(place, "secret must be true or false")
    if not isinstance(source, str) or not source:
        raise InputError(place, "source must be the name of a column")
    sample = entry.get("sample")
    for word, text in (("default", default), ("sample", sample)):
        if text is not None and not isinstance(text, str):
            raise InputError(place, f"{word} must be text (in quotes where it is digits only)")
    variable = Variable(name, kind, minimum, maximum, secret, source, default, None, sample)
    for text in (default, sample):
        if text is not None:
            read(variable, text)
    return variable


def _length(value: Any, place: str) -> tuple[int, int]:
    found = _LENGTH.fullmatch(str(value)) if isinstance(value, int | str) else None
    minimum = int(found[1]) if found else -1
    maximum = int(found[2] or found[1]) if found else -1
    if not 0 <= minimum <= maximum <= MAX_LENGTH or maximum == 0:
        raise InputError(place, "length must be a number or two as in 4..8")
    return minimum, maximum


def _derived(
    name: str,
    entry: Mapping[str, Any],
    document: Mapping[str, Any],
    found: dict[str, Variable],
    under: tuple[str, ...],
) -> Variable:
    place = f"variable {name}"
    if entry.keys() - {"derive", "secret"}:
        raise InputError(place, "has a derivation and so no type, length, default or source of its own")
    written = entry["derive"]
    parsed = _DERIVE.fullmatch(written) if isinstance(written, str) else None
    rule = DERIVATIONS.get(parsed[1]) if parsed else None
    if parsed is None or rule is None:
        raise InputError(place, f"derive must be one of {', '.join(DERIVATIONS)} with its variables in brackets")
    arguments = [word.strip() for word in parsed[2].split(",")]
    if len(arguments) != len(rule.takes) + rule.numbers:
        raise InputError(place, f"{parsed[1]} takes {len(rule.takes)} variables and {rule.numbers} numbers")
    sources = [_declare(word, document, found, under) for word in arguments[: len(rule.takes)]]
    numbers = _numbers(parsed[1], arguments[len(rule.takes) :], place)
    _check_sources(parsed[1], rule, sources, place)
    minimum, maximum = rule.size(tuple((one.minimum, one.maximum) for one in sources), numbers)
    secret = any(one.secret for one in sources)
    if entry.get("secret", secret) is not secret:
        raise InputError(place, "is as secret as what it is made from")
    derived = Derived(parsed[1], tuple(one.name for one in sources), numbers)
    filled_up = parsed[1] == "padded" and sources[0].kind == "tlv"
    return Variable(name, "tlv" if filled_up else rule.gives, minimum, maximum, secret, derived=derived)


def _numbers(function: str, words: list[str], place: str) -> tuple[int, ...]:
    if not all(_NUMBER.fullmatch(word) for word in words):
        raise InputError(place, f"{function} takes a number behind its variables")
    numbers = tuple(int(word, 16 if word.startswith("0x") else 10) for word in words)
    if function == "object" and not _is_tag(numbers[0]):
        raise InputError(place, f"{words[0]} is not the tag of a data object (0x80, 0x5F20)")
    if function in ("impi", "impu", "domain") and numbers[0] not in MNC_DIGITS:
        raise InputError(place, "an MNC has 2 or 3 digits")
    return numbers


def _is_tag(number: int) -> bool:
    try:
        return tlv.parse_one(tlv.encode(number, b""), number).tag == number
    except PeerError:
        return False


def _check_sources(function: str, rule: Derivation, sources: list[Variable], place: str) -> None:
    for taken, one in zip(rule.takes, sources, strict=True):
        if one.kind not in taken:
            raise InputError(place, f"{function} takes {' or '.join(sorted(taken))}, {one.name} is {one.kind}")
        low, high = LENGTHS_TAKEN.get(function, (0, MAX_LENGTH))
        if one.minimum < low or one.maximum > high:
            raise InputError(place, f"{function} takes a length of {low}..{high}, {one.name} has another")


def read(variable: Variable, text: str) -> Datum:
    """The value of a variable from the text of an import file or default. Raises InputError without showing it."""
    if variable.kind in BYTES:
        try:
            value: Datum = bytes.fromhex(text)
        except ValueError:
            raise InputError(variable.name, "must be hexadecimal") from None
    else:
        value = text
    return checked(variable, value)


def checked(variable: Variable, value: Datum) -> Datum:
    """The value in its kind's form, or InputError. Bytes for digits and text are UTF-8, FF behind them padding."""
    if isinstance(value, bytes) and variable.kind in ("hex", "octets"):
        if variable.minimum <= len(value) <= variable.maximum:  # nearly always
            return value
    elif isinstance(value, bytes) and variable.kind != "tlv":
        try:
            value = value.rstrip(b"\xff").decode("utf-8")
        except UnicodeDecodeError:
            raise InputError(variable.name, f"is not {variable.kind}") from None
    if isinstance(value, str) and variable.kind in BYTES:
        return read(variable, value)
    if (
        variable.kind == "digits"
        and value
        and not (isinstance(value, str) and value.isascii() and value.isdigit())
    ):
        raise InputError(variable.name, "must consist of decimal digits")
    size = len(to_bytes(value))
    if not variable.minimum <= size <= variable.maximum:
        unit = "digits" if variable.kind == "digits" else "bytes"
        amount = f"{variable.minimum} to {variable.maximum}"
        amount = str(variable.minimum) if variable.minimum == variable.maximum else amount
        raise InputError(variable.name, f"must have {amount} {unit}, has {size}")
    if variable.kind == "tlv":
        _require_objects(variable.name, to_bytes(value))
    elif variable.kind == "text" and _CONTROL.search(str(value)):
        raise InputError(variable.name, "must be text, without control characters")
    return value


def _require_objects(name: str, value: bytes) -> None:
    """A value that is declared as data objects is whole ones and nothing behind them."""
    try:
        tlv.parse(value)
    except PeerError:
        raise InputError(name, f"must be whole data objects and nothing behind them [{RULE}]") from None


def evaluate(variables: Iterable[Variable], given: Mapping[str, Datum]) -> dict[str, bytes]:
    """Bytes of every variable, derived ones included; `variables` are in the order of `declared`.

    Raises InputError naming a variable without a value or with one that does not fit.
    """
    values: dict[str, Datum] = {}
    for variable in variables:
        derived = variable.derived
        if derived is None:
            value = given.get(variable.name, variable.default)
            if value is None:
                raise InputError(variable.name, "the template needs it, the subscription does not have it")
            values[variable.name] = checked(variable, value)
        else:
            rule = DERIVATIONS[derived.function]
            values[variable.name] = rule.make(*(values[name] for name in derived.variables), *derived.numbers)
    return {name: to_bytes(value) for name, value in values.items()}


def fields(variables: Iterable[Variable]) -> tuple[Variable, ...]:
    """The variables that come from outside: what an import file or the platform must give."""
    return tuple(variable for variable in variables if variable.derived is None)


def needed(variables: Mapping[str, Variable], used: Iterable[str]) -> dict[str, Variable]:
    """The `used` variables and those they are made from, in the order of `variables`."""
    wanted: set[str] = set()
    waiting = list(used)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            derived = variables[name].derived
            waiting += derived.variables if derived is not None else ()
    return {name: variable for name, variable in variables.items() if name in wanted}
