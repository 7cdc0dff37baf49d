"""POL1 and connectivity parameters: the template's own, the order's instead, none; required memory."""

from __future__ import annotations

import pytest

from ferryman.codec.saip import Package, decode, encode
from ferryman.errors import InputError
from ferryman.profile.definition import combined
from ferryman.profile.demo_template import demo_package, demo_template
from ferryman.profile.memory import required_memory
from ferryman.profile.template import CompiledTemplate, compile_template
from ferryman_sim.profile import install
from saip_samples import TS48_NAMES, sample_values, ts48

SMSC = bytes.fromhex("A0090607913386994211F0")
HTTPS = bytes.fromhex("A2024700")


def own(pol1: bytes, connectivity: bytes) -> CompiledTemplate:
    package = demo_package()
    package.header["pol"], package.header["connectivityParameters"] = pol1, connectivity
    return CompiledTemplate.from_bytes(compile_template(encode(package)).to_bytes())


def test_the_templates_own_stay_unless_the_order_says_otherwise() -> None:
    template, values = own(b"\x02", SMSC), sample_values()
    header = decode(template.render(values)).header
    assert (header["pol"], header["connectivityParameters"]) == (b"\x02", SMSC)
    header = decode(template.render(values, pol1=b"\x01")).header
    assert (header["pol"], header["connectivityParameters"]) == (b"\x01", SMSC)
    header = decode(template.render(values, pol1=b"", connectivity=SMSC + HTTPS)).header
    assert "pol" not in header
    assert header["connectivityParameters"] == SMSC + HTTPS


def test_an_order_adds_what_the_template_does_not_have() -> None:
    template, values = compile_template(demo_template()), sample_values()
    assert "pol" not in decode(template.render(values)).header
    header = decode(template.render(values, pol1=b"\x07", connectivity=SMSC)).header
    assert (header["pol"], header["connectivityParameters"]) == (b"\x07", SMSC)


@pytest.mark.parametrize("pol1", [b"\x08", b"\x01\x02", b"\xff"])
def test_rules_that_pol1_does_not_have(pol1: bytes) -> None:
    with pytest.raises(InputError, match="pol1"):
        compile_template(demo_template()).render(sample_values(), pol1=pol1)


@pytest.mark.parametrize(
    "connectivity",
    [b"\xa0", b"\xa3\x00", SMSC + SMSC, bytes.fromhex("A0020605"), b"\xa0\x82\x01\x00" + bytes(256)],
)
def test_connectivity_parameters_that_are_none(connectivity: bytes) -> None:
    with pytest.raises(InputError, match="connectivity parameters"):
        compile_template(demo_template()).render(sample_values(), connectivity=connectivity)


def test_what_a_variable_makes_no_order_replaces() -> None:
    declarations = b"variables: {rules: {type: hex, length: 1}}\nmap: {header.pol: '{rules}'}\n"
    template = compile_template(combined(demo_template(), declarations))
    again = CompiledTemplate.from_bytes(template.to_bytes())
    assert decode(again.personalise({"rules": "02"})).header["pol"] == b"\x02"
    with pytest.raises(InputError, match="made from a variable"):
        again.personalise({"rules": "02"}, pol1=b"\x01")


@pytest.mark.parametrize("name", ["", *TS48_NAMES])
def test_memory_covers_what_the_simulated_card_takes(name: str) -> None:
    der = ts48(name) if name else demo_template()
    needed = required_memory(decode(der))
    taken = install(der, free_memory=1 << 20).memory
    assert taken <= needed <= 2 * taken
    assert compile_template(der).memory == needed


def test_memory_follows_the_stated_sizes() -> None:
    def memory(change: dict[str, object]) -> int:
        package = demo_package()
        usim = package.named("usim")[0]
        usim.fields["ef-sms"] = [("fileDescriptor", change)]  # type: ignore[list-item]
        return required_memory(package)

    default = required_memory(demo_package())
    assert memory({}) == default
    assert memory({"efFileSize": b"\x20\x00"}) == default - 1760 + 0x2000
    assert memory({"linkPath": b"\x7f\x10\x6f\x3c"}) == default - 1760
    smaller = Package((2, 3), tuple(each for each in demo_package().elements if each.name != "usim"))
    assert required_memory(smaller) < default
