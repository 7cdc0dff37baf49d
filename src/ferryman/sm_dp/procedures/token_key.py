"""The token key of an ISD-P for Master Delete, loaded behind key establishment (SGP.02 3.10, 4.1.1.7).

Two ES3.SendData to the ISD-P, an SCP03 session in APDU mode (`sgp02-euicc.md` 3.7, 5.10): INITIALIZE UPDATE; then
EXTERNAL AUTHENTICATE, the three identities that a token covers, PUT KEY. The CryptoServer makes the key and
verifies the card's answers. A lost answer means that nobody knows whether the card has the key: the session is
opened again and the key put as a new one or in place of itself, in turn.
"""

from __future__ import annotations

import hashlib

from ferryman.codec import ota_script
from ferryman.codec.apdu import MAX_LE, CommandAPDU
from ferryman.codec.saip.der import Place, encode_oid
from ferryman.contracts import codes, crypto
from ferryman.contracts.es3 import ES3SendData, ES3SendDataResponse
from ferryman.contracts.status import failed
from ferryman.errors import PeerError
from ferryman.platform.procedure import Answered, Ask, Context, Step
from ferryman.sm_dp.procedures.answers import apdu_data, apdu_responses, error_of
from ferryman.sm_dp.procedures.failure import fail
from ferryman.sm_dp.procedures.state import State, call, replace
from ferryman.sm_dp.records import Facts

OPENING, LOADING, LOADED = "token-opening", "token-loading", "token-loaded"
WRAP, CONFIRM = "token-wrap", "token-confirm"
TAGS = (WRAP, CONFIRM)
CHALLENGE_BYTES = 8
COMMANDS = 5  # EXTERNAL AUTHENTICATE, three STORE DATA, PUT KEY
BARE = 1  # of them without data in its answer: EXTERNAL AUTHENTICATE; every other answer has an R-MAC
MAX_IDENTITY = 16  # bytes of a SIN, SDIN or application provider id


def begin(state: State, context: Context) -> Step[State]:
    """Open a session of the ISD-P."""
    challenge = context.entropy[:CHALLENGE_BYTES]
    state = replace(state, attempts=state.attempts + 1, host_challenge=challenge)
    apdu = CommandAPDU(0x80, 0x50, crypto.ISDP_KEY_VERSION, 0x00, challenge, MAX_LE).encode()
    return _send(state, OPENING, apdu, step="token key, SCP03 session")


def _send(state: State, phase: str, *apdus: bytes, step: str) -> Step[State]:
    data = b"".join(ota_script.c_apdu(apdu) for apdu in apdus)
    request = ES3SendData(eid=state.eid, sd_aid=state.isdp_aid, data=data, more_to_do=True)
    return call(state, phase, request, step=step)


def answered(state: State, event: Answered, context: Context) -> Step[State]:
    """The CryptoServer's answers."""
    if event.refusal is not None:
        return fail(state, context, event.refusal)
    match event.reply:
        case crypto.TokenKeyWrapped(apdus=apdus):
            return _send(state, LOADING, *apdus, step="token key, PUT KEY")
        case crypto.Stored():
            return Step(replace(state, phase=LOADED, attempts=0, initialize_response=b""))
        case _:
            return fail(state, context, failed(*codes.PROVIDER_ERROR, "unexpected answer of the CryptoServer"))


def sent(state: State, body: ES3SendDataResponse, context: Context) -> Step[State]:
    """Answers of the card."""
    facts: Facts = context.facts
    if not body.status.ok:
        lost = body.status.code == "/".join(codes.DELIVERED_NO_RESPONSE)
        # Behind a lost answer a refusal may only mean that the key is there already, or is not.
        if (lost or state.attempts > 1) and state.attempts < facts.settings.session_attempts:
            return begin(state, context)
        detail = error_of(body.euicc_response)
        message = f"token key: {body.status.message}" + (f": {detail}" if detail else "")
        status = failed(body.status.subject, body.status.reason, message, body.status.identifier)
        return fail(state, context, status if body.status.status == "FAILED" else body.status)
    try:
        if state.phase == OPENING:
            state = replace(state, initialize_response=apdu_data(body.euicc_response, 1))
            return Step(state, (Ask(WRAP, _wrap(state)),))
        answers = apdu_responses(body.euicc_response, COMMANDS, bare=BARE)
    except PeerError as problem:
        return fail(state, context, failed(*codes.ISDP_ERROR, f"token key: {problem}", state.eid))
    return Step(state, (Ask(CONFIRM, crypto.ConfirmTokenKey(load=_wrap(state), answers=answers)),))


def _wrap(state: State) -> crypto.LoadTokenKey:
    return crypto.LoadTokenKey(
        eid=state.eid,
        isdp_aid=state.isdp_aid,
        host_challenge=state.host_challenge,
        initialize_response=state.initialize_response,
        sin=identity(state.smdp_id),
        sdin=state.isdp_aid[:MAX_IDENTITY],
        provider=identity(state.owner),
        replace=state.attempts % 2 == 0,
    )


def identity(oid: str) -> bytes:
    """An OID as an identity of at most 16 bytes: its content octets, or the beginning of their digest."""
    content = encode_oid(oid, Place("identity"))
    return content if len(content) <= MAX_IDENTITY else hashlib.sha256(content).digest()[:MAX_IDENTITY]
