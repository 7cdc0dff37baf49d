"""SCP80 packets seen from the card (ETSI TS 102 225 clause 5, 3GPP TS 31.115; security level of SGP.02
2.4.3).

AES only: an SGP.02 ISD-R has no other SCP80 keys. Packets are what follows the user data header, from CPL
or RPL on.
"""

from __future__ import annotations

from dataclasses import dataclass

from ferryman_sim.card import crypto

CHL_WITHOUT_CHECK = 13
"""Bytes from SPI to PCNTR: SPI 2, KIc, KID, TAR 3, CNTR 5, PCNTR 1."""

CLEAR_HEADER = 8
"""Bytes of the packet after CPL that are never ciphered: CHL and SPI to TAR."""

ALGORITHM_AES = 0x2
"""Low nibble of KIc (AES-CBC) and of KID (AES-CMAC)."""

COUNTER_MAX = 0xFFFFFFFFFF
"""Largest counter, 5 bytes; a key set that reached it is blocked."""

STATUS_OK = 0x00
STATUS_COUNTER_LOW = 0x02
STATUS_COUNTER_HIGH = 0x03
STATUS_COUNTER_BLOCKED = 0x04
STATUS_NO_MEMORY = 0x07
STATUS_TAR_UNKNOWN = 0x09
STATUS_LEVEL = 0x0A
STATUS_FOLLOWS = 0x0B

RESPONSE_CHECK_PREFIX = bytes.fromhex("027100")
"""The user data header takes part in the check of a response, and stays this when the response is concatenated."""

SPI1_CHECK = 0x03
SPI1_CC = 0x02
SPI1_CIPHERED = 0x04
SPI1_COUNTER = 0x18
SPI1_RESERVED = 0xE0
SPI2_POR = 0x03
SPI2_POR_CHECK = 0x0C
SPI2_POR_CC = 0x08
SPI2_POR_CIPHERED = 0x10
SPI2_POR_SUBMIT = 0x20


class Discarded(Exception):
    """A packet that gets no answer; the text says why (for the test log, never on the air)."""


@dataclass(frozen=True, slots=True)
class Header:
    """A command packet before its security is checked; `secured` is CNTR to the end as received."""

    spi1: int
    spi2: int
    kic: int
    kid: int
    tar: bytes
    clear: bytes
    secured: bytes

    @property
    def check_bytes(self) -> int:
        """Bytes of RC/CC that SPI asks for in an AES packet."""
        return crypto.SHORT_MAC if self.spi1 & SPI1_CHECK == SPI1_CC else 0

    @property
    def kvn(self) -> int:
        """Key version of KID."""
        return self.kid >> 4


@dataclass(frozen=True, slots=True)
class Opened:
    """An authentic command packet: its counter and the data without padding."""

    counter: int
    data: bytes


def read_header(packet: bytes) -> Header:
    """Check the lengths and read the clear header. Raises Discarded."""
    if len(packet) < 2 + 1 + CHL_WITHOUT_CHECK:
        raise Discarded("packet too short")
    if int.from_bytes(packet[:2]) != len(packet) - 2:
        raise Discarded("CPL is not the number of bytes present")
    clear = packet[: 2 + CLEAR_HEADER]
    return Header(packet[3], packet[4], packet[5], packet[6], packet[7:10], clear, packet[2 + CLEAR_HEADER :])


def meets_level(spi1: int, minimum: int) -> bool:
    """Whether SPI1 gives at least the check, ciphering and counter handling that `minimum` gives."""
    if spi1 & SPI1_RESERVED:
        return False
    return (
        spi1 & SPI1_CHECK >= minimum & SPI1_CHECK
        and spi1 & SPI1_CHECK != SPI1_CHECK
        and spi1 & SPI1_CIPHERED >= minimum & SPI1_CIPHERED
        and spi1 & SPI1_COUNTER >= minimum & SPI1_COUNTER
    )


def check_header_length(header: Header) -> None:
    """CHL must be that of the check that SPI names. Raises Discarded."""
    if header.clear[2] != CHL_WITHOUT_CHECK + header.check_bytes:
        raise Discarded("CHL does not fit SPI")


def check_key_bytes(header: Header) -> None:
    """KIc and KID must both mean AES and name the same key version 1..F. Raises Discarded."""
    if header.kid & 0x0F != ALGORITHM_AES or not header.kvn:
        raise Discarded("KID")
    if header.kic >> 4 != header.kvn:
        raise Discarded("key versions of KIc and KID differ")
    if header.spi1 & SPI1_CIPHERED and header.kic & 0x0F != ALGORITHM_AES:
        raise Discarded("KIc")


def open_command(header: Header, kic_key: bytes, kid_key: bytes) -> Opened:
    """Decipher and authenticate a command packet. Raises Discarded on any doubt."""
    plain = header.secured
    if header.spi1 & SPI1_CIPHERED:
        if not plain or len(plain) % crypto.BLOCK:
            raise Discarded("ciphered part is not whole blocks")
        plain = crypto.cbc_decrypt(kic_key, bytes(crypto.BLOCK), plain)
    if len(plain) < 6 + header.check_bytes:
        raise Discarded("secured part too short")
    counter, body = plain[:6], plain[6 + header.check_bytes :]
    if header.check_bytes:
        expected = crypto.cmac(kid_key, header.clear + counter + body)[: crypto.SHORT_MAC]
        if not crypto.same(expected, plain[6 : 6 + header.check_bytes]):
            raise Discarded("CC wrong")
    padding = counter[5]
    if padding > len(body) or (padding and not header.spi1 & SPI1_CIPHERED):
        raise Discarded("PCNTR beyond the data")
    return Opened(int.from_bytes(counter[:5]), body[: len(body) - padding])


def counter_status(spi1: int, received: int, stored: int) -> int:
    """Response status of the counter check: 00, or 02, 03, 04 (TS 102 225 5.1.4)."""
    mode = spi1 & SPI1_COUNTER
    if not mode & 0x10:
        return STATUS_OK
    if stored >= COUNTER_MAX:
        return STATUS_COUNTER_BLOCKED
    if received <= stored:
        return STATUS_COUNTER_LOW
    if mode == SPI1_COUNTER and received != stored + 1:
        return STATUS_COUNTER_HIGH
    return STATUS_OK


def wants_por(spi2: int, status: int) -> bool:
    """Whether SPI2 asks for a proof of receipt with this status."""
    return spi2 & SPI2_POR == 1 or (spi2 & SPI2_POR == 2 and status != STATUS_OK)


def seal_response(
    spi2: int, tar: bytes, counter: int, status: int, data: bytes, kic_key: bytes, kid_key: bytes
) -> bytes:
    """A response packet, RPL to the end, protected as SPI2 asks. Raises Discarded for a check AES cannot give."""
    check = spi2 & SPI2_POR_CHECK
    if check not in (0, SPI2_POR_CC):
        raise Discarded("PoR with a redundancy check, the keys are AES")
    check_bytes = crypto.SHORT_MAC if check else 0
    ciphered = bool(spi2 & SPI2_POR_CIPHERED)
    size = 7 + check_bytes + len(data)
    padding = -size % crypto.BLOCK if ciphered else 0
    clear = (4 + size + padding).to_bytes(2) + bytes([10 + check_bytes]) + tar
    head = counter.to_bytes(5) + bytes([padding, status])
    body = data + bytes(padding)
    code = b""
    if check:
        code = crypto.cmac(kid_key, RESPONSE_CHECK_PREFIX + clear + head + body)[: crypto.SHORT_MAC]
    secured = head + code + body
    if ciphered:
        secured = crypto.cbc_encrypt(kic_key, bytes(crypto.BLOCK), secured)
    return clear + secured


def seal_open_response(tar: bytes, counter: int, status: int) -> bytes:
    """A response packet without any protection and data (only for the switches that allow one)."""
    return seal_response(0, tar, counter, status, b"", b"", b"")


def seal_notification(payload: bytes, tar: bytes, kvn: int, kid_key: bytes, kic_byte: int | None = None) -> bytes:
    """The command packet in which the card sends a notification: SPI 0200, counter 0, CC only (SGP.02
    4.1.1.11).

    KIc names the key version without an algorithm, because nothing is ciphered; `kic_byte` is another
    coding of it.
    """
    size = CHL_WITHOUT_CHECK + crypto.SHORT_MAC
    keys = bytes([kvn << 4 if kic_byte is None else kic_byte, kvn << 4 | ALGORITHM_AES])
    clear = (1 + size + len(payload)).to_bytes(2) + bytes([size]) + b"\x02\x00" + keys + tar
    head = bytes(6)
    return clear + head + crypto.cmac(kid_key, clear + head + payload)[: crypto.SHORT_MAC] + payload
