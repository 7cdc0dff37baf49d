"""Import of templates: two sample subscriptions, errors refuse, warnings are told."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman.codec.saip import Package, encode
from ferryman.errors import InputError
from ferryman.profile.definition import combined
from ferryman.profile.demo_template import demo_package, demo_template
from ferryman.profile.documents import dump_yaml
from ferryman.profile.importing import import_template, sample
from ferryman.profile.places import Algorithm
from saip_samples import TS48_NAMES, ts48


@pytest.mark.parametrize("name", ["", *TS48_NAMES])
@pytest.mark.parametrize("algorithm", ["milenage", "tuak128", "tuak256"])
def test_published_packages_are_imported(name: str, algorithm: Algorithm) -> None:
    imported = import_template(ts48(name) if name else demo_template(), algorithm)
    assert imported.warnings == ()


def test_samples_differ_in_length_and_are_right() -> None:
    template = import_template(ts48(TS48_NAMES[-2])).template
    short, long = (sample(template, shortest=shortest) for shortest in (True, False))
    assert (short["iccid"], long["iccid"]) == ("899912345678901230", "89991234567890123458")
    assert (short["imsi"], long["imsi"]) == ("001011234567890", "001011234567890")
    assert sample(import_template(demo_template()).template, shortest=True)["imsi"] == "00101123456789"
    assert short["pin1"] == b"12345678"


def test_a_template_with_errors_is_refused() -> None:
    package = demo_package()
    package.named("rfm")[1].fields["tarList"] = [b"\xb0\x00\x00"]
    package.named("rfm")[0].fields["securityDomainAID"] = bytes(5)
    with pytest.raises(InputError) as caught:
        import_template(encode(package))
    assert caught.value.field == "template"
    assert "rfm (8).securityDomainAID: names no security domain before it [rfm-domain], and 1 more errors" in str(
        caught.value
    )


def test_warnings_are_told() -> None:
    package = demo_package()
    package.named("usim")[0].fields["ef-ust"] = [
        ("fillFileContent", bytes.fromhex("000001000000000000000000000000"))
    ]
    with pytest.raises(InputError, match="file-content-fits"):
        import_template(encode(package))
    package.named("usim")[0].fields["ef-ust"] = [
        ("fillFileContent", bytes.fromhex("0000010000000000000000000000"))
    ]
    [finding] = import_template(encode(package)).warnings
    assert str(finding) == "warning: usim (4).ef-ust: service 17 is on, ef-gid1 is not created [service-table]"


def declared_imsi(**more: Any) -> bytes:
    declarations = {"variables": {"imsi": {"type": "hex", "length": 9, **more}}, "map": {PLACE: "{imsi}"}}
    package = demo_package()
    fixed = Package(package.version, tuple(each for each in package.elements if "Codes" not in each.name))
    for element in fixed.elements:
        for name in ("mf", "adf-usim"):
            if name in element.fields:
                file: Any = element.fields[name]
                file[0][1]["pinStatusTemplateDO"] = b"\x81"
    fixed.header["iccid"] = bytes.fromhex("8999010000000000185F")
    file = fixed.named("mf")[0].fields["ef-iccid"]
    file[0] = ("fillFileContent", bytes.fromhex("989910000000000081F5"))
    return combined(encode(fixed), dump_yaml(declarations).encode())


PLACE = "usim.ef-imsi.content"


def test_a_variable_may_bring_its_own_sample() -> None:
    with pytest.raises(InputError, match="imsi-form"):
        import_template(declared_imsi())
    imported = import_template(declared_imsi(sample="080910101032547600"))
    assert imported.warnings == ()
    with pytest.raises(InputError, match="imsi: must have 9 bytes"):
        import_template(declared_imsi(sample="08"))
