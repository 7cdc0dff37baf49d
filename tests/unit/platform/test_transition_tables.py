"""Transition tables: how they are read, that each procedure has one, that the pages are current."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sr_steps as s
from ferryman.errors import InputError
from ferryman.platform.procedure import Begin, TimerFired
from ferryman.platform.transitions import Seen, diagram, lacks, read
from ferryman.sm_dp.operator_port import RELAY
from ferryman.sm_dp.order_desk import DOWNLOAD
from ferryman.sm_dp.transitions import TABLES as SM_DP
from ferryman.sm_sr.functions import KINDS
from ferryman.sm_sr.procedures import owed
from ferryman.sm_sr.transitions import HALVES, TABLES
from transition_watch import PLACES, WATCH, Watch, tables, words

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools"))

import transition_tables  # noqa: E402

ROWS = read(
    """
    start | begin | in time | sent | to card, ?timer ask
    start, sent | deadline | | end | reply expired
    sent | card SW, card unknown | | = |
    """
)


def seen(state: str, event: str, after: str, *effects: str) -> Seen:
    return Seen(state, event, after, frozenset(effects))


@pytest.mark.parametrize(
    ("one", "is_row"),
    [
        (seen("start", "begin", "sent", "to card"), True),
        (seen("start", "begin", "sent", "to card", "timer ask"), True),
        (seen("start", "begin", "sent", "timer ask"), False),
        (seen("start", "begin", "sent", "to card", "reply success"), False),
        (seen("start", "begin", "end", "to card"), False),
        (seen("sent", "begin", "sent", "to card"), False),
        (seen("sent", "deadline", "end", "reply expired"), True),
        (seen("sent", "card 6A88", "sent"), True),
        (seen("sent", "card 9000", "sent"), False),
        (seen("sent", "card unknown", "sent"), True),
        (seen("sent", "card unreachable", "sent"), False),
    ],
)
def test_what_a_row_is(one: Seen, *, is_row: bool) -> None:
    assert any(row.holds(one) for row in ROWS) == is_row


def test_every_alternative_wants_a_step_of_its_own() -> None:
    steps = [seen("start", "begin", "sent", "to card"), seen("sent", "deadline", "end", "reply expired")]
    assert lacks(ROWS, steps) == ["start | deadline | end", "sent | card SW | =", "sent | card unknown | ="]


def test_of_several_next_states_each_wants_a_step() -> None:
    rows = read("sent | card 9000 | | end, = | ?to card")
    steps = [seen("sent", "card 9000", "end")]
    assert rows[0].holds(steps[0])
    assert not rows[0].holds(seen("sent", "card 9000", "start"))
    assert lacks(rows, steps) == ["sent | card 9000 | ="]
    assert lacks(rows, [*steps, seen("sent", "card 9000", "sent", "to card")]) == []


@pytest.mark.parametrize("line", ["start | begin | | end", "| begin | | end |", "start | begin | | |"])
def test_what_is_no_row(line: str) -> None:
    with pytest.raises(InputError, match="not a row"):
        read(line)


def test_a_step_that_the_table_lacks_is_told() -> None:
    """The watch that every test runs under: it tells a step that has lost its row, and keeps what it has seen."""
    table = TABLES["owed"]
    watch = Watch()
    owe = s.Signalled("x", owed.Owe(duties=(owed.KEYS,)))
    context = s.context(caller=False)
    state = watch.watched((table,), owed.step)(owed.State(), owe, context).state
    assert watch.take_wrong() == []
    assert WATCH.take_wrong() == []
    assert [words(one) for one in watch.seen[table.name]] == ["nothing | owe | | due | timer again"]
    poorer = dataclasses.replace(table, rows=table.rows[2:])
    assert watch.watched((poorer,), owed.step)(state, TimerFired("made up"), context).state
    other = Watch()
    other.watched((poorer,), owed.step)(owed.State(), owe, context)
    assert other.take_wrong() == [f"{table.name}: nothing | owe | | due | timer again"]
    assert other.take_wrong() == []
    assert any("told | again" in one for one in other.missing())
    other.hear(watch.told())
    assert other.seen[table.name] == watch.seen[table.name]


def test_the_watch_stands_over_the_step_functions_that_the_role_runs() -> None:
    """Patched before anybody took them: a step of a role that no table has fails the test that took it."""
    kind = next(kind for kind in KINDS if kind.name == owed.KIND)
    assert kind.step.__name__ == "noting"
    assert kind.step is owed.step
    before = set(WATCH.seen[TABLES["owed"].name])
    kind.step(owed.State(), Begin(), s.context(caller=False))
    assert WATCH.seen[TABLES["owed"].name] == before, "nothing happened"
    assert WATCH.take_wrong() == []


CHANNEL = "channel"  # the one step function with several tables, each of a part of its state


def test_every_procedure_has_a_table() -> None:
    named = [kind for table in TABLES.values() for kind in table.kinds]
    assert {kind.name for kind in KINDS} - {CHANNEL} == set(named)
    assert {kind for table in HALVES.values() for kind in table.kinds} == {CHANNEL}
    assert {kind for table in SM_DP.values() for kind in table.kinds} == {DOWNLOAD, RELAY}
    wanted = {f"ferryman.sm_sr.procedures.{name}" for name in (*TABLES, CHANNEL)}
    assert wanted | {f"ferryman.sm_dp.procedures.{name}" for name in SM_DP} == set(PLACES)


def test_every_table_has_a_name_of_its_own() -> None:
    """What is seen is kept by it; a table that several step functions share has one name."""
    every = [*{id(table): table for group in PLACES.values() for table in group}.values()]
    assert len(tables()) == len(every)


def _pages() -> Iterator[tuple[str, str]]:
    yield from transition_tables.pages().items()


ENDLESS = ("channel-https.md", "channel-plan.md", "channel-sms.md", "notification.md", "owed.md", "settle.md")


@pytest.mark.parametrize(("name", "text"), list(_pages()), ids=[name for name, _ in _pages()])
def test_pages_are_current(name: str, text: str) -> None:
    written = (transition_tables.FOLDER / name).read_text(encoding="utf-8")
    assert written == text, "run `python tools/transition_tables.py`"
    arrows = re.findall(r"^    (\S+) --> (\S+)(?:: .+)?$", written, flags=re.MULTILINE)
    assert arrows[0][0] == "[*]"
    assert any(after == "[*]" for _, after in arrows) or name in ENDLESS


def test_no_page_is_left_over() -> None:
    assert {path.name for path in transition_tables.FOLDER.glob("*.md")} == set(transition_tables.pages())


def test_a_diagram() -> None:
    assert diagram(ROWS).splitlines() == [
        "stateDiagram-v2",
        "    [*] --> start",
        "    start --> sent: begin",
        "    start --> [*]: deadline",
        "    sent --> [*]: deadline",
    ]
