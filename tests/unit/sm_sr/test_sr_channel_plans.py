"""A command whose way a script decides, event by event: asked at its start and after each outcome."""

from __future__ import annotations

from typing import Any

import pytest

import sr_steps as s
from ferryman.codec import ids, ota_script
from ferryman.contracts import crypto, es5
from ferryman.contracts.message import Header
from ferryman.contracts.status import failed
from ferryman.contracts.workflow import Decide, Decided
from ferryman.platform.procedure import (
    Answered,
    Ask,
    Audit,
    CancelTimer,
    Received,
    Send,
    Signalled,
    Step,
    TimerFired,
)
from ferryman.sm_sr.procedures import channel, channel_plan, channel_proof
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Command, Outcome
from ferryman.sm_sr.settings import SRSettings
from ferryman.workflow import plan
from ferryman.workflow.question import Attempt, Question

ALL = SRSettings(transport="sms", installed=("sms", "https-push", "https-pull"))
HEADER = Header(message_id="m", sender="t", requester="t", function_call_id="f", deadline=s.DEADLINE, eid=s.EID)
ENABLE = (ota_script.c_apdu(bytes.fromhex("80E2880009 3A03 06 4F0101").replace(b" ", b"")),)
ASKS = (ota_script.c_apdu(bytes.fromhex("80F24002024F00")),)
REFUSED = Answered("plan/c1", refusal=failed("8.1", "4.2", "the script takes too long"))


def step(state: Channel, event: Any, **changes: Any) -> Step[Channel]:
    words = {"procedure_id": f"channel/{s.EID}", "caller": False, "scripted": True, "settings": ALL, **changes}
    return channel.step(state, event, s.context(**words))


def order(number: int = 1, **changes: Any) -> Command:
    values: dict[str, Any] = {
        "id": f"c{number}", "owner": f"p{number}", "tlvs": ENABLE, "target_aid": ids.ISDR_AID, "transport": "",
    }  # fmt: skip
    return Command(**{**values, **changes})


def says(said: Any, number: int = 1) -> Answered:
    return Answered(f"plan/c{number}", reply=Decided(plan=said))


def sms(**fields: Any) -> plan.Send:
    return plan.Send(transport=plan.Transport.SMS, **fields)


def https(**fields: Any) -> plan.Send:
    return plan.Send(transport=plan.Transport.HTTPS_PUSH, **fields)


def questions(taken: Step[Channel]) -> list[Question]:
    return [e.body.question for e in taken.effects if isinstance(e, Ask) and isinstance(e.body, Decide)]


def moments(taken: Step[Channel]) -> list[str]:
    return [one.moment.value for one in questions(taken)]


def packets(taken: Step[Channel]) -> list[int]:
    """Counters of packets that are to be made."""
    return [e.body.counter for e in taken.effects if isinstance(e, Ask) and isinstance(e.body, crypto.SCP80Wrap)]


def submitted(taken: Step[Channel]) -> int:
    return sum(isinstance(e, Send) and isinstance(e.body, es5.SubmitSMS) for e in taken.effects)


def outcomes(taken: Step[Channel]) -> list[tuple[str, str]]:
    return [(o.kind.value, o.detail) for o in s.signals(taken, Outcome)]


def cancelled(taken: Step[Channel]) -> set[str]:
    return {e.name for e in taken.effects if isinstance(e, CancelTimer)}


def in_flight(said: plan.Send | None = None, **changes: Any) -> Channel:
    state = step(Channel(), Signalled("p", order(**changes))).state
    state = step(state, says(said or sms())).state
    return step(state, Answered("wrap", reply=crypto.SCP80Wrapped(packet=b"packet"))).state


def por(state: Channel, status: int) -> Answered:
    assert state.flight is not None
    told = crypto.SCP80Response(tar=ids.ISDR_TAR, counter=state.flight.counter, status=status, data=b"")
    return Answered("open", reply=told)


def receipt(state: Channel, *, delivered: bool = True) -> Received:
    assert state.flight is not None
    word = "DELIVRD" if delivered else "UNDELIV"
    return Received(HEADER, es5.SMSReceipt(sms_id=state.flight.sms_id, delivered=delivered, state=word))


def comes(number: int = 1) -> Received:
    told = es5.HTTPSPosted(
        post_id=f"post {number}", session_id=f"session {number}", eid=s.EID, uri="/agent", body=b"",
        resume=False, script_status="", notification=b"", key_version=0x40,
    )  # fmt: skip
    return Received(HEADER, told)


# -- waits -----------------------------------------------------------------------------------------------------


def test_after_a_wait_it_is_asked_again_and_says_so() -> None:
    first = step(Channel(), Signalled("p", order()))
    assert moments(first) == ["start"]
    assert not packets(first), "nothing goes before the answer"
    waits = step(first.state, says(plan.Wait(seconds=600.0)))
    assert s.timers(waits) == {"wait/c1": 600.0}
    assert not questions(waits)
    later = step(waits.state, TimerFired("wait/c1"), now=s.NOW + 600.0)
    (question,) = questions(later)
    assert (question.moment, question.now) == ("waited", s.NOW + 600.0)
    assert question.history == (
        Attempt(transport="", at=question.history[0].at, ended=s.NOW + 600.0, moment="waited"),
    )
    assert packets(step(later.state, says(sms()))) == [6]


def test_a_held_packet_waits_and_goes_on_as_the_same_packet() -> None:
    state = in_flight(sms(attempts=1))
    silent = step(state, TimerFired("sms"))
    assert moments(silent) == ["silence"]
    held = step(silent.state, says(plan.Wait(seconds=60.0)))
    assert "sms" in cancelled(held)
    again = step(held.state, TimerFired("wait/c1"))
    assert moments(again) == ["waited"]
    assert questions(again)[0].doubt
    sent = step(again.state, says(sms()))
    assert (submitted(sent), packets(sent)) == (1, []), "the same packet: it runs once"


def test_history_is_remembered_up_to_its_bound() -> None:
    state = step(Channel(), Signalled("p", order())).state
    for number in range(channel_plan.MAX_HISTORY + 7):
        state = step(state, says(plan.Wait(seconds=10.0))).state
        asked = step(state, TimerFired("wait/c1"), now=s.NOW + number)
        state = asked.state
    (question,) = questions(asked)
    assert len(question.history) == channel_plan.MAX_HISTORY == 50
    assert question.history[-1].ended == s.NOW + number, "the newest are kept"
    assert question.history[0].ended == s.NOW + 7
    assert question.operation.since == s.NOW


# -- proofs of receipt that say no -----------------------------------------------------------------------------


def test_a_refusal_is_asked_about_and_may_go_any_way() -> None:
    state = in_flight()
    asked = step(state, por(state, 0x07))
    (question,) = questions(asked)
    assert (question.moment, question.doubt) == ("por", False)
    assert (question.history[-1].transport, question.history[-1].detail) == ("sms", "proof of receipt 07")
    assert asked.state.flight is None, "others may go meanwhile"
    assert outcomes(asked) == []
    other = step(asked.state, says(https()))
    assert [c.id for c in other.state.https_queue] == ["c1"]
    assert packets(step(asked.state, says(sms()))) == [7], "another packet: the card has refused that one"
    ended = step(asked.state, says(plan.GiveUp()))
    assert outcomes(ended) == [("rejected", "proof of receipt 07")]
    waits = step(asked.state, says(plan.Wait(seconds=30.0)))
    over = step(waits.state, TimerFired("wait/c1"))
    assert (moments(over), questions(over)[0].doubt) == (["waited"], False)
    assert packets(step(over.state, says(sms()))) == [7]


def test_a_refusal_of_a_repeat_leaves_the_first_in_doubt() -> None:
    state = step(in_flight(), TimerFired("sms")).state
    asked = step(state, por(state, 0x07))
    assert questions(asked)[0].doubt
    overruled = step(asked.state, says(https()))
    assert outcomes(overruled) == [("unknown", "proof of receipt 07")], "it may have run: it stays where it is"
    assert any(isinstance(e, Audit) and e.outcome == "alarm" for e in overruled.effects)
    again = step(asked.state, says(sms()))
    assert (submitted(again), packets(again)) == (1, [])


def test_a_proof_of_receipt_proves_that_a_copy_came_whatever_the_smsc_said() -> None:
    state = in_flight()
    for _ in range(2):
        if state.flight is None or not state.flight.sms_id:
            state = step(state, TimerFired("sms")).state
        assert state.flight is not None
        body = es5.SMSRejected(sms_id=state.flight.sms_id, nothing_sent=True, permanent=False, reason="away")
        state = step(state, Received(HEADER, body)).state
    assert state.flight is not None
    assert (state.flight.attempt, state.flight.doubt) == (2, 0)
    asked = step(state, por(state, 0x07))
    assert outcomes(step(asked.state, says(plan.GiveUp()))) == [("unknown", "proof of receipt 07")]


@pytest.mark.parametrize("held", ["chain", "session"])
def test_what_belongs_to_a_card_session_ends_with_its_refusal(held: str) -> None:
    if held == "chain":
        state = in_flight(chain=True, target_aid=s.NEW)
    else:
        # STORE DATA for key establishment: the card keeps a challenge for what follows.
        tlvs = (ota_script.c_apdu(bytes.fromhex("80E28900053A01020102")),)
        state = in_flight(tlvs=tlvs, more_to_do=True)
        assert state.bound is not None
    taken = step(state, por(state, 0x07))
    assert not questions(taken)
    assert outcomes(taken) == [("rejected", "proof of receipt 07")]


def test_a_card_that_always_refuses_is_not_asked_for_ever() -> None:
    state = in_flight()
    asked = 0
    while questions(taken := step(state, por(state, 0x07))):
        asked += 1
        wrap = step(taken.state, says(sms()))
        state = step(wrap.state, Answered("wrap", reply=crypto.SCP80Wrapped(packet=b"packet"))).state
    assert asked == channel_proof.MAX_REFUSALS
    assert outcomes(taken) == [("rejected", "proof of receipt 07")]


# -- receipts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delivered", [True, False])
def test_a_receipt_is_asked_about_and_to_go_on_sends_nothing(delivered: bool) -> None:
    state = in_flight(sms(attempts=2, answer_timeout=20.0))
    asked = step(state, receipt(state, delivered=delivered))
    (question,) = questions(asked)
    assert (question.moment, question.doubt) == ("receipt", True), "that it was not delivered is no proof"
    assert question.history[-1].detail == ("receipt: DELIVRD" if delivered else "receipt: UNDELIV")
    on = step(asked.state, says(sms(attempts=3, answer_timeout=500.0)))
    assert (submitted(on), packets(on), outcomes(on)) == (0, [], [])
    assert s.timers(on) == {"sms": 500.0}
    assert on.state.flight is not None
    assert on.state.flight.limit == 1 + 3
    same = step(asked.state, says(sms()))
    assert (submitted(same), s.timers(same)) == (0, {}), "its timer runs on"
    assert same.state.flight is not None
    assert same.state.flight.limit == 2


def test_a_receipt_may_stop_the_repeats() -> None:
    state = in_flight()
    asked = step(state, receipt(state, delivered=False)).state
    assert outcomes(step(asked, says(plan.GiveUp(why="switched off")))) == [("unknown", "switched off")]
    held = step(asked, says(plan.Wait(seconds=900.0)))
    assert "sms" in cancelled(held)
    assert s.timers(held) == {"wait/c1": 900.0}
    # A receipt while it is held: asked again, and then to send is to send.
    again = step(held.state, receipt(held.state))
    assert (moments(again), cancelled(again)) == (["receipt"], {"wait/c1"})
    assert submitted(step(again.state, says(sms()))) == 1
    # A question of a card that only asks may move.
    question = in_flight(tlvs=ASKS)
    moved = step(step(question, receipt(question)).state, says(https()))
    assert moved.state.flight is not None
    assert moved.state.flight.command is None, "the trigger"
    assert [c.id for c in moved.state.https_queue] == ["c1"]


def test_a_receipt_is_a_hint_where_nobody_is_asked() -> None:
    state = in_flight()
    assert step(state, receipt(state), scripted=False) == Step(state, step(state, receipt(state)).effects[:-1])
    # While the script is being asked about silence, a receipt asks nothing more.
    silent = step(in_flight(sms(attempts=1)), TimerFired("sms")).state
    assert not questions(step(silent, receipt(silent)))
    other = es5.SMSReceipt(sms_id="another", delivered=True, state="DELIVRD")
    assert not questions(step(state, Received(HEADER, other)))
    # A script that fails at a receipt changes nothing but the audit trail.
    failing = step(step(state, receipt(state)).state, REFUSED)
    assert (submitted(failing), s.timers(failing), outcomes(failing)) == (0, {}, [])
    assert failing.state.flight == state.flight
    assert any(isinstance(e, Audit) and e.outcome == "alarm" for e in failing.effects)


# -- sessions --------------------------------------------------------------------------------------------------


def test_a_card_that_comes_is_asked_about_for_what_waits() -> None:
    first = step(Channel(), Signalled("p", order()))
    waits = step(first.state, says(plan.Wait(seconds=9000.0)))
    there = step(waits.state, comes())
    (question,) = questions(there)
    assert (question.moment, question.card.session_open) == ("session", True)
    assert question.history[-1].moment == "session"
    assert "wait/c1" in cancelled(there)
    given = step(there.state, says(plan.Send(transport=plan.Transport.HTTPS_PULL)))
    answers = [e.body for e in given.effects if isinstance(e, Send) and isinstance(e.body, es5.HTTPSAnswer)]
    assert [one.post_id for one in answers] == ["post 1"]
    # Not with every POST of the session, and not for what is being asked about already.
    rests = step(there.state, says(plan.Wait(seconds=60.0)))
    assert not questions(step(rests.state, comes()))
    assert not questions(step(first.state, comes(2)))


# -- fall-back -------------------------------------------------------------------------------------------------


def test_a_script_that_fails_after_a_wait_never_sends_a_second_way_what_may_have_run() -> None:
    """The preferred transport is another one than that of the packet that is out."""
    settings = SRSettings(transport="https", installed=("sms", "https-push", "https-pull"))
    state = step(in_flight(sms(attempts=1)), TimerFired("sms")).state
    held = step(state, says(plan.Wait(seconds=60.0))).state
    over = step(held, TimerFired("wait/c1"), settings=settings).state
    failing = step(over, REFUSED, settings=settings)
    assert [o for o, _ in outcomes(failing)] == ["unknown"]
    assert failing.state.https_queue == ()


def test_an_answer_that_another_has_overtaken_changes_nothing() -> None:
    waits = step(step(Channel(), Signalled("p", order())).state, says(plan.Wait(seconds=60.0)))
    assert step(waits.state, says(sms())) == Step(waits.state)
    assert step(Channel(), says(sms())) == Step(Channel())


# -- repeats as the plan says ----------------------------------------------------------------------------------


def test_triggers_are_paced_and_repeated_as_the_plan_says() -> None:
    first = step(Channel(), Signalled("p", order()))
    waits = [step(first.state, says(https(attempts=3, answer_timeout=10.0, spacing=2.0)))]
    while not questions(waits[-1]):
        # The trigger is out and proves nothing; one at a time goes to the card, however many commands wait.
        sent = step(waits[-1].state, Answered("wrap", reply=crypto.SCP80Wrapped(packet=b"trigger")))
        assert submitted(sent) == 1
        assert submitted(step(step(sent.state, Signalled("q", order(2))).state, says(https(), 2))) == 0
        landed = step(sent.state, por(sent.state, 0x00)).state
        waits.append(step(landed, TimerFired("session")))
    assert [s.timers(one).get("session") for one in waits] == [10.0, 20.0, 40.0, None]
    (question,) = questions(waits[-1])
    assert (question.moment, question.doubt) == ("no-session", False)


def test_packets_are_repeated_as_the_plan_says() -> None:
    state = step(Channel(), Signalled("p", order())).state
    state = step(state, says(sms(attempts=3, answer_timeout=10.0, spacing=3.0))).state
    taken = step(state, Answered("wrap", reply=crypto.SCP80Wrapped(packet=b"packet")))
    waits = []
    while submitted(taken):
        waits.append(s.timers(taken)["sms"])
        taken = step(taken.state, TimerFired("sms"))
    assert waits == [10.0, 30.0, 90.0]
    assert moments(taken) == ["silence"]
