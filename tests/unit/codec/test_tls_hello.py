from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.codec.tls_hello import (
    ALERT_DECODE_ERROR,
    ALERT_PROTOCOL_VERSION,
    ALERT_RECORD_OVERFLOW,
    ALERT_UNEXPECTED_MESSAGE,
    MAX_EARLY_OCTETS,
    ClientFlight,
    TLSFlightError,
    parse_client_hello,
    parse_client_key_exchange,
)

IDENTITY = b"8001028110890010120123412340123456789012244F10A0000005591010FFFFFFFF8900000100820101830140"


def hello_body(
    *,
    version: int = 0x0303,
    session_id: bytes = b"",
    suites: bytes = bytes.fromhex("00ae00a800b0"),
    compression: bytes = b"\0",
    extensions: bytes | None = b"",
) -> bytes:
    body = version.to_bytes(2) + bytes(32) + bytes((len(session_id),)) + session_id
    body += len(suites).to_bytes(2) + suites + bytes((len(compression),)) + compression
    return body if extensions is None else body + len(extensions).to_bytes(2) + extensions


def message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3) + body


def record(fragment: bytes, kind: int = 22, version: int = 0x0303) -> bytes:
    return bytes((kind,)) + version.to_bytes(2) + len(fragment).to_bytes(2) + fragment


HELLO = record(message(1, hello_body()), version=0x0301)
EXCHANGE = record(message(16, len(IDENTITY).to_bytes(2) + IDENTITY))
FINISH = record(b"\x01", kind=20) + record(bytes(40))


def test_hello_of_a_card() -> None:
    hello = parse_client_hello(hello_body(extensions=bytes.fromhex("0001000102")))
    assert hello.suites == (0x00AE, 0x00A8, 0x00B0)
    assert hello.max_fragment_length == 1024
    assert hello.extensions == (1,)
    assert not hello.offers_resumption


@pytest.mark.parametrize(("code", "length"), [(1, 512), (2, 1024), (3, 2048), (4, 4096), (0, None), (5, None)])
def test_max_fragment_length(code: int, length: int | None) -> None:
    hello = parse_client_hello(hello_body(extensions=bytes.fromhex("00010001") + bytes((code,))))
    assert hello.max_fragment_length == length


def test_session_id_or_ticket_offer_resumption() -> None:
    assert parse_client_hello(hello_body(session_id=b"1")).offers_resumption
    assert parse_client_hello(hello_body(extensions=bytes.fromhex("0023000155"))).offers_resumption
    assert not parse_client_hello(hello_body(extensions=bytes.fromhex("00230000"))).offers_resumption


def test_a_hello_without_extensions() -> None:
    assert parse_client_hello(hello_body(extensions=None)).extensions == ()


@pytest.mark.parametrize(
    ("body", "alert"),
    [
        (hello_body(version=0x0300), ALERT_PROTOCOL_VERSION),
        (hello_body(version=0x0203), ALERT_PROTOCOL_VERSION),
        (hello_body(session_id=bytes(33)), ALERT_DECODE_ERROR),
        (hello_body(suites=b""), ALERT_DECODE_ERROR),
        (hello_body(suites=b"\0\xae\0"), ALERT_DECODE_ERROR),
        (hello_body(compression=b""), ALERT_DECODE_ERROR),
        (hello_body(compression=b"\1"), ALERT_DECODE_ERROR),
        (hello_body() + b"\0", ALERT_DECODE_ERROR),
        (hello_body()[:-1], ALERT_DECODE_ERROR),
        (hello_body(extensions=bytes.fromhex("0001000102" * 2)), ALERT_DECODE_ERROR),
        (hello_body(extensions=bytes.fromhex("00010002")), ALERT_DECODE_ERROR),
        (b"", ALERT_DECODE_ERROR),
    ],
)
def test_broken_hellos(body: bytes, alert: int) -> None:
    with pytest.raises(TLSFlightError) as caught:
        parse_client_hello(body)
    assert caught.value.alert == alert


@pytest.mark.parametrize("body", [b"", b"\0", b"\0\2a", b"\0\1ab", b"\1\0" + bytes(256)])
def test_broken_key_exchanges(body: bytes) -> None:
    with pytest.raises(TLSFlightError):
        parse_client_key_exchange(body)


def test_nothing_is_released_before_its_time() -> None:
    flight = ClientFlight()
    flight.feed(HELLO[:-1])
    assert flight.hello is None
    assert flight.take() == b""
    flight.feed(HELLO[-1:] + EXCHANGE + FINISH)
    assert flight.take() == HELLO
    assert flight.identity == IDENTITY
    assert flight.take() == b""
    assert flight.open_gate() == EXCHANGE + FINISH
    assert flight.take() == b""
    flight.feed(b"anything")
    assert flight.take() == b"anything"


@given(st.data())
def test_cut_anywhere_means_the_same(data: st.DataObject) -> None:
    whole = HELLO + EXCHANGE + FINISH
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=8)))
    flight = ClientFlight()
    taken = b""
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        flight.feed(whole[start:end])
        taken += flight.take()
    assert flight.identity == IDENTITY
    assert taken == HELLO
    assert taken + flight.open_gate() == whole


@given(st.integers(1, 60), st.integers(1, 60))
def test_messages_in_many_records(hello_piece: int, exchange_piece: int) -> None:
    hello, exchange = message(1, hello_body()), message(16, len(IDENTITY).to_bytes(2) + IDENTITY)
    octets = b"".join(record(hello[i : i + hello_piece]) for i in range(0, len(hello), hello_piece))
    pieces = [record(exchange[i : i + exchange_piece]) for i in range(0, len(exchange), exchange_piece)]
    octets += b"".join(pieces)
    flight = ClientFlight()
    flight.feed(octets)
    assert flight.hello is not None
    assert flight.identity == IDENTITY
    # The record that completes the key exchange is the first one held back.
    assert flight.take() == octets[: len(octets) - len(pieces[-1])]


@pytest.mark.parametrize(
    ("octets", "alert"),
    [
        (b"GET / HTTP/1.1\r\n", ALERT_UNEXPECTED_MESSAGE),
        (b"\x80\x2e\x01\x03\x01", ALERT_UNEXPECTED_MESSAGE),  # SSL 2 hello
        (b"\x16\x02\x00\x00\x05", ALERT_PROTOCOL_VERSION),
        (b"\x16\x03\x01\x40\x01", ALERT_RECORD_OVERFLOW),
        (b"\x16\x03\x01\xff\xff", ALERT_RECORD_OVERFLOW),
        (b"\x16\x03\x01\x00\x00", ALERT_DECODE_ERROR),
        (record(b"\x02"), ALERT_UNEXPECTED_MESSAGE),
        (record(b"\x01\x00\x20\x01"), ALERT_DECODE_ERROR),
        (record(b"\x01\xff\xff\xff"), ALERT_DECODE_ERROR),
        (record(b"\x02\x28", kind=21), ALERT_UNEXPECTED_MESSAGE),
        (HELLO + HELLO, ALERT_UNEXPECTED_MESSAGE),
        (HELLO + FINISH, ALERT_UNEXPECTED_MESSAGE),
        (HELLO + record(b"\x10\x00\x02\x00"), ALERT_DECODE_ERROR),
        (HELLO + record(message(16, b"\0\1a") + b"\x14"), ALERT_UNEXPECTED_MESSAGE),
        (HELLO + EXCHANGE + bytes(MAX_EARLY_OCTETS + 1), ALERT_UNEXPECTED_MESSAGE),
    ],
)
def test_nonsense_is_refused_with_its_alert(octets: bytes, alert: int) -> None:
    flight = ClientFlight()
    with pytest.raises(TLSFlightError) as caught:
        flight.feed(octets)
    assert caught.value.alert == alert


def test_an_alert_of_the_client_opens_the_gate() -> None:
    flight = ClientFlight()
    alert = record(b"\x02\x28", kind=21)
    flight.feed(HELLO + alert)
    assert flight.is_open
    assert flight.identity is None
    assert flight.take() == HELLO + alert


@given(st.lists(st.binary(max_size=400), max_size=6))
def test_any_octets_are_read_or_refused(pieces: list[bytes]) -> None:
    flight = ClientFlight()
    with contextlib.suppress(TLSFlightError):
        for piece in pieces:
            flight.feed(piece)
    assert flight.identity is None or flight.hello is not None


@given(st.binary(max_size=400))
def test_any_hello_body_is_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(TLSFlightError):
        parse_client_hello(body)


@given(st.integers(0, len(HELLO + EXCHANGE) - 1), st.integers(0, 255))
def test_one_changed_octet_is_read_or_refused(at: int, value: int) -> None:
    octets = bytearray(HELLO + EXCHANGE)
    octets[at] = value
    flight = ClientFlight()
    with contextlib.suppress(TLSFlightError):
        flight.feed(bytes(octets))
