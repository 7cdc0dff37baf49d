"""New keys of the ISD-R by PUT KEY: old and new stay until the card shows which it holds."""

from __future__ import annotations

from typing import Any

import pytest

import sr_steps as s
from ferryman.contracts import crypto, operations
from ferryman.contracts.status import Status, failed
from ferryman.platform.procedure import Answered, Ask, Audit, Begin, Step, TimerFired
from ferryman.sm_sr.procedures import rotate_keys
from ferryman.sm_sr.records import SRSettings, UseKeyset

LATE = s.DEADLINE + 1.0
KEYS = {0x02: b"\x0a\x0b\x0c", 0x01: b"\x01\x02\x03", 0x41: b"\x04\x05\x06"}


def step(state: Any, event: Any, **changes: Any) -> Step[Any]:
    return rotate_keys.step(state, event, s.context(**changes))


def asked(taken: Step[Any]) -> Any:
    found = [e.body for e in taken.effects if isinstance(e, Ask)]
    assert len(found) == 1, taken.effects
    return found[0]


def wrapped(version: int, count: int) -> Answered:
    keys = tuple(crypto.KeyUnderDEK(0x88, bytes(16), KEYS[version]) for _ in range(count))
    return Answered("wrap", crypto.KeysetWrapped(keys=keys))


def put(taken: Step[Any], count: int = 3) -> Step[Any]:
    """The step that sends the PUT KEY whose keys `taken` asks to have wrapped."""
    question = asked(taken)
    assert isinstance(question, crypto.WrapKeyset), question
    return step(taken.state, wrapped(question.version, count))


def begun(protocol: str = "scp80", version: int = 2, *, replaces: bool = False) -> Step[Any]:
    request = operations.RotateKeyset(eid=s.EID, protocol=protocol)
    first = step(rotate_keys.State(request=request, requester=s.OWNER), Begin())
    assert isinstance(asked(first), crypto.MakeKeyset)
    made = Answered("make", crypto.KeysetMade(version=version, replaces=replaces))
    return put(step(first.state, made), 3 if protocol == "scp80" else 2)


def held(state: Any, version: int, count: int = 3) -> Step[Any]:
    """The card answers with the check values, the CryptoServer takes the keys."""
    answer = s.answered(f"procedure/{state.sent}", 0x9000, bytes((version,)) + KEYS[version] * count)
    taken = step(state, answer)
    assert asked(taken) == crypto.TakeKeyset(eid=s.EID, version=version), "the former ones are kept"
    return step(taken.state, Answered("take", crypto.Stored()))


def onto(taken: Step[Any]) -> int:
    """P1 of the PUT KEY: the version that it replaces."""
    apdu = s.apdu_of(s.command(taken))
    assert apdu[1] == 0xD8
    return apdu[2]


def proving() -> Step[Any]:
    return held(begun().state, 2)


def clearing() -> Step[Any]:
    state = proving().state
    taken = step(state, s.answered(f"procedure/{state.sent}"))
    assert s.changes(taken) == [UseKeyset(2)]
    question = asked(taken)
    assert (question.version, question.overwrite) == (1, True)
    return put(step(taken.state, Answered("make", crypto.KeysetMade(version=1, replaces=True))))


def test_scp80_from_end_to_end() -> None:
    first = begun()
    assert onto(first) == 0
    assert (s.command(first).transport, s.command(first).key_version) == ("sms", 0)
    proof = proving()
    assert not s.changes(proof), "not in use before it is proved"
    assert s.command(proof).key_version == 2
    last = clearing()
    assert onto(last) == 1, "the former keys are overwritten"
    assert s.command(last).key_version == 2
    ended = held(last.state, 1)
    assert s.reply(ended).status is Status.SUCCESS
    assert s.done(ended)


def test_a_version_that_the_card_has_is_replaced() -> None:
    assert onto(begun(replaces=True)) == 2


def test_scp81_takes_the_place_of_the_former() -> None:
    first = begun("scp81", 0x41)
    assert onto(first) == 0x40
    answer = s.answered("procedure/1", 0x9000, b"\x41" + KEYS[0x41] * 2)
    taken = step(first.state, answer)
    assert asked(taken) == crypto.TakeKeyset(eid=s.EID, version=0x41, retired=0x40)
    assert not s.changes(taken), "the CryptoServer first: its answer may be the second one"
    ended = step(taken.state, Answered("take", crypto.Stored()))
    assert s.changes(ended) == [UseKeyset(0x41)]
    assert s.reply(ended).status is Status.SUCCESS


@pytest.mark.parametrize(("protocol", "version", "first"), [("scp80", 2, 0), ("scp81", 0x41, 0x40)])
def test_lost_answer_is_settled_by_the_same_keys_as_their_own_replacement(
    protocol: str, version: int, first: int
) -> None:
    count = 3 if protocol == "scp80" else 2
    sent = begun(protocol, version)
    assert onto(sent) == first
    again = put(step(sent.state, s.outcome("procedure/1", "unknown")), count)
    assert onto(again) == version
    assert s.command(again).tlvs[0][9:] == s.command(sent).tlvs[0][9:], "the same keys"
    not_there = put(step(again.state, s.answered("procedure/2", 0x6A88)), count)
    assert onto(not_there) == first


def test_a_version_that_is_there_already_is_replaced_by_itself() -> None:
    assert onto(put(step(begun().state, s.answered("procedure/1", 0x6A80)))) == 2


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (s.answered("procedure/1", 0x9485), "8.4/4.2"),
        (s.answered("procedure/1", 0x9000, b"\x02" + bytes(9)), "8.4/4.2"),
        (s.outcome("procedure/1", "unreachable"), "8.1/5.1"),
        (s.outcome("procedure/1", "rejected"), "8.1/5.1"),
    ],
    ids=["check value", "other keys", "unreachable", "rejected"],
)
def test_failure_changes_nothing_and_destroys_nothing(event: Any, expected: str) -> None:
    taken = step(begun().state, event)
    assert s.reply(taken).code == expected
    assert not s.changes(taken)
    assert not [e for e in taken.effects if isinstance(e, Ask)]


def test_silence_ends_after_some_attempts_with_both_key_sets_kept() -> None:
    taken = begun()
    for _ in range(2 * SRSettings().card_attempts):
        taken = put(step(taken.state, s.outcome(f"procedure/{taken.state.sent}", "unknown")))
    ended = step(taken.state, s.outcome(f"procedure/{taken.state.sent}", "unknown"))
    assert s.reply(ended).code == "1.6/5.4"
    assert not s.changes(ended)


def test_no_answer_under_the_new_keys_leaves_the_old_ones_in_use() -> None:
    taken = proving()
    for _ in range(SRSettings().card_attempts - 1):
        taken = step(taken.state, s.outcome(f"procedure/{taken.state.sent}", "unknown"))
        assert s.command(taken).key_version == 2
    ended = step(taken.state, s.outcome(f"procedure/{taken.state.sent}", "unknown"))
    assert s.reply(ended).status is Status.FAILED
    assert not s.changes(ended)


@pytest.mark.parametrize("word", [0x9000, 0x6F00, 0x6A88])
def test_any_answer_under_the_new_keys_proves_them(word: int) -> None:
    state = proving().state
    assert s.changes(step(state, s.answered(f"procedure/{state.sent}", word))) == [UseKeyset(2)]


def test_former_keys_that_cannot_be_overwritten_are_a_warning_with_an_alarm() -> None:
    state = clearing().state
    taken = step(state, s.answered(f"procedure/{state.sent}", 0x6985))
    assert s.reply(taken).status is Status.WARNING
    assert [e.outcome for e in taken.effects if isinstance(e, Audit)] == ["alarm", "done"]


def test_time() -> None:
    fresh = rotate_keys.State(request=operations.RotateKeyset(eid=s.EID, protocol="scp80"), requester=s.OWNER)
    assert s.reply(step(fresh, Begin(), now=LATE)).status is Status.EXPIRED
    assert s.done(step(fresh, TimerFired("deadline")))
    over = step(begun().state, TimerFired("deadline"), now=LATE)
    assert s.reply(over).status is Status.EXPIRED
    late = held(over.state, 2)
    assert s.done(late), "no further OTA for an expired call"
    assert not s.commands(late)
    assert not s.changes(late)
    warned = step(clearing().state, TimerFired("deadline"), now=LATE)
    assert s.reply(warned).status is Status.WARNING


def test_the_cryptoserver_refuses() -> None:
    request = operations.RotateKeyset(eid=s.EID, protocol="scp80")
    first = step(rotate_keys.State(request=request, requester=s.OWNER), Begin())
    taken = step(first.state, Answered("make", refusal=failed("1.2", "4.2", "no")))
    assert s.reply(taken).code == "1.2/4.2"
    assert s.done(taken)
    assert (
        s.reply(step(rotate_keys.State(request=request, requester="x"), Begin(), no_card=True)).code == "8.1.1/3.9"
    )
