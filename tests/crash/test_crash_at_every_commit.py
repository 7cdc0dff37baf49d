"""All memory is dropped at every commit of a download and enable, and the databases are opened again.

One undisturbed run is counted: the commits of every role's database together, from the order to its end. Then
the same run, from a copy of the same prepared state, is cut off once after each commit (it is durable, nothing
that follows from it has happened) and once before each (it is rolled back, whatever led to it is forgotten):
databases, sockets, timers and tasks end in that instant, and seconds later a new installation starts on the
data. The operator, whose call may have died too, places the order again in the same words.

Every such run must end exactly like the undisturbed one: the order's result and its steps, the EIS in every
field, the card, the network, the procedures, the audit records (but the CryptoServer's, which enters each use of
a key, also when a question is asked again), and nothing left over in outboxes, leases or timers. The card's own
log must be the same list of commands, so that none ran twice and no finished step was redone.

There is one allowance. Over HTTPS a script that was committed and not received yet, in a session that the card
begins and has no answer in, leaves no trace on the card by which a later session could be known as its
continuation: a card that executed it and lost its power would come in the same way. The outcome is unknown, so
the card is asked (GET STATUS, which changes nothing) before anything is done; at most once for a crash.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import structlog

from crash_world import Ending, Power, Prepared, compiled_once, differences, play, prepare, quick_folder
from virtual_loop import run

PARTS = 6  # tests that share the commits, so that they spread over processes and none takes long
LIMIT = 20_000.0  # virtual seconds of one run; the order is valid for 7,200
TIMEOUT = 600  # real seconds of one test; it takes fewer than ten on a machine of its own
QUESTIONS = {"sms": 0, "https": 1}  # GET STATUS allowed for each crash, see above
EVERY = 4  # crashes in a row start at every fourth commit
FOLLOWING = (3, 9)  # commits after the first crash at which the machine goes off again

pytestmark = pytest.mark.timeout(TIMEOUT)


@dataclass
class Stage:
    """The prepared state and the undisturbed runs."""

    prepared: Prepared
    references: dict[str, Ending] = field(default_factory=dict)

    def reference(self, transport: str) -> Ending:
        """The undisturbed run."""
        if transport not in self.references:
            self.references[transport] = run(play(self.prepared, transport, Power()), limit=LIMIT)
        return self.references[transport]

    def check(self, transport: str, power: Power, name: str, *, down: float) -> list[str]:
        """Play with crashes; what is different at the end."""
        ending = run(play(self.prepared, transport, power, down=down), limit=LIMIT)
        allowed = QUESTIONS[transport] * ending.cuts
        return [f"{name}: {text}" for text in differences(ending, self.reference(transport), questions=allowed)]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Made once for each process."""
    # Hundreds of lives, each with its lost links and interrupted sessions: only errors of ours are worth a line.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with quick_folder() as folder, compiled_once():
        yield Stage(run(prepare(folder)))
    structlog.reset_defaults()


@pytest.mark.parametrize("transport", ["sms", "https"])
def test_undisturbed(stage: Stage, transport: str, record_property: Callable[[str, object], None]) -> None:
    reference = stage.reference(transport)
    record_property("commits", reference.commits)
    assert reference.status is not None
    assert reference.status.status == "EXECUTED_SUCCESS"
    assert reference.steps[-1] == "done"
    assert reference.eis == reference.card
    assert [row[3] for row in reference.eis[1:]] == ["Disabled", "Enabled"]
    assert reference.authenticated
    assert reference.attached == reference.eis[2][2]
    assert reference.twice == []
    assert reference.left_over == {}
    assert reference.crash is None
    assert reference.commits > 50


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("transport", ["sms", "https"])
def test_off_after_each_commit(stage: Stage, transport: str, part: int) -> None:
    """Off for longer than the SMSC's repeats are recognised (5 s): they are new messages then."""
    wrong = []
    for number in range(1 + part, stage.reference(transport).commits + 1, PARTS):
        power = Power(after=frozenset((number,)))
        wrong += stage.check(transport, power, f"after commit {number}", down=8.0)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("transport", ["sms", "https"])
def test_off_before_each_commit(stage: Stage, transport: str, part: int) -> None:
    """Off for a moment only: timers and connections of the other side are still where they were."""
    wrong = []
    for number in range(1 + part, stage.reference(transport).commits + 1, PARTS):
        power = Power(before=frozenset((number,)))
        wrong += stage.check(transport, power, f"before commit {number}", down=1.0)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("transport", ["sms", "https"])
def test_off_again_while_starting_and_recovering(stage: Stage, transport: str, part: int) -> None:
    wrong = []
    for number in range(1 + EVERY * part, stage.reference(transport).commits + 1, EVERY * PARTS):
        times = frozenset((number, *(number + more for more in FOLLOWING)))
        wrong += stage.check(transport, Power(after=times), f"after commits {sorted(times)}", down=4.0)
    assert not wrong, "\n".join(wrong)
