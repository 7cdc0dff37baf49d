"""The channel of a card, SMS and HTTPS, event by event (SGP.02 2.4.3, 2.4.4; TS 102 225; GP Amendment B)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import sr_steps as s
from ferryman.codec import ids, isdr, ota_script, tlv
from ferryman.contracts import crypto, es5
from ferryman.contracts.message import Header
from ferryman.contracts.status import failed
from ferryman.platform.procedure import (
    Answered,
    Ask,
    Audit,
    Begin,
    Received,
    Send,
    Signal,
    Signalled,
    Step,
    TimerFired,
)
from ferryman.sm_sr.procedures import channel, channel_plan, channel_sms
from ferryman.sm_sr.procedures.channel_state import Channel, Effects
from ferryman.sm_sr.procedures.delivery import Cancel, CardNotification, Command, Outcome, Settled
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import SRSettings
from ferryman.workflow import plan
from ferryman.workflow.plan import Transport

HTTPS = SRSettings(transport="https")
HEADER = Header(message_id="m", sender="t", requester="t", function_call_id="f", deadline=s.DEADLINE, eid=s.EID)
TLVS = (ota_script.c_apdu(bytes.fromhex("80F24002 02 4F00".replace(" ", ""))),)


def step(state: Channel, event: Any, **changes: Any) -> Step[Channel]:
    return channel.step(
        state, event, s.context(**{"procedure_id": f"channel/{s.EID}", "caller": False, **changes})
    )


def order(number: int, transport: str = "sms", **changes: Any) -> Command:
    values: dict[str, Any] = {"id": f"c{number}", "owner": f"p{number}", "tlvs": TLVS, "target_aid": ids.ISDR_AID}
    return Command(**{**values, "transport": transport, **changes})


def enqueue(state: Channel, command: Command, **changes: Any) -> Step[Channel]:
    return step(state, Signalled("p", command), **changes)


def wrapped(packet: bytes = b"packet") -> Answered:
    return Answered("wrap", reply=crypto.SCP80Wrapped(packet=packet))


def in_flight(**changes: Any) -> Channel:
    return step(enqueue(Channel(), order(1, **changes)).state, wrapped()).state


def por(state: Channel, status: int = 0, data: bytes = b"answer", counter: int | None = None) -> Answered:
    assert state.flight is not None
    number = state.flight.counter if counter is None else counter
    return Answered("open", reply=crypto.SCP80Response(tar=ids.ISDR_TAR, counter=number, status=status, data=data))


def outcomes(taken: Step[Channel]) -> list[tuple[str, str]]:
    return [(o.command_id, o.kind.value) for o in s.signals(taken, Outcome)]


def submitted(taken: Step[Channel]) -> list[es5.SubmitSMS]:
    return [e.body for e in taken.effects if isinstance(e, Send) and isinstance(e.body, es5.SubmitSMS)]


def given(taken: Step[Channel]) -> list[es5.HTTPSAnswer]:
    return [e.body for e in taken.effects if isinstance(e, Send) and isinstance(e.body, es5.HTTPSAnswer)]


def asked(taken: Step[Channel]) -> list[Any]:
    return [e.body for e in taken.effects if isinstance(e, Ask)]


def received(body: Any) -> Received:
    return Received(HEADER, body)


# -- SMS -------------------------------------------------------------------------------------------------------


def test_packet_is_committed_before_it_leaves_and_counted_up() -> None:
    first = enqueue(Channel(), order(1))
    question = asked(first)[0]
    assert (question.counter, question.tar, question.key_version) == (6, ids.ISDR_TAR, 1)
    sent = step(first.state, wrapped())
    assert [(m.destination, m.packet) for m in submitted(sent)] == [("8823900000001", b"packet")]
    second = enqueue(sent.state, order(2))
    assert not asked(second), "one packet at a time"
    done = step(second.state, por(second.state))
    assert outcomes(done) == [("c1", "answered")]
    assert asked(done)[0].counter == 7


def test_silence_repeats_the_same_packet_and_ends_unknown() -> None:
    state, waits = in_flight(), []
    for _ in range(SRSettings().sms_attempts - 1):
        taken = step(state, TimerFired("sms"))
        assert submitted(taken)[0].packet == b"packet"
        assert not asked(taken), "no new counter"
        waits.append(s.timers(taken)["sms"])
        state = taken.state
    assert waits == sorted(waits)
    assert outcomes(step(state, TimerFired("sms"))) == [("c1", "unknown")]


@pytest.mark.parametrize(
    ("status", "attempts", "expected"),
    [
        (0x00, 1, [("c1", "answered")]),
        (0x00, 3, [("c1", "answered")]),
        (0x01, 1, [("c1", "rejected")]),
        (0x02, 1, []),
        (0x02, 2, [("c1", "unknown")]),
        (0x06, 1, [("c1", "rejected")]),
        (0x06, 2, [("c1", "unknown")]),
        (0x07, 2, [("c1", "unknown")]),
        (0x08, 1, []),
        (0x09, 1, [("c1", "rejected")]),
        (0x09, 2, [("c1", "rejected")]),
        (0x0A, 2, [("c1", "rejected")]),
        (0x0B, 1, []),
        (0x0C, 2, []),
    ],
)
def test_proof_of_receipt(status: int, attempts: int, expected: list[tuple[str, str]]) -> None:
    state = in_flight()
    for _ in range(attempts - 1):
        state = step(state, TimerFired("sms")).state
    taken = step(state, por(state, status))
    assert outcomes(taken) == expected
    assert (taken.state.flight is None) == bool(expected)
    assert not outcomes(step(state, por(state, status, counter=99))), "of another packet"


def test_a_proof_of_receipt_without_an_answer_tells_no_result() -> None:
    state = in_flight()
    assert outcomes(step(state, por(state, 0x00, data=b""))) == [("c1", "unknown")]


def test_counter_low_at_first_is_settled_by_silence_with_a_jump() -> None:
    state = in_flight()
    low = step(state, por(state, 0x02)).state
    assert outcomes(step(low, por(low, 0x00))) == [("c1", "answered")]
    taken = step(low, TimerFired("sms"))
    assert outcomes(taken) == [("c1", "unknown")]
    assert asked(enqueue(taken.state, order(2)))[0].counter == 7 + channel_sms.COUNTER_JUMP


def test_counter_used_up() -> None:
    state = Channel(counter=channel_sms.MAX_COUNTER)
    taken = enqueue(state, order(1))
    assert outcomes(taken) == [("c1", "unreachable")]
    assert any(isinstance(e, Audit) and e.outcome == "alarm" for e in taken.effects)


@pytest.mark.parametrize(
    ("nothing_sent", "permanent", "expected"),
    [(True, True, [("c1", "unreachable")]), (True, False, []), (False, True, []), (False, False, [])],
)
def test_rejected_by_the_smsc(nothing_sent: bool, permanent: bool, expected: list[tuple[str, str]]) -> None:
    state = in_flight()
    assert state.flight is not None
    body = es5.SMSRejected(sms_id=state.flight.sms_id, nothing_sent=nothing_sent, permanent=permanent, reason="r")
    assert outcomes(step(state, received(body))) == expected
    other = es5.SMSRejected(sms_id="another", nothing_sent=True, permanent=True, reason="r")
    assert step(state, received(other)).state == state


@pytest.mark.parametrize("left", [True, False])
def test_attempts_that_certainly_never_left_are_unreachable(left: bool) -> None:
    state = in_flight()
    for number in range(SRSettings().sms_attempts):
        assert state.flight is not None
        body = es5.SMSRejected(sms_id=state.flight.sms_id, nothing_sent=True, permanent=False, reason="away")
        if not (left and number == 1):
            state = step(state, received(body)).state
            state = step(state, received(body)).state  # told twice
        taken = step(state, TimerFired("sms"))
        state = taken.state
    assert outcomes(taken) == [("c1", "unknown" if left else "unreachable")]


def test_permanent_refusal_of_a_repeat_leaves_the_first_in_doubt() -> None:
    state = step(in_flight(), TimerFired("sms")).state
    assert state.flight is not None
    body = es5.SMSRejected(sms_id=state.flight.sms_id, nothing_sent=True, permanent=True, reason="r")
    assert not outcomes(step(state, received(body)))


def test_refused_by_the_crypto_server_never_left() -> None:
    taken = step(enqueue(Channel(), order(1)).state, Answered("wrap", refusal=failed("8", "1", "no")))
    assert outcomes(taken) == [("c1", "unreachable")]
    assert not outcomes(step(in_flight(), Answered("open", refusal=failed("8", "1", "MAC"))))
    assert not outcomes(step(in_flight(), Answered("open")))
    assert not submitted(step(Channel(), wrapped()))


@pytest.mark.parametrize("changes", [{"no_card": True}, {"euicc": s.card(s.isdp())}])
def test_no_address_to_send_to(changes: dict[str, Any]) -> None:
    taken = step(Channel(sms_queue=(order(1),)), Signalled("p", order(2)), **changes)
    assert outcomes(taken) == [("c1", "unreachable"), ("c2", "unreachable")]


def test_withdrawn_only_while_it_waits() -> None:
    state = enqueue(in_flight(), order(2)).state
    state = enqueue(state, order(3, "https")).state
    for name, expected in (
        ("c1", []),
        ("c2", [("c2", "unreachable")]),
        ("c3", [("c3", "unreachable")]),
        ("x", []),
    ):
        assert outcomes(step(state, Signalled("p", Cancel(command_id=name)))) == expected


def test_command_to_another_number_goes_at_once() -> None:
    """A confirmation must not wait behind a packet that is repeated to the number the card has left."""
    taken = enqueue(in_flight(), order(2, destination="8821100000001"))
    assert outcomes(taken) == [("c1", "unknown")]
    assert asked(taken)
    same = enqueue(in_flight(), order(2, destination="8823900000001"))
    assert not outcomes(same)


def test_command_before_a_trigger_and_the_trigger_again_behind_it() -> None:
    state = enqueue(Channel(), order(1, "https"), settings=HTTPS).state
    assert state.flight is not None
    assert state.flight.command is None
    state = step(state, wrapped(), settings=HTTPS).state
    taken = enqueue(state, order(2, destination="8821100000001"), settings=HTTPS)
    assert taken.state.trigger_wanted
    assert taken.state.flight is not None
    assert taken.state.flight.command is not None


@pytest.mark.parametrize(
    ("flags", "chaining"),
    [([False], [None]), ([True, True, False], [1, 2, 3]), ([True, False, False], [1, 3, None])],
)
def test_script_chain(flags: list[bool], chaining: list[int | None]) -> None:
    state, seen = Channel(), []
    for number, chain in enumerate(flags):
        taken = enqueue(state, order(number, chain=chain, target_aid=s.NEW))
        script = tlv.parse(tlv.parse_one(asked(taken)[0].data, 0xAA).value)
        seen.append(script[0].value[0] if script[0].tag == 0x83 else None)
        state = step(taken.state, wrapped()).state
        state = step(state, por(state, data=s.raw_script(b"\x86\x00"))).state
    assert seen == chaining


@pytest.mark.parametrize("lost", ["answer", "silence"])
def test_chain_that_the_card_lost_begins_anew(lost: str) -> None:
    state = in_flight(chain=True, target_aid=s.NEW)
    assert state.chains == (s.NEW,)
    if lost == "answer":
        state = step(state, por(state, data=s.raw_script(b"\x83\x01\x01"))).state
    else:
        for _ in range(SRSettings().sms_attempts):
            state = step(state, TimerFired("sms")).state
    assert state.chains == ()


def test_what_is_only_a_hint_or_for_nobody() -> None:
    state = in_flight()
    for body in (
        es5.SMSAccepted(sms_id="x"),
        es5.SMSReceipt(sms_id="x", delivered=False, state="EXPIRED"),
        es5.SubmitSMS(sms_id="x", destination="1", packet=b"", validity=1.0),
    ):
        assert step(state, received(body)) == Step(state)
    assert step(state, Begin()) == Step(state)
    assert step(state, Signalled("p", "word")) == Step(state)
    assert step(Channel(), TimerFired("sms")) == Step(Channel())
    assert step(state, Signalled("p", Settled(command_id="x"))) == Step(state)
    assert step(state, Signalled("p", Settled(command_id="c1"))).state.flight is None


def response(tar: bytes = ids.ISDR_TAR) -> es5.SMSReceived:
    packet = bytes.fromhex("000B0A") + tar + bytes(5) + b"\x00\x00"
    return es5.SMSReceived(mo_id="1", originator="8823900000001", kind=0x71, packet=packet)


def test_responses_go_to_the_crypto_server_only_when_one_is_awaited() -> None:
    assert not asked(step(Channel(), received(response())))
    assert not asked(step(in_flight(), received(response()), no_card=True))
    assert asked(step(in_flight(), received(response())))
    assert not asked(step(in_flight(), received(response(b"\x00\x00\x11"))))
    bad = es5.SMSReceived(mo_id="1", originator="1", kind=0x71, packet=b"")
    assert asked(step(in_flight(), received(bad)))


# -- notifications ---------------------------------------------------------------------------------------------


def e1(kind: int, sequence: int, aid: bytes = s.BOOT, eid: str = s.EID) -> bytes:
    content = tlv.encode(0x4C, bytes.fromhex(eid))
    content += tlv.encode(0x4D, bytes((kind,))) + tlv.encode(0x4E, sequence.to_bytes(2)) + tlv.encode(0x2F, aid)
    return tlv.encode(0xE1, content)


def notify(state: Channel, data: bytes, **changes: Any) -> Step[Channel]:
    reply = crypto.SCP80Command(tar=ids.ISDR_TAR, key_version=1, data=data)
    return step(state, Answered("notification", reply=reply), **changes)


def routed(taken: Step[Channel]) -> list[tuple[str, bool]]:
    found = [e for e in taken.effects if isinstance(e, Signal) and isinstance(e.value, CardNotification)]
    return [(e.procedure_id.split("/")[0], e.value.repeat) for e in found]


def test_packets_of_the_card_are_checked_first() -> None:
    body = es5.SMSReceived(mo_id="1", originator="1", kind=0x70, packet=b"p")
    assert isinstance(asked(step(Channel(), received(body)))[0], crypto.SCP80OpenCommand)


@pytest.mark.parametrize(
    ("holder", "kind", "expected"),
    [("", "", "notification"), ("enable/x", "enable", "enable"), ("create/x", "create-isdp", "notification")],
)
def test_notification_goes_to_the_change_or_to_its_own_procedure(holder: str, kind: str, expected: str) -> None:
    taken = notify(Channel(), e1(2, 1), holder=holder, holder_kind=kind)
    assert routed(taken) == [(expected, False)]


@pytest.mark.parametrize("data", [b"", b"\xe1\x00", e1(2, 1, eid="89033023000000000061494360000288")])
def test_notification_that_is_none_or_of_another_card(data: bytes) -> None:
    taken = notify(Channel(), data)
    assert not routed(taken)
    assert [e.outcome for e in taken.effects if isinstance(e, Audit)] == ["refused"]
    post = es5.HTTPSPosted(
        post_id="1", session_id="1", eid=s.EID, key_version=64, uri="/", resume=False, script_status="", body=b"",
        notification=data or b"\x00",
    )  # fmt: skip
    assert not routed(step(Channel(), received(post)))


def test_confirmed_notification_that_comes_again_ends_no_change() -> None:
    sent = order(1, confirms=s.told(3, s.BOOT, sequence=4))
    state = step(enqueue(Channel(), sent).state, wrapped()).state
    state = step(state, por(state, data=s.script((b"", 0x9000)))).state
    assert state.confirmed == sent.confirms
    busy = {"holder": "enable/x", "holder_kind": "enable"}
    assert routed(notify(state, e1(3, 4), **busy)) == [("notification", True)]
    assert routed(notify(state, e1(3, 5), **busy)) == [("enable", False)]


@pytest.mark.parametrize("answer", [s.script((b"", 0x6A88)), b"?"])
def test_confirmation_that_the_card_did_not_take_is_none(answer: bytes) -> None:
    state = step(enqueue(Channel(), order(1, confirms=s.told(3))).state, wrapped()).state
    assert step(state, por(state, data=answer)).state.confirmed is None


@pytest.mark.parametrize(
    ("sequence", "taken"),
    [(4, False), (5, True), (3, False), (0x8003, True), (0x8004, False), (0xFFFF, False)],
)
def test_sequence_number_outside_a_change(sequence: int, taken: bool) -> None:
    state = Channel(confirmed=s.told(1, s.BOOT, sequence=4))
    assert bool(routed(notify(state, e1(5, sequence)))) is taken
    anyhow = replace(SRSettings(transport="sms"), check_sequence=False)
    assert routed(notify(state, e1(5, sequence), settings=anyhow))


def test_unsolicited_notification_stays_with_its_procedure_when_a_change_begins() -> None:
    state = notify(Channel(), e1(5, 1)).state
    assert routed(notify(state, e1(5, 1), holder="enable/x", holder_kind="enable")) == [("notification", False)]


# -- HTTPS -----------------------------------------------------------------------------------------------------


def post(number: int, uri: str = "/", *, session: str = "s1", **changes: Any) -> Received:
    values: dict[str, Any] = {"resume": False, "script_status": "", "body": b"", "notification": b""}
    values |= changes
    body = es5.HTTPSPosted(
        post_id=f"{session}/{number}", session_id=session, eid=s.EID, key_version=64, uri=uri, **values
    )
    return received(body)


def https(state: Channel, event: Any, *, entropy: bytes = b"\x01" * 32, **changes: Any) -> Step[Channel]:
    return step(state, event, settings=HTTPS, entropy=entropy, **changes)


def triggered(**changes: Any) -> Channel:
    return https(enqueue(Channel(), order(1, "https", **changes), settings=HTTPS).state, wrapped()).state


def scripted(**changes: Any) -> tuple[Channel, str]:
    taken = https(triggered(**changes), post(1))
    return taken.state, given(taken)[0].next_uri


def test_session_from_trigger_to_dismissal() -> None:
    taken = enqueue(Channel(), order(1, "https"), settings=HTTPS)
    assert asked(taken)[0].tar == ids.ISDR_TAR
    assert s.timers(taken)["session"] == HTTPS.https_session_timeout
    state, uri = scripted()
    answer = https(state, post(2, uri, script_status="ok", body=b"result"))
    assert outcomes(answer) == [("c1", "answered")]
    assert s.timers(answer)["linger"] == HTTPS.linger
    away = https(answer.state, TimerFired("linger"))
    assert given(away)[0].body == b""
    assert https(away.state, TimerFired("linger")).state == away.state
    closed = https(away.state, received(es5.HTTPSClosed(session_id="s1", eid=s.EID, reason="")))
    assert closed.state.session == ""
    assert not outcomes(closed)


@pytest.mark.parametrize(
    ("facts", "held"),
    [
        ({"waiting": False}, False),
        ({"waiting": True}, True),
        ({"waiting": True, "holder": "p", "holder_kind": "audit"}, True),
        ({"waiting": True, "holder": "p", "holder_kind": "enable"}, False),
        ({"waiting": True, "holder": "p", "holder_kind": "enable", "begun": True}, True),
    ],
)
def test_a_session_is_held_for_what_comes_soon(facts: dict[str, Any], held: bool) -> None:
    """Not while the card has to notify before anything else can come: it has one session at a time."""
    taken = https(Channel(), post(1), **facts)
    assert s.timers(taken)["linger"] == (HTTPS.hold if held else HTTPS.linger)


def test_a_session_is_held_once_the_card_has_taken_the_confirmation() -> None:
    change = {"waiting": True, "holder": "p1", "holder_kind": "enable"}
    found = CardNotification(type=2, sequence=7, aid=ids.isdp_aid(0x10), imei=b"", via="https")
    state, uri = scripted(confirms=found)
    done = bytes.fromhex("AF80230290000000")
    taken = https(state, post(2, uri, script_status="ok", body=done), **change)
    assert s.timers(taken)["linger"] == HTTPS.hold
    refused = https(state, post(2, uri, script_status="ok", body=bytes.fromhex("AF8023026A880000")), **change)
    assert s.timers(refused)["linger"] == HTTPS.linger


def test_announced_command_finds_the_post_waiting() -> None:
    taken = https(Channel(https_queue=(order(1, "https", more_to_do=True),)), post(1))
    state = https(
        taken.state, post(2, given(taken)[0].next_uri, script_status="ok", body=b"r"), entropy=b"\x02" * 32
    )
    assert s.timers(state)["linger"] == HTTPS.hold
    following = enqueue(state.state, order(2, "https"), settings=HTTPS, entropy=b"\x03" * 32)
    assert given(following)[0].post_id == "s1/2"
    assert not asked(following), "no second trigger"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"script_status": "ok", "body": b"r"}, "answered"),
        ({"body": b"r"}, "answered"),
        ({"script_status": "ok"}, "unknown"),
        ({}, "unknown"),
        ({"script_status": "unknown-application"}, "rejected"),
        ({"script_status": "security-error"}, "rejected"),
    ],
)
def test_result_of_a_script(changes: dict[str, Any], expected: str) -> None:
    state, uri = scripted()
    assert outcomes(https(state, post(2, uri, **changes))) == [("c1", expected)]


@pytest.mark.parametrize("session", ["s1", "s2"])
def test_the_answer_given_last_is_given_again_byte_for_byte(session: str) -> None:
    first = https(triggered(), post(1, "/x?s=00"))
    state = first.state
    for event in (
        post(2, "/x?s=00", session=session),
        post(2, "/x?s=00", session=session, resume=True),
        post(2, given(first)[0].next_uri, session=session, resume=True),
    ):
        taken = https(state, event)
        assert not outcomes(taken)
        again, before = given(taken)[0], given(first)[0]
        assert (again.body, again.next_uri, again.target_aid) == (before.body, before.next_uri, before.target_aid)
        assert taken.state.inflight == state.inflight


def test_first_post_repeated_with_resume_only() -> None:
    changing = (ota_script.c_apdu(isdr.enable_profile(s.NEW)),)
    state, _ = scripted(tlvs=changing)
    assert given(https(state, post(1, session="s2", resume=True)))
    lost = https(state, post(1, session="s2"))
    assert outcomes(lost) == [("c1", "unknown")], "a card that begins afresh may have run it"
    assert outcomes(https(state, post(1, "/x?s=stale", session="s2"))) == [("c1", "unknown")]


def test_a_question_is_asked_again_in_the_next_session_a_few_times() -> None:
    state, _ = scripted()
    for number in range(2, 5):
        again = https(state, post(1, session=f"s{number}"))
        assert not outcomes(again)
        assert given(again)
        state = again.state
    assert outcomes(https(state, post(1, session="s5"))) == [("c1", "unknown")]


def test_session_that_breaks_is_called_for_again() -> None:
    state, _ = scripted()
    broken = https(state, received(es5.HTTPSClosed(session_id="s1", eid=s.EID, reason="lost"))).state
    assert https(broken, received(es5.HTTPSClosed(session_id="old", eid=s.EID, reason=""))) == Step(broken)
    waiting = https(broken, TimerFired("answer"))
    assert waiting.state.trigger_wanted or asked(waiting)
    assert https(waiting.state, TimerFired("answer")).state == waiting.state
    state = waiting.state
    for _ in range(HTTPS.trigger_attempts - 1):
        state = https(state, TimerFired("session")).state
    assert outcomes(https(state, TimerFired("session"))) == [("c1", "unknown")]


def test_script_without_answer_in_an_open_session_is_unknown() -> None:
    state, _ = scripted()
    assert outcomes(https(state, TimerFired("answer"))) == [("c1", "unknown")]
    assert https(Channel(), TimerFired("answer")) == Step(Channel())


def test_no_session_comes() -> None:
    state = triggered()
    for _ in range(HTTPS.trigger_attempts - 1):
        state = https(state, TimerFired("session")).state
    assert outcomes(https(state, TimerFired("session"))) == [("c1", "unreachable")]
    withdrawn = https(triggered(), Signalled("p", Cancel(command_id="c1"))).state
    quiet = https(withdrawn, TimerFired("session"))
    assert quiet.state.triggers == 0
    assert not s.timers(quiet)


def test_trigger_goes_where_the_command_goes() -> None:
    taken = enqueue(Channel(), order(1, "https", destination="8821100000001"), settings=HTTPS)
    assert taken.state.flight is not None
    assert taken.state.flight.destination == "8821100000001"


def test_trigger_ends_with_its_session_or_its_proof() -> None:
    state = triggered()
    assert https(state, por(state)).state.flight is None
    there = https(state, post(1)).state
    assert https(there, TimerFired("sms")).state.flight is None
    for _ in range(HTTPS.sms_attempts):
        state = https(state, TimerFired("sms")).state
    assert state.flight is None
    state = triggered()
    assert state.flight is not None
    body = es5.SMSRejected(sms_id=state.flight.sms_id, nothing_sent=True, permanent=True, reason="r")
    assert https(state, received(body)).state.flight is None
    low = https(state, por(state, 0x02)).state
    assert low.flight is None
    again = https(low, TimerFired("session"))
    assert asked(again)[0].counter > channel_sms.COUNTER_JUMP, "the next one gets past the card's counter"


def test_trigger_with_host_and_without_address() -> None:
    named = replace(HTTPS, trigger_host="smsr.example", trigger_port=443, trigger_uri="/agent")
    assert asked(enqueue(Channel(), order(1, "https"), settings=named))[0].data[0] == 0x81
    nowhere = enqueue(Channel(), order(1, "https"), settings=HTTPS, euicc=s.card(s.isdp()))
    assert nowhere.state.flight is None
    spent = Channel(counter=channel_sms.MAX_COUNTER)
    assert enqueue(spent, order(1, "https"), settings=HTTPS).state.flight is None


def test_notification_in_a_post_goes_to_the_change_and_its_confirmation_into_the_same_session() -> None:
    told = https(Channel(), post(1, "/agent?msg=..", notification=e1(2, 9)))
    assert routed(told) == [("notification", False)]
    confirm = order(5, "https", confirms=s.told(2, sequence=9))
    taken = enqueue(told.state, confirm, settings=HTTPS)
    assert given(taken)
    result = https(
        taken.state, post(2, given(taken)[0].next_uri, script_status="ok", body=s.script((b"", 0x9000)))
    )
    assert result.state.confirmed == confirm.confirms


def test_settled_script_is_not_waited_for() -> None:
    state, _ = scripted()
    assert https(state, Signalled("p", Settled(command_id="c1"))).state.inflight is None
    assert https(state, Signalled("p", Settled(command_id="x"))).state == state


# -- what only one key set, or one transport, may carry ----------------------------------------------------------


def test_a_script_for_another_key_set_than_the_sessions_is_not_given_out() -> None:
    pull = SRSettings(transport="https-pull", linger=1.0)
    waiting = enqueue(Channel(), order(1, "https-pull", key_version=0x41), settings=pull).state
    waiting = enqueue(waiting, order(2, "https-pull"), settings=pull).state
    taken = https(waiting, post(1))
    assert outcomes(taken) == [("c1", "rejected")]
    assert [o.session_key for o in s.signals(taken, Outcome)] == [0x40]
    assert len(given(taken)) == 1, "the next one is"
    assert taken.state.inflight is not None
    assert taken.state.inflight.id == "c2"
    right = https(enqueue(Channel(), order(1, "https-pull", key_version=0x40), settings=pull).state, post(1))
    assert len(given(right)) == 1


def test_the_transports_that_may_carry_it_are_all_that_a_script_may_name() -> None:
    bound = plan.Send(transport=Transport.HTTPS_PUSH)
    pinned = order(1, "sms", only=(Transport.SMS,))
    facts = s.context().facts
    effects = Effects(dataclasses.replace(s.context(), facts=dataclasses.replace(facts, scripted=True)))
    state = channel_plan.enter(Channel(bound=bound), pinned, effects)
    (question,) = [e.body.question for e in effects.all() if isinstance(e, Ask)]
    assert question.installed == ("sms",)
    assert [p.command.id for p in state.pending] == ["c1"], "it does not follow the conversation before it"
