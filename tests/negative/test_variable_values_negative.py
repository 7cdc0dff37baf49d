"""Values of declared variables that are too long, no data objects, or bring some: refused with line and column."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest

from ferryman.codec.ids import luhn_digit
from ferryman.contracts import imports
from ferryman.contracts.imports import KeyRange
from ferryman.platform.importing import Importer, ReportLine
from ferryman.profile.definition import combined
from ferryman.profile.demo_template import demo_template
from ferryman.profile.documents import dump_yaml
from premises import NAME, OWNER, Premises
from saip_samples import ts48
from virtual_loop import virtual

FORMAT = "1.3.1/2.1"
VARIABLES: dict[str, Any] = {
    "iccid": {"type": "digits", "length": 19},
    "iccid_header": {"derive": "iccid_header(iccid)"},
    "ki": {"type": "hex", "length": 16, "secret": True},
    "token": {"type": "hex", "length": 16, "secret": True},
    "keys": {"type": "tlv", "length": "0..20", "default": ""},
    "label": {"type": "text", "length": "0..10", "default": ""},
    "name": {"derive": "uri(label)"},
}
MAP = {
    "header.iccid": "{iccid_header}",
    "akaParameter[usim].key": "{ki}",
    "isim.ef-impi.content": "8110{token}FF",
    "df-saip.ef-suci-calc-info-usim.content": "A0020000{keys}",
    "isim.ef-domain.content": "{name}",
}
MAPPING = """
separator: ";"
algorithm: test
columns:
  ICCID: {is: iccid, spelling: digits}
  IMSI: {is: imsi, spelling: digits}
  KI: ki
  TOKEN: {is: var.token, spelling: hex}
  KEYS: {is: var.keys, spelling: hex}
  LABEL: {is: var.label, spelling: text}
"""
HEADING = "ICCID;IMSI;KI;TOKEN;KEYS;LABEL"
GOOD = {
    "KI": "A1B2C3D4E5F60718293A4B5C6D7E8F90",
    "TOKEN": "820E0102030405060708090A0B0C0D0E",  # which looks like a data object, and is 16 bytes of data
    "KEYS": "A1058001118100",
    "LABEL": "me",
}


def template() -> bytes:
    return combined(ts48("TS48v7_SAIP2.3_BERTLV_SUCI"), dump_yaml({"variables": VARIABLES, "map": MAP}).encode())


def line(number: int, **change: str) -> str:
    body = f"89882119000000{number:04d}"
    cells = {"ICCID": body + str(luhn_digit(body)), "IMSI": f"00101900000{number:04d}"} | GOOD | change
    return ";".join(cells[name] for name in HEADING.split(";"))


def file(*lines: str) -> io.BytesIO:
    return io.BytesIO("\n".join((HEADING, *lines, "")).encode())


BAD = {
    "a further object behind the value": ({"TOKEN": "AA" * 16 + "8101AA"}, "TOKEN", "must have 16 bytes, has 19"),
    "too short a value": ({"TOKEN": "AA" * 15}, "TOKEN", "must have 16 bytes, has 15"),
    "objects that are cut off": ({"KEYS": "A10580011181"}, "KEYS", "whole data objects .* \\[variable-tlv\\]"),
    "bytes behind the objects": ({"KEYS": "A105800111810000"}, "KEYS", "\\[variable-tlv\\]"),
    "padding behind the objects": ({"KEYS": "A1058001118100FF"}, "KEYS", "\\[variable-tlv\\]"),
    "an indefinite length": ({"KEYS": "A1808001110000"}, "KEYS", "\\[variable-tlv\\]"),
    "objects that are too long": ({"KEYS": "A1058001118100" * 3}, "KEYS", "must have 0 to 20 bytes, has 21"),
    "an object in a text": ({"LABEL": "\x01A"}, "LABEL", "without control characters"),
    "too long a text": ({"LABEL": "elevenbytes"}, "LABEL", "must have 0 to 10 bytes, has 11"),
}


@pytest.mark.parametrize("name", BAD)
@virtual
async def test_a_row_is_refused_with_line_column_and_rule(tmp_path: Path, name: str) -> None:
    change, column, rule = BAD[name]
    async with Premises(tmp_path / "data") as place:
        await place.template(template())
        content = file(line(1), line(2, **change), line(3))
        work = Importer(place.operator).file(content, NAME, mapping=MAPPING)
        refusal = await place.refused(work, FORMAT, f"line 3, column {column}: ")
        assert re.search(rule, refusal.message), refusal.message
        for value in change.values():
            assert value not in refusal.message
        report: list[ReportLine] = []
        content.seek(0)
        done = await Importer(place.operator, report=report.append).file(
            content, NAME, mapping=MAPPING, dry_run=True
        )
        assert (done.new, done.refused) == (2, 1)
        assert [(one.line, one.outcome, one.column) for one in report] == [
            (2, "new", ""),
            (3, "refused", column),
            (4, "new", ""),
        ]


@virtual
async def test_rows_that_are_right_are_taken(tmp_path: Path) -> None:
    async with Premises(tmp_path / "data") as place:
        await place.template(template())
        lines = [line(1), line(2, KEYS="", LABEL=""), line(3, TOKEN="FF" * 16), line(4, KEYS="81810151")]
        assert (await Importer(place.operator).file(file(*lines), NAME, mapping=MAPPING)).new == 4


ROW = "{iccid},{imsi},{ki},{opc},1234,12345678,1234,12345678,12345678,{kic},{kid},{kik}"


def plain(imsi: str) -> str:
    """A plain file, which is read a run at a time, with one subscription."""
    body = "898821190000000001"
    keys = {name: f"{at:02X}{GOOD['KI'][2:]}" for at, name in enumerate(("ki", "opc", "kic", "kid", "kik"))}
    row = ROW.format(iccid=body + str(luhn_digit(body)), imsi=imsi, **keys)
    return "ICCID,IMSI,KI,OPC,PIN1,PUK1,PIN2,PUK2,ADM1,KIC,KID,KIK\n" + row + "\n"


@virtual
async def test_digits_of_a_length_that_the_template_does_not_take(tmp_path: Path) -> None:
    """The IMSI stands in an identity of the ISIM, whose length is the template's."""
    async with Premises(tmp_path / "data") as place:
        await place.template(ts48("TS48v7_SAIP2.3_BERTLV_SUCI"))
        short = place.subscriptions(plain("00101900000001"))
        refusal = await place.refused(short, FORMAT, "line 2, column IMSI: ")
        assert refusal.message.endswith("must have 15 digits, has 14")
        await place.subscriptions(plain("001019000000001"))


@virtual
async def test_subscriptions_of_another_algorithm_than_the_template(tmp_path: Path) -> None:
    async with Premises(tmp_path / "data") as place:
        await place.template(demo_template(), algorithm="tuak128")
        words = "the subscriptions are of {}, the template is of tuak"
        await place.refused(place.subscriptions(plain("001019000000001")), FORMAT, words.format("milenage"))
        for algorithm in ("milenage", "test", "xor"):
            wanted = KeyRange("898821100000000998", "001010000000101", "", 20, algorithm)
            await place.refused(Importer(place.operator).range(wanted, NAME), FORMAT, words.format(algorithm))
        wanted = KeyRange("898821100000000998", "001010000000101", "", 20, "tuak", key_bytes=32)
        await place.refused(Importer(place.operator).range(wanted, NAME), FORMAT, "ki: must have 16 bytes, has 32")
        views = await place.operator.sm_dp(imports.ListImports(owner=OWNER))
        assert isinstance(views, imports.ImportPage)
        assert views.imports == ()
