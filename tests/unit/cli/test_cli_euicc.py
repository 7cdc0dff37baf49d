"""Commands on the repository of eUICCs: bulk import with a report, look-up, types, tags, history, dry run."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from cli_run import ferryman, one_sentence
from ferryman.cli.eis_file import pieces
from ferryman.codec.eis_xml import parse_delivery
from ferryman.errors import InputError
from premises import defective, make_batch

EUM = "1.3.6.1.4.1.99999.40"
BOOT_OWNER = "1.3.6.1.4.1.99999.30"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Deliveries of one batch: a good card, one with a wrong KCV, one with a broken signature."""
    folder = tmp_path_factory.mktemp("files")
    cards = defective(folder, ["key-check-value", "eum-signature"])
    whole = b"<delivery>" + b"".join(cards.values()) + b"</delivery>"
    (folder / "mixed.xml").write_bytes(whole)
    return folder


@pytest.fixture(scope="module")
def data(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that knows the batch's CI and transport key, and its good card."""
    data = tmp_path_factory.mktemp("ready") / "data"
    for words in (
        ("certificate", "trust", files / "ci.pem"),
        ("key", "import-transport", files / "transport-key.hex", "--eum", EUM),
    ):
        assert ferryman(*words, "--data", data).code == 0
    report = data.parent / "report.csv"
    said = ferryman("euicc", "import", files / "mixed.xml", "--each", "--report", report, "--data", data, "--json")
    assert said.code == 1, "two cards were refused"
    assert "3 cards: 1 new, 0 known, 2 refused" in said.err
    assert len(said.json["new"]) == 1
    rows = list(csv.DictReader(report.read_text().splitlines()))
    assert [row["number"] for row in rows] == ["2", "3"]
    assert all(row["code"] and row["message"] for row in rows)
    return data


def first(data: Path) -> dict[str, object]:
    said = ferryman("euicc", "list", "--data", data, "--json")
    assert said.code == 0
    found: dict[str, object] = said.json["euiccs"][0]
    return found


def test_import_again_is_harmless_and_all_or_none_takes_nothing(files: Path, data: Path) -> None:
    again = ferryman("euicc", "import", files / "mixed.xml", "--each", "--data", data, "--json")
    assert (len(again.json["new"]), len(again.json["known"]), len(again.json["refused"])) == (0, 1, 2)
    whole = ferryman("euicc", "import", files / "mixed.xml", "--data", data)
    assert whole.code == 1
    assert len(ferryman("euicc", "list", "--data", data, "--json").json["euiccs"]) == 1


def test_find_and_info(data: Path) -> None:
    card = first(data)
    eid, profile = str(card["eid"]), card["profiles"][0]  # type: ignore[index]
    for by, value in (("eid", eid), ("iccid", profile["iccid"]), ("isdp_aid", profile["isdp_aid"])):
        said = ferryman("euicc", "find", by, value, "--data", data, "--json")
        assert [found["eid"] for found in said.json["euiccs"]] == [eid]
    assert ferryman("euicc", "find", "iccid", "8988", "--data", data).code == 1
    assert "colour" not in ferryman("euicc", "find", "colour", "red", "--data", data).out
    info = ferryman("euicc", "info", eid, "--data", data, "--json").json
    assert info["effective"]["spi"] == "1639"
    assert info["contact"]["last"] is None
    assert "effective" in ferryman("euicc", "info", eid, "--data", data).out


def test_types_differences_and_tags(data: Path) -> None:
    eid = str(first(data)["eid"])
    words = ("euicc", "type", "set", EUM, "spi=1601", 'transports=["sms"]', "delete_enabled=refuse")
    assert ferryman(*words, "--data", data).code == 0
    info = ferryman("euicc", "info", eid, "--data", data, "--json").json["effective"]
    assert (info["spi"], info["transports"], info["delete_enabled"]) == ("1601", ["sms"], "refuse")
    listed = ferryman("euicc", "type", "list", "--data", data, "--json").json["types"]
    assert [(t["eum_id"], t["cards"]) for t in listed] == [(EUM, 1)]
    assert EUM in ferryman("euicc", "type", "list", "--data", data).out
    assert ferryman("euicc", "differ", eid, "segment=500", "--data", data).code == 0
    assert ferryman("euicc", "info", eid, "--data", data, "--json").json["differs"] == {"segment": 500}
    for wrong in (("euicc", "type", "set", EUM, "spi=1"), ("euicc", "differ", eid, "segment")):
        said = ferryman(*wrong, "--data", data)
        assert said.code == 1
        one_sentence(said)
    assert ferryman("euicc", "tag", eid, "lift", "pilot", "--data", data).code == 0
    assert ferryman("euicc", "info", eid, "--data", data, "--json").json["tags"] == ["lift", "pilot"]
    for words in (("euicc", "type", "set", EUM), ("euicc", "differ", eid), ("euicc", "tag", eid)):
        assert ferryman(*words, "--data", data).code == 0


def test_dry_run_explain_and_history(data: Path) -> None:
    card = first(data)
    eid, profile = str(card["eid"]), card["profiles"][0]  # type: ignore[index]
    said = ferryman("euicc", "dry-run", "DisableProfile", eid, profile["iccid"], "--data", data)
    assert said.code == 1
    assert "would be refused with 8.1/3.8: the profile is the fall-back profile" in said.out
    words = ("euicc", "dry-run", "UpdatePolicyRules", eid, profile["iccid"], "--pol2", "DELETE:Not-Allowed")
    allowed = ferryman(*words, "--data", data, "--json")
    assert allowed.code == 0
    assert "the card is not asked" in " ".join(allowed.json["sentences"])
    assert ferryman(*words[:-1], "DELETE", "--data", data).code == 1
    explained = ferryman("euicc", "explain", eid, "--data", data)
    assert f"profile {profile['iccid']}, Enabled" in explained.out
    assert "EnableProfile would be refused with 8.2.1/1.2" in explained.out
    assert ferryman("euicc", "explain", eid, "--data", data, "--json").json["profiles"][0]["state"] == "Enabled"
    history = ferryman("euicc", "history", eid, "--data", data, "--json")
    assert history.json == {"eid": eid, "records": []}
    assert ferryman("euicc", "history", "89" + "0" * 30, "--data", data).code == 1


def test_pieces_of_a_file_hold_what_the_file_held(tmp_path: Path) -> None:
    folder = make_batch(tmp_path, count=5, seed="pieces")
    whole = parse_delivery((folder / "eis.xml").read_bytes())
    cut = [(number, parse_delivery(xml)) for number, xml in pieces(folder / "eis.xml", size=2)]
    assert [number for number, _ in cut] == [1, 3, 5]
    assert [card for _, cards in cut for card in cards] == whole


@pytest.mark.parametrize("content", ["<delivery/>", "<delivery><a>", ""])
def test_a_file_that_is_no_delivery_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "eis.xml"
    file.write_text(content)
    with pytest.raises(InputError) as refused:
        list(pieces(file))
    assert refused.value.field == str(file)
