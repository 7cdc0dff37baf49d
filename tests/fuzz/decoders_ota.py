"""Secured packets (ETSI TS 102 225), scripts' answers and triggers (TS 102 226), answers of the ISD-R (SGP.02)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ferryman.codec import euicc_response, isdr_answers, tlv
from ferryman.codec.admin_trigger import build_session_parameters, parse_trigger
from ferryman.codec.apdu import CommandAPDU, ResponseAPDU
from ferryman.codec.ota_packet import peek_command, peek_response
from ferryman.codec.ota_script import parse_compact_response, parse_response_script, split_data
from ferryman.secure import scp03, scp03t, scp80
from ferryman.secure.packet_cipher import AES_ONLY
from fuzz.engine import Harness
from fuzz.promises import declared, same, words

_KEY = bytes(range(16))


def _said(raw: bytes, *, dgi: bool) -> int:
    """The length that an object states."""
    if dgi:
        return raw[2] if raw[2] != 0xFF else int.from_bytes(raw[3:5])
    return tlv.read_length(raw, tlv.read_tag(raw, 0)[1])[0]


def check_tlv(data: bytes) -> None:
    """BER objects and data groupings: whole, as long as they say, the same when written in the shortest form."""
    for parse, encode in ((tlv.parse, tlv.encode), (tlv.parse_dgi, tlv.encode_dgi)):
        items = declared(parse, data) or []
        for item in items:
            same(item.raw.endswith(item.value), True, "value at the end of its object")
            same(_said(item.raw, dgi=parse is tlv.parse_dgi), len(item.value), "octets that were announced")
            [again] = parse(encode(item.tag, item.value))
            same((again.tag, again.value), (item.tag, item.value), "object written again")
            # Only the length may have been written longer than it has to be.
            same(len(item.raw) - len(again.raw) in (0, 1, 2, 3), True, "octets of the length")
            same(parse(item.raw), [item], "object alone")
        if items:
            same(b"".join(item.raw for item in items), data, "objects side by side")


def check_command(data: bytes) -> None:
    """A packet from a card, read as a command (notifications are commands), in both framings."""
    for ber in (False, True):
        declared(partial(peek_command, ber=ber), data)
        for minimum in (0x00, 0x02, 0x16):
            read = partial(scp80.unwrap_command, _KEY, _KEY, minimum_spi1=minimum, algorithms=AES_ONLY, ber=ber)
            command = declared(read, data)
            if command is not None:
                again = scp80.wrap_command(
                    _KEY,
                    _KEY,
                    spi=command.spi,
                    kic=command.kic,
                    kid=command.kid,
                    tar=command.tar,
                    counter=command.counter,
                    data=command.data,
                    ber=ber,
                )
                same(scp80.unwrap_command(_KEY, _KEY, again, minimum_spi1=minimum, ber=ber), command, "command")


def check_response(data: bytes) -> None:
    """A response to a command that asked for all, for a checksum only, and for no protection at all."""
    for ber in (False, True):
        declared(partial(peek_response, ber=ber), data)
        for spi2 in (0x39, 0x09, 0x01, 0x21):
            declared(partial(scp80.unwrap_response, _KEY, _KEY, spi2=spi2, kic=0x12, kid=0x12, ber=ber), data)


def check_script(data: bytes) -> None:
    """Response scripts, what ES3.SendData may carry, and APDUs."""
    script = declared(parse_response_script, data)
    if script is not None:
        for item in script.r_apdus:
            same(ResponseAPDU.parse(item.encode()), item, "R-APDU")
    declared(parse_compact_response, data)
    pieces = declared(split_data, data)
    if pieces:
        # Objects keep their octets; bare commands each go into an object of their own.
        whole = b"".join(pieces)
        same(
            whole == data or b"".join(tlv.read(piece, 0)[0].value for piece in pieces) == data,
            True,
            "no octet lost",
        )
    command = declared(CommandAPDU.parse, data)
    if command is not None:
        same(CommandAPDU.parse(command.encode()), command, "C-APDU")


def check_trigger(data: bytes) -> None:
    """Session triggers; one that was read is written with the same meaning."""
    trigger = declared(parse_trigger, data)
    if trigger is None:
        return
    try:
        again = build_session_parameters(trigger)
    except ValueError:
        # A card may be told less than a server would tell it, e.g. an identity without its key.
        return
    read = parse_trigger(tlv.encode(0x81, tlv.encode(0x83, again)))
    # A dot inside a label of the network access name cannot be told from one between two labels.
    same(replace(read, apn=None), replace(trigger, apn=None), "trigger")


def check_isdr_answer(data: bytes) -> None:
    """Everything the ISD-R answers and reports, and what its installer says."""
    for parse in (
        isdr_answers.parse_notification,
        isdr_answers.parse_status,
        isdr_answers.parse_card_resources,
        isdr_answers.parse_random_challenge,
        isdr_answers.parse_receipt,
        isdr_answers.parse_confirmation,
        scp03.parse_initialize_response,
    ):
        declared(parse, data)
    for tag in (0x7F21, 0x66, 0x5A):
        declared(partial(isdr_answers.parse_ecasd_data, tag=tag), data)
    response = declared(euicc_response.parse, data)
    if response is not None:
        euicc_response.describe(response)


_STATIC = scp03.StaticKeys(_KEY, _KEY)
_CHALLENGE, _ISDP = bytes(8), bytes.fromhex("A0000005591010FFFFFFFF8900001000")


def check_scp03t_answer(data: bytes) -> None:
    """What an eUICC answers to the objects 84, 85 and 86 of a download, error objects included."""
    start = partial(
        scp03t.check_initialize_response, _STATIC, host_challenge=_CHALLENGE, isdp_aid=_ISDP, sequence_counter=7
    )
    segment = partial(
        scp03t.unprotect_response,
        _STATIC,
        host_challenge=_CHALLENGE,
        sequence_counter=7,
        isdp_aid=_ISDP,
        segments=[b"\x86\x08" + bytes(8)],
        index=0,
    )
    for read in (
        lambda octets: start(response_84=octets),
        scp03t.check_authenticate_response,
        lambda octets: segment(response_86=octets),
    ):
        declared(read, data)


HARNESSES = (
    Harness("ber_tlv", check_tlv, words("7F21 9F44 1F81 8180 8200 830000 FF0100 1F 80 FF 5F37"), 512),
    Harness(
        "scp03t_answer", check_scp03t_answer, words("8420 8500 8600 8618 9F4401 9F4501 9F4601 0370 000007"), 256
    ),
    Harness("scp80_command", check_command, words("0015 1639 0200 0D 000001"), 512),
    Harness("scp80_response", check_response, words("0A 12 000001"), 512),
    Harness(
        "ota_script",
        check_script,
        words("AB80 AF80 AB AF 8001 23029000 0000 9F44 9F45 9F46 8301 9001 8101 22 840A 86 80E2 00A4"),
    ),
    Harness(
        "admin_trigger", check_trigger, words("81 83 84 85 86 89 8A 8B 8C 35 39 47 3C 3E21 3E57 25 A503"), 512
    ),
    Harness(
        "isdr_answer",
        check_isdr_answer,
        words("E1 4C10 4D01 4E02 2F10 1408 E3 4F10 9F7001 5301 8F04 9104 FF21 8204 BF30 7F21 8510 8610 30 A0")
        + words("800100 8101 8000"),
    ),
)
