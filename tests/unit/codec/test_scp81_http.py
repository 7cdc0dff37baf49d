from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.codec import scp81_http
from ferryman.codec.scp81_http import AdminFrom, AdminResponse, ScriptStatus, interpret, parse_admin_from
from ferryman.errors import PeerError

EID = "89001012012341234012345678901224"
AGENT = "A000000559/1010FFFFFFFF8900000100"
ISDR = bytes.fromhex("A0000005591010FFFFFFFF8900000100")
PROTOCOL = ("X-Admin-Protocol", "globalplatform-remote-admin/1.0")
SENDER = ("X-Admin-From", f"//se-id/eid/{EID};//aa-id/aid/{AGENT}")
BASE = [("Host", "sr.example.com"), PROTOCOL, SENDER]
NOTIFICATION = (
    "E1354C10890490321234567890123456789012034D01024E0200072F10A0000005591010FFFFFFFF8900001000"
    "14083A15325476981032"
)


def test_first_request_of_the_text() -> None:
    request = interpret("POST", "/gsma/adminagent", BASE)
    assert request.uri == "/gsma/adminagent"
    assert request.admin_from == AdminFrom(SENDER[1], EID, ISDR)
    assert (request.script_status, request.resume, request.notification, request.body) == (
        None,
        False,
        None,
        b"",
    )
    assert request.host == "sr.example.com"


def test_header_names_in_any_case() -> None:
    request = interpret("POST", "/", [(name.lower(), value) for name, value in BASE])
    assert request == interpret("POST", "/", [(name.upper(), value) for name, value in BASE])


@pytest.mark.parametrize("form", ["//aa-id/aid/", "//aaid/aid/", "//AA-ID/AID/"])
def test_both_forms_of_the_agent(form: str) -> None:
    assert parse_admin_from(f"//se-id/eid/{EID}; {form}{AGENT.lower()}").agent_aid == ISDR


def test_digits_alone_are_kept_as_text() -> None:
    assert parse_admin_from("8944000000000000001F") == AdminFrom("8944000000000000001F", None, None)


def test_an_unknown_part_is_passed_over() -> None:
    assert parse_admin_from(f"//se-id/iccid/123;//se-id/eid/{EID}").eid == EID


@pytest.mark.parametrize(
    "text",
    [
        "//se-id/eid/123",
        f"//se-id/eid/{EID}0",
        f"//se-id/eid/{EID[:-1]}x",
        f"//se-id/eid/{EID};//se-id/eid/{EID}",
        f"//aa-id/aid/{AGENT};//aaid/aid/{AGENT}",
        "//aa-id/aid/A000000559",
        "//aa-id/aid/A0000005/1010",
        "//aa-id/aid/A000000559/101",
        "//aa-id/aid/A000000559/" + "00" * 12,
        "//aa-id/aid/A000000559/zz",
    ],
)
def test_a_wrong_sender_is_refused(text: str) -> None:
    with pytest.raises(PeerError):
        parse_admin_from(text)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("ok", ScriptStatus.OK),
        ("OK", ScriptStatus.OK),
        ("unknown-application", ScriptStatus.UNKNOWN_APPLICATION),
        ("not-a-security-domain", ScriptStatus.NOT_A_SECURITY_DOMAIN),
        ("security-error", ScriptStatus.SECURITY_ERROR),
        ("new-in-2030", ScriptStatus.UNKNOWN),
        ("", ScriptStatus.UNKNOWN),
    ],
)
def test_script_status(text: str, status: ScriptStatus) -> None:
    request = interpret("POST", "/", [*BASE, ("X-Admin-Script-Status", text)])
    assert (request.script_status, request.script_status_text) == (status, text)


@pytest.mark.parametrize("uri", ["/a?msg={}", "/a?x=1&msg={}", "/a?msg={}&x=1", "/a?MSG=zz&msg={}"])
def test_notification_is_found_by_name(uri: str) -> None:
    target = uri.format(NOTIFICATION)
    assert interpret("POST", target, BASE).notification == bytes.fromhex(NOTIFICATION)


@pytest.mark.parametrize("uri", ["/a", "/a?msg", "/a?xmsg=E100", "/msg=E100"])
def test_no_notification(uri: str) -> None:
    assert interpret("POST", uri, BASE).notification is None


@pytest.mark.parametrize("uri", ["/a?msg=", "/a?msg=E", "/a?msg=zz", "/a?msg=E100&msg=E100", "/a?msg=%45100"])
def test_a_broken_notification_is_refused(uri: str) -> None:
    with pytest.raises(PeerError):
        interpret("POST", uri, BASE)


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", "/", BASE),
        ("post", "/", BASE),
        ("POST", "http://sr.example.com/", BASE),
        ("POST", "*", BASE),
        ("POST", "/a b", BASE),
        ("POST", "/ä", BASE),
        ("POST", "/" + "a" * 2048, BASE),
        ("POST", "/", BASE[:2]),
        ("POST", "/", [BASE[0], SENDER]),
        ("POST", "/", [("X-Admin-Protocol", "globalplatform-remote-admin/2.0"), SENDER]),
        ("POST", "/", [PROTOCOL, ("X-Admin-From", "")]),
        ("POST", "/", [*BASE, PROTOCOL]),
        ("POST", "/", [*BASE, SENDER]),
        ("POST", "/", [*BASE, ("X-Admin-Resume", "maybe")]),
        ("POST", "/", [*BASE, ("X-Admin-Script-Status", "ok"), ("x-admin-script-status", "ok")]),
    ],
)
def test_other_requests_are_refused(method: str, target: str, headers: list[tuple[str, str]]) -> None:
    with pytest.raises(PeerError):
        interpret(method, target, headers)


@pytest.mark.parametrize(("text", "resume"), [("true", True), ("TRUE", True), ("false", False)])
def test_resume(text: str, resume: bool) -> None:
    assert interpret("POST", "/", [*BASE, ("x-admin-resume", text)]).resume is resume


NAMES = st.sampled_from(["X-Admin-From", "X-Admin-Protocol", "x-admin-resume", "Host", "Content-Type", "Foo"])


@given(
    st.sampled_from(["POST", "GET", ""]),
    st.text(max_size=40) | st.text("/?&=msgE10", max_size=30).map(lambda t: "/" + t),
    st.lists(st.tuples(NAMES, st.text(max_size=30) | st.sampled_from([SENDER[1], PROTOCOL[1]])), max_size=6),
)
def test_any_request_is_read_or_refused(method: str, target: str, headers: list[tuple[str, str]]) -> None:
    try:
        request = interpret(method, target, headers)
    except PeerError:
        return
    assert request.uri == target


def test_header_order_and_case_of_a_script() -> None:
    response = AdminResponse.script(b"\xae\x80\x00\x00", next_uri="/next?step=2", target_aid=ISDR)
    assert scp81_http.response_headers(response) == [
        ("X-Admin-Protocol", "globalplatform-remote-admin/1.0"),
        ("X-Admin-Next-URI", "/next?step=2"),
        ("Content-Type", "application/vnd.globalplatform.card-content-mgt;version=1.0"),
        ("X-Admin-Targeted-Application", "//aid/A000000559/1010FFFFFFFF8900000100"),
    ]
    assert (response.status, response.ends_session) == (200, False)


def test_the_end_and_a_pause() -> None:
    assert scp81_http.response_headers(AdminResponse.end()) == [PROTOCOL]
    assert (AdminResponse.end().status, AdminResponse.end().ends_session) == (204, True)
    pause = AdminResponse.wait("/later")
    assert scp81_http.response_headers(pause) == [PROTOCOL, ("X-Admin-Next-URI", "/later")]
    assert (pause.status, pause.ends_session) == (204, False)


@pytest.mark.parametrize(
    "uri", ["", "next", "//host/x", "http://host/x", "/a b", "/a\r\nX: y", "/ü", "/" + "a" * 2048]
)
def test_a_next_uri_that_a_card_cannot_take_is_our_bug(uri: str) -> None:
    with pytest.raises(ValueError, match="next URI"):
        AdminResponse.wait(uri)


def test_an_impossible_script_is_our_bug() -> None:
    with pytest.raises(ValueError, match="empty"):
        AdminResponse.script(b"", next_uri=None, target_aid=None)
    with pytest.raises(ValueError, match="AID"):
        AdminResponse.script(b"x", next_uri=None, target_aid=b"1234")


@given(st.binary(min_size=6, max_size=16))
def test_aid_as_path_and_back(aid: bytes) -> None:
    assert scp81_http.parse_aid_uri(scp81_http.aid_uri(aid)) == aid
    assert parse_admin_from(scp81_http.admin_from(EID, aid)) == AdminFrom(
        scp81_http.admin_from(EID, aid), EID, aid
    )


def test_an_aid_path_needs_its_form() -> None:
    with pytest.raises(PeerError):
        scp81_http.parse_aid_uri(AGENT)
