"""The HTTPS half of a card's channel: one script per POST, push and resume (GP Amendment B, SGP.02 2.4.4).

The URI of each next POST holds a token nobody can guess; it names the step. A POST with the token of the
current step brings the answer to the script in flight; one with the token of the step before, and a resumed
first POST, get the recorded answer again, so a script is given out twice but never as two different ones.
"""

from __future__ import annotations

from ferryman.codec import ids, ota_script
from ferryman.codec.isdr_answers import parse_notification
from ferryman.contracts import es5
from ferryman.errors import PeerError
from ferryman.sm_sr.procedures import channel_notification
from ferryman.sm_sr.procedures.channel_state import Answer, Channel, Effects, Pending
from ferryman.sm_sr.procedures.delivery import Command, Outcome, OutcomeKind, entry_delivered, notification
from ferryman.sm_sr.procedures.described import asks
from ferryman.sm_sr.procedures.structs import replace
from ferryman.workflow.plan import Packaging, Transport
from ferryman.workflow.question import Moment

LINGER = "linger"  # a POST waits for a command that may come
SESSION = "session"  # a trigger waits for its session
ANSWER = "answer"  # a script waits for the POST with its answer

QUESTIONS_AGAIN = 3  # sessions that may be lost before the outcome of a question is `unknown`

OK = "ok"
TOKEN_QUERY = "s="  # noqa: S105 - name of a query item


def pump(state: Channel, effects: Effects) -> Channel:
    """Give the next command to a waiting POST, or see to it that a session comes."""
    if not state.https_queue or state.inflight is not None:
        return state
    if state.post:
        command = state.https_queue[0]
        if command.key_version in (0, state.session_key):
            return _give(state, command, effects)
        return pump(_refuse(state, command, effects), effects)
    if state.session:
        return state  # the card is about to POST
    return _call_card(state, effects)


def _refuse(state: Channel, command: Command, effects: Effects) -> Channel:
    """The session is not under the key set that the command is for: it is not given out."""
    outcome = Outcome(
        command_id=command.id,
        kind=OutcomeKind.REJECTED,
        detail=f"the session is under key set {state.session_key:02X}",
        session_key=state.session_key,
    )
    effects.outcome(command.owner, outcome)
    return replace(state, https_queue=state.https_queue[1:])


def _call_card(state: Channel, effects: Effects) -> Channel:
    """Trigger a session, once per timeout; a card that comes by itself is waited for."""
    if state.triggers:
        return state
    pushed = _pushed(state)
    if pushed is None:
        patience = [
            c.plan.answer_timeout for c in state.https_queue if c.plan is not None and c.plan.answer_timeout
        ]
        if patience:
            effects.timer(SESSION, min(patience))
        return state
    return _trigger(state, pushed, 1, effects)


def _pushed(state: Channel) -> Command | None:
    """The first command for which the card is called."""
    waiting = (state.inflight, *state.https_queue)
    return next((c for c in waiting if c is not None and not _pulled(c)), None)


def _pulled(command: Command) -> bool:
    return command.plan is not None and command.plan.transport is Transport.HTTPS_PULL


def _trigger(state: Channel, command: Command, number: int, effects: Effects) -> Channel:
    plan = command.plan
    timeout = plan.answer_timeout if plan is not None and plan.answer_timeout else 0.0
    spacing = plan.spacing if plan is not None and plan.spacing else 1.0
    effects.timer(SESSION, (timeout or effects.effective.https_session_timeout) * spacing ** (number - 1))
    return replace(state, triggers=number, trigger_wanted=True)


def _give(state: Channel, command: Command, effects: Effects) -> Channel:
    token = effects.context.entropy[:12].hex()
    next_uri = f"{effects.settings.agent_path}?{TOKEN_QUERY}{token}"
    definite = command.plan is not None and command.plan.packaging is Packaging.DEFINITE
    body = ota_script.build_command_script(command.tlvs, indefinite=not definite)
    answer = Answer(
        token=state.token,
        next_uri=next_uri,
        next_token=token,
        target_aid=command.target_aid or ids.ISDR_AID,
        body=body,
    )
    _answer(state, answer, effects)
    for change in entry_delivered(command):
        effects.apply(change)
    effects.no_timer(LINGER)
    effects.timer(ANSWER, effects.effective.https_answer_timeout)
    return replace(
        state,
        post="",
        token=token,
        answer=answer,
        inflight=command,
        https_queue=state.https_queue[1:],
        announced=command.more_to_do,
    )


def _answer(state: Channel, answer: Answer, effects: Effects) -> None:
    effects.to_https(
        es5.HTTPSAnswer(
            post_id=state.post,
            session_id=state.session,
            target_aid=answer.target_aid,
            next_uri=answer.next_uri,
            body=answer.body,
        )
    )


def posted(state: Channel, body: es5.HTTPSPosted, effects: Effects) -> Channel:
    """One POST of the card."""
    token, confirmed = _token(body.uri), state.confirmed
    state = replace(
        state,
        session=body.session_id,
        session_key=body.key_version,
        post=body.post_id,
        triggers=0,
        trigger_wanted=False,
    )
    effects.no_timer(SESSION)
    if body.notification:
        state = _notified(state, body.notification, effects)
    if state.inflight is not None:
        if state.answer is not None and _wants_again(state, state.answer, token, body):
            _answer(state, state.answer, effects)
            effects.timer(ANSWER, effects.effective.https_answer_timeout)
            return replace(state, post="")
        # A new session without the answer: whether the script ran is not known; a question is asked again.
        if token and token == state.token:
            state = _result(state, body, effects)
        elif (again := _again(state.inflight) if state.inflight else None) is not None:
            effects.no_timer(ANSWER)
            state = replace(state, inflight=None, https_queue=(again, *state.https_queue))
        else:
            state = _lost(state, effects)
    state = pump(replace(state, token=token, answer=None), effects)
    if state.post:
        settings, ended = effects.settings, state.confirmed != confirmed
        effects.timer(LINGER, settings.hold if _more_to_come(state, effects, ended=ended) else settings.linger)
    return state


def _more_to_come(state: Channel, effects: Effects, *, ended: bool) -> bool:
    """Whether the session is worth holding; `ended`: the card has just made a change of its Profile final.

    Before that the next command has to wait for the card's notification, and the card cannot open the session for
    it while this one is open (SGP.02 2.4.4: one at a time).
    """
    facts = effects.facts
    if state.announced or not facts.waiting:
        return state.announced
    return ended or facts.begun or facts.holder_kind not in channel_notification.CHANGES


def _again(command: Command) -> Command | None:
    """The command once more, when it changes nothing on the card and was not repeated too often."""
    if not asks(command) or command.again >= QUESTIONS_AGAIN:
        return None
    return replace(command, again=command.again + 1)


def _wants_again(state: Channel, answer: Answer, token: str, body: es5.HTTPSPosted) -> bool:
    """Whether the card asks for the answer it was given last: the same again, nothing new.

    It never got the script and repeats the POST before; or it resumes at the current step without a result, and
    then keeps what it has executed (GP Amendment B, X-Admin-Resume).
    """
    if token and token == state.token:
        return body.resume and not body.script_status and not body.body
    return token == answer.token and (body.resume or bool(token))


def _result(state: Channel, body: es5.HTTPSPosted, effects: Effects) -> Channel:
    command = state.inflight
    effects.no_timer(ANSWER)
    if command is not None:
        if body.script_status in ("", OK) and body.body:
            outcome = Outcome(command_id=command.id, kind=OutcomeKind.ANSWERED, script=body.body)
        elif body.script_status in ("", OK):
            outcome = Outcome(command_id=command.id, kind=OutcomeKind.UNKNOWN, detail="an answer without body")
        else:
            detail = f"script status {body.script_status}"
            outcome = Outcome(command_id=command.id, kind=OutcomeKind.REJECTED, detail=detail)
        effects.outcome(command.owner, outcome)
        state = channel_notification.note(state, command, outcome)
    return replace(state, inflight=None)


def _lost(state: Channel, effects: Effects) -> Channel:
    command = state.inflight
    effects.no_timer(ANSWER)
    if command is not None:
        outcome = Outcome(command_id=command.id, kind=OutcomeKind.UNKNOWN, detail="the session was lost")
        effects.outcome(command.owner, outcome)
    return replace(state, inflight=None, answer=None, token="")


def settled(state: Channel, command_id: str, effects: Effects) -> Channel:
    """Nobody waits for the answer to the script in flight: the card was reset after it."""
    if state.inflight is None or state.inflight.id != command_id:
        return state
    effects.no_timer(ANSWER)
    return pump(replace(state, inflight=None, answer=None, token=""), effects)


def _notified(state: Channel, raw: bytes, effects: Effects) -> Channel:
    try:
        found = parse_notification(raw)
    except PeerError as problem:
        effects.audit("HandleDefaultNotification", "refused", str(problem))
        return state
    if found.eid != effects.context.eid:
        effects.audit("HandleDefaultNotification", "refused", "EID of another card")
        return state
    return channel_notification.route(state, notification(found, via="https"), effects)


def closed(state: Channel, body: es5.HTTPSClosed, effects: Effects) -> Channel:
    """The session is over; an answer still missing may come when the card resumes."""
    if body.session_id != state.session:
        return state
    effects.no_timer(LINGER)
    # An announced command is still to come: a card that resumes is held for it, or it would forget what it needs
    # for that command (a challenge, an SCP03t session).
    return pump(replace(state, session="", post=""), effects)


def timer(state: Channel, name: str, effects: Effects) -> tuple[Channel, tuple[Pending, ...]]:
    """One of the HTTPS timers; with the commands for which no card came."""
    if name == LINGER and state.post:
        return _dismiss(state, effects), ()
    if name == SESSION and not state.session:
        return _no_session(state, effects)
    if name == ANSWER and state.inflight is not None:
        return _no_answer(state, effects), ()
    return state, ()


def _dismiss(state: Channel, effects: Effects) -> Channel:
    """Nothing to do: 204, the card closes."""
    effects.to_https(es5.HTTPSAnswer(post_id=state.post, session_id=state.session))
    return replace(state, post="", announced=False)


def _no_session(state: Channel, effects: Effects) -> tuple[Channel, tuple[Pending, ...]]:
    if state.inflight is None and not state.https_queue:
        return replace(state, triggers=0, trigger_wanted=False), ()  # withdrawn meanwhile
    pushed = _pushed(state)
    if pushed is not None and state.triggers < _attempts(pushed, effects):
        return _trigger(state, pushed, state.triggers + 1, effects), ()
    # A card that comes by itself comes when it likes: only a plan with a time for it has an end here.
    stay = tuple(c for c in state.https_queue if c.plan is not None and _pulled(c) and not c.plan.answer_timeout)
    gone = tuple(c for c in state.https_queue if c not in stay)
    state = replace(state, triggers=0, https_queue=stay, trigger_wanted=False)
    if state.inflight is not None:
        state = _lost(state, effects)
    detail = "the card opened no session"
    return state, tuple(Pending(command=c, moment=Moment.NO_SESSION, detail=detail) for c in gone)


def _attempts(command: Command, effects: Effects) -> int:
    return (command.plan.attempts if command.plan is not None else 0) or effects.effective.trigger_attempts


def _no_answer(state: Channel, effects: Effects) -> Channel:
    """The card has a script and does not answer: call it again, then give up knowing."""
    if state.session:
        # The link may be dead without our knowing; the outcome is unknown and the owner asks the card.
        return pump(_lost(state, effects), effects)
    if state.triggers:
        return state
    pushed = _pushed(state)
    if pushed is None:
        effects.timer(SESSION, effects.settings.pull_patience)
        return state
    return _trigger(state, pushed, 1, effects)


def _token(uri: str) -> str:
    _, _, query = uri.partition("?")
    for item in query.split("&"):
        if item.startswith(TOKEN_QUERY):
            return item[len(TOKEN_QUERY) :]
    return ""
