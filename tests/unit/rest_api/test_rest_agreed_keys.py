"""Agreed keys over REST: stored by staff alone, written nowhere, and what leaves under them is what came in."""

from __future__ import annotations

import base64
import csv
import io
from pathlib import Path
from typing import Any

import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import delete, select

from ferryman.cli.operator import Operator
from ferryman.contracts import crypto, imports
from ferryman.contracts.rest import KeyRole
from ferryman.contracts.roles import CRYPTO_SERVER
from ferryman.crypto_server.schema import subscription_secret
from ferryman.platform.log import mask
from ferryman.profile.demo_template import demo_template
from ferryman.rest_api.bodies_keys import AgreedHookKey, NewTransportKey
from rest_world import OTHER, TENANT, RestWorld, rest_world
from rig import subscriptions

KEY = bytes(range(0x40, 0x60))
HLR = bytes(range(16))


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def databases(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.glob("*.db*")]


async def test_a_key_is_written_nowhere_and_shown_to_nobody(tmp_path: Path) -> None:
    shapes = (KEY, KEY.hex().encode(), text(KEY).encode(), repr(KEY).encode())
    said: list[bytes] = []
    with structlog.testing.capture_logs() as logged:
        async with rest_world(tmp_path) as world:
            custodian = await world.token(KeyRole.KEY_CUSTODIAN, "")
            operator = await world.token(KeyRole.OPERATOR)
            for path, token, status in (
                ("/transport-keys", custodian, 204),
                ("/hook-keys", operator, 204),
                ("/transport-keys", operator, 403),
                ("/hook-keys", custodian, 403),
            ):
                answer = await world.ask("PUT", path, token, {"name": "hlr", "key": text(KEY)})
                assert answer.status == status, answer.body
                said.append(answer.body)
            for wrong in ({"key": text(KEY * 2)}, {"key": text(KEY[:5])}, {"key": text(KEY), "more": 1}):
                answer = await world.ask("PUT", "/transport-keys", custodian, {"name": "x", **wrong})
                assert answer.status == 400
                said.append(answer.body)
    said.append((repr(logged) + repr([mask(None, "info", dict(one)) for one in logged])).encode())
    said += databases(tmp_path)
    said.append(repr([NewTransportKey(name="x", key=KEY), AgreedHookKey(name="x", key=KEY)]).encode())
    assert len(said) > 10
    for shape in shapes:
        assert not any(shape in one for one in said)


async def test_with_whom_we_correspond_is_the_staffs_to_know(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        staff, tenant = await world.token(KeyRole.ADMIN, ""), await world.token(KeyRole.ADMIN)
        made = await world.ask("POST", "/openpgp-keys", staff, {"user_id": "Ferryman <dp@example.org>"})
        assert made.status == 200
        assert (await world.ask("GET", "/openpgp-keys", tenant)).json == made.json
        theirs = {"name": "maker", "content": text(made.json["public"].encode())}
        assert (await world.ask("PUT", "/openpgp-keys", staff, theirs)).status == 200
        assert (await world.ask("GET", "/openpgp-keys?name=maker", staff)).status == 200
        answers = [await world.ask("GET", f"/openpgp-keys?name={name}", tenant) for name in ("maker", "maken")]
        assert [one.status for one in answers] == [404, 404]
        assert answers[0].body.replace(b"maker", b"maken") == answers[1].body


def store_of(world: RestWorld, role: str) -> Any:
    return next(one for one in world.installation.mailboxes if one.role == role).store


async def test_an_export_opens_with_the_agreed_key(tmp_path: Path) -> None:
    whole = subscriptions(7, "exported")
    async with rest_world(tmp_path) as world:
        machine = Operator(world.installation.bus, TENANT)
        await machine.crypto(crypto.ImportTransportKey(eum_id="hlr", key=HLR))
        token = await world.token(KeyRole.ADMIN)
        template = {"name": "demo", "package": text(demo_template())}
        assert (await world.ask("POST", "/templates", token, template)).status == 201
        done = await machine.import_subscriptions(whole.encode(), "demo")
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            path = f"/imports/{done.import_id}/keys?under=hlr&limit=3&after={after}"
            page = (await world.ask("GET", path, token)).json
            found += page["items"]
            if not (after := page["next"]):
                break
        # One is delivered: its secrets are destroyed, and all others are exported as before.
        gone, kept = found[2], [*found[:2], *found[3:]]
        secret = delete(subscription_secret).where(subscription_secret.c.iccid == gone["iccid"])
        await store_of(world, CRYPTO_SERVER).write(lambda c: c.execute(secret))
        again = (await world.ask("GET", f"/imports/{done.import_id}/keys?under=hlr", token)).json["items"]
        assert again[2] == {**gone, "algorithm": "", "ki": "", "opc": ""}
        plain = ("iccid", "imsi", "msisdn", "algorithm")
        assert [[one[name] for name in plain] for one in (*again[:2], *again[3:])] == [
            [one[name] for name in plain] for one in kept
        ]
        assert all(one["ki"] and one["opc"] for one in (*again[:2], *again[3:]))
        # Those of somebody else are not here either, in the same words.
        public = tuple(imports.SubscriptionPublic(one["iccid"], one["imsi"], one["msisdn"]) for one in found[1:3])
        asked = imports.ExportSubscriptions(owner=OTHER, rows=public, key="hlr", cipher="aes-gcm")
        answer = await Operator(world.installation.bus, OTHER).crypto(asked)
        assert isinstance(answer, imports.SubscriptionsExported)
        assert [(one.algorithm, one.ki, one.opc) for one in answer.rows] == [("", b"", b"")] * 2
        trail = next(one for one in world.installation.mailboxes if one.role == CRYPTO_SERVER).tables.audit
        said = select(trail.c.detail).where(trail.c.action == "ExportSubscriptions").order_by(trail.c.seq.desc())
        details = await store_of(world, CRYPTO_SERVER).read(lambda c: c.execute(said).scalars().all())
        assert details[:2] == ["0 of 2 rows under hlr", "6 of 7 rows under hlr"]
    rows = {row["ICCID"]: row for row in csv.DictReader(io.StringIO(whole))}
    assert len(found) == len(rows) == 7
    for one in found:
        row = rows[one["iccid"]]
        assert (one["imsi"], one["msisdn"]) == (row["IMSI"], row["MSISDN"])
        for name in ("KI", "OPC"):
            sealed = base64.b64decode(one[name.lower()])
            bound = f"{one['iccid']},{one['imsi']},{name}".encode()
            assert AESGCM(HLR).decrypt(sealed[:12], sealed[12:], bound).hex() == row[name].lower()
