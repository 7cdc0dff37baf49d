"""New SCP80 or SCP81 keys of an ISD-R by PUT KEY (SGP.02 2.2.2; `sgp02-euicc.md` 8.4; GlobalPlatform 11.8).

The keys are made and kept by the CryptoServer and never seen here. Old and new stay until the card shows which it
holds: by the check values in its answer, and after a lost answer by the same PUT KEY again in the form "replace
this version", which a card that has it carries out without effect and one that has it not answers with 6A88.

SCP80: the new set is put beside the one in use, proved by a question under it, taken into use; then the former
version is overwritten with keys that nobody will use, so that the old ones open nothing. SCP81: the new set takes
the place of the old one.

The keys are under the DEK of the key set that protects the PUT KEY. By SMS that is the SCP80 key set. A card
without a number gets it in a session that it opens itself, under the DEK of the SCP81 key set of that session;
there an SCP80 set is proved by its check values, and an SCP81 set whose answer was lost by a session under it.
"""

from __future__ import annotations

import msgspec

from ferryman.codec import ids, isdr, ota_script
from ferryman.contracts import codes, crypto
from ferryman.contracts.operations import SCP80, OperationResponse, RotateKeyset
from ferryman.contracts.status import SUCCESS, ExecutionStatus, expired, failed, warning
from ferryman.errors import PeerError
from ferryman.platform.procedure import (
    Answered,
    Apply,
    Ask,
    Audit,
    Begin,
    Context,
    Done,
    Effect,
    Event,
    Reply,
    SetTimer,
    Signalled,
    Step,
    TimerFired,
)
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Command, Outcome, OutcomeKind, cancel, deliver, single
from ferryman.sm_sr.procedures.settle import doubt
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import EUICC, HoldKeyset, UseKeyset
from ferryman.sm_sr.settings import HTTPS_PULL, SMS
from ferryman.workflow.plan import Transport

# Phases: a new set is put; SCP80 only: it is proved; the former one is overwritten.
PUTTING, PROVING, CLEARING = "putting", "proving", "clearing"
NAME = "PutKey"
SW_OK, SW_NOT_FOUND = 0x9000, 0x6A88
SW_EXISTS = (0x6A80, 0x6985)  # PUT KEY of a new version that is there already
SW_GONE = (SW_NOT_FOUND, 0x6985)  # nothing there to replace, or no DEK of a set that is gone
FIRST_SCP81 = 0x40
LOOK = "look"  # timer: see whether the card comes under the new keys
LOOK_AGAIN = 60.0  # s


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of one rotation.

    `former` is in use at the start, `version` the new one, `onto` the version that PUT KEY replaces (0: none).
    `under` is the SCP81 key set of the session that carries it, 0 by SMS; `gone`: the card has the former no more.
    """

    request: RotateKeyset
    requester: str
    phase: str = ""
    former: int = 0
    version: int = 0
    onto: int = 0
    under: int = 0
    gone: bool = False
    sent: int = 0
    attempts: int = 0
    checks: bytes = b""  # what the card must answer: version and check values
    replied: bool = False
    used: bool = False  # the new set is in use

    @property
    def putting(self) -> int:
        """The version whose keys the PUT KEY of this phase carries."""
        return self.former if self.phase == CLEARING else self.version


def step(state: State, event: Event, context: Context) -> Step[State]:
    """One step."""
    match event:
        case Begin():
            return _begin(state, context)
        case TimerFired(name) if name == LOOK:
            return Step(state) if state.replied else _question(state, context)
        case TimerFired():
            return _deadline(state, context)
        case Answered(refusal=ExecutionStatus() as refusal):
            return _failed(state, refusal, context)
        case Answered(reply=crypto.KeysetMade() as made):
            return _made(state, made, context)
        case Answered(reply=crypto.KeysetWrapped() as wrapped):
            return _put(state, wrapped, context)
        case Answered(tag="take"):
            return _taken(state, context)
        case Signalled(_, Outcome() as outcome) if outcome.command_id == _command_id(state, context):
            return _outcome(state, outcome, context)
        case _:
            return Step(state)


def _begin(state: State, context: Context) -> Step[State]:
    card: EUICC | None = context.facts.euicc
    if context.caller is not None and context.now >= context.caller.deadline:
        return _finish(state, expired("the eUICC was busy until the validity period ended"))
    if card is None:
        return _finish(state, failed(*codes.EID_UNKNOWN, "no eUICC with this EID", state.request.eid))
    scp80 = state.request.protocol == SCP80
    former = card.scp80_version if scp80 else card.scp81_version
    under = 0 if _has_number(card, context) else card.scp81_version
    state = replace(state, phase=PUTTING, former=former, onto=0 if scp80 else former, under=under)
    question = crypto.MakeKeyset(eid=context.eid, version=former or FIRST_SCP81)
    return Step(state, (Ask("make", question),))


def _has_number(card: EUICC, context: Context) -> bool:
    """Whether a short message can reach it."""
    enabled = card.enabled
    return Transport.SMS in context.facts.settings.installed and enabled is not None and bool(enabled.msisdn)


def _made(state: State, made: crypto.KeysetMade, context: Context) -> Step[State]:
    if state.phase == CLEARING:
        return _wrap(state, context)
    state = replace(state, version=made.version)
    if state.request.protocol == SCP80 and made.replaces:
        state = replace(state, onto=made.version)
    return _wrap(state, context)


def _wrap(state: State, context: Context) -> Step[State]:
    card: EUICC | None = context.facts.euicc
    under = state.under
    if not under:
        under = state.version if state.phase == CLEARING else (card.scp80_version if card is not None else 0)
    return Step(state, (Ask("wrap", crypto.WrapKeyset(eid=context.eid, version=state.putting, under=under)),))


def _command_id(state: State, context: Context) -> str:
    return f"{context.procedure_id}/{state.sent}"


def _put(state: State, wrapped: crypto.KeysetWrapped, context: Context) -> Step[State]:
    checks = bytes((state.putting,)) + b"".join(key.kcv for key in wrapped.keys)
    state = replace(state, sent=state.sent + 1, attempts=state.attempts + 1, checks=checks)
    components = [isdr.KeyComponent(key.key_type, key.encrypted, key.kcv) for key in wrapped.keys]
    apdu = isdr.put_keys(state.putting, components, replace=state.onto)
    return Step(state, (_to_card(state, context, apdu),))


def _question(state: State, context: Context) -> Step[State]:
    """Anything that the card answers under the new keys."""
    state = replace(state, sent=state.sent + 1, attempts=state.attempts + 1)
    return Step(state, (_to_card(state, context, isdr.get_card_resources()),))


def _to_card(state: State, context: Context, apdu: bytes) -> Effect:
    """By SMS, or in a session of the card's own; by nothing else, whatever a plan says."""
    if state.under:
        transport, only = HTTPS_PULL, Transport.HTTPS_PULL
        version = state.version if state.phase == PROVING else state.under
    else:
        transport, only = SMS, Transport.SMS
        version = state.version if state.phase in (PROVING, CLEARING) else 0
    command = Command(
        id=_command_id(state, context),
        owner=context.procedure_id,
        tlvs=(ota_script.c_apdu(apdu),),
        target_aid=ids.ISDR_AID,
        transport=transport,
        only=(only,),
        key_version=version,
    )
    return deliver(command, context.eid, Channel())


def _outcome(state: State, outcome: Outcome, context: Context) -> Step[State]:
    if outcome.session_key and state.request.protocol != SCP80 and outcome.session_key == state.version:
        return _held(state, context)  # the session itself shows it
    if state.phase != PROVING:
        return _told(state, outcome, context)
    return _session(state, outcome, context) if state.under else _proved(state, outcome, context)


def _told(state: State, outcome: Outcome, context: Context) -> Step[State]:
    try:
        if outcome.kind is OutcomeKind.UNKNOWN:
            raise PeerError("no answer", field="PUT KEY")
        data, sw = single(outcome) if outcome.kind is OutcomeKind.ANSWERED else (b"", 0)
    except PeerError:
        # It may have the keys: the next session, or the same again as their replacement, shows whether it has.
        if state.under and state.request.protocol != SCP80:
            return _prove(state, context)
        return _again(state, state.putting, failed(*codes.DELIVERED_NO_RESPONSE, outcome.detail), context)
    if outcome.session_key:
        again = failed(*codes.ISDR_ERROR, outcome.detail, context.eid)
        return _again(replace(state, under=outcome.session_key), state.onto, again, context)
    if outcome.kind is not OutcomeKind.ANSWERED:
        return _failed(state, failed(*codes.EUICC_UNREACHABLE, outcome.detail, context.eid), context)
    if sw == SW_OK and data == state.checks:
        return _held(state, context)
    sentence = f"the card answered {sw:04X} to PUT KEY"
    if sw == SW_OK:
        sentence = "the check values in the card's answer are not those of the keys that were sent"
    error = failed(*codes.ISDR_ERROR, sentence, context.eid)
    if sw in SW_GONE and state.under and state.request.protocol != SCP80 and state.attempts > 1:
        return _prove(replace(state, gone=True), context)  # an earlier copy has replaced the former set
    if sw == SW_NOT_FOUND and state.onto:
        return _again(state, _first_onto(state), error, context)
    if sw in SW_EXISTS and not state.onto:
        return _again(state, state.putting, error, context)
    return _failed(state, error, context)


def _first_onto(state: State) -> int:
    """What PUT KEY replaces on a card that has not heard of the new version."""
    if state.phase == CLEARING or state.request.protocol == SCP80 or state.onto == state.former:
        return 0
    return state.former


def _again(state: State, onto: int, error: ExecutionStatus, context: Context) -> Step[State]:
    if state.replied or state.attempts > 2 * context.facts.settings.card_attempts:
        return _failed(state, error, context)
    return _wrap(replace(state, onto=onto), context)


def _held(state: State, context: Context) -> Step[State]:
    """The card has shown that it holds the keys."""
    retired = state.former if state.request.protocol != SCP80 else 0
    return Step(state, (Ask("take", crypto.TakeKeyset(eid=context.eid, version=state.putting, retired=retired)),))


def _taken(state: State, context: Context) -> Step[State]:
    if state.phase == CLEARING:
        return _finish(state, SUCCESS)
    if state.request.protocol != SCP80:
        return _finish(replace(state, used=True), SUCCESS, [Apply(UseKeyset(state.version))])
    # The list names what is on the card, whatever becomes of this call; it is in use when it is proved.
    holds = Apply(HoldKeyset(state.version))
    if state.replied:
        sentence = "the card has the new keys; they are not in use"
        # No further OTA for an expired call.
        return _finish(state, failed(*codes.EXPIRED, sentence, context.eid), [holds])
    if state.under:
        return _use(state, context)  # no packet can prove it on a card that gets none
    asked = _question(replace(state, phase=PROVING, attempts=0), context)
    return Step(asked.state, (holds, *asked.effects))


def _prove(state: State, context: Context) -> Step[State]:
    """SCP81: a session under the new keys proves them, one under the former disproves them."""
    if state.replied:
        return _failed(state, failed(*codes.DELIVERED_NO_RESPONSE, "the call was over", context.eid), context)
    return _question(replace(state, phase=PROVING), context)


def _session(state: State, outcome: Outcome, context: Context) -> Step[State]:
    if outcome.kind is OutcomeKind.ANSWERED:
        return _held(state, context)
    if state.replied or state.attempts > 2 * context.facts.settings.card_attempts:
        sentence = "the card did not come under the new keys"
        return _failed(state, failed(*codes.DELIVERED_NO_RESPONSE, sentence, context.eid), context)
    if outcome.session_key and not state.gone:
        return _wrap(replace(state, phase=PUTTING, under=outcome.session_key), context)
    # A session that goes on, or is taken up again, keeps the keys that it was opened under.
    return Step(state, (SetTimer(LOOK, context.now + LOOK_AGAIN),))


def _use(state: State, context: Context) -> Step[State]:
    """SCP80: the new keys are in use; the former ones are overwritten."""
    state = replace(state, phase=CLEARING, attempts=0, onto=state.former, used=True)
    use = Apply(UseKeyset(state.version))
    if state.replied:
        ended = _failed(state, expired("the call was over"), context)
        return Step(ended.state, (use, *ended.effects))
    make = crypto.MakeKeyset(eid=context.eid, version=state.former, overwrite=True)
    return Step(state, (use, Ask("make", make)))


def _proved(state: State, outcome: Outcome, context: Context) -> Step[State]:
    """Any answer under the new keys proves them."""
    if outcome.kind is OutcomeKind.ANSWERED:
        return _use(state, context)
    if state.replied or state.attempts >= context.facts.settings.card_attempts:
        sentence = "the card did not answer under the new keys; the old ones stay in use"
        return _failed(state, failed(*codes.DELIVERED_NO_RESPONSE, sentence, context.eid), context)
    return _question(state, context)


def _failed(state: State, status: ExecutionStatus, context: Context) -> Step[State]:
    """Both key sets stay in the vault: the card may hold either."""
    lost = (status.subject, status.reason) == codes.DELIVERED_NO_RESPONSE
    if not state.used and lost and (state.phase == PUTTING or state.request.protocol != SCP80):
        return _finish(state, status, [doubt(context.eid)])  # it tells its key sets when it is asked
    if not state.used:
        return _finish(state, status)
    # The new keys are in use; only the former ones still open the card.
    alarm = Audit(NAME, "alarm", object=f"{state.former:02X}", detail=f"the former keys stay valid: {status.code}")
    sentence = f"the new keys are in use, the former ones are still on the card: {status.message}"
    return _finish(state, warning(status.subject, status.reason, sentence, context.eid), [alarm])


def _deadline(state: State, context: Context) -> Step[State]:
    if state.replied:
        return Step(state)
    over = expired("no answer of the card in the validity period")
    if state.used:
        over = warning(
            *codes.EXPIRED, "the new keys are in use, the former ones are still on the card", context.eid
        )
    reply = Reply(OperationResponse(status=over))
    state = replace(state, replied=True)
    if not state.sent:
        return Step(state, (reply, Done()))
    return Step(state, (reply, cancel(_command_id(state, context), context.eid)))


def _finish(state: State, status: ExecutionStatus, effects: list[Effect] | None = None) -> Step[State]:
    outcome = "done" if status.ok else "failed"
    audit = Audit(NAME, outcome, object=f"{state.version:02X}", detail=status.code)
    reply = () if state.replied else (Reply(OperationResponse(status=status)),)
    return Step(replace(state, replied=True), (*(effects or ()), audit, *reply, Done()))
