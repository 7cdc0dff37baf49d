"""What the simulator's TLS client refuses (sgp02-euicc.md 10 rows 58, 59; RFC 5246)."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from Cryptodome.Cipher import AES

from ferryman_sim.scp81.tls import TlsClient, TlsOptions
from ferryman_sim.scp81.tls_keys import (
    SUITES,
    DirectionKeys,
    key_block,
    key_block_length,
    master_secret,
    premaster_secret,
    split_keys,
    verify_data,
)
from ferryman_sim.scp81.tls_messages import encode_message
from ferryman_sim.scp81.tls_records import Alert, Protection, TlsFailure

PSK = bytes(range(16))
RANDOM = bytes(range(32))


def entropy(size: int) -> bytes:
    return hashlib.sha512(b"entropy").digest()[:size]


def record(kind: int, payload: bytes, version: bytes = b"\x03\x03") -> bytes:
    return bytes([kind]) + version + len(payload).to_bytes(2) + payload


def server_hello(
    suite: int = 0x00AE,
    version: bytes = b"\x03\x03",
    extensions: bytes = b"",
    session_id: bytes = b"",
    compression: int = 0,
) -> bytes:
    body = version + RANDOM + bytes([len(session_id)]) + session_id + suite.to_bytes(2) + bytes([compression])
    if extensions:
        body += len(extensions).to_bytes(2) + extensions
    return bytes([2]) + len(body).to_bytes(3) + body


def started(options: TlsOptions | None = None) -> TlsClient:
    client = TlsClient(b"identity", PSK, entropy, options)
    client.start()
    return client


class Peer:
    """The server's half of a handshake, enough to bring a client to the open state."""

    def __init__(self, suite: int = 0x00AE, options: TlsOptions | None = None, extensions: bytes = b"") -> None:
        self.client = started(options)
        hello = self.client.data_to_send()
        answer = server_hello(suite, extensions=extensions)
        done = b"\x0e\x00\x00\x00"
        self.client.receive(record(22, answer) + record(22, done))
        self.flight = self.client.data_to_send()
        exchange_size = int.from_bytes(self.flight[3:5])
        exchange = self.flight[5 : 5 + exchange_size]
        chosen = SUITES[suite]
        self.master = master_secret(premaster_secret(PSK), entropy(32), RANDOM)
        block = key_block(self.master, entropy(32), RANDOM, key_block_length(chosen))
        own, theirs = split_keys(chosen, block)
        self.read, self.write = Protection(chosen, own), Protection(chosen, theirs)
        finished = self.flight[5 + exchange_size + 6 :]
        plain = self.read.unprotect(22, finished[5:])
        self.transcript = hello[5:] + answer + done + exchange + plain

    def seal(self, kind: int, data: bytes) -> bytes:
        return record(kind, self.write.protect(kind, data, entropy))

    def finish(self) -> None:
        content = verify_data(self.master, b"server finished", self.transcript)
        self.client.receive(record(20, b"\x01") + self.seal(22, encode_message(20, content)))  # type: ignore[arg-type]

    def opened(self) -> TlsClient:
        self.finish()
        assert self.client.open
        return self.client


def alert_of(client: TlsClient, data: bytes) -> int:
    """The alert that ends the session; it goes out as the last record when the client raised it."""
    client.data_to_send()
    with pytest.raises(TlsFailure) as failure:
        client.receive(data)
    out = client.data_to_send()
    assert bool(out) is failure.value.sent
    if out:
        assert out[0] == 21
    assert client.closed
    assert not client.receive(data)
    return failure.value.alert


MFL = b"\x00\x01\x00\x01\x02"


@pytest.mark.parametrize(
    ("hello", "alert"),
    [
        (server_hello(version=b"\x03\x02"), Alert.PROTOCOL_VERSION),
        (server_hello(version=b"\x03\x04"), Alert.PROTOCOL_VERSION),
        (server_hello(suite=0x00A8), Alert.ILLEGAL_PARAMETER),
        (server_hello(suite=0x00B0), Alert.ILLEGAL_PARAMETER),
        (server_hello(suite=0x009C), Alert.ILLEGAL_PARAMETER),
        (server_hello(compression=1), Alert.ILLEGAL_PARAMETER),
        (server_hello(extensions=b"\x00\x01\x00\x01\x01"), Alert.ILLEGAL_PARAMETER),
        (server_hello(extensions=b"\x00\x16\x00\x00"), Alert.UNSUPPORTED_EXTENSION),
        (server_hello(extensions=b"\x00\x17\x00\x00"), Alert.UNSUPPORTED_EXTENSION),
        (server_hello(extensions=b"\x00\x23\x00\x00"), Alert.UNSUPPORTED_EXTENSION),
        (server_hello(extensions=b"\xff\x01\x00\x01\x00"), Alert.UNSUPPORTED_EXTENSION),
        (server_hello(extensions=MFL + MFL), Alert.DECODE_ERROR),
        (server_hello(session_id=bytes(33)), Alert.DECODE_ERROR),
        (server_hello()[:-1], None),
        (b"\x02\x00\x00\x03\x03\x03\x00", Alert.DECODE_ERROR),
        (b"\x0e\x00\x00\x00", Alert.UNEXPECTED_MESSAGE),
        (b"\x14\x00\x00\x0c" + bytes(12), Alert.UNEXPECTED_MESSAGE),
        (server_hello() + b"\x0b\x00\x00\x03\x00\x00\x00", Alert.HANDSHAKE_FAILURE),
        (server_hello() + b"\x0d\x00\x00\x00", Alert.HANDSHAKE_FAILURE),
        (server_hello() + b"\x04\x00\x00\x06" + bytes(6), Alert.UNEXPECTED_MESSAGE),
        (server_hello() + server_hello(), Alert.UNEXPECTED_MESSAGE),
        (server_hello() + b"\x0e\x00\x00\x01\x00", Alert.DECODE_ERROR),
        (b"\x02\x01\x00\x00", Alert.DECODE_ERROR),
        (b"", Alert.UNEXPECTED_MESSAGE),
    ],
)
def test_hello_flight(hello: bytes, alert: int | None) -> None:
    client = started(TlsOptions(suites=(0x00AE,)))
    if alert is None:
        assert client.receive(record(22, hello)) == b""
        assert not client.closed
    else:
        assert alert_of(client, record(22, hello)) == alert


@pytest.mark.parametrize(
    ("data", "alert"),
    [
        (record(23, b"data"), Alert.UNEXPECTED_MESSAGE),
        (record(20, b"\x01"), Alert.UNEXPECTED_MESSAGE),
        (record(24, b"\x01"), Alert.UNEXPECTED_MESSAGE),
        (record(22, server_hello(), version=b"\x02\x00"), Alert.PROTOCOL_VERSION),
        (b"\x16\x03\x03\x40\x01", Alert.RECORD_OVERFLOW),
        (record(21, b"\x02"), Alert.DECODE_ERROR),
        (record(21, b"\x03\x00"), Alert.DECODE_ERROR),
        (record(21, b"\x02\x73"), Alert.UNKNOWN_PSK_IDENTITY),
        (record(21, b"\x01\x00"), Alert.CLOSE_NOTIFY),
    ],
)
def test_records_before_the_hello(data: bytes, alert: int) -> None:
    client = started()
    client.data_to_send()
    with pytest.raises(TlsFailure) as failure:
        client.receive(data)
    assert failure.value.alert == alert


def test_a_granted_resumption_is_refused() -> None:
    client = started(TlsOptions(session_id=b"earlier"))
    assert alert_of(client, record(22, server_hello(session_id=b"earlier"))) == Alert.HANDSHAKE_FAILURE
    other = started(TlsOptions(session_id=b"earlier"))
    other.receive(record(22, server_hello(session_id=b"another")))
    assert not other.closed


@pytest.mark.parametrize("suite", [0x00AE, 0x00A8])
def test_finished_must_verify(suite: int) -> None:
    peer = Peer(suite)
    data = record(20, b"\x01") + peer.seal(22, encode_message(20, bytes(12)))  # type: ignore[arg-type]
    assert alert_of(peer.client, data) == Alert.DECRYPT_ERROR


def test_finished_before_change_cipher_spec() -> None:
    peer = Peer()
    content = verify_data(peer.master, b"server finished", peer.transcript)
    data = record(22, encode_message(20, content))  # type: ignore[arg-type]
    assert alert_of(peer.client, data) == Alert.UNEXPECTED_MESSAGE


@pytest.mark.parametrize("suite", [0x00AE, 0x00A8])
def test_any_flipped_bit_of_a_record_is_found(suite: int) -> None:
    for place in range(5, 5 + 64, 3):
        peer = Peer(suite)
        client = peer.opened()
        data = bytearray(peer.seal(23, b"thirty bytes of application dat"))
        if place >= len(data):
            break
        data[place] ^= 1
        assert alert_of(client, bytes(data)) == Alert.BAD_RECORD_MAC


@pytest.mark.parametrize("encrypt_then_mac", [False, True])
@pytest.mark.parametrize("tail", ["0001", "0202", "00000003", "010F", "FF"])
def test_padding_is_checked_although_the_mac_is_right(tail: str, encrypt_then_mac: bool) -> None:
    keys = DirectionKeys(b"m" * 32, b"k" * 16, b"")
    padding = bytes.fromhex(tail).rjust(16, b"\x00")
    number_type_version = bytes(8) + b"\x17\x03\x03"
    if encrypt_then_mac:
        sealed = bytes(16) + AES.new(keys.key, AES.MODE_CBC, bytes(16)).encrypt(bytes(16) + padding)
        mac = hmac.digest(keys.mac, number_type_version + len(sealed).to_bytes(2) + sealed, "sha256")
        payload = sealed + mac
    else:
        content = bytes(16)
        mac = hmac.digest(keys.mac, number_type_version + len(content).to_bytes(2) + content, "sha256")
        body = content + mac + padding
        payload = bytes(16) + AES.new(keys.key, AES.MODE_CBC, bytes(16)).encrypt(body)
    reader = Protection(SUITES[0x00AE], keys, encrypt_then_mac=encrypt_then_mac)
    with pytest.raises(TlsFailure) as failure:
        reader.unprotect(23, payload)
    assert failure.value.alert == Alert.BAD_RECORD_MAC


@pytest.mark.parametrize("suite", [0x00AE, 0x00A8])
def test_type_and_order_are_under_the_mac(suite: int) -> None:
    peer = Peer(suite)
    client = peer.opened()
    first, second = peer.seal(23, b"one"), peer.seal(23, b"two")
    assert client.receive(first) == b"one"
    assert alert_of(client, first) == Alert.BAD_RECORD_MAC
    peer = Peer(suite)
    client = peer.opened()
    changed = bytes([22]) + peer.seal(23, b"one")[1:]
    assert alert_of(client, changed) == Alert.BAD_RECORD_MAC
    assert second


@pytest.mark.parametrize("payload", [b"", bytes(15), bytes(16), bytes(48), bytes(49), bytes(64), bytes(16) * 10])
@pytest.mark.parametrize("suite", [0x00AE, 0x00A8])
def test_rubbish_records(suite: int, payload: bytes) -> None:
    peer = Peer(suite)
    client = peer.opened()
    assert alert_of(client, record(23, payload)) == Alert.BAD_RECORD_MAC


def test_max_fragment_length_binds_both_sides() -> None:
    options = TlsOptions(max_fragment=512)
    peer = Peer(options=options, extensions=b"\x00\x01\x00\x01\x01")
    client = peer.opened()
    assert client.fragment_limit == 512
    client.send(bytes(1300))
    out = client.data_to_send()
    sizes = []
    while out:
        size = int.from_bytes(out[3:5])
        sizes.append(len(peer.read.unprotect(23, out[5 : 5 + size])))
        out = out[5 + size :]
    assert sizes == [512, 512, 276]
    assert client.receive(peer.seal(23, bytes(512))) == bytes(512)
    assert alert_of(client, peer.seal(23, bytes(513))) == Alert.RECORD_OVERFLOW


def test_without_an_answer_max_fragment_length_is_off() -> None:
    client = Peer(options=TlsOptions(max_fragment=512)).opened()
    assert client.fragment_limit == 1 << 14


def test_hello_request_is_declined() -> None:
    peer = Peer()
    client = peer.opened()
    client.receive(peer.seal(22, bytes(4)))
    out = client.data_to_send()
    assert peer.read.unprotect(21, out[5:]) == bytes([1, Alert.NO_RENEGOTIATION])
    assert client.open


def test_close_notify_is_answered_and_ends_the_session() -> None:
    peer = Peer()
    client = peer.opened()
    assert client.receive(peer.seal(23, b"last") + peer.seal(21, b"\x01\x00")) == b"last"
    out = client.data_to_send()
    assert peer.read.unprotect(21, out[5:]) == b"\x01\x00"
    assert client.closed
    with pytest.raises(ValueError, match="not open"):
        client.send(b"more")


def test_a_message_may_be_spread_over_records() -> None:
    client = started()
    flight = server_hello() + b"\x0e\x00\x00\x00"
    for byte in flight:
        client.receive(record(22, bytes([byte])))
    assert client.data_to_send()[:1] == b"\x16"
    assert not client.closed


def test_an_identity_hint_is_passed_over_once() -> None:
    client = started()
    hint = b"\x0c\x00\x00\x06\x00\x04hint"
    client.receive(record(22, server_hello()) + record(22, hint))
    assert alert_of(client, record(22, hint)) == Alert.UNEXPECTED_MESSAGE
