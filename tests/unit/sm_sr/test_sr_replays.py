"""Notifications that nobody can tell from a replay: the card is asked before the EIS follows (SGP.02 4.1.1.11).

Cards that do not count tell the second change to a profile in the same octets as the first one; of cards that do,
a number that is too old says in a change no more than that.
"""

from __future__ import annotations

from typing import Any

import pytest

import sr_steps as s
from ferryman.contracts.status import Status
from ferryman.platform.procedure import Audit, Begin, Signalled, Step, TimerFired
from ferryman.sm_sr.euicc_type import Effective
from ferryman.sm_sr.procedures import change_state as c
from ferryman.sm_sr.procedures import notification
from ferryman.sm_sr.procedures.change import State
from ferryman.sm_sr.procedures.change import step as change_step
from ferryman.sm_sr.procedures.channel_notification import note, route
from ferryman.sm_sr.procedures.channel_state import Channel, Effects
from ferryman.sm_sr.procedures.delivery import CardNotification, Command
from ferryman.sm_sr.procedures.notification_state import NotificationState
from ferryman.sm_sr.procedures.settle import Doubt
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import Contacted, RemoveISDP, SetState

NO_NUMBERS = Effective(transports=("sms",), check_sequence=False)
COUNTS = Effective(transports=("sms",))
THIRD = s.BOOT[:13] + b"\x00\x12\x00"
ON_NEW = s.card(s.isdp(s.BOOT, state="Disabled"), s.isdp(state="Enabled"))
FELL_BACK = [SetState(s.NEW, "Disabled"), SetState(s.BOOT, "Enabled")]
ENABLED = [SetState(s.BOOT, "Disabled"), SetState(s.NEW, "Enabled")]
TYPES = pytest.mark.parametrize("kind", [1, 2, 3, 5])
OTHER_ENDS = ["unknown", "unreachable", "rejected"]


def hint(kind: int, aid: bytes = s.BOOT, **changes: Any) -> Signalled:
    return s.heard(kind, aid, 0, **{"replayable": True, "repeat": kind == 2, "originator": "", **changes})


def states(command_id: str, *told: tuple[bytes, int], sw: int = 0) -> Signalled:
    """The answer to GET STATUS of these, then one with an error."""
    apdus = [(s.status_of(aid, state), 0x9000) for aid, state in told] + ([(b"", sw)] if sw else [])
    return s.outcome(command_id, "answered", script=s.script(*apdus))


def audits(taken: Step[Any]) -> list[str]:
    return [effect.outcome for effect in taken.effects if isinstance(effect, Audit)]


# -- which may be one --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "via", "before", "replayable"),
    [
        (True, "sms", None, False),
        (True, "sms", 6, False),
        (True, "sms", 9, True),
        (True, "https", 9, True),
        (False, "sms", None, True),
        (False, "https", None, False),
        (False, "https", 7, True),
    ],
)
def test_what_may_be_a_replay(counts: bool, via: str, before: int | None, replayable: bool) -> None:
    """By SMS, without a number that is new; in a session only what was heard before, which may be said again."""
    confirmed = None if before is None else s.told(5, s.BOOT, before)
    found = s.told(5, s.BOOT, 7, via=via)

    effects = Effects(
        s.context(procedure_id="x", effective=COUNTS if counts else NO_NUMBERS, holder="h", holder_kind="enable")
    )
    route(Channel(confirmed=confirmed), found, effects)
    (passed,) = [effect.value for effect in effects.all() if hasattr(effect, "value")]
    assert passed.replayable == replayable
    assert effects.all()[0].procedure_id == "h", "the change decides"  # type: ignore[union-attr]


def test_the_change_hears_again_what_a_card_without_numbers_has_said_before() -> None:
    """Its second change to the same profile is told like the first; of a card that counts it is a late repeat."""

    for effective, heard_by, number in ((NO_NUMBERS, "h", 0), (COUNTS, f"notification/{s.EID}", 1)):
        before = Channel(confirmed=s.told(2, sequence=0), unsolicited=s.told(5, s.BOOT, number))
        for found in (s.told(2, sequence=0), s.told(5, s.BOOT, number)):
            effects = Effects(s.context(effective=effective, holder="h", holder_kind="enable"))
            route(before, found, effects)
            assert effects.all()[0].procedure_id == heard_by  # type: ignore[union-attr]


def test_a_confirmation_is_noted_by_the_first_answer_of_its_script() -> None:
    found = s.told(5, s.BOOT, 0)
    for script, confirmed in (
        (s.script((b"", 0x9000), (b"", 0x6A88)), found),
        (s.script((b"", 0x6985)), None),
        (s.script(), None),
    ):
        command = Command(id="x", owner="o", tlvs=(), target_aid=b"", transport="sms", confirms=found)
        assert note(Channel(), command, s.outcome("x", "answered", script=script).value).confirmed == confirmed


# -- outside a change --------------------------------------------------------------------------------------------


def idle_step(state: NotificationState, event: Any, **changes: Any) -> Step[NotificationState]:
    values = {"procedure_id": "n", "caller": False, "effective": NO_NUMBERS, "euicc": ON_NEW, **changes}
    return notification.step(state, event, s.context(**values))


def asking(kind: int = 5, aid: bytes = s.BOOT, **changes: Any) -> NotificationState:
    return idle_step(NotificationState(), hint(kind, aid), **changes).state


@pytest.mark.parametrize("before", [NotificationState(), NotificationState(pending=s.told(1, THIRD), sent=3)])
@TYPES
def test_the_card_is_asked_before_anything_moves(kind: int, before: NotificationState) -> None:
    aid = s.NEW if kind == 2 else s.BOOT
    taken = idle_step(before, hint(kind, aid, imei=b"\x12" * 8))
    question = s.command(taken)
    assert s.is_read(question)
    assert [apdu[7:23] for apdu in s.apdus_of(question)] == [aid, s.NEW][: 1 if aid == s.NEW else 2]
    assert question.destination == ("8821100000001" if kind == 2 else "8823900000001")
    assert question.confirms is None
    assert not s.changes(taken)
    assert taken.state.pending == before.pending
    assert idle_step(taken.state, hint(kind, aid)) == Step(taken.state), "the question is on the way"


@pytest.mark.parametrize("kind", [1, 3, 5])
def test_what_the_card_says_too_is_taken_and_confirmed(kind: int) -> None:
    state = idle_step(NotificationState(), hint(kind, imei=b"\x12" * 8)).state
    taken = idle_step(state, states("n/1", (s.BOOT, 0x3F), (s.NEW, 0x1F)))
    assert s.changes(taken) == FELL_BACK
    confirm, look = s.apdus_of(s.command(taken))
    assert confirm.hex().upper().startswith("80E28900073A08044E020000")
    assert s.is_question(look)
    assert s.command(taken).destination == "8823900000001"
    assert audits(taken) == ["received"]
    assert not s.signals(taken, Doubt)
    done = idle_step(
        taken.state,
        s.outcome("n/2", "answered", script=s.script((b"", 0x9000), (s.status_of(s.BOOT, 0x3F), 0x9000))),
    )
    assert s.changes(done) == [Contacted("12" * 8)], "the card has waited for it: the device is this one"
    assert not s.signals(done, Doubt)


def test_a_repeat_of_the_change_to_the_enabled_profile_is_confirmed_again() -> None:
    state = asking(2, s.NEW)
    taken = idle_step(state, states("n/1", (s.NEW, 0x3F)))
    assert s.command(taken).confirms is not None
    assert not s.changes(taken)
    assert audits(taken) == []


@pytest.mark.parametrize("repeat", [True, False])
def test_a_change_that_nobody_waits_for_is_not_confirmed(repeat: bool) -> None:
    """Told in the words of one that was confirmed, but of a profile that is not the enabled one."""
    taken = idle_step(NotificationState(), hint(2, s.BOOT, repeat=repeat))
    assert (s.commands(taken), s.signals(taken, Doubt), audits(taken)) == ([], [], ["not confirmed"])


PHASES = pytest.mark.parametrize(
    "state",
    [NotificationState(), NotificationState(pending=s.told(1, THIRD)), asking(1)],
    ids=["idle", "confirming", "asking"],
)


@TYPES
@pytest.mark.parametrize("waiting", [None, s.told(5, THIRD, 0, replayable=True)])
def test_a_replay_moves_nothing_and_is_not_confirmed(kind: int, waiting: CardNotification | None) -> None:
    aid = s.NEW if kind == 2 else s.BOOT
    state = replace(asking(kind, aid), pending=waiting)
    told = [(s.NEW, 0x1F)] if kind == 2 else [(s.BOOT, 0x1F), (s.NEW, 0x3F)]
    taken = idle_step(state, states("n/1", *told))
    assert not s.commands(taken)
    assert not s.changes(taken)
    assert audits(taken) == ["refused"]
    assert bool(s.signals(taken, Doubt)) == (kind == 2), "the card has neither of them: somebody must look"
    assert taken.state.pending == waiting


@pytest.mark.parametrize("sw", [0x6A88])
@pytest.mark.parametrize("same", [True, False])
def test_answers_that_end_with_an_error(sw: int, same: bool) -> None:
    """The other one is not on the card any more."""
    taken = idle_step(asking(), states("n/1", (s.BOOT, 0x3F if same else 0x1F), sw=sw))
    assert bool(s.commands(taken)) == same
    assert bool(s.signals(taken, Doubt)) != same


@pytest.mark.parametrize("pending", [None, s.told(1, THIRD)])
@pytest.mark.parametrize(
    "event",
    [
        *(s.outcome("n/1", kind) for kind in OTHER_ENDS),
        s.outcome("n/1", "answered", script=b"?"),
        s.answered("n/1", 0x6F00),
    ],
)
def test_without_an_answer_nobody_knows(event: Any, pending: CardNotification | None) -> None:
    taken = idle_step(replace(asking(), pending=pending), event)
    assert (s.commands(taken), s.changes(taken)) == ([], [])
    assert len(s.signals(taken, Doubt)) == 1
    assert (taken.state.asked, taken.state.pending) == (None, pending)


@pytest.mark.parametrize(
    "changes", [{"holder": "h", "holder_kind": "enable"}, {"euicc": s.card(s.isdp(s.BOOT), s.isdp())}]
)
def test_an_answer_that_is_history_is_not_believed(changes: dict[str, Any]) -> None:
    """A change has begun, or has ended, since the card was asked."""
    taken = idle_step(asking(), states("n/1", (s.BOOT, 0x3F), (s.NEW, 0x1F)), **changes)
    assert (s.commands(taken), s.changes(taken)) == ([], [])
    assert len(s.signals(taken, Doubt)) == 1
    assert not idle_step(asking(), states("n/1", (s.BOOT, 0x3F)), no_card=True).effects


@TYPES
@pytest.mark.parametrize(
    "state",
    [NotificationState(), NotificationState(pending=s.told(1, THIRD)), asking(1)],
    ids=["idle", "confirming", "asking"],
)
def test_while_a_change_goes_on_nothing_is_asked(kind: int, state: NotificationState) -> None:
    aid = s.NEW if kind in (1, 2) else s.BOOT
    taken = idle_step(state, hint(kind, aid), holder="h", holder_kind="disable")
    assert (s.commands(taken), s.changes(taken)) == ([], [])
    assert len(s.signals(taken, Doubt)) == 1
    assert taken.state == state


@pytest.mark.parametrize(
    "state",
    [NotificationState(), NotificationState(pending=s.told(1, THIRD)), asking(1)],
    ids=["idle", "confirming", "asking"],
)
def test_one_that_names_the_failed_profile_and_nobody_knows_another(state: NotificationState) -> None:
    effective = replace(NO_NUMBERS, roll_back_names="failed")
    taken = idle_step(state, hint(3, s.NEW), effective=effective)
    assert not s.commands(taken)
    assert len(s.signals(taken, Doubt)) == 1


def test_one_that_names_the_failed_profile_asks_about_the_enabled_one() -> None:
    effective = replace(NO_NUMBERS, roll_back_names="failed")
    taken = idle_step(NotificationState(), hint(3, s.BOOT), effective=effective)
    assert [apdu[7:23] for apdu in s.apdus_of(s.command(taken))] == [s.NEW]


@pytest.mark.parametrize(
    "event",
    [
        states("n/1", (s.BOOT, 0x1F), (s.NEW, 0x3F)),
        s.answered("n/1", 0x6A88),
        *(s.outcome("n/1", kind) for kind in OTHER_ENDS),
        s.outcome("n/1", "answered", script=b"?"),
    ],
)
def test_the_latest_that_came_meanwhile_is_asked_about_next(event: Any) -> None:
    first = idle_step(asking(), hint(1, s.BOOT))
    assert first.effects == ()
    both = idle_step(first.state, hint(3, s.NEW))
    assert both.effects == ()
    taken = idle_step(both.state, event)
    assert [apdu[7:23] for apdu in s.apdus_of(s.command(taken))] == [s.NEW]
    assert taken.state.asked is not None
    assert (taken.state.asked.type, taken.state.waiting) == (3, None)


@TYPES
def test_what_can_be_no_replay_is_believed_while_another_is_asked_about(kind: int) -> None:
    """In a session under its PSK the card itself speaks, and now."""
    aid = s.NEW if kind == 2 else s.BOOT
    taken = idle_step(asking(1, s.NEW), s.heard(kind, aid, via="https", repeat=kind == 2))
    assert s.command(taken).confirms is not None
    assert s.changes(taken) == ([] if kind in (1, 2) else FELL_BACK)
    assert taken.state.asked is not None
    lost = idle_step(replace(taken.state, pending=s.told(5, s.BOOT, replayable=True)), s.outcome("n/2", "unknown"))
    assert len(s.signals(lost, Doubt)) == 1, "what took it is not told again"
    gone = bytes.fromhex("8012 4F10") + s.BOOT
    done = idle_step(taken.state, s.answered("n/2", 0x9000, gone))
    assert s.changes(done) == [RemoveISDP(s.BOOT, 5000)]
    assert done.state.asked is not None
    assert idle_step(asking(1, s.NEW), s.heard(0x44)).state.asked is not None


def test_silence_under_the_number_of_what_was_told() -> None:
    """A replay says where the card once was."""
    first = idle_step(NotificationState(), hint(5))
    assert s.timers(first) == {"elsewhere": notification.PATIENCE}
    other = idle_step(first.state, TimerFired("elsewhere"))
    assert (s.cancels(other), s.settled(other)) == (["n/1"], ["n/1"])
    assert s.command(other).destination == "8821100000001"
    assert not s.timers(other)
    assert idle_step(other.state, states("n/1", (s.BOOT, 0x3F))) == Step(other.state), "that question is given up"
    assert audits(idle_step(other.state, states("n/2", (s.BOOT, 0x1F), (s.NEW, 0x3F)))) == ["refused"]
    assert not idle_step(first.state, TimerFired("elsewhere"), no_card=True).effects
    assert not idle_step(NotificationState(), TimerFired("elsewhere")).effects
    assert not s.timers(idle_step(NotificationState(), hint(1, s.NEW))), "there is no other number"


def test_the_confirmation_may_have_been_taken_for_another_one() -> None:
    """The card falls back between answer and confirmation: that one will not be told again."""
    state = idle_step(asking(1, s.NEW), states("n/1", (s.NEW, 0x3F))).state
    for rest in ((s.status_of(s.NEW, 0x1F), 0x9000), (b"", 0x6A88)):
        taken = idle_step(state, s.outcome("n/2", "answered", script=s.script((b"", 0x9000), rest)))
        assert len(s.signals(taken, Doubt)) == 1
    assert len(s.signals(idle_step(state, s.outcome("n/2", "unknown")), Doubt)) == 1
    for nothing in (s.outcome("n/2", "unreachable"), s.answered("n/2", 0x6985)):
        assert not s.signals(idle_step(state, nothing), Doubt)


def test_a_card_that_is_not_ours_is_not_asked() -> None:
    taken = idle_step(NotificationState(), hint(5), no_card=True)
    assert (s.commands(taken), audits(taken)) == ([], ["not confirmed"])


# -- in a change -------------------------------------------------------------------------------------------------


def step(state: State, event: Any, **changes: Any) -> Step[State]:
    return change_step(state, event, s.context(**{"effective": NO_NUMBERS, **changes}))


def last(state: State) -> str:
    return f"procedure/{state.sent}"


def commanded() -> State:
    return step(State(request=s.REQUESTS["enable"], requester=s.DP), Begin()).state


def changing() -> State:
    return step(commanded(), s.answered("procedure/1")).state


def confirming(before: State | None = None, **changes: Any) -> State:
    return step(before or changing(), hint(2, s.NEW, **changes)).state


def told(state: State, *found: tuple[bytes, int], sw: int = 0) -> Signalled:
    return states(last(state), *found, sw=sw)


def test_the_card_is_asked_after_it_has_taken_the_confirmation() -> None:
    """Without numbers 9000 says that something was pending, its state says what."""
    state = confirming(imei=b"\x12" * 8)
    assert state.phase == c.CONFIRMING, "in time: it may be waiting"
    asked = step(state, s.answered(last(state)))
    assert s.is_read(s.command(asked))
    assert not s.changes(asked)
    done = step(asked.state, told(asked.state, (s.NEW, 0x3F), (s.BOOT, 0x1F)))
    assert s.reply(done).status is Status.SUCCESS
    assert s.changes(done) == [*ENABLED, Contacted("12" * 8)]


def test_profiles_that_it_deleted_with_the_confirmation_are_not_forgotten() -> None:
    asked = step(confirming(), s.answered(last(confirming()), 0x9000, bytes.fromhex("8012 4F10") + s.BOOT)).state
    done = step(asked, told(asked, (s.NEW, 0x3F), sw=0x6A88))
    assert s.changes(done) == [*ENABLED, RemoveISDP(s.BOOT, 5000)], "once: its memory is given back"


def test_the_confirmation_of_a_roll_back_was_taken_for_that_of_the_change() -> None:
    """The card rolled back, its notification was lost, and our late confirmation hit the pending one."""
    asked = step(confirming(), s.answered(last(confirming()))).state
    done = step(asked, told(asked, (s.NEW, 0x1F), (s.BOOT, 0x3F)))
    assert s.reply(done).code == "8.4/4.2"
    assert s.changes(done) == []
    nobody = step(asked, told(asked, (s.NEW, 0x1F), (s.BOOT, 0x1F)))
    assert len(s.signals(nobody, Doubt)) == 1, "it fell back to a third one and will not say so again"


@pytest.mark.parametrize("effective", [NO_NUMBERS, COUNTS], ids=["no numbers", "counts"])
@pytest.mark.parametrize("sw", [0x6985, 0x6A88])
def test_a_replayed_change_ends_nothing(effective: Effective, sw: int) -> None:
    """The card has the command and attaches; it knows nothing of what we confirm."""
    state = confirming()
    refused = step(state, s.answered(last(state), sw), effective=effective)
    assert s.is_read(s.command(refused))
    assert s.command(refused).destination == "8821100000001", "where it has just answered"
    assert refused.state.confirmed is None
    seen = step(refused.state, told(refused.state, (s.NEW, 0x3F), (s.BOOT, 0x1F)), effective=effective)
    assert (seen.state.phase, s.replies(seen)) == (c.CHANGING, [])
    assert not s.changes(seen)
    true = step(seen.state, hint(2, s.NEW), effective=effective)
    assert s.command(true).confirms is not None, "the true one is confirmed"
    over = step(seen.state, hint(2, s.NEW), effective=effective, now=s.DEADLINE)
    assert not s.commands(over), "but not when the call is over"


def test_a_replay_before_the_command_was_answered_costs_one_attempt() -> None:
    state = confirming(commanded())
    refused = step(state, s.answered(last(state), 0x6985)).state
    again = step(refused, told(refused, (s.NEW, 0x1F), (s.BOOT, 0x3F)))
    assert s.apdu_of(s.command(again)).hex().upper().startswith("80E28800153A0312")
    assert again.state.attempts == 2
    second = step(again.state, hint(2, s.NEW))
    assert s.commands(second) == [], "it has been a replay before: the command's own answer comes first"
    gone = step(refused, told(refused, (s.NEW, 0x1F), sw=0x6A88))
    assert gone.state.phase == c.COMMANDED
    for kind in (3, 5):
        ignored = step(commanded(), hint(kind, s.BOOT))
        assert (s.commands(ignored), ignored.state) == ([], commanded())


def test_disabled_so_soon_after_the_command_proves_nothing() -> None:
    state = confirming()
    refused = step(state, s.answered(last(state), 0x6985)).state
    for answer in (told(refused, (s.NEW, 0x1F), (s.BOOT, 0x3F)), told(refused, (s.NEW, 0x1F), sw=0x6A88)):
        waits = step(refused, answer, now=s.NOW + 5)
        assert (waits.state.phase, s.replies(waits)) == (c.CHANGING, [])
        assert s.timers(waits) == {"ask": NO_NUMBERS.change_timeout}
    asked = step(waits.state, TimerFired("ask"), now=s.NOW + 600).state
    done = step(asked, told(asked, (s.NEW, 0x1F), (s.BOOT, 0x3F)), now=s.NOW + 605)
    assert s.reply(done).code == "8.4/4.2"
    late = step(asked, told(asked, (s.NEW, 0x1F), sw=0x6A88), now=s.NOW + 605)
    assert s.reply(late).code == "8.4/4.2"


def test_when_a_confirmation_may_have_been_taken_the_time_of_a_change_is_waited_for() -> None:
    """Enabled and nothing pending: final, or attaching still, after a replay and a lost confirmation."""
    lost = step(confirming(), s.outcome(last(confirming()), "unknown"))
    assert s.command(lost).destination == "8823900000001", "under the target's number it is silent"
    again = step(lost.state, told(lost.state, (s.NEW, 0x3F), (s.BOOT, 0x1F))).state
    assert again.phase == c.CONFIRMING, "it may wait for us still"
    asked = step(again, s.answered(last(again), 0x6985)).state
    assert asked.confirmed is not None
    waits = step(asked, told(asked, (s.NEW, 0x3F), (s.BOOT, 0x1F)))
    assert (waits.state.phase, s.replies(waits)) == (c.CHANGING, [])
    assert s.timers(waits) == {"ask": NO_NUMBERS.change_timeout}
    true = step(waits.state, hint(2, s.NEW))
    assert s.command(true).confirms is not None
    question = step(waits.state, TimerFired("ask"), now=s.NOW + 600).state
    done = step(question, told(question, (s.NEW, 0x3F), (s.BOOT, 0x1F)), now=s.NOW + 600)
    assert s.reply(done).status is Status.SUCCESS
    proof = replace(asked, confirmed=s.told(2, sequence=0, via="https"))
    assert s.reply(step(proof, told(proof, (s.NEW, 0x3F)))).status is Status.SUCCESS, "that was no replay"


@pytest.mark.parametrize(("kind", "aid"), [(3, s.BOOT), (5, s.BOOT), (5, THIRD)])
def test_a_replayed_roll_back_does_not_end_a_good_change(kind: int, aid: bytes) -> None:
    """The card waits for the confirmation of its change, and takes that of the replay for it."""
    euicc = s.card(s.isdp(s.BOOT), s.isdp(), s.isdp(THIRD, state="Disabled"))
    returning = step(changing(), hint(kind, aid), euicc=euicc).state
    assert returning.phase == c.RETURNING
    asked = step(returning, s.answered(last(returning)), euicc=euicc)
    assert len(s.apdus_of(s.command(asked))) == (3 if aid == THIRD else 2)
    done = step(asked.state, told(asked.state, (s.NEW, 0x3F), (s.BOOT, 0x1F)), euicc=euicc)
    assert s.reply(done).status is Status.SUCCESS
    assert s.changes(done) == ENABLED
    refused = step(returning, s.answered(last(returning), 0x6985), euicc=euicc).state
    goes_on = step(refused, told(refused, (s.NEW, 0x3F), (s.BOOT, 0x1F)), euicc=euicc)
    assert (goes_on.state.phase, goes_on.state.returned, s.replies(goes_on)) == (c.CHANGING, None, [])


def test_a_true_fall_back_to_a_third_one() -> None:
    euicc = s.card(s.isdp(s.BOOT, fallback=False), s.isdp(), s.isdp(THIRD, state="Disabled", fallback=True))
    returning = step(changing(), hint(5, THIRD, imei=b"\x12" * 8), euicc=euicc).state
    asked = step(returning, s.answered(last(returning)), euicc=euicc).state
    done = step(asked, told(asked, (s.NEW, 0x1F), (THIRD, 0x3F), (s.BOOT, 0x1F)), euicc=euicc)
    assert s.reply(done).code == "8.4/4.2"
    assert s.changes(done) == [SetState(s.BOOT, "Disabled"), SetState(THIRD, "Enabled"), Contacted("12" * 8)]


def test_a_replayed_fall_back_onto_the_target_while_it_attaches() -> None:
    returning = step(changing(), hint(5, s.NEW)).state
    refused = step(returning, s.answered(last(returning), 0x6985)).state
    goes_on = step(refused, told(refused, (s.NEW, 0x3F), (s.BOOT, 0x1F)))
    assert (goes_on.state.phase, s.replies(goes_on)) == (c.CHANGING, [])


@pytest.mark.parametrize("kind", [3, 5])
def test_when_the_call_is_over_a_roll_back_is_asked_about_and_not_confirmed(kind: int) -> None:
    """A card that changes late would take the confirmation for that of its change."""
    over = step(changing(), TimerFired("deadline"), now=s.DEADLINE).state
    taken = step(over, hint(kind), now=s.DEADLINE + 1)
    assert s.is_read(s.command(taken))
    assert taken.state.phase == c.ASKING
    assert s.commands(step(taken.state, hint(kind), now=s.DEADLINE + 2)) == []
    late = s.DEADLINE + 3
    there = step(taken.state, told(taken.state, (s.NEW, 0x3F), (s.BOOT, 0x1F)), now=late)
    assert (there.state.phase, s.changes(there)) == (c.CHANGING, [])
    for answer in (told(taken.state, (s.NEW, 0x1F), (s.BOOT, 0x3F)), told(taken.state, (s.NEW, 0x1F), sw=0x6A88)):
        back = step(taken.state, answer, now=late)
        assert s.command(back).confirms is not None, "it is back: nothing else can take the confirmation"
        assert back.state.phase == c.RETURNING
    took = step(back.state, s.answered(last(back.state)), now=late).state
    done = step(took, told(took, (s.NEW, 0x1F), (s.BOOT, 0x3F)), now=late)
    assert s.done(done)
    assert (s.changes(done), s.replies(done)) == ([], [])
    knows_nothing = step(back.state, s.answered(last(back.state), 0x6985), now=late).state
    waits = step(knows_nothing, told(knows_nothing, (s.NEW, 0x1F), (s.BOOT, 0x3F)), now=s.NOW + 5)
    assert (waits.state.phase, s.done(waits)) == (c.CHANGING, False), "the command may be about to show"


def test_an_old_number_does_not_take_the_place_of_the_one_that_is_being_confirmed() -> None:
    true = step(changing(), s.heard(2, sequence=11), effective=COUNTS).state
    old = step(true, s.heard(2, sequence=5, replayable=True, stale=True), effective=COUNTS)
    assert old.state == true
    assert s.commands(old) == []
    done = step(true, s.answered(last(true)), effective=COUNTS)
    assert s.reply(done).status is Status.SUCCESS


def test_one_confirmation_is_the_answer_to_replay_and_truth_alike() -> None:
    """Both have number 0: a second one would be refused, and say nothing of what became of the first."""
    state = step(changing(), s.heard(2, s.NEW, 0, replayable=True, type=5), effective=NO_NUMBERS).state
    assert state.phase == c.RETURNING, "a fall-back is not what Enable waits for"
    true = step(state, hint(2, s.NEW))
    assert (true.state.phase, true.state.unsure) == (c.CONFIRMING, True)
    refused = step(true.state, s.answered(last(true.state), 0x6985)).state
    assert refused.confirmed is not None, "the one before may have been taken"
    disable = change_step(
        State(request=s.REQUESTS["disable"], requester=s.DP), Begin(), s.context(ON_NEW, effective=NO_NUMBERS)
    ).state
    told_05 = change_step(disable, hint(5), s.context(ON_NEW, effective=NO_NUMBERS)).state
    both = change_step(told_05, hint(2), s.context(ON_NEW, effective=NO_NUMBERS))
    assert (told_05.phase, both.effects) == (c.CONFIRMING, ())
    assert both.state.confirmed is not None
    assert both.state.confirmed.type == 2


def test_a_session_proves_what_a_short_message_told() -> None:
    state = confirming()
    sure = step(state, s.heard(2, sequence=0, via="https"))
    assert s.commands(sure) == []
    asked = step(sure.state, s.answered(last(sure.state), 0x6985)).state
    assert s.reply(step(asked, told(asked, (s.NEW, 0x3F), (s.BOOT, 0x1F)))).status is Status.SUCCESS
    assert step(sure.state, hint(2, s.NEW)) == Step(sure.state), "it stays proved"


@pytest.mark.parametrize(
    "event",
    [
        *(s.outcome("procedure/9", kind) for kind in OTHER_ENDS),
        s.outcome("procedure/9", "answered", script=b"?"),
        s.answered("procedure/9", 0x6F00),
        s.answered("procedure/9"),
    ],
)
def test_a_question_without_an_answer_is_put_again(event: Any) -> None:
    found = s.told(2, sequence=0)
    for phase, changes in (
        (c.CHANGING, {}),
        (c.CONFIRMING, {"confirmed": found}),
        (c.RETURNING, {"returned": found, "confirmed": found}),
    ):
        state = replace(changing(), phase=c.ASKING, sent=9, **changes)
        taken = step(state, event)
        assert (taken.state.phase, s.timers(taken)) == (phase, {"ask": c.ASK_AGAIN})


def test_the_former_profile_is_gone_and_the_target_waits_for_us() -> None:
    asked = step(changing(), TimerFired("ask")).state
    taken = step(asked, told(asked, (s.NEW, 0x3F), sw=0x6A88))
    assert (taken.state.phase, s.replies(taken)) == (c.CHANGING, [])
