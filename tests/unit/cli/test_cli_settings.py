"""`ferryman.toml`: defaults, values, and an error that names the key and the rule for everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferryman.cli.settings import FILE, Settings, load
from ferryman.errors import InputError

WHOLE = """
[sm_sr]
smsr_id = "1.3.6.1.4.1.99999.21"
transport = "sms"
sms_answer_timeout = 12.5
sms_attempts = 2
script_limit = 900

[sm_dp]
smdp_id = "1.3.6.1.4.1.99999.11"
segment = 512
supported_versions = ["3.2"]
approved_platforms = ["sim"]

[smpp]
host = "127.0.0.1"
port = 2775
system_id = "ferryman"
password_file = "smpp.password"
source_addr = "882"
bind_mode = "transmitter"

[https]
host = "127.0.0.1"
port = 8443

[log]
level = "info"
format = "json"
"""


def write(folder: Path, text: str) -> Path:
    (folder / FILE).write_text(text)
    return folder


def test_without_a_file_everything_has_a_default(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings == Settings(tmp_path)
    assert (settings.smpp, settings.https, settings.log_level) == (None, None, "warning")


def test_an_empty_file_is_the_same(tmp_path: Path) -> None:
    assert load(write(tmp_path, "")) == Settings(tmp_path)


def test_every_section_is_read(tmp_path: Path) -> None:
    (tmp_path / "smpp.password").write_text("pass1\n")
    settings = load(write(tmp_path, WHOLE))
    assert (settings.sm_sr.transport, settings.sm_sr.sms_answer_timeout, settings.sm_sr.script_limit) == (
        "sms",
        12.5,
        900,
    )
    assert (settings.sm_dp.segment, settings.sm_dp.supported_versions) == (512, ("3.2",))
    assert settings.smpp is not None
    assert (settings.smpp.port, settings.smpp.password, settings.smpp.bind_mode) == (2775, "pass1", "transmitter")
    assert settings.https is not None
    assert settings.https.port == 8443
    assert (settings.log_level, settings.log_format) == ("info", "json")
    assert "pass1" not in repr(settings)


ACCOUNTS = """
[smpp]
system_id = "ferryman"
password_file = "smpp.password"
source_addr = "882"
tls = true
tls_ca_file = "ca.pem"

[[smpp.accounts]]
name = "home"
host = "smsc1.example.org"
port = 3550
prefixes = ["4477", "4478"]
bind_mode = "pair"
binds = 2

[[smpp.accounts]]
name = "roaming"
host = "smsc2.example.org"
port = 3551
password = "pass2"
weight = 3
concatenation = "sar"
submission = "data_sm"
tls_ca_file = "/etc/other.pem"
"""


def test_several_accounts_share_what_stands_above_them(tmp_path: Path) -> None:
    (tmp_path / "smpp.password").write_text("pass1\n")
    settings = load(write(tmp_path, ACCOUNTS))
    assert isinstance(settings.smpp, tuple)
    home, roaming = settings.smpp
    assert (home.name, home.prefixes, home.bind_mode, home.binds) == ("home", ("4477", "4478"), "pair", 2)
    assert (home.password, roaming.password) == ("pass1", "pass2")
    assert (home.source_addr, roaming.source_addr, roaming.weight) == ("882", "882", 3)
    assert (roaming.form.submission, roaming.form.concatenation) == ("data_sm", "sar")
    assert (home.tls_ca_file, roaming.tls_ca_file) == (str(tmp_path / "ca.pem"), "/etc/other.pem")
    assert settings.configuration().smpp == settings.smpp
    assert "pass1" not in repr(settings)
    assert "pass2" not in repr(settings)


SMPP = '[smpp]\nhost = "h"\nport = 2775\nsystem_id = "s"\npassword = "p"\n'
DATABASE = '[database]\nurl = "postgresql://ferryman_{role}@db.example.org:5432/ferryman_{role}"\n'


def test_each_role_has_a_database_of_its_own(tmp_path: Path) -> None:
    settings = load(write(tmp_path, DATABASE + "password_file = '{role}.password'\n"))
    assert settings.configuration().database == settings.database == settings.without_transports().database
    assert settings.database.of_role("sm-sr") == "postgresql://ferryman_sm_sr@db.example.org:5432/ferryman_sm_sr"
    assert settings.database.password_file_of("crypto-server") == "crypto_server.password"


@pytest.mark.parametrize(
    ("text", "field", "rule"),
    [
        ("[sm_sr\n", FILE, "TOML"),
        ("[radio]\nx = 1\n", "radio", "no section"),
        ("sm_sr = 3\n", "sm_sr", "no section"),
        ("[sm_sr]\ntransprot = 'sms'\n", "sm_sr.transprot", "transport"),
        ("[sm_sr]\ntransport = 'pigeon'\n", "sm_sr", "https"),
        ("[sm_sr]\nsms_attempts = 'four'\n", "sm_sr", "sms_attempts"),
        ("[sm_dp]\nsegment = 5000\n", "sm_dp", "16"),
        ("[sm_dp]\nsegments_per_message = 0\n", "sm_dp", "at least 1"),
        (DATABASE.replace("{role}@", "{rule}@"), "database.url", "role"),
        (DATABASE.replace("/ferryman_{role}", "/ferryman"), "database.url", "another database for each role"),
        (DATABASE.replace("postgresql:", "mysql:"), "database.url", "postgresql://"),
        (DATABASE.replace("ferryman_{role}@", ""), "database.url", "USER@HOST"),
        (DATABASE.replace("@", ":secret@"), "database.url", "no password"),
        (DATABASE.replace(":5432", ":x"), "database.url", "postgresql://"),
        (DATABASE + "limit = 0.1\n", "database.limit", "between"),
        (DATABASE + "password_file = '{rule}'\n", "database.password_file", "role"),
        ("[database]\nca_file = 'ca.pem'\n", "database.ca_file", "database.url"),
        (SMPP.replace("2775", "70000"), "smpp", "65"),
        (SMPP.replace('host = "h"\n', ""), "smpp", "host"),
        (SMPP.replace('password = "p"', 'password_file = "none"'), "smpp.password_file", "cannot be read"),
        (SMPP + "name = 'a b'\n", "smpp", "letters"),
        (SMPP + "prefixes = ['+44']\n", "smpp", "digits"),
        (SMPP + "accounts = 3\n", "smpp.accounts", "list of tables"),
        (SMPP + "accounts = []\n", "smpp.accounts", "64"),
        (SMPP + "[[smpp.accounts]]\n[[smpp.accounts]]\n", "smpp.accounts", "no two the same"),
        (SMPP + "[[smpp.accounts]]\nname = 'x'\nhots = 'h'\n", "smpp.accounts.x.hots", "host"),
        (SMPP + "[[smpp.accounts]]\nport = 0\n", "smpp.accounts.1", "65"),
        (SMPP + "bind_mode = 'both'\n", "smpp", "both"),
        (SMPP + "interface_version = 0x33\n", "smpp", "pair"),
        (SMPP + "tls_ca_file = 'x'\n", "smpp", "must be true"),
        (SMPP + "tls = true\ntls_key_file = 'x'\n", "smpp", "tls_certificate_file"),
        ("[https]\nhost = 'h'\nport = '8443'\n", "https", "port"),
        ("[https]\nhost = 'h'\nport = 8443\nworkers = 0\n", "workers", "1 to 64"),
        ("[https]\nhost = 'h'\nport = 8443\n[[https.quirks]]\neid_prefix = '89x'\n", "eid_prefix", "digits"),
        ("[log]\nlevel = 'loud'\n", "log.level", "warning"),
        ("[log]\nformat = 'xml'\n", "log.format", "json"),
        ("[log]\nfile = 'x'\n", "log", "level and format"),
    ],
)
def test_what_is_wrong_is_named_with_its_rule(tmp_path: Path, text: str, field: str, rule: str) -> None:
    with pytest.raises(InputError) as caught:
        load(write(tmp_path, text))
    assert field in caught.value.field
    assert rule in str(caught.value)


def test_workers_and_quirks_of_the_https_transport(tmp_path: Path) -> None:
    text = '[https]\nhost = "h"\nport = 8443\nworkers = 3\n[[https.quirks]]\neid_prefix = "8903"\n'
    https = load(write(tmp_path, text + 'body_framing = "content-length"\n')).https
    assert https is not None
    assert https.workers == 3
    assert https.framing_for("8903" + "0" * 28).value == "content-length"
    assert https.framing_for("8904" + "0" * 28).value == "chunked"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="TOML"):
        load(tmp_path)


def test_no_password_appears_in_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(write(tmp_path, SMPP.replace("2775", "70000").replace('"p"', '"hunter2"')))
    assert "hunter2" not in str(caught.value)
