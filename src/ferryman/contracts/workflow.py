"""Questions to a deployment's transport script, inside the SM-SR (its own process runs the script)."""

from __future__ import annotations

import msgspec

from ferryman.contracts.message import Body
from ferryman.workflow.plan import GiveUp, Send, Wait
from ferryman.workflow.question import Question


class Decide(Body, frozen=True, kw_only=True, tag=True):
    """How does this command go on?"""

    question: Question


class Decided(Body, frozen=True, kw_only=True, tag=True):
    """The plan, checked."""

    plan: Send | Wait | GiveUp


# -- what people ask (over the operator's calls) ---------------------------------------------------------------


class ActivateScript(Body, frozen=True, kw_only=True, tag=True):
    """Check this script where it would run, keep it as a version, and ask it from now on."""

    name: str
    text: str


class CheckScript(Body, frozen=True, kw_only=True, tag=True):
    """What would be said of this script if it were activated."""

    name: str
    text: str


class ScriptFinding(msgspec.Struct, frozen=True, kw_only=True):
    """`severity` is error or warning, `line` counts from 1 (0: the whole file)."""

    line: int
    severity: str
    rule: str
    text: str


class ScriptChecked(Body, frozen=True, kw_only=True, tag=True):
    """Findings; with an error the script cannot be activated."""

    ok: bool
    findings: tuple[ScriptFinding, ...]


class TryScript(Body, frozen=True, kw_only=True, tag=True):
    """What this script says to questions; nothing comes of it."""

    name: str
    text: str
    questions: tuple[Question, ...]


class ScriptSaid(msgspec.Struct, frozen=True, kw_only=True):
    """The plan for one question, the built-in policy's beside it (both JSON), or why there is none."""

    plan: str
    builtin: str
    problem: str = ""


class ScriptTried(Body, frozen=True, kw_only=True, tag=True):
    """In the order of the questions."""

    said: tuple[ScriptSaid, ...]


class RollBackScript(Body, frozen=True, kw_only=True, tag=True):
    """Go back to a version, or to the one that was active before; 0 is the built-in policy."""

    version: int | None = None


class ScriptActivated(Body, frozen=True, kw_only=True, tag=True):
    """The version that is active now; 0 for the built-in policy."""

    version: int


class ListScripts(Body, frozen=True, kw_only=True, tag=True):
    """All versions."""


class ScriptView(msgspec.Struct, frozen=True, kw_only=True):
    """One version; `digest` is the SHA-256 of its text."""

    version: int
    name: str
    digest: str
    added: float
    active: bool
    text: str


class ScriptPage(Body, frozen=True, kw_only=True, tag=True):
    """Versions, the newest first."""

    scripts: tuple[ScriptView, ...]


class ListDecisions(Body, frozen=True, kw_only=True, tag=True):
    """The last decisions of the script, of one card or of all; those older than number `before` (0: the last)."""

    eid: str = ""
    limit: int = 100
    before: int = 0


class DecisionView(msgspec.Struct, frozen=True, kw_only=True):
    """A question, the plan as JSON (empty when there was none), and the problem, upon which the built-in policy
    decided."""

    at: float
    eid: str
    question: Question
    plan: str
    problem: str
    number: int = 0


class DecisionPage(Body, frozen=True, kw_only=True, tag=True):
    """Decisions, the newest first."""

    decisions: tuple[DecisionView, ...]


ASKED = (CheckScript, TryScript, ActivateScript, RollBackScript, ListScripts, ListDecisions)
ANSWERED = (ScriptChecked, ScriptTried, ScriptActivated, ScriptPage, DecisionPage)
