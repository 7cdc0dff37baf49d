"""What the columns of a subscription file are and how each value is spelled: declared by a person, never guessed.

The declaration is a YAML document (docs/subscriptions.md). One spelling is verified by what it must yield: an
ICCID by its check digit and the leading 89, an IMSI by the networks of the operator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ferryman.errors import InputError

MAX_MAPPING_CHARACTERS = 64 << 10
"""A declaration of some dozens of columns has one or two thousand."""

MAX_COLUMNS = 64
"""Columns of one file; the widest deliveries seen have about forty."""

FORMS = ("csv", "card-maker")
SEPARATORS = {",": ",", ";": ";", "tab": "\t", "\t": "\t"}
ALGORITHMS = ("milenage", "tuak", "test", "xor")
CIPHERS = ("aes-ecb", "aes-cbc", "3des-ecb", "3des-cbc")

PUBLIC = ("iccid", "imsi", "msisdn")
OPERATOR_VALUES = ("opc", "op", "topc", "top")
OTA_KEYS = ("kic", "kid", "kik")
CODES = ("pin1", "pin2", "puk1", "puk2", *(f"adm{number}" for number in range(1, 11)))
IGNORED = "ignore"
CHECK_ONLY = "acc"
KNOWN = (*PUBLIC, "ki", *OPERATOR_VALUES, *OTA_KEYS, *CODES, CHECK_ONLY, IGNORED)

SPELLINGS = {
    "iccid": ("digits", "padded", "swapped"),
    "imsi": ("digits", "swapped"),
    "msisdn": ("digits",),
    **dict.fromkeys(CODES, ("digits", "hex")),
    **dict.fromkeys(("ki", *OPERATOR_VALUES, *OTA_KEYS, CHECK_ONLY), ("hex",)),
    IGNORED: ("any",),
}
EXTRA_SPELLINGS = ("hex", "digits", "text")
AES_BLOCK, DES_BLOCK = 16, 8


@dataclass(frozen=True, slots=True)
class Transport:
    """How a column is encrypted: `key` names a transport key of the CryptoServer, `iv` has one block."""

    key: str
    cipher: str
    iv: bytes

    @property
    def block(self) -> int:
        """Block size in bytes."""
        return AES_BLOCK if self.cipher.startswith("aes") else DES_BLOCK


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `name` in the file (upper case), `value` what it is, `size` of a key in bytes."""

    name: str
    value: str
    spelling: str
    size: int = 16
    optional: bool = False
    transport: Transport | None = None

    @property
    def is_key(self) -> bool:
        """Whether the value is key material that must not be weak."""
        return self.value in ("ki", *OTA_KEYS)


@dataclass(frozen=True, slots=True)
class FileMapping:
    """A whole declaration. `networks` are MCC and MNC the IMSIs must begin with; none means any."""

    form: str
    separator: str
    algorithm: str
    columns: tuple[Column, ...]
    check_digit: bool = True
    networks: tuple[str, ...] = ()
    published_keys: bool = False


def _column(name: str, *, optional: bool = False) -> Column:
    value = name.lower()
    spelling = SPELLINGS[value][0]
    return Column(name, value, spelling, optional=optional)


DEFAULT = FileMapping(
    form="csv",
    separator="",  # whichever of , ; TAB the heading has most of
    algorithm="milenage",
    columns=(
        *(_column(name) for name in ("ICCID", "IMSI", "KI", "PIN1", "PUK1", "ADM1", "KIC", "KID", "KIK")),
        *(_column(name, optional=True) for name in ("MSISDN", "OPC", "OP", "PIN2", "PUK2")),
    ),
)
"""Without a declaration: CSV in clear, each column named by its value."""


def read_mapping(text: str) -> FileMapping:
    """Read a declaration. Raises InputError naming the entry and the rule."""
    if len(text) > MAX_MAPPING_CHARACTERS:
        raise InputError("mapping", f"has more than {MAX_MAPPING_CHARACTERS} characters")
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError:
        raise InputError("mapping", "is not well-formed YAML") from None
    entries = _entries("mapping", tree, ("format", "separator", "algorithm", "operator", "check_digit",
                                         "published_keys", "columns"))  # fmt: skip
    form = _choice("format", entries.get("format", "csv"), FORMS)
    columns = entries.get("columns")
    if not isinstance(columns, dict) or not 1 <= len(columns) <= MAX_COLUMNS:
        raise InputError("mapping, columns", f"must name 1 to {MAX_COLUMNS} columns")
    read = tuple(_read_column(str(name), entry) for name, entry in columns.items())
    mapping = FileMapping(
        form=form,
        separator=SEPARATORS[_choice("separator", entries.get("separator", ","), tuple(SEPARATORS))],
        algorithm=_choice("algorithm", entries.get("algorithm", "milenage"), ALGORITHMS),
        columns=read,
        check_digit=_flag("check_digit", entries.get("check_digit", True)),
        networks=_networks(entries.get("operator", [])),
        published_keys=_flag("published_keys", entries.get("published_keys", False)),
    )
    _check_whole(mapping)
    return mapping


def _entries(where: str, tree: Any, known: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(tree, dict):
        raise InputError(where, "must be a mapping of names to values")
    for name in tree:
        if name not in known:
            raise InputError(where, f"entry {name!r} is not known")
    return tree


def _choice(where: str, value: Any, choices: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"mapping, {where}", f"must be one of {', '.join(repr(each) for each in choices)}")
    return value


def _flag(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"mapping, {where}", "must be true or false")
    return value


def _networks(value: Any) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    for each in listed:
        if not (isinstance(each, str) and each.isascii() and each.isdigit() and len(each) in (5, 6)):
            raise InputError(
                "mapping, operator", "must be MCC and MNC as a quoted text of 5 or 6 digits, or a list"
            )
    return tuple(listed)


def _read_column(name: str, entry: Any) -> Column:
    where = f"mapping, column {name}"
    if isinstance(entry, str):
        entry = {"is": entry}
    entries = _entries(where, entry, ("is", "spelling", "bytes", "optional", "key", "cipher", "iv"))
    value = entries.get("is")
    if not isinstance(value, str) or not (value in KNOWN or _is_extra(value)):
        raise InputError(where, "`is` must name a value: " + ", ".join(KNOWN) + " or var.NAME")
    spellings = SPELLINGS.get(value, EXTRA_SPELLINGS)
    spelling = entries.get("spelling", spellings[0] if len(spellings) == 1 else None)
    if spelling not in spellings:
        raise InputError(where, f"`spelling` must be one of {', '.join(spellings)}")
    size = entries.get("bytes", _default_size(value))
    if size not in (16, 24, 32):
        raise InputError(where, "`bytes` must be 16, 24 or 32")
    return Column(
        name=name.upper(),
        value=value,
        spelling=str(spelling),
        size=size,
        optional=_flag(f"column {name}, optional", entries.get("optional", False)),
        transport=_transport(where, value, str(spelling), entries),
    )


def _is_extra(value: str) -> bool:
    name = value.removeprefix("var.")
    return name != value and name.isascii() and name.isidentifier() and len(name) <= 40


def _default_size(value: str) -> int:
    return 32 if value in ("topc", "top") else 16


def _transport(where: str, value: str, spelling: str, entries: Mapping[str, Any]) -> Transport | None:
    key, cipher = entries.get("key"), entries.get("cipher")
    if key is None and cipher is None:
        return None
    if not isinstance(key, str) or not 1 <= len(key) <= 80 or cipher not in CIPHERS:
        raise InputError(where, f"an encrypted column needs `key` and `cipher`, one of {', '.join(CIPHERS)}")
    if spelling != "hex" or value in (CHECK_ONLY, IGNORED):
        raise InputError(where, "only values spelled hex are encrypted")
    block = AES_BLOCK if cipher.startswith("aes") else DES_BLOCK
    try:
        iv = bytes.fromhex(str(entries.get("iv", "00" * block)))
    except ValueError:
        iv = b""
    if len(iv) != block:
        raise InputError(where, f"`iv` must be {block} bytes in hex")
    return Transport(key, cipher, iv)


def _check_whole(mapping: FileMapping) -> None:
    values = [column.value for column in mapping.columns if column.value != IGNORED]
    names = [column.name for column in mapping.columns]
    for name in names:
        if names.count(name) > 1:
            raise InputError("mapping, columns", f"{name} is declared twice")
    for value in values:
        if values.count(value) > 1:
            raise InputError("mapping, columns", f"two columns are declared as {value}")
    for value in ("iccid", "imsi", "ki"):
        if value not in values:
            raise InputError("mapping, columns", f"no column is declared as {value}")
    wanted = {"milenage": ("opc", "op"), "tuak": ("topc", "top")}.get(mapping.algorithm, ())
    given = [value for value in values if value in OPERATOR_VALUES]
    if wanted and (len(given) != 1 or given[0] not in wanted):
        raise InputError("mapping, columns", f"{mapping.algorithm} needs exactly one column {' or '.join(wanted)}")
    if not wanted and given:
        raise InputError("mapping, columns", f"algorithm {mapping.algorithm} has no {given[0]}")
    sizes = {column.value: column.size for column in mapping.columns}
    if mapping.algorithm != "tuak" and sizes["ki"] != 16:
        raise InputError("mapping, columns", f"a Ki of {mapping.algorithm} has 16 bytes")
