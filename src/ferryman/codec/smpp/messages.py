"""The PDUs of SMPP v3.4 clause 4 as frozen values.

Field names are the standard's. Texts are `str` of characters 00 to FF, one octet each, so that any octet a
peer puts into a C-string survives a round trip; numbers are one octet. `tlvs` follow every body.
`body_omitted` on a response says that nothing followed the header, which error answers (and some SMSCs
always) do; the body's fields then have their defaults. A password never shows in a repr.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ferryman.codec.smpp.commands import CommandID
from ferryman.codec.smpp.tlv import TLV

INTERFACE_VERSION = 0x34  # SMPP v3.4


@dataclass(frozen=True, slots=True, kw_only=True)
class PDU:
    """What every PDU has: sequence_number and command_status (each 0..FFFFFFFF) and optional parameters."""

    COMMAND: ClassVar[CommandID]

    sequence: int = 0
    status: int = 0
    tlvs: tuple[TLV, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bind(PDU):
    system_id: str = ""
    password: str = field(default="", repr=False)
    system_type: str = ""
    interface_version: int = INTERFACE_VERSION
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BindReceiver(_Bind):
    """Clause 4.1.3: bind for receiving only."""

    COMMAND = CommandID.BIND_RECEIVER


@dataclass(frozen=True, slots=True, kw_only=True)
class BindTransmitter(_Bind):
    """Clause 4.1.1: bind for sending only."""

    COMMAND = CommandID.BIND_TRANSMITTER


@dataclass(frozen=True, slots=True, kw_only=True)
class BindTransceiver(_Bind):
    """Clause 4.1.5: bind for both directions."""

    COMMAND = CommandID.BIND_TRANSCEIVER


@dataclass(frozen=True, slots=True, kw_only=True)
class _BindResp(PDU):
    system_id: str = ""
    body_omitted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BindReceiverResp(_BindResp):
    """Clause 4.1.4."""

    COMMAND = CommandID.BIND_RECEIVER_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class BindTransmitterResp(_BindResp):
    """Clause 4.1.2."""

    COMMAND = CommandID.BIND_TRANSMITTER_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class BindTransceiverResp(_BindResp):
    """Clause 4.1.6."""

    COMMAND = CommandID.BIND_TRANSCEIVER_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbind(PDU):
    """Clause 4.1.7: the SMSC asks a listening ESME to bind; it has no response."""

    COMMAND = CommandID.OUTBIND

    system_id: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbind(PDU):
    """Clause 4.2.1."""

    COMMAND = CommandID.UNBIND


@dataclass(frozen=True, slots=True, kw_only=True)
class UnbindResp(PDU):
    """Clause 4.2.2."""

    COMMAND = CommandID.UNBIND_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericNack(PDU):
    """Clause 4.3.1: the answer to what could not be understood."""

    COMMAND = CommandID.GENERIC_NACK


@dataclass(frozen=True, slots=True, kw_only=True)
class EnquireLink(PDU):
    """Clause 4.11.1."""

    COMMAND = CommandID.ENQUIRE_LINK


@dataclass(frozen=True, slots=True, kw_only=True)
class EnquireLinkResp(PDU):
    """Clause 4.11.2."""

    COMMAND = CommandID.ENQUIRE_LINK_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShortMessage(PDU):
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitSM(_ShortMessage):
    """Clause 4.4.1: a short message towards a mobile; `short_message` has at most 254 octets."""

    COMMAND = CommandID.SUBMIT_SM


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverSM(_ShortMessage):
    """Clause 4.6.1: a short message or a delivery receipt towards the ESME."""

    COMMAND = CommandID.DELIVER_SM


@dataclass(frozen=True, slots=True, kw_only=True)
class _MessageIDResp(PDU):
    message_id: str = ""
    body_omitted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitSMResp(_MessageIDResp):
    """Clause 4.4.2: `message_id` is the SMSC's name for the message, an opaque text."""

    COMMAND = CommandID.SUBMIT_SM_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverSMResp(_MessageIDResp):
    """Clause 4.6.2: `message_id` is unused and empty."""

    COMMAND = CommandID.DELIVER_SM_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSM(PDU):
    """Clause 4.7.1: like submit_sm or deliver_sm, the text in the parameter message_payload only."""

    COMMAND = CommandID.DATA_SM

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSMResp(_MessageIDResp):
    """Clause 4.7.2."""

    COMMAND = CommandID.DATA_SM_RESP


@dataclass(frozen=True, slots=True)
class SMEAddress:
    """A destination of submit_multi, clause 4.5.1.1 with dest_flag 01."""

    ton: int
    npi: int
    addr: str


@dataclass(frozen=True, slots=True)
class DistributionList:
    """A destination of submit_multi, clause 4.5.1.2 with dest_flag 02."""

    name: str


@dataclass(frozen=True, slots=True)
class Unsuccessful:
    """A destination that submit_multi could not reach, clause 4.5.3, with its own command_status."""

    ton: int
    npi: int
    addr: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitMulti(PDU):
    """Clause 4.5.1: one short message to at most 254 destinations."""

    COMMAND = CommandID.SUBMIT_MULTI

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    destinations: tuple[SMEAddress | DistributionList, ...] = ()
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitMultiResp(_MessageIDResp):
    """Clause 4.5.2."""

    COMMAND = CommandID.SUBMIT_MULTI_RESP

    unsuccessful: tuple[Unsuccessful, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySM(PDU):
    """Clause 4.8.1."""

    COMMAND = CommandID.QUERY_SM

    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySMResp(_MessageIDResp):
    """Clause 4.8.2."""

    COMMAND = CommandID.QUERY_SM_RESP

    final_date: str = ""
    message_state: int = 0
    error_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelSM(PDU):
    """Clause 4.9.1."""

    COMMAND = CommandID.CANCEL_SM

    service_type: str = ""
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelSMResp(PDU):
    """Clause 4.9.2."""

    COMMAND = CommandID.CANCEL_SM_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceSM(PDU):
    """Clause 4.10.1."""

    COMMAND = CommandID.REPLACE_SM

    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceSMResp(PDU):
    """Clause 4.10.2."""

    COMMAND = CommandID.REPLACE_SM_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertNotification(PDU):
    """Clause 4.12.1: a mobile is reachable again; it has no response."""

    COMMAND = CommandID.ALERT_NOTIFICATION

    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    esme_addr_ton: int = 0
    esme_addr_npi: int = 0
    esme_addr: str = ""
