"""TLS 1.2 handshake messages of a PSK client (RFC 5246 7.4, RFC 4279, RFC 6066 clause 4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from .tls_records import VERSION, Alert, TlsFailure

RANDOM = 32
MAX_SESSION_ID = 32
RENEGOTIATION_SCSV = 0x00FF


class Message(IntEnum):
    """Handshake message types this client meets."""

    HELLO_REQUEST = 0
    CLIENT_HELLO = 1
    SERVER_HELLO = 2
    NEW_SESSION_TICKET = 4
    CERTIFICATE = 11
    SERVER_KEY_EXCHANGE = 12
    CERTIFICATE_REQUEST = 13
    SERVER_HELLO_DONE = 14
    CLIENT_KEY_EXCHANGE = 16
    FINISHED = 20


class Extension(IntEnum):
    """Hello extensions this client can offer."""

    MAX_FRAGMENT_LENGTH = 1
    ENCRYPT_THEN_MAC = 22
    EXTENDED_MASTER_SECRET = 23
    RENEGOTIATION_INFO = 0xFF01


FRAGMENT_CODES = {512: 1, 1024: 2, 2048: 3, 4096: 4}
"""Values of max_fragment_length by bytes."""


@dataclass(frozen=True, slots=True)
class ServerHello:
    """What the server chose. extensions: data by number."""

    version: bytes
    random: bytes
    session_id: bytes
    suite: int
    compression: int
    extensions: dict[int, bytes]


def encode_message(kind: Message, body: bytes) -> bytes:
    """Handshake header and body."""
    return bytes([kind]) + len(body).to_bytes(3) + body


def encode_client_hello(
    random: bytes, session_id: bytes, suites: tuple[int, ...], extensions: tuple[tuple[int, bytes], ...]
) -> bytes:
    """ClientHello with the null compression only; without extensions the field is left out."""
    listed = b"".join(suite.to_bytes(2) for suite in suites)
    body = VERSION + random + bytes([len(session_id)]) + session_id
    body += len(listed).to_bytes(2) + listed + b"\x01\x00"
    if extensions:
        block = b"".join(number.to_bytes(2) + len(data).to_bytes(2) + data for number, data in extensions)
        body += len(block).to_bytes(2) + block
    return encode_message(Message.CLIENT_HELLO, body)


def encode_client_key_exchange(identity: bytes) -> bytes:
    """ClientKeyExchange with the PSK identity."""
    return encode_message(Message.CLIENT_KEY_EXCHANGE, len(identity).to_bytes(2) + identity)


class _Reader:
    """Fields of a message body; running out of bytes is a decode_error."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        if self._at + size > len(self._data):
            raise TlsFailure("message too short", Alert.DECODE_ERROR)
        self._at += size
        return self._data[self._at - size : self._at]

    def vector(self, length_bytes: int) -> bytes:
        return self.take(int.from_bytes(self.take(length_bytes)))

    @property
    def more(self) -> bool:
        return self._at < len(self._data)

    def finish(self) -> None:
        if self.more:
            raise TlsFailure("message too long", Alert.DECODE_ERROR)


def decode_server_hello(body: bytes) -> ServerHello:
    """Raises TlsFailure (decode_error)."""
    reader = _Reader(body)
    version, random = reader.take(2), reader.take(RANDOM)
    session_id = reader.vector(1)
    suite, compression = int.from_bytes(reader.take(2)), reader.take(1)[0]
    extensions: dict[int, bytes] = {}
    if reader.more:
        block = _Reader(reader.vector(2))
        while block.more:
            number = int.from_bytes(block.take(2))
            if number in extensions:
                raise TlsFailure("extension twice", Alert.DECODE_ERROR)
            extensions[number] = block.vector(2)
    reader.finish()
    if len(session_id) > MAX_SESSION_ID:
        raise TlsFailure("session id too long", Alert.DECODE_ERROR)
    return ServerHello(version, random, session_id, suite, compression, extensions)


def check_server_key_exchange(body: bytes) -> None:
    """A PSK ServerKeyExchange has only an identity hint, which this client does not need."""
    reader = _Reader(body)
    reader.vector(2)
    reader.finish()
