"""TLS 1.2 PSK client of the card, without input and output (RFC 5246, RFC 4279; sgp02-euicc.md 8.4).

The caller moves bytes: `start()` once, `receive()` for everything that arrives, `send()` for application data, and
takes what has to go out from `data_to_send()`. Any breach ends the session with TlsFailure; the alert for the
server is then in `data_to_send()` too.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from .tls_keys import (
    SUITES,
    Suite,
    extended_master_secret,
    key_block,
    key_block_length,
    master_secret,
    premaster_secret,
    split_keys,
    verify_data,
)
from .tls_messages import (
    FRAGMENT_CODES,
    RANDOM,
    RENEGOTIATION_SCSV,
    Extension,
    Message,
    ServerHello,
    check_server_key_exchange,
    decode_server_hello,
    encode_client_hello,
    encode_client_key_exchange,
    encode_message,
)
from .tls_records import HEADER, MAX_EXPANSION, MAX_PLAINTEXT, VERSION, Alert, Protection, TlsFailure

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
WARNING, FATAL = 1, 2

MAX_HANDSHAKE = 16384
"""Bytes of one handshake message; a PSK server needs a few hundred."""


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How the client behaves.

    suites: offered cipher suites in order. max_fragment: 512, 1024, 2048, 4096 or None (extension not sent).
    session_id: non-empty = asks for resumption, which a server of SGP.02 must not grant. scsv: add the
    renegotiation suite value. hello_record: record version of ClientHello. extra: further extensions to send.
    """

    suites: tuple[int, ...] = (0x00AE, 0x00A8)
    max_fragment: int | None = 1024
    session_id: bytes = b""
    extended_master_secret: bool = False
    encrypt_then_mac: bool = False
    scsv: bool = False
    hello_record: bytes = VERSION
    extra: tuple[tuple[int, bytes], ...] = ()

    def extensions(self) -> tuple[tuple[int, bytes], ...]:
        """Extensions of ClientHello in wire order."""
        found: list[tuple[int, bytes]] = []
        if self.max_fragment is not None:
            found.append((Extension.MAX_FRAGMENT_LENGTH, bytes([FRAGMENT_CODES[self.max_fragment]])))
        if self.encrypt_then_mac:
            found.append((Extension.ENCRYPT_THEN_MAC, b""))
        if self.extended_master_secret:
            found.append((Extension.EXTENDED_MASTER_SECRET, b""))
        return (*found, *self.extra)


class State(Enum):
    """Where the handshake is: what may come next."""

    NEW = auto()
    SERVER_HELLO = auto()
    KEY_EXCHANGE = auto()
    HELLO_DONE = auto()
    CHANGE = auto()
    FINISHED = auto()
    OPEN = auto()
    CLOSED = auto()


class TlsClient:
    """One session. identity: PSK identity as sent; psk: key bytes; entropy: random bytes of a given length."""

    def __init__(
        self, identity: bytes, psk: bytes, entropy: Callable[[int], bytes], options: TlsOptions | None = None
    ) -> None:
        self._identity = identity
        self._psk = psk
        self._entropy = entropy
        self._options = options or TlsOptions()
        self._state = State.NEW
        self._out = bytearray()
        self._in = bytearray()
        self._handshake = bytearray()
        self._transcript = bytearray()
        self._random = b""
        self._server: ServerHello | None = None
        self._suite: Suite | None = None
        self._master = b""
        self._limit = MAX_PLAINTEXT
        self._write: Protection | None = None
        self._read: Protection | None = None
        self._next_read: Protection | None = None

    @property
    def open(self) -> bool:
        """Application data may be sent."""
        return self._state is State.OPEN

    @property
    def closed(self) -> bool:
        """close_notify came or went, or the session failed."""
        return self._state is State.CLOSED

    @property
    def suite(self) -> Suite | None:
        """The suite chosen by the server."""
        return self._suite

    @property
    def fragment_limit(self) -> int:
        """Bytes of plaintext a record may carry in this session."""
        return self._limit

    def data_to_send(self) -> bytes:
        """Bytes for the server since the last call."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def start(self) -> None:
        """ClientHello."""
        if self._state is not State.NEW:
            raise ValueError("session started already")
        options = self._options
        self._random = self._entropy(RANDOM)
        suites = (*options.suites, RENEGOTIATION_SCSV) if options.scsv else options.suites
        hello = encode_client_hello(self._random, options.session_id, suites, options.extensions())
        self._transcript += hello
        self._out += bytes([HANDSHAKE]) + options.hello_record + len(hello).to_bytes(2) + hello
        self._state = State.SERVER_HELLO

    def send(self, data: bytes) -> None:
        """Application data, cut into records of the negotiated size."""
        if self._state is not State.OPEN:
            raise ValueError("session not open")
        self._emit(APPLICATION_DATA, data)

    def close(self) -> None:
        """close_notify; nothing may follow."""
        if self._state is not State.CLOSED:
            if self._state is not State.NEW:
                self._emit(ALERT, bytes([WARNING, Alert.CLOSE_NOTIFY]))
            self._state = State.CLOSED

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the server; returns application data. Raises TlsFailure."""
        self._in += data
        received = b""
        try:
            while self._state is not State.CLOSED:
                record = self._next_record()
                if record is None:
                    break
                received += self._take(*record)
        except TlsFailure as failure:
            if failure.sent:
                self._emit(ALERT, bytes([FATAL, failure.alert]))
            self._state = State.CLOSED
            raise
        return received

    def _emit(self, kind: int, data: bytes) -> None:
        for at in range(0, len(data), self._limit):
            piece = data[at : at + self._limit]
            if self._write is not None:
                piece = self._write.protect(kind, piece, self._entropy)
            self._out += bytes([kind]) + VERSION + len(piece).to_bytes(2) + piece

    def _next_record(self) -> tuple[int, bytes] | None:
        if len(self._in) < HEADER:
            return None
        kind, length = self._in[0], int.from_bytes(self._in[3:5])
        if not CHANGE_CIPHER_SPEC <= kind <= APPLICATION_DATA:
            raise TlsFailure("record type", Alert.UNEXPECTED_MESSAGE)
        if self._in[1] != VERSION[0] or (self._server is not None and self._in[2] != VERSION[1]):
            raise TlsFailure("record version", Alert.PROTOCOL_VERSION)
        if length > self._limit + (MAX_EXPANSION if self._read is not None else 0):
            raise TlsFailure("record too long", Alert.RECORD_OVERFLOW)
        if len(self._in) < HEADER + length:
            return None
        payload = bytes(self._in[HEADER : HEADER + length])
        del self._in[: HEADER + length]
        if self._read is not None:
            payload = self._read.unprotect(kind, payload)
            if len(payload) > self._limit:
                raise TlsFailure("plaintext too long", Alert.RECORD_OVERFLOW)
        return kind, payload

    def _take(self, kind: int, payload: bytes) -> bytes:
        if kind == APPLICATION_DATA:
            if self._state is not State.OPEN:
                raise TlsFailure("data before the handshake ended", Alert.UNEXPECTED_MESSAGE)
            return payload
        if kind == ALERT:
            self._take_alert(payload)
        elif kind == CHANGE_CIPHER_SPEC:
            self._take_change(payload)
        else:
            self._take_handshake(payload)
        return b""

    def _take_alert(self, payload: bytes) -> None:
        if len(payload) != 2 or payload[0] not in (WARNING, FATAL):
            raise TlsFailure("alert", Alert.DECODE_ERROR)
        level, description = payload
        if description == Alert.CLOSE_NOTIFY:
            was_open = self._state is State.OPEN
            self.close()
            if not was_open:
                raise TlsFailure("server closed the handshake", description, sent=False)
        elif level == FATAL:
            raise TlsFailure("server gave up", description, sent=False)

    def _take_change(self, payload: bytes) -> None:
        if self._state is not State.CHANGE or payload != b"\x01" or self._handshake:
            raise TlsFailure("ChangeCipherSpec", Alert.UNEXPECTED_MESSAGE)
        self._read = self._next_read
        self._state = State.FINISHED

    def _take_handshake(self, payload: bytes) -> None:
        if not payload:
            raise TlsFailure("empty handshake record", Alert.UNEXPECTED_MESSAGE)
        self._handshake += payload
        while len(self._handshake) >= 4:
            length = int.from_bytes(self._handshake[1:4])
            if length > MAX_HANDSHAKE:
                raise TlsFailure("handshake message too long", Alert.DECODE_ERROR)
            if len(self._handshake) < 4 + length:
                return
            message = bytes(self._handshake[: 4 + length])
            del self._handshake[: 4 + length]
            self._take_message(message)

    def _take_message(self, message: bytes) -> None:
        kind, body = message[0], message[4:]
        if kind == Message.HELLO_REQUEST and not body:
            if self._state is State.OPEN:
                self._emit(ALERT, bytes([WARNING, Alert.NO_RENEGOTIATION]))
            return  # not part of the transcript (RFC 5246 7.4.1.1)
        if kind in (Message.CERTIFICATE_REQUEST, Message.CERTIFICATE):
            raise TlsFailure("certificates with a pre-shared key", Alert.HANDSHAKE_FAILURE)
        if kind == Message.SERVER_HELLO and self._state is State.SERVER_HELLO:
            self._transcript += message
            self._take_server_hello(decode_server_hello(body))
        elif kind == Message.SERVER_KEY_EXCHANGE and self._state is State.KEY_EXCHANGE:
            self._transcript += message
            check_server_key_exchange(body)
            self._state = State.HELLO_DONE
        elif kind == Message.SERVER_HELLO_DONE and self._state in (State.KEY_EXCHANGE, State.HELLO_DONE):
            if body:
                raise TlsFailure("ServerHelloDone", Alert.DECODE_ERROR)
            self._transcript += message
            self._finish_own_flight()
        elif kind == Message.FINISHED and self._state is State.FINISHED:
            self._take_finished(body)
        else:
            raise TlsFailure(f"handshake message {kind}", Alert.UNEXPECTED_MESSAGE)

    def _take_server_hello(self, hello: ServerHello) -> None:
        options = self._options
        if hello.version != VERSION:
            raise TlsFailure(f"version {hello.version.hex()}", Alert.PROTOCOL_VERSION)
        suite = SUITES.get(hello.suite)
        if suite is None or hello.suite not in options.suites or hello.compression:
            raise TlsFailure(f"suite {hello.suite:04X}", Alert.ILLEGAL_PARAMETER)
        if options.session_id and hello.session_id == options.session_id:
            raise TlsFailure("server resumes a session", Alert.HANDSHAKE_FAILURE)
        offered = dict(options.extensions())
        for number, data in hello.extensions.items():
            self._check_extension(number, data, offered)
        if Extension.MAX_FRAGMENT_LENGTH in hello.extensions and options.max_fragment is not None:
            self._limit = options.max_fragment
        self._server, self._suite = hello, suite
        self._state = State.KEY_EXCHANGE

    def _check_extension(self, number: int, data: bytes, offered: dict[int, bytes]) -> None:
        if number == Extension.RENEGOTIATION_INFO and self._options.scsv:
            if data != b"\x00":
                raise TlsFailure("renegotiation info", Alert.HANDSHAKE_FAILURE)
            return
        if number not in offered:
            raise TlsFailure(f"extension {number} not asked for", Alert.UNSUPPORTED_EXTENSION)
        if data != offered[number]:
            raise TlsFailure(f"content of extension {number}", Alert.ILLEGAL_PARAMETER)

    def _finish_own_flight(self) -> None:
        server, suite = self._server, self._suite
        if server is None or suite is None:
            raise TlsFailure("no ServerHello", Alert.INTERNAL_ERROR)
        exchange = encode_client_key_exchange(self._identity)
        self._transcript += exchange
        self._emit(HANDSHAKE, exchange)
        premaster = premaster_secret(self._psk)
        if Extension.EXTENDED_MASTER_SECRET in server.extensions:
            digest = hashlib.sha256(self._transcript).digest()
            self._master = extended_master_secret(premaster, digest)
        else:
            self._master = master_secret(premaster, self._random, server.random)
        block = key_block(self._master, self._random, server.random, key_block_length(suite))
        own, theirs = split_keys(suite, block)
        etm = Extension.ENCRYPT_THEN_MAC in server.extensions
        self._emit(CHANGE_CIPHER_SPEC, b"\x01")
        self._write = Protection(suite, own, encrypt_then_mac=etm)
        self._next_read = Protection(suite, theirs, encrypt_then_mac=etm)
        content = verify_data(self._master, b"client finished", bytes(self._transcript))
        finished = encode_message(Message.FINISHED, content)
        self._transcript += finished
        self._emit(HANDSHAKE, finished)
        self._state = State.CHANGE

    def _take_finished(self, body: bytes) -> None:
        expected = verify_data(self._master, b"server finished", bytes(self._transcript))
        if not hmac.compare_digest(expected, body):
            raise TlsFailure("Finished does not verify", Alert.DECRYPT_ERROR)
        if self._handshake:
            raise TlsFailure("data after Finished", Alert.UNEXPECTED_MESSAGE)
        self._state = State.OPEN
