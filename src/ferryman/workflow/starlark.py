"""A deployment's transport script in Starlark: `def decide(q)` returns what `send`, `wait` or `give_up` made.

Starlark has no loops without end, no recursion, no clock, no file and no network; time and memory are limited
by the
process that runs this (`sm_sr/scripts`). The same question gives the same answer, so a question may be asked
again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import msgspec
import starlark as sl

from ferryman.errors import InputError
from ferryman.workflow import naming, rules
from ferryman.workflow.plan import Plan, check
from ferryman.workflow.question import Question

ENTRY = "decide"
MAX_SCRIPT = 64_000  # characters; a workflow is a page or two
MAX_CALLS = 64  # frames on the stack
PRELUDE_NAME = "prelude.star"
SECONDS_OF_DAY = 86_400
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0

# What a script may call besides the language itself. Times in seconds.
PRELUDE = """
def send(transport, attempts = 0, answer_timeout = 0, spacing = 0, packaging = None, trigger = None, why = ""):
    return {"do": "send", "transport": transport, "attempts": attempts, "answer_timeout": answer_timeout,
            "spacing": spacing, "packaging": packaging, "trigger": trigger, "why": why}

def wait(seconds, why = ""):
    return {"do": "wait", "seconds": seconds, "why": why}

def give_up(why = ""):
    return {"do": "give_up", "why": why}
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a script: `severity` is "error" or "warning", `line` counts from 1 (0: the whole file)."""

    line: int
    severity: str
    rule: str
    text: str


class Script:
    """A compiled script; raises InputError when it is none."""

    def __init__(self, name: str, text: str) -> None:
        for finding in inspect(name, text):
            if finding.severity == "error":
                raise InputError(f"{name}:{finding.line}", f"{finding.rule}: {finding.text}")
        try:
            module = _load(name, text)
        except sl.StarlarkError as problem:
            raise InputError(name, _first_line(problem)) from None
        self._name = name
        self._module = module

    def decide(self, question: Question, *, cancelled: Callable[[], bool] | None = None) -> Plan:
        """The plan for a question, checked.

        Raises InputError when the script fails, returns something else than a plan, or one that cannot be carried
        out. `cancelled` is asked while it runs.
        """
        return fitting(self.answer(question, cancelled=cancelled), question)

    def answer(self, question: Question, *, cancelled: Callable[[], bool] | None = None) -> Any:
        """What the script returned, as plain values; raises InputError."""
        options = sl.EvalOptions(check_cancelled=cancelled, max_callstack_size=MAX_CALLS)
        try:
            return self._module.call_with(options, ENTRY, seen(question)).value
        except sl.StarlarkError as problem:
            raise InputError(self._name, _first_line(problem)) from None


def fitting(raw: Any, question: Question) -> Plan:
    """A checked plan of what a script returned; raises InputError."""
    if isinstance(raw, dict):
        raw = {name: value for name, value in raw.items() if value is not None}
    plan = check(raw, installed=question.installed)
    rules.fits(plan, question)
    return plan


def seen(question: Question) -> dict[str, Any]:
    """The question as a script sees it: dictionaries, with the clock taken apart (UTC)."""
    found: dict[str, Any] = msgspec.to_builtins(question)
    day, second = divmod(int(question.now), SECONDS_OF_DAY)
    found["clock"] = {
        "hour": second // 3600,
        "minute": second // 60 % 60,
        "weekday": (day + EPOCH_WEEKDAY) % 7,
        "age": question.now - question.operation.since,
    }
    return found


def inspect(name: str, text: str, installed: Collection[str] | None = None) -> tuple[Finding, ...]:
    """What is wrong with a script: it does not parse, loads others, has no `decide`, lint, types.

    With `installed` also each transport that it names and that is none of these.
    """
    if len(text) > MAX_SCRIPT:
        return (Finding(0, "error", "size", f"has more than {MAX_SCRIPT} characters"),)
    try:
        tree = sl.parse(name, text, _dialect())
    except sl.StarlarkError as problem:
        return (Finding(0, "error", "syntax", _first_line(problem)),)
    found = [Finding(0, "error", "load", f"{one.module_id}: a script stands alone") for one in tree.loads()]
    found += [
        Finding(lint.resolved_location.span.begin.line + 1, _severity(lint), lint.short_name, lint.problem)
        for lint in tree.lint()
    ]
    if found and any(one.severity == "error" for one in found):
        return tuple(found)
    for line, transport in () if installed is None else naming.not_installed(text, installed):
        sentence = f"{transport} is not installed (installed: {', '.join(installed or ())})"
        found.append(Finding(line, "error", "transport", sentence))
    return (*found, *_typed(name, text))


def _typed(name: str, text: str) -> tuple[Finding, ...]:
    """Types, with the words of the prelude known; its lines stand in front and are taken off again."""
    lead = PRELUDE.count("\n")
    both = sl.parse(name, PRELUDE + text, _dialect())
    errors, _, _ = both.typecheck(_globals(), {})
    found: list[Finding] = []
    for error in errors:
        line = error.span.span.begin.line + 1 - lead if error.span is not None else 0
        # The place in the text counts the prelude's lines too; `line` does not.
        found.append(Finding(max(line, 0), "error", "types", _first_line(error).partition(" --> ")[0]))
    if not found:
        try:
            _load(name, text)
        except sl.StarlarkError as problem:
            found.append(Finding(0, "error", "evaluation", _first_line(problem)))
        except InputError as problem:
            found.append(Finding(0, "error", "entry", problem.rule))
    return tuple(found)


def _load(name: str, text: str) -> sl.FrozenModule:
    module = sl.Module()
    options = sl.EvalOptions(max_callstack_size=MAX_CALLS)
    sl.eval_with(options, module, sl.parse(PRELUDE_NAME, PRELUDE, _dialect()), _globals())
    sl.eval_with(options, module, sl.parse(name, text, _dialect()), _globals())
    try:
        kind = sl.eval(module, sl.parse(PRELUDE_NAME, f"type({ENTRY})", _dialect()), _globals())
    except sl.StarlarkError:
        kind = None
    if kind != "function":
        raise InputError(name, f"has no function {ENTRY}(q)")
    return module.freeze()


def _globals() -> sl.Globals:
    return sl.Globals.extended_by([sl.LibraryExtension.Map, sl.LibraryExtension.Filter])


def _dialect() -> sl.Dialect:
    dialect = sl.Dialect.standard()
    dialect.enable_keyword_only_arguments = True
    dialect.enable_types = sl.DialectTypes.ENABLE
    dialect.enable_f_strings = True
    dialect.enable_load = False
    return dialect


def _severity(lint: sl.Lint) -> str:
    return "error" if lint.severity == sl.EvalSeverity.Error else "warning"


def _first_line(problem: object) -> str:
    """The rule and the place in one line; the drawing with the caret and the way there are left out."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    at = next((number for number, line in enumerate(lines) if line.startswith("error:")), 0)
    return " ".join(lines[at : at + 2]).removeprefix("error: ")[:300] if lines else type(problem).__name__
