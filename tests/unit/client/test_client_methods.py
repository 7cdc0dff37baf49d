"""The methods of both clients are those of the OpenAPI file, and stand in the tree as they are made."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

import pytest

from ferryman.client import AsyncClient, Client
from ferryman.rest_api.openapi import document

ROOT = Path(__file__).resolve().parents[3]
REMEDY = "run: python tools/client_methods.py"
NOT_PARAMETERS = {"Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID"}


def operations() -> dict[str, dict[str, Any]]:
    return {one["operationId"]: one for path in document()["paths"].values() for one in path.values()}


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_every_operation_has_a_method(client: type) -> None:
    missing = [name for name in operations() if not callable(getattr(client, name, None))]
    assert not missing, f"{REMEDY} (missing: {', '.join(missing)})"
    for name in operations():
        assert getattr(client, name).__doc__, name


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_every_parameter_of_an_operation_is_one_of_its_method(client: type) -> None:
    schemas = document()["components"]["schemas"]
    for name, operation in operations().items():
        wanted = {one["name"] for one in operation["parameters"]} - NOT_PARAMETERS
        heads = {one["name"] for one in operation["parameters"]} & NOT_PARAMETERS
        given = set(inspect.signature(getattr(client, name)).parameters) - {"self"}
        if "limit" in wanted:  # of a page
            assert "page_size" in given, name
            given = given - {"page_size"} | {"limit"}
        assert ("idempotency_key" in given) == ("Idempotency-Key" in heads), name
        assert ("if_match" in given) == ("If-Match" in heads), name
        given -= {"idempotency_key", "if_match"}
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        if body and not (len(given - wanted) == 1 and given - wanted <= {"peer"}):
            wanted |= set(schemas[body["$ref"].rpartition("/")[2]]["properties"])
        elif body:
            wanted |= given
        assert given == wanted, f"{name}: {REMEDY}"


def test_both_clients_say_the_same() -> None:
    for name in operations():
        blocking, awaited = (inspect.signature(getattr(client, name)) for client in (Client, AsyncClient))
        assert blocking.parameters == awaited.parameters, name
        plain = str(blocking.return_annotation)
        assert str(awaited.return_annotation) in (plain, f"Async{plain}"), name


def test_the_methods_in_the_tree_are_current() -> None:
    place = ROOT / "tools" / "client_methods.py"
    spec = importlib.util.spec_from_file_location("client_methods", place)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    sys.modules["client_methods"] = tool  # dataclasses look there
    spec.loader.exec_module(tool)
    wanted = tool.modules()
    found = {path.name: path.read_text(encoding="utf-8") for path in tool.FOLDER.glob("*.py")}
    assert set(found) == set(wanted), REMEDY
    for name, text in wanted.items():
        assert tool.formed(text, name) == found[name], f"{name}: {REMEDY}"
