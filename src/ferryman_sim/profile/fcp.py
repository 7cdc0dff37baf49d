"""File control parameters and content of a file in a package (profile-package.md 1.4, 2.2, 2.3)."""

from __future__ import annotations

from dataclasses import dataclass

from .der import Fields, MalformedDer, Tlv, UnknownField
from .filesystem import RECORD_STRUCTURES, Structure
from .outcome import Abort, Status
from .templates import Version

PROPRIETARY_SINCE: Version = (3, 0)
"""First format version with maximumFileSize and fileDetails."""

MAX_PATTERN = 200
"""Bytes of a fill or repeat pattern."""

MAX_FILE_SIZE = 0xFFFF
"""Bytes of one file; the size field of a real card's FCP has two bytes for this class of files."""

MAX_SIZE_BYTES = 4
"""Bytes of a file size integer that are read before the limit above is applied."""

_STRUCTURE_BITS = {
    0x01: Structure.TRANSPARENT,
    0x02: Structure.LINEAR,
    0x06: Structure.CYCLIC,
    0x38: Structure.DIRECTORY,
    0x39: Structure.BER_TLV,
}
_SHAREABLE = 0x40
_CODING_BYTE = 0x21


@dataclass(frozen=True, slots=True)
class Descriptor:
    """File descriptor: structure and bytes a record (0 without records)."""

    structure: Structure
    record: int


@dataclass(frozen=True, slots=True)
class Fcp:
    """Parsed Fcp; None = field absent. link: empty = explicitly no link. offset: of the Fcp in its element."""

    offset: int
    descriptor: Descriptor | None
    file_id: int | None
    df_name: bytes | None
    life_cycle: int | None
    security: bytes | None
    size: int | None
    pin_status: bytes | None
    short_id: bytes | None
    proprietary: bool
    special: int
    fill_pattern: bytes | None
    repeat_pattern: bytes | None
    maximum: int | None
    link: bytes | None


@dataclass(frozen=True, slots=True)
class Write:
    """One step of filling a file: skip bytes from the current position, then write bytes."""

    skip: int
    data: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a File list: its Fcp (None = template defaults) and content. do_not_create excludes the rest."""

    fcp: Fcp | None
    writes: tuple[Write, ...]
    do_not_create: bool
    offset: int


def parse_descriptor(item: Tlv) -> Descriptor:
    """ETSI TS 102 221 11.1.1.4.3, with 2 bytes, or 4 when there are records. Raises Abort."""
    value = item.octets(2, 4)
    structure = _STRUCTURE_BITS.get(value[0] & ~_SHAREABLE)
    records = structure in RECORD_STRUCTURES
    if structure is None or value[1] != _CODING_BYTE or len(value) != (4 if records else 2):
        raise Abort(Status.BAD_VALUES, "file descriptor", item.body_offset)
    record = int.from_bytes(value[2:])
    if records and not 1 <= record <= 0xFF:
        raise Abort(Status.BAD_VALUES, "record length", item.body_offset)
    return Descriptor(structure, record)


def parse_fcp(item: Tlv, version: Version) -> Fcp:
    """Fcp from its TLV (tag A1, or 62 in generic file management). Raises MalformedDer, UnknownField, Abort."""
    fields = Fields(item)
    descriptor = fields.optional(0x82)
    file_id = fields.optional(0x83)
    df_name = fields.optional(0x84)
    life_cycle = fields.optional(0x8A)
    security = fields.optional(0x8B)
    size = fields.optional(0x80)
    pin_status = fields.optional(0xC6)
    short_id = fields.optional(0x88)
    proprietary = fields.optional(0xA5)
    link = fields.optional(0xC7)
    fields.finish()
    special, fill, repeat, maximum = _parse_proprietary(proprietary, version)
    return Fcp(
        offset=item.offset,
        descriptor=parse_descriptor(descriptor) if descriptor else None,
        file_id=int.from_bytes(file_id.octets(2)) if file_id else None,
        df_name=df_name.octets(5, 16) if df_name else None,
        life_cycle=life_cycle.octets(1)[0] if life_cycle else None,
        security=security.octets(1, 3) if security else None,
        size=_parse_size(size) if size else None,
        pin_status=pin_status.value if pin_status else None,
        short_id=_parse_short_id(short_id) if short_id else None,
        proprietary=proprietary is not None,
        special=special,
        fill_pattern=fill,
        repeat_pattern=repeat,
        maximum=maximum,
        link=_parse_link(link) if link else None,
    )


def _parse_size(item: Tlv) -> int:
    # A leading zero byte breaks "minimal length", but the packages that a real card installed have one.
    size = int.from_bytes(item.octets(1, MAX_SIZE_BYTES))
    if size > MAX_FILE_SIZE:
        raise Abort(Status.BAD_VALUES, "file size", item.body_offset)
    return size


def _parse_short_id(item: Tlv) -> bytes:
    value = item.octets(0, 1)
    if value and (value[0] & 0x07 or not value[0]):
        raise Abort(Status.BAD_VALUES, "short file identifier", item.body_offset)
    return value


def _parse_link(item: Tlv) -> bytes:
    if len(item.value) % 2:
        raise Abort(Status.BAD_VALUES, "link path", item.body_offset)
    return item.value


def _parse_proprietary(item: Tlv | None, version: Version) -> tuple[int, bytes | None, bytes | None, int | None]:
    if item is None:
        return 0, None, None, None
    fields = Fields(item)
    special = fields.optional(0xC0)
    fill = fields.optional(0xC1)
    repeat = fields.optional(0xC2)
    maximum = details = None
    if version >= PROPRIETARY_SINCE:
        maximum = fields.optional(0x86)
        details = fields.optional(0x84)
    fields.finish()
    if fill and repeat:
        raise Abort(Status.BAD_VALUES, "fill and repeat pattern together", repeat.offset)
    if special and special.octets(1)[0] & 0x3F:
        raise Abort(Status.BAD_VALUES, "special file information", special.body_offset)
    if details and details.octets(1) != b"\x01":
        raise Abort(Status.BAD_VALUES, "file details", details.body_offset)
    return (
        special.value[0] if special else 0,
        fill.octets(1, MAX_PATTERN) if fill else None,
        repeat.octets(1, MAX_PATTERN) if repeat else None,
        _parse_size(maximum) if maximum else None,
    )


def parse_offset(item: Tlv) -> int:
    """fillFileOffset. Raises MalformedDer."""
    value = item.integer()
    if value > 0xFFFF:
        raise MalformedDer("fillFileOffset above 65535", item.body_offset)
    return value


def parse_file(item: Tlv, version: Version) -> tuple[FileEntry, ...]:
    """File: a list of doNotCreate 80, fileDescriptor A1, fillFileOffset 82, fillFileContent 83.

    Every further fileDescriptor begins another file. Raises MalformedDer, UnknownField, Abort.
    """
    entries: list[FileEntry] = []
    fcp: Fcp | None = None
    writes: list[Write] = []
    started = None
    skip = 0
    for element in item.children():
        if element.tag == 0x80:
            if element.value:
                raise MalformedDer("NULL with content", element.offset)
            if len(item.children()) != 1:
                raise Abort(Status.BAD_VALUES, "doNotCreate beside other content", element.offset)
            return (FileEntry(None, (), True, element.offset),)
        if element.tag == 0xA1:
            if started is not None:
                entries.append(FileEntry(fcp, tuple(writes), False, started))
            fcp, writes, skip = parse_fcp(element, version), [], 0
            started = element.offset
        elif element.tag == 0x82:
            skip += parse_offset(element)
        elif element.tag == 0x83:
            writes.append(Write(skip, element.value, element.body_offset))
            skip = 0
        else:
            raise UnknownField(element.offset)
        started = element.offset if started is None else started
    if started is not None or not entries:
        entries.append(FileEntry(fcp, tuple(writes), False, item.offset if started is None else started))
    return tuple(entries)
