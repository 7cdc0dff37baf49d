"""SCP03t framing on the ISD-P: TLVs 84, 85, 86 and their error answers (SGP.02 4.1.3.3; GlobalPlatform
Amendment D).

Pure framing and session work; what the plaintext of the 86 TLVs means is the business of `download`.
"""

from __future__ import annotations

from ferryman_sim.card import crypto
from ferryman_sim.card.scp03 import CHALLENGE, SECURITY_LEVEL, SecurityFailed, Session
from ferryman_sim.card.tlv import TLV, ber_length, tlv

INITIALIZE_UPDATE = 0x84
EXTERNAL_AUTHENTICATE = 0x85
SEGMENT = 0x86
ERROR_TAGS = {INITIALIZE_UPDATE: 0x9F44, EXTERNAL_AUTHENTICATE: 0x9F45, SEGMENT: 0x9F46}

ERROR_STRUCTURE = 0x01
ERROR_SECURITY = 0x02
ERROR_NO_KEYS = 0x03

MAX_SEGMENT_TLV = 1024
"""Whole 86 TLV with tag, length and MAC, bytes: the size every card must take; larger ones are refused."""

_INIT_LENGTH = 2 + CHALLENGE
_AUTH_LENGTH = 1 + CHALLENGE + crypto.SHORT_MAC


class ErrorAnswer(Exception):
    """The command ends with an error TLV; `code` is 01 structure, 02 security, 03 referenced data not found."""

    def __init__(self, code: int) -> None:
        super().__init__(f"SCP03t error {code:02X}")
        self.code = code


def read_initialize_update(command: TLV) -> tuple[int, bytes]:
    """TLV 84: returns (key version, host challenge). Raises ErrorAnswer."""
    value = command.value
    if len(value) != _INIT_LENGTH or value[1] != 0x00:
        raise ErrorAnswer(ERROR_STRUCTURE)
    return value[0], value[2:]


def external_authenticate(session: Session | None, command: TLV, *, level_code: int = ERROR_STRUCTURE) -> None:
    """TLV 85: authenticate the host in the session of 84. Raises ErrorAnswer, `level_code` for its level."""
    value = command.value
    if len(value) != _AUTH_LENGTH:
        raise ErrorAnswer(ERROR_STRUCTURE)
    if value[0] != SECURITY_LEVEL:
        raise ErrorAnswer(level_code)
    if session is None or session.authenticated:
        raise ErrorAnswer(ERROR_SECURITY)
    cryptogram, mac = value[1 : 1 + CHALLENGE], value[1 + CHALLENGE :]
    head = bytes([EXTERNAL_AUTHENTICATE, _AUTH_LENGTH, SECURITY_LEVEL])
    try:
        session.authenticate(head, cryptogram, mac)
    except SecurityFailed as error:
        raise ErrorAnswer(ERROR_SECURITY) from error


def open_segment(session: Session | None, command: TLV, *, limit: int = MAX_SEGMENT_TLV) -> bytes:
    """TLV 86: returns the plaintext of the segment. Raises ErrorAnswer."""
    value = command.value
    ciphered = len(value) - crypto.SHORT_MAC
    if len(command.raw) > limit or ciphered < crypto.BLOCK or ciphered % crypto.BLOCK:
        raise ErrorAnswer(ERROR_STRUCTURE)
    if session is None or not session.authenticated:
        raise ErrorAnswer(ERROR_SECURITY)
    session.counter += 1
    head = command.raw[: len(command.raw) - len(value)]
    try:
        session.check_mac(head + value[:ciphered], value[ciphered:])
        return session.decipher(value[:ciphered])
    except SecurityFailed as error:
        raise ErrorAnswer(ERROR_SECURITY) from error


def seal_answer(session: Session, data: bytes) -> bytes:
    """TLV 86 of the card: `86 00` when there is nothing to report, else ciphered data and R-MAC."""
    if not data:
        return tlv(SEGMENT, b"")
    ciphered = session.encipher_answer(data)
    head = bytes([SEGMENT]) + ber_length(len(ciphered) + crypto.SHORT_MAC)
    return head + ciphered + session.response_mac(head + ciphered)


def error_answer(command_tag: int, code: int) -> bytes:
    """The error TLV that stands in for the answer to `command_tag`."""
    return tlv(ERROR_TAGS[command_tag], bytes([code]))
