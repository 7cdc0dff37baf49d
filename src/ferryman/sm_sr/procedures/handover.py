"""SM-SR change, the SM-SR that takes the card: provider of ES7.HandoverEUICC (SGP.02 3.8, 5.6).

The right receipt of the new key set is the commit point: EIS and keys are ours with one commit, and from there on
the answer is success or warning, whatever the card still does or does not. Before it any failure leaves nothing
behind but the preparation, so that the change may be tried again.
"""

from __future__ import annotations

import msgspec

from ferryman.codec import ids, isdr, ota_script
from ferryman.contracts import codes, crypto, es3, es4, es7
from ferryman.contracts.eis import KeysetInfo
from ferryman.contracts.message import Body
from ferryman.contracts.roles import SM_DP, SOAP_GATEWAY
from ferryman.contracts.status import SUCCESS, ExecutionStatus, failed, warning
from ferryman.errors import PeerError
from ferryman.platform.procedure import (
    Answered,
    Apply,
    Ask,
    Audit,
    Begin,
    CancelTimer,
    Context,
    Done,
    Effect,
    Event,
    Received,
    Reply,
    Send,
    SetTimer,
    Signalled,
    Step,
    TimerFired,
)
from ferryman.sm_sr.euicc_type import KEPT
from ferryman.sm_sr.procedures import other_smsr, owed
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Command, Outcome, OutcomeKind, deliver, single
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import EUICC, ISDP, Facts, TakeOver
from ferryman.sm_sr.settings import SMS
from ferryman.sm_sr.visibility import Viewer, view

KIND = "handover"
# Phases: our certificate is with the other SM-SR; our key is; the keys of the former SM-SR are being deleted; the
# card is told our address.
AUTHENTICATING, KEYING, FINALISING, ADDRESSING = "authenticating", "keying", "finalising", "addressing"
PEER = "peer"  # timer: the other SM-SR does not answer
NEXT = "next"  # timer: the next command to the card, after the commit that made it ours
# Key versions tried one after another: the EIS does not tell which ones the card has, and high ones are rare.
VERSIONS = (0x0F, 0x0E, 0x0D)
SCENARIO = (
    0x08  # ScenarioParameter: a certificate came first; nothing deleted, no derivation random, no identities
)
KEY_LENGTH = "ECC-256"
RETRY = 60.0  # s between two attempts of a command to the card
NOTICE_SECONDS = 30 * 86_400.0  # how long a notification is worth delivering
NAME = "0900 FinaliseISDRhandover"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of one handover to us."""

    request: es7.ES7HandoverEUICC
    requester: str
    phase: str = ""
    attempt: int = 0
    ecasd: bytes = b""
    curve: int = 0  # of the card: key parameter reference
    certificate: bytes = b""
    a6: bytes = b""
    sent: int = 0
    tries: int = 0
    at: int = 0  # which of the commands that leave only our keys
    ours: bool = False  # after the commit point
    warned: str = ""
    left: tuple[str, ...] = ()  # what is still to be done on the card, in the words of `owed`
    replied: bool = False

    @property
    def version(self) -> int:
        """Key version of this attempt."""
        return VERSIONS[self.attempt]


def step(state: State, event: Event, context: Context) -> Step[State]:
    """One step."""
    match event:
        case Begin():
            return _begin(state, context)
        case TimerFired(name):
            return _timer(state, name, context)
        case Received(header, body) if header.function_call_id == _call_id(state, context):
            return _answered(state, body, context)
        case Answered(refusal=ExecutionStatus() as refusal):
            return _fail(state, refusal)
        case Answered(reply=crypto.EUICCVerified(ecasd_public_key=ecasd, curve=curve)):
            question = crypto.MakeSigningKey(role="sr", curve=curve)
            return Step(replace(state, ecasd=ecasd, curve=curve), (Ask("own", question),))
        case Answered(reply=crypto.SigningKey(certificate=certificate)):
            return _own_certificate(state, certificate, context)
        case Answered(reply=crypto.KeyParametersSigned() as signed):
            return _create(state, signed, context)
        case Answered(tag="derive"):
            return _take(state, context)
        case Signalled(_, Outcome() as outcome) if outcome.command_id == _command_id(state, context):
            return _outcome(state, outcome, context)
        case _:
            return Step(state)


def _begin(state: State, context: Context) -> Step[State]:
    facts: Facts = context.facts
    eis = state.request.eis
    if context.caller is not None and context.now >= context.caller.deadline:
        return _fail(state, failed(*codes.EXPIRED, "the validity period was over"))
    if facts.euicc is not None:
        # A repeat under another identifier: never Failed once the card is ours (SGP.02 3.8).
        return _reply(state, warning(*codes.EID_IN_USE, "this SM-SR manages the eUICC already", eis.eid))
    known = facts.prepared
    if known is None or known.expires <= context.now or known.current_smsr != state.requester:
        return _fail(state, failed(*codes.EID_UNKNOWN, "no change of SM-SR is prepared for this EID", eis.eid))
    question = crypto.VerifyEUICC(
        eid=eis.eid,
        eum_id=eis.eum_id,
        platform_type=eis.platform_type,
        remote_provisioning_version=eis.remote_provisioning_version,
        signed_info=eis.signed_info,
        signature=eis.signature,
        now=context.now,
    )
    return Step(state, (Ask("euicc", question),))


def _own_certificate(state: State, certificate: bytes, context: Context) -> Step[State]:
    if not certificate:
        sentence = "this SM-SR has no certificate; import one with `ferryman certificate import --role sr`"
        return _fail(state, failed(*codes.PROVIDER_ERROR, sentence))
    return _authenticate(replace(state, certificate=certificate), context)


# -- ES7, as the requester -----------------------------------------------------------------------------------


def _call_id(state: State, context: Context) -> str:
    return f"{context.procedure_id}#{state.phase}{state.attempt}"


def _call(state: State, body: Body, context: Context) -> tuple[Effect, ...]:
    until = context.now + context.facts.settings.handover_timeout
    call = other_smsr.ask(state.requester, body, call=_call_id(state, context), until=until, context=context)
    return (call, SetTimer(PEER, until))


def _authenticate(state: State, context: Context) -> Step[State]:
    state = replace(state, phase=AUTHENTICATING)
    body = es7.ES7AuthenticateSMSR(eid=context.eid, certificate=state.certificate)
    return Step(state, _call(state, body, context))


def _answered(state: State, body: Body, context: Context) -> Step[State]:
    match body:
        case es7.ES7AuthenticateSMSRResponse() if state.phase == AUTHENTICATING:
            if not body.status.ok:
                return _fail(state, body.status)
            return _sign(state, body.random_challenge, context)
        case es7.ES7CreateAdditionalKeySetResponse() if state.phase == KEYING:
            if not body.status.ok:
                return _again(state, body.status, context)
            question = crypto.DeriveISDRKeyset(
                exchange=_exchange(state, context),
                eid=context.eid,
                key_version=state.version,
                ecasd_public_key=state.ecasd,
                a6=state.a6,
                receipt=body.receipt,
                derivation_random=body.derivation_random,
            )
            return Step(state, (CancelTimer(PEER), Ask("derive", question)))
        case _:
            return Step(state)


def _exchange(state: State, context: Context) -> str:
    return f"{context.procedure_id}/{state.attempt}"


def _sign(state: State, challenge: bytes, context: Context) -> Step[State]:
    a6 = isdr.key_parameters_a6(state.version, scenario=SCENARIO)
    state = replace(state, a6=a6)
    question = crypto.SignKeyParameters(
        exchange=_exchange(state, context), a6=a6, challenge=challenge, role="sr", curve=state.curve
    )
    return Step(state, (Ask("sign", question),))


def _create(state: State, signed: crypto.KeyParametersSigned, context: Context) -> Step[State]:
    state = replace(state, phase=KEYING)
    body = es7.ES7CreateAdditionalKeySet(
        eid=context.eid,
        key_version=state.version,
        initial_counter=0,
        key_length=KEY_LENGTH,
        scenario=SCENARIO,
        host_id=b"",
        ephemeral_public_key=signed.ephemeral_public_key,
        signature=signed.signature,
    )
    return Step(state, _call(state, body, context))


def _again(state: State, status: ExecutionStatus, context: Context) -> Step[State]:
    """The card may have this key version already, or have lost its challenge: another version, from the start."""
    if state.attempt + 1 >= len(VERSIONS):
        return _fail(state, status)
    return _authenticate(replace(state, attempt=state.attempt + 1), context)


# -- the commit point ----------------------------------------------------------------------------------------


def _take(state: State, context: Context) -> Step[State]:
    """The receipt is right: the card is ours with this commit."""
    facts: Facts = context.facts
    card = _card(state, facts.settings.smsr_id)
    audit = Audit(
        "0800 EstablishISDRKeySet", "done", object=state.requester, detail="the eUICC is managed here now"
    )
    state = replace(state, phase=FINALISING, ours=True)
    # Its channel reads the EIS, which is there only after this commit.
    soon = SetTimer(NEXT, context.now)
    return Step(state, (Apply(TakeOver(card, state.request.eis.audit_trail or ())), audit, soon))


def _card(state: State, smsr_id: str) -> EUICC:
    eis = state.request.eis
    isdr_ = eis.isdr
    if isdr_ is not None:
        isdr_ = replace(isdr_, keysets=(KeysetInfo(version=state.version, type="SCP80", counter=0),))
    return EUICC(
        eid=eis.eid,
        eum_id=eis.eum_id,
        platform_type=eis.platform_type,
        platform_version=eis.platform_version,
        rpv=eis.remote_provisioning_version,
        http_support=eis.http_support,
        cattp_support=eis.cattp_support,
        smsr_id=smsr_id,
        remaining_memory=eis.remaining_memory,
        available_memory=eis.available_memory,
        scp80_version=state.version,
        scp80_counter=0,
        scp81_version=0,
        signed_info=eis.signed_info,
        signature=eis.signature,
        profiles=tuple(
            ISDP(
                aid=p.isdp_aid,
                iccid=p.iccid,
                owner=p.owner,
                smdp_id=p.smdp_id,
                state=p.state.value,
                fallback=p.fallback,
                imsi=p.imsi,
                msisdn=p.msisdn,
                profile_type=p.profile_type,
                allocated_memory=p.allocated_memory,
                free_memory=p.free_memory,
                pol2=p.pol2,
            )
            for p in eis.profiles
        ),
        last_audit=eis.last_audit,
        isdr=isdr_,
        properties=eis.properties,
    )


# -- the card, in our own channel ----------------------------------------------------------------------------


def _command_id(state: State, context: Context) -> str:
    return f"{context.procedure_id}/{state.sent}"


def _send(state: State, context: Context) -> Step[State]:
    apdu = other_smsr.our_address(context.facts.settings)
    if state.phase == FINALISING:
        apdus = _finalising(state, context)
        apdu = apdus[min(state.at, len(apdus) - 1)]  # the eUICC type may say something else by now
    state = replace(state, sent=state.sent + 1, tries=state.tries + 1)
    command = Command(
        id=_command_id(state, context),
        owner=context.procedure_id,
        tlvs=(ota_script.c_apdu(apdu),),
        target_aid=ids.ISDR_AID,
        transport=SMS,
    )
    return Step(state, (deliver(command, context.eid, Channel()),))


def _finalising(state: State, context: Context) -> tuple[bytes, ...]:
    facts: Facts = context.facts
    return other_smsr.keep_only({state.version: other_smsr.SCP80_KEYS}, facts.effective.finalise_lists)


def _outcome(state: State, outcome: Outcome, context: Context) -> Step[State]:
    try:
        sw = single(outcome)[1] if outcome.kind is OutcomeKind.ANSWERED else 0
    except PeerError:
        sw = 0
    lists = context.facts.effective.finalise_lists if state.phase == FINALISING else KEPT
    done = other_smsr.carried_out(sw, lists)
    if not done and state.tries < context.facts.settings.card_attempts:
        # Again is harmless: it names what is to stay or to go, or writes absolute values.
        return Step(state, (SetTimer(NEXT, context.now + RETRY),))
    if done and state.phase == FINALISING and state.at + 1 < len(_finalising(state, context)):
        return _send(replace(state, at=state.at + 1, tries=0), context)
    if not done:
        what = "the keys of the former SM-SR are" if state.phase == FINALISING else "the former address is"
        problem = f"SW {sw:04X}" if sw else outcome.detail or "no answer"
        sentence = f"{what} still on the card ({problem})"
        left = (*state.left, owed.KEYS if state.phase == FINALISING else owed.ADDRESS)
        state = replace(state, warned=f"{state.warned}; {sentence}" if state.warned else sentence, left=left)
    if state.phase == FINALISING and other_smsr.our_address(context.facts.settings):
        return _send(replace(state, phase=ADDRESSING, tries=0), context)
    return _finish(state, context)


def _finish(state: State, context: Context) -> Step[State]:
    status = warning(*codes.ISDR_ERROR, state.warned, context.eid) if state.warned else SUCCESS
    later: tuple[Effect, ...] = ()
    if state.left:
        alarm = Audit(NAME, "alarm", object=state.requester, detail=f"{state.warned}; it is tried again")
        later = (alarm, owed.owe(context.eid, *state.left))
    done = Audit(NAME, "done", object=state.requester, detail=status.code)
    return Step(
        replace(state, replied=True),
        (*later, done, *_notices(context), Reply(es7.ES7HandoverEUICCResponse(status=status)), Done()),
    )


def _notices(context: Context) -> list[Effect]:
    """HandleSMSRChangeNotification to every Operator with a profile, on ES4 or through its SM-DP."""
    facts: Facts = context.facts
    card, settings = facts.euicc, facts.settings
    effects: list[Effect] = []
    if card is None:
        return effects
    links = facts.links
    ways = {(p.owner, "" if p.owner in links.operators else p.smdp_id) for p in card.profiles if p.owner}
    for owner, smdp in sorted(ways):
        eis = view(card, Viewer.CHANGE, owner)
        told: Body = es3.ES3HandleSMSRChangeNotification(eis=eis, owner=owner, completed=context.now)
        dest, party = SOAP_GATEWAY, smdp
        if owner in links.operators:
            told, party = es4.ES4HandleSMSRChangeNotification(eis=eis, completed=context.now), owner
        elif smdp in facts.own_smdps:
            dest = SM_DP
        elif smdp not in links.smdps:
            effects.append(Audit("HandleSMSRChangeNotification", "alarm", detail=f"no way to {owner}"))
            continue
        until = context.now + NOTICE_SECONDS
        effects.append(Send(dest, told, until, requester=settings.smsr_id, recipient=party))
    return effects


# -- time and ends -------------------------------------------------------------------------------------------


def _timer(state: State, name: str, context: Context) -> Step[State]:
    if state.ours:
        return _send(state, context) if name == NEXT else Step(state)
    if name == PEER:
        return _fail(
            state, failed(*codes.DELIVERED_NO_RESPONSE, "the current SM-SR did not answer", state.requester)
        )
    if name == "deadline":
        return _fail(state, failed(*codes.EXPIRED, "the eUICC was not taken over in the validity period"))
    return Step(state)


def _fail(state: State, status: ExecutionStatus) -> Step[State]:
    """Before the commit point nothing is left behind."""
    audit = Audit("HandoverEUICC", "failed", object=state.requester, detail=f"{status.code} {status.message}")
    ended = _reply(state, status)
    return Step(ended.state, (audit, *ended.effects))


def _reply(state: State, status: ExecutionStatus) -> Step[State]:
    reply = Reply(es7.ES7HandoverEUICCResponse(status=status))
    return Step(replace(state, replied=True), (reply, Done()))
