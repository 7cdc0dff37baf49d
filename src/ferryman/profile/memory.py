"""How many bytes of an ISD-P a profile takes (ES3.CreateISDP RequiredMemory, SGP.02 5.4.3).

The sum of what its files, keys and applications store, and a fixed amount for each of them, because every file
and object of a card has a header. Cards round differently: the SM-DP adds its own margin.
"""

from __future__ import annotations

from ferryman.codec.saip.der import Place
from ferryman.codec.saip.encoder import encode_content, fixed_size
from ferryman.codec.saip.package import Package, ProfileElement
from ferryman.codec.saip.schema import schema_for
from ferryman.codec.saip.tree import as_list, as_record, choices
from ferryman.codec.saip.types import Mixed, Slot, Value
from ferryman.profile.template_files import CREATED_BY_DEFAULT, DEFAULT_FILES

FILE_OVERHEAD = 64
"""Bytes of a card's own for each file: descriptor, access rules, links."""

OBJECT_OVERHEAD = 32
"""Bytes of a card's own for each PIN, key, application instance and entry of the registry."""

BLOCK = 4
"""Bytes that content is rounded up to."""

MOST = 1 << 32
"""What one stated size counts at most: no card has more, and the sum stays a number that can be stored."""

_FILES = ("ef-", "df-", "adf-")


def required_memory(package: Package) -> int:
    """Bytes that the profile needs on the card, without any margin. Slots count with their longest value."""
    total = 0
    for element in package.elements:
        if element.opaque is not None:
            total += _rounded(len(element.opaque)) + OBJECT_OVERHEAD
        elif element.name == "genericFileManagement":
            total += sum(_commands(as_list(command)) for command in as_list(element.fields["fileManagementCMD"]))
        elif element.name == "application":
            total += _application(element)
        elif any(_is_file(name, value) for name, value in element.fields.items()):
            total += _file_element(element)
        else:
            total += _encoded(package, element)
    return total


def _is_file(name: str, value: Value) -> bool:
    return isinstance(value, list) and (name == "mf" or name.startswith(_FILES))


def _rounded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _length(value: Value) -> int:
    """Bytes of content; a slot has its longest."""
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, Slot):
        return value.maximum
    return sum(_length(part) for part in value.parts) if isinstance(value, Mixed) else 0


def _file_element(element: ProfileElement) -> int:
    """The files of a template: those named, and those the card creates besides."""
    defaults = DEFAULT_FILES.get(element.name, {})
    total = 0
    for name, value in element.fields.items():
        if _is_file(name, value):
            known = defaults.get(name)
            total += _file(choices(value), known.size if known is not None else None)
    if element.name in CREATED_BY_DEFAULT:
        for name, known in defaults.items():
            if name not in element.fields:
                total += _rounded(known.size or 0) + FILE_OVERHEAD
    return total


def _file(entries: list[tuple[str, Value]], default: int | None) -> int:
    if any(name == "doNotCreate" for name, _ in entries):
        return 0
    fcps = [as_record(value) for name, value in entries if name == "fileDescriptor"] or [{}]
    content = sum(_written(entry) for entry in entries)
    sizes = [_stated(fcp) for fcp in fcps]
    if sizes == [None]:
        sizes = [max(default or 0, content)]
    return sum(_rounded(size or 0) + FILE_OVERHEAD for size in sizes)


def _commands(command: list[Value]) -> int:
    """One list of generic file management: each created file with its size, or with what is written into it."""
    total = 0
    stated: int | None = 0
    content = 0
    for entry in choices(command):
        if entry[0] == "createFCP":
            total += _rounded(content) if stated is None else 0
            stated, content = _stated(as_record(entry[1])), 0
            total += FILE_OVERHEAD + _rounded(stated or 0)
        else:
            content += _written(entry)
    return total + (_rounded(content) if stated is None else 0)


def _written(entry: tuple[str, Value]) -> int:
    name, value = entry
    if name == "fillFileOffset" and isinstance(value, int):
        return value
    return _length(value) if name == "fillFileContent" else 0


def _stated(fcp: dict[str, Value]) -> int | None:
    """Bytes that the Fcp asks for: 0 for a link, None when it states none."""
    if fcp.get("linkPath"):
        return 0
    proprietary = as_record(fcp.get("proprietaryEFInfo", {}))
    sizes = (fcp.get("efFileSize"), proprietary.get("maximumFileSize"))
    found = [min(int.from_bytes(size), MOST) for size in sizes if isinstance(size, bytes) and size]
    return max(found) if found else None


def _application(element: ProfileElement) -> int:
    """A load block with its limits, and its instances."""
    block = as_record(element.fields.get("loadBlock", {}))
    limits = sum(
        min(int.from_bytes(value), MOST)
        for name in ("nonVolatileCodeLimitC6", "nonVolatileDataLimitC8")
        if isinstance(value := block.get(name), bytes)
    )
    code = max(_length(block.get("loadBlockObject", b"")), limits)
    instances = as_list(element.fields.get("instanceList", []))
    data = sum(sum(_length(item) for item in as_list(as_record(one).get("processData", []))) for one in instances)
    return _rounded(code) + _rounded(data) + OBJECT_OVERHEAD * (1 + len(instances))


def _encoded(package: Package, element: ProfileElement) -> int:
    """Everything else takes about what it takes in the package: PINs, keys, security domains."""
    schema = schema_for(package.version, package.edition)
    if schema is None or element.name not in schema.elements:
        return OBJECT_OVERHEAD
    parts = encode_content(schema.elements[element.name], element.fields, Place(element.name))
    size = fixed_size(parts)
    return _rounded(size if size is not None else 0) + OBJECT_OVERHEAD
