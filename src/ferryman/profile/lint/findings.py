"""What a validator says: findings, rules, and the register of all rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from ferryman.profile.lint.view import View

type Severity = Literal["error", "warning"]

ERROR: Severity = "error"
WARNING: Severity = "warning"


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a rule is broken: index of the profile element, the component, and what is wrong there."""

    index: int
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule: its id and severity, the profile element, the component, and what is wrong there."""

    rule: str
    severity: Severity
    index: int
    element: str
    identification: int | None
    field: str
    message: str

    def __str__(self) -> str:
        number = "" if self.identification is None else f" ({self.identification})"
        place = f"{self.element}{number}" + (f".{self.field}" if self.field else "")
        return f"{self.severity}: {place}: {self.message} [{self.rule}]"


type Check = Callable[[View], Iterator[Spot]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `source` is the section of the project's reference it comes from, `text` says it in a sentence.

    `template`: it is about variables in a template; the others are about a finished package.
    """

    name: str
    severity: Severity
    source: str
    text: str
    check: Check
    template: bool = False


RULES: dict[str, Rule] = {}
"""All rules by id, in the order in which they are checked."""


def rule(
    name: str, source: str, severity: Severity = ERROR, *, text: str = "", template: bool = False
) -> Callable[[Check], Check]:
    """Registers a check; its text is the first line of its docstring, unless given."""

    def register(check: Check) -> Check:
        sentence = text or (check.__doc__ or "").partition("\n")[0]
        add(Rule(name, severity, source, sentence.rstrip("."), check, template))
        return check

    return register


def add(one: Rule) -> None:
    """Registers a rule; an id is used once."""
    if one.name in RULES:
        raise ValueError(f"rule {one.name} is there twice")
    RULES[one.name] = one
