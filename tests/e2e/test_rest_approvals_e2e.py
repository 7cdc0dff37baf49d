"""What a second person approves: raw scripts on a real card, roles, deletion of stock; by another person, once."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from sqlalchemy import select

from e2e.bench import Bench, bench
from ferryman.contracts.imports import ListImports
from ferryman.contracts.rest import KeyRole
from ferryman.contracts.roles import REST_API
from ferryman.crypto_server.schema import subscription_secret
from ferryman.errors import Unavailable
from ferryman.rest_api.principal import ACCOUNT, KEY
from ferryman.rest_api.settings import RESTSettings
from ferryman.sm_sr.records import SRSettings
from rest_world import OTHER, Answer, Person, RestWorld
from rig import OWNER
from virtual_loop import virtual

REST = RESTSettings(listen=False, approval_hours=1.0)
GET_STATUS = bytes.fromhex("220880F24002024F0000")  # of all ISD-Ps
RAW = {"data": base64.b64encode(GET_STATUS).decode(), "reason": "to see what is on it"}


class Scene:
    """A card, an asker by key and by account, and people who may approve."""

    def __init__(self, b: Bench) -> None:
        self.b = b
        self.world = RestWorld(b.platform.installation)
        self.number = 0

    async def ask(self, who: Person, method: str, path: str, body: Any = None) -> Answer:
        self.number += 1
        heads = {**who.heads, "idempotency-key": f"k{self.number}"}
        return await self.world.ask(method, path, body=body, headers=heads)

    async def raw(self, who: Person) -> str:
        answer = await self.ask(who, "POST", f"/euiccs/{self.b.eid}/raw-scripts", RAW)
        assert answer.status == 202, answer.body
        assert answer.json["state"] == "waiting"
        return str(answer.json["approval_id"])

    async def entries(self, who: Person) -> list[Any]:
        listed = await self.ask(who, "GET", f"/euiccs/{self.b.eid}/queue")
        return [one for one in listed.json["items"] if one["function"] == "raw"]

    async def audited(self, outcome: str) -> list[str]:
        (mailbox,) = (m for m in self.b.platform.installation.mailboxes if m.role == REST_API)
        table = mailbox.tables.audit
        found = select(table.c.action, table.c.actor).where(table.c.outcome == outcome)
        return await mailbox.store.read(lambda c: [f"{row.action} by {row.actor}" for row in c.execute(found)])


SR = SRSettings(raw_script_requesters=(OWNER,))


@virtual
async def test_a_raw_script_takes_two_people_and_runs_once() -> None:
    async with bench("sms", rest=REST, sr=SR) as b:
        scene = Scene(b)
        one, two = (
            await scene.world.person(KeyRole.ADMIN, OWNER),
            await scene.world.person(KeyRole.OPERATOR, OWNER),
        )
        name = await scene.raw(one)
        for _ in range(2):
            assert await scene.entries(one) == []
            same = await scene.ask(one, "POST", f"/approvals/{name}/approve")
            assert same.status == 403
            assert "another person" in same.json["detail"]
        done = await scene.ask(two, "POST", f"/approvals/{name}/approve")
        assert (done.status, done.json["state"]) == (200, "done"), done.body
        (entry,) = await scene.entries(one)
        assert done.json["result"]["entry"] == entry["entry"]
        for who in (one, two):
            assert (await scene.ask(who, "POST", f"/approvals/{name}/approve")).status in (403, 409)
            assert (await scene.ask(who, "POST", f"/approvals/{name}/reject")).status in (403, 409)
        for number in range(600):
            (entry,) = await scene.entries(one)
            if entry["state"] in ("answered", "failed"):
                break
            await b.sleep(1.0 if number else 0.1)
        assert entry["state"] == "answered", entry
        asker, decider = f"{ACCOUNT}/{one.user_id}", f"{ACCOUNT}/{two.user_id}"
        assert await scene.audited("waiting") == [f"ask raw-script by {asker}"]
        assert await scene.audited("approved") == [f"decide raw-script by {decider}"]
        assert [one for one in await scene.audited("done") if "raw-script" in one] == [f"raw-script by {decider}"]


@virtual
async def test_who_cannot_approve() -> None:
    async with bench("sms", rest=REST, sr=SR) as b:
        scene = Scene(b)
        world = scene.world
        one, two = await world.person(KeyRole.ADMIN, OWNER), await world.person(KeyRole.ADMIN, OWNER)
        name = await scene.raw(one)
        hand = f"{ACCOUNT}/{one.user_id}"
        own_second = await world.person(KeyRole.ADMIN, OWNER, maker=hand)  # made by who asked
        auditor = await world.person(KeyRole.AUDITOR, OWNER)
        custodian = await world.person(KeyRole.KEY_CUSTODIAN, OWNER)  # may decide, but sends no raw scripts
        for who in (one, own_second, auditor, custodian):
            answer = await scene.ask(who, "POST", f"/approvals/{name}/approve")
            assert answer.status == 403, answer.body
        key = await world.token(KeyRole.ADMIN, OWNER)
        answer = await world.ask("POST", f"/approvals/{name}/approve", key)
        assert answer.status == 403
        assert "not an API key" in answer.json["detail"]
        stranger = await world.person(KeyRole.ADMIN, OTHER)
        staff = await world.person(KeyRole.ADMIN, "")
        for who in (stranger, staff):
            foreign = await scene.ask(who, "POST", f"/approvals/{name}/approve")
            absent = await scene.ask(who, "POST", f"/approvals/{'0' * 16}/approve")
            assert (foreign.status, foreign.body) == (404, absent.body.replace(b"0" * 16, name.encode()))
            assert (await scene.ask(who, "GET", f"/approvals/{name}")).status == 404
        # Who asks by a key of his own making is the one who made it.
        made = await scene.ask(one, "POST", "/api-keys", {"name": "k", "role": "admin"})
        by_key = await world.ask(
            "POST", f"/euiccs/{b.eid}/raw-scripts", made.json["token"], RAW, headers={"idempotency-key": "x"}
        )
        assert by_key.json["asked_by"].startswith(KEY)
        name = by_key.json["approval_id"]
        assert (await scene.ask(one, "POST", f"/approvals/{name}/approve")).status == 403
        # An admin who makes accounts for two others is no crowd.
        second = await scene.ask(one, "POST", "/users", {"name": "bob", "role": "admin"})
        assert second.status == 201
        assert (await scene.ask(two, "POST", f"/approvals/{name}/reject")).json["state"] == "rejected"
        assert (await scene.ask(two, "POST", f"/approvals/{name}/approve")).status == 409
        assert await scene.entries(one) == []


@virtual
async def test_an_approval_comes_in_time_or_not_at_all() -> None:
    async with bench("sms", rest=REST, sr=SR) as b:
        scene = Scene(b)
        one, two = await scene.world.person(KeyRole.ADMIN, OWNER), await scene.world.person(KeyRole.ADMIN, OWNER)
        name = await scene.raw(one)
        await b.sleep(1700)
        assert (await scene.ask(two, "GET", f"/approvals/{name}")).json["state"] == "waiting"
        await b.sleep(1700)
        assert (await scene.ask(two, "GET", f"/approvals/{name}")).json["state"] == "waiting"
        await b.sleep(201)
        answer = await scene.ask(two, "POST", f"/approvals/{name}/approve")
        assert answer.status == 409
        assert "expired" in answer.json["detail"]
        listed = await scene.ask(two, "GET", "/approvals?state=expired")
        assert [item["approval_id"] for item in listed.json["items"]] == [name]
        assert await scene.entries(two) == []


@virtual
async def test_a_deed_outlives_a_crash_and_a_role_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Approved, the SM-SR away, and again after the start: one entry."""
    async with bench("sms", rest=REST, sr=SR) as b:
        scene = Scene(b)
        one, two = await scene.world.person(KeyRole.ADMIN, OWNER), await scene.world.person(KeyRole.ADMIN, OWNER)
        name = await scene.raw(one)
        asking = scene.world.rest.services.ask
        original = asking._calls.call
        lost = 0

        async def call(dest: str, caller: str, raw: bytes) -> bytes:
            nonlocal lost
            answer = await original(dest, caller, raw)
            if b'"QueueAdd"' in raw:
                lost += 1
                raise Unavailable("sm-sr")  # it was done; the answer is lost
            return answer

        monkeypatch.setattr(asking._calls, "call", call)
        answer = await scene.ask(two, "POST", f"/approvals/{name}/approve")
        assert (answer.status, answer.json["state"]) == (200, "approved")
        await b.sleep(6.0)
        assert lost == 2
        monkeypatch.undo()
        await b.restart()
        scene = Scene(b)
        for _ in range(20):
            await b.sleep(0.5)
            shown = await scene.ask(one, "GET", f"/approvals/{name}")
            if shown.json["state"] == "done":
                break
        assert shown.json["state"] == "done"
        (entry,) = await scene.entries(one)
        assert shown.json["result"]["entry"] == entry["entry"]


@virtual
async def test_roles_and_stock() -> None:
    async with bench("sms", rest=REST, subscribers=12) as b:
        scene = Scene(b)
        world = scene.world
        one, two = await world.person(KeyRole.ADMIN, OWNER), await world.person(KeyRole.ADMIN, OWNER)
        bob = await world.person(KeyRole.AUDITOR, OWNER, name="bob")
        asked = await scene.ask(one, "POST", f"/users/{bob.user_id}/role", {"role": "operator"})
        assert (asked.status, asked.json["sentence"]) == (202, "bob is to be operator, was auditor")
        assert (await scene.ask(bob, "GET", "/session")).json["role"] == "auditor"
        approve = f"/approvals/{asked.json['approval_id']}/approve"
        assert (await scene.ask(one, "POST", approve)).status == 403
        assert (await scene.ask(two, "POST", approve)).json["state"] == "done"
        assert (await scene.ask(bob, "GET", "/session")).json["role"] == "operator"

        page = await b.operator.sm_dp(ListImports(owner=OWNER))
        (batch,) = page.imports  # type: ignore[attr-defined]
        order = await scene.ask(one, "POST", "/orders", {"eid": b.eid, "profile_type": "demo", "enable": False})
        before = (await scene.ask(one, "GET", "/profile-types")).json["items"][0]["free"]
        assert before == 11
        custodian = await world.person(KeyRole.KEY_CUSTODIAN, OWNER)
        head = one.heads | {"idempotency-key": "deletion"}
        asked, again = [await world.ask("DELETE", f"/imports/{batch.import_id}", headers=head) for _ in range(2)]
        assert asked.status == 202, asked.body
        assert again.json["approval_id"] == asked.json["approval_id"], "a repeat asks for nothing more"
        done = await scene.ask(custodian, "POST", f"/approvals/{asked.json['approval_id']}/approve")
        assert done.json["result"] == {"type": "StockDeleted", "deleted": 11, "left": 0}, done.body
        assert (await scene.ask(one, "GET", "/profile-types")).json["items"][0]["free"] == 0
        crypto = b.store("crypto-server")
        left = await crypto.read(lambda c: [row.iccid for row in c.execute(select(subscription_secret.c.iccid))])
        assert left == [order.json["iccid"]]  # what was ordered keeps its keys
        assert (await scene.ask(one, "GET", f"/orders/{order.json['order_id']}")).json["state"] in (
            "running",
            "done",
        )
        none = await scene.ask(one, "POST", "/orders", {"eid": b.eid, "profile_type": "demo"})
        assert none.status == 404
