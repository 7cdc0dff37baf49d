"""Rules that hold whatever a script says: what may have run stays on its way; nothing that no card can take."""

from __future__ import annotations

from ferryman.errors import InputError
from ferryman.workflow.plan import Packaging, Plan, Send
from ferryman.workflow.question import Question


def fits(plan: Plan, question: Question) -> None:
    """Raises InputError when the plan cannot be carried out at this moment.

    The card runs a repeated SMS packet once, because its counter is used up; on another transport the same
    command would run
    again (SGP.02 2.4.3: one counter for each packet).
    """
    if not isinstance(plan, Send):
        return
    if plan.packaging is Packaging.COMPACT and not question.card.compact:
        raise InputError("plan.packaging", "cards of this eUICC type take expanded scripts only")
    if not question.doubt or question.operation.asks:
        return
    last = question.history[-1].transport if question.history else plan.transport
    if plan.transport != last:
        raise InputError(
            "plan.transport",
            f"the command may have been executed over {last}; it must not go over {plan.transport}",
        )
