"""Compiled templates: every value at its place, equal to the schema's own encoding, refusals by name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.codec.saip import Package, ProfileElement, decode, encode
from ferryman.codec.saip.der import Place
from ferryman.codec.saip.encoder import Node, encode_content, wrap
from ferryman.codec.saip.tree import as_bytes, as_choice, as_list, as_record, choices
from ferryman.codec.saip.types import Mixed, Octets, Slot, Value, auto, req
from ferryman.errors import InputError, PeerError
from ferryman.profile.demo_template import demo_package, demo_template
from ferryman.profile.files import content_of
from ferryman.profile.template import CompiledTemplate, TemplateSlot, compile_template, with_slots
from ferryman.profile.variables import Variable
from saip_samples import ICCID, IMSI, KI, KIC, KID, KIK, MSISDN, OPC, TS48_NAMES, sample_values, ts48

SLOT_NAMES = "iccid_header iccid_ef imsi_ef acc ki opc pin1 adm1 pin2 puk1 puk2 kic kid kik"
ALL_SLOTS = SLOT_NAMES.split()
INPUTS = {"iccid": ICCID, "imsi": IMSI, "msisdn": MSISDN} | sample_values()
FULL_NAMES = [name for name in TS48_NAMES if "NoRAMRFM" not in name]


def filled(value: Value, values: dict[str, bytes]) -> Value:
    """The tree with every slot replaced by its bytes: the slow way round, through the schema."""
    match value:
        case Slot():
            return values[value.name]
        case Mixed():
            return b"".join(part if isinstance(part, bytes) else values[part.name] for part in value.parts)
        case dict():
            return {name: filled(item, values) for name, item in value.items()}
        case list():
            return [filled(item, values) for item in value]
        case (str() as name, item):
            return name, filled(item, values)
        case _:
            return value


def slow_render(der: bytes, values: dict[str, bytes]) -> bytes:
    package = with_slots(der).package
    elements = []
    for element in package.elements:
        fields = filled(element.fields, values)
        elements.append(ProfileElement(element.name, as_record(fields), element.opaque, element.tag))
    return encode(Package(package.version, tuple(elements)))


@functools.cache
def compiled(name: str) -> CompiledTemplate:
    return compile_template(ts48(name) if name else demo_template())


def files_of(package: Package, element: str, name: str) -> bytes:
    return content_of(choices(package.named(element)[0].fields[name]))


def test_slots_of_the_demo_template() -> None:
    template = compiled("")
    assert [slot.name for slot in template.slots] == ALL_SLOTS
    assert template.secret_names == {"ki", "opc", "pin1", "adm1", "pin2", "puk1", "puk2", "kic", "kid", "kik"}
    assert template.public_names == {"iccid_header", "iccid_ef", "imsi_ef", "acc"}
    assert template.slots[0] == TemplateSlot("iccid_header", False, 10, 10)
    assert (template.profile_type, template.version, template.mnc_length) == ("Ferryman demo", (2, 3), 2)


def check_places(package: Package, values: dict[str, bytes], algorithm: int) -> None:
    """Reads every place by its meaning, not by what the mapping did."""
    assert package.header["iccid"] == values["iccid_header"]
    assert files_of(package, "mf", "ef-iccid") == values["iccid_ef"]
    assert files_of(package, "usim", "ef-imsi") == values["imsi_ef"]
    assert files_of(package, "usim", "ef-acc") == values["acc"]
    for element in package.named("akaParameter"):
        parameter = as_record(as_choice(element.fields["algoConfiguration"])[1])
        assert (parameter["key"], parameter["opc"], parameter["algorithmID"]) == (KI, OPC, algorithm)
    pins: dict[Value, Value] = {}
    for element in package.named("pinCodes"):
        for code in as_list(as_choice(element.fields["pinCodes"])[1]):
            pins[as_record(code)["keyReference"]] = as_record(code)["pinValue"]
    assert (pins[1], pins[129], pins[10]) == (values["pin1"], values["pin2"], values["adm1"])
    puks = [as_record(code)["pukValue"] for code in as_list(package.named("pukCodes")[0].fields["pukCodes"])]
    assert puks == [values["puk1"], values["puk2"]]


def ota_keys(package: Package) -> list[tuple[Value, Value]]:
    """Type and data of the first security domain's keys of version 1, by key id."""
    keys = [as_record(key) for key in as_list(package.named("securityDomain")[0].fields["keyList"])]
    first = sorted((as_bytes(key["keyIdentifier"]), key) for key in keys if key["keyVersionNumber"] == b"\x01")
    components = [as_record(as_list(key["keyCompontents"])[0]) for _, key in first]
    return [(component["keyType"], component["keyData"]) for component in components]


@pytest.mark.parametrize("name", ["", *TS48_NAMES])
def test_every_value_is_at_its_place(name: str) -> None:
    values = sample_values()
    package = decode(compiled(name).render(values))
    check_places(package, values, 1)
    services = as_record(package.header["eUICC-Mandatory-services"])
    assert "milenage" in services
    assert "usim-test-algorithm" not in services
    if "NoRAMRFM" not in name:
        assert ota_keys(package) == [(b"\x88", KIC), (b"\x88", KID), (b"\x88", KIK)]


@pytest.mark.parametrize("name", FULL_NAMES)
def test_isim_identities_follow_the_imsi(name: str) -> None:
    package = decode(compiled(name).render(sample_values()))
    private = files_of(package, "isim", "ef-impi")
    public = files_of(package, "isim", "ef-impu")
    assert private[2:].startswith(IMSI.encode() + b"@")
    assert private[1] == len(private[2:].rstrip(b"\xff"))
    assert public[2:].startswith(b"sip:" + IMSI.encode() + b"@ims.mnc001.mcc001")
    assert b"001010123456789" not in private + public


def test_msisdn_stands_behind_the_alpha_identifier() -> None:
    values = sample_values()
    content = files_of(decode(compiled("TS48v7_SAIP2.3_BERTLV_SUCI").render(values)), "opt-usim", "ef-msisdn")
    assert content == b"\xff" * 25 + values["msisdn_record"]


def test_as_is_keeps_the_algorithm() -> None:
    der = ts48("TS48v7_SAIP2.3_BERTLV_SUCI")
    template = compile_template(der, algorithm="as-is")
    values = sample_values()
    package = decode(template.render(values))
    check_places(package, values, 3)
    assert package.header["eUICC-Mandatory-services"] == decode(der).header["eUICC-Mandatory-services"]
    assert any("test algorithm" in note for note in template.notes)


def test_notes_say_what_stays() -> None:
    notes = " / ".join(compiled("TS48v7_SAIP2.3_BERTLV_SUCI").notes)
    assert "key reference 11" in notes
    assert "PE 26 securityDomain: key 3 of version 2" in notes
    assert "CSIM" in notes
    assert any("no OTA keys" in note for note in compiled("TS48v7_SAIP2.3_NoBERTLV_NoRAMRFM").notes)


random_values = st.fixed_dictionaries(
    {name: st.binary(min_size=len(value), max_size=len(value)) for name, value in sample_values().items()}
)


@settings(deadline=None)  # a busy machine is no defect
@given(random_values, st.sampled_from(["", "TS48v1_A_SAIP2.1", "TS48v7_SAIP2.3_BERTLV_SUCI"]))
def test_rendering_equals_the_schema_encoding(values: dict[str, bytes], name: str) -> None:
    der = ts48(name) if name else demo_template()
    assert compiled(name).render(values) == slow_render(der, values)


@pytest.mark.parametrize("name", ["", *TS48_NAMES])
def test_stored_form_round_trips(name: str) -> None:
    template = compiled(name)
    again = CompiledTemplate.from_bytes(template.to_bytes())
    assert again == template
    assert again.render(sample_values()) == template.render(sample_values())


def test_stored_form_that_is_damaged() -> None:
    stored = compiled("").to_bytes()
    for broken in (b"", stored[:-1], stored.replace(b"\x9b\x02", b"\x9b\x03", 1), b"\x97\x01\x91\xc0" + bytes(9)):
        with pytest.raises(InputError, match="compiled template"):
            CompiledTemplate.from_bytes(broken)
    with pytest.raises(InputError, match="is damaged"):
        CompiledTemplate.from_bytes(stored.replace(b"\xa3kik", b"\xa3xxx", 1))


def test_the_first_stored_form_is_read() -> None:
    template = compiled(TS48_NAMES[-2])
    [*parts] = msgspec.msgpack.decode(template.to_bytes())
    first = parts[:7]
    first[0] = 1
    first[1] = without_overrides(first[1])
    first[2] = [["msisdn", *rest] if name == "msisdn_record" else [name, *rest] for name, *rest in first[2]]
    old = msgspec.msgpack.encode(first).replace(b"\xadmsisdn_record", b"\xa6msisdn")
    assert CompiledTemplate.from_bytes(old).personalise(INPUTS) == template.personalise(INPUTS)


def without_overrides(parts: list[Any]) -> list[Any]:
    """Parts as the first form had them: no slots for components of the header."""
    kept = [part for part in parts if not (isinstance(part, str) and part.startswith("header."))]
    return [[part[0], without_overrides(part[1])] if isinstance(part, list) else part for part in kept]


def test_missing_and_wrong_values() -> None:
    template, values = compiled(""), sample_values()
    assert template.missing(values) == ()
    assert template.missing(values.keys() - {"pin2", "kik"}) == ("pin2", "kik")
    with pytest.raises(InputError, match=r"^kik: the template needs it"):
        template.render({name: value for name, value in values.items() if name != "kik"})
    with pytest.raises(InputError, match=r"^ki: 15 bytes, the template takes 16$"):
        template.render(values | {"ki": KI[:15]})
    with pytest.raises(InputError, match=r"^imsi_digits: 14 bytes, the template takes 15$"):
        compiled(TS48_NAMES[0]).render(values | {"imsi_digits": b"00101012345678"})


def test_a_template_shows_no_content() -> None:
    assert "parts" not in repr(compiled(""))
    assert "\\x" not in repr(compiled(""))


def test_live_nodes_compute_their_length() -> None:
    """A value of variable length below a TLV makes its header, and those above, depend on it."""
    inner = auto(req("a", Octets()), req("b", Octets(0, 300)))
    outer = auto(req("inner", inner), req("fixed", Octets()))
    slot = Slot("x", 0, 300)
    value: Value = {"inner": {"a": b"\x01", "b": slot}, "fixed": b"\x02"}
    parts = wrap(b"\xb0", encode_content(outer, value, Place("test")))
    declared_x = (Variable("x", "octets", 0, 300),)
    assert isinstance(parts[0], Node)
    template = CompiledTemplate(tuple(parts), (TemplateSlot("x", False, 0, 300),), "", (2, 3), 2, (), declared_x)
    again = CompiledTemplate.from_bytes(template.to_bytes())
    for size in (0, 1, 120, 121, 122, 123, 127, 128, 255, 256, 300):
        plain: Value = {"inner": {"a": b"\x01", "b": bytes(size)}, "fixed": b"\x02"}
        expected = wrap(b"\xb0", encode_content(outer, plain, Place("test")))
        assert [again.render({"x": bytes(size)})] == expected


def changed(change: Callable[[Package], None]) -> bytes:
    package = demo_package()
    change(package)
    return encode(package)


def without(*names: str) -> bytes:
    package = demo_package()
    kept = tuple(element for element in package.elements if element.name not in names)
    return encode(Package(package.version, kept))


@pytest.mark.parametrize(
    ("missing", "what"),
    [
        ("akaParameter", "akaParameter with algoParameter"),
        ("mf", "EF ICCID"),
        ("usim", "0 USIMs"),
        ("pukCodes", "PUK1"),
        ("pinCodes", "PIN1"),
        ("securityDomain", "kic, kid, kik"),
    ],
)
def test_a_package_without_a_place_is_refused(missing: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        compile_template(without(missing))


def set_file(package: Package, element: str, name: str, entries: list[Value]) -> None:
    package.named(element)[0].fields[name] = entries


def fcp(**components: Value) -> list[Value]:
    return [("fileDescriptor", components)]


@pytest.mark.parametrize(
    ("entries", "rule"),
    [
        ([("doNotCreate", None)], "doNotCreate"),
        (fcp(efFileSize=b"\x08"), "room for 8 bytes, 9 are needed"),
        (fcp(linkPath=bytes.fromhex("7FD16F07")), "is a link"),
        (fcp() + fcp(), "created more than once"),
    ],
)
def test_a_file_that_cannot_hold_the_value_is_refused(entries: list[Value], rule: str) -> None:
    with pytest.raises(InputError, match=rule) as caught:
        compile_template(changed(lambda package: set_file(package, "usim", "ef-imsi", entries)))
    assert caught.value.field == "usim.ef-imsi"


def test_a_file_without_content_gets_some() -> None:
    entries = fcp(efFileSize=b"\x09", shortEFID=b"\x38")
    der = changed(lambda package: set_file(package, "usim", "ef-imsi", entries))
    package = decode(compile_template(der).render(sample_values()))
    assert package.named("usim")[0].fields["ef-imsi"] == [
        ("fileDescriptor", {"efFileSize": b"\x09", "shortEFID": b"\x38"}),
        ("fillFileContent", sample_values()["imsi_ef"]),
    ]


def test_an_iccid_file_made_by_generic_file_management() -> None:
    package = demo_package()
    commands: list[Value] = [
        ("filePath", b""),
        ("createFCP", {"fileID": b"\x3f\x00"}),
        ("createFCP", {"fileID": b"\x2f\xe2", "fileDescriptor": b"\x41\x21", "efFileSize": b"\x0a"}),
        ("fillFileOffset", 1),
        ("fillFileContent", bytes(9)),
        ("createFCP", {"fileID": b"\x2f\x05", "fileDescriptor": b"\x41\x21", "efFileSize": b"\x02"}),
        ("fillFileContent", b"\xff\xff"),
    ]
    header: Value = {"identification": 1}
    generic = ProfileElement("genericFileManagement", {"gfm-header": header, "fileManagementCMD": [commands]})
    der = encode(Package(package.version, (package.elements[0], generic, *package.elements[2:])))
    rendered = decode(compile_template(der).render(sample_values()))
    written = as_list(as_list(rendered.named("genericFileManagement")[0].fields["fileManagementCMD"])[0])
    assert written == [*commands[:3], ("fillFileContent", sample_values()["iccid_ef"]), *commands[5:]]


def test_two_usims_are_refused() -> None:
    package = demo_package()
    usim = package.named("usim")[0]
    second = ProfileElement("usim", usim.fields | {"usim-header": {"identification": 99}})
    der = encode(Package(package.version, (*package.elements[:-1], second, package.elements[-1])))
    with pytest.raises(InputError, match="2 USIMs"):
        compile_template(der)


def test_an_isim_with_a_foreign_identity_is_refused() -> None:
    der = ts48("TS48v7_SAIP2.3_BERTLV_SUCI").replace(b"\x80\x1d001010123456789@", b"\x80\x1dsomebody.elses.@")
    with pytest.raises(InputError, match=r"isim\.ef-impi"):
        compile_template(der)


def test_a_set_of_ota_keys_must_be_complete() -> None:
    package = demo_package()
    as_list(package.named("securityDomain")[0].fields["keyList"]).pop(1)
    with pytest.raises(InputError, match="lacks kid among the keys"):
        compile_template(encode(package))


def test_tuak_becomes_milenage_only_when_asked() -> None:
    package = demo_package()
    parameter = as_record(as_choice(package.named("akaParameter")[0].fields["algoConfiguration"])[1])
    parameter |= {"algorithmID": 2, "key": bytes(32), "opc": bytes(32), "numberOfKeccak": 3}
    package.header["eUICC-Mandatory-services"] = {"usim": None, "tuak256": None}
    der = encode(package)
    as_is = compile_template(der, algorithm="as-is")
    assert {slot.name: slot.minimum for slot in as_is.slots}["ki"] == 32
    rendered = decode(compile_template(der).render(sample_values()))
    changed_parameter = as_record(as_choice(rendered.named("akaParameter")[0].fields["algoConfiguration"])[1])
    assert changed_parameter == {"algorithmID": 1, "algorithmOptions": b"\x00", "key": KI, "opc": OPC}
    assert rendered.header["eUICC-Mandatory-services"] == {"usim": None, "milenage": None}


def test_broken_packages_are_the_other_sides_fault() -> None:
    with pytest.raises(PeerError):
        compile_template(demo_template()[:-1])


def test_an_identity_in_a_fill_pattern_is_found() -> None:
    """Published packages write the domain that way; an operator's may do so for the identity."""
    package = decode(ts48("TS48v7_SAIP2.3_BERTLV_SUCI"))
    identity = b"\x80\x1d001010123456789@test.3gpp.com\xff"
    set_file(package, "isim", "ef-impi", fcp(efFileSize=b"\x20", proprietaryEFInfo={"fillPattern": identity}))
    rendered = decode(compile_template(encode(package)).render(sample_values()))
    proprietary = as_record(
        as_record(choices(rendered.named("isim")[0].fields["ef-impi"])[0][1])["proprietaryEFInfo"]
    )
    assert proprietary["fillPattern"] == identity.replace(b"001010123456789", IMSI.encode())


def test_an_isim_without_identity_stays() -> None:
    package = decode(ts48("TS48v7_SAIP2.3_BERTLV_SUCI"))
    set_file(package, "isim", "ef-impi", fcp(efFileSize=b"\x20"))
    template = compile_template(encode(package))
    assert "isim.ef-impi holds no identity and stays as it is" in template.notes
    assert "imsi_digits" not in template.secret_names | template.public_names


def test_an_msisdn_file_without_record_length_stays() -> None:
    package = decode(ts48("TS48v7_SAIP2.3_BERTLV_SUCI"))
    set_file(package, "opt-usim", "ef-msisdn", fcp(efFileSize=b"\x20"))
    assert (
        "opt-usim.ef-msisdn states no record length and stays as it is" in compile_template(encode(package)).notes
    )
    del package.named("opt-usim")[0].fields["ef-msisdn"]
    assert "msisdn_record" not in compile_template(encode(package)).public_names


def test_an_msisdn_keeps_its_alpha_identifier_and_further_records() -> None:
    package = decode(ts48("TS48v7_SAIP2.3_BERTLV_SUCI"))
    entries = fcp(fileDescriptor=bytes.fromhex("42210010"), efFileSize=b"\x20")
    content: list[Value] = [("fillFileContent", b"Me"), ("fillFileOffset", 14), ("fillFileContent", b"X" * 16)]
    set_file(package, "opt-usim", "ef-msisdn", entries + content)
    rendered = decode(compile_template(encode(package)).render(sample_values()))
    assert files_of(rendered, "opt-usim", "ef-msisdn") == b"Me" + sample_values()["msisdn_record"] + b"X" * 16


def test_pins_shared_with_another_context_are_left_alone() -> None:
    package = demo_package()
    shared_pins: Value = ("filePath", bytes.fromhex("7FD0"))
    element = ProfileElement("pinCodes", {"pin-Header": {"identification": 99}, "pinCodes": shared_pins})
    der = encode(Package(package.version, (*package.elements[:-1], element, package.elements[-1])))
    assert decode(compile_template(der).render(sample_values())).elements[-2].fields["pinCodes"] == shared_pins


def test_mapped_authentication_parameters_are_left_alone() -> None:
    package = demo_package()
    mapped: Value = ("mappingParameter", {"mappingOptions": b"\x06", "mappingSource": bytes(16)})
    fields: dict[str, Value] = {"aka-header": {"identification": 99}, "algoConfiguration": mapped}
    element = ProfileElement("akaParameter", fields)
    der = encode(Package(package.version, (*package.elements[:-1], element, package.elements[-1])))
    rendered = decode(compile_template(der).render(sample_values()))
    assert rendered.elements[-2].fields["algoConfiguration"] == mapped


def test_a_key_with_several_components_is_refused() -> None:
    package = demo_package()
    key = as_record(as_list(package.named("securityDomain")[0].fields["keyList"])[0])
    as_list(key["keyCompontents"]).append({"keyType": b"\x80", "keyData": bytes(16)})
    with pytest.raises(InputError, match="key 1 of version 1 has several components"):
        compile_template(encode(package))


def test_places_of_different_size_for_one_value_are_refused() -> None:
    package = demo_package()
    original = as_record(as_choice(package.named("akaParameter")[0].fields["algoConfiguration"])[1])
    longer: Value = ("algoParameter", original | {"key": bytes(32)})
    element = ProfileElement("akaParameter", {"aka-header": {"identification": 99}, "algoConfiguration": longer})
    der = encode(Package(package.version, (*package.elements[:-1], element, package.elements[-1])))
    with pytest.raises(InputError, match="places of 16 and of 32 bytes for ki"):
        compile_template(der, algorithm="as-is")


def test_three_digit_mnc_of_ef_ad() -> None:
    der = changed(lambda package: set_file(package, "usim", "ef-ad", [("fillFileContent", b"\x00\x00\x00\x03")]))
    assert compile_template(der).mnc_length == 3


def test_applications_are_noted() -> None:
    package = demo_package()
    element = ProfileElement("application", {"app-Header": {"identification": 99}})
    der = encode(Package(package.version, (*package.elements[:-1], element, package.elements[-1])))
    assert "keys inside applications stay as the template has them" in compile_template(der).notes
