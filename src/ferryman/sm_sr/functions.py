"""The functions of the SM-SR: which procedure carries each out, and what its answer is (SGP.02 5.2 to 5.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from ferryman.contracts import es1, es3, es4, es7, operations, v4
from ferryman.contracts.message import Body, Header
from ferryman.contracts.queue import RunScript, RunScriptResponse
from ferryman.contracts.status import ExecutionStatus
from ferryman.errors import PeerError
from ferryman.platform.engine import Start
from ferryman.platform.procedure import ProcedureKind
from ferryman.sm_sr import plma_desk
from ferryman.sm_sr.procedures import (
    audit,
    change,
    channel,
    completed,
    contact,
    create_isdp,
    handover,
    notification,
    one_command,
    owed,
    prepare_change,
    rotate_keys,
    run_script,
    send_data,
    settle,
    smsr_change,
    update,
)
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.notification_state import NotificationState
from ferryman.sm_sr.procedures.turn import in_turn


@dataclass(frozen=True, slots=True)
class Function:
    """Kind of the procedure, type of its state, the response, and whether it waits for the eUICC to be free."""

    kind: str
    state: type[msgspec.Struct]
    response: type[Body]
    exclusive: bool = True


FUNCTIONS: dict[type[Body], Function] = {
    es3.ES3CreateISDP: Function("create-isdp", create_isdp.State, es3.ES3CreateISDPResponse),
    es3.ES3SendData: Function("send-data", send_data.State, es3.ES3SendDataResponse),
    es3.ES3ProfileDownloadCompleted: Function(
        "completed", completed.State, es3.ES3ProfileDownloadCompletedResponse
    ),
    es3.ES3EnableProfile: Function("enable", change.State, es3.ES3EnableProfileResponse),
    es3.ES3DisableProfile: Function("disable", change.State, es3.ES3DisableProfileResponse),
    es3.ES3DeleteISDP: Function("delete-isdp", change.State, es3.ES3DeleteISDPResponse),
    es3.ES3AuditEIS: Function("audit", audit.State, es3.ES3AuditEISResponse),
    es4.ES4EnableProfile: Function("enable", change.State, es4.ES4EnableProfileResponse),
    es4.ES4DisableProfile: Function("disable", change.State, es4.ES4DisableProfileResponse),
    es4.ES4DeleteProfile: Function("delete-isdp", change.State, es4.ES4DeleteProfileResponse),
    es4.ES4AuditEIS: Function("audit", audit.State, es4.ES4AuditEISResponse),
    RunScript: Function("run-script", run_script.State, RunScriptResponse),
    es4.ES4PrepareSMSRChange: Function(
        "prepare-change", prepare_change.State, es4.ES4PrepareSMSRChangeResponse, exclusive=False
    ),
    es4.ES4SMSRChange: Function(smsr_change.KIND, smsr_change.State, es4.ES4SMSRChangeResponse),
    es7.ES7HandoverEUICC: Function(handover.KIND, handover.State, es7.ES7HandoverEUICCResponse),
    **{
        request: Function("update", update.State, response, exclusive=False)
        for request, response in update.RESPONSES.items()
    },
    es3.ES3UpdateConnectivityParameters: Function(
        "connectivity", send_data.State, es3.ES3UpdateConnectivityParametersResponse
    ),
    operations.MasterDelete: Function("master-delete", one_command.State, operations.OperationResponse),
    operations.SetFallbackAttribute: Function("set-fallback", one_command.State, operations.OperationResponse),
    v4.ES3SetFallBackAttribute: Function("set-fallback", one_command.State, v4.ES3SetFallBackAttributeResponse),
    v4.ES4SetFallBackAttribute: Function("set-fallback", one_command.State, v4.ES4SetFallBackAttributeResponse),
    operations.UpdateSMSRAddressing: Function("addressing", one_command.State, operations.OperationResponse),
    operations.RotateKeyset: Function("rotate-keys", rotate_keys.State, operations.OperationResponse),
}

_KINDS = (
    ProcedureKind("channel", Channel, contact.counting(channel.step)),
    ProcedureKind("notification", NotificationState, notification.step),
    ProcedureKind(owed.KIND, owed.State, owed.step),
    ProcedureKind(settle.KIND, settle.SettleState, settle.step),
    ProcedureKind("create-isdp", create_isdp.State, create_isdp.step),
    ProcedureKind("send-data", send_data.State, send_data.step),
    ProcedureKind("completed", completed.State, completed.step),
    ProcedureKind("enable", change.State, change.step),
    ProcedureKind("disable", change.State, change.step),
    ProcedureKind("delete-isdp", change.State, change.step),
    ProcedureKind("audit", audit.State, audit.step),
    ProcedureKind("run-script", run_script.State, run_script.step),
    ProcedureKind("update", update.State, update.step),
    ProcedureKind("prepare-change", prepare_change.State, prepare_change.step),
    ProcedureKind(smsr_change.KIND, smsr_change.State, smsr_change.step),
    ProcedureKind(handover.KIND, handover.State, handover.step),
    ProcedureKind("connectivity", send_data.State, send_data.step),
    ProcedureKind("master-delete", one_command.State, one_command.step),
    ProcedureKind("set-fallback", one_command.State, one_command.step),
    ProcedureKind("addressing", one_command.State, one_command.step),
    ProcedureKind("rotate-keys", rotate_keys.State, rotate_keys.step),
)


def start_of(header: Header, body: Body) -> Start:
    """The procedure for a function call. Raises PeerError for what is no function of the SM-SR."""
    function = FUNCTIONS.get(type(body))
    if function is None:
        raise PeerError(f"{type(body).__name__} is not a request to the SM-SR", field="kind")
    make: Any = function.state
    return Start(
        kind=function.kind,
        procedure_id=f"{function.kind}/{header.requester}/{header.function_call_id}",
        state=make(request=body, requester=header.requester),
        exclusive=function.exclusive,
        caller=header,
        request=body,
    )


def response_to(body: Body, status: ExecutionStatus) -> Body:
    """The response to a call that ends before a procedure exists."""
    response: Any = RESPONSES[type(body)]
    answer: Body = response(status=status)
    return answer


# Answered at once, from the repository.
AT_ONCE: dict[type[Body], type[Body]] = {
    es1.ES1RegisterEIS: es1.ES1RegisterEISResponse,
    es3.ES3GetEIS: es3.ES3GetEISResponse,
    es4.ES4GetEIS: es4.ES4GetEISResponse,
    **plma_desk.RESPONSES,
}
RESPONSES: dict[type[Body], type[Body]] = AT_ONCE | {body: one.response for body, one in FUNCTIONS.items()}
# The answer is there as soon as the call is entered: no card is asked (`sgp02-interfaces.md` 1.5, style sync).
SYNCHRONOUS = frozenset(AT_ONCE) | frozenset(update.RESPONSES) | {es3.ES3ProfileDownloadCompleted}


# Who needs the eUICC for himself waits his turn.
_EXCLUSIVE = frozenset(function.kind for function in FUNCTIONS.values() if function.exclusive)
KINDS = tuple(
    ProcedureKind(kind.name, kind.state_type, in_turn(kind.step, response_to)) if kind.name in _EXCLUSIVE else kind
    for kind in _KINDS
)
