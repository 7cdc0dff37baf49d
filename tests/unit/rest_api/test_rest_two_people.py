"""Two people are two: whoever could act as who asked does not approve, nor what has changed meanwhile."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from ferryman.contracts.rest import KeyRole
from ferryman.errors import Unavailable
from ferryman.rest_api import approvals
from patience import until_async
from rest_world import COOKIE, CSRF, Person, RestWorld, csrf_of, rest_world

_numbers = itertools.count()
NEW = "a long enough sentence"


async def changed(world: RestWorld, by: Person, user_id: str, action: str) -> str:
    """Disable or recover an account; its one-time password."""
    answer = await world.ask("POST", f"/users/{user_id}/changes", body={"action": action}, headers=by.heads)
    assert answer.status == 200, answer.body
    return str(answer.json["password"])


async def logged_in(world: RestWorld, name: str, password: str) -> Person:
    """Somebody with a password that somebody else knew, who chooses another."""
    secret = await world.rest.services.accounts.login(name, password, "")
    heads = {"cookie": f"{COOKIE}={secret}", CSRF.lower(): csrf_of(secret)}
    change = {"old": password, "new": NEW}
    assert (await world.ask("POST", "/session/password", body=change, headers=heads)).status == 204
    return Person((await world.ask("GET", "/session", headers=heads)).json["id"], heads)


async def made(world: RestWorld, by: Person, name: str) -> Person:
    added = await world.ask("POST", "/users", body={"name": name, "role": "admin"}, headers=by.heads)
    return await logged_in(world, name, added.json["password"])


class Asking:
    """Requests for another role of somebody."""

    def __init__(self, world: RestWorld, target: Person) -> None:
        self.world = world
        self.target = target

    async def role(self, heads: dict[str, str], role: str = "operator") -> str:
        heads = heads | {"idempotency-key": f"k{next(_numbers)}"}
        path = f"/users/{self.target.user_id}/role"
        answer = await self.world.ask("POST", path, body={"role": role}, headers=heads)
        assert answer.status == 202, answer.body
        return f"/approvals/{answer.json['approval_id']}"

    async def approve(self, who: Person, path: str) -> tuple[int, str]:
        """Status, and the state or the sentence."""
        answer = await self.world.ask("POST", f"{path}/approve", headers=who.heads)
        return answer.status, answer.json.get("state") or answer.json["detail"]


async def test_recovering_somebody_makes_no_second_person_of_him(tmp_path: Path) -> None:
    async with rest_world(tmp_path, login_rate=0) as world:
        ada, bob = await world.person(KeyRole.ADMIN, name="ada"), await world.person(KeyRole.ADMIN)
        asking = Asking(world, await world.person(KeyRole.AUDITOR))
        first = await made(world, ada, "made before")
        key = await world.ask("POST", "/api-keys", body={"name": "k", "role": "admin"}, headers=ada.heads)
        own = await asking.role(ada.heads)
        ada = await logged_in(world, "ada", await changed(world, bob, ada.user_id, "recover"))
        second = await made(world, ada, "made behind")
        by_key = await asking.role({"authorization": f"Bearer {key.json['token']}"})
        by_first = await asking.role(first.heads)
        by_ada = await asking.role(ada.heads)
        for who, path in (
            (ada, own),  # the very same account
            (ada, by_key),
            (ada, by_first),
            (second, by_first),  # ada knew the passwords of both
            (second, by_key),
            (bob, by_ada),  # bob knew that of ada
            (bob, await asking.role(second.heads)),
        ):
            status, said = await asking.approve(who, path)
            assert (status, "another person" in said) == (403, True), (path, said)
        assert await asking.approve(bob, own) == (200, "done")  # which was asked before he did


async def test_who_asked_must_be_allowed_to_still(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        ada, bob, eve = [await world.person(KeyRole.ADMIN) for _ in range(3)]
        asking = Asking(world, await world.person(KeyRole.AUDITOR))
        token = await world.token(KeyRole.ADMIN)
        of_key = await asking.role({"authorization": f"Bearer {token}"})
        of_ada, of_eve = await asking.role(ada.heads), await asking.role(eve.heads)
        await world.rest.keys.revoke(token.split("_")[1], "test")
        await changed(world, bob, ada.user_id, "disable")
        demoting = Asking(world, eve)
        assert await asking.approve(bob, of_eve) == (200, "done")
        other = await asking.role(eve.heads, "auditor")
        demotion = await demoting.role(bob.heads)
        fourth = await world.person(KeyRole.ADMIN)
        assert await asking.approve(fourth, demotion) == (200, "done")
        for path in (of_key, of_ada, other):
            status, said = await asking.approve(bob, path)
            assert (status, "may not ask for it any more" in said) == (409, True), said
            assert (await world.ask("POST", f"{path}/reject", headers=bob.heads)).json["state"] == "rejected"


async def test_a_role_that_has_changed_since_is_not_changed(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        ada, bob = await world.person(KeyRole.ADMIN), await world.person(KeyRole.ADMIN)
        asking = Asking(world, await world.person(KeyRole.OPERATOR))
        up, down = await asking.role(ada.heads, "admin"), await asking.role(ada.heads, "auditor")
        assert await asking.approve(bob, down) == (200, "done")
        assert await asking.approve(bob, up) == (200, "failed")
        shown = (await world.ask("GET", up, headers=bob.heads)).json
        assert "is auditor by now, was operator" in shown["problem"]
        user = await world.ask("GET", f"/users/{asking.target.user_id}", headers=bob.heads)
        assert user.json["role"] == "auditor"


async def test_so_many_requests_wait_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody can read to its end is approved unread."""
    monkeypatch.setattr(approvals, "MAX_OPEN", 1)
    async with rest_world(tmp_path) as world:
        ada, bob = await world.person(KeyRole.ADMIN), await world.person(KeyRole.ADMIN)
        asking = Asking(world, await world.person(KeyRole.AUDITOR))
        first = await asking.role(ada.heads)
        path, body = f"/users/{asking.target.user_id}/role", {"role": "operator"}
        full = await world.ask("POST", path, body=body, headers=ada.heads | {"idempotency-key": "one-more"})
        assert (full.status, "wait for approval" in full.json["detail"]) == (409, True)
        assert (await world.ask("POST", f"{first}/reject", headers=bob.heads)).status == 200
        await asking.role(ada.heads)


async def test_a_database_that_is_away_holds_up_what_was_approved_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rest_world(tmp_path) as world:
        ada, bob = await world.person(KeyRole.ADMIN), await world.person(KeyRole.ADMIN)
        asking = Asking(world, await world.person(KeyRole.AUDITOR))
        path = await asking.role(ada.heads)
        monkeypatch.setattr(approvals, "AGAIN", 0.05)
        away = [True, True]

        def here(*_: object) -> None:
            if away:
                away.pop()
                raise Unavailable("database")

        book = world.rest.services.approvals
        monkeypatch.setattr(book, "_here", lambda *given: here() or type(book)._here(book, *given))
        assert await asking.approve(bob, path) == (200, "approved")

        async def done() -> bool:
            return bool((await world.ask("GET", path, headers=bob.heads)).json["state"] == "done")

        await until_async(done)


async def test_a_narrow_key_makes_nobody_who_may_more(tmp_path: Path) -> None:
    """The password of an account is shown to who makes it, or recovers it: a scope would be no limit at all."""
    async with rest_world(tmp_path) as world:
        ada = await world.person(KeyRole.ADMIN)
        narrow = await world.token(KeyRole.ADMIN, scopes=("user:write", "user:read", "euicc:read", "type:read"))
        for role, status in (("admin", 403), ("auditor", 403), ("device-maker", 201)):
            answer = await world.ask("POST", "/users", narrow, {"name": role, "role": role})
            assert answer.status == status, answer.body
        path = f"/users/{ada.user_id}/changes"
        assert (await world.ask("POST", path, narrow, {"action": "recover"})).status == 403
        assert (await world.ask("GET", "/session", headers=ada.heads)).status == 200  # nothing was done
        assert (await world.ask("POST", path, narrow, {"action": "disable"})).status == 200
