"""Accounts of people: passwords, lock-out, one-time codes, cookies and CSRF, recovery, who makes what."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import argon2
import pytest
from sqlalchemy import select

from cli_run import ferryman
from ferryman.cli.settings import FILE
from ferryman.contracts.rest import AddAccount, KeyRole
from ferryman.rest_api import totp
from ferryman.rest_api.accounts import FIRST_LOCK, LONGEST_LOCK, MAX_FAILED
from ferryman.rest_api.passwords import NO_HASH
from ferryman.rest_api.schema import account
from ferryman.rest_api.sessions import IDLE, LONGEST
from rest_world import OTHER, TENANT, Answer, RestWorld, rest_world

NEW = "a long enough sentence"


def at(world: RestWorld, seconds: float) -> None:
    """Let time pass."""
    world.installation.clock._offset += seconds  # type: ignore[attr-defined]  # LoopClock


async def log_in(world: RestWorld, name: str, password: str, code: str = "") -> Answer:
    return await world.ask("POST", "/session", body={"name": name, "password": password, "code": code})


def heads_of(answer: Answer) -> dict[str, str]:
    """What a browser and our page send after a login."""
    return {"cookie": answer.headers["set-cookie"].partition(";")[0], "x-csrf-token": answer.json["csrf"]}


async def made(world: RestWorld, name: str = "ada", role: KeyRole = KeyRole.ADMIN, tenant: str = TENANT) -> str:
    """An account with its password chosen."""
    added = await world.rest.services.accounts.add(AddAccount(name=name, role=role, tenant=tenant), "test", "")
    first = await log_in(world, name, added.password)
    assert first.status == 201, first.body
    assert first.json["must_change"]
    heads = heads_of(first)
    refused = await world.ask("GET", "/orders", headers=heads)
    assert refused.status == 403
    assert "change your password" in refused.json["detail"]
    changed = {"old": added.password, "new": NEW}
    assert (await world.ask("POST", "/session/password", body=changed, headers=heads)).status == 204
    assert (await world.ask("GET", "/session", headers=heads)).json["must_change"] is False
    return added.account.user_id


async def test_a_login_and_its_end(tmp_path: Path) -> None:
    async with rest_world(tmp_path, login_rate=0) as world:
        await made(world)
        answer = await log_in(world, "ada", NEW)
        cookie = answer.headers["set-cookie"]
        assert re.fullmatch(
            r"__Host-ferryman=[0-9a-f]{64}; Path=/; Max-Age=\d+; Secure; HttpOnly; SameSite=Strict", cookie
        )
        heads = heads_of(answer)
        shown = await world.ask("GET", "/session", headers=heads)
        assert (shown.json["name"], shown.json["role"], shown.json["tenant"]) == ("ada", "admin", TENANT)
        assert (await world.ask("GET", "/orders", headers=heads)).status == 200
        assert (await world.ask("DELETE", "/session", headers=heads)).status == 204
        assert (await world.ask("GET", "/orders", headers=heads)).status == 401
        late = heads_of(await log_in(world, "ada", NEW))
        at(world, IDLE + 1)
        assert (await world.ask("GET", "/orders", headers=late)).status == 401
        busy = heads_of(await log_in(world, "ada", NEW))
        for _ in range(int(LONGEST / (IDLE - 60))):
            at(world, IDLE - 60)
            assert (await world.ask("GET", "/orders", headers=busy)).status == 200
        at(world, IDLE - 60)
        assert (await world.ask("GET", "/orders", headers=busy)).status == 401
        stored = (tmp_path / "rest-api.db").read_bytes() + (tmp_path / "rest-api.db-wal").read_bytes()
        assert heads["cookie"].partition("=")[2].encode() not in stored
        assert NEW.encode() not in stored


async def test_what_changes_something_by_cookie_needs_the_token_of_its_login(tmp_path: Path) -> None:
    async with rest_world(tmp_path, login_rate=0) as world:
        await made(world)
        await made(world, "eve")
        ada, eve = heads_of(await log_in(world, "ada", NEW)), heads_of(await log_in(world, "eve", NEW))
        body = {"name": "k", "role": "auditor"}
        for token in ({}, {"x-csrf-token": "0" * 64}, {"x-csrf-token": eve["x-csrf-token"]}):
            forged = {"cookie": ada["cookie"], **token}
            answer = await world.ask("POST", "/api-keys", body=body, headers=forged)
            assert answer.status == 403
            assert "X-CSRF-Token" in answer.json["detail"]
        assert (await world.ask("GET", "/api-keys", headers={"cookie": ada["cookie"]})).json["items"] == []
        # A form of another site can send no JSON without being asked about it first.
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            answer = await world.ask("POST", "/session", body={}, headers={"content-type": kind})
            assert answer.status == 415
        assert (await world.ask("POST", "/api-keys", body=body, headers=ada)).status == 201


async def test_wrong_logins_lock_an_account_for_a_while(tmp_path: Path) -> None:
    async with rest_world(tmp_path, login_rate=0) as world:
        await made(world)
        wrong = await log_in(world, "ada", "wrong")
        nobody = await log_in(world, "nobody", "wrong")
        assert (wrong.status, wrong.body) == (nobody.status, nobody.body) == (401, wrong.body)
        for _ in range(MAX_FAILED - 1):
            await log_in(world, "ada", "wrong")
        locked = await log_in(world, "ada", NEW)
        assert (locked.status, locked.body) == (401, wrong.body)
        at(world, FIRST_LOCK + 1)
        assert (await log_in(world, "ada", "wrong")).status == 401
        at(world, FIRST_LOCK + 1)  # the second lock is twice as long
        assert (await log_in(world, "ada", NEW)).status == 401
        at(world, FIRST_LOCK)
        assert (await log_in(world, "ada", NEW)).status == 201
        for _ in range(MAX_FAILED + 20):
            await log_in(world, "ada", "wrong")
            at(world, LONGEST_LOCK)
        at(world, 1)
        assert (await log_in(world, "ada", NEW)).status == 201  # nobody is locked out for good


async def test_logins_of_one_address_are_slow(tmp_path: Path) -> None:
    async with rest_world(tmp_path, login_rate=0.5, login_burst=2) as world:
        found = [await log_in(world, "ada", "wrong") for _ in range(3)]
        assert [one.status for one in found] == [401, 401, 429]
        assert int(found[2].headers["retry-after"]) >= 1


async def test_a_code_is_good_once(tmp_path: Path) -> None:
    async with rest_world(tmp_path, login_rate=0) as world:
        await made(world)
        heads = heads_of(await log_in(world, "ada", NEW))
        no = await world.ask("POST", "/session/totp", body={"password": "wrong"}, headers=heads)
        assert no.status == 403
        secret = await world.ask("POST", "/session/totp", body={"password": NEW}, headers=heads)
        assert secret.status == 201
        assert secret.json["uri"].startswith("otpauth://totp/Ferryman%3Aada?secret=")
        key = key_of(secret.json["secret"])
        assert (await log_in(world, "ada", NEW)).status == 201  # nothing holds before a first code was right
        wrong = await world.ask("POST", "/session/totp/confirm", body={"code": "000000"}, headers=heads)
        assert wrong.status == 403
        first = code(world, key)
        assert (
            await world.ask("POST", "/session/totp/confirm", body={"code": first}, headers=heads)
        ).status == 204
        assert (await log_in(world, "ada", NEW, first)).status == 401
        assert (await log_in(world, "ada", NEW)).status == 401
        at(world, totp.PERIOD)
        second = code(world, key)
        assert (await log_in(world, "ada", NEW, second)).status == 201
        assert (await log_in(world, "ada", NEW, second)).status == 401  # replayed
        assert (await log_in(world, "ada", NEW, first)).status == 401  # an older one
        at(world, 5 * totp.PERIOD)
        assert (await log_in(world, "ada", NEW, second)).status == 401  # long over
        assert (await log_in(world, "ada", NEW, code(world, key))).status == 201
        assert key not in (tmp_path / "rest-api.db").read_bytes()
        at(world, totp.PERIOD)
        heads = heads_of(await log_in(world, "ada", NEW, code(world, key)))
        at(world, totp.PERIOD)
        gone = {"password": NEW, "code": code(world, key)}
        for _ in range(MAX_FAILED):  # who has password and cookie does not try all the codes there are
            bad = gone | {"code": "000000"}
            assert (await world.ask("POST", "/session/totp/remove", body=bad, headers=heads)).status == 403
        assert (await world.ask("POST", "/session/totp/remove", body=gone, headers=heads)).status == 403
        at(world, FIRST_LOCK)
        gone["code"] = code(world, key)
        assert (await world.ask("POST", "/session/totp/remove", body=gone, headers=heads)).status == 204
        assert (await log_in(world, "ada", NEW)).status == 201


def key_of(text: str) -> bytes:
    import base64

    return base64.b32decode(text + "=" * (-len(text) % 8))


def code(world: RestWorld, key: bytes) -> str:
    return totp.code_of(key, int(world.installation.clock.now() // totp.PERIOD))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(59, "94287082"), (1_111_111_109, "07081804"), (1_111_111_111, "14050471"), (1_234_567_890, "89005924"),
     (2_000_000_000, "69279037"), (20_000_000_000, "65353130")],
)  # fmt: skip
def test_codes_are_those_of_rfc_6238(seconds: int, expected: str) -> None:
    assert totp.code_of(b"12345678901234567890", seconds // 30) == expected[-totp.DIGITS :]


async def test_a_password_is_changed_by_who_knows_it(tmp_path: Path) -> None:
    async with rest_world(tmp_path, login_rate=0) as world:
        await made(world)
        one, two = heads_of(await log_in(world, "ada", NEW)), heads_of(await log_in(world, "ada", NEW))

        async def change(old: str, new: str) -> Answer:
            return await world.ask("POST", "/session/password", body={"old": old, "new": new}, headers=one)

        assert (await change("wrong", NEW + "!")).status == 403
        for bad in ("short", "a" * 20, "my name is ada lovelace", NEW, "x" * 129):
            answer = await change(NEW, bad)
            assert answer.status == 400, bad
            assert bad.encode() not in answer.body
        assert (await change(NEW, "another long sentence")).status == 204
        assert (await world.ask("GET", "/orders", headers=two)).status == 401  # the other login ended
        assert (await world.ask("GET", "/orders", headers=one)).status == 200
        assert (await log_in(world, "ada", NEW)).status == 401
        assert (await log_in(world, "ada", "another long sentence")).status == 201
        key = await world.token(KeyRole.ADMIN)
        answer = await world.ask("POST", "/session/password", key, {"old": NEW, "new": NEW + "."})
        assert answer.status == 403


async def test_an_admin_makes_recovers_and_disables_accounts_of_his_tenant(tmp_path: Path) -> None:
    async with rest_world(tmp_path, login_rate=0) as world:
        admin = (await world.person(KeyRole.ADMIN)).heads
        foreign = await made(world, "eve", tenant=OTHER)
        added = await world.ask("POST", "/users", body={"name": "bob", "role": "operator"}, headers=admin)
        assert (added.status, added.json["account"]["tenant"]) == (201, TENANT)
        again = await world.ask("POST", "/users", body={"name": "bob", "role": "operator"}, headers=admin)
        assert again.status == 409
        other = {"name": "bo", "role": "operator", "tenant": OTHER}
        assert (await world.ask("POST", "/users", body=other, headers=admin)).status == 403
        bob = added.json["account"]["user_id"]
        login = await log_in(world, "bob", added.json["password"])
        assert login.status == 201

        async def change(user: str, action: str) -> Answer:
            return await world.ask("POST", f"/users/{user}/changes", body={"action": action}, headers=admin)

        assert (await change(foreign, "recover")).status == 404
        assert (await change(bob, "disable")).json["account"]["disabled"] > 0
        assert (await world.ask("GET", "/session", headers=heads_of(login))).status == 401
        assert (await log_in(world, "bob", added.json["password"])).status == 401
        assert (await change(bob, "enable")).json["account"]["disabled"] == 0
        recovered = await change(bob, "recover")
        assert (await log_in(world, "bob", added.json["password"])).status == 401
        again = await log_in(world, "bob", recovered.json["password"])
        assert (again.status, again.json["must_change"]) == (201, True)
        listed = await world.ask("GET", "/users?limit=1", headers=admin)
        rest = await world.ask("GET", f"/users?after={listed.json['next'].replace(' ', '%20')}", headers=admin)
        names = [one["name"] for one in listed.json["items"] + rest.json["items"]]
        assert "eve" not in names
        assert "bob" in names
        assert len(names) == 2


async def test_recovery_leaves_nothing_of_before(tmp_path: Path) -> None:
    """Neither a login nor a lock, nor codes of an app that is lost; and nobody does this to himself."""
    async with rest_world(tmp_path, login_rate=0) as world:
        user, admin = await made(world), (await world.person(KeyRole.ADMIN)).heads
        heads = heads_of(await log_in(world, "ada", NEW))
        secret = await world.ask("POST", "/session/totp", body={"password": NEW}, headers=heads)
        first = {"code": code(world, key_of(secret.json["secret"]))}
        assert (await world.ask("POST", "/session/totp/confirm", body=first, headers=heads)).status == 204
        for _ in range(MAX_FAILED):
            await log_in(world, "ada", "wrong")
        own = await world.ask("POST", f"/users/{user}/changes", body={"action": "recover"}, headers=heads)
        assert own.status == 403
        recovered = await world.ask("POST", f"/users/{user}/changes", body={"action": "recover"}, headers=admin)
        assert recovered.status == 200
        assert (await world.ask("GET", "/session", headers=heads)).status == 401
        again = await log_in(world, "ada", recovered.json["password"])
        assert again.status == 201, "no code is asked for, and no lock stands"
        assert (await world.ask("GET", f"/users/{user}", headers=admin)).json["codes"] is False


async def test_passwords_are_kept_as_is_recommended_and_nobody_has_a_hash_of_the_same_cost(tmp_path: Path) -> None:
    """OWASP's least for Argon2id; who does not exist costs as much as who does, or time would tell."""
    async with rest_world(tmp_path) as world:
        user = await made(world)
        kept = select(account.c.password).where(account.c.id == user)
        text = await world.rest.mailbox.store.read(lambda c: str(c.execute(kept).scalar_one()))
        assert text.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        nobody, somebody = argon2.extract_parameters(NO_HASH), argon2.extract_parameters(text)
        assert nobody == somebody


async def test_keys_give_no_more_than_their_maker_has(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        narrow = await world.token(KeyRole.ADMIN, scopes=("api-key:write", "api-key:read", "order:read"))
        wide = await world.ask("POST", "/api-keys", narrow, {"name": "x", "role": "admin"})
        assert wide.status == 403
        assert "order:write" in wide.json["detail"]
        made = await world.ask(
            "POST", "/api-keys", narrow, {"name": "x", "role": "admin", "scopes": ["order:read"]}
        )
        assert made.status == 201
        assert (await world.ask("GET", "/orders", made.json["token"])).status == 200
        key = f"/api-keys/{made.json['key']['key_id']}"
        shown = await world.ask("GET", key, narrow)
        assert shown.json["last_used"] > 0
        stranger = await world.token(KeyRole.ADMIN, OTHER)
        assert (await world.ask("DELETE", key, stranger)).status == 404
        stale = await world.ask("DELETE", key, await world.token(KeyRole.ADMIN), headers={"if-match": '"0"'})
        assert stale.status == 412
        current = {"if-match": shown.headers["etag"]}
        gone = await world.ask("DELETE", key, await world.token(KeyRole.ADMIN), headers=current)
        assert gone.status == 200
        assert (await world.ask("GET", "/orders", made.json["token"])).status == 401


def test_accounts_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("[rest]\nport = 0\n")

    def run(*words: str) -> Any:
        return ferryman("user", *words, "--data", tmp_path, "--json").json

    added = run("add", "ada", "--role", "admin")
    user = added["account"]["user_id"]
    assert run("disable", user)["disabled"] > 0
    recovered = run("recover", user)
    assert recovered["password"] != added["password"]
    (listed,) = run("list")["users"]
    assert (listed["name"], listed["role"], listed["tenant"], listed["must_change"]) == ("ada", "admin", "", True)
    assert (tmp_path / "rest-api.key").stat().st_mode & 0o777 == 0o600
