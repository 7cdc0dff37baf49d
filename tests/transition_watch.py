"""Holds every step that any test takes to the transition tables (`ferryman.platform.transitions`).

A step that the table lacks fails the step test that took it, and is told of at the end of the run when a test of
the whole platform took it. What all tests have taken is put together at the end of a
whole run: a row, or an alternative of one, that no test has taken fails the run. Steps of other processes (those
that are killed) are not seen.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any

from ferryman.platform.procedure import Context, Event, Step, TimerFired
from ferryman.platform.transitions import Row, Seen, Table, lacks
from ferryman.sm_sr.transitions import TABLES as SM_SR

PLACES = {
    **{f"ferryman.sm_sr.procedures.{name}": table for name, table in SM_SR.items()},
}
type AnyStep = Callable[[Any, Event, Context], Step[Any]]


class Watch:
    """What was seen, by module; what no table has, until somebody takes it."""

    def __init__(self) -> None:
        self.seen: dict[str, set[Seen]] = {place: set() for place in PLACES}
        self.paused = False  # a test that makes up events shows nothing of what happens
        self._wrong: list[str] = []

    def install(self) -> None:
        """Before any test module, or the role, has taken a step function."""
        for place, table in PLACES.items():
            module: Any = importlib.import_module(place)
            module.step = self.watched(place, table, module.step)

    def watched(self, place: str, table: Table, step: AnyStep) -> AnyStep:
        """The same step function, with its steps noted."""
        timers = {event for row in table.rows for event in row.events}

        def noting(state: Any, event: Event, context: Context) -> Step[Any]:
            taken = step(state, event, context)
            if self.paused or (isinstance(event, TimerFired) and event.name not in timers):
                return taken  # a timer that the procedure never sets was made up too
            one = table.seen(state, event, context, taken)
            if one not in self.seen[place] and not one.nothing:
                self.seen[place].add(one)
                if table.row_of(one) is None:
                    self._wrong.append(f"{table.name}: {words(one)}")
            return taken

        return noting

    def take_wrong(self) -> list[str]:
        """Steps that no table has, since the last look."""
        found, self._wrong = self._wrong, []
        return found

    def told(self) -> list[list[Any]]:
        """Everything seen, for the process that puts it together."""
        return [
            [place, one.state, one.event, one.next, sorted(one.effects)]
            for place, steps in self.seen.items()
            for one in steps
        ]

    def hear(self, told: Iterable[list[Any]]) -> None:
        """What another process has seen."""
        for place, state, event, after, effects in told:
            self.seen[place].add(Seen(state, event, after, frozenset(effects)))

    def missing(self) -> list[str]:
        """Rows that nobody has taken."""
        return [
            f"{table.name}: no test takes {one}"
            for place, table in PLACES.items()
            for one in lacks(self._rows_of(place, table), self._all_of(table))
        ]

    def _rows_of(self, place: str, table: Table) -> tuple[Row, ...]:
        # Several modules may share a table: it is looked at once.
        return table.rows if next(one for one, other in PLACES.items() if other is table) == place else ()

    def _all_of(self, table: Table) -> set[Seen]:
        return {one for place, other in PLACES.items() if other is table for one in self.seen[place]}


def words(one: Seen) -> str:
    """A step as the row that it would be."""
    return f"{one.state} | {one.event} | | {one.next} | {', '.join(sorted(one.effects))}"


WATCH = Watch()
