"""Delivery receipts, SMPP v3.4 appendix B and clauses 5.3.2.12, 5.3.2.31, 5.3.2.35.

A receipt comes in parameters, in a text, or in both; parameters win. SMSCs vary the text's keys in order
and case and leave some out, so nothing here is required and nothing raises: what cannot be read is None.
The text's last key quotes the message, that is somebody else's octets: no key is read after it once the
state is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final

from ferryman.codec.smpp.errors import SMPPError
from ferryman.codec.smpp.messages import DeliverSM
from ferryman.codec.smpp.times import receipt_date
from ferryman.codec.smpp.tlv import Tag, find_tlv
from ferryman.codec.smpp.user_data import ESM_UDHI, MessageType, message_type, user_data

MAX_RECEIPT_TEXT: Final = 1_024  # octets looked at: a full text has about 120 and quotes 20 of the message
_KEY: Final = re.compile(r"(?<!\S)(id|sub|dlvrd|submit date|done date|stat|err|text) ?:", re.IGNORECASE)


class MessageState(IntEnum):
    """message_state, clause 5.2.28."""

    ENROUTE = 1
    DELIVERED = 2
    EXPIRED = 3
    DELETED = 4
    UNDELIVERABLE = 5
    ACCEPTED = 6
    UNKNOWN = 7
    REJECTED = 8


_STATES: Final = {
    "ENROUTE": MessageState.ENROUTE,
    "DELIVRD": MessageState.DELIVERED,
    "EXPIRED": MessageState.EXPIRED,
    "DELETED": MessageState.DELETED,
    "UNDELIV": MessageState.UNDELIVERABLE,
    "ACCEPTD": MessageState.ACCEPTED,
    "UNKNOWN": MessageState.UNKNOWN,
    "REJECTD": MessageState.REJECTED,
    # Not of the standard, whose words have seven letters.
    "DELIVERED": MessageState.DELIVERED,
    "UNDELIVERED": MessageState.UNDELIVERABLE,
    "UNDELIVERABLE": MessageState.UNDELIVERABLE,
    "ACCEPTED": MessageState.ACCEPTED,
    "REJECTED": MessageState.REJECTED,
}
_NUMBERS: Final = frozenset(int(state) for state in MessageState)
_FINAL: Final = frozenset(MessageState) - {MessageState.ENROUTE, MessageState.ACCEPTED, MessageState.UNKNOWN}


@dataclass(frozen=True, slots=True)
class ReceiptText:
    """The text form: `sub` and `dlvrd` are counts, `stat` is in capitals, `err` and `id` stay texts."""

    id: str | None = None
    sub: int | None = None
    dlvrd: int | None = None
    submit_date: datetime | None = None
    done_date: datetime | None = None
    stat: str | None = None
    err: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says. Delivered means that the terminal took the message, not that the card did.

    `source` is the mobile's address (the destination of the message this is about), `destination` ours.
    `network_error` is network_type (1 octet) and error_code (2), as sent. `intermediate` says that more
    will follow.
    """

    message_id: str | None
    state: MessageState | None
    source: str
    destination: str
    intermediate: bool
    network_error: bytes | None
    text: ReceiptText

    @property
    def final(self) -> bool:
        """Whether the SMSC will do nothing more with the message."""
        return not self.intermediate and self.state in _FINAL


def parse_receipt_text(text: str) -> ReceiptText:
    """The fields of a receipt's text form, each None when missing or unreadable. Appendix B."""
    found: dict[str, str] = {}
    matches = list(_KEY.finditer(text))
    for number, match in enumerate(matches):
        key = match.group(1).lower()
        if key in found:
            continue
        if key == "text" and "stat" in found:
            found[key] = text[match.end() :]
            break
        end = matches[number + 1].start() if number + 1 < len(matches) else len(text)
        found[key] = text[match.end() : end].strip()
    stat = found.get("stat")
    return ReceiptText(
        id=found.get("id") or None,
        sub=_count(found.get("sub")),
        dlvrd=_count(found.get("dlvrd")),
        submit_date=receipt_date(found.get("submit date", "")),
        done_date=receipt_date(found.get("done date", "")),
        stat=stat.upper() if stat else None,
        err=found.get("err") or None,
        text=found.get("text"),
    )


def is_receipt(pdu: DeliverSM) -> bool:
    """Whether esm_class marks a delivery receipt or an intermediate notification.

    Some SMSCs leave the mark out. Then receipted_message_id says so, which no mobile can send; a text alone does
    not, because anybody can write one.
    """
    kind = message_type(pdu.esm_class)
    if kind is MessageType.MESSAGE and not pdu.esm_class & ESM_UDHI:
        return find_tlv(pdu.tlvs, Tag.RECEIPTED_MESSAGE_ID) is not None
    return kind in (MessageType.DELIVERY_RECEIPT, MessageType.INTERMEDIATE_NOTIFICATION)


def parse_receipt(pdu: DeliverSM) -> Receipt:
    """The receipt in a deliver_sm for which `is_receipt` holds. Never raises."""
    text = parse_receipt_text(_text_of(pdu))
    named = find_tlv(pdu.tlvs, Tag.RECEIPTED_MESSAGE_ID)
    state = find_tlv(pdu.tlvs, Tag.MESSAGE_STATE)
    return Receipt(
        message_id=(named.partition(b"\0")[0].decode("latin-1") if named else None) or text.id,
        state=_state(state, text.stat),
        source=pdu.source_addr,
        destination=pdu.destination_addr,
        intermediate=message_type(pdu.esm_class) is MessageType.INTERMEDIATE_NOTIFICATION,
        network_error=find_tlv(pdu.tlvs, Tag.NETWORK_ERROR_CODE),
        text=text,
    )


def message_id_forms(message_id: str) -> tuple[str, ...]:
    """The texts under which the same message may be known, the likeliest first, without repeats.

    Some SMSCs give a number in hexadecimal in submit_sm_resp and in decimal in the receipt, or the other
    way round, with or without leading zeros. Take the first form that names a message that is waiting for
    a receipt from this address; a form alone proves nothing.
    """
    forms = [message_id, message_id.upper(), message_id.lower()]
    bare = message_id.lstrip("0") or "0"
    forms += [bare.upper(), bare.lower()]
    if bare.isascii() and len(bare) <= _MAX_NUMBER_DIGITS:
        if bare.isdecimal():
            forms += [f"{bare:0>10}", f"{int(bare):x}", f"{int(bare):X}", f"{int(bare):08x}", f"{int(bare):08X}"]
        if all(character in "0123456789abcdefABCDEF" for character in bare):
            forms += [f"{bare.lower():0>8}", f"{bare.upper():0>8}", str(int(bare, 16)), f"{int(bare, 16):010}"]
    return tuple(dict.fromkeys(forms))


_FIRST_LETTER: Final = 0x20  # octets below are control characters, or the length of a header
_MAX_NUMBER_DIGITS: Final = 20  # digits of a 64-bit number; longer ids are no counters


def _text_of(pdu: DeliverSM) -> str:
    """The text, without what some SMSCs put round it: a closing NUL, UCS-2, the header of the part it is about."""
    try:
        octets = user_data(pdu)
    except SMPPError:
        octets = pdu.short_message
    if pdu.esm_class & ESM_UDHI and octets and octets[0] < _FIRST_LETTER:
        octets = octets[1 + octets[0] :]
    return octets[:MAX_RECEIPT_TEXT].replace(b"\0", b"").decode("latin-1")


def _state(parameter: bytes | None, stat: str | None) -> MessageState | None:
    if parameter is not None and len(parameter) == 1:
        return MessageState(parameter[0]) if parameter[0] in _NUMBERS else MessageState.UNKNOWN
    if stat is None:
        return None
    return _STATES.get(stat, MessageState.UNKNOWN)


def _count(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= 3 else None
