"""Files and what is written into them: templates, contents, generic file management (reference 2.1 to 2.4)."""

from __future__ import annotations

from collections.abc import Iterator

from ferryman.codec import tlv
from ferryman.codec.saip.tree import as_list, as_record, choices
from ferryman.errors import PeerError
from ferryman.profile.lint.findings import WARNING, Spot, rule
from ferryman.profile.lint.view import BER_TLV, File, View, octets
from ferryman.profile.template_files import CREATED_BY_DEFAULT

TEMPLATE_ARC = "2.23.143.1.2."
TEMPLATE_NUMBERS = {
    "mf": 1,
    "cd": 2,
    "telecom": 3,
    "usim": 4,
    "opt-usim": 5,
    "phonebook": 6,
    "gsm-access": 7,
    "isim": 8,
    "opt-isim": 9,
    "csim": 10,
    "opt-csim": 11,
    "eap": 12,
    "df-5gs": 13,
    "df-saip": 14,
    "df-snpn": 15,
    "df-5gprose": 16,
    "iot": 17,
    "opt-iot": 18,
}
"""Last arc of the template's object identifier; a version may follow it."""


@rule("template-of-element", "2.1")
def _(view: View) -> Iterator[Spot]:
    """templateID is one of the element's own templates."""
    for index, element in view.elements(*TEMPLATE_NUMBERS):
        identifier = element.fields.get("templateID")
        number = str(TEMPLATE_NUMBERS[element.name])
        if isinstance(identifier, str):
            arcs = identifier.removeprefix(TEMPLATE_ARC).split(".")
            if not identifier.startswith(TEMPLATE_ARC) or arcs[0] != number or len(arcs) > 2:
                yield Spot(index, "templateID", f"{identifier} is no template of this element")


@rule("template-listed", "2.1", WARNING)
def _(view: View) -> Iterator[Spot]:
    """A template that is used stands in eUICC-Mandatory-GFSTEList."""
    listed = as_list(view.header.get("eUICC-Mandatory-GFSTEList", []))
    for index, element in view.elements(*TEMPLATE_NUMBERS):
        if element.mandated and element.fields.get("templateID") not in listed:
            yield Spot(index, "templateID", "is not in eUICC-Mandatory-GFSTEList")


@rule("file-not-created", "2.1")
def _(view: View) -> Iterator[Spot]:
    """doNotCreate stands only where a template creates its files by default."""
    for index, element in view.elements(*TEMPLATE_NUMBERS):
        for name, value in element.fields.items():
            if (
                isinstance(value, list)
                and ("doNotCreate", None) in value
                and element.name not in CREATED_BY_DEFAULT
            ):
                yield Spot(index, name, "says doNotCreate in a template that creates nothing by default")


@rule("file-id-unique", "2.1")
def _(view: View) -> Iterator[Spot]:
    """No two files of a directory have the same file identifier."""
    seen: dict[tuple[bytes, ...], File] = {}
    for file in view.files:
        if file.kind == "adf" or file.element == "eap" or not file.path or not file.path[-1]:
            continue
        if file.path in seen:
            yield Spot(
                file.index, file.name, f"its directory has the file ID {file.path[-1].hex().upper()} already"
            )
        seen[file.path] = file


@rule("file-one-pattern", "2.2")
def _(view: View) -> Iterator[Spot]:
    """A file has a fill pattern or a repeat pattern, not both."""
    for file in view.files:
        proprietary = as_record(file.fcp.get("proprietaryEFInfo", {}))
        if "fillPattern" in proprietary and "repeatPattern" in proprietary:
            yield Spot(file.index, file.name, "has a fill pattern and a repeat pattern")


@rule("file-ber-tlv-filling", "2.2")
def _(view: View) -> Iterator[Spot]:
    """A BER-TLV file is filled by one run of TLVs, without offset or pattern."""
    for file in view.files:
        if file.structure != BER_TLV:
            continue
        proprietary = as_record(file.fcp.get("proprietaryEFInfo", {}))
        if any(name == "fillFileOffset" for name, _ in file.entries):
            yield Spot(file.index, file.name, "has an offset")
        if proprietary.keys() & {"fillPattern", "repeatPattern"}:
            yield Spot(file.index, file.name, "has a pattern")


@rule("file-ber-tlv-content", "2.2")
def _(view: View) -> Iterator[Spot]:
    """The content of a BER-TLV file is a run of TLVs."""
    for file in view.files:
        written = [value for name, value in file.entries if name == "fillFileContent"]
        if file.structure == BER_TLV and all(isinstance(value, bytes) for value in written):
            try:
                tlv.parse(b"".join(octets(value) for value in written))
            except PeerError:
                yield Spot(file.index, file.name, "holds something that is no TLV")


@rule("file-content-fits", "4")
def _(view: View) -> Iterator[Spot]:
    """What is written into a file fits its size."""
    for file in view.files:
        size, content = file.size, file.content
        if size is not None and content is not None and not file.link and len(content) > size:
            yield Spot(file.index, file.name, f"{len(content)} bytes are written, the file has {size}")


@rule("gfm-path", "2.4")
def _(view: View) -> Iterator[Spot]:
    """A filePath is a run of file identifiers that names a directory created before."""
    for index, element in view.elements("genericFileManagement"):
        for command in as_list(element.fields["fileManagementCMD"]):
            for name, value in choices(command):
                if name != "filePath" or not isinstance(value, bytes):
                    continue
                path = tuple(value[at : at + 2] for at in range(0, len(value), 2))
                known = view.tree.get(path)
                found = not path or (known is not None and known.directory and known.index <= index)
                if len(value) % 2 or not found:
                    yield Spot(index, "filePath", f"{value.hex().upper()} is no directory created before")


@rule("gfm-content-has-file", "2.4")
def _(view: View) -> Iterator[Spot]:
    """Contents follow the creation of the file that they are for."""
    for index, element in view.elements("genericFileManagement"):
        for command in as_list(element.fields["fileManagementCMD"]):
            created = False
            for name, _ in choices(command):
                created = name == "createFCP" or (created and name != "filePath")
                if name in ("fillFileContent", "fillFileOffset") and not created:
                    yield Spot(index, "fileManagementCMD", "fills no file that it creates")
                    break
