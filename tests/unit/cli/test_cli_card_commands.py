"""Operations on a card by the command line: started, waited for, shown; what cannot be is refused at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_run import ferryman, one_sentence

EID = "89001012012341234012345678901224"
ICCID = "8988211000000000011"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("enable", EID, ICCID), "EnableProfile"),
        (("disable", EID, ICCID), "DisableProfile"),
        (("delete", EID, ICCID), "DeleteProfile"),
        (("audit", EID, ICCID), "AuditEIS"),
        (("set-fallback", EID, ICCID), "SetFallbackAttribute"),
        (("addressing", EID, "--sms", "+33612345678", "--port", "8443"), "UpdateSMSRAddressing"),
        (("rotate-keys", EID, "scp80"), "RotateKeyset"),
        (
            ("master-delete", EID, ICCID, "--token", "00" * 16, "--sin", "49", "--sdin", "50", "--provider", "47"),
            "MasterDelete",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_an_operation_ends_and_is_shown(tmp_path: Path, words: tuple[str, ...], name: str) -> None:
    common = ("--data", tmp_path, "--json")
    said = ferryman("euicc", *words, "--wait", "--call-id", "one", *common)
    assert said.code == 1, said
    assert (said.json["name"], said.json["state"], said.json["call_id"]) == (name, "done", "one")
    assert (said.json["status"]["subject"], said.json["status"]["reason"]) == ("8.1.1", "3.9"), "no such card"
    shown = ferryman("operation", "show", "one", *common)
    assert (shown.code, shown.json) == (0, said.json)
    text = ferryman("operation", "show", "one", "--data", tmp_path)
    assert f"operation one, {name}, done: FAILED 8.1.1/3.9" in text.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("rotate-keys", "123", "scp80"), "32"),
        (("addressing", EID), "addressing parameters"),
        (("enable", "123", ICCID), "32"),
        (("enable", EID, ICCID, "--validity", "0"), "validity"),
        (
            ("master-delete", EID, ICCID, "--token", "xy", "--sin", "49", "--sdin", "50", "--provider", "47"),
            "hexadecimal",
        ),
        (
            ("master-delete", EID, ICCID, "--token", "00", "--sin", "49", "--sdin", "50", "--provider", "47"),
            "16 octets",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    said = ferryman("euicc", *words, "--data", tmp_path)
    assert said.code == 1
    assert sentence in one_sentence(said)


def test_an_operation_of_somebody_else_is_like_none(tmp_path: Path) -> None:
    ferryman("euicc", "enable", EID, ICCID, "--wait", "--call-id", "mine", "--data", tmp_path)
    said = ferryman("operation", "show", "mine", "--owner", "1.3.6.1.4.1.99999.77", "--data", tmp_path)
    assert said.code == 1
    assert "there is no operation mine" in one_sentence(said)
