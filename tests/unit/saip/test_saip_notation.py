"""Value notation and YAML: the published texts, each form into each other without loss, refusals with the line."""

from __future__ import annotations

import random

import pytest

from ferryman.codec.saip import Package, decode, encode
from ferryman.codec.saip.notation_reader import read_notation
from ferryman.codec.saip.notation_writer import write_notation
from ferryman.codec.saip.plain import from_plain, to_plain
from ferryman.codec.saip.schema import FIRST_3_3, SCHEMAS
from ferryman.codec.saip.types import Mixed, Slot
from ferryman.errors import InputError
from ferryman.profile.documents import dump_yaml, form_of, load_yaml, read_package, write_package
from saip_generator import generated_package
from saip_samples import TS48_NAMES, ts48
from shared_data import shared

HEADER = """value1 ProfileElement ::= header : {
  major-version 2,
  minor-version 3,
  iccid '8999010000000000185F'H,
  eUICC-Mandatory-services { usim NULL },
  eUICC-Mandatory-GFSTEList { { 2 23 143 1 2 1 } }
}
"""
END = """value3 ProfileElement ::= end : { end-header { identification 2 } }
"""
AKA = """value2 ProfileElement ::= akaParameter : {
  aka-header { mandated NULL, identification 1 },
  algoConfiguration algoParameter : {
    algorithmID milenage, algorithmOptions '01'H,
    key ki, opc 'A0{part}01 {part}'H
  }
}
"""
KI, PART = Slot("ki", 16, 16), Slot("part", 2, 7)
VARIABLES = {"ki": KI, "part": PART}


def text_of(name: str) -> str:
    return shared("data", "ts48", f"{name}.txt").read_text(encoding="utf-8-sig", newline="")


@pytest.mark.parametrize("name", TS48_NAMES)
def test_published_texts_give_the_published_bytes(name: str) -> None:
    package = read_notation(text_of(name))
    assert package == decode(ts48(name))
    assert encode(package) == ts48(name)


@pytest.mark.parametrize("name", TS48_NAMES)
def test_published_bytes_give_the_published_texts(name: str) -> None:
    # One published text has a tab in one place; ours never has.
    published = text_of(name).replace("\r\n", "\n").replace("\n\t  filePath", "\n      filePath")
    assert write_notation(decode(ts48(name))) == published


@pytest.mark.parametrize("name", TS48_NAMES)
def test_every_form_gives_every_other(name: str) -> None:
    package = decode(ts48(name))
    for form in ("der", "asn1", "yaml"):
        content = write_package(package, form)
        assert form_of(content) == form
        assert read_package(content) == package
        assert write_package(read_package(content), form) == content


@pytest.mark.parametrize("version", sorted(SCHEMAS))
def test_generated_packages_of_every_version_in_every_form(version: tuple[int, int]) -> None:
    for number in range(12):
        edition = FIRST_3_3 if version == (3, 3) and number % 2 else ""
        package = generated_package(random.Random(number), version, edition)
        for form in ("der", "asn1", "yaml"):
            assert read_package(write_package(package, form), edition=edition) == package, number


def test_the_two_editions_of_3_3_read_one_tag_differently() -> None:
    header = "800103810103830A8999010000000000185FA500A600"
    opt_iot = "A003810101" + "810667810F010212" + "B9038301FF"
    der = bytes.fromhex(f"A0{len(header) // 2:02X}{header}BF21{len(opt_iot) // 2:02X}{opt_iot}AA05A003810102")
    assert "ef-tn3gppsnn" in decode(der).elements[1].fields
    older = decode(der, edition=FIRST_3_3)
    assert "df-df-saip" in older.elements[1].fields
    assert encode(older) == encode(decode(der)) == der


def test_comments_line_ends_and_blanks_are_tolerated() -> None:
    plain = read_notation(HEADER + END)
    noisy = "\ufeff-- a package\r\n" + (HEADER + END).replace("2,\n", "2, -- two -- /* and\r/* more */ */\r\n")
    noisy = noisy.replace("'8999010000000000185F'H", "'8999 0100 0000\r\n 0000 185f'H").replace("\n", "\r\n")
    assert read_notation(noisy) == plain
    assert form_of(noisy.encode()) == "asn1"
    named = (HEADER + END).replace("{ 2 23 143", "{ joint-iso-itu-t(2) international-organizations(23) 143")
    assert read_notation(named) == plain


def test_references_are_variables() -> None:
    package = read_notation(HEADER + AKA + END, variables=VARIABLES)
    _, parameter = package.elements[1].fields["algoConfiguration"]  # type: ignore[misc]
    assert parameter["key"] == KI  # type: ignore[index,call-overload]
    assert parameter["opc"] == Mixed((b"\xa0", PART, b"\x01", PART))  # type: ignore[index,call-overload]
    assert read_notation(write_notation(package), variables=VARIABLES) == package
    assert from_plain(to_plain(package), variables=VARIABLES) == package


def test_a_text_may_be_a_variable_and_may_look_like_one() -> None:
    source = HEADER.replace("minor-version 3,", "minor-version 3, profileType kind,") + END
    variables = {"kind": Slot("kind", 1, 20)}
    package = read_notation(source, variables=variables)
    assert package.header["profileType"] == variables["kind"]
    assert from_plain(to_plain(package), variables=variables) == package
    literal = read_notation(source.replace("kind", '"{kind} ""x"""'))
    assert literal.header["profileType"] == '{kind} "x"'
    assert from_plain(to_plain(literal), variables=variables) == literal


def test_elements_and_components_without_a_type_are_kept() -> None:
    header = bytes.fromhex("A019800102810103830A8999010000000000185FA500A6008901FF")
    newer = bytes.fromhex("BF1F09A00381010182020102") + bytes.fromhex("BF6002ABCD")
    package = decode(header + newer + bytes.fromhex("AA05A003810102"))
    assert [element.name for element in package.elements] == ["header", "df-5gprose", "unknown-BF60", "end"]
    for form in ("asn1", "yaml"):
        assert read_package(write_package(package, form)) == package


@pytest.mark.parametrize(
    ("old", "new", "line", "rule"),
    [
        ("major-version 2", "major-version 7", "line 1", "version 7.3 is not supported"),
        ("header :", "usim :", "line 1", "the first element is usim"),
        ("ProfileElement ::= header", "ProfileElements ::= header", "line 1", "ProfileElement is due"),
        ("major-version 2,", "", "line 7", "major-version is missing"),
        ("'8999", "'899", "line 4", "odd number"),
        ("'8999", "'89G9", "line 4", "no hexadecimal digit"),
        ("0185F'H", "0185'H", "line 4", "odd number"),
        ("000185F'H", "00185F'H,", "line 4", "odd number"),
        ("00185F'H", "185F'H", "line 4", "9 bytes where 10..10"),
        ("usim NULL", "usim NULL, usim NULL", "line 5", "usim is there twice"),
        ("usim NULL", "usim 1", "line 5", "where a name is due"),
        ("usim NULL", "umts NULL", "line 5", "umts is not a component"),
        ("usim NULL }", "usim NULL", "line 6", "GFSTEList is not a component"),
        ("minor-version 3", "minor-version 256", "line 3", "number of 0..255"),
        ("minor-version 3", "minor-version pinAppl1", "line 3", "not a named number"),
        ("milenage", "milenager", "line 11", "not a named number"),
        ("key ki", "key kj", "line 12", "kj is not declared"),
        ("{part}", "{part", "line 12", "no partner"),
        ("{part}", "{PART}", "line 12", "what stands in braces is not declared"),
        ("algoParameter :", "algoParameters :", "line 10", "none of the alternatives"),
        ("akaParameter :", "akaParameters :", "line 8", "not a profile element"),
        ("akaParameter :", "df-snpn :", "line 9", "opaque is due"),
        ("{ 2 23", "{ 2 two", "line 6", "'(' is due"),
        ("'01'H", '"01"', "line 11", "a text where bytes"),
        ("'01'H", "'01'H$", "line 11", "not value notation"),
        ("value2", "/* value2", "line 8", "does not end"),
        ("'01'H,", "'01'H;", "line 11", "not value notation"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, line: str, rule: str) -> None:
    source = HEADER + AKA + END
    assert old in source
    with pytest.raises(InputError) as caught:
        read_notation(source.replace(old, new, 1), variables=VARIABLES)
    assert (caught.value.field, True) == (line, rule in caught.value.rule)


def test_errors_do_not_show_values() -> None:
    secret = "00112233445566778899AABBCCDDEEFF"
    with pytest.raises(InputError) as caught:
        read_notation(HEADER + AKA.replace("milenage", f"'{secret}'H"), variables=VARIABLES)
    assert secret not in str(caught.value)
    assert "a value in hexadecimal" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "field", "rule"),
    [
        ("iccid: 8999010000000000185F", "iccid: '899'", "PE 0 header.iccid", "odd number"),
        ("iccid: 8999010000000000185F", "iccid: 8999", "PE 0 header.iccid", "hexadecimal text"),
        ("iccid: 8999010000000000185F", "iccid: '8999'", "PE 0 header.iccid", "10..10 bytes"),
        ("iccid:", "icicd:", "PE 0 header", "'icicd' is not a component"),
        ("usim: null", "usim: 1", "PE 0 header.eUICC-Mandatory-services.usim", "must be null"),
        ("- 2.23.143.1.2.1", "- 2.23", "PE 0 header.eUICC-Mandatory-GFSTEList[0]", "dotted form"),
        ("- 2.23.143.1.2.1", "- x", "PE 0 header.eUICC-Mandatory-GFSTEList[0]", "dotted form"),
        ("major-version: 2", "major-version: 9", "header", "not supported"),
        ("major-version: 2", "major-version: true", "header", "not supported"),
        ("identification: 1", "identification: -1", "PE 1 akaParameter.aka-header.identification", "0..32767"),
        ("algorithmID: milenage", "algorithmID: comp128", "algorithmID", "name of one"),
        ("algorithmID: milenage", "algorithmID: 4", "algorithmID", "1..3"),
        ("algoParameter:", "algoParameters:", "PE 1 akaParameter.algoConfiguration", "none of the alternatives"),
        ("- akaParameter:", "- akaParametre:", "PE 1 akaParametre", "not a profile element"),
        ("- header:", "- headers:", "package", "profile header"),
        ("key: '{ki}'", "key: '{kk}'", "PE 1 akaParameter.algoConfiguration.algoParameter.key", "not declared"),
        ("eUICC-Mandatory-services:\n      usim: null", "eUICC-Mandatory-services: []", "services", "a map of"),
    ],
)
def test_what_is_wrong_in_yaml_is_named_with_its_place(old: str, new: str, field: str, rule: str) -> None:
    source = write_package(read_notation(HEADER + AKA + END, variables=VARIABLES), "yaml").decode()
    assert old in source, source
    with pytest.raises(InputError) as caught:
        from_plain(load_yaml(source.replace(old, new, 1)), variables=VARIABLES)
    assert caught.value.field.endswith(field)
    assert rule in caught.value.rule


@pytest.mark.parametrize(
    "text",
    [
        "- header: &a {x: 1}\n- *a\n",
        "- header: {usim: null, usim: null}\n",
        "- [",
        "- !!python/object:os.system {}",
        "\x00",
        "- " * 20_000,
    ],
)
def test_yaml_that_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        load_yaml(text)
    assert "os.system" not in str(caught.value)


def test_yaml_that_is_not_used_says_which() -> None:
    with pytest.raises(InputError, match="alias"):
        load_yaml("- &a {x: 1}\n- *a\n")
    with pytest.raises(InputError, match="line 2"):
        load_yaml("- 1\n- {x: 1, x: 2}\n")
    shared_value = {"x": [1]}
    assert load_yaml(dump_yaml([shared_value, shared_value])) == [shared_value, shared_value]


def test_form_of_garbage() -> None:
    with pytest.raises(InputError, match="neither"):
        read_package(b"\xff\xfe\x00")
    with pytest.raises(InputError):
        read_package(b"")
    with pytest.raises(InputError, match="no profile element"):
        read_notation("  ")


def test_a_package_of_another_version_is_not_written() -> None:
    package = Package((9, 9), ())
    for form in ("asn1", "yaml"):
        with pytest.raises(InputError, match="not supported"):
            write_package(package, form)
