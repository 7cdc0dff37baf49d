"""Settings of the bus, and what `serve`, `up`, `nats-config` and `nats-streams` refuse in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ferryman.cli.main import main
from ferryman.cli.settings import FILE, load
from ferryman.errors import InputError
from ferryman.platform.bus_settings import BusSettings

NATS = '[bus]\nkind = "nats"\nurl = "nats://127.0.0.1:4222"\n'


def write(folder: Path, text: str) -> Path:
    (folder / FILE).write_text(text)
    return folder


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out, errors = capsys.readouterr()
    return int(ended.value.code or 0), out, errors


def test_without_a_section_roles_are_in_one_process(tmp_path: Path) -> None:
    assert load(tmp_path).bus == BusSettings()


def test_files_of_the_bus_are_relative_to_the_data_directory(tmp_path: Path) -> None:
    text = NATS.replace("nats://", "tls://") + 'credentials = "keys"\nca_file = "ca.pem"\n'
    bus = load(write(tmp_path, text)).bus
    assert bus.credentials == str(tmp_path / "keys")
    assert bus.ca_file == str(tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('[bus]\nkind = "kafka"\n', "bus"),
        ('[bus]\nkind = "nats"\n', "bus.url"),
        ('[bus]\nurl = "nats://a:1"\n', "bus.url"),
        (NATS.replace("nats://127.0.0.1:4222", "http://127.0.0.1:4222"), "bus.url"),
        (NATS.replace("nats://127.0.0.1:4222", "nats://127.0.0.1"), "bus.url"),
        (NATS.replace("nats://127.0.0.1:4222", "nats://127.0.0.1:port"), "bus.url"),
        (NATS.replace("nats://", "nats://user:pass1@"), "bus.url"),
        (NATS + "password = 1\n", "bus.password"),
    ],
)
def test_wrong_settings_of_the_bus_are_named(tmp_path: Path, text: str, name: str) -> None:
    with pytest.raises(InputError) as raised:
        load(write(tmp_path, text))
    assert raised.value.field == name
    assert "pass1" not in str(raised.value)


@pytest.mark.parametrize(
    ("service", "text", "words"),
    [
        ("console", NATS, "must be one of core"),
        ("core", "", "needs a broker"),
        ("core", NATS, "crypto-server.credential: cannot be read"),
        ("transport-sms", NATS, "smpp: is needed"),
        ("transport-https", NATS + '[sm_sr]\ntransport = "sms"\n', "https: is needed"),
        ("sm-dp", NATS, "sm-dp.credential: cannot be read"),
    ],
)
def test_serve_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], service: str, text: str, words: str
) -> None:
    code, out, errors = said(capsys, "serve", service, "--data", str(write(tmp_path, text)))
    assert (code, out) == (1, "")
    assert words in errors
    assert "Traceback" not in errors
    assert not list(tmp_path.glob("*.db"))


def test_up_is_not_for_roles_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = said(capsys, "up", "--data", str(write(tmp_path, NATS)))
    assert code == 1
    assert "ferryman serve" in errors


def test_streams_are_made_on_a_broker_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = said(capsys, "nats-streams", "--data", str(tmp_path))
    assert code == 1
    assert "bus.kind" in errors


def test_the_configuration_of_the_broker_is_written_without_a_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(
        capsys, "nats-config", "--out", str(tmp_path / "nats"), "--listen", "10.0.0.1:4333", "--json"
    )
    assert code == 0
    assert json.loads(out)["configuration"] == str(tmp_path / "nats" / "nats-server.conf")
    text = (tmp_path / "nats" / "nats-server.conf").read_text()
    assert 'listen: "10.0.0.1:4333"' in text
    for path in (tmp_path / "nats" / "credentials").iterdir():
        file = json.loads(path.read_text())
        assert file["seed"] not in text
        assert file["private"] not in text


@pytest.mark.parametrize(
    ("options", "name"),
    [(["--listen", "here"], "--listen"), (["--tls-certificate", "c.pem"], "--tls-key")],
)
def test_wrong_options_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], name: str
) -> None:
    code, _, errors = said(capsys, "nats-config", "--out", str(tmp_path), *options)
    assert code == 1
    assert name in errors
