"""The PDU that carries one part of a packet: submit_sm or data_sm, user data here or there, parts named by a
user data header or by sar parameters (SMPP v3.4 clauses 4.4, 4.7, 5.3.2.22 to 5.3.2.24, 5.3.2.32).

Packets are always cut for user data headers (`codec.sms_user_data.segment`). With sar parameters the SMSC puts
a concatenation element of the same length back, so the borders between parts do not depend on the form, and a
part can be sent again in another one.
"""

from __future__ import annotations

from copy import replace
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ferryman.codec.smpp import messages as m
from ferryman.codec.smpp.session import Request
from ferryman.codec.smpp.tlv import TLV, Tag
from ferryman.codec.smpp.user_data import ESM_UDHI
from ferryman.codec.sms_user_data import parse_user_data

MAX_SECONDS: Final = 0xFFFFFFFF  # qos_time_to_live has four octets, clause 5.3.2.9


class Submission(StrEnum):
    """The command that carries a part. data_sm has no protocol_id: the SMSC's account has to set 7F."""

    SUBMIT_SM = "submit_sm"
    DATA_SM = "data_sm"


class Concatenation(StrEnum):
    """How the parts of a packet are named."""

    UDH = "udh"
    SAR = "sar"


@dataclass(frozen=True, slots=True)
class Form:
    """`payload_parameter` puts the user data into message_payload; data_sm always does."""

    submission: Submission = Submission.SUBMIT_SM
    payload_parameter: bool = False
    concatenation: Concatenation = Concatenation.UDH


def apply(form: Form, plain: m.SubmitSM, validity: int) -> Request:
    """The same part in another form. `plain` holds the user data with its header; `validity` in seconds, 0 for
    the SMSC's own.

    Raises PeerError when `plain` is said to have a header (esm_class) and has none that can be read.
    """
    pdu = _sar(plain) if form.concatenation == Concatenation.SAR else plain
    if form.submission == Submission.DATA_SM:
        return _data(pdu, validity)
    if form.payload_parameter:
        return replace(pdu, short_message=b"", tlvs=(*pdu.tlvs, TLV(Tag.MESSAGE_PAYLOAD, pdu.short_message)))
    return pdu


def _sar(pdu: m.SubmitSM) -> m.SubmitSM:
    """The concatenation element out of the header and into parameters; a header left empty goes whole."""
    if not pdu.esm_class & ESM_UDHI:
        return pdu
    data = parse_user_data(pdu.short_message)
    if data.concat is None:
        return pdu
    concat = data.concat
    tlvs = (
        TLV(Tag.SAR_MSG_REF_NUM, concat.reference.to_bytes(2)),
        TLV(Tag.SAR_TOTAL_SEGMENTS, bytes((concat.total,))),
        TLV(Tag.SAR_SEGMENT_SEQNUM, bytes((concat.sequence,))),
    )
    if data.kind is None:
        return replace(pdu, esm_class=pdu.esm_class & ~ESM_UDHI, short_message=data.payload, tlvs=tlvs)
    return replace(pdu, short_message=bytes((2, data.kind, 0)) + data.payload, tlvs=tlvs)


def _data(pdu: m.SubmitSM, validity: int) -> m.DataSM:
    tlvs = (*pdu.tlvs, TLV(Tag.MESSAGE_PAYLOAD, pdu.short_message))
    if validity:
        tlvs += (TLV(Tag.QOS_TIME_TO_LIVE, min(validity, MAX_SECONDS).to_bytes(4)),)
    return m.DataSM(
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
        tlvs=tlvs,
    )
