"""`ferryman es2 connectivity`, and connectivity parameters of an order: what is sent, what is refused at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_run import ferryman, one_sentence
from ferryman.cli.connectivity import Connectivity, parameters_of

EID = "89001012012341234012345678901224"
ICCID = "8988211000000000011"


def test_objects_from_words(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("pw\n")
    given = Connectivity(smsc="+33609876543", apn="m2m.net", login="me", password_file=secret)
    bearer = "3501034708036D326D036E65740D03046D650D03047077"
    wanted = f"A0090607913306896745F3A2{len(bearer) // 2:02X}{bearer}"
    found = parameters_of(given)
    assert found is not None
    assert found.hex().upper() == wanted
    assert parameters_of(Connectivity()) is None
    assert parameters_of(Connectivity(connectivity="")) == b""
    one = parameters_of(Connectivity(apn="m2m", password_file=secret))
    assert one is not None
    assert one.hex().upper().endswith("0D000D03047077"), "the second one is the password"


def test_a_call_ends_and_is_shown(tmp_path: Path) -> None:
    common = ("--data", tmp_path, "--json")
    said = ferryman(
        "es2", "connectivity", EID, ICCID, "--smsc", "+33609876543", "--wait", "--call-id", "one", *common
    )
    assert (said.code, said.json["name"], said.json["state"]) == (1, "UpdateConnectivityParameters", "done"), said
    assert (said.json["status"]["subject"], said.json["status"]["reason"]) == ("8.1.1", "3.9"), "no such card"
    assert ferryman("es2", "show", "one", *common).json == said.json


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "are missing"),
        (("--smsc", "x"), "telephone number"),
        (("--login", "me"), "--apn"),
        (("--apn", "a..b"), "label"),
        (("--apn", "a", "--password-file", "/nonexistent"), "password"),
        (("--connectivity", "xy"), "hexadecimal"),
        (("--connectivity", "A000", "--smsc", "+1"), "replaces"),
        (("--connectivity", "A300"), "A0 (SMS)"),
    ],
)
def test_what_is_refused_at_once(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    said = ferryman("es2", "connectivity", EID, ICCID, *words, "--data", tmp_path)
    assert said.code in (1, 2)
    assert sentence in one_sentence(said)
    if words:
        order = ferryman("order", "create", "--eid", EID, "--iccid", ICCID, *words, "--data", tmp_path)
        assert sentence in one_sentence(order)
