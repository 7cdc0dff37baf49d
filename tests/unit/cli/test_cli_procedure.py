"""`ferryman procedure list` and `procedure replay`, asked of a running installation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from cli_run import Said, ferryman, one_sentence
from ferryman.cli.operator import Operator
from ferryman.cli.settings import FILE, load
from ferryman.cli.up import running
from ferryman.contracts import admin
from ferryman.contracts.roles import SM_DP
from ferryman.profile.demo_template import demo_template
from rig import OWNER, subscriptions, wait_order

UNKNOWN = "89033023000000000000000000000075"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


async def said(*words: object) -> Said:
    return await asyncio.to_thread(ferryman, "procedure", *words)


async def an_order(operator: Operator) -> admin.OrderView:
    """For a card that nobody knows: it ends after two steps."""
    await operator.sm_dp(admin.ImportTemplate(owner=OWNER, name="demo", der=demo_template()))
    await operator.import_subscriptions(subscriptions(2, "procedure").encode(), "demo")
    placed = await operator.sm_dp(admin.CreateOrder(owner=OWNER, eid=UNKNOWN, profile_type="demo"))
    assert isinstance(placed, admin.OrderView)
    return await wait_order(operator, placed.order_id)


async def test_a_procedure_is_listed_and_replayed(tmp_path: Path) -> None:
    async with running(load(tmp_path)) as (installation, _):
        view = await an_order(Operator(installation.bus, OWNER))
        assert (await said("list", "--data", tmp_path)).out.strip() == "0 procedures"
        listed = (await said("list", "--ended", "--eid", UNKNOWN, "--data", tmp_path, "--json")).json["procedures"]
        name = f"download/{view.order_id}"
        [line] = [one for one in listed if one["procedure_id"] == name]
        assert (line["role"], line["eid"], line["status"]) == (SM_DP, UNKNOWN, "done")
        assert name in (await said("list", "--ended", "--data", tmp_path)).out
        replayed = await said("replay", name, "--data", tmp_path, "--json")
        assert replayed.code == 0
        assert (replayed.json["agrees"], replayed.json["whole"]) == (True, True)
        assert [step["event"] for step in replayed.json["steps"]] == ["begin", "received ES3GetEISResponse"]
        text = await said("replay", name, "--data", tmp_path)
        assert "received ES3GetEISResponse: " in text.out
        assert "lead to the stored state" in text.out
        assert "no procedure nobody" in one_sentence(await said("replay", "nobody", "--data", tmp_path))
        # Somebody wrote into the database: the exit status says so.
        engine = installation.engines[SM_DP]
        p = engine.tables.procedure
        kept = await engine.mailbox.store.read(
            lambda c: c.execute(select(p.c.state).where(p.c.id == name)).scalar_one()
        )
        changed = update(p).where(p.c.id == name).values(state=kept.replace(b"demo", b"omed"))
        await engine.mailbox.store.write(lambda c: c.execute(changed).rowcount)
        differs = await said("replay", name, "--data", tmp_path)
        assert differs.code == 1
        assert "ANOTHER state" in differs.out


async def test_without_the_setting_nothing_is_recorded(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("[journal]\nsteps = false\n")
    async with running(load(tmp_path)) as (installation, _):
        view = await an_order(Operator(installation.bus, OWNER))
        refused = await said("replay", f"download/{view.order_id}", "--data", tmp_path)
        assert refused.code == 1
        assert "were not recorded" in one_sentence(refused)
