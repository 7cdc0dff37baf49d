"""How a command goes on: asked at its start and after each outcome, of the built-in policy or the deployment's
script.

A confirmation goes the way its notification came; that is the card's choice, not ours (SGP.02 4.1.1.11).
"""

from __future__ import annotations

from ferryman.contracts.workflow import Decide, Decided
from ferryman.errors import InputError
from ferryman.platform.procedure import Answered
from ferryman.sm_sr.procedures import channel_https, channel_sms
from ferryman.sm_sr.procedures.channel_state import WAIT, Channel, Effects, Pending
from ferryman.sm_sr.procedures.delivery import Command, Outcome, OutcomeKind
from ferryman.sm_sr.procedures.described import CONVERSATIONS, describe
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.settings import HTTPS_PULL, PLANNED
from ferryman.workflow import builtin, rules
from ferryman.workflow.decision import Decision
from ferryman.workflow.plan import GiveUp, Plan, Send, Transport, Wait
from ferryman.workflow.question import Attempt, Card, Moment, Operation, Question

PLAN = "plan/"  # tag of a question, with the identifier of its command
MAX_HISTORY = 50  # attempts that are remembered of one command: a script that waits for ever must not fill the row


def enter(state: Channel, command: Command, effects: Effects) -> Channel:
    """A new command of a procedure."""
    command = replace(command, since=effects.now)
    if command.confirms is not None:
        return _go(state, replace(command, plan=_reply_way(command, effects)), effects)
    if state.bound is not None and not command.only:
        # A challenge, or an SCP03t session, that the card keeps where the command before came from.
        return _go(state, replace(command, plan=state.bound, at=effects.now), effects)
    return consult(state, Pending(command=command, moment=Moment.START), effects)


def _reply_way(command: Command, effects: Effects) -> Send:
    if command.transport == Transport.SMS:
        return Send(transport=Transport.SMS)
    # A card that comes by itself is not called; nor is one that nobody can send a trigger to.
    push = Transport.HTTPS_PUSH in effects.settings.installed and HTTPS_PULL not in effects.effective.transports
    return Send(transport=Transport.HTTPS_PUSH if push else Transport.HTTPS_PULL)


def consult(state: Channel, pending: Pending, effects: Effects) -> Channel:
    """Ask how to go on; the built-in policy answers at once, a script as the answer to a question."""
    pending = replace(pending, command=_remembering(pending, effects), waiting=False)
    question = ask(state, pending, effects)
    if effects.facts.scripted:
        effects.ask(PLAN + pending.command.id, Decide(question=question))
        return replace(state, pending=(*_without(state, pending.command.id), pending))
    return _carry_out(state, pending, builtin.decide(question), effects)


def _remembering(pending: Pending, effects: Effects) -> Command:
    command = pending.command
    if pending.moment is Moment.START:
        return command
    attempt = Attempt(
        transport=command.plan.transport if command.plan is not None else "",
        at=command.at,
        ended=effects.now,
        moment=pending.moment,
        detail=pending.detail,
    )
    return replace(command, history=(*command.history, attempt)[-MAX_HISTORY:])


def ask(state: Channel, pending: Pending, effects: Effects) -> Question:
    """The question about a command, with all that may be known."""
    command, euicc = pending.command, effects.euicc
    name, asks = describe(command)
    enabled = euicc.enabled if euicc is not None else None
    return Question(
        moment=pending.moment,
        now=effects.now,
        doubt=pending.doubt,
        operation=Operation(
            id=command.owner,
            name=name,
            size=sum(map(len, command.tlvs)),
            commands=len(command.tlvs),
            asks=asks,
            more_to_do=command.more_to_do,
            since=command.since,
        ),
        card=Card(
            eid=effects.context.eid,
            eum_id=euicc.eum_id if euicc is not None else "",
            platform_type=euicc.platform_type if euicc is not None else "",
            platform_version=euicc.platform_version if euicc is not None else "",
            http_support=euicc is not None and euicc.http_support,
            has_address=bool(command.destination or (enabled is not None and enabled.msisdn)),
            profiles=len(euicc.profiles) if euicc is not None else 0,
            enabled_owner=enabled.owner if enabled is not None else "",
            enabled_type=enabled.profile_type if enabled is not None else "",
            remaining_memory=euicc.remaining_memory if euicc is not None else 0,
            session_open=bool(state.session),
            compact=effects.effective.compact,
            transports=_preferred(command, effects),
        ),
        history=command.history,
        installed=tuple(t for t in effects.settings.installed if not command.only or t in command.only),
    )


def _preferred(command: Command, effects: Effects) -> tuple[str, ...]:
    names = effects.effective.transports
    if command.transport:
        names = (command.transport, *(name for name in names if name != command.transport))
    return tuple(PLANNED[name] for name in names)


def answered(state: Channel, tag: str, event: Answered, effects: Effects) -> Channel:
    """What the script says; one that fails, or says what cannot be done, is overruled and reported."""
    command_id = tag.removeprefix(PLAN)
    pending = next((p for p in state.pending if p.command.id == command_id), None)
    if pending is None:
        return state
    if pending.waiting:
        return state  # the answer to a question that another one has overtaken
    state = replace(state, pending=_without(state, command_id))
    question = ask(state, pending, effects)
    try:
        plan = _said(event)
        rules.fits(plan, question)
        effects.apply(Decision(question, plan))
    except InputError as problem:
        effects.audit("script", "alarm", f"{problem}; the built-in policy decided")
        effects.apply(Decision(question, None, str(problem)))
        if pending.moment is Moment.RECEIPT and not pending.held:
            return state  # it goes on as it was planned
        plan = builtin.decide(question)
    return _carry_out(state, pending, plan, effects)


def _said(event: Answered) -> Plan:
    if isinstance(event.reply, Decided):
        return event.reply.plan
    reason = event.refusal.message if event.refusal is not None else "no answer"
    raise InputError("script", reason)


def waited(state: Channel, name: str, effects: Effects) -> Channel:
    """A wait is over: ask again."""
    pending = next((p for p in state.pending if p.command.id == name.removeprefix(WAIT)), None)
    if pending is None:
        return state
    state = replace(state, pending=_without(state, pending.command.id))
    return consult(state, replace(pending, moment=Moment.WAITED), effects)


def receipt(state: Channel, told: Pending, effects: Effects) -> Channel:
    """The SMSC says what became of a copy of the packet in flight: a script may change its mind."""
    known = next((p for p in state.pending if p.command.id == told.command.id), None)
    if not effects.facts.scripted or (known is not None and not known.waiting):
        return state  # nobody to ask, or somebody who is being asked
    if known is None:
        return consult(state, told, effects)
    return _instead_of_waiting(state, replace(known, moment=told.moment, detail=told.detail), effects)


def session(state: Channel, effects: Effects) -> Channel:
    """The card is there: what waits may go now."""
    for one in state.pending:
        if one.waiting:
            state = _instead_of_waiting(state, replace(one, moment=Moment.SESSION), effects)
    return state


def _instead_of_waiting(state: Channel, pending: Pending, effects: Effects) -> Channel:
    effects.no_timer(WAIT + pending.command.id)
    return consult(replace(state, pending=_without(state, pending.command.id)), pending, effects)


def forget(state: Channel, command_id: str, effects: Effects) -> Channel:
    """Nobody waits for this command any more."""
    effects.no_timer(WAIT + command_id)
    return replace(state, pending=_without(state, command_id))


def _without(state: Channel, command_id: str) -> tuple[Pending, ...]:
    return tuple(p for p in state.pending if p.command.id != command_id)


def _carry_out(state: Channel, pending: Pending, plan: Plan, effects: Effects) -> Channel:
    match plan:
        case Send():
            command = replace(pending.command, plan=plan, at=effects.now)
            if pending.moment is Moment.RECEIPT and not pending.held and plan.transport is Transport.SMS:
                return channel_sms.go_on(state, command, effects)
            return _again(state, command, effects) if pending.aloft else _go(state, command, effects)
        case Wait(seconds=seconds):
            effects.timer(WAIT + pending.command.id, seconds)
            state = replace(state, pending=(*state.pending, replace(pending, waiting=True, held=pending.aloft)))
            return channel_sms.hold(state, effects) if pending.aloft else state
        case GiveUp(why=why):
            detail = why or pending.detail
            if pending.aloft:
                return channel_sms.give_up(state, effects, detail)
            command = pending.command
            kind = OutcomeKind.REJECTED if pending.refused else OutcomeKind.UNREACHABLE
            effects.outcome(command.owner, Outcome(command_id=command.id, kind=kind, detail=detail))
            return state


def _again(state: Channel, command: Command, effects: Effects) -> Channel:
    """For the command whose packet is in flight."""
    if command.plan is not None and command.plan.transport is Transport.SMS:
        return channel_sms.again(state, command, effects)
    return _go(channel_sms.leave(state, effects), command, effects)


def _go(state: Channel, command: Command, effects: Effects) -> Channel:
    if command.confirms is None:
        bound = command.plan if command.more_to_do and describe(command)[0] in CONVERSATIONS else None
        state = replace(state, bound=bound)
    if command.plan is not None and command.plan.transport is Transport.SMS:
        state = channel_sms.make_way(state, command, effects)
        return replace(state, sms_queue=(*state.sms_queue, command))
    state = replace(state, https_queue=(*state.https_queue, command))
    return channel_https.pump(state, effects)
