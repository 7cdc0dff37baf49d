"""EnableProfile: every phase and every event that matters in it (SGP.02 3.2.1, 3.2.2, 4.1.1.11, 4.1.1.12)."""

from __future__ import annotations

from typing import Any

import pytest

import sr_steps as s
from ferryman.contracts.status import Status
from ferryman.platform.procedure import Audit, Begin, CancelTimer, Step, TimerFired
from ferryman.sm_sr.euicc_type import Effective
from ferryman.sm_sr.procedures import change_state
from ferryman.sm_sr.procedures.change import State
from ferryman.sm_sr.procedures.change import step as change_step
from ferryman.sm_sr.procedures.delivery import CardNotification
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import RemoveISDP, SetState, SRSettings

CHANGED, ROLLED_BACK, FELL_BACK = 2, 3, 5
ENABLED = [SetState(s.BOOT, "Disabled"), SetState(s.NEW, "Enabled")]
LATE = s.DEADLINE + 1.0


def fresh() -> State:
    return State(request=s.REQUESTS["enable"], requester=s.DP)


def step(state: State, event: Any, **changes: Any) -> Step[State]:
    return change_step(state, event, s.context(**changes))


def commanded() -> Step[State]:
    return step(fresh(), Begin())


def changing() -> State:
    return step(commanded().state, s.answered("procedure/1")).state


def confirming() -> Step[State]:
    return step(changing(), s.heard(CHANGED))


def asking(state: State) -> Step[State]:
    taken = step(state, TimerFired("ask"))
    assert s.is_read(s.command(taken))
    return taken


def last(state: State) -> str:
    return f"procedure/{state.sent}"


def said(state: State, found: int) -> Any:
    return s.answered(last(state), 0x9000, s.status_of(s.NEW, found))


# -- beginning -------------------------------------------------------------------------------------------------


def test_sends_one_command_to_the_isdr() -> None:
    taken = commanded()
    assert s.apdu_of(s.command(taken)).hex().upper().startswith("80E28800153A03124F10")
    assert (taken.state.target, taken.state.previous) == (s.NEW, s.BOOT)
    assert not s.changes(taken), "the EIS is as before"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"now": LATE}, "1.6/5.3"),
        ({"no_card": True}, "8.1.1/3.9"),
        ({"euicc": s.card(s.isdp(state="Created"))}, "8.2.1/1.2"),
        ({"euicc": s.card(s.isdp(s.BOOT, pol2=(s.rule("DISABLE", "Not-Allowed"),)), s.isdp())}, "8.2.3/3.8"),
    ],
)
def test_refused_before_anything_is_sent(changes: dict[str, Any], expected: str) -> None:
    taken = step(fresh(), Begin(), **changes)
    assert s.reply(taken).code == expected
    assert s.done(taken)
    assert not s.commands(taken)


def test_deadline_before_it_began() -> None:
    taken = step(fresh(), TimerFired("deadline"), now=LATE)
    assert s.reply(taken).status is Status.EXPIRED
    assert s.done(taken)


# -- the answer to the command ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (s.outcome("procedure/1", "unreachable"), "8.1/5.1"),
        (s.outcome("procedure/1", "rejected"), "8.4/4.2"),
        (s.answered("procedure/1", 0x69E1), "8.2.2/3.8"),
        (s.answered("procedure/1", 0x6985), "8.4/4.2"),
        (s.answered("procedure/1", 0x6A88), "8.4/4.2"),
    ],
)
def test_command_that_had_no_effect(event: Any, expected: str) -> None:
    taken = step(commanded().state, event)
    assert s.reply(taken).code == expected
    assert s.done(taken)
    assert not s.changes(taken)


@pytest.mark.parametrize(
    "event",
    [
        s.answered("procedure/1"),
        s.outcome("procedure/1", "unknown"),
        s.outcome("procedure/1", "answered", script=b"\xab\x00"),
        s.outcome("procedure/1", "answered", script=b"?"),
    ],
    ids=["9000", "unknown", "no R-APDU", "nonsense"],
)
def test_command_that_ran_or_may_have_run_waits_for_the_card(event: Any) -> None:
    taken = step(commanded().state, event)
    assert taken.state.phase == change_state.CHANGING
    assert s.timers(taken) == {"ask": SRSettings().change_timeout}
    assert not s.commands(taken)
    assert not s.replies(taken)


def test_outcome_of_another_command_is_nothing() -> None:
    state = commanded().state
    assert step(state, s.answered("procedure/9")) == Step(state)
    assert step(state, s.answered("somebody")) == Step(state)


# -- the notification and our decision -------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["commanded", "changing", "asking"])
def test_notification_is_confirmed_once(when: str) -> None:
    states = {"commanded": commanded().state, "changing": changing(), "asking": asking(changing()).state}
    taken = step(states[when], s.heard(CHANGED, sequence=0x0102, imei=b"\x3a" * 8))
    sent = s.command(taken)
    assert s.apdu_of(sent).hex().upper().startswith("80E28900073A08044E020102")
    assert sent.confirms is not None
    assert sent.destination == "8821100000001", "where the card is now"
    assert taken.state.confirmed == sent.confirms
    assert CancelTimer("ask") in taken.effects
    assert s.cancels(taken) == [last(states[when])], "what waits to be sent is overtaken"
    assert step(taken.state, s.heard(CHANGED, sequence=0x0102)) == Step(taken.state), "a repeat changes nothing"


@pytest.mark.parametrize("moment", [s.DEADLINE, LATE])
def test_never_confirmed_for_the_first_time_after_the_deadline(moment: float) -> None:
    taken = step(changing(), s.heard(CHANGED), now=moment)
    assert not s.commands(taken)
    assert [e.outcome for e in taken.effects if isinstance(e, Audit)] == ["received", "not confirmed"]
    expired = step(changing(), TimerFired("deadline"), now=s.DEADLINE)
    assert not s.commands(step(expired.state, s.heard(CHANGED), now=s.DEADLINE - 10)), (
        "the caller has heard Expired"
    )


def test_a_decision_taken_in_time_is_told_again_after_the_deadline() -> None:
    decided = confirming().state
    over = step(decided, TimerFired("deadline"), now=s.DEADLINE)
    assert not s.replies(over)
    assert set(s.timers(over)) == {"grace"}
    nothing_pending = step(over.state, s.answered(last(over.state), 0x6985), now=LATE)
    assert s.is_read(s.command(nothing_pending))
    again = step(nothing_pending.state, s.heard(CHANGED), now=LATE)
    assert s.command(again).confirms == decided.confirmed
    assert not s.commands(step(nothing_pending.state, s.heard(CHANGED, sequence=8), now=LATE)), (
        "another one is late"
    )


@pytest.mark.parametrize("notification", [s.heard(CHANGED, s.BOOT), s.heard(1), s.heard(4), s.heard(0x77)])
def test_notification_that_does_not_fit_is_not_confirmed(notification: Any) -> None:
    taken = step(changing(), notification)
    assert not s.commands(taken)
    assert taken.state == changing()


def test_success_changes_the_eis_and_the_caller_hears_it() -> None:
    state = confirming().state
    taken = step(state, s.answered(last(state)))
    assert s.reply(taken).status is Status.SUCCESS
    assert s.changes(taken) == ENABLED
    assert s.done(taken)


def test_card_deleted_the_former_profile_on_confirmation() -> None:
    state = confirming().state
    euicc = s.card(s.isdp(s.BOOT, pol2=(s.rule("DISABLE", "Auto-Delete"),)), s.isdp())
    gone = bytes.fromhex("8012 4F10") + s.BOOT
    taken = step(state, s.answered(last(state), 0x9000, gone), euicc=euicc)
    assert RemoveISDP(s.BOOT, 5000) in s.changes(taken)
    assert s.done(taken), "POL2 finds nothing left to delete"


@pytest.mark.parametrize(
    "event",
    [
        lambda i: s.outcome(i, "unknown"),
        lambda i: s.outcome(i, "unreachable"),
        lambda i: s.outcome(i, "rejected"),
        lambda i: s.answered(i, 0x6A88),
        lambda i: s.answered(i, 0x6F00),
        lambda i: s.outcome(i, "answered", script=b"?"),
        lambda i: s.answered(i, 0x9000, b"\x80\x7f"),
    ],
)
def test_confirmation_of_unknown_fate_is_sent_again_and_proves_nothing(event: Any) -> None:
    state = confirming().state
    taken = step(state, event(last(state)))
    assert not s.replies(taken)
    assert not s.changes(taken)
    assert s.timers(taken) == {"ask": change_state.RECONFIRM_DELAY}
    again = step(taken.state, TimerFired("ask"))
    assert s.command(again).confirms == state.confirmed
    good = step(again.state, s.answered(last(again.state)))
    assert s.reply(good).status is Status.SUCCESS


def test_nothing_before_the_confirmation_changes_the_eis() -> None:
    """Not the command's 9000, not the notification, not the state of the card."""
    first = commanded()
    told = step(first.state, s.answered("procedure/1"))
    heard = step(told.state, s.heard(CHANGED))
    question = asking(told.state)
    seen = step(question.state, said(question.state, 0x3F))
    for taken in (first, told, heard, question, seen):
        assert not [c for c in s.changes(taken) if isinstance(c, SetState | RemoveISDP)]
        assert not s.replies(taken)


def test_enabled_with_our_notification_perhaps_still_pending_is_confirmed_again() -> None:
    """State 3F alone proves nothing: the card waits for us in it."""
    state = replace(asking(changing()).state, confirmed=confirming().state.confirmed)
    taken = step(state, said(state, 0x3F))
    assert s.command(taken).confirms == state.confirmed
    assert not s.replies(taken)
    assert not s.changes(taken)


def test_nothing_pending_and_enabled_is_success() -> None:
    state = confirming().state
    asked = step(state, s.answered(last(state), 0x6985))
    assert s.is_read(s.command(asked))
    assert s.command(asked).destination == "8821100000001"
    assert s.reply(step(asked.state, said(asked.state, 0x3F))).status is Status.SUCCESS


def test_nothing_pending_and_disabled_is_a_roll_back() -> None:
    state = confirming().state
    asked = step(state, s.answered(last(state), 0x6985))
    taken = step(asked.state, said(asked.state, 0x1F))
    assert s.reply(taken).code == "8.4/4.2"
    assert not s.changes(taken)


# -- roll-back and fall-back -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ROLLED_BACK, FELL_BACK])
@pytest.mark.parametrize("when", ["commanded", "changing", "confirming", "asking"])
def test_the_card_went_back(when: str, kind: int) -> None:
    states = {
        "commanded": commanded().state,
        "changing": changing(),
        "confirming": confirming().state,
        "asking": asking(changing()).state,
    }
    told = step(states[when], s.heard(kind, s.BOOT, sequence=8))
    assert s.command(told).confirms is not None
    assert told.state.phase == change_state.RETURNING
    assert step(told.state, s.heard(kind, s.BOOT, sequence=8)) == Step(told.state)
    taken = step(told.state, s.answered(last(told.state)))
    assert s.reply(taken).code == "8.4/4.2"
    assert not s.changes(taken), "the EIS keeps the old states"
    assert s.done(taken)


def test_fall_back_to_a_third_profile_is_taken_into_the_eis() -> None:
    third = s.BOOT[:13] + b"\x00\x12\x00"
    euicc = s.card(s.isdp(s.BOOT, fallback=False), s.isdp(), s.isdp(third, state="Disabled", fallback=True))
    told = step(changing(), s.heard(FELL_BACK, third, sequence=8), euicc=euicc)
    taken = step(told.state, s.answered(last(told.state)), euicc=euicc)
    assert s.changes(taken) == [SetState(s.BOOT, "Disabled"), SetState(third, "Enabled")]


def test_roll_back_that_names_the_failed_profile() -> None:
    """The other reading of the AID in type 03 (`sgp02-euicc.md` 11.2)."""
    told = step(changing(), s.heard(ROLLED_BACK, s.NEW, sequence=8))
    assert not s.changes(step(told.state, s.answered(last(told.state))))


OTHER_TYPE = Effective(transports=("sms",), roll_back_names="failed", nothing_pending_sw="6A88")


def test_roll_back_of_a_type_that_names_the_failed_profile() -> None:
    """Confirmed under the former number: the card is not under the profile that is named."""
    told = step(changing(), s.heard(ROLLED_BACK, s.NEW, sequence=8, originator=""), effective=OTHER_TYPE)
    assert told.state.phase == change_state.RETURNING
    assert s.command(told).destination == "8823900000001"
    taken = step(told.state, s.answered(last(told.state)), effective=OTHER_TYPE)
    assert s.reply(taken).code == "8.4/4.2"
    assert not s.changes(taken)


def test_roll_back_of_another_change_is_a_matter_of_its_own() -> None:
    third = s.BOOT[:13] + b"\x00\x12\x00"
    taken = step(changing(), s.heard(ROLLED_BACK, third, sequence=8), effective=OTHER_TYPE)
    assert taken.state == changing()
    assert [found.aid for found in s.signals(taken, CardNotification)] == [third]


@pytest.mark.parametrize("kind", [CHANGED, ROLLED_BACK, FELL_BACK])
def test_notification_before_it_has_begun_is_a_matter_of_its_own(kind: int) -> None:
    taken = step(fresh(), s.heard(kind))
    assert taken.state == fresh()
    assert len(s.signals(taken, CardNotification)) == 1
    assert not s.commands(taken)


@pytest.mark.parametrize(
    ("words", "sw", "final"),
    [(None, 0x6985, True), (None, 0x6A88, False), (OTHER_TYPE, 0x6A88, True), (OTHER_TYPE, 0x6985, False)],
)
def test_only_the_word_of_this_type_says_that_nothing_is_pending(words: Any, sw: int, final: bool) -> None:
    state = confirming().state
    taken = step(state, s.answered(last(state), sw), effective=words)
    assert taken.state.nothing_pending is final
    assert bool(s.commands(taken)) is final, "asked for its state, or confirmed again later"


FALLBACK_TARGET = s.card(s.isdp(s.BOOT, fallback=False), s.isdp(fallback=True))


def fell_onto_the_target() -> State:
    return step(changing(), s.heard(FELL_BACK, s.NEW, sequence=8), euicc=FALLBACK_TARGET).state


def test_fall_back_onto_the_target_is_a_warning_for_it_is_enabled() -> None:
    """The change had failed, the roll-back too: what was asked for holds, and nothing is deleted (7.14)."""
    former = s.isdp(s.BOOT, fallback=False, pol2=(s.rule("DISABLE", "Auto-Delete"),))
    euicc = s.card(former, s.isdp(fallback=True))
    told = step(changing(), s.heard(FELL_BACK, s.NEW, sequence=8), euicc=euicc).state
    taken = step(told, s.answered(last(told)), euicc=euicc)
    assert (s.reply(taken).status, s.reply(taken).code) == (Status.WARNING, "8.4/4.2")
    assert s.changes(taken) == ENABLED
    assert s.done(taken)


def test_fall_back_onto_the_target_whose_confirmation_was_lost() -> None:
    told = fell_onto_the_target()
    asked = step(told, s.answered(last(told), 0x6985), euicc=FALLBACK_TARGET).state
    taken = step(asked, said(asked, 0x3F), euicc=FALLBACK_TARGET)
    assert s.reply(taken).status is Status.WARNING
    assert s.changes(taken) == ENABLED


def test_fall_back_onto_the_target_that_the_card_denies_is_believed_to_the_card() -> None:
    told = fell_onto_the_target()
    asked = step(told, s.outcome(last(told), "unknown"), euicc=FALLBACK_TARGET).state
    taken = step(asked, said(asked, 0x1F), euicc=FALLBACK_TARGET)
    assert (s.reply(taken).status, s.reply(taken).code) == (Status.FAILED, "8.4/4.2")
    assert not s.changes(taken)


def test_older_notification_does_not_undo_a_decision() -> None:
    state = confirming().state
    assert step(state, s.heard(ROLLED_BACK, s.BOOT, sequence=6)).state == state
    told = step(changing(), s.heard(ROLLED_BACK, s.BOOT, sequence=8)).state
    assert step(told, s.heard(CHANGED, sequence=7)).state == told


@pytest.mark.parametrize("answer", [0x6985, 0x6A88, 0x6F00, None])
def test_replayed_roll_back_does_not_end_a_good_change(answer: int | None) -> None:
    told = step(changing(), s.heard(ROLLED_BACK, s.BOOT, sequence=8)).state
    event = s.outcome(last(told), "unknown") if answer is None else s.answered(last(told), answer)
    asked = step(told, event)
    assert s.is_read(s.command(asked))
    waiting = step(asked.state, said(asked.state, 0x3F))
    assert waiting.state.phase == change_state.CHANGING
    assert s.command(step(waiting.state, s.heard(CHANGED, sequence=9))).confirms is not None


def test_replayed_roll_back_after_our_confirmation() -> None:
    told = step(confirming().state, s.heard(ROLLED_BACK, s.BOOT, sequence=8)).state
    asked = step(told, s.answered(last(told), 0x6985))
    again = step(asked.state, said(asked.state, 0x3F))
    assert s.command(again).confirms == confirming().state.confirmed
    assert again.state.returned is None


def test_roll_back_proved_by_the_state_alone() -> None:
    told = step(changing(), s.heard(ROLLED_BACK, s.BOOT, sequence=8)).state
    asked = step(told, s.outcome(last(told), "answered", script=b"?"))
    taken = step(asked.state, said(asked.state, 0x1F))
    assert s.reply(taken).code == "8.4/4.2"


# -- asking ----------------------------------------------------------------------------------------------------


def test_questions_go_to_both_numbers_in_turn() -> None:
    first = asking(changing())
    silent = step(first.state, s.outcome(last(first.state), "unknown"))
    assert s.timers(silent) == {"ask": 30.0}
    second = asking(silent.state)
    assert [s.command(first).destination, s.command(second).destination] == ["8823900000001", "8821100000001"]


@pytest.mark.parametrize(
    "event",
    [
        lambda i: s.outcome(i, "unknown"),
        lambda i: s.outcome(i, "answered", script=b"?"),
        lambda i: s.answered(i, 0x6A88),
        lambda i: s.answered(i, 0x6F00),
        lambda i: s.answered(i, 0x9000, s.status_of(s.NEW, 0x07)),
    ],
)
@pytest.mark.parametrize("decided", ["nothing", "confirmed", "returned"])
def test_no_word_of_the_card_means_asking_again(event: Any, decided: str) -> None:
    if decided == "nothing":
        state = asking(changing()).state
    elif decided == "confirmed":
        state = confirming().state
        state = step(state, s.answered(last(state), 0x6985)).state
    else:
        state = step(changing(), s.heard(ROLLED_BACK, s.BOOT, sequence=8)).state
        state = step(state, s.outcome(last(state), "unknown")).state
    taken = step(state, event(last(state)))
    assert not s.replies(taken)
    assert s.timers(taken) == {"ask": 30.0}
    assert s.commands(step(taken.state, TimerFired("ask")))


def test_enabled_but_unconfirmed_waits_for_its_notification() -> None:
    asked = asking(changing())
    taken = step(asked.state, said(asked.state, 0x3F))
    assert not s.commands(taken)
    assert not s.replies(taken)
    assert s.timers(taken) == {"ask": 60.0}


def test_command_whose_outcome_is_not_known_is_sent_again_when_the_card_did_not_change() -> None:
    state = step(commanded().state, s.outcome("procedure/1", "unknown")).state
    for attempt in range(2, SRSettings().card_attempts + 1):
        asked = asking(state)
        taken = step(asked.state, said(asked.state, 0x1F))
        assert s.apdu_of(s.command(taken))[1] == 0xE2
        assert taken.state.attempts == attempt
        state = step(taken.state, s.outcome(last(taken.state), "unknown")).state
    asked = asking(state)
    assert s.reply(step(asked.state, said(asked.state, 0x1F))).code == "8.4/4.2"


def test_a_command_that_was_answered_is_never_sent_again() -> None:
    asked = asking(changing())
    taken = step(asked.state, said(asked.state, 0x1F))
    assert not s.commands(taken)
    assert s.reply(taken).code == "8.4/4.2"


# -- time ------------------------------------------------------------------------------------------------------


def test_deadline_says_expired_and_keeps_the_lease_for_the_last_word() -> None:
    taken = step(changing(), TimerFired("deadline"), now=s.DEADLINE)
    assert s.reply(taken).status is Status.EXPIRED
    assert not s.done(taken)
    assert "grace" in s.timers(taken)
    assert step(taken.state, TimerFired("deadline"), now=LATE) == Step(taken.state)
    back = step(taken.state, s.heard(ROLLED_BACK, s.BOOT, sequence=8), now=LATE)
    ended = step(back.state, s.answered(last(back.state)), now=LATE)
    assert not s.replies(ended), "one answer only"
    assert s.done(ended)


def test_deadline_while_the_command_waits_withdraws_it() -> None:
    taken = step(commanded().state, TimerFired("deadline"), now=s.DEADLINE)
    assert s.cancels(taken) == ["procedure/1"]
    ended = step(taken.state, s.outcome("procedure/1", "unreachable"), now=LATE)
    assert s.done(ended)
    assert not s.replies(ended)


def test_after_expiry_a_question_without_answer_is_not_repeated() -> None:
    expired = step(asking(changing()).state, TimerFired("deadline"), now=s.DEADLINE).state
    assert step(expired, s.outcome(last(expired), "unknown"), now=LATE) == Step(expired)
    back = step(expired, said(expired, 0x1F), now=LATE)
    assert s.done(back)
    assert not s.commands(back)


def test_grace_ends_everything() -> None:
    expired = step(changing(), TimerFired("deadline"), now=s.DEADLINE).state
    taken = step(expired, TimerFired("grace"), now=LATE)
    assert s.done(taken)
    assert not s.replies(taken)
    decided = step(confirming().state, TimerFired("deadline"), now=s.DEADLINE).state
    taken = step(decided, TimerFired("grace"), now=LATE)
    assert s.reply(taken).status is Status.EXPIRED
    assert s.done(taken)


def test_timers_of_phases_that_have_none() -> None:
    state = commanded().state
    assert step(state, TimerFired("ask")) == Step(state)
    without = State(request=s.REQUESTS["enable"], requester=s.DP, phase=change_state.CONFIRMING)
    assert step(without, TimerFired("ask")) == Step(without)


def test_card_is_not_in_the_eis_any_more() -> None:
    state = confirming().state
    taken = step(state, s.answered(last(state)), no_card=True)
    assert not s.changes(taken)
    told = step(changing(), s.heard(ROLLED_BACK, s.BOOT, sequence=8), no_card=True).state
    assert s.reply(step(told, s.answered(last(told)), no_card=True)).code == "8.4/4.2"
    assert not s.command(asking(changing())).confirms
    assert s.command(step(changing(), TimerFired("ask"), no_card=True)).destination == ""


@pytest.mark.parametrize("kind", [0, 4, 6, 255])
def test_types_that_mean_nothing_are_an_alarm_and_change_nothing(kind: int) -> None:
    state = changing()
    told = step(state, s.heard(kind))
    assert told.state == state
    assert not s.commands(told)
    assert not s.changes(told)
    assert "alarm" in [e.outcome for e in told.effects if isinstance(e, Audit)]
