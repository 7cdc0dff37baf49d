"""SCP80 secured packets (ETSI TS 102 225; SGP.02 v3.2 2.4.3): wrap commands, open responses and notifications.

Keys are bytes and may be None for a packet that does not use them. Packets start with CPL/RPL (SMS) or, with
`ber`, with CPI/RPI (CAT_TP, TCP). A packet that breaks a rule is a PeerError; nothing of its content is given out.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from dataclasses import dataclass

from ferryman.codec import ota_packet
from ferryman.codec.ota_packet import CLAUSE, COUNTER_BYTES, MAX_COUNTER, SPI, Check, CounterMode
from ferryman.errors import PeerError
from ferryman.secure import packet_cipher

DEFAULT_SPI = bytes.fromhex("1639")
DEFAULT_CC_BYTES = 8
# The card's notifications: cryptographic checksum and nothing else (SGP.02 4.1.1.11).
NOTIFICATION_MINIMUM_SPI1 = 0x02


@dataclass(frozen=True, slots=True)
class Command:
    """An opened command packet."""

    spi: bytes
    kic: int
    kid: int
    tar: bytes
    counter: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """An opened response packet; `status` as in `ota_packet.STATUS_NAMES`."""

    tar: bytes
    counter: int
    status: int
    data: bytes


def _protect(
    kic_key: bytes | None,
    kid_key: bytes | None,
    *,
    check: Check,
    ciphered: bool,
    kic: int,
    kid: int,
    inner: bytes,
    padding: int,
    data: bytes,
    cc_length: int,
    check_prefix: bytes,
) -> bytes:
    """Counter to padding: `inner` (counter, padding counter, status), check value, data, padding; ciphered."""
    padded = data + bytes(padding)
    value = packet_cipher.check_value(check, kid, kid_key, check_prefix + inner + padded, cc_length)
    body = inner + value + padded
    return packet_cipher.encrypt(kic, kic_key, body) if ciphered else body


def wrap_command(
    kic_key: bytes | None,
    kid_key: bytes | None,
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
    parameters = SPI(spi)
    size = packet_cipher.check_bytes(parameters.check, kid, cc_length)
    padding = 0
    if parameters.ciphered:
        padding = -(COUNTER_BYTES + 1 + size + len(data)) % packet_cipher.block_bytes(kic)
    body_bytes = COUNTER_BYTES + 1 + size + len(data) + padding
    header = ota_packet.command_header(spi, kic, kid, tar, check_bytes=size, body_bytes=body_bytes, ber=ber)
    return header + _protect(
        kic_key,
        kid_key,
        check=parameters.check,
        ciphered=parameters.ciphered,
        kic=kic,
        kid=kid,
        inner=counter.to_bytes(COUNTER_BYTES) + bytes((padding,)),
        padding=padding,
        data=data,
        cc_length=cc_length,
        check_prefix=header,
    )


def wrap_response(
    kic_key: bytes | None,
    kid_key: bytes | None,
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
    parameters = SPI(bytes((0, spi2)))
    size = packet_cipher.check_bytes(parameters.por_check, kid, cc_length)
    fixed = COUNTER_BYTES + 2 + size + len(data)
    padding = -fixed % packet_cipher.block_bytes(kic) if parameters.por_ciphered else 0
    header = ota_packet.response_header(tar, check_bytes=size, body_bytes=fixed + padding, ber=ber)
    return header + _protect(
        kic_key,
        kid_key,
        check=parameters.por_check,
        ciphered=parameters.por_ciphered,
        kic=kic,
        kid=kid,
        inner=counter.to_bytes(COUNTER_BYTES) + bytes((padding, status)),
        padding=padding,
        data=data,
        cc_length=cc_length,
        check_prefix=header if ber else ota_packet.RESPONSE_UDH + header,
    )


def _open(
    body: bytes,
    kic_key: bytes | None,
    kid_key: bytes | None,
    *,
    check: Check,
    ciphered: bool,
    kic: int,
    kid: int,
    inner_bytes: int,
    cc_length: int,
    check_prefix: bytes,
) -> tuple[bytes, bytes]:
    """Decipher and verify a body: (counter, padding counter[, status]) and data without padding."""
    if ciphered:
        body = packet_cipher.decrypt(kic, kic_key, body)
    size = packet_cipher.check_bytes(check, kid, cc_length)
    inner, value, padded = (
        body[:inner_bytes],
        body[inner_bytes : inner_bytes + size],
        body[inner_bytes + size :],
    )
    expected = packet_cipher.check_value(check, kid, kid_key, check_prefix + inner + padded, cc_length)
    if not hmac.compare_digest(value, expected):
        raise PeerError("check value (RC/CC) is wrong", field="RC/CC/DS", clause=CLAUSE)
    padding = inner[COUNTER_BYTES]
    if padding > len(padded) or (padding and not ciphered):
        raise PeerError(f"padding counter {padding} out of range", field="PCNTR", clause=CLAUSE)
    return inner, padded[: len(padded) - padding]


def unwrap_command(
    kic_key: bytes | None,
    kid_key: bytes | None,
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
    if header.check_bytes != packet_cipher.check_bytes(spi.check, header.kid, cc_length):
        raise PeerError("header length does not go with the check", field="CHL", clause=CLAUSE)
    if spi.ciphered:
        packet_cipher.require(header.kic, kic_key, algorithms, "KIc")
    if spi.check is Check.CC:
        packet_cipher.require(header.kid, kid_key, algorithms, "KID")
    inner, data = _open(
        header.body,
        kic_key,
        kid_key,
        check=spi.check,
        ciphered=spi.ciphered,
        kic=header.kic,
        kid=header.kid,
        inner_bytes=COUNTER_BYTES + 1,
        cc_length=cc_length,
        check_prefix=header.header,
    )
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
    kic_key: bytes | None,
    kid_key: bytes | None,
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
    header = ota_packet.peek_response(packet, ber=ber)
    asked = SPI(bytes((0, spi2)))
    if header.check_bytes != packet_cipher.check_bytes(asked.por_check, kid, cc_length):
        reason = "insufficient security: check value has not the length asked for"
        if header.check_bytes == 0:
            reason = f"insufficient security: open response, claims status {header.open_status:02X}"
        raise PeerError(reason, field="RHL", clause=CLAUSE)
    inner, data = _open(
        header.body,
        kic_key,
        kid_key,
        check=asked.por_check,
        ciphered=asked.por_ciphered,
        kic=kic,
        kid=kid,
        inner_bytes=COUNTER_BYTES + 2,
        cc_length=cc_length,
        check_prefix=header.header if ber else ota_packet.RESPONSE_UDH + header.header,
    )
    if tar is not None and header.tar != tar:
        raise PeerError("TAR mismatch", field="TAR", clause=CLAUSE)
    received = int.from_bytes(inner[:COUNTER_BYTES])
    if counter is not None and received != counter:
        raise PeerError("counter mismatch", field="CNTR", clause=CLAUSE)
    return Response(header.tar, received, inner[-1], data)
