"""APDUs in the short form (ISO/IEC 7816-4 5.1)."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.codec.apdu import CommandAPDU, ResponseAPDU
from ferryman.errors import PeerError

BYTE = st.integers(0, 255)


@pytest.mark.parametrize(
    ("text", "data", "le"),
    [
        ("80f22002", "", None),
        ("80caff2100", "", 256),
        ("80b000000a", "", 10),
        ("80f24002024f00", "4f00", None),
        ("80f24002024f0000", "4f00", 256),
        ("80f24002024f0010", "4f00", 16),
    ],
)
def test_the_four_cases(text: str, data: str, le: int | None) -> None:
    apdu = CommandAPDU.parse(bytes.fromhex(text))
    assert (apdu.data.hex(), apdu.le) == (data, le)
    assert apdu.encode().hex() == text


@pytest.mark.parametrize(
    "text", ["", "80f220", "80f2400200000000", "80f24002034f00", "80f24002014f0000", "80f240020000"]
)
def test_lengths_that_do_not_fit(text: str) -> None:
    with pytest.raises(PeerError):
        CommandAPDU.parse(bytes.fromhex(text))


def test_what_cannot_be_coded() -> None:
    for apdu in (
        CommandAPDU(0, 0, 0, 0, bytes(256)),
        CommandAPDU(0, 0, 0, 0, le=0),
        CommandAPDU(0, 0, 0, 0, le=257),
    ):
        with pytest.raises(ValueError):
            apdu.encode()


def test_response() -> None:
    answer = ResponseAPDU.parse(bytes.fromhex("009000"))
    assert (answer.data, answer.sw, answer.ok) == (b"\x00", 0x9000, True)
    assert answer.encode() == bytes.fromhex("009000")
    assert not ResponseAPDU.parse(bytes.fromhex("6985")).ok
    with pytest.raises(PeerError):
        ResponseAPDU.parse(b"\x90")


@settings(max_examples=100, deadline=None)
@given(BYTE, BYTE, BYTE, BYTE, st.binary(max_size=255), st.one_of(st.none(), st.integers(1, 256)))
def test_round_trip(cla: int, ins: int, p1: int, p2: int, data: bytes, le: int | None) -> None:
    apdu = CommandAPDU(cla, ins, p1, p2, data, le)
    assert CommandAPDU.parse(apdu.encode()) == apdu


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=20))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    with contextlib.suppress(PeerError):
        assert CommandAPDU.parse(data).encode() == data
