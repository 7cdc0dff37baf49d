"""ES3/ES4.AuditEIS (SGP.02 5.4.2, 5.5.4, 7.15; ES5.eUICCCapabilityAudit): the card is asked, the EIS corrected."""

from __future__ import annotations

import msgspec

from ferryman.codec import ids
from ferryman.contracts import codes
from ferryman.contracts.es3 import ES3AuditEIS, ES3AuditEISResponse
from ferryman.contracts.es4 import ES4AuditEIS, ES4AuditEISResponse
from ferryman.contracts.status import SUCCESS, ExecutionStatus, expired, failed
from ferryman.errors import PeerError
from ferryman.platform.procedure import (
    Audit,
    Begin,
    Context,
    Done,
    Effect,
    Event,
    Reply,
    Signalled,
    Step,
    TimerFired,
)
from ferryman.sm_sr import policy
from ferryman.sm_sr.procedures.audit_card import FIRST, WHOLE, Question, audit_script, correct, read_page
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Command, Outcome, OutcomeKind, cancel, deliver
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import EUICC, ISDP, Facts

MAX_LOST = 2  # answers that may be lost before the caller is told so; each took all repeats of the channel


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of one AuditEIS."""

    request: ES3AuditEIS | ES4AuditEIS
    requester: str
    question: Question | None = None
    sent: int = 0
    lost: int = 0  # answers that never came


def step(state: State, event: Event, context: Context) -> Step[State]:
    """One step."""
    match event:
        case Begin():
            return _begin(state, context)
        case TimerFired():
            status = expired("no answer of the card in the validity period")
            withdraw = (cancel(_command_id(state, context), context.eid),) if state.sent else ()
            return _end(state, status, effects=withdraw)
        case Signalled(_, Outcome() as outcome) if outcome.command_id == _command_id(state, context):
            return _told(state, outcome, context)
        case _:
            return Step(state)


def _command_id(state: State, context: Context) -> str:
    return f"{context.procedure_id}/{state.sent}"


def _begin(state: State, context: Context) -> Step[State]:
    facts: Facts = context.facts
    card = facts.euicc
    if context.caller is not None and context.now >= context.caller.deadline:
        return _end(state, expired("the eUICC was busy until the validity period ended"))
    if card is None:
        return _end(state, failed(*codes.EID_UNKNOWN, "no eUICC with this EID", state.request.eid))
    question = policy.Question(policy.Function.AUDIT, state.requester, iccids=state.request.iccids)
    verdict = policy.decide(question, policy.World(card, facts.effective, granted=facts.granted))
    if verdict.refusal is not None:
        return _end(state, verdict.refusal)
    return _ask(state, Question(), context)


def _ask(state: State, question: Question, context: Context) -> Step[State]:
    state = replace(state, sent=state.sent + 1, question=question)
    command = Command(
        id=_command_id(state, context),
        owner=context.procedure_id,
        tlvs=audit_script(question),
        target_aid=ids.ISDR_AID,
        transport=context.facts.effective.transport,
        more_to_do=question.chained,
        chain=question.chained,
    )
    return Step(state, (deliver(command, context.eid, Channel()),))


def _told(state: State, outcome: Outcome, context: Context) -> Step[State]:
    card: EUICC | None = context.facts.euicc
    if outcome.kind in (OutcomeKind.UNREACHABLE, OutcomeKind.REJECTED) or card is None:
        return _end(state, failed(*codes.EUICC_UNREACHABLE, outcome.detail, context.eid))
    if outcome.kind is OutcomeKind.UNKNOWN and state.lost < MAX_LOST:
        # A question changes nothing, so it may be put again; where the card had got to in its pages is lost.
        asked = state.question or Question()
        again = Question(stage=WHOLE if asked.stage == WHOLE else FIRST)
        return _ask(replace(state, lost=state.lost + 1), again, context)
    if outcome.kind is OutcomeKind.UNKNOWN:
        return _end(state, failed(*codes.DELIVERED_NO_RESPONSE, outcome.detail, context.eid))
    try:
        page = read_page(state.question or Question(), outcome)
    except PeerError as problem:
        return _end(state, failed(*codes.ISDR_ERROR, str(problem), context.eid))
    if page.follow is not None:
        return _ask(state, page.follow, context)
    corrected, effects = correct(card, page)
    own = tuple(p for p in corrected.profiles if _asked_for(state, p, context.facts.granted))
    return _end(state, SUCCESS, effects, corrected, own)


def _asked_for(state: State, profile: ISDP, granted: frozenset[str]) -> bool:
    if state.requester not in (profile.smdp_id, profile.owner) and profile.iccid not in granted:
        return False
    return not state.request.iccids or profile.iccid in state.request.iccids


def _end(
    state: State,
    status: ExecutionStatus,
    effects: tuple[Effect, ...] = (),
    card: EUICC | None = None,
    profiles: tuple[ISDP, ...] = (),
) -> Step[State]:
    eis = card.visible(profiles) if card is not None else None
    audit = Audit("0500 eUICCCapabilityAudit", "done" if status.ok else "failed", detail=status.code)
    kind = ES4AuditEISResponse if isinstance(state.request, ES4AuditEIS) else ES3AuditEISResponse
    return Step(state, (*effects, audit, Reply(kind(status=status, eis=eis)), Done()))
