"""SMS-DELIVER and SMS-SUBMIT, their envelopes and the binding of secured packets (3GPP TS 23.040, TS 31.115).

Segmentation is in `sms_user_data`, reassembly in `sms_reassembly`; both are offered from here too.
"""

from __future__ import annotations

from dataclasses import dataclass

from ferryman.codec import sms_address as address
from ferryman.codec import tlv
from ferryman.codec.apdu import CommandAPDU
from ferryman.codec.sms_reassembly import Reassembler
from ferryman.codec.sms_user_data import MAX_UD, Concat, Kind, UserData, parse_user_data, segment
from ferryman.errors import PeerError

__all__ = [
    "DCS_CLASS_2",
    "MAX_UD",
    "PID_SIM_DOWNLOAD",
    "Concat",
    "Kind",
    "Reassembler",
    "SMSDeliver",
    "SMSSubmit",
    "UserData",
    "encode_deliver",
    "encode_submit",
    "envelope",
    "parse_deliver",
    "parse_envelope",
    "parse_send_sms",
    "parse_submit",
    "parse_user_data",
    "segment",
]

PID_SIM_DOWNLOAD = 0x7F  # (U)SIM data download
DCS_CLASS_2 = 0xF6  # 8-bit data, class 2: for the (U)SIM

_TYPE_DELIVER, _TYPE_SUBMIT, _TYPE_MASK = 0x00, 0x01, 0x03
_NO_MORE_MESSAGES, _UDHI, _VALIDITY_MASK = 0x04, 0x40, 0x18
_VALIDITY_BYTES = {0x00: 0, 0x10: 1, 0x08: 7, 0x18: 7}
_CLAUSE = "3GPP TS 23.040 9.2.2"
_CLAUSE_TOOLKIT = "ETSI TS 102 223 8"
_DEVICES_DOWNLOAD = bytes.fromhex("8381")  # network to UICC


@dataclass(frozen=True, slots=True)
class SMSDeliver:
    """Message to a card. `timestamp` is TP-SCTS as 7 raw bytes; `udh` says that `ud` starts with a header."""

    originator: str
    timestamp: bytes
    ud: bytes
    pid: int = PID_SIM_DOWNLOAD
    dcs: int = DCS_CLASS_2
    udh: bool = True
    no_more_messages: bool = True
    ton_npi: int = address.TON_NPI_INTERNATIONAL


@dataclass(frozen=True, slots=True)
class SMSSubmit:
    """Message from a card. `reference` is TP-MR, `validity` the raw validity period (0, 1 or 7 bytes)."""

    reference: int
    destination: str
    ud: bytes
    pid: int = 0x00
    dcs: int = DCS_CLASS_2
    udh: bool = True
    validity: bytes = b""


def encode_deliver(message: SMSDeliver) -> bytes:
    """The SMS-DELIVER TPDU; the type of address follows the text of the number, not `ton_npi`."""
    _check_ud(message.ud, message.dcs)
    if len(message.timestamp) != 7:
        raise ValueError("time stamp of 7 bytes expected")
    first = _TYPE_DELIVER | _NO_MORE_MESSAGES * message.no_more_messages | _UDHI * message.udh
    return (
        bytes((first,))
        + address.encode_counted(message.originator)
        + bytes((message.pid, message.dcs))
        + message.timestamp
        + bytes((len(message.ud),))
        + message.ud
    )


def encode_submit(message: SMSSubmit) -> bytes:
    """The SMS-SUBMIT TPDU; a validity period of 7 bytes is written as absolute."""
    _check_ud(message.ud, message.dcs)
    formats = {0: 0x00, 1: 0x10, 7: 0x18}
    if len(message.validity) not in formats:
        raise ValueError("validity period of 0, 1 or 7 bytes expected")
    first = _TYPE_SUBMIT | formats[len(message.validity)] | _UDHI * message.udh
    return (
        bytes((first, message.reference))
        + address.encode_counted(message.destination)
        + bytes((message.pid, message.dcs))
        + message.validity
        + bytes((len(message.ud),))
        + message.ud
    )


def _is_8_bit(dcs: int) -> bool:
    if dcs & 0xF0 == 0xF0:
        return bool(dcs & 0x04)
    return dcs & 0xC0 == 0 and dcs & 0x0C == 0x04


def _check_ud(ud: bytes, dcs: int) -> None:
    if not _is_8_bit(dcs):
        raise ValueError(f"data coding {dcs:02X} is not 8-bit")
    if len(ud) > MAX_UD:
        raise ValueError(f"{len(ud)} bytes of user data, {MAX_UD} at most")


def _read_ud(data: bytes, offset: int, dcs: int) -> bytes:
    if offset >= len(data):
        raise PeerError("length of the user data missing", field="TP-UDL", clause=_CLAUSE)
    # The length counts characters of 7 bits unless the data are 8-bit.
    size = data[offset] if _is_8_bit(dcs) or dcs & 0x0C == 0x08 else (data[offset] * 7 + 7) // 8
    ud = data[offset + 1 :]
    if len(ud) != size or size > MAX_UD:
        raise PeerError(f"{len(ud)} bytes where {size} are announced", field="TP-UDL", clause=_CLAUSE)
    return ud


def _require(data: bytes, size: int, field: str) -> None:
    if len(data) < size:
        raise PeerError("cut off", field=field, clause=_CLAUSE)


def parse_deliver(tpdu: bytes) -> SMSDeliver:
    """Read an SMS-DELIVER; PeerError for another type or broken lengths."""
    _require(tpdu, 1, "SMS-DELIVER")
    if tpdu[0] & _TYPE_MASK != _TYPE_DELIVER:
        raise PeerError("no SMS-DELIVER", field="TP-MTI", clause=_CLAUSE)
    originator, ton_npi, end = address.read_counted(tpdu, 1, field="TP-OA")
    _require(tpdu, end + 9, "SMS-DELIVER")
    pid, dcs = tpdu[end], tpdu[end + 1]
    return SMSDeliver(
        originator=originator,
        timestamp=tpdu[end + 2 : end + 9],
        ud=_read_ud(tpdu, end + 9, dcs),
        pid=pid,
        dcs=dcs,
        udh=bool(tpdu[0] & _UDHI),
        no_more_messages=bool(tpdu[0] & _NO_MORE_MESSAGES),
        ton_npi=ton_npi,
    )


def parse_submit(tpdu: bytes) -> SMSSubmit:
    """Read an SMS-SUBMIT; PeerError for another type or broken lengths."""
    _require(tpdu, 2, "SMS-SUBMIT")
    if tpdu[0] & _TYPE_MASK != _TYPE_SUBMIT:
        raise PeerError("no SMS-SUBMIT", field="TP-MTI", clause=_CLAUSE)
    destination, _, end = address.read_counted(tpdu, 2, field="TP-DA")
    validity_end = end + 2 + _VALIDITY_BYTES[tpdu[0] & _VALIDITY_MASK]
    _require(tpdu, validity_end, "SMS-SUBMIT")
    pid, dcs = tpdu[end], tpdu[end + 1]
    return SMSSubmit(
        reference=tpdu[1],
        destination=destination,
        ud=_read_ud(tpdu, validity_end, dcs),
        pid=pid,
        dcs=dcs,
        udh=bool(tpdu[0] & _UDHI),
        validity=tpdu[end + 2 : validity_end],
    )


def envelope(tpdu: bytes, *, sc_address: str | None = None) -> bytes:
    """ENVELOPE (SMS-PP download) as C-APDU: device identities, address of the service centre, TPDU."""
    content = tlv.encode(0x82, _DEVICES_DOWNLOAD)
    if sc_address is not None:
        content += tlv.encode(0x86, address.encode_uncounted(sc_address))
    content += tlv.encode(0x8B, tpdu)
    return CommandAPDU(0x80, 0xC2, 0x00, 0x00, tlv.encode(0xD1, content)).encode()


def _tpdu_inside(data: bytes, tag: int, field: str) -> bytes:
    objects = tlv.parse(tlv.parse_one(data, tag, clause=_CLAUSE_TOOLKIT).value, clause=_CLAUSE_TOOLKIT)
    found = tlv.find(objects, 0x8B, 0x0B)
    if found is None:
        raise PeerError("TPDU missing", field=field, clause=_CLAUSE_TOOLKIT)
    return found.value


def parse_envelope(data: bytes) -> bytes:
    """The TPDU of the `D1` object of an ENVELOPE."""
    return _tpdu_inside(data, 0xD1, "ENVELOPE")


def parse_send_sms(data: bytes) -> bytes:
    """The TPDU of a proactive SEND SHORT MESSAGE (`D0`)."""
    return _tpdu_inside(data, 0xD0, "SEND SHORT MESSAGE")
