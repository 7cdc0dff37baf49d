"""Package inspection: usual names, and nothing secret."""

from __future__ import annotations

import json

import pytest

from ferryman.codec import tlv
from ferryman.codec.saip import decode
from ferryman.profile.annotations import component_meaning, file_meaning
from ferryman.profile.demo_template import demo_template
from ferryman.profile.inspect import algorithm_names, as_text, describe, file_name
from ferryman.profile.template import compile_template, with_slots
from saip_samples import TS48_NAMES, sample_values, ts48


def test_names_of_files() -> None:
    assert [file_name(name) for name in ("mf", "ef-imsi", "adf-usim", "df-5gs")] == [
        "MF",
        "EF IMSI",
        "ADF USIM",
        "DF 5GS",
    ]


def test_the_demo_template_as_text() -> None:
    text = as_text(describe(decode(demo_template())))
    for line in (
        "profileType: Ferryman demo",
        "usim: PE 4, mandated",
        "EF IMSI: 6F07",
        "EF ARR: 2F06, linear fixed, records of 33, 462 bytes",
        "ADF USIM: 7FD0, AID A0000000871002FFFFFFFF8900000000",
        "algorithmID: milenage",
        "keyReference: 10 (ADM1)",
        "keyData: 16 bytes, hidden",
        "tarList: B00010",
    ):
        assert line in text
    assert algorithm_names(decode(demo_template())) == ("milenage",)


@pytest.mark.parametrize("name", ["", *TS48_NAMES])
def test_no_secret_is_shown(name: str) -> None:
    template = compile_template(ts48(name) if name else demo_template())
    values = sample_values()
    lines = describe(decode(template.render(values)))
    text = as_text(lines) + json.dumps(lines)
    for slot in template.secret_names:
        assert values[slot].hex().upper() not in text
    assert values["iccid_header"].hex().upper() in text
    assert "000102030405060708" not in text


def test_slots_are_shown_by_name() -> None:
    text = as_text(describe(with_slots(ts48("TS48v7_SAIP2.3_BERTLV_SUCI")).package))
    for slot in ("<iccid_ef>", "<imsi_ef>", "<ki>", "<pin1>", "<imsi_digits>", "<msisdn_record>", "<kik>"):
        assert slot in text


def test_files_of_generic_file_management_and_links() -> None:
    text = as_text(describe(decode(ts48("TS48v7_SAIP2.3_BERTLV_SUCI"))))
    assert "select: MF" in text
    assert "create: 6F3B, linear fixed, records of 28, ARR 2F060D, link to 7FD06F3B" in text
    assert "skip: 11" in text


def test_raw_elements_show_their_size() -> None:
    der = demo_template()
    extra = bytes.fromhex("BF600401020304")
    text = as_text(describe(decode(der[:-9] + extra + der[-9:])))
    assert "unknown-BF60\n  not decoded: 4 bytes" in text


def test_values_have_their_meaning_beside_them() -> None:
    text = as_text(describe(decode(ts48("TS48v7_SAIP2.3_BERTLV_SUCI"))))
    for line in (
        "iccid: 89000123456789012341 (89000123456789012341)",
        "templateID: 2.23.143.1.2.4 (USIM)",
        "record 1: A0000000871002FF49FF0589 USIM",
        "record 11: read: PIN1; deactivate/activate/delete: ADM1; INCREASE: PIN1; update: PIN1 or PIN2",
        "reads: 001010123456789\n",
        "reads: access classes 0\n",
        "reads: MNC of 2 digits",
        "record 2: 911",
        "record 1: sip:001010123456789@ims.mnc001.mcc001.3gppnetwork.org",
        "reads: services 1, 21",
        "pinAttributes: 6 (disabled)",
        "maxNumOfAttemps-retryNumLeft: 170 (10 of 10 tries left)",
        "lifeCycleState: 0F (PERSONALIZED)",
        "applicationSpecificParametersC9: 810280008201F08301F08701F0 (SCP80 i=00, 82 F0, 83 F0, 87 F0)",
        "0 menu entries, 0 channels, minimum security level 02, TAR B20100",
        "keyVersionNumber: 02 (SCP80)",
        "keyType: 88 (AES)",
        "minimumSecurityLevel: 02 (cryptographic checksum, no ciphering, no counter)",
    ):
        assert line in text, line
    lines = describe(decode(ts48("TS48v7_SAIP2.3_BERTLV_SUCI")))
    children = lines[1]["children"]
    assert children[0] == {"name": "templateID", "value": "2.23.143.1.2.1", "meaning": "MF"}


@pytest.mark.parametrize(
    ("name", "content", "record", "meaning"),
    [
        ("ef-ehplmn", "00F11062F220", 0, ["001 01, 262 02"]),
        ("ef-ehplmn", "130062FFFFFF", 0, ["310 260, unused"]),
        ("ef-hplmnwact", "00F1104000FFFFFF0000", 0, ["001 01 4000"]),
        ("ef-msisdn", "4D6507919919325476F8FFFFFFFFFFFF", 16, ["+99912345678"]),
        ("ef-pl", "656EFFFF", 0, ["en"]),
        ("ef-arr", "80010190008001029700", 10, ["read: always; update: never"]),
        ("ef-arr", "800107A010A406830101950108A406830181950108", 21, ["read/update/write: PIN1 or PIN2"]),
        ("ef-arr", "8105FF", 3, [""]),
        ("ef-arr", "800101A403950108", 8, ["read: no code"]),
        ("ef-dir", "6103500141", 5, ["A"]),
        ("ef-imsi", "FFFFFFFFFFFFFFFFFF", 0, ["unused"]),
        ("ef-spn", "00466572727983", 0, [""]),
        ("ef-psloci", "00", 0, []),
    ],
)
def test_meaning_of_files(name: str, content: str, record: int, meaning: list[str]) -> None:
    assert file_meaning(name, bytes.fromhex(content), record) == meaning


def test_conditions_without_end_are_shown_as_octets() -> None:
    rule = b"\x90\x00"
    for _ in range(5_000):
        rule = tlv.encode(0xA0, rule)
    [meaning] = file_meaning("ef-arr", b"\x80\x01\x01" + rule, 0)
    assert meaning.startswith("read: A0")


@pytest.mark.parametrize(
    ("name", "value", "meaning"),
    [
        ("pol", b"\x03", "disabling not allowed, deletion not allowed"),
        ("pol", b"\x00", "no rule"),
        ("pol", b"", ""),
        ("shortEFID", b"\x38", "SFI 07"),
        ("shortEFID", b"", "no SFI"),
        ("templateID", "2.23.143.1.2.13.4", "5GS version 4"),
        ("templateID", "2.23.143.1.2.99", ""),
        ("templateID", "1.2.3", ""),
        ("minimumSecurityLevel", b"\x16", "cryptographic checksum, ciphering, counter higher"),
        ("uiccToolkitApplicationSpecificParametersField", b"\x01", ""),
        ("applicationSpecificParametersC9", b"\x81\x05", ""),
    ],
)
def test_meaning_of_components(name: str, value: bytes | str, meaning: str) -> None:
    assert component_meaning(name, value) == meaning
