"""BER-TLV and DGI coding (ISO/IEC 8825-1, GlobalPlatform Card Specification 11.1.8)."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.codec import tlv
from ferryman.errors import PeerError

TAGS = st.sampled_from([0x4F, 0xE1, 0x80, 0x5F20, 0x7F21, 0x9F70, 0xBF30, 0xFF21])


def h(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


@pytest.mark.parametrize(
    ("size", "coded"),
    [
        (0, "00"),
        (127, "7F"),
        (128, "8180"),
        (255, "81FF"),
        (256, "820100"),
        (65535, "82FFFF"),
        (65536, "83010000"),
    ],
)
def test_lengths_are_as_short_as_possible(size: int, coded: str) -> None:
    assert tlv.encode_length(size) == h(coded)
    assert tlv.read_length(h(coded), 0) == (size, len(coded) // 2)


@pytest.mark.parametrize("size", [-1, 1 << 24])
def test_lengths_that_cannot_be_coded(size: int) -> None:
    with pytest.raises(ValueError):
        tlv.encode_length(size)


@pytest.mark.parametrize("data", ["4F810410203040", "4F82000410203040", "4F8300000410203040"])
def test_longer_length_forms_are_read(data: str) -> None:
    (item,) = tlv.parse(h(data))
    assert (item.tag, item.value, item.raw) == (0x4F, h("10203040"), h(data))


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        ("4F", 1),
        ("4F80", 1),  # indefinite
        ("4F8400000000", 1),  # length of four bytes
        ("4F82", 1),
        ("4F05010203", 0),
        ("5F", 0),
        ("7FFFFF2100", 0),  # tag of four bytes
        ("0000", 0),
        ("80010180", 4),
        ("800101810201", 3),
    ],
)
def test_refusals_name_the_offset(data: str, offset: int) -> None:
    with pytest.raises(PeerError, match=f"offset {offset}") as caught:
        tlv.parse(h(data), clause="here")
    assert caught.value.clause == "here"


def test_number_of_objects_is_bounded() -> None:
    assert len(tlv.parse(b"\x80\x00" * tlv.MAX_OBJECTS)) == tlv.MAX_OBJECTS
    with pytest.raises(PeerError, match="objects"):
        tlv.parse(b"\x80\x00" * (tlv.MAX_OBJECTS + 1))
    with pytest.raises(PeerError, match="groups"):
        tlv.parse_dgi(b"\x3a\x01\x00" * (tlv.MAX_OBJECTS + 1))


def test_parse_one() -> None:
    assert tlv.parse_one(h("E10100"), 0xE1).value == b"\x00"
    for data in ("E1010000", "E20100", ""):
        with pytest.raises(PeerError):
            tlv.parse_one(h(data), 0xE1)


def test_find_takes_the_first_of_several_tags() -> None:
    objects = tlv.parse(h("8F0101 9F7001072F0102"))
    found = tlv.find(objects, 0x2F, 0x9F70)
    assert found is not None
    assert found.tag == 0x9F70
    assert tlv.find(objects, 0xAF) is None


@pytest.mark.parametrize(
    ("size", "head"), [(0, "3A0100"), (0xFE, "3A01FE"), (0xFF, "3A01FF00FF"), (300, "3A01FF012C")]
)
def test_dgi_lengths(size: int, head: str) -> None:
    coded = tlv.encode_dgi(0x3A01, bytes(size))
    assert coded == h(head) + bytes(size)
    (group,) = tlv.parse_dgi(coded)
    assert (group.tag, group.value, group.raw) == (0x3A01, bytes(size), coded)


@pytest.mark.parametrize("data", ["3A", "3A01", "3A0102FF", "3A01FF", "3A01FF0001"])
def test_broken_groups(data: str) -> None:
    with pytest.raises(PeerError):
        tlv.parse_dgi(h(data))


def test_a_group_of_65536_bytes_cannot_be_coded() -> None:
    with pytest.raises(ValueError):
        tlv.encode_dgi(0x3A01, bytes(65536))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(TAGS, st.binary(max_size=300)), max_size=5))
def test_round_trip(items: list[tuple[int, bytes]]) -> None:
    data = b"".join(tlv.encode(tag, value) for tag, value in items)
    parsed = tlv.parse(data)
    assert [(item.tag, item.value) for item in parsed] == items
    assert b"".join(item.raw for item in parsed) == data


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=300)), max_size=5))
def test_dgi_round_trip(items: list[tuple[int, bytes]]) -> None:
    data = b"".join(tlv.encode_dgi(tag, value) for tag, value in items)
    assert [(item.tag, item.value) for item in tlv.parse_dgi(data)] == items


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    with contextlib.suppress(PeerError):
        assert b"".join(item.raw for item in tlv.parse(data)) == data
    with contextlib.suppress(PeerError):
        assert b"".join(item.raw for item in tlv.parse_dgi(data)) == data
