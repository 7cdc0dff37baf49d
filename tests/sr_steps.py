"""Words for step tests of the SM-SR's procedures: a card, a context, outcomes of commands, and what a step did."""

from __future__ import annotations

import itertools
from typing import Any

from ferryman.codec import ids, ota_script, tlv
from ferryman.contracts import es3
from ferryman.contracts.eis import PolicyRule
from ferryman.contracts.message import Body, Header
from ferryman.contracts.status import ExecutionStatus
from ferryman.platform.engine import Committed
from ferryman.platform.procedure import (
    Apply,
    Audit,
    Context,
    Done,
    ProcedureKind,
    Reply,
    SetTimer,
    Signal,
    Signalled,
    Step,
)
from ferryman.platform.procedure_rows import Record
from ferryman.sm_sr.euicc_type import Effective
from ferryman.sm_sr.procedures.delivery import Cancel, CardNotification, Command, Outcome, OutcomeKind, Settled
from ferryman.sm_sr.records import EUICC, ISDP, Facts, RemoveISDP, SetState, SRSettings

EID = "89033023000000000061494360000191"
DP = "1.3.6.1.4.1.99999.10"
OWNER = "1.3.6.1.4.1.99999.30"
NOW = 1_795_000_000.0
DEADLINE = NOW + 3600.0
BOOT, NEW = ids.isdp_aid(0x10), ids.isdp_aid(0x11)
ICCID = "8988211000000000011"


def isdp(aid: bytes = NEW, **changes: Any) -> ISDP:
    values: dict[str, Any] = {
        "aid": aid,
        "iccid": ICCID if aid == NEW else "8988239080662000010",
        "owner": OWNER,
        "smdp_id": DP,
        "state": "Disabled" if aid == NEW else "Enabled",
        "fallback": aid == BOOT,
        "msisdn": "8821100000001" if aid == NEW else "8823900000001",
        "allocated_memory": 5000,
    }
    return ISDP(**{**values, **changes})


def card(*profiles: ISDP, **changes: Any) -> EUICC:
    values: dict[str, Any] = {
        "eid": EID,
        "eum_id": "eum",
        "platform_type": "sim",
        "platform_version": "1",
        "rpv": "3.2.0",
        "http_support": True,
        "cattp_support": False,
        "smsr_id": "sr",
        "remaining_memory": 100_000,
        "available_memory": 200_000,
        "scp80_version": 1,
        "scp80_counter": 5,
        "scp81_version": 0x40,
        "signed_info": b"",
        "signature": b"",
        "profiles": profiles or (isdp(BOOT), isdp(NEW)),
    }
    return EUICC(**{**values, **changes})


def rule(action: str, qualification: str) -> PolicyRule:
    return PolicyRule(action, qualification)


def context(
    euicc: EUICC | None = None,
    *,
    now: float = NOW,
    procedure_id: str = "procedure",
    caller: bool = True,
    known: bool = False,
    holder: str = "",
    holder_kind: str = "",
    settings: SRSettings | None = None,
    entropy: bytes = bytes(32),
    no_card: bool = False,
    effective: Effective | None = None,
    waiting: bool = False,
    begun: bool = False,
    scripted: bool = False,
) -> Context:
    header = Header(
        message_id="m", sender="sm-dp", requester=DP, function_call_id="call", deadline=DEADLINE, eid=EID
    )
    facts = Facts(
        settings=settings or SRSettings(transport="sms"),
        euicc=None if no_card else euicc or card(),
        holder=holder,
        holder_kind=holder_kind,
        elsewhere=isdp() if known else None,
        type=effective,
        waiting=waiting,
        begun=begun,
        scripted=scripted,
    )
    return Context(
        procedure_id=procedure_id,
        eid=EID,
        caller=header if caller else None,
        now=now,
        entropy=entropy,
        facts=facts,
    )


# -- what the card says ----------------------------------------------------------------------------------------


def script(*apdus: tuple[bytes, int]) -> bytes:
    body = b"".join(tlv.encode(0x23, data + sw.to_bytes(2)) for data, sw in apdus)
    return tlv.encode(0xAB, b"\x80\x01" + bytes((len(apdus),)) + body)


def raw_script(*objects: bytes) -> bytes:
    return b"\xaf\x80" + b"".join(objects) + b"\x00\x00"


def answered(command_id: str, sw: int = 0x9000, data: bytes = b"") -> Signalled:
    return outcome(command_id, OutcomeKind.ANSWERED, script=script((data, sw)))


def outcome(command_id: str, kind: OutcomeKind | str, *, script: bytes = b"", detail: str = "why") -> Signalled:
    return Signalled(
        "channel", Outcome(command_id=command_id, kind=OutcomeKind(kind), script=script, detail=detail)
    )


def status_of(aid: bytes, state: int) -> bytes:
    return tlv.encode(0xE3, tlv.encode(0x4F, aid) + tlv.encode(0x9F70, bytes((state,))))


def resources(free: int) -> bytes:
    return tlv.encode(0xFF21, tlv.encode(0x81, b"\x01") + tlv.encode(0x82, free.to_bytes(4)))


def told(kind: int, aid: bytes = NEW, sequence: int = 7, **changes: Any) -> CardNotification:
    values: dict[str, Any] = {"type": kind, "sequence": sequence, "aid": aid, "imei": b"", "via": "sms"}
    return CardNotification(**{**values, "originator": "8821100000001", **changes})


def heard(kind: int, aid: bytes = NEW, sequence: int = 7, **changes: Any) -> Signalled:
    return Signalled("channel", told(kind, aid, sequence, **changes))


# -- what a step did -------------------------------------------------------------------------------------------


def signals(step: Step[Any], kind: type) -> list[Any]:
    return [e.value for e in step.effects if isinstance(e, Signal) and isinstance(e.value, kind)]


def command(step: Step[Any]) -> Command:
    found = signals(step, Command)
    assert len(found) == 1, step.effects
    value: Command = found[0]
    return value


def commands(step: Step[Any]) -> list[Command]:
    return signals(step, Command)


def cancels(step: Step[Any]) -> list[str]:
    return [c.command_id for c in signals(step, Cancel)]


def settled(step: Step[Any]) -> list[str]:
    return [c.command_id for c in signals(step, Settled)]


def changes(step: Step[Any]) -> list[Any]:
    return [e.change for e in step.effects if isinstance(e, Apply)]


def timers(step: Step[Any]) -> dict[str, float]:
    return {e.name: e.at - NOW for e in step.effects if isinstance(e, SetTimer)}


def done(step: Step[Any]) -> bool:
    return any(isinstance(e, Done) for e in step.effects)


def replies(step: Step[Any]) -> list[Body]:
    return [e.body for e in step.effects if isinstance(e, Reply)]


def reply(step: Step[Any]) -> ExecutionStatus:
    found = replies(step)
    assert len(found) == 1, step.effects
    status: ExecutionStatus = found[0].status  # type: ignore[attr-defined]
    return status


def apdu_of(value: Command) -> bytes:
    """The one C-APDU of a command; of a question that has several, the first."""
    found = apdus_of(value)
    assert len(found) == 1 or is_question(found[0])
    return found[0]


def apdus_of(value: Command) -> list[bytes]:
    found = tlv.parse(b"".join(value.tlvs))
    assert {item.tag for item in found} == {0x22}
    return [item.value for item in found]


def is_question(apdu: bytes) -> bool:
    return apdu[1] in (0xF2, 0xCA)


def is_read(value: Command) -> bool:
    """GET STATUS or GET DATA: changes nothing."""
    return all(is_question(apdu) for apdu in apdus_of(value))


REQUESTS = {
    "create": es3.ES3CreateISDP(eid=EID, iccid=ICCID, owner=OWNER, required_memory=5000),
    "enable": es3.ES3EnableProfile(eid=EID, iccid=ICCID),
    "disable": es3.ES3DisableProfile(eid=EID, iccid=ICCID),
    "delete": es3.ES3DeleteISDP(eid=EID, iccid=ICCID),
    "audit": es3.ES3AuditEIS(eid=EID),
    "completed": es3.ES3ProfileDownloadCompleted(eid=EID, iccid=ICCID, imsi="001010000000001", msisdn="88211"),
}
__all__ = ["ota_script"]


# -- what a dispatch commits -----------------------------------------------------------------------------------


_RECORDS = itertools.count()


def record(eid: str, *, requester: str, exclusive: bool, done: bool) -> Record:
    """A procedure as the engine hands it over; each one is another."""
    kind = ProcedureKind("test", ISDP, lambda state, event, context: Step(state))
    return Record(
        id=f"test-{next(_RECORDS)}",
        kind=kind,
        eid=eid,
        requester=requester,
        caller=None,
        state=None,
        status="done" if done else "running",
        exclusive=exclusive,
        version=1,
    )


def committed(of: Record, *changes: Any, audits: tuple[Audit, ...] = ()) -> Committed:
    return Committed((of,), tuple((of, change) for change in changes), tuple((of, audit) for audit in audits))


def set_state(aid: bytes, state: str) -> SetState:
    return SetState(aid, state)


def remove(aid: bytes) -> RemoveISDP:
    return RemoveISDP(aid)
