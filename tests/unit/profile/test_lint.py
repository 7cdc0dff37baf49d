"""Validator: real packages are clean, each rule is broken alone by a package, findings name their place."""

from __future__ import annotations

import pytest

from ferryman.codec.saip import Package, decode, encode
from ferryman.profile.demo_template import demo_template
from ferryman.profile.lint import ERROR, RULES, Finding, check, check_variables
from ferryman.profile.template import compile_template
from saip_broken import Change, fields, full_profile, iot_profile
from saip_broken_cases import FULL, IOT, TEMPLATE
from saip_samples import TS48_NAMES, sample_values, ts48

MALFORMED_BESIDES = {
    # The decoder refuses these by itself, so the tree cannot be checked after a round trip.
    *("header-first", "header-once", "end-last", "end-once", "identification-unique"),
    # Elements that lack what the schema asks for.
    *("iot-without-options", "iot-with-mf"),
}


def broken(package: Package, change: Change) -> Package:
    changed = change(package)
    return package if changed is None else changed


@pytest.mark.parametrize("name", ["", *TS48_NAMES])
def test_personalised_packages_break_no_rule(name: str) -> None:
    der = ts48(name) if name else demo_template()
    assert check(decode(compile_template(der).render(sample_values()))) == []


@pytest.mark.parametrize("name", TS48_NAMES)
def test_published_packages_have_no_errors(name: str) -> None:
    found = check(decode(ts48(name)))
    assert {finding.rule for finding in found} <= {"acc-of-imsi", "isim-identity"}
    assert all(finding.severity != ERROR for finding in found)


def test_the_packages_that_are_broken_here_are_whole_before() -> None:
    for package in (full_profile(), iot_profile()):
        assert decode(encode(package)) == package
        assert check(package) == []


@pytest.mark.parametrize("name", sorted(FULL))
def test_each_rule_of_a_full_profile_is_broken_alone(name: str) -> None:
    alone(name, full_profile(), FULL[name])


@pytest.mark.parametrize("name", sorted(IOT))
def test_each_rule_of_an_iot_profile_is_broken_alone(name: str) -> None:
    alone(name, iot_profile(), IOT[name])


@pytest.mark.parametrize("name", sorted(TEMPLATE))
def test_each_rule_of_a_template_is_broken_alone(name: str) -> None:
    whole = full_profile()
    assert check_variables(whole) == []
    assert {finding.rule for finding in check_variables(broken(whole, TEMPLATE[name]))} == {name}
    assert name not in {finding.rule for finding in check(whole)}


def alone(name: str, package: Package, change: Change) -> None:
    wrong = broken(package, change)
    found = check(wrong)
    assert {finding.rule for finding in found} == {name}, [str(finding) for finding in found]
    if name not in MALFORMED_BESIDES:
        assert [finding.rule for finding in check(decode(encode(wrong)))] == [finding.rule for finding in found]


TOOLKIT = "uiccToolkitApplicationSpecificParametersField"


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ("0100000000020102 06 B20100 000000 0000", []),  # as published
        ("0100000000020102 06 B20100 B00120 0000", ["B00120"]),  # the RFM application of the UICC has it too
        ("0100000000020102 06 B20100 B20100 0000", ["B20100"]),
        ("01000002 0102 0103 00 0103 03 B00120 00", ["B00120"]),  # with menu entries
        ("0100000000020102 06 B00120", ["B00120"]),
        ("0100000000020102", []),
        ("010000", []),
        ("", []),
    ],
)
def test_tars_of_remote_application_management(parameters: str, found: list[str]) -> None:
    package = full_profile()
    domain = fields(package, "securityDomain")["instance"]["applicationParameters"]
    assert TOOLKIT in domain
    domain[TOOLKIT] = bytes.fromhex(parameters)
    said = [finding for finding in check(package) if finding.rule == "tar-unique"]
    assert [finding.message.split()[0] for finding in said] == found


def test_every_rule_has_a_package_that_breaks_it() -> None:
    assert RULES.keys() == FULL.keys() | IOT.keys() | TEMPLATE.keys()
    assert len(RULES) == 145


def test_rules_say_what_they_are() -> None:
    for name, rule in RULES.items():
        assert name == rule.name
        assert rule.text
        assert rule.source in ("1.1", "1.3", "2.1", "2.2", "2.3", "2.4", "3.1", "3.2", "3.3", "4", "6", "8")


def test_findings_name_element_component_rule_and_severity() -> None:
    package = broken(full_profile(), FULL["acc-of-imsi"])
    [found] = check(package)
    message = "has not the bit of the last digit of the IMSI"
    assert found == Finding("acc-of-imsi", "warning", 7, "usim", 8, "ef-acc", message)
    assert str(found) == f"warning: usim (8).ef-acc: {message} [acc-of-imsi]"
    [header] = check(broken(full_profile(), FULL["header-pol1"]))
    assert str(header) == "error: header.pol: is not one byte of 00 to 07 [header-pol1]"


def test_no_finding_shows_a_secret() -> None:
    for name in ("pin-value", "puk-value", "sd-key-size", "aka-key-size"):
        text = " ".join(str(finding) for finding in check(broken(full_profile(), FULL[name])))
        for value in ("31323334", "123", "3132333435"):
            assert value not in text
