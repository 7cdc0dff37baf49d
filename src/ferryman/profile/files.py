"""Content of one file of a profile package: read it, replace it (TCA profile package format, clause 8.3).

A File is a list of entries: file descriptors, and contents with relative offsets between them. These
functions know the list, not what the files mean.
"""

from __future__ import annotations

from ferryman.codec.saip.tree import as_bytes, as_record, choices
from ferryman.codec.saip.types import Mixed, Slot, Value
from ferryman.errors import InputError

MAX_FILE_BYTES = 65535
"""Content of one EF; TS 102 221 counts file sizes in two bytes for all but BER-TLV files."""

_FILLS = frozenset(("fillFileContent", "fillFileOffset"))


def descriptor(entries: list[tuple[str, Value]], place: str) -> dict[str, Value]:
    """The Fcp of a file that is created once, empty when the template's own applies. Raises InputError."""
    if any(name == "doNotCreate" for name, _ in entries):
        raise InputError(place, "is not created (doNotCreate), but a subscription's value belongs there")
    fcps = [as_record(value) for name, value in entries if name in ("fileDescriptor", "createFCP")]
    if len(fcps) > 1:
        raise InputError(place, "is created more than once")
    fcp = fcps[0] if fcps else {}
    if fcp.get("linkPath"):
        raise InputError(place, "is a link, but a subscription's value belongs there")
    return fcp


def stated_size(fcp: dict[str, Value]) -> int | None:
    """The file size in bytes that the Fcp states, or None when the template's size applies."""
    size = fcp.get("efFileSize")
    return int.from_bytes(size, "big") if isinstance(size, bytes) and size else None


def record_length(fcp: dict[str, Value]) -> int | None:
    """Record length in bytes of a linear fixed or cyclic file as its descriptor states it, or None."""
    text = fcp.get("fileDescriptor")
    return int.from_bytes(text[2:4], "big") if isinstance(text, bytes) and len(text) == 4 else None


def content_of(entries: list[tuple[str, Value]]) -> bytes:
    """What the entries write, from the start of the file; skipped bytes are FF. Offsets are relative."""
    written = bytearray()
    for name, value in entries:
        if name == "fillFileContent":
            written += as_bytes(value)
        elif name == "fillFileOffset" and isinstance(value, int):
            written += b"\xff" * value
        if len(written) > MAX_FILE_BYTES:
            return bytes(written[:MAX_FILE_BYTES])
    return bytes(written)


def replaced(file: Value, content: Value, size: int, place: str) -> list[Value]:
    """The File with `content` of `size` bytes as its only content, from its first byte on. Raises InputError."""
    entries = choices(file)
    limit = stated_size(descriptor(entries, place))
    if limit is not None and limit < size:
        raise InputError(place, f"has room for {limit} bytes, {size} are needed")
    kept: list[Value] = [(name, value) for name, value in entries if name not in _FILLS]
    return [*kept, ("fillFileContent", content)]


def with_slot(content: Value, sample: bytes, slot: Slot) -> Value:
    """`content` with every occurrence of `sample` replaced by `slot`; the same when there is none."""
    if not isinstance(content, bytes) or sample not in content:
        return content
    first, *others = content.split(sample)
    parts: list[bytes | Slot] = [first]
    for other in others:
        parts += [slot, other]
    return Mixed(tuple(parts))
