"""Connectivity parameters with SCP03 (SGP.02 3.14; `sgp02-interfaces.md` 7.12, `sgp02-euicc.md` 5.10, 6.2).

Two ES3 calls: SendData with INITIALIZE UPDATE, then UpdateConnectivityParameters with EXTERNAL AUTHENTICATE and
STORE DATA 3A07. The CryptoServer wraps the command and verifies the card's answer. A lost answer means that nobody
knows which parameters the card has; the same ones again do no harm, in a new session. So does a session that
another call for this eUICC came between.

These are the moves only: `relay` makes the calls, and ends.
"""

from __future__ import annotations

import msgspec

from ferryman.codec import ota_script
from ferryman.codec.apdu import MAX_LE, CommandAPDU
from ferryman.contracts import codes, crypto, es8
from ferryman.contracts.es3 import (
    ES3SendData,
    ES3SendDataResponse,
    ES3UpdateConnectivityParameters,
    ES3UpdateConnectivityParametersResponse,
)
from ferryman.contracts.status import SUCCESS, ExecutionStatus, Status, failed
from ferryman.errors import PeerError
from ferryman.platform.procedure import Answered, Ask
from ferryman.sm_dp.procedures.answers import apdu_data, apdu_responses, error_of, session_gone

PROTECT, CONFIRM = "connectivity-protect", "connectivity-confirm"
TAGS = (PROTECT, CONFIRM)
CHALLENGE_BYTES = 8
COMMANDS = 2  # EXTERNAL AUTHENTICATE, STORE DATA
BARE = 1  # of them without data in its answer: EXTERNAL AUTHENTICATE; that to STORE DATA has an R-MAC

type Answer = ES3SendDataResponse | ES3UpdateConnectivityParametersResponse
type Move = ES3SendData | ES3UpdateConnectivityParameters | Ask | ExecutionStatus


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session with the ISD-P, and what is to be stored; `attempts` counts sessions."""

    eid: str
    iccid: str
    isdp_aid: bytes
    parameters: bytes
    attempts: int = 0
    host_challenge: bytes = b""
    initialize_response: bytes = b""


def begin(session: Session, entropy: bytes) -> tuple[Session, Move]:
    """Open a session, with a fresh host challenge."""
    challenge = entropy[:CHALLENGE_BYTES]
    session = msgspec.structs.replace(
        session, attempts=session.attempts + 1, host_challenge=challenge, initialize_response=b""
    )
    apdu = CommandAPDU(0x80, 0x50, crypto.ISDP_KEY_VERSION, 0x00, challenge, MAX_LE).encode()
    data = ota_script.c_apdu(apdu)
    return session, ES3SendData(eid=session.eid, sd_aid=session.isdp_aid, data=data, more_to_do=True)


def sent(session: Session, body: Answer, *, most: int, entropy: bytes) -> tuple[Session, Move]:
    """What the SM-SR says to a call; `most` sessions may be opened."""
    status = body.status
    if not status.ok:
        lost = status.code == "/".join(codes.DELIVERED_NO_RESPONSE)
        if (lost or session_gone(body.euicc_response)) and session.attempts < most:
            return begin(session, entropy)
        detail = error_of(body.euicc_response)
        if detail and status.status is Status.FAILED:
            status = failed(status.subject, status.reason, f"{status.message}: {detail}", status.identifier)
        return session, status
    try:
        if isinstance(body, ES3SendDataResponse):
            response = apdu_data(body.euicc_response, 1)
            session = msgspec.structs.replace(session, initialize_response=response)
            return session, Ask(PROTECT, _protect(session))
        answers = apdu_responses(body.euicc_response, COMMANDS, bare=BARE)
    except PeerError as problem:
        return session, failed(*codes.ISDP_ERROR, f"SCP03: {problem}", session.eid)
    return session, Ask(CONFIRM, es8.ConfirmConnectivity(protected=_protect(session), answers=answers))


def answered(session: Session, event: Answered) -> tuple[Session, Move]:
    """What the CryptoServer says."""
    if event.refusal is not None:
        return session, event.refusal
    match event.reply:
        case es8.ConnectivityProtected(apdus=apdus):
            parameters = b"".join(ota_script.c_apdu(apdu) for apdu in apdus)
            request = ES3UpdateConnectivityParameters(eid=session.eid, iccid=session.iccid, parameters=parameters)
            return session, request
        case crypto.Stored():
            return session, SUCCESS
        case _:
            return session, failed(*codes.PROVIDER_ERROR, "unexpected answer of the CryptoServer")


def _protect(session: Session) -> es8.ProtectConnectivity:
    return es8.ProtectConnectivity(
        eid=session.eid,
        isdp_aid=session.isdp_aid,
        host_challenge=session.host_challenge,
        initialize_response=session.initialize_response,
        parameters=session.parameters,
    )
