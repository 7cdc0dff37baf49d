"""SIGKILL between the acceptance of a request and its answer: the same Idempotency-Key, one effect."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crash.rest_child import BEFORE, BEHIND, NEVER
from e2e.bench import prepared, quick_folder
from rig import OWNER
from virtual_loop import run


@contextlib.contextmanager
def child(data: Path, kind: str, where: str) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    command = [sys.executable, str(Path(__file__).with_name("rest_child.py")), str(data), OWNER, kind, where]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            words = line.split()
            if len(words) == 2 and words[0].isdecimal():
                yield process, int(words[0]), words[1]
                break
        else:
            raise AssertionError("the child did not start")
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()


def ask(port: int, token: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    heads = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Idempotency-Key": "once"}
    try:
        connection.request(method, f"/api/v1{path}", json.dumps(body) if body else None, heads)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("where", [BEFORE, BEHIND])
def test_an_order_whose_answer_was_killed_is_the_same_order(where: str) -> None:
    source = run(prepared(1, (), None, 4))
    data = quick_folder() / "data"
    shutil.copytree(source / "data", data)
    (image,) = (source / "world" / "cards").glob("*.json")
    body = {"eid": json.loads(image.read_text())["eid"], "profile_type": "demo", "enable": False}
    with child(data, "CreateOrder", where) as (process, port, token):
        with pytest.raises((OSError, http.client.HTTPException)):
            ask(port, token, "POST", "/orders", body)
        assert process.wait(30) == -9
    with child(data, "CreateOrder", NEVER) as (_, port, token):
        _, before = ask(port, token, "GET", "/orders")
        assert len(before["items"]) == (where == BEHIND)
        status, first = ask(port, token, "POST", "/orders", body)
        assert status == 201
        status, again = ask(port, token, "POST", "/orders", body)
        assert status == 201
        names = ("order_id", "eid", "iccid", "profile_type")
        assert [first[name] for name in names] == [again[name] for name in names]
        _, listed = ask(port, token, "GET", "/orders")
        assert [one["order_id"] for one in listed["items"]] == [first["order_id"]]
        if before["items"]:
            assert before["items"][0]["order_id"] == first["order_id"]
        other = {**body, "enable": True}
        status, refused = ask(port, token, "POST", "/orders", other)
        assert (status, refused["reason"]) == (422, "3.3")
