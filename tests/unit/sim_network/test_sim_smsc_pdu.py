"""SMPP 3.4: the SMSC's codec and session state against the vectors, and on bytes that nobody should send."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ferryman_sim.smsc import pdu as smpp
from ferryman_sim.smsc.pdu import FrameError, Framer, Pdu, PduError
from ferryman_sim.smsc.session import Answer, BindRequest, Closed, Request, Session, State
from shared_data import vectors

ALL = vectors("smpp")


def of(op: str) -> list[Any]:
    return [pytest.param(v, id=v["id"]) for v in ALL if v["input"]["op"] == op]


def pdu_of(given: dict[str, Any]) -> Pdu:
    fields = {k: bytes.fromhex(v) if k == "short_message" else v for k, v in given["fields"].items()}
    tlvs = tuple((int(tag, 16), bytes.fromhex(value)) for tag, value in given["tlvs"])
    return Pdu(
        given["command"], given["command_status"], given["sequence_number"], fields, tlvs, given["body_omitted"]
    )


@pytest.mark.parametrize("vector", of("codec"))
def test_codec_both_ways(vector: dict[str, Any]) -> None:
    wanted = bytes.fromhex(vector["expected"]["pdu"])
    pdu = pdu_of(vector["input"])
    assert smpp.encode(pdu) == wanted
    read = smpp.decode(wanted)
    assert (read.command, read.status, read.sequence) == (pdu.command, pdu.status, pdu.sequence)
    assert read.fields == pdu.fields
    assert read.tlvs == pdu.tlvs
    assert smpp.encode(read) == wanted


@pytest.mark.parametrize("vector", of("stream"))
def test_streams(vector: dict[str, Any]) -> None:
    framer, frames, fatal = Framer(), [], False
    try:
        for piece in vector["input"]["reads"]:
            frames += framer.feed(bytes.fromhex(piece))
    except FrameError:
        fatal = True
    assert [frame.hex() for frame in frames] == vector["expected"]["pdus"]
    assert fatal is vector["expected"].get("fatal", False)


@pytest.mark.parametrize("vector", of("decode"))
def test_broken_bodies_are_recoverable(vector: dict[str, Any]) -> None:
    with pytest.raises(PduError):
        smpp.decode(bytes.fromhex(vector["input"]["pdu"]))


@pytest.mark.parametrize("vector", of("answer"))
def test_answers_of_a_session(vector: dict[str, Any]) -> None:
    session = Session()
    if vector["input"].get("state") != "open":
        session.state = State.TRANSCEIVER
    session.receive(bytes.fromhex(vector["input"]["pdu"]))
    reply = session.take_output().hex()
    assert reply in (vector["expected"]["reply"], vector["expected"].get("reply_alternative"))
    assert (session.state is State.CLOSED) is vector["expected"]["fatal"]


def bound(kind: str = "bind_transceiver") -> Session:
    session = Session()
    [event] = session.receive(smpp.encode(Pdu(kind, sequence=1, fields={"system_id": "a", "password": "b"})))
    assert isinstance(event, BindRequest)
    session.accept_bind(event.pdu, "SMSC")
    session.take_output()
    return session


def test_second_bind_is_refused() -> None:
    session = bound()
    session.receive(smpp.encode(Pdu("bind_receiver", sequence=2)))
    answer = smpp.decode(session.take_output())
    assert (answer.command, answer.status, answer.sequence) == ("bind_receiver_resp", smpp.ALREADY_BOUND, 2)


@pytest.mark.parametrize("command", ["submit_sm", "data_sm", "query_sm", "cancel_sm"])
def test_a_receiver_may_not_submit(command: str) -> None:
    session = bound("bind_receiver")
    assert session.receive(smpp.encode(Pdu(command, sequence=9))) == []
    answer = smpp.decode(session.take_output())
    assert (answer.status, answer.sequence) == (smpp.INVALID_BIND_STATUS, 9)
    assert session.receives


def test_events_of_a_bound_session() -> None:
    session = bound()
    submit, answer = Pdu("submit_sm", sequence=3), Pdu("deliver_sm_resp", sequence=4, body_omitted=True)
    [first, second] = session.receive(smpp.encode(submit) + smpp.encode(answer))
    assert isinstance(first, Request)
    assert isinstance(second, Answer)
    [last] = session.receive(smpp.encode(Pdu("unbind", sequence=5)) + smpp.encode(submit))
    assert last == Closed("unbind")
    assert smpp.decode(session.take_output()).command == "unbind_resp"


def test_broken_request_is_answered_with_its_own_response() -> None:
    session = bound()
    broken = smpp.encode(Pdu("submit_sm", sequence=7))[:-1]
    session.receive(len(broken).to_bytes(4) + broken[4:])
    answer = smpp.decode(session.take_output())
    assert (answer.command, answer.status, answer.sequence) == ("submit_sm_resp", smpp.INVALID_COMMAND_LENGTH, 7)


def test_own_sequence_numbers_wrap_before_the_sign_bit() -> None:
    session = bound()
    session._sequence = 0x7FFFFFFE
    assert [session.request("enquire_link", {}) for _ in range(3)] == [0x7FFFFFFF, 1, 2]


def test_values_that_do_not_fit_are_refused() -> None:
    for fields in ({"system_id": "x" * 16}, {"system_id": "a\0b"}):
        with pytest.raises(ValueError):
            smpp.encode(Pdu("bind_receiver", fields=dict(fields)))


def test_any_bytes_give_frames_errors_or_nothing_whole_or_split() -> None:
    rng = random.Random(4)
    seeds = [bytes.fromhex(v["expected"]["pdu"]) for v in ALL if v["input"]["op"] == "codec"]
    for _ in range(1500 if seeds else 0):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(4, len(data))] = rng.randrange(256)
        session = bound()
        session.receive(bytes(data))
        split = bound()
        for byte in data:
            split.receive(bytes([byte]))
        assert split.take_output() == session.take_output()
        assert split.state is session.state
