"""ES3.SendData (SGP.02 5.4.4) and UpdateConnectivityParameters (5.4.11): the SM-DP's commands, uninterpreted.

A script without answer ends the call with 1.6/5.4: only the SM-DP can tell what to do. The machine that cuts,
sends and joins is `script_run`; here is what an SM-DP may send where.
"""

from __future__ import annotations

from collections.abc import Sequence

from ferryman.codec import ids, ota_script, tlv
from ferryman.codec.apdu import CommandAPDU
from ferryman.contracts import codes
from ferryman.contracts.es3 import (
    ES3SendData,
    ES3SendDataResponse,
    ES3UpdateConnectivityParameters,
    ES3UpdateConnectivityParametersResponse,
)
from ferryman.contracts.status import ExecutionStatus, failed
from ferryman.platform.procedure import Audit, Reply
from ferryman.sm_sr import policy
from ferryman.sm_sr.procedures.script_run import C_APDU, INS_STORE_DATA, Ends, Run, stepper
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import EUICC, Facts

INS_INSTALL = 0xE6
P1_PERSONALIZATION = 0x20
DGI_CERTIFICATE, DGI_PARAMETERS = bytes.fromhex("3A01"), bytes.fromhex("3A02")


class State(Run, frozen=True, kw_only=True):
    """Durable state of one such call; `sd_aid` is the security domain that the commands go to."""

    request: ES3SendData | ES3UpdateConnectivityParameters
    sd_aid: bytes = b""

    @property
    def data(self) -> bytes:
        """The commands."""
        return self.request.data if isinstance(self.request, ES3SendData) else self.request.parameters

    @property
    def more_to_do(self) -> bool:
        """Whether the caller has announced another call."""
        return isinstance(self.request, ES3SendData) and self.request.more_to_do


def _admit(state: State, card: EUICC, facts: Facts) -> tuple[State, Sequence[bytes]] | ExecutionStatus:
    refusal, aid = _target(state, card, facts)
    if refusal is not None:
        return refusal
    tlvs = ota_script.split_data(state.data)
    if aid == ids.ISDR_AID and not key_establishment(tlvs, card, state.requester):
        sentence = "only key establishment with an ISD-P of the requester goes to the ISD-R"
        return failed(*codes.FUNCTION_NOT_ALLOWED, sentence, aid.hex().upper())
    return replace(state, sd_aid=aid), tlvs


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


def key_establishment(tlvs: Sequence[bytes], card: EUICC, requester: str) -> bool:
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


def _reply(state: State, status: ExecutionStatus) -> Reply:
    if isinstance(state.request, ES3SendData):
        return Reply(ES3SendDataResponse(status=status, euicc_response=state.responses))
    return Reply(ES3UpdateConnectivityParametersResponse(status=status, euicc_response=state.responses))


def _audit(state: State, status: ExecutionStatus) -> tuple[Audit, ...]:
    """A download is thousands of calls: of SendData only what went wrong is recorded."""
    if status.ok and isinstance(state.request, ES3SendData):
        return ()
    outcome = "done" if status.ok else "failed"
    if isinstance(state.request, ES3SendData):
        return (Audit("SendData", outcome, object=state.request.sd_aid.hex().upper(), detail=status.code),)
    name = "UpdateConnectivityParameters"
    return (Audit(name, outcome, object=state.sd_aid.hex().upper(), detail=status.code),)


step = stepper(
    Ends[State](
        eid=lambda state: state.request.eid,
        admit=_admit,
        target=lambda state: state.sd_aid,
        more_to_do=lambda state: state.more_to_do,
        reply=_reply,
        audit=_audit,
    )
)
