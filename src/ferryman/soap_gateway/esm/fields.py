"""Mapping tables: the elements of a sequence and the fields of a typed value, both ways (SGP.02 Annex A).

A table is a tuple of `Field`, in the order of the schema. Reading is strict about names, order and number; what
peers are known to send otherwise stands in the tables. Writing gives the one strict form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from lxml import etree

from ferryman.errors import PeerError
from ferryman.soap_gateway.esm.simple import Simple

INVALID = "2.1"  # reasons of SGP.02 5.1.6 for subject 1.3.1
MISSING = "2.2"
CONDITIONAL_MISSING = "2.3"


class BodyError(PeerError):
    """The body breaks the schema: `code` is the reason of 1.3.1 that says how."""

    def __init__(self, reason: str, *, field: str, code: str = INVALID) -> None:
        super().__init__(reason, field=field, clause="SGP.02 Annex A")
        self.code = code


class Readable(Protocol):
    """A structured type that is read, but never written: what a peer sends where we send something else."""

    @property
    def reference(self) -> str:
        """How an element of the schema names this type."""
        ...

    def read_element(self, element: etree._Element) -> Any:
        """The value; raises BodyError."""
        ...


class Complex(Readable, Protocol):
    """A structured type: reads an element, writes the content of one."""

    def write_content(self, value: Any) -> str:
        """What stands between the tags; of a `whole` field the element itself."""
        ...


type Kind = Simple | Complex
type Read = Simple | Readable
_NOTHING: Mapping[str, Read] = {}


@dataclass(frozen=True, slots=True)
class Field:
    """One element of a sequence.

    `key` names the field of the value, empty for an element that carries nothing. `low` 0 is an optional one;
    `always` writes it even when empty. `other` are names that are read as well. A `lenient` one may be missing
    when read though we always write it. A `flat` one has its values in the fields of the parent. Of a `whole` one
    the type keeps the tags too: somebody has signed them.
    `filler` is what stands there for a strict peer when there is nothing to say.
    """

    name: str
    key: str
    kind: Kind
    low: int = 1
    many: bool = False
    other: Mapping[str, Read] = field(default_factory=lambda: _NOTHING)
    lenient: bool = False
    flat: bool = False
    whole: bool = False
    always: bool = False
    filler: str | None = None


def local_name(element: etree._Element) -> str:
    """Name without namespace."""
    return str(element.tag).rpartition("}")[2]


def namespace(element: etree._Element) -> str:
    """Namespace of an element, empty when it has none."""
    tag = str(element.tag)
    return tag[1:].partition("}")[0] if tag.startswith("{") else ""


def read_sequence(parent: etree._Element, fields: tuple[Field, ...], where: str = "") -> dict[str, Any]:
    """The values of a sequence by key; raises BodyError naming the element."""
    tag = str(parent.tag)
    prefix = tag[: tag.rfind("}") + 1]
    length = len(prefix)
    values: dict[str, Any] = {}
    place = 0
    given = 0  # times the field at `place` was there
    if parent.text is not None and parent.text.strip():
        raise BodyError("has text between elements", field=where or local_name(parent))
    for child in parent:
        name = str(child.tag)
        local = name[length:] if name.startswith(prefix) else name
        if child.tail is not None and child.tail.strip():
            raise BodyError("has text behind it", field=_path(where, local))
        while True:
            if place == len(fields):
                raise BodyError("is not expected here", field=_path(where, local))
            current = fields[place]
            if local == current.name or local in current.other:
                break
            _leave(current, given, where)
            place, given = place + 1, 0
        kind: Read = current.kind if local == current.name else current.other[local]
        _store(values, current, _read(child, kind, _path(where, local)))
        if current.many:
            given += 1
        else:
            place, given = place + 1, 0
    for current in fields[place:]:
        _leave(current, given, where)
        given = 0
    return values


def _path(where: str, name: str) -> str:
    return f"{where}/{name}" if where else name


def _leave(current: Field, given: int, where: str) -> None:
    if current.low and not given and not current.lenient:
        raise BodyError("missing", field=_path(where, current.name), code=MISSING)


def _store(values: dict[str, Any], current: Field, value: Any) -> None:
    if current.flat:
        values.update(value)
    elif current.many and current.key:
        values[current.key] = (*values.get(current.key, ()), value)
    elif current.key:
        values[current.key] = value


def _read(child: etree._Element, kind: Read, where: str) -> Any:
    if not isinstance(kind, Simple):
        return kind.read_element(child)
    if len(child):
        raise BodyError("has elements where text is expected", field=where)
    text = child.text or ""
    try:
        return kind.read(text if kind.name == "xs:string" else text.strip())
    except (ValueError, OverflowError) as problem:
        raise BodyError(str(problem), field=where) from None


def write_sequence(value: Any, fields: tuple[Field, ...], *, full: bool = False) -> str:
    """The elements of a sequence in order, without namespace prefix; `full`: with fillers for what is absent."""
    parts: list[str] = []
    for current in fields:
        if current.flat:
            content = write_content(current.kind, value)
            if content or current.low:
                parts.append(element(current.name, content))
            continue
        item = getattr(value, current.key) if current.key else None
        if current.whole:
            parts.append(write_content(current.kind, item))
        elif current.many:
            parts += [element(current.name, write_content(current.kind, one)) for one in item or ()]
        elif current.low or current.always or not _is_absent(item):
            parts.append(element(current.name, write_content(current.kind, item)))
        elif full and current.filler is not None:
            parts.append(element(current.name, current.filler))
    return "".join(parts)


def _is_absent(item: object) -> bool:
    # A zero and a false are values; an empty text stands for "not given" in the contracts.
    return item is None or (not item and isinstance(item, (str, bytes, tuple)))


def write_content(kind: Kind, value: Any) -> str:
    """Content of one element."""
    return kind.write(value) if isinstance(kind, Simple) else kind.write_content(value)


def element(name: str, content: str) -> str:
    """An element of the namespace in scope."""
    return f"<{name}>{content}</{name}>" if content else f"<{name}/>"


@dataclass(frozen=True, slots=True)
class Group:
    """A named complex type: a sequence of fields that makes a value with `make`."""

    name: str
    fields: tuple[Field, ...]
    make: Callable[..., Any]

    @property
    def reference(self) -> str:
        """How an element of the schema names this type."""
        return f"rps:{self.name}"

    def read_element(self, element: etree._Element) -> Any:
        """The value; raises BodyError."""
        return self.make(**read_sequence(element, self.fields, local_name(element)))

    def write_content(self, value: Any) -> str:
        """The elements."""
        return write_sequence(value, self.fields)
