"""Octets of SMPP PDUs, SMPP v3.4 clauses 3.2 and 4: `encode` and `decode`.

One table gives the mandatory fields of every PDU in their order. What `decode` accepts, `encode` turns into
the same octets, except C-strings in responses that are longer than the standard allows (see `layout`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from struct import Struct
from typing import Any, Final

from ferryman.codec.smpp import messages as m
from ferryman.codec.smpp.commands import RESPONSE_BIT
from ferryman.codec.smpp.errors import FramingError, SMPPError, UnknownCommand
from ferryman.codec.smpp.layout import (
    MAX_RESPONSE_TEXT,
    Destinations,
    Octet,
    Octets,
    Part,
    ShortMessage,
    Text,
    UnsuccessfulList,
)
from ferryman.codec.smpp.tlv import decode_tlvs, encode_tlvs
from ferryman.errors import InputError

HEADER: Final = Struct(">IIII")
"""command_length, command_id, command_status, sequence_number."""
MIN_PDU: Final = HEADER.size
MAX_PDU: Final = 70_000  # octets: message_payload alone may have 65,535

_SHORT_MESSAGE: Final = (
    "service_type:6 source_addr_ton source_addr_npi source_addr:21 "
    "dest_addr_ton dest_addr_npi destination_addr:21 esm_class protocol_id priority_flag "
    "schedule_delivery_time:17 validity_period:17 registered_delivery replace_if_present_flag data_coding "
    "sm_default_msg_id short_message*"
)
_BIND: Final = "system_id:16 password:9 system_type:13 interface_version addr_ton addr_npi address_range:41"
_FIELDS: Final[dict[type[m.PDU], str]] = {
    m.BindReceiver: _BIND,
    m.BindTransmitter: _BIND,
    m.BindTransceiver: _BIND,
    m.BindReceiverResp: "system_id:16",
    m.BindTransmitterResp: "system_id:16",
    m.BindTransceiverResp: "system_id:16",
    m.Outbind: "system_id:16 password:9",
    m.Unbind: "",
    m.UnbindResp: "",
    m.GenericNack: "",
    m.EnquireLink: "",
    m.EnquireLinkResp: "",
    m.SubmitSM: _SHORT_MESSAGE,
    m.SubmitSMResp: "message_id:65",
    m.DeliverSM: _SHORT_MESSAGE,
    m.DeliverSMResp: "message_id:65",
    m.DataSM: (
        "service_type:6 source_addr_ton source_addr_npi source_addr:65 dest_addr_ton dest_addr_npi "
        "destination_addr:65 esm_class registered_delivery data_coding"
    ),
    m.DataSMResp: "message_id:65",
    m.SubmitMulti: (
        "service_type:6 source_addr_ton source_addr_npi source_addr:21 destinations* esm_class protocol_id "
        "priority_flag schedule_delivery_time:17 validity_period:17 registered_delivery "
        "replace_if_present_flag data_coding sm_default_msg_id short_message*"
    ),
    m.SubmitMultiResp: "message_id:65 unsuccessful*",
    m.QuerySM: "message_id:65 source_addr_ton source_addr_npi source_addr:21",
    m.QuerySMResp: "message_id:65 final_date:17 message_state error_code",
    m.CancelSM: (
        "service_type:6 message_id:65 source_addr_ton source_addr_npi source_addr:21 "
        "dest_addr_ton dest_addr_npi destination_addr:21"
    ),
    m.CancelSMResp: "",
    m.ReplaceSM: (
        "message_id:65 source_addr_ton source_addr_npi source_addr:21 schedule_delivery_time:17 "
        "validity_period:17 registered_delivery sm_default_msg_id short_message*"
    ),
    m.ReplaceSMResp: "",
    m.AlertNotification: (
        "source_addr_ton source_addr_npi source_addr:65 esme_addr_ton esme_addr_npi esme_addr:65"
    ),
}  # fmt: skip
"""The mandatory fields of each PDU: `name` one octet, `name:n` a C-string of at most n octets with its NUL,
`name*` a field with a layout of its own."""


@dataclass(frozen=True, slots=True)
class _Layout:
    command: int
    kind: type[m.PDU]
    parts: tuple[Part, ...]
    writers: tuple[tuple[Callable[[Any], bytes], Callable[[m.PDU], Any]], ...]
    """For each part, what turns its value into octets and what fetches the value from a PDU."""
    may_omit_body: bool


def _part(text: str, response: bool) -> Part:
    if text == "short_message*":
        return ShortMessage("short_message")
    if text == "destinations*":
        return Destinations("destinations", Text("destination_addr", 21, 21))
    if text == "unsuccessful*":
        return UnsuccessfulList("unsuccessful", Text("destination_addr", 21, MAX_RESPONSE_TEXT))
    name, _, size = text.partition(":")
    return Text(name, int(size), MAX_RESPONSE_TEXT if response else int(size))


def _parts(fields: str, response: bool) -> list[Part]:
    """The parts of a body; numbers side by side become one run."""
    parts: list[Part] = []
    for plain, group in groupby(fields.split(), str.isidentifier):
        if plain:
            names = tuple(group)
            parts.append(Octets(names) if len(names) > 1 else Octet(names[0]))
        else:
            parts.extend(_part(text, response) for text in group)
    return parts


def _layout(kind: type[m.PDU], fields: str) -> _Layout:
    parts = tuple(_parts(fields, bool(kind.COMMAND & RESPONSE_BIT)))
    writers = tuple(
        (part.write, attrgetter(*part.names) if isinstance(part, Octets) else attrgetter(part.name))
        for part in parts
    )
    return _Layout(int(kind.COMMAND), kind, parts, writers, "body_omitted" in kind.__struct_fields__)


_BY_KIND: Final = {kind: _layout(kind, fields) for kind, fields in _FIELDS.items()}
_BY_COMMAND: Final = {layout.command: layout for layout in _BY_KIND.values()}


_SERVICE_TYPE: Final = Text("service_type", 6, 6).write
_SOURCE: Final = Text("source_addr", 21, 21).write
_DESTINATION: Final = Text("destination_addr", 21, 21).write
_SCHEDULE: Final = Text("schedule_delivery_time", 17, 17).write
_VALIDITY: Final = Text("validity_period", 17, 17).write
_MESSAGE: Final = ShortMessage("short_message").write


def _write_submit(pdu: m.SubmitSM) -> list[bytes]:
    """What the table's writers give for a submit_sm, in two thirds of their time: it is nearly all we send."""
    try:
        return [
            _SERVICE_TYPE(pdu.service_type),
            bytes((pdu.source_addr_ton, pdu.source_addr_npi)),
            _SOURCE(pdu.source_addr),
            bytes((pdu.dest_addr_ton, pdu.dest_addr_npi)),
            _DESTINATION(pdu.destination_addr),
            bytes((pdu.esm_class, pdu.protocol_id, pdu.priority_flag)),
            _SCHEDULE(pdu.schedule_delivery_time),
            _VALIDITY(pdu.validity_period),
            bytes(
                (
                    pdu.registered_delivery,
                    pdu.replace_if_present_flag,
                    pdu.data_coding,
                    pdu.sm_default_msg_id,
                )
            ),
            _MESSAGE(pdu.short_message),
        ]
    except ValueError as error:
        raise InputError("submit_sm", "every number is one octet") from error


def encode(pdu: m.PDU, sequence: int | None = None) -> bytes:
    """The octets of a PDU, with `sequence` in place of its own sequence_number when given.

    Raises InputError when a field does not fit its place. Clause 3.2.
    """
    layout = _BY_KIND[type(pdu)]
    status = pdu.status
    if sequence is None:
        sequence = pdu.sequence
    if not (0 <= sequence <= 0xFFFFFFFF and 0 <= status <= 0xFFFFFFFF):
        raise InputError("sequence_number, command_status", "are four octets each")
    if layout.may_omit_body and getattr(pdu, "body_omitted", False):
        return HEADER.pack(MIN_PDU, layout.command, status, sequence)
    if isinstance(pdu, m.SubmitSM):
        body = _write_submit(pdu)
    else:
        body = [write(fetch(pdu)) for write, fetch in layout.writers]
    if pdu.tlvs:
        body.append(encode_tlvs(pdu.tlvs))
    octets = b"".join(body)
    length = MIN_PDU + len(octets)
    if length > MAX_PDU:
        raise InputError("PDU", f"has at most {MAX_PDU} octets")
    return HEADER.pack(length, layout.command, status, sequence) + octets


def decode(octets: bytes) -> m.PDU:
    """The one PDU that `octets` hold, to the last octet. Clauses 3.2 and 4.

    Raises FramingError when command_length is not the number of octets, UnknownCommand for an unknown
    command_id, SMPPError for a body that breaks its layout; never anything else.
    """
    if not MIN_PDU <= len(octets) <= MAX_PDU:
        raise FramingError(f"a PDU has {MIN_PDU} to {MAX_PDU} octets", field="command_length", clause="5.1.1")
    length, command, status, sequence = HEADER.unpack_from(octets)
    if length != len(octets):
        raise FramingError("is not the number of octets", field="command_length", clause="5.1.1")
    layout = _BY_COMMAND.get(command)
    if layout is None:
        raise UnknownCommand(f"{command:08X} is unknown", field="command_id", clause="5.1.2")
    values: dict[str, Any] = {}
    if length == MIN_PDU and layout.may_omit_body:
        values["body_omitted"] = True
        return layout.kind(sequence=sequence, status=status, **values)
    offset = MIN_PDU
    for part in layout.parts:
        value, offset = part.read(octets, offset)
        if isinstance(part, Octets):
            values.update(zip(part.names, value, strict=True))
        else:
            values[part.name] = value
    tlvs = decode_tlvs(octets, offset) if offset < length else ()
    return layout.kind(sequence=sequence, status=status, tlvs=tlvs, **values)


def decode_message_id(octets: bytes) -> str:
    """The message_id of a submit_sm_resp or data_sm_resp; refuses exactly what `decode` refuses.

    For the one PDU that comes a hundred thousand times a second: the usual form, nothing but a header and a
    text, is read without building a PDU.
    """
    end = octets.find(0, MIN_PDU, MIN_PDU + MAX_RESPONSE_TEXT)
    if end == len(octets) - 1 and int.from_bytes(octets[:4]) == len(octets):
        return octets[MIN_PDU:end].decode("latin-1")
    response = decode(octets)
    return response.message_id if isinstance(response, m.SubmitSMResp | m.DataSMResp) else ""


def response_to(command: int) -> int | None:
    """The command_id of the response to a request, or None when there is none (outbind, alert)."""
    response = command | RESPONSE_BIT
    return response if not command & RESPONSE_BIT and response in _BY_COMMAND else None


def encode_answer(command: int, status: int, sequence: int) -> bytes:
    """A response with no more than it must have: the answer to a deliver_sm or data_sm, an unbind, an
    enquire_link, or an error answer to anything. `command` is the request's command_id.

    What has no response of its own gets a generic_nack. On error the body is left out (clause 4, notes to
    the response PDUs); on success message_id is an empty text.
    """
    layout = _BY_COMMAND.get(command | RESPONSE_BIT)
    if layout is None or command & RESPONSE_BIT:
        layout = _BY_KIND[m.GenericNack]
    if status == 0 and layout.parts:
        return encode(layout.kind(sequence=sequence))
    return HEADER.pack(MIN_PDU, layout.command, status, sequence)


__all__ = [
    "HEADER",
    "MAX_PDU",
    "MIN_PDU",
    "SMPPError",
    "decode",
    "decode_message_id",
    "encode",
    "encode_answer",
    "response_to",
]
