"""Profile packages in files of any of the forms: DER, value notation, YAML (TCA profile package format).

`read_package` tells the form by its first bytes: a DER package begins with the tag A0 of the profile header, value
notation with an assignment, the rest is YAML (JSON is YAML).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import yaml

from ferryman.codec import saip
from ferryman.codec.saip.notation_reader import read_notation
from ferryman.codec.saip.notation_writer import write_notation
from ferryman.codec.saip.package import MAX_PACKAGE_BYTES, Package
from ferryman.codec.saip.plain import from_plain, to_plain
from ferryman.codec.saip.types import Slot
from ferryman.errors import InputError

type Form = Literal["der", "asn1", "yaml"]

MAX_DOCUMENT_BYTES = 8 * MAX_PACKAGE_BYTES
"""Bytes of a text form: twice the digits, and indentation."""

_HEADER_TAG = 0xA0
_ASSIGNMENT = re.compile(rb"(\xef\xbb\xbf)?(\s|--[^\n]*\n|/\*.*?\*/)*[A-Za-z][\w-]*\s+ProfileElement\s", re.DOTALL)


class _NotUsed(yaml.YAMLError):
    """YAML that is right and not used here; says which, and nothing of the content."""


class _Dumper(yaml.SafeDumper):
    """Writes a value as often as it is there: what we read has no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _Loader(yaml.SafeLoader):
    """YAML without aliases (they could blow up a small file) and without entries given twice."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise _NotUsed("has an alias (*), which is not used here")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        if len(set(map(str, names))) != len(names):
            raise _NotUsed(f"has an entry twice in the map at line {node.start_mark.line + 1}")
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    """A YAML document of plain values. Raises InputError naming line and column, not the content."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except _NotUsed as problem:
        raise InputError("document", str(problem)) from None
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark is not None else "document"
        raise InputError(where, "is not the YAML of a profile package") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InputError("document", "is not YAML") from None


def dump_yaml(document: Any) -> str:
    """YAML of plain values, maps in their order."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=4096)


def form_of(content: bytes) -> Form:
    """The form of a file by its beginning."""
    if content[:1] == bytes((_HEADER_TAG,)):
        return "der"
    return "asn1" if _ASSIGNMENT.match(content[:4096]) else "yaml"


def read_package(content: bytes, *, variables: Mapping[str, Slot] | None = None, edition: str = "") -> Package:
    """The package in a file of any form. Raises InputError, or PeerError for broken DER, naming the place."""
    if len(content) > MAX_DOCUMENT_BYTES:
        raise InputError("file", f"has more than {MAX_DOCUMENT_BYTES} bytes")
    form = form_of(content)
    if form == "der":
        return saip.decode(content, edition=edition)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("file", "is neither a profile package in DER (tag A0) nor UTF-8 text") from None
    if form == "asn1":
        return read_notation(text, variables=variables, edition=edition)
    return from_plain(load_yaml(text), variables=variables, edition=edition)


def write_package(package: Package, form: Form) -> bytes:
    """The package in one of the forms. Raises InputError for a value that does not fit."""
    match form:
        case "der":
            return saip.encode(package)
        case "asn1":
            return write_notation(package).encode()
        case "yaml":
            return dump_yaml(to_plain(package)).encode()
