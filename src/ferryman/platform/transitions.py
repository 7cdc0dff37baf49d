"""Transition tables of procedures: what each step function may do, row by row, and the words they are written in.

A table is text, one line for each row: state | event | when | next state | effects. Alternatives stand behind
commas, `*` is every state, `=` the same state as before, `end` the end of the procedure; of several next states
each is possible; an effect with `?` may be missing. What no row names changes nothing and does nothing. `when` is
for the reader.

The step functions are not made from the tables; the test suite holds them to each other: every step that is taken
in it must be a row, and every alternative of every row must be taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from ferryman.contracts.status import Status
from ferryman.errors import InputError
from ferryman.platform.procedure import (
    Answered,
    Apply,
    Ask,
    Audit,
    Begin,
    CancelTimer,
    Context,
    Done,
    Effect,
    Event,
    Received,
    Reply,
    Send,
    SetTimer,
    Signal,
    Signalled,
    Step,
    TimerFired,
)

START, END = "start", "end"
ANY, SAME = "*", "="
COLUMNS = 5
_WORDS = {Status.SUCCESS: "success", Status.WARNING: "warning", Status.FAILED: "failed", Status.EXPIRED: "expired"}

_PUNCTUATION = re.compile("[^A-Za-z]+")
_STATUS_WORD = re.compile("card [0-9A-F]{4}")

type Word = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `states` and `events` are alternatives, of `effects` those in `maybe` may be missing."""

    states: tuple[str, ...]
    events: tuple[str, ...]
    when: str
    nexts: tuple[str, ...]
    effects: frozenset[str]
    maybe: frozenset[str]

    def holds(self, seen: Seen) -> bool:
        """Whether this is what was seen."""
        return (
            (seen.state in self.states or ANY in self.states)
            and any(is_event(event, seen.event) for event in self.events)
            and any(self.leads(after, seen) for after in self.nexts)
            and self.effects <= seen.effects <= self.effects | self.maybe
        )

    @staticmethod
    def leads(after: str, seen: Seen) -> bool:
        """Whether what was seen ended in this next state."""
        return seen.next == (seen.state if after == SAME else after)


@dataclass(frozen=True, slots=True)
class Seen:
    """One step that was taken, in the words of the tables."""

    state: str
    event: str
    next: str
    effects: frozenset[str]

    @property
    def nothing(self) -> bool:
        """It changed nothing and did nothing."""
        return self.state == self.next and not self.effects


@dataclass(frozen=True, slots=True)
class Table:
    """The transitions of one step function.

    `kinds` are the procedures that it is; `phase` tells the state, `signal` the word for a value of
    another procedure, `hand` for one that is handed to it, `change` for a change of the role's tables (empty: not
    worth a word).
    """

    name: str
    kinds: tuple[str, ...]
    rows: tuple[Row, ...]
    phase: Word
    signal: Word
    hand: Word
    change: Word

    def seen(self, state: Any, event: Event, context: Context, taken: Step[Any]) -> Seen:
        """What a step was, in the words of this table."""
        del context
        ended = any(isinstance(effect, Done) for effect in taken.effects)
        return Seen(
            state=self.phase(state),
            event=self._event(event),
            next=END if ended else self.phase(taken.state),
            effects=frozenset(filter(None, map(self._effect, taken.effects))),
        )

    def row_of(self, seen: Seen) -> Row | None:
        """The first row that a step is; None when the table lacks it."""
        return next((row for row in self.rows if row.holds(seen)), None)

    def _event(self, event: Event) -> str:
        match event:
            case Begin():
                return "begin"
            case TimerFired(name):
                return name.partition("/")[0] if name != "deadline" else name
            case Received(_, body):
                return type(body).__name__ + _outcome(body)
            case Answered(tag, _, refusal):
                return f"crypto {tag.partition('/')[0]}" + (" refused" if refusal is not None else "")
            case Signalled(_, value):
                return self.signal(value)

    def _effect(self, effect: Effect) -> str:
        match effect:
            case Send(_, body):
                return type(body).__name__ + _outcome(body)
            case Ask(_, body):
                return f"ask {type(body).__name__}"
            case SetTimer(name):
                return f"timer {name.partition('/')[0]}"
            case Signal(_, value):
                return self.hand(value)
            case Apply(change):
                return self.change(change)
            case Audit(_, outcome):
                return "alarm" if outcome == "alarm" else ""
            case Reply(body):
                return "reply" + _outcome(body)
            case CancelTimer() | Done():
                return ""


def _outcome(body: object) -> str:
    status = getattr(body, "status", None)
    return f" {_WORDS[status.status]}" if status is not None else ""


def is_event(pattern: str, event: str) -> bool:
    """Whether an event is one of a pattern: `card SW` is each but 9000; words stand for those that begin so."""
    if pattern == "card SW":
        return event != "card 9000" and _STATUS_WORD.fullmatch(event) is not None
    return event == pattern or event.startswith(f"{pattern} ")


def read(text: str) -> tuple[Row, ...]:
    """The rows of a table; raises InputError naming the line that is none."""
    rows: list[Row] = []
    for line in filter(str.strip, text.splitlines()):
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) != COLUMNS or not all((cells[0], cells[1], cells[3])):
            raise InputError("transition table", f"not a row: {line.strip()}")
        states, events, when, after, effects = cells
        named = list(_split(effects))
        maybe = frozenset(name.removeprefix("?") for name in named if name.startswith("?"))
        needed = frozenset(name for name in named if not name.startswith("?"))
        rows.append(Row(tuple(_split(states)), tuple(_split(events)), when, tuple(_split(after)), needed, maybe))
    return tuple(rows)


def _split(cell: str) -> Iterable[str]:
    return filter(None, (part.strip() for part in cell.split(",")))


def lacks(rows: Iterable[Row], seen: Iterable[Seen]) -> list[str]:
    """The alternatives that no step has taken, each as `state | event | next`."""
    steps = list(seen)
    missing: list[str] = []
    for row in rows:
        taken = [one for one in steps if row.holds(one)]
        missing += [
            f"{state} | {event} | {', '.join(row.nexts)}"
            for state in row.states
            for event in row.events
            if not any((state in (ANY, one.state)) and is_event(event, one.event) for one in taken)
        ]
        missing += [
            f"{', '.join(row.states)} | {', '.join(row.events)} | {after}"
            for after in row.nexts
            if taken and not any(row.leads(after, one) for one in taken)
        ]
    return missing


def diagram(rows: Sequence[Row]) -> str:
    """A Mermaid state diagram; rows from any state, and those that stay, are told in the table alone."""
    lines = ["stateDiagram-v2", f"    [*] --> {_name(rows[0].states[0])}"]
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for state, after in product(row.states, row.nexts):
            if state != ANY and after not in (SAME, state):
                arrows.setdefault((state, after), []).extend(row.events)
    for (state, after), events in arrows.items():
        last = "[*]" if after == END else _name(after)
        lines.append(f"    {_name(state)} --> {last}: {', '.join(dict.fromkeys(events))}")
    return "\n".join(lines)


def _name(state: str) -> str:
    return _PUNCTUATION.sub("_", state)


def page(table: Table) -> str:
    """Diagram and table as Markdown."""
    lines = [
        "```mermaid",
        diagram(table.rows),
        "```",
        "",
        "| state | event | when | next | effects |",
        "|---|---|---|---|---|",
    ]
    for row in table.rows:
        effects = [*sorted(row.effects), *(f"({name})" for name in sorted(row.maybe))]
        after = ", ".join("the same" if one == SAME else one for one in row.nexts)
        states = ", ".join("any" if state == ANY else state for state in row.states)
        lines.append(f"| {states} | {', '.join(row.events)} | {row.when} | {after} | {', '.join(effects)} |")
    return "\n".join(lines)
