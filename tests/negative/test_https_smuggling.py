"""Forms of HTTP that two readers are known to cut differently: all are refused and the connection is over."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat

import pytest

from ferryman.codec.scp81_http import AdminRequest, AdminResponse
from ferryman.transport_https.framing import (
    MAX_BODY_OCTETS,
    MAX_HEAD_OCTETS,
    MAX_REQUEST_OCTETS,
    BadRequest,
    HTTPExchange,
)
from psk_peer import EID, read_answer, request_bytes

FROM = f"X-Admin-From: //se-id/eid/{EID}"
PROTOCOL = "X-Admin-Protocol: globalplatform-remote-admin/1.0"


def feed(exchange: HTTPExchange, pieces: Iterable[bytes], found: list[AdminRequest] | None = None) -> None:
    for piece in pieces:
        request = exchange.feed(piece)
        if request is not None and found is not None:
            found.append(request)


def post(*lines: str, body: str = "", first: str = "POST / HTTP/1.1") -> bytes:
    return ("\r\n".join([first, "Host: a", PROTOCOL, FROM, *lines]) + "\r\n\r\n" + body).encode("latin-1")


FORMS = {
    "two lengths": (post("Content-Length: 3", "Content-Length: 4", body="abcd"), 400),
    "the same length twice": (post("Content-Length: 3", "Content-Length: 3", body="abc"), 400),
    "a list of lengths": (post("Content-Length: 3, 3", body="abc"), 400),
    "length and chunks": (post("Content-Length: 5", "Transfer-Encoding: chunked", body="0\r\n\r\n"), 400),
    "chunks and length": (post("Transfer-Encoding: chunked", "Content-Length: 5", body="0\r\n\r\n"), 400),
    "chunks twice": (post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400),
    "another coding": (post("Transfer-Encoding: gzip, chunked", body="0\r\n\r\n"), 501),
    "identity coding": (post("Transfer-Encoding: identity"), 501),
    "coding spelt with a tab": (post("Transfer-Encoding: \x0bchunked", body="0\r\n\r\n"), 400),
    "negative length": (post("Content-Length: -1"), 400),
    "length with sign": (post("Content-Length: +3", body="abc"), 400),
    "hexadecimal length": (post("Content-Length: 0x3", body="abc"), 400),
    "empty length": (post("Content-Length:"), 400),
    "superscript digit": (post("Content-Length: \xb3", body="abc"), 400),
    "endless length": (post("Content-Length: " + "9" * 500), 400),
    "length above the limit": (post(f"Content-Length: {MAX_BODY_OCTETS + 1}"), 413),
    "folded line": (post("X-Foo: a", " Content-Length: 3", body="abc"), 400),
    "folded with a tab": (post("X-Foo: a", "\tb"), 400),
    "fold before the first field": (post(first="POST / HTTP/1.1\r\n X: y"), 400),
    "space before the colon": (post("Content-Length : 3", body="abc"), 400),
    "no colon": (post("Content-Length 3", body="abc"), 400),
    "empty name": (post(": 3"), 400),
    "bare LF": (post("X-Foo: a\nContent-Length: 3", body="abc"), 400),
    "bare CR": (post("X-Foo: a\rContent-Length: 3", body="abc"), 400),
    "zero octet": (post("X-Foo: a\0b"), 400),
    "two hosts": (post("Host: b"), 400),
    "no host": (f"POST / HTTP/1.1\r\n{PROTOCOL}\r\n{FROM}\r\n\r\n".encode(), 400),
    "empty line first": (b"\r\n" + post(), 400),
    "HTTP/1.0": (post(first="POST / HTTP/1.0"), 505),
    "HTTP/0.9": (b"POST /\r\n\r\n", 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "GET": (post(first="GET / HTTP/1.1"), 405),
    "CONNECT": (post(first="CONNECT a:1 HTTP/1.1"), 405),
    "absolute form": (post(first="POST http://b/ HTTP/1.1"), 400),
    "two spaces": (post(first="POST  / HTTP/1.1"), 400),
    "expectation": (post("Expect: 100-continue", "Content-Length: 3"), 417),
    "protocol twice": (post(PROTOCOL), 400),
    "sender twice": (post(FROM), 400),
    "chunk size not hexadecimal": (post("Transfer-Encoding: chunked", body="zz\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk size with sign": (post("Transfer-Encoding: chunked", body="+3\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk size with 0x": (post("Transfer-Encoding: chunked", body="0x3\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk longer than its size": (post("Transfer-Encoding: chunked", body="2\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk ended by LF": (post("Transfer-Encoding: chunked", body="3\r\nabc\n0\r\n\r\n"), 400),
    "fields after the body": (
        post("Transfer-Encoding: chunked", body="0\r\nContent-Length: 3\r\n\r\n"),
        400,
    ),
    "pipelined": (post() + post(), 400),
    "pipelined after chunks": (post("Transfer-Encoding: chunked", body="0\r\n\r\n") + post(), 400),
    "two empty lines": (post("Content-Length: 1", body="a") + b"\r\n\r\n", 400),
    "too many fields": (post(*(f"X-{n}: y" for n in range(70))), 431),
    "giant field": (post("X-Foo: " + "a" * MAX_HEAD_OCTETS), 431),
    "giant head without end": (b"POST / HTTP/1.1\r\nX: " + b"a" * MAX_HEAD_OCTETS, 431),
    "giant chunk extension": (
        post("Transfer-Encoding: chunked", body="3;" + "a" * 2 * MAX_HEAD_OCTETS),
        400,
    ),
    "giant chunk extension with an end": (
        post("Transfer-Encoding: chunked", body="3;" + "a" * MAX_HEAD_OCTETS + "\r\nabc\r\n0\r\n\r\n"),
        400,
    ),
    "giant trailer": (
        post("Transfer-Encoding: chunked", body="0\r\nX: " + "a" * MAX_HEAD_OCTETS + "\r\n\r\n"),
        400,
    ),
    "many trailers": (
        post("Transfer-Encoding: chunked", body="0\r\n" + "X: yyyyyyyy\r\n" * 1000 + "\r\n"),
        400,
    ),
}


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "octet by octet"])
@pytest.mark.parametrize(("octets", "status"), FORMS.values(), ids=FORMS)
def test_refused_with_its_status(octets: bytes, status: int, whole: bool) -> None:
    exchange = HTTPExchange()
    step = len(octets) if whole else 1
    requests: list[AdminRequest] = []
    with pytest.raises(BadRequest) as caught:
        feed(exchange, (octets[at : at + step] for at in range(0, len(octets), step)), requests)
    assert caught.value.status == status
    # Octet by octet a request is whole before its pipelined follower begins.
    assert len(requests) <= 1
    assert read_answer(exchange.refuse(status)).status == status
    assert exchange.must_close


@pytest.mark.parametrize("size", range(MAX_HEAD_OCTETS - 2, MAX_HEAD_OCTETS + 6))
def test_the_longest_head_is_the_same_whole_and_octet_by_octet(size: int) -> None:
    octets = post("X-Foo: ")
    octets = post("X-Foo: " + "a" * (size + 4 - len(octets)))
    found = []
    for step in (len(octets), 1):
        requests: list[AdminRequest] = []
        try:
            feed(HTTPExchange(), (octets[at : at + step] for at in range(0, len(octets), step)), requests)
        except BadRequest as refusal:
            found.append((refusal.status, len(requests)))
        else:
            found.append((200, len(requests)))
    assert found == [(200, 1) if size <= MAX_HEAD_OCTETS else (431, 0)] * 2


@pytest.mark.parametrize("size", range(MAX_HEAD_OCTETS - 2, MAX_HEAD_OCTETS + 3))
def test_the_longest_line_of_a_chunk_is_the_same_whole_and_octet_by_octet(size: int) -> None:
    """`size` counts the line without its LF; the line before it must not count."""
    lines = "1\r\n\n\r\n3;" + "a" * (size - 3) + "\r\nabc\r\n0\r\n\r\n"
    octets = post("Transfer-Encoding: chunked", body=lines)
    found = []
    for step in (len(octets), 1, 4096):
        requests: list[AdminRequest] = []
        try:
            feed(HTTPExchange(), (octets[at : at + step] for at in range(0, len(octets), step)), requests)
        except BadRequest as refusal:
            found.append((refusal.status, len(requests)))
        else:
            found.append((200, len(requests)))
    assert found == [(200, 1) if size <= MAX_HEAD_OCTETS else (400, 0)] * 3


def test_a_body_of_long_lines_with_a_stray_line_behind_it() -> None:
    exchange = HTTPExchange()
    body = "a" * (MAX_HEAD_OCTETS + 10) + "\n" + "b" * (MAX_HEAD_OCTETS + 10)
    found: list[AdminRequest] = []
    feed(exchange, [post(f"Content-Length: {len(body)}", body=body) + b"\r\n"], found)
    assert [len(request.body) for request in found] == [len(body)]
    exchange.answer(AdminResponse.wait("/2"))
    assert exchange.feed(request_bytes("/2"))
    exchange = HTTPExchange()
    with pytest.raises(BadRequest):
        feed(exchange, [post(f"Content-Length: {len(body)}", body=body) + b"\r\nPOST"])


def test_a_huge_chunk_never_arrives_whole() -> None:
    exchange = HTTPExchange()
    exchange.feed(post("Transfer-Encoding: chunked", body="ffffffffffffffff1\r\n"))
    with pytest.raises(BadRequest) as caught:
        feed(exchange, repeat(bytes(4096), MAX_BODY_OCTETS // 4096 + 1))
    assert caught.value.status == 413


def test_tiny_chunks_with_long_extensions_are_counted() -> None:
    exchange = HTTPExchange()
    exchange.feed(post("Transfer-Encoding: chunked"))
    chunk = b"1;" + b"e" * 4000 + b"\r\na\r\n"
    with pytest.raises(BadRequest) as caught:
        feed(exchange, repeat(chunk, MAX_REQUEST_OCTETS // len(chunk) + 1))
    assert caught.value.status == 413


def test_bare_cr_between_messages() -> None:
    exchange = HTTPExchange()
    exchange.feed(post("Content-Length: 1", body="a") + b"\r")
    with pytest.raises(BadRequest):
        exchange.feed(post())


def test_a_second_request_before_the_answer() -> None:
    exchange = HTTPExchange()
    assert exchange.feed(request_bytes())
    with pytest.raises(BadRequest):
        exchange.feed(request_bytes())


def test_nothing_of_a_message_leaks_into_the_next() -> None:
    exchange = HTTPExchange()
    exchange.feed(request_bytes("/1", body=b"abc", extra=("X-Admin-Resume: true",)))
    exchange.answer(AdminResponse.wait("/2"))
    request = exchange.feed(request_bytes("/2"))
    assert request is not None
    assert (request.body, request.resume, request.script_status) == (b"", False, None)
