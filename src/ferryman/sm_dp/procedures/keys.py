"""Key establishment with the ISD-P, scenario 3 (SGP.02 3.1.2, 4.1.3.1): two ES3.SendData to the ISD-R.

A lost answer means that the card's challenge, or whether it has the keys, is not known: begun again with a new
challenge and a new ephemeral key. The receipt is verified by the CryptoServer; a wrong one ends the download.
"""

from __future__ import annotations

from ferryman.codec import ids, isdr_answers, isdr_keys, ota_script
from ferryman.contracts import codes, crypto
from ferryman.contracts.es3 import ES3SendData, ES3SendDataResponse
from ferryman.contracts.status import failed
from ferryman.errors import PeerError
from ferryman.platform.procedure import Answered, Ask, Context, Step
from ferryman.sm_dp.procedures.answers import apdu_data, challenge_lost, error_of
from ferryman.sm_dp.procedures.failure import fail
from ferryman.sm_dp.procedures.state import State, call, replace
from ferryman.sm_dp.records import Facts

PREPARING, CERTIFYING, ESTABLISHING, ESTABLISHED = "preparing", "certifying", "establishing", "established"
CERTIFICATE, SIGN, DERIVE = "certificate", "sign", "derive"
TAGS = (CERTIFICATE, SIGN, DERIVE)
ROLE = "dp"


def begin(state: State) -> Step[State]:
    """[7.1.2, 1] Ask for our certificate, then send it."""
    state = replace(state, phase=PREPARING, attempts=state.attempts + 1)
    return Step(state, (Ask(CERTIFICATE, crypto.MakeSigningKey(role=ROLE, curve=state.curve)),))


def answered(state: State, event: Answered, context: Context) -> Step[State]:
    """The CryptoServer's answers."""
    if event.refusal is not None:
        return fail(state, context, event.refusal)
    match event.reply:
        case crypto.SigningKey() as key if event.tag == CERTIFICATE:
            return _send_certificate(state, key.certificate, context)
        case crypto.KeyParametersSigned() as signed:
            return _send_parameters(state, signed)
        case crypto.Stored():
            return Step(replace(state, phase=ESTABLISHED, attempts=0))
        case _:
            return fail(state, context, failed(*codes.PROVIDER_ERROR, "unexpected answer of the CryptoServer"))


def _send_certificate(state: State, certificate: bytes, context: Context) -> Step[State]:
    if not certificate:
        which = f"CERT.DP.ECDSA on the card's curve ({state.curve:02X})" if state.curve else "CERT.DP.ECDSA"
        sentence = f"the SM-DP has no {which}; import one with `ferryman certificate import`"
        return fail(state, context, failed(*codes.PROVIDER_ERROR, sentence))
    data = b"".join(
        ota_script.c_apdu(apdu)
        for apdu in (
            isdr_keys.install_for_personalization(state.isdp_aid),
            isdr_keys.store_certificate(certificate),
        )
    )
    request = ES3SendData(eid=state.eid, sd_aid=ids.ISDR_AID, data=data, more_to_do=True)
    return call(state, CERTIFYING, request, step="EstablishISDPKeySet, certificate")


def sent(state: State, body: ES3SendDataResponse, context: Context) -> Step[State]:
    """Answers of the card."""
    if not body.status.ok:
        lost = body.status.code == "/".join(codes.DELIVERED_NO_RESPONSE)
        # Refused for want of the certificate that this card has taken before: nothing but a new start helps.
        if lost or (state.phase == ESTABLISHING and challenge_lost(body.euicc_response)):
            return _again(state, context, body)
        detail = error_of(body.euicc_response)
        message = f"{body.status.message}: {detail}" if detail else body.status.message
        status = failed(body.status.subject, body.status.reason, message, body.status.identifier)
        return fail(state, context, status if body.status.status == "FAILED" else body.status)
    try:
        if state.phase == CERTIFYING:
            challenge = isdr_answers.parse_random_challenge(apdu_data(body.euicc_response, 2))
            return _sign(state, challenge)
        receipt, random = isdr_answers.parse_receipt(apdu_data(body.euicc_response, 1))
        return _derive(state, receipt, random or b"")
    except PeerError as problem:
        return fail(state, context, failed(*codes.ISDP_ERROR, f"key establishment: {problem}", state.eid))


def _again(state: State, context: Context, body: ES3SendDataResponse) -> Step[State]:
    facts: Facts = context.facts
    if state.attempts >= facts.settings.session_attempts:
        return fail(state, context, body.status)
    return begin(state)


def _exchange(state: State) -> str:
    return f"{state.call_name or state.order_id}/{state.attempts}"


def _sign(state: State, challenge: bytes) -> Step[State]:
    """[3]"""
    a6 = isdr_keys.key_parameters_a6(crypto.ISDP_KEY_VERSION)
    question = crypto.SignKeyParameters(exchange=_exchange(state), a6=a6, challenge=challenge, curve=state.curve)
    return Step(replace(state, a6=a6), (Ask(SIGN, question),))


def _send_parameters(state: State, signed: crypto.KeyParametersSigned) -> Step[State]:
    """[4]"""
    apdu = isdr_keys.store_key_parameters(state.a6, signed.ephemeral_public_key, signed.signature)
    request = ES3SendData(eid=state.eid, sd_aid=ids.ISDR_AID, data=ota_script.c_apdu(apdu), more_to_do=True)
    return call(state, ESTABLISHING, request, step="EstablishISDPKeySet, key agreement")


def _derive(state: State, receipt: bytes, random: bytes) -> Step[State]:
    """[6]"""
    question = crypto.DeriveKeyset(
        exchange=_exchange(state),
        eid=state.eid,
        isdp_aid=state.isdp_aid,
        ecasd_public_key=state.ecasd_key,
        a6=state.a6,
        receipt=receipt,
        derivation_random=random,
    )
    return Step(state, (Ask(DERIVE, question),))
