"""The ESME's session machine: states, window, timers, answers, and any octets at any time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.codec.smpp import messages as m
from ferryman.codec.smpp.events import (
    Alerted,
    BindRefused,
    Bound,
    Ended,
    Event,
    Malformed,
    Received,
    Responded,
    Unanswered,
)
from ferryman.codec.smpp.framer import Framer
from ferryman.codec.smpp.pdu import decode, encode
from ferryman.codec.smpp.session import MAX_SEQUENCE, ESMESession, SessionLimits, State
from ferryman.codec.smpp.status import CommandStatus, Reaction, classify, status_name
from ferryman.codec.smpp.tlv import TLV
from ferryman.errors import InputError, Unavailable

LIMITS = SessionLimits(window=3, enquire_interval=30.0, response_timeout=10.0)


def sent(session: ESMESession) -> list[m.PDU]:
    return [decode(pdu) for pdu in Framer().feed(session.data_to_send())]


def feed(session: ESMESession, *pdus: m.PDU, now: float = 0.0) -> list[Event]:
    return session.receive(b"".join(encode(pdu) for pdu in pdus), now)


def bound(pdu: m.BindTransceiver | m.BindTransmitter | m.BindReceiver | None = None) -> ESMESession:
    session = ESMESession(LIMITS, 0.0)
    session.bind(pdu or m.BindTransceiver(system_id="smsr", password="pw"), 0.0)
    [request] = sent(session)
    answers = {
        m.BindTransceiver: m.BindTransceiverResp,
        m.BindTransmitter: m.BindTransmitterResp,
        m.BindReceiver: m.BindReceiverResp,
    }
    events = feed(session, answers[type(request)](sequence=request.sequence, system_id="SMSC"))
    assert events == [Bound("SMSC", None)]
    return session


def test_binding() -> None:
    session = ESMESession(LIMITS, 0.0)
    assert session.state is State.OPEN
    assert session.next_deadline() is None
    session.bind(m.BindTransceiver(system_id="smsr"), 0.0)
    assert sent(session) == [m.BindTransceiver(sequence=1, system_id="smsr")]
    with pytest.raises(Unavailable):
        session.bind(m.BindTransceiver(), 0.0)
    with pytest.raises(Unavailable):
        session.request(m.SubmitSM(), 0.0)
    events = feed(session, m.BindTransceiverResp(sequence=1, system_id="S", tlvs=(TLV(0x210, b"\x34"),)))
    assert events == [Bound("S", 0x34)]
    assert session.state is State.BOUND_TRX
    assert session.free == 3


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (m.BindTransceiverResp(sequence=1, status=0x0E, body_omitted=True), 0x0E),
        (m.GenericNack(sequence=1, status=3), 3),
        (m.GenericNack(sequence=1), CommandStatus.BIND_FAILED),
    ],
)
def test_a_refused_bind(answer: m.PDU, status: int) -> None:
    session = ESMESession(LIMITS, 0.0)
    session.bind(m.BindTransceiver(), 0.0)
    assert feed(session, answer) == [BindRefused(status), Ended("bind refused")]
    assert session.state is State.CLOSED


def test_an_unreadable_or_foreign_answer_to_the_bind() -> None:
    session = ESMESession(LIMITS, 0.0)
    session.bind(m.BindTransceiver(), 0.0)
    assert feed(session, m.BindReceiverResp(sequence=1), m.BindTransceiverResp(sequence=2)) == []
    assert session.state is State.OPEN
    broken = bytes.fromhex("00000011800000090000000000000001") + b"x"
    events = session.receive(broken, 0.0)
    assert [type(event) for event in events] == [Malformed, Ended]


def test_a_bind_without_answer_ends() -> None:
    session = ESMESession(LIMITS, 5.0)
    session.bind(m.BindTransceiver(), 5.0)
    assert session.next_deadline() == 15.0
    assert session.timer(14.9) == []
    assert session.timer(15.0) == [Ended("bind_transceiver was not answered")]
    assert session.next_deadline() is None


def test_submit_and_response() -> None:
    session = bound()
    sequence = session.request(m.SubmitSM(destination_addr="1"), 1.0)
    assert sent(session) == [m.SubmitSM(sequence=sequence, destination_addr="1")]
    response = m.SubmitSMResp(sequence=sequence, message_id="m1")
    assert feed(session, response) == [Responded(sequence, 0, "m1")]
    assert feed(session, response) == []  # a second answer answers nothing
    assert session.outstanding == 0


def test_the_window_is_never_exceeded() -> None:
    session = bound()
    for _ in range(3):
        session.request(m.SubmitSM(), 0.0)
    assert session.free == 0
    with pytest.raises(Unavailable, match="window"):
        session.request(m.SubmitSM(), 0.0)
    assert len(sent(session)) == 3


def test_a_message_that_cannot_be_built_takes_no_place() -> None:
    session = bound()
    with pytest.raises(InputError):
        session.request(m.SubmitSM(short_message=bytes(255)), 0.0)
    assert session.free == 3
    assert session.data_to_send() == b""


def test_no_answer_in_time_means_unknown_and_frees_the_window() -> None:
    session = bound()
    first = session.request(m.SubmitSM(), 0.0)
    second = session.request(m.SubmitSM(), 4.0)
    assert session.next_deadline() == 10.0
    assert session.timer(10.0) == [Unanswered(first, "no response in time")]
    assert session.free == 2
    assert feed(session, m.SubmitSMResp(sequence=first, message_id="late")) == []
    assert session.timer(14.0) == [Unanswered(second, "no response in time")]


@pytest.mark.parametrize("status", [0x58, 0x0B])
def test_refusals_come_with_their_status(status: int) -> None:
    session = bound()
    sequence = session.request(m.SubmitSM(), 0.0)
    answer = m.SubmitSMResp(sequence=sequence, status=status, body_omitted=True)
    assert feed(session, answer) == [Responded(sequence, status)]


def test_other_requests_get_their_whole_answer() -> None:
    session = bound()
    query, data = session.request(m.QuerySM(message_id="7"), 0.0), session.request(m.DataSM(), 0.0)
    answer = m.QuerySMResp(sequence=query, message_id="7", message_state=2)
    assert feed(session, answer, m.DataSMResp(sequence=data, message_id="d")) == [
        Responded(query, 0, response=answer),
        Responded(data, 0, "d"),
    ]


def test_nacks() -> None:
    session = bound()
    first, second = session.request(m.SubmitSM(), 0.0), session.request(m.SubmitSM(), 0.0)
    assert feed(session, m.GenericNack(sequence=first, status=3)) == [Responded(first, 3)]
    assert feed(session, m.GenericNack(sequence=second)) == [Unanswered(second, "nack without status")]


def test_a_response_of_another_kind_answers_nothing() -> None:
    session = bound()
    sequence = session.request(m.SubmitSM(), 0.0)
    assert feed(session, m.QuerySMResp(sequence=sequence), m.DeliverSMResp(sequence=sequence)) == []
    assert session.outstanding == 1


def test_an_unreadable_success_is_unknown_and_an_unreadable_refusal_a_refusal() -> None:
    session = bound()
    first, second = session.request(m.SubmitSM(), 0.0), session.request(m.SubmitSM(), 0.0)

    def unterminated(sequence: int, status: int) -> bytes:
        return bytes.fromhex(f"0000001180000004{status:08x}{sequence:08x}39")

    events = session.receive(unterminated(first, 0) + unterminated(second, 8), 0.0)
    assert [event for event in events if not isinstance(event, Malformed)] == [
        Unanswered(first, "unreadable response"),
        Responded(second, 8),
    ]


def test_messages_are_answered_only_when_told() -> None:
    session = bound()
    deliver = m.DeliverSM(sequence=77, short_message=b"x")
    data = m.DataSM(sequence=78)
    assert feed(session, deliver, data) == [Received(deliver), Received(data)]
    assert session.data_to_send() == b""
    session.answer(data, 0x64)
    session.answer(deliver, 0)
    assert sent(session) == [
        m.DataSMResp(sequence=78, status=0x64, body_omitted=True),
        m.DeliverSMResp(sequence=77),
    ]


def test_enquire_link_is_answered_in_every_state() -> None:
    opened = ESMESession(LIMITS, 0.0)
    unbound = bound()
    feed(unbound, m.Unbind(sequence=1))
    sent(unbound)
    assert unbound.state is State.UNBOUND
    for session in (opened, bound(), bound(m.BindReceiver()), bound(m.BindTransmitter()), unbound):
        feed(session, m.EnquireLink(sequence=5), m.EnquireLink(sequence=6, tlvs=(TLV(0x1400, b""),)))
        assert sent(session) == [m.EnquireLinkResp(sequence=5), m.EnquireLinkResp(sequence=6)]


ALL_REQUESTS: list[m.PDU] = [
    m.BindReceiver(), m.BindTransmitter(), m.BindTransceiver(), m.QuerySM(), m.SubmitSM(), m.SubmitMulti(),
    m.ReplaceSM(), m.CancelSM(), m.Outbind(), m.DeliverSM(), m.DataSM(), m.Unbind(), m.AlertNotification(),
    m.EnquireLink(),
]  # fmt: skip
ALLOWED = {
    State.OPEN: {"Outbind", "EnquireLink"},
    State.BOUND_TX: {"Unbind", "AlertNotification", "EnquireLink"},
    State.BOUND_RX: {"DeliverSM", "DataSM", "Unbind", "AlertNotification", "EnquireLink"},
    State.BOUND_TRX: {"DeliverSM", "DataSM", "Unbind", "AlertNotification", "EnquireLink"},
}


@pytest.mark.parametrize("pdu", ALL_REQUESTS, ids=lambda pdu: type(pdu).__name__)
@pytest.mark.parametrize("state", ALLOWED, ids=lambda state: state.value)
def test_requests_that_a_state_does_not_have_get_status_4(state: State, pdu: m.PDU) -> None:
    session = {
        State.OPEN: lambda: ESMESession(LIMITS, 0.0),
        State.BOUND_TX: lambda: bound(m.BindTransmitter()),
        State.BOUND_RX: lambda: bound(m.BindReceiver()),
        State.BOUND_TRX: bound,
    }[state]()
    assert session.state is state
    events = feed(session, pdu)
    refused = [answer for answer in sent(session) if answer.status == 4]
    if type(pdu).__name__ in ALLOWED[state]:
        assert not refused
        assert not any(isinstance(event, Malformed) for event in events)
    else:
        assert [type(event) for event in events] == [Malformed]
        assert len(refused) == 1
        assert session.state is state


def test_an_unknown_command_gets_a_nack_and_the_session_goes_on() -> None:
    session = bound()
    events = session.receive(bytes.fromhex("0000001000000110000000000a342ee7"), 0.0)
    assert [type(event) for event in events] == [Malformed]
    assert sent(session) == [m.GenericNack(status=3, sequence=0x0A342EE7)]
    assert session.free == 3


def test_a_broken_message_is_answered_with_its_fault() -> None:
    session = bound()
    good = encode(m.DeliverSM(sequence=9, short_message=b"12345678"))
    longer = good[:-9] + b"\x10" + good[-8:]
    tlv_over_the_end = (len(good) + 4).to_bytes(4) + good[4:] + bytes.fromhex("04240001")
    session.receive(longer + tlv_over_the_end + encode(m.EnquireLink(sequence=1)), 0.0)
    assert sent(session) == [
        m.DeliverSMResp(sequence=9, status=0x01, body_omitted=True),
        m.DeliverSMResp(sequence=9, status=0xC0, body_omitted=True),
        m.EnquireLinkResp(sequence=1),
    ]


@pytest.mark.parametrize("length", [0, 1, 15, 70_001, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_absurd_length_ends_the_session(length: int) -> None:
    session = bound()
    sequence = session.request(m.SubmitSM(), 0.0)
    events = session.receive(encode(m.AlertNotification()) + length.to_bytes(4), 0.0)
    assert isinstance(events[0], Alerted)
    assert isinstance(events[1], Unanswered)
    assert events[1].sequence == sequence
    assert isinstance(events[2], Ended)
    assert session.state is State.CLOSED
    assert session.receive(encode(m.EnquireLink()), 0.0) == []


def test_an_idle_link_is_probed_and_two_misses_end_it() -> None:
    session = bound()
    session.data_to_send()
    assert session.next_deadline() == 30.0
    assert session.timer(29.0) == []
    assert session.data_to_send() == b""
    assert session.timer(30.0) == []
    [probe] = sent(session)
    assert isinstance(probe, m.EnquireLink)
    assert session.timer(40.0) == []
    assert len(sent(session)) == 1
    assert session.timer(50.0) == [Ended("no sign of life from the SMSC")]


def test_any_pdu_is_a_sign_of_life() -> None:
    session = bound()
    session.timer(30.0)
    session.timer(40.0)
    feed(session, m.AlertNotification(), now=45.0)
    assert session.timer(50.0) == []
    assert session.next_deadline() == 75.0
    session.timer(75.0)
    assert session.state is State.BOUND_TRX
    assert session.timer(85.0) == []  # the first miss since then: the one before it is forgotten
    assert session.timer(95.0) == [Ended("no sign of life from the SMSC")]


def test_part_of_a_pdu_is_no_sign_of_life() -> None:
    session = bound()
    session.timer(30.0)
    session.receive(bytes.fromhex("00000010"), 35.0)
    session.timer(40.0)
    session.receive(bytes.fromhex("80"), 45.0)
    assert session.timer(50.0) == [Ended("no sign of life from the SMSC")]


def test_leaving() -> None:
    session = bound()
    session.unbind(1.0)
    assert session.free == 0
    [request] = sent(session)
    assert isinstance(request, m.Unbind)
    session.unbind(1.0)
    assert sent(session) == []
    assert feed(session, m.UnbindResp(sequence=request.sequence)) == [Ended("unbound")]
    assert session.state is State.UNBOUND
    assert session.connection_lost("closed") == []
    assert session.state is State.CLOSED


def test_leaving_without_answer_ends_in_time() -> None:
    session = bound()
    session.unbind(1.0)
    assert session.timer(11.0) == [Ended("unbind was not answered")]


def test_the_smsc_says_unbind() -> None:
    session = bound()
    sequence = session.request(m.SubmitSM(), 0.0)
    sent(session)
    events = feed(session, m.Unbind(sequence=4))
    assert events == [Unanswered(sequence, "unbound by the SMSC"), Ended("unbound by the SMSC")]
    assert sent(session) == [m.UnbindResp(sequence=4)]


def test_a_lost_connection_leaves_requests_unknown() -> None:
    session = bound()
    sequence = session.request(m.SubmitSM(), 0.0)
    assert session.connection_lost("reset") == [Unanswered(sequence, "reset"), Ended("reset")]
    session.answer(m.DeliverSM(), 0)
    session.data_to_send()
    assert session.data_to_send() == b""


def test_sequence_numbers_wrap_and_skip_those_in_use() -> None:
    session = bound()
    session._sequence = MAX_SEQUENCE - 1
    assert session.request(m.SubmitSM(), 0.0) == MAX_SEQUENCE
    assert session.request(m.SubmitSM(), 0.0) == 1
    session._sequence = MAX_SEQUENCE - 1
    assert session.request(m.SubmitSM(), 0.0) == 2


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=60)), st.booleans(), st.integers(0, 2))
def test_any_octets_give_events_never_errors_whole_or_split(
    chunks: list[bytes], is_bound: bool, asked: int
) -> None:
    def run(pieces: list[bytes]) -> tuple[list[Event], bytes, State]:
        session = bound() if is_bound else ESMESession(LIMITS, 0.0)
        for _ in range(asked if is_bound else 0):
            session.request(m.SubmitSM(), 0.0)
        session.data_to_send()
        events = [event for piece in pieces for event in session.receive(piece, 0.0)]
        return events, session.data_to_send(), session.state

    stream = b"".join(chunks)
    whole = run([stream])
    assert whole == run(chunks) == run([stream[place : place + 1] for place in range(len(stream))])


STEP = st.one_of(
    st.tuples(st.just("request"), st.just(0)),
    st.tuples(st.just("answer"), st.integers(1, 12)),
    st.tuples(st.just("nack"), st.integers(1, 12)),
    st.tuples(st.just("time"), st.integers(1, 20)),
    st.tuples(st.just("unbind"), st.just(0)),
    st.tuples(st.just("lost"), st.just(0)),
    st.tuples(st.just("alert"), st.just(0)),
)


@given(st.lists(STEP, max_size=30))
def test_every_request_ends_exactly_once_and_nothing_follows_the_end(steps: list[tuple[str, int]]) -> None:
    session, now = bound(), 0.0
    asked: list[int] = []
    events: list[Event] = []
    for kind, number in steps:
        match kind:
            case "request":
                if session.free > 0:
                    asked.append(session.request(m.SubmitSM(), now))
            case "answer":
                events += feed(session, m.SubmitSMResp(sequence=number, message_id="m"), now=now)
            case "nack":
                events += feed(session, m.GenericNack(sequence=number, status=8), now=now)
            case "alert":
                events += feed(session, m.AlertNotification(), now=now)
            case "time":
                now += number
                events += session.timer(now)
            case "unbind":
                session.unbind(now)
            case "lost":
                events += session.connection_lost("lost")
        assert session.outstanding <= LIMITS.window
        assert (session.next_deadline() is None) == any(isinstance(event, Ended) for event in events)
    events += session.connection_lost("end of test")
    ends = [event.sequence for event in events if isinstance(event, Responded | Unanswered)]
    assert sorted(ends) == sorted(asked)
    assert [event for event in events if isinstance(event, Ended)] == [events[-1]]


def test_reactions() -> None:
    table = {
        Reaction.ACCEPTED: [0x00],
        Reaction.THROTTLE: [0x58],
        Reaction.TRANSIENT: [0x14, 0x08, 0xFF, 0x64, 0x45, 0xFE, 0x400, 0x12345678],
        Reaction.PERMANENT: [0x0A, 0x0B, 0x65, 0x66, 0x15, 0x43, 0x62],
        Reaction.REBIND: [0x04, 0x05],
        Reaction.CREDENTIALS: [0x0D, 0x0E, 0x0F],
        Reaction.DEFECT: [0x01, 0x02, 0x03, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4],
    }
    for reaction, statuses in table.items():
        assert {classify(status) for status in statuses} == {reaction}
    assert status_name(0x58) == "throttled"
    assert status_name(0x401) == "status 0x401"
