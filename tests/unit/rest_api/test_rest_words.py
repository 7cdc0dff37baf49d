"""The OpenAPI file as somebody meets it for the first time: everything has its words, every example is taken."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import msgspec

from ferryman.contracts.rest import KeyRole
from ferryman.rest_api.endpoints import ENDPOINTS
from ferryman.rest_api.openapi import PREFIX, document
from rest_world import rest_world


def test_everything_has_its_words_and_every_example_fits() -> None:
    described = document()
    assert {one["name"] for one in described["tags"]} == {one.area for one in ENDPOINTS}
    assert all(one["description"] for one in described["tags"])
    assert all(schema.get("description") for schema in described["components"]["schemas"].values())
    examples = 0
    for endpoint in ENDPOINTS:
        operation = described["paths"][PREFIX + endpoint.path][endpoint.method.lower()]
        for one in operation["parameters"]:
            assert one.get("description") or one["schema"].get("description"), (endpoint.name, one["name"])
        if endpoint.body is None:
            continue
        media = operation["requestBody"]["content"]["application/json"]
        whole = {**media["schema"], "components": described["components"]}
        jsonschema_rs.validate(whole, media["example"])
        # What a schema cannot say: the example is what the platform itself takes.
        msgspec.json.decode(msgspec.json.encode(media["example"]), type=endpoint.body)
        examples += 1
    assert examples > 50


async def test_examples_that_need_nothing_do_what_they_show(tmp_path: Path) -> None:
    by_name = {one.name: one for one in ENDPOINTS}
    async with rest_world(tmp_path) as world:
        staff = await world.token(KeyRole.ADMIN, "")
        for name in ("check_script", "try_script", "activate_script", "roll_back_script"):
            one = by_name[name]
            answer = await world.ask(one.method, one.path, staff, one.example)
            assert answer.status == one.status, answer.body
            if name == "check_script":
                assert answer.json["findings"] == []
            if name == "try_script":
                assert json.loads(answer.json["said"][0]["plan"])["transport"] == "sms"
