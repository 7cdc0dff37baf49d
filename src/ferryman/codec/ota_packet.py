"""Framing of SCP80 command and response packets apart from keys (ETSI TS 102 225 5, 3GPP TS 31.115).

SMS form: CPL/RPL in 2 bytes, CHL/RHL in 1, and the user data header outside. BER form (CAT_TP, TCP):
identification 01/02 in front and BER lengths. Both are cut into header fields and the part that may be ciphered.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ferryman.codec import tlv
from ferryman.errors import PeerError

CLAUSE = "ETSI TS 102 225 5"

COUNTER_BYTES = 5
MAX_COUNTER = (1 << 40) - 1  # the keyset is blocked at this value
TAR_BYTES = 3
MAX_PACKET = 0xFFFF  # CPL of 2 bytes

# SPI to TAR, counted by CHL together with counter, padding counter and check value.
_COMMAND_HEADER = 7
_COMMAND_INNER = 6  # counter and padding counter
_RESPONSE_INNER = 7  # counter, padding counter and status
_CPI, _RPI = 0x01, 0x02
# The response check starts with these bytes of the user data header (TS 31.115 5.2), commands leave it out.
RESPONSE_UDH = bytes.fromhex("027100")

STATUS_NAMES = {
    0x00: "ok",
    0x01: "check value failed",
    0x02: "counter low",
    0x03: "counter high",
    0x04: "counter blocked",
    0x05: "ciphering error",
    0x06: "unidentified security error",
    0x07: "insufficient memory",
    0x08: "more time needed",
    0x09: "TAR unknown",
    0x0A: "insufficient security level",
    0x0B: "response follows in SMS-SUBMIT",
    0x0C: "response follows in USSD",
}


class Check(IntEnum):
    """Check over a packet: none, redundancy check, cryptographic checksum, digital signature (not supported)."""

    NONE = 0
    RC = 1
    CC = 2
    DS = 3


class CounterMode(IntEnum):
    """Counter rule of a command: absent, not checked, must be higher, must be one higher."""

    NONE = 0
    UNCHECKED = 1
    HIGHER = 2
    ONE_HIGHER = 3


class PoR(IntEnum):
    """When a proof of receipt is wanted: never, always, on error."""

    NEVER = 0
    ALWAYS = 1
    ON_ERROR = 2


# Indexing is several times faster than calling the enumeration, and every packet does it.
_CHECKS = tuple(Check)
_COUNTER_MODES = tuple(CounterMode)


@dataclass(frozen=True, slots=True)
class SPI:
    """Security parameter indicator, both bytes."""

    value: bytes

    @property
    def check(self) -> Check:
        """Check over the command."""
        return _CHECKS[self.value[0] & 0x03]

    @property
    def ciphered(self) -> bool:
        """Whether the command is ciphered."""
        return bool(self.value[0] & 0x04)

    @property
    def counter_mode(self) -> CounterMode:
        """Rule for the counter."""
        return _COUNTER_MODES[self.value[0] >> 3 & 0x03]

    @property
    def por(self) -> PoR:
        """When the card answers; 3 is reserved and read as never."""
        wanted = self.value[1] & 0x03
        return PoR(wanted) if wanted < 3 else PoR.NEVER

    @property
    def por_check(self) -> Check:
        """Check over the response."""
        return _CHECKS[self.value[1] >> 2 & 0x03]

    @property
    def por_ciphered(self) -> bool:
        """Whether the response is ciphered."""
        return bool(self.value[1] & 0x10)

    @property
    def por_by_submit(self) -> bool:
        """Response as SMS-SUBMIT (otherwise in the delivery report)."""
        return bool(self.value[1] & 0x20)

    def reaches(self, minimum: int) -> bool:
        """Whether byte 1 is at least as strong as `minimum` in check, ciphering and counter rule."""
        other = SPI(bytes((minimum, 0)))
        return (
            self.check >= other.check
            and self.ciphered >= other.ciphered
            and self.counter_mode >= other.counter_mode
        )


@dataclass(frozen=True, slots=True)
class CommandHeader:
    """Clear part of a command: `header` = CPL (CPI) to TAR as sent, `check_bytes` by CHL, `body` = the rest.

    `body` starts with the counter, ciphered if the SPI says so.
    """

    spi: SPI
    kic: int
    kid: int
    tar: bytes
    check_bytes: int
    header: bytes
    body: bytes

    @property
    def open_counter(self) -> int | None:
        """The counter, when the packet is not ciphered."""
        return None if self.spi.ciphered else int.from_bytes(self.body[:COUNTER_BYTES])


@dataclass(frozen=True, slots=True)
class ResponseHeader:
    """Clear part of a response: `header` = RPL (RPI) to TAR as sent, `check_bytes` by RHL, `body` = the rest.

    A response does not say whether it is ciphered, so `open_counter` and `open_status` are only what the bytes
    mean if it is not.
    """

    tar: bytes
    check_bytes: int
    header: bytes
    body: bytes

    @property
    def open_counter(self) -> int:
        """The counter if the packet is not ciphered."""
        return int.from_bytes(self.body[:COUNTER_BYTES])

    @property
    def open_status(self) -> int:
        """The status if the packet is not ciphered."""
        return self.body[COUNTER_BYTES + 1]


def _packet_length(packet: bytes, identifier: int, *, ber: bool) -> int:
    """Check identification and total length; the offset of CHL/RHL."""
    if not ber:
        if len(packet) < 2 or int.from_bytes(packet[:2]) != len(packet) - 2:
            raise _wrong_length()
        return 2
    if not packet or packet[0] != identifier:
        raise PeerError(f"identification {identifier:02X} missing", field="CPI/RPI", clause=CLAUSE)
    length, offset = tlv.read_length(packet, 1, clause=CLAUSE)
    if length != len(packet) - offset:
        raise _wrong_length()
    return offset


def _wrong_length() -> PeerError:
    return PeerError("packet length differs from the bytes present", field="CPL/RPL", clause=CLAUSE)


def _no_header_length() -> PeerError:
    return PeerError("header length missing", field="CHL/RHL", clause=CLAUSE)


def _wrong_header_length(length: int) -> PeerError:
    return PeerError(f"header length {length} does not fit", field="CHL/RHL", clause=CLAUSE)


def _header_length(packet: bytes, offset: int, least: int, *, ber: bool) -> tuple[int, int]:
    """CHL/RHL at `offset`: bytes of the check value, offset behind the length."""
    if ber:
        length, end = tlv.read_length(packet, offset, clause=CLAUSE)
    elif offset < len(packet):
        length, end = packet[offset], offset + 1
    else:
        raise _no_header_length()
    if length < least or end + length > len(packet):
        raise _wrong_header_length(length)
    return length - least, end


def peek_command(packet: bytes, *, ber: bool = False) -> CommandHeader:
    """The clear part of a command packet (from CPL or CPI on); PeerError when the lengths do not fit."""
    start = _packet_length(packet, _CPI, ber=ber)
    check_bytes, start = _header_length(packet, start, _COMMAND_HEADER + _COMMAND_INNER, ber=ber)
    end = start + _COMMAND_HEADER
    return CommandHeader(
        spi=SPI(packet[start : start + 2]),
        kic=packet[start + 2],
        kid=packet[start + 3],
        tar=packet[start + 4 : end],
        check_bytes=check_bytes,
        header=packet[:end],
        body=packet[end:],
    )


def cut_response(packet: bytes, *, ber: bool = False) -> tuple[int, int]:
    """Where the body of a response packet starts and how many bytes its check value has.

    TAR are the three bytes before the body. PeerError when the lengths do not fit.
    """
    if ber:
        start = _packet_length(packet, _RPI, ber=True)
        check_bytes, start = _header_length(packet, start, TAR_BYTES + _RESPONSE_INNER, ber=True)
        return start + TAR_BYTES, check_bytes
    size = len(packet)
    if size < 2 or (packet[0] << 8 | packet[1]) != size - 2:
        raise _wrong_length()
    if size < 3:
        raise _no_header_length()
    if (length := packet[2]) < TAR_BYTES + _RESPONSE_INNER or 3 + length > size:
        raise _wrong_header_length(length)
    return 3 + TAR_BYTES, length - TAR_BYTES - _RESPONSE_INNER


def peek_response(packet: bytes, *, ber: bool = False) -> ResponseHeader:
    """The clear part of a response packet (from RPL or RPI on); PeerError when the lengths do not fit."""
    body, check_bytes = cut_response(packet, ber=ber)
    return ResponseHeader(packet[body - TAR_BYTES : body], check_bytes, packet[:body], packet[body:])


def command_header(
    spi: bytes, kic: int, kid: int, tar: bytes, *, check_bytes: int, body_bytes: int, ber: bool = False
) -> bytes:
    """CPL (with CPI) to TAR for a body of `body_bytes` (counter to padding, check value included)."""
    if len(spi) != 2 or len(tar) != TAR_BYTES:
        raise ValueError("SPI has 2 bytes and TAR 3")
    fields = spi + bytes((kic, kid)) + tar
    return (
        _lengths(_CPI, _COMMAND_HEADER + _COMMAND_INNER + check_bytes, len(fields) + body_bytes, ber=ber) + fields
    )


def response_header(tar: bytes, *, check_bytes: int, body_bytes: int, ber: bool = False) -> bytes:
    """RPL (with RPI) to TAR for a body of `body_bytes`."""
    if len(tar) != TAR_BYTES:
        raise ValueError("TAR has 3 bytes")
    return _lengths(_RPI, TAR_BYTES + _RESPONSE_INNER + check_bytes, TAR_BYTES + body_bytes, ber=ber) + tar


def _lengths(identifier: int, header_length: int, rest: int, *, ber: bool) -> bytes:
    if ber:
        inner = tlv.encode_length(header_length)
        return bytes((identifier,)) + tlv.encode_length(len(inner) + rest) + inner
    total = 1 + rest
    if total > MAX_PACKET:
        raise ValueError(f"packet of {total} bytes, {MAX_PACKET} at most")
    return total.to_bytes(2) + bytes((header_length,))
