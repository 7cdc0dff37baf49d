"""`ferryman alarm list`, `ferryman audit list`: what somebody has to look at, from every role of a process."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import insert, text
from structlog.testing import capture_logs

from cli_run import Said, ferryman, one_sentence
from ferryman.cli.settings import FILE, load
from ferryman.cli.up import running
from ferryman.cli.wiring import Installation
from ferryman.contracts.roles import CRYPTO_SERVER, REST_API, SM_DP, SM_SR
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.platform.oversight import MAX_ALARMS, RECENT, recorded_alarms

EID = "89049032123456789012345678901203"
OWNER = "1.3.6.1.4.1.99999.30"
WITHIN = "[rest]\nport = 0\nrate_per_key = 0\n\n[metrics]\nport = 0\n"


async def said(*words: object) -> Said:
    return await asyncio.to_thread(ferryman, *words)


def mailbox_of(installation: Installation, role: str) -> Mailbox:
    [found] = [one for one in installation.mailboxes if one.role == role]
    return found


def scrape(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics") as answer:
        found: bytes = answer.read()
    return found.decode()


async def happen(mailbox: Mailbox, action: str, outcome: str = "alarm", detail: str = "look") -> None:
    """Something that is recorded in the trail of a role."""

    def unit(tx: Tx) -> None:
        tx.audit(actor=OWNER, action=action, eid=EID, object="thing", outcome=outcome, detail=detail)

    await mailbox.transact(unit)


async def test_a_clock_that_was_left_behind_is_shown(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(WITHIN)
    async with running(load(tmp_path)) as (installation, where):

        async def lag() -> float:
            [line] = re.findall(
                r"^ferryman_clock_lag_seconds (.*)$", await asyncio.to_thread(scrape, where["metrics"]), re.M
            )
            return float(line)

        assert abs(await lag()) < 5.0
        installation.clock._offset -= 600.0  # type: ignore[attr-defined]  # ten minutes of sleep
        assert 595.0 < await lag() < 605.0


async def test_alarms_of_every_role_are_shown_counted_and_logged(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(WITHIN)
    with capture_logs() as lines:
        async with running(load(tmp_path)) as (installation, where):
            assert (await said("alarm", "list", "--data", tmp_path)).out == "no alarms\n"
            await happen(mailbox_of(installation, SM_SR), "Moved", detail="the card went")
            await happen(mailbox_of(installation, CRYPTO_SERVER), "Opened")
            await happen(mailbox_of(installation, SM_SR), "Moved", outcome="done")
            shown = await said("alarm", "list", "--data", tmp_path)
            assert shown.code == 0
            newest, oldest = shown.out.splitlines()
            assert newest.endswith(f"crypto-server  eUICC {EID}  thing  Opened: look")
            assert oldest.endswith(f"sm-sr  eUICC {EID}  thing  Moved: the card went")
            found = (await said("alarm", "list", "--data", tmp_path, "--json")).json["alarms"]
            assert [one["role"] for one in found] == [CRYPTO_SERVER, SM_SR]
            assert {one["alarm"]["kind"] for one in found} == {"recorded"}
            scraped = await asyncio.to_thread(scrape, where["metrics"])
            assert 'ferryman_alarms_total{role="sm-sr",action="Moved"} 1\n' in scraped
            assert 'ferryman_alarms_total{role="crypto-server",action="Opened"} 1\n' in scraped
    told = [line for line in lines if line["event"] == "alarm"]
    assert [(one["role"], one["eid"], one["detail"]) for one in told] == [
        (SM_SR, EID, "the card went"),
        (CRYPTO_SERVER, EID, "look"),
    ]


async def test_an_alarm_that_is_not_committed_is_none(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with running(load(tmp_path)) as (installation, _):
            mailbox = mailbox_of(installation, SM_DP)

            def unit(tx: Tx) -> None:
                tx.audit(actor=OWNER, action="Moved", outcome="alarm")
                raise LookupError

            with pytest.raises(LookupError):
                await mailbox.transact(unit)
            assert mailbox.alarms == {}
            assert (await said("alarm", "list", "--data", tmp_path)).out == "no alarms\n"
    assert not [line for line in lines if line["event"] == "alarm"]


async def test_recorded_alarms_are_of_a_day_of_their_owner_and_not_too_many(tmp_path: Path) -> None:
    with capture_logs():
        async with running(load(tmp_path)) as (installation, _):
            mailbox = mailbox_of(installation, SM_SR)
            now = mailbox.clock.now()
            row = {"action": "Moved", "eid": EID, "object": "", "outcome": "alarm"}
            rows = [
                row | {"actor": OWNER, "at": now - number, "detail": str(number)}
                for number in range(MAX_ALARMS + 5)
            ]
            rows.append(row | {"actor": "another", "at": now - RECENT - 1, "detail": "the day before"})
            rows.append(row | {"actor": "another", "at": now - RECENT + 1, "detail": "within a day"})
            audit = mailbox.tables.audit
            await mailbox.store.write(lambda c: c.execute(insert(audit), rows).rowcount)

            async def told(owner: str) -> list[str]:
                read = partial(recorded_alarms, tables=mailbox.tables, now=now, owner=owner)
                return [one.text for one in await mailbox.store.read(read)]

            assert await told("") == await told(OWNER) == [f"Moved: {number}" for number in range(MAX_ALARMS)]
            assert await told("another") == ["Moved: within a day"]


async def test_alarms_are_found_by_their_index(tmp_path: Path) -> None:
    """A trail of ten years must not be read through for a page."""
    with capture_logs():
        async with running(load(tmp_path)) as (installation, _):
            mailbox = mailbox_of(installation, SM_SR)
            question = (
                "EXPLAIN QUERY PLAN SELECT * FROM audit WHERE outcome = 'alarm' AND at >= 5 ORDER BY at DESC"
            )
            plan = await mailbox.store.read(lambda c: c.execute(text(question)).all())
            assert "USING INDEX audit_alarms" in " ".join(str(row) for row in plan)


async def test_trails_are_shown_of_each_role(tmp_path: Path) -> None:
    with capture_logs():
        async with running(load(tmp_path)) as (installation, _):
            await happen(mailbox_of(installation, SM_SR), "Moved", "done", "one")
            await happen(mailbox_of(installation, CRYPTO_SERVER), "Opened", "refused", "two")
            await happen(mailbox_of(installation, SM_SR), "Moved", "done", "three")

            async def details(*words: object) -> list[str]:
                lines = (await said("audit", "list", "--data", tmp_path, "--json", *words)).json["lines"]
                return [one["record"]["detail"] for one in lines]

            assert (await details("--eid", EID)) == ["three", "two", "one"]
            assert await details("--eid", EID, "--limit", 2) == ["three", "two"]
            assert await details("--role", CRYPTO_SERVER, "--eid", EID) == ["two"]
            assert await details("--action", "Moved") == ["three", "one"]
            assert await details("--eid", "8" * 32) == []
            shown = await said("audit", "list", "--role", CRYPTO_SERVER, "--eid", EID, "--data", tmp_path)
            assert shown.out.endswith(f"crypto-server  {OWNER}  Opened  eUICC {EID}  thing  refused  two\n")
            nothing = await said("audit", "list", "--eid", "8" * 32, "--data", tmp_path)
            assert nothing.out == "no records\n"
    refused = await said("audit", "list", "--data", tmp_path)
    assert refused.code == 1
    assert "a ferryman that runs on" in one_sentence(refused)


async def test_the_same_over_the_rest_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FILE).write_text(WITHIN)
    with capture_logs():
        async with running(load(tmp_path)) as (installation, where):
            made = await said("api-key", "add", "watch", "--role", "admin", "--data", tmp_path, "--json")
            monkeypatch.setenv("FERRYMAN_API_KEY", made.json["token"])
            server = ("--server", f"http://{where['rest']}")
            await happen(mailbox_of(installation, SM_SR), "Moved", detail="here")
            await happen(mailbox_of(installation, SM_DP), "Held", detail="there")
            local = await said("alarm", "list", "--data", tmp_path)
            elsewhere = await said(*server, "alarm", "list")
            assert elsewhere.out == local.out
            assert local.out.count("\n") == 2
            for words in (("--action", "Moved"), ("--role", SM_DP, "--eid", EID), ("--limit", 1, "--eid", EID)):
                there = await said(*server, "audit", "list", *words)
                assert there.out == (await said("audit", "list", *words, "--data", tmp_path)).out
                assert there.out.count("\n") == 1
            closed = await said(*server, "audit", "list", "--role", CRYPTO_SERVER)
            assert closed.code == 1
            assert REST_API in one_sentence(closed)
