"""The PDUs of SMPP v3.4 clause 4 as frozen values.

Field names are the standard's. Texts are `str` of characters 00 to FF, one octet each, so that any octet a
peer puts into a C-string survives a round trip; numbers are one octet. `tlvs` follow every body.
`body_omitted` on a response says that nothing followed the header, which error answers (and some SMSCs
always) do; the body's fields then have their defaults. A password never shows in a repr.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from ferryman.codec.smpp.commands import CommandID
from ferryman.codec.smpp.tlv import TLV

INTERFACE_VERSION = 0x34  # SMPP v3.4


class PDU(msgspec.Struct, frozen=True, kw_only=True):
    """What every PDU has: sequence_number and command_status (each 0..FFFFFFFF) and optional parameters."""

    COMMAND: ClassVar[CommandID]

    sequence: int = 0
    status: int = 0
    tlvs: tuple[TLV, ...] = ()

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Every field but a password; tracebacks are printed with this one."""
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name != "password"]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"


class _Bind(PDU, frozen=True, kw_only=True):
    system_id: str = ""
    password: str = ""
    system_type: str = ""
    interface_version: int = INTERFACE_VERSION
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""


class BindReceiver(_Bind, frozen=True, kw_only=True):
    """Clause 4.1.3: bind for receiving only."""

    COMMAND = CommandID.BIND_RECEIVER


class BindTransmitter(_Bind, frozen=True, kw_only=True):
    """Clause 4.1.1: bind for sending only."""

    COMMAND = CommandID.BIND_TRANSMITTER


class BindTransceiver(_Bind, frozen=True, kw_only=True):
    """Clause 4.1.5: bind for both directions."""

    COMMAND = CommandID.BIND_TRANSCEIVER


class _BindResp(PDU, frozen=True, kw_only=True):
    system_id: str = ""
    body_omitted: bool = False


class BindReceiverResp(_BindResp, frozen=True, kw_only=True):
    """Clause 4.1.4."""

    COMMAND = CommandID.BIND_RECEIVER_RESP


class BindTransmitterResp(_BindResp, frozen=True, kw_only=True):
    """Clause 4.1.2."""

    COMMAND = CommandID.BIND_TRANSMITTER_RESP


class BindTransceiverResp(_BindResp, frozen=True, kw_only=True):
    """Clause 4.1.6."""

    COMMAND = CommandID.BIND_TRANSCEIVER_RESP


class Outbind(PDU, frozen=True, kw_only=True):
    """Clause 4.1.7: the SMSC asks a listening ESME to bind; it has no response."""

    COMMAND = CommandID.OUTBIND

    system_id: str = ""
    password: str = ""


class Unbind(PDU, frozen=True, kw_only=True):
    """Clause 4.2.1."""

    COMMAND = CommandID.UNBIND


class UnbindResp(PDU, frozen=True, kw_only=True):
    """Clause 4.2.2."""

    COMMAND = CommandID.UNBIND_RESP


class GenericNack(PDU, frozen=True, kw_only=True):
    """Clause 4.3.1: the answer to what could not be understood."""

    COMMAND = CommandID.GENERIC_NACK


class EnquireLink(PDU, frozen=True, kw_only=True):
    """Clause 4.11.1."""

    COMMAND = CommandID.ENQUIRE_LINK


class EnquireLinkResp(PDU, frozen=True, kw_only=True):
    """Clause 4.11.2."""

    COMMAND = CommandID.ENQUIRE_LINK_RESP


class _ShortMessage(PDU, frozen=True, kw_only=True):
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


class SubmitSM(_ShortMessage, frozen=True, kw_only=True):
    """Clause 4.4.1: a short message towards a mobile; `short_message` has at most 254 octets."""

    COMMAND = CommandID.SUBMIT_SM


class DeliverSM(_ShortMessage, frozen=True, kw_only=True):
    """Clause 4.6.1: a short message or a delivery receipt towards the ESME."""

    COMMAND = CommandID.DELIVER_SM


class _MessageIDResp(PDU, frozen=True, kw_only=True):
    message_id: str = ""
    body_omitted: bool = False


class SubmitSMResp(_MessageIDResp, frozen=True, kw_only=True):
    """Clause 4.4.2: `message_id` is the SMSC's name for the message, an opaque text."""

    COMMAND = CommandID.SUBMIT_SM_RESP


class DeliverSMResp(_MessageIDResp, frozen=True, kw_only=True):
    """Clause 4.6.2: `message_id` is unused and empty."""

    COMMAND = CommandID.DELIVER_SM_RESP


class DataSM(PDU, frozen=True, kw_only=True):
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


class DataSMResp(_MessageIDResp, frozen=True, kw_only=True):
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


class SubmitMulti(PDU, frozen=True, kw_only=True):
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


class SubmitMultiResp(_MessageIDResp, frozen=True, kw_only=True):
    """Clause 4.5.2."""

    COMMAND = CommandID.SUBMIT_MULTI_RESP

    unsuccessful: tuple[Unsuccessful, ...] = ()


class QuerySM(PDU, frozen=True, kw_only=True):
    """Clause 4.8.1."""

    COMMAND = CommandID.QUERY_SM

    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""


class QuerySMResp(_MessageIDResp, frozen=True, kw_only=True):
    """Clause 4.8.2."""

    COMMAND = CommandID.QUERY_SM_RESP

    final_date: str = ""
    message_state: int = 0
    error_code: int = 0


class CancelSM(PDU, frozen=True, kw_only=True):
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


class CancelSMResp(PDU, frozen=True, kw_only=True):
    """Clause 4.9.2."""

    COMMAND = CommandID.CANCEL_SM_RESP


class ReplaceSM(PDU, frozen=True, kw_only=True):
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


class ReplaceSMResp(PDU, frozen=True, kw_only=True):
    """Clause 4.10.2."""

    COMMAND = CommandID.REPLACE_SM_RESP


class AlertNotification(PDU, frozen=True, kw_only=True):
    """Clause 4.12.1: a mobile is reachable again; it has no response."""

    COMMAND = CommandID.ALERT_NOTIFICATION

    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    esme_addr_ton: int = 0
    esme_addr_npi: int = 0
    esme_addr: str = ""
