"""The plain POST beside the way that reads everything: what it takes h11 takes too; both write the same answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ferryman.codec.scp81_http import AdminRequest, AdminResponse, interpret
from ferryman.errors import PeerError
from ferryman.transport_https import framing
from ferryman.transport_https.framing import BadRequest, BodyFraming, HTTPExchange
from ferryman.transport_https.plain_post import read_known_post, read_plain_post

EID = "89001012012341234012345678901224"
HEAD = (
    b"POST /gsma/adminagent?x=1 HTTP/1.1\r\nHost: sr.example\r\n"
    b"X-Admin-Protocol: globalplatform-remote-admin/1.0\r\n"
    b"X-Admin-From: //se-id/eid/%b;//aa-id/aid/A000000559/1010FFFFFFFF8900000100\r\nX-Other:  a\tb  \r\nX-None:"
) % EID.encode()
SCRIPT = bytes.fromhex("AE80220D80E28900073A08044E020007000000")
ANSWERS = (
    AdminResponse.end(),
    AdminResponse.wait("/n?s=1"),
    AdminResponse.script(SCRIPT, next_uri="/n?s=2", target_aid=bytes.fromhex("A0000005591010FFFFFFFF8900000100")),
    AdminResponse.script(SCRIPT * 20, next_uri=None, target_aid=None),
)


class Read:
    """What an exchange makes of a head, with or without the short way."""

    def __init__(self, head: bytes, *, plain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        self.request: AdminRequest | None = None
        self.refused: tuple[Any, ...] = ()
        self.exchange = HTTPExchange()
        with monkeypatch.context() as patch:
            if not plain:
                patch.setattr(framing, "read_known_post", lambda _head: None)
                patch.setattr(framing, "read_plain_post", lambda _head: None)
            try:
                self.request = self.exchange.feed(head + b"\r\n\r\n")
            except BadRequest as problem:
                self.refused = (problem.status, str(problem))


def test_the_first_post_of_a_card_is_plain() -> None:
    found = read_plain_post(HEAD)
    assert found is not None
    target, fields = found
    assert target == "/gsma/adminagent?x=1"
    assert fields[0] == ("host", "sr.example")
    assert fields[-2:] == [("x-other", "a\tb"), ("x-none", "")]


@pytest.mark.parametrize(
    "head",
    [
        HEAD.replace(b"POST", b"GET"),
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0"),
        HEAD.replace(b"POST /", b"POST  /"),
        HEAD.replace(b"Host: sr.example\r\n", b""),
        HEAD + b"\r\nHost: other.example",
        HEAD + b"\r\nContent-Length: 0",
        HEAD + b"\r\ncontent-length:5",
        HEAD + b"\r\nTransfer-Encoding: chunked",
        HEAD + b"\r\nConnection: close",
        HEAD + b"\r\nExpect: 100-continue",
        HEAD + b"\r\nUpgrade: h2c",
        HEAD + b"\r\nX Y: z",
        HEAD + b"\r\nX-Y : z",
        HEAD + b"\r\n: z",
        HEAD + b"\r\nno colon",
        HEAD + b"\r\nX-Y: \x80",
        HEAD + b"\r\nX-Y: a\nb: c",
        HEAD + b"\nHost: x",
        b"",
    ],
)
def test_any_other_form_is_not(head: bytes) -> None:
    assert read_plain_post(head) is None


def anew(head: bytes) -> AdminRequest | None:
    """The request of a head, read from the beginning; None when it is refused."""
    plain = read_plain_post(head)
    assert plain is not None
    try:
        return interpret("POST", *plain)
    except PeerError:
        return None


def test_cards_of_one_kind_are_read_once_and_each_has_its_own_eid() -> None:
    for number in range(40):
        head = HEAD.replace(EID.encode(), b"%032d" % number)
        found = read_known_post(head)
        assert found is not None
        assert found.admin_from.eid == f"{number:032d}"
        assert found == anew(head)


OTHER = b"9" * 32
FROM = b"//se-id/eid/%b;//aa-id/aid/A000000559/1010FFFFFFFF8900000100" % EID.encode()


@pytest.mark.parametrize(
    "head",
    [
        # The digits behind the mark are not, or not alone, the EID that X-Admin-From names.
        HEAD.replace(FROM, b"x" + FROM),
        HEAD.replace(FROM, b"//SE-ID/EID/%b;x//se-id/eid/%b" % (b"0" * 32, EID.encode())),
        HEAD.replace(FROM, b"//se-id/eid/%b;//SE-ID/EID/%b" % (EID.encode(), OTHER)),
        HEAD.replace(FROM, b"//se-id/eid/%b;//se-id/eid/%b" % (EID.encode(), OTHER)),
        HEAD.replace(FROM, b"//se-id/eid/%b1" % EID.encode()),
        HEAD.replace(FROM, b"//se-id/eid/%b" % EID.encode()[:31]),
        HEAD.replace(FROM, b"//se-id/eid/%b" % (EID.encode()[:31] + b"A")),
        HEAD.replace(FROM, b"//SE-ID/EID/%b" % EID.encode()),
        HEAD.replace(b"x=1", b"x=//se-id/eid/" + OTHER),
        HEAD.replace(b"x=1", b"x=//se-id/eid/" + OTHER).replace(FROM, b"//SE-ID/EID/" + EID.encode()),
        HEAD.replace(b"X-Other: ", b"X-Other: //se-id/eid/" + OTHER),
        HEAD.replace(b"X-Admin-From", b"X-Admin-Frum"),
        HEAD.replace(b"X-Admin-From", b"X-Admin-From: //se-id/eid/" + OTHER + b"\r\nX-Admin-From"),
        HEAD.replace(b"X-Other", b"X-Admin-Resume: perhaps\r\nX-Other"),
        HEAD + b" " * 1000,
    ],
)
def test_another_form_is_read_each_time(head: bytes) -> None:
    assert read_known_post(HEAD) is not None
    assert read_known_post(head) is None


@pytest.mark.parametrize(
    "head",
    [
        HEAD,
        HEAD.replace(b";", b" ; "),
        HEAD.replace(b";//aa-id/aid/A000000559/1010FFFFFFFF8900000100", b""),
        HEAD.replace(b"X-Other:", b"X-Admin-Script-Status: OK\r\nX-Admin-Resume: true\r\nX-Other:"),
        HEAD.replace(b"x=1", b"msg=E100"),
    ],
)
@pytest.mark.parametrize("eid", [EID.encode(), b"0" * 32, OTHER])
def test_a_known_form_says_the_same_as_when_it_is_read_anew(head: bytes, eid: bytes) -> None:
    head = head.replace(EID.encode(), eid)
    for _ in range(2):
        found = read_known_post(head)
        assert found is not None
        assert found == anew(head)


PIECES = st.sampled_from(
    [
        *(
            b"POST",
            b"GET",
            b" ",
            b"  ",
            b"/x",
            b"HTTP/1.1",
            b"HTTP/1.0",
            b"\r\n",
            b"\n",
            b"\r",
            b":",
            b": ",
            b"\t",
        ),
        *(
            b"Host",
            b"host",
            b"Content-Length",
            b"Transfer-Encoding",
            b"chunked",
            b"Connection",
            b"close",
            b"0",
            b"5",
        ),
        *(b"X-Admin-From", b"a", b"\x00", b"\x7f", b"\x80", b"\xff", b"(", b'"', b",", b"//se-id/eid/"),
    ]
)


@settings(max_examples=300)
@given(at=st.integers(0, len(HEAD)), cut=st.integers(0, 12), pieces=st.lists(PIECES, max_size=3))
@example(at=0, cut=0, pieces=[])
def test_what_it_takes_the_other_way_takes_with_the_same_result(at: int, cut: int, pieces: list[bytes]) -> None:
    head = HEAD[:at] + b"".join(pieces) + HEAD[at + cut :]
    with pytest.MonkeyPatch.context() as monkeypatch:
        quick = Read(head, plain=True, monkeypatch=monkeypatch)
        whole = Read(head, plain=False, monkeypatch=monkeypatch)
    assert (quick.request, quick.refused) == (whole.request, whole.refused)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("body_framing", list(BodyFraming))
@pytest.mark.parametrize("close", [False, True])
def test_both_ways_write_the_same_answer(
    answer: AdminResponse, body_framing: BodyFraming, close: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    for plain in (True, False):
        read = Read(HEAD, plain=plain, monkeypatch=monkeypatch)
        read.exchange.framing = body_framing
        octets = read.exchange.answer(answer, close=close)
        written.append((octets, read.exchange.must_close, read.exchange.in_request))
    assert written[0] == written[1]


@pytest.mark.parametrize("plain", [True, False])
def test_requests_follow_each_other_whichever_way_they_go(plain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Read(HEAD, plain=plain, monkeypatch=monkeypatch)
    read.exchange.answer(ANSWERS[1])
    with_body = HEAD + b"\r\nContent-Length: 3\r\nContent-Type: application/vnd.gp.remote-response\r\n\r\nabc"
    second = read.exchange.feed(b"\r\n" + with_body)
    assert second is not None
    assert second.body == b"abc"
    read.exchange.answer(ANSWERS[1])
    assert read.exchange.feed(HEAD + b"\r\n\r\n") is not None
    assert read.exchange.answer(ANSWERS[0], close=True).endswith(b"Connection: close\r\n\r\n")
    assert read.exchange.refuse(500) == b""


def test_a_request_behind_a_plain_one_is_refused() -> None:
    exchange = HTTPExchange()
    with pytest.raises(BadRequest, match="before the answer"):
        exchange.feed(HEAD + b"\r\n\r\n" + b"P")


def test_an_unanswered_plain_post_can_be_refused_once(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = []
    for plain in (True, False):
        exchange = Read(HEAD, plain=plain, monkeypatch=monkeypatch).exchange
        refused.append((exchange.refuse(503, retry_after=7), exchange.refuse(500)))
    assert refused[0] == refused[1]
    assert refused[0][0].startswith(b"HTTP/1.1 503 ")
    assert refused[0][1] == b""
