"""SCP80 secured packets (ETSI TS 102 225; SGP.02 v3.2 2.4.3): wrap commands, open responses and notifications.

Keys are bytes, or a `CardKey` (AES only) when the same card gets many packets, and may be None for a packet that
does not use them. Packets start with CPL/RPL (SMS) or, with
`ber`, with CPI/RPI (CAT_TP, TCP). A packet that breaks a rule is a PeerError; nothing of its content is given out.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from hmac import compare_digest

import msgspec

from ferryman.codec import ota_packet
from ferryman.codec.ota_packet import CLAUSE, COUNTER_BYTES, MAX_COUNTER, SPI, Check, CounterMode
from ferryman.errors import PeerError
from ferryman.secure import packet_cipher
from ferryman.secure.packet_cipher import Key

DEFAULT_SPI = bytes.fromhex("1639")
DEFAULT_CC_BYTES = 8
# The card's notifications: cryptographic checksum and nothing else (SGP.02 4.1.1.11).
NOTIFICATION_MINIMUM_SPI1 = 0x02
# Check and ciphering of a response by the second SPI byte of its command.
_POR = tuple((spi.por_check, spi.por_ciphered) for spi in (SPI(bytes((0, octet))) for octet in range(256)))


class Command(msgspec.Struct, frozen=True):
    """An opened command packet."""

    spi: bytes
    kic: int
    kid: int
    tar: bytes
    counter: int
    data: bytes


# Structs of msgspec, which are made several times faster than dataclasses: one for each packet.
class Response(msgspec.Struct, frozen=True):
    """An opened response packet; `status` as in `ota_packet.STATUS_NAMES`."""

    tar: bytes
    counter: int
    status: int
    data: bytes


@dataclass(frozen=True, slots=True)
class _Form:
    """All of a packet that its keys, counter and data do not change; `prefix` is checked and not sent."""

    check: Check
    ciphered: bool
    kic: int
    kid: int
    check_bytes: int
    prefix: bytes
    header: bytes
    padding: bytes

    @property
    def padding_counter(self) -> bytes:
        """The octet behind the counter."""
        return bytes((len(self.padding),))


# Packets of one purpose and size differ in keys, counter and data only: a campaign needs a handful of forms.
@lru_cache(maxsize=1024)
def _command_form(spi: bytes, kic: int, kid: int, tar: bytes, cc_length: int, data_bytes: int, ber: bool) -> _Form:
    parameters = SPI(spi)
    size = packet_cipher.check_bytes(parameters.check, kid, cc_length)
    inner = COUNTER_BYTES + 1 + size + data_bytes
    padding = -inner % packet_cipher.block_bytes(kic) if parameters.ciphered else 0
    header = ota_packet.command_header(spi, kic, kid, tar, check_bytes=size, body_bytes=inner + padding, ber=ber)
    return _Form(parameters.check, parameters.ciphered, kic, kid, size, b"", header, bytes(padding))


@lru_cache(maxsize=256)
def _response_form(spi2: int, kic: int, kid: int, tar: bytes, cc_length: int, data_bytes: int, ber: bool) -> _Form:
    check, ciphered = _POR[spi2]
    size = packet_cipher.check_bytes(check, kid, cc_length)
    inner = COUNTER_BYTES + 2 + size + data_bytes
    padding = -inner % packet_cipher.block_bytes(kic) if ciphered else 0
    header = ota_packet.response_header(tar, check_bytes=size, body_bytes=inner + padding, ber=ber)
    prefix = b"" if ber else ota_packet.RESPONSE_UDH
    return _Form(check, ciphered, kic, kid, size, prefix, header, bytes(padding))


def _protect(form: _Form, kic_key: Key, kid_key: Key, inner: bytes, data: bytes) -> bytes:
    """The whole packet: `inner` is counter, padding counter and, of a response, status."""
    padded = data + form.padding
    value = packet_cipher.check_value(
        form.check, form.kid, kid_key, form.prefix + form.header + inner + padded, form.check_bytes
    )
    body = inner + value + padded
    return form.header + (packet_cipher.encrypt(form.kic, kic_key, body) if form.ciphered else body)


def wrap_command(
    kic_key: Key,
    kid_key: Key,
    *,
    spi: bytes,
    kic: int,
    kid: int,
    tar: bytes,
    counter: int,
    data: bytes,
    cc_length: int = DEFAULT_CC_BYTES,
    ber: bool = False,
) -> bytes:
    """A command packet from CPL (or CPI) on.

    `spi` is 2 bytes, `kic` and `kid` the octets with key version and algorithm, `counter` 0 to 2^40-1,
    `cc_length` 4 or 8 for AES-CMAC. ValueError for keys or values that do not fit, PeerError for an algorithm
    this server does not speak.
    """
    if not 0 <= counter <= MAX_COUNTER:
        raise ValueError(f"counter {counter} does not fit 5 bytes")
    form = _command_form(spi, kic, kid, tar, cc_length, len(data), ber)
    return _protect(form, kic_key, kid_key, counter.to_bytes(COUNTER_BYTES) + form.padding_counter, data)


def wrap_response(
    kic_key: Key,
    kid_key: Key,
    *,
    spi2: int,
    kic: int,
    kid: int,
    tar: bytes,
    counter: int,
    status: int,
    data: bytes = b"",
    cc_length: int = DEFAULT_CC_BYTES,
    ber: bool = False,
) -> bytes:
    """A response packet as the card makes it; the inverse of `unwrap_response`, for checks of this module."""
    form = _response_form(spi2, kic, kid, tar, cc_length, len(data), ber)
    inner = counter.to_bytes(COUNTER_BYTES) + form.padding_counter + bytes((status,))
    return _protect(form, kic_key, kid_key, inner, data)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an incoming packet must be protected with; `inner_bytes` is counter to padding counter or status."""

    check: Check
    ciphered: bool
    kic: int
    kid: int
    check_bytes: int
    inner_bytes: int


@lru_cache(maxsize=256)
def _asked_of_response(spi2: int, kic: int, kid: int, cc_length: int) -> _Asked:
    check, ciphered = _POR[spi2]
    return _asked(check, ciphered, kic, kid, cc_length, COUNTER_BYTES + 2)


@lru_cache(maxsize=256)
def _asked(check: Check, ciphered: bool, kic: int, kid: int, cc_length: int, inner_bytes: int) -> _Asked:
    size = packet_cipher.check_bytes(check, kid, cc_length)
    return _Asked(check, ciphered, kic, kid, size, inner_bytes)


def _open(asked: _Asked, body: bytes, kic_key: Key, kid_key: Key, check_prefix: bytes) -> tuple[bytes, bytes]:
    """Decipher and verify a body: (counter, padding counter[, status]) and data without padding."""
    if asked.ciphered:
        body = packet_cipher.decrypt(asked.kic, kic_key, body)
    start = asked.inner_bytes
    end = start + asked.check_bytes
    inner, padded = body[:start], body[end:]
    expected = packet_cipher.check_value(
        asked.check, asked.kid, kid_key, check_prefix + inner + padded, asked.check_bytes
    )
    if not compare_digest(body[start:end], expected):
        raise PeerError("check value (RC/CC) is wrong", field="RC/CC/DS", clause=CLAUSE)
    padding = inner[COUNTER_BYTES]
    if padding > len(padded) or (padding and not asked.ciphered):
        raise PeerError(f"padding counter {padding} out of range", field="PCNTR", clause=CLAUSE)
    return inner, padded[: len(padded) - padding]


def unwrap_command(
    kic_key: Key,
    kid_key: Key,
    packet: bytes,
    *,
    minimum_spi1: int = NOTIFICATION_MINIMUM_SPI1,
    last_counter: int | None = None,
    tars: Collection[bytes] | None = None,
    algorithms: frozenset[int] | None = packet_cipher.AES_ONLY,
    cc_length: int = DEFAULT_CC_BYTES,
    ber: bool = False,
) -> Command:
    """Open a command packet: checks in the order lengths, security level, check value, padding, TAR, counter.

    The defaults are those for a card's notification, which has a checksum and no counter. `last_counter` is the
    last one accepted (None: the counter is not compared), `tars` the known targets (None: any), `algorithms` the
    low nibbles of KIc and KID that are taken (None: any that the key fits).
    """
    header = ota_packet.peek_command(packet, ber=ber)
    spi = header.spi
    if not spi.reaches(minimum_spi1):
        raise PeerError("insufficient security level", field="SPI", clause=CLAUSE)
    asked = _asked(spi.check, spi.ciphered, header.kic, header.kid, cc_length, COUNTER_BYTES + 1)
    if header.check_bytes != asked.check_bytes:
        raise PeerError("header length does not go with the check", field="CHL", clause=CLAUSE)
    if spi.ciphered:
        packet_cipher.require(header.kic, kic_key, algorithms, "KIc")
    if spi.check is Check.CC:
        packet_cipher.require(header.kid, kid_key, algorithms, "KID")
    inner, data = _open(asked, header.body, kic_key, kid_key, header.header)
    if tars is not None and header.tar not in tars:
        raise PeerError("TAR unknown", field="TAR", clause=CLAUSE)
    counter = int.from_bytes(inner[:COUNTER_BYTES])
    if last_counter is not None:
        _check_counter(spi.counter_mode, counter, last_counter)
    return Command(spi.value, header.kic, header.kid, header.tar, counter, data)


def _check_counter(mode: CounterMode, counter: int, last: int) -> None:
    if mode in (CounterMode.HIGHER, CounterMode.ONE_HIGHER) and counter <= last:
        raise PeerError("counter low", field="CNTR", clause=CLAUSE)
    if mode is CounterMode.ONE_HIGHER and counter != last + 1:
        raise PeerError("counter high", field="CNTR", clause=CLAUSE)


def unwrap_response(
    kic_key: Key,
    kid_key: Key,
    packet: bytes,
    *,
    spi2: int,
    kic: int,
    kid: int,
    tar: bytes | None = None,
    counter: int | None = None,
    cc_length: int = DEFAULT_CC_BYTES,
    ber: bool = False,
) -> Response:
    """Open the response to a command with second SPI byte `spi2` and key octets `kic`, `kid`.

    `tar` and `counter` of the command are compared when given. A response with less protection than asked for is
    a PeerError ("insufficient security") that names the status it claims, for the log and nothing else.
    """
    start, check_bytes = ota_packet.cut_response(packet, ber=ber)
    asked = _asked_of_response(spi2, kic, kid, cc_length)
    if check_bytes != asked.check_bytes:
        reason = "insufficient security: check value has not the length asked for"
        if check_bytes == 0:
            claimed = ota_packet.peek_response(packet, ber=ber).open_status
            reason = f"insufficient security: open response, claims status {claimed:02X}"
        raise PeerError(reason, field="RHL", clause=CLAUSE)
    header = packet[:start]
    prefix = header if ber else ota_packet.RESPONSE_UDH + header
    inner, data = _open(asked, packet[start:], kic_key, kid_key, prefix)
    answering = header[-ota_packet.TAR_BYTES :]
    if tar is not None and answering != tar:
        raise PeerError("TAR mismatch", field="TAR", clause=CLAUSE)
    received = int.from_bytes(inner[:COUNTER_BYTES])
    if counter is not None and received != counter:
        raise PeerError("counter mismatch", field="CNTR", clause=CLAUSE)
    return Response(answering, received, inner[-1], data)
