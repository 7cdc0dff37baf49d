"""Envelopes that GnuPG made are imported, envelopes of ours GnuPG opens: the stranger for OpenPGP, both ways."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openpgp.composed import SignedPublicKey

from cli_run import ferryman
from ferryman.errors import InputError, PeerError
from ferryman.profile.demo_template import demo_template
from ferryman.profile.subscriptions import luhn_digit
from ferryman.secure import openpgp
from premises import subscriptions

GPG = shutil.which("gpg")
pytestmark = [
    pytest.mark.skipif(GPG is None, reason="no gpg program on this machine"),
    pytest.mark.timeout(300),
]
ROWS = 300
OURS = "dp@example.org"


class Gnupg:
    """GnuPG with a home of its own; the socket of its agent allows no long path."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *words: str, data: bytes = b"", fails: bool = False) -> subprocess.CompletedProcess[bytes]:
        options = (
            "--batch",
            "--yes",
            "--trust-model",
            "always",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        )
        command = [str(GPG), "--homedir", str(self.home), *options, "--passphrase", "", *words]
        ran = subprocess.run(command, input=data, capture_output=True, timeout=120, check=False)
        assert bool(ran.returncode) is fails, ran.stderr.decode()
        return ran

    def make(self, name: str, algorithm: str, encryption: str) -> bytes:
        """A key for signatures with a subkey for encryption; its public half."""
        self("--quick-gen-key", name, algorithm, "sign,cert", "1d")
        listed = self("--list-keys", "--with-colons", name).stdout.decode().splitlines()
        fingerprint = next(line.split(":")[9] for line in listed if line.startswith("fpr"))
        self("--quick-add-key", fingerprint, encryption, "encrypt", "1d")
        return self("--export", fingerprint).stdout


@pytest.fixture(scope="module")
def gpg() -> Iterator[Gnupg]:
    with tempfile.TemporaryDirectory(prefix="gnupg") as folder:
        os.chmod(folder, 0o700)
        (Path(folder) / "gpg-agent.conf").write_text("s2k-count 65536\n")  # a passphrase of a test may be weak
        gnupg = Gnupg(Path(folder))
        yield gnupg
        subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=False, capture_output=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, gpg: Gnupg) -> tuple[str, ...]:
    """An installation with a template and a key that GnuPG knows; the options that name it."""
    folder = tmp_path_factory.mktemp("gpg")
    base = ("--data", str(folder / "data"), "--json")
    (folder / "t.der").write_bytes(demo_template())
    run("template", "import", str(folder / "t.der"), "--name", "demo", *base)
    made = run("key", "make-openpgp", "--user-id", f"Ferryman <{OURS}>", *base)
    gpg("--import", data=made["public"].encode())
    assert run("key", "show-openpgp", *base)["fingerprint"] == made["fingerprint"]
    return base


def run(*words: str) -> Any:
    said = ferryman(*words)
    assert said.code == 0, said.err
    return said.json


@pytest.mark.parametrize(
    ("name", "algorithm", "encryption", "options"),
    [
        ("rsa", "rsa2048", "rsa2048", ()),
        ("ed", "ed25519", "cv25519", ("--armor", "--cipher-algo", "AES128")),
        ("nist", "nistp256", "nistp256", ("--compress-algo", "none")),
        ("nist384", "nistp384", "nistp384", ("--compress-algo", "bzip2")),
    ],
)
def test_both_ways(
    tmp_path: Path,
    gpg: Gnupg,
    place: tuple[str, ...],
    name: str,
    algorithm: str,
    encryption: str,
    options: tuple[str],
) -> None:
    file, sealed, back = tmp_path / "s.csv", tmp_path / "s.csv.gpg", tmp_path / "hlr.gpg"
    count = ROWS if name == "rsa" else 3
    file.write_text(subscriptions(count, f"gpg {name}"))
    if name != "rsa":  # each import has numbers of its own
        digit = {"ed": "7", "nist": "8", "nist384": "9"}[name]
        file.write_text(_renumbered(file.read_text(), digit))
    peer = tmp_path / "peer.gpg"
    peer.write_bytes(gpg.make(f"{name}@example.org", algorithm, encryption))
    run("key", "import-openpgp", str(peer), "--name", name, *place)
    words = ("--recipient", OURS, "--sign", "--local-user", f"{name}@example.org", "--output", str(sealed))
    gpg(*options, *words, "--encrypt", str(file))
    asked = ("subscription", "import", str(sealed), "--profile-type", "demo", "--openpgp", "--signed-by", name)
    done = run(*asked, *place)
    assert done["new"] == count

    run("subscription", "export", done["import_id"], "--openpgp", name, "--out", str(back), *place)
    opened = gpg("--status-fd", "2", "--decrypt", str(back))
    assert b"GOODSIG" in opened.stderr
    assert b"GOODMDC" in opened.stderr
    given = {row["ICCID"]: row for row in csv.DictReader(io.StringIO(file.read_text()))}
    found = list(csv.DictReader(io.StringIO(opened.stdout.decode())))
    assert len(found) == count
    assert all(row[field] == given[row["ICCID"]][field] for row in found for field in ("IMSI", "KI", "OPC"))


def _renumbered(text: str, digit: str) -> str:
    """The same subscriptions with other numbers: the ninth digit of ICCID, IMSI and MSISDN."""
    lines = text.splitlines()
    for at, line in enumerate(lines[1:], start=1):
        cells = line.split(",")
        body = cells[0][:8] + digit + cells[0][9:-1]
        cells[0] = body + luhn_digit(body)
        cells[1] = cells[1][:6] + digit + cells[1][7:]
        lines[at] = ",".join(cells)
    return "\n".join(lines) + "\n"


def test_what_gpg_made_wrong_is_refused(tmp_path: Path, gpg: Gnupg, place: tuple[str, ...]) -> None:
    file = tmp_path / "s.csv"
    file.write_text(_renumbered(subscriptions(5, "gpg wrong"), "6"))
    gpg.make("stranger@example.org", "ed25519", "cv25519")
    peer = tmp_path / "peer.gpg"
    peer.write_bytes(gpg.make("friend@example.org", "ed25519", "cv25519"))
    run("key", "import-openpgp", str(peer), "--name", "friend", *place)
    cases = {
        "not signed": ("--recipient", OURS, "--encrypt"),
        "of a stranger": ("--recipient", OURS, "--sign", "--local-user", "stranger@example.org", "--encrypt"),
        "to another": ("--recipient", "stranger@example.org", "--encrypt"),
        "without MDC": ("--recipient", OURS, "--rfc2440", "--disable-mdc", "--encrypt"),
        "only signed": ("--sign", "--local-user", "friend@example.org"),
    }
    before = run("subscription", "imports", *place)
    for case, words in cases.items():
        sealed = tmp_path / f"{case}.gpg"
        gpg("--output", str(sealed), *words, str(file))
        said = ferryman(
            *("subscription", "import", sealed, "--profile-type", "demo", "--signed-by", "friend"), *place
        )
        assert said.code == 1, case
        assert "envelope" in said.err, case
        assert ("no integrity protection" in said.err) == (case == "without MDC"), said.err
    assert run("subscription", "imports", *place) == before


def test_a_key_with_a_passphrase_is_refused(tmp_path: Path, gpg: Gnupg, place: tuple[str, ...]) -> None:
    locked = tmp_path / "locked.gpg"
    gpg("--passphrase", "secret", "--quick-gen-key", "locked@example.org", "ed25519", "sign,cert", "1d")
    locked.write_bytes(gpg("--passphrase", "secret", "--export-secret-keys", "locked@example.org").stdout)
    said = ferryman("key", "import-openpgp", locked, *place)
    assert said.code == 1
    assert "has a passphrase" in said.err


def test_keys_that_have_expired_or_are_revoked(gpg: Gnupg, place: tuple[str, ...]) -> None:
    now = time.time()
    public = gpg.make("brief@example.org", "ed25519", "cv25519")
    ours = openpgp.make_key("Ferryman", now)
    gpg("--import", data=openpgp.public_of(ours))
    recipient = ("--recipient", SignedPublicKey.from_bytes(openpgp.public_of(ours)).fingerprint)
    signed = gpg(*recipient, "--sign", "--local-user", "brief@example.org", "--encrypt", data=b"rows").stdout
    assert openpgp.open_message(signed, (ours,), public, now) == b"rows"
    assert openpgp.seal_message(b"rows", public, ours, now, name="x")
    late = now + 2 * 86_400
    with pytest.raises(PeerError, match="no longer valid"):
        openpgp.open_message(signed, (ours,), public, late)
    with pytest.raises(InputError, match="has expired"):
        openpgp.seal_message(b"rows", public, ours, late, name="x")

    gpg("--command-fd", "0", "--edit-key", "brief@example.org", data=b"key 1\nrevkey\ny\n1\n\ny\nsave\n")
    without = gpg("--export", "brief@example.org").stdout
    with pytest.raises(InputError, match="no valid subkey"):
        openpgp.seal_message(b"rows", without, ours, now, name="x")
    fingerprint = SignedPublicKey.from_bytes(public).fingerprint.upper()
    certificate = (gpg.home / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text().replace(":-----", "-----")
    gpg("--import", data=certificate.encode())
    revoked = gpg("--export", "brief@example.org").stdout
    with pytest.raises(InputError, match="is revoked"):
        openpgp.seal_message(b"rows", revoked, ours, now, name="x")
    with pytest.raises(PeerError, match="no longer valid"):
        openpgp.open_message(signed, (ours,), revoked, now)
