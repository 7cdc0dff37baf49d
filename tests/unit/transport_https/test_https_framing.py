from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.codec.scp81_http import AdminRequest, AdminResponse
from ferryman.transport_https.framing import MAX_BODY_OCTETS, BadRequest, BodyFraming, HTTPExchange
from psk_peer import read_answer, request_bytes

SCRIPT = bytes.fromhex("AE80220D80E28900073A08044E020007000000")
ISDP = bytes.fromhex("A0000005591010FFFFFFFF8900001300")


def read_all(octets: bytes, step: int, exchange: HTTPExchange | None = None) -> AdminRequest | None:
    exchange = exchange or HTTPExchange()
    found = None
    for at in range(0, len(octets), step):
        found = exchange.feed(octets[at : at + step]) or found
    return found


def test_answer_octet_by_octet() -> None:
    exchange = HTTPExchange()
    exchange.feed(request_bytes())
    answer = exchange.answer(AdminResponse.script(SCRIPT, next_uri="/next?s=1", target_aid=ISDP))
    assert answer == (
        b"HTTP/1.1 200 OK\r\n"
        b"X-Admin-Protocol: globalplatform-remote-admin/1.0\r\n"
        b"X-Admin-Next-URI: /next?s=1\r\n"
        b"Content-Type: application/vnd.globalplatform.card-content-mgt;version=1.0\r\n"
        b"X-Admin-Targeted-Application: //aid/A000000559/1010FFFFFFFF8900001300\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
        b"13\r\n" + SCRIPT + b"\r\n0\r\n\r\n"
    )


def test_answer_with_content_length() -> None:
    exchange = HTTPExchange(BodyFraming.CONTENT_LENGTH)
    exchange.feed(request_bytes())
    answer = exchange.answer(AdminResponse.script(SCRIPT, next_uri=None, target_aid=None))
    assert answer.endswith(b"Content-Length: 19\r\n\r\n" + SCRIPT)
    assert b"Next-URI" not in answer


def test_end_of_session() -> None:
    exchange = HTTPExchange()
    exchange.feed(request_bytes())
    assert exchange.answer(AdminResponse.end()) == (
        b"HTTP/1.1 204 No Content\r\nX-Admin-Protocol: globalplatform-remote-admin/1.0\r\n\r\n"
    )
    assert not exchange.must_close


def test_many_requests_on_one_connection() -> None:
    exchange = HTTPExchange()
    for number in range(5):
        request = exchange.feed(request_bytes(f"/step?n={number}", body=bytes(range(number))))
        assert request is not None
        assert request.uri == f"/step?n={number}"
        assert request.body == bytes(range(number))
        answer = read_answer(exchange.answer(AdminResponse.script(SCRIPT, next_uri="/n", target_aid=None)))
        assert answer.body == SCRIPT


@given(st.binary(max_size=300), st.integers(1, 60))
def test_cut_anywhere_means_the_same(body: bytes, step: int) -> None:
    octets = request_bytes(body=body)
    assert read_all(octets, step) == read_all(octets, len(octets))


def test_one_empty_line_after_a_body_is_tolerated() -> None:
    for tail in ([b"\r\n"], [b"\r", b"\n"]):
        exchange = HTTPExchange()
        assert exchange.feed(request_bytes(body=b"abc") + tail[0])
        for piece in tail[1:]:
            assert exchange.feed(piece) is None
        exchange.answer(AdminResponse.script(SCRIPT, next_uri="/n", target_aid=None))
        assert exchange.feed(request_bytes("/2")) is not None


def test_the_empty_line_may_come_after_the_answer() -> None:
    exchange = HTTPExchange()
    exchange.feed(request_bytes(body=b"abc"))
    exchange.answer(AdminResponse.script(SCRIPT, next_uri="/n", target_aid=None))
    assert not exchange.in_request
    assert exchange.feed(b"\r\n") is None
    assert not exchange.in_request
    request = exchange.feed(request_bytes("/2"))
    assert request is not None


def test_connection_close_is_honoured() -> None:
    exchange = HTTPExchange()
    assert exchange.feed(request_bytes(extra=("Connection: close",)))
    exchange.answer(AdminResponse.script(SCRIPT, next_uri="/n", target_aid=None))
    assert exchange.must_close


def test_we_may_close_as_well() -> None:
    exchange = HTTPExchange()
    exchange.feed(request_bytes())
    assert b"Connection: close" in exchange.answer(AdminResponse.end(), close=True)
    assert exchange.must_close


@pytest.mark.parametrize("status", [400, 403, 405, 413, 417, 431, 500, 501, 503, 505])
def test_refusals(status: int) -> None:
    answer = read_answer(HTTPExchange().refuse(status, retry_after=5))
    assert answer.status == status
    assert answer.get("X-Admin-Protocol") == "globalplatform-remote-admin/1.0"
    assert answer.get("Content-Length") == "0"
    assert answer.get("Connection") == "close"
    assert answer.get("Retry-After") == "5"
    assert (answer.get("Allow") == "POST") is (status == 405)


def test_a_refusal_cannot_follow_an_answer_that_closed() -> None:
    exchange = HTTPExchange()
    exchange.feed(request_bytes())
    exchange.answer(AdminResponse.end(), close=True)
    assert exchange.refuse(500) == b""


def test_largest_body() -> None:
    request = read_all(request_bytes(body=bytes(MAX_BODY_OCTETS)), 4096)
    assert request is not None
    assert len(request.body) == MAX_BODY_OCTETS
    with pytest.raises(BadRequest) as caught:
        read_all(request_bytes(body=bytes(MAX_BODY_OCTETS + 1)), 4096)
    assert caught.value.status == 413


def test_in_request_from_first_octet_to_last() -> None:
    exchange = HTTPExchange()
    octets = request_bytes(body=b"abc")
    seen = [exchange.in_request]
    for piece in (octets[:1], octets[1:-1], octets[-1:]):
        exchange.feed(piece)
        seen.append(exchange.in_request)
    assert seen == [False, True, True, False]
    exchange.finish()


def test_the_end_of_the_stream_inside_a_request() -> None:
    exchange = HTTPExchange()
    exchange.feed(request_bytes(body=b"abc")[:-1])
    with pytest.raises(BadRequest):
        exchange.finish()


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_any_octets_are_read_or_refused(pieces: list[bytes]) -> None:
    exchange = HTTPExchange()
    try:
        for piece in pieces:
            assert exchange.feed(piece) is None
    except BadRequest:
        assert exchange.refuse(400).startswith(b"HTTP/1.1 400 ")


@given(st.data())
def test_one_changed_octet_is_read_or_refused(data: st.DataObject) -> None:
    octets = bytearray(request_bytes(body=b"0123456789"))
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    exchange = HTTPExchange()
    status = 400
    try:
        request = exchange.feed(bytes(octets))
    except BadRequest as problem:
        request, status = None, problem.status
    assert request is None or request.uri.startswith("/")
    assert exchange.refuse(status) != b""
