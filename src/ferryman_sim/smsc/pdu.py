"""SMPP 3.4 clauses 3 to 5: PDUs and their framing, written for the SMSC's end.

Bodies are tables of fields (`ota-transports.md` 5.6). C-strings are `str` (Latin-1), octets `int`, the short
message `bytes`. Optional parameters keep their order and are kept when unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

HEADER = 16
# Largest PDU taken: a message_payload alone may have 65535 bytes; what is longer is a lost frame boundary.
LARGEST_PDU = 70_000
RESPONSE = 0x80000000

OK = 0x00
INVALID_MESSAGE_LENGTH = 0x01
INVALID_COMMAND_LENGTH = 0x02
INVALID_COMMAND_ID = 0x03
INVALID_BIND_STATUS = 0x04
ALREADY_BOUND = 0x05
SYSTEM_ERROR = 0x08
INVALID_SOURCE = 0x0A
INVALID_DESTINATION = 0x0B
INVALID_MESSAGE_ID = 0x0C
BIND_FAILED = 0x0D
INVALID_PASSWORD = 0x0E
INVALID_SYSTEM_ID = 0x0F
CANCEL_FAILED = 0x11
QUEUE_FULL = 0x14
THROTTLED = 0x58
INVALID_EXPIRY = 0x62
QUERY_FAILED = 0x67
INVALID_OPTIONAL_PARAMETER = 0xC4

TLV_RECEIPTED_MESSAGE_ID = 0x001E
TLV_SC_INTERFACE_VERSION = 0x0210
TLV_SAR_REFERENCE = 0x020C
TLV_SAR_TOTAL = 0x020E
TLV_SAR_NUMBER = 0x020F
TLV_NETWORK_ERROR = 0x0423
TLV_MESSAGE_PAYLOAD = 0x0424
TLV_MESSAGE_STATE = 0x0427

ESM_UDHI = 0x40
ESM_RECEIPT = 0x04

type Value = str | int | bytes
type Fields = dict[str, Value]

_OCTET: Final = 0
_MESSAGE: Final = -1  # sm_length and short_message

_BIND = (
    ("system_id", 16), ("password", 9), ("system_type", 13), ("interface_version", _OCTET),
    ("addr_ton", _OCTET), ("addr_npi", _OCTET), ("address_range", 41),
)  # fmt: skip
_SHORT = 21  # address size of submit_sm and deliver_sm, NUL included
_LONG = 65


def _party(prefix: str, name: str, size: int) -> tuple[tuple[str, int], ...]:
    return ((f"{prefix}_addr_ton", _OCTET), (f"{prefix}_addr_npi", _OCTET), (name, size))


_SUBMIT = (
    ("service_type", 6), *_party("source", "source_addr", _SHORT), *_party("dest", "destination_addr", _SHORT),
    ("esm_class", _OCTET), ("protocol_id", _OCTET), ("priority_flag", _OCTET), ("schedule_delivery_time", 17),
    ("validity_period", 17), ("registered_delivery", _OCTET), ("replace_if_present_flag", _OCTET),
    ("data_coding", _OCTET), ("sm_default_msg_id", _OCTET), ("short_message", _MESSAGE),
)  # fmt: skip
_DATA = (
    ("service_type", 6), *_party("source", "source_addr", _LONG), *_party("dest", "destination_addr", _LONG),
    ("esm_class", _OCTET), ("registered_delivery", _OCTET), ("data_coding", _OCTET),
)  # fmt: skip
_CANCEL = (
    ("service_type", 6), ("message_id", _LONG), *_party("source", "source_addr", _SHORT),
    *_party("dest", "destination_addr", _SHORT),
)  # fmt: skip
_REPLACE = (
    ("message_id", _LONG), *_party("source", "source_addr", _SHORT), ("schedule_delivery_time", 17),
    ("validity_period", 17), ("registered_delivery", _OCTET), ("sm_default_msg_id", _OCTET),
    ("short_message", _MESSAGE),
)  # fmt: skip
_QUERY_ANSWER = (("message_id", _LONG), ("final_date", 17), ("message_state", _OCTET), ("error_code", _OCTET))
_IDENTIFIER = (("message_id", _LONG),)
_NOTHING: tuple[tuple[str, int], ...] = ()

BODIES: dict[str, tuple[int, tuple[tuple[str, int], ...]]] = {
    "generic_nack": (0x80000000, _NOTHING),
    "bind_receiver": (0x01, _BIND),
    "bind_transmitter": (0x02, _BIND),
    "query_sm": (0x03, (*_IDENTIFIER, *_party("source", "source_addr", _SHORT))),
    "submit_sm": (0x04, _SUBMIT),
    "deliver_sm": (0x05, _SUBMIT),
    "unbind": (0x06, _NOTHING),
    "replace_sm": (0x07, _REPLACE),
    "cancel_sm": (0x08, _CANCEL),
    "bind_transceiver": (0x09, _BIND),
    "outbind": (0x0B, (("system_id", 16), ("password", 9))),
    "enquire_link": (0x15, _NOTHING),
    "alert_notification": (0x102, (*_party("source", "source_addr", _LONG), *_party("esme", "esme_addr", _LONG))),
    "data_sm": (0x103, _DATA),
    "bind_receiver_resp": (0x80000001, (("system_id", 16),)),
    "bind_transmitter_resp": (0x80000002, (("system_id", 16),)),
    "query_sm_resp": (0x80000003, _QUERY_ANSWER),
    "submit_sm_resp": (0x80000004, _IDENTIFIER),
    "deliver_sm_resp": (0x80000005, _IDENTIFIER),
    "unbind_resp": (0x80000006, _NOTHING),
    "replace_sm_resp": (0x80000007, _NOTHING),
    "cancel_sm_resp": (0x80000008, _NOTHING),
    "bind_transceiver_resp": (0x80000009, (("system_id", 16),)),
    "enquire_link_resp": (0x80000015, _NOTHING),
    "data_sm_resp": (0x80000103, _IDENTIFIER),
}
_NAMES = {number: name for name, (number, _) in BODIES.items()}


class FrameError(Exception):
    """The byte stream has no PDU boundaries any more: the connection has to be closed."""


class PduError(Exception):
    """One PDU is no good; the stream goes on. `status` is what to answer, `sequence` whom."""

    def __init__(self, command_id: int, sequence: int, status: int, reason: str) -> None:
        super().__init__(reason)
        self.command_id = command_id
        self.sequence = sequence
        self.status = status


@dataclass(frozen=True, slots=True)
class Pdu:
    """One PDU; `body_omitted` marks a response that came, or shall go, without any body."""

    command: str
    status: int = OK
    sequence: int = 1
    fields: Fields = field(default_factory=dict)
    tlvs: tuple[tuple[int, bytes], ...] = ()
    body_omitted: bool = False

    def text(self, name: str) -> str:
        """A C-string field, empty when the body was omitted."""
        return str(self.fields.get(name, ""))

    def number(self, name: str) -> int:
        """An octet field."""
        value = self.fields.get(name, 0)
        return value if isinstance(value, int) else 0

    def octets(self, name: str) -> bytes:
        """A byte string field."""
        value = self.fields.get(name, b"")
        return value if isinstance(value, bytes) else b""

    def tlv(self, tag: int) -> bytes | None:
        """The first optional parameter with `tag`."""
        return next((value for found, value in self.tlvs if found == tag), None)

    def reply(self, status: int = OK, fields: Fields | None = None) -> Pdu:
        """The response to this request; an error is answered without a body."""
        name = f"{self.command}_resp"
        return Pdu(name, status, self.sequence, fields or {}, body_omitted=status != OK)


def encode(pdu: Pdu) -> bytes:
    """The bytes of a PDU. Raises ValueError for a value that does not fit its field."""
    command_id, table = BODIES[pdu.command]
    body = b"" if pdu.body_omitted else b"".join(_encode_field(pdu, name, kind) for name, kind in table)
    body += b"".join(tag.to_bytes(2) + len(value).to_bytes(2) + value for tag, value in pdu.tlvs)
    head = (HEADER + len(body), command_id, pdu.status, pdu.sequence)
    return b"".join(number.to_bytes(4) for number in head) + body


def _encode_field(pdu: Pdu, name: str, kind: int) -> bytes:
    if kind == _OCTET:
        return pdu.number(name).to_bytes(1)
    if kind == _MESSAGE:
        message = pdu.octets(name)
        return len(message).to_bytes(1) + message
    text = pdu.text(name).encode("latin-1")
    if len(text) >= kind or b"\0" in text:
        raise ValueError(f"{name} has at most {kind - 1} characters and no NUL")
    return text + b"\0"


class _Body:
    """Reads fields from a body; every failure becomes a PduError for this PDU."""

    def __init__(self, data: bytes, command_id: int, sequence: int) -> None:
        self._data = data
        self._at = 0
        self._command_id = command_id
        self._sequence = sequence

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def fail(self, reason: str, status: int = INVALID_COMMAND_LENGTH) -> PduError:
        return PduError(self._command_id, self._sequence, status, reason)

    def take(self, size: int, what: str, status: int = INVALID_COMMAND_LENGTH) -> bytes:
        if size > self.left:
            raise self.fail(f"{what} runs over the end of the PDU", status)
        self._at += size
        return self._data[self._at - size : self._at]

    def text(self, name: str, limit: int) -> str:
        end = self._data.find(b"\0", self._at, self._at + limit)
        if end < 0:
            raise self.fail(f"{name} has no NUL within {limit} bytes")
        raw = self.take(end - self._at, name)
        self._at += 1
        return raw.decode("latin-1")

    def field(self, name: str, kind: int) -> Value:
        if kind == _OCTET:
            return self.take(1, name)[0]
        if kind == _MESSAGE:
            return self.take(self.take(1, "sm_length")[0], name, INVALID_MESSAGE_LENGTH)
        return self.text(name, kind)

    def tlvs(self) -> tuple[tuple[int, bytes], ...]:
        found = []
        while self.left:
            tag = int.from_bytes(self.take(2, "a parameter tag"))
            size = int.from_bytes(self.take(2, "a parameter length"))
            found.append((tag, self.take(size, f"parameter {tag:04x}")))
        return tuple(found)


def decode(data: bytes) -> Pdu:
    """The PDU of one whole frame. Raises PduError (recoverable), also for unknown commands."""
    if len(data) < HEADER:
        raise FrameError("shorter than a header")
    _, command_id, status, sequence = (int.from_bytes(data[i : i + 4]) for i in range(0, HEADER, 4))
    name = _NAMES.get(command_id)
    if name is None:
        raise PduError(command_id, sequence, INVALID_COMMAND_ID, f"unknown command {command_id:08x}")
    table = BODIES[name][1]
    body = _Body(data[HEADER:], command_id, sequence)
    if command_id & RESPONSE and not body.left:
        return Pdu(name, status, sequence, body_omitted=bool(table))
    fields = {field_name: body.field(field_name, kind) for field_name, kind in table}
    return Pdu(name, status, sequence, fields, body.tlvs())


class Framer:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The frames completed by `data`. Raises FrameError when a length cannot be right."""
        self._buffer += data
        frames = []
        while len(self._buffer) >= 4:
            size = int.from_bytes(self._buffer[:4])
            if not HEADER <= size <= LARGEST_PDU:
                raise FrameError(f"command_length {size:#x}")
            if len(self._buffer) < size:
                break
            frames.append(self._buffer[:size])
            self._buffer = self._buffer[size:]
        return frames
