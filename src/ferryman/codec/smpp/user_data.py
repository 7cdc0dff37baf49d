"""The user data of a short message and what its flags say, SMPP v3.4 clauses 5.2.12, 5.2.22 and 5.3.2.32."""

from __future__ import annotations

from enum import Enum
from typing import Final

from ferryman.codec.smpp.errors import SMPPError
from ferryman.codec.smpp.messages import DataSM, DeliverSM, SubmitSM
from ferryman.codec.smpp.status import CommandStatus
from ferryman.codec.smpp.tlv import Tag, find_tlv

ESM_UDHI: Final = 0x40
"""esm_class bit 6: the user data starts with a user data header (TS 23.040 clause 9.2.3.24)."""
_TYPE_MASK: Final = 0x3C


class MessageType(Enum):
    """esm_class bits 5 to 2 of a message from the SMSC."""

    MESSAGE = 0x00
    DELIVERY_RECEIPT = 0x04
    DELIVERY_ACKNOWLEDGEMENT = 0x08
    MANUAL_ACKNOWLEDGEMENT = 0x10
    CONVERSATION_ABORT = 0x18
    INTERMEDIATE_NOTIFICATION = 0x20
    RESERVED = -1


def message_type(esm_class: int) -> MessageType:
    """The message type of an esm_class; values without a meaning give RESERVED."""
    try:
        return MessageType(esm_class & _TYPE_MASK)
    except ValueError:
        return MessageType.RESERVED


def user_data(pdu: SubmitSM | DeliverSM | DataSM) -> bytes:
    """The user data, from short_message or from the parameter message_payload.

    Raises SMPPError (status C1) when both hold octets: which of them counts would be a guess.
    """
    payload = find_tlv(pdu.tlvs, Tag.MESSAGE_PAYLOAD)
    short = b"" if isinstance(pdu, DataSM) else pdu.short_message
    if payload is None:
        return short
    if payload and short:
        raise SMPPError(
            "short_message and message_payload both hold data", field="message_payload", clause="5.3.2.32",
            status=CommandStatus.OPTIONAL_PARAMETER_NOT_ALLOWED,
        )  # fmt: skip
    return payload or short


def as_deliver(pdu: DataSM) -> DeliverSM:
    """The deliver_sm that says the same as a data_sm from the SMSC; the text stays in message_payload."""
    return DeliverSM(
        sequence=pdu.sequence,
        status=pdu.status,
        tlvs=pdu.tlvs,
        service_type=pdu.service_type,
        source_addr_ton=pdu.source_addr_ton,
        source_addr_npi=pdu.source_addr_npi,
        source_addr=pdu.source_addr,
        dest_addr_ton=pdu.dest_addr_ton,
        dest_addr_npi=pdu.dest_addr_npi,
        destination_addr=pdu.destination_addr,
        esm_class=pdu.esm_class,
        registered_delivery=pdu.registered_delivery,
        data_coding=pdu.data_coding,
    )
