"""Commands of somebody else, carried to one security domain uninterpreted (SGP.02 5.4.4, TS 102 226 5.4).

One machine for all who bring such commands: it cuts the run of TLVs into scripts that the card takes, sends them
one after another, joins the answers, stops at the first error that the card reports, and ends at the deadline.
A script without answer is never sent again: only whoever made it knows whether it may run twice. Who may send what
to which domain, and how the result is told, are the two ends that each caller brings (`Ends`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from ferryman.codec import ids, tlv
from ferryman.contracts import codes
from ferryman.contracts.status import SUCCESS, ExecutionStatus, expired, failed
from ferryman.errors import PeerError
from ferryman.platform.procedure import (
    Audit,
    Begin,
    Context,
    Done,
    Event,
    Reply,
    Signalled,
    Step,
    TimerFired,
)
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Command, Outcome, OutcomeKind, cancel, deliver, read
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import EUICC, Facts

C_APDU = 0x22
SCP03T = range(0x84, 0x89)
INS_STORE_DATA, INS_INITIALIZE_UPDATE = 0xE2, 0x50
SECURE_MESSAGING = 0x04  # bit of a proprietary CLA (GlobalPlatform Card Specification 11.1.4)
P1_LAST_BLOCK = 0x80


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of such a run; `scripts` are cut when it begins, `responses` the joined answers so far."""

    requester: str
    scripts: tuple[tuple[bytes, ...], ...] = ()
    sent: int = 0
    responses: bytes = b""
    replied: bool = False


@dataclass(frozen=True, slots=True)
class Ends[S: Run]:
    """What differs between the callers.

    `eid` of the card. `admit` looks at the request: the state with what it found out and the command TLVs, or the
    refusal; it may raise PeerError for commands that nobody can read. `target` is the AID of the domain,
    `more_to_do` whether the caller has announced another call, `reply` its answer, `audit` what is recorded.
    """

    eid: Callable[[S], str]
    admit: Callable[[S, EUICC, Facts], tuple[S, Sequence[bytes]] | ExecutionStatus]
    target: Callable[[S], bytes]
    more_to_do: Callable[[S], bool]
    reply: Callable[[S, ExecutionStatus], Reply]
    audit: Callable[[S, ExecutionStatus], tuple[Audit, ...]]


def stepper[S: Run](ends: Ends[S]) -> Callable[[S, Event, Context], Step[S]]:
    """The step function of a procedure with these ends."""

    def step(state: S, event: Event, context: Context) -> Step[S]:
        """One step."""
        match event:
            case Begin():
                return _begin(ends, state, context)
            case TimerFired():
                return _deadline(ends, state, context)
            case Signalled(_, Outcome() as outcome) if outcome.command_id == _command_id(state, context):
                return _carried(ends, state, outcome, context)
            case _:
                return Step(state)

    return step


def cut(tlvs: Sequence[bytes], limit: int) -> tuple[tuple[bytes, ...], ...]:
    """Scripts of at most `limit` octets of TLVs each, in order; a longer TLV is a script of its own."""
    scripts: list[list[bytes]] = []
    size = 0
    for item in tlvs:
        if not scripts or size + len(item) > limit:
            scripts.append([])
            size = 0
        scripts[-1].append(item)
        size += len(item)
    return tuple(tuple(script) for script in scripts)


def continues(item: bytes) -> bool:
    """Whether the card session of this TLV may go on in a following script (SGP.02 annex K reading).

    SCP03t is under way, or SCP03 in APDU mode, or a STORE DATA block is not the last of its sequence.
    """
    found, _ = tlv.read(item, 0)
    if found.tag in SCP03T:
        return True
    apdu = found.value
    if found.tag != C_APDU or len(apdu) < 3:
        return False
    if apdu[1] == INS_INITIALIZE_UPDATE or apdu[0] & SECURE_MESSAGING:
        return True
    return apdu[1] == INS_STORE_DATA and not apdu[2] & P1_LAST_BLOCK


def _begin[S: Run](ends: Ends[S], state: S, context: Context) -> Step[S]:
    facts: Facts = context.facts
    if context.caller is not None and context.now >= context.caller.deadline:
        return _end(ends, state, expired("the eUICC was busy until the validity period ended"))
    if facts.euicc is None:
        return _end(ends, state, failed(*codes.EID_UNKNOWN, "no eUICC with this EID", ends.eid(state)))
    try:
        admitted = ends.admit(state, facts.euicc, facts)
        if isinstance(admitted, ExecutionStatus):
            return _end(ends, state, admitted)
        state, tlvs = admitted
        scripts = cut(tlvs, facts.effective.script_limit)
    except PeerError as problem:
        return _end(ends, state, failed(*codes.FORMAT_INVALID, str(problem), "Data"))
    if not scripts:
        return _end(ends, state, failed(*codes.FORMAT_INVALID, "Data holds no command", "Data"))
    return _send(ends, replace(state, scripts=scripts), context)


def _command_id(state: Run, context: Context) -> str:
    return f"{context.procedure_id}/{state.sent}"


def _send[S: Run](ends: Ends[S], state: S, context: Context) -> Step[S]:
    script = state.scripts[state.sent]
    more = state.sent + 1 < len(state.scripts) or ends.more_to_do(state)
    state = replace(state, sent=state.sent + 1)
    command = Command(
        id=_command_id(state, context),
        owner=context.procedure_id,
        tlvs=script,
        target_aid=ends.target(state),
        transport=context.facts.effective.transport,
        more_to_do=more,
        chain=continues(script[-1]) and more,
    )
    return Step(state, (deliver(command, context.eid, Channel()),))


def _carried[S: Run](ends: Ends[S], state: S, outcome: Outcome, context: Context) -> Step[S]:
    if outcome.kind is OutcomeKind.UNREACHABLE:
        return _end(ends, state, failed(*codes.EUICC_UNREACHABLE, outcome.detail, context.eid))
    if outcome.kind is OutcomeKind.UNKNOWN:
        return _end(ends, state, failed(*codes.DELIVERED_NO_RESPONSE, outcome.detail, context.eid))
    error = codes.ISDR_ERROR if ends.target(state) == ids.ISDR_AID else codes.ISDP_ERROR
    if outcome.kind is OutcomeKind.REJECTED:
        return _end(ends, state, failed(*error, outcome.detail, context.eid))
    try:
        answer = read(outcome.script)
    except PeerError as problem:
        return _end(ends, state, failed(*error, f"answer of the card: {problem}", context.eid))
    state = replace(state, responses=state.responses + answer.response)
    if not answer.ok:
        return _end(ends, state, failed(*error, "the card reported an error", context.eid))
    if state.sent < len(state.scripts) and not state.replied:
        return _send(ends, state, context)
    return _end(ends, state, SUCCESS)


def _deadline[S: Run](ends: Ends[S], state: S, context: Context) -> Step[S]:
    """The period is over: said once; a command that is out still ends before the eUICC is free."""
    if state.replied:
        return Step(state)
    reply = ends.reply(state, expired("no answer of the card in the validity period"))
    state = replace(state, replied=True)
    if not state.sent:
        return Step(state, (reply, Done()))
    return Step(state, (reply, cancel(_command_id(state, context), context.eid)))


def _end[S: Run](ends: Ends[S], state: S, status: ExecutionStatus) -> Step[S]:
    reply = () if state.replied else (ends.reply(state, status),)
    return Step(replace(state, replied=True), (*ends.audit(state, status), *reply, Done()))
