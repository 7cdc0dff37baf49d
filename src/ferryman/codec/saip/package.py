"""Profile packages: a concatenation of DER ProfileElements (TCA profile package format, clauses 7 and 8.1).

`decode` splits and types a package by the schema of the version in its header; `encode` writes the same
bytes back. Elements of a later version, unknown ones and reserved ones are kept raw.
"""

from __future__ import annotations

from dataclasses import dataclass

from ferryman.codec.saip.decoder import decode_value
from ferryman.codec.saip.der import Place, Tlv, context_tag, fault, misfit, read_tlv
from ferryman.codec.saip.elements import PE_HEADER
from ferryman.codec.saip.encoder import Part, encode_content, join_constants, wrap
from ferryman.codec.saip.fast import Doubtful, read_fast
from ferryman.codec.saip.schema import ELEMENT_NAMES, ELEMENT_TAGS, END, HEADER, SCHEMAS, Schema, schema_for
from ferryman.codec.saip.types import MAX_ELEMENT_BYTES, Integer, Value

MAX_PACKAGE_BYTES = MAX_ELEMENT_BYTES
"""Bytes of a whole package; normal ones have 12 kB, those with applets some hundreds."""

MAX_ELEMENTS = 1024
"""Profile elements of a package; real ones have about 30."""

_PE_HEADER_TAG = context_tag(0, constructed=True)
_MAJOR, _MINOR = context_tag(0, constructed=False), context_tag(1, constructed=False)


@dataclass(frozen=True, slots=True)
class ProfileElement:
    """One profile element.

    `name` is its alternative in the CHOICE, or `unknown-` and its tag in hex. `fields` are its decoded
    components. An element this version has no type for has only `pe-header` there (when it starts with
    one) and the bytes behind it in `opaque`, which is None otherwise.
    """

    name: str
    fields: dict[str, Value]
    opaque: bytes | None = None
    tag: bytes = b""

    @property
    def pe_header(self) -> dict[str, Value]:
        """The PE header: `identification` and, when set, `mandated`; empty for header and raw elements."""
        for name, value in self.fields.items():
            if name.lower().endswith("-header") and isinstance(value, dict):
                return value
        return {}

    @property
    def identification(self) -> int | None:
        """PE identification that error reports of the eUICC name; None for the profile header."""
        number = self.pe_header.get("identification")
        return number if isinstance(number, int) else None

    @property
    def mandated(self) -> bool:
        """True when the eUICC must abort if it cannot process this element."""
        return "mandated" in self.pe_header


@dataclass(frozen=True, slots=True)
class Package:
    """A profile package: header version and its elements in order, the profile header first and End last.

    `edition` tells two editions with one header version apart (`schema.FIRST_3_3`); empty is the later one.
    """

    version: tuple[int, int]
    elements: tuple[ProfileElement, ...]
    edition: str = ""

    @property
    def header(self) -> dict[str, Value]:
        """Components of the profile header."""
        return self.elements[0].fields

    def named(self, name: str) -> tuple[ProfileElement, ...]:
        """All elements called `name`, in order."""
        return tuple(each for each in self.elements if each.name == name)


def decode(der: bytes, *, edition: str = "") -> Package:
    """Reads a profile package. Raises PeerError naming element, component and byte offset.

    `edition` is `schema.FIRST_3_3` for a package made for 3.3 before 3.3.1, which no byte of it can tell.
    """
    top = Place("package")
    if len(der) > MAX_PACKAGE_BYTES:
        raise fault(f"more than {MAX_PACKAGE_BYTES} bytes", top, MAX_PACKAGE_BYTES)
    tlvs = _split(der, top)
    schema = _schema(der, tlvs[0], edition)
    elements: list[ProfileElement] = []
    identifications: set[int] = set()
    for index, tlv in enumerate(tlvs):
        element = _element(schema, der, tlv, _place(index, tlv.tag))
        if index > 0 and element.name == HEADER:
            raise fault("second profile header", _place(index, tlv.tag), tlv.start)
        number = element.identification
        if number is not None and number in identifications:
            raise fault(f"identification {number} is used twice", _place(index, tlv.tag), tlv.start)
        if number is not None:
            identifications.add(number)
        elements.append(element)
    return Package(schema.version, tuple(elements), edition)


@dataclass(frozen=True, slots=True)
class ElementPlace:
    """Where an element stands in the DER of its package: name, identification, offset of the byte behind it."""

    name: str
    identification: int | None
    end: int


def contents(der: bytes) -> tuple[ElementPlace, ...]:
    """The elements of a package in order, without reading what they hold. Raises PeerError."""
    places: list[ElementPlace] = []
    for index, tlv in enumerate(_split(der, Place("package"))):
        number = None
        if index and der[tlv.body : tlv.body + 1] == _PE_HEADER_TAG:
            head = read_tlv(der, tlv.body, tlv.end, _place(index, tlv.tag))
            value = decode_value(PE_HEADER, der, head.body, head.end, _place(index, tlv.tag))
            number = value.get("identification") if isinstance(value, dict) else None
        places.append(ElementPlace(_name(tlv.tag), number if isinstance(number, int) else None, tlv.end))
    return tuple(places)


def encode(package: Package) -> bytes:
    """DER of a package. Raises InputError naming the place of a value that does not fit the schema."""
    parts = build(package)
    if any(not isinstance(part, bytes) for part in parts):
        raise misfit("a slot is not filled", Place("package"))
    return b"".join(part for part in parts if isinstance(part, bytes))


def build(package: Package) -> list[Part]:
    """DER of a package in parts, with its slots left open. Raises InputError like `encode`."""
    schema = schema_for(package.version, package.edition)
    if schema is None:
        raise misfit(f"version {_dotted(package.version)} is not supported", Place("header"))
    if not package.elements or package.elements[0].name != HEADER or package.elements[-1].name != END:
        raise misfit("must begin with the profile header and end with PE-End", Place("package"))
    parts: list[Part] = []
    for index, element in enumerate(package.elements):
        parts += _parts(schema, element, Place(f"PE {index} {element.name}"))
    return join_constants(parts)


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _place(index: int, tag: bytes) -> Place:
    return Place(f"PE {index} {_name(tag)}")


def _name(tag: bytes) -> str:
    return ELEMENT_NAMES.get(tag, f"unknown-{tag.hex().upper()}")


def _split(der: bytes, top: Place) -> list[Tlv]:
    """Outer TLVs; the first is the profile header, the last PE-End, and nothing follows that."""
    tlvs: list[Tlv] = []
    at = 0
    while at < len(der):
        index = len(tlvs)
        if index == MAX_ELEMENTS:
            raise fault(f"more than {MAX_ELEMENTS} profile elements", top, at)
        if index and tlvs[-1].tag == ELEMENT_TAGS[END]:
            raise fault("bytes after PE-End", top, at)
        tlv = read_tlv(der, at, len(der), Place(f"PE {index}"))
        if index == 0 and tlv.tag != ELEMENT_TAGS[HEADER]:
            raise fault("does not begin with a profile header", top, 0)
        tlvs.append(tlv)
        at = tlv.end
    if not tlvs:
        raise fault("empty", top, 0)
    if tlvs[-1].tag != ELEMENT_TAGS[END]:
        raise fault("PE-End is missing", top, at)
    return tlvs


def _schema(der: bytes, header: Tlv, edition: str) -> Schema:
    """The schema that the version numbers at the start of the profile header call for."""
    place = Place("PE 0 header")
    numbers: list[int] = []
    at = header.body
    for name, tag in (("major-version", _MAJOR), ("minor-version", _MINOR)):
        tlv = read_tlv(der, at, header.end, place)
        if tlv.tag != tag:
            raise fault(f"mandatory {name} is missing", place, at)
        number = decode_value(Integer(), der, tlv.body, tlv.end, place.child(name))
        numbers.append(number if isinstance(number, int) else -1)
        at = tlv.end
    version = (numbers[0], numbers[1])
    schema = schema_for(version, edition)
    if schema is None:
        known = ", ".join(_dotted(each) for each in SCHEMAS)
        raise fault(f"format version {_dotted(version)} is not supported (known: {known})", place, header.body)
    return schema


def _element(schema: Schema, der: bytes, tlv: Tlv, place: Place) -> ProfileElement:
    name = _name(tlv.tag)
    kind = schema.elements.get(name)
    if kind is None:
        return _raw_element(name, der, tlv, place)
    try:
        fields = read_fast(kind, der, tlv.body, tlv.end)
    except Doubtful:
        fields = decode_value(kind, der, tlv.body, tlv.end, place)
    return ProfileElement(name, fields if isinstance(fields, dict) else {}, None, tlv.tag)


def _raw_element(name: str, der: bytes, tlv: Tlv, place: Place) -> ProfileElement:
    """An element without a type in this version: its PE header when it has one, the rest as bytes."""
    if der[tlv.body : tlv.body + 1] != _PE_HEADER_TAG or not tlv.tag[0] & 0x20:
        return ProfileElement(name, {}, der[tlv.body : tlv.end], tlv.tag)
    head = read_tlv(der, tlv.body, tlv.end, place)
    value = decode_value(PE_HEADER, der, head.body, head.end, place.child("pe-header"))
    return ProfileElement(name, {"pe-header": value}, der[head.end : tlv.end], tlv.tag)


def _parts(schema: Schema, element: ProfileElement, place: Place) -> list[Part]:
    tag = element.tag or ELEMENT_TAGS.get(element.name, b"")
    if not tag:
        raise misfit("has neither a known name nor a tag", place)
    if element.opaque is not None:
        head = element.fields.get("pe-header")
        lead = [] if head is None else wrap(_PE_HEADER_TAG, encode_content(PE_HEADER, head, place))
        return wrap(tag, [*lead, element.opaque])
    kind = schema.elements.get(element.name)
    if kind is None:
        raise misfit(f"is not an element of version {_dotted(schema.version)}", place)
    return wrap(tag, encode_content(kind, element.fields, place))
