"""Variables and data objects: a value is data, and brings structure only where its declaration says so."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from ferryman.codec import tlv
from ferryman.codec.saip import Package, decode
from ferryman.codec.saip.notation_writer import write_notation
from ferryman.codec.saip.tree import as_choice, as_list, as_record, choices
from ferryman.codec.saip.types import Mixed, Slot
from ferryman.errors import InputError
from ferryman.profile.definition import combined
from ferryman.profile.documents import dump_yaml
from ferryman.profile.files import content_of
from ferryman.profile.importing import import_template, sample
from ferryman.profile.lint import check_variables
from ferryman.profile.lint.objects import Layout, misplaced
from ferryman.profile.template import CompiledTemplate, compile_template
from ferryman.profile.variables import declared, evaluate
from saip_broken import EF, Change, applied, content, does, full_profile, generic, sets, stated
from saip_samples import sample_values, ts48

NAME = "TS48v7_SAIP2.3_BERTLV_SUCI"
H = bytes.fromhex

BRINGS = "is read as the tag of a data object, and not declared to hold any"
LENGTH = "is read as the length of a data object"
BEYOND = "goes beyond the data object round it, whose value has "
SHORT = "does not fill the data object round it"
AMONG = "stands among bytes that are no data objects"
MOVES = "decides which data objects are read behind it"


def data(low: int, high: int = 0, name: str = "x") -> Slot:
    return Slot(name, low, high or low)


def objects(low: int, high: int = 0, name: str = "o") -> Slot:
    return Slot(name, low, high or low, tlv=True)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [H("FF00")],
        [H("8010"), data(16)],
        [H("8010"), data(16), H("8102AABB"), H("FFFF")],
        [H("8012AA"), data(16), H("BB")],
        [H("8004"), data(2, name="a"), data(2, name="b")],
        [H("8005"), data(2, 5), H("FFFFFF8101AA")],  # what is left of the object is filled
        [H("A0068004"), data(4), H("FFFF")],
        [H("FFFF8001"), data(1)],
        [objects(0, 60)],
        [objects(2, 60), H("8001AA"), objects(0, 9, name="p"), H("FF")],
        [H("A00A"), objects(10)],
        [H("800A"), objects(10)],  # as data of another object
        [H("818180"), data(0x80)],
    ],
    ids=str,
)
def test_variables_that_stand_right(parts: list[bytes | Slot]) -> None:
    assert misplaced(parts, Layout()) is None


@pytest.mark.parametrize(
    ("parts", "name", "sentence"),
    [
        ([data(16)], "x", BRINGS),
        ([data(0, 16)], "x", BRINGS),
        ([H("8001AA"), data(16)], "x", BRINGS),
        ([H("8010"), data(17)], "x", BEYOND + "16 bytes"),
        ([H("8010"), data(16, 18)], "x", BEYOND + "16 bytes"),  # a further object behind its own
        ([H("8010"), data(14, 16)], "x", SHORT),
        ([H("8004"), data(2, name="a"), data(2, 3, name="b")], "b", BEYOND + "4 bytes"),
        ([H("80"), data(1), H("AABB")], "x", LENGTH),
        ([H("8082"), data(2), H("AABB")], "x", LENGTH),
        ([H("8005"), data(2, 5), H("8101AA")], "x", MOVES),
        ([H("A006"), data(6)], "x", BRINGS),
        ([H("A0088004"), data(4, 5), H("8100")], "x", BEYOND + "4 bytes"),
        ([H("A0088004"), data(4), H("8101")], "x", SHORT),
        ([H("8004"), data(4), H("81")], "x", AMONG),
        ([H("0005"), data(5)], "x", AMONG),
        ([H("8080"), data(5), H("0000")], "x", AMONG),  # indefinite length
        ([H("A00A"), objects(8, 12)], "o", SHORT),
        ([H("A00A8000"), objects(8, 12)], "o", BEYOND + "10 bytes"),
        ([H("8004"), objects(5)], "o", BEYOND + "4 bytes"),
    ],
    ids=str,
)
def test_variables_that_would_be_read_as_structure(parts: list[bytes | Slot], name: str, sentence: str) -> None:
    found = misplaced(parts, Layout())
    assert found is not None
    assert found[0] == name
    assert sentence in found[1]


def test_records_are_read_each_for_itself() -> None:
    parts: list[bytes | Slot] = [H("8002"), data(2), H("FFFF8002AABBFFFF")]
    assert misplaced(parts, Layout(record=6)) is None
    assert misplaced([H("8006"), data(2), H("AABB8002AABB")], Layout(record=6)) == ("x", SHORT)
    assert misplaced([H("8002AABB"), objects(6)], Layout(record=8)) == (
        "o",
        "goes beyond the end of what it stands in",
    )


def test_a_constructed_object_may_be_a_plain_list() -> None:
    parts: list[bytes | Slot] = [H("A002"), data(2)]
    assert misplaced(parts, Layout(plain=frozenset((0xA0,)))) is None
    assert misplaced(parts, Layout()) is not None


@pytest.mark.parametrize(
    ("parts", "form", "sentence"),
    [
        ([H("007004"), data(4)], "groupings", ""),
        ([H("0070FF0100"), data(256), H("00710151")], "groupings", ""),
        ([H("007004"), data(5)], "groupings", "goes beyond"),
        ([H("007004"), data(3)], "groupings", SHORT),
        ([H("00"), data(1), H("0151")], "groupings", LENGTH),
        ([H("007001AA"), data(4)], "groupings", BRINGS),
        ([H("007001AA"), objects(4)], "groupings", BRINGS),
        ([H("007001AA00"), H("71")], "groupings", ""),
        ([H("80E2880008"), H("80E10580"), data(4)], "command", ""),
        ([H("80E2880008"), H("80E10580"), data(4), H("00")], "command", ""),
        ([H("80E2880008"), H("80E10580"), data(5)], "command", "goes beyond"),
        ([H("80E2880008"), H("80E10480"), data(3)], "command", "does not fill the length of its command"),
        ([H("80E2900006"), H("8004"), data(4)], "command", ""),
        ([H("80E2900006"), H("8003"), data(4)], "command", "goes beyond"),
        ([H("80E2800006"), H("8003"), data(4)], "command", ""),  # its coding is not told
        ([H("80E290"), data(1), H("0100")], "command", "stands in the header of a command"),
    ],
    ids=str,
)
def test_groupings_and_commands(parts: list[bytes | Slot], form: Any, sentence: str) -> None:
    found = misplaced(parts, Layout(form))
    assert (found is None) is (sentence == ""), found
    assert found is None or sentence in found[1]


# -- places of a package ------------------------------------------------------------------------------------------

EXACT, LARGE = Mixed((H("8002"), data(2))), Mixed((H("8002"), data(3)))


def of_file(value: Mixed, **fcp: Any) -> Change:
    """A file made by generic management, filled with it."""

    def make(package: Package) -> Package:
        filled = ("fillFileContent", value)
        return generic(package, ("filePath", b""), ("createFCP", {**EF, **fcp}), filled)

    return make


def of_pattern(value: Mixed) -> Change:
    return stated("isim", "ef-impu", proprietaryEFInfo={"fillPattern": value})


def of_command(value: Mixed) -> Change:
    return applied(processData=[Mixed((H("80E2900004"), *value.parts))])


def of_grouping(value: Mixed) -> Change:
    return sets("securityDomain", "sdPersoData", to=[Mixed((H("0070"), H("02"), *value.parts[1:]))])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda value: of_file(value, fileDescriptor=H("7921")), "fileManagementCMD[0].6F99"),
        (lambda value: of_file(value, fileID=H("2F00")), "fileManagementCMD[0].2F00"),
        (of_pattern, "ef-impu"),
        (of_command, "processData"),
        (of_grouping, "sdPersoData"),
        (lambda value: sets("header", "connectivityParameters", to=value), "connectivityParameters"),
        (
            lambda value: sets("securityDomain", "instance", "applicationSpecificParametersC9", to=value),
            "applicationSpecificParametersC9",
        ),
        (lambda value: applied(applicationSpecificParametersC9=value), None),  # an application's own affair
        (lambda value: of_file(value), None),  # a transparent file that is nobody's
        (lambda value: does(lambda p: content(p, "usim", "ef-spn", value)), None),
    ],
)
def test_where_data_objects_are_read(change: Callable[[Mixed], Change], field: str | None) -> None:
    for value, expected in ((EXACT, None), (LARGE, field)):
        package = full_profile()
        changed = change(value)(package)
        found = check_variables(package if changed is None else changed)
        assert [(one.rule, one.field) for one in found] == ([("variable-tlv", expected)] if expected else [])


def test_each_record_of_a_file_is_read_for_itself() -> None:
    """EF DIR of the published package has records of 33 bytes: an object may end there, not behind it."""
    for value, found in ((31, []), (32, ["variable-tlv"])):
        package = full_profile()
        parts = (bytes((0x80, value)), data(value), H("8001AA"))
        content(package, "mf", "ef-dir", Mixed(parts))
        assert [one.rule for one in check_variables(package)] == found


# -- import of a template -------------------------------------------------------------------------------------

STORE_DATA = "securityDomain.instance.processData"


def template(variables: dict[str, Any], places: dict[str, str]) -> bytes:
    return combined(ts48(NAME), dump_yaml({"variables": variables, "map": places}).encode())


def hexadecimal(length: int | str) -> dict[str, Any]:
    return {"x": {"type": "hex", "length": length}}


@pytest.mark.parametrize(
    ("variables", "places", "where", "sentence"),
    [
        (hexadecimal(16), {"isim.ef-impi.content": "{x}"}, "isim (19).ef-impi", BRINGS),
        (hexadecimal("8..16"), {"isim.ef-impi.content": "8010{x}"}, "isim (19).ef-impi", SHORT),
        (hexadecimal("16..20"), {"isim.ef-impi.content": "8010{x}"}, "isim (19).ef-impi", BEYOND),
        (hexadecimal("2..5"), {"isim.ef-impi.content": "8005{x}8101AA"}, "isim (19).ef-impi", MOVES),
        (
            hexadecimal(20),
            {"df-saip.ef-suci-calc-info-usim.content": "A0020100{x}"},
            "df-saip (14).ef-suci-calc-info-usim",
            BRINGS,
        ),
        (
            hexadecimal(4),
            {"securityDomain.instance.applicationSpecificParametersC9": "8102{x}"},
            "securityDomain (26).applicationSpecificParametersC9",
            BEYOND,
        ),
        (hexadecimal("1..9"), {"header.connectivityParameters": "{x}"}, "header.connectivityParameters", BRINGS),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_template_is_refused_by_element_component_variable_and_rule(
    variables: dict[str, Any], places: dict[str, str], where: str, sentence: str
) -> None:
    with pytest.raises(InputError) as caught:
        import_template(template(variables, places))
    assert caught.value.field == "template"
    assert caught.value.rule.startswith(f"error: {where}: variable x ")
    assert sentence in caught.value.rule
    assert "[variable-tlv]" in caught.value.rule


def test_a_sample_does_not_hide_it() -> None:
    """A template is looked at for every value, not for the one that its author chose."""
    variables = {"x": {"type": "hex", "length": "16..20", "sample": "00" * 16}}
    with pytest.raises(InputError, match="variable-tlv"):
        import_template(template(variables, {"isim.ef-impi.content": "8010{x}"}))


def test_files_of_generic_management_are_known_by_their_identifier() -> None:
    for number, refused in (("6F02", True), ("6F99", False)):
        fcp = f"createFCP : {{fileDescriptor '4121'H, fileID '{number}'H, securityAttributesReferenced '2F0601'H,"
        fcp += " efFileSize '14'H}"
        package = _with_commands(f"filePath : '7FB0'H, {fcp}, fillFileContent : x")
        source = combined(package, dump_yaml({"variables": hexadecimal(20)}).encode())
        if refused:
            with pytest.raises(InputError, match=rf"\.{number}: variable x .*variable-tlv"):
                import_template(source)
        else:
            assert import_template(source).template.slots[0].name == "x"


def _with_commands(commands: str) -> bytes:
    """The published package in value notation, with one more run of generic file management at its end."""
    text = write_notation(decode(ts48(NAME)))
    end = text.rindex("value")
    element = "genericFileManagement : {gfm-header {mandated NULL, identification 9000}, fileManagementCMD {{%s}}}"
    return (text[:end] + f"more ProfileElement ::= {element % commands}\n" + text[end:]).encode()


def test_declared_objects_stand_where_objects_may() -> None:
    """With `type: tlv`, by `uri`, by `object`: and their values are whole."""
    variables: dict[str, Any] = {
        "keys": {"type": "tlv", "length": "0..60"},
        "name": {"type": "text", "length": "1..20"},
        "impi": {"derive": "uri(name)"},
        "host": {"type": "hex", "length": "1..4"},
        "pcscf": {"derive": "object(host, 0x80)"},
        "full": {"derive": "padded(pcscf, 6)"},
    }
    places = {
        "df-saip.ef-suci-calc-info-usim.content": "A0020000{keys}",
        "isim.ef-impi.content": "{impi}FF",
        "isim.ef-domain.content": "{full}",
    }
    made = import_template(template(variables, places)).template
    assert CompiledTemplate.from_bytes(made.to_bytes()) == made
    given = {"name": "me@home", "host": "0A0B"}
    for keys in ("", "A1068001118101AA", "8000", "81810151"):
        package = decode(made.personalise(given | {"keys": keys}))
        written = content_of(choices(package.named("df-saip")[0].fields["ef-suci-calc-info-usim"]))
        assert written == H("A0020000" + keys)
    package = decode(made.personalise(given | {"keys": ""}))
    assert content_of(choices(package.named("isim")[0].fields["ef-impi"])) == b"\x80\x07me@home\xff"
    assert content_of(choices(package.named("isim")[0].fields["ef-domain"])) == H("80020A0BFFFF")


@pytest.mark.parametrize("value", ["80", "8002AA", "8001AAFF", "8001AA00", "8080AA0000", "FFFF", "0000", "1F"])
def test_a_value_declared_as_objects_is_whole_ones(value: str) -> None:
    variables = declared({"x": {"type": "tlv", "length": "0..9"}})
    with pytest.raises(InputError) as caught:
        evaluate(variables.values(), {"x": value})
    assert caught.value.field == "x"
    assert caught.value.rule == "must be whole data objects and nothing behind them [variable-tlv]"
    with pytest.raises(InputError, match="variable-tlv"):
        evaluate(variables.values(), {"x": H(value)})


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        ({"type": "tlv", "length": "1..9"}, "0 or 2 at least"),
        ({"type": "tlv", "length": 1}, "0 or 2 at least"),
        ({"type": "tlv", "length": "0..9", "default": "8001"}, "variable-tlv"),
        ({"derive": "object(y, 0)"}, "is not the tag of a data object"),
        ({"derive": "object(y, 0x1F)"}, "is not the tag of a data object"),
        ({"derive": "object(y, 0x8080)"}, "is not the tag of a data object"),
        ({"derive": "object(y, 0x8)"}, "takes a number"),
        ({"derive": "uri(z)"}, "takes a length of 0..127"),
    ],
    ids=str,
)
def test_declarations_of_objects_that_are_refused(entry: dict[str, Any], rule: str) -> None:
    more = {"y": {"type": "hex", "length": 4}, "z": {"type": "text", "length": "0..128"}}
    with pytest.raises(InputError, match=rule.replace(".", r"\.")):
        declared({"x": entry} | more)


def test_samples_of_objects_are_objects_of_every_length() -> None:
    place = "securityDomain.keyList[1].keyCompontents[1].keyData"
    for size in (2, 3, 128, 129, 130, 131, 257, 258, 259, 260, 65535):
        made = compile_template(template({"x": {"type": "tlv", "length": size}}, {place: "{x}"}))
        given = sample(made, shortest=True)["x"]
        assert isinstance(given, bytes)
        assert len(given) == size
        assert [one.tag for one in tlv.parse(given)] == [0x80]


@pytest.mark.parametrize("text", ["\x80\x01A", "A\x00", "a\nb", "\x7f", "\u0085"])
def test_text_has_no_control_characters(text: str) -> None:
    variables = declared({"x": {"type": "text", "length": "0..9"}})
    for value in (text, text.encode()):
        with pytest.raises(InputError, match="must be text, without control characters"):
            evaluate(variables.values(), {"x": value})


# -- what is data stays data ----------------------------------------------------------------------------------

ORDINARY: dict[str, Any] = {
    "ki": {"type": "hex", "length": 16, "secret": True},
    "opc": {"type": "hex", "length": 16, "secret": True},
    "free": {"type": "octets", "length": "0..60"},
    "token": {"type": "octets", "length": 16},
}
ORDINARY_PLACES = {
    "akaParameter[usim].key": "{ki}",
    "akaParameter[usim].opc": "{opc}",
    "securityDomain.keyList[2].keyCompontents[1].keyData": "00{free}FF",
    "isim.ef-impi.content": "8110{token}8001AA",
}
LIKE_TLV = ("820E" + "00" * 14, "800E" + "AA" * 14, "AA07A005800081011F" + "8105" + "00" * 5, "FF" * 16, "00" * 16)


def check_ordinary(made: CompiledTemplate, ki: bytes, opc: bytes, free: bytes, token: bytes) -> None:
    """The values stand where they belong, byte for byte, and nothing beside them has moved."""
    given = {"ki": ki, "opc": opc, "free": free, "token": token}
    package = decode(made.personalise(given))
    parameter = as_record(as_choice(package.named("akaParameter")[0].fields["algoConfiguration"])[1])
    assert (parameter["key"], parameter["opc"]) == (ki, opc)
    key = as_record(as_list(package.named("securityDomain")[0].fields["keyList"])[1])
    assert as_record(as_list(key["keyCompontents"])[0])["keyData"] == b"\x00" + free + b"\xff"
    impi = tlv.parse(content_of(choices(package.named("isim")[0].fields["ef-impi"])))
    assert [(one.tag, one.value) for one in impi] == [(0x81, token), (0x80, b"\xaa")]


def test_random_values_are_never_refused_whatever_they_look_like(seed: int) -> None:
    made = compile_template(template(ORDINARY, ORDINARY_PLACES))
    chance = random.Random(seed)
    like = [H(value)[:16].ljust(16, b"\0") for value in LIKE_TLV]
    for value in like:
        check_ordinary(made, value, value, value * 3, value)
    for _ in range(400):
        free = chance.randbytes(chance.randrange(61))
        check_ordinary(made, chance.randbytes(16), chance.randbytes(16), free, chance.randbytes(16))


def test_keys_of_a_template_without_declarations_are_never_refused(seed: int) -> None:
    made = import_template(ts48(NAME)).template
    chance = random.Random(seed)
    values = sample_values()
    for _ in range(200):
        keys = {name: chance.randbytes(16) for name in ("ki", "opc", "kic", "kid", "kik")}
        decode(made.render(values | keys))


@pytest.mark.parametrize("name", ["free", "token", "ki"])
def test_a_value_with_an_object_behind_it_is_too_long(name: str) -> None:
    made = compile_template(template(ORDINARY, ORDINARY_PLACES))
    sizes = {"free": 60, "token": 16, "ki": 16}
    given = {each: bytes(16) for each in ORDINARY} | {name: bytes(sizes[name]) + H("8101AA")}
    with pytest.raises(InputError) as caught:
        made.personalise(given)
    assert caught.value.field == name
    assert caught.value.rule.endswith(f"bytes, has {sizes[name] + 3}")
