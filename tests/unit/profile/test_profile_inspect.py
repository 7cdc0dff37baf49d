"""Package inspection: usual names, and nothing secret."""

from __future__ import annotations

import json

import pytest

from ferryman.codec.saip import decode
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
