"""Idempotency-Keys of whatever makes something: the same again is answered alike, and nothing is done twice."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from ferryman.contracts.rest import KeyRole
from ferryman.contracts.roles import CRYPTO_SERVER, SM_SR, SOAP_GATEWAY
from ferryman.errors import Unavailable
from ferryman.profile.demo_template import demo_template
from ferryman.rest_api.endpoints import ENDPOINTS
from ferryman.rest_api.events.signing import secret_text
from ferryman.rest_api.kept import KEEP_SECRET
from ferryman.rest_api.schema import kept_answer
from ferryman.sm_sr import role as role_of_sm_sr
from ferryman.sm_sr.scripts.runner import LocalDecider
from rest_world import OTHER, TENANT, Answer, RestWorld, rest_world

SCRIPT = 'def decide(q):\n    return send("sms")\n'
PEER = {
    "name": "p",
    "kind": "operator",
    "oid": "1.3.6.1.4.1.99999.30",
    "username": "p",
    "password_file": "p.password",
}


@dataclass(frozen=True, slots=True)
class Making:
    """A route that makes something; `other` is what the same key must not be used for."""

    path: str
    body: dict[str, Any]
    other: dict[str, Any]
    staff: bool = False
    secret: bool = False


TEMPLATE = {"name": "demo", "package": base64.b64encode(demo_template()).decode()}
MAKING = (
    Making("/templates", TEMPLATE, {**TEMPLATE, "name": "other"}),
    Making("/peers", PEER, {**PEER, "oid": "1.2.4"}, staff=True),
    Making("/scripts", {"name": "a.star", "text": SCRIPT}, {"name": "b.star", "text": SCRIPT}, staff=True),
    Making("/scripts/rollback", {}, {"version": 0}, staff=True),
    Making("/openpgp-keys", {"user_id": "A <a@b.org>", "renew": True}, {"user_id": "A <a@b.org>"}, staff=True),
    Making("/users", {"name": "ada", "role": "auditor"}, {"name": "bob", "role": "auditor"}, secret=True),
    Making("/api-keys", {"name": "k", "role": "auditor"}, {"name": "k", "role": "operator"}, secret=True),
    Making("/hook-keys", {"name": "hlr"}, {"name": "auc"}, secret=True),
)  # fmt: skip
# What is asked by POST and makes nothing: a look, a change that a repeat finds made, or one's own login.
NO_KEY = {
    *("dry_run", "count_campaign", "check_script", "try_script", "test_peer"),
    *("change_entry", "change_campaign", "change_batch", "change_webhook", "change_user", "cancel_order"),
    *("release_order", "refuse_order", "approve", "reject"),
    *("add_rows", "fill_batch"),  # rows are known by their numbers, eUICCs by their order
    "replay_webhook",  # under the same names, by which a receiver knows them
    *("log_in", "change_password", "new_totp", "confirm_totp", "remove_totp"),
}


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RestWorld]:
    monkeypatch.setattr(role_of_sm_sr, "ChildDecider", LocalDecider)
    (tmp_path / "p.password").write_text("correct horse")
    async with rest_world(tmp_path, gateway=True) as made:
        yield made


async def ask(world: RestWorld, making: Making, token: str, key: str, *, other: bool = False) -> Answer:
    body = making.other if other else making.body
    return await world.ask("POST", making.path, token, body, headers={"idempotency-key": key})


async def effects(world: RestWorld, *roles: str) -> list[tuple[str, int]]:
    """How long the audit trails are: whatever is done is written there."""
    found = []
    for one in world.installation.mailboxes:
        counted = select(func.count()).select_from(one.tables.audit)
        if not roles or one.role in roles:
            found.append(
                (one.role, await one.store.read(lambda c, counted=counted: c.execute(counted).scalar_one()))
            )
    return found


async def forget(world: RestWorld) -> None:
    """As after a kill between what was done and its answer."""
    await world.rest.mailbox.store.write(lambda c: c.execute(delete(kept_answer)))


def test_whatever_makes_something_takes_a_key() -> None:
    posts = {one.name: one for one in ENDPOINTS if one.method == "POST"}
    assert {name for name, one in posts.items() if not one.once} == NO_KEY
    assert {one.path for one in MAKING} <= {one.path for one in posts.values() if one.once}


async def test_the_same_again_is_answered_alike(world: RestWorld) -> None:
    tokens = {tenant: [await world.token(KeyRole.ADMIN, tenant) for _ in range(2)] for tenant in (TENANT, "")}
    stranger = await world.token(KeyRole.ADMIN, OTHER)
    for making in MAKING:
        await made_once(world, making, *tokens["" if making.staff else TENANT], stranger)


async def made_once(world: RestWorld, making: Making, token: str, second: str, stranger: str) -> None:
    key = making.path
    assert (await ask(world, making, token, "")).status == 400
    first = await ask(world, making, token, key)
    assert first.status in (200, 201), first.body
    done = await effects(world)
    again = await ask(world, making, token, key)
    assert (again.status, again.body) == (first.status, first.body)
    other = await ask(world, making, token, key, other=True)
    assert (other.status, other.json["subject"], other.json["reason"]) == (422, "1.6", "3.3")
    assert await effects(world) == done
    if making.staff:
        return  # whose keys are each one's own
    theirs = await ask(world, making, second, key)
    if making.secret:  # not even another admin of the tenant learns it by asking again
        assert (theirs.status, theirs.json["subject"], theirs.json["reason"]) == (403, "1.1", "1.2")
    else:
        assert (theirs.status, theirs.body) == (first.status, first.body)
    assert await effects(world) == done
    other = await ask(world, making, stranger, key)  # another tenant's keys are its own
    if making.path == "/users":  # whose names are everybody's
        assert (other.status, other.json["reason"]) == (409, "3.3")
    else:
        assert other.status == first.status
        assert await effects(world) != done


async def test_a_lost_answer_is_no_second_effect(world: RestWorld) -> None:
    token = await world.token(KeyRole.ADMIN, "")
    roles = (SM_SR, SOAP_GATEWAY, CRYPTO_SERVER)
    for making in MAKING:
        if making.staff:
            first = await ask(world, making, token, making.path)
            done = await effects(world, *roles)
            await forget(world)
            again = await ask(world, making, token, making.path)
            assert (again.status, again.body) == (first.status, first.body)
            assert await effects(world, *roles) == done


async def test_a_late_repeat_brings_nothing_back(world: RestWorld) -> None:
    token = await world.token(KeyRole.ADMIN, "")
    _, peers, scripts, rollback, openpgp, *_ = MAKING
    newer = {"/peers": {**PEER, "username": "q"}, "/scripts": {"name": "b.star", "text": f"{SCRIPT}# b\n"}}
    for making in (peers, scripts):
        assert (await ask(world, making, token, making.path)).status == 201
        assert (await world.ask("POST", making.path, token, newer[making.path])).status == 201
        await forget(world)
        await ask(world, making, token, making.path)
    assert (await world.ask("GET", "/peers/p", token)).json["username"] == "q"
    versions = (await world.ask("GET", "/scripts", token)).json["items"]
    assert [one["name"] for one in versions if one["active"]] == ["b.star"]
    back = await ask(world, rollback, token, "back")  # to the one before, and not to the one before that
    assert back.json["version"] == 1
    assert (await ask(world, rollback, token, "back")).json["version"] == 1
    keys = [(await ask(world, openpgp, token, key)).json["fingerprint"] for key in ("one", "two", "one")]
    assert keys[0] == keys[2] != keys[1]
    assert (await world.ask("GET", "/openpgp-keys", token)).json["fingerprint"] == keys[1]


async def test_a_secret_is_given_again_for_a_day(world: RestWorld) -> None:
    token, store = await world.token(KeyRole.ADMIN), world.rest.mailbox.store
    older = update(kept_answer).values(at=kept_answer.c.at - KEEP_SECRET)
    left = select(kept_answer.c.answer).order_by(kept_answer.c.at)
    for making in (one for one in MAKING if one.secret):
        key = making.path
        first, twin = await asyncio.gather(*(ask(world, making, token, key) for _ in range(2)))
        assert first.status == 201
        assert first.body == twin.body  # asked for twice at a time, made once
        await store.write(lambda c: c.execute(older))
        late = await ask(world, making, token, key)
        assert (late.status, late.json["subject"], late.json["reason"]) == (409, "1.6", "5.3")
        assert (await ask(world, making, token, f"{key}/", other=True)).status == 201
        answers = await store.read(lambda c: c.execute(left).scalars().all())
        assert [bool(one) for one in answers] == [False, True]  # nor is it kept any longer
        assert (await ask(world, making, token, key)).status == 409
        await forget(world)


def files_of(data: Path) -> list[Path]:
    return list(data.glob("rest-api.db*"))


async def test_what_is_kept_is_sealed(world: RestWorld, tmp_path: Path) -> None:
    token = await world.token(KeyRole.ADMIN)
    told = [(await ask(world, one, token, one.path)).json for one in MAKING if one.secret]
    secrets = [told[0]["password"], told[1]["token"].split("_")[2], told[2]["secret"]]
    stored = b"".join(one.read_bytes() for one in files_of(tmp_path))
    assert stored.count(b"key/") >= 3
    for secret in secrets:
        assert secret.encode() not in stored


async def test_a_key_that_signs_hooks_is_the_one_that_was_answered(
    world: RestWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CryptoServer was away when it was made: the repeat stores the one that the answer then shows."""
    token, given = await world.token(KeyRole.ADMIN), []
    ask_crypto = world.rest.services.ask.crypto_server

    async def away(tenant: str, question: Any, kind: Any, call_id: str = "") -> Any:
        given.append(question.key)
        if len(given) == 1:
            raise Unavailable("crypto-server")
        return await ask_crypto(tenant, question, kind, call_id)

    monkeypatch.setattr(world.rest.services.ask, "crypto_server", away)
    making = next(one for one in MAKING if one.path == "/hook-keys")
    assert (await ask(world, making, token, "one")).status == 503
    made = await ask(world, making, token, "one")
    assert made.status == 201
    assert given[0] == given[1]
    assert made.json["secret"] == secret_text(given[1])
