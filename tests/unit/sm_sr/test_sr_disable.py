"""DisableProfile, POL2 Auto-Delete, and deletion of an enabled profile (SGP.02 3.4 to 3.7, 5.3, 5.6)."""

from __future__ import annotations

from typing import Any

import pytest

import sr_steps as s
from ferryman.contracts import es3, es4
from ferryman.contracts.status import Status
from ferryman.platform.procedure import Audit, Begin, Signal, Step, TimerFired
from ferryman.sm_sr.procedures import change, change_state
from ferryman.sm_sr.procedures.settle import Doubt
from ferryman.sm_sr.records import RemoveISDP, SetState, SRSettings

AUTO = (s.rule("DISABLE", "Auto-Delete"),)
CHANGED, ROLLED_BACK, FELL_BACK = 2, 3, 5
LATE = s.DEADLINE + 1.0
DISABLED = [SetState(s.NEW, "Disabled"), SetState(s.BOOT, "Enabled")]


def euicc(**profile: Any) -> Any:
    """The operator's profile is enabled, the bootstrap has the fall-back attribute."""
    return s.card(s.isdp(s.BOOT, state="Disabled"), s.isdp(**{"state": "Enabled", **profile}))


def step(state: Any, event: Any, **changes: Any) -> Step[Any]:
    return change.step(state, event, s.context(**{"euicc": euicc(), **changes}))


def fresh(name: str = "disable") -> Any:
    return change.State(request=s.REQUESTS[name], requester=s.DP)


def last(state: Any) -> str:
    return f"procedure/{state.sent}"


def commanded(name: str = "disable", **changes: Any) -> Step[Any]:
    return step(fresh(name), Begin(), **changes)


def confirming(name: str = "disable", kind: int = CHANGED, **changes: Any) -> Any:
    state = step(commanded(name, **changes).state, s.answered("procedure/1"), **changes).state
    return step(state, s.heard(kind, s.BOOT), **changes).state


def audits(taken: Step[Any]) -> list[tuple[str, str]]:
    return [(e.action, e.outcome) for e in taken.effects if isinstance(e, Audit)]


def doubts(taken: Step[Any]) -> list[str]:
    return [e.procedure_id for e in taken.effects if isinstance(e, Signal) and isinstance(e.value, Doubt)]


# -- DisableProfile --------------------------------------------------------------------------------------------


def test_disable_goes_to_the_isdr_and_expects_the_fall_back_profile() -> None:
    taken = commanded()
    assert s.apdu_of(s.command(taken)).hex().upper().startswith("80E28800153A04124F10" + s.NEW.hex().upper())
    assert (taken.state.target, taken.state.previous) == (s.BOOT, s.NEW)
    assert not s.changes(taken)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"no_card": True}, "8.1.1/3.9"),
        ({"euicc": euicc(state="Disabled")}, "8.2.1/1.2"),
        ({"euicc": s.card(s.isdp(state="Enabled", fallback=True))}, "8.1/3.8"),
        ({"euicc": s.card(s.isdp(state="Enabled"))}, "8.1/3.8"),
        ({"euicc": euicc(pol2=(s.rule("DISABLE", "Not-Allowed"),))}, "8.2.3/3.8"),
        ({"now": LATE}, "1.6/5.3"),
    ],
    ids=["no card", "not enabled", "fall-back", "nothing to fall back to", "POL2", "late"],
)
def test_disable_refused_before_anything_is_sent(changes: dict[str, Any], expected: str) -> None:
    taken = commanded(**changes)
    assert s.reply(taken).code == expected
    assert s.done(taken)
    assert not s.commands(taken)


@pytest.mark.parametrize(("sw", "expected"), [(0x69E1, "8.2.2/3.8"), (0x6985, "8.4/4.2"), (0x6A88, "8.4/4.2")])
def test_disable_refused_by_the_card(sw: int, expected: str) -> None:
    taken = step(commanded().state, s.answered("procedure/1", sw))
    assert s.reply(taken).code == expected
    assert not s.changes(taken)


@pytest.mark.parametrize("kind", [CHANGED, FELL_BACK])
def test_disable_succeeds_with_either_type(kind: int) -> None:
    state = confirming(kind=kind)
    assert state.phase == change_state.CONFIRMING
    taken = step(state, s.answered(last(state)))
    assert s.reply(taken).status is Status.SUCCESS
    assert isinstance(s.replies(taken)[0], es3.ES3DisableProfileResponse)
    assert s.changes(taken) == DISABLED
    assert ("0300 DisableProfile", "done") in audits(taken)
    assert s.done(taken)


def test_type_05_ends_no_enable() -> None:
    """For EnableProfile it tells a fall-back, never the change that was asked for."""
    disabled = s.card(s.isdp(s.BOOT, fallback=False), s.isdp(fallback=True))
    state = change.step(fresh("enable"), Begin(), s.context(disabled)).state
    state = change.step(state, s.answered("procedure/1"), s.context(disabled)).state
    told = change.step(state, s.heard(FELL_BACK, s.NEW), s.context(disabled)).state
    assert told.phase == change_state.RETURNING


def test_disable_rolled_back() -> None:
    state = step(commanded().state, s.answered("procedure/1")).state
    told = step(state, s.heard(ROLLED_BACK, s.NEW)).state
    taken = step(told, s.answered(last(told)))
    assert (s.reply(taken).status, s.reply(taken).code) == (Status.FAILED, "8.4/4.2")
    assert not s.changes(taken)


def test_disable_expired_is_not_confirmed() -> None:
    state = step(commanded().state, s.answered("procedure/1")).state
    over = step(state, TimerFired("deadline"), now=s.DEADLINE)
    assert s.reply(over).status is Status.EXPIRED
    told = step(over.state, s.heard(CHANGED, s.BOOT), now=LATE)
    assert not s.commands(told)
    assert ("0002 profile change succeeded", "not confirmed") in audits(told)


def test_the_card_is_asked_for_both_ends_of_the_change() -> None:
    """A lost answer to the confirmation also hides what POL1 deleted."""
    state = confirming()
    asked = step(state, s.answered(last(state), 0x6985))
    assert [apdu[7:23] for apdu in s.apdus_of(s.command(asked))] == [s.BOOT, s.NEW]
    both = s.script((s.status_of(s.BOOT, 0x3F), 0x9000), (b"", 0x6A88))
    taken = step(asked.state, s.outcome(last(asked.state), "answered", script=both))
    assert s.reply(taken).status is Status.SUCCESS
    assert s.changes(taken) == [*DISABLED, RemoveISDP(s.NEW, 5000)]


def test_es4_is_answered_in_es4() -> None:
    request = es4.ES4DisableProfile(eid=s.EID, iccid=s.ICCID)
    taken = change.step(change.State(request=request, requester="nobody"), Begin(), s.context(euicc()))
    assert isinstance(s.replies(taken)[0], es4.ES4DisableProfileResponse)
    assert not s.reply(taken).ok


def test_silence_to_the_end_leaves_a_doubt() -> None:
    state = confirming()
    waiting = step(state, TimerFired("deadline"), now=s.DEADLINE)
    assert not s.replies(waiting), "decided in time"
    ended = step(waiting.state, TimerFired("grace"), now=LATE)
    assert s.reply(ended).status is Status.EXPIRED
    assert doubts(ended) == [f"settle/{s.EID}"]
    assert s.done(ended)


# -- POL2 Auto-Delete ------------------------------------------------------------------------------------------


def deleting(name: str = "disable", **profile: Any) -> Step[Any]:
    card = euicc(**profile)
    state = confirming(name, euicc=card)
    return step(state, s.answered(last(state)), euicc=card)


def test_auto_delete_follows_the_change() -> None:
    taken = deleting(pol2=AUTO)
    assert s.changes(taken) == DISABLED, "the change is in the EIS at once"
    assert s.apdu_of(s.command(taken)).hex().upper().startswith("80E40040124F10" + s.NEW.hex().upper())
    assert s.command(taken).destination == "8823900000001", "the card is under its new number"
    assert not s.replies(taken), "the caller hears of it when all is done"
    ended = step(taken.state, s.answered(last(taken.state)), euicc=euicc(state="Disabled", pol2=AUTO))
    assert s.reply(ended).status is Status.SUCCESS
    assert s.changes(ended) == [RemoveISDP(s.NEW, 5000)]
    assert s.done(ended)


@pytest.mark.parametrize(
    "profile",
    [
        {"pol2": ()},
        {"pol2": (*AUTO, s.rule("DELETE", "Not-Allowed"))},
        {"pol2": AUTO, "fallback": True, "state": "Enabled"},
    ],
    ids=["no rule", "rules that contradict", "fall-back"],
)
def test_no_auto_delete(profile: dict[str, Any]) -> None:
    card = s.card(s.isdp(s.BOOT), s.isdp(s.BOOT[:13] + b"\x00\x12\x00", iccid="3", state="Disabled"))
    card = s.card(s.isdp(s.BOOT, **{"fallback": False, **profile}), s.isdp())
    state = change.step(fresh("enable"), Begin(), s.context(card)).state
    state = change.step(state, s.answered("procedure/1"), s.context(card)).state
    state = change.step(state, s.heard(CHANGED), s.context(card)).state
    taken = change.step(state, s.answered(last(state)), s.context(card))
    assert s.done(taken)
    assert not s.commands(taken)


def test_auto_delete_after_pol1_has_nothing_to_do() -> None:
    card = euicc(pol2=AUTO)
    state = confirming(euicc=card)
    gone = bytes.fromhex("8012 4F10") + s.NEW
    taken = step(state, s.answered(last(state), 0x9000, gone), euicc=card)
    assert s.changes(taken) == [*DISABLED, RemoveISDP(s.NEW, 5000)]
    assert s.done(taken)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (lambda i: s.answered(i, 0x69E1), "8.2.2/3.8"),
        (lambda i: s.answered(i, 0x6985), "8.4/4.2"),
        (lambda i: s.outcome(i, "unreachable"), "8.1/5.1"),
        (lambda i: s.outcome(i, "rejected"), "8.4/4.2"),
    ],
)
def test_auto_delete_that_fails_is_a_warning(event: Any, expected: str) -> None:
    state = deleting(pol2=AUTO).state
    taken = step(state, event(last(state)))
    assert (s.reply(taken).status, s.reply(taken).code) == (Status.WARNING, expected)
    assert ("0400 DeleteISDP", "alarm") in audits(taken)
    assert not s.changes(taken)


def test_auto_delete_of_unknown_fate_is_asked_for() -> None:
    state = deleting(pol2=AUTO).state
    asked = step(state, s.outcome(last(state), "unknown"))
    assert s.is_read(s.command(asked))
    silent = step(asked.state, s.outcome(last(asked.state), "unknown"))
    assert s.timers(silent) == {"ask": change_state.ASK_AGAIN}
    again = step(silent.state, TimerFired("ask"))
    ended = step(again.state, s.answered(last(again.state), 0x6A88))
    assert s.reply(ended).status is Status.SUCCESS
    assert RemoveISDP(s.NEW, 5000) in s.changes(ended)


def test_auto_delete_outlives_the_call() -> None:
    """The change is done; the deletion is owed to POL2, not to the caller."""
    state = deleting(pol2=AUTO).state
    over = step(state, TimerFired("deadline"), now=s.DEADLINE)
    assert (s.reply(over).status, s.reply(over).code) == (Status.WARNING, "1.6/5.3")
    assert not s.cancels(over)
    ended = step(over.state, s.answered(last(over.state)), now=LATE)
    assert RemoveISDP(s.NEW, 5000) in s.changes(ended)
    assert not s.replies(ended)
    assert s.done(ended)
    left = step(over.state, s.outcome(last(over.state), "unknown"), now=LATE)
    assert doubts(left)
    assert s.done(left)


def test_what_the_card_tells_during_the_deletion_is_a_matter_of_its_own() -> None:
    state = deleting(pol2=AUTO).state
    assert step(state, s.heard(CHANGED, s.BOOT)) == Step(state), "the one that was confirmed"
    told = step(state, s.heard(FELL_BACK, s.BOOT, sequence=9))
    assert [(e.procedure_id, e.value.sequence) for e in told.effects if isinstance(e, Signal)] == [
        (f"notification/{s.EID}", 9)
    ]
    assert told.state == state


# -- deletion of an enabled profile ----------------------------------------------------------------------------


def test_enabled_profile_is_disabled_first() -> None:
    taken = commanded("delete")
    assert s.apdu_of(s.command(taken))[5:7] == bytes.fromhex("3A04")
    taken = deleting("delete")
    assert s.changes(taken) == DISABLED
    assert s.apdu_of(s.command(taken))[1] == 0xE4
    ended = step(taken.state, s.answered(last(taken.state)), euicc=euicc(state="Disabled"))
    assert isinstance(s.replies(ended)[0], es3.ES3DeleteISDPResponse)
    assert s.reply(ended).status is Status.SUCCESS
    assert s.changes(ended) == [RemoveISDP(s.NEW, 5000)]
    assert audits(ended) == [("0400 DeleteISDP", "done")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"settings": SRSettings(transport="sms", delete_enabled="refuse")}, "8.2.1/1.2"),
        ({"euicc": euicc(pol2=(s.rule("DISABLE", "Not-Allowed"),))}, "8.2.3/3.8"),
        ({"euicc": euicc(pol2=(s.rule("DELETE", "Not-Allowed"),))}, "8.2.3/3.8"),
        ({"euicc": s.card(s.isdp(state="Enabled", fallback=True))}, "8.2.3/3.8"),
    ],
    ids=["setting", "POL2 disable", "POL2 delete", "fall-back"],
)
def test_enabled_profile_is_not_deleted(changes: dict[str, Any], expected: str) -> None:
    taken = commanded("delete", **changes)
    assert s.reply(taken).code == expected
    assert not s.commands(taken)


def test_deletion_refused_after_the_change_is_a_failure_with_the_change_in_the_eis() -> None:
    state = deleting("delete").state
    taken = step(state, s.answered(last(state), 0x69E1))
    assert (s.reply(taken).status, s.reply(taken).code) == (Status.FAILED, "8.2.2/3.8")


def test_pol1_was_quicker_than_the_deletion() -> None:
    state = confirming("delete")
    gone = bytes.fromhex("8012 4F10") + s.NEW
    taken = step(state, s.answered(last(state), 0x9000, gone))
    assert s.reply(taken).status is Status.SUCCESS
    assert RemoveISDP(s.NEW, 5000) in s.changes(taken)
    assert not s.commands(taken)


def test_deletion_expires_and_its_late_result_goes_into_the_eis() -> None:
    state = deleting("delete").state
    over = step(state, TimerFired("deadline"), now=s.DEADLINE)
    assert s.reply(over).status is Status.EXPIRED
    assert s.cancels(over) == [last(state)]
    late = step(over.state, s.answered(last(state)), now=LATE)
    assert RemoveISDP(s.NEW, 5000) in s.changes(late)
    assert not s.replies(late)
