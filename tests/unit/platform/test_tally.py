"""Counters whose labels cannot grow without end, and a log that a peer cannot flood."""

from __future__ import annotations

from ferryman.platform.metrics import Metric, exposition
from ferryman.platform.tally import MAX_SERIES, Seldom, Tally

SUBMITS = Metric("ferryman_smpp_submits_total", "counter", "Requests.")


def test_counts_by_labels() -> None:
    tally = Tally()
    tally.add(SUBMITS, outcome="accepted")
    tally.add(SUBMITS, 2, outcome="accepted")
    tally.add(SUBMITS, outcome="throttled")
    lines = exposition(tally.samples(("account", "a"))).splitlines()
    assert lines[2:] == [
        'ferryman_smpp_submits_total{account="a",outcome="accepted"} 3',
        'ferryman_smpp_submits_total{account="a",outcome="throttled"} 1',
    ]


def test_labels_of_a_peer_do_not_grow_memory() -> None:
    tally = Tally()
    for number in range(2 * MAX_SERIES):
        tally.add(SUBMITS, outcome=str(number))
    tally.add(SUBMITS, outcome="0")
    assert len(tally.samples()) == MAX_SERIES
    assert tally.samples()[0].value == 2


def test_a_log_shows_some_lines_of_each_period_and_says_how_many_it_did_not() -> None:
    seldom = Seldom(2, 60.0)
    assert [seldom.allow(at) for at in (0.0, 1.0, 2.0, 59.0, 60.0, 61.0, 62.0, 200.0)] == [
        *(0, 0, None, None),
        *(2, 0, None),
        1,
    ]
