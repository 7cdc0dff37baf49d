"""Random profile packages made from the schema tables: every element, every component, all sizes."""

from __future__ import annotations

import random

from ferryman.codec.saip import Package, ProfileElement
from ferryman.codec.saip.schema import ELEMENT_TAGS, END, HEADER, schema_for
from ferryman.codec.saip.types import (
    Choice,
    Field,
    Integer,
    Null,
    Octets,
    Oid,
    Sequence,
    SequenceOf,
    Text,
    Type,
    Value,
)

LETTERS = 'abcXYZ 09-"{}é€'
FEW = 3
SHORT = 40


def generated_package(chance: random.Random, version: tuple[int, int], edition: str = "") -> Package:
    """A header, some elements in any order, End; PE identifications unique."""
    schema = schema_for(version, edition)
    assert schema is not None
    header = _sequence(chance, schema.elements[HEADER])
    header["major-version"], header["minor-version"] = version
    elements = [ProfileElement(HEADER, header, None, ELEMENT_TAGS[HEADER])]
    names = [name for name in schema.elements if name not in (HEADER, END) and not name.startswith("rfu")]
    chosen = chance.sample(names, chance.randint(1, 6))
    for number, name in enumerate([*chosen, END], start=1):
        fields = _sequence(chance, schema.elements[name])
        first = schema.elements[name].fields[0].name
        fields[first] = {"mandated": None, "identification": number} if number % 2 else {"identification": number}
        elements.append(ProfileElement(name, fields, None, ELEMENT_TAGS[name]))
    return Package(version, tuple(elements), edition)


def _sequence(chance: random.Random, kind: Sequence) -> dict[str, Value]:
    # Long lists of files get few members each, so that packages stay of the size of real ones.
    share = 0.6 if len(kind.fields) < 20 else 0.15
    value: dict[str, Value] = {}
    for each in kind.fields:
        if each.may_be_absent and chance.random() > share:
            continue
        item = _value(chance, each)
        if each.default is None or item != each.default:
            value[each.name] = item
    return value


def _value(chance: random.Random, each: Field) -> Value:
    # pycrate's module of 3.0 wants at least one file ID in a link path.
    return chance.randbytes(2 * chance.randint(1, 4)) if each.name == "linkPath" else _of(chance, each.type)


def _of(chance: random.Random, kind: Type) -> Value:
    match kind:
        case Octets():
            edge = chance.random()
            size = chance.randint(kind.minimum, min(kind.maximum, kind.minimum + SHORT))
            if edge < 0.1:
                size = kind.minimum
            elif edge < 0.15:
                size = min(kind.maximum, chance.choice((126, 127, 128, 255, 256, 300)))
                size = max(size, kind.minimum)
            return chance.randbytes(size)
        case Integer():
            return chance.choice((kind.minimum, kind.maximum, chance.randint(kind.minimum, kind.maximum)))
        case Null():
            return None
        case Oid():
            return "2.23.143.1.2." + ".".join(str(chance.choice((0, 1, 127, 128, 40000))) for _ in range(2))
        case Text():
            return "".join(chance.choices(LETTERS, k=chance.randint(kind.minimum, kind.maximum)))
        case Sequence():
            return _sequence(chance, kind)
        case SequenceOf():
            most = max(kind.minimum, min(kind.maximum, FEW))
            return [_of(chance, kind.item) for _ in range(chance.randint(kind.minimum, most))]
        case Choice():
            each = chance.choice(list(kind.alternatives.values()))
            return each.name, _value(chance, each)
