"""What a change of SM-SR left on the card is done later, or a person is called (SGP.02 3.8)."""

from __future__ import annotations

from typing import Any

import sr_steps as s
from ferryman.platform.procedure import Audit, Step, TimerFired
from ferryman.sm_sr.euicc_type import Effective
from ferryman.sm_sr.procedures import owed
from ferryman.sm_sr.procedures.owed import ADDRESS, KEYS, Owe, State
from ferryman.sm_sr.records import SRSettings

SETTINGS = SRSettings(transport="sms", sms_address="+3361")


def step(state: State, event: Any, **changes: Any) -> Step[State]:
    return owed.step(state, event, s.context(**{"caller": False, "settings": SETTINGS, **changes}))


def owing(*duties: str, state: State | None = None, **changes: Any) -> Step[State]:
    return step(state or State(), s.Signalled("handover", Owe(duties=duties)), **changes)


def due(state: State, **changes: Any) -> Step[State]:
    return step(state, TimerFired("again"), **changes)


def audits(taken: Step[State]) -> list[tuple[str, str]]:
    return [(e.action, e.outcome) for e in taken.effects if isinstance(e, Audit)]


def refused(state: State, now: float = s.NOW) -> Step[State]:
    return step(state, s.answered(f"procedure/{state.sent}", 0x6985), now=now)


def test_keys_and_address_are_owed_until_the_card_has_done_both() -> None:
    first = owing(ADDRESS, KEYS)
    assert s.timers(first) == {"again": owed.FIRST}
    keys = due(first.state)
    assert s.apdu_of(s.command(keys)).hex().upper() == "80E400000AF203010103F20340010200", "those of the EIS"
    assert s.timers(keys) == {"again": owed.LAST}, "an outcome that is lost does not end it"
    kept = step(keys.state, s.answered("procedure/1"))
    assert (audits(kept), s.timers(kept)) == ([("0900 FinaliseISDRhandover", "done")], {"again": 0.0})
    address = due(kept.state)
    assert s.apdu_of(s.command(address))[5:7] == bytes.fromhex("3A07")
    last = step(address.state, s.answered("procedure/2"))
    assert audits(last) == [("UpdateSMSRAddressingParameters", "done")]
    assert last.state.duties == ()
    assert due(last.state) == Step(last.state)


def test_less_and_less_often_and_a_month_is_the_end() -> None:
    state, now, delays = owing(KEYS).state, s.NOW, []
    for _ in range(9):
        sent = due(state, now=now)
        assert s.command(sent)
        taken = refused(sent.state, now)
        delays.append(s.timers(taken)["again"] - (now - s.NOW))
        state, now = taken.state, now + delays[-1]
    assert delays == [1200.0, 2400.0, 4800.0, 9600.0, 19200.0, 38400.0, 76800.0, 86400.0, 86400.0]
    ended = due(state, now=s.NOW + owed.GIVE_UP)
    assert not s.commands(ended)
    assert audits(ended) == [("0900 FinaliseISDRhandover", "alarm")]
    assert ended.state.duties == ()
    # The answer to the last attempt may be what comes after the month.
    late = refused(due(owing(KEYS).state).state, s.NOW + owed.GIVE_UP)
    assert (audits(late), late.state.duties) == ([("0900 FinaliseISDRhandover", "alarm")], ())


def test_nothing_is_sent_while_another_operation_has_the_card() -> None:
    busy = due(owing(KEYS).state, holder="rotate-keys/x", holder_kind="rotate-keys")
    assert not s.commands(busy)
    assert s.timers(busy) == {"again": owed.BUSY}


def test_a_card_that_went_to_another_sm_sr_is_left_alone() -> None:
    gone = due(owing(KEYS, ADDRESS).state, no_card=True)
    assert (gone.effects, gone.state.duties) == ((), ())


def test_a_lost_outcome_and_an_unreadable_one() -> None:
    first = due(owing(KEYS).state)
    again = due(first.state)
    assert s.cancels(again) == ["procedure/1"], "what may still wait to be sent is withdrawn"
    assert step(again.state, s.answered("procedure/1")) == Step(again.state), "of the one that was withdrawn"
    kinds = ("unknown", "rejected", "unreachable")
    unreadable = s.outcome("procedure/2", "answered", script=b"\xff")
    for event in (*(s.outcome("procedure/2", kind) for kind in kinds), unreadable):
        taken = step(again.state, event)
        assert (audits(taken), taken.state.duties) == ([], (KEYS,))


def test_a_second_change_begins_the_month_anew_and_an_address_nobody_wants_is_dropped() -> None:
    first = owing(ADDRESS)
    both = owing(KEYS, state=first.state, now=s.NOW + 100.0)
    assert (both.state.duties, both.state.until) == ((KEYS, ADDRESS), s.NOW + 100.0 + owed.GIVE_UP)
    nothing = due(first.state, settings=SRSettings(transport="sms"))
    assert (audits(nothing), nothing.state.duties) == ([("UpdateSMSRAddressingParameters", "done")], ())


def test_a_card_that_deletes_what_is_listed_gets_one_command_for_each_version() -> None:
    other = {"effective": Effective(transports=("sms",), finalise_lists="deleted")}
    taken = due(owing(KEYS).state, **other)
    versions: list[int] = []
    while s.commands(taken):
        versions.append(s.apdu_of(s.command(taken))[7])
        answered = step(taken.state, s.answered(f"procedure/{len(versions)}", 0x6A88), **other)
        if not answered.state.duties:
            break
        assert s.timers(answered) == {"again": 0.0}
        taken = due(answered.state, **other)
    assert set(versions) == {*range(0x02, 0x10), *range(0x41, 0x50)}, "all but those of the EIS"
    assert audits(answered) == [("0900 FinaliseISDRhandover", "done")]
    assert audits(step(due(owing(KEYS).state).state, s.answered("procedure/1", 0x6A88))) == [], "there it is none"
