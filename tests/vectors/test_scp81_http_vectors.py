"""Vectors scp81_http and the recorded sessions of a real eUICC in sgp02_session."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman.codec import psk_identity, scp81_http
from ferryman.codec.psk_identity import PSKIdentity
from ferryman.codec.scp81_http import AdminRequest, AdminResponse, ScriptStatus
from ferryman.transport_https.framing import BadRequest, BodyFraming, HTTPExchange
from psk_peer import read_answer
from shared_data import shared, vectors

shared("reference", "vectors", "scp81_http.json")
VECTORS = vectors("scp81_http")


def of(op: str, kind: str | None = None) -> list[Any]:
    chosen = [v for v in VECTORS if v["input"]["op"] == op]
    if kind is not None:
        chosen = [v for v in chosen if v["expected"].get("kind", "error") == kind]
    assert chosen, (op, kind)
    return [pytest.param(v["input"], v["expected"], id=v["id"]) for v in chosen]


def read(octets: bytes, step: int) -> AdminRequest:
    """One request fed in pieces of `step` octets."""
    exchange = HTTPExchange()
    found = [exchange.feed(octets[at : at + step]) for at in range(0, len(octets), step)]
    exchange.finish()
    (request,) = [one for one in found if one is not None]
    return request


def aid(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def test_all_vectors_are_used() -> None:
    used = sum(len(of(op)) for op in ("psk_identity", "aid_uri", "parse_http", "parse_notification"))
    assert used == len(VECTORS)


@pytest.mark.parametrize(("given", "expected"), of("psk_identity"))
def test_psk_identity(given: dict[str, str], expected: dict[str, str]) -> None:
    identity = PSKIdentity(
        given["eid"],
        bytes.fromhex(given["aid"]),
        int(given["key_identifier"], 16),
        int(given["key_version"], 16),
    )
    assert psk_identity.build(identity) == expected["identity_text"].encode()
    assert psk_identity.build(identity) == bytes.fromhex(expected["identity_bytes"])
    assert psk_identity.parse(expected["identity_text"].encode()) == identity


@pytest.mark.parametrize(("given", "expected"), of("aid_uri"))
def test_aid_uri(given: dict[str, str], expected: dict[str, str]) -> None:
    value = bytes.fromhex(given["aid"])
    assert scp81_http.aid_uri(value) == expected["targeted_application"]
    assert scp81_http.admin_from("89001012012341234012345678901224", value) == expected["admin_from"]


@pytest.mark.parametrize("step", [1, 7, 100_000])
@pytest.mark.parametrize(("given", "expected"), of("parse_http", "request"))
def test_request(given: dict[str, str], expected: dict[str, Any], step: int) -> None:
    request = read(bytes.fromhex(given["http"]), step)
    assert expected["method"] == "POST"
    assert request.uri == expected["uri"]
    assert request.protocol == expected["protocol"]
    assert request.admin_from.eid == expected["eid"]
    assert request.admin_from.agent_aid == aid(expected.get("agent_aid"))
    if "agent_id" in expected:
        assert request.admin_from.text == expected["agent_id"]
    status = expected["script_status"]
    assert request.script_status is (None if status is None else ScriptStatus(status))
    assert request.content_type == expected.get("content_type")
    assert request.resume is expected["resume"]
    assert request.notification == aid(expected.get("notification"))
    assert request.body == bytes.fromhex(expected["body"])


@pytest.mark.parametrize("step", [1, 7, 100_000])
@pytest.mark.parametrize(("given", "expected"), of("parse_http", "error"))
def test_refused(given: dict[str, str], expected: dict[str, Any], step: int) -> None:
    assert expected["error"] is True
    with pytest.raises(BadRequest):
        read(bytes.fromhex(given["http"]), step)


@pytest.mark.parametrize("framing", BodyFraming)
@pytest.mark.parametrize(("given", "expected"), of("parse_http", "response"))
def test_response(given: dict[str, str], expected: dict[str, Any], framing: BodyFraming) -> None:
    """What we send says the same as the recorded answer, read by an independent HTTP client."""
    recorded = read_answer(bytes.fromhex(given["http"]))
    response = AdminResponse(
        body=bytes.fromhex(expected["body"]),
        next_uri=expected["next_uri"],
        target_aid=aid(expected.get("targeted_aid")),
    )
    exchange = HTTPExchange(framing)
    assert exchange.feed(bytes.fromhex(of("parse_http", "request")[0].values[0]["http"])) is not None
    ours = read_answer(exchange.answer(response))
    assert ours.status == recorded.status == expected["status"] == response.status
    assert ours.body == recorded.body
    wanted = {name.lower(): value for name, value in recorded.headers if not _frames(name)}
    assert {name.lower(): value for name, value in ours.headers if not _frames(name)} == wanted
    assert response.ends_session is (expected["session"] != "continue")


def _frames(name: str) -> bool:
    return name.lower() in ("transfer-encoding", "content-length")


@pytest.mark.parametrize(("given", "expected"), of("parse_notification"))
def test_notification_in_the_uri(given: dict[str, str], expected: dict[str, str]) -> None:
    """The TLV of this vector travels whole through `msg=`; its fields are read elsewhere."""
    headers = [
        ("X-Admin-Protocol", scp81_http.PROTOCOL),
        ("X-Admin-From", scp81_http.admin_from(expected["eid"], bytes.fromhex(expected["isdp_aid"]))),
    ]
    request = scp81_http.interpret("POST", f"/a?x=1&msg={given['data']}", headers)
    assert request.notification == bytes.fromhex(given["data"])


@pytest.mark.parametrize("session", vectors("sgp02_session"), ids=lambda v: v["id"])
def test_recorded_session(session: dict[str, Any]) -> None:
    """One connection takes every request of a recorded session; our answers carry what was sent then."""
    exchange = HTTPExchange()
    steps = zip(session["input"]["steps"], session["expected"]["steps"], strict=True)
    posts = 0
    for step, expected in steps:
        octets = bytes.fromhex(step["http"])
        if step["sender"] == "euicc":
            request = exchange.feed(octets)
            assert request is not None
            assert f"POST {request.uri} HTTP/1.1" == expected["first_line"]
            assert request.body == bytes.fromhex(expected.get("body", ""))
            assert request.admin_from.eid == "89001012012341234012345678901224"
            assert request.script_status is (ScriptStatus.OK if request.body else None)
            posts += 1
            continue
        recorded = read_answer(octets)
        target = recorded.get("X-Admin-Targeted-Application")
        response = AdminResponse(
            body=recorded.body,
            next_uri=recorded.get("X-Admin-Next-URI"),
            target_aid=None if target is None else scp81_http.parse_aid_uri(target),
        )
        ours = read_answer(exchange.answer(response))
        assert ours.body == bytes.fromhex(expected.get("body", ""))
        assert ours.get("X-Admin-Targeted-Application") == target
    assert posts > 1
