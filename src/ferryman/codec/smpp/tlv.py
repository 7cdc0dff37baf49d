"""Optional parameters, SMPP v3.4 clauses 3.2.4 and 5.3: tag (2 octets), length (2), value.

Order, repeats and unknown tags are kept as they came, so that what was decoded encodes to the same octets.
Nothing here interprets a value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

from ferryman.codec.smpp.errors import SMPPError
from ferryman.codec.smpp.status import CommandStatus
from ferryman.errors import InputError

_HEADER: Final = Struct(">HH")
MAX_TLV_VALUE: Final = 0xFFFF  # octets: the length field has two octets
MAX_TLVS: Final = 256  # per PDU: a 70,000-octet PDU of empty TLVs would otherwise become 17,500 objects


class Tag(IntEnum):
    """Tags this platform reads or writes. Others travel as plain numbers."""

    QOS_TIME_TO_LIVE = 0x0017
    SOURCE_SUBADDRESS = 0x0202
    DEST_SUBADDRESS = 0x0203
    USER_MESSAGE_REFERENCE = 0x0204
    SOURCE_PORT = 0x020A
    DESTINATION_PORT = 0x020B
    SAR_MSG_REF_NUM = 0x020C
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    SC_INTERFACE_VERSION = 0x0210
    ADDITIONAL_STATUS_INFO_TEXT = 0x001D
    RECEIPTED_MESSAGE_ID = 0x001E
    MS_AVAILABILITY_STATUS = 0x0422
    NETWORK_ERROR_CODE = 0x0423
    MESSAGE_PAYLOAD = 0x0424
    DELIVERY_FAILURE_REASON = 0x0425
    MORE_MESSAGES_TO_SEND = 0x0426
    MESSAGE_STATE = 0x0427
    CONGESTION_STATE = 0x0428


@dataclass(frozen=True, slots=True)
class TLV:
    """One optional parameter: `tag` 0..FFFF, `value` of at most 65,535 octets."""

    tag: int
    value: bytes


def find_tlv(tlvs: Iterable[TLV], tag: int) -> bytes | None:
    """The value of the first parameter with this tag, or None."""
    for tlv in tlvs:
        if tlv.tag == tag:
            return tlv.value
    return None


def encode_tlvs(tlvs: Iterable[TLV]) -> bytes:
    """The octets of a run of parameters. Raises InputError when a tag or length does not fit."""
    parts: list[bytes] = []
    for tlv in tlvs:
        if not 0 <= tlv.tag <= 0xFFFF:
            raise InputError("tag", "an SMPP tag is 0 to FFFF")
        if len(tlv.value) > MAX_TLV_VALUE:
            raise InputError(f"TLV {tlv.tag:04X}", f"a value has at most {MAX_TLV_VALUE} octets")
        parts.append(_HEADER.pack(tlv.tag, len(tlv.value)))
        parts.append(tlv.value)
    return b"".join(parts)


def decode_tlvs(pdu: bytes, offset: int) -> tuple[TLV, ...]:
    """All parameters from `offset` to the end of `pdu`. Raises SMPPError when one runs over the end."""
    tlvs: list[TLV] = []
    end = len(pdu)
    while offset < end:
        if end - offset < _HEADER.size:
            raise _bad("octets left over that are no optional parameter")
        tag, length = _HEADER.unpack_from(pdu, offset)
        offset += _HEADER.size
        if length > end - offset:
            raise _bad(f"TLV {tag:04X} runs over the end of the PDU")
        if len(tlvs) == MAX_TLVS:
            raise _bad(f"more than {MAX_TLVS} optional parameters")
        tlvs.append(TLV(tag, pdu[offset : offset + length]))
        offset += length
    return tuple(tlvs)


def _bad(reason: str) -> SMPPError:
    return SMPPError(
        reason, field="optional parameters", clause="3.2.4", status=CommandStatus.INVALID_OPTIONAL_PART
    )
