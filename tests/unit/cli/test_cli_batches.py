"""Commands on batches of orders, holds and hooks."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_run import ferryman, one_sentence
from dp_world import eid_of, iccid_of
from ferryman.profile.demo_template import demo_template
from premises import defective

EUM = "1.3.6.1.4.1.99999.40"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with one eUICC and one profile type, without a subscription."""
    folder = tmp_path_factory.mktemp("files")
    card = defective(folder, ["key-check-value"])
    (folder / "good.xml").write_bytes(b"<delivery>" + next(iter(card.values())) + b"</delivery>")
    (folder / "demo.der").write_bytes(demo_template())
    data = tmp_path_factory.mktemp("ready") / "data"
    for words in (
        ("certificate", "trust", folder / "ci.pem"),
        ("key", "import-transport", folder / "transport-key.hex", "--eum", EUM),
        ("template", "import", folder / "demo.der", "--name", "demo"),
        ("euicc", "import", folder / "good.xml"),
    ):
        said = ferryman(*words, "--data", data)
        assert said.code == 0, said
    return data


def test_a_batch_of_a_file(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"eid,iccid\n{eid_of(1)},\n{eid_of(2)},{iccid_of(2)}\n\n{eid_of(3)},\n")
    create = ("order", "batch", "create", "one", "--file", file, "--data", data)
    without = ferryman(*create)
    assert without.code == 1
    assert "line 2: has neither" in without.err
    assert "line 5: has neither" in without.err
    made = ferryman(*create, "--profile-type", "demo", "--no-start", "--json")
    assert made.code == 0, made
    assert (made.json["state"], made.json["rows"], made.json["waiting"]) == ("filling", 3, 3)
    assert "3 of 3 rows" in made.err
    again = ferryman(*create, "--profile-type", "demo", "--no-start", "--json")
    assert (again.json["rows"], again.err) == (3, ""), "the same command again adds nothing"
    file.write_text(f"EID\n{eid_of(1)}\n")
    other = ferryman(*create, "--profile-type", "demo")
    assert other.code == 1
    assert "choose another name" in one_sentence(other)
    rows = ferryman("order", "batch", "rows", "one", "--data", data, "--json").json["rows"]
    assert [(row["number"], row["iccid"], row["state"]) for row in rows] == [
        (0, "", "waiting"),
        (1, iccid_of(2), "waiting"),
        (2, "", "waiting"),
    ]
    assert ferryman("order", "batch", "start", "one", "--data", data).code == 0
    # There is no stock.
    shown = ferryman("order", "batch", "show", "one", "--wait", "--data", data, "--json")
    assert (shown.code, shown.json["state"]) == (1, "paused")
    assert "no free subscription" in shown.json["reason"]
    assert ferryman("order", "batch", "limit", "one", "7", "--data", data, "--json").json["in_flight"] == 7
    cancelled = ferryman("order", "batch", "cancel", "one", "--data", data)
    assert cancelled.code == 0
    ended = ferryman("order", "batch", "show", "one", "--wait", "--data", data, "--json").json
    assert (ended["state"], ended["cancelled"] + ended["refused"]) == ("cancelled", 3)
    listed = ferryman("order", "batch", "list", "--data", data, "--json").json["batches"]
    assert [one["name"] for one in listed] == ["one"]
    assert "cancelled" in ferryman("order", "batch", "rows", "one", "--data", data).out


def test_a_batch_of_a_filter(data: Path) -> None:
    create = ("order", "batch", "create", "--data", data, "--profile-type", "demo", "--no-start", "--json")
    (card,) = ferryman("euicc", "list", "--data", data, "--json").json["euiccs"]
    made = ferryman(*create, "all", "--every", "--eum", EUM)
    assert (made.code, made.json["rows"], made.json["last_eid"]) == (0, 1, card["eid"])
    assert ferryman(*create, "all", "--every", "--eum", EUM).json["rows"] == 1
    nobody = ferryman(*create, "none", "--every", "--eum", "1.2.3")
    assert nobody.code == 1
    assert "no eUICC fits" in nobody.err
    assert ferryman(*create, "neither").code == 1


BAD = {
    "no heading": f"{eid_of(1)}\n",
    "unknown column": f"EID,KI\n{eid_of(1)},x\n",
    "a column twice": f"EID,EID\n{eid_of(1)},{eid_of(1)}\n",
    "values too many": f"EID\n{eid_of(1)},2\n",
    "check digits": f"EID\n{eid_of(1)[:-1]}x\n",
    "wrong ICCID": f"EID,ICCID\n{eid_of(1)},12\n",
    "both": f"EID,ICCID,PROFILE_TYPE\n{eid_of(1)},{iccid_of(1)},demo\n",
    "nothing": "EID\n",
    "open quotes": f'EID\n"{eid_of(1)}\n',
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_with_a_fault_is_not_taken(data: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(BAD[name])
    said = ferryman("order", "batch", "create", "bad", "--file", file, "--profile-type", "demo", "--data", data)
    assert said.code == 1
    assert "rows.csv" in said.err
    assert ferryman("order", "batch", "show", "bad", "--data", data).code == 1


def test_hooks_and_a_persons_word(data: Path, tmp_path: Path) -> None:
    key = tmp_path / "hook.hex"
    key.write_text("00" * 31)
    assert ferryman("key", "import-hook", key, "--name", "hlr", "--data", data).code == 1
    key.write_text("ab" * 32)
    said = ferryman("key", "import-hook", key, "--name", "hlr", "--data", data)
    assert (said.code, "ab" * 8 in said.out + said.err) == (0, False)
    url = "https://hlr.example/holds"
    setting = ("order", "hook", "set", "--data", data)
    assert ferryman(*setting, "--url", url).code == 1
    made = ferryman(
        *setting, "--url", url, "--key", "hlr", "--profile-type", "demo", "--at", "before-download", "--json"
    )
    (hook,) = made.json["hooks"]
    assert (hook["url"], hook["holds"], hook["limit"]) == (url, ["before-download"], 3600.0)
    assert url in ferryman("order", "hook", "list", "--data", data).out
    for word in ("release", "refuse"):
        unknown = ferryman("order", word, "none", "--data", data)
        assert unknown.code == 1
        assert "no order none" in one_sentence(unknown)
    assert ferryman("order", "hook", "remove", "--profile-type", "demo", "--data", data).code == 0
    assert ferryman("order", "hook", "list", "--data", data, "--json").json["hooks"] == []
