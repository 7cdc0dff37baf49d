"""Templates and subscription files that must be refused, each with nothing changed in any database."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferryman.codec import saip
from ferryman.contracts import admin, imports
from ferryman.profile.demo_template import demo_template
from premises import NAME, OWNER, Premises, subscriptions
from virtual_loop import virtual

FORMAT = "1.3.1/2.1"
TAKEN = "8.2.1/3.3"
SECRET = "A1B2C3D4E5F60718293A4B5C6D7E8F90"


def without(name: str) -> bytes:
    """The demo template without its elements of this name."""
    package = saip.decode(demo_template())
    elements = [element for element in package.elements if element.name != name]
    return saip.encode(saip.Package(package.version, elements))


def cut(der: bytes) -> bytes:
    return der[:-7]


def long_length(der: bytes) -> bytes:
    """The header's length in three octets where one is enough: BER, not DER."""
    assert der[1] < 0x80
    return der[:1] + b"\x82" + der[1:2].rjust(2, b"\0") + der[2:]


BROKEN = {
    "empty": b"",
    "text": b"not a package",
    "cut off": cut(demo_template()),
    "length that is not the shortest": long_length(demo_template()),
    "length beyond the end": demo_template() + b"\xaa\x7f\x00",
    "indefinite length": b"\xa0\x80" + demo_template()[2:],
    "trailing octets": demo_template() + b"\x00\x00",
}


@pytest.mark.parametrize("name", BROKEN)
@virtual
async def test_malformed_template(tmp_path: Path, name: str) -> None:
    async with Premises(tmp_path / "data") as place:
        await place.refused(place.template(BROKEN[name]), FORMAT)


@virtual
async def test_template_without_aka_parameter(tmp_path: Path) -> None:
    async with Premises(tmp_path / "data") as place:
        await place.refused(place.template(without("akaParameter")), FORMAT, "akaParameter")


@virtual
async def test_template_of_an_unknown_algorithm(tmp_path: Path) -> None:
    async with Premises(tmp_path / "data") as place:
        request = admin.ImportTemplate(owner=OWNER, name=NAME, der=demo_template(), algorithm="comp128")
        await place.refused(place.operator.sm_dp(request), FORMAT, "algorithm")


@virtual
async def test_other_template_under_a_name_in_use(tmp_path: Path) -> None:
    async with Premises(tmp_path / "data") as place:
        await place.template(demo_template())
        async with place.unchanged():
            again = await place.template(demo_template())
        assert isinstance(again, admin.TemplateImported)
        assert not again.new
        request = admin.ImportTemplate(owner=OWNER, name=NAME, der=demo_template(), algorithm="as-is")
        await place.refused(place.operator.sm_dp(request), "8.2.5/3.3", "another name")


# -- subscription files ---------------------------------------------------------------------------------------


def cells(text: str) -> list[list[str]]:
    return [line.split(",") for line in text.split()]


def changed(column: str, value: str, row: int = 1) -> str:
    """A file of two subscriptions with one value changed."""
    table = cells(subscriptions(2, "negative"))
    table[row][table[0].index(column)] = value
    return "\n".join(",".join(line) for line in table)


def value(column: str, row: int = 1) -> str:
    table = cells(subscriptions(2, "negative"))
    return table[row][table[0].index(column)]


def other_digit(digits: str) -> str:
    return digits[:-1] + str((int(digits[-1]) + 1) % 10)


FILES = {
    "wrong check digit": (changed("ICCID", other_digit(value("ICCID"))), "line 2, column ICCID"),
    "wrong check digit in the last line": (
        changed("ICCID", other_digit(value("ICCID", 2)), 2),
        "line 3, column ICCID",
    ),
    "short Ki": (changed("KI", SECRET[:-2]), "line 2, column KI"),
    "long Ki": (changed("KI", SECRET + "00"), "line 2, column KI"),
    "Ki that is no hexadecimal": (changed("KI", "X" + SECRET[1:]), "line 2, column KI"),
    "short OPc": (changed("OPC", SECRET[:30]), "line 2, column OPC"),
    "letters in the IMSI": (changed("IMSI", "00101000000000A"), "line 2, column IMSI"),
    "short PUK": (changed("PUK1", "1234567"), "line 2, column PUK1"),
    "ICCID twice": (changed("ICCID", value("ICCID"), 2), "line 3"),
    "IMSI twice": (changed("IMSI", value("IMSI"), 2), "line 3"),
    "a line twice": (subscriptions(1, "negative") + subscriptions(1, "negative").split()[1], "line 3"),
    "too few values": (subscriptions(1, "negative").rstrip().rpartition(",")[0], "line 2"),
    "column missing": (subscriptions(1, "negative").replace("KI,", "", 1), "line 1"),
    "no subscription": (subscriptions(0, "negative"), "no subscription"),
    "empty": ("", "empty"),
    "binary": ("\x00\x01\x02", "line 1"),
}


@pytest.mark.parametrize("name", FILES)
@virtual
async def test_subscription_file(tmp_path: Path, name: str) -> None:
    text, words = FILES[name]
    async with Premises(tmp_path / "data") as place:
        await place.template(demo_template())
        refusal = await place.refused(place.subscriptions(text), FORMAT, words)
        assert SECRET[:12] not in str(refusal)


@virtual
async def test_subscription_file_that_is_no_text(tmp_path: Path) -> None:
    async with Premises(tmp_path / "data") as place:
        await place.template(demo_template())
        work = place.operator.import_subscriptions(b"\xff\xfe\x00", NAME)
        await place.refused(work, FORMAT, "UTF-8")


@pytest.mark.parametrize("column", ["KI", "OPC", "IMSI", "MSISDN", "PIN1", "KIK"])
@virtual
async def test_second_import_with_another_value(tmp_path: Path, column: str) -> None:
    other = {"KI": SECRET, "OPC": SECRET, "KIK": SECRET, "PIN1": "4321"}.get(column, "001010999999999")
    async with Premises(tmp_path / "data") as place:
        await place.template(demo_template())
        await place.subscriptions(subscriptions(2, "negative"))
        async with place.unchanged():
            again = await place.subscriptions(subscriptions(2, "negative"))
        assert (again.new, again.known) == (0, 2)
        await place.refused(place.subscriptions(changed(column, other)), TAKEN)


@virtual
async def test_second_import_with_a_new_line_and_another_value(tmp_path: Path) -> None:
    """All or nothing: the good first line of the second file is not taken either."""
    table = cells(subscriptions(3, "negative"))
    table[2][table[0].index("KI")] = SECRET
    mixed = "\n".join(",".join(table[row]) for row in (0, 3, 2))
    async with Premises(tmp_path / "data") as place:
        await place.template(demo_template())
        await place.subscriptions(subscriptions(2, "negative"))
        await place.refused(place.subscriptions(mixed), TAKEN, "line 3")


@virtual
async def test_import_for_an_unknown_profile_type(tmp_path: Path) -> None:
    """The CryptoServer must not keep secrets that the SM-DP then refuses."""
    async with Premises(tmp_path / "data") as place:
        await place.refused(place.subscriptions(subscriptions(1, "negative"), name="none"), "8.2.5/3.9")


@virtual
async def test_import_of_another_owners_iccid(tmp_path: Path) -> None:
    async with Premises(tmp_path / "data") as place:
        await place.template(demo_template())
        await place.subscriptions(subscriptions(2, "negative"))
        stranger = "1.3.6.1.4.1.99999.31"
        await place.operator.sm_dp(admin.ImportTemplate(owner=stranger, name=NAME, der=demo_template()))
        work = place.subscriptions(subscriptions(2, "negative"), owner=stranger)
        await place.refused(work, TAKEN)


@virtual
async def test_registering_the_same_iccid_twice_without_the_file(tmp_path: Path) -> None:
    row = imports.SubscriptionPublic("8988211000000000011", "001010000000001", "")
    async with Premises(tmp_path / "data") as place:
        await place.template(demo_template())
        begin = imports.OpenRegistration(owner=OWNER, profile_type=NAME, import_id="0" * 64)
        await place.operator.sm_dp(begin)
        request = imports.RegisterChunk(owner=OWNER, import_id="0" * 64, number=0, rows=(row, row), lines=(2, 3))
        async with place.unchanged():
            answer = await place.operator.sm_dp(request)
        assert isinstance(answer, imports.ChunkRegistered)
        assert [problem.sentence for problem in answer.problems] == [
            "line 3, column ICCID: stands in the file twice",
            "line 3, column IMSI: stands in the file twice",
        ]
