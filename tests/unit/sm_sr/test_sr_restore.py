"""`ferryman restore`: no counter and no message identifier of the lost time is used a second time."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import sr_steps as s
from cli_run import ferryman, one_sentence
from ferryman.cli.restore import duration
from ferryman.contracts import es3
from ferryman.contracts.roles import SM_SR
from ferryman.errors import InputError
from ferryman.platform.migrate import upgrade
from ferryman.platform.restore import steps_of
from ferryman.platform.store import SQLiteStore
from ferryman.sm_sr import eis_store, restore
from ferryman.sm_sr.procedures.channel_sms import COUNTER_JUMP
from sr_world import sr_world
from virtual_loop import virtual

DAY = 86_400.0


def eid(number: int) -> str:
    return f"890330230000000000614944{number:08d}"


async def prepared(path: Path, cards: int) -> None:
    """An SM-SR whose first card is in the middle of an operation, by SMS."""
    fleet = [s.card(eid=eid(n), profiles=(), scp80_counter=10 + n) for n in range(cards)]
    store = SQLiteStore(str(path / "sm-sr.db"), threaded=False)
    await upgrade(store, SM_SR)
    await store.close()
    async with sr_world(path, s.card(), *fleet, file="sm-sr.db") as w:
        await w.send(es3.ES3EnableProfile(eid=s.EID, iccid=s.ICCID))
        await w.settle()


def rows(path: Path, question: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(path / "sm-sr.db")) as connection:
        return connection.execute(question).fetchall()


def counter(path: Path) -> int:
    ((state,),) = rows(path, f"SELECT state FROM procedure WHERE id = 'channel/{s.EID}'")
    return int(json.loads(state)["counter"])


def test_every_counter_is_past_the_lost_time(tmp_path: Path) -> None:
    virtual(prepared)(tmp_path, 3)
    before = counter(tmp_path)
    assert before > 5
    versions = dict(rows(tmp_path, "SELECT id, version FROM procedure WHERE status != 'done'"))
    said = ferryman("restore", "--lost", "1d", "--data", tmp_path, "--json")
    assert (said.code, said.err) == (0, "")
    assert said.json["cards"] == 4
    # As many packets as a day can hold, and each answered "counter low", which makes the channel jump.
    most = int(DAY * restore.PACKETS_PER_SECOND) * (1 + COUNTER_JUMP)
    assert counter(tmp_path) > before + most
    unused = [value for (value,) in rows(tmp_path, f"SELECT scp80_counter FROM euicc WHERE eid != '{s.EID}'")]
    assert [value - restore.counters_of(DAY) for value in unused] == [10, 11, 12], "also who had no contact yet"
    after = dict(rows(tmp_path, "SELECT id, version FROM procedure WHERE status != 'done'"))
    moved = {name: after[name] - versions[name] for name in versions}
    assert moved == dict.fromkeys(versions, steps_of(DAY))
    assert rows(tmp_path, "SELECT action, detail FROM audit WHERE action = 'restore'") == [("restore", "1d lost")]


def test_the_higher_of_the_two_counters_counts(tmp_path: Path) -> None:
    """The EIS has what was delivered, the channel what was used since: either may be ahead."""
    virtual(prepared)(tmp_path, 0)
    for used, delivered in ((5_000, 10), (10, 5_000)):
        with contextlib.closing(sqlite3.connect(tmp_path / "sm-sr.db")) as connection, connection:
            ((state,),) = connection.execute(
                f"SELECT state FROM procedure WHERE id = 'channel/{s.EID}'"
            ).fetchall()
            kind = bytes if isinstance(state, bytes) else str
            changed = json.dumps({**json.loads(state), "counter": used})
            connection.execute(
                "UPDATE procedure SET state = ? WHERE id = ?",
                (changed.encode() if kind is bytes else changed, f"channel/{s.EID}"),
            )
            connection.execute("UPDATE euicc SET scp80_counter = ? WHERE eid = ?", (delivered, s.EID))
        assert ferryman("restore", "--lost", "1h", "--data", tmp_path).code == 0
        assert counter(tmp_path) == 5_000 + restore.counters_of(3600.0)


def test_a_counter_without_room_is_named_and_stays(tmp_path: Path) -> None:
    virtual(prepared)(tmp_path, 0)

    async def nearly_used() -> None:
        store = SQLiteStore(str(tmp_path / "sm-sr.db"), threaded=False)
        full = s.card(eid=eid(7), profiles=(), scp80_counter=restore.LAST_COUNTER - 1000)
        await store.write(lambda c: eis_store.register(c, full, 0.0))
        await store.close()

    virtual(nearly_used)()
    before = counter(tmp_path)
    said = ferryman("restore", "--lost", "1h", "--data", tmp_path)
    assert said.code == 1
    one_sentence(said)
    assert eid(7) in said.err
    assert counter(tmp_path) == before


@pytest.mark.parametrize("text", ["", "1", "0s", "-1d", "1w", "1.5h", "400d", "99999999999s"])
def test_a_time_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        duration(text)


def test_times() -> None:
    assert [duration(text) for text in ("90s", "15m", "6h", "2d")] == [90.0, 900.0, 21_600.0, 172_800.0]


def test_a_directory_without_an_installation_is_refused(tmp_path: Path) -> None:
    assert ferryman("restore", "--lost", "1d", "--data", tmp_path / "data").code == 1
