"""SGP.02 4.1.2: commands of the operator to its MNO-SD, and what the card answers (`sgp02-euicc.md` 6, 8.1)."""

from __future__ import annotations

from ferryman_sim.card.tlv import BadTLV, read_all, read_tlv, tlv

STORE_DATA = bytes.fromhex("80E28800")
POL1, CONNECTIVITY = 0x3A06, 0x3A07
POL1_TAG = 0x81
"""Tag of the POL1 byte; open in the notes, so a card may want another one."""

SMS_PARAMETERS, SMSC_ADDRESS = 0xA0, 0x06
INTERNATIONAL_E164 = 0x91

COMMAND_SCRIPT, RESPONSE_SCRIPT = 0xAA, 0xAB
C_APDU, R_APDU = 0x22, 0x23


class BadAnswer(ValueError):
    """The card's answer is no response script of one command."""


def _store(dgi: int, value: bytes) -> bytes:
    body = dgi.to_bytes(2) + bytes([len(value)]) + value
    return STORE_DATA + bytes([len(body)]) + body + b"\x00"


def update_pol1(pol1: int, tag: int = POL1_TAG) -> bytes:
    """UpdatePOL1byMNO (4.1.2.1): the C-APDU that sets the POL1 byte."""
    return _store(POL1, tlv(tag, bytes([pol1])))


def update_connectivity(smsc: str) -> bytes:
    """UpdateConnectivityParametersByMNO (4.1.2.2): the C-APDU that sets the SMSC, `+` and digits.

    Raises ValueError for anything but digits.
    """
    digits = smsc.removeprefix("+")
    if not digits.isascii() or not digits.isdigit():
        raise ValueError("the SMSC is not a telephone number")
    padded = digits + "F" * (len(digits) % 2)
    coded = bytes(int(padded[at + 1] + padded[at], 16) for at in range(0, len(padded), 2))
    return _store(CONNECTIVITY, tlv(SMS_PARAMETERS, tlv(SMSC_ADDRESS, bytes([INTERNATIONAL_E164]) + coded)))


def script(apdu: bytes) -> bytes:
    """A command script with one C-APDU, definite form."""
    return tlv(COMMAND_SCRIPT, tlv(C_APDU, apdu))


def status_word(response: bytes) -> int:
    """The status word of the one command of a response script. Raises BadAnswer."""
    try:
        outer, end = read_tlv(response)
        if outer.tag != RESPONSE_SCRIPT or end != len(response):
            raise BadTLV("not one response script")
        answers = [item.value for item in read_all(outer.value) if item.tag == R_APDU]
    except BadTLV as error:
        raise BadAnswer(str(error)) from error
    if len(answers) != 1 or len(answers[0]) < 2:
        raise BadAnswer("not the answer to one command")
    return int.from_bytes(answers[0][-2:])
