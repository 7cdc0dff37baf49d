"""Our own template against the rules of the profile-package reference (sections 2 to 4)."""

from __future__ import annotations

from importlib import resources

from ferryman.codec.saip import Package, decode
from ferryman.codec.saip.tree import as_bytes, as_choice, as_list, as_record, choices
from ferryman.codec.saip.types import Value
from ferryman.profile import compile_template, demo_template
from ferryman.profile.files import content_of, descriptor, record_length, stated_size

MAX_BYTES = 2000


def package() -> Package:
    return decode(demo_template())


def test_the_file_in_the_package_is_what_the_tables_build() -> None:
    stored = resources.files("ferryman.profile").joinpath("data", "demo-template.der").read_bytes()
    assert stored == demo_template()
    assert len(stored) <= MAX_BYTES


def test_order_of_elements() -> None:
    names = [element.name for element in package().elements]
    expected = "header mf pukCodes pinCodes usim pinCodes akaParameter securityDomain rfm rfm end"
    assert " ".join(names) == expected
    numbers = [element.identification for element in package().elements[1:]]
    assert numbers == list(range(1, 11))
    assert all(element.mandated for element in package().elements[1:])


def test_header_asks_for_what_is_used() -> None:
    header = package().header
    assert header["eUICC-Mandatory-services"] == {"usim": None, "milenage": None}
    used = [element.fields["templateID"] for element in package().elements if "templateID" in element.fields]
    assert header["eUICC-Mandatory-GFSTEList"] == used


def test_directories_have_what_a_template_element_must_give() -> None:
    read = package()
    mf = as_record(choices(read.named("mf")[0].fields["mf"])[0][1])
    adf = as_record(choices(read.named("usim")[0].fields["adf-usim"])[0][1])
    assert mf["pinStatusTemplateDO"] == bytes((1, 10))
    assert adf["pinStatusTemplateDO"] == bytes((129, 1, 10))
    assert adf["fileID"] == bytes.fromhex("7FD0")
    assert len(as_bytes(adf["dfName"])) == 16
    assert not {"efFileSize", "shortEFID", "proprietaryEFInfo"} & (mf.keys() | adf.keys())


def test_pins_named_by_directories_are_defined() -> None:
    """Global codes in the MF context, local ones in the ADF's; every named PUK exists."""
    read = package()
    contexts = [as_list(as_choice(each.fields["pinCodes"])[1]) for each in read.named("pinCodes")]
    assert [[as_record(code)["keyReference"] for code in context] for context in contexts] == [[1, 10], [129]]
    puks = {as_record(code)["keyReference"] for code in as_list(read.named("pukCodes")[0].fields["pukCodes"])}
    wanted = [as_record(code).get("unblockingPINReference") for context in contexts for code in context]
    assert {each for each in wanted if each is not None} <= puks


def test_record_files_hold_whole_records() -> None:
    read = package()
    for element, name, count in (("mf", "ef-dir", 1), ("mf", "ef-arr", 14), ("usim", "ef-arr", 14)):
        entries = choices(read.named(element)[0].fields[name])
        fcp = descriptor(entries, name)
        length, size = record_length(fcp), stated_size(fcp)
        assert length is not None
        assert size == length * count
        content = content_of(entries)
        assert size - length < len(content) <= size
        assert all(content[at] in (0x61, 0x80) for at in range(0, size, length))


def test_access_rules_are_whole_tlvs() -> None:
    entries = choices(package().named("usim")[0].fields["ef-arr"])
    for _, content in (entry for entry in entries if entry[0] == "fillFileContent"):
        rule, at = as_bytes(content), 0
        while at < len(rule):
            assert rule[at] in (0x80, 0x90, 0xA4)
            at += 2 + rule[at + 1]
        assert at == len(rule)


def test_sizes_of_fixed_files() -> None:
    usim = package().named("usim")[0].fields
    sizes = {"ef-imsi": 9, "ef-ust": 14, "ef-spn": 17, "ef-est": 1, "ef-acc": 2, "ef-ad": 4, "ef-ecc": 4}
    assert {name: len(content_of(choices(usim[name]))) for name in sizes} == sizes


def test_remote_management_is_protected_and_its_tars_are_unique() -> None:
    elements = package().named("rfm")
    tars = [as_bytes(as_list(element.fields["tarList"])[0]) for element in elements]
    assert tars == [bytes.fromhex("B00000"), bytes.fromhex("B00010")]
    assert [as_bytes(element.fields["instanceAID"])[12:15] for element in elements] == tars
    assert all(element.fields["minimumSecurityLevel"] == b"\x16" for element in elements)


def test_security_domain_keys() -> None:
    keys = [as_record(key) for key in as_list(package().named("securityDomain")[0].fields["keyList"])]
    facts = [(key["keyIdentifier"], key["keyUsageQualifier"], key["keyVersionNumber"]) for key in keys]
    assert facts == [(b"\x01", b"\x18", b"\x01"), (b"\x02", b"\x14", b"\x01"), (b"\x03", b"\x48", b"\x01")]
    components = [as_record(as_list(key["keyCompontents"])[0]) for key in keys]
    assert all(component["keyType"] == b"\x88" for component in components)


def test_the_template_itself_holds_no_secret() -> None:
    """Every key and code in it is zeros, and after mapping nothing is left over."""
    secrets: list[Value] = []

    def collect(value: Value) -> None:
        if isinstance(value, dict):
            names = ("key", "opc", "keyData", "pinValue", "pukValue")
            secrets.extend(item for name, item in value.items() if name in names)
            for item in value.values():
                collect(item)
        elif isinstance(value, list | tuple):
            for item in value:
                collect(item)

    for element in package().elements:
        collect(element.fields)
    assert len(secrets) == 10
    assert not any(any(as_bytes(secret)) for secret in secrets)
    assert compile_template(demo_template()).notes == ()
