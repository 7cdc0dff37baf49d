"""Many eUICCs over REST: a campaign that is counted, paused and ends; a batch of orders from rows to its end."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from e2e.bench import Bench, bench, pause
from e2e.test_connectivity_e2e import LATER, isdp
from ferryman.contracts.eis import PolicyRule
from ferryman.contracts.rest import KeyRole
from ferryman.contracts.roles import SM_SR
from ferryman.rest_api.routes import batches
from ferryman.rest_api.settings import RESTSettings
from ferryman.sm_sr import schema
from rest_world import OTHER, Answer, RestWorld
from rig import OWNER
from virtual_loop import virtual

REST = RESTSettings(listen=False, rate_per_address=0, rate_per_key=0)


class Asking:
    """One key, a new Idempotency-Key for each request."""

    def __init__(self, world: RestWorld, token: str) -> None:
        self.world, self.token, self.count = world, token, 0

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        self.count += 1
        given = {"idempotency-key": str(self.count), **headers}
        return await self.world.ask(method, path, self.token, body, headers=given)

    async def until(self, path: str, *states: str) -> Any:
        for number in range(2000):
            found = (await self("GET", path)).json
            if found["state"] in states:
                return found
            await asyncio.sleep(pause(number))
        raise AssertionError(found)


async def asking(b: Bench, tenant: str = OWNER, role: KeyRole = KeyRole.ADMIN) -> Asking:
    world = RestWorld(b.platform.installation)
    return Asking(world, await world.token(role, tenant))


@virtual
async def test_a_batch_of_orders_and_a_campaign() -> None:
    async with bench("sms", count=3, subscribers=6, rest=REST) as b:
        own, other = await asking(b), await asking(b, OTHER)
        # -- a batch: terms, rows (a repeat changes nothing), start
        terms = {"name": "meters", "profile_type": "demo", "enable": False, "in_flight": 2}
        assert (await own("POST", "/batches", terms)).status == 201
        assert (await own("POST", "/batches", terms)).json["rows"] == 0  # the same one
        assert (await own("POST", "/batches", {**terms, "enable": True})).status == 409
        rows = {"first": 0, "rows": [{"eid": eid} for eid in b.eids]}
        for _ in range(2):
            assert (await own("POST", "/batches/meters/rows", rows)).json["rows"] == 3
        assert (await own("POST", "/batches/meters/rows", {**rows, "first": 4})).status == 409
        assert (await other("POST", "/batches/meters/rows", rows)).status == 404
        bad = {"first": 3, "rows": [{"eid": b.eid[:-1] + str((int(b.eid[-1]) + 1) % 10)}]}
        refused = await own("POST", "/batches/meters/rows", bad)
        assert (refused.status, "check digits" in refused.json["detail"]) == (400, True)
        seen = (await own("GET", "/batches/meters")).headers["etag"]
        started = await own("POST", "/batches/meters/changes", {"action": "start"}, **{"if-match": seen})
        assert (started.status, started.json["state"]) == (200, "running")
        late = await own("POST", "/batches/meters/changes", {"action": "pause"}, **{"if-match": seen})
        assert late.status == 412
        done = await own.until("/batches/meters", "done")
        assert (done["done"], done["failed"], done["refused"]) == (3, 0, 0)
        first = (await own("GET", "/batches/meters/rows?limit=2")).json
        rest = (await own("GET", f"/batches/meters/rows?limit=2&after={first['next']}")).json
        orders = [row["order_id"] for row in (*first["items"], *rest["items"])]
        assert len(set(orders)) == 3
        order = (await own("GET", f"/orders/{orders[0]}")).json
        assert order["status"]["status"] == "EXECUTED_SUCCESS"
        # -- a campaign: counted, paused before it begins, resumed, ended
        enable = {"function": "enable", "profile_type": "demo"}
        assert (await own("POST", "/campaigns/count", enable)).json == {"euiccs": 3}
        assert (await own("POST", "/campaigns/count", {"function": "enable"})).status == 400
        await _give_away(b, b.eids[2])
        assert (await own("POST", "/campaigns/count", enable)).json == {"euiccs": 2}
        assert (await other("POST", "/campaigns/count", {"function": "audit"})).json == {"euiccs": 1}
        held = await own("POST", "/campaigns", {"name": "spring", "hold": True, **enable})
        assert held.status == 201, held.body
        other_content = await own("POST", "/campaigns", {"name": "spring", **enable})
        assert (other_content.status, other_content.json["identifier"]) == (400, "spring")
        assert (await other("GET", "/campaigns/spring")).status == 404
        (counted,) = [one async for one in _counted(own, "/campaigns/spring", "held", 2)]
        assert set(counted) == {
            *("campaign", "function", "state", "adding", "progress", "counts", "reason", "created", "updated")
        }  # nothing that tells how many eUICCs others have
        paused = await own("POST", "/campaigns/spring/changes", {"action": "pause"})
        assert (paused.status, paused.json["state"]) == (200, "paused")
        assert (await own("POST", "/campaigns/spring/changes", {"action": "cancel"})).json["state"] == "cancelled"
        assert (await own("POST", "/campaigns/spring/changes", {"action": "resume"})).status == 409
        assert (await own("POST", "/campaigns", {"name": "may", "function": "audit"})).status == 201
        (ended,) = [one async for one in _counted(own, "/campaigns/may", "answered", 2)]
        assert (ended["state"], ended["progress"]) == ("done", 1.0)
        assert [one["campaign"] for one in (await own("GET", "/campaigns?limit=1")).json["items"]] == ["may"]


@virtual
async def test_a_batch_from_a_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are looked for page after page; a repeat, another tenant and cards of others add nothing."""
    monkeypatch.setattr(batches, "FILL", 2)
    monkeypatch.setattr(batches, "PAGES", 1)
    async with bench("sms", count=5, subscribers=12, rest=REST) as b:
        own, other = await asking(b), await asking(b, OTHER)
        staff = await asking(b, "")
        first = {"name": "first", "profile_type": "demo", "enable": False, "in_flight": 5}
        assert (await own("POST", "/batches", first)).status == 201
        rows = {"first": 0, "rows": [{"eid": eid} for eid in b.eids]}
        assert (await own("POST", "/batches/first/rows", rows)).json["rows"] == 5
        assert (await own("POST", "/batches/first/fill", {})).status == 409  # it has no filter
        assert (await own("POST", "/batches/first/changes", {"action": "start"})).status == 200
        await own.until("/batches/first", "done")
        await _give_away(b, b.eids[3])
        for eid in (*b.eids[:2], b.eids[3]):
            assert (await staff("PUT", f"/fleet/{eid}/tags", {"tags": ["pilot"]})).status == 200
        tagged = await own("GET", "/euiccs?by=tag&value=pilot")
        assert [one["eid"] for one in tagged.json["items"]] == sorted(b.eids[:2])

        async def filled(name: str, asking: Asking = own) -> list[str]:
            after, turns = "", 0
            while True:
                step = (await asking("POST", f"/batches/{name}/fill", {"after": after})).json
                after, turns = step["next"], turns + 1
                if not after:
                    break
            assert turns > 1
            again = (await asking("POST", f"/batches/{name}/fill", {})).json
            assert (again["added"], again["batch"]["rows"]) == (0, step["batch"]["rows"])
            return [row["eid"] for row in (await asking("GET", f"/batches/{name}/rows")).json["items"]]

        terms = {"profile_type": "demo", "enable": False}
        eum = b.world.batch["eum"]["oid"]
        for name, where, expected in (
            ("all", {}, [eid for eid in b.eids if eid != b.eids[3]]),
            ("pilots", {"tag": "pilot"}, b.eids[:2]),
            ("maker", {"eum_id": eum}, [eid for eid in b.eids if eid != b.eids[3]]),
            ("nobody", {"eum_id": "1.2.3"}, []),
            ("others", {"tag": "pilot", "platform_type": "no such"}, []),
        ):
            made = await own("POST", "/batches", {"name": name, "where": where, **terms})
            assert made.status == 201, made.body
            assert await filled(name) == sorted(expected), name
        assert (await own("POST", "/batches/all/rows", rows)).status == 409  # its rows are the filter's
        assert (await other("POST", "/batches/all/fill", {})).status == 404
        changed = {"name": "all", "where": {"tag": "pilot"}, **terms}
        assert (await own("POST", "/batches", changed)).status == 409
        assert (await own("POST", "/batches/pilots/changes", {"action": "start"})).status == 200
        ended = await own.until("/batches/pilots", "done")
        assert (ended["done"], ended["failed"]) == (2, 0)


@virtual
async def test_what_failed_in_a_campaign() -> None:
    async with bench("sms", count=3, subscribers=6, rest=REST) as b:
        own, other = await asking(b), await asking(b, OTHER)
        terms = {"name": "meters", "profile_type": "demo", "enable": False}
        await own("POST", "/batches", terms)
        await own("POST", "/batches/meters/rows", {"first": 0, "rows": [{"eid": eid} for eid in b.eids]})
        await own("POST", "/batches/meters/changes", {"action": "start"})
        await own.until("/batches/meters", "done")
        bad = {"name": "off", "function": "disable", "profile_type": "demo"}  # they are Disabled
        assert (await own("POST", "/campaigns", bad)).status == 201
        (ended,) = [one async for one in _counted(own, "/campaigns/off", "failed", 3)]
        assert ended["state"] == "done"
        path = "/campaigns/off/entries?state=failed&limit=2"
        first = (await own("GET", path)).json
        rest = (await own("GET", f"{path}&after={first['next']}")).json
        entries = [*first["items"], *rest["items"]]
        assert ([one["eid"] for one in entries], rest["next"]) == (sorted(b.eids), "")
        assert {(one["state"], one["campaign"]) for one in entries} == {("failed", "off")}
        assert all(one["reason"] for one in entries)
        assert (await own("GET", "/campaigns/off/entries?state=answered")).json["items"] == []
        assert len((await own("GET", "/campaigns/off/entries")).json["items"]) == 3
        assert (await own("GET", "/campaigns/off/entries?state=lost")).status == 400
        assert (await other("GET", "/campaigns/off/entries")).status == 404


@virtual
async def test_the_trails_lead_from_what_was_done_to_who_asked_for_it() -> None:
    """SM-SR and SM-DP know the tenant; by the name that they write down the REST API's trail tells which key."""
    async with bench("sms", subscribers=4, rest=REST) as b:
        own, second, staff = await asking(b), await asking(b), await asking(b, "")
        second.count = 10_000  # Idempotency-Keys are the tenant's
        actor_of = {one: f"key/{one.token.split('_')[1]}" for one in (own, second, staff)}
        both = {"idempotency-key": "same-for-both"}
        made = [await own("POST", "/orders", {"eid": b.eid, "profile_type": "demo", "enable": False}, **both)]
        made.append(await own("POST", "/orders", {"eid": b.eid, "profile_type": "demo", "enable": False}, **both))
        order = await own.until(f"/orders/{made[0].json['order_id']}", "done")
        card = f"/euiccs/{b.eid}"
        operation = (await second("POST", f"{card}/operations", {"function": "audit"})).json["call_id"]
        await second.until(f"/operations/{operation}", "done")
        entry = (await second("POST", f"{card}/queue", {"function": "audit", "hold": True})).json["entry"]
        await own("POST", f"{card}/queue/{entry}/changes", {"action": "cancel"})
        await own("POST", "/campaigns", {"name": "spring", "function": "audit", "hold": True})
        await staff("PUT", f"/fleet/{b.eid}/tags", {"tags": ["pilot"]})
        await own("POST", f"{card}/operations", {"function": "enable", "iccid": "8988211000000000999"})  # refused

        async def trail(source: str, who: Asking = own) -> list[dict[str, str]]:
            return (await who("GET", f"/audit?source={source}&limit=200")).json["items"]

        def of(lines: list[dict[str, str]], name: str) -> list[tuple[str, str, str]]:
            return [(line["actor"], line["action"], line["eid"]) for line in lines if line["object"] == name]

        ours = await trail("rest-api")
        # An order, a change of an entry, a campaign: by their own names; an operation by that of its call.
        assert of(ours, order["order_id"]) == [(actor_of[own], "create_order", b.eid)], "once, though asked twice"
        assert of(ours, operation) == [(actor_of[second], "start_operation", b.eid)]
        assert of(ours, entry) == [(actor_of[own], "change_entry", b.eid)]
        assert of(ours, "spring") == [(actor_of[own], "create_campaign", "")]
        # An entry of a queue has a name of the SM-SR's making: its trail says which call it was.
        added = next(
            line for line in await trail("sm-sr") if line["object"] == entry and line["outcome"] == "added"
        )
        assert added["actor"] == OWNER
        call = added["detail"].removeprefix("call ")
        assert of(ours, call) == [(actor_of[second], "add_to_queue", b.eid)]
        refused = [line for line in ours if line["action"] == "start_operation" and line["object"] != operation]
        assert [line["actor"] for line in refused] == [actor_of[own]], "what is refused was asked for, too"
        assert actor_of[staff] not in {line["actor"] for line in ours}
        told = [line for line in await trail("rest-api", staff) if line["action"] == "set_tags"]
        assert [(line["actor"], line["eid"]) for line in told] == [(actor_of[staff], b.eid)]
        assert all(not line["action"].startswith(("list", "show")) for line in ours)


@virtual
async def test_rules_address_and_fallback() -> None:
    """POL2, the subscription's address and the fallback attribute change over REST, and the dry run said so."""
    async with bench("sms", rest=REST) as b:
        own = await asking(b)
        made = await own("POST", "/orders", {"eid": b.eid, "profile_type": "demo", "enable": False})
        iccid = (await own.until(f"/orders/{made.json['order_id']}", "done"))["iccid"]
        rules = [msgspec.to_builtins(PolicyRule("DELETE", "Not-Allowed"))]

        async def run(function: str, **more: Any) -> Any:
            path = f"/euiccs/{b.eid}/operations"
            started = await own("POST", path, {"function": function, "iccid": iccid, **more})
            assert started.status == 202, started.body
            return (await own.until(f"/operations/{started.json['call_id']}", "done"))["status"]

        said = await own(
            "POST", f"/euiccs/{b.eid}/dry-runs", {"function": "UpdatePolicyRules", "iccid": iccid, "pol2": rules}
        )
        assert said.json["status"]["status"] == "EXECUTED_SUCCESS"
        assert (await run("update-policy-rules", pol2=rules))["status"] == "EXECUTED_SUCCESS"
        assert (await run("update-subscription-address", msisdn="4915112345678"))["status"] == "EXECUTED_SUCCESS"
        (changed,) = [
            one for one in (await own("GET", f"/euiccs/{b.eid}")).json["profiles"] if one["iccid"] == iccid
        ]
        assert (changed["pol2"], changed["msisdn"]) == (rules, "4915112345678")
        forbidden = [msgspec.to_builtins(PolicyRule("FLY", "Not-Allowed"))]
        assert (await run("update-policy-rules", pol2=forbidden))["status"] == "FAILED"
        assert (await run("set-fallback"))["status"] == "EXECUTED_SUCCESS"
        (marked,) = [one for one in (await own("GET", f"/euiccs/{b.eid}")).json["profiles"] if one["fallback"]]
        assert marked["iccid"] == iccid


@virtual
async def test_functions_of_es2_and_connectivity_parameters() -> None:
    """By way of the SM-DP: the EIS, and parameters that the card then has; a call is the tenant's own."""
    async with bench("sms", rest=REST) as b:
        own, other = await asking(b), await asking(b, OTHER)
        made = await own("POST", "/orders", {"eid": b.eid, "profile_type": "demo", "enable": False})
        iccid = (await own.until(f"/orders/{made.json['order_id']}", "done"))["iccid"]
        new = {"function": "update-connectivity", "eid": b.eid, "iccid": iccid}
        by_name = {"smsc": "+16540942001", "apn": "m2m.example", "login": "meter", "password": "secret"}
        started = await own("POST", "/es2-calls", {**new, **by_name})
        assert started.status == 202, started.body
        path = f"/es2-calls/{started.json['call_id']}"
        assert (await own.until(path, "done"))["status"]["status"] == "EXECUTED_SUCCESS"
        assert isdp(b, iccid).connectivity == LATER
        assert (await other("GET", path)).status == 404
        seen = await own("POST", "/es2-calls", {"function": "get-eis", "eid": b.eid})
        told = await own.until(f"/es2-calls/{seen.json['call_id']}", "done")
        assert iccid in [one["iccid"] for one in told["eis"]["profiles"]]
        for wrong in ({}, {"login": "x"}, {"parameters": "AAAA", "apn": "a"}, {**by_name, "apn": "a" * 101}):
            assert (await own("POST", "/es2-calls", {**new, **wrong})).status == 400, wrong
        assert (await own("POST", "/es2-calls", {"function": "enable", "eid": b.eid})).status == 400
        theirs = await other("POST", "/es2-calls", {"function": "disable", "eid": b.eid, "iccid": iccid})
        ended = await other.until(f"/es2-calls/{theirs.json['call_id']}", "done")
        assert ended["status"]["status"] == "FAILED"
        assert ended["eis"] is None


async def _give_away(b: Bench, eid: str) -> None:
    """The profiles of one eUICC are another operator's."""
    (mailbox,) = (m for m in b.platform.installation.mailboxes if m.role == SM_SR)
    given = update(schema.isdp).where(schema.isdp.c.eid == eid).values(owner=OTHER)
    await mailbox.transact(lambda tx: tx.connection.execute(given))


async def _counted(own: Asking, path: str, state: str, count: int) -> Any:
    for number in range(2000):
        found = (await own("GET", path)).json
        if found["counts"][state] == count and not found["adding"]:
            yield found
            return
        await asyncio.sleep(pause(number))
    raise AssertionError(found)
