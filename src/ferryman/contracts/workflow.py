"""Questions to a deployment's transport script, inside the SM-SR (its own process runs the script)."""

from __future__ import annotations

from ferryman.contracts.message import Body
from ferryman.workflow.plan import GiveUp, Send, Wait
from ferryman.workflow.question import Question


class Decide(Body, frozen=True, kw_only=True, tag=True):
    """How does this command go on?"""

    question: Question


class Decided(Body, frozen=True, kw_only=True, tag=True):
    """The plan, checked."""

    plan: Send | Wait | GiveUp
