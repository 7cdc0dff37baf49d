"""Profile download and installation, SM-DP side (SGP.02 3.1.1 to 3.1.5, 5.3.2): the APDU Engine.

Numbers in brackets are steps of `sgp02-interfaces.md` 7.1. Each ES3 call has a FunctionCallIdentifier made of
the order and a count, so a repeat after a crash is the same call. An answer that is lost is never taken for a
failure: key establishment and SCP03t sessions are begun again, which a card allows, and whether the last
segment was taken is asked. Every failure after CreateISDP deletes the ISD-P and reports the first error.
"""

from __future__ import annotations

from ferryman.contracts import codes, crypto, es3, orders
from ferryman.contracts.eis import EIS, SEGMENT, ProfileState
from ferryman.contracts.holds import AFTER_ENABLE, BEFORE_DOWNLOAD, HoldVerdict
from ferryman.contracts.message import Body
from ferryman.contracts.status import SUCCESS, ExecutionStatus, Status, expired, failed, warning
from ferryman.platform.procedure import (
    DEADLINE,
    Answered,
    Apply,
    Ask,
    Begin,
    Context,
    Effect,
    Event,
    Received,
    SetTimer,
    Signalled,
    Step,
    TimerFired,
)
from ferryman.sm_dp import eligibility
from ferryman.sm_dp.procedures import hold, install, keys, token_key
from ferryman.sm_dp.procedures.answers import other_eis
from ferryman.sm_dp.procedures.failure import DELETING, fail
from ferryman.sm_dp.procedures.state import State, call, call_id, finish, replace
from ferryman.sm_dp.records import MAX_SEGMENT, MIN_SEGMENT, Facts, KeepHandedKeys

GET_EIS, CLEANING, CHECKING, CREATING = "get-eis", "cleaning", "checking", "creating"
COMPLETING, ENABLING, ENDED = "completing", "enabling", "ended"
VERIFY, DESTROY, HAND_OVER, FORGET = "verify", "destroy", "hand-over", "forget"
BEFORE_INSTALLED = (
    *(CREATING, keys.CERTIFYING, keys.ESTABLISHING, token_key.OPENING, token_key.LOADING),
    *(install.OPENING, install.LOADING),
)
LAST_WORD = "last-word"  # timer: how long an answer is waited for after the order's own time
LAST_WORD_TIME = 900.0  # s


def step(state: State, event: Event, context: Context) -> Step[State]:
    """One step of the download."""
    match event:
        case Begin():
            if context.now >= state.deadline:
                return fail(state, context, expired("the eUICC was busy until the validity period ended"))
            if BEFORE_DOWNLOAD in state.holds:
                return hold.begin(state, context, BEFORE_DOWNLOAD)
            return _begin(state)
        case Received(header, body) if header.function_call_id == call_id(state):
            return _received(state, body, context)
        case Answered():
            return _answered(state, event, context)
        case TimerFired(name):
            return _timer(state, name, context)
        case Signalled(value="cancel"):
            return _cancel(state, context)
        case Signalled(value=HoldVerdict() as verdict) if verdict.hold and verdict.hold == hold.of(state):
            return _verdict(state, verdict, context)
        case Received() | Signalled():
            return Step(state)  # an answer to a call that was given up


def _begin(state: State) -> Step[State]:
    return call(state, GET_EIS, es3.ES3GetEIS(eid=state.eid), step="GetEIS")


def _verdict(state: State, verdict: HoldVerdict, context: Context) -> Step[State]:
    """The Operator's word on an order that holds."""
    if verdict.go:
        following = _begin(state) if state.phase == hold.HELD_BEFORE else _conclude(state)
        return _behind(hold.ended(state, hold.RELEASED), following)
    return _refused(state, hold.REFUSED, hold.refusal(state, verdict), context)


def _refused(state: State, outcome: str, why: ExecutionStatus, context: Context) -> Step[State]:
    ended = hold.ended(state, outcome)
    if state.phase == hold.HELD_BEFORE:
        return _behind(ended, fail(state, context, why))
    return _behind(ended, _after_undo(hold.undo(state, context, why)))


def _after_undo(taken: Step[State]) -> Step[State]:
    """The enabling is undone, as far as it could be: the order ends. With an ISD-P go its keys (3.6)."""
    if taken.state.phase != hold.UNDONE:
        return taken
    return _behind(taken.effects, _forget_keys(taken.state) if taken.state.gone else _conclude(taken.state))


def _behind(effects: tuple[Effect, ...], following: Step[State]) -> Step[State]:
    return Step(following.state, (*effects, *following.effects))


def _cancel(state: State, context: Context) -> Step[State]:
    """Nothing is on the card yet: over. On its way: over with the next answer. On the card: too late."""
    if state.phase == hold.HELD_BEFORE:
        return _refused(state, hold.CANCELLED, _cancelled(), context)
    if state.phase in ("", GET_EIS, CLEANING):
        return fail(state, context, _cancelled())
    if state.phase in BEFORE_INSTALLED:
        return Step(replace(state, cancelled=True))
    return Step(state)


def _cancelled() -> ExecutionStatus:
    return failed(*codes.PROVIDER_ERROR, "cancelled by the Operator")


def _received(state: State, body: Body, context: Context) -> Step[State]:
    if state.cancelled and state.phase in BEFORE_INSTALLED:
        if isinstance(body, es3.ES3CreateISDPResponse):
            state = replace(state, isdp_aid=body.isdp_aid, left_over=not body.status.ok)
        return fail(state, context, _cancelled())
    match state.phase, body:
        case "get-eis", es3.ES3GetEISResponse():
            return _eis(state, body, context)
        case "cleaning", es3.ES3DeleteISDPResponse():
            return _cleaned(state, body.status, context)
        case "creating", es3.ES3CreateISDPResponse():
            if not body.status.ok:
                # Expired: nobody knows whether the card made it; what the SM-SR has in state Created goes (3.1.4).
                left = body.status.status is Status.EXPIRED
                return fail(replace(state, left_over=left), context, body.status)
            if not body.isdp_aid:  # done, and nobody can say where
                sentence = "the SM-SR made an ISD-P and did not name it"
                return fail(replace(state, left_over=True), context, failed(*codes.PROVIDER_ERROR, sentence))
            return keys.begin(replace(state, isdp_aid=body.isdp_aid, attempts=0))
        case keys.CERTIFYING | keys.ESTABLISHING, es3.ES3SendDataResponse():
            return keys.sent(state, body, context)
        case token_key.OPENING | token_key.LOADING, es3.ES3SendDataResponse():
            return token_key.sent(state, body, context)
        case install.OPENING | install.LOADING, es3.ES3SendDataResponse():
            return _after_install(install.sent(state, body, context), context)
        case install.ASKING, es3.ES3AuditEISResponse():
            return _after_install(install.audited(state, body, context), context)
        case "completing", es3.ES3ProfileDownloadCompletedResponse():
            return _completed(state, body.status, context)
        case "enabling", es3.ES3EnableProfileResponse():
            return _enabled(state, body.status, context)
        case "deleting", es3.ES3DeleteISDPResponse():
            return _deleted(state, body.status)
        case hold.UNDOING, es3.ES3DisableProfileResponse():
            return _after_undo(hold.answered(state, body.status, context))
        case hold.REMOVING, es3.ES3DeleteISDPResponse():
            return _after_undo(hold.answered(state, body.status, context))
        case _:
            return Step(state)


def _answered(state: State, event: Answered, context: Context) -> Step[State]:
    if event.tag == VERIFY:
        return _verified(state, event, context)
    if event.tag == DESTROY:
        return finish(state)
    if event.tag == FORGET:
        return Step(state)  # gone, or gone before
    if event.tag == HAND_OVER:
        return _handed_over(state, event)
    if event.tag in keys.TAGS:
        taken = keys.answered(state, event, context)
        if taken.state.phase != keys.ESTABLISHED:
            return taken
        begin = token_key.begin if state.delete_token else install.begin
        return begin(taken.state, context)
    if event.tag in token_key.TAGS:
        taken = token_key.answered(state, event, context)
        return install.begin(taken.state, context) if taken.state.phase == token_key.LOADED else taken
    return _after_install(install.answered(state, event, context), context)


# -- 3.1.1: eligibility and creation of the ISD-P -------------------------------------------------------------


def segment_of(eis: EIS) -> int:
    """Size of a segment that the SM-SR knows of the eUICC type; 0 when it says none, or nothing sensible."""
    said = next((one.value for one in eis.properties if one.key == SEGMENT), "")
    return int(said) if said.isascii() and said.isdigit() and MIN_SEGMENT <= int(said) <= MAX_SEGMENT else 0


def _eis(state: State, body: es3.ES3GetEISResponse, context: Context) -> Step[State]:
    """[3, 4] Own ISD-Ps in state Created are left-overs: no other download of ours runs on this EID."""
    eis = body.eis
    if eis is None:
        return fail(state, context, body.status if not body.status.ok else _unknown(state))
    if eis.eid != state.eid:
        return fail(state, context, other_eis(state.eid))  # another card's key would get the profile
    state = replace(state, segment=segment_of(eis))
    facts: Facts = context.facts
    created = [p.iccid for p in eis.profiles if p.state is ProfileState.CREATED]
    # One that we have installed, but could not report complete, holds a profile: never a left-over.
    leftovers = tuple(iccid for iccid in created if iccid not in facts.installed)
    if leftovers and not state.leftovers_tried:
        return _clean(replace(state, leftovers=leftovers, leftovers_tried=True))
    return _verify(state, eis, context)


def _unknown(state: State) -> ExecutionStatus:
    return failed(*codes.EID_UNKNOWN, "no eUICC with this EID", state.eid)


def _clean(state: State) -> Step[State]:
    request = es3.ES3DeleteISDP(eid=state.eid, iccid=state.leftovers[0])
    return call(state, CLEANING, request, step="ISD-P clean-up")


def _cleaned(state: State, status: ExecutionStatus, context: Context) -> Step[State]:
    """[7.1.5] A left-over is gone, or stays; only one of our own ICCID is in the way."""
    if not status.ok and state.leftovers[0] == state.iccid:
        return fail(state, context, status)
    state = replace(state, leftovers=state.leftovers[1:])
    if state.leftovers:
        return _clean(state)
    return call(state, GET_EIS, es3.ES3GetEIS(eid=state.eid), step="GetEIS")


def _verify(state: State, eis: EIS, context: Context) -> Step[State]:
    """[5] Signature and certificates first; what else speaks against it is kept until they are known good."""
    facts: Facts = context.facts
    objection = eligibility.check(eis, profile_memory=facts.template_memory, settings=facts.settings)
    question = crypto.VerifyEUICC(
        eid=eis.eid,
        eum_id=eis.eum_id,
        platform_type=eis.platform_type,
        remote_provisioning_version=eis.remote_provisioning_version,
        signed_info=eis.signed_info,
        signature=eis.signature,
        now=context.now,
    )
    return Step(replace(state, phase=CHECKING, result=objection), (Ask(VERIFY, question),))


def _verified(state: State, event: Answered, context: Context) -> Step[State]:
    objection = event.refusal or state.result
    if objection is not None or not isinstance(event.reply, crypto.EUICCVerified):
        return fail(replace(state, result=None), context, objection or _unknown(state))
    facts: Facts = context.facts
    state = replace(state, ecasd_key=event.reply.ecasd_public_key, curve=event.reply.curve)
    request = es3.ES3CreateISDP(
        eid=state.eid,
        iccid=state.iccid,
        owner=state.owner,
        required_memory=eligibility.required_memory(facts.template_memory, facts.settings),
        more_to_do=True,
    )
    return call(state, CREATING, request, step="CreateISDP")


# -- 3.1.3: completion and enabling ---------------------------------------------------------------------------


def _after_install(taken: Step[State], context: Context) -> Step[State]:
    """[2] The card has the profile: tell the SM-SR, in the step that learned it. Its secrets serve nobody else."""
    if taken.state.phase != install.INSTALLED:
        return taken
    following = _report_complete(replace(taken.state, installed=True))
    facts: Facts = context.facts
    forget = Ask(FORGET, crypto.DestroyKeys(prefix=f"subscription/{taken.state.iccid}"))
    gone = () if facts.settings.keep_delivered else (forget,)
    return Step(following.state, (*taken.effects, *following.effects, *gone))


def _report_complete(state: State) -> Step[State]:
    request = es3.ES3ProfileDownloadCompleted(
        eid=state.eid,
        iccid=state.iccid,
        profile_type=state.profile_type,
        imsi=state.address_imsi or state.imsi,
        msisdn=state.address_msisdn or state.msisdn,
        pol2=state.pol2,
    )
    # The card has the profile whatever the order's time says: this call may take time of its own.
    return call(state, COMPLETING, request, step="ProfileDownloadCompleted", grace=LAST_WORD_TIME)


def _completed(state: State, status: ExecutionStatus, context: Context) -> Step[State]:
    """[3]"""
    if not status.ok:
        return fail(state, context, status)
    if state.enable:
        request = es3.ES3EnableProfile(eid=state.eid, iccid=state.iccid)
        return call(state, ENABLING, request, step="EnableProfile")
    return _conclude(replace(state, result=state.result or SUCCESS))


def _conclude(state: State) -> Step[State]:
    """[5] The ISD-P's keys are kept, destroyed, or handed to the Operator, as was ordered."""
    if state.keys == orders.HAND_OVER:
        question = crypto.HandOverKeyset(eid=state.eid, isdp_aid=state.isdp_aid, key=state.keys_under)
        return Step(state, (Ask(HAND_OVER, question),))
    return _forget_keys(state) if state.keys == orders.DESTROY else finish(state)


def _handed_over(state: State, event: Answered) -> Step[State]:
    """Ours are destroyed with the same commit that keeps the ciphered ones for the Operator."""
    if not isinstance(event.reply, crypto.KeysetHandedOver):
        said = event.refusal.message if event.refusal is not None else "no answer"
        result = warning(
            *codes.PROVIDER_ERROR, f"installed, but its keys were not handed over: {said}", state.iccid
        )
        return finish(replace(state, result=result))
    following = _forget_keys(state)
    return Step(following.state, (Apply(KeepHandedKeys(state.order_id, event.reply.sealed)), *following.effects))


def _forget_keys(state: State) -> Step[State]:
    prefix = f"isdp/{state.eid}/{state.isdp_aid.hex().upper()}"
    return Step(state, (Ask(DESTROY, crypto.DestroyKeys(prefix=prefix)),))


def _deleted(state: State, status: ExecutionStatus) -> Step[State]:
    """[7.1.4] Whatever became of the clean-up, the operator hears the first error; 3.1.5 handles a left-over.

    A profile whose POL1 forbids its deletion stays and counts as installed.
    """
    first = state.result
    if status.code == "/".join(codes.POL1_REFUSES) and first is not None:
        result = warning(first.subject, first.reason, f"{first.message}; POL1 keeps the profile", first.identifier)
        return _report_complete(replace(state, installed=True, enable=False, result=result))
    if not status.ok or not state.isdp_aid:
        return finish(state)
    # The card's keys went with the ISD-P; ours are of no more use (SGP.02 3.6).
    return _forget_keys(state)


def _enabled(state: State, status: ExecutionStatus, context: Context) -> Step[State]:
    """[4] The download was good: a failed enabling is a warning with its own codes."""
    result = state.result or SUCCESS
    if not status.ok:
        sentence = f"installed, but not enabled: {status.message}"
        result = warning(status.subject, status.reason, sentence, status.identifier)
    elif status.status is Status.WARNING:
        result = status
    state = replace(state, result=result)
    if status.ok and AFTER_ENABLE in state.holds:
        return hold.begin(state, context, AFTER_ENABLE)
    return _conclude(state)


# -- time -----------------------------------------------------------------------------------------------------


def _timer(state: State, name: str, context: Context) -> Step[State]:
    if name == hold.TIMER and hold.of(state):
        return _refused(state, hold.EXPIRED, hold.silence(state), context)
    if state.phase == hold.HELD_AFTER:
        return Step(state)  # the hold has a limit of its own
    if name == LAST_WORD and state.phase in (hold.UNDOING, hold.REMOVING):
        return _after_undo(hold.unanswered(state))
    if state.phase in (hold.UNDOING, hold.REMOVING):
        return Step(state)
    if name == DEADLINE and state.phase == hold.HELD_BEFORE:
        return _refused(state, hold.EXPIRED, hold.silence(state), context)
    if name == DEADLINE:
        if not state.phase:
            return fail(state, context, expired("the eUICC was busy until the validity period ended"))
        # Every ES3 call ends before this by its own, shorter period; its answer may still be on the way.
        return Step(state, (SetTimer(LAST_WORD, context.now + LAST_WORD_TIME),))
    if name == LAST_WORD and state.phase == DELETING:
        return finish(state)
    if name == LAST_WORD and state.phase != ENDED:
        state = replace(state, left_over=state.phase == CREATING)
        return fail(state, context, expired("the SM-SR did not answer in the validity period"))
    return Step(state)
