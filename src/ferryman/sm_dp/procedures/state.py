"""State of a download and the small effects its parts share."""

from __future__ import annotations

from typing import Any

import msgspec

from ferryman.contracts import es2
from ferryman.contracts.eis import PolicyRule
from ferryman.contracts.holds import DISABLE
from ferryman.contracts.message import Body
from ferryman.contracts.orders import KEEP
from ferryman.contracts.status import ExecutionStatus
from ferryman.platform.procedure import Apply, Audit, Done, Effect, Reply, Send, Step
from ferryman.sm_dp.procedures.relay import destination
from ferryman.sm_dp.records import FinishOrder, Progress

MARGIN = 0.1  # part of the validity period kept back from the SM-SR, so that its answer reaches us in time
MAX_MARGIN = 60.0  # s


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of one profile download and installation (SGP.02 3.1)."""

    order_id: str
    smdp_id: str  # we: the requester of every ES3 call
    owner: str
    eid: str
    iccid: str
    imsi: str
    msisdn: str
    profile_type: str
    enable: bool
    deadline: float
    validity: float
    phase: str = ""
    calls: int = 0
    attempts: int = 0
    leftovers: tuple[str, ...] = ()
    leftovers_tried: bool = False
    ecasd_key: bytes = b""
    curve: int = 0  # of the card: key parameter reference
    isdp_aid: bytes = b""
    left_over: bool = False  # CreateISDP ended without a word of the card: there may be an ISD-P
    a6: bytes = b""
    host_challenge: bytes = b""
    initialize_response: bytes = b""
    sent_segments: int = 0
    questions: int = 0  # AuditEIS calls made after the last segment
    profile_bytes: int = 0
    last_response: bytes = b""
    reported: int = 0  # segments up to the one that the card's report answers
    installed: bool = False
    result: ExecutionStatus | None = None
    pe_statuses: tuple[str, ...] = ()
    segment: int = 0  # plain octets of one SCP03t TLV that the SM-SR says the card takes; 0: it says nothing
    foreign_smsr: str = ""  # OID of the SM-SR when it is not ours
    call_name: str = ""  # what our ES3 calls are named by; empty: the order
    pol2: tuple[PolicyRule, ...] = ()
    address_imsi: str = ""
    address_msisdn: str = ""
    pol1: bytes | None = None
    connectivity: bytes | None = None
    keys: str = KEEP
    keys_under: str = ""
    delete_token: bool = False  # a token key for Master Delete is loaded
    cancelled: bool = False
    holds: tuple[str, ...] = ()
    hold_limit: float = 0.0  # s
    undo: str = DISABLE  # what follows a refusal behind the enabling
    gone: bool = False  # the profile was on the card, and was deleted for the Operator's refusal
    reply: bool = False  # ordered by ES2.DownloadProfile: the caller waits for its response


def replace(state: State, **changes: Any) -> State:
    """A copy of `state` with these fields changed."""
    return msgspec.structs.replace(state, **changes)


def call_id(state: State) -> str:
    """FunctionCallIdentifier of the ES3 call that is out."""
    return f"{state.call_name or state.order_id}-{state.calls}"


def call(state: State, phase: str, body: Body, *, step: str, grace: float = 0.0) -> Step[State]:
    """Make one ES3 call and wait for its answer in `phase`; the order shows `step`.

    The call must end before the order's own time does, or `grace` seconds after it.
    """
    state = replace(state, phase=phase, calls=state.calls + 1)
    deadline = state.deadline + (grace or -min(MAX_MARGIN, state.validity * MARGIN))
    effects: tuple[Effect, ...] = (
        send_to(state, body, deadline),
        Apply(Progress(state.order_id, step)),
    )
    return Step(state, effects)


def send_to(state: State, body: Body, deadline: float) -> Send:
    """An ES3 call to the SM-SR that manages the eUICC."""
    dest = destination(state.foreign_smsr)
    return Send(dest, body, deadline, call_id(state), state.smdp_id, state.foreign_smsr)


def finish(state: State) -> Step[State]:
    """The order ends with `state.result`."""
    status = state.result
    if status is None:
        raise ValueError("a download ends with a result")
    change = FinishOrder(
        order_id=state.order_id,
        iccid=state.iccid,
        status=status,
        isdp_aid=state.isdp_aid if state.installed and not state.gone else b"",
        installed=state.installed,
        pe_statuses=state.pe_statuses,
        call_name=state.call_name,
    )
    outcome = "done" if status.ok else "failed"
    audit = Audit("DownloadProfile", outcome, object=state.iccid, detail=f"{status.code} {status.message}".strip())
    reply: tuple[Effect, ...] = ()
    if state.reply:
        reply = (Reply(es2.ES2DownloadProfileResponse(status=status, iccid=state.iccid if status.ok else "")),)
    return Step(replace(state, phase="ended"), (Apply(change), audit, *reply, Done()))
