"""Building and reading PDUs: round trips over all of them, and what building refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr as rich_repr

from ferryman.codec.smpp import messages as m
from ferryman.codec.smpp import pdu as codec
from ferryman.codec.smpp.errors import SMPPError
from ferryman.codec.smpp.layout import Destinations, Octet, Octets, ShortMessage, Text, UnsuccessfulList
from ferryman.codec.smpp.pdu import MAX_PDU, decode, decode_message_id, encode, encode_answer, response_to
from ferryman.codec.smpp.tlv import TLV
from ferryman.errors import InputError

OCTETS = st.integers(0, 0xFF)
WORDS = st.integers(0, 0xFFFFFFFF)
TLVS = st.lists(st.builds(TLV, st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=4).map(tuple)


def texts(size: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=1, max_codepoint=0xFF), max_size=size - 1)


def values(part: object) -> st.SearchStrategy[object]:
    match part:
        case Octet():
            return OCTETS
        case Text(size=size):
            return texts(size)
        case ShortMessage():
            return st.binary(max_size=254)
        case Destinations():
            address = st.builds(m.SMEAddress, OCTETS, OCTETS, texts(21))
            return st.lists(address | st.builds(m.DistributionList, texts(21)), max_size=5).map(tuple)
        case UnsuccessfulList():
            return st.lists(st.builds(m.Unsuccessful, OCTETS, OCTETS, texts(21), WORDS), max_size=5).map(tuple)
    raise NotImplementedError


@st.composite
def pdus(draw: st.DrawFn, *kinds: type[m.PDU]) -> m.PDU:
    layouts = [codec._BY_KIND[kind] for kind in kinds] or codec._BY_KIND.values()
    layout = draw(st.sampled_from(sorted(layouts, key=lambda layout: layout.command)))
    sequence, status = draw(WORDS), draw(WORDS)
    if layout.may_omit_body and draw(st.booleans()):
        return layout.kind(sequence=sequence, status=status, body_omitted=True)
    fields = {}
    for part in layout.parts:
        if isinstance(part, Octets):
            fields.update({name: draw(OCTETS) for name in part.names})
        else:
            fields[part.name] = draw(values(part))
    return layout.kind(sequence=sequence, status=status, tlvs=draw(TLVS), **fields)


@given(pdus())
def test_what_is_built_is_read_back(pdu: m.PDU) -> None:
    octets = encode(pdu)
    assert decode(octets) == pdu
    assert int.from_bytes(octets[:4]) == len(octets)


@given(pdus(), st.data())
def test_a_changed_pdu_is_refused_or_has_one_meaning(pdu: m.PDU, data: st.DataObject) -> None:
    octets = bytearray(encode(pdu))
    place = data.draw(st.integers(4, len(octets) - 1))
    octets[place] = data.draw(OCTETS)
    try:
        read = decode(bytes(octets))
    except SMPPError:
        return
    try:
        again = encode(read)
    except InputError:
        assert int(read.COMMAND) & 0x80000000  # over-long texts are read in responses only
    else:
        assert again == octets


@given(pdus())
def test_a_pdu_that_lost_its_end_is_refused_or_shorter(pdu: m.PDU) -> None:
    octets = encode(pdu)
    for end in range(16, len(octets)):
        cut = end.to_bytes(4) + octets[4:end]
        try:
            read = decode(cut)
        except SMPPError:
            continue
        assert encode(read) == cut


@given(pdus(m.SubmitSM))
def test_the_quick_way_to_build_a_submit_gives_the_same_octets(pdu: m.PDU) -> None:
    assert isinstance(pdu, m.SubmitSM)
    by_table = [write(fetch(pdu)) for write, fetch in codec._BY_KIND[m.SubmitSM].writers]
    assert codec._write_submit(pdu) == by_table


@given(st.binary(max_size=60), st.booleans(), st.sampled_from([0x80000004, 0x80000103]))
def test_the_quick_way_to_a_message_id_takes_and_refuses_the_same(body: bytes, ends: bool, command: int) -> None:
    body += b"\0" * ends
    octets = (16 + len(body)).to_bytes(4) + command.to_bytes(4) + bytes(7) + b"\1" + body

    def read(way: Callable[[bytes], Any]) -> Any:
        try:
            return way(octets)
        except SMPPError as error:
            return str(error)

    whole = read(decode)
    assert read(decode_message_id) == getattr(whole, "message_id", whole)


def test_the_sequence_number_can_be_given_on_building() -> None:
    assert decode(encode(m.EnquireLink(sequence=7), 9)) == m.EnquireLink(sequence=9)


@pytest.mark.parametrize(
    "pdu",
    [
        m.SubmitSM(short_message=bytes(255)),
        m.SubmitSM(destination_addr="1" * 21),
        m.SubmitSM(destination_addr="1\x002"),
        m.SubmitSM(source_addr="\u0665"),
        m.SubmitSM(esm_class=256),
        m.SubmitSM(esm_class=-1),
        m.SubmitSM(tlvs=(TLV(0x10000, b""),)),
        m.SubmitSM(tlvs=(TLV(0x0424, bytes(65_536)),)),
        m.SubmitSM(tlvs=(TLV(0x0424, bytes(65_535)), TLV(0x0424, bytes(MAX_PDU - 65_535)))),
        m.BindTransceiver(password="nine char"),
        m.BindTransceiver(system_id="s" * 16),
        m.SubmitMulti(destinations=(m.DistributionList("x"),) * 255),
        m.SubmitMultiResp(unsuccessful=(m.Unsuccessful(1, 1, "1", 0),) * 256),
        m.EnquireLink(sequence=-1),
        m.EnquireLink(status=0x1_0000_0000),
    ],
)
def test_a_field_that_does_not_fit_is_refused(pdu: m.PDU) -> None:
    with pytest.raises(InputError):
        encode(pdu)


def test_the_largest_pdu_goes_both_ways() -> None:
    pdu = m.SubmitSM(tlvs=(TLV(0x0424, bytes(65_535)),))
    assert decode(encode(pdu)) == pdu


def test_long_texts_are_read_in_responses_but_not_in_requests() -> None:
    name = b"n" * 200 + b"\0"
    response = (16 + len(name)).to_bytes(4) + bytes.fromhex("800000040000000000000001") + name
    assert decode(response) == m.SubmitSMResp(sequence=1, message_id="n" * 200)
    request = (16 + len(name)).to_bytes(4) + bytes.fromhex("0000000b0000000000000001") + name
    with pytest.raises(SMPPError, match="system_id"):
        decode(request)


def test_a_password_shows_nowhere() -> None:
    for pdu in (m.BindTransceiver(password="s3cret"), m.Outbind(password="s3cret")):
        assert "s3cret" not in repr(pdu) + str(pdu) + rich_repr(pdu)
    with pytest.raises(InputError) as caught:
        encode(m.BindTransceiver(password="far-too-long-s3cret"))
    assert "s3cret" not in str(caught.value)


def test_answers_have_no_more_than_they_must() -> None:
    assert decode(encode_answer(0x05, 0, 3)) == m.DeliverSMResp(sequence=3)
    assert decode(encode_answer(0x05, 0x64, 3)) == m.DeliverSMResp(sequence=3, status=0x64, body_omitted=True)
    assert decode(encode_answer(0x15, 0, 3)) == m.EnquireLinkResp(sequence=3)
    assert decode(encode_answer(0x0B, 4, 3)) == m.GenericNack(sequence=3, status=4)
    assert decode(encode_answer(0x99, 3, 3)) == m.GenericNack(sequence=3, status=3)


def test_which_requests_have_a_response() -> None:
    assert response_to(0x04) == 0x80000004
    assert response_to(0x0B) is None
    assert response_to(0x102) is None
    assert response_to(0x80000004) is None
