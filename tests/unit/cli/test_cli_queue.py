"""`ferryman queue add|list|show|move|hold|release|cancel EID`, on an installation opened for each command."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from cli_run import ferryman, one_sentence
from ferryman.cli.settings import load
from ferryman.cli.wiring import Installation
from million_cards import insert_cards

# Cards come by themselves: no entry begins before one of them is there.
SETTINGS = """
[sm_sr]
transport = "https-pull"
raw_script_requesters = ["{owner}"]
"""
OWNER, STRANGER = "1.3.6.1.4.1.99999.30", "1.3.6.1.4.1.99999.31"
GET_DATA = "220580CAFF2100"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An installation that knows two cards."""
    (tmp_path / "ferryman.toml").write_text(SETTINGS.format(owner=OWNER))

    async def make() -> None:
        installation = Installation(load(tmp_path).without_transports())
        await installation.start()
        await installation.stop()

    asyncio.run(make())
    insert_cards(tmp_path / "sm-sr.db", 0, 2)
    return tmp_path


@pytest.fixture
def cards(data: Path) -> tuple[str, str]:
    """Their EIDs."""
    found = ferryman("euicc", "list", "--json", "--data", data, "--owner", OWNER).json["euiccs"]
    first, second = sorted(one["eid"] for one in found)
    return first, second


def test_an_entry_from_its_adding_to_its_end(data: Path, cards: tuple[str, str]) -> None:
    eid, other = cards
    where = ("--data", data, "--owner", OWNER)

    def listed(*words: str) -> list[tuple[str, str]]:
        page = ferryman("queue", "list", eid, "--json", *words, *where).json
        return [(one["entry"], one["state"]) for one in page["entries"]]

    first = ferryman("queue", "add", eid, "--function", "audit", "--key", "a", "--json", *where).json
    assert (first["state"], first["eid"], first["priority"]) == ("queued", eid, 0)
    again = ferryman("queue", "add", eid, "--function", "audit", "--key", "a", "--json", *where).json
    assert again["entry"] == first["entry"]
    later = ferryman(
        *(
            "queue",
            "add",
            eid,
            "--function",
            "enable",
            "--iccid",
            "8988211000000000011",
            "--priority",
            5,
            "--hold",
        ),
        *("--not-before", "2099-01-01T00:00", "--json", *where),
    ).json
    assert (later["state"], later["not_before"]) == ("held", 4_070_908_800.0)
    one, two = first["entry"], later["entry"]
    assert listed() == [(two, "held"), (one, "queued")]
    assert "held until it is released" in ferryman("queue", "show", eid, two, *where).out
    assert ferryman("queue", "move", eid, one, "--priority", 9, "--json", *where).json["priority"] == 9
    assert listed() == [(one, "queued"), (two, "held")]
    assert ferryman("queue", "hold", eid, one, "--json", *where).json["state"] == "held"
    assert ferryman("queue", "release", eid, two, "--json", *where).json["reason"].startswith("not before 2099")
    assert ferryman("queue", "cancel", eid, two, "--json", *where).json["state"] == "cancelled"
    assert listed() == [(one, "held")]
    assert listed("--all") == [(one, "held"), (two, "cancelled")]
    table = ferryman("queue", "list", eid, *where).out
    assert one in table
    assert "held until it is released" in table
    # Another eUICC, another owner: nothing of it.
    assert ferryman("queue", "list", other, "--json", *where).json == {"entries": []}
    stranger = ("--data", data, "--owner", STRANGER)
    assert ferryman("queue", "list", eid, "--json", *stranger).json == {"entries": []}
    for words in (("show", eid, one, *stranger), ("cancel", eid, one, *stranger), ("show", other, one, *where)):
        said = ferryman("queue", *words)
        assert said.code == 1
        assert "there is no entry" in said.err
    too_late = ferryman("queue", "release", eid, two, *where)
    assert (too_late.code, "cannot be changed any more" in too_late.err) == (1, True)


def test_a_raw_script_by_the_command_line(data: Path, cards: tuple[str, str]) -> None:
    eid, _ = cards
    raw = ("queue", "add", eid, "--function", "raw", "--script", GET_DATA, "--data", data)
    bare = ferryman(*raw, "--owner", OWNER)
    assert (bare.code, "reason" in bare.err) == (1, True)
    refused = ferryman(*raw, "--reason", "to see what is free", "--owner", STRANGER)
    assert (refused.code, "right of their own" in refused.err) == (1, True)
    added = ferryman(*raw, "--reason", "to see what is free", "--owner", OWNER, "--json").json
    assert (added["function"], added["state"]) == ("raw", "queued")
    with contextlib.closing(sqlite3.connect(data / "sm-sr.db")) as database:
        found = database.execute("SELECT actor, action, detail FROM audit WHERE object = ?", (added["entry"],))
        assert found.fetchall() == [(OWNER, "queue raw", "to see what is free")]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--function", "dance"), "function"),
        (("--function", "enable"), "iccid"),
        (("--function", "audit", "--validity", "0"), "validity"),
        (("--function", "audit", "--priority", "5000"), "priority"),
        (("--function", "audit", "--not-before", "soon"), "--not-before"),
        (("--function", "raw", "--script", "xyz"), "--script"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(
    data: Path, cards: tuple[str, str], words: tuple[str, ...], named: str
) -> None:
    said = ferryman("queue", "add", cards[0], *words, "--data", data, "--owner", OWNER)
    assert said.code in (1, 2)
    one_sentence(said)
    assert named in said.err
    assert ferryman("queue", "list", cards[0], "--json", "--data", data, "--owner", OWNER).json == {"entries": []}
