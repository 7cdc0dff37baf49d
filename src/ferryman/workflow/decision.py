"""What a script decided, to be remembered: people look through it, and a changed script is tried on it."""

from __future__ import annotations

from dataclasses import dataclass

from ferryman.workflow.plan import Plan
from ferryman.workflow.question import Question


@dataclass(frozen=True, slots=True)
class Decision:
    """The question, the plan of the script, and the problem for which the built-in policy decided instead."""

    question: Question
    plan: Plan | None
    problem: str = ""
