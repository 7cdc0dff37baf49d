"""ES3.SendData (SGP.02 5.4.4) and UpdateConnectivityParameters (5.4.11): the SM-DP's commands, uninterpreted.

The SM-SR cuts the run of TLVs into scripts that the card takes and joins the answers. It stops at the first
error the card reports. A script without answer ends the call with 1.6/5.4: only the SM-DP can tell what to do.
"""

from __future__ import annotations

import msgspec

from ferryman.codec import ids, ota_script, tlv
from ferryman.codec.apdu import CommandAPDU
from ferryman.contracts import codes
from ferryman.contracts.es3 import (
    ES3SendData,
    ES3SendDataResponse,
    ES3UpdateConnectivityParameters,
    ES3UpdateConnectivityParametersResponse,
)
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
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Command, Outcome, OutcomeKind, cancel, deliver, read
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import EUICC, Facts

C_APDU = 0x22
SCP03T = range(0x84, 0x89)
INS_INSTALL, INS_STORE_DATA = 0xE6, 0xE2
P1_PERSONALIZATION = 0x20
DGI_CERTIFICATE, DGI_PARAMETERS = bytes.fromhex("3A01"), bytes.fromhex("3A02")
P1_LAST_BLOCK = 0x80


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of one such call; `sd_aid` is the security domain that the commands go to."""

    request: ES3SendData | ES3UpdateConnectivityParameters
    requester: str
    sd_aid: bytes = b""
    scripts: tuple[tuple[bytes, ...], ...] = ()
    sent: int = 0
    responses: bytes = b""
    replied: bool = False

    @property
    def data(self) -> bytes:
        """The commands."""
        return self.request.data if isinstance(self.request, ES3SendData) else self.request.parameters

    @property
    def more_to_do(self) -> bool:
        """Whether the caller has announced another call."""
        return isinstance(self.request, ES3SendData) and self.request.more_to_do


def step(state: State, event: Event, context: Context) -> Step[State]:
    """One step."""
    match event:
        case Begin():
            return _begin(state, context)
        case TimerFired():
            return _deadline(state, context)
        case Signalled(_, Outcome() as outcome) if outcome.command_id == _command_id(state, context):
            return _carried(state, outcome, context)
        case _:
            return Step(state)


def _begin(state: State, context: Context) -> Step[State]:
    facts: Facts = context.facts
    request, card = state.request, facts.euicc
    if context.caller is not None and context.now >= context.caller.deadline:
        return _end(state, expired("the eUICC was busy until the validity period ended"))
    if card is None:
        return _end(state, failed(*codes.EID_UNKNOWN, "no eUICC with this EID", request.eid))
    refusal, aid = _target(state, card, facts)
    if refusal is not None:
        return _end(state, refusal)
    state = replace(state, sd_aid=aid)
    try:
        tlvs = ota_script.split_data(state.data)
        if aid == ids.ISDR_AID and not key_establishment(tlvs, card, state.requester):
            sentence = "only key establishment with an ISD-P of the requester goes to the ISD-R"
            return _end(state, failed(*codes.FUNCTION_NOT_ALLOWED, sentence, aid.hex().upper()))
        scripts = cut(tlvs, facts.effective.script_limit)
    except PeerError as problem:
        return _end(state, failed(*codes.FORMAT_INVALID, str(problem), "Data"))
    if not scripts:
        return _end(state, failed(*codes.FORMAT_INVALID, "Data holds no command", "Data"))
    return _send(replace(state, scripts=scripts), context)


def _target(state: State, card: EUICC, facts: Facts) -> tuple[ExecutionStatus | None, bytes]:
    request = state.request
    if isinstance(request, ES3UpdateConnectivityParameters):
        question = policy.Question(policy.Function.CONNECTIVITY, state.requester, request.iccid)
        verdict = policy.decide(question, policy.World(card, facts.effective, facts.elsewhere))
        return verdict.refusal, verdict.target.aid if verdict.target is not None else b""
    target = card.by_aid(request.sd_aid)
    if request.sd_aid != ids.ISDR_AID and (target is None or target.smdp_id != state.requester):
        if target is None and facts.elsewhere is not None:
            sentence = "the requester's ISD-P with this AID is on another eUICC"
            return failed(*codes.SD_AID_OTHER_EUICC, sentence, request.sd_aid.hex().upper()), b""
        # A foreign ISD-P is answered like one that does not exist.
        sentence = "no such security domain on this eUICC"
        return failed(*codes.SD_AID_UNKNOWN, sentence, request.sd_aid.hex().upper()), b""
    return None, request.sd_aid


def key_establishment(tlvs: list[bytes], card: EUICC, requester: str) -> bool:
    """Whether the commands are those of ES8.EstablishISDPKeySet (SGP.02 3.1.2) and nothing else.

    The ISD-R obeys whoever reaches it: an SM-DP must not get a platform command through this door.
    """
    own = {p.aid for p in card.profiles if p.smdp_id == requester}
    named = False
    for item in tlvs:
        command = CommandAPDU.parse(tlv.parse_one(item, C_APDU).value)
        if (command.ins, command.p1, command.p2) == (INS_INSTALL, P1_PERSONALIZATION, 0):
            if command.data[3 : 3 + 16] not in own or command.data[2] != 16:
                return False
            named = True
        elif command.ins != INS_STORE_DATA or not _establishing(command, named=named):
            return False
    return bool(own)


def _establishing(command: CommandAPDU, *, named: bool) -> bool:
    """STORE DATA 3A01 right behind the INSTALL that names the ISD-P, or 3A02."""
    return command.data[:2] == DGI_PARAMETERS or (named and command.data[:2] == DGI_CERTIFICATE)


def cut(tlvs: list[bytes], limit: int) -> tuple[tuple[bytes, ...], ...]:
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


def _command_id(state: State, context: Context) -> str:
    return f"{context.procedure_id}/{state.sent}"


def _send(state: State, context: Context) -> Step[State]:
    script = state.scripts[state.sent]
    last = state.sent + 1 == len(state.scripts)
    state = replace(state, sent=state.sent + 1)
    command = Command(
        id=_command_id(state, context),
        owner=context.procedure_id,
        tlvs=script,
        target_aid=state.sd_aid,
        transport=context.facts.effective.transport,
        more_to_do=not last or state.more_to_do,
        chain=continues(script[-1]) and (not last or state.more_to_do),
    )
    return Step(state, (deliver(command, context.eid, Channel()),))


def continues(item: bytes) -> bool:
    """Whether the card session of this TLV may go on in a following script (SGP.02 annex K reading).

    SCP03t is under way, or a STORE DATA block is not the last of its sequence.
    """
    found, _ = tlv.read(item, 0)
    if found.tag in SCP03T:
        return True
    apdu = found.value
    return found.tag == C_APDU and len(apdu) > 2 and apdu[1] == INS_STORE_DATA and not apdu[2] & P1_LAST_BLOCK


def _carried(state: State, outcome: Outcome, context: Context) -> Step[State]:
    if outcome.kind is OutcomeKind.UNREACHABLE:
        return _end(state, failed(*codes.EUICC_UNREACHABLE, outcome.detail, context.eid))
    if outcome.kind is OutcomeKind.UNKNOWN:
        return _end(state, failed(*codes.DELIVERED_NO_RESPONSE, outcome.detail, context.eid))
    error = codes.ISDR_ERROR if state.sd_aid == ids.ISDR_AID else codes.ISDP_ERROR
    if outcome.kind is OutcomeKind.REJECTED:
        return _end(state, failed(*error, outcome.detail, context.eid))
    try:
        answer = read(outcome.script)
    except PeerError as problem:
        return _end(state, failed(*error, f"answer of the card: {problem}", context.eid))
    state = replace(state, responses=state.responses + answer.response)
    if not answer.ok:
        return _end(state, failed(*error, "the card reported an error", context.eid))
    if state.sent < len(state.scripts) and not state.replied:
        return _send(state, context)
    return _end(state, SUCCESS)


def _deadline(state: State, context: Context) -> Step[State]:
    if state.replied:
        return Step(state)
    status = expired("no answer of the card in the validity period")
    reply = _reply(state, status)
    state = replace(state, replied=True)
    if not state.sent:
        return Step(state, (reply, Done()))
    return Step(state, (reply, cancel(_command_id(state, context), context.eid)))


def _end(state: State, status: ExecutionStatus) -> Step[State]:
    effects: list[Effect] = []
    if not status.ok or not isinstance(state.request, ES3SendData):
        name = "SendData" if isinstance(state.request, ES3SendData) else "UpdateConnectivityParameters"
        outcome = "done" if status.ok else "failed"
        effects.append(Audit(name, outcome, object=state.sd_aid.hex().upper(), detail=status.code))
    if not state.replied:
        effects.append(_reply(state, status))
    return Step(replace(state, replied=True), (*effects, Done()))


def _reply(state: State, status: ExecutionStatus) -> Reply:
    if isinstance(state.request, ES3SendData):
        return Reply(ES3SendDataResponse(status=status, euicc_response=state.responses))
    return Reply(ES3UpdateConnectivityParametersResponse(status=status, euicc_response=state.responses))
