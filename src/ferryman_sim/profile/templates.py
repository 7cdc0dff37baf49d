"""Catalogue of profile elements and file templates (profile-package.md 1.1, 1.4, 2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from . import template_tables as tables
from .filesystem import Structure

TEMPLATE_ARC = (2, 23, 143, 1, 2)
"""Object identifiers of templates are this arc, a number and an optional version."""

Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ElementKind:
    """One alternative of ProfileElement: its name, template number (0 = no files) and first format version."""

    name: str
    template: int
    since: Version


@dataclass(frozen=True, slots=True)
class FileTemplate:
    """One field of a file element.

    record: bytes a record (0 = transparent, or to come from the package). size: bytes (None = from the package).
    fill: bytes written once a record, the last one repeated to its end. literal: exact default content.
    content_required: the package has to bring content.
    """

    name: str
    tag: int
    mandatory: bool
    file_id: int | None
    structure: Structure
    record: int
    size: int | None
    short_id: int | None
    fill: bytes
    literal: bytes | None
    content_required: bool


_V2 = (2, 0)
ELEMENTS: MappingProxyType[int, ElementKind] = MappingProxyType(
    {
        0xA0: ElementKind("header", 0, _V2),
        0xA1: ElementKind("genericFileManagement", 0, _V2),
        0xA2: ElementKind("pinCodes", 0, _V2),
        0xA3: ElementKind("pukCodes", 0, _V2),
        0xA4: ElementKind("akaParameter", 0, _V2),
        0xA5: ElementKind("cdmaParameter", 0, _V2),
        0xA6: ElementKind("securityDomain", 0, _V2),
        0xA7: ElementKind("rfm", 0, _V2),
        0xA8: ElementKind("application", 0, _V2),
        0xA9: ElementKind("nonStandard", 0, _V2),
        0xAA: ElementKind("end", 0, _V2),
        0xB0: ElementKind("mf", 1, _V2),
        0xB1: ElementKind("cd", 2, _V2),
        0xB2: ElementKind("telecom", 3, _V2),
        0xB3: ElementKind("usim", 4, _V2),
        0xB4: ElementKind("opt-usim", 5, _V2),
        0xB5: ElementKind("isim", 8, _V2),
        0xB6: ElementKind("opt-isim", 9, _V2),
        0xB7: ElementKind("phonebook", 6, _V2),
        0xB8: ElementKind("gsm-access", 7, _V2),
        0xB9: ElementKind("csim", 10, _V2),
        0xBA: ElementKind("opt-csim", 11, _V2),
        0xBB: ElementKind("eap", 12, (2, 2)),
        0xBC: ElementKind("df-5gs", 13, (2, 3)),
        0xBD: ElementKind("df-saip", 14, (2, 3)),
        0xBE: ElementKind("df-snpn", 15, (3, 3)),
        0xBF1F: ElementKind("df-5gprose", 16, (3, 3)),
        0xBF20: ElementKind("iot", 17, (3, 3)),
        0xBF21: ElementKind("opt-iot", 18, (3, 3)),
    }
)

TEMPLATE_VERSIONS: MappingProxyType[int, int] = MappingProxyType(
    {1: 1, 2: 1, 3: 3, 4: 2, 5: 4, 6: 1, 7: 1, 8: 1, 9: 3, 10: 2, 11: 2, 12: 1, 13: 4, 14: 1, 15: 2, 16: 2}
    | {17: 1, 18: 1}
)
"""Highest version of each template this card knows; version 1 has no suffix in the object identifier."""

CREATED_BY_DEFAULT = frozenset({1, 4, 8, 10, 17})
"""Templates whose files exist unless the package says doNotCreate."""

_TABLES: dict[int, str] = {
    1: tables.MF,
    2: tables.CD,
    3: tables.TELECOM,
    4: tables.USIM,
    5: tables.OPT_USIM,
    6: tables.PHONEBOOK,
    7: tables.GSM_ACCESS,
    8: tables.ISIM,
    9: tables.OPT_ISIM,
    10: tables.CSIM,
    11: tables.OPT_CSIM,
    12: tables.EAP,
    13: tables.DF_5GS,
    14: tables.DF_SAIP,
    15: tables.DF_SNPN,
    16: tables.DF_5GPROSE,
    17: tables.IOT,
    18: tables.OPT_IOT,
}

_STRUCTURES = {
    "D": Structure.DIRECTORY,
    "A": Structure.APPLICATION,
    "T": Structure.TRANSPARENT,
    "L": Structure.LINEAR,
    "C": Structure.CYCLIC,
    "B": Structure.BER_TLV,
}


def template_number(oid: tuple[int, ...]) -> tuple[int, int] | None:
    """(number, version) of a template known here, else None."""
    if oid[:5] != TEMPLATE_ARC or len(oid) not in (6, 7):
        return None
    number, version = oid[5], oid[6] if len(oid) == 7 else 1
    if not 1 <= version <= TEMPLATE_VERSIONS.get(number, 0) or (len(oid) == 7 and version == 1):
        return None
    return number, version


def dotted(oid: tuple[int, ...]) -> str:
    """Object identifier as text with dots."""
    return ".".join(map(str, oid))


@lru_cache(maxsize=256)
def template_fields(number: int, template_version: int, version: Version) -> tuple[FileTemplate, ...]:
    """Fields of a file element in wire order for one format version; their tags start at A2."""
    rows = [row for row in _TABLES[number].splitlines() if row]
    fields: list[FileTemplate] = []
    for row in rows:
        bound, _, rest = row.rpartition(":")
        if bound and not _in_range(bound, version):
            continue
        fields.append(_parse_row(rest, len(fields) + 2, number, template_version))
    return tuple(fields)


def _in_range(bound: str, version: Version) -> bool:
    major, _, minor = bound.lstrip("<>=").partition(".")
    limit = (int(major), int(minor))
    return version < limit if bound.startswith("<") else version >= limit


def _parse_row(row: str, index: int, number: int, template_version: int) -> FileTemplate:
    cells = [*row.split(), "-", "-", "-"]
    name, file_id, kind, size, short_id, content = cells[0], cells[1], cells[2], cells[3], cells[4], cells[5]
    known_size = int(size) if size != "-" else None
    if number == 4 and template_version >= 2 and name == "ef-ust*":
        known_size = 17  # the only size that template 4.2 changed
    literal = bytes.fromhex(content[1:]) if content.startswith("=") else None
    fill = bytes.fromhex(content[:-1]) if content.endswith("+") else b"\xff"
    return FileTemplate(
        name=name.removesuffix("*"),
        tag=0xA0 | index if index < 31 else 0xBF00 | index,
        mandatory=name.endswith("*"),
        file_id=int(file_id, 16) if file_id != "-" else None,
        structure=_STRUCTURES[kind[0]],
        record=int(kind[1:] or "0"),
        size=known_size,
        short_id=int(short_id, 16) if short_id != "-" else None,
        fill=fill,
        literal=literal,
        content_required=content == "!",
    )
