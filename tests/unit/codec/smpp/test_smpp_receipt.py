"""Delivery receipts, their ids and dates, user data, relative times."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.codec.smpp.errors import SMPPError
from ferryman.codec.smpp.messages import DataSM, DeliverSM
from ferryman.codec.smpp.receipt import (
    MessageState,
    is_receipt,
    message_id_forms,
    parse_receipt,
    parse_receipt_text,
)
from ferryman.codec.smpp.times import MAX_RELATIVE, receipt_date, relative_time
from ferryman.codec.smpp.tlv import TLV
from ferryman.codec.smpp.user_data import MessageType, as_deliver, message_type, user_data
from ferryman.errors import InputError


def test_keys_in_any_order_and_case() -> None:
    parsed = parse_receipt_text("Stat:Expired DONE DATE:261122 Err:1b ID:00ff sub:1 Submit Date:2611220857")
    assert (parsed.stat, parsed.err, parsed.id, parsed.sub) == ("EXPIRED", "1b", "00ff", 1)
    assert parsed.submit_date == datetime(2026, 11, 22, 8, 57)
    assert parsed.done_date is None


def test_the_quoted_message_forges_no_field() -> None:
    parsed = parse_receipt_text("sub:001 stat:UNDELIV text:id:999 err:000 stat:DELIVRD")
    assert (parsed.id, parsed.err, parsed.stat) == (None, None, "UNDELIV")
    assert parsed.text == "id:999 err:000 stat:DELIVRD"
    assert parse_receipt_text("id:1 stat:DELIVRD id:2").id == "1"


def test_a_text_that_comes_first_does_not_hide_the_rest() -> None:
    parsed = parse_receipt_text("text:hello id:12 stat:DELIVRD")
    assert (parsed.text, parsed.id, parsed.stat) == ("hello", "12", "DELIVRD")


def test_keys_inside_words_are_none() -> None:
    assert parse_receipt_text("grid:7 stat:DELIVRD").id is None


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    parse_receipt_text(text)


@given(
    st.binary(max_size=254), st.lists(st.builds(TLV, st.sampled_from([0x1E, 0x427, 0x423, 0x424]), st.binary()))
)
def test_any_receipt_is_read_without_an_error(text: bytes, tlvs: list[TLV]) -> None:
    parse_receipt(DeliverSM(esm_class=4, short_message=text, tlvs=tuple(tlvs)))


def test_parameters_win_over_the_text() -> None:
    receipt = parse_receipt(
        DeliverSM(
            esm_class=4,
            source_addr="447700900123",
            destination_addr="900001",
            short_message=b"id:1 stat:DELIVRD",
            tlvs=(TLV(0x1E, b"2\0"), TLV(0x427, b"\5"), TLV(0x423, b"\3\0\x1b")),
        )
    )
    assert (receipt.message_id, receipt.state) == ("2", MessageState.UNDELIVERABLE)
    assert (receipt.source, receipt.destination) == ("447700900123", "900001")
    assert receipt.network_error == b"\3\0\x1b"
    assert receipt.text.id == "1"
    assert receipt.final


def test_a_receipt_in_the_payload_and_an_id_without_nul() -> None:
    in_payload = parse_receipt(DeliverSM(esm_class=4, tlvs=(TLV(0x424, b"id:7 stat:DELIVRD"),)))
    assert (in_payload.message_id, in_payload.state) == ("7", MessageState.DELIVERED)
    assert parse_receipt(DeliverSM(esm_class=4, tlvs=(TLV(0x1E, b"77"),))).message_id == "77"


@pytest.mark.parametrize(
    ("stat", "state", "final"),
    [
        ("DELIVRD", MessageState.DELIVERED, True),
        ("EXPIRED", MessageState.EXPIRED, True),
        ("DELETED", MessageState.DELETED, True),
        ("UNDELIV", MessageState.UNDELIVERABLE, True),
        ("REJECTD", MessageState.REJECTED, True),
        ("ACCEPTD", MessageState.ACCEPTED, False),
        ("ENROUTE", MessageState.ENROUTE, False),
        ("UNKNOWN", MessageState.UNKNOWN, False),
        ("WHATEVER", MessageState.UNKNOWN, False),
        ("DELIVERED", MessageState.DELIVERED, True),
        ("Undeliverable", MessageState.UNDELIVERABLE, True),
        ("UNDELIVERED", MessageState.UNDELIVERABLE, True),
        ("REJECTED", MessageState.REJECTED, True),
        ("ACCEPTED", MessageState.ACCEPTED, False),
    ],
)
def test_states(stat: str, state: MessageState, final: bool) -> None:
    receipt = parse_receipt(DeliverSM(esm_class=4, short_message=f"id:1 stat:{stat}".encode()))
    assert (receipt.state, receipt.final) == (state, final)


@pytest.mark.parametrize(
    ("esm_class", "octets"),
    [
        (4, b"id:7 err:000 stat:DELIVRD\0"),  # a C string, its NUL counted
        (4, "id:7 stat:DELIVRD".encode("utf-16-be")),  # data_coding 8, as the message was
        (4, "id:7 stat:DELIVRD".encode("utf-16-le")),
        (0x44, bytes.fromhex("050003ff0202") + b"id:7 stat:DELIVRD"),  # the header of the part it is about
        (0x44, b"id:7 stat:DELIVRD"),  # its flag alone
    ],
)
def test_texts_as_smscs_wrap_them(esm_class: int, octets: bytes) -> None:
    receipt = parse_receipt(DeliverSM(esm_class=esm_class, short_message=octets))
    assert (receipt.message_id, receipt.state) == ("7", MessageState.DELIVERED)


def test_a_receipt_without_its_mark_counts_only_by_what_no_mobile_can_send() -> None:
    """A subscriber writes any text; receipted_message_id is the SMSC's alone."""
    text = b"id:7 stat:DELIVRD"
    assert not is_receipt(DeliverSM(esm_class=0, short_message=text))
    named = (TLV(0x1E, b"7\0"), TLV(0x427, b"\2"))
    assert is_receipt(DeliverSM(esm_class=0, short_message=text, tlvs=named))
    assert not is_receipt(DeliverSM(esm_class=0x40, short_message=b"\2\x71\0packet", tlvs=named))
    assert not is_receipt(DeliverSM(esm_class=8, short_message=text, tlvs=named))


def test_an_intermediate_notification_is_not_final() -> None:
    pdu = DeliverSM(esm_class=0x20, short_message=b"id:1 stat:UNDELIV")
    assert is_receipt(pdu)
    assert parse_receipt(pdu).intermediate
    assert not parse_receipt(pdu).final


def test_state_numbers_nobody_defined_are_unknown() -> None:
    assert parse_receipt(DeliverSM(esm_class=4, tlvs=(TLV(0x427, b"\x63"),))).state is MessageState.UNKNOWN
    assert parse_receipt(DeliverSM(esm_class=4)).state is None


@pytest.mark.parametrize(
    ("given_id", "other"),
    [("7B31F", "504607"), ("504607", "7b31f"), ("0007b31f", "504607"), ("504607", "0007B31F"), ("7B31F", "7b31f"),
     ("504607", "0000504607"), ("7B31F", "0007b31f"), ("0007B31F", "0007b31f")],
)  # fmt: skip
def test_ids_in_decimal_and_hexadecimal_meet(given_id: str, other: str) -> None:
    forms = message_id_forms(given_id)
    assert forms[0] == given_id
    assert other in forms
    assert len(set(forms)) == len(forms)


def test_an_opaque_id_has_no_number_forms() -> None:
    assert message_id_forms("msg-xyz") == ("msg-xyz", "MSG-XYZ")
    assert len(message_id_forms("1" * 64)) == 1


def test_dates() -> None:
    assert receipt_date("2611220857") == datetime(2026, 11, 22, 8, 57)
    assert receipt_date("261122085759") == datetime(2026, 11, 22, 8, 57, 59)
    assert receipt_date("20261122085759") == datetime(2026, 11, 22, 8, 57, 59)
    assert receipt_date("202611220857") == datetime(2026, 11, 22, 8, 57)
    for wrong in (
        "",
        "26112208",
        "2613220857",
        "26112208x7",
        "\u0662\u0666\u0661\u0661\u0662\u0662\u0660\u0668\u0665\u0667",
    ):
        assert receipt_date(wrong) is None


def test_relative_times() -> None:
    assert relative_time(3_600) == "000000010000000R"
    assert relative_time(90_061) == "000001010101000R"
    assert relative_time(MAX_RELATIVE) == "000031000000000R"
    for wrong in (0, -1, MAX_RELATIVE + 1):
        with pytest.raises(InputError):
            relative_time(wrong)


def test_user_data_comes_from_one_place_only() -> None:
    payload = (TLV(0x424, b"payload"),)
    assert user_data(DeliverSM(short_message=b"short")) == b"short"
    assert user_data(DeliverSM(tlvs=payload)) == b"payload"
    assert user_data(DataSM(tlvs=payload)) == b"payload"
    assert user_data(DeliverSM(short_message=b"short", tlvs=(TLV(0x424, b""),))) == b"short"
    with pytest.raises(SMPPError) as caught:
        user_data(DeliverSM(short_message=b"short", tlvs=payload))
    assert caught.value.status == 0xC1


def test_data_sm_as_deliver_sm_keeps_everything() -> None:
    pdu = DataSM(
        sequence=4, source_addr="1", destination_addr="2", esm_class=0x40, data_coding=4, tlvs=(TLV(1, b""),)
    )
    same = as_deliver(pdu)
    for name in DataSM.__struct_fields__:
        assert getattr(same, name) == getattr(pdu, name)


def test_message_types() -> None:
    assert message_type(0x40) is MessageType.MESSAGE
    assert message_type(0x44) is MessageType.DELIVERY_RECEIPT
    assert message_type(0x08) is MessageType.DELIVERY_ACKNOWLEDGEMENT
    assert message_type(0x0C) is MessageType.RESERVED
