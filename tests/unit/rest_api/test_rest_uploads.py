"""Subscriptions over REST: dry run with a report, whole file or nothing, forms, limits, what is never written."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
from pathlib import Path
from typing import Any

import pytest
import structlog

from ferryman.contracts.rest import KeyRole
from ferryman.platform import importing
from ferryman.platform.importing import Importer
from ferryman.platform.log import mask
from ferryman.profile.demo_template import demo_template
from ferryman.rest_api.bodies_stock import NewUpload
from rest_world import OTHER, RestWorld, rest_world
from rig import subscriptions

ROWS = 30
TEXT = subscriptions(ROWS, "uploads")


@pytest.fixture(autouse=True)
def _short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "RUN_BYTES", 3_000)


class Custodian:
    """A key that may import."""

    def __init__(self, world: RestWorld, token: str) -> None:
        self.world, self.token, self.count = world, token, 0

    async def ask(self, method: str, path: str, body: Any = None, key: str = "") -> Any:
        self.count += 1
        heads = {"idempotency-key": key or str(self.count)}
        return await self.world.ask(method, path, self.token, body, headers=heads)

    async def send(self, text: str | bytes, *, status: int = 202, key: str = "", **more: Any) -> Any:
        raw = text.encode() if isinstance(text, str) else text
        body = {"profile_type": "demo", "content": base64.b64encode(raw).decode(), **more}
        answer = await self.ask("POST", "/uploads", body, key)
        assert answer.status == status, answer.body
        return answer.json

    async def ended(self, sent: Any) -> Any:
        for _ in range(1000):
            found = (await self.ask("GET", f"/uploads/{sent['upload_id']}")).json
            if found["state"] != "running":
                return found
            await asyncio.sleep(0.01)
        raise AssertionError(found)


async def custodian(world: RestWorld) -> Custodian:
    admin = await world.token(KeyRole.ADMIN)
    template = {"name": "demo", "package": base64.b64encode(demo_template()).decode()}
    assert (await world.ask("POST", "/templates", admin, template)).status == 201
    return Custodian(world, await world.token(KeyRole.KEY_CUSTODIAN))


def spoilt(text: str, line: int) -> str:
    """Two digits of an ICCID are exchanged."""
    lines = text.splitlines(keepends=True)
    cells = lines[line - 1].split(",")
    iccid = cells[0]
    pairs = ((n, {*iccid[n : n + 2]}) for n in range(10, len(iccid) - 1))
    at = next(n for n, pair in pairs if len(pair) == 2 and pair != set("09"))
    cells[0] = iccid[:at] + iccid[at + 1] + iccid[at] + iccid[at + 2 :]
    lines[line - 1] = ",".join(cells)
    return "".join(lines)


def secrets() -> list[str]:
    rows = list(csv.DictReader(io.StringIO(TEXT)))
    return [row[name] for row in rows for name in ("KI", "OPC", "KIC", "KID", "KIK")]


async def test_a_dry_run_reports_every_row_and_nothing_keeps_a_secret(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logged:
        async with rest_world(tmp_path) as world:
            own = await custodian(world)
            dry = await own.ended(await own.send(spoilt(TEXT, 12), dry_run=True))
            assert (dry["state"], dry["new"], dry["known"], dry["refused"]) == ("done", ROWS - 1, 0, 1)
            assert dry["progress"] == 1.0
            path, rows = f"/uploads/{dry['upload_id']}/report?limit=10", []
            after = ""
            while True:
                page = (await own.ask("GET", f"{path}&after={after}")).json
                rows += page["items"]
                if not (after := page["next"]):
                    break
            assert sorted(row["line"] for row in rows) == list(range(2, ROWS + 2))
            (bad,) = (await own.ask("GET", f"{path}&outcome=refused")).json["items"]
            assert (bad["line"], bad["column"]) == (12, "ICCID")
            assert "check digit" in bad["rule"]
            assert (await own.ask("GET", "/imports")).json["items"] == []  # nothing was kept
            failed = await own.ended(await own.send(spoilt(TEXT, 12)))
            assert (failed["state"], "line 12, column ICCID" in failed["problem"]) == ("failed", True)
            assert [one["free"] for one in (await own.ask("GET", "/imports")).json["items"]] in ([], [0])
            done = await own.ended(await own.send(TEXT))
            assert (done["state"], done["new"], done["refused"]) == ("done", ROWS, 0)
            shown = (await own.ask("GET", f"/imports/{done['import_id']}")).json
            assert (shown["state"], shown["free"]) == ("finished", ROWS)
            again = await own.ended(await own.send(TEXT))
            assert (again["new"], again["known"]) == (0, ROWS)
            listed = (await own.ask("GET", "/uploads?limit=3")).json
            assert listed["items"][0]["upload_id"] == again["upload_id"]
            other = Custodian(world, await world.token(KeyRole.ADMIN, OTHER))
            for way in ("", "/report"):
                assert (await other.ask("GET", f"/uploads/{done['upload_id']}{way}")).status == 404
            assert (await other.ask("GET", "/uploads")).json["items"] == []
            audit = (await own.world.ask("GET", "/audit?action=Upload", await world.token(KeyRole.ADMIN))).json
            assert [one["outcome"] for one in audit["items"]].count("done") == 3
    written = (tmp_path / "rest-api.db").read_bytes() + (tmp_path / "sm-dp.db").read_bytes()
    text = repr(logged) + repr([mask(None, "info", dict(one)) for one in logged])
    for secret in secrets():
        assert secret.encode() not in written
        assert bytes.fromhex(secret) not in written
        assert secret not in text
    assert TEXT[:40] not in repr(NewUpload(profile_type="demo", content=TEXT.encode()))


async def test_columns_are_declared_and_input_files_make_keys(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        own = await custodian(world)
        renamed = TEXT.replace("KI,", "SECRET_ONE,", 1)
        wrong = await own.ended(await own.send(renamed))
        assert (wrong["state"], "SECRET_ONE" in wrong["problem"]) == ("failed", True)
        names = [name for name in TEXT.splitlines()[0].split(",") if name != "KI"]
        plain = {name for name in names if not name.startswith(("KI", "OP"))}  # no keys: their spelling is hex
        columns = (
            f"  {name}: {{is: {name.lower()}, spelling: digits}}" if name in plain else f"  {name}: {name.lower()}"
            for name in names
        )
        mapping = "\n".join(["format: csv", "columns:", "  SECRET_ONE: ki", *columns, ""])
        good = await own.ended(await own.send(renamed, mapping=mapping))
        assert (good["state"], good["new"], good["problem"]) == ("done", ROWS, "")
        bad = await own.ended(await own.send(TEXT, mapping="format: nonsense\n", key="m"))
        assert bad["state"] == "failed"
        inp = "*HEADER DESCRIPTION\n****\nQuantity : 7\n****\n*INPUT VARIABLES\nVar_In_List:\n"
        inp += "ICCID: 8988211000000900000\nIMSI: 001010000900000\n****\n"
        inp = inp.replace("8988211000000900000", "898821100000090000")
        made = await own.ended(await own.send(inp, generate=True))
        assert (made["state"], made["new"], made["problem"]) == ("done", 7, "")
        await own.send(inp, status=400, generate=True, dry_run=True)


async def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Importer.file
    go = asyncio.Event()

    async def slow(self: Importer, *args: Any, **more: Any) -> Any:
        await go.wait()
        return await whole(self, *args, **more)

    async with rest_world(tmp_path, max_body=2_048, max_upload=40_000) as world:
        own = await custodian_of_small(world)
        monkeypatch.setattr(Importer, "file", slow)
        await own.send(b"x" * 30_001, status=413)
        first = await own.send(TEXT, key="one")
        assert (await own.send(TEXT, key="one"))["upload_id"] == first["upload_id"]
        await own.send(TEXT + "\n", status=422, key="one")
        await own.send(TEXT, status=409)  # one at a time
    async with rest_world(tmp_path, max_body=2_048, max_upload=40_000) as world:
        own.world = world
        shown = await own.ended(first)
        assert (shown["state"], "upload the file again" in shown["problem"]) == ("interrupted", True)
        go.set()
        done = await own.ended(await own.send(TEXT, key="one"))
        assert (done["state"], done["upload_id"]) == ("done", first["upload_id"])


async def custodian_of_small(world: RestWorld) -> Custodian:
    """The template is larger than the bodies that this world takes."""
    from ferryman.contracts import admin
    from ferryman.rest_api.asking import Asking
    from rest_world import TENANT

    ask: Asking = world.rest.services.ask
    question = admin.ImportTemplate(owner=TENANT, name="demo", der=demo_template(), algorithm="milenage")
    await ask.sm_dp(TENANT, question, admin.TemplateImported)
    return Custodian(world, await world.token(KeyRole.KEY_CUSTODIAN))
