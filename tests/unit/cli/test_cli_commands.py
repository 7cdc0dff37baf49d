"""Every command of an operator's day: with --json, as text, wrong usage, failures; nothing runs on the data."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from cli_run import ferryman, one_sentence
from ferryman.cli.control import SOCKET, DataLock
from ferryman.profile.demo_template import demo_template
from ferryman_sim.card_maker import certify, gp_cert
from premises import make_batch, split, subscriptions

EUM = "1.3.6.1.4.1.99999.40"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A card maker's batch, a template and subscriptions."""
    folder = make_batch(tmp_path_factory.mktemp("files"), count=2, seed="cli")
    (folder / "template.der").write_bytes(demo_template())
    (folder / "operator.csv").write_text(subscriptions(3, "cli"))
    (folder / "one.xml").write_bytes(split(folder)[0])
    return folder


def certified(files: Path, public_key: Path) -> Path:
    """CERT.DP.ECDSA by the batch's CI, in hexadecimal."""
    request = certify.Request(gp_cert.Role.DP, bytes.fromhex("534D445001"), *certify.read_point(public_key))
    oid = json.loads((files / "batch.json").read_text())["ci"]["oid"]
    target = public_key.with_suffix(".cert")
    target.write_text(certify.issue(request, certify.read_key(files / "ci-key.pem"), oid).hex() + "\n")
    return target


@pytest.fixture(scope="module")
def ready(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with everything an order needs."""
    data = tmp_path_factory.mktemp("ready") / "data"
    key = data.parent / "dp.pem"
    steps: list[tuple[object, ...]] = [
        ("certificate", "trust", files / "ci.pem"),
        ("certificate", "request", "--output-file", key),
    ]
    for words in steps:
        assert ferryman(*words, "--data", data).code == 0
    for words in (
        ("certificate", "import", certified(files, key)),
        ("key", "import-transport", files / "transport-key.hex", "--eum", EUM),
        ("euicc", "import", files / "eis.xml"),
        ("template", "import", files / "template.der", "--name", "demo"),
        ("subscription", "import", files / "operator.csv", "--profile-type", "demo"),
    ):
        said = ferryman(*words, "--data", data)
        assert (said.code, said.err) == (0, ""), said
    return data


def test_every_command_says_one_json_document(files: Path, tmp_path: Path) -> None:
    """Also on a new data directory, whose databases are made on the way."""
    data = tmp_path / "data"
    key = tmp_path / "dp.pem"

    def asked(*words: object) -> dict[str, object]:
        said = ferryman(*words, "--data", data, "--json")
        assert (said.code, said.err) == (0, ""), said
        found = said.json
        assert isinstance(found, dict)
        return found

    assert asked("certificate", "trust", files / "ci.pem")["done"]
    made = asked("certificate", "request", "--output-file", key)
    assert str(made["public_key_pem"]).startswith("-----BEGIN PUBLIC KEY-----")
    assert key.read_text() == made["public_key_pem"]
    assert asked("certificate", "import", certified(files, key))["done"]
    assert asked("key", "import-transport", files / "transport-key.hex", "--eum", EUM)["done"]
    registered = asked("euicc", "import", files / "eis.xml")
    assert (len(registered["new"]), registered["known"]) == (2, [])  # type: ignore[arg-type]
    assert len(asked("euicc", "import", files / "eis.xml")["known"]) == 2  # type: ignore[arg-type]
    cards = asked("euicc", "list")["euiccs"]
    assert isinstance(cards, list)
    eids = [card["eid"] for card in cards]
    assert eids == sorted(registered["new"])  # type: ignore[call-overload]
    shown = asked("euicc", "show", eids[0])
    assert shown["eid"] == eids[0]
    imported = asked("template", "import", files / "template.der", "--name", "demo")
    assert (imported["new"], imported["size"]) == (True, len(demo_template()))
    assert asked("subscription", "import", files / "operator.csv", "--profile-type", "demo")["new"] == 3
    order = asked("order", "create", "--eid", eids[0], "--profile-type", "demo", "--call-id", "call-1")
    assert order["state"] == "running"
    again = asked("order", "create", "--eid", eids[0], "--profile-type", "demo", "--call-id", "call-1")
    assert again["order_id"] == order["order_id"]
    assert asked("order", "show", order["order_id"])["eid"] == eids[0]


def test_profile_inspect(files: Path) -> None:
    said = ferryman("profile", "inspect", files / "template.der", "--json")
    assert (said.code, said.err) == (0, "")
    assert said.json["elements"]
    text = ferryman("profile", "inspect", files / "template.der")
    assert text.code == 0
    assert "header" in text.out


def test_text_output(ready: Path) -> None:
    listed = ferryman("euicc", "list", "--data", ready)
    assert listed.code == 0
    found = ferryman("euicc", "list", "--data", ready, "--json").json["euiccs"]
    for card in found:
        assert card["eid"] in listed.out
        assert card["profiles"][0]["iccid"] in listed.out
    shown = ferryman("euicc", "show", found[0]["eid"], "--data", ready)
    assert found[0]["eid"] in shown.out
    pem = ferryman("certificate", "request", "--data", ready)
    assert pem.out.startswith("-----BEGIN PUBLIC KEY-----")


def test_commands_of_another_owner_see_the_cards_without_profiles(ready: Path) -> None:
    cards = ferryman("euicc", "list", "--data", ready, "--owner", "1.2.3", "--json").json["euiccs"]
    assert len(cards) == 2
    assert [card["profiles"] for card in cards] == [[], []]


USAGE = {
    "unknown command": ("fly",),
    "unknown sub-command": ("euicc", "fly"),
    "argument missing": ("euicc", "show"),
    "option missing": ("template", "import", "file.der"),
    "unknown option": ("euicc", "list", "--colour", "red"),
    "value that is no number": ("order", "create", "--eid", "1", "--validity", "soon"),
    "an argument too many": ("euicc", "show", "1", "2"),
    "option without value": ("euicc", "list", "--data"),
    "value that is no choice": ("template", "import", "x", "--name", "x", "--algorithm", "none"),
    "role that is none": ("certificate", "request", "--role", "ci"),
}


@pytest.mark.parametrize("name", USAGE)
def test_wrong_usage(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 2, one line, nothing made on disk."""
    monkeypatch.chdir(tmp_path)
    said = ferryman(*USAGE[name])
    assert said.code == 2
    assert said.out == ""
    assert "--help" in one_sentence(said)
    assert list(tmp_path.iterdir()) == []
    told = ferryman(*USAGE[name], "--json")
    assert told.code == 2
    if name != "option without value":  # then --json is its value
        assert set(told.json) == {"error"}


def broken(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_failures(files: Path, ready: Path, tmp_path: Path) -> None:
    """Exit status 1, one sentence that names what is wrong; with --json the same as an object."""
    absent = tmp_path / "absent"
    table = subscriptions(1, "cli").replace("8988211", "8988212", 1).encode()
    unknown = "89033023000000000000000000000075"
    cases: list[tuple[tuple[object, ...], str]] = [
        (("template", "import", absent, "--name", "x"), "cannot be read"),
        (("template", "import", broken(tmp_path, "t", b"\x00"), "--name", "x"), "YAML"),
        (("subscription", "import", absent, "--profile-type", "demo"), "cannot be read"),
        (("subscription", "import", broken(tmp_path, "s", table), "--profile-type", "demo"), "line 2"),
        (("subscription", "import", files / "operator.csv", "--profile-type", "none"), "template"),
        (("euicc", "import", absent), "cannot be read"),
        (("euicc", "import", broken(tmp_path, "e", b"<x>")), "XML"),
        (("euicc", "show", unknown), unknown),
        (("order", "show", "123456789abc"), "123456789abc"),
        (("order", "create", "--eid", unknown[:-1] + "x", "--profile-type", "demo"), "32 decimal digits"),
        (("order", "create", "--eid", unknown), "ICCID or a profile type"),
        (("order", "create", "--eid", unknown, "--iccid", "8988211000000000995"), "import it first"),
        (("certificate", "trust", broken(tmp_path, "c", b"no PEM")), "PEM"),
        (("certificate", "import", broken(tmp_path, "d", b"no TLV")), ""),
        (("certificate", "request", "--output-file", tmp_path / "no" / "folder"), "cannot be written"),
        (("key", "import-transport", broken(tmp_path, "k", b"xyz"), "--eum", EUM), "hexadecimal"),
        (("key", "import-transport", broken(tmp_path, "l", b"0011"), "--eum", EUM), "16, 24 or 32"),
        (("profile", "inspect", absent), "cannot be read"),
        (("profile", "inspect", broken(tmp_path, "p", b"\x00")), ""),
    ]
    for words, expected in cases:
        place = () if words[0] == "profile" else ("--data", ready)
        said = ferryman(*words, *place)
        assert (said.code, said.out) == (1, ""), words
        sentence = one_sentence(said)
        assert expected in sentence, (words, sentence)
        told = ferryman(*words, *place, "--json")
        assert told.code == 1
        assert told.json == {"error": sentence}, words


def test_an_order_that_fails(ready: Path) -> None:
    """--wait: exit status 1, and the order with its status as the document."""
    unknown = "89033023000000000000000000000075"
    words = ("order", "create", "--eid", unknown, "--profile-type", "demo", "--wait", "--data", ready)
    said = ferryman(*words, "--json")
    assert (said.code, said.err) == (1, "")
    assert (said.json["state"], said.json["status"]["subject"], said.json["status"]["reason"]) == (
        "done",
        "8.1.1",
        "3.9",
    )
    text = ferryman(*words)
    assert text.code == 1
    assert "8.1.1/3.9" in text.out
    shown = ferryman("order", "show", said.json["order_id"], "--data", ready, "--json")
    assert shown.code == 0  # the question was answered
    assert shown.json["status"] == said.json["status"]


def test_data_in_use_by_a_process_that_does_not_answer(ready: Path) -> None:
    with DataLock(ready):
        said = ferryman("euicc", "list", "--data", ready)
    assert (said.code, said.out) == (1, "")
    assert "another ferryman process" in one_sentence(said)


def test_socket_of_a_killed_process(ready: Path) -> None:
    """Nobody listens on it: the command opens the data itself."""
    left = ready / SOCKET
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left))
    try:
        assert ferryman("euicc", "list", "--data", ready).code == 0
    finally:
        left.unlink()


def test_wrong_settings(tmp_path: Path) -> None:
    (tmp_path / "ferryman.toml").write_text("[sm_sr]\ntransport = 'pigeon'\n")
    said = ferryman("euicc", "list", "--data", tmp_path)
    assert said.code == 1
    assert "transport" in one_sentence(said)


def test_vault_key_that_others_may_read(ready: Path) -> None:
    key = ready / "vault.key"
    key.chmod(0o644)
    try:
        said = ferryman("euicc", "list", "--data", ready)
    finally:
        key.chmod(0o600)
    assert said.code == 1
    assert "chmod 600" in one_sentence(said)


def test_help_and_version() -> None:
    assert ferryman("--help").code == 0
    assert ferryman("--version").out.strip()
