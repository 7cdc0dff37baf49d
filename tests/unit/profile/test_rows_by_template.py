"""Rows of a plain file beside what a template declares: read by the run or one by one, the answer is the same."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman.profile.subscriptions import DEFAULT, RowReader, read_heading, read_mapping, unpack
from ferryman.profile.subscriptions.spelling import luhn_digit
from ferryman.profile.variables import declared
from rig import subscriptions

LINES = subscriptions(2, "bounds").splitlines()
HEADING = LINES[0].split(",")
KEY: dict[str, Any] = {"type": "hex", "length": 16, "secret": True}
LONG_ICCID = "8988211000000001234" + luhn_digit("8988211000000001234")

AGREED: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "nothing declared": ({}, {}),
    "what every file has": (
        {
            "iccid": {"type": "digits", "length": "18..20"},
            "imsi": {"type": "digits", "length": "14..15"},
            "msisdn": {"type": "text", "length": "0..16"},
            "ki": KEY,
            "opc": KEY,
            "pin1": {"type": "octets", "length": 8},
        },
        {},
    ),
    "as narrow as this file is": ({"iccid": {"type": "digits", "length": 19}, "ki": KEY}, {}),
    "a longer number": ({"iccid": {"type": "digits", "length": 20}}, {"ICCID": LONG_ICCID}),
    "a code in digits": ({"pin1": {"type": "digits", "length": 6}}, {"PIN1": "123456"}),
    "a code as text": ({"pin1": {"type": "text", "length": "4..6"}}, {"PIN1": "123456"}),
    "a key of several sizes": ({"ki": {"type": "hex", "length": "16..32"}}, {}),
    "a default for what is not there": ({"applet": {"type": "hex", "length": 16, "default": "00" * 16}}, {}),
    "no number": ({"msisdn": {"type": "text", "length": "0..16"}}, {"MSISDN": ""}),
}
REFUSED: dict[str, tuple[dict[str, Any], dict[str, str], str, str]] = {
    "too long a number": (
        {"iccid": {"type": "digits", "length": "18..19"}},
        {"ICCID": LONG_ICCID},
        "ICCID",
        "must have 18 to 19 digits, has 20",
    ),
    "too short a number": (
        {"iccid": {"type": "digits", "length": 20}},
        {},
        "ICCID",
        "must have 20 digits, has 19",
    ),
    "a short IMSI": (
        {"imsi": {"type": "digits", "length": 15}},
        {"IMSI": "00101000000001"},
        "IMSI",
        "must have 15 digits, has 14",
    ),
    "a code that is too long": (
        {"pin1": {"type": "digits", "length": "4..5"}},
        {"PIN1": "123456"},
        "PIN1",
        "must have 4 to 5 digits, has 6",
    ),
    "a code of other bytes": ({"pin1": {"type": "hex", "length": 4}}, {}, "PIN1", "must have 4 bytes, has 8"),
    "a larger key": ({"ki": {"type": "hex", "length": "24..32"}}, {}, "KI", "must have 24 to 32 bytes, has 16"),
    "a smaller key": ({"kic": {"type": "hex", "length": 8}}, {}, "KIC", "must have 8 bytes, has 16"),
    "a key as objects": (
        {"ki": {"type": "tlv", "length": 16}},
        {"KI": "80" + "81" * 15},
        "KI",
        "whole data objects",
    ),
    "no number where one is needed": (
        {"msisdn": {"type": "text", "length": "5..16"}},
        {"MSISDN": ""},
        "MSISDN",
        "must have 5 to 16 bytes, has 0",
    ),
    "a number with its sign": (
        {"msisdn": {"type": "digits", "length": "0..15"}},
        {"MSISDN": "+88211234"},
        "MSISDN",
        "must consist of decimal digits",
    ),
    "nothing where something is needed": (
        {"applet": {"type": "hex", "length": 16}},
        {},
        "",
        "applet the template needs it, the subscription does not have it",
    ),
}


def content(change: dict[str, str]) -> bytes:
    """A file of two rows, some cells of the second changed."""
    cells = LINES[2].split(",")
    for name, value in change.items():
        cells[HEADING.index(name)] = value
    return "\n".join((LINES[0], LINES[1], ",".join(cells), "")).encode()


def reader_of(entries: dict[str, Any], source: bytes) -> tuple[RowReader, bytes]:
    heading = read_heading(source, DEFAULT)
    return RowReader(DEFAULT, heading, variables=tuple(declared(entries).values())), source[heading.offset :]


@pytest.mark.parametrize("name", AGREED)
def test_rows_that_a_template_takes(name: str) -> None:
    """By the run, as they are read one by one."""
    entries, change = AGREED[name]
    reader, body = reader_of(entries, content(change).replace(LINES[1].encode() + b"\n", b""))
    rows, singly = reader._fast(body.decode(), 2), reader._slow(body.decode(), 2)
    assert rows is not None
    assert singly.problems == ()
    assert (list(rows.public), list(rows.secrets)) == (list(singly.public), list(singly.secrets))
    assert unpack(reader.names, rows.secrets[0])["ki"]


@pytest.mark.parametrize("name", REFUSED)
def test_rows_that_a_template_does_not_take(name: str) -> None:
    entries, change, column, rule = REFUSED[name]
    reader, body = reader_of(entries, content(change))
    assert reader._pattern is None or reader._fast(body.decode(), 2) is None
    problems = [one for one in reader.read(body, 2).problems if one.line == 3]
    assert [one.column for one in problems] == [column]
    assert rule in problems[0].rule


def test_an_empty_cell_leaves_the_default() -> None:
    mapping = read_mapping(
        "algorithm: test\ncolumns:\n  I: {is: iccid, spelling: digits}\n  J: {is: imsi, spelling: digits}\n"
        "  K: ki\n  A: {is: var.applet, spelling: hex, optional: true}\n"
    )
    cells = dict(zip(HEADING, LINES[1].split(","), strict=True))
    row = f"{cells['ICCID']},{cells['IMSI']},{cells['KI']}"
    source = f"I,J,K,A\n{row},\n".encode()
    heading = read_heading(source, mapping)
    for default, problems in (({"default": "00" * 4}, []), ({}, ["the template needs it"])):
        variables = declared({"applet": {"type": "hex", "length": 4} | default})
        reader = RowReader(mapping, heading, variables=tuple(variables.values()))
        found = reader.read(source[heading.offset :], 2).problems
        assert [one.rule.split(",")[0] for one in found] == problems
