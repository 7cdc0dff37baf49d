"""Strict DER primitives of the profile package codec."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.codec.saip.der import (
    Place,
    context_tag,
    encode_integer,
    encode_length,
    encode_oid,
    encode_tlv,
    read_integer,
    read_oid,
    read_tlv,
)
from ferryman.errors import InputError, PeerError

HERE = Place("here")


@pytest.mark.parametrize(
    ("number", "constructed", "expected"),
    [
        (0, False, "80"),
        (0, True, "A0"),
        (30, False, "9E"),
        (30, True, "BE"),
        (31, True, "BF1F"),
        (86, True, "BF56"),
    ],
)
def test_context_tags(number: int, constructed: bool, expected: str) -> None:
    assert context_tag(number, constructed=constructed).hex().upper() == expected


@given(st.integers(0, 300), st.integers(0, 70000))
def test_tlv_round_trip(number: int, size: int) -> None:
    tag = context_tag(number, constructed=False)
    encoded = encode_tlv(tag, bytes(size))
    tlv = read_tlv(encoded, 0, len(encoded), HERE)
    assert (tlv.tag, tlv.end - tlv.body, tlv.end) == (tag, size, len(encoded))


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        ("", "where a tag is expected"),
        ("80", "where a length is expected"),
        ("8080", "indefinite length"),
        ("A0800000", "indefinite length"),
        ("808105" + "00" * 5, "shortest form"),
        ("80817F" + "00" * 127, "shortest form"),
        ("8082007F" + "00" * 127, "shortest form"),
        ("80820080" + "00" * 128, "shortest form"),
        ("8082", "cut off"),
        ("808201", "cut off"),
        ("8085FFFFFFFFFF", "length of 5 bytes"),
        ("80FF" + "FF" * 127, "length of 127 bytes"),
        ("8084FFFFFFFF", "4294967295 bytes, 0 are left"),
        ("800200", "length says 2 bytes, 1 are left"),
        ("BF", "cut off"),
        ("BF1E00", "shortest form"),
        ("BF801F00", "shortest form"),
        ("BFFFFFFF7F00", "longer than any tag"),
    ],
)
def test_broken_tlvs(broken: str, rule: str) -> None:
    data = bytes.fromhex(broken)
    with pytest.raises(PeerError, match=rule) as caught:
        read_tlv(data, 0, len(data), HERE)
    assert "here at byte" in caught.value.field


def test_a_tlv_may_not_leave_the_one_around_it() -> None:
    data = bytes.fromhex("8003000000FF")
    with pytest.raises(PeerError, match="3 bytes, 2 are left"):
        read_tlv(data, 0, 4, HERE)


@given(st.integers(-(1 << 38), (1 << 38)))
def test_integers(number: int) -> None:
    assert read_integer(encode_integer(number), HERE, 0) == number


@pytest.mark.parametrize("broken", ["", "0001", "007F", "FF80", "FFFF", "010203040506"])
def test_broken_integers(broken: str) -> None:
    with pytest.raises(PeerError):
        read_integer(bytes.fromhex(broken), HERE, 0)


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("2.23.143.1.2.1", "67810F010201"),
        ("1.2.840.114283.1", "2A864886FC6B01"),
        ("0.39", "27"),
        ("2.999", "8837"),
    ],
)
def test_object_identifiers(text: str, content: str) -> None:
    assert encode_oid(text, HERE) == bytes.fromhex(content)
    assert read_oid(bytes.fromhex(content), HERE, 0) == text


@pytest.mark.parametrize("broken", ["", "81", "8001", "67800F", "67" + "FF" * 10 + "7F", "67" + "01" * 64])
def test_broken_object_identifiers(broken: str) -> None:
    with pytest.raises(PeerError):
        read_oid(bytes.fromhex(broken), HERE, 0)


@pytest.mark.parametrize("text", ["", "2", "2.x", "3.1", "1.40", "2.-1", "2..1"])
def test_unwritable_object_identifiers(text: str) -> None:
    with pytest.raises(InputError):
        encode_oid(text, HERE)


@given(st.integers(0, 1 << 24))
def test_lengths_are_minimal(length: int) -> None:
    octets = encode_length(length)
    assert len(octets) == 1 if length < 128 else octets[1] != 0
