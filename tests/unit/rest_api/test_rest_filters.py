"""Filters of operations and batches over REST: each leaves out the others, pages hold, tenants see their own."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from sqlalchemy import Connection, delete, insert, text

from ferryman.contracts import es3, es4, operations
from ferryman.contracts.operations import ListOperations
from ferryman.contracts.rest import KeyRole
from ferryman.contracts.roles import SM_DP, SM_SR
from ferryman.contracts.status import SUCCESS, failed
from ferryman.profile.demo_template import demo_template
from ferryman.sm_dp.schema import order_batch
from ferryman.sm_sr import operation_rows
from ferryman.sm_sr.schema import PLATFORM
from rest_world import OTHER, TENANT, RestWorld, rest_world

ONE, TWO = "89001012012341234012345678901224", "89033023000000000000000000000070"
START = 1_795_000_000.0
DONE = msgspec.json.encode({"status": SUCCESS})
BAD = msgspec.json.encode({"status": failed("8.1", "3.9", "there is no such eUICC")})

type Kept = tuple[str, str, str, float, bytes | None]  # call, function, EID, moment behind START, answer
KEPT: tuple[Kept, ...] = (
    ("a", es4.ES4EnableProfile.__name__, ONE, 1, DONE),
    ("f", es4.ES4DisableProfile.__name__, ONE, 2, BAD),
    ("b", es4.ES4AuditEIS.__name__, TWO, 3, None),
    ("e", es4.ES4EnableProfile.__name__, TWO, 4, BAD),
    ("c", operations.RotateKeyset.__name__, ONE, 5, None),
    ("d", es4.ES4AuditEIS.__name__, ONE, 6, DONE),
    ("z", es3.ES3EnableProfile.__name__, ONE, 7, DONE),  # of an SM-DP: no operation
)


def enter(connection: Connection, kept: tuple[Kept, ...], requester: str) -> None:
    for call_id, function, eid, moment, answer in kept:
        name = f"{function}/{requester}/{call_id}"
        made = {"id": name, "kind": "audit", "eid": eid, "requester": requester, "created": START + moment}
        more = {"status": "done", "exclusive": 0, "version": 1, "caller": b"", "state": b"", "updated": START}
        connection.execute(insert(PLATFORM.procedure).values(**made, **more))
        call = {"requester": requester, "function_call_id": call_id, "function": function, "procedure_id": name}
        connection.execute(insert(PLATFORM.call).values(**call, fingerprint=b"", answer=answer, deadline=START))


def store(world: RestWorld, role: str) -> Any:
    return next(one for one in world.installation.mailboxes if one.role == role).store


async def names(world: RestWorld, token: str, path: str, key: str, limit: int = 50) -> str:
    """Names of all pages, one character each."""
    found, after = "", ""
    while True:
        separator = "&" if "?" in path else "?"
        answer = await world.ask("GET", f"{path}{separator}limit={limit}&after={quote(after)}", token)
        assert answer.status == 200, answer.body
        found += "".join(one[key] for one in answer.json["items"])
        after = answer.json["next"]
        if not after:
            return found


async def test_operations(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        own, other = await world.token(KeyRole.OPERATOR), await world.token(KeyRole.OPERATOR, OTHER)
        staff = await world.token(KeyRole.ADMIN, "")
        for requester, kept in ((TENANT, KEPT), (OTHER, (("o", *KEPT[0][1:]),))):
            await store(world, SM_SR).write(lambda c, r=requester, k=kept: enter(c, k, r))
        for query, wanted in {
            "": "dcebfa",
            f"eid={ONE}": "dcfa",
            f"eid={TWO}&state=running": "b",
            "function=audit": "db",
            "function=enable&failed_only=true": "e",
            "state=running": "cb",
            "state=done": "defa",
            "failed_only=true": "ef",
            "failed_only=true&state=running": "",
            f"since={START + 3}": "dceb",
            f"until={START + 3}": "fa",
            f"since={START + 2}&until={START + 4.5}&eid={ONE}": "f",
        }.items():
            for limit in (1, 2, 50):
                assert await names(world, own, f"/operations?{query}", "call_id", limit) == wanted, (query, limit)
            # A tenant's own, whatever is asked for; and the staff's view of one that it names.
            assert await names(world, other, f"/operations?{query}", "call_id") in ("", "o")
            at = f"/fleet/maintenance?requester={TENANT}&{query}"
            assert await names(world, staff, at, "call_id", 2) == wanted, query
        assert await names(world, other, "/operations", "call_id") == "o"
        assert await names(world, staff, "/fleet/maintenance", "call_id") == ""  # it has begun none
        assert (
            await names(world, staff, f"/fleet/maintenance?requester={TENANT}&function=rotate-keys", "call_id")
            == "c"
        )
        shown = (await world.ask("GET", f"/operations?eid={ONE}&function=disable", own)).json["items"][0]
        assert (shown["eid"], shown["created"], shown["status"]["status"]) == (ONE, START + 2, "FAILED")
        assert shown == (await world.ask("GET", "/operations/f", own)).json
        assert (await world.ask("GET", "/operations/f", other)).status == 404

        # A page goes on where it was, whatever has come and gone meanwhile.
        first = (await world.ask("GET", "/operations?limit=2", own)).json

        def change(c: Connection) -> None:
            c.execute(delete(PLATFORM.call).where(PLATFORM.call.c.function_call_id == "c"))
            enter(c, (("n", es4.ES4AuditEIS.__name__, ONE, 9, DONE),), TENANT)

        await store(world, SM_SR).write(change)
        rest = await world.ask("GET", f"/operations?after={quote(first['next'])}", own)
        assert [one["call_id"] for one in rest.json["items"]] == ["e", "b", "f", "a"]


async def test_few_that_failed_among_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page looks at so many and says where to go on, though none of them may fit."""
    monkeypatch.setattr(operation_rows, "MAX_LOOKED", 3)
    async with rest_world(tmp_path) as world:
        own = await world.token(KeyRole.OPERATOR)
        kept = tuple((chr(97 + n), KEPT[0][1], ONE, n, BAD if n in (0, 7) else DONE) for n in range(10))
        await store(world, SM_SR).write(lambda c: enter(c, kept, TENANT))
        assert await names(world, own, "/operations?failed_only=true", "call_id") == "ha"
        assert await names(world, own, "/operations?failed_only=true", "call_id", 1) == "ha"
        middle = await world.ask("GET", f"/operations?failed_only=true&until={START + 7}", own)
        assert (middle.json["items"], bool(middle.json["next"])) == ([], True)


async def test_batches(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        own, second = await world.token(KeyRole.ADMIN), await world.token(KeyRole.ADMIN)
        other = await world.token(KeyRole.ADMIN, OTHER)
        template = {"name": "demo", "package": base64.b64encode(demo_template()).decode()}
        head = {"idempotency-key": "template"}
        assert (await world.ask("POST", "/templates", own, template, headers=head)).status == 201
        for number, (name, token, more) in enumerate(
            (
                ("a", own, {}),
                ("f", own, {"where": {"tag": "pilot"}}),
                ("b", second, {"profile_type": "demo"}),
                ("e", second, {"profile_type": "demo", "where": {}}),
                ("o", other, {}),
            )
        ):
            head = {"idempotency-key": name}
            made = await world.ask("POST", "/batches", token, {"name": name, **more}, headers=head)
            assert made.status == 201, made.body
            at = order_batch.update().where(order_batch.c.name == name).values(created=START + number)
            await store(world, SM_DP).write(lambda c, at=at: c.execute(at))
        cancelled = await world.ask("POST", "/batches/a/changes", own, {"action": "cancel"})
        assert cancelled.json["state"] == "cancelled"
        keys = [f"key/{token.split('_')[1]}" for token in (own, second)]
        for query, wanted in {
            "": "ebfa",
            "state=filling": "ebf",
            "state=cancelled": "a",
            "kind=filter": "ef",
            "kind=rows": "ba",
            "profile_type=demo": "eb",
            "profile_type=demo&kind=rows": "b",
            f"asked_by={keys[0]}": "fa",
            f"asked_by={keys[1]}&state=filling": "eb",
            f"since={START + 1}": "ebf",
            f"until={START + 1}": "a",
            f"since={START + 1}&until={START + 3}": "bf",
        }.items():
            for limit in (1, 2, 50):
                assert await names(world, own, f"/batches?{query}", "name", limit) == wanted, (query, limit)
            assert await names(world, other, f"/batches?{query}", "name") in ("", "o")
        shown = (await world.ask("GET", "/batches/b", own)).json
        assert (shown["profile_type"], shown["asked_by"]) == ("demo", keys[1])
        again = await world.ask(
            "POST", "/batches", own, {"name": "b", "profile_type": "demo"}, headers={"idempotency-key": "x"}
        )
        assert again.json["asked_by"] == keys[1]  # whose it was first
        unknown = await world.ask("GET", "/batches?after=o", own)  # of somebody else
        assert (unknown.status, unknown.json["detail"]) == (400, "after: no such batch")


NO_FILTERS = {
    "/operations": (
        *("state=nonsense", "eid=12", "function=Enable", "function=rotate-keys", "since=yesterday", "since=nan"),
        *("until=-1", "failed_only=perhaps", "owner=1.2.3", "requester=1.2.3", "after=nonsense", "limit=0"),
        *("until=4&since=5", "after=nan~x", "eid=&eid="),
    ),
    "/batches": (
        *("state=nonsense", "kind=file", "since=yesterday", "since=inf", "until=4&since=5", "eid=12"),
        *("asked_by=" + 41 * "x", "profile_type=" + 101 * "x", "after=nonsense", "owner=1.2.3"),
    ),
}


async def test_what_is_no_filter_is_refused_by_its_name(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        token = await world.token(KeyRole.ADMIN)
        for path, queries in NO_FILTERS.items():
            for query in queries:
                answer = await world.ask("GET", f"{path}?{query}", token)
                assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json"), query
                named = "twice" if query == "eid=&eid=" else query.partition("=")[0]
                assert named in answer.json["detail"], (query, answer.json)


WAYS = (
    (ListOperations(owner=TENANT), "procedure_by_requester (requester=?)"),
    (ListOperations(owner=TENANT, since=1.0), "procedure_by_requester (requester=? AND created>?)"),
    (ListOperations(owner=TENANT, after="5.0~x"), "procedure_by_requester (requester=? AND created<?)"),
    (ListOperations(owner=TENANT, failed_only=True), "procedure_by_requester (requester=?)"),
    (ListOperations(owner=TENANT, eid=ONE), "procedure_by_eid (eid=?)"),
    (ListOperations(owner=TENANT, eid=ONE, state="running"), "procedure_by_eid (eid=?)"),
    (ListOperations(owner=TENANT, state="running"), "call_unanswered (requester=?)"),
)


async def test_what_is_looked_for_has_an_index(tmp_path: Path) -> None:
    def plan(connection: Connection, asked: ListOperations) -> list[str]:
        made = operation_rows.statement(asked).limit(10)
        compiled = made.compile(connection, compile_kwargs={"literal_binds": True})
        return [row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {compiled}"))]

    async with rest_world(tmp_path) as world:
        for asked, index in WAYS:
            found = await store(world, SM_SR).read(lambda c, asked=asked: plan(c, asked))
            assert index in found[0], found
            assert not any(line.startswith("SCAN") for line in found), found
            assert any("TEMP B-TREE FOR ORDER" in line for line in found) == bool(asked.eid or asked.state), found
