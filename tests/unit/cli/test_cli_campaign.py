"""`ferryman queue add --campaign` and `ferryman queue campaign`, on an installation opened for each command."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from cli_run import ferryman, one_sentence
from ferryman.cli.settings import load
from ferryman.cli.wiring import Installation
from ferryman.sm_sr.queue import campaigns
from million_cards import insert_cards

CARDS = 7


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An installation that knows some cards."""

    async def make() -> None:
        installation = Installation(load(tmp_path).without_transports())
        await installation.start()
        await installation.stop()

    asyncio.run(make())
    insert_cards(tmp_path / "sm-sr.db", 0, CARDS)
    return tmp_path


def test_a_campaign_from_its_beginning_to_its_cancelling(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "PAGE", 2)
    where = ("--data", data)
    begun = ferryman("queue", "add", "--campaign", "spring", "--function", "audit", "--hold", *where)
    assert begun.code == 0, begun.err
    assert begun.out.splitlines() == [
        f"campaign spring: audit running; all of {CARDS} eUICCs looked at",
        f"{CARDS} held",
    ]
    shown = ferryman("queue", "campaign", "show", "spring", "--json", *where).json
    assert (shown["state"], shown["counts"]["held"], shown["looked"]) == ("running", CARDS, CARDS)
    assert "paused (paused by its owner)" in ferryman("queue", "campaign", "pause", "spring", *where).out
    [one] = ferryman("queue", "campaign", "list", "--json", *where).json["campaigns"]
    assert (one["campaign"], one["state"]) == ("spring", "paused")
    assert "spring" in ferryman("queue", "campaign", "list", *where).out
    assert "running" in ferryman("queue", "campaign", "resume", "spring", *where).out
    ferryman("queue", "campaign", "cancel", "spring", *where)
    with contextlib.closing(
        sqlite3.connect(data / "sm-sr.db")
    ) as database:  # the platform goes on with it whenever it runs
        left = CARDS
        for _ in range(20):
            [(left,)] = database.execute("SELECT held FROM campaign")
            if not left:
                break
            ferryman("queue", "campaign", "show", "spring", *where)
    assert left == 0
    assert ferryman("queue", "campaign", "show", "spring", *where).out.endswith(f"{CARDS} cancelled\n")


def test_what_cannot_be(data: Path) -> None:
    where = ("--data", data)
    both = ferryman("queue", "add", "8" * 32, "--campaign", "x", "--function", "audit", *where)
    assert (both.code, "--campaign" in one_sentence(both)) == (1, True)
    for words in (("show", "none"), ("pause", "none")):
        said = ferryman("queue", "campaign", *words, *where)
        assert (said.code, "there is no campaign" in one_sentence(said)) == (1, True)


def test_a_campaign_need_not_be_watched(data: Path) -> None:
    words = ("--campaign", "spring", "--function", "audit", "--hold", "--no-watch", "--json")
    assert ferryman("queue", "add", *words, "--data", data).json["adding"] in (True, False)
