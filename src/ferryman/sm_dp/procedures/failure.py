"""Error management sub-routine (SGP.02 3.1.4): delete the ISD-P, report the first error."""

from __future__ import annotations

from ferryman.contracts.es3 import ES3DeleteISDP
from ferryman.contracts.status import ExecutionStatus, Status, warning
from ferryman.platform.procedure import Apply, Context, SetTimer, Step
from ferryman.sm_dp.procedures.state import State, finish, replace, send_to
from ferryman.sm_dp.records import Progress

DELETING = "deleting"
CLEAN_UP_TIME = 900.0  # s that the clean-up may take, also when the order's own time is over


def fail(state: State, context: Context, status: ExecutionStatus) -> Step[State]:
    """End with `status`; an ISD-P without a profile is deleted before."""
    if state.installed:
        # The profile is on the card: a warning, and the ISD-P stays.
        result = status
        if status.status is Status.FAILED:
            result = warning(status.subject, status.reason, status.message, status.identifier)
        return finish(replace(state, result=result))
    state = replace(state, result=status)
    if not state.isdp_aid and not state.left_over:
        return finish(state)
    state = replace(state, phase=DELETING, calls=state.calls + 1)
    request = ES3DeleteISDP(eid=state.eid, iccid=state.iccid)
    send = send_to(state, request, context.now + CLEAN_UP_TIME)
    # The SM-SR answers by the end of that period; later than that nothing is waited for.
    guard = SetTimer("last-word", context.now + CLEAN_UP_TIME * 1.1)
    return Step(state, (send, guard, Apply(Progress(state.order_id, "DeleteISDP"))))
