"""Holds every step that any test takes to the transition tables (`ferryman.platform.transitions`).

A step that a table lacks fails the test that took it, whatever the test is about. What all tests have taken is put
together at the end of a whole run, over all its processes: a row, or an alternative of one, that no test has taken
fails the run. Steps of roles that run as processes of their own (those that are killed) are not seen.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ferryman.platform.procedure import Context, Event, Step, TimerFired
from ferryman.platform.transitions import Seen, Table, lacks
from ferryman.sm_dp.transitions import TABLES as SM_DP
from ferryman.sm_sr.transitions import HALVES
from ferryman.sm_sr.transitions import TABLES as SM_SR

# By the module whose step function they are of: several when each tells of a part of its state.
PLACES: Mapping[str, tuple[Table, ...]] = {
    **{f"ferryman.sm_dp.procedures.{name}": (table,) for name, table in SM_DP.items()},
    **{f"ferryman.sm_sr.procedures.{name}": (table,) for name, table in SM_SR.items()},
    "ferryman.sm_sr.procedures.channel": tuple(HALVES.values()),
}
type AnyStep = Callable[[Any, Event, Context], Step[Any]]


def tables() -> dict[str, Table]:
    """All of them by name; one that several step functions share is there once."""
    return {table.name: table for group in PLACES.values() for table in group}


class Watch:
    """What was seen, by table; what no table has, until somebody takes it."""

    def __init__(self) -> None:
        self.seen: dict[str, set[Seen]] = {name: set() for name in tables()}
        self.paused = False  # a test that makes up events shows nothing of what happens
        self._wrong: list[str] = []

    def install(self) -> None:
        """Before any test module, or the role, has taken a step function."""
        for place, group in PLACES.items():
            module: Any = importlib.import_module(place)
            module.step = self.watched(group, module.step)

    def watched(self, group: tuple[Table, ...], step: AnyStep) -> AnyStep:
        """The same step function, with its steps noted."""
        timers = {event for table in group for row in table.rows for event in row.events}

        def noting(state: Any, event: Event, context: Context) -> Step[Any]:
            taken = step(state, event, context)
            if self.paused or (isinstance(event, TimerFired) and event.name.partition("/")[0] not in timers):
                return taken  # a timer that the procedure never sets was made up too
            for table in group:
                self._note(table, table.seen(state, event, context, taken))
            return taken

        return noting

    def _note(self, table: Table, one: Seen) -> None:
        known = self.seen[table.name]
        if one.nothing or one in known:
            return
        if table.row_of(one) is None:
            self._wrong.append(f"{table.name}: {words(one)}")  # and not known: it fails the next test too
        else:
            known.add(one)

    def take_wrong(self) -> list[str]:
        """Steps that no table has, since the last look."""
        found, self._wrong = list(dict.fromkeys(self._wrong)), []
        return found

    def told(self) -> list[list[Any]]:
        """Everything seen, for the process that puts it together."""
        return [
            [name, one.state, one.event, one.next, sorted(one.effects)]
            for name, steps in self.seen.items()
            for one in steps
        ]

    def hear(self, told: Iterable[list[Any]]) -> None:
        """What another process has seen."""
        for name, state, event, after, effects in told:
            self.seen[name].add(Seen(state, event, after, frozenset(effects)))

    def missing(self) -> list[str]:
        """Rows that nobody has taken."""
        return [
            f"{name}: no test takes {one}"
            for name, table in tables().items()
            for one in lacks(table.rows, self.seen[name])
        ]


def words(one: Seen) -> str:
    """A step as the row that it would be."""
    return f"{one.state} | {one.event} | | {one.next} | {', '.join(sorted(one.effects))}"


WATCH = Watch()
