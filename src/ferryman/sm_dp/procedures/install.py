"""Download and installation over SCP03t (SGP.02 3.1.3, 4.1.3.3): open the session, send segments, read the result.

The session is opened alone and its counter read, not predicted: a session that was opened before a lost answer
moves the counter. A session the card has lost (`9F45 02`, `9F46 02`) is opened again and the package protected
anew. If the answer to the last segments is lost, the card is asked whether the profile is there.
"""

from __future__ import annotations

from collections.abc import Sequence

from ferryman.codec import euicc_response
from ferryman.codec.euicc_response import EUICCResponse, describe, describe_one
from ferryman.contracts import codes, crypto
from ferryman.contracts.crypto import PackageElement
from ferryman.contracts.eis import ProfileState
from ferryman.contracts.es3 import ES3AuditEIS, ES3AuditEISResponse, ES3SendData, ES3SendDataResponse
from ferryman.contracts.status import ExecutionStatus, failed, warning
from ferryman.errors import PeerError
from ferryman.platform.procedure import Answered, Apply, Ask, Context, Step
from ferryman.sm_dp.procedures.answers import SEGMENT, error_of, reported, reports, responses, session_lost
from ferryman.sm_dp.procedures.failure import fail
from ferryman.sm_dp.procedures.state import State, call, replace
from ferryman.sm_dp.records import Facts, Package, StorePackage

PROTECTING, OPENING, LOADING, ASKING, INSTALLED = "protecting", "opening", "loading", "asking", "installed"
OPEN, PROTECT, RESULT = "open", "protect", "result"
INITIALIZE = 0x84
CHALLENGE_BYTES = 8


def begin(state: State, context: Context) -> Step[State]:
    """[7.1.3, 1] Open a session with a fresh host challenge."""
    state = replace(
        state,
        phase=OPENING,
        attempts=state.attempts + 1,
        host_challenge=context.entropy[:CHALLENGE_BYTES],
        sent_segments=0,
        questions=0,
    )
    return Step(state, (Ask(OPEN, crypto.OpenSCP03t(host_challenge=state.host_challenge)),))


def answered(state: State, event: Answered, context: Context) -> Step[State]:
    """The CryptoServer's answers."""
    if event.refusal is not None:
        return fail(state, context, event.refusal)
    match event.reply:
        case crypto.SCP03tOpened(initialize_update=update):
            request = ES3SendData(eid=state.eid, sd_aid=state.isdp_aid, data=update, more_to_do=True)
            return call(state, OPENING, request, step="SCP03t session")
        case crypto.ProfileProtected() as protected:
            package = Package(protected.external_authenticate, protected.segments, protected.elements)
            state = replace(state, profile_bytes=protected.profile_bytes)
            following = _load(state, package, context)
            store = Apply(StorePackage(state.order_id, package, protected.profile_bytes))
            return Step(following.state, (store, *following.effects))
        case crypto.ProfileResult(euicc_response=result):
            return _result(state, result, context)
        case _:
            return fail(state, context, failed(*codes.PROVIDER_ERROR, "unexpected answer of the CryptoServer"))


def sent(state: State, body: ES3SendDataResponse, context: Context) -> Step[State]:
    """Answers of the card."""
    if body.status.ok and state.phase == OPENING:
        return _opened(state, body, context)
    if body.status.ok or (state.phase == LOADING and reports(body.euicc_response)):
        # Also behind an abort: the card refuses the segments after it, but the report tells why.
        return _loaded(state, body, context)
    if body.status.code == "/".join(codes.DELIVERED_NO_RESPONSE):
        return _unknown(state, body.status, context)
    if session_lost(body.euicc_response) and _may_try(state, context):
        return begin(state, context)
    return _refused(state, body, context)


def _may_try(state: State, context: Context) -> bool:
    facts: Facts = context.facts
    return state.attempts < facts.settings.session_attempts


def _refused(state: State, body: ES3SendDataResponse, context: Context) -> Step[State]:
    detail = error_of(body.euicc_response)
    status = body.status
    if detail and status.status == "FAILED":
        status = failed(status.subject, status.reason, f"{status.message}: {detail}", status.identifier)
    return fail(state, context, status)


def _opened(state: State, body: ES3SendDataResponse, context: Context) -> Step[State]:
    facts: Facts = context.facts
    try:
        answer = next((item for item in responses(body.euicc_response) if item.tag == INITIALIZE), None)
    except PeerError as problem:
        return fail(state, context, failed(*codes.ISDP_ERROR, f"SCP03t: {problem}", state.eid))
    if answer is None:
        return fail(state, context, failed(*codes.ISDP_ERROR, "SCP03t: no answer to INITIALIZE UPDATE", state.eid))
    state = replace(state, phase=PROTECTING, initialize_response=answer.raw)
    question = crypto.ProtectProfile(
        eid=state.eid,
        isdp_aid=state.isdp_aid,
        host_challenge=state.host_challenge,
        initialize_response=state.initialize_response,
        template=facts.template,
        iccid=state.iccid,
        imsi=state.imsi,
        msisdn=state.msisdn,
        segment=min(facts.settings.segment, state.segment or facts.settings.segment),
        pol1=state.pol1,
        connectivity=state.connectivity,
    )
    return Step(state, (Ask(PROTECT, question),))


def _load(state: State, package: Package, context: Context) -> Step[State]:
    """The next segments; the first message also authenticates the session."""
    facts: Facts = context.facts
    start = state.sent_segments
    end = min(start + facts.settings.segments_per_message, len(package.segments))
    data = b"".join(package.segments[start:end])
    if start == 0:
        data = package.external_authenticate + data
    # The last SendData of the sequence says so, whatever follows on other domains (SGP.02 3.1.3, annex K).
    more = end < len(package.segments)
    request = ES3SendData(eid=state.eid, sd_aid=state.isdp_aid, data=data, more_to_do=more)
    state = replace(state, sent_segments=end)
    return call(
        state, LOADING, request, step=f"DownloadAndInstallation, {end} of {len(package.segments)} segments"
    )


def _loaded(state: State, body: ES3SendDataResponse, context: Context) -> Step[State]:
    facts: Facts = context.facts
    package = facts.package
    if package is None:
        return fail(state, context, failed(*codes.PROVIDER_ERROR, "the protected package is missing"))
    try:
        segments = [item for item in responses(body.euicc_response) if item.tag == SEGMENT]
    except PeerError as problem:
        return fail(state, context, failed(*codes.ISDP_ERROR, f"SCP03t: {problem}", state.eid))
    told = next((number for number, item in enumerate(segments) if reported(item)), None)
    if told is None:
        if state.sent_segments < len(package.segments):
            return _load(state, package, context)
        return fail(
            state, context, failed(*codes.ISDP_ERROR, "the card reported no installation result", state.eid)
        )
    # A result before the last segment is an abort; the R-MAC chain ends with the segment that it answers.
    upto = _first_of_message(state, facts) + told + 1
    question = crypto.OpenProfileResult(
        eid=state.eid,
        isdp_aid=state.isdp_aid,
        host_challenge=state.host_challenge,
        initialize_response=state.initialize_response,
        segments=package.segments[:upto],
        response=segments[told].raw,
    )
    return Step(replace(state, last_response=b"", reported=upto), (Ask(RESULT, question),))


def _first_of_message(state: State, facts: Facts) -> int:
    size = facts.settings.segments_per_message
    return (state.sent_segments - 1) // size * size


def _result(state: State, der: bytes, context: Context) -> Step[State]:
    """The installation result down to the PE (SGP.02 4.1.3.3, TCA clause 8.10)."""
    try:
        found = euicc_response.parse(der)
    except PeerError as problem:
        return fail(state, context, failed(*codes.ISDP_ERROR, f"installation result: {problem}", state.eid))
    facts: Facts = context.facts
    elements = facts.package.elements if facts.package is not None else ()
    names = {element.identification: element.name for element in elements}
    state = replace(state, pe_statuses=tuple(describe_one(status, names) for status in found.statuses))
    if not found.installed:
        where = _where(state.reported - 1, elements) if not any(names.get(n) for n in _numbers(found)) else ""
        sentence = f"the card refused the profile: {describe(found, names)}{where}"
        return fail(state, context, failed(*codes.ISDP_ERROR, sentence, state.eid))
    skipped = [status for status in found.statuses if status.status != 0]
    result = None
    if skipped:
        sentence = f"installed without every element: {describe(found, names)}"
        result = warning(*codes.ISDP_ERROR, sentence, state.eid)
    return Step(replace(state, phase=INSTALLED, result=result))


def _numbers(found: EUICCResponse) -> list[int]:
    return [status.identification for status in found.statuses if status.identification is not None]


def _where(segment: int, elements: Sequence[PackageElement]) -> str:
    """Elements in the segment that the card answered: what it may speak of when it names none."""
    behind = next((at for at, one in enumerate(elements) if one.segment >= segment), None)
    if behind is None:
        return ""
    within = []
    for element in elements[behind:]:
        within.append(element.name)
        if element.segment > segment:
            break
    return f" (in segment {segment + 1}: {', '.join(within)})"


def _unknown(state: State, status: ExecutionStatus, context: Context) -> Step[State]:
    facts: Facts = context.facts
    package = facts.package
    if state.phase == LOADING and package is not None and state.sent_segments == len(package.segments):
        return _ask(replace(state, last_response=status.code.encode()))
    if _may_try(state, context):
        return begin(state, context)
    return fail(state, context, status)


def _ask(state: State) -> Step[State]:
    request = ES3AuditEIS(eid=state.eid, iccids=(state.iccid,))
    return call(replace(state, questions=state.questions + 1), ASKING, request, step="AuditEIS")


def audited(state: State, body: ES3AuditEISResponse, context: Context) -> Step[State]:
    """The card's own word on whether the profile was installed."""
    found = next((p for p in body.eis.profiles if p.iccid == state.iccid), None) if body.eis is not None else None
    if body.status.ok and found is not None and found.state is ProfileState.DISABLED:
        sentence = "installed; the card's report on the single elements was lost"
        return Step(
            replace(state, phase=INSTALLED, result=warning(*codes.DELIVERED_NO_RESPONSE, sentence, state.eid))
        )
    if body.status.ok and _may_try(state, context):
        return begin(state, context)
    facts: Facts = context.facts
    lost = body.status.code == "/".join(codes.DELIVERED_NO_RESPONSE)
    if lost and state.questions < facts.settings.session_attempts:
        return _ask(state)  # it changes nothing; giving up would delete what is perhaps installed
    status = body.status if not body.status.ok else failed(*codes.DELIVERED_NO_RESPONSE, "the card did not answer")
    return fail(state, context, status)
