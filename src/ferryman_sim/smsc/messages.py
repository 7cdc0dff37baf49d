"""SMPP 3.4 clauses 5.2.12 to 5.2.19 and 3GPP TS 23.040: what the centre stores about a short message."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from ferryman_sim.smsc import pdu as smpp
from ferryman_sim.smsc.pdu import Fields, Pdu

USER_DATA_LIMIT = 140  # bytes of TP-UD with 8-bit coding (TS 23.040 9.2.3.16)
# data_sm has no protocol_id; the accounts here are OTA accounts, set up for (U)SIM data download (TS 23.040
# 9.2.3.9).
DATA_SM_PROTOCOL_ID = 0x7F
DEFAULT_VALIDITY = 86_400.0  # seconds, when the ESME names none
_DAYS_A_YEAR, _DAYS_A_MONTH = 365, 30  # relative times count in these (SMPP 3.4 7.1.1 leaves it open)


class MessageState(enum.IntEnum):
    """message_state of receipts and queries (SMPP 3.4 5.2.28)."""

    ENROUTE = 1
    DELIVERED = 2
    EXPIRED = 3
    DELETED = 4
    UNDELIVERABLE = 5
    UNKNOWN = 7


RECEIPT_WORDS = {
    MessageState.DELIVERED: "DELIVRD",
    MessageState.EXPIRED: "EXPIRED",
    MessageState.DELETED: "DELETED",
    MessageState.UNDELIVERABLE: "UNDELIV",
    MessageState.UNKNOWN: "UNKNOWN",
}
_NETWORK_ERRORS = {MessageState.DELIVERED: 0, MessageState.EXPIRED: 27}  # 27: absent subscriber (TS 29.002)
_GSM_NETWORK = 3  # network type of network_error_code (SMPP 3.4 5.3.2.31)


class Refusal(Exception):
    """A submission the centre does not take; `status` answers it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"SMPP status {status:#x}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Address:
    """TON, NPI and number; numbers compare without their plus sign."""

    ton: int
    npi: int
    number: str

    @property
    def digits(self) -> str:
        """The number without a plus sign."""
        return self.number.removeprefix("+")


@dataclass(slots=True)
class ShortMessage:
    """A stored message; `expires` is loop time in seconds, `account` the submitting ESME's for receipts."""

    id: str
    source: Address
    destination: Address
    udhi: bool
    pid: int
    dcs: int
    ud: bytes
    expires: float
    submitted: datetime
    account: str = ""
    registered: int = 0
    state: MessageState = MessageState.ENROUTE

    @property
    def wants_receipt(self) -> bool:
        """Whether the final state is to be told (SMPP 3.4 5.2.17: 1 always, 2 on failure)."""
        kind = self.registered & 3
        return kind == 1 or (kind == 2 and self.state is not MessageState.DELIVERED)


def validity_seconds(text: str, now: datetime) -> float:
    """SMPP 3.4 7.1.1: seconds until `text` (relative or absolute) is over. Raises Refusal."""
    if not text:
        return DEFAULT_VALIDITY
    if len(text) != 16 or not text[:15].isdigit():
        raise Refusal(smpp.INVALID_EXPIRY)
    year, month, day, hour, minute, second = (int(text[i : i + 2]) for i in range(0, 12, 2))
    if text[15] == "R":
        days = year * _DAYS_A_YEAR + month * _DAYS_A_MONTH + day
        return timedelta(days=days, hours=hour, minutes=minute, seconds=second).total_seconds()
    if text[15] not in "+-":
        raise Refusal(smpp.INVALID_EXPIRY)
    quarters = int(text[13:15]) * (1 if text[15] == "+" else -1)
    try:
        zone = timezone(timedelta(minutes=15 * quarters))
        moment = datetime(2000 + year, month, day, hour, minute, second, int(text[12]) * 100_000, zone)
    except ValueError as error:
        raise Refusal(smpp.INVALID_EXPIRY) from error
    return (moment - now).total_seconds()


def user_data(pdu: Pdu) -> tuple[bool, bytes]:
    """UDHI and user data of a submission, sar parameters turned into a concatenation element. Raises Refusal."""
    payload, short = pdu.tlv(smpp.TLV_MESSAGE_PAYLOAD), pdu.octets("short_message")
    if payload is not None and short:
        raise Refusal(smpp.INVALID_OPTIONAL_PARAMETER)
    data = short if payload is None else payload
    udhi = bool(pdu.number("esm_class") & smpp.ESM_UDHI)
    sar = [pdu.tlv(tag) for tag in (smpp.TLV_SAR_REFERENCE, smpp.TLV_SAR_TOTAL, smpp.TLV_SAR_NUMBER)]
    if any(part is not None for part in sar):
        data, udhi = _concatenated(data, udhi, sar), True
    if udhi and (not data or data[0] >= len(data)):
        raise Refusal(smpp.INVALID_MESSAGE_LENGTH)
    if len(data) > USER_DATA_LIMIT:
        raise Refusal(smpp.INVALID_MESSAGE_LENGTH)
    return udhi, data


def _concatenated(data: bytes, udhi: bool, sar: list[bytes | None]) -> bytes:
    """TS 23.040 9.2.3.24.8: element 08 from the sar parameters, put behind the elements that are there."""
    reference, total, number = sar
    if reference is None or total is None or number is None:
        raise Refusal(smpp.INVALID_OPTIONAL_PARAMETER)
    if (len(reference), len(total), len(number)) != (2, 1, 1) or not 1 <= number[0] <= total[0]:
        raise Refusal(smpp.INVALID_OPTIONAL_PARAMETER)
    element = b"\x08\x04" + reference + total + number
    if not udhi:
        return bytes([len(element)]) + element + data
    if not data or data[0] >= len(data):
        raise Refusal(smpp.INVALID_MESSAGE_LENGTH)
    end = 1 + data[0]
    return bytes([data[0] + len(element)]) + data[1:end] + element + data[end:]


def submitted(pdu: Pdu, account: str, message_id: str, now: datetime, clock: float) -> ShortMessage:
    """The message of a submit_sm or data_sm. Raises Refusal."""
    udhi, data = user_data(pdu)
    is_data_sm = pdu.command == "data_sm"
    source, destination = pdu.text("source_addr"), pdu.text("destination_addr")
    return ShortMessage(
        id=message_id,
        source=Address(pdu.number("source_addr_ton"), pdu.number("source_addr_npi"), source),
        destination=Address(pdu.number("dest_addr_ton"), pdu.number("dest_addr_npi"), destination),
        udhi=udhi,
        pid=DATA_SM_PROTOCOL_ID if is_data_sm else pdu.number("protocol_id"),
        dcs=pdu.number("data_coding"),
        ud=data,
        expires=clock + validity_seconds(pdu.text("validity_period"), now),
        submitted=now,
        account=account,
        registered=pdu.number("registered_delivery"),
    )


def _parties(source: Address, destination: Address) -> Fields:
    return {
        "source_addr_ton": source.ton,
        "source_addr_npi": source.npi,
        "source_addr": source.number,
        "dest_addr_ton": destination.ton,
        "dest_addr_npi": destination.npi,
        "destination_addr": destination.number,
    }


def deliver_fields(message: ShortMessage) -> Fields:
    """The deliver_sm fields of a mobile-originated message."""
    return _parties(message.source, message.destination) | {
        "esm_class": smpp.ESM_UDHI if message.udhi else 0,
        "protocol_id": message.pid,
        "data_coding": message.dcs,
        "short_message": message.ud,
    }


def receipt(message: ShortMessage, done: datetime) -> tuple[Fields, tuple[tuple[int, bytes], ...]]:
    """The deliver_sm of a delivery receipt: text form and optional parameters (SMPP 3.4 appendix B)."""
    error = _NETWORK_ERRORS.get(message.state, 1)
    text = (
        f"id:{message.id} sub:001 dlvrd:{int(message.state is MessageState.DELIVERED):03d}"
        f" submit date:{_minute(message.submitted)} done date:{_minute(done)}"
        f" stat:{RECEIPT_WORDS[message.state]} err:{error:03d} text:"
    )
    fields = _parties(message.destination, message.source) | {
        "esm_class": smpp.ESM_RECEIPT,
        "short_message": text.encode("latin-1"),
    }
    tlvs = (
        (smpp.TLV_RECEIPTED_MESSAGE_ID, message.id.encode() + b"\0"),
        (smpp.TLV_MESSAGE_STATE, bytes([message.state])),
        (smpp.TLV_NETWORK_ERROR, bytes([_GSM_NETWORK]) + error.to_bytes(2)),
    )
    return fields, tlvs


def _minute(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%y%m%d%H%M")
