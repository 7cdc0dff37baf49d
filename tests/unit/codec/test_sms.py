"""Short messages: limits of segmentation and reassembly, broken headers and TPDUs (3GPP TS 23.040)."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.codec import sms_address, sms_tpdu
from ferryman.codec.sms_tpdu import Concat, Reassembler, SMSDeliver, SMSSubmit, UserData
from ferryman.errors import InputError, PeerError

STAMP = bytes(7)


def h(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


def part(reference: int, total: int, sequence: int, payload: bytes = b"x") -> UserData:
    kind = 0x71 if sequence == 1 else None
    return UserData(kind, Concat(reference, 8, total, sequence), payload)


@pytest.mark.parametrize(
    ("size", "bits", "max_ud", "count"),
    [(137, 8, 140, 1), (138, 8, 140, 2), (266, 8, 140, 2), (267, 8, 140, 3), (127, 8, 130, 1), (128, 16, 130, 2)],
)
def test_number_of_messages(size: int, bits: int, max_ud: int, count: int) -> None:
    uds = sms_tpdu.segment(bytes(size), reference=1, reference_bits=bits, max_ud=max_ud)
    assert len(uds) == count
    assert max(map(len, uds)) <= max_ud


def test_what_cannot_be_segmented() -> None:
    for options in (
        {"reference": 256},
        {"reference": -1},
        {"reference": 1, "reference_bits": 12},
        {"reference": 1, "max_ud": 8},
    ):
        with pytest.raises(ValueError):
            sms_tpdu.segment(bytes(200), **options)
    with pytest.raises(ValueError, match="parts"):
        sms_tpdu.segment(bytes(134 * 255), reference=1)


@pytest.mark.parametrize(
    "ud", ["", "05", "0170", "02700170", "027001", "0400030102 AA", "05000401020304", "05080301020304", "01"]
)
def test_broken_headers(ud: str) -> None:
    with pytest.raises(PeerError):
        sms_tpdu.parse_user_data(h(ud))


def test_unknown_elements_are_skipped() -> None:
    data = sms_tpdu.parse_user_data(h("0A 0504 0B840000 7100 2400 AABB"))
    assert data == UserData(0x71, None, h("AABB"))


def test_reassembly_limits_per_sender_and_in_all() -> None:
    table = Reassembler(per_sender=2, max_messages=3)
    for reference in (1, 2, 3):
        assert table.add("a", part(reference, 2, 1), 0.0) is None
    assert table.pending == 2
    # Message 1 of this sender was the oldest and has been given up; 2 and 3 are still there.
    assert table.add("a", part(1, 2, 2), 0.0) is None
    assert table.add("a", part(3, 2, 2), 0.0) == UserData(0x71, None, b"xx")
    table.add("b", part(1, 2, 1), 1.0)
    table.add("c", part(1, 2, 1), 2.0)
    table.add("d", part(1, 2, 1), 3.0)
    assert table.pending == 3
    assert table.add("a", part(1, 2, 1), 4.0) is None


def test_one_sender_may_have_one_message() -> None:
    table = Reassembler(per_sender=1)
    table.add("a", part(1, 2, 1), 0.0)
    table.add("a", part(2, 2, 1), 0.0)
    assert table.pending == 1
    assert table.add("a", part(2, 2, 2), 0.0) == UserData(0x71, None, b"xx")
    assert table.pending == 0


def test_messages_expire() -> None:
    table = Reassembler(expiry=10.0)
    table.add("a", part(1, 2, 1), 0.0)
    table.add("a", part(2, 2, 1), 5.0)
    assert table.expire(9.9) == 0
    assert table.expire(10.0) == 1
    assert table.pending == 1
    assert table.add("a", part(1, 2, 2), 11.0) is None
    assert table.add("a", part(2, 2, 2), 14.0) is not None
    # Also without a call of `expire`: a part that comes too late does not complete anything.
    table.add("a", part(3, 2, 1), 20.0)
    assert table.add("a", part(3, 2, 2), 30.0) is None


def test_a_reference_used_again_starts_a_new_message() -> None:
    table = Reassembler()
    table.add("a", part(1, 3, 1, b"old"), 0.0)
    table.add("a", part(1, 3, 2, b"old"), 0.0)
    table.add("a", part(1, 3, 1, b"new"), 1.0)
    assert table.add("a", part(1, 3, 3, b"new"), 1.0) is None
    assert table.add("a", part(1, 3, 2, b"new"), 1.0) == UserData(0x71, None, b"newnewnew")


@pytest.mark.parametrize(
    "tpdu",
    [
        "",
        "44",
        "440c91",
        "440c914477000900107f",
        "45" + "00" * 20,
        "4403811900 7ff6 00000000000000 0100",
        "44039119ff7ff60000000000000005 0000",
        "4415911111111111111111111111 7ff6 00000000000000 00",
        "44038119f07ff600000000000000 8d" + "00" * 141,
    ],
)
def test_broken_delivers(tpdu: str) -> None:
    with pytest.raises(PeerError):
        sms_tpdu.parse_deliver(h(tpdu))


@pytest.mark.parametrize(
    "tpdu", ["", "41", "440038119f0", "41000381", "5100038119f000f6", "4100038119f000f60100 00"]
)
def test_broken_submits(tpdu: str) -> None:
    with pytest.raises(PeerError):
        sms_tpdu.parse_submit(h(tpdu) if len(tpdu.replace(" ", "")) % 2 == 0 else h(tpdu + "0"))


def test_validity_and_seven_bit_text() -> None:
    submit = SMSSubmit(5, "+447700900123", h("027100AA"), validity=b"\xa7")
    assert sms_tpdu.encode_submit(submit)[0] == 0x51
    assert sms_tpdu.parse_submit(sms_tpdu.encode_submit(submit)) == submit
    absolute = SMSSubmit(5, "447", h("027100AA"), validity=bytes(7))
    assert sms_tpdu.parse_submit(sms_tpdu.encode_submit(absolute)) == absolute
    # 8 characters of 7 bits are 7 bytes.
    text = sms_tpdu.parse_deliver(h("00 03 81 19F0 00 00 00000000000000 08 E8329BFD4697D9"))
    assert (text.udh, len(text.ud)) == (False, 7)


def test_what_cannot_be_coded() -> None:
    for deliver in (
        SMSDeliver("1", STAMP, bytes(141)),
        SMSDeliver("1", STAMP, b"", dcs=0),
        SMSDeliver("1", b"", b""),
    ):
        with pytest.raises(ValueError):
            sms_tpdu.encode_deliver(deliver)
    with pytest.raises(ValueError):
        sms_tpdu.encode_submit(SMSSubmit(0, "1", b"", validity=b"12"))
    with pytest.raises(InputError):
        sms_tpdu.encode_submit(SMSSubmit(0, "+4477x", b""))


def test_envelope_with_service_centre() -> None:
    apdu = sms_tpdu.envelope(b"\x44\x00", sc_address="+447785016005")
    assert apdu == h("80C20000 13 D111 82028381 8607 91447758100650 8B024400")
    assert sms_tpdu.parse_envelope(apdu[5:]) == b"\x44\x00"
    for data in (h("D10482028381"), h("D1088202838186028100"), h("D00100")):
        with pytest.raises(PeerError):
            sms_tpdu.parse_envelope(data)


def test_numbers() -> None:
    assert sms_address.encode_counted("+33612345678") == h("0B913316325476F8")
    assert sms_address.encode_counted("564312") == h("0681653421")
    assert sms_address.read_counted(h("0B913316325476F8"), 0, field="x") == ("+33612345678", 0x91, 8)
    for number in ("", "+", "33-6", "1" * 21, "+３3"):
        with pytest.raises(InputError):
            sms_address.encode_counted(number)


@settings(max_examples=100, deadline=None)
@given(
    st.binary(min_size=1, max_size=2000),
    st.integers(0, 255),
    st.sampled_from([8, 16]),
    st.integers(20, 140),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_segments_come_together_in_any_order(
    packet: bytes, reference: int, bits: int, max_ud: int, security_first: bool, random: object
) -> None:
    uds = sms_tpdu.segment(
        packet, reference=reference, reference_bits=bits, max_ud=max_ud, security_first=security_first
    )
    random.shuffle(uds)  # type: ignore[attr-defined]
    table = Reassembler()
    results = [table.add("a", sms_tpdu.parse_user_data(ud), 0.0) for ud in uds]
    assert results[-1] == UserData(0x70, None, packet)
    assert results[:-1] == [None] * (len(uds) - 1)
    assert table.pending == 0


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", b"\x44\x03\x81\x19\xf0", b"\x41\x00\x03\x81\x19\xf0"]))
def test_any_bytes_parse_or_are_refused(data: bytes, head: bytes) -> None:
    data = head + data
    for reader in (
        sms_tpdu.parse_user_data,
        sms_tpdu.parse_deliver,
        sms_tpdu.parse_submit,
        sms_tpdu.parse_envelope,
        sms_tpdu.parse_send_sms,
    ):
        with contextlib.suppress(PeerError):
            reader(data)
