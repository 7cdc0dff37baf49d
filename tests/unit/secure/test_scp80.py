"""SCP80: what the vectors leave out - odd lengths, unsupported algorithms, wrong keys, property tests."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.codec import ota_packet
from ferryman.codec.ota_packet import SPI, Check, CounterMode, PoR
from ferryman.errors import PeerError
from ferryman.secure import scp80

KEY, OTHER = bytes(range(16)), bytes(range(16, 32))
TAR = bytes.fromhex("000001")
RESPONSE = {"kic": 0x12, "kid": 0x12}


def command(**changes: object) -> bytes:
    options = {"spi": bytes.fromhex("1639"), "kic": 0x12, "kid": 0x12, "tar": TAR, "counter": 5, "data": b"data"}
    return scp80.wrap_command(KEY, OTHER, **{**options, **changes})


def test_spi_fields() -> None:
    spi = SPI(bytes.fromhex("1639"))
    assert (spi.check, spi.ciphered, spi.counter_mode) == (Check.CC, True, CounterMode.HIGHER)
    assert (spi.por, spi.por_check, spi.por_ciphered, spi.por_by_submit) == (PoR.ALWAYS, Check.CC, True, True)
    assert SPI(bytes.fromhex("0003")).por is PoR.NEVER
    assert spi.reaches(0x16)
    assert spi.reaches(0x02)
    for weaker in ("12", "06", "15", "0E", "00"):
        assert not SPI(bytes.fromhex(weaker + "00")).reaches(0x16)


@pytest.mark.parametrize(
    "packet",
    [
        "",
        "00",
        "0000",
        "0001",
        "000115",
        "000C0D02000012000001000000",
        "000D0D020000120000010000000000",
        "000E FF 0200 00 12 000001 000000000000",
    ],
)
def test_short_commands(packet: str) -> None:
    with pytest.raises(PeerError):
        scp80.unwrap_command(KEY, KEY, bytes.fromhex(packet.replace(" ", "")), minimum_spi1=0)


@pytest.mark.parametrize("packet", ["", "0000", "00010A", "000A09000001000000000000", "0009 0A 000001 0000000000"])
def test_short_responses(packet: str) -> None:
    with pytest.raises(PeerError):
        scp80.unwrap_response(KEY, KEY, bytes.fromhex(packet.replace(" ", "")), spi2=0x01, **RESPONSE)


@pytest.mark.parametrize(
    "packet",
    [
        "",
        "02",
        "010B0A00000100000000000000",
        "020C0A00000100000000000000",
        "020A0A00000100000000000000",
        "020B0A0000010000000000",
        "0280",
    ],
)
def test_short_ber_responses(packet: str) -> None:
    with pytest.raises(PeerError):
        scp80.unwrap_response(KEY, KEY, bytes.fromhex(packet), spi2=0x01, ber=True, **RESPONSE)


def test_part_of_a_block_is_refused() -> None:
    packet = scp80.wrap_response(KEY, OTHER, spi2=0x39, tar=TAR, counter=5, status=0, **RESPONSE)
    longer = (len(packet) - 1).to_bytes(2) + packet[2:] + b"\x00"
    with pytest.raises(PeerError, match="whole number of blocks"):
        scp80.unwrap_response(KEY, OTHER, longer, spi2=0x39, **RESPONSE)
    with pytest.raises(ValueError):
        scp80.wrap_response(KEY, OTHER, spi2=0x39, tar=b"", counter=5, status=0, **RESPONSE)


def test_open_response_is_taken_when_it_was_asked_for() -> None:
    # A PoR of the traces: SPI2 01.
    packet = bytes.fromhex("000B0A00000100000002330000")
    opened = scp80.unwrap_response(None, None, packet, spi2=0x01, tar=TAR, counter=0x233, **RESPONSE)
    assert (opened.status, opened.data) == (0, b"")
    header = ota_packet.peek_response(packet)
    assert (header.open_counter, header.open_status, header.tar) == (0x233, 0, TAR)


def test_a_weaker_response_is_never_taken() -> None:
    open_packet = scp80.wrap_response(None, None, spi2=0x01, tar=TAR, counter=5, status=0, data=b"ok", **RESPONSE)
    for spi2 in (0x09, 0x19, 0x39, 0x05):
        kid = 0x15 if spi2 == 0x05 else 0x12
        with pytest.raises(PeerError):
            scp80.unwrap_response(KEY, OTHER, open_packet, spi2=spi2, kic=0x12, kid=kid)
    shorter = scp80.wrap_response(
        KEY, OTHER, spi2=0x39, tar=TAR, counter=5, status=0, data=b"ok", cc_length=4, **RESPONSE
    )
    with pytest.raises(PeerError, match="insufficient security"):
        scp80.unwrap_response(KEY, OTHER, shorter, spi2=0x39, **RESPONSE)
    assert scp80.unwrap_response(KEY, OTHER, shorter, spi2=0x39, cc_length=4, **RESPONSE).data == b"ok"


def test_a_shortened_check_in_a_command_is_refused() -> None:
    packet = command(cc_length=4)
    with pytest.raises(PeerError, match="header length"):
        scp80.unwrap_command(KEY, OTHER, packet)
    assert scp80.unwrap_command(KEY, OTHER, packet, cc_length=4).data == b"data"


def test_a_padding_counter_without_ciphering_is_refused() -> None:
    # PCNTR 01 in an open response would cut the last byte off.
    with pytest.raises(PeerError, match="padding counter"):
        scp80.unwrap_response(None, None, bytes.fromhex("000C0A0000010000000233010000"), spi2=0x01, **RESPONSE)


def test_counter_rules() -> None:
    unchecked = command(spi=bytes.fromhex("0E39"), counter=1)
    assert scp80.unwrap_command(KEY, OTHER, unchecked, last_counter=9).counter == 1
    exact = command(spi=bytes.fromhex("1E39"), counter=5)
    assert scp80.unwrap_command(KEY, OTHER, exact, last_counter=4).counter == 5
    for last in (3, 5):
        with pytest.raises(PeerError, match="counter"):
            scp80.unwrap_command(KEY, OTHER, exact, last_counter=last)


@pytest.mark.parametrize(
    "changes",
    [
        {"counter": -1},
        {"counter": 1 << 40},
        {"spi": b"\x16"},
        {"tar": b"\x00"},
        {"cc_length": 6},
        {"data": bytes(65536)},
        {"kid": 0x19},
    ],
)
def test_what_cannot_be_built(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        command(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"kic": 0x10},
        {"kid": 0x10},
        {"kic": 0x13},
        {"spi": bytes.fromhex("1700")},
        {"spi": bytes.fromhex("1500"), "kid": 0x12},
    ],
)
def test_unsupported_algorithms(changes: dict[str, object]) -> None:
    with pytest.raises(PeerError):
        command(**changes)


def test_a_missing_key_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="key needed"):
        scp80.wrap_command(None, OTHER, spi=b"\x16\x39", kic=0x12, kid=0x12, tar=TAR, counter=1, data=b"")


def test_no_key_in_an_error() -> None:
    with pytest.raises(ValueError) as caught:
        scp80.wrap_command(b"K" * 15, OTHER, spi=b"\x16\x39", kic=0x12, kid=0x12, tar=TAR, counter=1, data=b"")
    assert "4b" not in str(caught.value).lower()
    assert "KK" not in str(caught.value)


def test_a_packet_cannot_choose_how_our_keys_are_used() -> None:
    # A 16-byte AES key would also do as a two-key 3DES key: the checksum below is right for that reading.
    confused = scp80.wrap_command(
        None, KEY, spi=bytes.fromhex("0200"), kic=0x10, kid=0x15, tar=TAR, counter=0, data=b"E1"
    )
    with pytest.raises(PeerError, match="not supported"):
        scp80.unwrap_command(None, KEY, confused)
    assert scp80.unwrap_command(None, KEY, confused, algorithms=None).data == b"E1"
    three_keys = bytearray(confused)
    three_keys[6] = 0x19
    with pytest.raises(PeerError, match="no key"):
        scp80.unwrap_command(None, KEY, bytes(three_keys), algorithms=None)
    with pytest.raises(PeerError, match="no key"):
        scp80.unwrap_command(None, OTHER, command())


def test_every_bit_of_a_protected_command_counts() -> None:
    packet = command()
    for position in range(len(packet) * 8):
        changed = bytearray(packet)
        changed[position // 8] ^= 0x80 >> position % 8
        # The key version nibbles and unused bits of the header are under the checksum too.
        with pytest.raises(PeerError):
            scp80.unwrap_command(KEY, OTHER, bytes(changed), minimum_spi1=0x16)


def test_every_bit_of_a_protected_response_counts() -> None:
    packet = scp80.wrap_response(KEY, OTHER, spi2=0x39, tar=TAR, counter=5, status=0, data=b"ok", **RESPONSE)
    for position in range(len(packet) * 8):
        changed = bytearray(packet)
        changed[position // 8] ^= 0x80 >> position % 8
        with pytest.raises(PeerError):
            scp80.unwrap_response(KEY, OTHER, bytes(changed), spi2=0x39, **RESPONSE)


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from([0x00, 0x02, 0x04, 0x06, 0x12, 0x16, 0x0E, 0x1E]),
    st.sampled_from([16, 24, 32]),
    st.integers(0, (1 << 40) - 1),
    st.sampled_from([4, 8]),
    st.booleans(),
)
def test_round_trips(data: bytes, spi1: int, size: int, counter: int, cc_length: int, ber: bool) -> None:
    kic_key, kid_key = bytes(range(size)), bytes(range(100, 100 + size))
    forms = {"cc_length": cc_length, "ber": ber}
    packet = scp80.wrap_command(
        kic_key, kid_key, spi=bytes((spi1, 0x39)), kic=0x12, kid=0x12, tar=TAR, counter=counter, data=data, **forms
    )
    opened = scp80.unwrap_command(kic_key, kid_key, packet, minimum_spi1=spi1, **forms)
    assert (opened.data, opened.counter, opened.tar) == (data, counter, TAR)
    for spi2 in (0x01, 0x09, 0x11, 0x39):
        answer = scp80.wrap_response(
            kic_key, kid_key, spi2=spi2, tar=TAR, counter=counter, status=7, data=data, **RESPONSE, **forms
        )
        read = scp80.unwrap_response(
            kic_key, kid_key, answer, spi2=spi2, tar=TAR, counter=counter, **RESPONSE, **forms
        )
        assert (read.status, read.data) == (7, data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.booleans(), st.booleans())
def test_any_bytes_are_refused_or_open(body: bytes, ber: bool, framed: bool) -> None:
    if framed:
        head = bytes((0x01, len(body))) if ber else len(body).to_bytes(2)
        body = head + body
    with contextlib.suppress(PeerError):
        scp80.unwrap_command(KEY, KEY, body, minimum_spi1=0, ber=ber)
    with contextlib.suppress(PeerError):
        ota_packet.peek_response(body, ber=ber)
    for spi2 in (0x01, 0x11, 0x39):
        with contextlib.suppress(PeerError):
            scp80.unwrap_response(KEY, KEY, body, spi2=spi2, ber=ber, **RESPONSE)
