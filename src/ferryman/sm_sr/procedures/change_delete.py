"""ES5.DeleteProfile as the last part of a change, or alone (SGP.02 3.6, 4.1.1.5; clean-up 3.1.4, 3.1.5)."""

from __future__ import annotations

from ferryman.contracts import codes
from ferryman.contracts.status import failed
from ferryman.errors import PeerError
from ferryman.platform.procedure import Context, SetTimer, Step
from ferryman.sm_sr.procedures import change_commands as commands
from ferryman.sm_sr.procedures.card_state import card_state
from ferryman.sm_sr.procedures.change_end import delete_done, delete_failed, delete_unknown
from ferryman.sm_sr.procedures.change_state import (
    ASK_AGAIN,
    ASK_LATER,
    SW_NOT_FOUND,
    SW_OK,
    SW_POLICY,
    State,
    settings_of,
)
from ferryman.sm_sr.procedures.delivery import Outcome, OutcomeKind, read, single
from ferryman.sm_sr.procedures.structs import replace


def deleted(state: State, outcome: Outcome, context: Context) -> Step[State]:
    """The answer to DeleteProfile."""
    if outcome.kind is OutcomeKind.UNREACHABLE:
        return delete_failed(state, context, failed(*codes.EUICC_UNREACHABLE, outcome.detail, context.eid))
    if outcome.kind is OutcomeKind.REJECTED:
        return delete_failed(state, context, failed(*codes.ISDR_ERROR, outcome.detail, context.eid))
    try:
        if outcome.kind is OutcomeKind.UNKNOWN:
            raise PeerError("no answer", field="DELETE")
        _, sw = single(outcome)
        response = read(outcome.script).response
    except PeerError:
        # No further OTA for an expired call (SGP.02 5.1.1).
        return delete_unknown(state, context) if _over(state) else commands.look(state, context)
    if state.deletes:
        state = replace(state, response=response)
    if sw == SW_OK:
        return delete_done(state, context)
    if sw == SW_NOT_FOUND:
        # Gone already: by our own command whose answer was lost, or by somebody else's.
        return delete_done(state, context, known=state.deletions > 1)
    reason = codes.POL1_REFUSES if sw == SW_POLICY else codes.ISDR_ERROR
    return delete_failed(
        state, context, failed(*reason, f"the card answered {sw:04X} to DeleteProfile", context.eid)
    )


def looked(state: State, outcome: Outcome, context: Context) -> Step[State]:
    """The card's answer to whether the ISD-P is there."""
    try:
        if outcome.kind is not OutcomeKind.ANSWERED:
            raise PeerError("no answer", field="GET STATUS")
        found = card_state(outcome, state.doomed)
    except PeerError:
        if _over(state):
            return delete_unknown(state, context)
        return Step(state, (SetTimer(ASK_LATER, context.now + ASK_AGAIN),))  # until the validity period ends
    if found is None:
        return delete_done(state, context)
    if _over(state) or state.deletions >= settings_of(context).card_attempts:
        return delete_failed(
            state, context, failed(*codes.ISDR_ERROR, "the card did not delete the ISD-P", context.eid)
        )
    return commands.delete(state, context)


def look_again(state: State, context: Context) -> Step[State]:
    """The card was silent for a while."""
    return delete_unknown(state, context) if _over(state) else commands.look(state, context)


def _over(state: State) -> bool:
    return state.replied
