"""Limits, idempotency keys, the OpenAPI file against the running API, the command line's keys."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ferryman.cli.settings import FILE, load
from ferryman.contracts.rest import KeyRole
from ferryman.errors import InputError
from ferryman.rest_api.openapi import document
from ferryman.rest_api.settings import RESTSettings
from rest_matrix import PLATFORM
from rest_world import OTHER, rest_process, rest_world

EID = "89001012012341234012345678901224"
SCRIPT = "/scripts"


async def test_an_idempotency_key_with_another_body_is_refused(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        token = await world.token(KeyRole.OPERATOR)
        body = {"eid": EID, "profile_type": "gold"}
        without = await world.ask("POST", "/orders", token, body, headers={"idempotency-key": ""})
        assert (without.status, "Idempotency-Key" in without.json["detail"]) == (400, True)
        head = {"idempotency-key": "one"}
        first = await world.ask("POST", "/orders", token, body, headers=head)
        again = await world.ask("POST", "/orders", token, dict(reversed(body.items())), headers=head)
        assert first.status not in (401, 403, 422)
        assert (again.status, again.body) == (first.status, first.body)
        other = await world.ask("POST", "/orders", token, body | {"profile_type": "silver"}, headers=head)
        assert (other.status, other.json["subject"], other.json["reason"]) == (422, "1.6", "3.3")
        another = await world.token(KeyRole.OPERATOR, OTHER)  # another tenant's keys are its own
        answer = await world.ask("POST", "/orders", another, body | {"profile_type": "silver"}, headers=head)
        assert answer.status != 422


async def test_limits_of_a_body(tmp_path: Path) -> None:
    async with rest_world(tmp_path, max_body=2_048, body_timeout=0.2) as world:
        token = await world.token(KeyRole.ADMIN, "")
        long = {"content-length": "2049"}
        assert (await world.ask("POST", SCRIPT, token, headers=long)).status == 413
        assert (await world.ask("POST", SCRIPT, token, chunks=[b" " * 1_024] * 3)).status == 413
        assert (await world.ask("POST", SCRIPT, token, chunks=[b" " * 1_024] * 2)).status == 400
        assert (await world.ask("POST", SCRIPT, token, {}, headers={"content-type": "text/xml"})).status == 415
        assert (await world.ask("POST", SCRIPT, token, {"name": "a", "text": "b", "more": 1})).status == 400
        slow = await world.ask("POST", SCRIPT, token, chunks=[])
        assert slow.status == 408
        wrong = await world.ask("DELETE", SCRIPT, token)
        assert (wrong.status, set(wrong.headers["allow"].split(", "))) == (405, {"GET", "HEAD", "POST"})
        assert wrong.headers["content-type"] == "application/problem+json"


async def test_a_change_of_what_has_changed_meanwhile_is_not_made(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        token = await world.token(KeyRole.OPERATOR)
        new = {"url": "https://hooks.example.org/"}
        made = await world.ask("POST", "/webhooks", token, new, headers={"idempotency-key": "a"})
        path = f"/webhooks/{made.json['id']}"
        seen = {"if-match": (await world.ask("GET", path, token)).headers["etag"]}
        pause, resume = {"action": "pause"}, {"action": "resume"}
        assert (await world.ask("POST", f"{path}/changes", token, pause, headers=seen)).status == 200
        late = await world.ask("POST", f"{path}/changes", token, resume, headers=seen)
        assert (late.status, late.headers["content-type"]) == (412, "application/problem+json")
        now = await world.ask("GET", path, token)
        assert now.json["state"] == "paused"
        weak = {"if-match": f"W/{now.headers['etag']}"}  # RFC 9110 13.1.1: the comparison is strong
        assert (await world.ask("POST", f"{path}/changes", token, resume, headers=weak)).status == 412
        assert (await world.ask("DELETE", path, token, headers=seen)).status == 412
        many = {"if-match": f'"x", {now.headers["etag"]}'}
        assert (await world.ask("POST", f"{path}/changes", token, resume, headers=many)).status == 200
        same = {"if-none-match": (await world.ask("GET", path, token)).headers["etag"]}
        unchanged = await world.ask("GET", path, token, headers=same)
        assert (unchanged.status, unchanged.body) == (304, b"")


STREAM = "/api/v1/events/stream"


def test_the_file_describes_what_is_answered(tmp_path: Path) -> None:
    """No server error, no undocumented answer, for requests made from the file."""
    checks = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
    schema = schemathesis.openapi.from_dict(document())
    asked = set()
    with rest_process(tmp_path) as (url, tenant, platform):
        for found in schema.get_all_operations():
            operation = found.ok()
            if operation.path == STREAM:
                continue  # it has no end: tests of its own
            token = platform if operation.path.split("/")[3] in PLATFORM else tenant

            @given(case=operation.as_strategy())
            @settings(
                max_examples=6,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def run(case):
                heads = {"Authorization": f"Bearer {token}"}  # noqa: B023
                answer = case.call(base_url=url, headers=heads)
                away = "/peers" in case.path and answer.status_code == 503  # there is no SOAP gateway here
                assert not away or int(answer.headers["retry-after"][0]) >= 1
                case.validate_response(answer, checks=checks[1:] if away else checks)
                asked.add((case.method, case.path, answer.status_code < 300))

            run()
    reached = {(method, path) for method, path, good in asked if good}
    assert ("GET", "/api/v1/orders") in reached or ("get", "/api/v1/orders") in reached
    assert len({(m, p) for m, p, _ in asked}) == sum(len(methods) for methods in document()["paths"].values()) - 1


def test_settings(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("[rest]\nport = 0\n")
    assert load(tmp_path).rest == RESTSettings(port=0)
    assert load(tmp_path).configuration().rest is not None
    kept = load(tmp_path).without_transports().rest
    assert kept is not None
    assert not kept.listen
    with pytest.raises(InputError, match=r"rest\.certificate_file"):
        RESTSettings(host="0.0.0.0")
    with pytest.raises(InputError, match=r"rest\.key_file"):
        RESTSettings(certificate_file="a.pem")


def test_keys_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("[rest]\nport = 0\n")

    def run(*words: str) -> dict:
        made = subprocess.run(
            [sys.executable, "-m", "ferryman.cli.main", "api-key", *words, "--data", str(tmp_path), "--json"],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        return json.loads(made.stdout)

    added = run("add", "billing", "--role", "auditor", "--tenant", "1.2.3", "--scope", "order:read")
    key = added["key"]["key_id"]
    assert added["token"].startswith(f"fk_{key}_")
    run("revoke", key)
    (listed,) = run("list")["keys"]
    assert (listed["key_id"], listed["tenant"], listed["scopes"]) == (key, "1.2.3", ["order:read"])
    assert listed["revoked"] > 0
    assert added["token"][-64:] not in json.dumps(listed)


def test_without_the_section_no_web_server_is_loaded() -> None:
    program = (
        "import sys, ferryman.cli.main; "
        "print([n for n in sys.modules if n.split('.')[0] in ('starlette', 'uvicorn', 'fastapi')])"
    )
    made = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert made.stdout.strip() == "[]"
