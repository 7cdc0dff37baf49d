"""Requests and answers of the simulator's administration agent against vectors, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman_sim.scp81 import BadResponse, RequestStyle, ResponseParser, ScriptResult, ServerAnswer
from ferryman_sim.scp81.admin_request import (
    agent_identity,
    application_path,
    build_request,
    with_notification,
)
from shared_data import vectors

EID = "89001012012341234012345678901224"
ISD_R = bytes.fromhex("A0000005591010FFFFFFFF8900000100")
TRACE = RequestStyle(lower_case_headers=True, aaid=True)
HTTP = {vector["id"]: vector for vector in vectors("scp81_http")}
TYPE = "application/vnd.globalplatform.card-content-mgt;version=1.0"


def named(name: str) -> dict[str, Any]:
    if name not in HTTP:
        pytest.skip("vectors not present")
    return HTTP[name]


def wire(name: str) -> bytes:
    return bytes.fromhex(named(name)["input"]["http"])


def post(uri: str, **changes: Any) -> bytes:
    arguments: dict[str, Any] = {
        "uri": uri,
        "host": "sr.example.com",
        "agent": agent_identity(EID, ISD_R),
        "style": RequestStyle(),
        "result": None,
        "resume": False,
    }
    return build_request(**{**arguments, **changes})


@pytest.mark.parametrize(
    ("name", "request_bytes"),
    [
        ("req-first", post("/gsma/adminagent")),
        ("req-first-trace", post("/polling", host="10.8.40.125", style=TRACE)),
        (
            "req-agent-digits",
            post("/polling", host="10.8.40.125", style=TRACE, agent="8944000000000000001F"),
        ),
        (
            "req-trace-ok",
            post(
                "/server/adminagent?cmd=2",
                host="10.8.40.125",
                style=TRACE,
                result=ScriptResult("ok", bytes.fromhex("af8023030090000000")),
            ),
        ),
        (
            "req-status-unknown-application",
            post("/gsma/next/7", result=ScriptResult("unknown-application", None)),
        ),
        ("req-status-security-error", post("/gsma/next/7", result=ScriptResult("security-error", None))),
        ("req-resume", post("/gsma/next/9", resume=True)),
    ],
)
def test_requests_are_those_of_the_vectors(name: str, request_bytes: bytes) -> None:
    assert request_bytes == wire(name)


def test_notification_goes_into_the_query() -> None:
    notification = bytes.fromhex(named("req-notification")["expected"]["notification"])
    assert post(with_notification("/gsma/adminagent", notification)) == wire("req-notification")
    assert with_notification("/a?b=1", b"\xe1\x00") == "/a?b=1&msg=E100"


def test_content_length_instead_of_chunks() -> None:
    body = bytes.fromhex(named("req-content-length")["expected"]["body"])
    request = post("/gsma/next/5", style=RequestStyle(content_length=True), result=ScriptResult("ok", body))
    assert request == wire("req-content-length")


def test_chunks_of_a_chosen_size() -> None:
    request = post("/n", style=RequestStyle(chunk_size=4), result=ScriptResult("ok", bytes(10)))
    assert request.endswith(b"\r\n\r\n4\r\n\0\0\0\0\r\n4\r\n\0\0\0\0\r\n2\r\n\0\0\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "changes",
    [
        {"result": ScriptResult("ok", None)},
        {"result": ScriptResult("unknown-application", b"x")},
        {"result": ScriptResult("fine", b"x")},
        {"host": "a\r\nb"},
        {"uri": "/a b"},
        {"uri": "/\u00e4"},
    ],
)
def test_requests_that_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"status|characters"):
        post(**{"uri": "/", **changes})


@pytest.mark.parametrize("name", ["aid-isdr", "aid-isdp"])
def test_application_paths(name: str) -> None:
    vector = named(name)
    aid = bytes.fromhex(vector["input"]["aid"])
    assert application_path(aid) == vector["expected"]["targeted_application"]
    assert agent_identity(EID, aid) == vector["expected"]["admin_from"]


RESPONSES = [vector for vector in HTTP.values() if vector["expected"].get("kind") == "response"]


@pytest.mark.parametrize("vector", RESPONSES, ids=lambda vector: str(vector["id"]))
@pytest.mark.parametrize("step", [1, 10_000])
def test_answers_of_the_vectors(vector: dict[str, Any], step: int) -> None:
    data, wanted = bytes.fromhex(vector["input"]["http"]), vector["expected"]
    parser = ResponseParser()
    found = None
    for at in range(0, len(data), step):
        assert found is None
        found = parser.feed(data[at : at + step])
    target = wanted.get("targeted_aid")
    assert found == ServerAnswer(
        wanted["status"],
        wanted["next_uri"],
        None if target is None else bytes.fromhex(target),
        bytes.fromhex(wanted["body"]) or None,
    )


@pytest.mark.parametrize("name", ["bad-0", "bad-1", "bad-6"])
def test_broken_chunks_of_the_vectors(name: str) -> None:
    body = wire(name).split(b"\r\n\r\n", 1)[1]
    with pytest.raises(BadResponse):
        read_to_the_end(answer({"Transfer-Encoding": "chunked"}, body))


def read_to_the_end(data: bytes) -> None:
    parser = ResponseParser()
    parser.feed(data)
    parser.eof()


def answer(
    changes: dict[str, str | None], body: bytes = b"", first: str = "HTTP/1.1 200 OK", extra: str = ""
) -> bytes:
    headers: dict[str, str | None] = {
        "X-Admin-Protocol": "globalplatform-remote-admin/1.0",
        "Content-Type": TYPE,
    }
    lines = [f"{name}: {value}" for name, value in {**headers, **changes}.items() if value is not None]
    return "\r\n".join([first, *lines]).encode() + extra.encode() + b"\r\n\r\n" + body


GOOD = {"Content-Length": "3"}


@pytest.mark.parametrize(
    "data",
    [
        answer(GOOD, b"abc"),
        answer({**GOOD, "Content-Type": TYPE.replace(";", "; ").upper()}, b"abc"),
        answer({"transfer-ENCODING": "Chunked"}, b"1\r\na\r\n02;x=y\r\nbc\r\n0\r\nTrailer: 1\r\n\r\n"),
        answer({**GOOD, "X-Admin-Targeted-Application": "//aid/A000000559/1010"}, b"abc"),
        answer(GOOD, b"abc", first="HTTP/1.1 200 "),
    ],
)
def test_good_answers(data: bytes) -> None:
    found = ResponseParser().feed(data)
    assert found is not None
    assert found.script == b"abc"


@pytest.mark.parametrize(
    "data",
    [
        answer(GOOD, b"abcd"),
        answer({}, b""),
        answer({"Content-Length": "0"}, b""),
        answer({**GOOD, "X-Admin-Protocol": None}, b"abc"),
        answer({**GOOD, "X-Admin-Protocol": "globalplatform-remote-admin/1.1"}, b"abc"),
        answer({**GOOD, "Content-Type": None}, b"abc"),
        answer({**GOOD, "Content-Type": "text/plain"}, b"abc"),
        answer({**GOOD, "Content-Type": TYPE.replace("mgt", "mgt-response")}, b"abc"),
        answer({**GOOD, "Transfer-Encoding": "chunked"}, b"0\r\n\r\n"),
        answer({"Transfer-Encoding": "gzip"}, b"0\r\n\r\n"),
        answer({"Transfer-Encoding": "chunked"}, b"0\r\n\r\n"),
        answer({"Transfer-Encoding": "chunked"}, b"2\r\nabc\r\n0\r\n\r\n"),
        answer({"Transfer-Encoding": "chunked"}, b"1\r\naXX0\r\n\r\n"),
        answer({"Transfer-Encoding": "chunked"}, b"-1\r\n"),
        answer({"Transfer-Encoding": "chunked"}, b"0x1\r\n"),
        answer({"Transfer-Encoding": "chunked"}, b"\r\n"),
        answer({"Transfer-Encoding": "chunked"}, b"1\r\na\r\n0\r\nno trailer\r\n\r\n"),
        answer({"Transfer-Encoding": "chunked"}, b"10001\r\n"),
        answer({"Content-Length": "65537"}),
        answer({"Content-Length": "+3"}, b"abc"),
        answer({"Content-Length": "3, 3"}, b"abc"),
        answer(GOOD, b"abc", extra="\r\nContent-Length: 3"),
        answer(GOOD, b"abc", extra="\r\n folded"),
        answer(GOOD, b"abc", extra="\r\nBad Name: 3"),
        answer(GOOD, b"abc", extra="\r\nX:" + "y" * 5000),
        answer({**GOOD, "X-Admin-Next-URI": "next"}, b"abc"),
        answer({**GOOD, "X-Admin-Next-URI": "http://a/"}, b"abc"),
        answer({**GOOD, "X-Admin-Targeted-Application": "A000000559"}, b"abc"),
        answer({**GOOD, "X-Admin-Targeted-Application": "//aid/A000000559/101"}, b"abc"),
        answer(GOOD, b"abc", first="HTTP/1.0 200 OK"),
        answer(GOOD, b"abc", first="HTTP/1.1 20 OK"),
        answer({}, b"", first="HTTP/1.1 100 Continue"),
        answer(GOOD, b"abc", first="HTTP/1.1 204 No Content"),
        answer({"Transfer-Encoding": "chunked"}, b"0\r\n\r\n", first="HTTP/1.1 204 No Content"),
    ],
)
def test_answers_that_end_the_session(data: bytes) -> None:
    with pytest.raises(BadResponse):
        ResponseParser().feed(data)


def test_errors_need_no_further_headers() -> None:
    assert ResponseParser().feed(b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno") == ServerAnswer(
        503, None, None, None
    )


def test_an_end_inside_an_answer_is_an_error() -> None:
    parser = ResponseParser()
    parser.eof()
    assert parser.feed(answer({"Content-Length": "3"}, b"ab")) is None
    with pytest.raises(BadResponse):
        parser.eof()
