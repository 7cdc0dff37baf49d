"""What a call left open: the card is asked until it says what it is (SGP.02 5.1.1)."""

from __future__ import annotations

from typing import Any

import sr_steps as s
from ferryman.codec import ids
from ferryman.platform.procedure import SetTimer, Step, TimerFired
from ferryman.sm_sr.procedures import settle
from ferryman.sm_sr.procedures.settle import Doubt, SettleState
from ferryman.sm_sr.records import Audited, RemoveISDP, SetState


def step(state: SettleState, event: Any, **changes: Any) -> Step[SettleState]:
    return settle.step(state, event, s.context(caller=False, **changes))


def doubted() -> Step[SettleState]:
    return step(SettleState(), s.Signalled("procedure", Doubt()))


def asked(**changes: Any) -> Step[SettleState]:
    return step(doubted().state, TimerFired("look"), **changes)


def said(state: SettleState, *states: tuple[bytes, int], more: bool = False) -> Any:
    data = b"".join(s.status_of(aid, value) for aid, value in states)
    parts = [(data, 0x6310 if more else 0x9000), (s.resources(777), 0x9000)]
    return s.outcome(f"procedure/{state.sent}", "answered", script=s.script(*parts))


def test_a_doubt_waits_a_moment_then_asks() -> None:
    assert s.timers(doubted()) == {"look": settle.FIRST_LOOK}
    taken = asked()
    assert s.is_read(s.command(taken))
    assert s.timers(taken) == {"look": settle.LAST_LOOK}, "an outcome that is lost does not end the asking"


def test_nothing_is_asked_while_an_operation_has_the_card() -> None:
    taken = asked(holder="enable/x", holder_kind="enable")
    assert not s.commands(taken)
    assert s.timers(taken) == {"look": settle.FIRST_LOOK}


def test_the_eis_follows_the_card() -> None:
    state = asked().state
    taken = step(state, said(state, (s.NEW, 0x3F)))
    assert s.changes(taken) == [RemoveISDP(s.BOOT), SetState(s.NEW, "Enabled"), Audited(777)]
    assert not taken.state.open
    assert step(taken.state, TimerFired("look")) == Step(taken.state)


def test_an_answer_from_before_another_operation_is_not_believed() -> None:
    state = asked().state
    busy = step(state, said(state, (s.NEW, 0x3F)), holder="enable/x")
    assert not s.changes(busy)
    other = s.card(s.isdp(s.BOOT, state="Disabled"), s.isdp(state="Enabled"))
    moved = step(state, said(state, (s.BOOT, 0x3F), (s.NEW, 0x1F)), euicc=other)
    assert not s.changes(moved)
    assert moved.state.open
    assert [e for e in moved.effects if isinstance(e, SetTimer)]


def test_silence_is_asked_under_the_other_number_and_less_often() -> None:
    taken, delays, numbers = asked(), [], []
    for _ in range(14):
        numbers.append(s.command(taken).destination)
        taken = step(taken.state, s.outcome(f"procedure/{taken.state.sent}", "unknown"))
        delays.append(s.timers(taken)["look"])
        taken = step(taken.state, TimerFired("look"))
    assert delays[:3] == [120.0, 240.0, 480.0]
    assert delays[-1] == settle.LAST_LOOK
    assert numbers[:4] == ["8823900000001", "8821100000001"] * 2


def test_pages_are_fetched_in_a_chain() -> None:
    state = asked().state
    first = step(state, said(state, (s.BOOT, 0x3F), more=True))
    assert s.command(first).chain, "from the start, in one chain"
    answer = s.script((s.status_of(s.BOOT, 0x3F), 0x6310))
    second = step(first.state, s.outcome(f"procedure/{first.state.sent}", "answered", script=answer))
    assert s.apdu_of(s.command(second))[3] == 0x03
    answer = s.script((s.status_of(s.NEW, 0x1F), 0x9000))
    third = step(second.state, s.outcome(f"procedure/{second.state.sent}", "answered", script=answer))
    assert not s.command(third).chain
    answer = s.script((s.resources(5), 0x9000))
    ended = step(third.state, s.outcome(f"procedure/{third.state.sent}", "answered", script=answer))
    assert s.changes(ended) == [Audited(5)]


def test_strangers_and_a_card_that_left() -> None:
    state = asked().state
    assert step(state, s.answered("another/1")) == Step(state)
    assert step(SettleState(), TimerFired("look")) == Step(SettleState())
    assert not step(state, said(state, (ids.isdp_aid(0x44), 0x3F)), no_card=True).state.open
    assert not step(doubted().state, TimerFired("look"), no_card=True).state.open
