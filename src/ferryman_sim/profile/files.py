"""Making files from template defaults, descriptors, patterns and content (profile-package.md 2.2, 2.3)."""

from __future__ import annotations

from .fcp import Fcp, FileEntry, Write
from .filesystem import (
    RECORD_STRUCTURES,
    Directory,
    ElementaryFile,
    Link,
    Node,
    Structure,
    split_path,
)
from .outcome import Abort, Status
from .templates import FileTemplate

DEFAULT_LIFE_CYCLE = 0x05
"""Operational, activated: the default of lcsi."""

DIRECTORY_STRUCTURES = frozenset({Structure.DIRECTORY, Structure.APPLICATION})
BLANK = b"\xff"


def make_directory(fcp: Fcp, file_id: int, parent: Directory | None, *, application: bool) -> Directory:
    """MF, DF or ADF; checks which Fcp fields are demanded and forbidden. Raises Abort (bad values)."""
    wrong = fcp.size is not None or fcp.short_id is not None or fcp.proprietary
    wrong = wrong or fcp.pin_status is None or (fcp.df_name is not None) is not application
    wrong = wrong or (fcp.descriptor is not None and fcp.descriptor.structure != Structure.DIRECTORY)
    if wrong or (application and fcp.file_id is None):
        raise Abort(Status.BAD_VALUES, f"control parameters of directory {file_id:04X}", fcp.offset)
    return Directory(
        file_id=file_id,
        aid=fcp.df_name,
        security=fcp.security or b"",
        life_cycle=DEFAULT_LIFE_CYCLE if fcp.life_cycle is None else fcp.life_cycle,
        pin_status=fcp.pin_status or b"",
        parent=parent,
    )


def make_link(fcp: Fcp, file_id: int) -> Link:
    """Link to another file; linkPath must not be empty. Raises Abort (bad values)."""
    target = split_path(fcp.link or b"")
    if not target or fcp.df_name is not None or fcp.size is not None or fcp.pin_status is not None:
        raise Abort(Status.BAD_VALUES, f"control parameters of link {file_id:04X}", fcp.offset)
    return Link(file_id, target, fcp.short_id[0] >> 3 if fcp.short_id else None, fcp.security or b"")


def make_file(entry: FileEntry, template: FileTemplate | None, file_id: int) -> ElementaryFile:
    """EF with its content. Raises Abort (bad values) when something is missing, forbidden or does not fit."""
    fcp = entry.fcp
    if fcp is not None and (fcp.df_name is not None or fcp.pin_status is not None):
        raise Abort(Status.BAD_VALUES, f"control parameters of EF {file_id:04X}", fcp.offset)
    structure, record = _structure(fcp, template, entry.offset)
    patterned = fcp is not None and (fcp.fill_pattern is not None or fcp.repeat_pattern is not None)
    if template is not None and template.content_required and not entry.writes and not patterned:
        raise Abort(Status.BAD_VALUES, f"{template.name}: content missing", entry.offset)
    if structure is Structure.BER_TLV and patterned:
        raise Abort(Status.BAD_VALUES, "pattern in a BER-TLV file", entry.offset)
    size = _size(entry, template, structure, record)
    content = _default_content(fcp, template, size, record)
    _apply(content, entry.writes, structure)
    if structure is Structure.BER_TLV:
        del content[sum(len(write.data) for write in entry.writes) :]
    return ElementaryFile(
        file_id=file_id,
        structure=structure,
        record=record,
        content=content,
        short_id=_short_id(fcp, template, file_id),
        life_cycle=DEFAULT_LIFE_CYCLE if fcp is None or fcp.life_cycle is None else fcp.life_cycle,
        security=b"" if fcp is None or fcp.security is None else fcp.security,
        special=0 if fcp is None else fcp.special,
        maximum=_maximum(fcp, size, structure),
    )


def overwrite(file: ElementaryFile, writes: tuple[Write, ...]) -> None:
    """Further content for a file that exists already. Raises Abort (bad values) beyond its end."""
    if file.structure is not Structure.BER_TLV:
        _apply(file.content, writes, file.structure)
        return
    for write in writes:
        if write.skip or len(file.content) + len(write.data) > file.maximum:
            raise Abort(Status.BAD_VALUES, "content of a BER-TLV file", write.offset)
        file.content += write.data


def attach(parent: Directory, node: Node, offset: int) -> None:
    """Put a file into its directory. Raises Abort (bad values) when the identifier is taken."""
    if node.file_id in parent.children:
        raise Abort(Status.BAD_VALUES, f"file {node.file_id:04X} exists already", offset)
    parent.children[node.file_id] = node


def _structure(fcp: Fcp | None, template: FileTemplate | None, offset: int) -> tuple[Structure, int]:
    if fcp is not None and fcp.descriptor is not None:
        if fcp.descriptor.structure is Structure.DIRECTORY:
            raise Abort(Status.BAD_VALUES, "directory descriptor on an EF", fcp.offset)
        return fcp.descriptor.structure, fcp.descriptor.record
    if template is None:
        raise Abort(Status.BAD_VALUES, "file descriptor missing", offset)
    if template.structure in RECORD_STRUCTURES and not template.record:
        raise Abort(Status.BAD_VALUES, f"{template.name}: record length missing", offset)
    return template.structure, template.record


def _size(entry: FileEntry, template: FileTemplate | None, structure: Structure, record: int) -> int:
    extent = sum(write.skip + len(write.data) for write in entry.writes)
    if entry.fcp is not None and entry.fcp.size is not None:
        size = entry.fcp.size
    elif template is None:
        raise Abort(Status.BAD_VALUES, "file size missing", entry.offset)
    elif template.size is not None:
        # A new record length keeps the number of records that the template has.
        changed = record and template.record and record != template.record
        size = template.size // template.record * record if changed else template.size
    else:
        size = -(-extent // record) * record if record else extent
    if size == 0 or (record and size % record):
        raise Abort(Status.BAD_VALUES, "file size", entry.offset)
    return size


def _default_content(fcp: Fcp | None, template: FileTemplate | None, size: int, record: int) -> bytearray:
    unit = record or size
    if fcp is not None and fcp.repeat_pattern is not None:
        pattern = fcp.repeat_pattern
        one = (pattern * (unit // len(pattern) + 1))[:unit]
    elif fcp is not None and fcp.fill_pattern is not None:
        one = _stretch(fcp.fill_pattern, unit)
    elif template is not None and template.literal is not None:
        return bytearray(template.literal[:size].ljust(size, BLANK))
    else:
        one = _stretch(template.fill if template is not None else BLANK, unit)
    return bytearray(one * (size // unit))


def _stretch(pattern: bytes, length: int) -> bytes:
    return pattern[:length].ljust(length, pattern[-1:])


def _apply(content: bytearray, writes: tuple[Write, ...], structure: Structure) -> None:
    position = 0
    for write in writes:
        if structure is Structure.BER_TLV and write.skip:
            raise Abort(Status.BAD_VALUES, "fillFileOffset in a BER-TLV file", write.offset)
        position += write.skip
        if position + len(write.data) > len(content):
            raise Abort(Status.BAD_VALUES, "content beyond the end of the file", write.offset)
        content[position : position + len(write.data)] = write.data
        position += len(write.data)


def _short_id(fcp: Fcp | None, template: FileTemplate | None, file_id: int) -> int | None:
    if fcp is not None and fcp.short_id is not None:
        return fcp.short_id[0] >> 3 if fcp.short_id else None
    if template is not None:
        return template.short_id
    return file_id & 0x1F or None  # generic creation: the short identifier follows from the identifier


def _maximum(fcp: Fcp | None, size: int, structure: Structure) -> int:
    if fcp is not None and fcp.maximum is not None:
        return fcp.maximum
    return size if structure is Structure.BER_TLV else 0
