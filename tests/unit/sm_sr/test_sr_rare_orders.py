"""Rows of the transition tables that only a rare order of events takes: what was late, lost, or told twice."""

from __future__ import annotations

from typing import Any

import pytest

import sr_steps as s
from ferryman.contracts import crypto, es3, operations
from ferryman.contracts.status import Status, failed
from ferryman.platform.procedure import Answered, Ask, Audit, Begin, Step, TimerFired
from ferryman.sm_sr.euicc_type import Effective
from ferryman.sm_sr.procedures import (
    audit,
    change,
    create_isdp,
    notification,
    one_command,
    rotate_keys,
    send_data,
    settle,
)
from ferryman.sm_sr.procedures.delivery import CardNotification
from ferryman.sm_sr.procedures.notification_state import NotificationState
from ferryman.sm_sr.procedures.settle import Doubt, SettleState
from ferryman.sm_sr.records import SRSettings, UseKeyset

CHANGED, ROLLED_BACK, FELL_BACK = 2, 3, 5
LATE = s.DEADLINE + 1.0
DISABLING = s.card(s.isdp(s.BOOT, state="Disabled"), s.isdp(state="Enabled"))


def step(state: Any, event: Any, **changes: Any) -> Step[Any]:
    return change.step(state, event, s.context(**changes))


def begun(name: str, **changes: Any) -> Any:
    return step(change.State(request=s.REQUESTS[name], requester=s.DP), Begin(), **changes).state


def asking(name: str, **changes: Any) -> Any:
    waiting = step(begun(name, **changes), s.answered("procedure/1"), **changes).state
    return step(waiting, TimerFired("ask"), **changes).state


def test_the_card_tells_that_a_profile_is_disabled_before_it_has_answered() -> None:
    """A type 05 after a commanded Disable, while the command, or a question, is still out (SGP.02 3.4)."""
    for state in (begun("disable", euicc=DISABLING), asking("disable", euicc=DISABLING)):
        taken = step(state, s.heard(FELL_BACK, s.BOOT), euicc=DISABLING)
        assert taken.state.phase == "confirming"
        assert s.command(taken).confirms is not None


def test_the_deadline_while_the_decision_is_with_the_card() -> None:
    """Decided in time: the caller hears what the card says, not EXPIRED (SGP.02 3.2.1)."""
    waiting = step(begun("enable"), s.answered("procedure/1")).state
    confirming = step(waiting, s.heard(CHANGED)).state
    asked = step(confirming, s.answered(f"procedure/{confirming.sent}", 0x6985)).state
    returning = step(waiting, s.heard(ROLLED_BACK, s.BOOT)).state
    for state in (asked, returning):
        taken = step(state, TimerFired("deadline"), now=LATE)
        assert not s.replies(taken)
        assert list(s.timers(taken)) == ["grace"]
    over = step(asked, TimerFired("grace"), now=LATE)
    assert s.reply(over).status is Status.EXPIRED
    assert len(s.signals(over, Doubt)) == 1


@pytest.mark.parametrize("kind", ["rejected", "unreachable"])
def test_a_confirmation_of_a_roll_back_that_the_card_did_not_take(kind: str) -> None:
    waiting = step(begun("enable"), s.answered("procedure/1")).state
    returning = step(waiting, s.heard(ROLLED_BACK, s.BOOT)).state
    taken = step(returning, s.outcome(f"procedure/{returning.sent}", kind))
    assert s.is_read(s.command(taken)), "only its state proves that it is back"


def test_a_notification_of_an_unknown_type_is_an_alarm_in_every_phase() -> None:
    waiting = step(begun("enable"), s.answered("procedure/1")).state
    returning = step(waiting, s.heard(ROLLED_BACK, s.BOOT)).state
    for state in (begun("enable"), waiting, asking("enable"), returning):
        taken = step(state, s.heard(6, s.BOOT))
        assert taken.state == state
        assert [e.outcome for e in taken.effects if isinstance(e, Audit)] == ["received", "alarm"]


def phases() -> list[Any]:
    """An EnableProfile in each phase of the change."""
    waiting = step(begun("enable"), s.answered("procedure/1")).state
    confirming = step(waiting, s.heard(CHANGED)).state
    returning = step(waiting, s.heard(ROLLED_BACK, s.BOOT)).state
    return [begun("enable"), waiting, asking("enable"), confirming, returning]


def test_a_later_word_of_the_card_counts_in_every_phase() -> None:
    for state in phases():
        went_back = step(state, s.heard(FELL_BACK, s.BOOT, sequence=9))
        assert went_back.state.phase == "returning"
        rolled = step(state, s.heard(ROLLED_BACK, s.BOOT, sequence=9))
        assert rolled.state.phase == "returning"
        changed = step(state, s.heard(CHANGED, s.NEW, sequence=9))
        assert changed.state.phase == "confirming"
        unknown = step(state, s.heard(6, s.BOOT, sequence=9))
        assert unknown.state == state


def test_the_end_of_an_earlier_change_is_passed_on_in_every_phase() -> None:
    names_failed = Effective(transports=("sms",), roll_back_names="failed")
    for state in phases():
        taken = step(state, s.heard(ROLLED_BACK, s.BOOT, sequence=9), effective=names_failed)
        assert len(s.signals(taken, CardNotification)) == 1
        assert taken.state == state


def test_the_last_word_about_a_roll_back_never_comes() -> None:
    over = step(phases()[-1], TimerFired("deadline"), now=LATE)
    taken = step(over.state, TimerFired("grace"), now=LATE)
    assert s.reply(taken).status is Status.EXPIRED
    assert len(s.signals(taken, Doubt)) == 1


AUTO = s.card(s.isdp(s.BOOT, fallback=False, pol2=(s.rule("DISABLE", "Auto-Delete"),)), s.isdp(fallback=True))


def auto_deleting() -> Any:
    """The card itself says that the change is through; POL2 wants the former profile deleted."""
    state = begun("enable", euicc=AUTO)
    state = step(state, s.answered("procedure/1"), euicc=AUTO).state
    state = step(state, s.heard(CHANGED), euicc=AUTO).state
    state = step(state, s.answered(f"procedure/{state.sent}", 0x6985), euicc=AUTO).state
    enabled = s.answered(f"procedure/{state.sent}", 0x9000, s.status_of(s.NEW, 0x3F))
    taken = step(state, enabled, euicc=AUTO)
    assert taken.state.phase == "deleting"
    return taken.state


def test_an_auto_delete_that_the_card_never_does_is_a_warning() -> None:
    state = auto_deleting()
    late = step(state, TimerFired("deadline"), euicc=AUTO, now=LATE)
    assert s.reply(late).status is Status.WARNING, "the change stands"
    for number in range(SRSettings().card_attempts):
        looking = step(state, s.outcome(f"procedure/{state.sent}", "unknown"), euicc=AUTO).state
        assert looking.phase == "looking"
        if not number:
            over = step(looking, TimerFired("deadline"), euicc=AUTO, now=LATE)
            assert s.reply(over).status is Status.WARNING
        there = s.answered(f"procedure/{looking.sent}", 0x9000, s.status_of(s.BOOT, 0x1F))
        taken = step(looking, there, euicc=AUTO)
        state = taken.state
    assert s.reply(taken).status is Status.WARNING
    assert "alarm" in [e.outcome for e in taken.effects if isinstance(e, Audit)]


@pytest.mark.parametrize("kind", ["rejected", "unreachable", "refused"])
def test_an_auto_delete_that_the_card_refuses_is_a_warning(kind: str) -> None:
    state = auto_deleting()
    name = f"procedure/{state.sent}"
    taken = step(state, s.answered(name, 0x69E1) if kind == "refused" else s.outcome(name, kind), euicc=AUTO)
    assert s.reply(taken).status is Status.WARNING


def test_a_command_that_the_card_rejects_after_the_call() -> None:
    over = step(begun("enable"), TimerFired("deadline"), now=LATE)
    for kind in ("rejected", "unreachable"):
        taken = step(over.state, s.outcome("procedure/1", kind), now=LATE)
        assert s.done(taken)
        assert not s.replies(taken)


def test_a_state_that_cannot_be_read_is_asked_for_again() -> None:
    deleting = begun("delete")
    looking = step(deleting, s.outcome(f"procedure/{deleting.sent}", "unknown")).state
    taken = step(looking, s.outcome(f"procedure/{looking.sent}", "answered", script=b"?"))
    assert list(s.timers(taken)) == ["ask"]


def test_an_audit_that_never_had_its_turn() -> None:
    fresh = audit.State(request=s.REQUESTS["audit"], requester=s.DP)
    taken = audit.step(fresh, TimerFired("deadline"), s.context(now=LATE))
    assert s.reply(taken).status is Status.EXPIRED
    assert s.done(taken)


def test_a_deletion_that_the_card_rejects_after_the_call() -> None:
    sent = begun("delete")
    over = step(sent, TimerFired("deadline"), now=LATE)
    assert s.reply(over).status is Status.EXPIRED
    taken = step(over.state, s.outcome(f"procedure/{sent.sent}", "rejected"), now=LATE)
    assert s.done(taken)
    assert not s.replies(taken)
    assert not s.signals(taken, Doubt), "nothing was executed"


def test_a_notification_while_a_profile_is_deleted_is_a_matter_of_its_own() -> None:
    deleting = begun("delete")
    looking = step(deleting, s.outcome(f"procedure/{deleting.sent}", "unknown")).state
    for state in (deleting, looking):
        taken = step(state, s.heard(FELL_BACK, s.BOOT))
        assert len(s.signals(taken, CardNotification)) == 1
        assert taken.state == state


@pytest.mark.parametrize("kind", [1, CHANGED, ROLLED_BACK, FELL_BACK])
def test_another_notification_while_a_confirmation_is_out(kind: int) -> None:
    def told(state: NotificationState, event: Any) -> Step[NotificationState]:
        return notification.step(state, event, s.context(procedure_id="n", caller=False))

    first = told(NotificationState(), s.heard(1, s.BOOT))
    unknown = told(first.state, s.heard(6, s.BOOT, sequence=8))
    assert [e.outcome for e in unknown.effects if isinstance(e, Audit)] == ["alarm"]
    second = told(unknown.state, s.heard(kind, s.BOOT, sequence=9, repeat=True))
    assert s.command(second).confirms == s.told(kind, s.BOOT, sequence=9, repeat=True)
    rejected = told(second.state, s.outcome("n/2", "rejected"))
    assert rejected.state.pending is None
    assert not s.changes(rejected), "the card repeats what was not confirmed"


def test_scp81_keys_that_a_session_has_proved_are_taken() -> None:
    state = rotate_keys.State(
        request=operations.RotateKeyset(eid=s.EID, protocol="scp81"), requester=s.OWNER, phase=rotate_keys.PROVING,
        former=0x40, version=0x41, onto=0x40, under=0x40, sent=2, attempts=2,
    )  # fmt: skip
    proved = rotate_keys.step(state, s.answered("procedure/2"), s.context())
    taken = rotate_keys.step(proved.state, Answered("take", crypto.Stored()), s.context())
    assert s.changes(taken) == [UseKeyset(0x41)]
    assert s.reply(taken).status is Status.SUCCESS


@pytest.mark.parametrize(
    "event",
    [
        s.answered("procedure/1", 0x6985),
        s.outcome("procedure/1", "unknown"),
        s.outcome("procedure/1", "unreachable"),
        s.outcome("procedure/1", "rejected"),
    ],
    ids=["refused", "unknown", "unreachable", "rejected"],
)
def test_what_becomes_of_a_script_after_its_call(event: Any) -> None:
    data = bytes.fromhex("2208 80E6400003 010203".replace(" ", ""))
    request = es3.ES3SendData(eid=s.EID, sd_aid=s.NEW, data=data)
    card = s.card(s.isdp(s.BOOT), s.isdp(state="Created"))
    sent = send_data.step(send_data.State(request=request, requester=s.DP), Begin(), s.context(card))
    assert s.commands(sent), sent.effects
    over = send_data.step(sent.state, TimerFired("deadline"), s.context(card, now=LATE))
    assert s.reply(over).status is Status.EXPIRED
    late = send_data.step(over.state, event, s.context(card, now=LATE))
    assert s.done(late)
    assert not s.replies(late), "the closed call hears nothing more"


# -- keys --------------------------------------------------------------------------------------------------------


def rotating(phase: str, **changes: Any) -> Any:
    values: dict[str, Any] = {
        "former": 1, "version": 2, "onto": 1 if phase == "clearing" else 2, "sent": 1, "attempts": 1,
        "used": phase == "clearing",
    }  # fmt: skip
    request = operations.RotateKeyset(eid=s.EID, protocol="scp80")
    return rotate_keys.State(request=request, requester=s.OWNER, phase=phase, **{**values, **changes})


def rotated(state: Any, event: Any) -> Step[Any]:
    return rotate_keys.step(state, event, s.context())


@pytest.mark.parametrize(("phase", "expected"), [("putting", Status.FAILED), ("clearing", Status.WARNING)])
@pytest.mark.parametrize("tag", ["make", "wrap", "take"])
def test_the_cryptoserver_refuses_in_the_middle(phase: str, expected: Status, tag: str) -> None:
    taken = rotated(rotating(phase), Answered(tag, refusal=failed("1.2", "4.2", "no")))
    assert s.reply(taken).status is expected
    assert s.done(taken)


@pytest.mark.parametrize("event", [s.outcome("procedure/1", "unknown"), s.answered("procedure/1", 0x6A88)])
def test_the_overwriting_of_the_former_keys_is_tried_again(event: Any) -> None:
    taken = rotated(rotating("clearing"), event)
    assert [type(e.body) for e in taken.effects if isinstance(e, Ask)] == [crypto.WrapKeyset]
    fresh = rotated(rotating("clearing", onto=0), s.answered("procedure/1", 0x6A80))
    assert [type(e.body) for e in fresh.effects if isinstance(e, Ask)] == [crypto.WrapKeyset]


@pytest.mark.parametrize(
    "event",
    [
        s.answered("procedure/1", 0x9000, b"other"),
        s.answered("procedure/1", 0x6985),
        s.outcome("procedure/1", "rejected"),
        s.outcome("procedure/1", "unreachable"),
        s.outcome("procedure/1", "unknown"),
    ],
    ids=["other keys", "refused", "rejected", "unreachable", "silent"],
)
def test_former_keys_that_stay_are_an_alarm(event: Any) -> None:
    taken = rotated(rotating("clearing", attempts=99), event)
    assert s.reply(taken).status is Status.WARNING
    assert [e.outcome for e in taken.effects if isinstance(e, Audit)] == ["alarm", "done"]


@pytest.mark.parametrize("kind", ["unknown", "rejected", "unreachable"])
def test_new_keys_that_nothing_proves_yet_are_asked_again(kind: str) -> None:
    taken = rotated(rotating("proving"), s.outcome("procedure/1", kind))
    assert s.command(taken).key_version == 2
    assert s.reply(rotated(rotating("proving", attempts=99), s.outcome("procedure/1", kind))).code == "1.6/5.4"


# -- open outcomes -----------------------------------------------------------------------------------------------


def settled(state: SettleState, event: Any, **changes: Any) -> Step[SettleState]:
    return settle.step(state, event, s.context(caller=False, **changes))


def test_a_doubt_on_top_of_a_doubt() -> None:
    doubt = s.Signalled("procedure", Doubt())
    first = settled(SettleState(), doubt)
    assert s.timers(first) == {"look": settle.FIRST_LOOK}
    assert settled(first.state, doubt) == Step(first.state), "nobody can put the question off"
    asked = settled(first.state, TimerFired("look"))
    silent = settled(asked.state, s.outcome(s.command(asked).id, "unknown"))
    sooner = settled(silent.state, doubt)
    assert s.timers(sooner) == {"look": settle.FIRST_LOOK}, "than after the silence"
    meanwhile = settled(asked.state, doubt)
    assert meanwhile.state.open
    assert meanwhile.state.question is not None, "the answer on its way is still heard"


def test_a_question_whose_outcome_was_lost_is_asked_again_and_a_card_that_went_is_not() -> None:
    first = settled(SettleState(), s.Signalled("procedure", Doubt()))
    asked = settled(first.state, TimerFired("look"))
    again = settled(asked.state, TimerFired("look"))
    assert s.command(again).id != s.command(asked).id
    for state in (first.state, asked.state):
        gone = settled(state, TimerFired("look"), no_card=True)
        assert (gone.effects, gone.state.open) == ((), False)


def test_a_card_that_does_not_know_the_question_for_key_sets_settles_too() -> None:
    first = settled(SettleState(), s.Signalled("procedure", Doubt()))
    asked = settled(first.state, TimerFired("look"))
    states = b"".join(s.status_of(aid, value) for aid, value in ((s.BOOT, 0x3F), (s.NEW, 0x1F)))
    told = s.script((states, 0x9000), (s.resources(777), 0x9000), (b"", 0x6A88))
    taken = settled(asked.state, s.outcome(f"procedure/{asked.state.sent}", "answered", script=told))
    assert not taken.state.open
    assert [e.outcome for e in taken.effects if isinstance(e, Audit)][-1] == "done"


def test_a_card_without_any_profile_is_asked_for_the_rest() -> None:
    first = settled(SettleState(), s.Signalled("procedure", Doubt()))
    asked = settled(first.state, TimerFired("look"))
    none = s.script((b"", 0x6A88))
    rest = settled(asked.state, s.outcome(f"procedure/{asked.state.sent}", "answered", script=none))
    assert s.is_read(s.command(rest))


@pytest.mark.parametrize("kind", ["unknown", "rejected", "unreachable", "unreadable", "refused"])
def test_a_card_that_settles_nothing_is_asked_later(kind: str) -> None:
    first = settled(SettleState(), s.Signalled("procedure", Doubt()))
    asked = settled(first.state, TimerFired("look"))
    name = f"procedure/{asked.state.sent}"
    events = {
        "unreadable": s.outcome(name, "answered", script=b"?"),
        "refused": s.answered(name, 0x6F00),
    }
    taken = settled(asked.state, events.get(kind) or s.outcome(name, kind))
    assert s.timers(taken) == {"look": 2 * settle.FIRST_LOOK}
    assert taken.state.open


# -- questions after a lost answer -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["unknown", "rejected", "unreachable", "unreadable"])
def test_a_question_without_an_answer_is_asked_again(kind: str) -> None:
    """CreateISDP and SetFallbackAttribute: what the card has done is not guessed."""
    create = create_isdp.State(request=s.REQUESTS["create"], requester=s.DP)
    fallback = one_command.State(
        request=operations.SetFallbackAttribute(eid=s.EID, iccid=s.ICCID), requester=s.OWNER
    )
    for module, state, card in ((create_isdp, create, s.card(s.isdp(s.BOOT))), (one_command, fallback, s.card())):
        begun_ = module.step(state, Begin(), s.context(card)).state
        lost = module.step(begun_, s.outcome("procedure/1", "unknown"), s.context(card)).state
        name = f"procedure/{lost.sent}"
        event = s.outcome(name, "answered", script=b"?") if kind == "unreadable" else s.outcome(name, kind)
        taken = module.step(lost, event, s.context(card))
        assert list(s.timers(taken)) == ["ask"]


def test_a_fall_back_attribute_that_nobody_waits_for_any_more_is_a_doubt() -> None:
    fallback = operations.SetFallbackAttribute(eid=s.EID, iccid=s.ICCID)
    state = one_command.step(one_command.State(request=fallback, requester=s.OWNER), Begin(), s.context()).state
    asked = one_command.step(state, s.outcome("procedure/1", "unknown"), s.context()).state
    over = one_command.step(asked, TimerFired("deadline"), s.context(now=LATE))
    assert s.reply(over).status is Status.EXPIRED
    for event in (TimerFired("ask"), s.outcome(f"procedure/{asked.sent}", "unknown")):
        taken = one_command.step(over.state, event, s.context(now=LATE))
        assert s.done(taken)
        assert len(s.signals(taken, Doubt)) == 1
