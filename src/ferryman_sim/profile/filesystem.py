"""File system of an installed Profile (ETSI TS 102 221 clause 8): MF, DFs, ADFs, EFs and links."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MASTER_FILE = 0x3F00
MAX_LINK_DEPTH = 8
"""Links that point at links: deeper chains can only be circles."""

FILE_OVERHEAD = 24
"""Bytes of non-volatile memory charged for a file's control parameters, on top of its content."""


class Structure(StrEnum):
    """Kind of a file."""

    DIRECTORY = "df"
    APPLICATION = "adf"
    TRANSPARENT = "transparent"
    LINEAR = "linear"
    CYCLIC = "cyclic"
    BER_TLV = "ber-tlv"


RECORD_STRUCTURES = frozenset({Structure.LINEAR, Structure.CYCLIC})


class FileMissing(LookupError):
    """No file at this path, or a link that leads nowhere."""


@dataclass(slots=True)
class ElementaryFile:
    """EF with its content. record: bytes a record, 0 unless linear or cyclic. security: ARR reference bytes."""

    file_id: int
    structure: Structure
    record: int
    content: bytearray
    short_id: int | None
    life_cycle: int
    security: bytes
    special: int
    maximum: int

    @property
    def memory(self) -> int:
        """Bytes reserved: content, or the space promised to a BER-TLV structure."""
        return FILE_OVERHEAD + max(len(self.content), self.maximum)

    def records(self) -> list[bytes]:
        """The records of a linear or cyclic file."""
        step = self.record or len(self.content) or 1
        return [bytes(self.content[at : at + step]) for at in range(0, len(self.content), step)]


@dataclass(slots=True)
class Link:
    """A file that is another file: absolute path from the MF."""

    file_id: int
    target: tuple[int, ...]
    short_id: int | None
    security: bytes

    @property
    def memory(self) -> int:
        """Bytes reserved."""
        return FILE_OVERHEAD


@dataclass(slots=True)
class Directory:
    """MF, DF or ADF. pin_status: key references of its PIN status template."""

    file_id: int
    aid: bytes | None
    security: bytes
    life_cycle: int
    pin_status: bytes
    children: dict[int, Node] = field(default_factory=dict)
    parent: Directory | None = None

    @property
    def memory(self) -> int:
        """Bytes reserved for the directory itself."""
        return FILE_OVERHEAD

    def path(self) -> tuple[int, ...]:
        """File identifiers below the MF; empty for the MF."""
        return () if self.parent is None else (*self.parent.path(), self.file_id)


Node = ElementaryFile | Link | Directory


class FileSystem:
    """The tree below one MF. ADFs hang under the MF by their temporary file identifier."""

    def __init__(self, root: Directory) -> None:
        self.root = root

    def select(self, path: tuple[int, ...]) -> ElementaryFile | Directory:
        """The file at a path of file identifiers from the MF (a leading 3F00 is allowed). Raises FileMissing."""
        return self._resolve(path, MAX_LINK_DEPTH)

    def _resolve(self, path: tuple[int, ...], depth: int) -> ElementaryFile | Directory:
        if depth == 0:
            raise FileMissing("links go in a circle")
        node: ElementaryFile | Directory = self.root
        for file_id in path[1:] if path[:1] == (MASTER_FILE,) else path:
            if not isinstance(node, Directory) or file_id not in node.children:
                raise FileMissing(f"no file {file_id:04X}")
            child = node.children[file_id]
            node = self._resolve(child.target, depth - 1) if isinstance(child, Link) else child
        return node

    def application(self, aid: bytes) -> Directory | None:
        """The ADF with this AID."""
        for node in self.walk():
            if isinstance(node, Directory) and node.aid == aid:
                return node
        return None

    def walk(self) -> Iterator[Node]:
        """Every file, parents before children."""
        stack: list[Node] = [self.root]
        while stack:
            node = stack.pop()
            yield node
            if isinstance(node, Directory):
                stack.extend(reversed(node.children.values()))

    def dump(self) -> dict[str, Any]:
        """JSON form of the tree; trailing FF of a content is given as a count."""
        return _dump_directory(self.root)

    @classmethod
    def load(cls, image: dict[str, Any]) -> FileSystem:
        """The tree of a dump."""
        return cls(_load_directory(image, None))


def split_path(text: bytes) -> tuple[int, ...] | None:
    """Pairs of bytes as file identifiers; None when the length is odd."""
    if len(text) % 2:
        return None
    return tuple(int.from_bytes(text[at : at + 2]) for at in range(0, len(text), 2))


def _dump_directory(directory: Directory) -> dict[str, Any]:
    return {
        "kind": "directory",
        "id": directory.file_id,
        "aid": directory.aid.hex() if directory.aid is not None else None,
        "security": directory.security.hex(),
        "life_cycle": directory.life_cycle,
        "pin_status": directory.pin_status.hex(),
        "files": [_dump_node(child) for child in directory.children.values()],
    }


def _dump_node(node: Node) -> dict[str, Any]:
    if isinstance(node, Directory):
        return _dump_directory(node)
    if isinstance(node, Link):
        return {
            "kind": "link",
            "id": node.file_id,
            "target": list(node.target),
            "sfi": node.short_id,
            "security": node.security.hex(),
        }
    used = bytes(node.content).rstrip(b"\xff")
    return {
        "kind": node.structure.value,
        "id": node.file_id,
        "record": node.record,
        "content": used.hex(),
        "blank": len(node.content) - len(used),
        "sfi": node.short_id,
        "life_cycle": node.life_cycle,
        "security": node.security.hex(),
        "special": node.special,
        "maximum": node.maximum,
    }


def _load_directory(image: dict[str, Any], parent: Directory | None) -> Directory:
    directory = Directory(
        file_id=image["id"],
        aid=bytes.fromhex(image["aid"]) if image["aid"] is not None else None,
        security=bytes.fromhex(image["security"]),
        life_cycle=image["life_cycle"],
        pin_status=bytes.fromhex(image["pin_status"]),
        parent=parent,
    )
    for child in image["files"]:
        directory.children[child["id"]] = _load_node(child, directory)
    return directory


def _load_node(image: dict[str, Any], parent: Directory) -> Node:
    security = bytes.fromhex(image["security"])
    if image["kind"] == "directory":
        return _load_directory(image, parent)
    if image["kind"] == "link":
        return Link(image["id"], tuple(image["target"]), image["sfi"], security)
    return ElementaryFile(
        file_id=image["id"],
        structure=Structure(image["kind"]),
        record=image["record"],
        content=bytearray(bytes.fromhex(image["content"]) + b"\xff" * image["blank"]),
        short_id=image["sfi"],
        life_cycle=image["life_cycle"],
        security=security,
        special=image["special"],
        maximum=image["maximum"],
    )
