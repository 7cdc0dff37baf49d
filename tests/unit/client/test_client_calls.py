"""Both clients: what they send, what they make of answers, when they ask again, what they never show."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx2
import msgspec
import pytest

from ferryman.client import (
    AnswerNotUnderstood,
    AsyncClient,
    BadRequest,
    Changed,
    Client,
    Conflict,
    KeyReused,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Patience,
    PlatformFault,
    PlatformUnavailable,
    TooLarge,
    TooManyRequests,
    Unreachable,
)
from ferryman.contracts.eis import PolicyRule
from ferryman.contracts.orders import OrderView
from ferryman.contracts.peers import Peer, PeerKind
from ferryman.errors import InputError, Refused, Unavailable
from scripted_platform import URL, Both, Script, answer, problem

EID = "89033023000000000043619520000184"
ORDER = {
    "order_id": "o1", "eid": EID, "iccid": "8988211000000000011", "profile_type": "m2m", "enable": True,
    "state": "running", "step": "begun", "status": None, "steps": [], "something_of_tomorrow": 7,
}  # fmt: skip


@pytest.fixture(params=["blocking", "awaiting"])
def both(request: pytest.FixtureRequest) -> Both:
    return Both(request.param)


def test_a_request_and_its_answer(both: Both) -> None:
    script = Script([answer(ORDER, 201)])
    order = both.ask(
        script, Client.create_order, eid=EID, profile_type="m2m", pol2=[PolicyRule("DISABLE", "Not-Allowed")]
    )
    assert isinstance(order, OrderView)
    assert order.order_id == "o1"
    (request,) = script.requests
    assert (request.method, str(request.url)) == ("POST", f"{URL}/api/v1/orders")
    assert msgspec.json.decode(request.content) == {  # what is as by default is not sent
        "eid": EID,
        "profile_type": "m2m",
        "pol2": [{"action": "DISABLE", "qualification": "Not-Allowed", "subject": "PROFILE"}],
    }
    assert request.headers["authorization"] == "Bearer secret-key"
    assert request.headers["content-type"] == "application/json"
    assert len(request.headers["idempotency-key"]) == 32


def test_names_in_a_path_are_quoted_and_parameters_written_as_text(both: Both) -> None:
    script = Script([answer(ORDER)])
    both.ask(script, Client.show_order, "../o?1")
    assert script.requests[0].url.raw_path == b"/esim/api/v1/orders/..%2Fo%3F1"
    script = Script([answer({"items": [], "next": ""})])
    assert list(script.blocking().list_queue(EID, open_only=True, page_size=7)) == []
    assert script.requests[0].url.query == b"limit=7&open_only=true"


def test_octets_are_base64_and_a_whole_object_is_a_body(both: Both) -> None:
    script = Script([answer({"name": "t", "size": 1, "slots": [], "warnings": [], "new": True}, 201)])
    both.ask(script, Client.import_template, name="t", package=b"\x00\xff")
    assert msgspec.json.decode(script.requests[0].content) == {"name": "t", "package": "AP8="}
    peer = Peer(name="p", kind=PeerKind.OPERATOR, oid="1.2")
    script = Script([answer(msgspec.to_builtins(peer), 201)])
    assert both.ask(script, Client.put_peer, peer=peer) == peer


def test_two_calls_have_two_keys_and_a_repeat_has_the_same(both: Both) -> None:
    script = Script([problem(503), answer(ORDER, 201), answer(ORDER, 201)])
    both.ask(script, Client.create_order, eid=EID)
    both.ask(script, Client.create_order, eid=EID)
    first, repeat, second = script.sent("idempotency-key")
    assert first == repeat != second
    script = Script([answer(ORDER, 201)])
    both.ask(script, Client.create_order, eid=EID, idempotency_key="mine")
    assert script.sent("idempotency-key") == ["mine"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest), (405, BadRequest), (408, BadRequest), (415, BadRequest), (401, NotAuthenticated),
        (403, NotAllowed), (404, NotFound), (409, Conflict), (412, Changed), (413, TooLarge), (422, KeyReused),
        (500, PlatformFault),
    ],
)  # fmt: skip
def test_each_refusal_is_an_exception_with_the_codes(both: Both, status: int, kind: type[Refused]) -> None:
    told = problem(status, "it is so", subject="8.2.1", reason="3.3", identifier="8988", x_request_id="abc")
    script = Script([told])
    with pytest.raises(kind) as raised:
        both.ask(script, Client.show_order, "o1")
    found: Any = raised.value
    assert (found.status, found.subject, found.reason) == (status, "8.2.1", "3.3")
    assert (found.message, found.identifier, found.request_id) == ("it is so", "8988", "abc")
    assert str(found) == "8.2.1/3.3 it is so"
    assert isinstance(found, Refused)
    assert script.pauses == []


def test_a_refusal_without_codes_or_of_somebody_else_is_one_too(both: Both) -> None:
    with pytest.raises(NotFound, match=r"^gone$"):
        both.ask(Script([problem(404, "gone")]), Client.show_order, "o1")
    page = httpx2.Response(403, headers={"content-type": "text/html"}, content=b"<h1>proxy</h1>" * 1000)
    with pytest.raises(NotAllowed, match="HTTP status 403"):
        both.ask(Script([page]), Client.show_order, "o1")


def test_too_many_requests_are_repeated_when_the_platform_says(both: Both) -> None:
    script = Script([problem(429, retry_after="7"), answer(ORDER)])
    assert both.ask(script, Client.show_order, "o1").order_id == "o1"
    assert script.pauses == [7.0]
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    script = Script([problem(429, retry_after=later), answer(ORDER)])
    both.ask(script, Client.show_order, "o1")
    assert 15 < script.pauses[0] <= 20
    script = Script([problem(429, retry_after="3600")])  # longer than the call is worth
    with pytest.raises(TooManyRequests) as raised:
        both.ask(script, Client.show_order, "o1")
    assert raised.value.retry_after == 3600
    assert not raised.value.unknown
    assert isinstance(raised.value, Unavailable)


def test_backing_off_doubles_and_ends(both: Both) -> None:
    script = Script([problem(503, "the SM-SR is away") for _ in range(7)])
    with pytest.raises(PlatformUnavailable, match="the SM-SR is away"):
        both.ask(script, Client.show_order, "o1")
    assert len(script.requests) == 7
    for number, pause in enumerate(script.pauses):
        assert 0.125 * 2**number <= pause <= 0.25 * 2**number


def test_what_could_be_done_twice_is_not_repeated(both: Both) -> None:
    for lost in (problem(503), problem(504), httpx2.ReadError("cut"), httpx2.ReadTimeout("slow")):
        script = Script([lost])
        with pytest.raises((PlatformUnavailable, Unreachable)) as raised:  # a POST without a key
            both.ask(script, Client.change_user, "ada", action="recover")
        assert raised.value.unknown
        assert script.pauses == []
    script = Script([problem(503)])  # the second would be told 412 because of the first
    with pytest.raises(PlatformUnavailable):
        both.ask(script, Client.set_low_water, "m2m", low_water=5, if_match='"x"')
    for harmless in (problem(429), httpx2.ConnectError("refused")):  # not done for certain
        script = Script([harmless, problem(403)])
        with pytest.raises(NotAllowed):
            both.ask(script, Client.change_user, "ada", action="recover")


@pytest.mark.parametrize("lost", [httpx2.ReadError("cut"), httpx2.RemoteProtocolError("ended"), problem(502)])
def test_a_lost_answer_is_asked_for_again(both: Both, lost: Any) -> None:
    script = Script([lost, answer(ORDER, 201)])
    assert both.ask(script, Client.create_order, eid=EID).order_id == "o1"
    first, second = script.sent("idempotency-key")
    assert first == second


def test_once_unknown_stays_unknown(both: Both) -> None:
    script = Script([httpx2.ReadError("cut"), *(problem(429) for _ in range(6))])
    with pytest.raises(TooManyRequests) as raised:
        both.ask(script, Client.create_order, eid=EID)
    assert raised.value.unknown


def test_patience_is_the_callers() -> None:
    script = Script([problem(503)])
    with pytest.raises(PlatformUnavailable):
        script.blocking(patience=Patience(repeats=0)).show_order("o1")
    script = Script([problem(503)])
    with pytest.raises(PlatformUnavailable):
        script.blocking(patience=Patience(repeats=9, seconds=0.1)).show_order("o1")


def test_etags(both: Both) -> None:
    script = Script([answer(ORDER, etag='"a"'), answer(None, 304), answer(ORDER | {"step": "x"}, etag='"b"')])
    client = script.blocking()
    seen = client.tagged(client.show_order, "o1")
    assert (seen.etag, seen.value.step) == ('"a"', "begun")
    assert client.refresh(seen) is seen
    assert client.refresh(seen).etag == '"b"'
    assert script.sent("if-none-match") == ["", '"a"', '"a"']
    with pytest.raises(TypeError):
        client.tagged(client.cancel_order, "o1")
    with pytest.raises(TypeError):
        client.tagged(len, "o1")  # type: ignore[arg-type]
    script = Script([problem(412)])
    with pytest.raises(Changed):
        both.ask(script, Client.cancel_order, "o1", if_match=seen.etag)
    assert script.sent("if-match") == ['"a"']


async def test_etags_awaited() -> None:
    script = Script([answer(ORDER, etag='"a"'), answer(None, 304)])
    async with script.awaiting() as client:
        seen = await client.tagged(client.show_order, "o1")
        assert await client.refresh(seen) is seen


def test_lists_are_fetched_page_by_page() -> None:
    pages = [answer({"items": [ORDER, ORDER], "next": "o2"}), answer({"items": [ORDER], "next": ""})]
    script = Script([*pages, *pages])
    orders = script.blocking().list_orders(state="running", page_size=2)
    assert script.requests == []
    assert len(list(orders)) == 3
    assert [str(request.url.query, "ascii") for request in script.requests] == [
        "limit=2&state=running",
        "limit=2&state=running&after=o2",
    ]
    assert orders.page().next == "o2"
    script = Script([answer({"items": [], "next": "x"}), answer({"items": [], "next": "x"})])
    with pytest.raises(AnswerNotUnderstood):  # not for ever
        list(script.blocking().list_orders())


async def test_lists_awaited() -> None:
    script = Script([answer({"items": [ORDER], "next": "o1"}), answer({"items": [ORDER], "next": ""})])
    async with script.awaiting() as client:
        assert [order.order_id async for order in client.list_orders()] == ["o1", "o1"]


def test_what_is_no_answer_of_ours_is_said_to_be_none(both: Both) -> None:
    for body in (b"<html>", b"[]", b'{"order_id": 7}', b"\xff"):
        strange = httpx2.Response(200, headers={"content-type": "application/json"}, content=body)
        with pytest.raises(AnswerNotUnderstood):
            both.ask(Script([strange]), Client.show_order, "o1")


def test_a_login_is_kept_and_proved() -> None:
    cookie = "__Host-ferryman=abc123; Path=/; Secure; HttpOnly; SameSite=Lax"
    who = {"kind": "account", "id": "1", "name": "ada", "role": "admin", "tenant": "", "rights": [], "csrf": "tok"}
    script = Script([
        answer(who, 201, set_cookie=cookie), answer({"items": [], "next": ""}), answer(ORDER),
        answer(None, 204, set_cookie="__Host-ferryman=; Max-Age=0; Path=/"), answer(None, 302, location="https://p/"),
    ])  # fmt: skip
    client = script.blocking(key="")
    client.log_in(name="ada", password="correct horse battery")
    list(client.list_orders())
    client.cancel_order("o1")
    client.log_out()
    assert client.begin_oidc() == "https://p/"
    kept = "__Host-ferryman=abc123"
    assert script.sent("cookie") == ["", kept, kept, kept, ""]
    assert script.sent("x-csrf-token") == ["", "", "tok", "tok", ""]
    assert script.sent("authorization") == [""] * 5


def test_a_key_takes_no_cookies() -> None:
    script = Script([answer(ORDER, set_cookie="__Host-ferryman=evil"), answer(ORDER)])
    client = script.blocking()
    client.show_order("o1")
    client.show_order("o1")
    assert script.sent("cookie") == ["", ""]


def test_nothing_secret_shows() -> None:
    script = Script([problem(401)])
    for client in (
        script.blocking("hidden-key"), script.awaiting("hidden-key"), script.blocking("", session="hidden-login")
    ):  # fmt: skip
        for thing in (client, client._credentials, client._address):
            assert "hidden" not in repr(thing)
            assert "hidden" not in str(thing)
        with pytest.raises(TypeError):
            pickle.dumps(client._credentials)
    with pytest.raises(NotAuthenticated) as raised:
        script.blocking("hidden-key").log_in(name="ada", password="hidden-password")
    assert "hidden" not in repr(raised.value)
    frames = []
    trace = raised.tb
    while trace is not None:
        frames += [
            repr(value) for name, value in trace.tb_frame.f_locals.items() if name in ("call", "out", "step")
        ]
        trace = trace.tb_next
    assert frames
    assert not any("hidden" in shown for shown in frames)


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_no_key_travels_in_the_clear(client: Any) -> None:
    for url in ("http://ferryman.example.org", "ftp://x", "ferryman", "https://u:p@x", "https://x/?a=b"):
        with pytest.raises(InputError) as raised:
            client(url, "hidden")
        assert "hidden" not in str(raised.value)
    client("http://127.0.0.1:1", "k")
    client("http://ferryman.example.org", "k", allow_http=True)
    with pytest.raises(InputError):
        client("https://x", "two\r\nlines")
    with pytest.raises(InputError):
        client("https://x", "k", ca_file="/nonexistent/ca.pem")
