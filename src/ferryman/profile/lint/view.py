"""A package as the rules look at it: its file system, applications, PIN contexts and security domains in order.

Built once for all rules. A package under test may be wrong in any way, so nothing here assumes more than the
schema guarantees; contents with slots in them are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from ferryman.codec.saip.package import Package, ProfileElement
from ferryman.codec.saip.tree import as_choice, as_list, as_record, choices
from ferryman.codec.saip.types import Value
from ferryman.profile.files import content_of
from ferryman.profile.template_files import DEFAULT_FILES, FILE_IDS

type Kind = Literal["mf", "adf", "df", "ef"]
type Path = tuple[bytes, ...]

APPLICATIONS = ("usim", "isim", "csim", "iot")
_FILE_ELEMENTS = (
    "mf cd telecom usim opt-usim isim opt-isim phonebook gsm-access csim opt-csim eap df-5gs df-saip df-snpn"
    " df-5gprose iot opt-iot"
)
FILE_ELEMENTS = frozenset(_FILE_ELEMENTS.split())
MF_ID = b"\x3f\x00"
DIRECTORY = 0x38
BER_TLV = 0x39
STRUCTURE = 0x3F
"""Bits of the file descriptor byte that say what a file is (TS 102 221 11.1.1.4.3)."""


@dataclass(frozen=True, slots=True)
class File:
    """One file that a package creates; `path` are file IDs from the MF, the MF's own is empty."""

    index: int
    element: str
    name: str
    kind: Kind
    generic: bool
    fcp: dict[str, Value]
    entries: list[tuple[str, Value]]
    path: Path
    described: bool = True

    @property
    def link(self) -> bool:
        """True for a link to another file."""
        return bool(self.fcp.get("linkPath"))

    @property
    def directory(self) -> bool:
        """True for MF, DF and ADF."""
        return self.kind != "ef"

    @property
    def descriptor(self) -> bytes:
        """File descriptor bytes of the Fcp, empty when it has none."""
        return octets(self.fcp.get("fileDescriptor"))

    @property
    def structure(self) -> int | None:
        """What the descriptor says the file is, None without one."""
        return self.descriptor[0] & STRUCTURE if self.descriptor else None

    @property
    def content(self) -> bytes | None:
        """What is written into it, None when a variable is in it or nothing is written."""
        values = [value for name, value in self.entries if name == "fillFileContent"]
        if not values or not all(isinstance(value, bytes) for value in values):
            return None
        return content_of(self.entries)

    @property
    def record(self) -> int:
        """Record length in bytes, stated or the template's; 0 for files without records."""
        if len(self.descriptor) == 4:
            return int.from_bytes(self.descriptor[2:])
        known = None if self.descriptor or self.generic else DEFAULT_FILES.get(self.element, {}).get(self.name)
        return known.record if known is not None else 0

    @property
    def size(self) -> int | None:
        """Size in bytes, stated or the template's; None when neither is known."""
        stated = octets(self.fcp.get("efFileSize"))
        if stated:
            return int.from_bytes(stated)
        known = None if self.generic else DEFAULT_FILES.get(self.element, {}).get(self.name)
        return known.size if known is not None else None


def octets(value: Value) -> bytes:
    """Bytes of an OCTET STRING, empty for an absent one or a variable."""
    return value if isinstance(value, bytes) else b""


@dataclass(slots=True)
class View:
    """Everything the rules ask for more than once."""

    package: Package
    files: list[File] = field(default_factory=list)
    created: dict[int, list[File]] = field(default_factory=dict)
    contexts: dict[int, Path | None] = field(default_factory=dict)
    owner: dict[int, int | None] = field(default_factory=dict)
    tree: dict[Path, File] = field(default_factory=dict)

    def elements(self, *names: str) -> Iterator[tuple[int, ProfileElement]]:
        """Typed elements of these names with their index."""
        for index, element in enumerate(self.package.elements):
            if element.name in names and element.opaque is None:
                yield index, element

    @property
    def header(self) -> dict[str, Value]:
        """Components of the first profile header, empty when there is none."""
        return next((element.fields for element in self.package.elements if element.name == "header"), {})

    @property
    def services(self) -> frozenset[str]:
        """Mandatory services."""
        return frozenset(as_record(self.header.get("eUICC-Mandatory-services", {})))

    @property
    def iot(self) -> bool:
        """True for an IoT Minimal Profile."""
        return "iotOptions" in self.header

    def file(self, index: int, name: str) -> File | None:
        """The file of an element by its component."""
        return next((each for each in self.created.get(index, []) if each.name == name), None)

    def application_before(self, index: int) -> int | None:
        """Index of the application element that an element belongs to."""
        return self.owner.get(index)


def view_of(package: Package) -> View:
    """Walks a package once."""
    walk = _Walk(View(package))
    for index, element in enumerate(package.elements):
        walk.element(index, element)
    return walk.view


class _Walk:
    """Follows the order in which an eUICC creates files."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._application: int | None = None
        self._adf: Path = ()
        self._context: Path | None = None
        self._directories: set[Path] = {()}

    def element(self, index: int, element: ProfileElement) -> None:
        """Takes the next element."""
        if element.opaque is not None:
            return
        if element.name in APPLICATIONS:
            self._application = index
        self.view.owner[index] = self._application
        created: list[File] = []
        if element.name in FILE_ELEMENTS:
            created = list(self._template(index, element))
        elif element.name == "genericFileManagement":
            created = list(self._generic(index, element))
        elif element.name == "pinCodes":
            self.view.contexts[index] = self._context
        self.view.created[index] = created
        self.view.files += created
        first = next((each for each in created if each.directory), None)
        if first is not None:
            self._context = first.path

    def _template(self, index: int, element: ProfileElement) -> Iterator[File]:
        """Files of a file-creating element; those behind a DF are inside it."""
        base = self._base(element.name)
        here = base
        for name, value in element.fields.items():
            if not isinstance(value, list):
                continue
            kind = _kind(name)
            number = FILE_IDS.get(element.name, {}).get(name, b"")
            for described, fcp, entries in _instances(choices(value)):
                identifier = octets(fcp.get("fileID")) or number
                if kind == "mf":
                    path: Path = ()
                elif kind == "adf":
                    path = (identifier,)
                elif kind == "df":
                    path = (*base, identifier)
                else:
                    path = (*here, identifier)
                if kind != "ef":
                    here = path
                if kind in ("mf", "adf") or (kind == "df" and element.name in ("telecom", "cd") and base == ()):
                    base = path
                if kind == "adf":
                    self._adf = path
                file = File(index, element.name, name, kind, False, fcp, entries, path, described)
                self._keep(file)
                yield file

    def _base(self, name: str) -> Path:
        """Directory in which an element begins."""
        return () if name in ("mf", "cd", "telecom", *APPLICATIONS) else self._adf

    def _generic(self, index: int, element: ProfileElement) -> Iterator[File]:
        """Files of generic file management: created in the current directory, which filePath selects."""
        for number, command in enumerate(as_list(element.fields["fileManagementCMD"])):
            here: Path = self._context or ()
            current: list[tuple[str, Value]] | None = None
            for name, value in choices(command):
                if name == "filePath":
                    here = _split(octets(value))
                    if here in self._directories or not here:
                        self._context = here
                    current = None
                elif name == "createFCP":
                    fcp = as_record(value)
                    kind = _generic_kind(fcp)
                    identifier = octets(fcp.get("fileID"))
                    path = () if kind == "mf" else (identifier,) if kind == "adf" else (*here, identifier)
                    current = []
                    label = f"fileManagementCMD[{number}].{identifier.hex().upper()}"
                    file = File(index, element.name, label, kind, True, fcp, current, path)
                    if kind != "ef":
                        here = path
                    self._keep(file)
                    yield file
                elif current is not None:
                    current.append((name, value))

    def _keep(self, file: File) -> None:
        self.view.tree.setdefault(file.path, file)
        if file.directory:
            self._directories.add(file.path)


def _kind(name: str) -> Kind:
    if name == "mf":
        return "mf"
    return "adf" if name.startswith("adf-") else "df" if name.startswith("df-") else "ef"


def _generic_kind(fcp: dict[str, Value]) -> Kind:
    """What a generic creation creates; without a descriptor, what its other components make of it."""
    if octets(fcp.get("fileID")) == MF_ID:
        return "mf"
    descriptor = octets(fcp.get("fileDescriptor"))
    if descriptor and descriptor[0] & STRUCTURE != DIRECTORY:
        return "ef"
    if "dfName" in fcp:
        return "adf"
    return "df" if descriptor or "pinStatusTemplateDO" in fcp else "ef"


def _instances(
    entries: list[tuple[str, Value]],
) -> Iterator[tuple[bool, dict[str, Value], list[tuple[str, Value]]]]:
    """Whether it is described, Fcp and contents of every instance of a file; one not created is none."""
    if any(name == "doNotCreate" for name, _ in entries):
        return
    described, fcp, contents = False, dict[str, Value](), list[tuple[str, Value]]()
    for name, value in entries:
        if name == "fileDescriptor":
            if described or contents:
                yield described, fcp, contents
            described, fcp, contents = True, as_record(value), []
        else:
            contents.append((name, value))
    yield described, fcp, contents


def _split(path: bytes) -> Path:
    return tuple(path[at : at + 2] for at in range(0, len(path), 2))


def link_target(file: File) -> Path:
    """The path a link names."""
    return _split(octets(file.fcp.get("linkPath")))


def codes(element: ProfileElement) -> list[dict[str, Value]]:
    """PINs of a PE-PINCodes or PUKs of a PE-PUKCodes; none when it shares another context's."""
    value = element.fields["pukCodes" if element.name == "pukCodes" else "pinCodes"]
    if isinstance(value, tuple):
        kind, value = as_choice(value)
        if kind != "pinconfig":
            return []
    return [as_record(item) for item in as_list(value)]
