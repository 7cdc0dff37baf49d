"""Whole profile packages: the published ones byte for byte, and the rules on their structure."""

from __future__ import annotations

import pytest

from ferryman.codec.saip import Package, ProfileElement, decode, encode
from ferryman.codec.saip.der import encode_tlv
from ferryman.codec.saip.package import contents
from ferryman.codec.saip.schema import ELEMENT_NAMES, ELEMENT_TAGS, SCHEMAS
from ferryman.codec.saip.tree import as_bytes, as_choice, as_list, as_number, as_record
from ferryman.codec.saip.types import Mixed, Slot
from ferryman.errors import InputError, PeerError
from ferryman.profile.demo_template import demo_template
from saip_samples import TS48_NAMES, ts48

# Computed with two independent codecs; profile-package reference, 1.3, 1.1 and 3.2.
HEADER = bytes.fromhex("A02A800102810103830A8999010000000000185FA50481008400A610060667810F010201060667810F010204")
AKA = bytes.fromhex(
    "A435A005800081010BA12CA12A8001018101008210000102030405060708090A0B0C0D0E0F"
    "8310101112131415161718191A1B1C1D1E1F"
)
END = bytes.fromhex("AA07A005800081011F")


@pytest.mark.parametrize("name", TS48_NAMES)
def test_published_packages_round_trip(name: str) -> None:
    der = ts48(name)
    package = decode(der)
    assert encode(package) == der
    assert all(element.opaque is None for element in package.elements)


@pytest.mark.parametrize(
    ("name", "version", "count"), [("TS48v1_A_SAIP2.1", (2, 1), 28), ("TS48v7_SAIP2.3_BERTLV_SUCI", (2, 3), 30)]
)
def test_published_packages_split(name: str, version: tuple[int, int], count: int) -> None:
    package = decode(ts48(name))
    assert (package.version, len(package.elements)) == (version, count)
    assert package.elements[1].name == "mf"
    assert package.elements[1].identification == 4
    assert package.elements[1].mandated


def test_computed_elements() -> None:
    package = decode(HEADER + AKA + END)
    assert package.header["iccid"] == bytes.fromhex("8999010000000000185F")
    assert package.header["eUICC-Mandatory-services"] == {"usim": None, "milenage": None}
    assert package.header["eUICC-Mandatory-GFSTEList"] == ["2.23.143.1.2.1", "2.23.143.1.2.4"]
    kind, parameter = as_choice(package.elements[1].fields["algoConfiguration"])
    assert kind == "algoParameter"
    assert as_record(parameter)["key"] == bytes(range(16))
    assert package.elements[2].identification == 31
    assert encode(package) == HEADER + AKA + END


def test_defaults_are_left_out_when_written() -> None:
    package = decode(HEADER + AKA + END)
    package.elements[1].fields["sqnOptions"] = b"\x02"
    package.elements[1].fields["sqnInit"] = [bytes(6)] * 32
    assert encode(package) == HEADER + AKA + END


def test_a_written_default_is_refused() -> None:
    longer = encode_tlv(b"\xa4", AKA[2:] + bytes.fromhex("820102"))
    with pytest.raises(PeerError, match="DEFAULT") as caught:
        decode(HEADER + longer + END)
    assert "PE 1 akaParameter.sqnOptions at byte" in caught.value.field


def test_pe_rfm_has_two_components_with_one_tag() -> None:
    rfm = decode(ts48("TS48v7_SAIP2.3_BERTLV_SUCI")).named("rfm")[1]
    assert rfm.identification == 28
    assert rfm.fields["tarList"] == [bytes.fromhex("B00140")]
    assert rfm.fields["uiccAdminAccessDomain"] == b"\x00"
    assert as_record(rfm.fields["adfRFMAccess"])["adfAID"] == bytes.fromhex("A0000000871002FF49FF0589")


def test_aids_of_an_instance_are_told_apart_by_position() -> None:
    package = decode(demo_template())
    instance = as_record(package.named("securityDomain")[0].fields["instance"])
    assert "extraditeSecurityDomainAID" not in instance
    instance["extraditeSecurityDomainAID"] = bytes(5)
    again = decode(encode(package))
    assert as_record(again.named("securityDomain")[0].fields["instance"]) == instance


def test_elements_of_later_versions_and_unknown_ones_stay_raw() -> None:
    later = encode_tlv(bytes.fromhex("BF1F"), bytes.fromhex("A00580008101058202ABCD"))
    unknown = encode_tlv(bytes.fromhex("BF60"), b"\x01\x02\x03")
    reserved = bytes.fromhex("AB00")
    package = decode(HEADER + later + unknown + reserved + END)
    assert [element.name for element in package.elements[1:4]] == ["df-5gprose", "unknown-BF60", "rfu1"]
    assert package.elements[1].identification == 5
    assert package.elements[1].opaque == bytes.fromhex("8202ABCD")
    assert package.elements[2].opaque == b"\x01\x02\x03"
    assert encode(package) == HEADER + later + unknown + reserved + END


def test_elements_newer_than_the_version_in_the_header_stay_raw() -> None:
    older = HEADER.replace(bytes.fromhex("810103"), bytes.fromhex("810101"), 1)
    df_saip = encode_tlv(ELEMENT_TAGS["df-saip"], bytes.fromhex("A0058000810107"))
    package = decode(older + df_saip + END)
    assert package.elements[1].name == "df-saip"
    assert package.elements[1].opaque == b""
    assert encode(package) == older + df_saip + END


def test_unknown_components_at_the_end_are_kept() -> None:
    longer = encode_tlv(b"\xa4", AKA[2:] + bytes.fromhex("8901FF"))
    package = decode(HEADER + longer + END)
    assert package.elements[1].fields["extension"] == bytes.fromhex("8901FF")
    assert encode(package) == HEADER + longer + END


@pytest.mark.parametrize(
    ("der", "rule"),
    [
        (b"", "empty"),
        (HEADER, "PE-End is missing"),
        (END, "does not begin with a profile header"),
        (HEADER + HEADER + END, "second profile header"),
        (HEADER + END + END, "bytes after PE-End"),
        (HEADER + END + b"\x00", "bytes after PE-End"),
        (HEADER + AKA + AKA + END, "identification 11 is used twice"),
        (HEADER + bytes.fromhex("AA00"), "mandatory end-header is missing"),
        (HEADER + bytes.fromhex("AA07A105800081011F"), "mandatory end-header is missing before tag A1"),
        (HEADER + bytes.fromhex("AA0EA005800081011FA005800081011F"), "out of order or there twice"),
        (HEADER + bytes.fromhex("AA08A00681010181011F"), "out of order or there twice"),
        (HEADER + bytes.fromhex("AA08A006800100810101"), "NULL with content"),
        (HEADER + bytes.fromhex("AA08A006800081028000"), "number is not in 0..32767"),
        (HEADER + bytes.fromhex("AA09A00780008103008000"), "number is not in 0..32767"),
        (HEADER + bytes.fromhex("AA80A005800081011F0000"), "indefinite length"),
        (HEADER.replace(b"\x81\x01\x03", b"\x81\x01\x09") + END, "version 2.9 is not supported"),
        (HEADER.replace(b"\x80\x01\x02", b"\x80\x01\x04") + END, "version 4.3 is not supported"),
        (HEADER[:20].replace(b"\xa0\x2a", b"\xa0\x12") + END, "mandatory eUICC-Mandatory-services is missing"),
        (bytes.fromhex("A0029F00") + END, "cut off|shortest form|missing"),
    ],
)
def test_broken_packages(der: bytes, rule: str) -> None:
    with pytest.raises(PeerError, match=rule) as caught:
        decode(der)
    assert "at byte" in caught.value.field


def test_errors_name_element_component_and_offset() -> None:
    der = ts48("TS48v7_SAIP2.3_BERTLV_SUCI")
    at = der.index(bytes.fromhex("8310" + "00" * 16))  # opc of the first akaParameter
    broken = der[: at + 1] + b"\x80" + der[at + 2 :]
    with pytest.raises(PeerError) as caught:
        decode(broken)
    assert "PE 10 akaParameter.algoConfiguration.algoParameter" in caught.value.field
    assert f"at byte {at + 1}" in caught.value.field


def test_every_element_of_the_reference_has_its_tag() -> None:
    expected = {"header": "A0", "end": "AA", "rfu5": "AF", "mf": "B0", "usim": "B3", "df-snpn": "BE"}
    expected |= {
        "df-5gprose": "BF1F",
        "iot": "BF20",
        "opt-iot": "BF21",
        "eap": "BB",
        "df-5gs": "BC",
        "df-saip": "BD",
    }
    assert {name: ELEMENT_TAGS[name].hex().upper() for name in expected} == expected
    assert len(ELEMENT_NAMES) == 34
    assert set(SCHEMAS) == {(2, 1), (2, 2), (2, 3), (3, 0), (3, 1), (3, 2), (3, 3)}
    assert "eap" not in SCHEMAS[2, 1].elements
    assert "df-5gs" not in SCHEMAS[2, 2].elements


def test_limits_on_size_and_count() -> None:
    with pytest.raises(PeerError, match="more than 1048576 bytes"):
        decode(bytes((1 << 20) + 1))
    with pytest.raises(PeerError, match="more than 1024 profile elements"):
        decode(HEADER + bytes.fromhex("AB00") * 1024 + END)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"iccid": bytes(9)}, "10..10 bytes"),
        ({"iccid": "text"}, "must be bytes"),
        ({"major-version": 256}, "0..255"),
        ({"profileType": ""}, "1..100 characters"),
        ({"eUICC-Mandatory-services": {"nonsense": None}}, "nonsense is not a component here"),
        ({"eUICC-Mandatory-services": {"usim": 1}}, "must be NULL"),
        ({"eUICC-Mandatory-services": []}, "record of named components"),
        ({"eUICC-Mandatory-GFSTEList": ["x"]}, "dotted form"),
        ({"eUICC-Mandatory-GFSTEList": {}}, "must be a list"),
        ({"unheard-of": 1}, "unheard-of is not a component here"),
    ],
)
def test_values_that_do_not_fit_are_not_written(change: dict[str, object], rule: str) -> None:
    package = decode(demo_template())
    package.header.update(change)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=rule) as caught:
        encode(package)
    assert caught.value.field.startswith("PE 0 header")


def test_structure_of_packages_that_are_not_written() -> None:
    package = decode(demo_template())
    with pytest.raises(InputError, match="begin with the profile header"):
        encode(Package(package.version, package.elements[1:]))
    with pytest.raises(InputError, match=r"version 9\.9"):
        encode(Package((9, 9), package.elements))
    stranger = ProfileElement("iot", {})
    with pytest.raises(InputError, match=r"not an element of version 2\.3"):
        encode(Package(package.version, (package.elements[0], stranger, package.elements[-1])))
    with pytest.raises(InputError, match="neither a known name nor a tag"):
        encode(Package(package.version, (package.elements[0], ProfileElement("x", {}), package.elements[-1])))


def test_generic_file_management_tells_its_commands_apart() -> None:
    package = decode(ts48("TS48v7_SAIP2.3_BERTLV_SUCI"))
    commands = as_list(as_list(package.named("genericFileManagement")[0].fields["fileManagementCMD"])[0])
    assert [as_choice(command)[0] for command in commands[:3]] == ["filePath", "createFCP", "filePath"]


def with_tail(tag: str, body: str) -> bytes:
    """A package of header, one element and End."""
    return HEADER + encode_tlv(bytes.fromhex(tag), bytes.fromhex(body)) + END


@pytest.mark.parametrize(
    ("der", "rule"),
    [
        (with_tail("A2", "A003810101A10481008100"), "more than one value in an explicitly tagged CHOICE"),
        (with_tail("A2", "A003810101A1028200"), "none of the alternatives"),
        (with_tail("A2", "A003810101A102A000"), "0 items where at least 1"),
        (with_tail("A3", "A003810101A1023100"), "tag 31 where 30 is due"),
        (with_tail("A3", "A003810101A1023000"), "mandatory keyReference is missing"),
        (with_tail("A9", "A0038101018101FF8200"), "OBJECT IDENTIFIER"),
        (HEADER.replace(b"\x83\x0a", b"\x82\x0a", 1) + END, "not UTF-8"),
    ],
)
def test_broken_values(der: bytes, rule: str) -> None:
    with pytest.raises(PeerError, match=rule):
        decode(der)


def test_a_list_with_too_many_items() -> None:
    puk = bytes.fromhex("300D8001018108" + "31" * 8)
    body = bytes.fromhex("A003810101") + encode_tlv(b"\xa1", puk * 17)
    with pytest.raises(PeerError, match="more than 16 items") as caught:
        decode(HEADER + encode_tlv(b"\xa3", body) + END)
    assert "PE 1 pukCodes.pukCodes at byte" in caught.value.field


def test_profile_types_have_a_length() -> None:
    for size, fits in ((1, True), (100, True), (101, False)):
        package = decode(demo_template())
        package.header["profileType"] = "p" * size
        if fits:
            assert decode(encode(package)).header["profileType"] == "p" * size
        else:
            with pytest.raises(InputError):
                encode(package)
    body = HEADER[2:8] + encode_tlv(b"\x82", b"p" * 101) + HEADER[8:]
    with pytest.raises(PeerError, match="101 characters"):
        decode(encode_tlv(b"\xa0", body) + END)


def test_a_slot_is_not_written_as_if_it_were_bytes() -> None:
    package = decode(demo_template())
    package.header["iccid"] = Slot("iccid", 10, 10)
    with pytest.raises(InputError, match="slot is not filled"):
        encode(package)
    package.header["iccid"] = Slot("iccid", 10, 11)
    with pytest.raises(InputError, match=r"10\.\.10 bytes"):
        encode(package)
    package.header["iccid"] = Mixed((bytes(5), Slot("half", 5, 5)))
    with pytest.raises(InputError, match="slot is not filled"):
        encode(package)


def test_choices_and_identifiers_that_do_not_fit_are_not_written() -> None:
    for value in (None, ("nonsense", None), ("algoParameter",)):
        package = decode(demo_template())
        package.named("akaParameter")[0].fields["algoConfiguration"] = value  # type: ignore[assignment]
        with pytest.raises(InputError, match="akaParameter"):
            encode(package)
    package = decode(demo_template())
    package.named("mf")[0].fields["templateID"] = b"\x01"
    with pytest.raises(InputError, match="object identifier"):
        encode(package)
    package.named("mf")[0].fields["templateID"] = "2.23.143.1.2.1"
    package.named("mf")[0].fields["extension"] = "text"
    with pytest.raises(InputError, match="extension must be bytes"):
        encode(package)
    del package.named("mf")[0].fields["extension"], package.named("mf")[0].fields["ef-dir"]
    with pytest.raises(InputError, match="ef-dir is missing"):
        encode(package)


def test_access_functions_tell_a_defect_of_ours() -> None:
    for access in (as_record, as_list, as_choice, as_bytes, as_number):
        with pytest.raises(TypeError):
            access(None)


@pytest.mark.parametrize("name", TS48_NAMES)
def test_contents_are_those_of_the_decoded_package(name: str) -> None:
    der = ts48(name)
    places = contents(der)
    assert [(p.name, p.identification) for p in places] == [
        (e.name, e.identification) for e in decode(der).elements
    ]
    assert places[-1].end == len(der)
    for at, place in enumerate(places[1:], 1):
        start = places[at - 1].end
        assert der[start : place.end].startswith(ELEMENT_TAGS[place.name])
