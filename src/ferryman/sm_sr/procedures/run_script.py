"""A raw script of a person for one security domain: several packets or POSTs when it is long (TS 102 226 5.4).

Nothing is known of what it does, so an outcome that is not known stays unknown: it is never sent again. Who may do
this at all is checked before the procedure exists. The machine is `script_run`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ferryman.codec import ota_script
from ferryman.contracts import codes
from ferryman.contracts.queue import RunScript, RunScriptResponse
from ferryman.contracts.status import ExecutionStatus, failed
from ferryman.platform.procedure import Audit, Reply
from ferryman.sm_sr import targets
from ferryman.sm_sr.procedures.script_run import Ends, Run, stepper
from ferryman.sm_sr.records import EUICC, Facts


class State(Run, frozen=True, kw_only=True):
    """Durable state of one raw script."""

    request: RunScript


def _admit(state: State, card: EUICC, _facts: Facts) -> tuple[State, Sequence[bytes]] | ExecutionStatus:
    aid = state.request.sd_aid
    if not targets.is_there(card, aid):
        return failed(*codes.SD_AID_UNKNOWN, "no such security domain on this eUICC", aid.hex().upper())
    return state, ota_script.split_data(state.request.data)


def _reply(state: State, status: ExecutionStatus) -> Reply:
    return Reply(RunScriptResponse(status=status, response=state.responses))


def _audit(state: State, status: ExecutionStatus) -> tuple[Audit, ...]:
    """Every raw script leaves its reason in the trail, also one that went well."""
    reason = state.request.reason
    detail = f"{reason} ({status.code})" if status.code else reason
    outcome = "done" if status.ok else "failed"
    return (Audit("raw script", outcome, object=state.request.sd_aid.hex().upper(), detail=detail),)


step = stepper(
    Ends[State](
        eid=lambda state: state.request.eid,
        admit=_admit,
        target=lambda state: state.request.sd_aid,
        more_to_do=lambda _: False,
        reply=_reply,
        audit=_audit,
    )
)
