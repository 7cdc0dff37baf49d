"""Declared variables: value notation with references, DER with paths, YAML; refusals that name the rule."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman.codec.saip import decode, encode
from ferryman.codec.saip.notation_writer import write_notation
from ferryman.codec.saip.plain import to_plain
from ferryman.codec.saip.tree import as_choice, as_list, as_record, choices
from ferryman.errors import InputError, PeerError
from ferryman.profile.definition import combined
from ferryman.profile.demo_template import demo_template
from ferryman.profile.documents import dump_yaml, load_yaml, write_package
from ferryman.profile.files import content_of
from ferryman.profile.template import CompiledTemplate, compile_template, with_slots
from ferryman.profile.variables import declared, evaluate
from saip_samples import ICCID, IMSI, MSISDN, sample_values, ts48

NAME = "TS48v7_SAIP2.3_BERTLV_SUCI"

VARIABLES: dict[str, Any] = {
    "iccid": {"type": "digits", "length": "19..20"},
    "imsi": {"type": "digits", "length": 15},
    "ki": {"type": "hex", "length": 16, "secret": True, "source": "K"},
    "op": {"type": "hex", "length": 16, "secret": True},
    "pin1": {"type": "digits", "length": "4..8", "secret": True, "default": "0000"},
    "kind": {"type": "text", "length": "1..60"},
    "blob": {"type": "octets", "length": "0..60"},
    "iccid_header": {"derive": "iccid_header(iccid)"},
    "iccid_ef": {"derive": "iccid_ef(iccid)"},
    "imsi_ef": {"derive": "imsi_ef(imsi)"},
    "access": {"derive": "acc(imsi)"},
    "opc": {"derive": "opc(ki, op)", "secret": True},
    "code": {"derive": "pin(pin1)"},
    "nai": {"derive": "impi(imsi, 2)"},
    "impi": {"derive": "uri(nai)"},
}
MAP = {
    "header.iccid": "{iccid_header}",
    "header.profileType": "{kind}",
    "mf.ef-iccid.content": "{iccid_ef}",
    "usim.ef-imsi.content": "{imsi_ef}",
    "usim.ef-acc.content[0:2]": "{access}",
    "akaParameter[usim].key": "{ki}",
    "akaParameter[usim].algoConfiguration.opc": "{opc}",
    "akaParameter[2].algoConfiguration.algoParameter.key": "{ki}",
    "akaParameter[#22].algoParameter.opc": "{opc}",
    "pinCodes[1].pinCodes[keyReference=pinAppl1].pinValue": "{code}",
    "isim.ef-impi[1].efFileSize": "40",
    "isim.ef-impi.content": "{impi}",
    "securityDomain.keyList[keyVersionNumber=01,keyIdentifier=02].keyCompontents[1].keyData": "00{blob}FF",
}
# TS 35.208, test set 1.
KI = bytes.fromhex("465B5CE8B199B49FAA5F0A2EE238A6BC")
OP = bytes.fromhex("CDC202D5123E20F62B6D676AC72CB318")
OPC = bytes.fromhex("CD63CB71954A9F4E48A5994E37A02BAF")
GIVEN = {
    "iccid": ICCID,
    "imsi": IMSI,
    "ki": KI,
    "op": OP.hex(),
    "pin1": "1234",
    "kind": "Größe 7",
    "blob": "AABB",
}


def with_map(variables: dict[str, Any], places: dict[str, str]) -> bytes:
    return combined(ts48(NAME), dump_yaml({"variables": variables, "map": places}).encode())


def compiled() -> CompiledTemplate:
    return compile_template(with_map(VARIABLES, MAP))


def check(der: bytes) -> None:
    """Every variable at its place, by meaning."""
    package = decode(der)
    values = sample_values()
    assert package.header["iccid"] == values["iccid_header"]
    assert package.header["profileType"] == "Größe 7"
    assert content_of(choices(package.named("mf")[0].fields["ef-iccid"])) == values["iccid_ef"]
    assert content_of(choices(package.named("usim")[0].fields["ef-imsi"])) == values["imsi_ef"]
    assert content_of(choices(package.named("usim")[0].fields["ef-acc"])) == values["acc"]
    for element in package.named("akaParameter"):
        parameter = as_record(as_choice(element.fields["algoConfiguration"])[1])
        assert parameter["key"] == KI
        assert parameter["opc"] == OPC
    code = as_record(as_list(as_choice(package.named("pinCodes")[0].fields["pinCodes"])[1])[0])
    assert code["pinValue"] == b"1234\xff\xff\xff\xff"
    impi = content_of(choices(package.named("isim")[0].fields["ef-impi"]))
    assert impi == b"\x80\x31001019876543210@ims.mnc001.mcc001.3gppnetwork.org"
    key = as_record(as_list(package.named("securityDomain")[0].fields["keyList"])[1])
    assert as_record(as_list(key["keyCompontents"])[0])["keyData"] == bytes.fromhex("00AABBFF")


def test_der_with_a_map_of_paths() -> None:
    template = compiled()
    check(template.personalise(GIVEN))
    assert [(one.name, one.secret, one.source) for one in template.fields] == [
        ("iccid", False, "ICCID"),
        ("imsi", False, "IMSI"),
        ("ki", True, "K"),
        ("op", True, "OP"),
        ("pin1", True, "PIN1"),
        ("kind", False, "KIND"),
        ("blob", False, "BLOB"),
    ]
    assert template.secret_names == {"ki", "opc", "code"}
    assert CompiledTemplate.from_bytes(template.to_bytes()) == template


def slotted() -> Any:
    """The same template as a tree with slots, to be written in the other forms."""
    return with_slots(with_map(VARIABLES, MAP)).package


def test_value_notation_and_yaml_with_references() -> None:
    package = slotted()
    text = write_notation(package)
    assert "key ki," in text
    assert "keyData '00{blob}FF'H" in text
    declarations = dump_yaml({"variables": VARIABLES}).encode()
    plain = dump_yaml(to_plain(package)).encode()
    for source in (text.encode(), plain):
        template = compile_template(combined(source, declarations))
        assert template == compiled()
        check(template.personalise(GIVEN))


def test_variable_lengths_and_defaults() -> None:
    template = compiled()
    for size in (0, 1, 59, 60):
        der = template.personalise(GIVEN | {"blob": bytes(size), "kind": "x" * max(1, size)})
        assert encode(decode(der)) == der
    assert b"0000\xff\xff\xff\xff" in template.personalise({k: v for k, v in GIVEN.items() if k != "pin1"})


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("iccid", "123", "must have 19 to 20 digits, has 3"),
        ("imsi", "00101987654321x", "decimal digits"),
        ("ki", "00", "must have 16 bytes, has 1"),
        ("ki", "zz", "hexadecimal"),
        ("ki", None, "the template needs it"),
        ("pin1", "123456789", "must have 4 to 8 digits"),
        ("kind", "", "must have 1 to 60 bytes"),
        ("kind", "ö" * 31, "has 62"),
        ("blob", bytes(61), "must have 0 to 60 bytes"),
        ("blob", "A4" * 61, "has 61"),
    ],
)
def test_values_that_do_not_fit_are_named_and_not_shown(name: str, value: Any, rule: str) -> None:
    given = {key: item for key, item in (GIVEN | {name: value}).items() if item is not None}
    with pytest.raises(InputError) as caught:
        compiled().personalise(given)
    assert caught.value.field == name
    assert rule in caught.value.rule
    assert not value or str(value) not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"x": {"type": "hex", "length": 1}}, "variable x", "declared and used nowhere"),
        ({"X": {"type": "hex", "length": 1}}, "variables", "'X' is no name"),
        ({"x": "hex"}, "variable x", "must be a map"),
        ({"x": {"type": "hex", "length": 1, "colour": 1}}, "variable x", "must be a map"),
        ({"x": {"type": "bits", "length": 1}}, "variable x", "type must be one of"),
        ({"x": {"type": "hex"}}, "variable x", "length must be"),
        ({"x": {"type": "hex", "length": "8..4"}}, "variable x", "length must be"),
        ({"x": {"type": "hex", "length": 0}}, "variable x", "length must be"),
        ({"x": {"type": "hex", "length": 70000}}, "variable x", "length must be"),
        ({"x": {"type": "hex", "length": 1, "secret": "yes"}}, "variable x", "true or false"),
        ({"x": {"type": "hex", "length": 1, "source": 5}}, "variable x", "name of a column"),
        ({"x": {"type": "digits", "length": 4, "default": 1234}}, "variable x", "default must be text"),
        ({"x": {"type": "digits", "length": 4, "default": "12"}}, "x", "must have 4 digits"),
        ({"x": {"derive": "swap(iccid)"}}, "variable x", "derive must be one of"),
        ({"x": {"derive": "acc(imsi"}}, "variable x", "derive must be one of"),
        ({"x": {"derive": "acc(imsi, 2)"}}, "variable x", "acc takes 1 variables and 0 numbers"),
        ({"x": {"derive": "impi(imsi, two)"}}, "variable x", "takes a number"),
        ({"x": {"derive": "impi(imsi, 4)"}}, "variable x", "2 or 3 digits"),
        ({"x": {"derive": "acc(nothing)"}}, "variable x", "nothing, which is not declared"),
        ({"x": {"derive": "ascii(x)"}}, "variable x", "made from itself"),
        ({"x": {"derive": "ascii(y)"}, "y": {"derive": "ascii(x)"}}, "variable x", "made from itself"),
        ({"x": {"derive": "acc(ki)"}}, "variable x", "takes digits, ki is hex"),
        ({"x": {"derive": "puk(pin1)"}}, "variable x", "takes a length of 8..8"),
        ({"x": {"derive": "acc(imsi)", "length": 2}}, "variable x", "no type, length"),
        ({"x": {"derive": "padded(ki, 20)", "secret": False}}, "variable x", "as secret as"),
        ({"imsi": {"type": "digits", "length": "10..15"}}, "variable imsi_ef", "takes a length of 14..15"),
        ({"ki": {"type": "hex", "length": 32}}, "variable opc", "takes a length of 16..16"),
        ({"impi": {"type": "hex", "length": 65}}, "isim.ef-impi.content", "has room for 64"),
        ({"code": {"type": "hex", "length": "7..8"}}, "pinValue", "must have 8..8 bytes"),
        ({"kind": {"type": "text", "length": "1..101"}}, "header.profileType", "must have 1..100 bytes"),
    ],
)
def test_declarations_that_are_refused(change: dict[str, Any], field: str, rule: str) -> None:
    with pytest.raises(InputError) as caught:
        compile_template(with_map(VARIABLES | change, MAP))
    assert field in caught.value.field
    assert rule in caught.value.rule


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("usim.ef-imsi.content", "{unknown}", "not declared"),
        ("usim.ef-imsi.content", 5, "hexadecimal text"),
        ("usim", "{blob}", "names a profile element"),
        ("usims.ef-imsi.content", "{blob}", "0 profile elements usims"),
        ("rfm.instanceAID", "{blob}", "4 profile elements rfm"),
        ("rfm[5].instanceAID", "{blob}", "0 profile elements rfm"),
        ("rfm[0].instanceAID", "{blob}", "0 profile elements rfm"),
        ("rfm[1][2].instanceAID", "{blob}", "more than one selector"),
        ("rfm[x=1].instanceAID", "{blob}", "no selector of a profile element"),
        ("rfm[1]..instanceAID", "{blob}", "is not a path"),
        ("rfm[1].instanceAID.", "{blob}", "is not a path"),
        ("", "{blob}", "is not a path"),
        ("usim.ef-imsi[1].fileID", "{blob}", "must have 2..2 bytes"),
        ("usim.ef-gid1.content", "{blob}", "ef-gid1 is not there"),
        ("usim.ef-acc.content[2:1]", "{blob}", "content[from:to]"),
        ("usim.ef-ad.content[0:1]", "{access}", "room for exactly 1 bytes"),
        ("usim.ef-ad.content[0:20]", "{blob}", "room for exactly 20 bytes"),
        ("securityDomain.keyList[9].keyData", "{blob}", "[9] means 0 items"),
        ("securityDomain.keyList[keyVersionNumber=01].keyData", "{blob}", "means 3 items"),
        ("securityDomain.keyList[first].keyData", "{blob}", "neither a number nor name=value"),
        ("securityDomain.instance[1].classAID", "{blob}", "is not a list"),
        ("akaParameter[usim].algoConfiguration", "{blob}", "not a component with bytes"),
        ("pukCodes[1].colour", "{blob}", "colour is not a component"),
    ],
)
def test_paths_that_are_refused(path: str, value: Any, rule: str) -> None:
    with pytest.raises(InputError) as caught:
        compile_template(with_map(VARIABLES, MAP | {path: value}))
    assert any(word in caught.value.rule for word in rule.split("|")), caught.value.rule


def test_definitions_that_are_refused() -> None:
    variables = dump_yaml({"variables": {}}).encode()
    for content, rule in (
        (b"variables: {}\n", "must be value notation"),
        (b"variables: {}\npackage: 'A0A'\n", "odd number"),
        (b"variables: {}\npackages: 'A0'\n", "must be a map of"),
        (b"variables: []\npackage: 'A0'\n", "variables"),
        (b"variables: {}\nmap: []\npackage: '" + demo_template().hex().upper().encode() + b"'\n", "map"),
        (b"\xff", "neither"),
    ):
        with pytest.raises(InputError, match=rule):
            compile_template(content)
    with pytest.raises(PeerError, match="at byte"):
        compile_template(combined(demo_template()[:-1], variables))
    for declarations in (b"\xff", b"- 1\n", b"variables: {}\npackage: []\n"):
        with pytest.raises(InputError, match="variables"):
            combined(demo_template(), declarations)
    with pytest.raises(InputError, match="package"):
        combined(b"\xff\xfe", variables)


def test_a_template_without_variables_is_a_constant() -> None:
    document = load_yaml(combined(demo_template(), b"variables: {}").decode())
    template = compile_template(dump_yaml(document).encode())
    assert template.slots == ()
    assert template.personalise({}) == demo_template()
    assert compile_template(combined(write_package(decode(demo_template()), "yaml"), b"variables: {}")) == template


def test_every_derivation() -> None:
    variables = declared(
        {
            "short": {"type": "digits", "length": 18},
            "iccid": {"derive": "check_digit(short)"},
            "header": {"derive": "iccid_header(iccid)"},
            "imsi": {"type": "digits", "length": "14..15"},
            "msisdn": {"type": "text", "length": "0..16"},
            "number": {"derive": "msisdn(msisdn)"},
            "impu": {"derive": "impu(imsi, 3)"},
            "home": {"derive": "domain(imsi, 2)"},
            "digits": {"derive": "ascii(imsi)"},
            "puk1": {"type": "digits", "length": 8},
            "puk": {"derive": "puk(puk1)"},
            "adm1": {"type": "text", "length": "4..16"},
            "adm": {"derive": "adm(adm1)"},
            "spn": {"type": "text", "length": "0..16"},
            "name": {"derive": "padded(spn, 16)"},
        }
    )
    given = {
        "short": ICCID[:18],
        "imsi": IMSI,
        "msisdn": MSISDN,
        "puk1": b"12345678",
        "adm1": "0" * 16,
        "spn": "Me",
    }
    values = evaluate(variables.values(), given)
    assert values["header"] == sample_values()["iccid_header"]
    assert values["number"] == sample_values()["msisdn_record"]
    assert values["impu"] == b"sip:001019876543210@ims.mnc019.mcc001.3gppnetwork.org"
    assert values["home"] == b"ims.mnc001.mcc001.3gppnetwork.org"
    assert (values["digits"], values["puk"], values["adm"]) == (IMSI.encode(), b"12345678", bytes(8))
    assert values["name"] == b"Me" + b"\xff" * 14
    for name, variable in variables.items():
        assert variable.minimum <= len(values[name]) <= variable.maximum
