"""The channel in rare orders of events: what is in flight, held, given or lost when the next thing happens.

Each line of events ends in the named states of SMS, HTTPS and plan (`ferryman.sm_sr.transitions.channel`), with
these outcomes told to the owners of the commands (SGP.02 2.4.3, 2.4.4).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

import sr_steps as s
from ferryman.codec import ids, ota_script
from ferryman.codec.ota_packet import response_header
from ferryman.contracts import crypto, es5
from ferryman.contracts.message import Header
from ferryman.contracts.status import failed
from ferryman.contracts.workflow import Decided
from ferryman.platform.procedure import Answered, Event, Received, Signalled, TimerFired
from ferryman.sm_sr.procedures import channel
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Cancel, CardNotification, Command, Outcome, Settled
from ferryman.sm_sr.transitions import HALVES
from ferryman.workflow.plan import GiveUp, Plan, Send, Transport, Wait

PARTS = ("channel_sms", "channel_https", "channel_plan")
type Made = tuple[Event, dict[str, Any]]  # and what is different about the facts
type Make = Callable[[Channel], Made]

HEADER = Header(message_id="m", sender="t", requester="t", function_call_id="f", deadline=s.DEADLINE, eid=s.EID)
TLVS = (ota_script.c_apdu(bytes.fromhex("80F24002024F00")),)
PACKET = response_header(ids.ISDR_TAR, check_bytes=8, body_bytes=15) + bytes(15)
ENABLED = bytes.fromhex("80E2890006C10401020304")  # a command that changes something: never given twice
CHANGE = (ota_script.c_apdu(ENABLED),)
PUSH, PULL = Send(transport=Transport.HTTPS_PUSH), Send(transport=Transport.HTTPS_PULL)
SMS, PATIENT = Send(transport=Transport.SMS), Send(transport=Transport.HTTPS_PULL, answer_timeout=60.0)
PATIENT_SMS = Send(transport=Transport.SMS, answer_timeout=60.0)
ONCE, TWICE = Send(transport=Transport.SMS, attempts=1), Send(transport=Transport.SMS, attempts=2)
NOTIFIED = CardNotification(type=2, sequence=7, aid=ids.isdp_aid(0x11), imei=b"", via="sms")


def at(event: Event) -> Make:
    return lambda _: (event, {})


def plain(make: Make) -> Make:
    """No script is active any more."""
    return lambda state: (make(state)[0], {"scripted": False})


def stranger(make: Make) -> Make:
    """The card is not ours any more."""
    return lambda state: (make(state)[0], {"euicc": None})


def c(number: int, transport: str = "sms", **changes: Any) -> Make:
    values: dict[str, Any] = {"id": f"c{number}", "owner": f"p{number}", "tlvs": TLVS, "target_aid": ids.ISDR_AID}
    return at(Signalled("p", Command(**{**values, "transport": transport, **changes})))


def confirm(number: int) -> Make:
    """The card has a new number and waits for its confirmation."""
    return c(number, destination="8821100000001", confirms=NOTIFIED)


def plan(number: int, said: Plan) -> Make:
    return at(Answered(f"plan/c{number}", reply=Decided(plan=said)))


def timer(name: str) -> Make:
    return at(TimerFired(name))


def por(status: int) -> Make:
    def make(state: Channel) -> Made:
        assert state.flight is not None
        told = crypto.SCP80Response(tar=ids.ISDR_TAR, counter=state.flight.counter, status=status, data=b"answer")
        return Answered("open", reply=told), {}

    return make


def refused(state: Channel) -> Made:
    """The SMSC takes none of it, for good."""
    assert state.flight is not None
    body = es5.SMSRejected(sms_id=state.flight.sms_id, nothing_sent=True, permanent=True, reason="no")
    return Received(HEADER, body), {}


def post(number: int, *, key: int = 0x40, result: bytes = b"", resume: bool = False) -> Make:
    """A POST to the URI that was given last."""

    def make(state: Channel) -> Made:
        uri = f"/x?s={state.token}" if result or resume else "/x"
        body = es5.HTTPSPosted(
            post_id=f"post{number}", session_id="s1", eid=s.EID, key_version=key, uri=uri,
            resume=resume, script_status="ok" if result else "", body=result, notification=b"",
        )  # fmt: skip
        return Received(HEADER, body), {}

    return make


def withdraw(number: int) -> Make:
    return at(Signalled("p", Cancel(command_id=f"c{number}")))


def reset(number: int) -> Make:
    """The card was reset behind this command."""
    return at(Signalled("p", Settled(command_id=f"c{number}")))


def receipt(state: Channel) -> Made:
    """The SMSC says that the terminal has the current copy."""
    assert state.flight is not None
    return Received(HEADER, es5.SMSReceipt(sms_id=state.flight.sms_id, delivered=True, state="DELIVRD")), {}


WRAPPED = at(Answered("wrap", reply=crypto.SCP80Wrapped(packet=b"packet")))
UNWRAPPED = at(Answered("wrap", refusal=failed("8", "1", "no")))
ANSWER = at(Received(HEADER, es5.SMSReceived(mo_id="1", originator="8823900000001", kind=0x71, packet=PACKET)))
NOTICE = at(Received(HEADER, es5.SMSReceived(mo_id="2", originator="8823900000001", kind=0x70, packet=PACKET)))
CLOSED = at(Received(HEADER, es5.HTTPSClosed(session_id="s1", eid=s.EID, reason="")))
SILENCE, NO_SESSION, NO_ANSWER, LINGER = timer("sms"), timer("session"), timer("answer"), timer("linger")
GONE = [NO_SESSION] * 4  # every trigger of the settings

SENT = [c(1), WRAPPED]
CALLED = [c(1, "https"), WRAPPED]
QUIETLY_CALLED = [*CALLED, por(0)]
GIVEN = [*QUIETLY_CALLED, post(1)]
LOST = [*GIVEN, CLOSED]
AWAY = [post(1), LINGER]


def asked(said: Send = SMS, number: int = 1, **changes: Any) -> list[Make]:
    return [c(number, **changes), plan(number, said)]


TOLD = [*asked(), WRAPPED, receipt]  # and a script is asked about it
DOUBTED = [*asked(Send(transport=Transport.SMS, attempts=3)), WRAPPED, SILENCE, por(6)]  # refused, and sent twice
WAITING = [c(1), plan(1, Wait(seconds=5.0))]
WAITING_FOR_PUSH = [c(1, "https"), plan(1, Wait(seconds=5.0))]
HELD = [*asked(ONCE), WRAPPED, SILENCE]  # of a script
HELD_TWICE = [*asked(TWICE), WRAPPED, SILENCE, SILENCE]
HELD_WAITING = [*HELD, plan(1, Wait(seconds=5.0))]


def run(line: list[Make], *, scripted: bool) -> tuple[tuple[str, ...], list[tuple[str, str]], Channel]:
    """States of the three parts, outcomes in order, and the channel."""
    state, outcomes = Channel(), []
    for number, make in enumerate(line):
        event, different = make(state)
        if HALVES["channel_sms"].phase(state).startswith("securing"):
            assert isinstance(event, Answered), "the engine hands over the packet before anything else"
        context = s.context(procedure_id="channel", caller=False, entropy=bytes([number]) * 32)
        facts = dataclasses.replace(context.facts, **{"scripted": scripted, **different})
        taken = channel.step(state, event, dataclasses.replace(context, facts=facts))
        outcomes += [(o.command_id, o.kind.value) for o in s.signals(taken, Outcome)]
        state = taken.state
    return tuple(HALVES[name].phase(state) for name in PARTS), outcomes, state


BUILT_IN: dict[str, tuple[list[Make], str, list[tuple[str, str]]]] = {
    "a notification": ([NOTICE], "quiet/idle", []),
    "an answer": ([*SENT, ANSWER], "sent/idle", []),
    "an answer to a trigger": ([*CALLED, ANSWER], "triggering/called", []),
    "never secured": ([c(1), UNWRAPPED], "quiet/idle", [("c1", "unreachable")]),
    "another number when it was sent": ([*SENT, confirm(2)], "securing/idle", [("c1", "unknown")]),
    "another number when the trigger was sent": ([*CALLED, confirm(2)], "securing/called", []),
    "another number when it was sent, of a card that has left": (
        [*SENT, stranger(confirm(2))], "quiet/idle", [("c1", "unknown"), ("c2", "unreachable")],
    ),
    "another number when the trigger was sent, of a card that has left": (
        [*CALLED, stranger(confirm(2))], "quiet/called", [("c2", "unreachable")],
    ),
    "executed, the next one": ([*SENT, c(2), por(0)], "securing/idle", [("c1", "answered")]),
    "more time": ([*SENT, por(8)], "sent/idle", []),
    "more time for a trigger": ([*CALLED, por(8)], "triggering/called", []),
    "a counter behind": ([*SENT, por(2), SILENCE], "quiet/idle", [("c1", "unknown")]),
    "silence to the end": ([*SENT, *[SILENCE] * 4], "quiet/idle", [("c1", "unknown")]),
    "a receipt": ([*SENT, receipt], "sent/idle", []),
    "the session is there before the trigger is answered": ([*CALLED, post(1), SILENCE], "quiet/given", []),
    "the first script": ([c(1, "https-pull"), post(1)], "quiet/given", []),
    "a command while the POST is open": ([post(1), c(1, "https")], "quiet/given", []),
    "closed behind the last POST": ([*AWAY, CLOSED], "quiet/idle", []),
    "answered, the next script": (
        [*GIVEN, c(2, "https"), post(2, result=b"r")], "quiet/given", [("c1", "answered")],
    ),
    "answered, nothing to do": ([*GIVEN, post(2, result=b"r")], "quiet/open", [("c1", "answered")]),
    "the link is dead": ([*GIVEN, NO_ANSWER], "quiet/open and away", [("c1", "unknown")]),
    "given, and the card was reset": ([*GIVEN, reset(1)], "quiet/open and away", []),
    "never secured, the next one": (
        [*SENT, c(2), c(3), por(0), UNWRAPPED], "securing/idle", [("c1", "answered"), ("c2", "unreachable")],
    ),
    "never secured, a trigger": (
        [*SENT, c(2), c(3, "https"), por(0), UNWRAPPED], "securing trigger/called",
        [("c1", "answered"), ("c2", "unreachable")],
    ),
    "a trigger that was never secured": ([c(1, "https"), UNWRAPPED], "quiet/called", []),
    "reset, the next one": ([*SENT, c(2), reset(1)], "securing/idle", []),
    "reset, a trigger": ([*SENT, c(2, "https"), reset(1)], "securing trigger/called", []),
    "answered, a trigger": ([*SENT, c(2, "https"), por(0)], "securing trigger/called", [("c1", "answered")]),
    "rejected, the next one": ([*SENT, c(2), por(6)], "securing/idle", [("c1", "rejected")]),
    "rejected, a trigger": ([*SENT, c(2, "https"), por(6)], "securing trigger/called", [("c1", "rejected")]),
    "executed before, the next one": ([*SENT, SILENCE, c(2), por(2)], "securing/idle", [("c1", "unknown")]),
    "executed before, a trigger": (
        [*SENT, SILENCE, c(2, "https"), por(2)], "securing trigger/called", [("c1", "unknown")],
    ),
    "a counter behind, the next one": ([*SENT, por(2), c(2), SILENCE], "securing/idle", [("c1", "unknown")]),
    "a counter behind, a trigger": (
        [*SENT, por(2), c(2, "https"), SILENCE], "securing trigger/called", [("c1", "unknown")],
    ),
    "refused, the next one": ([*SENT, c(2), refused], "securing/idle", [("c1", "unreachable")]),
    "refused, a trigger": ([*SENT, c(2, "https"), refused], "securing trigger/called", [("c1", "unreachable")]),
    "silence to the end, the next one": ([*SENT, c(2), *[SILENCE] * 4], "securing/idle", [("c1", "unknown")]),
    "a trigger is taken, a command": ([*CALLED, c(2), por(0)], "securing/called", []),
    "a trigger is taken, another is wanted": ([*CALLED, NO_SESSION, por(0)], "securing trigger/called", []),
    "a trigger is refused, a command": ([*CALLED, c(2), refused], "securing/called", []),
    "a trigger is refused, another is wanted": ([*CALLED, NO_SESSION, refused], "securing trigger/called", []),
    "a trigger in silence, a command": ([*CALLED, c(2), *[SILENCE] * 4], "securing/called", []),
    "a trigger in silence, another is wanted": (
        [*CALLED, NO_SESSION, *[SILENCE] * 4], "securing trigger/called", [],
    ),
    "it goes away with a script, and is called": ([*LOST, NO_ANSWER], "securing trigger/lost", []),
    "a command behind the last POST": ([*AWAY, c(1, "https"), CLOSED], "securing trigger/called", []),
    "a command behind the last POST, for a card that comes": (
        [*AWAY, c(1, "https-pull"), CLOSED], "quiet/waiting", [],
    ),
    "one more POST after the last": ([*AWAY, c(1, "https"), post(2)], "quiet/given", []),
    "withdrawn behind the last POST": (
        [*AWAY, c(1, "https"), withdraw(1)], "quiet/open and away", [("c1", "unreachable")],
    ),
    "another POST with nothing to do": ([post(1), post(2)], "quiet/open", []),
    "a POST behind the last one, nothing to do": ([*AWAY, post(2)], "quiet/open", []),
    "closed with nothing to do": ([post(1), CLOSED], "quiet/idle", []),
    "lost, and the card was reset": ([*LOST, reset(1)], "quiet/idle", []),
    "lost, reset, and it is called": ([*LOST, c(2, "https"), reset(1)], "securing trigger/called", []),
    "lost, reset, and it comes": ([*LOST, c(2, "https-pull"), reset(1)], "quiet/waiting", []),
    "withdrawn behind the one that is given": (
        [*GIVEN, c(2, "https"), withdraw(2)], "quiet/given", [("c2", "unreachable")],
    ),
    "withdrawn behind the one that is lost": (
        [*LOST, c(2, "https"), withdraw(2)], "quiet/lost", [("c2", "unreachable")],
    ),
    "lost, resumed with the answer": (
        [*LOST, post(2, result=b"answer")], "quiet/open", [("c1", "answered")],
    ),
    "lost, resumed with the answer, the next one": (
        [*LOST, c(2, "https"), post(2, result=b"answer")], "quiet/given", [("c1", "answered")],
    ),
    "lost, resumed without": ([*LOST, post(2, resume=True)], "quiet/given", []),
    "lost for good": (
        [c(1, "https", tlvs=CHANGE), WRAPPED, por(0), post(1), CLOSED, NO_ANSWER, WRAPPED, *GONE],
        "triggering/idle", [("c1", "unknown")],
    ),
    "lost for good, another waits": (
        [
            c(1, "https", tlvs=CHANGE), WRAPPED, por(0), post(1), CLOSED,
            c(2, "https-pull"), NO_ANSWER, WRAPPED, *GONE,
        ],
        "triggering/waiting", [("c1", "unknown")],
    ),
    "a card that comes is called for another": (
        [c(1, "https-pull"), c(2, "https")], "securing trigger/called", [],
    ),
    "withdrawn, then the session": (
        [*QUIETLY_CALLED, withdraw(1), post(1)], "quiet/open", [("c1", "unreachable")],
    ),
    "for a key set that the session is not under": (
        [c(1, "https-pull", key_version=0x41), post(1)], "quiet/open", [("c1", "rejected")],
    ),
    "withdrawn before the card came": (
        [c(1, "https-pull"), withdraw(1)], "quiet/idle", [("c1", "unreachable")],
    ),
    "one of two withdrawn before the card came": (
        [c(1, "https-pull"), c(2, "https-pull"), withdraw(1)], "quiet/waiting", [("c1", "unreachable")],
    ),
    "not called for ever": (
        [c(1, "https-pull"), c(2, "https"), WRAPPED, por(0), NO_SESSION, WRAPPED, *GONE[1:]], "triggering/waiting",
        [("c2", "unreachable")],
    ),
}  # fmt: skip

BY_SCRIPT: dict[str, tuple[list[Make], str, list[tuple[str, str]]]] = {
    "asked first": ([c(1)], "quiet/idle/undecided", []),
    "two are asked for": ([c(1), c(2)], "quiet/idle/undecided", []),
    "by SMS": (asked(), "securing/idle/decided", []),
    "by push": (asked(PUSH), "securing trigger/called/decided", []),
    "by pull": (asked(PULL), "quiet/waiting/decided", []),
    "by push where one waits": ([*asked(PULL), *asked(PUSH, 2)], "securing trigger/called/decided", []),
    "with patience": ([*asked(PATIENT), *asked(PATIENT, 2)], "quiet/waiting/decided", []),
    "with patience, another without": ([*asked(PATIENT), plain(c(2, "https-pull"))], "quiet/waiting/decided", []),
    "patience is over": ([*asked(PATIENT), plain(NO_SESSION)], "quiet/idle/decided", [("c1", "unreachable")]),
    "patience is over for one": (
        [*asked(PULL), *asked(PATIENT, 2), plain(NO_SESSION)], "quiet/waiting/decided", [("c2", "unreachable")],
    ),
    "patience is over, it is asked": ([*asked(PATIENT), NO_SESSION], "quiet/idle/undecided", []),
    "patience is over while another is asked for": (
        [*asked(PATIENT), c(2), NO_SESSION], "quiet/idle/undecided", [],
    ),
    "wait": ([c(1), plan(1, Wait(seconds=5.0))], "quiet/idle/undecided", []),
    "waited, asked again": ([c(1), plan(1, Wait(seconds=5.0)), timer("wait/c1")], "quiet/idle/undecided", []),
    "waited, no script: by SMS": (
        [c(1), plan(1, Wait(seconds=5.0)), plain(timer("wait/c1"))], "securing/idle/decided", [],
    ),
    "waited, no script: another is still asked for": (
        [c(1), c(2), plan(1, Wait(seconds=5.0)), plain(timer("wait/c1"))], "securing/idle/undecided", [],
    ),
    "waited, no script: by push": (
        [c(1, "https"), plan(1, Wait(seconds=5.0)), plain(timer("wait/c1"))],
        "securing trigger/called/decided", [],
    ),
    "waited, no script: by push where one waits": (
        [*asked(PULL, 2), c(1, "https"), plan(1, Wait(seconds=5.0)), plain(timer("wait/c1"))],
        "securing trigger/called/decided", [],
    ),
    "waited, no script: by pull": (
        [c(1, "https-pull"), plan(1, Wait(seconds=5.0)), plain(timer("wait/c1"))], "quiet/waiting/decided", [],
    ),
    "waited, no script: by pull where one has patience": (
        [*asked(PATIENT, 2), c(1, "https-pull"), plan(1, Wait(seconds=5.0)), plain(timer("wait/c1"))],
        "quiet/waiting/decided", [],
    ),
    "decided while the POST is open": ([post(1), *asked(PUSH)], "quiet/given/decided", []),
    "waited while the POST is open": (
        [post(1), c(1, "https"), plan(1, Wait(seconds=5.0)), plain(timer("wait/c1"))], "quiet/given/decided", [],
    ),
    "given up": ([c(1), plan(1, GiveUp())], "quiet/idle/decided", [("c1", "unreachable")]),
    "given up, another is asked for": (
        [c(1), c(2), plan(1, GiveUp())], "quiet/idle/undecided", [("c1", "unreachable")],
    ),
    "withdrawn while it is asked": ([c(1), withdraw(1)], "quiet/idle/decided", [("c1", "unreachable")]),
    "one of two withdrawn": ([c(1), c(2), withdraw(1)], "quiet/idle/undecided", [("c1", "unreachable")]),
    "waits, the card comes": ([*WAITING, post(1)], "quiet/open/undecided", []),
    "waits, the card comes, no script: by SMS": ([*WAITING, plain(post(1))], "securing/open/decided", []),
    "waits, the card comes, no script: it is given": (
        [*WAITING_FOR_PUSH, plain(post(1))], "quiet/given/decided", [],
    ),
    "waits, the card comes for another one, no script": (
        [*asked(PULL, 2), *WAITING_FOR_PUSH, plain(post(1))], "quiet/given/decided", [],
    ),
    "waits, the card comes, no script: another is asked for": (
        [c(2), *WAITING, plain(post(1))], "securing/open/undecided", [],
    ),
    "a receipt is asked about": (TOLD, "sent/idle/undecided", []),
    "a receipt is asked about as another is": ([*asked(), WRAPPED, c(2), receipt], "sent/idle/undecided", []),
    "behind a receipt: go on": ([*TOLD, plan(1, PATIENT_SMS)], "sent/idle/decided", []),
    "behind a receipt: wait": ([*TOLD, plan(1, Wait(seconds=5.0))], "held/idle/undecided", []),
    "behind a receipt: enough": ([*TOLD, plan(1, GiveUp())], "quiet/idle/decided", [("c1", "unknown")]),
    "behind a receipt: enough, the next one": (
        [*asked(), WRAPPED, *asked(number=2), receipt, plan(1, GiveUp())], "securing/idle/decided",
        [("c1", "unknown")],
    ),
    "behind a receipt: by push": ([*TOLD, plan(1, PUSH)], "securing trigger/called/decided", []),
    "refused by the card: asked": ([*asked(), WRAPPED, por(6)], "quiet/idle/undecided", []),
    "refused by the card, a trigger for another that is never secured, by SMS": (
        [*asked(), WRAPPED, *asked(PUSH, 2), por(6), plan(1, SMS), UNWRAPPED], "securing/called/decided", [],
    ),
    "refused by the card: given up": (
        [*asked(), WRAPPED, por(6), plan(1, GiveUp())], "quiet/idle/decided", [("c1", "rejected")],
    ),
    "refused by the card after a repeat": (DOUBTED, "held/idle/undecided", []),
    "refused by the card after a repeat, silence": ([*DOUBTED, SILENCE], "held/idle/undecided", []),
    "refused by the SMSC, waited, no script: once more": (
        [*asked(), WRAPPED, refused, plan(1, Wait(seconds=5.0)), plain(timer("wait/c1"))], "sent/idle/decided", [],
    ),
    "held after silence": (HELD, "held/idle/undecided", []),
    "held after a refusal": ([*asked(), WRAPPED, refused], "held/idle/undecided", []),
    "held while another is asked for": ([*asked(ONCE), WRAPPED, c(2), SILENCE], "held/idle/undecided", []),
    "refused while another is asked for": ([*asked(), WRAPPED, c(2), refused], "held/idle/undecided", []),
    "held, an answer comes": ([*HELD, ANSWER], "held/idle/undecided", []),
    "held, executed": ([*HELD, por(0)], "quiet/idle/decided", [("c1", "answered")]),
    "held, executed, another is asked for": ([*HELD, c(2), por(0)], "quiet/idle/undecided", [("c1", "answered")]),
    "held, refused by the card": ([*HELD, por(6)], "quiet/idle/undecided", []),
    "held, executed before": ([*HELD_TWICE, por(2)], "quiet/idle/decided", [("c1", "unknown")]),
    "held, more time": ([*HELD, por(8)], "held/idle/undecided", []),
    "held, more time, silence": ([*HELD, por(8), plain(SILENCE)], "quiet/idle/decided", [("c1", "unknown")]),
    "held, refused by the SMSC": ([*HELD, plain(refused)], "quiet/idle/decided", [("c1", "unreachable")]),
    "held, once more": ([*HELD, plan(1, SMS)], "sent/idle/decided", []),
    "held, given up": ([*HELD, plan(1, GiveUp())], "quiet/idle/decided", [("c1", "unknown")]),
    "held, given up, the next one": (
        [*HELD, *asked(number=2), plan(1, GiveUp())], "securing/idle/decided", [("c1", "unknown")],
    ),
    "held, by push": ([*HELD, plan(1, PUSH)], "securing trigger/called/decided", []),
    "held, waited, no script: it may have run": (
        [*HELD_WAITING, plain(timer("wait/c1"))], "quiet/idle/decided", [("c1", "unknown")],
    ),
    "held, another number": ([*HELD, confirm(2)], "securing/idle/decided", [("c1", "unknown")]),
    "held, another number of a card that has left": (
        [*HELD, stranger(confirm(2))], "quiet/idle/decided", [("c1", "unknown"), ("c2", "unreachable")],
    ),
    "held, reset": ([*HELD, reset(1)], "quiet/idle/decided", []),
}  # fmt: skip


@pytest.mark.parametrize("name", BUILT_IN)
def test_without_a_script(name: str) -> None:
    line, states, told = BUILT_IN[name]
    found, outcomes, _ = run(line, scripted=False)
    assert ("/".join(found), outcomes) == (f"{states}/decided", told)


@pytest.mark.parametrize("name", BY_SCRIPT)
def test_with_a_script(name: str) -> None:
    line, states, told = BY_SCRIPT[name]
    found, outcomes, _ = run(line, scripted=True)
    assert ("/".join(found), outcomes) == (states, told)


def test_no_counter_is_used_twice_in_any_of_them() -> None:
    """Whatever happens: what is in flight has the highest counter that was ever taken."""
    for scripted, lines in ((False, BUILT_IN), (True, BY_SCRIPT)):
        for line, _, _ in lines.values():
            _, _, state = run(line, scripted=scripted)
            assert state.flight is None or state.flight.counter == state.counter
