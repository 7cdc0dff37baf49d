"""Subscription files: whole or nothing, and no message shows what a cell holds."""

from __future__ import annotations

import pytest

from ferryman.errors import InputError
from ferryman.profile import compile_template, demo_template
from ferryman.profile.opc import opc_from_op
from ferryman.profile.slots import derive_public
from ferryman.profile.subscriptions import luhn_digit
from shared_data import vectors
from subscription_files import ROOMY, parse_csv, read_rows

HEADING = "ICCID IMSI MSISDN KI OPC PIN1 PUK1 PIN2 PUK2 ADM1 KIC KID KIK"
COLUMNS = HEADING.split()
FIRST = {
    "ICCID": "8999010000000000185",
    "IMSI": "001019876543210",
    "MSISDN": "+99912345678",
    "KI": "0F1571C947D9E8590CB7ADD6AF7F6798",
    "OPC": "A1B2C3D4E5F60718293A4B5C6D7E8F90",
    "PIN1": "1234",
    "PUK1": "10203040",
    "PIN2": "9753",
    "PUK2": "50607080",
    "ADM1": "77553311",
    "KIC": "11223344556677881122334455667701",
    "KID": "11223344556677881122334455667702",
    "KIK": "11223344556677881122334455667703",
}
SECOND = FIRST | {"ICCID": "8999010000000000193", "IMSI": "001019876543211", "MSISDN": ""}


def table(*rows: dict[str, str], separator: str = ",", columns: list[str] = COLUMNS) -> str:
    lines = [separator.join(columns)]
    lines += [separator.join(row.get(column, "") for column in columns) for row in rows]
    return "\n".join(lines) + "\n"


def refused(text: str, **options: bool) -> InputError:
    with pytest.raises(InputError) as caught:
        parse_csv(text, **options)
    return caught.value


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators(separator: str) -> None:
    rows = parse_csv(table(FIRST, SECOND, separator=separator))
    assert [row.line for row in rows] == [2, 3]
    assert rows[0].iccid == FIRST["ICCID"]
    assert rows[1].msisdn == ""
    assert rows[0].secrets["ki"] == bytes.fromhex(FIRST["KI"])


def test_heading_in_any_order_and_case_with_bom_blank_lines_and_blanks() -> None:
    text = "\ufeff\r\n" + table(FIRST, columns=[*reversed(COLUMNS)]).replace("\n", " \r\n").replace("KI,", "ki ,")
    rows = parse_csv(text + "\r\n ,,\r\n".replace(",,", ""))
    assert rows[0].line == 3
    assert rows[0].imsi == FIRST["IMSI"]


def test_quoted_cells() -> None:
    assert parse_csv(table(FIRST).replace(FIRST["IMSI"], f'"{FIRST["IMSI"]}"'))[0].imsi == FIRST["IMSI"]


def test_a_row_fills_the_demo_template() -> None:
    row = parse_csv(table(FIRST))[0]
    template = compile_template(demo_template())
    assert template.render(derive_public(row.iccid, row.imsi, row.msisdn) | row.secrets)


def test_op_becomes_opc() -> None:
    columns = ["OP" if name == "OPC" else name for name in COLUMNS]
    for vector in vectors("milenage"):
        given, expected = vector["input"], vector["expected"]
        if "op" not in given or "opc" not in expected:
            continue
        assert opc_from_op(bytes.fromhex(given["k"]), bytes.fromhex(given["op"])).hex() == expected["opc"]
    op = "cdc202d5123e20f62b6d676ac72cb318"  # 3GPP TS 35.208 test set 1
    row = FIRST | {"KI": "465b5ce8b199b49faa5f0a2ee238a6bc", "OP": op}
    read = read_rows(table(row, columns=columns).encode(), ROOMY)[0]
    assert read.secrets["opc"].hex() == "cd63cb71954a9f4e48a5994e37a02baf"


def test_iccid_check_digits() -> None:
    assert luhn_digit("899901000000000018") == "5"
    assert parse_csv(table(FIRST | {"ICCID": "899901000000000018"}))[0].iccid == "8999010000000000185"
    wrong = table(FIRST | {"ICCID": "8999010000000000186"})
    assert refused(wrong).rule == "has a wrong check digit"
    assert parse_csv(wrong, check_digit=False)[0].iccid == "8999010000000000186"
    assert parse_csv(table(FIRST | {"ICCID": "89990100000000001234"}), check_digit=False)
    assert "19 to 20 digits" in refused(table(FIRST | {"ICCID": "899901000000000018"}), check_digit=False).rule


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("ICCID", ""),
        ("ICCID", "8.99901E+18"),
        ("ICCID", "7999010000000000187"),
        ("IMSI", "0010198765432"),
        ("IMSI", "0010198765432101"),
        ("IMSI", "00101987654321X"),
        ("MSISDN", "+1"),
        ("MSISDN", "call me"),
        ("KI", "0F1571C947D9E8590CB7ADD6AF7F679"),
        ("KI", "0F1571C947D9E8590CB7ADD6AF7F67981"),
        ("KI", "0F1571C947D9E8590CB7ADD6AF7F679G"),
        ("KI", "0F 571C947D9E8590CB7ADD6AF7F6798"),
        ("KI", "77" * 16),
        ("KIC", "00" * 16),
        ("OPC", "A1B2"),
        ("PIN1", "123"),
        ("PIN1", "123456789"),
        ("PIN2", "12x4"),
        ("PUK1", "1020304"),
        ("PUK2", "102030405"),
        ("ADM1", "12345678901"),
        ("KIK", "x" * 500),
    ],
)
def test_wrong_values_are_named_by_line_and_column_and_not_shown(column: str, value: str) -> None:
    error = refused(table(FIRST, SECOND | {column: value}))
    assert error.field == f"line 3, column {column}"
    if len(value) > 2:
        assert value not in str(error)


@pytest.mark.parametrize("column", ["ICCID", "IMSI", "MSISDN"])
def test_duplicates(column: str) -> None:
    error = refused(table(FIRST, SECOND | {column: FIRST[column]}))
    assert (error.field, error.rule) == (f"line 3, column {column}", "is the same as in line 2")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "is empty"),
        (table(FIRST, columns=[name for name in COLUMNS if name != "KI"]), "column KI is missing"),
        (table(FIRST, columns=[*COLUMNS, "KI"]), "column KI is there twice"),
        (table(FIRST, columns=[*COLUMNS, "COLOUR"]), "column COLOUR is not known"),
        (table(FIRST, columns=[*COLUMNS, "OP"]), "exactly one of the columns OPC and OP"),
        (table(FIRST, columns=[name for name in COLUMNS if name != "OPC"]), "exactly one of the columns"),
        (table(FIRST).rstrip("\n") + ",1\n", "has 14 values, the heading has 13 columns"),
        (table(FIRST) + '"open', "not well-formed CSV"),
    ],
)
def test_wrong_files(text: str, rule: str) -> None:
    assert rule in str(refused(text))


def test_a_file_without_heading_shows_no_secret() -> None:
    row = ",".join(FIRST[column] for column in reversed(COLUMNS))
    error = refused(row + "\n")
    assert "without a usable name" in str(error)
    assert not any(value in str(error) for value in FIRST.values())


def test_pin2_and_puk2_may_be_left_out() -> None:
    columns = [name for name in COLUMNS if name not in ("PIN2", "PUK2", "MSISDN")]
    row = parse_csv(table(FIRST, columns=columns))[0]
    assert "pin2" not in row.secrets
    given = row.secrets | derive_public(row.iccid, row.imsi, row.msisdn)
    assert compile_template(demo_template()).missing(given) == ("pin2", "puk2")
