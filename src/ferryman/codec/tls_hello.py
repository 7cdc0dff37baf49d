"""The clear half of a TLS 1.2 PSK handshake as the server sees it, RFC 5246 6.2, 7.4 and RFC 4279 2.

Up to and including ClientKeyExchange a TLS 1.2 client talks in clear. Reading ClientHello and the PSK
identity here, before the TLS library sees them, lets the server choose a context that cannot resume a session
and fetch the key without stopping its event loop. This module computes nothing of TLS and holds no key. It
keeps the invariant that any octets are read or raise `TLSFlightError`, and never holds more than the limits
below.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ferryman.errors import PeerError

RECORD_HEADER_OCTETS: Final = 5  # octets: type, version, length
MAX_RECORD_OCTETS: Final = 16_384  # octets of fragment in a clear record, RFC 5246 6.2.1
MAX_CLIENT_HELLO_OCTETS: Final = 8_192  # octets: real cards send about 60, a hello with a large ticket under 2,000
MAX_IDENTITY_OCTETS: Final = 255  # octets: RFC 4279 5.3 asks for 128, OpenSSL 3.0 refuses 256
MAX_EARLY_OCTETS: Final = 4_096  # octets after ClientKeyExchange: ChangeCipherSpec and Finished need about 110
MAX_SESSION_ID_OCTETS: Final = 32  # octets, RFC 5246 7.4.1.2

CONTENT_ALERT: Final = 21
CONTENT_HANDSHAKE: Final = 22
HANDSHAKE_CLIENT_HELLO: Final = 1
HANDSHAKE_CLIENT_KEY_EXCHANGE: Final = 16
_HANDSHAKE_HEADER_OCTETS: Final = 4  # octets: type, 24-bit length
_BODY: Final = RECORD_HEADER_OCTETS + _HANDSHAKE_HEADER_OCTETS  # where the body of a record's first message is
_VERSION_END: Final = 2  # octets of a ClientHello before the random
_RANDOM_END: Final = 34  # octets of a ClientHello before the session id: version and random
KNOWN_HELLOS: Final = 64  # hellos kept as read: more kinds of cards than a fleet has
MAX_KNOWN_OCTETS: Final = 256  # octets of a hello that is kept: those of cards have about 60

EXTENSION_MAX_FRAGMENT_LENGTH: Final = 1  # RFC 6066 4
EXTENSION_SESSION_TICKET: Final = 35  # RFC 5077 3.2
FRAGMENT_LENGTHS: Final = {1: 512, 2: 1024, 3: 2048, 4: 4096}  # octets of plaintext, RFC 6066 4

# Of a record that begins with a message: type, major version, length; type of the message, its length in two.
_FIRST_MESSAGE: Final = struct.Struct(">BBxHBBH")
_EXTENSION_HEADER: Final = struct.Struct(">HH")  # type, length

ALERT_UNEXPECTED_MESSAGE: Final = 10
ALERT_RECORD_OVERFLOW: Final = 22
ALERT_DECODE_ERROR: Final = 50
ALERT_PROTOCOL_VERSION: Final = 70


class TLSFlightError(PeerError):
    """The client's clear octets are no TLS 1.2 flight; `alert` is the AlertDescription to answer with."""

    def __init__(self, reason: str, *, field: str, clause: str, alert: int = ALERT_DECODE_ERROR) -> None:
        super().__init__(reason, field=field, clause=clause)
        self.alert = alert


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What a server wants to know of a ClientHello before it chooses how to answer.

    `legacy_version` as on the wire (0303 = TLS 1.2), `suites` in the client's order, `max_fragment_length`
    in octets of plaintext or None, `ticket` the content of the session ticket extension.
    """

    legacy_version: int
    session_id: bytes
    suites: tuple[int, ...]
    max_fragment_length: int | None
    ticket: bytes
    extensions: tuple[int, ...]

    @property
    def offers_resumption(self) -> bool:
        """True when the client could be asking to resume: a session id, or a ticket that is not empty."""
        return bool(self.session_id or self.ticket)


def parse_client_hello(body: bytes) -> ClientHello:
    """Reads the body of a ClientHello (without handshake header); raises TLSFlightError."""
    # Cards of one kind send the same hello but for the random, which nothing here depends on.
    rest = body[:_VERSION_END] + body[_RANDOM_END:]
    return _known_hello(rest) if len(rest) <= MAX_KNOWN_OCTETS else _parse_hello(rest)


def _parse_hello(body: bytes) -> ClientHello:
    """`body` without its random."""
    size = len(body)
    version = int.from_bytes(body[:_VERSION_END])
    if size <= _VERSION_END:
        raise _broken_hello("message ends inside a field")
    if version >> 8 != 3 or version < 0x0301:
        raise TLSFlightError(
            f"version {version:04X}",
            field="client_hello",
            clause="RFC 5246 7.4.1.2",
            alert=ALERT_PROTOCOL_VERSION,
        )
    # Three vectors, each with its length before it; a slice that runs past the end is shorter than it says.
    start = _VERSION_END + 1
    at = start + body[_VERSION_END]
    session_id = body[start:at]
    if len(session_id) > MAX_SESSION_ID_OCTETS:
        raise _broken_hello(f"session id of {len(session_id)} octets")
    start = at + 2
    at = start + int.from_bytes(body[start - 2 : start])
    suites = body[start:at]
    if at >= size:
        raise _broken_hello("message ends inside a field")
    if not suites or len(suites) % 2:
        raise _broken_hello(f"cipher suites of {len(suites)} octets")
    start = at + 1
    at = start + body[at]
    if at > size:
        raise _broken_hello("message ends inside a field")
    if 0 not in body[start:at]:
        raise _broken_hello("no null compression offered")
    extensions: dict[int, bytes] = {}
    if at < size:
        start = at + 2
        at = start + int.from_bytes(body[start - 2 : start])
        if start > size or at > size:
            raise _broken_hello("message ends inside a field")
        extensions = _parse_extensions(body[start:at])
        if at < size:
            raise _broken_hello("octets after the extensions")
    return ClientHello(
        legacy_version=version,
        session_id=session_id,
        suites=struct.unpack(f">{len(suites) // 2}H", suites),
        max_fragment_length=_fragment_length(extensions.get(EXTENSION_MAX_FRAGMENT_LENGTH)),
        ticket=extensions.get(EXTENSION_SESSION_TICKET, b""),
        extensions=tuple(extensions),
    )


_known_hello = lru_cache(KNOWN_HELLOS)(_parse_hello)


def parse_client_key_exchange(body: bytes) -> bytes:
    """The PSK identity, as sent, in the body of a plain-PSK ClientKeyExchange; raises TLSFlightError."""
    identity = body[2:]
    if len(body) < 2 or len(identity) < (length := body[0] << 8 | body[1]):
        raise _broken_key_exchange("message ends inside a field")
    if length > MAX_IDENTITY_OCTETS:
        raise _broken_key_exchange(f"identity of {length} octets")
    if len(identity) > length:
        raise _broken_key_exchange("octets after the identity")
    return identity


def _parse_extensions(block: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at, size = 0, len(block)
    while at < size:
        start = at + _EXTENSION_HEADER.size
        if start > size:
            raise _broken_extensions("message ends inside a field")
        kind, length = _EXTENSION_HEADER.unpack_from(block, at)
        at = start + length
        if kind in found:
            raise _broken_extensions(f"extension {kind} given twice")
        if at > size:
            raise _broken_extensions("message ends inside a field")
        found[kind] = block[start:at]
    return found


def _broken_hello(reason: str) -> TLSFlightError:
    return TLSFlightError(reason, field="client_hello", clause="RFC 5246 7.4.1.2")


def _broken_key_exchange(reason: str) -> TLSFlightError:
    return TLSFlightError(reason, field="client_key_exchange", clause="RFC 4279 2")


def _broken_extensions(reason: str) -> TLSFlightError:
    return TLSFlightError(reason, field="client_hello.extensions", clause="RFC 5246 7.4.1.4")


def _fragment_length(content: bytes | None) -> int | None:
    # An impossible value is left to the TLS library, which answers it with illegal_parameter.
    if content is None or len(content) != 1:
        return None
    return FRAGMENT_LENGTHS.get(content[0])


class ClientFlight:
    """Collects the octets of one client until its PSK identity is known.

    Feed what arrives; then `take()` gives the octets that the TLS library may see now: none before the whole
    ClientHello is here, and none from the record that completes ClientKeyExchange on until `open_gate()` is
    called. `is_open` is true when nothing is held back any more.
    """

    __slots__ = ("_gated", "_messages", "_raw", "_ready", "hello", "identity", "is_open")

    def __init__(self) -> None:
        self.hello: ClientHello | None = None
        self.identity: bytes | None = None
        self._raw = bytearray()
        self._messages = bytearray()
        self._ready = b""
        self._gated = b""
        self.is_open = False

    def feed(self, data: bytes) -> None:
        """Takes octets as they come, cut anywhere; raises TLSFlightError when they are no legal flight."""
        if not self._raw and not self._messages and not self.is_open and self.identity is None:
            data = self._whole(data)
            if not data:
                return
        self._raw += data
        while not self.is_open and self.identity is None:
            record = self._next_record()
            if record is None:
                break
            self._record(record)
        if self.is_open:
            self._ready += bytes(self._raw)
            self._raw.clear()
        elif self.identity is not None and len(self._raw) > MAX_EARLY_OCTETS:
            raise TLSFlightError(
                "too much before the server has spoken",
                field="flight",
                clause="RFC 5246 7.3",
                alert=ALERT_UNEXPECTED_MESSAGE,
            )

    def take(self) -> bytes:
        """Octets released for the TLS library; each is given once."""
        if self.hello is None:
            return b""
        piece, self._ready = self._ready, b""
        return piece

    def open_gate(self) -> bytes:
        """Releases everything held, which is given here, and everything that still comes."""
        released = self._gated + self._raw
        if self._ready:
            released = self._ready + released
            self._ready = b""
        self.is_open = True
        self._gated = b""
        self._raw.clear()
        self._messages.clear()
        return released

    def _whole(self, data: bytes) -> bytes:
        """Takes the usual first record, one whole message and no more; gives what is left of `data`.

        What looks different in any way is left to the way that reads everything, and refused there.
        """
        if len(data) < _BODY:
            return data
        kind, major, length, message, high, low = _FIRST_MESSAGE.unpack_from(data)
        end = RECORD_HEADER_OCTETS + length
        if (
            kind != CONTENT_HANDSHAKE
            or major != 3
            or (high << 16 | low) + _HANDSHAKE_HEADER_OCTETS != length
            or end > len(data)
        ):
            return data
        if self.hello is None:
            if message != HANDSHAKE_CLIENT_HELLO or length > MAX_CLIENT_HELLO_OCTETS:
                return data
            self.hello = parse_client_hello(data[_BODY:end])
            self._ready = data[:end]
        else:
            if message != HANDSHAKE_CLIENT_KEY_EXCHANGE:
                return data
            self.identity = parse_client_key_exchange(data[_BODY:end])
            self._gated = data[:end]
        return data[end:]

    def _next_record(self) -> bytes | None:
        raw = self._raw
        if raw and raw[0] not in (CONTENT_HANDSHAKE, CONTENT_ALERT):
            raise TLSFlightError(
                f"record of type {raw[0]} in a clear flight",
                field="record",
                clause="RFC 5246 6.2.1",
                alert=ALERT_UNEXPECTED_MESSAGE,
            )
        if len(raw) < RECORD_HEADER_OCTETS:
            return None
        if raw[1] != 3:
            raise TLSFlightError(
                f"record version {raw[1]:02X}{raw[2]:02X}",
                field="record",
                clause="RFC 5246 6.2.1",
                alert=ALERT_PROTOCOL_VERSION,
            )
        length = int.from_bytes(raw[3:RECORD_HEADER_OCTETS])
        if length > MAX_RECORD_OCTETS:
            raise TLSFlightError(
                f"clear record of {length} octets",
                field="record",
                clause="RFC 5246 6.2.1",
                alert=ALERT_RECORD_OVERFLOW,
            )
        if length == 0:
            raise TLSFlightError("empty record", field="record", clause="RFC 5246 6.2.1")
        end = RECORD_HEADER_OCTETS + length
        if len(raw) < end:
            return None
        record = bytes(raw[:end])
        del raw[:end]
        return record

    def _record(self, record: bytes) -> None:
        if record[0] == CONTENT_ALERT:
            # The client gives up; the TLS library knows what each alert means.
            if self.hello is None:
                raise TLSFlightError(
                    "alert before ClientHello",
                    field="flight",
                    clause="RFC 5246 7.3",
                    alert=ALERT_UNEXPECTED_MESSAGE,
                )
            self._ready += record
            self._ready = self.open_gate()
            return
        self._messages += record[RECORD_HEADER_OCTETS:]
        while self.identity is None and self._next_message():
            pass
        if self.identity is None:
            self._ready += record
            return
        self._gated += record
        if self._messages:
            raise TLSFlightError(
                "handshake message after ClientKeyExchange in clear",
                field="flight",
                clause="RFC 5246 7.3",
                alert=ALERT_UNEXPECTED_MESSAGE,
            )

    def _next_message(self) -> bool:
        """Reads one handshake message when it is whole; True when there may be another."""
        held = self._messages
        if not held:
            return False
        wanted = HANDSHAKE_CLIENT_HELLO if self.hello is None else HANDSHAKE_CLIENT_KEY_EXCHANGE
        if held[0] != wanted:
            raise TLSFlightError(
                f"handshake message {held[0]} where {wanted} is due",
                field="flight",
                clause="RFC 5246 7.3",
                alert=ALERT_UNEXPECTED_MESSAGE,
            )
        if len(held) < _HANDSHAKE_HEADER_OCTETS:
            return False
        length = int.from_bytes(held[1:_HANDSHAKE_HEADER_OCTETS])
        limit = MAX_CLIENT_HELLO_OCTETS if self.hello is None else MAX_IDENTITY_OCTETS + 2
        if length > limit:
            raise TLSFlightError(f"handshake message of {length} octets", field="flight", clause="RFC 5246 7.4")
        end = _HANDSHAKE_HEADER_OCTETS + length
        if len(held) < end:
            return False
        body = bytes(held[_HANDSHAKE_HEADER_OCTETS:end])
        del held[:end]
        if self.hello is None:
            self.hello = parse_client_hello(body)
        else:
            self.identity = parse_client_key_exchange(body)
        return True
