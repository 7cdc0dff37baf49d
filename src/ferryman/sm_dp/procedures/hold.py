"""Holds of an order before the download and behind the enabling, and what undoes an enabling (no standard).

An order that holds waits for one word: go on, or not. The word may come twice, from several sides, or too late;
only the first one that finds the order in the hold it speaks of counts. Silence until the limit is a refusal.
"""

from __future__ import annotations

from ferryman.contracts import codes
from ferryman.contracts.es3 import ES3DeleteISDP, ES3DisableProfile
from ferryman.contracts.holds import AFTER_ENABLE, BEFORE_DOWNLOAD, DELETE, KEEP_ENABLED, HoldVerdict
from ferryman.contracts.message import Body
from ferryman.contracts.status import ExecutionStatus, Status, expired, failed, warning
from ferryman.platform.procedure import Apply, Audit, CancelTimer, Context, Effect, SetTimer, Step
from ferryman.sm_dp.procedures.state import State, replace, send_to
from ferryman.sm_dp.records import HoldBegun, HoldEnded, Progress

HELD_BEFORE, HELD_AFTER = "held-before-download", "held-after-enable"
UNDOING, REMOVING, UNDONE = "undoing", "removing", "undone"
PHASES = {BEFORE_DOWNLOAD: HELD_BEFORE, AFTER_ENABLE: HELD_AFTER}
TIMER = "hold"
UNDO_TIME = 900.0  # s for each of disabling and deleting, also when the order's own time is over
RELEASED, REFUSED, EXPIRED, CANCELLED = "released", "refused", "expired", "cancelled"


def of(state: State) -> str:
    """Name of the hold in which the order is; empty when it does not hold."""
    return next((name for name, phase in PHASES.items() if phase == state.phase), "")


def call_id(state: State, hold: str) -> str:
    """Name of the question whether the order may go on: the same however often it is asked."""
    return f"{state.call_name or state.order_id}/{hold}"


def begin(state: State, context: Context, hold: str) -> Step[State]:
    """Wait. The time before the download is part of the order's own; that behind the enabling is not."""
    until = context.now + state.hold_limit
    if hold == BEFORE_DOWNLOAD:
        until = min(until, state.deadline)
    effects: tuple[Effect, ...] = (
        Apply(HoldBegun(state.order_id, call_id(state, hold), context.procedure_id, hold, until)),
        Apply(Progress(state.order_id, f"held {hold.replace('-', ' ')}")),
        SetTimer(TIMER, until),
    )
    return Step(replace(state, phase=PHASES[hold]), effects)


def ended(state: State, outcome: str) -> tuple[Effect, ...]:
    """Effects of the word that was waited for."""
    hold = of(state)
    change = HoldEnded(state.order_id, call_id(state, hold), outcome)
    return (CancelTimer(TIMER), Apply(change))


def refusal(state: State, verdict: HoldVerdict) -> ExecutionStatus:
    """The result of an order that must not go on."""
    reason = f": {verdict.reason}" if verdict.reason else ""
    return failed(*codes.PROVIDER_ERROR, f"refused {of(state).replace('-', ' ')}{reason}", state.iccid)


def silence(state: State) -> ExecutionStatus:
    """The result of an order about which nobody said anything."""
    return expired(f"no release {of(state).replace('-', ' ')} in {state.hold_limit:.0f} s")


# -- an enabled profile that must not stay so ---------------------------------------------------------------------


def undo(state: State, context: Context, why: ExecutionStatus) -> Step[State]:
    """Leave it with an alarm, or disable it; phase UNDONE when there is nothing more to do."""
    state = replace(state, result=why)
    if state.undo == KEEP_ENABLED:
        return _alarm(state, "the profile stays enabled")
    return _call(state, context, UNDOING, ES3DisableProfile(eid=state.eid, iccid=state.iccid), "DisableProfile")


def answered(state: State, status: ExecutionStatus, context: Context) -> Step[State]:
    """The SM-SR's answer to the disabling, or to the deletion behind it."""
    if not status.ok:
        what = "disabled" if state.phase == UNDOING else "deleted"
        return _alarm(state, f"the profile could not be {what}: {status.code} {status.message}".strip())
    if state.phase == UNDOING and state.undo == DELETE:
        return _call(state, context, REMOVING, ES3DeleteISDP(eid=state.eid, iccid=state.iccid), "DeleteISDP")
    if state.phase == UNDOING:
        return Step(replace(state, phase=UNDONE, result=_with_warning(state, "installed, and disabled again")))
    return Step(replace(state, phase=UNDONE, gone=True))


def unanswered(state: State) -> Step[State]:
    """The SM-SR said nothing in time: nobody knows in which state the profile is."""
    return _alarm(state, "the SM-SR did not answer: the state of the profile is unknown")


def _call(state: State, context: Context, phase: str, body: Body, step: str) -> Step[State]:
    state = replace(state, phase=phase, calls=state.calls + 1)
    effects = (
        send_to(state, body, context.now + UNDO_TIME),
        # The SM-SR answers by the end of that period; later than that nothing is waited for.
        SetTimer("last-word", context.now + UNDO_TIME * 1.1),
        Apply(Progress(state.order_id, step)),
    )
    return Step(state, effects)


def _alarm(state: State, sentence: str) -> Step[State]:
    why = state.result.message if state.result is not None else ""
    audit = Audit("HoldRefused", "alarm", object=state.iccid, detail=f"{why}; {sentence}")
    return Step(replace(state, phase=UNDONE, result=_with_warning(state, sentence)), (audit,))


def _with_warning(state: State, sentence: str) -> ExecutionStatus:
    why = state.result
    if why is None or why.status is Status.WARNING:
        raise ValueError("an enabling is undone for a reason")
    return warning(why.subject, why.reason, f"{why.message}; {sentence}", state.iccid)
