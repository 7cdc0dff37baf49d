"""Our schema tables against pycrate's compiled module (an independent codec): same values, same bytes."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from pycrate_asn1dir.eUICCPP_IFTv3 import PEDefinitions

from ferryman.codec.saip import decode, encode
from ferryman.codec.saip.der import Place, read_tlv
from ferryman.codec.saip.schema import SCHEMAS
from ferryman.codec.saip.types import Choice, Field, Sequence, SequenceOf
from ferryman.profile.demo_template import demo_template
from ferryman.profile.template import compile_template
from saip_generator import generated_package
from saip_samples import TS48_NAMES, sample_values, ts48

# pycrate ships the module of 3.0, in which PE-DF-5GS tag AB got another file.
RENAMED = {"ef-nsi": "ef-supinai"}
NOT_IN_OURS = {"unknownTag"}  # a private component that no document names; ours keeps it as extension

GENERATED = 2000 if os.environ.get("FERRYMAN_SOAK") else 200
BATCH = 25
COMPARABLE = ((2, 1), (2, 2), (2, 3), (3, 0))  # later ones have names that pycrate's module lacks


def split(der: bytes) -> list[bytes]:
    """The outer TLVs, cut by our reader."""
    found: list[bytes] = []
    at = 0
    while at < len(der):
        tlv = read_tlv(der, at, len(der), Place("test"))
        found.append(der[at : tlv.end])
        at = tlv.end
    return found


def pycrate_values(der: bytes) -> list[tuple[str, Any]]:
    """What pycrate reads, checked to be what it would write as well."""
    element = PEDefinitions.ProfileElement
    values = []
    for one in split(der):
        element.from_der(one)
        values.append(element.get_val())
        assert element.to_der() == one
    return values


def in_pycrate_terms(value: Any) -> Any:
    """Our value model in pycrate's: identifiers as tuples, NULL as 0, names of 3.0."""
    match value:
        case dict():
            return {RENAMED.get(name, name): in_pycrate_terms(item) for name, item in value.items()}
        case list():
            return [in_pycrate_terms(item) for item in value]
        case (str() as name, item):
            return name, in_pycrate_terms(item)
        case None:
            return 0
        case str() if value.startswith(("2.23.", "1.2.")):
            return tuple(int(arc) for arc in value.split("."))
        case _:
            return value


def ours(der: bytes) -> list[tuple[str, Any]]:
    return [(element.name, in_pycrate_terms(element.fields)) for element in decode(der).elements]


@pytest.mark.parametrize("name", TS48_NAMES)
def test_published_packages_have_the_same_values(name: str) -> None:
    der = ts48(name)
    assert ours(der) == pycrate_values(der)


@pytest.mark.parametrize("name", TS48_NAMES)
def test_pycrate_reads_what_we_personalise(name: str) -> None:
    rendered = compile_template(ts48(name)).render(sample_values())
    assert ours(rendered) == pycrate_values(rendered)


def test_pycrate_reads_our_template() -> None:
    der = demo_template()
    assert encode(decode(der)) == der
    assert ours(der) == pycrate_values(der)


def same_type(mine: Any, theirs: Any, path: str, *, exact: bool) -> None:
    """Tags, order, names and optionality of every component below `mine`, against pycrate's object."""
    if isinstance(mine, SequenceOf):
        assert theirs.TYPE == "SEQUENCE OF", path
        same_type(mine.item, theirs._cont, f"{path}[]", exact=exact)
        return
    if isinstance(mine, Choice):
        fields: list[Field] = list(mine.alternatives.values())
    elif isinstance(mine, Sequence):
        fields = list(mine.fields)
    else:
        return
    names = [RENAMED.get(each.name, each.name) for each in fields]
    other_names = [name for name in theirs._cont if name not in NOT_IN_OURS]
    assert names == (other_names if exact else other_names[: len(names)]), path
    for each, name in zip(fields, names, strict=True):
        other = theirs._cont[name]
        if other._tag is not None:
            number, kind, _ = other._tag
            lead = {"CONTEXT-SPECIFIC": 0x80, "APPLICATION": 0x40, "PRIVATE": 0xC0}[kind]
            assert each.tag[0] & 0xC0 == lead, f"{path}.{name}"
            assert (each.tag[0] & 0x1F if len(each.tag) == 1 else each.tag[1]) == number, f"{path}.{name}"
        assert each.optional == bool(other._opt), f"{path}.{name}"
        assert (each.default is None) == (other._def is None), f"{path}.{name}"
        if each.default is not None:
            assert each.default == other._def, f"{path}.{name}"
        same_type(each.type, other, f"{path}.{name}", exact=exact)


@pytest.mark.parametrize("name", sorted(SCHEMAS[2, 3].elements))
def test_schema_of_2_3_is_a_prefix_of_pycrates(name: str) -> None:
    same_type(SCHEMAS[2, 3].elements[name], PEDefinitions.ProfileElement._cont[name], name, exact=False)


def test_schema_of_3_0_is_pycrates() -> None:
    theirs = PEDefinitions.ProfileElement._cont
    assert list(SCHEMAS[3, 0].elements.keys() ^ theirs.keys()) == []
    for name, kind in SCHEMAS[3, 0].elements.items():
        same_type(kind, theirs[name], name, exact=True)


@pytest.mark.parametrize("batch", range(GENERATED // BATCH))
def test_generated_packages_have_the_same_values(batch: int) -> None:
    for number in range(batch * BATCH, (batch + 1) * BATCH):
        chance = random.Random(number)
        package = generated_package(chance, COMPARABLE[number % len(COMPARABLE)])
        der = encode(package)
        assert decode(der) == package, number
        assert ours(der) == pycrate_values(der), number
