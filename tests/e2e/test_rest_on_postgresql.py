"""Every route of the REST API with its databases on PostgreSQL: what SQLite lets pass may be an error there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ferryman.contracts.rest import KeyRole
from ferryman.rest_api.openapi import PREFIX, document
from rest_world import TENANT, rest_world
from role_databases import RoleDatabases, role_databases

EID = "89001012012341234012345678901224"
NAMED = {"eid": EID}
ROUTES = [
    (method, path, operation) for path, of in document()["paths"].items() for method, operation in of.items()
]
ENDLESS = {"rate_per_key": 0, "rate_per_address": 0, "login_rate": 0}
# In the order in which they are tried: the first one that the pattern of a parameter takes.
WORDS = (EID, "1", "profile.enabled", "a")


def _values(schema: dict[str, Any]) -> list[str]:
    """What a parameter may be asked with."""
    match schema:
        case {"enum": found}:
            return [str(one) for one in found if one]
        case {"type": "boolean"}:
            return ["true"]
        case {"type": "integer" | "number"}:
            return ["1"]
        case {"pattern": pattern}:
            return [next((word for word in WORDS if re.fullmatch(pattern, word)), "")]
    return ["a"]


def _questions(operation: dict[str, Any]) -> Iterator[str]:
    """Queries: none, each parameter by itself, and all together."""
    asked = [one for one in operation.get("parameters", []) if one["in"] == "query"]
    yield ""
    for one in asked:
        for value in _values(one["schema"]):
            yield f"?{one['name']}={value}"
    if asked:
        yield "?" + "&".join(f"{one['name']}={_values(one['schema'])[-1]}" for one in asked)


def test_no_route_is_too_much_for_postgresql(tmp_path: Path) -> None:
    with role_databases() as databases:
        asked, good = asyncio.run(_every_route(tmp_path, databases))
    assert not list(tmp_path.glob("*.db"))  # everything is on the server
    assert asked > 300
    assert len(good) > 40


async def _every_route(data: Path, databases: RoleDatabases) -> tuple[int, set[tuple[str, str]]]:
    """How many questions there were, and which methods of which paths have answered well."""
    await databases.create()
    databases.equip(data)
    asked, good = 0, set()
    async with rest_world(data, database=databases.settings(), gateway=True, **ENDLESS) as world:
        for tenant in (TENANT, ""):
            token = await world.token(KeyRole.ADMIN, tenant)
            for method, path, operation in ROUTES:
                route = re.sub(r"\{(\w+)\}", lambda name: NAMED.get(name[1], "x"), path.removeprefix(PREFIX))
                content = operation.get("requestBody", {}).get("content", {})
                body = content.get("application/json", {}).get("example")
                for query in _questions(operation):
                    answer = await world.ask(method.upper(), route + query, token, body)
                    asked += 1
                    assert answer.status not in (429, *range(500, 600)), (method, route + query, answer.body)
                    if answer.status < 300:
                        good.add((method, path))
    return asked, good
