"""A 3.x package of our own: every form, what later versions brought, validator, simulated card."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest
from pycrate_asn1dir.eUICCPP_IFTv3 import PEDefinitions

from ferryman.codec.saip import Package, ProfileElement, decode, encode
from ferryman.codec.saip.der import Place, read_tlv
from ferryman.codec.saip.encoder import Part, join_constants
from ferryman.codec.saip.package import build
from ferryman.codec.saip.schema import SCHEMAS
from ferryman.codec.saip.tree import as_list, as_record
from ferryman.codec.saip.types import Mixed, Slot, Value
from ferryman.errors import PeerError
from ferryman.profile.documents import read_package, write_package
from ferryman.profile.inspect import as_text, describe
from ferryman.profile.lint import check
from ferryman.profile.template import CompiledTemplate, TemplateTree, compile_tree
from ferryman.profile.variables import Variable
from ferryman_sim.profile import install
from saip_generator import generated_package
from saip_own_3x import SERVICES, SUPI, own_3x


def tags(der: bytes) -> list[str]:
    found, at = [], 0
    while at < len(der):
        tlv = read_tlv(der, at, len(der), Place("test"))
        found.append(tlv.tag.hex().upper())
        at = tlv.end
    return found


def test_it_goes_round_in_every_form() -> None:
    package = own_3x()
    der = encode(package)
    assert decode(der) == package
    assert all(element.opaque is None for element in decode(der).elements)
    for form in ("der", "asn1", "yaml"):
        assert read_package(write_package(package, form)) == package
    assert [tag for tag in tags(der) if tag in ("BE", "BF1F")] == ["BE", "BF1F"]
    assert "ef-supinai" in write_package(package, "asn1").decode()
    assert "EF SUPINAI: 4F09" in as_text(describe(package))


def test_it_breaks_no_rule_and_installs() -> None:
    package = own_3x()
    assert check(package) == []
    # What the simulated card does not offer is no mandatory service of what it is to install.
    for name in SERVICES:
        as_record(package.header["eUICC-Mandatory-services"]).pop(name)
    del package.header["eUICC-Mandatory-AIDs"]
    outcome = install(encode(package), free_memory=1 << 17)
    assert outcome.profile is not None, outcome.reason


def test_pycrate_reads_the_elements_that_3_0_has() -> None:
    """Its module is 3.0: header, OPT-USIM, 5GS and security domain have components that it does not know."""
    package = own_3x()
    for element in package.elements:
        if element.name in ("header", "opt-usim", "df-5gs", "securityDomain", "df-snpn", "df-5gprose"):
            continue
        der = encode(Package((3, 3), (package.elements[0], element, package.elements[-1])))
        one = read_tlv(der, read_tlv(der, 0, len(der), Place("test")).end, len(der), Place("test"))
        PEDefinitions.ProfileElement.from_der(der[one.start : one.end])
        assert PEDefinitions.ProfileElement.to_der() == der[one.start : one.end]


def test_an_older_header_does_not_know_the_later_parts() -> None:
    package = own_3x()
    for version, keeps in (((3, 0), False), ((2, 3), False), ((3, 3), True)):
        header = dict(package.header) | {"major-version": version[0], "minor-version": version[1]}
        services = dict(as_record(header["eUICC-Mandatory-services"]))
        for name in SERVICES:
            services.pop(name)
        header["eUICC-Mandatory-services"] = services
        der = encode(Package((3, 3), (ProfileElement("header", header), *package.elements[1:])))
        read = decode(der)
        fields = read.named("df-5gs")[0].fields
        assert ("ef-cag" in fields) == keeps
        assert (read.named("df-snpn")[0].opaque is None) == keeps
        # The tag of EF SUPI NAI is that of EF NSI in 2.3: the schema of the header's version decides.
        assert fields["ef-nsi" if version == (2, 3) else "ef-supinai"] is not None
        assert encode(read) == der


def test_eaka_is_the_thirtieth_service() -> None:
    services: dict[str, Value] = {"eaka": None}
    header = dict(own_3x().header) | {"eUICC-Mandatory-services": services}
    der = encode(Package((3, 3), (ProfileElement("header", header), own_3x().elements[-1])))
    assert bytes.fromhex("A5029D00") in der
    assert SUPI[2:] in encode(own_3x())


@pytest.mark.parametrize("version", sorted(SCHEMAS))
def test_compiled_equals_schema_encoder_on_generated_templates(version: tuple[int, int]) -> None:
    """Random leaves become variables of random sizes: the compiled form gives what the schema encoder gives."""
    places = 0
    for number in range(15):
        chance = random.Random(1000 + number)
        package = generated_package(chance, version)
        slots: dict[str, Slot] = {}
        values: dict[str, bytes] = {}
        plain = [copied(each, lambda leaf: leaf) for each in package.elements]
        open_ = [copied(each, partial(opened, chance, slots, values)) for each in package.elements]
        places += len(slots)
        variables = {name: Variable(name, "octets", slot.minimum, slot.maximum) for name, slot in slots.items()}
        tree = TemplateTree(Package(version, tuple(open_)), variables)
        template = CompiledTemplate.from_bytes(compile_tree(tree).to_bytes())
        assert template.personalise(values) == encode(Package(version, tuple(plain))), number
    assert places > 20


def copied(element: ProfileElement, leaf: Any) -> ProfileElement:
    value = walked(element.fields, leaf, element.name == "header")
    return ProfileElement(element.name, value, element.opaque, element.tag)


def walked(value: Any, leaf: Any, keep: bool) -> Any:
    match value:
        case dict():
            return {name: walked(item, leaf, keep or name in FIXED) for name, item in value.items()}
        case list():
            return [walked(item, leaf, keep) for item in value]
        case (str() as name, item):
            return name, walked(item, leaf, keep)
        case bytes():
            return value if keep else leaf(value)
        case _:
            return value


FIXED = ("lcsi", "specialFileInformation", "fileDetails", "keyAccess", "lifeCycleState", "sqnOptions")


def opened(chance: random.Random, slots: dict[str, Slot], values: dict[str, bytes], leaf: bytes) -> Value:
    if not leaf or chance.random() > 0.3:
        return leaf
    name = f"v{len(slots)}"
    if chance.random() < 0.5 or len(leaf) < 3:
        slots[name], values[name] = Slot(name, len(leaf), len(leaf)), leaf
        return slots[name]
    slots[name], values[name] = Slot(name, len(leaf) - 2, len(leaf) - 2), leaf[1:-1]
    return Mixed((leaf[:1], slots[name], leaf[-1:]))


def test_parts_of_a_package_without_slots_are_one_piece() -> None:
    parts: list[Part] = build(own_3x())
    assert parts == join_constants(parts)
    assert len(parts) == 1


def test_tags_of_pe_opt_iot_out_of_order_are_refused() -> None:
    """B9 to BB of PE-OPT-IoT: the file that 3.3.1 inserted stands before the DF, not behind it."""
    element = ProfileElement(
        "opt-iot",
        {
            "optiot-header": {"identification": 5},
            "templateID": "2.23.143.1.2.18",
            "df-df-saip": [("doNotCreate", None)],
        },
    )
    package = Package((3, 3), (own_3x().elements[0], element, own_3x().elements[-1]))
    der = encode(package)
    assert bytes.fromhex("BA028000") in der
    swapped = der.replace(bytes.fromhex("BA028000"), bytes.fromhex("BA028000B9028000"))
    longer = swapped.replace(
        b"\xbf\x21" + der[der.index(b"\xbf\x21") + 2 :][:1],
        b"\xbf\x21" + bytes((der[der.index(b"\xbf\x21") + 2] + 4,)),
    )
    with pytest.raises(PeerError, match="out of order"):
        decode(longer)
    assert as_list(decode(der).elements[1].fields["df-df-saip"]) == [("doNotCreate", None)]
