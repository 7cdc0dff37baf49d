"""Rules of the fault proxy and where it cuts a stream into messages."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman_sim.faults import framing
from ferryman_sim.faults.framing import FRAMINGS, Cutter
from ferryman_sim.faults.rules import Rules, Verdict, parse

PDU = (16).to_bytes(4) + b"\0\0\0\x15" + bytes(8)
LONG_PDU = (20).to_bytes(4) + b"\0\0\0\x04" + bytes(8) + b"abcd"
RECORD = b"\x16\x03\x03\x00\x03abc"
PUB = b"PUB a.b 5\r\nhe\r\no\r\n"


def test_texts_name_directions_and_add_up() -> None:
    found = parse(["up:drop=0.25,delay=0.5", "cut_after=100", "up:delay-seconds=3", "both:piece=7,pause=0.1"])
    assert found["up"] == Rules(drop=0.25, delay=0.5, delay_seconds=3, cut_after=100, piece=7, pause=0.1)
    assert found["down"] == Rules(cut_after=100, piece=7, pause=0.1)
    assert parse([]) == {"up": Rules(), "down": Rules()}


@pytest.mark.parametrize(
    "text",
    [
        "left:drop=1",
        "drop",
        "drop=much",
        "loss=0.1",
        "drop=1.1",
        "delay_seconds=-1",
        "cut_after=-1",
        "cut_after=1.5",
        "pause=1",
    ],
)
def test_texts_that_make_no_sense(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse([text])


@pytest.mark.parametrize("settings", [{"cut_after": True}, {"drop": "1"}, {"cut_after": 1.0}, {"nonsense": 1}])
def test_settings_of_the_wrong_kind(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Rules().changed(settings)
    assert Rules(cut_after=5).changed({"cut_after": None}) == Rules()


def test_the_earliest_end_counts() -> None:
    assert Rules().end() is None
    assert Rules(cut_after=9, black_hole_after=3, half_open_after=7).end() == (3, "black_hole")
    assert Rules(half_open_after=0).end() == (0, "half_open")


def test_verdicts_follow_their_probabilities_and_draws_do_not_depend_on_them() -> None:
    one, other = random.Random(1), random.Random(1)
    often = Rules(drop=0.2, delay=0.5, delay_seconds=4, duplicate=0.3, reorder=0.1)
    verdicts = [often.draw(one) for _ in range(4000)]
    assert {Rules().draw(other) for _ in range(4000)} == {Verdict()}
    assert one.getstate() == other.getstate()
    assert 0.18 < sum(v.dropped for v in verdicts) / 4000 < 0.22
    assert 0.47 < sum(v.delay > 0 for v in verdicts) / 4000 < 0.53
    assert max(v.delay for v in verdicts) <= 4
    assert 0.27 < sum(v.repeated for v in verdicts) / 4000 < 0.33
    assert 0.08 < sum(v.overtaken for v in verdicts) / 4000 < 0.12


@pytest.mark.parametrize(
    ("name", "messages"),
    [
        ("smpp", [PDU, LONG_PDU, PDU]),
        ("tls", [RECORD, b"\x17\x03\x03\x00\x00", RECORD]),
        ("postgres-tls", [bytes.fromhex("0000000804d2162f"), RECORD, RECORD]),
        ("lines", [b'{"a": 1}\n', b"\n", b"x\n"]),
        ("nats", [b"INFO {}\r\n", PUB, b"PING\r\n", b"HMSG a 1 12 17\r\nNATS/1.0\r\n\r\nhello\r\n", b"\r\n"]),
    ],
)
@pytest.mark.parametrize("step", [1, 3, 1000])
def test_messages_of_each_framing(name: str, messages: list[bytes], step: int) -> None:
    stream, cutter = b"".join(messages), Cutter(name)
    found = [one for at in range(0, len(stream), step) for one in cutter.feed(stream[at : at + step])]
    assert found == messages
    assert cutter.feed(messages[0][:1]) == []
    assert cutter.rest() == messages[0][:1]
    assert cutter.rest() == b""


def test_the_word_before_tls_is_one_octet() -> None:
    cutter = Cutter("postgres-tls")
    assert [*cutter.feed(b"S" + RECORD[:3]), *cutter.feed(RECORD[3:])] == [b"S", RECORD]


@pytest.mark.parametrize(
    ("name", "octets"),
    [
        ("smpp", b"\0\0\0\x0f"),
        ("smpp", b"\xff\xff\xff\xff"),
        ("tls", b"GET / HTTP/1.1"),
        ("nats", b"x" * (framing.MAX_COMMAND + 1)),
        ("nats", b"PUB a many\r\n"),
    ],
)
def test_what_is_not_its_protocol_passes_as_it_comes(name: str, octets: bytes) -> None:
    cutter = Cutter(name)
    assert b"".join(cutter.feed(octets)) == octets
    assert cutter.feed(b"more") == [b"more"]
    assert cutter.rest() == b""


def test_an_endless_message_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "MAX_MESSAGE", 100)
    cutter = Cutter("lines")
    passed = b"".join(one for _ in range(50) for one in cutter.feed(b"0123456789"))
    assert passed == b"0123456789" * 50


@given(st.sampled_from(sorted(FRAMINGS)), st.lists(st.binary(max_size=30)))
def test_no_octet_is_lost_or_added(name: str, pieces: list[bytes]) -> None:
    cutter = Cutter(name)
    found = b"".join(one for piece in pieces for one in cutter.feed(piece))
    assert found + cutter.rest() == b"".join(pieces)


def test_an_unknown_framing() -> None:
    with pytest.raises(ValueError, match="no such framing"):
        Cutter("morse")
