"""SCP03 and SCP03t: what must be refused, limits, round trips with a card end made of the same primitives."""

from __future__ import annotations

import contextlib

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.codec import tlv
from ferryman.codec.apdu import CommandAPDU, ResponseAPDU
from ferryman.errors import PeerError
from ferryman.secure import scp03, scp03t
from ferryman.secure.kdf import cmac

STATIC = scp03.StaticKeys(bytes(range(16)), bytes(range(16, 32)))
AID = bytes.fromhex("A0000005591010FFFFFFFF8900001000")
HOST = bytes(range(8))
PLACE = {"host_challenge": HOST, "sequence_counter": 1, "isdp_aid": AID}
CHALLENGE = scp03.predict_card_challenge(STATIC.enc, 1, AID)
SESSION = scp03.session_keys(STATIC, HOST, CHALLENGE)
INITIALIZE = (
    bytes(10) + b"\x30\x03\x70" + CHALLENGE + scp03.card_cryptogram(SESSION, HOST, CHALLENGE) + b"\x00\x00\x01"
)


def opened(level: int = scp03.LEVEL_FULL) -> scp03.SecureChannel:
    channel = scp03.SecureChannel.open(STATIC, host_challenge=HOST, response=INITIALIZE, aid=AID, level=level)
    channel.external_authenticate()
    return channel


def changed(data: bytes, position: int) -> bytes:
    return data[:position] + bytes((data[position] ^ 1,)) + data[position + 1 :]


def test_no_key_in_text() -> None:
    for value in (STATIC, SESSION):
        text = repr(value)
        assert "enc" not in text
        assert "\\x" not in text


@pytest.mark.parametrize("position", [11, 12, *range(13, 32)])
def test_every_part_of_the_initialize_answer_counts(position: int) -> None:
    # The option byte says whether there is a counter; every other byte is compared.
    raised = changed(INITIALIZE, position) if position != 12 else INITIALIZE[:12] + b"\x60" + INITIALIZE[13:]
    with pytest.raises(PeerError):
        scp03.SecureChannel.open(STATIC, host_challenge=HOST, response=raised, aid=AID)


@pytest.mark.parametrize("size", [0, 28, 29, 30, 31, 33])
def test_initialize_answers_of_wrong_length(size: int) -> None:
    with pytest.raises(PeerError):
        scp03.parse_initialize_response((INITIALIZE + b"\x00")[:size])


def test_a_random_challenge_has_no_counter() -> None:
    answer = scp03.parse_initialize_response(INITIALIZE[:12] + b"\x60" + INITIALIZE[13:29])
    assert answer.sequence_counter is None


def test_error_statuses_come_back_as_they_are() -> None:
    channel = opened()
    channel.wrap(bytes.fromhex("80E2880001AA"))
    assert channel.unwrap(ResponseAPDU(b"", 0x6982)) == ResponseAPDU(b"", 0x6982)
    # But a good status is never believed without its R-MAC.
    for data in (b"", bytes(7), bytes(8)):
        with pytest.raises(PeerError, match="R-MAC"):
            channel.unwrap(ResponseAPDU(data, 0x9000))
    with pytest.raises(PeerError, match="R-MAC"):
        channel.unwrap(ResponseAPDU(bytes(8), 0x6310))
    without = opened(level=0x03)
    without.wrap(bytes.fromhex("80E2880001AA"))
    assert without.unwrap(ResponseAPDU(b"x", 0x9000)).data == b"x"


def test_ciphered_answer_data_are_whole_blocks() -> None:
    channel = opened()
    wrapped = channel.wrap(bytes.fromhex("80E2880001AA"))
    chain = cmac(SESSION.mac, cmac(SESSION.mac, bytes(16) + channel.external_authenticate()[:13]) + wrapped[:-8])
    channel = opened()
    channel.wrap(bytes.fromhex("80E2880001AA"))
    answer = b"odd" + cmac(SESSION.rmac, chain + b"odd" + b"\x90\x00")[:8]
    with pytest.raises(PeerError, match="whole blocks"):
        channel.unwrap(ResponseAPDU(answer, 0x9000))


def test_limits_of_a_protected_command() -> None:
    assert len(opened().wrap(CommandAPDU(0x80, 0xE2, 0x88, 0, bytes(239)).encode())) == 5 + 240 + 8
    with pytest.raises(ValueError):
        opened().wrap(CommandAPDU(0x80, 0xE2, 0x88, 0, bytes(240)).encode())
    with pytest.raises(ValueError):
        scp03.SecureChannel(STATIC, host_challenge=HOST, card_challenge=CHALLENGE, level=0x02)


@pytest.mark.parametrize("data", [b"", bytes(16), b"\x80" + bytes(16), b"\x01" * 16])
def test_wrong_padding(data: bytes) -> None:
    with pytest.raises(PeerError):
        scp03.unpad(data)


def card_answer(segments: tuple[bytes, ...], index: int, plain: bytes) -> bytes:
    """What a card with the right keys answers to segment `index`."""
    chain = scp03t.authenticate(SESSION, HOST, CHALLENGE)[1]
    for segment in segments[: index + 1]:
        chain = cmac(SESSION.mac, chain + segment[:-8])
    icv = scp03.command_icv(SESSION.enc, index + 1, response=True)
    encryptor = Cipher(AES(SESSION.enc), CBC(icv)).encryptor()
    body = encryptor.update(scp03.pad(plain)) + encryptor.finalize()
    header = b"\x86" + tlv.encode_length(len(body) + 8)
    return header + body + cmac(SESSION.rmac, chain + header + body)[:8]


def test_every_bit_of_an_answer_counts() -> None:
    package = scp03t.protect(STATIC, key_version=0x30, plaintext=bytes(3000), **PLACE)
    answer = card_answer(package.segments, 2, b"result")
    options = {"segments": package.segments, "index": 2, **PLACE}
    assert scp03t.unprotect_response(STATIC, response_86=answer, **options) == b"result"
    for position in range(len(answer)):
        with pytest.raises(PeerError):
            scp03t.unprotect_response(STATIC, response_86=changed(answer, position), **options)
    with pytest.raises(PeerError, match="R-MAC"):
        scp03t.unprotect_response(STATIC, response_86=answer, **{**options, "index": 1})
    for wrong in ("8608" + "00" * 8, "8609" + "00" * 9, "860100", "86008600", "8500", "9F460102", "9F46020102"):
        with pytest.raises(PeerError):
            scp03t.unprotect_response(STATIC, response_86=bytes.fromhex(wrong), **options)


def test_error_objects_have_a_tag_and_a_code() -> None:
    with pytest.raises(scp03t.SCP03tError, match="security error") as caught:
        scp03t.unprotect_response(STATIC, segments=(b"",), index=0, response_86=bytes.fromhex("9F460102"), **PLACE)
    assert (caught.value.tag, caught.value.code) == (0x9F46, 2)
    with pytest.raises(scp03t.SCP03tError, match="code 7F"):
        scp03t.check_authenticate_response(bytes.fromhex("9F45017F"))
    for wrong in ("850100", "8400", ""):
        with pytest.raises(PeerError):
            scp03t.check_authenticate_response(bytes.fromhex(wrong))


def test_a_later_counter_is_told() -> None:
    challenge = scp03.predict_card_challenge(STATIC.enc, 4, AID)
    session = scp03.session_keys(STATIC, HOST, challenge)
    answer = (
        bytes(10) + b"\x30\x03\x70" + challenge + scp03.card_cryptogram(session, HOST, challenge) + b"\x00\x00\x04"
    )
    read = scp03t.check_initialize_response(
        STATIC, response_84=tlv.encode(0x84, answer), host_challenge=HOST, isdp_aid=AID
    )
    assert read.sequence_counter == 4
    with pytest.raises(scp03t.CounterMovedError) as caught:
        scp03t.check_initialize_response(STATIC, response_84=tlv.encode(0x84, answer), **PLACE)
    assert caught.value.sequence_counter == 4
    for position in range(13, 32):
        with pytest.raises(PeerError) as refused:
            scp03t.check_initialize_response(
                STATIC, response_84=tlv.encode(0x84, changed(answer, position)), **PLACE
            )
        assert not isinstance(refused.value, scp03t.CounterMovedError)
    no_counter = bytes(10) + b"\x30\x03\x60" + bytes(16)
    with pytest.raises(PeerError, match="counter"):
        scp03t.check_initialize_response(STATIC, response_84=tlv.encode(0x84, no_counter), **PLACE)


def test_no_object_is_longer_than_a_card_takes() -> None:
    package = scp03t.protect(STATIC, key_version=0x30, plaintext=bytes(5000), **PLACE)
    assert max(map(len, package.segments)) == 1020
    assert package.segments[0][:4] == bytes.fromhex("868203F8")
    for size in (0, 1008):
        with pytest.raises(ValueError):
            scp03t.protect(STATIC, key_version=0x30, plaintext=b"x", segment=size, **PLACE)
    with pytest.raises(ValueError):
        scp03t.protect(STATIC, key_version=0x30, plaintext=b"x", **{**PLACE, "host_challenge": bytes(7)})


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=3000), st.integers(1, scp03t.MAX_SEGMENT), st.binary(max_size=300))
def test_download_round_trip(plaintext: bytes, segment: int, answer: bytes) -> None:
    plaintext = plaintext[: segment * 20] or b"x"
    package = scp03t.protect(STATIC, key_version=0x30, plaintext=plaintext, segment=segment, **PLACE)
    chain = scp03t.authenticate(SESSION, HOST, CHALLENGE)[1]
    clear = b""
    for number, item in enumerate(package.segments, 1):
        (read,) = tlv.parse(item)
        chain = cmac(SESSION.mac, chain + item[:-8])
        assert chain[:8] == item[-8:]
        decryptor = Cipher(AES(SESSION.enc), CBC(scp03.command_icv(SESSION.enc, number))).decryptor()
        clear += scp03.unpad(decryptor.update(read.value[:-8]) + decryptor.finalize())
    assert clear == plaintext
    last = len(package.segments) - 1
    response = card_answer(package.segments, last, answer)
    options = {"segments": package.segments, "index": last, **PLACE}
    assert scp03t.unprotect_response(STATIC, response_86=response, **options) == answer


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([0x84, 0x85, 0x86, 0x9F46]))
def test_any_bytes_are_refused_or_read(data: bytes, tag: int) -> None:
    channel = opened()
    for raw in (data, tlv.encode(tag, data)):
        with contextlib.suppress(PeerError):
            scp03t.check_initialize_response(STATIC, response_84=raw, **PLACE)
        with contextlib.suppress(PeerError):
            scp03t.check_authenticate_response(raw)
        with contextlib.suppress(PeerError):
            scp03t.unprotect_response(STATIC, segments=(b"",), index=0, response_86=raw, **PLACE)
        with contextlib.suppress(PeerError):
            channel.unwrap(ResponseAPDU(raw, 0x9000))
