"""Raw scripts over `ferryman --server`: one person asks, another logs in and approves, then the card has it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from structlog.testing import capture_logs

from both_ways import run
from e2e.bench import Bench, bench, pause
from ferryman.contracts.rest import AddAccount, KeyRole
from ferryman.rest_api.settings import RESTSettings
from ferryman.sm_sr.records import SRSettings
from rest_world import OTHER, RestWorld
from rig import OWNER
from virtual_loop import virtual

SECONDS = 120.0  # until nobody can approve any more
REST = RESTSettings(port=0, rate_per_key=0, rate_per_address=0, login_rate=0, approval_hours=SECONDS / 3600.0)
SR = SRSettings(raw_script_requesters=(OWNER,))
GET_STATUS = "220880F24002024F0000"  # of all ISD-Ps
NEW = "a password of one's own"


@dataclass
class Shell:
    """Somebody's command line."""

    url: str
    environment: dict[str, str]

    async def __call__(self, *words: str) -> tuple[object, str]:
        with capture_logs():
            return await run(["--server", self.url, *words], self.environment)

    async def made(self, *words: str) -> Any:
        code, said = await self(*words, "--json")
        assert code == 0, said
        return json.loads(said)


async def person(b: Bench, name: str, role: KeyRole, tenant: str = OWNER) -> Shell:
    """Somebody with an account and a password of his own."""
    world = RestWorld(b.platform.installation)
    accounts = world.rest.services.accounts
    added = await accounts.add(AddAccount(name=name, role=role, tenant=tenant), "test")
    await accounts.set_password(added.account.user_id, added.password, NEW, "")
    return Shell(f"http://127.0.0.1:{world.rest.port}", {"FERRYMAN_USER": name, "FERRYMAN_PASSWORD": NEW})


async def ended(shell: Shell, eid: str, entry: str) -> Any:
    for number in range(2000):
        found = await shell.made("queue", "show", eid, entry)
        if found["state"] in ("answered", "failed", "expired"):
            return found
        await asyncio.sleep(pause(number))
    raise AssertionError(found)


@virtual
async def test_two_people_and_a_raw_script() -> None:
    async with bench("sms", rest=REST, sr=SR) as b:
        one, two = await person(b, "ada", KeyRole.ADMIN), await person(b, "bob", KeyRole.OPERATOR)
        stranger, looking = await person(b, "eve", KeyRole.ADMIN, OTHER), await person(b, "kim", KeyRole.AUDITOR)
        token = await RestWorld(b.platform.installation).token(KeyRole.ADMIN, OWNER)
        by_key = Shell(one.url, {"FERRYMAN_API_KEY": token})
        asking = ("queue", "add", b.eid, "--function", "raw", "--script", GET_STATUS, "--reason", "ticket 4711")
        code, said = await one(*asking, "--key", "mine")
        assert (code, "waiting" in said) == (0, True), said
        again = await one.made(*asking, "--key", "mine")  # the same one
        (asked,) = (await two.made("approval", "list", "--state", "waiting"))["approvals"]
        assert (asked["approval_id"], asked["request"]["eid"]) == (again["approval_id"], b.eid)
        name = asked["approval_id"]
        assert name in (await two("approval", "list"))[1]
        assert (await stranger.made("approval", "list"))["approvals"] == []
        for shell, why in (
            (one, "another person"), (by_key, "not an API key"), (looking, "right"), (stranger, "no approval"),
        ):  # fmt: skip
            for step in ("approve", "reject"):
                code, said = await shell("approval", step, name)
                assert (code, why in said) == (1, True), said
        assert (await one.made("queue", "list", b.eid, "--all"))["entries"] == []  # nothing has happened
        done = await two.made("approval", "approve", name)
        assert (done["state"], done["asked_by"] != done["decided_by"]) == ("done", True)
        (entry,) = (await one.made("queue", "list", b.eid, "--all"))["entries"]
        assert entry["function"] == "raw"
        assert (await ended(two, b.eid, entry["entry"]))["state"] == "answered"
        code, said = await one("approval", "show", name)
        assert (code, entry["entry"] in said) == (0, True)
        code, said = await two("approval", "approve", name)  # once
        assert (code, "is done" in said) == (1, True), said
        # -- rejected, and too late
        first, second = await one.made(*asking), await one.made(*asking)
        rejected = await two.made("approval", "reject", first["approval_id"])
        assert rejected["state"] == "rejected"
        await asyncio.sleep(SECONDS + 1.0)
        (late,) = (await two.made("approval", "list", "--state", "expired"))["approvals"]
        assert late["approval_id"] == second["approval_id"]
        for name, state in ((first["approval_id"], "rejected"), (second["approval_id"], "expired")):
            code, said = await two("approval", "approve", name)
            assert (code, f"is {state}" in said) == (1, True), said
        assert len((await one.made("queue", "list", b.eid, "--all"))["entries"]) == 1
        for more in (("--hold",), ("--priority", "1"), ("--not-before", "2026-11-24")):
            code, said = await one(*asking, *more)
            assert (code, said.startswith("--function: ")) == (1, True)
        code, said = await Shell(one.url, {"FERRYMAN_USER": "ada", "FERRYMAN_PASSWORD": "guessed"})(*asking)
        assert (code, "password" in said) == (1, True)
