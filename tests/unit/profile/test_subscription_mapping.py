"""Declared spellings, card makers' files, encrypted columns, weak keys; both ways of reading give the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.errors import InputError
from ferryman.profile.opc import topc_from_top
from ferryman.profile.subscriptions import (
    DEFAULT,
    Column,
    RowReader,
    SubscriberRange,
    luhn_digit,
    pack,
    read_heading,
    read_input_variables,
    read_mapping,
    unpack,
)
from ferryman.profile.subscriptions.spelling import luhn_ok, swap
from ferryman.profile.subscriptions.weak import PUBLISHED, is_weak
from ferryman.secure import transport_cipher
from rig import subscriptions
from shared_data import vectors
from subscription_files import read_rows

ICCID, IMSI = "8988211000000000011", "001010000000001"
KI, OPC = "0F1571C947D9E8590CB7ADD6AF7F6798", "A1B2C3D4E5F60718293A4B5C6D7E8F90"


def maker_file(*rows: str, quantity: int = 0, iccid: str = "", imsi: str = "") -> bytes:
    head = ["*HEADER DESCRIPTION", "****", f"Quantity : {quantity}", "****", "*INPUT VARIABLES", "Var_In_List:"]
    head += [f"{name}: {value}" for name, value in (("ICCID", iccid), ("IMSI", imsi)) if value]
    return "\r\n".join([*head, "****", "*OUTPUT VARIABLES", "var_out:ICCID/IMSI/PIN1/KI/OPC/Access Control", *rows,
                        "****", ""]).encode()  # fmt: skip


MAKER = """
format: card-maker
operator: ["00101"]
columns:
  ICCID: {is: iccid, spelling: swapped}
  IMSI: {is: imsi, spelling: swapped}
  PIN1: {is: pin1, spelling: hex}
  KI: ki
  OPC: opc
  Access Control: acc
"""


def maker_row(iccid: str = ICCID, imsi: str = IMSI, *, ki: str = KI, acc: str = "0002") -> str:
    spelled = swap(iccid.ljust(20, "F")), swap("9" + imsi)
    return " ".join((*spelled, "31323334FFFFFFFF", ki, OPC, acc))


def test_a_card_makers_file() -> None:
    mapping = read_mapping(MAKER)
    content = maker_file(maker_row(), quantity=1, iccid=swap(ICCID + "F"), imsi=swap("9" + IMSI))
    heading = read_heading(content, mapping)
    assert (heading.quantity, heading.first_iccid, heading.first_imsi) == (1, ICCID, IMSI)
    (row,) = read_rows(content, mapping)
    assert (row.iccid, row.imsi, row.secrets["pin1"]) == (ICCID, IMSI, b"1234\xff\xff\xff\xff")
    assert (row.secrets["ki"], row.secrets["opc"]) == (bytes.fromhex(KI), bytes.fromhex(OPC))
    assert "acc" not in row.secrets


@pytest.mark.parametrize(
    ("row", "field", "rule"),
    [
        (maker_row("8988211000000000101"), "ICCID", "check digit"),  # two digits exchanged
        (maker_row(ICCID).replace(swap(ICCID + "F"), ICCID + "F"), "ICCID", "decimal digits"),
        (maker_row(imsi="100010000000001"), "IMSI", "networks"),
        (maker_row().replace(swap("9" + IMSI), IMSI + "9"), "IMSI", "parity"),
        (maker_row(acc="0004"), "ACCESS CONTROL", "access class"),
        (maker_row(ki="00" * 16), "KI", "weak"),
        (maker_row(ki="465B5CE8B199B49FAA5F0A2EE238A6BC"), "KI", "weak"),
        (maker_row().replace("31323334FFFFFFFF", "1234"), "PIN1", "16 hex digits"),
    ],
)
def test_what_is_spelled_otherwise_is_refused(row: str, field: str, rule: str) -> None:
    content = maker_file(row)
    with pytest.raises(InputError, match=rule) as caught:
        read_rows(content, read_mapping(MAKER))
    assert caught.value.field == f"line 10, column {field}"
    assert KI not in str(caught.value)


def test_first_row_is_the_one_that_the_header_names() -> None:
    other = swap("8988211000000000029F")
    with pytest.raises(InputError, match="first ICCID and IMSI"):
        read_rows(maker_file(maker_row(), iccid=other), read_mapping(MAKER))


@pytest.mark.parametrize("column", ["ICCID", "IMSI", "MSISDN"])
def test_every_exchange_of_two_neighbours_that_a_check_can_see(column: str) -> None:
    """Luhn sees all but 09 and 90; the network sees those in MCC and MNC."""
    line = subscriptions(1, "swap").splitlines()
    cells = dict(zip(line[0].split(","), line[1].split(","), strict=True))
    mapping = replace(DEFAULT, networks=("00101",))
    value = cells[column]
    for at in range(len(value) - 1):
        turned = value[:at] + value[at + 1] + value[at] + value[at + 2 :]
        if turned == value or column == "MSISDN" or {value[at], value[at + 1]} == {"0", "9"}:
            continue
        if column == "IMSI" and at > 4:
            continue
        text = "\n".join((line[0], line[1].replace(value, turned, 1), ""))
        with pytest.raises(InputError):
            read_rows(text.encode(), mapping)


@pytest.mark.parametrize("cipher", ["aes-ecb", "aes-cbc", "3des-ecb", "3des-cbc"])
def test_encrypted_columns(cipher: str) -> None:
    rng = random.Random(cipher)
    keys = {"k-ki": rng.randbytes(16), "k-opc": rng.randbytes(24)}
    mapping = read_mapping(
        "columns:\n  ICCID: {is: iccid, spelling: digits}\n  IMSI: {is: imsi, spelling: digits}\n"
        f"  EKI: {{is: ki, key: k-ki, cipher: {cipher}}}\n  EOPC: {{is: opc, key: k-opc, cipher: {cipher}}}\n"
    )
    secrets = [(rng.randbytes(16), rng.randbytes(16)) for _ in range(3)]
    text = "ICCID,IMSI,EKI,EOPC\n"
    for number, (ki, opc) in enumerate(secrets):
        body = f"89882110000000000{number}"
        cells = (
            transport_cipher.encrypt(keys["k-ki"], cipher, [ki])[0].hex(),
            transport_cipher.encrypt(keys["k-opc"], cipher, [opc])[0].hex(),
        )
        text += f"{body}{luhn_digit(body)},00101000000000{number},{cells[0]},{cells[1]}\n"

    def opener(column: Column, values: Sequence[bytes]) -> list[bytes]:
        assert column.transport is not None
        return transport_cipher.decrypt(keys[column.transport.key], cipher, column.transport.iv, values)

    rows = read_rows(text.encode(), mapping, opener=opener)
    assert [(row.secrets["ki"], row.secrets["opc"]) for row in rows] == secrets
    with pytest.raises(InputError, match="32 hex digits"):
        read_rows(text.replace(text.split(",")[-1], "00\n").encode(), mapping, opener=opener)


def test_tuak_and_algorithms_without_opc() -> None:
    head = "columns:\n  ICCID: {is: iccid, spelling: digits}\n  IMSI: {is: imsi, spelling: digits}\n"
    for vector in vectors("tuak"):
        given_, expected = vector["input"], vector["expected"]
        if "top" in given_ and given_.get("iterations") == 1:
            topc = topc_from_top(bytes.fromhex(given_["k"]), bytes.fromhex(given_["top"]))
            assert topc.hex() == expected["topc"]
    ki, top = "11" * 15 + "22" + "33" * 15 + "44", "55" * 31 + "66"
    tuak = read_mapping(f"algorithm: tuak\n{head}  KI: {{is: ki, bytes: 32}}\n  TOP: top\n")
    content = f"ICCID,IMSI,KI,TOP\n{ICCID},{IMSI},{ki},{top}\n".encode()
    (row,) = read_rows(content, replace(tuak, published_keys=True))
    assert row.secrets["opc"] == topc_from_top(bytes.fromhex(ki), bytes.fromhex(top))
    for algorithm in ("test", "xor"):
        mapping = read_mapping(f"algorithm: {algorithm}\n{head}  KI: ki\n")
        (row,) = read_rows(f"ICCID,IMSI,KI\n{ICCID},{IMSI},{KI}\n".encode(), mapping)
        assert row.secrets == {"ki": bytes.fromhex(KI), "opc": bytes(16)}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "mapping of names"),
        ("a: [", "well-formed YAML"),
        ("colour: red", "not known"),
        ("format: pdf", "one of"),
        ("columns: {}", "1 to 64"),
        ("columns: {A: iccid}", "spelling"),
        ("columns: {A: {is: iccid, spelling: roman}}", "spelling"),
        ("columns: {A: wisdom}", "must name a value"),
        ("columns: {A: {is: ki, bytes: 17}}", "16, 24 or 32"),
        ("columns: {A: {is: ki, key: k}}", "needs `key` and `cipher`"),
        ("columns: {A: {is: ki, key: k, cipher: rot13}}", "needs `key` and `cipher`"),
        ("columns: {A: {is: ki, key: k, cipher: aes-cbc, iv: 00}}", "16 bytes"),
        ("columns: {A: {is: pin1, spelling: digits, key: k, cipher: aes-cbc}}", "spelled hex"),
        ("columns: {A: ki, a: opc}", "declared twice"),
        ("columns: {A: ki, B: ki}", "two columns"),
        ("columns: {A: ki}", "declared as iccid"),
        ("operator: 1\ncolumns: {A: ki}", "quoted text"),
        ("check_digit: maybe\ncolumns: {A: ki}", "true or false"),
    ],
)
def test_mappings_that_say_nothing_certain(text: str, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        read_mapping(text)


@pytest.mark.parametrize(
    ("algorithm", "columns", "rule"),
    [
        ("milenage", "KI: ki", "exactly one column opc or op"),
        ("milenage", "KI: ki, A: opc, B: op", "exactly one"),
        ("milenage", "KI: {is: ki, bytes: 32}, A: opc", "16 bytes"),
        ("tuak", "KI: ki, A: opc", "exactly one column topc or top"),
        ("xor", "KI: ki, A: opc", "has no opc"),
    ],
)
def test_algorithm_and_its_values(algorithm: str, columns: str, rule: str) -> None:
    ids = "I: {is: iccid, spelling: digits}, J: {is: imsi, spelling: digits}"
    with pytest.raises(InputError, match=rule):
        read_mapping(f"algorithm: {algorithm}\ncolumns: {{{ids}, {columns}}}")


def test_what_the_template_needs_and_what_it_does_not() -> None:
    content = subscriptions(2, "needs").encode()
    heading = read_heading(content, DEFAULT)
    reader = RowReader(DEFAULT, heading, needs=("pin1",))
    assert set(reader.names) == {"ki", "opc", "pin1"}
    rows = reader.read(content[heading.offset :], 2)
    assert set(unpack(reader.names, rows.secrets[0])) == {"ki", "opc", "pin1"}
    with pytest.raises(InputError, match="no column for applet"):
        RowReader(DEFAULT, heading, needs=("applet",))
    lines = content.decode().splitlines()
    cells = lines[1].split(",")
    cells[lines[0].split(",").index("PIN2")] = ""
    empty = "\n".join((lines[0], ",".join(cells), "")).encode()
    assert "pin2" not in read_rows(empty)[0].secrets
    with pytest.raises(InputError, match="template needs it"):
        read_rows(empty, needs=("pin2",))


def test_weak_keys() -> None:
    assert is_weak(bytes(16))
    assert is_weak(b"12345678" * 2)
    assert all(is_weak(key) for key in PUBLISHED)
    assert not is_weak(bytes.fromhex(KI))
    assert not is_weak(b"\1" + bytes(15))


def test_packed_values() -> None:
    assert unpack(("a", "b", "c"), pack([b"1", b"", b"22"])) == {"a": b"1", "c": b"22"}
    with pytest.raises(ValueError, match="do not fit"):
        unpack(("a",), pack([b"1", b"2"]))


def test_ranges() -> None:
    wanted = SubscriberRange("898821100000000998", "001010000000009", "+88211999", 3)
    assert wanted.part(0, 10) == [
        ("898821100000000998" + luhn_digit("898821100000000998"), "001010000000009", "+88211999"),
        ("898821100000000999" + luhn_digit("898821100000000999"), "001010000000010", "+88212000"),
        ("898821100000001000" + luhn_digit("898821100000001000"), "001010000000011", "+88212001"),
    ]
    assert wanted.part(2, 10) == wanted.part(0, 10)[2:]
    assert all(luhn_ok(iccid) for iccid, _, _ in wanted.part(0, 3))


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        (("898821100000000998", "001019999999999", "", 2), "another network"),
        (("899999999999999999", "001010000000001", "", 2), "run over"),
        (("898821100000000998", "001010000000001", "999", 2), "run over"),
        (("8988211000000000012", "001010000000001", "", 1), "check digit"),
        (("788821100000000998", "001010000000001", "", 1), "begin with 89"),
        (("898821100000000998", "001010000000001", "", 0), "between 1"),
    ],
)
def test_ranges_that_do_not_fit(values: tuple[str, str, str, int], rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        SubscriberRange(*values)


def test_input_file_of_a_card_maker() -> None:
    found = read_input_variables(maker_file(quantity=5, iccid=ICCID, imsi=IMSI))
    assert (found.quantity, found.first_iccid, found.first_imsi) == (5, ICCID, IMSI)
    with pytest.raises(InputError, match="must give Quantity"):
        read_input_variables(maker_file(iccid=ICCID, imsi=IMSI))


_TEXTS = ("", "0", "12", "1234", "12345678", "89", ICCID, IMSI, KI, KI.lower(), "+12345", " 1234", '"1234"', "x")
_CELL = st.sampled_from((*_TEXTS, OPC, "00" * 16))


@given(st.lists(st.tuples(st.integers(0, 12), _CELL), max_size=3), st.integers(1, 3), st.booleans())
@settings(max_examples=150, deadline=None)
def test_both_ways_of_reading_give_the_same(changes: list[tuple[int, str]], count: int, check: bool) -> None:
    lines = subscriptions(count, "same").splitlines()
    for column, value in changes:
        cells = lines[-1].split(",")
        cells[column] = value
        lines[-1] = ",".join(cells)
    content = ("\n".join(lines) + "\n").encode()
    mapping = replace(DEFAULT, check_digit=check)
    heading = read_heading(content, mapping)
    reader = RowReader(mapping, heading)
    body = content[heading.offset :]
    taken, slow = reader.read(body, 2), reader._slow(body.decode(), 2)
    assert (list(taken.public), list(taken.secrets)) == (list(slow.public), list(slow.secrets))
    assert (list(taken.lines), taken.problems) == (list(slow.lines), slow.problems)
    if not changes:
        assert reader._fast(body.decode(), 2) is not None, "the quick way is not taken for a plain file"
