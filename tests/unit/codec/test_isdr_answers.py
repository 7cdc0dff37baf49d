"""Answers and notifications of the ISD-R: examples of sgp02-euicc.md and the rules a server needs."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.codec import isdr, tlv
from ferryman.codec.isdr_answers import CardResources, ISDPStatus
from ferryman.errors import PeerError

P1 = bytes.fromhex("A0000005591010FFFFFFFF8900001000")
P2 = bytes.fromhex("A0000005591010FFFFFFFF8900001100")
EID = "89049032123456789012345678901203"
NOTIFICATION = bytes.fromhex(
    "E1354C10890490321234567890123456789012034D01024E0200072F10A0000005591010FFFFFFFF8900001000"
    "14083A15325476981032"
)


def h(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


def test_2_2_status_of_one_isdp() -> None:
    assert isdr.parse_status(h("E3164F10A0000005591010FFFFFFFF89000010009F70011F")) == [
        ISDPStatus(P1, 0x1F, None, None, None)
    ]


def test_3_8_audit_of_two_profiles() -> None:
    answer = h(
        "E3254F10A0000005591010FFFFFFFF89000010009F70013F5301018F040000C000910400004000"
        "E3254F10A0000005591010FFFFFFFF89000011009F70011F5301008F040000A000910400002000"
    )
    assert isdr.parse_status(answer) == [
        ISDPStatus(P1, 0x3F, True, 0xC000, 0x4000),
        ISDPStatus(P2, 0x1F, False, 0xA000, 0x2000),
    ]
    assert isdr.parse_status(b"") == []
    empty = h("E31F4F10A0000005591010FFFFFFFF89000010009F70011F 5300 8F00 9100 DF0100")
    assert isdr.parse_status(empty) == [ISDPStatus(P1, 0x1F, None, None, None)], "empty says as little as absent"
    (later,) = isdr.parse_status(h("E3194F10A0000005591010FFFFFFFF89000010009F70011F 530102"))
    assert later.fallback is False, "another bit of 53 says nothing of the fall-back attribute"
    with pytest.raises(PeerError):
        isdr.parse_status(h("E3154F10A0000005591010FFFFFFFF89000010009F7000"))


def test_3_8_card_resources() -> None:
    assert isdr.parse_card_resources(h("FF210D810103820400051234830220 00")) == CardResources(3, 0x51234, 0x2000)
    assert isdr.parse_card_resources(h("FF210D 810101 820400077E30 83023A92")) == CardResources(1, 0x77E30, 0x3A92)
    with pytest.raises(PeerError):
        isdr.parse_card_resources(h("FF2103810101"))
    with pytest.raises(PeerError):
        isdr.parse_card_resources(h("FF21078205 0000000000"))


def test_3_8_ecasd_data() -> None:
    assert isdr.parse_ecasd_data(h("BF3006 7F21 03 930101"), 0x7F21).raw == h("7F2103930101")
    with pytest.raises(PeerError):
        isdr.parse_ecasd_data(h("BF30025A00"), 0x66)


@pytest.mark.parametrize("tag", ["2F", "AF", "4F"])
def test_4_1_notification_with_each_aid_tag(tag: str) -> None:
    data = NOTIFICATION.replace(h("2F10A000"), h(tag + "10A000"))
    assert isdr.parse_notification(data) == isdr.Notification(EID, 2, 7, P1, h("3A15325476981032"), None)


def test_4_1_an_empty_aid_is_none() -> None:
    data = tlv.encode(0xE1, h("4C10") + h(EID) + h("4D0101 4E020001 2F00"))
    assert isdr.parse_notification(data).aid is None


def test_4_1_comprehension_bits_and_unknown_objects() -> None:
    data = h("E133 CC10") + h(EID) + h("CD0103 CE02FFFF 5F5001AA ED081122334455667788 9408 3A15325476981032")
    data = tlv.encode(0xE1, data[2:])
    assert isdr.parse_notification(data) == isdr.Notification(
        EID, 3, 0xFFFF, None, h("3A15325476981032"), h("1122334455667788")
    )


@pytest.mark.parametrize(
    "content",
    [
        "4D01024E020007",  # no EID
        "4C10890490321234567890123456789012034E020007",  # no type
        "4C10890490321234567890123456789012034D0102",  # no sequence
        "4C10890490321234567890123456789012AA4D01024E020007",  # EID with a letter
        "4C0F8904903212345678901234567890124D01024E020007",  # EID too short
        "4C10890490321234567890123456789012034D01024E0107",  # sequence of one byte
        "4C10890490321234567890123456789012034D01024E0200072F0100",  # AID of one byte
    ],
)
def test_4_1_broken_notifications_are_refused(content: str) -> None:
    with pytest.raises(PeerError):
        isdr.parse_notification(tlv.encode(0xE1, h(content)))


def test_4_1_nothing_may_follow_the_notification() -> None:
    with pytest.raises(PeerError):
        isdr.parse_notification(NOTIFICATION + b"\x00")


def test_4_4_confirmation_lists_deleted_profiles() -> None:
    assert isdr.parse_confirmation(h("80124F10A0000005591010FFFFFFFF8900001100")) == [P2]
    assert isdr.parse_confirmation(b"") == []
    assert isdr.parse_confirmation(h("8000")) == []
    with pytest.raises(PeerError):
        isdr.parse_confirmation(h("80034F01AA"))


def test_5_3_random_challenge() -> None:
    assert isdr.parse_random_challenge(h("8510A0A1A2A3A4A5A6A7A8A9AAABACADAEAF"))[0] == 0xA0
    beside = h("DF010101 8510A0A1A2A3A4A5A6A7A8A9AAABACADAEAF 8700")
    assert isdr.parse_random_challenge(beside)[-1] == 0xAF, "by its tag, as the receipt is"
    with pytest.raises(PeerError):
        isdr.parse_random_challenge(h("8508A0A1A2A3A4A5A6A7"))


def test_5_6_receipt_with_and_without_dr_in_any_order() -> None:
    receipt, dr = bytes(range(16)), bytes(range(16, 32))
    assert isdr.parse_receipt(h("8610") + receipt) == (receipt, None)
    assert isdr.parse_receipt(h("8510") + dr + h("8610") + receipt) == (receipt, dr)
    assert isdr.parse_receipt(h("8610") + receipt + h("8510") + dr) == (receipt, dr)
    with pytest.raises(PeerError):
        isdr.parse_receipt(h("860F") + receipt[1:])
    with pytest.raises(PeerError):
        isdr.parse_receipt(h("8610") + receipt + h("8501FF"))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    for parser in (
        isdr.parse_status,
        isdr.parse_card_resources,
        isdr.parse_random_challenge,
        isdr.parse_receipt,
        isdr.parse_confirmation,
        isdr.parse_notification,
        lambda raw: isdr.parse_notification(tlv.encode(0xE1, raw)),
        lambda raw: isdr.parse_card_resources(tlv.encode(0xFF21, raw)),
        lambda raw: isdr.parse_status(tlv.encode(0xE3, raw)),
    ):
        with contextlib.suppress(PeerError):
            parser(data)
