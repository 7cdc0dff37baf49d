"""Remote APDU format: expanded and compact scripts, PUSH, ES3 data (ETSI TS 102 226 5.2, 5.3, 8.3; SGP.02 5.4.4).

Commands go into a template AA (definite) or AE 80 .. 00 00 (indefinite length), answers come in AB or AF. The card
answers in the length form of the command; on reading both forms are taken under both tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ferryman.codec import tlv
from ferryman.codec.admin_trigger import (
    Trigger,
    build_session_parameters,
    build_trigger,
    encode_trigger,
    parse_trigger,
)
from ferryman.codec.apdu import CommandAPDU, ResponseAPDU
from ferryman.errors import PeerError

__all__ = [
    "BAD_FORMAT",
    "CHAIN_FIRST",
    "CHAIN_FIRST_KEEP",
    "CHAIN_LAST",
    "CHAIN_MORE",
    "CompactResponse",
    "ResponseScript",
    "Trigger",
    "build_command_script",
    "build_session_parameters",
    "build_trigger",
    "c_apdu",
    "encode_compact",
    "encode_trigger",
    "parse_compact_response",
    "parse_response_script",
    "parse_trigger",
    "push",
    "split_data",
]

_CLAUSE = "ETSI TS 102 226 5.2"
_CLAUSE_DATA = "SGP.02 3.2 5.4.4"

# Script chaining (tag 83): first script, state dropped or kept at a reset; following ones; the last one.
CHAIN_FIRST, CHAIN_FIRST_KEEP, CHAIN_MORE, CHAIN_LAST = 0x01, 0x11, 0x02, 0x03
_CHAINING = (CHAIN_FIRST, CHAIN_FIRST_KEEP, CHAIN_MORE, CHAIN_LAST)

BAD_FORMAT = {1: "unknown tag", 2: "wrong length", 3: "length not found"}
IMMEDIATE_ACTION_ERROR = {1: "suspension error"}
CHAINING_ERROR = {1: "no previous script", 2: "not supported", 3: "unable to process"}

_EOC = b"\x00\x00"
_EXECUTED, _IMMEDIATE, _CHAIN, _BAD_FORMAT = 0x80, 0x81, 0x83, 0x90
_ANSWER_TAGS = frozenset((0x23, 0x84, 0x85, 0x86, 0x87, 0x88, 0x9F44, 0x9F45, 0x9F46))
_DATA_TAGS = frozenset((0x22, 0x84, 0x85, 0x86, 0x87, 0x88))
# INITIALIZE UPDATE of SCP03t: `84 0A`; any other 84 opens a bare APDU with class byte 84.
_SCP03T_START = b"\x84\x0a"
# Commands of one SendData; 65 kB of bare APDUs hold more only when they carry next to nothing.
MAX_BARE_APDUS = 256


@dataclass(frozen=True, slots=True)
class ResponseScript:
    """A response template: every object but the `80` in order, the count of `80`, and the error codes if any."""

    tlvs: tuple[tlv.TLV, ...]
    executed: int | None
    bad_format: int | None
    chaining_error: int | None
    immediate_action_error: int | None = None

    @property
    def r_apdus(self) -> tuple[ResponseAPDU, ...]:
        """The `23` objects as data and status word; PeerError for one shorter than a status word."""
        return tuple(ResponseAPDU.parse(item.value) for item in self.tlvs if item.tag == 0x23)


@dataclass(frozen=True, slots=True)
class CompactResponse:
    """Answer in the compact format: number of executed commands, last status word, last response data."""

    executed: int
    sw: int
    data: bytes


def c_apdu(apdu: bytes) -> bytes:
    """`22` with one C-APDU."""
    return tlv.encode(0x22, apdu)


def build_command_script(
    tlvs: Sequence[bytes],
    *,
    indefinite: bool,
    chaining: int | None = None,
    immediate_action: bytes | None = None,
    error_action: bytes | None = None,
) -> bytes:
    """A command template around whole objects (`22`, SCP03t `84`..`88`).

    `chaining` is 01, 11, 02 or 03 (8.1) and comes first; `error_action` b"" asks for no action. ValueError else.
    """
    body = b""
    if chaining is not None:
        if chaining not in _CHAINING:
            raise ValueError(f"script chaining {chaining:#04x}")
        body += tlv.encode(_CHAIN, bytes((chaining,)))
    if immediate_action is not None:
        body += tlv.encode(0x81, immediate_action)
    if error_action is not None:
        body += tlv.encode(0x82, error_action)
    body += b"".join(tlvs)
    return b"\xae\x80" + body + _EOC if indefinite else tlv.encode(0xAA, body)


def _template_objects(data: bytes) -> list[tlv.TLV]:
    if not data:
        raise PeerError("empty", field="response script", clause=_CLAUSE)
    if data[0] not in (0xAB, 0xAF):
        raise PeerError(f"tag {data[0]:02X} is no response template", field="offset 0", clause=_CLAUSE)
    if data[1:2] != b"\x80":
        return tlv.parse(tlv.parse_one(data, data[0], clause=_CLAUSE).value, clause=_CLAUSE)
    objects: list[tlv.TLV] = []
    offset = 2
    while data[offset : offset + 2] != _EOC:
        if offset >= len(data):
            raise PeerError("no end of contents", field=f"offset {offset}", clause=_CLAUSE)
        if len(objects) == tlv.MAX_OBJECTS:
            raise PeerError("too many objects", field=f"offset {offset}", clause=_CLAUSE)
        item, offset = tlv.read(data, offset, clause=_CLAUSE)
        objects.append(item)
    if offset + 2 != len(data):
        raise PeerError("bytes behind the end of contents", field=f"offset {offset + 2}", clause=_CLAUSE)
    return objects


def _one_byte(item: tlv.TLV) -> int:
    if len(item.value) != 1:
        raise PeerError(f"{len(item.value)} bytes, 1 expected", field=f"{item.tag:02X}", clause=_CLAUSE)
    return item.value[0]


def parse_response_script(data: bytes) -> ResponseScript:
    """A response template; fewer `23` than commands are fine, an object of unknown tag is a PeerError."""
    kept: list[tlv.TLV] = []
    executed: int | None = None
    errors: dict[int, int] = {}
    for item in _template_objects(data):
        if item.tag == _EXECUTED:
            if not 1 <= len(item.value) <= 2:
                raise PeerError(f"{len(item.value)} bytes", field="80", clause=_CLAUSE)
            executed = int.from_bytes(item.value)
            continue
        if item.tag in (_IMMEDIATE, _CHAIN, _BAD_FORMAT):
            errors[item.tag] = _one_byte(item)
        elif item.tag not in _ANSWER_TAGS:
            raise PeerError(f"unknown object {item.tag:02X}", field="response script", clause=_CLAUSE)
        elif item.tag == 0x23 and len(item.value) < 2:
            raise PeerError("shorter than a status word", field="23", clause=_CLAUSE)
        kept.append(item)
    return ResponseScript(
        tuple(kept), executed, errors.get(_BAD_FORMAT), errors.get(_CHAIN), errors.get(_IMMEDIATE)
    )


def split_data(data: bytes) -> list[bytes]:
    """The objects of ES3.SendData, ready for a script: a run of `22`, `84`..`88`, or bare APDUs put into `22`.

    A first byte 84 is SCP03t only when 0A follows; otherwise it is an APDU of class 84. PeerError when the bytes
    are neither.
    """
    if not data:
        raise PeerError("empty", field="Data", clause=_CLAUSE_DATA)
    starts_tlv = data[0] in _DATA_TAGS and (data[0] != 0x84 or data.startswith(_SCP03T_START))
    if not starts_tlv:
        return [c_apdu(command) for command in _bare_apdus(data)]
    objects = tlv.parse(data, clause=_CLAUSE_DATA)
    for item in objects:
        if item.tag not in _DATA_TAGS:
            raise PeerError(f"object {item.tag:02X} not allowed", field="Data", clause=_CLAUSE_DATA)
        if item.tag == 0x22 and len(item.value) < 4:
            raise PeerError("shorter than an APDU header", field="Data.22", clause=_CLAUSE_DATA)
    return [item.raw for item in objects]


def _bare_apdus(data: bytes) -> list[bytes]:
    try:
        CommandAPDU.parse(data)
    except PeerError:
        return _split_apdus(data)
    return [data]


def _split_apdus(data: bytes) -> list[bytes]:
    # Commands of SGP.02 and GlobalPlatform have bit 8 of the class byte set, so a 00 behind the data is always
    # Le and never the next class byte: a run of such commands can be cut without guessing.
    commands: list[bytes] = []
    offset = 0
    while offset < len(data):
        rest = data[offset:]
        if rest[0] & 0x80 == 0 or len(rest) < 5 or len(commands) == MAX_BARE_APDUS:
            raise PeerError("neither objects nor APDUs", field=f"Data offset {offset}", clause=_CLAUSE_DATA)
        end = 5 + rest[4]
        if end > len(rest):
            raise PeerError("APDU cut off", field=f"Data offset {offset}", clause=_CLAUSE_DATA)
        if rest[4] and rest[end : end + 1] == b"\x00":
            end += 1
        commands.append(rest[:end])
        offset += end
    return commands


def encode_compact(apdus: Sequence[bytes]) -> bytes:
    """The compact format (5.1): C-APDUs one after another; only the last may return data."""
    return b"".join(apdus)


def parse_compact_response(data: bytes) -> CompactResponse:
    """Number of commands, last status word, last data; PeerError below 3 bytes."""
    if len(data) < 3:
        raise PeerError(f"{len(data)} bytes, 3 at least", field="response", clause="ETSI TS 102 226 5.1")
    return CompactResponse(data[0], int.from_bytes(data[1:3]), data[3:])


def push(p2: int, tlvs: Sequence[bytes] = ()) -> bytes:
    """PUSH (8.3): 01 open channel, 02 CAT_TP link, 03 TCP connection, 04 identification; TS 102 223 objects."""
    return CommandAPDU(0x80, 0xEC, 0x01, p2, b"".join(tlvs)).encode()
