"""One operation at a time on an eUICC: who waits in vain is told that it was busy (SGP.02 5.1.1, 1.2/4.4; pure).

A call waits for the eUICC within its validity period. When that ends and somebody else still has it, the answer
is FAILED with 1.2/4.4; nothing was done. Who had his turn and no result hears EXPIRED instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ferryman.contracts import codes
from ferryman.contracts.message import Body
from ferryman.contracts.status import ExecutionStatus, failed
from ferryman.platform.procedure import DEADLINE, Audit, Context, Done, Event, Reply, Step, TimerFired

type AnyStep = Callable[[Any, Event, Context], Step[Any]]
type Respond = Callable[[Body, ExecutionStatus], Body]


def in_turn(step: AnyStep, respond: Respond) -> AnyStep:
    """The same step for a function that waits its turn; `respond` makes its response."""

    def waiting_step(state: Any, event: Event, context: Context) -> Step[Any]:
        if not _in_vain(event, context):
            return step(state, event, context)
        holder = context.facts.holder_kind
        sentence = f"the eUICC was busy with {holder} until the validity period ended"
        status = failed(*codes.BUSY, sentence, context.eid)
        audit = Audit(type(state.request).__name__, "failed", detail=f"{status.code} {sentence}")
        return Step(state, (audit, Reply(respond(state.request, status)), Done()))

    return waiting_step


def _in_vain(event: Event, context: Context) -> bool:
    if not isinstance(event, TimerFired) or event.name != DEADLINE:
        return False
    return bool(context.facts.holder) and context.facts.holder != context.procedure_id
