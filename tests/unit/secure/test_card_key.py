"""Kept cipher objects of a card key: the same packets as with key bytes, in any order; keys do not show."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.errors import PeerError
from ferryman.secure import packet_cipher, scp80
from ferryman.secure.card_key import CardKey

KEY, OTHER = bytes(range(16)), bytes(range(16, 32))
TAR = bytes.fromhex("000001")
DES3 = 0x15


def wrap(kic_key: packet_cipher.Key, kid_key: packet_cipher.Key, data: bytes, **changes: int) -> bytes:
    octets = {"kic": 0x12, "kid": 0x12, **changes}
    return scp80.wrap_command(kic_key, kid_key, spi=bytes.fromhex("1639"), tar=TAR, counter=5, data=data, **octets)


def answer(kic: packet_cipher.Key, kid: packet_cipher.Key, data: bytes) -> bytes:
    return scp80.wrap_response(kic, kid, spi2=0x39, kic=0x12, kid=0x12, tar=TAR, counter=5, status=0, data=data)


@given(st.lists(st.tuples(st.sampled_from(("wrap", "open", "refuse", "notify")), st.binary(max_size=40))))
def test_every_packet_is_that_of_the_key_bytes_whatever_came_before(steps: list[tuple[str, bytes]]) -> None:
    kic, kid = CardKey(KEY), CardKey(OTHER)
    for step, data in steps:
        if step == "wrap":
            assert wrap(kic, kid, data) == wrap(KEY, OTHER, data)
        elif step == "open":
            packet = answer(KEY, OTHER, data)
            opened = scp80.unwrap_response(kic, kid, packet, spi2=0x39, kic=0x12, kid=0x12, tar=TAR, counter=5)
            assert (opened.status, opened.data) == (0, data)
        elif step == "refuse":
            packet = answer(OTHER, KEY, data)
            with pytest.raises(PeerError, match="check value"):
                scp80.unwrap_response(kic, kid, packet, spi2=0x39, kic=0x12, kid=0x12)
        else:
            packet = wrap(KEY, OTHER, data)
            assert scp80.unwrap_command(kic, kid, packet, minimum_spi1=0x16).data == data


@pytest.mark.parametrize("size", [16, 24, 32])
def test_every_length_of_aes_keys(size: int) -> None:
    key = bytes(range(size))
    kept = CardKey(key)
    assert wrap(kept, kept, b"data") == wrap(key, key, b"data")


@pytest.mark.parametrize("size", [0, 8, 15, 64])
def test_another_length_is_no_key(size: int) -> None:
    with pytest.raises(ValueError, match="AES key"):
        CardKey(bytes(size))


@pytest.mark.parametrize("data", [b"", bytes(15), bytes(17)])
def test_part_of_a_block_is_refused_and_spoils_nothing(data: bytes) -> None:
    kept = CardKey(KEY)
    for transform in (kept.encrypt, kept.decrypt):
        with pytest.raises(ValueError, match="whole blocks"):
            transform(data)
    assert kept.decrypt(kept.encrypt(bytes(32))) == bytes(32)


def test_a_kept_key_is_for_aes_only() -> None:
    kept = CardKey(KEY)
    with pytest.raises(ValueError, match="does not fit"):
        wrap(kept, kept, b"data", kic=DES3)
    with pytest.raises(ValueError, match="does not fit"):
        wrap(kept, kept, b"data", kid=DES3)
    packet = wrap(KEY, KEY, b"data", kic=DES3, kid=DES3)
    with pytest.raises(PeerError, match="no key for this algorithm"):
        scp80.unwrap_command(kept, kept, packet, minimum_spi1=0x16, algorithms=None)


def test_its_text_says_nothing() -> None:
    assert repr(CardKey(KEY)) == "CardKey(***)"


def outcome(work: Callable[[], object]) -> object:
    try:
        return work()
    except PeerError as problem:
        return str(problem)


@given(st.binary(max_size=80), st.binary(max_size=30), st.integers(0, 200), st.integers(0, 255))
def test_hostile_packets_meet_the_same_refusal(junk: bytes, data: bytes, at: int, octet: int) -> None:
    """Cut, changed or made up: kept keys refuse what key bytes refuse, with the same words."""
    kic, kid = CardKey(KEY), CardKey(OTHER)
    response, command = answer(KEY, OTHER, data), wrap(KEY, OTHER, data)
    for packet in (junk, response[:at], command[:at], _changed(response, at, octet), _changed(command, at, octet)):
        for opens in (open_response, open_command):
            assert outcome(partial(opens, packet, kic, kid)) == outcome(partial(opens, packet, KEY, OTHER))


def open_response(packet: bytes, kic: packet_cipher.Key, kid: packet_cipher.Key) -> scp80.Response:
    return scp80.unwrap_response(kic, kid, packet, spi2=0x39, kic=0x12, kid=0x12, tar=TAR, counter=5)


def open_command(packet: bytes, kic: packet_cipher.Key, kid: packet_cipher.Key) -> scp80.Command:
    return scp80.unwrap_command(kic, kid, packet)


def _changed(packet: bytes, at: int, octet: int) -> bytes:
    place = at % len(packet)
    return packet[:place] + bytes((octet,)) + packet[place + 1 :]
