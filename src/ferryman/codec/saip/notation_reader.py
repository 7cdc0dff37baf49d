"""Reads profile packages in ASN.1 value notation (X.680; TCA profile package format, value assignments).

`name ProfileElement ::= alternative : value`, repeated. A name where bytes or text are expected is a value
reference: it stands for a variable, and so is `{name}` inside an hstring. Elements and components that the
schema does not name are written as `pe-header`, `opaque` and `extension`, as `notation_writer` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from ferryman.codec.saip.decoder import EXTENSION
from ferryman.codec.saip.der import MAX_TAG_BYTES
from ferryman.codec.saip.elements import PE_HEADER
from ferryman.codec.saip.notation_tokens import Word, words
from ferryman.codec.saip.package import MAX_ELEMENTS, Package, ProfileElement
from ferryman.codec.saip.placeholders import NotHex, read_hex, variable
from ferryman.codec.saip.schema import ELEMENT_NAMES, ELEMENT_TAGS, HEADER, SCHEMAS, Schema, schema_for
from ferryman.codec.saip.types import (
    Choice,
    Integer,
    Null,
    Octets,
    Oid,
    Sequence,
    SequenceOf,
    Slot,
    Text,
    Type,
    Value,
)
from ferryman.errors import InputError

OPAQUE = "opaque"
"""Name under which the content of an element without a type stands."""

_NEWEST = max(SCHEMAS)
_UNKNOWN = re.compile(f"unknown-([0-9A-F]{{2,{2 * MAX_TAG_BYTES}}})")


def read_notation(text: str, *, variables: Mapping[str, Slot] | None = None, edition: str = "") -> Package:
    """The package that `text` writes; `variables` are the names that may stand as value references.

    Components equal to their DEFAULT are left out of the tree, as DER does. Raises InputError naming the line.
    """
    return _Reader(words(text), variables or {}, edition).package()


def element_tag(name: str) -> bytes:
    """Identifier octets of an element by its name, also of `unknown-` and hex; empty when it is no such name."""
    unknown = _UNKNOWN.fullmatch(name)
    if unknown is None:
        return ELEMENT_TAGS.get(name, b"")
    tag = bytes.fromhex(unknown[1]) if len(unknown[1]) % 2 == 0 else b""
    return b"" if tag in ELEMENT_NAMES else tag


class _Reader:
    """One reading: the words, and how far it has come."""

    def __init__(self, found: list[Word], variables: Mapping[str, Slot], edition: str) -> None:
        self._words = found
        self._at = 0
        self._variables = variables
        self._edition = edition

    def package(self) -> Package:
        """All assignments to the end."""
        schema = self._schema()
        elements: list[ProfileElement] = []
        while self._peek().kind != "end":
            if len(elements) == MAX_ELEMENTS:
                raise self._fault(f"more than {MAX_ELEMENTS} profile elements")
            elements.append(self._element(schema))
        return Package(schema.version, tuple(elements), self._edition)

    def _schema(self) -> Schema:
        """The table of the version in the profile header, which is read ahead for it."""
        if self._peek().kind == "end":
            raise self._fault("no profile element")
        self._heading()
        if (name := self._name()) != HEADER:
            raise self._fault(f"the first element is {name}, not the profile header")
        self._mark(":")
        header = self._sequence(SCHEMAS[_NEWEST].elements[HEADER])
        major, minor = header["major-version"], header["minor-version"]
        self._at = 0
        version = (major, minor) if isinstance(major, int) and isinstance(minor, int) else (0, 0)
        schema = schema_for(version, self._edition)
        if schema is None:
            raise self._fault(f"format version {version[0]}.{version[1]} is not supported")
        return schema

    def _heading(self) -> None:
        self._name()
        if (kind := self._name()) != "ProfileElement":
            raise self._fault(f"{kind} where ProfileElement is due")
        self._mark("::=")

    def _element(self, schema: Schema) -> ProfileElement:
        self._heading()
        name = self._name()
        tag = element_tag(name)
        if not tag:
            raise self._fault(f"{name} is not a profile element")
        self._mark(":")
        kind = schema.elements.get(name)
        if kind is not None:
            return ProfileElement(name, self._sequence(kind), None, tag)
        return self._raw_element(name, tag)

    def _raw_element(self, name: str, tag: bytes) -> ProfileElement:
        self._mark("{")
        fields: dict[str, Value] = {}
        if self._peek().content == "pe-header":
            self._name()
            fields["pe-header"] = self._sequence(PE_HEADER)
            self._mark(",")
        if (word := self._name()) != OPAQUE:
            raise self._fault(f"{word} where {OPAQUE} is due: this version does not know {name}")
        content = self._octets(Octets())
        self._mark("}")
        if not isinstance(content, bytes):
            raise self._fault("a variable cannot stand in an element without a type")
        return ProfileElement(name, fields, content, tag)

    def _value(self, kind: Type) -> Value:
        match kind:
            case Octets():
                return self._octets(kind)
            case Integer():
                return self._integer(kind)
            case Null():
                if self._name() != "NULL":
                    raise self._fault("NULL is due")
                return None
            case Oid():
                return self._oid()
            case Text():
                return self._text(kind)
            case Sequence():
                return self._sequence(kind)
            case SequenceOf():
                return self._sequence_of(kind)
            case Choice():
                return self._choice(kind)

    def _octets(self, kind: Octets) -> Value:
        word = self._next()
        if word.kind == "name":
            return self._variable(word.content)
        if word.kind != "hex":
            raise self._fault(f"{word.shown} where bytes in hexadecimal are due", word)
        try:
            value = read_hex(word.content, self._variables)
        except NotHex as problem:
            raise self._fault(str(problem), word) from None
        if isinstance(value, bytes) and not kind.minimum <= len(value) <= kind.maximum:
            raise self._fault(f"{len(value)} bytes where {kind.minimum}..{kind.maximum} are allowed", word)
        return value

    def _variable(self, name: str) -> Slot:
        try:
            return variable(name, self._variables)
        except NotHex as problem:
            raise self._fault(str(problem)) from None

    def _integer(self, kind: Integer) -> int:
        word = self._next()
        if word.kind == "name":
            if word.content not in kind.names:
                raise self._fault(f"{word.content} is not a named number here", word)
            return kind.names[word.content]
        if word.kind != "number" or not kind.minimum <= int(word.content[:12]) <= kind.maximum:
            raise self._fault(f"{word.shown} where a number of {kind.minimum}..{kind.maximum} is due", word)
        return int(word.content[:12])

    def _text(self, kind: Text) -> Value:
        word = self._next()
        if word.kind == "name":
            return self._variable(word.content)
        if word.kind != "text" or not kind.minimum <= len(word.content) <= kind.maximum:
            rule = f"text in quotes of {kind.minimum}..{kind.maximum} characters is due"
            raise self._fault(f"{word.shown} where {rule}", word)
        return word.content

    def _oid(self) -> str:
        """`{ 2 23 143 1 }`; an arc may have its name before it, as in `international-organizations(23)`."""
        self._mark("{")
        arcs: list[str] = []
        while self._peek().content != "}":
            word = self._next()
            if word.kind == "name":
                self._mark("(")
                word = self._next()
                self._mark(")")
            if word.kind != "number":
                raise self._fault(f"{word.shown} where an arc of an object identifier is due", word)
            arcs.append(str(int(word.content[:20])))
        self._mark("}")
        return ".".join(arcs)

    def _sequence(self, kind: Sequence) -> dict[str, Value]:
        fields = {each.name: each for each in kind.fields}
        value: dict[str, Value] = {}
        seen: set[str] = set()
        for name in self._items(self._name):
            if name in seen:
                raise self._fault(f"{name} is there twice")
            seen.add(name)
            if name == EXTENSION:
                value[name] = self._octets(Octets())
                continue
            each = fields.get(name)
            if each is None:
                raise self._fault(f"{name} is not a component here")
            item = self._value(each.type)
            if each.default is None or item != each.default:
                value[name] = item
        missing = [each.name for each in kind.fields if not each.may_be_absent and each.name not in seen]
        if missing:
            raise self._fault(f"{missing[0]} is missing")
        return {each.name: value[each.name] for each in kind.fields if each.name in value} | {
            name: value[name] for name in (EXTENSION,) if name in value
        }

    def _sequence_of(self, kind: SequenceOf) -> list[Value]:
        found = list(self._items(lambda: self._value(kind.item)))
        if not kind.minimum <= len(found) <= kind.maximum:
            raise self._fault(f"{len(found)} items where {kind.minimum}..{kind.maximum} are due")
        return found

    def _choice(self, kind: Choice) -> tuple[str, Value]:
        name = self._name()
        each = kind.named(name)
        if each is None:
            raise self._fault(f"{name} is none of the alternatives")
        self._mark(":")
        return name, self._value(each.type)

    def _items[T](self, read: Callable[[], T]) -> Iterator[T]:
        """What stands between braces, separated by commas; `read` reads one item, or the beginning of one."""
        self._mark("{")
        if self._peek().content == "}" and self._peek().kind == "mark":
            self._mark("}")
            return
        while True:
            yield read()
            word = self._next()
            if word.kind != "mark" or word.content not in ",}":
                raise self._fault(f"{word.shown} where ',' or '}}' is due", word)
            if word.content == "}":
                return

    def _peek(self) -> Word:
        return self._words[self._at]

    def _next(self) -> Word:
        word = self._words[self._at]
        if word.kind != "end":
            self._at += 1
        return word

    def _name(self) -> str:
        word = self._next()
        if word.kind != "name":
            raise self._fault(f"{word.shown} where a name is due", word)
        return word.content

    def _mark(self, mark: str) -> None:
        word = self._next()
        if word.kind != "mark" or word.content != mark:
            raise self._fault(f"{word.shown} where {mark!r} is due", word)

    def _fault(self, rule: str, word: Word | None = None) -> InputError:
        """The error at `word`, or at the word that was read last."""
        at = word if word is not None else self._words[max(0, self._at - 1)]
        return InputError(f"line {at.line}", rule)
