"""`ferryman --server`: where the platform is, what the key comes from, and what the REST API has no answer for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from both_ways import commands
from cli_run import ferryman, one_sentence
from ferryman.cli.remote import operator
from ferryman.cli.remote.place import current, taken_out
from ferryman.cli.remote.reach import ELSEWHERE, FILES, MACHINE, Reach, reach_of
from ferryman.cli.remote.table import CARRIED
from ferryman.contracts.imports import (
    CloseRegistration,
    DeleteStock,
    ListSubscriptions,
    OpenRegistration,
    RegisterChunk,
)
from ferryman.contracts.operations import ShowJournal
from ferryman.contracts.oversight import ASKED as OVERSIGHT
from ferryman.contracts.queue import CampaignCount
from ferryman.contracts.rest import ASKED_OF_SM_DP, ASKED_OF_SM_SR
from ferryman.contracts.workflow import CheckScript, TryScript
from ferryman.errors import InputError
from ferryman.profile.demo_template import demo_template

PAGE = Path(__file__).resolve().parents[3] / "docs" / "cli.md"
URL = "https://ferryman.example.org"
KEY = {"FERRYMAN_API_KEY": "hidden"}
# The REST API may ask these, and no command of ours does.
UPLOADS = {OpenRegistration, RegisterChunk, CloseRegistration}  # parts of an import, which is a whole over REST
NO_COMMAND = {ShowJournal, CampaignCount, DeleteStock, ListSubscriptions, CheckScript, TryScript}


def test_the_option_stands_anywhere() -> None:
    for words in (
        ["--server", URL, "order", "list"],
        ["order", f"--server={URL}", "list"],
        ["order", "list", "--server", URL],
    ):
        rest, place = taken_out(words, KEY)
        assert rest == ["order", "list"]
        assert place is not None
        assert (place.url, place.key) == (URL, "hidden")
        assert "hidden" not in repr(place)
    assert taken_out(["order", "--", "--server", URL], {}) == (["order", "--", "--server", URL], None)
    assert taken_out(["order", "list"], KEY) == (["order", "list"], None)


def test_the_environment_names_the_platform_and_data_goes_before_it() -> None:
    around = KEY | {"FERRYMAN_SERVER": URL, "FERRYMAN_CA_FILE": "ca.pem"}
    _, place = taken_out(["order", "list"], around)
    assert place is not None
    assert (place.url, place.ca_file) == (URL, "ca.pem")
    assert taken_out(["order", "list", "--data", "d"], around)[1] is None
    for words in (["--server", URL, "--data", "d"], ["--server", URL, "--owner=1.2"], ["--server"]):
        with pytest.raises(InputError):
            taken_out(words, around)


def test_the_key_comes_from_a_file_that_nobody_else_reads(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("hidden\n")
    file.chmod(0o600)
    around = {"FERRYMAN_API_KEY_FILE": str(file)}
    _, place = taken_out(["--server", URL], around)
    assert place is not None
    assert place.key == "hidden"
    file.chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        taken_out(["--server", URL], around)
    with pytest.raises(InputError):
        taken_out(["--server", URL], {"FERRYMAN_API_KEY_FILE": str(tmp_path)})
    with pytest.raises(InputError, match="FERRYMAN_API_KEY"):
        taken_out(["--server", URL], {})


def test_a_person_logs_in_instead_of_a_key(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("correct horse\n")
    file.chmod(0o600)
    around = {"FERRYMAN_USER": "ada", "FERRYMAN_PASSWORD_FILE": str(file), "FERRYMAN_CODE": "123456"}
    _, place = taken_out(["--server", URL], around)
    assert place is not None
    assert (place.key, place.user, place.password, place.code) == ("", "ada", "correct horse", "123456")
    assert "horse" not in repr(place)
    assert "123456" not in repr(place)
    with pytest.raises(InputError, match="FERRYMAN_API_KEY"):  # who asks must be plain
        taken_out(["--server", URL], around | KEY)
    with pytest.raises(InputError, match="FERRYMAN_PASSWORD"):
        taken_out(["--server", URL], {"FERRYMAN_USER": "ada"})
    file.chmod(0o604)
    with pytest.raises(InputError, match="chmod 600"):
        taken_out(["--server", URL], around)


def test_approvals_are_not_at_the_machine() -> None:
    for words in (["list"], ["show", "a"], ["approve", "a"], ["reject", "a"]):
        said = ferryman("approval", *words)
        assert said.code == 1
        assert one_sentence(said).startswith("--server: is needed")


def test_every_question_that_the_api_may_ask_is_carried() -> None:
    assert operator.MODULES
    missing = {*ASKED_OF_SM_SR, *ASKED_OF_SM_DP} - set(CARRIED) - NO_COMMAND - {*OVERSIGHT, *UPLOADS}
    assert not missing, sorted(kind.__name__ for kind in missing)


@pytest.mark.parametrize(
    "words",
    [
        ["up"], ["serve", "core", ], ["restore", "--lost", "1m"], ["parked", "list"], ["procedure", "list"],
        ["nats-config", "--out", "x"], ["nats-streams"], ["demo"], ["certificate", "trust", "x.pem"],
        ["certificate", "drop", "0"], ["parked", "release", "sm-sr", "outbox", "1"], ["procedure", "replay", "1"],
    ],
)  # fmt: skip
def test_what_is_about_the_machine_says_so_and_why(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERRYMAN_API_KEY", "hidden")
    for order in (["--server", URL, *words], [*words, "--server", URL]):
        said = ferryman(*order)
        assert said.code == 1
        sentence = one_sentence(said)
        command = next(name for name in MACHINE if " ".join(words).startswith(name))
        assert sentence == f"--server: `ferryman {command}` is for the platform's own machine: {MACHINE[command]}"
    assert current.get() is None


@pytest.mark.parametrize(
    "words",
    [
        ["euicc", "dry-run", "MasterDelete", "8" * 32, "89"], ["key", "import-openpgp", __file__],
        ["queue", "add", "--campaign", "c", "--function", "raw", "--script", "00", "--reason", "because of it"],
        ["euicc", "dry-run", "EnableProfile", "8" * 32, "89", "--required-memory", "5"],
    ],
)  # fmt: skip
def test_what_the_api_does_not_have_says_so(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERRYMAN_API_KEY", "hidden")
    said = ferryman("--server", URL, *words)
    assert said.code == 1
    assert "own machine" in one_sentence(said)


def test_the_page_lists_every_command_as_it_is() -> None:
    rows = re.findall(
        r"^\| `([^`]+)` \| (yes|no|files|only) \| ?(.*?) ?\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(name for name, _, _ in rows) == sorted(commands())
    words = {Reach.CARRIED: "yes", Reach.MACHINE: "no", Reach.FILES: "files", Reach.ELSEWHERE: "only"}
    for name, server, remark in rows:
        assert server == words[reach_of(name.split())], name
        if name in MACHINE:
            assert remark == MACHINE[name]
    assert set(MACHINE) | FILES | ELSEWHERE <= set(commands())


def test_commands_about_files_ask_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERRYMAN_API_KEY", "hidden")
    (tmp_path / "demo.der").write_bytes(demo_template())
    said = ferryman("--server", URL, "profile", "lint", tmp_path / "demo.der")  # nothing listens at that URL
    assert said == ferryman("profile", "lint", tmp_path / "demo.der")


def test_no_platform_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERRYMAN_API_KEY", "hidden")
    for url in ("http://ferryman.example.org", "nonsense"):
        said = ferryman("--server", url, "order", "list")
        assert said.code == 1
        assert one_sentence(said).startswith("url: ")
        assert "hidden" not in said.err
