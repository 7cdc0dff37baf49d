"""Short messages: TPDUs and user data (3GPP TS 23.040 clause 9.2), reassembly of hostile parts (9.2.3.24.1)."""

from __future__ import annotations

from ferryman.codec.smpp.messages import DataSM, DeliverSM
from ferryman.codec.smpp.pdu import decode
from ferryman.codec.smpp.user_data import as_deliver
from ferryman.codec.sms_reassembly import Reassembler
from ferryman.codec.sms_tpdu import (
    SMSDeliver,
    SMSSubmit,
    encode_deliver,
    encode_submit,
    parse_deliver,
    parse_envelope,
    parse_send_sms,
    parse_submit,
    parse_user_data,
)
from ferryman.codec.sms_user_data import UserData, segment
from ferryman.errors import InputError, PeerError
from ferryman.transport_sms import incoming
from fuzz.engine import Harness
from fuzz.promises import declared, same

WORDS = (
    bytes.fromhex("027000"),
    bytes.fromhex("027100"),
    bytes.fromhex("0003010201"),
    bytes.fromhex("080400010201"),
    bytes.fromhex("0A9121436587"),
    bytes.fromhex("7FF6"),
    bytes.fromhex("D18202"),
    bytes.fromhex("82028381"),
    bytes.fromhex("8B"),
    b"\x40",
    b"\x41",
)


def check_tpdu(data: bytes) -> None:
    """Every reader of the module on the same octets; what was read is written and read back alike."""
    for unwrap in (parse_envelope, parse_send_sms):
        inner = declared(unwrap, data)
        if inner is not None:
            _tpdu(inner)
    _tpdu(data)


def _tpdu(data: bytes) -> None:
    deliver = declared(parse_deliver, data)
    if deliver is not None and _is_writable(deliver.dcs, deliver.originator):
        same(parse_deliver(encode_deliver(deliver)), _without_plan(deliver), "SMS-DELIVER")
    submit = declared(parse_submit, data)
    if submit is not None and _is_writable(submit.dcs, submit.destination):
        same(parse_submit(encode_submit(submit)), submit, "SMS-SUBMIT")
    for message in (deliver, submit):
        if isinstance(message, SMSDeliver | SMSSubmit) and message.udh:
            declared(parse_user_data, message.ud)


def _is_writable(dcs: int, number: str) -> bool:
    return dcs in (0x04, 0xF6) and number != "" and number.removeprefix("+") != ""


def _without_plan(message: SMSDeliver) -> SMSDeliver:
    """A TPDU is written with the plan E.164: the type of number is all that a text keeps."""
    international = message.originator.startswith("+")
    return SMSDeliver(
        message.originator,
        message.timestamp,
        message.ud,
        message.pid,
        message.dcs,
        message.udh,
        message.no_more_messages,
        0x91 if international else 0x81,
    )


def check_user_data(data: bytes) -> None:
    """A TP-UD; as a packet it is segmented and comes together again in any order."""
    declared(parse_user_data, data)
    if not data:
        return
    bits, max_ud = (8, 16)[data[0] & 1], 40 + data[0] % 101
    try:
        parts = segment(data, reference=data[0], reference_bits=bits, max_ud=max_ud)
    except (ValueError, InputError):
        return
    parts.sort(key=lambda part: part[-1:])
    pool = Reassembler()
    whole = [found for part in parts if (found := pool.add("1", parse_user_data(part), 0.0)) is not None]
    same(whole, [UserData(0x70, None, data)], "segments")
    same(pool.pending, 0, "unfinished messages")


MAX_WAITING, PER_SENDER = 32, 3


def check_reassembly(data: bytes) -> None:
    """A program of arrivals: sender, seconds passed, length, user data; limits hold after every step."""
    pool = Reassembler(expiry=60.0, per_sender=PER_SENDER, max_messages=MAX_WAITING)
    now, at = 0.0, 0
    while at + 3 <= len(data):
        sender, passed, size = data[at : at + 3]
        ud = data[at + 3 : at + 3 + size % 141]
        at += 3 + len(ud)
        now += passed
        try:
            part = parse_user_data(ud)
        except PeerError:
            continue
        whole = pool.add(str(sender % 48), part, now)
        if pool.pending > MAX_WAITING:
            raise AssertionError(f"{pool.pending} messages wait")
        if whole is not None:
            same(whole.concat, None, "concatenation of a whole message")
    pool.expire(now + 60.0)
    same(pool.pending, 0, "messages after their expiry")


def check_mo(data: bytes) -> None:
    """A deliver_sm of a card as the SMS module reads it, by its header or by sar parameters."""
    try:
        pdu = decode(len(data).to_bytes(4) + data[4:]) if len(data) >= 4 else None
    except PeerError:
        return
    if isinstance(pdu, DataSM):
        pdu = as_deliver(pdu)
    if isinstance(pdu, DeliverSM):
        read = declared(lambda _: incoming._read(pdu), data)
        if read is not None and read.concat is None and read.kind is None:
            raise AssertionError("a message that is neither a packet nor a part of one")


HARNESSES = (
    Harness(
        "sms_mo", check_mo, (*WORDS, *(bytes.fromhex(tag) for tag in ("0424", "020C0002", "020E0001", "020F0001")))
    ),
    Harness("sms_tpdu", check_tpdu, WORDS, 512),
    Harness("sms_user_data", check_user_data, WORDS, 2048),
    Harness("sms_reassembly", check_reassembly, WORDS),
)
