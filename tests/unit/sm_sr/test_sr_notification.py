"""Notifications that end no change (SGP.02 3.15, 3.16, 4.1.1.11, 4.1.1.12)."""

from __future__ import annotations

from typing import Any

import pytest

import sr_steps as s
from ferryman.platform.procedure import Audit, Begin, Step
from ferryman.sm_sr.euicc_type import Effective
from ferryman.sm_sr.procedures import notification
from ferryman.sm_sr.procedures.notification_state import NotificationState
from ferryman.sm_sr.procedures.settle import Doubt
from ferryman.sm_sr.records import Contacted, RemoveISDP, SetState


def step(state: NotificationState, event: Any, **changes: Any) -> Step[NotificationState]:
    return notification.step(state, event, s.context(**{"procedure_id": "n", "caller": False, **changes}))


@pytest.mark.parametrize(
    ("kind", "aid", "expected"),
    [
        (1, s.BOOT, []),
        (3, s.BOOT, []),
        (5, s.NEW, [SetState(s.BOOT, "Disabled"), SetState(s.NEW, "Enabled")]),
        (5, bytes(16), []),
    ],
)
def test_facts_are_confirmed_and_taken_into_the_eis_once(kind: int, aid: bytes, expected: list[Any]) -> None:
    taken = step(NotificationState(), s.heard(kind, aid, imei=b"\x12" * 8))
    assert s.changes(taken) == [*expected, Contacted("12" * 8)]
    confirm = s.command(taken)
    assert s.apdu_of(confirm).hex().upper().startswith("80E28900073A08044E020007")
    assert (confirm.destination, confirm.transport) == ("8821100000001", "sms")
    assert step(taken.state, s.heard(kind, aid)) == Step(taken.state), "its confirmation is on the way"
    lost = step(taken.state, s.outcome("n/1", "unknown")).state
    again = step(lost, s.heard(kind, aid))
    assert s.command(again).id == "n/2"
    assert not s.changes(again), "acted once"


NAMES_FAILED = Effective(transports=("sms",), roll_back_names="failed")


def test_roll_back_that_names_the_failed_profile_leaves_the_eis() -> None:
    taken = step(NotificationState(), s.heard(3, s.NEW, originator=""), effective=NAMES_FAILED)
    assert not s.changes(taken)
    assert not s.signals(taken, Doubt)
    assert s.command(taken).destination == "8823900000001", "the number of the profile that is enabled"


def test_roll_back_that_contradicts_the_eis_is_a_doubt() -> None:
    """The card says that what the EIS has as enabled failed: only it knows which one is enabled now."""
    taken = step(NotificationState(), s.heard(3, s.BOOT, originator=""), effective=NAMES_FAILED)
    assert not s.changes(taken)
    assert len(s.signals(taken, Doubt)) == 1


def test_repeat_of_a_confirmed_one_is_confirmed_and_changes_nothing() -> None:
    taken = step(NotificationState(), s.heard(5, s.NEW, repeat=True))
    assert s.commands(taken)
    assert not s.changes(taken)


@pytest.mark.parametrize(("repeat", "confirmed"), [(False, 0), (True, 1)])
def test_change_that_nobody_waits_for_is_not_confirmed(repeat: bool, confirmed: int) -> None:
    taken = step(NotificationState(), s.heard(2, repeat=repeat))
    assert len(s.commands(taken)) == confirmed
    assert not s.changes(taken)


@pytest.mark.parametrize("kind", [0, 4, 6, 0xFF])
def test_unknown_type_is_an_alarm(kind: int) -> None:
    taken = step(NotificationState(), s.heard(kind))
    assert not s.commands(taken)
    assert [e.outcome for e in taken.effects if isinstance(e, Audit)] == ["alarm"]


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (s.answered("n/1"), ["done"]),
        (s.answered("n/1", 0x6985), ["failed"]),
        (s.answered("n/1", 0x9000, b"\x80\x55"), ["failed"]),
        (s.outcome("n/1", "answered", script=b"?"), ["failed"]),
        (s.outcome("n/1", "unknown"), []),
        (s.outcome("n/1", "unreachable"), []),
    ],
)
def test_end_of_a_confirmation(event: Any, outcome: list[str]) -> None:
    state = step(NotificationState(), s.heard(5, s.NEW)).state
    taken = step(state, event)
    assert taken.state.pending is None
    assert [e.outcome for e in taken.effects if isinstance(e, Audit)] == outcome
    assert not s.changes(taken)


def test_profiles_that_the_card_deleted() -> None:
    state = step(NotificationState(), s.heard(5, s.NEW)).state
    data = bytes.fromhex("8024 4F10") + s.BOOT + bytes.fromhex("4F10") + bytes(16)
    assert s.changes(step(state, s.answered("n/1", 0x9000, data))) == [RemoveISDP(s.BOOT, 5000)]
    assert not s.changes(step(state, s.answered("n/1", 0x9000, data), no_card=True))


def test_events_of_others() -> None:
    for event in (Begin(), s.answered("n/1")):
        assert step(NotificationState(), event) == Step(NotificationState())
    taken = step(NotificationState(), s.heard(5, s.NEW, originator=""), no_card=True)
    assert s.command(taken).destination == ""
    assert step(NotificationState(), s.heard(5, s.NEW, originator="")).state.pending is not None
