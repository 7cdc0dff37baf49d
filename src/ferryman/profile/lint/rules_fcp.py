"""File control parameters by kind of file: what they must and must not have (reference 2.3)."""

from __future__ import annotations

from collections.abc import Iterator

from ferryman.profile.lint.findings import ERROR, WARNING, Rule, Spot, add, rule
from ferryman.profile.lint.view import BER_TLV, DIRECTORY, File, View, octets
from ferryman.profile.template_files import CREATED_BY_DEFAULT

TRANSPARENT, LINEAR_FIXED, CYCLIC = 0x01, 0x02, 0x06
STRUCTURES = {
    TRANSPARENT: "transparent",
    LINEAR_FIXED: "linear fixed",
    CYCLIC: "cyclic",
    DIRECTORY: "directory",
    BER_TLV: "BER-TLV",
}
CODING_BYTE = 0x21
KEY_REFERENCES = frozenset((*range(0x01, 0x09), *range(0x0A, 0x0F), *range(0x81, 0x89), *range(0x8A, 0x8F)))
MAX_RECORD = 255

_SIZE, _SFI, _INFO, _NAME, _PIN = "efFileSize", "shortEFID", "proprietaryEFInfo", "dfName", "pinStatusTemplateDO"
_ID, _DESCRIPTOR, _SECURITY = "fileID", "fileDescriptor", "securityAttributesReferenced"

TEMPLATE_NEEDS = {"adf": (_ID, _NAME, _PIN), "df": (_PIN,)}
GENERIC_NEEDS = {
    "adf": (_ID, _DESCRIPTOR, _SECURITY, _PIN),
    "df": (_ID, _DESCRIPTOR, _SECURITY, _PIN),
    "ef": (_ID, _DESCRIPTOR, _SECURITY, _SIZE),
    "link": (_ID, _SECURITY),
}
FORBIDDEN = {
    "adf": (_SIZE, _SFI, _INFO),
    "df": (_SIZE, _SFI, _INFO, _NAME),
    "ef": (_NAME, _PIN),
    "link": (_NAME, _SIZE, _PIN),
}


def _row(file: File) -> str:
    """Column of the table that a file stands in."""
    if file.link:
        return "link"
    return "df" if file.kind == "mf" else file.kind


def _needs(name: str, column: str, component: str, *, generic: bool) -> Rule:
    def check(view: View) -> Iterator[Spot]:
        for file in view.files:
            applies = file.generic == generic and _row(file) == column and (generic or not view.iot)
            if applies and component not in file.fcp:
                yield Spot(file.index, file.name, f"has no {component}")

    place = "Generic file management" if generic else "A template"
    return Rule(name, ERROR, "2.3", f"{place}: every {column.upper()} has {component}", check)


def _forbids(name: str, column: str, component: str) -> Rule:
    def check(view: View) -> Iterator[Spot]:
        for file in view.files:
            if _row(file) == column and component in file.fcp:
                yield Spot(file.index, file.name, f"has {component}")

    return Rule(name, ERROR, "2.3", f"No {column.upper()} has {component}", check)


for _column, _components in TEMPLATE_NEEDS.items():
    for _one in _components:
        add(_needs(f"fcp-{_column}-needs-{_one}", _column, _one, generic=False))
for _column, _components in GENERIC_NEEDS.items():
    for _one in _components:
        add(_needs(f"gfm-{_column}-needs-{_one}", _column, _one, generic=True))
for _column, _components in FORBIDDEN.items():
    for _one in _components:
        add(_forbids(f"fcp-{_column}-forbids-{_one}", _column, _one))


@rule("fcp-link-forbids-shortEFID", "2.3")
def _(view: View) -> Iterator[Spot]:
    """A link to a DF has no shortEFID."""
    for file in view.files:
        if file.link and file.kind == "df" and _SFI in file.fcp:
            yield Spot(file.index, file.name, "is a link to a DF and has shortEFID")


@rule("fcp-link-path", "2.3")
def _(view: View) -> Iterator[Spot]:
    """A linkPath is a run of file identifiers."""
    for file in view.files:
        path = octets(file.fcp.get("linkPath"))
        if len(path) % 2:
            yield Spot(file.index, file.name, f"linkPath has {len(path)} bytes")


@rule("fcp-adf-id-unique", "2.3")
def _(view: View) -> Iterator[Spot]:
    """The temporary file identifiers of ADFs differ."""
    seen: set[bytes] = set()
    for file in view.files:
        identifier = octets(file.fcp.get(_ID))
        if file.kind == "adf" and identifier:
            if identifier in seen:
                yield Spot(file.index, file.name, f"another ADF has the file ID {identifier.hex().upper()} too")
            seen.add(identifier)


@rule("fd-structure", "2.3")
def _(view: View) -> Iterator[Spot]:
    """The first byte of a file descriptor is one of the known structures."""
    for file in view.files:
        if file.descriptor and (file.structure not in STRUCTURES or file.descriptor[0] & 0x80):
            yield Spot(
                file.index, file.name, f"descriptor {file.descriptor.hex().upper()} is of no known structure"
            )


@rule("fd-coding-byte", "2.3")
def _(view: View) -> Iterator[Spot]:
    """The second byte of a file descriptor is 21."""
    for file in view.files:
        if file.descriptor and file.descriptor[1] != CODING_BYTE:
            yield Spot(
                file.index,
                file.name,
                f"descriptor {file.descriptor.hex().upper()} has no 21 behind its first byte",
            )


@rule("fd-record-length", "2.3")
def _(view: View) -> Iterator[Spot]:
    """A record length of 1 to 255 stands in the descriptor of linear fixed and cyclic files, and of no others."""
    for file in view.files:
        records = file.structure in (LINEAR_FIXED, CYCLIC)
        stated = len(file.descriptor) == 4 and 1 <= file.record <= MAX_RECORD
        if file.structure in STRUCTURES and records != stated and (records or len(file.descriptor) > 2):
            yield Spot(
                file.index,
                file.name,
                f"descriptor {file.descriptor.hex().upper()} and its record length do not fit",
            )


@rule("fd-kind", "2.3")
def _(view: View) -> Iterator[Spot]:
    """A descriptor says directory for MF, DF and ADF, and something else for an EF."""
    for file in view.files:
        known = file.structure in STRUCTURES
        if known and not file.link and (file.structure == DIRECTORY) != file.directory:
            yield Spot(file.index, file.name, f"descriptor says {STRUCTURES[file.structure or 0]}")


@rule("fd-whole-records", "2.3")
def _(view: View) -> Iterator[Spot]:
    """The size of a file with records is a multiple of its record length."""
    for file in view.files:
        if "efFileSize" in file.fcp and file.record and (file.size or 0) % file.record:
            yield Spot(file.index, file.name, f"{file.size} bytes are no multiple of records of {file.record}")


@rule("fcp-file-size-form", "2.3", WARNING)
def _(view: View) -> Iterator[Spot]:
    """efFileSize is written in the fewest bytes."""
    for file in view.files:
        size = octets(file.fcp.get(_SIZE))
        if len(size) > 1 and size[0] == 0:
            yield Spot(file.index, file.name, f"efFileSize {size.hex().upper()} has a leading zero")


@rule("fcp-short-id", "2.3")
def _(view: View) -> Iterator[Spot]:
    """A short file identifier stands in bits 8 to 4, the low three bits are zero."""
    for file in view.files:
        short = octets(file.fcp.get(_SFI))
        if short and (short[0] & 0x07 or short[0] >> 3 in (0, 31)):
            yield Spot(file.index, file.name, f"shortEFID {short.hex().upper()} is none")


@rule("fcp-short-id-unique", "2.3", WARNING)
def _(view: View) -> Iterator[Spot]:
    """Stated short file identifiers differ within a directory."""
    seen: set[tuple[tuple[bytes, ...], bytes]] = set()
    for file in view.files:
        short = octets(file.fcp.get(_SFI))
        key = (file.path[:-1], short)
        if short and not file.directory:
            if key in seen:
                yield Spot(
                    file.index, file.name, f"another file of this directory has shortEFID {short.hex().upper()}"
                )
            seen.add(key)


@rule("fcp-special-information", "2.3")
def _(view: View) -> Iterator[Spot]:
    """specialFileInformation has no other bits than 8 and 7."""
    for file in view.files:
        proprietary = file.fcp.get(_INFO)
        special = octets(proprietary.get("specialFileInformation")) if isinstance(proprietary, dict) else b""
        if special and special[0] & 0x3F:
            yield Spot(file.index, file.name, f"specialFileInformation is {special.hex().upper()}")


@rule("fcp-security-form", "2.3")
def _(view: View) -> Iterator[Spot]:
    """securityAttributesReferenced is a record number, or an EF ARR and a record number."""
    for file in view.files:
        reference = octets(file.fcp.get(_SECURITY))
        if reference and (len(reference) == 2 or reference[-1] == 0):
            yield Spot(file.index, file.name, f"securityAttributesReferenced is {reference.hex().upper()}")


@rule("fcp-pin-status-form", "2.3")
def _(view: View) -> Iterator[Spot]:
    """pinStatusTemplateDO is a bare list of key references, each once, never the C6 wrapper."""
    for file in view.files:
        listed = file.fcp.get(_PIN)
        if isinstance(listed, bytes):
            wrong = not listed or not KEY_REFERENCES.issuperset(listed) or len(set(listed)) != len(listed)
            if wrong:
                yield Spot(
                    file.index,
                    file.name,
                    f"pinStatusTemplateDO {listed.hex().upper()} is no list of key references",
                )


@rule("arr-file-exists", "2.3")
def _(view: View) -> Iterator[Spot]:
    """The EF ARR that securityAttributesReferenced names is created in the directory or above it."""
    for file in view.files:
        reference = octets(file.fcp.get(_SECURITY))
        if len(reference) == 3 and _access_rules(view, file, reference[:2]) is None:
            yield Spot(file.index, file.name, f"there is no EF ARR {reference[:2].hex().upper()} for it")


@rule("arr-record-exists", "2.3")
def _(view: View) -> Iterator[Spot]:
    """The record of EF ARR that securityAttributesReferenced names exists."""
    for file in view.files:
        reference = octets(file.fcp.get(_SECURITY))
        if len(reference) != 3 or reference[2] == 0:
            continue
        rules = _access_rules(view, file, reference[:2])
        if rules is not None and reference[2] > _records(rules):
            yield Spot(file.index, file.name, f"EF ARR has no record {reference[2]}")


def _access_rules(view: View, file: File, identifier: bytes) -> File | None:
    """EF ARR of this identifier in the directory of a file, in the nearest one above, or at the MF."""
    directory = file.path if file.directory else file.path[:-1]
    while True:
        found = view.tree.get((*directory, identifier))
        if found is not None or not directory:
            return found
        directory = directory[:-1]


def _records(rules: File) -> int:
    if not rules.record:
        return MAX_RECORD
    written = len(rules.content or b"")
    size = rules.size if rules.size is not None else written
    return -(-max(size, written) // rules.record)


@rule("link-target-exists", "4")
def _(view: View) -> Iterator[Spot]:
    """A link goes to a file that the package creates."""
    for file in view.files:
        path = octets(file.fcp.get("linkPath"))
        if path and len(path) % 2 == 0:
            target = tuple(path[at : at + 2] for at in range(0, len(path), 2))
            target = target[1:] if target[0] == b"\x3f\x00" else target
            if target not in view.tree and not _by_template(view, target):
                yield Spot(file.index, file.name, f"link goes to {path.hex().upper()}, which is not created")


def _by_template(view: View, target: tuple[bytes, ...]) -> bool:
    """True when the target may be a file that a template creates although no PE names it."""
    directory = view.tree.get(target[:-1])
    return directory is not None and directory.element in CREATED_BY_DEFAULT
