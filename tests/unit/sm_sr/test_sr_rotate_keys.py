"""New keys of the ISD-R by PUT KEY: old and new stay until the card shows which it holds."""

from __future__ import annotations

from typing import Any

import pytest

import sr_steps as s
from ferryman.contracts import crypto, operations
from ferryman.contracts.status import Status, failed
from ferryman.platform.procedure import Answered, Ask, Audit, Begin, Step, TimerFired
from ferryman.sm_sr.procedures import rotate_keys
from ferryman.sm_sr.procedures.delivery import Outcome, OutcomeKind
from ferryman.sm_sr.procedures.settle import Doubt
from ferryman.sm_sr.records import HoldKeyset, SRSettings, UseKeyset

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
    assert s.changes(proof) == [HoldKeyset(2)], "on the card, not in use before it is proved"
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
    assert s.changes(late) == [HoldKeyset(2)], "on the card, not in use"
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


# -- a card without a number: in sessions of its own -------------------------------------------------------------

SILENT = s.card(s.isdp(s.BOOT, msisdn=""), s.isdp(s.NEW))
PULL = SRSettings(transport="https-pull", installed=("https-pull",))


def pulled(protocol: str = "scp81", version: int = 0x41, **changes: Any) -> Step[Any]:
    """The PUT KEY of a card that comes by itself."""
    request = operations.RotateKeyset(eid=s.EID, protocol=protocol)
    options: dict[str, Any] = {"euicc": SILENT} | changes
    first = step(rotate_keys.State(request=request, requester=s.OWNER), Begin(), **options)
    made = step(first.state, Answered("make", crypto.KeysetMade(version=version, replaces=False)))
    assert asked(made) == crypto.WrapKeyset(eid=s.EID, version=version, under=0x40), "the DEK of the session's set"
    return put(made, 3 if protocol == "scp80" else 2)


def came_under(state: Any, version: int) -> s.Signalled:
    """The card came, in a session under this key set; nothing was given out."""
    refused = Outcome(
        command_id=f"procedure/{state.sent}", kind=OutcomeKind.REJECTED, detail="why", session_key=version
    )
    return s.Signalled("channel", refused)


@pytest.mark.parametrize("changes", [{}, {"euicc": s.card(), "settings": PULL}], ids=["no number", "no SMSC"])
def test_without_a_short_message_the_keys_go_under_the_dek_of_the_session(changes: dict[str, Any]) -> None:
    sent = pulled(**changes)
    command = s.command(sent)
    assert (command.transport, command.only, command.key_version) == ("https-pull", ("https-pull",), 0x40)
    assert onto(sent) == 0x40
    taken = step(sent.state, s.answered("procedure/1", 0x9000, b"\x41" + KEYS[0x41] * 2))
    assert asked(taken) == crypto.TakeKeyset(eid=s.EID, version=0x41, retired=0x40)


def test_by_sms_nothing_else_carries_them() -> None:
    assert s.command(begun()).only == ("sms",)


def asking() -> Any:
    """The answer was lost: whether the card comes under the new keys is to be seen."""
    taken = step(pulled().state, s.outcome("procedure/1", "unknown"))
    assert s.is_read(s.command(taken))
    assert s.command(taken).key_version == 0x41
    return taken.state


def test_a_session_under_the_new_keys_proves_them() -> None:
    expected = crypto.TakeKeyset(eid=s.EID, version=0x41, retired=0x40)
    for proof in (s.answered("procedure/2"), came_under(asking(), 0x41)):
        assert asked(step(asking(), proof)) == expected
    # Also when it is the next PUT KEY that finds such a session.
    again = put(step(asking(), came_under(asking(), 0x40)), 2)
    assert asked(step(again.state, came_under(again.state, 0x41))) == expected


def test_a_session_under_the_former_keys_has_them_put_again() -> None:
    again = put(step(asking(), came_under(asking(), 0x40)), 2)
    assert onto(again) == 0x40
    # It had them after all: the session is one that was taken up again under keys that are gone.
    for word in (0x6A88, 0x6985):
        gone = step(again.state, s.answered(f"procedure/{again.state.sent}", word))
        assert s.command(gone).key_version == 0x41
        waiting = step(gone.state, came_under(gone.state, 0x40))
        assert s.timers(waiting) == {"look": rotate_keys.LOOK_AGAIN}
        assert not [e for e in waiting.effects if isinstance(e, Ask)], "it has them; they are not put once more"
        look = step(waiting.state, TimerFired("look"))
        assert s.command(look).key_version == 0x41


def test_a_refusal_at_the_first_attempt_is_one() -> None:
    assert s.reply(step(pulled().state, s.answered("procedure/1", 0x6985))).code == "8.4/4.2"


def test_a_card_that_never_comes_under_the_new_keys() -> None:
    state = step(asking(), s.outcome("procedure/2", "unknown")).state
    for _ in range(20):
        taken = step(state, TimerFired("look"))
        state = step(taken.state, s.outcome(f"procedure/{taken.state.sent}", "unknown")).state
        if state.replied:
            break
    assert state.replied
    over = step(asking(), TimerFired("deadline"), now=LATE)
    assert s.reply(over).status is Status.EXPIRED
    assert s.done(step(over.state, came_under(over.state, 0x40)))
    assert step(over.state, TimerFired("look")) == Step(over.state)
    late = step(over.state, came_under(over.state, 0x41))
    assert asked(late) == crypto.TakeKeyset(eid=s.EID, version=0x41, retired=0x40), "what the card shows counts"


def test_scp80_keys_of_a_card_that_gets_no_packet() -> None:
    """Their check values prove them; the former ones are overwritten in a session too."""
    first = pulled("scp80", 2)
    assert onto(first) == 0
    other = step(first.state, came_under(first.state, 0x42))
    assert asked(other) == crypto.WrapKeyset(eid=s.EID, version=2, under=0x42), (
        "under the DEK of the session's own"
    )
    taken = step(first.state, s.answered("procedure/1", 0x9000, b"\x02" + KEYS[2] * 3))
    used = step(taken.state, Answered("take", crypto.Stored()))
    assert s.changes(used) == [UseKeyset(2)]
    cleared = step(used.state, Answered("make", crypto.KeysetMade(version=1, replaces=True)))
    assert asked(cleared) == crypto.WrapKeyset(eid=s.EID, version=1, under=0x40)
    last = put(cleared)
    assert (onto(last), s.command(last).key_version, s.command(last).transport) == (1, 0x40, "https-pull")


# -- the call is over, and what the card has is to be found out all the same -------------------------------------


@pytest.mark.parametrize(
    ("protocol", "version", "count", "change"),
    [("scp80", 2, 3, HoldKeyset(2)), ("scp81", 0x41, 2, UseKeyset(0x41))],
)
def test_keys_that_the_card_took_after_the_end_of_the_call_are_in_the_eis(
    protocol: str, version: int, count: int, change: HoldKeyset | UseKeyset
) -> None:
    sent = begun(protocol, version)
    assert onto(sent) == (0 if protocol == "scp80" else 0x40)
    over = step(sent.state, TimerFired("deadline"), now=LATE)
    assert s.reply(over).status is Status.EXPIRED
    answer = s.answered("procedure/1", 0x9000, bytes((version,)) + KEYS[version] * count)
    taken = step(over.state, answer, now=LATE)
    assert not s.changes(taken), "the CryptoServer first"
    ended = step(taken.state, Answered("take", crypto.Stored()), now=LATE)
    assert s.done(ended)
    assert s.changes(ended) == [change]
    assert not s.commands(ended), "no further OTA for an expired call"
    assert not s.signals(ended, Doubt)


@pytest.mark.parametrize(("protocol", "version"), [("scp80", 2), ("scp81", 0x41)])
@pytest.mark.parametrize(("kind", "doubts"), [("unknown", 1), ("unreachable", 0)])
def test_the_card_is_asked_for_its_key_sets_when_the_answer_was_lost(
    protocol: str, version: int, kind: str, doubts: int
) -> None:
    over = step(begun(protocol, version).state, TimerFired("deadline"), now=LATE)
    ended = step(over.state, s.outcome("procedure/1", kind), now=LATE)
    assert s.done(ended)
    assert not s.changes(ended)
    assert len(s.signals(ended, Doubt)) == doubts, "what was withdrawn never ran"


def test_after_the_card_has_shown_the_keys_no_step_can_lose_them() -> None:
    shown = proving()
    assert s.changes(shown) == [HoldKeyset(2)]
    over = step(shown.state, TimerFired("deadline"), now=LATE)
    ended = step(over.state, s.outcome(f"procedure/{shown.state.sent}", "unknown"), now=LATE)
    assert s.done(ended)
    assert not s.signals(ended, Doubt), "which it holds is known"
    for word in (0x9000, 0x6A88):
        late = step(over.state, s.answered(f"procedure/{shown.state.sent}", word), now=LATE)
        assert s.changes(late) == [UseKeyset(2)], "any answer under them proves them"
