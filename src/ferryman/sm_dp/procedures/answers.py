"""Reading answers of ES3: response TLVs of the card as SendData returns them, an EIS that was not asked for."""

from __future__ import annotations

from ferryman.codec import tlv
from ferryman.codec.apdu import ResponseAPDU, warned
from ferryman.codec.tlv import TLV
from ferryman.contracts import codes
from ferryman.contracts.status import ExecutionStatus, failed
from ferryman.errors import PeerError

R_APDU = 0x23
SEGMENT = 0x86
CHAIN = 0x83  # script chaining result: the card does not have the session that the script goes on with
SW_CONDITIONS = 0x6985
ERROR_MEANINGS = {
    0x9F44: "INITIALIZE UPDATE refused",
    0x9F45: "EXTERNAL AUTHENTICATE refused",
    0x9F46: "profile segment refused",
    0x90: "command script badly formed",
    0x83: "script chain lost",
}
CODE_MEANINGS = {0x01: "structure or length", 0x02: "security", 0x03: "referenced data not found"}
SECURITY = 0x02
R_MAC_BYTES = 8


def responses(data: bytes) -> list[TLV]:
    """The response TLVs in order; PeerError when they are none."""
    return tlv.parse(data, clause="SGP.02 5.4.4")


def apdu_data(data: bytes, count: int) -> bytes:
    """Data of the last of `count` R-APDUs, none of which must be an error; PeerError else.

    Behind a warning the data decides: a challenge, a receipt and an opened session prove themselves.
    """
    found = [ResponseAPDU.parse(item.value) for item in responses(data) if item.tag == R_APDU]
    for number, answer in enumerate(found, start=1):
        if not (answer.ok or warned(answer.sw)):
            raise PeerError(f"the card answered {answer.sw:04X}", field=f"command {number}")
    if not found or len(found) > count:
        raise PeerError(f"{len(found)} answers to {count} commands", field="EuiccResponseData")
    return found[-1].data


def apdu_responses(data: bytes, count: int, *, bare: int = 0) -> tuple[bytes, ...]:
    """The R-APDUs of `count` commands, data and status word each; PeerError for more or fewer.

    Some cards leave out answers without data that are not the last (SGP.02 4.1.3, TS 102 226 5.2.1): of `bare`
    commands none is expected to have data.
    """
    found = tuple(item.value for item in responses(data) if item.tag == R_APDU)
    if not count - bare <= len(found) <= count:
        raise PeerError(f"{len(found)} answers to {count} commands", field="EuiccResponseData")
    return found


def error_of(data: bytes) -> str:
    """What went wrong according to the card, in words; empty when nothing did."""
    try:
        items = responses(data)
    except PeerError as problem:
        return str(problem)
    for item in items:
        if item.tag == R_APDU and not ResponseAPDU.parse(item.value).ok:
            return f"status word {ResponseAPDU.parse(item.value).sw:04X}"
        if item.tag in ERROR_MEANINGS:
            code = int.from_bytes(item.value)
            return f"{ERROR_MEANINGS[item.tag]}: {CODE_MEANINGS.get(code, f'code {code:02X}')}"
    return ""


def reported(item: TLV) -> bool:
    """Whether an answer carries data: a segment is answered with nothing, or by some cards with an R-MAC alone."""
    return item.tag == SEGMENT and len(item.value) not in (0, R_MAC_BYTES)


def reports(data: bytes) -> bool:
    """Whether an answer to a segment carries an installation result."""
    try:
        return any(reported(item) for item in responses(data))
    except PeerError:
        return False


def session_lost(data: bytes) -> bool:
    """Whether the card refused SCP03t data for security, or lost the script chain: it has no such session."""
    try:
        items = responses(data)
    except PeerError:
        return False
    gone = bytes((SECURITY,))
    return any(item.tag == CHAIN or (item.tag in (0x9F45, 0x9F46) and item.value == gone) for item in items)


def session_gone(data: bytes) -> bool:
    """Whether the card has no SCP03 session for the EXTERNAL AUTHENTICATE, or no script chain, to go on with."""
    try:
        items = responses(data)
        statuses = [ResponseAPDU.parse(item.value).sw for item in items if item.tag == R_APDU]
    except PeerError:
        return False
    return any(item.tag == CHAIN for item in items) or statuses[:1] == [SW_CONDITIONS]


def challenge_lost(data: bytes) -> bool:
    """Whether the card knows nothing of the certificate that we sent before: reset, or another session."""
    try:
        items = responses(data)
        statuses = [ResponseAPDU.parse(item.value).sw for item in items if item.tag == R_APDU]
    except PeerError:
        return False
    return any(item.tag == CHAIN for item in items) or statuses[-1:] == [SW_CONDITIONS]


def other_eis(eid: str) -> ExecutionStatus:
    """What an SM-SR is told off with that answers with the EIS of another eUICC: nothing in it is about ours."""
    return failed(*codes.PROVIDER_ERROR, "the SM-SR answered with the EIS of another eUICC", eid)
