"""The forms of a part: submit_sm, data_sm, message_payload, sar parameters, and what a card's SMSC makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman.codec.smpp import messages as m
from ferryman.codec.smpp.pdu import decode, encode
from ferryman.codec.smpp.tlv import TLV, Tag, find_tlv
from ferryman.codec.smpp.user_data import user_data
from ferryman.codec.sms_user_data import segment
from ferryman.errors import InputError
from ferryman.transport_sms.settings import SMPPSettings

PACKET = bytes(range(256)) + bytes(20)


def settings(**changes: Any) -> SMPPSettings:
    return SMPPSettings(**{"host": "h", "port": 1, "system_id": "s", "password": "p", **changes})


def requests(packet: bytes = PACKET, parameters: bool = True, **changes: Any) -> list[Any]:
    account = settings(**changes)
    parts = segment(packet, reference=7)
    made = [
        account.request("447700900123", ud, last=number == len(parts), validity=90, parameters=parameters)
        for number, ud in enumerate(parts, 1)
    ]
    return [decode(encode(pdu, 1)) for pdu in made]


def smsc_puts_together(pdu: m.SubmitSM | m.DataSM) -> bytes:
    """The TP-UD that an SMSC makes of a part named by sar parameters."""
    ud = user_data(pdu)
    reference = find_tlv(pdu.tlvs, Tag.SAR_MSG_REF_NUM)
    if reference is None:
        return ud
    total = find_tlv(pdu.tlvs, Tag.SAR_TOTAL_SEGMENTS)
    number = find_tlv(pdu.tlvs, Tag.SAR_SEGMENT_SEQNUM)
    assert total is not None
    assert number is not None
    elements = b"\x00\x03" + reference[1:] + total + number
    if pdu.esm_class & 0x40:
        elements += ud[1 : 1 + ud[0]]
        ud = ud[1 + ud[0] :]
    return bytes((len(elements),)) + elements + ud


@pytest.mark.parametrize("submission", ["submit_sm", "data_sm"])
@pytest.mark.parametrize("payload", [False, True])
@pytest.mark.parametrize("concatenation", ["udh", "sar"])
@pytest.mark.parametrize("packet", [b"one part", PACKET], ids=["short", "long"])
def test_every_form_says_the_same(submission: str, payload: bool, concatenation: str, packet: bytes) -> None:
    made = requests(packet, submission=submission, payload_parameter=payload, concatenation=concatenation)
    assert [smsc_puts_together(pdu) for pdu in made] == segment(packet, reference=7)
    assert {type(pdu) for pdu in made} == {m.DataSM if submission == "data_sm" else m.SubmitSM}
    assert [pdu.registered_delivery for pdu in made] == [*[0] * (len(made) - 1), 1]
    for pdu in made:
        in_parameter = find_tlv(pdu.tlvs, Tag.MESSAGE_PAYLOAD) is not None
        assert in_parameter == (payload or submission == "data_sm")
        if isinstance(pdu, m.SubmitSM):
            assert (pdu.protocol_id, pdu.validity_period) == (0x7F, "000000000130000R")
        else:
            assert find_tlv(pdu.tlvs, Tag.QOS_TIME_TO_LIVE) == (90).to_bytes(4)
        assert (pdu.destination_addr, pdu.data_coding) == ("447700900123", 0xF6)


def test_sar_parts_have_a_header_only_where_70_stands() -> None:
    first, second, third = requests(concatenation="sar")
    assert first.esm_class == 0x40
    assert first.short_message[:3] == bytes.fromhex("027000")
    assert (second.esm_class, third.esm_class) == (0, 0)
    assert first.short_message[3:] + second.short_message + third.short_message == PACKET
    assert [find_tlv(pdu.tlvs, Tag.SAR_SEGMENT_SEQNUM) for pdu in (first, second, third)] == [b"\1", b"\2", b"\3"]
    assert {find_tlv(pdu.tlvs, Tag.SAR_TOTAL_SEGMENTS) for pdu in (first, second, third)} == {b"\3"}


def test_one_part_has_no_sar_parameters() -> None:
    [pdu] = requests(b"short", concatenation="sar")
    assert (pdu.tlvs, pdu.esm_class, pdu.short_message) == ((), 0x40, bytes.fromhex("027000") + b"short")


@pytest.mark.parametrize(
    "form", [{"submission": "data_sm"}, {"payload_parameter": True}, {"concatenation": "sar"}]
)
def test_without_parameters_it_is_a_plain_submit_sm(form: dict[str, Any]) -> None:
    assert requests(parameters=False, **form) == requests()
    assert all(isinstance(pdu, m.SubmitSM) and not pdu.tlvs for pdu in requests())


def test_a_long_validity_fits_the_parameter_of_data_sm() -> None:
    account = settings(submission="data_sm")
    pdu = account.request("1", bytes.fromhex("027000") + b"x", last=True, validity=86_400)
    assert find_tlv(pdu.tlvs, Tag.QOS_TIME_TO_LIVE) == bytes.fromhex("00015180")
    unsaid = account.request("1", bytes.fromhex("027000") + b"x", last=True, validity=0)
    assert find_tlv(unsaid.tlvs, Tag.QOS_TIME_TO_LIVE) is None
    assert TLV(Tag.MESSAGE_PAYLOAD, bytes.fromhex("027000") + b"x") in unsaid.tlvs


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 41},
        {"name": "a/b"},
        {"prefixes": ("+44",)},
        {"prefixes": ("4" * 21,)},
        {"weight": -1},
        {"binds": 0},
        {"binds": 17},
        {"receiver_port": 5},
        {"bind_mode": "pair", "receiver_port": 70_000},
        {"failover_after": -1},
        {"interface_version": 0x32},
        {"tls_certificate_file": "x", "tls": True},
        {"tls_name": "x"},
    ],
    ids=repr,
)
def test_settings_that_cannot_be_together_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        settings(**wrong)
