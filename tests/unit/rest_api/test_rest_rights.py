"""Role x tenant x route, every cell; keys that are no good; what a tenant does not see."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from sqlalchemy import select

from ferryman.contracts import envelopes
from ferryman.contracts.admin import ANSWER_CODEC, SM_SR_REQUESTS, AdminRefused, ShowCall
from ferryman.contracts.crypto import (
    GetPSK,
    HandOverKeyset,
    ImportCertificate,
    ImportHookKey,
    ImportTransportKey,
    ImportTrustAnchor,
    MakeSigningKey,
)
from ferryman.contracts.eum_trust import DropTrust, ImportEUMCertificate, ImportRevocationList, ListTrust
from ferryman.contracts.holds import SetHook
from ferryman.contracts.imports import CRYPTO_REQUESTS
from ferryman.contracts.message import Header, decode, encode
from ferryman.contracts.rest import KeyRole
from ferryman.contracts.roles import REST_API, SM_DP, SM_SR
from ferryman.crypto_server.rights import ALLOWED
from ferryman.rest_api.endpoints import ENDPOINTS
from ferryman.rest_api.rights import OPEN
from ferryman.sm_dp.schema import hook
from rest_matrix import allowed
from rest_world import OTHER, TENANT, rest_world

EID = "89001012012341234012345678901224"


async def test_every_cell_of_the_matrix(tmp_path: Path) -> None:
    async with rest_world(tmp_path, login_rate=0, rate_per_key=0, rate_per_address=0) as world:
        cells = 0
        for role, tenant in itertools.product(KeyRole, (TENANT, OTHER, "")):
            token = await world.token(role, tenant)
            for endpoint in ENDPOINTS:
                path = re.sub(r"\{\w+\}", lambda m: EID if m[0] == "{eid}" else "1", endpoint.path)
                answer = await world.ask(endpoint.method, path, token, headers={"content-type": "text/plain"})
                may = allowed(role, tenant, endpoint)
                assert (answer.status != 403) == may, (role, tenant, endpoint.name, answer.body)
                if not may:
                    assert (answer.json["subject"], answer.json["reason"]) == ("1.1", "1.2")
                cells += 1
                if endpoint.scope != OPEN:
                    assert (await world.ask(endpoint.method, path)).status == 401
        assert cells == len(KeyRole) * 3 * len(ENDPOINTS)


async def test_keys_that_are_no_good(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        good = await world.token(KeyRole.ADMIN)
        assert (await world.ask("GET", "/orders", good)).status == 200
        _, key_id, secret = good.split("_")
        forged = f"fk_{key_id}_{'0' * 64}"
        nobody = f"fk_{'0' * 16}_{secret}"
        short = await world.token(KeyRole.ADMIN, days=1e-9)
        for bad in (forged, nobody, short, good[:-1], good + "0", good.upper(), "x", "eyJhbGciOiJub25lIn0.e30."):
            answer = await world.ask("GET", "/orders", bad)
            assert answer.status == 401, bad
            assert answer.headers["content-type"] == "application/problem+json"
        narrow = await world.token(KeyRole.ADMIN, scopes=("euicc:read",))
        assert (await world.ask("GET", "/euiccs", narrow)).status == 200
        assert (await world.ask("GET", "/orders", narrow)).status == 403
        wide = await world.token(KeyRole.AUDITOR, scopes=("order:write",))  # a scope adds nothing
        assert (await world.ask("POST", "/orders", wide)).status == 403
        await world.rest.keys.revoke(key_id, "test")
        assert (await world.ask("GET", "/orders", good)).status == 401
    stored = (tmp_path / "rest-api.db").read_bytes()
    assert secret.encode() not in stored
    assert key_id.encode() in stored


@pytest.mark.parametrize("path", [f"/euiccs/{EID}", f"/euiccs/{EID}/history", "/orders/1", "/operations/1"])
async def test_what_is_not_there_is_404(tmp_path: Path, path: str) -> None:
    async with rest_world(tmp_path) as world:
        answer = await world.ask("GET", path, await world.token(KeyRole.ADMIN))
        assert answer.status == 404
        assert answer.headers["content-type"] == "application/problem+json"


async def test_the_role_may_ask_no_more_than_its_table(tmp_path: Path) -> None:
    """Whoever took the REST API over chooses no CI, takes nothing back, and reads no key."""
    asked = {kind for kind, roles in ALLOWED.items() if REST_API in roles}
    # No answer of these holds a secret but under a key that was imported at the machine (test_crypto_origins.py).
    assert asked == {
        *(ImportHookKey, ImportTransportKey, MakeSigningKey, ImportCertificate),
        *(ImportEUMCertificate, ImportRevocationList, ListTrust),
        *CRYPTO_REQUESTS,
        *envelopes.REQUESTS,
    }
    assert not asked & {ImportTrustAnchor, DropTrust, GetPSK, HandOverKeyset}
    assert ShowCall in SM_SR_REQUESTS
    async with rest_world(tmp_path) as world:
        for dest, body in ((SM_SR, ShowCall(requester=TENANT, function_call_id="x", function="RunScript")),):
            header = Header(message_id="1", sender=REST_API, requester=TENANT, function_call_id="1", deadline=0.0)
            raw = await world.installation.bus.call(dest, REST_API, encode(header, body))
            _, answer = decode(raw, ANSWER_CODEC)
            assert isinstance(answer, AdminRefused)
            assert answer.status.code == "1.6/1.2"
        # Nor does it say where hooks may lead: what it sets is confined, whatever it says itself.
        free = SetHook(owner=TENANT, url="http://127.0.0.1:1/", key="x", confined=False)
        header = Header(message_id="2", sender=REST_API, requester=TENANT, function_call_id="2", deadline=0.0)
        await world.installation.bus.call(SM_DP, REST_API, encode(header, free))
        (mailbox,) = (m for m in world.installation.mailboxes if m.role == SM_DP)
        assert await mailbox.store.read(lambda c: c.execute(select(hook.c.confined)).scalar_one()) is True
